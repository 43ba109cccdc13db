//! L-BFGS for smooth functions that need not be convex.
//!
//! ```text
//! θ ← θ − α B ∇f(θ),  B = BFGS updates of (s'y / y'y) I with the last 10 steps
//! ```
//! Steps are halved until f falls enough (Armijo). Corrections without positive curvature are left out, so that
//! every direction descends. Source: Liu and Nocedal (1989).

use crate::newton::Minimum;
use nalgebra::DVector;
use nlhf_core::FitStatus;
use std::collections::VecDeque;

/// Steps remembered.
const MEMORY: usize = 10;
const MAX_ITERATIONS: usize = 1000;

/// Minimizes `f`, which writes the gradient at its argument and returns the value there, until the gradient
/// is at most `tolerance`; `None` if an iterate is not finite. The loss of the minimum is that of `f`.
pub(crate) fn minimize_smooth(
    mut f: impl FnMut(&DVector<f64>, &mut DVector<f64>) -> f64,
    start: DVector<f64>,
    tolerance: f64,
) -> Option<Minimum> {
    let mut theta = start;
    let mut gradient = DVector::zeros(theta.len());
    let mut value = f(&theta, &mut gradient);
    let mut memory: VecDeque<(DVector<f64>, DVector<f64>, f64)> = VecDeque::new();
    let mut trial_gradient = gradient.clone();
    for iterations in 0.. {
        let gradient_max = gradient.amax();
        if !gradient_max.is_finite() || !value.is_finite() {
            return None;
        }
        let status = if gradient_max <= tolerance {
            Some(FitStatus::Converged)
        } else if iterations == MAX_ITERATIONS {
            Some(FitStatus::IterationLimit)
        } else {
            None
        };
        let ended = |status| Minimum {
            theta: theta.clone(),
            gradient_max,
            loss: value,
            iterations,
            status,
            bound_active: false,
        };
        if let Some(status) = status {
            return Some(ended(status));
        }
        let step = direction(&gradient, &memory);
        let slope = gradient.dot(&step);
        let mut length = if memory.is_empty() { 1.0 / gradient.norm().max(1.0) } else { 1.0 };
        // Near the minimum the decrease drowns in rounding.
        let slack = 1e-14 * value.abs();
        let accepted = loop {
            let trial = &theta - length * &step;
            let reached = f(&trial, &mut trial_gradient);
            if reached <= value - 1e-4 * length * slope + slack {
                break Some((trial, reached));
            }
            length *= 0.5;
            if length < 1e-12 {
                break None;
            }
        };
        let Some((trial, reached)) = accepted else { return Some(ended(FitStatus::Stalled)) };
        let (moved, change) = (&trial - &theta, &trial_gradient - &gradient);
        let curvature = moved.dot(&change);
        if curvature > 1e-12 * change.norm_squared() {
            if memory.len() == MEMORY {
                memory.pop_front();
            }
            memory.push_back((moved, change, curvature));
        } else if reached >= value {
            return Some(ended(FitStatus::Stalled));
        }
        (theta, value) = (trial, reached);
        std::mem::swap(&mut gradient, &mut trial_gradient);
    }
    None
}

/// `B∇f` by the two-loop recursion.
fn direction(
    gradient: &DVector<f64>,
    memory: &VecDeque<(DVector<f64>, DVector<f64>, f64)>,
) -> DVector<f64> {
    let mut q = gradient.clone();
    let mut shares = Vec::with_capacity(memory.len());
    for (step, change, curvature) in memory.iter().rev() {
        let share = step.dot(&q) / curvature;
        q.axpy(-share, change, 1.0);
        shares.push(share);
    }
    if let Some((_, change, curvature)) = memory.back() {
        q *= curvature / change.norm_squared();
    }
    for ((step, change, curvature), share) in memory.iter().zip(shares.iter().rev()) {
        let back = change.dot(&q) / curvature;
        q.axpy(share - back, step, 1.0);
    }
    q
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_banana_shaped_valley_is_followed_to_its_end() {
        // Rosenbrock's function, minimum at (1, 1).
        let f = |x: &DVector<f64>, g: &mut DVector<f64>| {
            let (a, b) = (1.0 - x[0], x[1] - x[0] * x[0]);
            (g[0], g[1]) = (-2.0 * a - 400.0 * x[0] * b, 200.0 * b);
            a * a + 100.0 * b * b
        };
        let found = minimize_smooth(f, DVector::from_vec(vec![-1.2, 1.0]), 1e-9).unwrap();
        assert_eq!(found.status, FitStatus::Converged);
        assert!((found.theta[0] - 1.0).abs() < 1e-8 && found.iterations < 80, "{found:?}");
    }
}
