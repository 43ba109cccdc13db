//! Policies as values to be written and read: the class and its parameters, without features and base.
//!
//! ```text
//! policy  ⇄  PolicyParameters  ⇄  JSON, or whatever else serde knows
//! ```
//! Features and base are given again when a policy is restored, for prompts and responses of any data set; over the same ones
//! it plays the same to the last bit. A [`TabularPolicy`](crate::TabularPolicy) is a value by itself.

use crate::{
    LogLinearError, LogLinearParameters, LogLinearPolicy, NeuralError, NeuralParameters,
    NeuralPolicy,
};
use nlhf_core::{FeatureMap, Policy};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What is kept of a policy that plays prompts and responses of any data set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "parameters", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum PolicyParameters {
    /// Of a [`LogLinearPolicy`].
    LogLinear(LogLinearParameters),
    /// Of a [`NeuralPolicy`].
    Neural(NeuralParameters),
}

/// Parameters and features that do not fit.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RestoreError {
    /// Those of a log-linear policy.
    #[error(transparent)]
    LogLinear(#[from] LogLinearError),
    /// Those of a neural policy.
    #[error(transparent)]
    Neural(#[from] NeuralError),
}

impl PolicyParameters {
    /// The name of the class.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::LogLinear(_) => "log-linear",
            Self::Neural(_) => "neural",
        }
    }

    /// The policy over features of any data set, near `base`.
    ///
    /// # Errors
    /// [`RestoreError`] if the features have another length than those that the parameters were learned with.
    pub fn over(
        self,
        features: Arc<dyn FeatureMap>,
        base: Arc<dyn Policy>,
    ) -> Result<Box<dyn Policy>, RestoreError> {
        Ok(match self {
            Self::LogLinear(parameters) => {
                Box::new(LogLinearPolicy::new(parameters, features, base)?)
            }
            Self::Neural(parameters) => Box::new(NeuralPolicy::new(parameters, features, base)?),
        })
    }
}
