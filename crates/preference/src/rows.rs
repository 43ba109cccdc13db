//! Products with many rows of features, in blocks that threads share.
//!
//! ```text
//! s = Φθ      Φ'q      Φ'M, M one row for each of Φ's
//! ```
//! Blocks and the order of their sums are fixed: results do not depend on the number of threads. A
//! product reads the rows once; memory is the limit.

use nalgebra::{DMatrix, DVector};
use rayon::prelude::*;

/// Rows a block: 3 MiB of 384 features.
const BLOCK: usize = 1024;

/// `scores ← Φθ`; the rows of Φ are the columns of `rows`.
pub(crate) fn scores(rows: &DMatrix<f64>, theta: &DVector<f64>, scores: &mut [f64]) {
    let d = rows.nrows();
    let blocks = rows.as_slice().par_chunks(BLOCK * d);
    scores.par_chunks_mut(BLOCK).zip(blocks).for_each(|(scores, block)| {
        for (score, phi) in scores.iter_mut().zip(block.chunks_exact(d)) {
            *score = dot(phi, theta.as_slice());
        }
    });
}

/// `out ← Φ'q`.
pub(crate) fn combine(rows: &DMatrix<f64>, shares: &[f64], out: &mut DVector<f64>) {
    let d = rows.nrows();
    let blocks = rows.as_slice().par_chunks(BLOCK * d).zip(shares.par_chunks(BLOCK));
    let partial: Vec<Vec<f64>> = blocks
        .map(|(block, shares)| {
            let mut sum = vec![0.0; d];
            let whole = shares.len() / 4 * 4;
            for (phis, shares) in block.chunks_exact(4 * d).zip(shares.chunks_exact(4)) {
                add_four(&mut sum, phis, shares);
            }
            for (phi, share) in block[whole * d..].chunks_exact(d).zip(&shares[whole..]) {
                for (sum, x) in sum.iter_mut().zip(phi) {
                    *sum += share * x;
                }
            }
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

/// Eight sums at once, so that they can run in vector registers.
pub(crate) fn dot(x: &[f64], y: &[f64]) -> f64 {
    let mut sums = [0.0; 8];
    let (xs, ys) = (x.chunks_exact(8), y.chunks_exact(8));
    let rest: f64 = xs.remainder().iter().zip(ys.remainder()).map(|(x, y)| x * y).sum();
    for (x, y) in xs.zip(ys) {
        for k in 0..8 {
            sums[k] += x[k] * y[k];
        }
    }
    sums.iter().sum::<f64>() + rest
}

/// `sum += Σ share · φ` over four rows, so that the sums are loaded once for all.
fn add_four(sum: &mut [f64], phis: &[f64], shares: &[f64]) {
    let d = sum.len();
    let (a, rest) = phis.split_at(d);
    let (b, rest) = rest.split_at(d);
    let (c, e) = rest.split_at(d);
    let (b, c, e) = (&b[..d], &c[..d], &e[..d]);
    for k in 0..d {
        sum[k] += shares[0] * a[k] + shares[1] * b[k] + (shares[2] * c[k] + shares[3] * e[k]);
    }
}
