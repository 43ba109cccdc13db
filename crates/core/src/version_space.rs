//! Version spaces: a set of preferences that the truth is one of.
//!
//! ```text
//! V = {R : likely enough given the data},   R* ∈ V with the stated confidence
//! ```
//! Where the set is finite, a learner can be pessimistic over it as a whole: one preference of the set holds on all
//! prompts and pairs at once, which intervals of single pairs do not know. Source: Ye et al. (arXiv 2402.07314), section
//! 3, algorithm 1.

use crate::{DenseGame, Menu, Scale};

/// A finite set of preferences. Three methods to write; a model offers its set by
/// [`crate::ConfidenceWidth::version_space`].
///
/// # Laws
/// * There is at least one preference, and [`VersionSpace::most_likely`] is one of them, the one that
///   the model itself answers with.
/// * Every game is skew to the last bit and has the shape of the menu.
pub trait VersionSpace: Send + Sync {
    /// How many preferences are in the set.
    fn n_preferences(&self) -> usize;

    /// The place of the preference that the data support most.
    fn most_likely(&self) -> usize;

    /// The symmetric game that one of them is on a menu.
    fn preference_game(&self, preference: usize, menu: Menu<'_>, scale: Scale) -> DenseGame;
}
