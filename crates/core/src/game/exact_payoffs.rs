//! Payoffs as the f64 numbers they consist of, and products with them in twice the digits of f64.
//!
//! ```text
//! dense          (Aq)_i = Σ_j A_ij q_j                          |error| ≤ (max(n, m) + 4) u B Σ|q|
//! factors        A = L Rᵀ, or (L Rᵀ − R Lᵀ)/2 if skew           |error| ≤ (max(n, m) + k + 4) u B Σ|q|
//! ```

use super::ZeroSumGame;
use super::arithmetic::Arithmetic;
use super::double_double::DoubleDouble;
use super::evaluation::Products;

/// What payoffs exactly are: the numbers that a certificate beyond f64 is computed from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ExactPayoffs<'a> {
    /// All entries, row-major.
    Dense(&'a [f64]),
    /// `left · rightᵀ`, both row-major with `rank` columns; of a skew game the skew part of that,
    /// `(left · rightᵀ − right · leftᵀ)/2`.
    Factors {
        /// Columns of both factors.
        rank: usize,
        /// One row for each action of the row player.
        left: &'a [f64],
        /// One row for each action of the column player.
        right: &'a [f64],
    },
}

/// A game whose products are computed in double-double arithmetic.
pub(super) struct PreciseProducts<'a> {
    payoffs: ExactPayoffs<'a>,
    game: &'a dyn ZeroSumGame,
}

impl<'a> PreciseProducts<'a> {
    /// The payoffs of `game`, which `entries` holds if the game does not show its own.
    pub(super) fn new(game: &'a dyn ZeroSumGame, entries: &'a mut Vec<f64>) -> Self {
        let payoffs = game.exact_payoffs().unwrap_or_else(|| {
            entries.resize(game.nrows() * game.ncols(), 0.0);
            game.write_dense(entries);
            ExactPayoffs::Dense(entries)
        });
        Self { payoffs, game }
    }
}

impl Products<DoubleDouble> for PreciseProducts<'_> {
    fn apply(&self, column: &[DoubleDouble], out: &mut [DoubleDouble]) {
        match self.payoffs {
            ExactPayoffs::Dense(entries) => {
                for (out, row) in out.iter_mut().zip(entries.chunks_exact(column.len())) {
                    *out = dot(row, column);
                }
            }
            ExactPayoffs::Factors { rank, left, right } => {
                through(rank, left, right, column, out);
                if self.game.is_skew() {
                    subtract_half(rank, right, left, column, out);
                }
            }
        }
    }

    fn apply_transpose(&self, row: &[DoubleDouble], out: &mut [DoubleDouble]) {
        match self.payoffs {
            ExactPayoffs::Dense(entries) => combine(entries, row, out),
            ExactPayoffs::Factors { rank, left, right } => {
                through(rank, right, left, row, out);
                if self.game.is_skew() {
                    subtract_half(rank, left, right, row, out);
                }
            }
        }
    }

    fn error_bound(&self) -> f64 {
        let rank = match self.payoffs {
            ExactPayoffs::Dense(_) => 0,
            ExactPayoffs::Factors { rank, .. } => rank,
        };
        let terms = self.game.nrows().max(self.game.ncols()) + rank + 4;
        terms as f64 * DoubleDouble::UNIT * self.game.payoff_bound()
    }
}

fn dot(entries: &[f64], weights: &[DoubleDouble]) -> DoubleDouble {
    let terms = entries.iter().zip(weights).map(|(a, w)| w.times(*a));
    terms.fold(DoubleDouble::ZERO, |sum, term| sum + term)
}

/// `out ← Σ weight · row`, rows as long as `out`.
fn combine(rows: &[f64], weights: &[DoubleDouble], out: &mut [DoubleDouble]) {
    out.fill(DoubleDouble::ZERO);
    for (weight, row) in weights.iter().zip(rows.chunks_exact(out.len())) {
        for (out, a) in out.iter_mut().zip(row) {
            *out = *out + weight.times(*a);
        }
    }
}

/// `out ← tall · (wideᵀ · weights)`.
fn through(rank: usize, tall: &[f64], wide: &[f64], w: &[DoubleDouble], out: &mut [DoubleDouble]) {
    let mut inner = vec![DoubleDouble::ZERO; rank];
    combine(wide, w, &mut inner);
    for (out, row) in out.iter_mut().zip(tall.chunks_exact(rank)) {
        *out = dot(row, &inner);
    }
}

/// `out ← (out − tall · (wideᵀ · weights)) / 2`.
fn subtract_half(
    rank: usize,
    tall: &[f64],
    wide: &[f64],
    weights: &[DoubleDouble],
    out: &mut [DoubleDouble],
) {
    let mut other = vec![DoubleDouble::ZERO; out.len()];
    through(rank, tall, wide, weights, &mut other);
    for (out, other) in out.iter_mut().zip(other) {
        *out = (*out - other).times(0.5);
    }
}
