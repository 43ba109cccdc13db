//! Features of a prompt with a response: what models and policies that score the unseen are functions of.

use crate::{FitError, PromptId, ResponseId};
use std::fmt::Debug;

/// A map φ from a prompt and a response to numbers. Two methods to write.
///
/// Tables of embeddings are one (`nlhf_preference::Features`), functions of texts are another. Parameters stand apart from
/// it: those that were learned over one map score whatever another of the same kind and length describes.
///
/// # Laws
/// * Whether there are features, and which, depends on the prompt and the response alone.
/// * Features are finite.
pub trait FeatureMap: Send + Sync + Debug {
    /// The length of φ, at least one.
    fn dim(&self) -> usize;

    /// Writes φ(prompt, response) into `out`.
    ///
    /// # Errors
    /// [`FitError::MissingPromptFeatures`] or [`FitError::MissingResponseFeatures`] if there are none of them; `out` is then
    /// left in any state.
    ///
    /// # Panics
    /// If `out` is not of length [`FeatureMap::dim`].
    fn write(
        &self,
        prompt: PromptId,
        response: ResponseId,
        out: &mut [f64],
    ) -> Result<(), FitError>;
}
