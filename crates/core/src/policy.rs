//! Policies and policy classes: the extension point for whatever can answer a prompt.
//!
//! A [`Policy`] gives a distribution over any menu. A [`PolicyClass`] finds, within a family of
//! policies, the one nearest to given targets. The learners know nothing else about either, so a
//! class of a third party has the same rights as the built-in ones.

use crate::{Distribution, Menu, PromptId, ResponseId, Weight};
use rand::Rng;
use std::error::Error;

/// Chooses among the responses of a menu. One method to write; sampling is built on it.
///
/// Law: the distribution has one entry a response, in the order of the menu.
pub trait Policy: Send + Sync {
    /// The distribution over the menu's responses.
    fn distribution(&self, menu: Menu<'_>) -> Distribution;

    /// Draws a response.
    fn sample(&self, menu: Menu<'_>, rng: &mut dyn Rng) -> ResponseId {
        menu.responses()[self.distribution(menu).sample(rng)]
    }
}

impl<P: Policy + ?Sized> Policy for &P {
    fn distribution(&self, menu: Menu<'_>) -> Distribution {
        (**self).distribution(menu)
    }

    fn sample(&self, menu: Menu<'_>, rng: &mut dyn Rng) -> ResponseId {
        (**self).sample(menu, rng)
    }
}

impl<P: Policy + ?Sized> Policy for Box<P> {
    fn distribution(&self, menu: Menu<'_>) -> Distribution {
        (**self).distribution(menu)
    }

    fn sample(&self, menu: Menu<'_>, rng: &mut dyn Rng) -> ResponseId {
        (**self).sample(menu, rng)
    }
}

/// Every response of a menu alike: the reference where nobody names another.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct UniformPolicy;

impl Policy for UniformPolicy {
    fn distribution(&self, menu: Menu<'_>) -> Distribution {
        Distribution::uniform(menu.len())
    }
}

/// What a policy should do on one menu, and how much that menu counts.
#[derive(Debug, Clone)]
pub struct Target<'a> {
    /// The menu.
    pub menu: Menu<'a>,
    /// The wanted distribution over it.
    pub distribution: Distribution,
    /// How much this menu counts against the others.
    pub weight: Weight,
}

/// Targets that a class cannot be fitted to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProjectionError {
    /// A target with another number of entries than its menu.
    #[error("the target of {prompt:?} has {given} entries, but its menu has {required} responses")]
    Shape {
        /// The prompt.
        prompt: PromptId,
        /// The length of the menu.
        required: usize,
        /// The length of the target.
        given: usize,
    },
    /// A prompt with two targets that a class keeps only one of.
    #[error("{prompt:?} has two targets, but this class keeps one a prompt")]
    DuplicatePrompt {
        /// The prompt.
        prompt: PromptId,
    },
    /// The class failed for a reason of its own.
    #[error("the policy class cannot be fitted to its targets")]
    Class {
        /// The reason.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
}

/// A family of policies. Two methods and one type to write.
///
/// # Laws
/// * Projecting is deterministic and does not depend on the order of the targets.
/// * Projecting the targets that a projected policy plays gives that policy again (idempotence).
pub trait PolicyClass: Send + Sync {
    /// A member of the class.
    type Policy: Policy;

    /// A short name in lower case.
    fn name(&self) -> &'static str;

    /// The member nearest to the targets in the weighted sum of `KL(target ‖ policy)`.
    ///
    /// `warm` is a member to start from; it may speed the search up and never changes the result
    /// beyond the class's own tolerance.
    ///
    /// # Errors
    /// [`ProjectionError`] if the targets cannot be projected.
    fn project(
        &self,
        targets: &[Target<'_>],
        warm: Option<&Self::Policy>,
    ) -> Result<Self::Policy, ProjectionError>;
}
