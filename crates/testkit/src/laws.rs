//! The laws of the extension points, as functions that panic where one is broken.

mod feature_map;
mod game;
mod oracle;
mod parametrized_policy;
mod policy;
mod policy_sampling;
mod preference;
mod solver;

pub use feature_map::check_feature_map;
pub use game::check_zero_sum_game;
pub use oracle::check_oracle;
pub use parametrized_policy::check_parametrized_policy;
pub use policy::{check_policy_class, check_policy_class_at_extremes};
pub use policy_sampling::{check_policy_sampling, drawn_positions};
pub use preference::{check_confidence_width, check_preference_model};
pub use solver::{check_closed_form, check_solver};
