//! Dense payoffs, row-major.
//!
//! Preferences enter through [`DenseGame::from_probabilities`] and [`DenseGame::from_log_odds`], which
//! build `A = (P − Pᵀ)/2` and `A = (R − Rᵀ)/2`: in floating point `P − ½` is not exactly skew.

use super::{GameError, StoredPayoffs, ZeroSumGame};

/// How far `P + Pᵀ` may be from 1, and `R + Rᵀ` from 0 relative to `1 + |R|`.
const ANTISYMMETRY_TOLERANCE: f64 = 1e-6;

/// A payoff matrix with all its entries.
#[derive(Debug, Clone, PartialEq)]
pub struct DenseGame {
    nrows: usize,
    ncols: usize,
    entries: Vec<f64>,
    bound: f64,
    skew: bool,
}

impl DenseGame {
    /// Any payoffs of an `nrows × ncols` game, row-major. It counts as skew if it is so to the last bit.
    ///
    /// # Errors
    /// [`GameError::Shape`] and [`GameError::NotFinite`].
    pub fn new(nrows: usize, ncols: usize, entries: Vec<f64>) -> Result<Self, GameError> {
        check(nrows, ncols, &entries)?;
        let skew = nrows == ncols
            && (0..nrows)
                .all(|i| (0..=i).all(|j| entries[i * ncols + j] + entries[j * ncols + i] == 0.0));
        Ok(Self::assemble(nrows, ncols, entries, skew))
    }

    /// The symmetric game of preferences `P[a, b] = P(a ≻ b)`, `n × n` row-major.
    ///
    /// # Errors
    /// If the shape is wrong, an entry is outside [0, 1], or `P + Pᵀ` differs from 1 by more than 1e-6.
    pub fn from_probabilities(n: usize, probabilities: &[f64]) -> Result<Self, GameError> {
        check(n, n, probabilities)?;
        if let Some(at) = probabilities.iter().position(|p| !(0.0..=1.0).contains(p)) {
            let given = probabilities[at];
            return Err(GameError::Probability { row: at / n, column: at % n, given });
        }
        Self::antisymmetrized(n, probabilities, 1.0)
    }

    /// The symmetric game of log-odds `R[a, b]`, `n × n` row-major.
    ///
    /// # Errors
    /// If the shape is wrong, an entry is not finite, or `R + Rᵀ` differs from 0 by more than
    /// `1e-6 (1 + |R|)`.
    pub fn from_log_odds(n: usize, log_odds: &[f64]) -> Result<Self, GameError> {
        check(n, n, log_odds)?;
        Self::antisymmetrized(n, log_odds, 0.0)
    }

    /// The symmetric game whose entry above the diagonal is `payoff(row, column)`, `row < column`.
    ///
    /// # Panics
    /// If `n` is zero.
    pub fn skew_from_upper(n: usize, mut payoff: impl FnMut(usize, usize) -> f64) -> Self {
        assert!(n > 0, "a game needs at least one action");
        let mut entries = vec![0.0; n * n];
        for i in 0..n {
            for j in i + 1..n {
                let value = payoff(i, j);
                entries[i * n + j] = value;
                entries[j * n + i] = -value;
            }
        }
        Self::assemble(n, n, entries, true)
    }

    /// The game whose entries are `change(row, column, payoff)`; skew only if they happen to be.
    ///
    /// # Errors
    /// [`GameError::NotFinite`] if a new entry is.
    pub fn map_entries(
        &self,
        mut change: impl FnMut(usize, usize, f64) -> f64,
    ) -> Result<Self, GameError> {
        let ncols = self.ncols;
        let entries = self.entries.iter().enumerate();
        let entries = entries.map(|(at, &payoff)| change(at / ncols, at % ncols, payoff)).collect();
        Self::new(self.nrows, ncols, entries)
    }

    /// The entries, row-major.
    pub fn entries(&self) -> &[f64] {
        &self.entries
    }

    /// One entry.
    ///
    /// # Panics
    /// If `row` or `column` is out of range.
    pub fn get(&self, row: usize, column: usize) -> f64 {
        assert!(column < self.ncols, "column {column} of {}", self.ncols);
        self.entries[row * self.ncols + column]
    }

    fn antisymmetrized(n: usize, entries: &[f64], required: f64) -> Result<Self, GameError> {
        for row in 0..n {
            for column in row..n {
                let given = entries[row * n + column] + entries[column * n + row];
                let size = 1.0 + entries[row * n + column].abs();
                let near = (given - required).abs() <= ANTISYMMETRY_TOLERANCE * size;
                if !near {
                    return Err(GameError::Antisymmetry { row, column, required, given });
                }
            }
        }
        Ok(Self::skew_from_upper(n, |i, j| 0.5 * (entries[i * n + j] - entries[j * n + i])))
    }

    fn assemble(nrows: usize, ncols: usize, entries: Vec<f64>, skew: bool) -> Self {
        let bound = entries.iter().fold(0.0, |bound: f64, payoff| bound.max(payoff.abs()));
        Self { nrows, ncols, entries, bound, skew }
    }
}

fn check(nrows: usize, ncols: usize, entries: &[f64]) -> Result<(), GameError> {
    if nrows == 0 || ncols == 0 || nrows.checked_mul(ncols) != Some(entries.len()) {
        return Err(GameError::Shape {
            what: "a payoff matrix",
            nrows,
            ncols,
            given: entries.len(),
        });
    }
    match entries.iter().position(|payoff| !payoff.is_finite()) {
        Some(at) => {
            Err(GameError::NotFinite { row: at / ncols, column: at % ncols, given: entries[at] })
        }
        None => Ok(()),
    }
}

/// The inner product in eight interleaved sums, so that the compiler may use vectors: the order of
/// additions is fixed, and the same on every machine.
fn dot(x: &[f64], y: &[f64]) -> f64 {
    let (x_blocks, x_rest) = x.as_chunks::<8>();
    let (y_blocks, y_rest) = y.as_chunks::<8>();
    let mut sums = [0.0; 8];
    for (x, y) in x_blocks.iter().zip(y_blocks) {
        for (sum, (x, y)) in sums.iter_mut().zip(x.iter().zip(y)) {
            *sum += x * y;
        }
    }
    let rest: f64 = x_rest.iter().zip(y_rest).map(|(x, y)| x * y).sum();
    sums.iter().sum::<f64>() + rest
}

impl ZeroSumGame for DenseGame {
    fn nrows(&self) -> usize {
        self.nrows
    }

    fn ncols(&self) -> usize {
        self.ncols
    }

    fn apply(&self, column: &[f64], out: &mut [f64]) {
        assert_eq!((column.len(), out.len()), (self.ncols, self.nrows));
        for (out, row) in out.iter_mut().zip(self.entries.chunks_exact(self.ncols)) {
            *out = dot(row, column);
        }
    }

    fn apply_transpose(&self, row: &[f64], out: &mut [f64]) {
        assert_eq!((row.len(), out.len()), (self.nrows, self.ncols));
        out.fill(0.0);
        for (p, entries) in row.iter().zip(self.entries.chunks_exact(self.ncols)) {
            for (out, a) in out.iter_mut().zip(entries) {
                *out += p * a;
            }
        }
    }

    fn payoff_bound(&self) -> f64 {
        self.bound
    }

    /// `max(m/8 + 10, n + 1) ε/2 · B`: rows are summed in eight interleaved sums, columns one after
    /// the other.
    fn product_error_bound(&self) -> f64 {
        let terms = (self.ncols.div_ceil(8) + 10).max(self.nrows + 1);
        0.5 * terms as f64 * f64::EPSILON * self.bound
    }

    fn stored(&self) -> Option<StoredPayoffs<'_>> {
        Some(StoredPayoffs::Dense(&self.entries))
    }

    fn is_skew(&self) -> bool {
        self.skew
    }

    fn write_dense(&self, out: &mut [f64]) {
        out.copy_from_slice(&self.entries);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn preferences_become_exactly_skew() {
        let game = DenseGame::from_probabilities(2, &[0.5, 0.3, 0.7, 0.5]).unwrap();
        assert!(game.is_skew());
        assert!(game.get(0, 1).to_bits() == (-game.get(1, 0)).to_bits());
        assert!((game.payoff_bound() - 0.2).abs() < 1e-15);
    }

    #[test]
    fn bad_matrices_are_refused_with_the_place() {
        let error = DenseGame::from_probabilities(2, &[0.5, 0.3, 0.6, 0.5]).unwrap_err();
        assert!(error.to_string().contains("(0, 1) and (1, 0) must sum to 1"), "{error}");
        let error = DenseGame::from_probabilities(2, &[0.5, 1.3, -0.3, 0.5]).unwrap_err();
        assert!(error.to_string().contains("(0, 1) is 1.3"), "{error}");
        assert!(DenseGame::new(2, 2, vec![0.0; 3]).is_err());
        assert!(DenseGame::new(0, 0, vec![]).is_err());
        assert!(DenseGame::new(1, 2, vec![0.0, f64::NAN]).is_err());
        assert!(DenseGame::from_log_odds(2, &[0.0, 1.0, 1.0, 0.0]).is_err());
    }
}
