//! A profile: one policy for each player.

use crate::Distribution;
use serde::{Deserialize, Serialize};

/// The policies of the row and of the column player.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    /// The policy of the row player, who maximizes.
    pub row: Distribution,
    /// The policy of the column player, who minimizes.
    pub column: Distribution,
}

impl Profile {
    /// The same policy for both, as at the equilibrium of a symmetric game.
    pub fn symmetric(policy: Distribution) -> Self {
        Self { column: policy.clone(), row: policy }
    }

    /// Both uniform.
    ///
    /// # Panics
    /// If a side is zero.
    pub fn uniform(nrows: usize, ncols: usize) -> Self {
        Self { row: Distribution::uniform(nrows), column: Distribution::uniform(ncols) }
    }
}
