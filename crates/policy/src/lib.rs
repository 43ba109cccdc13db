//! Policy classes: families of policies that a learner can project its answers onto.
//!
//! | class | policy | for |
//! |---|---|---|
//! | [`TabularClass`] | [`TabularPolicy`] | known prompts and candidates: keeps every target exactly |
//! | [`LogLinearClass`] | [`LogLinearPolicy`] | features: scores what was never seen; convex, with a bound on what is left |
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

mod log_linear;
mod tabular;

pub use log_linear::{
    LogLinearClass, LogLinearConfig, LogLinearError, LogLinearFit, LogLinearParameters,
    LogLinearPolicy,
};
pub use tabular::{TabularClass, TabularPolicy};
