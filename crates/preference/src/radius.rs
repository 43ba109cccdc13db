//! Maximum likelihood within a ball: the ridge is raised until the parameters fit in.
//!
//! ```text
//! min f(θ) subject to ‖θ‖ ≤ S   ⇔   the ridge estimate θ(λ') with the smallest λ' ≥ λ and ‖θ(λ')‖ ≤ S
//! ```
//! `‖θ(λ')‖` falls in `λ'`, so that a bracket finds it, to a thousandth of the radius.

use crate::newton::{DenseDesign, Likelihood, Minimum, minimize};
use nalgebra::DVector;

/// How far inside the ball the answer may lie, relative to its radius.
const RADIUS_TOLERANCE: f64 = 1e-3;

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
    // ‖θ(λ)‖ falls in λ, about like a power of it: widen until it fits in, then interpolate log-log.
    let (mut low, mut norm_low) = (ridge, free.theta.norm());
    let mut high = 4.0 * ridge;
    let mut inside = solve(high, free.theta.clone())?;
    let mut iterations = free.iterations + inside.iterations;
    while inside.theta.norm() > radius {
        (low, norm_low) = (high, inside.theta.norm());
        high *= 4.0;
        inside = solve(high, inside.theta)?;
        iterations += inside.iterations;
    }
    for _ in 0..40 {
        let norm_high = inside.theta.norm();
        if norm_high >= (1.0 - RADIUS_TOLERANCE) * radius {
            break;
        }
        // Aim a little inside the ball, so that the answer is approached from where it counts.
        let aim = (1.0 - 0.5 * RADIUS_TOLERANCE) * radius;
        let part = ((norm_low / aim).ln() / (norm_low / norm_high).ln()).clamp(0.05, 0.95);
        let middle = low * (high / low).powf(part);
        let trial = solve(middle, inside.theta.clone())?;
        iterations += trial.iterations;
        if trial.theta.norm() > radius {
            (low, norm_low) = (middle, trial.theta.norm());
        } else {
            (high, inside) = (middle, trial);
        }
    }
    Some((Minimum { iterations, ..inside }, true))
}
