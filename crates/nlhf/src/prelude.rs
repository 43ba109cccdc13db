//! The traits, and the nouns that most programs need: `use nlhf::prelude::*`.

#[doc(no_inline)]
pub use nlhf_core::{
    Certificate, Comparison, ConfidenceWidth, Distribution, Eta, FitPreference, Label, Menu, Menus,
    NashSolver, Observer, Oracle, Policy, PolicyClass, PreferenceModel, Profile, PromptId,
    RegularizedGame, ResponseId, Scale, SeedTree, UniformPolicy, ZeroSumGame,
};
