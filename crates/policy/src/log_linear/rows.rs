//! Rows of features: their mean, products and sums.
//!
//! The search and the policy that it finds compute scores from rows centered in the same way, `φ_a − (1/n) Σ_b φ_b` over the
//! candidates that are played, so that what is certified is what is played: a large offset would cost digits in one of them.

/// Centered features beyond this are none that scores can be computed with.
pub(super) const LARGEST_FEATURE: f64 = 1e200;

/// Subtracts the mean of the rows from each.
pub(super) fn center(rows: &mut [f64], dim: usize) {
    let n = (rows.len() / dim) as f64;
    let mut mean = vec![0.0; dim];
    for row in rows.chunks_exact(dim) {
        for (mean, x) in mean.iter_mut().zip(row) {
            *mean += x / n;
        }
    }
    for row in rows.chunks_exact_mut(dim) {
        for (x, mean) in row.iter_mut().zip(&mean) {
            *x -= mean;
        }
    }
}

/// Sums at once.
const LANES: usize = 8;

pub(super) fn dot(x: &[f64], y: &[f64]) -> f64 {
    let mut sums = [0.0; LANES];
    let (x_chunks, y_chunks) = (x.chunks_exact(LANES), y.chunks_exact(LANES));
    let rest: f64 = x_chunks.remainder().iter().zip(y_chunks.remainder()).map(|(x, y)| x * y).sum();
    for (x, y) in x_chunks.zip(y_chunks) {
        for lane in 0..LANES {
            sums[lane] += x[lane] * y[lane];
        }
    }
    sums.iter().sum::<f64>() + rest
}

/// `sum += Σ share row`, four rows at a time, so that the sums are loaded once for all.
pub(super) fn combine(rows: &[f64], shares: &[f64], sum: &mut [f64]) {
    let dim = sum.len();
    let whole = shares.len() / 4 * 4;
    for (rows, shares) in rows.chunks_exact(4 * dim).zip(shares.chunks_exact(4)) {
        let (two, others) = rows.split_at(2 * dim);
        let ((a, b), (c, e)) = (two.split_at(dim), others.split_at(dim));
        for ((((sum, a), b), c), e) in sum.iter_mut().zip(a).zip(b).zip(c).zip(e) {
            *sum += shares[0] * a + shares[1] * b + (shares[2] * c + shares[3] * e);
        }
    }
    for (row, share) in rows[whole * dim..].chunks_exact(dim).zip(&shares[whole..]) {
        for (sum, x) in sum.iter_mut().zip(row) {
            *sum += share * x;
        }
    }
}
