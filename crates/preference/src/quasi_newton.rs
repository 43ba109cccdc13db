//! Preconditioned L-BFGS for a ridge-penalized logistic likelihood, where Hessians are dear.
//!
//! ```text
//! H₀ = Z' diag(w/4) Z + λI  ⪰  ∇²f(θ)      the Hessian at θ = 0, once for all iterations
//! θ ← θ − α B ∇f(θ),  B = BFGS updates of H₀⁻¹ with the last 10 steps
//! ```
//! `wσσ' ∈ [4σσ'(B), 1] · w/4` on log-odds within B: the preconditioned Hessian has a condition number of at
//! most `1/(4κ(B))`, however ill-conditioned the features are. A sample of the rows serves nearly as
//! well. Steps are halved until f falls enough (Armijo). L-BFGS: Liu and Nocedal, 1989.

use crate::newton::{Likelihood, Minimum};
use nalgebra::{Cholesky, DVector, Dyn};
use nlhf_core::FitStatus;
use std::collections::VecDeque;

const MAX_ITERATIONS: usize = 500;
/// The gradient per unit of weight that is asked for at least: each digit costs another pass over the rows, and data of
/// n judgements tell their mean to 1/√n.
const TOLERANCE: f64 = 1e-9;
/// Steps remembered.
const MEMORY: usize = 10;

/// A step `s` and the change `y` of the gradient along it.
struct Correction {
    step: DVector<f64>,
    change: DVector<f64>,
    curvature: f64,
}

/// Minimizes from `start` with the Cholesky factor of a matrix near the Hessian; `None` if an iterate is
/// not finite.
pub(crate) fn minimize_preconditioned(
    likelihood: &Likelihood<'_>,
    preconditioner: &Cholesky<f64, Dyn>,
    start: DVector<f64>,
) -> Option<Minimum> {
    let (design, ridge) = (likelihood.design, likelihood.ridge);
    let (n_rows, dimension) = (likelihood.weights.len(), design.dimension());
    let total = likelihood.weights.iter().sum::<f64>().max(f64::MIN_POSITIVE);
    let mut theta = start;
    let (mut t, mut row) = (vec![0.0; n_rows], vec![0.0; n_rows]);
    let mut gradient = DVector::zeros(dimension);
    design.predict(&theta, &mut t);
    let mut loss = likelihood.slopes_and_loss(&t, &mut row);
    let mut objective = loss + 0.5 * ridge * theta.norm_squared();
    let mut memory: VecDeque<Correction> = VecDeque::with_capacity(MEMORY);
    let (mut best, mut flat) = (f64::INFINITY, 0);
    let mut last: Option<(DVector<f64>, DVector<f64>)> = None;
    for iterations in 0.. {
        design.transpose(&row, &mut gradient);
        gradient.axpy(ridge, &theta, 1.0);
        let largest = gradient.amax() / total;
        if !largest.is_finite() || !objective.is_finite() {
            return None;
        }
        let status = if largest <= likelihood.tolerance.max(TOLERANCE) {
            Some(FitStatus::Converged)
        } else if flat >= 3 {
            Some(FitStatus::Stalled)
        } else if iterations == MAX_ITERATIONS {
            Some(FitStatus::IterationLimit)
        } else {
            None
        };
        if let Some(status) = status {
            return Some(Minimum {
                loss,
                bound_active: false,
                gradient_max: largest,
                theta,
                iterations,
                status,
            });
        }
        if let Some((step, before)) = last.take() {
            let change = &gradient - before;
            let curvature = step.dot(&change);
            if curvature > 0.0 {
                if memory.len() == MEMORY {
                    memory.pop_front();
                }
                memory.push_back(Correction { step, change, curvature });
            }
        }
        let step = direction(&gradient, preconditioner, &memory);
        let slope = gradient.dot(&step);
        let mut length = 1.0;
        loop {
            let trial = &theta - length * &step;
            design.predict(&trial, &mut t);
            loss = likelihood.slopes_and_loss(&t, &mut row);
            let value = loss + 0.5 * ridge * trial.norm_squared();
            // Near the minimum the decrease drowns in rounding: that much slack lets the step through.
            let slack = 4.0 * f64::EPSILON * (4.0 + n_rows as f64).sqrt() * objective.abs();
            if value <= objective - 1e-4 * length * slope + slack || length < 1e-12 {
                // Rounding ends the progress: the gradient no longer falls where the objective cannot.
                let rounded = value >= objective - slack && largest > 0.9 * best;
                flat = if rounded { flat + 1 } else { 0 };
                best = best.min(largest);
                last = Some((&trial - &theta, gradient.clone()));
                (theta, objective) = (trial, value);
                break;
            }
            length *= 0.5;
        }
    }
    None
}

/// `B∇f` by the two-loop recursion.
fn direction(
    gradient: &DVector<f64>,
    preconditioner: &Cholesky<f64, Dyn>,
    memory: &VecDeque<Correction>,
) -> DVector<f64> {
    let mut q = gradient.clone();
    let mut shares = Vec::with_capacity(memory.len());
    for correction in memory.iter().rev() {
        let share = correction.step.dot(&q) / correction.curvature;
        q.axpy(-share, &correction.change, 1.0);
        shares.push(share);
    }
    preconditioner.solve_mut(&mut q);
    for (correction, share) in memory.iter().zip(shares.iter().rev()) {
        let back = correction.change.dot(&q) / correction.curvature;
        q.axpy(share - back, &correction.step, 1.0);
    }
    q
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::newton::{DenseDesign, Design, GRADIENT_TOLERANCE, minimize};
    use nalgebra::DMatrix;

    /// Rows of features whose lengths fall by `e^-decay` from one to the next, and soft labels.
    fn problem(d: usize, n: usize, decay: f64) -> (DenseDesign, Vec<f64>, Vec<f64>) {
        let noise = |k: usize| ((k as f64 * 12.9898).sin() * 43758.5453).fract();
        let columns =
            DMatrix::from_fn(d, n, |i, k| 3.0 * (-decay * i as f64).exp() * noise(d * k + i));
        let weights: Vec<f64> = (0..n).map(|k| 1.0 + 2.0 * noise(7 * k + 3).abs()).collect();
        let wins = weights.iter().enumerate().map(|(k, w)| w * noise(5 * k + 1).abs()).collect();
        (DenseDesign { columns }, weights, wins)
    }

    #[test]
    fn it_ends_where_newton_does_however_bad_the_conditioning() {
        for (decay, ridge) in [(0.0, 1.0), (1.0, 1.0), (1.0, 1e-6), (2.0, 1e-3)] {
            let (design, weights, wins) = problem(12, 700, decay);
            let likelihood = Likelihood {
                design: &design,
                weights: &weights,
                wins: &wins,
                ridge,
                box_size: f64::INFINITY,
                tolerance: GRADIENT_TOLERANCE,
            };
            let newton = minimize(&likelihood, DVector::zeros(12)).unwrap();
            let mut gram = DMatrix::zeros(12, 12);
            design.gram(&weights, &mut gram);
            let near = gram * 0.25 + DMatrix::identity(12, 12) * ridge;
            let near = Cholesky::new(near).unwrap();
            let found = minimize_preconditioned(&likelihood, &near, DVector::zeros(12)).unwrap();
            assert_eq!(found.status, FitStatus::Converged, "{found:?}");
            assert!(found.gradient_max <= TOLERANCE);
            assert!(found.iterations < 40, "{} iterations", found.iterations);
            // In units of the curvature: what the likelihood does not see may differ.
            let (mut t, mut want) = (vec![0.0; 700], vec![0.0; 700]);
            design.predict(&found.theta, &mut t);
            design.predict(&newton.theta, &mut want);
            assert!(t.iter().zip(&want).all(|(t, want)| (t - want).abs() < 1e-6));
        }
    }

    #[test]
    fn certain_labels_end_in_a_status_and_not_in_a_loop() {
        let columns = DMatrix::from_row_slice(2, 3, &[1.0, -1.0, 30.0, 0.5, 0.25, -20.0]);
        let design = DenseDesign { columns };
        let (weights, wins) = ([1.0, 1.0, 1.0], [1.0, 0.0, 1.0]);
        let likelihood = Likelihood {
            design: &design,
            weights: &weights,
            wins: &wins,
            ridge: 1e-8,
            box_size: f64::INFINITY,
            tolerance: GRADIENT_TOLERANCE,
        };
        let mut gram = DMatrix::zeros(2, 2);
        design.gram(&weights, &mut gram);
        let near = Cholesky::new(gram * 0.25 + DMatrix::identity(2, 2) * 1e-8).unwrap();
        let far = DVector::from_vec(vec![-50.0, 40.0]);
        let found = minimize_preconditioned(&likelihood, &near, far).unwrap();
        assert!(found.gradient_max < 1e-6, "{found:?}");
    }
}
