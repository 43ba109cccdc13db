//! The traits, and the nouns that most programs need: `use nlhf::prelude::*`.

#[doc(no_inline)]
pub use nlhf_core::{
    Certificate, Comparison, ConfidenceWidth, Distribution, Eta, FeatureMap, FitPreference, Label,
    Menu, Menus, NashSolver, Observer, Oracle, ParametrizedPolicy, Policy, PolicyClass,
    PreferenceModel, Profile, Projected, PromptId, RegularizedGame, ResponseId, Scale, SeedTree,
    UniformPolicy, ZeroSumGame,
};
