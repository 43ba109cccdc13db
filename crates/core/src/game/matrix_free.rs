//! Matrix-free payoffs: two closures that multiply, nothing stored.

use super::ZeroSumGame;
use std::fmt;

/// A game known only through its products.
pub struct MatrixFreeGame<F, G> {
    nrows: usize,
    ncols: usize,
    bound: f64,
    apply: F,
    apply_transpose: G,
}

impl<F, G> MatrixFreeGame<F, G>
where
    F: Fn(&[f64], &mut [f64]) + Sync,
    G: Fn(&[f64], &mut [f64]) + Sync,
{
    /// A general `nrows × ncols` game with `|A| ≤ bound`; `apply(q, out)` writes `Aq`,
    /// `apply_transpose(p, out)` writes `Aᵀp`.
    ///
    /// The caller answers for the laws of [`ZeroSumGame`]: nothing here can check a closure.
    ///
    /// # Panics
    /// If a side is zero or `bound` is negative, infinite or not a number.
    pub fn new(nrows: usize, ncols: usize, bound: f64, apply: F, apply_transpose: G) -> Self {
        assert!(nrows > 0 && ncols > 0, "a game needs at least one action a player");
        assert!(bound >= 0.0 && bound.is_finite(), "a payoff bound of {bound}");
        Self { nrows, ncols, bound, apply, apply_transpose }
    }
}

impl<F, G> fmt::Debug for MatrixFreeGame<F, G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MatrixFreeGame")
            .field("nrows", &self.nrows)
            .field("ncols", &self.ncols)
            .field("bound", &self.bound)
            .finish_non_exhaustive()
    }
}

impl<F, G> ZeroSumGame for MatrixFreeGame<F, G>
where
    F: Fn(&[f64], &mut [f64]) + Sync,
    G: Fn(&[f64], &mut [f64]) + Sync,
{
    fn nrows(&self) -> usize {
        self.nrows
    }

    fn ncols(&self) -> usize {
        self.ncols
    }

    fn apply(&self, column: &[f64], out: &mut [f64]) {
        assert_eq!((column.len(), out.len()), (self.ncols, self.nrows));
        (self.apply)(column, out);
    }

    fn apply_transpose(&self, row: &[f64], out: &mut [f64]) {
        assert_eq!((row.len(), out.len()), (self.nrows, self.ncols));
        (self.apply_transpose)(row, out);
    }

    fn payoff_bound(&self) -> f64 {
        self.bound
    }
}
