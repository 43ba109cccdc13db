//! What comparisons can bear: agreement, order, connectivity, cycles, which model predicts best, and whether a
//! model can be true.
//!
//! Everything here is computed from comparisons or models alone, and is a plain serializable value.

mod agreement;
mod calibration;
mod connectivity;
mod cross_validation;
mod misfit;
mod transitivity;

pub use agreement::{Agreement, OrderStatistics, agreement, order_statistics};
pub use calibration::{Calibration, CalibrationBin, calibration};
pub use connectivity::{Component, Connectivity, connectivity};
pub use cross_validation::{Contestant, CrossValidation, FoldBy, Score, cross_validate};
pub use misfit::{Contradiction, Misfit, misfit};
pub use transitivity::{Transitivity, TransitivityTest, transitivity};
