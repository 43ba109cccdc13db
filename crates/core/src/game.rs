//! Games: payoffs, the KL-regularized game played on them, and certificates of what is returned.

mod arithmetic;
mod centered_form;
mod certificate;
mod dense;
mod double_double;
mod evaluation;
mod exploitability;
mod low_rank;
mod matrix_free;
mod profile;
mod regularized;
mod stored_payoffs;

pub use certificate::Certificate;
pub use dense::DenseGame;
pub use exploitability::exploitability;
pub use low_rank::LowRankGame;
pub use matrix_free::MatrixFreeGame;
pub use profile::Profile;
pub use regularized::RegularizedGame;
pub use stored_payoffs::{SkewFactors, StoredPayoffs};

use std::fmt::Debug;

/// The payoffs of a finite zero-sum game, known through products with policies.
///
/// Five methods to write; the others have defaults. Payoffs are centred: `A = P − ½` or log-odds.
/// Matrix-free on purpose: a solver that needs the entries asks for [`ZeroSumGame::write_dense`] and
/// pays for it.
///
/// # Laws
/// * `pᵀ(Aq)` from [`ZeroSumGame::apply`] equals `(Aᵀp)ᵀq` from [`ZeroSumGame::apply_transpose`].
/// * No entry exceeds [`ZeroSumGame::payoff_bound`] in absolute value.
/// * If [`ZeroSumGame::is_skew`] then `Aᵀ = −A`, which the products follow up to their error.
/// * No entry of a product is off by more than [`ZeroSumGame::product_error_bound`].
pub trait ZeroSumGame: Sync + Debug {
    /// Actions of the row player, who maximizes.
    fn nrows(&self) -> usize;

    /// Actions of the column player, who minimizes.
    fn ncols(&self) -> usize;

    /// `out ← A·column`: the payoff of each row action against a column policy.
    fn apply(&self, column: &[f64], out: &mut [f64]);

    /// `out ← Aᵀ·row`: the payoff of a row policy against each column action.
    fn apply_transpose(&self, row: &[f64], out: &mut [f64]);

    /// A bound `B ≥ max |A|`; it scales tolerances and step sizes.
    fn payoff_bound(&self) -> f64;

    /// How far an entry of [`ZeroSumGame::apply`] or [`ZeroSumGame::apply_transpose`] may be from that
    /// of the exact product, for vectors with `Σ|q| ≤ 1`, in units of the payoff: certificates are
    /// rounded up by what follows from it.
    ///
    /// The default is that of a sum of products in any order with some room, `(max(n, m) + 4) ε B`,
    /// `ε = 2⁻⁵²`. A game that computes its entries on the way, or in f32, must say how far those are off.
    fn product_error_bound(&self) -> f64 {
        let terms = self.nrows().max(self.ncols()) + 4;
        terms as f64 * f64::EPSILON * self.payoff_bound()
    }

    /// The numbers that the payoffs exactly consist of, if they are at hand. Solvers use their structure;
    /// [`RegularizedGame::certify_precisely`] computes with them, or else with the entries that
    /// [`ZeroSumGame::write_dense`] gives.
    fn stored(&self) -> Option<StoredPayoffs<'_>> {
        None
    }

    /// Whether `Aᵀ = −A`, so that one policy is the equilibrium of both players.
    fn is_skew(&self) -> bool {
        false
    }

    /// Writes the entries row-major into `out`, of length `nrows · ncols`; one product a row.
    fn write_dense(&self, out: &mut [f64]) {
        let mut unit = vec![0.0; self.nrows()];
        for (i, row) in out.chunks_exact_mut(self.ncols()).enumerate() {
            unit[i] = 1.0;
            self.apply_transpose(&unit, row);
            unit[i] = 0.0;
        }
    }
}

/// Numbers that are no game.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum GameError {
    /// The shape does not match the number of entries, or a side is empty.
    #[error("{what} needs {nrows} x {ncols} entries with both sides at least 1, but has {given}")]
    Shape {
        /// Which matrix.
        what: &'static str,
        /// Rows.
        nrows: usize,
        /// Columns.
        ncols: usize,
        /// Entries given.
        given: usize,
    },
    /// An entry is infinite or not a number.
    #[error("every entry must be finite, but ({row}, {column}) is {given}")]
    NotFinite {
        /// Row, from zero.
        row: usize,
        /// Column, from zero.
        column: usize,
        /// The entry.
        given: f64,
    },
    /// A probability outside [0, 1].
    #[error("every preference must be in [0, 1], but ({row}, {column}) is {given}")]
    Probability {
        /// Row, from zero.
        row: usize,
        /// Column, from zero.
        column: usize,
        /// The entry.
        given: f64,
    },
    /// `P + Pᵀ` is not 1, or `R + Rᵀ` is not 0.
    #[error(
        "entries ({row}, {column}) and ({column}, {row}) must sum to {required}, but sum to {given}"
    )]
    Antisymmetry {
        /// Row, from zero.
        row: usize,
        /// Column, from zero.
        column: usize,
        /// What they must sum to: 1 for probabilities, 0 for log-odds.
        required: f64,
        /// What they sum to.
        given: f64,
    },
    /// Factors so large or so small that their products leave the range of f64.
    #[error(
        "the largest entry of {what} must be between 1e-100 and 1e100 in absolute value, or all zero, but is {given:e}"
    )]
    Range {
        /// Which factor.
        what: &'static str,
        /// Its largest entry in absolute value.
        given: f64,
    },
    /// A reference whose probabilities do not sum to one.
    #[error("the probabilities of the {player} player's reference must sum to 1, but sum to {sum}")]
    ReferenceSum {
        /// "row" or "column".
        player: &'static str,
        /// What they sum to.
        sum: f64,
    },
    /// A reference that is no list of log-probabilities.
    #[error(
        "the reference of the {player} player must be log-probabilities, not all minus infinity, but \
         that of action {action} is {given}"
    )]
    LogReference {
        /// "row" or "column".
        player: &'static str,
        /// The action, from zero.
        action: usize,
        /// The number.
        given: f64,
    },
    /// A reference policy with another number of actions than the game.
    #[error("the reference of the {player} player must have {required} actions, but has {given}")]
    Reference {
        /// "row" or "column".
        player: &'static str,
        /// Actions of the game.
        required: usize,
        /// Actions of the reference.
        given: usize,
    },
}
