//! The design of a linear score: one row of features a candidate, and pairs of candidates.
//!
//! ```text
//! s = Φθ,  t_k = s_i − s_j          Z'r = Φ'q,  q_i = Σ_k ±r_k          Z' diag(w) Z = Φ'(L_w Φ)
//! ```
//! `L_w` is the Laplacian of the graph of comparisons. Against rows `z = φ_i − φ_j` it saves as often as
//! a candidate was compared: memory, products and Gram matrices go with the candidates, not with the pairs.

use crate::newton::Design;
use crate::rows;
use nalgebra::{DMatrix, DVector};
use std::borrow::Cow;

/// `Φ` and the pairs.
pub(crate) struct ScoreDesign<'a> {
    /// Features, one candidate after the other.
    features: Cow<'a, [f64]>,
    dimension: usize,
    pairs: Vec<(u32, u32)>,
    /// Of each candidate, where its pairs start in `incident`.
    starts: Vec<usize>,
    /// The pairs of each candidate: their number and the other candidate.
    incident: Vec<(u32, u32)>,
}

impl<'a> ScoreDesign<'a> {
    /// `features` holds `dimension` numbers of each candidate, and pairs are of candidates among them.
    pub(crate) fn new(features: Cow<'a, [f64]>, dimension: usize, pairs: Vec<(u32, u32)>) -> Self {
        let mut starts = vec![0_usize; features.len() / dimension + 1];
        for &(i, j) in &pairs {
            starts[i as usize + 1] += 1;
            starts[j as usize + 1] += 1;
        }
        for at in 1..starts.len() {
            starts[at] += starts[at - 1];
        }
        let mut next = starts.clone();
        let mut incident = vec![(0, 0); 2 * pairs.len()];
        for (k, &(i, j)) in (0..).zip(&pairs) {
            for (candidate, other) in [(i, j), (j, i)] {
                let at = &mut next[candidate as usize];
                incident[*at] = (k, other);
                *at += 1;
            }
        }
        Self { features, dimension, pairs, starts, incident }
    }

    fn n_candidates(&self) -> usize {
        self.starts.len() - 1
    }

    fn candidate(&self, at: usize) -> &[f64] {
        &self.features[at * self.dimension..(at + 1) * self.dimension]
    }
}

impl Design for ScoreDesign<'_> {
    fn dimension(&self) -> usize {
        self.dimension
    }

    fn predict(&self, theta: &DVector<f64>, t: &mut [f64]) {
        let mut scores = vec![0.0; self.n_candidates()];
        rows::scores(&self.features, theta, &mut scores);
        for (t, &(i, j)) in t.iter_mut().zip(&self.pairs) {
            *t = scores[i as usize] - scores[j as usize];
        }
    }

    fn transpose(&self, r: &[f64], out: &mut DVector<f64>) {
        let mut shares = vec![0.0; self.n_candidates()];
        for (r, &(i, j)) in r.iter().zip(&self.pairs) {
            shares[i as usize] += r;
            shares[j as usize] -= r;
        }
        rows::combine(&self.features, &shares, out);
    }

    fn gram(&self, weights: &[f64], out: &mut DMatrix<f64>) {
        let gram = rows::gram(self.dimension, self.n_candidates(), |at, left, right| {
            let own = self.candidate(at);
            left.copy_from_slice(own);
            // A row of L_w Φ.
            for &(k, other) in &self.incident[self.starts[at]..self.starts[at + 1]] {
                let weight = weights[k as usize];
                for ((right, a), b) in right.iter_mut().zip(own).zip(self.candidate(other as usize))
                {
                    *right += weight * (a - b);
                }
            }
        });
        out.copy_from(&gram);
    }

    fn sampled_gram(&self, weights: &[f64], stride: usize) -> DMatrix<f64> {
        rows::gram(self.dimension, self.pairs.len().div_ceil(stride), |at, left, right| {
            let k = at * stride;
            let (i, j) = self.pairs[k];
            let (a, b) = (self.candidate(i as usize), self.candidate(j as usize));
            let both = left.iter_mut().zip(right).zip(a.iter().zip(b));
            for ((left, right), (a, b)) in both {
                *left = a - b;
                *right = weights[k] * *left;
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::newton::DenseDesign;

    #[test]
    fn products_are_those_of_the_differences() {
        let (d, n) = (11, 2100);
        let features = DMatrix::from_fn(d, n, |i, j| ((i * 31 + j * 17) % 23) as f64 * 0.1 - 1.0);
        let pairs = (0..5000_u32).map(|k| (k * 7 % 2100, (k * 13 + 1) % 2100));
        let pairs: Vec<(u32, u32)> = pairs.filter(|(i, j)| i != j).collect();
        let columns = DMatrix::from_fn(d, pairs.len(), |i, k| {
            let (a, b) = pairs[k];
            features[(i, a as usize)] - features[(i, b as usize)]
        });
        let dense = DenseDesign { columns };
        let scores = ScoreDesign::new(Cow::Borrowed(features.as_slice()), d, pairs);
        let n_rows = scores.pairs.len();
        let theta = DVector::from_fn(d, |i, _| (i as f64).sin());
        let weights: Vec<f64> = (0..n_rows).map(|k| 0.5 + (k % 5) as f64).collect();
        let (mut t, mut want) = (vec![0.0; n_rows], vec![0.0; n_rows]);
        dense.predict(&theta, &mut want);
        scores.predict(&theta, &mut t);
        assert!(t.iter().zip(&want).all(|(t, want)| (t - want).abs() < 1e-12));
        let (mut out, mut want) = (DVector::zeros(d), DVector::zeros(d));
        dense.transpose(&weights, &mut want);
        scores.transpose(&weights, &mut out);
        assert!((out - want).amax() < 1e-9);
        let (mut out, mut want) = (DMatrix::zeros(d, d), DMatrix::zeros(d, d));
        dense.gram(&weights, &mut want);
        scores.gram(&weights, &mut out);
        assert!((&out - &want).amax() < 1e-8 * want.amax());
        assert!((scores.sampled_gram(&weights, 1) - want).amax() < 1e-8 * out.amax());
    }
}
