//! Policies and policy classes: the extension point for whatever can answer a prompt.
//!
//! A [`Policy`] gives a distribution over any menu. A [`PolicyClass`] finds, within a family of
//! policies, the one nearest to given targets. The learners know nothing else about either, so a
//! class of a third party has the same rights as the built-in ones.
//!
//! ```text
//! project(t, ω) ≈ argmin over π in the class of Σ_x ω_x KL(t_x ‖ π(· | x)) / Σ_x ω_x
//! ```

use crate::{Distribution, Menu, PromptId, ResponseId, Weight};
use rand::Rng;
use std::error::Error;
use std::sync::Arc;

/// Chooses among the responses of a menu. One method to write; sampling is built on it.
///
/// # Laws
/// * The distribution has one entry a response, in the order of the menu, and another order of the same menu changes nothing else.
/// * Entropy and KL are those of the distribution: whoever writes these methods only makes them faster.
pub trait Policy: Send + Sync {
    /// The distribution over the menu's responses.
    fn distribution(&self, menu: Menu<'_>) -> Distribution;

    /// Draws a response.
    fn sample(&self, menu: Menu<'_>, rng: &mut dyn Rng) -> ResponseId {
        menu.responses()[self.distribution(menu).sample(rng)]
    }

    /// The entropy on a menu, in nats.
    fn entropy_nats(&self, menu: Menu<'_>) -> f64 {
        self.distribution(menu).entropy_nats()
    }

    /// How far the policy is from a reference on a menu: `KL(self ‖ reference)` in nats, +∞ if it plays what the
    /// reference never does.
    fn kl_nats(&self, menu: Menu<'_>, reference: &dyn Policy) -> f64 {
        self.distribution(menu).kl_nats(&reference.distribution(menu))
    }
}

/// A pointer to a policy is that policy.
macro_rules! policy_behind {
    ($pointer:ty) => {
        impl<P: Policy + ?Sized> Policy for $pointer {
            fn distribution(&self, menu: Menu<'_>) -> Distribution {
                (**self).distribution(menu)
            }

            fn sample(&self, menu: Menu<'_>, rng: &mut dyn Rng) -> ResponseId {
                (**self).sample(menu, rng)
            }

            fn entropy_nats(&self, menu: Menu<'_>) -> f64 {
                (**self).entropy_nats(menu)
            }

            fn kl_nats(&self, menu: Menu<'_>, reference: &dyn Policy) -> f64 {
                (**self).kl_nats(menu, reference)
            }
        }
    };
}

policy_behind!(&P);
policy_behind!(Box<P>);
policy_behind!(Arc<P>);

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

/// What a class made of its targets.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub struct Projected<P> {
    /// The member of the class.
    pub policy: P,
    /// A bound on how much nearer another member could be: the mean `KL(target ‖ policy)` less its smallest value
    /// within the class, in nats. 0 if the policy plays every target exactly; `None` if the class knows no bound, because
    /// its minimum may be a local one.
    pub excess_nats: Option<f64>,
}

/// A family of policies. Two methods and one type to write.
///
/// # Laws
/// * Projecting is deterministic and does not depend on the order of the targets.
/// * From a warm start it ends no farther from the targets than where it started. Hence targets that a projected
///   policy plays give that policy again if it is the start (idempotence).
/// * Where [`Projected::excess_nats`] is known, the policy does not depend on the warm start either, up to what that bound leaves
///   open.
pub trait PolicyClass: Send + Sync {
    /// A member of the class.
    type Policy: Policy;

    /// A short name in lower case.
    fn name(&self) -> &'static str;

    /// The member nearest to the targets in the weighted mean of `KL(target ‖ policy)`.
    ///
    /// `warm` is a member to start from; it speeds the search up.
    ///
    /// # Errors
    /// [`ProjectionError`] if the targets cannot be projected.
    fn project(
        &self,
        targets: &[Target<'_>],
        warm: Option<&Self::Policy>,
    ) -> Result<Projected<Self::Policy>, ProjectionError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Says what no distribution has, so that a default in its place is seen.
    struct Loud;

    impl Policy for Loud {
        fn distribution(&self, menu: Menu<'_>) -> Distribution {
            Distribution::uniform(menu.len())
        }

        fn sample(&self, _: Menu<'_>, _: &mut dyn Rng) -> ResponseId {
            ResponseId::new(99)
        }

        fn entropy_nats(&self, _: Menu<'_>) -> f64 {
            -7.0
        }

        fn kl_nats(&self, _: Menu<'_>, _: &dyn Policy) -> f64 {
            -8.0
        }
    }

    #[test]
    fn a_pointer_asks_the_policy_itself_for_everything() {
        let responses = [ResponseId::new(0), ResponseId::new(1)];
        let menu = Menu::new(PromptId::new(0), &responses).unwrap();
        let rng = &mut crate::SeedTree::new(0).rng(crate::Stream::Responses, 0);
        let shared: Arc<dyn Policy> = Arc::new(Loud);
        let pointers: [&dyn Policy; 3] = [&&Loud, &Box::new(Loud), &shared];
        for pointer in pointers {
            assert_eq!(pointer.sample(menu, rng), ResponseId::new(99));
            let said = [pointer.entropy_nats(menu), pointer.kl_nats(menu, &UniformPolicy)];
            assert!(said[0] < -6.0 && said[1] < -6.0, "{said:?}");
        }
    }
}
