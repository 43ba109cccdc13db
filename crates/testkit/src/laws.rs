//! The laws of the extension points, as functions that panic where one is broken.

mod game;
mod policy;
mod preference;
mod solver;

pub use game::check_zero_sum_game;
pub use policy::{check_policy_class, check_policy_sampling};
pub use preference::{check_confidence_width, check_preference_model};
pub use solver::{check_closed_form, check_solver};
