//! LU factorization with partial pivoting of a small dense matrix, in place and without allocation.
//!
//! The Newton matrices here have symmetric part `I`, so that elimination without pivoting cannot meet
//! a zero; but their skew part grows like η, and without row exchanges so do the multipliers: at
//! η = 10⁶ a third of the digits would be lost. Row-major, right-looking: the inner loop is one
//! `row −= factor · pivot row`, compiled for the vectors that the machine has.
//!
//! An action that is hardly played has a row and a column of the identity, up to `√π`: those are left
//! out of the elimination. At large η most actions are, and the work falls with the cube of what is left.

#![allow(
    clippy::inline_always,
    reason = "code that is not inlined into the dispatched function is compiled without its instructions"
)]

use pulp::{Arch, Simd, WithSimd};

/// A factorization `PM = LU` and the room for it.
#[derive(Debug)]
pub(crate) struct Lu {
    n: usize,
    entries: Vec<f64>,
    pivots: Vec<usize>,
    /// The rows and columns that differ from those of a diagonal matrix.
    active: Vec<usize>,
    coupled: Vec<bool>,
    /// The diagonal where they do not.
    diagonal: Vec<f64>,
    /// A right-hand side, as far as it is active.
    gathered: Vec<f64>,
}

/// Entries off the diagonal below this are rounding, next to a diagonal of ones.
const NEGLIGIBLE: f64 = 1e-15;

impl Lu {
    /// Room for an `n × n` matrix.
    pub(crate) fn new(n: usize) -> Self {
        Self {
            n,
            entries: vec![0.0; n * n],
            pivots: vec![0; n],
            active: Vec::with_capacity(n),
            coupled: vec![false; n],
            diagonal: vec![1.0; n],
            gathered: Vec::with_capacity(n),
        }
    }

    /// The entries, row-major, to be filled before [`Lu::factorize`].
    pub(crate) fn entries_mut(&mut self) -> &mut [f64] {
        &mut self.entries
    }

    /// Factorizes the entries in place; `false` if a pivot is zero or not finite.
    #[must_use]
    pub(crate) fn factorize(&mut self) -> bool {
        self.compress();
        let (n, entries) = (self.active.len(), &mut self.entries[..]);
        Arch::new().dispatch(Elimination { n, entries, pivots: &mut self.pivots })
    }

    /// Moves the active rows and columns to the front.
    fn compress(&mut self) {
        let n = self.n;
        self.coupled.fill(false);
        for (i, row) in self.entries.chunks_exact(n.max(1)).enumerate() {
            self.diagonal[i] = row[i];
            for (j, a) in row.iter().enumerate() {
                // What is not a number is not negligible.
                if i != j && (a.abs() > NEGLIGIBLE || a.is_nan()) {
                    self.coupled[i] = true;
                    self.coupled[j] = true;
                }
            }
        }
        self.active.clear();
        self.active.extend((0..n).filter(|&i| self.coupled[i]));
        let m = self.active.len();
        if m < n {
            // Never ahead of what is still to be read.
            for (i, &from) in self.active.iter().enumerate() {
                for (j, &column) in self.active.iter().enumerate() {
                    self.entries[i * m + j] = self.entries[from * n + column];
                }
            }
        }
    }

    /// Solves `Mx = b` in place, after [`Lu::factorize`].
    pub(crate) fn solve(&mut self, b: &mut [f64]) {
        self.gathered.clear();
        self.gathered.extend(self.active.iter().map(|&i| b[i]));
        let (n, x) = (self.active.len(), &mut self.gathered[..]);
        for (k, &pivot) in self.pivots[..n].iter().enumerate() {
            x.swap(k, pivot);
        }
        for i in 1..n {
            let (solved, rest) = x.split_at_mut(i);
            let row = &self.entries[i * n..i * n + i];
            rest[0] -= row.iter().zip(solved.iter()).map(|(l, x)| l * x).sum::<f64>();
        }
        for i in (0..n).rev() {
            let (rest, solved) = x.split_at_mut(i + 1);
            let row = &self.entries[i * n..(i + 1) * n];
            let sum: f64 = row[i + 1..].iter().zip(solved.iter()).map(|(u, x)| u * x).sum();
            rest[i] = (rest[i] - sum) / row[i];
        }
        for (x, d) in b.iter_mut().zip(&self.diagonal) {
            *x /= d;
        }
        for (&i, &x) in self.active.iter().zip(&self.gathered) {
            b[i] = x;
        }
    }
}

/// The elimination of the first `n²` entries.
struct Elimination<'a> {
    n: usize,
    entries: &'a mut [f64],
    pivots: &'a mut [usize],
}

impl WithSimd for Elimination<'_> {
    type Output = bool;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> bool {
        let Self { n, entries, pivots } = self;
        let entries = &mut entries[..n * n];
        for k in 0..n {
            let mut pivot = k;
            for i in k + 1..n {
                if entries[i * n + k].abs() > entries[pivot * n + k].abs() {
                    pivot = i;
                }
            }
            pivots[k] = pivot;
            let (above, below) = entries.split_at_mut((k + 1) * n);
            let pivot_row = &mut above[k * n..];
            if pivot != k {
                let at = (pivot - k - 1) * n;
                pivot_row.swap_with_slice(&mut below[at..at + n]);
            }
            let diagonal = pivot_row[k];
            if diagonal == 0.0 || !diagonal.is_finite() {
                return false;
            }
            for row in below.chunks_exact_mut(n.max(1)) {
                let factor = row[k] / diagonal;
                row[k] = factor;
                if factor != 0.0 {
                    subtract(simd, factor, &pivot_row[k + 1..], &mut row[k + 1..]);
                }
            }
        }
        true
    }
}

/// `x −= factor · y`
#[inline(always)]
fn subtract<S: Simd>(simd: S, factor: f64, y: &[f64], x: &mut [f64]) {
    let (x_head, x_tail) = S::as_mut_simd_f64s(x);
    let (y_head, y_tail) = S::as_simd_f64s(y);
    let factors = simd.splat_f64s(factor);
    for (x, &y) in x_head.iter_mut().zip(y_head) {
        *x = simd.negate_mul_add_e_f64s(factors, y, *x);
    }
    for (x, y) in x_tail.iter_mut().zip(y_tail) {
        *x -= factor * y;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_matrix_that_needs_a_row_exchange() {
        let mut lu = Lu::new(3);
        lu.entries_mut().copy_from_slice(&[0.0, 2.0, 1.0, 1.0, 0.0, 3.0, 4.0, 1.0, 0.0]);
        assert!(lu.factorize());
        let mut b = [7.0, 10.0, 6.0]; // = M (1, 2, 3)'
        lu.solve(&mut b);
        for (x, want) in b.iter().zip([1.0, 2.0, 3.0]) {
            assert!((x - want).abs() < 1e-14);
        }
    }

    #[test]
    fn rows_of_the_identity_are_left_out() {
        // Rows 0 and 2 are alone; the rest is [[1, 3], [-3, 1]].
        let mut lu = Lu::new(4);
        let tiny = 1e-16;
        lu.entries_mut().copy_from_slice(&[
            1.0, tiny, 0.0, 0.0, -tiny, 1.0, 0.0, 3.0, 0.0, 0.0, 2.0, 0.0, 0.0, -3.0, 0.0, 1.0,
        ]);
        assert!(lu.factorize());
        assert_eq!(lu.active, [1, 3]);
        let mut b = [5.0, 1.0 + 6.0, 8.0, 2.0 - 3.0]; // = M (5, 1, 4, 2)'
        lu.solve(&mut b);
        for (x, want) in b.iter().zip([5.0, 1.0, 4.0, 2.0]) {
            assert!((x - want).abs() < 1e-14, "{b:?}");
        }
    }

    #[test]
    fn a_singular_matrix_is_a_value() {
        let mut lu = Lu::new(2);
        lu.entries_mut().copy_from_slice(&[1.0, 2.0, 2.0, 4.0]);
        assert!(!lu.factorize());
    }
}
