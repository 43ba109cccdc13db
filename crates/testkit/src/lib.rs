//! What the tests of every crate share: laws, games with known answers, and inputs to try them on.
//!
//! * Law checkers for the extension points of `nlhf-core`. A third party's model, game, solver or
//!   policy class passes the same suite as the built-in ones: [`check_preference_model`],
//!   [`check_confidence_width`], [`check_zero_sum_game`], [`check_solver`], [`check_closed_form`],
//!   [`check_policy_class`], [`check_policy_sampling`], [`check_parametrized_policy`], [`check_feature_map`],
//!   [`check_oracle`].
//! * [`ClosedForm`]: games whose equilibrium is known exactly, each with its derivation, and
//!   [`closed_forms`], an assortment of them over six decades and more of η and priors down to 1e-300.
//! * Seeded random games ([`random_skew`], [`cyclic_skew`], [`random_general`], [`random_prior`]) and
//!   proptest [`strategies`].
//! * [`ExactGap`]: gap, regrets and value from their definitions with as many bits as asked for, which the
//!   certificates of `nlhf-core` are measured against, and [`Sharpness`], how near they must come.
//!
//! Checkers panic with the numbers that broke the law. This crate is a dev-dependency only.

mod closed_form;
mod closed_form_list;
mod exact_gap;
mod families;
mod laws;
mod random_games;
mod sharpness;
pub mod strategies;

pub use closed_form::ClosedForm;
pub use closed_form_list::closed_forms;
pub use exact_gap::{ExactGap, exact_gap};
pub use families::{
    FAMILIES, family_game, family_prior, pessimistic_family_game, random_family_game,
};
pub use laws::{
    check_closed_form, check_confidence_width, check_feature_map, check_oracle,
    check_parametrized_policy, check_policy_class, check_policy_class_at_extremes,
    check_policy_sampling, check_preference_model, check_solver, check_zero_sum_game,
    drawn_positions,
};
pub use random_games::{cyclic_skew, random_general, random_prior, random_skew};
pub use sharpness::{Sharpness, certificate_error_bound};
