//! Why a class of this crate cannot be fitted: the source of [`ProjectionError::Class`].

use nlhf_core::{ProjectionError, PromptId, ResponseId, Target};

/// Targets that no member of a class comes near, or a search that broke down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProjectionFailure {
    /// A target that plays what the class never does: every member is infinitely far from it.
    #[error(
        "a target may only play what its class can, but that of {prompt:?} plays {response:?}, which has probability 0 in the class"
    )]
    Unplayable {
        /// The prompt.
        prompt: PromptId,
        /// The response.
        response: ResponseId,
    },
    /// An iterate, or its gradient, was not finite.
    #[error("the search for the nearest policy needs finite gradients, but met one that is not")]
    Breakdown,
}

impl ProjectionFailure {
    /// The first response with mass in the target whose log-probability is −∞.
    pub(crate) fn find(target: &Target<'_>, log_probabilities: &[f64]) -> Option<Self> {
        let wanted = target.distribution.log_probabilities();
        let mut pairs = wanted.iter().zip(log_probabilities);
        let position =
            pairs.position(|(wanted, log_p)| wanted.is_finite() && *log_p == f64::NEG_INFINITY)?;
        let (prompt, response) = (target.menu.prompt(), target.menu.responses()[position]);
        Some(Self::Unplayable { prompt, response })
    }
}

impl From<ProjectionFailure> for ProjectionError {
    fn from(failure: ProjectionFailure) -> Self {
        Self::Class { source: Box::new(failure) }
    }
}
