//! What past steps of a descent told about the curvature of the cost.
//!
//! ```text
//! s_i = change of log π along step i      y_i = change of ω π∘g along it, negated      K_ij = ⟨s_i, y_j⟩, symmetrized
//! γ = argmin over the span of all s_i of the parabola that slopes and K describe:  Kγ = (⟨s_i, c⟩)_i,  c = ω π∘g
//! ahead = Σ γ_i s_i,   rest = c − Σ γ_i y_i           the slope that is left there
//! ```
//! Log-probabilities of a step pair with `ω π∘g` to the slope along it, in any parameters: no Jacobian of the class is needed. A
//! step to `ahead + α F⁻¹ rest`, F the Fisher matrix that the projection inverts, is one of conjugate gradients if the cost is
//! a parabola: the span holds all past slopes. Older steps are forgotten where K is not positive.

use super::geometry::dot;
use crate::cholesky;
use std::collections::VecDeque;

/// Steps remembered.
const MEMORY: usize = 12;
/// The ridge that keeps K regular, as a share of its diagonal.
const RIDGE: f64 = 1e-10;

/// A step, and the slope that it cost; one entry a response, all prompts in a row.
struct Pair {
    moved: Vec<f64>,
    lost: Vec<f64>,
}

/// Past steps, oldest first.
#[derive(Default)]
pub(super) struct Memory {
    pairs: VecDeque<Pair>,
    /// `⟨s_i, y_j⟩`, a row a step.
    products: VecDeque<VecDeque<f64>>,
}

/// Where the parabola has its minimum, and the slope that is left there.
pub(super) struct Ahead {
    pub(super) moved: Vec<f64>,
    pub(super) slope: Vec<f64>,
}

impl Memory {
    /// Remembers a step: what it moved, and by what the slope fell.
    pub(super) fn push(&mut self, moved: Vec<f64>, lost: Vec<f64>) {
        if self.pairs.len() == MEMORY {
            self.forget_oldest();
        }
        for (row, pair) in self.products.iter_mut().zip(&self.pairs) {
            row.push_back(dot(&pair.moved, &lost));
        }
        let mut row: VecDeque<f64> =
            self.pairs.iter().map(|pair| dot(&moved, &pair.lost)).collect();
        row.push_back(dot(&moved, &lost));
        self.products.push_back(row);
        self.pairs.push_back(Pair { moved, lost });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    fn forget_oldest(&mut self) {
        self.pairs.pop_front();
        self.products.pop_front();
        for row in &mut self.products {
            row.pop_front();
        }
    }

    /// The minimum within the span of past steps, from where the slope is `slope`.
    pub(super) fn ahead(&mut self, slope: &[f64]) -> Ahead {
        let mut ahead = Ahead { moved: vec![0.0; slope.len()], slope: slope.to_vec() };
        while !self.is_empty() {
            if let Some(shares) = self.shares(slope) {
                for (pair, share) in self.pairs.iter().zip(shares) {
                    add(&mut ahead.moved, share, &pair.moved);
                    add(&mut ahead.slope, -share, &pair.lost);
                }
                break;
            }
            self.forget_oldest();
        }
        ahead
    }

    /// γ, if K is positive.
    fn shares(&self, slope: &[f64]) -> Option<Vec<f64>> {
        let n = self.pairs.len();
        let entry = |i: usize, j: usize| 0.5 * (self.products[i][j] + self.products[j][i]);
        let mut matrix: Vec<f64> = (0..n * n).map(|at| entry(at / n, at % n)).collect();
        for i in 0..n {
            matrix[i * n + i] *= 1.0 + RIDGE;
        }
        if !cholesky::factorize(n, &mut matrix) {
            return None;
        }
        let mut shares: Vec<f64> = self.pairs.iter().map(|pair| dot(&pair.moved, slope)).collect();
        cholesky::solve(n, &matrix, &mut shares);
        Some(shares)
    }
}

impl Ahead {
    /// A share of the way, from where the slope is `slope`.
    pub(super) fn shorten(&mut self, share: f64, slope: &[f64]) {
        for ((moved, rest), slope) in self.moved.iter_mut().zip(&mut self.slope).zip(slope) {
            *moved *= share;
            *rest = slope + share * (*rest - slope);
        }
    }
}

fn add(x: &mut [f64], c: f64, y: &[f64]) {
    for (x, y) in x.iter_mut().zip(y) {
        *x += c * y;
    }
}
