//! The weights of a mixture by a primal-dual interior-point method.
//!
//! ```text
//! minimize  −Σ_i c_i log(Lw)_i + Σ_k w_k − μ Σ_k log w_k,  μ → 0          L_ik = π_k(i), Σ c = 1; Σ w = 1 comes out by itself
//! r_ik = w_k L_ik / (Lw)_i        n_k = Σ_i c_i r_ik = w_k g_k            responsibilities, which sum to 1 over k
//! (Σ_i c_i r_i r_i' + diag(wλ)) d = n − w + μ,      w ← w (1 + αd),      λ ← λ + α'(μ/w − λ(1 + d))
//! ```
//! In units of w nothing under- or overflows, and the matrix is positive definite also where components are equal. At the center
//! of μ all `g_k ≤ 1 + kμ`, so that `kμ` bounds the excess. Expectation maximization, `w ← n`, is the same without curvature, and
//! takes as many steps as components are alike; this takes ten to twenty. Source for the problem as a convex program: Koenker and
//! Mizera (2014); for steps and safeguards: Wächter and Biegler (2006).

use crate::ProjectionFailure;
use crate::shares::Share;
use nalgebra::{Cholesky, DMatrix, DVector};
use nlhf_core::{Distribution, Policy, ProjectionError};
use rayon::prelude::*;
use std::sync::Arc;

/// Candidates to a block: sums run within blocks, then over them.
const BLOCK: usize = 512;
const MAX_ITERATIONS: usize = 200;
/// How near to the border a step goes.
const TO_THE_BORDER: f64 = 0.995;

/// What each component makes of what is wanted.
pub(super) struct Likelihoods {
    n_components: usize,
    blocks: Vec<Block>,
}

struct Block {
    /// c, one a row; 0 where it is below the range of f64.
    mass: Vec<f64>,
    /// `log c`, finite: what is wanted at all counts where it is never played.
    log_mass: Vec<f64>,
    /// `log π_k(i)` less the largest of its row.
    logs: DMatrix<f64>,
    /// Its exponential: L up to a factor a row, which changes nothing.
    table: DMatrix<f64>,
}

/// The problem at some weights.
struct Sums {
    /// `Σ c log(Lw)`.
    mean_log: f64,
    /// `n_k`.
    mass: DVector<f64>,
    /// `Σ c r r'`.
    curvature: DMatrix<f64>,
}

impl Likelihoods {
    /// # Errors
    /// [`ProjectionFailure::Unplayable`].
    pub(super) fn new(
        shares: &[Share<'_>],
        components: &[Arc<dyn Policy>],
    ) -> Result<Self, ProjectionError> {
        let rows: Result<Vec<Vec<Row>>, ProjectionError> =
            shares.par_iter().map(|share| rows(share, components)).collect();
        let rows: Vec<Row> = rows?.into_iter().flatten().collect();
        let n_components = components.len();
        let block = |rows: &[Row]| {
            let logs = DMatrix::from_fn(rows.len(), n_components, |i, k| rows[i].logs[k]);
            let table = logs.map(f64::exp);
            let mass = rows.iter().map(|row| row.mass).collect();
            let log_mass = rows.iter().map(|row| row.log_mass).collect();
            Block { mass, log_mass, logs, table }
        };
        Ok(Self { n_components, blocks: rows.chunks(BLOCK).map(block).collect() })
    }

    /// The bound `log max_k g_k` on how much nearer other weights are, in nats; +∞ where the mixture never plays what is wanted.
    pub(super) fn excess_nats(&self, weights: &Distribution) -> f64 {
        if self.n_components == 1 {
            return 0.0;
        }
        let of_block = |block: &Block| block.gains(weights.log_probabilities());
        let blocks: Vec<Vec<f64>> = self.blocks.par_iter().map(of_block).collect();
        let gain = |k: usize| blocks.iter().map(|block| block[k]).sum::<f64>();
        // The largest of numbers passes over what is none, and would promise too much.
        let known = |gain: f64| if gain.is_nan() { f64::INFINITY } else { gain };
        (0..self.n_components).map(gain).map(known).fold(0.0, f64::max).ln().max(0.0)
    }

    /// `Σ c log π_w` up to a constant; −∞ where the mixture never plays what is wanted.
    pub(super) fn mean_log(&self, weights: &Distribution) -> f64 {
        let of_block = |block: &Block| {
            let mixed = block.mixed(weights.log_probabilities());
            let term = |(c, log_p): (&f64, f64)| if log_p.is_finite() { c * log_p } else { log_p };
            block.mass.iter().zip(mixed).map(term).sum::<f64>()
        };
        let blocks: Vec<f64> = self.blocks.par_iter().map(of_block).collect();
        blocks.iter().sum()
    }

    /// Weights of an excess of at most `tolerance`, or as near as rounding lets come.
    pub(super) fn maximize(&self, tolerance: f64) -> Distribution {
        let n = self.n_components as f64;
        let mut w = DVector::from_element(self.n_components, 1.0 / n);
        if self.blocks.is_empty() {
            return normalized(&w);
        }
        let mut lambda = DVector::from_element(self.n_components, 1.0);
        for _ in 0..MAX_ITERATIONS {
            let sums = self.sums(&w, true);
            // `g_k` at weights that sum to one.
            let total = w.sum();
            let largest = sums.mass.iter().zip(&w).map(|(n, w)| n / w).fold(0.0, f64::max);
            if (largest * total).ln() <= 0.5 * tolerance {
                break;
            }
            let mu = 0.1 * (w.dot(&lambda) / n).min(1.0);
            let mut matrix = sums.curvature;
            for k in 0..self.n_components {
                matrix[(k, k)] += w[k] * lambda[k];
            }
            let right = (&sums.mass - &w).add_scalar(mu);
            let Some(factor) = Cholesky::new(matrix) else { break };
            let d = factor.solve(&right);
            let Some(step) = self.line_search(&w, &d, &right, mu, sums.mean_log) else { break };
            let toward =
                DVector::from_fn(self.n_components, |k, _| mu / w[k] - lambda[k] * (1.0 + d[k]));
            let dual = longest(toward.iter().zip(&lambda).map(|(toward, lambda)| toward / lambda));
            for k in 0..self.n_components {
                w[k] *= 1.0 + step * d[k];
                // Products of w and λ that stray from μ spoil the next matrix.
                let center = mu / w[k];
                lambda[k] = (lambda[k] + dual * toward[k]).clamp(1e-8 * center, 1e8 * center);
            }
        }
        self.without_the_useless(w, &lambda, tolerance)
    }

    /// Leaves out components of next to no weight, all at once or else one by one, as long as the excess stays within bounds: one
    /// may be all that plays a response which is hardly wanted.
    fn without_the_useless(
        &self,
        mut w: DVector<f64>,
        lambda: &DVector<f64>,
        tolerance: f64,
    ) -> Distribution {
        let limit = tolerance.max(self.excess_nats(&normalized(&w)));
        let fits = |w: &DVector<f64>| self.excess_nats(&normalized(w)) <= limit;
        // The largest weight is at least 1/k, so that something stays.
        let small = 1e-5 / self.n_components as f64;
        let useless = |k: &usize| w[*k] < small && w[*k] < lambda[*k];
        let useless: Vec<usize> = (0..self.n_components).filter(useless).collect();
        let without = |w: &DVector<f64>, left_out: &[usize]| {
            let mut w = w.clone();
            for &k in left_out {
                w[k] = 0.0;
            }
            w
        };
        let fewest = without(&w, &useless);
        if fits(&fewest) {
            return normalized(&fewest);
        }
        for k in useless {
            let fewer = without(&w, &[k]);
            if fits(&fewer) {
                w = fewer;
            }
        }
        normalized(&w)
    }

    /// A step along `w d` that lowers the barrier function by a share of what its slope promises.
    fn line_search(
        &self,
        w: &DVector<f64>,
        d: &DVector<f64>,
        right: &DVector<f64>,
        mu: f64,
        mean_log: f64,
    ) -> Option<f64> {
        let barrier = |w: &DVector<f64>, mean_log: f64| {
            w.sum() - mean_log - mu * w.iter().map(|w| w.ln()).sum::<f64>()
        };
        let before = barrier(w, mean_log);
        let slope = right.dot(d);
        let mut step = longest(d.iter().copied());
        while step > 1e-10 {
            let moved = w.zip_map(d, |w, d| w * (1.0 + step * d));
            let after = barrier(&moved, self.sums(&moved, false).mean_log);
            if after <= before - 1e-4 * step * slope + 1e-14 * (1.0 + before.abs()) {
                return Some(step);
            }
            step *= 0.5;
        }
        None
    }

    fn sums(&self, w: &DVector<f64>, curved: bool) -> Sums {
        let blocks: Vec<Sums> = self.blocks.par_iter().map(|block| block.sums(w, curved)).collect();
        let n = self.n_components;
        let mut total =
            Sums { mean_log: 0.0, mass: DVector::zeros(n), curvature: DMatrix::zeros(n, n) };
        for block in blocks {
            total.mean_log += block.mean_log;
            if curved {
                total.mass += block.mass;
                total.curvature += block.curvature;
            }
        }
        total
    }
}

impl Block {
    fn sums(&self, w: &DVector<f64>, curved: bool) -> Sums {
        let mixed = &self.table * w;
        let mean_log = self.mass.iter().zip(&mixed).map(|(c, p)| c * p.ln()).sum();
        if !curved {
            return Sums { mean_log, mass: DVector::zeros(0), curvature: DMatrix::zeros(0, 0) };
        }
        // √c r, so that the curvature is one product.
        let mut roots = self.table.clone();
        let mut mass = DVector::zeros(w.len());
        for (k, mut column) in roots.column_iter_mut().enumerate() {
            for ((r, c), p) in column.iter_mut().zip(&self.mass).zip(&mixed) {
                *r *= w[k] / p;
                mass[k] += c * *r;
                *r *= c.sqrt();
            }
        }
        let curvature = roots.transpose() * &roots;
        Sums { mean_log, mass, curvature }
    }

    /// The block's part of each `g_k`.
    fn gains(&self, log_weights: &[f64]) -> Vec<f64> {
        let mixed = self.mixed(log_weights);
        let gain = |column: nalgebra::DVectorView<'_, f64>| {
            let rows = column.iter().zip(&mixed).zip(&self.log_mass);
            rows.map(|((log_p, mixed), log_c)| {
                let never = *log_p == f64::NEG_INFINITY;
                // The quotient may be as large as c is small.
                if never { 0.0 } else { (log_c + log_p - mixed).exp() }
            })
            .sum()
        };
        self.logs.column_iter().map(gain).collect()
    }

    /// `log π_w` of each row.
    fn mixed(&self, log_weights: &[f64]) -> Vec<f64> {
        let mut terms = vec![0.0; log_weights.len()];
        self.logs
            .row_iter()
            .map(|row| {
                for ((term, log_p), log_w) in terms.iter_mut().zip(row.iter()).zip(log_weights) {
                    *term = log_p + log_w;
                }
                nlhf_core::log_space::log_sum_exp(&terms)
            })
            .collect()
    }
}

struct Row {
    mass: f64,
    log_mass: f64,
    logs: Vec<f64>,
}

/// A row a response that is wanted.
fn rows(share: &Share<'_>, components: &[Arc<dyn Policy>]) -> Result<Vec<Row>, ProjectionError> {
    let target = share.target;
    let played: Vec<Distribution> =
        components.iter().map(|component| component.distribution(target.menu)).collect();
    let logs = |position: usize| -> Vec<f64> {
        played.iter().map(|played| played.log_probabilities()[position]).collect()
    };
    let best = |logs: &[f64]| logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let largest: Vec<f64> = (0..target.menu.len()).map(|position| best(&logs(position))).collect();
    if let Some(failure) = ProjectionFailure::find(target, &largest) {
        return Err(failure.into());
    }
    let wanted = target.distribution.log_probabilities().iter().enumerate();
    let row = |(position, wanted): (usize, &f64)| {
        let logs = logs(position).iter().map(|log_p| log_p - largest[position]).collect();
        Row { mass: share.share * wanted.exp(), log_mass: share.share.ln() + wanted, logs }
    };
    Ok(wanted.filter(|(_, wanted)| wanted.is_finite()).map(row).collect())
}

/// The longest step, at most 1, after which nothing that moves at these relative rates has reached zero.
fn longest(rates: impl Iterator<Item = f64>) -> f64 {
    let fastest = rates.fold(0.0, |most: f64, rate| most.max(-rate));
    if fastest > TO_THE_BORDER { TO_THE_BORDER / fastest } else { 1.0 }
}

fn normalized(w: &DVector<f64>) -> Distribution {
    Distribution::from_masses(w.as_slice()).expect("positive weights")
}
