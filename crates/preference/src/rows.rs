//! Products with many rows of features, in blocks that threads share.
//!
//! ```text
//! s = Φθ      Φ'q      Φ'M, M one row for each of Φ's
//! ```
//! Blocks and the order of their sums are fixed: results do not depend on the number of threads. A
//! product reads the rows once; memory is the limit.

#![allow(
    clippy::inline_always,
    reason = "code that is not inlined into the dispatched function is compiled without its instructions"
)]

use nalgebra::{DMatrix, DVector};
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

/// Rows a block: 3 MiB of 384 features.
const BLOCK: usize = 1024;

/// `scores ← Φθ`; the rows of Φ stand one after the other.
pub(crate) fn scores(rows: &[f64], theta: &DVector<f64>, scores: &mut [f64]) {
    let blocks = rows.par_chunks(BLOCK * theta.len());
    let arch = Arch::new();
    scores.par_chunks_mut(BLOCK).zip(blocks).for_each(|(scores, phis)| {
        arch.dispatch(Scores { phis, theta: theta.as_slice(), out: scores });
    });
}

/// `out ← Φ'q`.
pub(crate) fn combine(rows: &[f64], shares: &[f64], out: &mut DVector<f64>) {
    let d = out.len();
    let blocks = rows.par_chunks(BLOCK * d).zip(shares.par_chunks(BLOCK));
    let arch = Arch::new();
    let partial: Vec<Vec<f64>> = blocks
        .map(|(phis, shares)| {
            let mut sum = vec![0.0; d];
            arch.dispatch(Combine { phis, shares, sum: &mut sum });
            sum
        })
        .collect();
    out.fill(0.0);
    for partial in partial {
        for (out, x) in out.iter_mut().zip(partial) {
            *out += x;
        }
    }
}

/// `Σ left right'` over `n` rows of length `d`, which `write(k, left, right)` writes; symmetric but for
/// rounding, which is averaged away.
pub(crate) fn gram(
    d: usize,
    n: usize,
    write: impl Fn(usize, &mut [f64], &mut [f64]) + Sync,
) -> DMatrix<f64> {
    let starts: Vec<usize> = (0..n).step_by(BLOCK).collect();
    let mut total = DMatrix::zeros(d, d);
    // A few blocks at a time bound the memory; the order of the sum stays that of the rows.
    for starts in starts.chunks(16) {
        let blocks: Vec<DMatrix<f64>> = starts
            .par_iter()
            .map(|&start| {
                let here = BLOCK.min(n - start);
                let (mut left, mut right) = (DMatrix::zeros(d, here), DMatrix::zeros(d, here));
                let columns = left.as_mut_slice().chunks_exact_mut(d);
                for (k, (left, right)) in
                    columns.zip(right.as_mut_slice().chunks_exact_mut(d)).enumerate()
                {
                    write(start + k, left, right);
                }
                left * right.transpose()
            })
            .collect();
        for block in blocks {
            total += block;
        }
    }
    let transposed = total.transpose();
    (total + transposed) * 0.5
}

/// `Σ x y`.
pub(crate) fn dot(x: &[f64], y: &[f64]) -> f64 {
    let mut score = [0.0];
    Arch::new().dispatch(Scores { phis: x, theta: y, out: &mut score });
    score[0]
}

#[inline(always)]
fn mul_add<S: Simd>(a: f64, b: f64, c: f64) -> f64 {
    if S::IS_SCALAR { a * b + c } else { a.mul_add(b, c) }
}

/// Sums at once: four of the widest registers.
const LANES: usize = 32;

/// The scores of a block, into `out`.
struct Scores<'a> {
    phis: &'a [f64],
    theta: &'a [f64],
    out: &'a mut [f64],
}

impl WithSimd for Scores<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let d = self.theta.len();
        for (at, score) in self.out.iter_mut().enumerate() {
            let phi = &self.phis[at * d..(at + 1) * d];
            let mut sums = [0.0; LANES];
            let mut k = 0;
            while k + LANES <= d {
                let x: &[f64; LANES] = phi[k..k + LANES].try_into().expect("whole");
                let y: &[f64; LANES] = self.theta[k..k + LANES].try_into().expect("whole");
                for lane in 0..LANES {
                    sums[lane] = mul_add::<S>(x[lane], y[lane], sums[lane]);
                }
                k += LANES;
            }
            let mut rest = 0.0;
            while k < d {
                rest = mul_add::<S>(phi[k], self.theta[k], rest);
                k += 1;
            }
            let mut width = LANES / 2;
            while width > 0 {
                for lane in 0..width {
                    sums[lane] += sums[lane + width];
                }
                width /= 2;
            }
            *score = sums[0] + rest;
        }
    }
}

/// `sum += Σ share φ` of a block, four rows at a time, so that the sums are loaded once for all.
struct Combine<'a> {
    phis: &'a [f64],
    shares: &'a [f64],
    sum: &'a mut [f64],
}

impl WithSimd for Combine<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let d = self.sum.len();
        let whole = self.shares.len() / 4 * 4;
        for at in (0..whole).step_by(4) {
            let row = |k: usize| &self.phis[(at + k) * d..(at + k + 1) * d];
            let (a, b, c, e) = (row(0), row(1), row(2), row(3));
            let share = &self.shares[at..at + 4];
            let (first, second, third, fourth) = (share[0], share[1], share[2], share[3]);
            let sum = &mut self.sum[..d];
            for k in 0..d {
                let two = mul_add::<S>(first, a[k], mul_add::<S>(second, b[k], sum[k]));
                sum[k] = mul_add::<S>(third, c[k], mul_add::<S>(fourth, e[k], two));
            }
        }
        for at in whole..self.shares.len() {
            let phi = &self.phis[at * d..(at + 1) * d];
            for (sum, x) in self.sum.iter_mut().zip(phi) {
                *sum = mul_add::<S>(self.shares[at], *x, *sum);
            }
        }
    }
}
