//! Maximum likelihood with log-odds within a bound: the ridge is raised until those of the data are.
//!
//! ```text
//! θ(λ') with λ' ≥ λ such that |θ'z| ≤ B on every row;   λ' = λ where that holds at once
//! V' = (λ'/κ) I + Σ w zz'  ⪰  V:   ‖θ(λ') − θ*‖_V' ≤ (1/2κ) √(2 log(1/δ) + log det(V/λ₀)) + S √(λ'/κ)
//! ```
//! The curvature κ is that of σ on [−B, B], so both the estimate and the truth must lie there; the ridge
//! itself may be chosen by the data, because its price is paid in the last term.

use crate::newton::{Design, Likelihood, Minimum, minimize};
use nalgebra::DVector;

/// Bisections of the ridge between one that is too small and one that is not.
const BISECTIONS: usize = 6;

/// The estimate and the ridge in force; `None` if an iterate is not finite.
pub(crate) fn within_bound(
    design: &dyn Design,
    weights: &[f64],
    wins: &[f64],
    ridge: f64,
    bound: f64,
) -> Option<(Minimum, f64)> {
    let mut iterations = 0;
    let mut solve = |ridge: f64, start: DVector<f64>| {
        let likelihood = Likelihood { design, weights, wins, ridge, box_size: f64::INFINITY };
        let minimum = minimize(&likelihood, start)?;
        iterations += minimum.iterations;
        let mut t = vec![0.0; weights.len()];
        design.predict_preference(&minimum.theta, &mut t);
        let inside = t.iter().all(|t| t.abs() <= bound);
        Some((Minimum { iterations, ..minimum }, inside))
    };
    let (mut estimate, mut inside) = solve(ridge, DVector::zeros(design.dimension()))?;
    let (mut low, mut high) = (ridge, ridge);
    while !inside {
        (low, high) = (high, 4.0 * high);
        (estimate, inside) = solve(high, estimate.theta)?;
    }
    if high > ridge {
        for _ in 0..BISECTIONS {
            let middle = (low * high).sqrt();
            let (trial, inside) = solve(middle, estimate.theta.clone())?;
            if inside {
                (high, estimate) = (middle, trial);
            } else {
                low = middle;
            }
        }
    }
    Some((Minimum { iterations, ..estimate }, high))
}
