//! Maximum likelihood with log-odds within a bound: the ridge is raised until those of the data are.
//!
//! ```text
//! θ(λ') with λ' ≥ λ such that |θ'z| ≤ B on every row;   λ' = λ where that holds at once
//! V' = (λ'/κ) I + Σ w zz'  ⪰  V:   ‖θ(λ') − θ*‖_V' ≤ (1/2κ) √(2 log(1/δ) + log det(V/λ₀)) + S √(λ'/κ)
//! ```
//! The curvature κ is that of σ on [−B, B], so both the estimate and the truth must lie there; the ridge
//! itself may be chosen by the data, because its price is paid in the last term.

use crate::newton::{Design, GRADIENT_TOLERANCE, Likelihood, Minimum, minimize};
use crate::quasi_newton::minimize_preconditioned;
use nalgebra::{Cholesky, DMatrix, DVector};

/// Bisections of the ridge between one that is too small and one that is not.
const BISECTIONS: usize = 6;

/// The gradient per unit of weight while the ridge is searched for.
const SEARCH_TOLERANCE: f64 = 1e-7;

/// Multiplications in a Hessian from which on one is not formed in every iteration: a tenth of a second.
const DEAR_HESSIAN: usize = 1 << 30;

/// A likelihood whose ridge may rise.
pub(crate) struct Bounded<'a> {
    pub(crate) design: &'a dyn Design,
    pub(crate) weights: &'a [f64],
    pub(crate) wins: &'a [f64],
    /// `Z' diag(w) Z` or near it, of which a quarter is the Hessian at θ = 0.
    pub(crate) gram: &'a DMatrix<f64>,
    pub(crate) bound: f64,
}

impl Bounded<'_> {
    /// Whether forming Hessians costs more than a few passes over the rows.
    pub(crate) fn is_large(dimension: usize, n_rows: usize) -> bool {
        n_rows.saturating_mul(dimension).saturating_mul(dimension) > DEAR_HESSIAN
    }

    fn minimize(&self, ridge: f64, start: DVector<f64>, tolerance: f64) -> Option<Minimum> {
        let Self { design, weights, wins, .. } = *self;
        let box_size = f64::INFINITY;
        let likelihood = Likelihood { design, weights, wins, ridge, box_size, tolerance };
        let dimension = design.dimension();
        if !Self::is_large(dimension, weights.len()) {
            return minimize(&likelihood, start);
        }
        let near = self.gram * 0.25 + DMatrix::identity(dimension, dimension) * ridge;
        minimize_preconditioned(&likelihood, &Cholesky::new(near)?, start)
    }

    /// The estimate and the ridge in force, searched from `start`; `None` if an iterate is not finite.
    pub(crate) fn solve(&self, ridge: f64, start: DVector<f64>) -> Option<(Minimum, f64)> {
        let mut iterations = 0;
        let mut solve = |ridge: f64, start: DVector<f64>, tolerance: f64| {
            let minimum = self.minimize(ridge, start, tolerance)?;
            iterations += minimum.iterations;
            let mut t = vec![0.0; self.weights.len()];
            self.design.predict_preference(&minimum.theta, &mut t);
            let inside = t.iter().all(|t| t.abs() <= self.bound);
            Some((Minimum { iterations, ..minimum }, inside))
        };
        let (mut estimate, mut inside) = solve(ridge, start, SEARCH_TOLERANCE)?;
        let (mut low, mut high) = (ridge, ridge);
        while !inside {
            (low, high) = (high, 4.0 * high);
            (estimate, inside) = solve(high, estimate.theta, SEARCH_TOLERANCE)?;
        }
        if high > ridge {
            for _ in 0..BISECTIONS {
                let middle = (low * high).sqrt();
                let (trial, inside) = solve(middle, estimate.theta.clone(), SEARCH_TOLERANCE)?;
                if inside {
                    (high, estimate) = (middle, trial);
                } else {
                    low = middle;
                }
            }
        }
        // What was inside to the digits of the search may miss it by less than those.
        loop {
            (estimate, inside) = solve(high, estimate.theta, GRADIENT_TOLERANCE)?;
            if inside {
                return Some((Minimum { iterations, ..estimate }, high));
            }
            high *= 1.01;
        }
    }
}
