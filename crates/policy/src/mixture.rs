//! Mixtures of policies: averaged iterates, ensembles, and the class of all mixtures of some policies.
//!
//! ```text
//! π(a | x) = Σ_k w_k π_k(a | x),     w ≥ 0, Σ w = 1
//! ```
//! A mixture first draws who answers and then the answer. It is the average over probabilities, not over logits or parameters: where
//! self-play cycles, the mixture of its iterates is what converges.
//!
//! | file | what |
//! |---|---|
//! | `mixture/class.rs` | projection, with a bound on what is left |
//! | `mixture/weights.rs` | the interior-point method behind it |

mod class;
mod weights;

pub use class::MixtureClass;

use nlhf_core::log_space::log_sum_exp;
use nlhf_core::{Distribution, Menu, Policy, ResponseId};
use rand::Rng;
use std::sync::Arc;

/// Components and weights that make no mixture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MixtureError {
    /// There is nothing to mix.
    #[error("a mixture needs at least one component")]
    Empty,
    /// Not one weight a component.
    #[error("a mixture of {required} components needs as many weights, but has {given}")]
    Weights {
        /// Components.
        required: usize,
        /// Weights given.
        given: usize,
    },
}

/// Draws a component, and lets it answer.
///
/// All that needs saving are the weights: a [`Distribution`] over the components, in their order.
///
/// # Example
/// ```
/// use nlhf_core::{Distribution, Menu, Policy, PromptId, ResponseId, UniformPolicy};
/// use nlhf_policy::{MixturePolicy, TabularPolicy};
/// use std::sync::Arc;
///
/// let answers = [0, 1].map(ResponseId::new);
/// let menu = Menu::new(PromptId::new(0), &answers)?;
/// let mut sure = TabularPolicy::new();
/// sure.insert(menu, Distribution::from_masses(&[1.0, 0.0])?)?;
/// let average = MixturePolicy::average(vec![Arc::new(sure), Arc::new(UniformPolicy)])?;
/// assert!((average.distribution(menu).probabilities()[0] - 0.75).abs() < 1e-15);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct MixturePolicy {
    components: Vec<Arc<dyn Policy>>,
    weights: Distribution,
}

impl std::fmt::Debug for MixturePolicy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MixturePolicy").field("weights", &self.weights).finish_non_exhaustive()
    }
}

impl MixturePolicy {
    /// A mixture with one weight a component.
    ///
    /// # Errors
    /// [`MixtureError`].
    pub fn new(
        components: Vec<Arc<dyn Policy>>,
        weights: Distribution,
    ) -> Result<Self, MixtureError> {
        let (required, given) = (components.len(), weights.len());
        match required {
            0 => Err(MixtureError::Empty),
            _ if required != given => Err(MixtureError::Weights { required, given }),
            _ => Ok(Self { components, weights }),
        }
    }

    /// All components alike.
    ///
    /// # Errors
    /// [`MixtureError::Empty`].
    pub fn average(components: Vec<Arc<dyn Policy>>) -> Result<Self, MixtureError> {
        if components.is_empty() {
            return Err(MixtureError::Empty);
        }
        let weights = Distribution::uniform(components.len());
        Ok(Self { components, weights })
    }

    /// The components.
    pub fn components(&self) -> &[Arc<dyn Policy>] {
        &self.components
    }

    /// Their weights.
    pub fn weights(&self) -> &Distribution {
        &self.weights
    }
}

impl Policy for MixturePolicy {
    /// Only components of positive weight are asked.
    fn distribution(&self, menu: Menu<'_>) -> Distribution {
        let weights = self.weights.log_probabilities().iter();
        let asked: Vec<(f64, Distribution)> = weights
            .zip(&self.components)
            .filter(|(log_weight, _)| log_weight.is_finite())
            .map(|(log_weight, component)| (*log_weight, component.distribution(menu)))
            .collect();
        let mut terms = vec![0.0; asked.len()];
        let mixed = |position: usize| {
            for (term, (log_weight, played)) in terms.iter_mut().zip(&asked) {
                *term = log_weight + played.log_probabilities()[position];
            }
            log_sum_exp(&terms)
        };
        let logs: Vec<f64> = (0..menu.len()).map(mixed).collect();
        // One component keeps its bits; sums that are a little off are put right.
        Distribution::from_log_probabilities(logs.clone())
            .or_else(|_| Distribution::from_logits(logs))
            .expect("a component with weight plays something")
    }

    /// Draws the component, then its answer: only one component is asked.
    fn sample(&self, menu: Menu<'_>, rng: &mut dyn Rng) -> ResponseId {
        let component = self.weights.sample(rng);
        self.components[component].sample(menu, rng)
    }
}
