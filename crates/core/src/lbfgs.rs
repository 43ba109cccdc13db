//! L-BFGS for smooth functions that need not be convex.
//!
//! ```text
//! θ ← θ − α B ∇f(θ),  B = BFGS updates of (s'y / y'y) I with the last 10 steps
//! ```
//! Steps are halved until f falls enough (Armijo) and its gradient is finite. Corrections without positive curvature are left out, so
//! that every direction descends; where there are none yet, steps double from length one on. Source: Liu and Nocedal (1989).

use crate::FitStatus;
use std::collections::VecDeque;

/// Steps remembered.
const MEMORY: usize = 10;

/// Where the search ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Minimum {
    /// The point: no worse than the start, but for rounding of up to 1e-14 of the value a step.
    pub point: Vec<f64>,
    /// The value there.
    pub value: f64,
    /// The largest entry of the gradient there.
    pub gradient_max: f64,
    /// Steps taken.
    pub iterations: usize,
    /// Why it ended.
    pub status: FitStatus,
}

/// A step, the change of the gradient along it, and their product.
type Correction = (Vec<f64>, Vec<f64>, f64);

/// Minimizes `f`, which writes the gradient at its argument and returns the value there, until no entry of the gradient
/// exceeds `tolerance`, or for `max_iterations` steps; `None` if the start is not finite, or a value is −∞.
pub fn minimize(
    mut f: impl FnMut(&[f64], &mut [f64]) -> f64,
    start: Vec<f64>,
    tolerance: f64,
    max_iterations: usize,
) -> Option<Minimum> {
    let mut point = start;
    let mut gradient = vec![0.0; point.len()];
    let mut value = f(&point, &mut gradient);
    let mut memory: VecDeque<Correction> = VecDeque::new();
    let mut trial = point.clone();
    let mut trial_gradient = gradient.clone();
    let mut iterations = 0;
    // The length of a step of which no curvature is known.
    let mut stride = 1.0;
    loop {
        let gradient_max = gradient.iter().fold(0.0, |most: f64, g| most.max(g.abs()));
        // A maximum passes over what is no number; the sum does not.
        if !gradient.iter().sum::<f64>().is_finite() || !value.is_finite() {
            return None;
        }
        let status = if gradient_max <= tolerance {
            Some(FitStatus::Converged)
        } else if iterations == max_iterations {
            Some(FitStatus::IterationLimit)
        } else {
            None
        };
        let step = direction(&gradient, &memory);
        let slope = dot(&gradient, &step);
        let mut length = if memory.is_empty() { stride / norm(&gradient).max(1.0) } else { 1.0 };
        // Near the minimum the decrease drowns in rounding.
        let slack = 1e-14 * value.abs();
        let accepted = status.is_none().then(|| {
            while length >= 1e-12 {
                for ((trial, point), step) in trial.iter_mut().zip(&point).zip(&step) {
                    *trial = point - length * step;
                }
                let reached = f(&trial, &mut trial_gradient);
                // From where there is no gradient there is no way on.
                let goes_on = trial_gradient.iter().sum::<f64>().is_finite();
                if goes_on && reached <= value - 1e-4 * length * slope + slack {
                    return Some(reached);
                }
                length *= 0.5;
            }
            None
        });
        let Some(Some(reached)) = accepted else {
            let status = status.unwrap_or(FitStatus::Stalled);
            return Some(Minimum { point, value, gradient_max, iterations, status });
        };
        let moved = difference(&trial, &point);
        let change = difference(&trial_gradient, &gradient);
        let curvature = dot(&moved, &change);
        if curvature > 1e-12 * dot(&change, &change) {
            if memory.len() == MEMORY {
                memory.pop_front();
            }
            memory.push_back((moved, change, curvature));
        } else if memory.is_empty() && reached < value {
            stride *= 2.0;
        } else if reached >= value {
            let status = FitStatus::Stalled;
            return Some(Minimum { point, value, gradient_max, iterations, status });
        }
        std::mem::swap(&mut point, &mut trial);
        std::mem::swap(&mut gradient, &mut trial_gradient);
        value = reached;
        iterations += 1;
    }
}

/// `B∇f` by the two-loop recursion.
fn direction(gradient: &[f64], memory: &VecDeque<Correction>) -> Vec<f64> {
    let mut q = gradient.to_vec();
    let mut shares = Vec::with_capacity(memory.len());
    for (step, change, curvature) in memory.iter().rev() {
        let share = dot(step, &q) / curvature;
        add(&mut q, -share, change);
        shares.push(share);
    }
    if let Some((_, change, curvature)) = memory.back() {
        let scale = curvature / dot(change, change);
        for q in &mut q {
            *q *= scale;
        }
    }
    for ((step, change, curvature), share) in memory.iter().zip(shares.iter().rev()) {
        let back = dot(change, &q) / curvature;
        add(&mut q, share - back, step);
    }
    q
}

fn dot(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(x, y)| x * y).sum()
}

fn norm(x: &[f64]) -> f64 {
    dot(x, x).sqrt()
}

fn difference(x: &[f64], y: &[f64]) -> Vec<f64> {
    x.iter().zip(y).map(|(x, y)| x - y).collect()
}

/// `x ← x + c·y`.
fn add(x: &mut [f64], c: f64, y: &[f64]) {
    for (x, y) in x.iter_mut().zip(y) {
        *x += c * y;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_banana_shaped_valley_is_followed_to_its_end() {
        // Rosenbrock's function, minimum at (1, 1).
        let f = |x: &[f64], g: &mut [f64]| {
            let (a, b) = (1.0 - x[0], x[1] - x[0] * x[0]);
            (g[0], g[1]) = (-2.0 * a - 400.0 * x[0] * b, 200.0 * b);
            a * a + 100.0 * b * b
        };
        let found = minimize(f, vec![-1.2, 1.0], 1e-9, 1000).unwrap();
        assert_eq!(found.status, FitStatus::Converged);
        assert!((found.point[0] - 1.0).abs() < 1e-8 && found.iterations < 80, "{found:?}");
        let cut = minimize(f, vec![-1.2, 1.0], 1e-9, 3).unwrap();
        assert_eq!((cut.status, cut.iterations), (FitStatus::IterationLimit, 3));
    }

    #[test]
    fn a_plain_is_crossed_in_strides() {
        // Flat but for its slope, and a parabola from 1e6 on.
        let f = |x: &[f64], g: &mut [f64]| {
            let beyond = (x[0] - 1e6).max(0.0);
            g[0] = beyond - 1.0;
            0.5 * beyond * beyond - x[0]
        };
        let found = minimize(f, vec![0.0], 1e-9, 100).unwrap();
        assert_eq!(found.status, FitStatus::Converged);
        assert!((found.point[0] - 1e6 - 1.0).abs() < 1e-3, "{found:?}");
    }

    #[test]
    fn what_is_not_finite_is_no_minimum() {
        let nowhere = |_: &[f64], g: &mut [f64]| {
            g.fill(f64::NAN);
            0.0
        };
        assert_eq!(minimize(nowhere, vec![0.0], 1e-9, 10), None);
    }

    #[test]
    fn a_step_to_where_there_is_no_gradient_is_halved() {
        // The curvature between 3 and 2 promises a step to −15.
        let f = |x: &[f64], g: &mut [f64]| {
            let value = (1.0 + x[0] * x[0]).sqrt();
            g[0] = x[0] / value;
            if x[0] > -5.0 {
                return value;
            }
            g[0] = f64::NAN;
            0.5
        };
        let found = minimize(f, vec![3.0], 1e-9, 100).unwrap();
        assert_eq!(found.status, FitStatus::Converged);
        assert!(found.point[0].abs() < 1e-8, "{found:?}");
    }
}
