//! Payoffs as the f64 numbers they consist of, and products with them in twice the digits of f64.
//!
//! ```text
//! dense          (Aq)_i = Σ_j A_ij q_j                          |error| ≤ (max(n, m) + 4) u B Σ|q|
//! factors        A = L Rᵀ                                       |error| ≤ (max(n, m) + k + 4) u T Σ|q|
//! skew factors   A = Φ Θ Φᵀ                                     |error| ≤ (n + 2k + 4) u T Σ|q|
//! ```
//! `T` bounds the sums of absolute terms behind an entry, `Σ|L||R|` and `Σ|Φ||Θ||Φ|`.

use super::ZeroSumGame;
use super::arithmetic::Arithmetic;
use super::double_double::DoubleDouble;
use super::evaluation::Products;

/// The numbers that payoffs exactly consist of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum StoredPayoffs<'a> {
    /// All entries, row-major.
    Dense(&'a [f64]),
    /// `left · rightᵀ`.
    Factors {
        /// Columns of both factors.
        rank: usize,
        /// One row for each action of the row player.
        left: &'a [f64],
        /// One row for each action of the column player.
        right: &'a [f64],
    },
    /// `ΦΘΦᵀ`.
    SkewFactors(SkewFactors<'a>),
}

impl<'a> StoredPayoffs<'a> {
    /// All entries, row-major, if these are stored.
    pub fn entries(self) -> Option<&'a [f64]> {
        match self {
            Self::Dense(entries) => Some(entries),
            Self::Factors { .. } | Self::SkewFactors(_) => None,
        }
    }

    /// `Φ` and `Θ` of a skew game of low rank.
    pub fn skew_factors(self) -> Option<SkewFactors<'a>> {
        match self {
            Self::SkewFactors(factors) => Some(factors),
            Self::Dense(_) | Self::Factors { .. } => None,
        }
    }
}

/// The factors of a skew game `A = ΦΘΦᵀ`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SkewFactors<'a> {
    /// Columns of the features.
    pub rank: usize,
    /// `Φ`, `n × rank`, row-major: one row for each action.
    pub features: &'a [f64],
    /// `Θ`, `rank × rank`, row-major and skew to the last bit.
    pub theta: &'a [f64],
}

/// A game whose products are computed in double-double arithmetic.
pub(super) struct PreciseProducts<'a> {
    payoffs: StoredPayoffs<'a>,
    game: &'a dyn ZeroSumGame,
}

impl<'a> PreciseProducts<'a> {
    /// The payoffs of `game`, which `entries` holds if the game does not show its own.
    pub(super) fn new(game: &'a dyn ZeroSumGame, entries: &'a mut Vec<f64>) -> Self {
        let payoffs = game.stored().unwrap_or_else(|| {
            entries.resize(game.nrows() * game.ncols(), 0.0);
            game.write_dense(entries);
            StoredPayoffs::Dense(entries)
        });
        Self { payoffs, game }
    }
}

impl Products<DoubleDouble> for PreciseProducts<'_> {
    fn apply(&self, column: &[DoubleDouble], out: &mut [DoubleDouble]) {
        match self.payoffs {
            StoredPayoffs::Dense(entries) => {
                for (out, row) in out.iter_mut().zip(entries.chunks_exact(column.len())) {
                    *out = dot(row, column);
                }
            }
            StoredPayoffs::Factors { rank, left, right } => {
                let inner = collect(rank, right, column);
                spread(rank, left, &inner, out);
            }
            StoredPayoffs::SkewFactors(SkewFactors { rank, features, theta }) => {
                let inner = turn(rank, theta, &collect(rank, features, column));
                spread(rank, features, &inner, out);
            }
        }
    }

    fn apply_transpose(&self, row: &[DoubleDouble], out: &mut [DoubleDouble]) {
        match self.payoffs {
            StoredPayoffs::Dense(entries) => combine(entries, row, out),
            StoredPayoffs::Factors { rank, left, right } => {
                let inner = collect(rank, left, row);
                spread(rank, right, &inner, out);
            }
            StoredPayoffs::SkewFactors(SkewFactors { rank, features, theta }) => {
                let mut inner = turn(rank, theta, &collect(rank, features, row));
                for x in &mut inner {
                    *x = x.times(-1.0);
                }
                spread(rank, features, &inner, out);
            }
        }
    }

    fn error_bound(&self) -> f64 {
        let length = self.game.nrows().max(self.game.ncols());
        match self.payoffs {
            StoredPayoffs::Dense(_) => {
                (length + 4) as f64 * DoubleDouble::UNIT * self.game.payoff_bound()
            }
            // The bound in f64 counts the same terms, and four more of each.
            StoredPayoffs::Factors { .. } | StoredPayoffs::SkewFactors(_) => {
                self.game.product_error_bound() / (0.5 * f64::EPSILON) * DoubleDouble::UNIT
            }
        }
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

/// `tallᵀ · weights`.
fn collect(rank: usize, tall: &[f64], weights: &[DoubleDouble]) -> Vec<DoubleDouble> {
    let mut inner = vec![DoubleDouble::ZERO; rank];
    combine(tall, weights, &mut inner);
    inner
}

/// `theta · inner`.
fn turn(rank: usize, theta: &[f64], inner: &[DoubleDouble]) -> Vec<DoubleDouble> {
    theta.chunks_exact(rank).map(|row| dot(row, inner)).collect()
}

/// `out ← tall · inner`.
fn spread(rank: usize, tall: &[f64], inner: &[DoubleDouble], out: &mut [DoubleDouble]) {
    for (out, row) in out.iter_mut().zip(tall.chunks_exact(rank)) {
        *out = dot(row, inner);
    }
}
