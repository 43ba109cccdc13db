//! Policy classes: families of policies that a learner can project its answers onto.
//!
//! | class | policy | for |
//! |---|---|---|
//! | [`TabularClass`] | [`TabularPolicy`] | known prompts and candidates: keeps every target exactly |
//! | [`LogLinearClass`] | [`LogLinearPolicy`] | unseen prompts and candidates: a linear score of features over a base policy; convex, with a bound on what is left |
//! | [`MixtureClass`] | [`MixturePolicy`] | the best mixture of given policies; averages and ensembles |
//! | [`NeuralClass`] | [`NeuralPolicy`] | unseen prompts and candidates: a score of features with one hidden layer over a base policy |
//!
//! [`project_by_gradient`] makes a class of any policy with parameters and gradients.
//!
//! The learners reach a class only through [`nlhf_core::PolicyClass`]; a class of a third party has
//! the same rights as these.
//!
//! ```
//! use nlhf_core::{Distribution, Menu, Policy, PolicyClass, PromptId, ResponseId, Target, Weight};
//! use nlhf_policy::TabularClass;
//!
//! let responses = [ResponseId::new(4), ResponseId::new(2)];
//! let menu = Menu::new(PromptId::new(0), &responses)?;
//! let distribution = Distribution::from_masses(&[0.75, 0.25])?;
//! let target = Target { menu, distribution: distribution.clone(), weight: Weight::ONE };
//! let policy = TabularClass.project(&[target], None)?.policy;
//! assert_eq!(policy.distribution(menu), distribution);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod by_gradient;
mod failure;
mod log_linear;
mod mixture;
mod neural;
mod saved;
mod shares;
mod tabular;

pub use by_gradient::project_by_gradient;
pub use failure::ProjectionFailure;
pub use log_linear::{
    LogLinearClass, LogLinearConfig, LogLinearError, LogLinearFit, LogLinearParameters,
    LogLinearPolicy,
};
pub use mixture::{MixtureClass, MixtureError, MixturePolicy};
pub use neural::{NeuralClass, NeuralConfig, NeuralError, NeuralParameters, NeuralPolicy};
pub use saved::{PolicyParameters, RestoreError};
pub use tabular::{TabularClass, TabularPolicy};
