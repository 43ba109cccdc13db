//! LU factorization with partial pivoting of a small dense matrix, in place and without allocation.
//!
//! The Newton matrices here have symmetric part `I`, so that elimination without pivoting cannot meet
//! a zero; but their skew part grows like η, and without row exchanges so do the multipliers: at
//! η = 10⁶ a third of the digits would be lost. Row-major, right-looking: the inner loop is one
//! `row −= factor · pivot row`.

/// A factorization `PM = LU` and the room for it.
#[derive(Debug)]
pub(crate) struct Lu {
    n: usize,
    entries: Vec<f64>,
    pivots: Vec<usize>,
}

impl Lu {
    /// Room for an `n × n` matrix.
    pub(crate) fn new(n: usize) -> Self {
        Self { n, entries: vec![0.0; n * n], pivots: vec![0; n] }
    }

    /// The entries, row-major, to be filled before [`Lu::factorize`].
    pub(crate) fn entries_mut(&mut self) -> &mut [f64] {
        &mut self.entries
    }

    /// Factorizes the entries in place; `false` if a pivot is zero or not finite.
    #[must_use]
    pub(crate) fn factorize(&mut self) -> bool {
        let n = self.n;
        for k in 0..n {
            let mut pivot = k;
            for i in k + 1..n {
                if self.entries[i * n + k].abs() > self.entries[pivot * n + k].abs() {
                    pivot = i;
                }
            }
            self.pivots[k] = pivot;
            let (above, below) = self.entries.split_at_mut((k + 1) * n);
            let pivot_row = &mut above[k * n..];
            if pivot != k {
                let at = (pivot - k - 1) * n;
                pivot_row.swap_with_slice(&mut below[at..at + n]);
            }
            let diagonal = pivot_row[k];
            if diagonal == 0.0 || !diagonal.is_finite() {
                return false;
            }
            for row in below.chunks_exact_mut(n) {
                let factor = row[k] / diagonal;
                row[k] = factor;
                if factor != 0.0 {
                    for (x, y) in row[k + 1..].iter_mut().zip(&pivot_row[k + 1..]) {
                        *x -= factor * y;
                    }
                }
            }
        }
        true
    }

    /// Solves `Mx = b` in place, after [`Lu::factorize`].
    pub(crate) fn solve(&self, b: &mut [f64]) {
        let n = self.n;
        for (k, &pivot) in self.pivots.iter().enumerate() {
            b.swap(k, pivot);
        }
        for i in 1..n {
            let (solved, rest) = b.split_at_mut(i);
            let row = &self.entries[i * n..i * n + i];
            rest[0] -= row.iter().zip(solved.iter()).map(|(l, x)| l * x).sum::<f64>();
        }
        for i in (0..n).rev() {
            let (rest, solved) = b.split_at_mut(i + 1);
            let row = &self.entries[i * n..(i + 1) * n];
            let sum: f64 = row[i + 1..].iter().zip(solved.iter()).map(|(u, x)| u * x).sum();
            rest[i] = (rest[i] - sum) / row[i];
        }
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
    fn a_singular_matrix_is_a_value() {
        let mut lu = Lu::new(2);
        lu.entries_mut().copy_from_slice(&[1.0, 2.0, 2.0, 4.0]);
        assert!(!lu.factorize());
    }
}
