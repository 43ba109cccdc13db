//! Maximum likelihood within a ball: the ridge is raised until the parameters fit in.
//!
//! ```text
//! min f(θ) subject to ‖θ‖ ≤ S   ⇔   the ridge estimate θ(λ') with the smallest λ' ≥ λ and ‖θ(λ')‖ ≤ S
//! ```
//! `‖θ(λ')‖` falls in `λ'`, so bisection finds it.

use crate::newton::{DenseDesign, Likelihood, Minimum, minimize};
use nalgebra::DVector;

/// The minimum with `‖θ‖ ≤ radius`: that of the smallest larger ridge which holds it there.
pub(crate) fn within_radius(
    design: &DenseDesign,
    weights: &[f64],
    wins: &[f64],
    ridge: f64,
    radius: f64,
) -> Option<(Minimum, bool)> {
    let solve = |ridge: f64, start: DVector<f64>| {
        let likelihood = Likelihood { design, weights, wins, ridge, box_size: f64::INFINITY };
        minimize(&likelihood, start)
    };
    let free = solve(ridge, DVector::zeros(design.columns.nrows()))?;
    if free.theta.norm() <= radius {
        return Some((free, false));
    }
    // ‖θ(λ)‖ falls in λ: widen, then bisect log λ.
    let (mut low, mut high) = (ridge, 2.0 * ridge);
    let mut inside = solve(high, free.theta.clone())?;
    let mut iterations = free.iterations + inside.iterations;
    while inside.theta.norm() > radius {
        (low, high) = (high, 4.0 * high);
        inside = solve(high, inside.theta)?;
        iterations += inside.iterations;
    }
    for _ in 0..40 {
        if inside.theta.norm() >= (1.0 - 1e-9) * radius {
            break;
        }
        let middle = (low * high).sqrt();
        let trial = solve(middle, inside.theta.clone())?;
        iterations += trial.iterations;
        if trial.theta.norm() > radius {
            low = middle;
        } else {
            (high, inside) = (middle, trial);
        }
    }
    Some((Minimum { iterations, ..inside }, true))
}
