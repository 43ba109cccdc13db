//! Notes: what is odd about a game without being wrong.

use std::fmt;

/// One of the two players.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Player {
    /// Plays rows, maximizes; its reference is `prior`.
    Row,
    /// Plays columns, minimizes; its reference is `opponent_prior`.
    Column,
}

impl Player {
    /// The field of its reference policy.
    pub const fn field(self) -> &'static str {
        match self {
            Self::Row => "prior",
            Self::Column => "opponent_prior",
        }
    }
}

/// Something about a game that its author may not have meant.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum GameNote {
    /// The entries did not sum to one and were divided by their sum.
    Normalized {
        /// Whose prior.
        player: Player,
        /// What they summed to.
        sum: f64,
    },
    /// Some entries are zero: these actions are never played, whatever they pay.
    NeverPlayed {
        /// Whose prior.
        player: Player,
        /// How many.
        count: usize,
    },
    /// A matrix of rounded numbers is not antisymmetric; each pair of entries was averaged.
    Averaged {
        /// The largest difference of `P + Pᵀ` from 1, or of `R + Rᵀ` from 0.
        worst: f64,
    },
}

impl fmt::Display for GameNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Normalized { player, sum } => {
                write!(f, "\"{}\" sums to {sum} and was normalized", player.field())
            }
            Self::NeverPlayed { player, count: 1 } => {
                write!(f, "\"{}\" is 0 for 1 action, which is never played", player.field())
            }
            Self::NeverPlayed { player, count } => {
                write!(f, "\"{}\" is 0 for {count} actions, which are never played", player.field())
            }
            Self::Averaged { worst } => {
                write!(f, "opposite entries miss their sum by up to {worst:.0e} and were averaged")
            }
        }
    }
}
