//! Damped Newton for a ridge-penalized logistic likelihood, with an optional box.
//!
//! ```text
//! f(θ) = Σ [w log(1 + eᵗ) − v t] + λ‖θ‖²/2,   t = Zθ,   v = Σ weight · label
//! ∇f = Z'(wσ(t) − v) + λθ,    ∇²f = Z' diag(wσ(t)σ(−t)) Z + λI
//! ```
//! Steps are halved until f falls (Armijo): near-certain labels make plain Newton diverge. With a box
//! `|θᵢ| ≤ h` the coordinates that press against it are held and the others take a Newton step, projected
//! (Bertsekas, "Projected Newton methods", 1982).

use crate::logistic_kernel::slopes_and_loss;
use crate::rows;
use nalgebra::{Cholesky, DMatrix, DVector};
use nlhf_core::FitStatus;
use nlhf_core::logistic::sigmoid;

/// The rows `Z` of a likelihood, known through products.
pub(crate) trait Design {
    /// Parameters.
    fn dimension(&self) -> usize;
    /// `t ← Zθ`.
    fn predict(&self, theta: &DVector<f64>, t: &mut [f64]);
    /// The part of `Zθ` that is the preference, without an effect of the presentation order.
    fn predict_preference(&self, theta: &DVector<f64>, t: &mut [f64]) {
        self.predict(theta, t);
    }
    /// `out ← Z'r`.
    fn transpose(&self, r: &[f64], out: &mut DVector<f64>);
    /// `out ← Z' diag(weights) Z`.
    fn gram(&self, weights: &[f64], out: &mut DMatrix<f64>);
    /// `Z_S' diag(weights) Z_S` over every `stride`-th row, where that is cheaper than over all.
    fn sampled_gram(&self, weights: &[f64], stride: usize) -> DMatrix<f64> {
        let n = self.dimension();
        let sampled = weights.iter().enumerate();
        let sampled = sampled.map(|(k, w)| if k.is_multiple_of(stride) { *w } else { 0.0 });
        let mut out = DMatrix::zeros(n, n);
        self.gram(&sampled.collect::<Vec<f64>>(), &mut out);
        out
    }
}

/// A penalized likelihood over the rows of a design.
pub(crate) struct Likelihood<'a> {
    pub(crate) design: &'a dyn Design,
    /// Weight of each row, positive.
    pub(crate) weights: &'a [f64],
    /// Weight times label of each row.
    pub(crate) wins: &'a [f64],
    pub(crate) ridge: f64,
    /// `|θᵢ|` at most this; +∞ for none.
    pub(crate) box_size: f64,
    /// The gradient per unit of weight that is small enough.
    pub(crate) tolerance: f64,
}

/// Where Newton's method ended.
#[derive(Debug, Clone)]
pub(crate) struct Minimum {
    pub(crate) theta: DVector<f64>,
    /// The largest entry of the projected gradient, per unit of weight.
    pub(crate) gradient_max: f64,
    /// `Σ w · log-loss`, without the penalty.
    pub(crate) loss: f64,
    pub(crate) iterations: usize,
    pub(crate) status: FitStatus,
    /// Whether a coordinate presses against the box.
    pub(crate) bound_active: bool,
}

const MAX_ITERATIONS: usize = 100;
/// The tolerance of an estimate.
pub(crate) const GRADIENT_TOLERANCE: f64 = 1e-12;

/// Minimizes from `start`; `None` if an iterate or a factorization is not finite.
pub(crate) fn minimize(likelihood: &Likelihood<'_>, start: DVector<f64>) -> Option<Minimum> {
    let (design, ridge, size) = (likelihood.design, likelihood.ridge, likelihood.box_size);
    let (n_rows, dimension) = (likelihood.weights.len(), design.dimension());
    // Without a row there is nothing to scale by, and the gradient is that of the penalty.
    let total = likelihood.weights.iter().sum::<f64>().max(f64::MIN_POSITIVE);
    let mut theta = start;
    let (mut t, mut row) = (vec![0.0; n_rows], vec![0.0; n_rows]);
    let mut gradient = DVector::zeros(dimension);
    let mut hessian = DMatrix::zeros(dimension, dimension);
    design.predict(&theta, &mut t);
    let mut loss = likelihood.slopes_and_loss(&t, &mut row);
    let mut objective = loss + 0.5 * ridge * theta.norm_squared();
    // The gradient before the last step, and whether that step left the objective within rounding.
    let (mut previous, mut flat) = (f64::INFINITY, false);
    for iterations in 0.. {
        design.transpose(&row, &mut gradient);
        gradient.axpy(ridge, &theta, 1.0);
        let held: Vec<bool> =
            theta.iter().zip(&gradient).map(|(x, g)| x.abs() >= size && x * g < 0.0).collect();
        let free = gradient.iter().zip(&held).filter(|(_, held)| !**held);
        let largest = free.fold(0.0, |m: f64, (g, _)| m.max(g.abs())) / total;
        if !largest.is_finite() || !objective.is_finite() {
            return None;
        }
        let status = if largest <= likelihood.tolerance {
            Some(FitStatus::Converged)
        } else if iterations == MAX_ITERATIONS {
            Some(FitStatus::IterationLimit)
        } else if flat && largest > 0.9 * previous {
            Some(FitStatus::Stalled)
        } else {
            None
        };
        if let Some(status) = status {
            return Some(Minimum {
                loss,
                bound_active: held.contains(&true),
                gradient_max: largest,
                theta,
                iterations,
                status,
            });
        }
        previous = largest;

        for ((r, t), w) in row.iter_mut().zip(&t).zip(likelihood.weights) {
            *r = w * sigmoid(*t) * sigmoid(-*t);
        }
        design.gram(&row, &mut hessian);
        for i in 0..dimension {
            hessian[(i, i)] += ridge;
            if held[i] {
                hessian.row_mut(i).fill(0.0);
                hessian.column_mut(i).fill(0.0);
                hessian[(i, i)] = 1.0;
            }
        }
        let mut step = gradient.clone();
        for (step, held) in step.iter_mut().zip(&held) {
            if *held {
                *step = 0.0;
            }
        }
        let slope = step.clone();
        Cholesky::new(hessian.clone())?.solve_mut(&mut step);
        let slope = slope.dot(&step);
        let mut length = 1.0;
        loop {
            let trial = (&theta - length * &step).map(|x| x.clamp(-size, size));
            design.predict(&trial, &mut t);
            loss = likelihood.slopes_and_loss(&t, &mut row);
            let value = loss + 0.5 * ridge * trial.norm_squared();
            // Near the minimum the decrease drowns in rounding: that much slack lets the step through.
            let slack = 4.0 * f64::EPSILON * (4.0 + n_rows as f64).sqrt() * objective.abs();
            if value <= objective - 1e-4 * length * slope + slack || length < 1e-12 {
                flat = value >= objective - slack;
                (theta, objective) = (trial, value);
                break;
            }
            length *= 0.5;
        }
    }
    None
}

impl Likelihood<'_> {
    /// The loss at log-odds t without the penalty, and its slope in each.
    pub(crate) fn slopes_and_loss(&self, t: &[f64], slopes: &mut [f64]) -> f64 {
        slopes.copy_from_slice(t);
        slopes_and_loss(slopes, self.weights, self.wins)
    }
}

/// Dense rows, one a column of the matrix.
pub(crate) struct DenseDesign {
    /// `dimension × rows`.
    pub(crate) columns: DMatrix<f64>,
}

impl Design for DenseDesign {
    fn dimension(&self) -> usize {
        self.columns.nrows()
    }

    fn predict(&self, theta: &DVector<f64>, t: &mut [f64]) {
        rows::scores(self.columns.as_slice(), theta, t);
    }

    fn transpose(&self, r: &[f64], out: &mut DVector<f64>) {
        rows::combine(self.columns.as_slice(), r, out);
    }

    fn gram(&self, weights: &[f64], out: &mut DMatrix<f64>) {
        out.copy_from(&self.sampled_gram(weights, 1));
    }

    fn sampled_gram(&self, weights: &[f64], stride: usize) -> DMatrix<f64> {
        let n = self.columns.ncols().div_ceil(stride);
        rows::gram(self.columns.nrows(), n, |at, left, right| {
            let z = self.columns.column(at * stride);
            left.copy_from_slice(z.as_slice());
            for (right, z) in right.iter_mut().zip(&z) {
                *right = weights[at * stride] * z;
            }
        })
    }
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "exact by construction")]
mod tests {
    use super::*;

    #[test]
    fn one_parameter_has_a_closed_form_and_the_box_holds() {
        // Three wins of four at z = 1: θ = log 3 without a ridge.
        let design = DenseDesign { columns: DMatrix::from_element(1, 1, 1.0) };
        let mut likelihood = Likelihood {
            design: &design,
            weights: &[4.0],
            wins: &[3.0],
            ridge: 0.0,
            box_size: f64::INFINITY,
            tolerance: GRADIENT_TOLERANCE,
        };
        let free = minimize(&likelihood, DVector::zeros(1)).unwrap();
        assert_eq!(free.status, FitStatus::Converged);
        assert!((free.theta[0] - 3f64.ln()).abs() < 1e-12);
        likelihood.box_size = 0.5;
        let boxed = minimize(&likelihood, DVector::zeros(1)).unwrap();
        assert!(boxed.theta[0] == 0.5 && boxed.bound_active);
        assert_eq!(boxed.status, FitStatus::Converged);
    }

    #[test]
    fn gradient_and_curvature_are_those_of_the_loss() {
        let columns = DMatrix::from_row_slice(2, 3, &[0.3, -1.0, 2.0, 0.5, 0.25, -0.7]);
        let design = DenseDesign { columns };
        let (weights, wins, ridge) = ([1.0, 2.5, 4.0], [0.25, 2.0, 1.0], 0.3);
        let likelihood = Likelihood {
            design: &design,
            weights: &weights,
            wins: &wins,
            ridge,
            box_size: f64::INFINITY,
            tolerance: GRADIENT_TOLERANCE,
        };
        let theta = DVector::from_vec(vec![0.4, -0.9]);
        let value = |theta: &DVector<f64>| {
            let mut t = [0.0; 3];
            design.predict(theta, &mut t);
            let mut slopes = vec![0.0; t.len()];
            likelihood.slopes_and_loss(&t, &mut slopes) + 0.5 * ridge * theta.norm_squared()
        };
        let gradient = |theta: &DVector<f64>| {
            let mut t = [0.0; 3];
            design.predict(theta, &mut t);
            let rows = t.iter().zip(weights.iter().zip(&wins));
            let r: Vec<f64> = rows.map(|(t, (w, v))| w * sigmoid(*t) - v).collect();
            let mut out = DVector::zeros(2);
            design.transpose(&r, &mut out);
            out + ridge * theta
        };
        let mut t = [0.0; 3];
        design.predict(&theta, &mut t);
        let curved: Vec<f64> =
            t.iter().zip(&weights).map(|(t, w)| w * sigmoid(*t) * sigmoid(-*t)).collect();
        let mut hessian = DMatrix::zeros(2, 2);
        design.gram(&curved, &mut hessian);
        for i in 0..2 {
            let mut step = DVector::zeros(2);
            step[i] = 1e-5;
            let slope = (value(&(&theta + &step)) - value(&(&theta - &step))) / 2e-5;
            assert!((slope - gradient(&theta)[i]).abs() < 1e-8);
            let bend = (gradient(&(&theta + &step)) - gradient(&(&theta - &step))) / 2e-5;
            for j in 0..2 {
                let exact = hessian[(i, j)] + if i == j { ridge } else { 0.0 };
                assert!((bend[j] - exact).abs() < 1e-8);
            }
        }
    }

    #[test]
    fn certain_labels_with_a_tiny_ridge_need_damping_and_get_it() {
        let columns = DMatrix::from_row_slice(2, 3, &[1.0, -1.0, 30.0, 0.5, 0.25, -20.0]);
        let design = DenseDesign { columns };
        let likelihood = Likelihood {
            design: &design,
            weights: &[1.0, 1.0, 1.0],
            wins: &[1.0, 0.0, 1.0],
            ridge: 1e-8,
            box_size: f64::INFINITY,
            tolerance: GRADIENT_TOLERANCE,
        };
        let far = DVector::from_vec(vec![-50.0, 40.0]);
        let minimum = minimize(&likelihood, far).unwrap();
        assert_ne!(minimum.status, FitStatus::IterationLimit);
        assert!(minimum.gradient_max < 1e-9, "{minimum:?}");
    }
}
