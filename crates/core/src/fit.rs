//! Fitting: from comparisons to a preference model, with the evidence of how it went.
//!
//! The estimator (its settings) and the model are different types, so that a fitted model carries
//! nothing but what it needs to answer.

use crate::{Comparison, PreferenceModel, PromptId, ResponseId};
use serde::{Deserialize, Serialize};
use std::error::Error;

/// Why a fit stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FitStatus {
    /// A closed form, or a gradient at most 1e-12 of the total weight.
    Converged,
    /// Rounding stops further progress; the gradient says how far it got.
    Stalled,
    /// The limit on iterations was reached first.
    IterationLimit,
}

/// Responses that the comparisons do not tie to one another strongly enough for a finite estimate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Separation {
    /// Responses that never lost nor tied, or never won nor tied, against the rest of their group:
    /// without a ridge or bound their scores would be infinite.
    pub responses: Vec<ResponseId>,
    /// In how many unconnected groups the compared responses fall; scores of different groups
    /// cannot be compared.
    pub n_groups: usize,
}

/// How much showing a response first adds to the log-odds that it is preferred: a habit of the judges,
/// fitted beside the preference and never part of it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct OrderEffect {
    /// The estimate, in nats; positive if the first is favoured.
    pub log_odds: f64,
    /// Its standard error, from the inverse of the Hessian.
    pub standard_error: f64,
}

/// What a fit says about itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FitEvidence {
    /// [`FitPreference::name`] of what was fitted.
    pub model: String,
    /// Comparisons used, those of a response with itself left out.
    pub n_comparisons: usize,
    /// The sum of their weights.
    pub total_weight: f64,
    /// Free parameters.
    pub n_parameters: usize,
    /// Mean log-loss on the data of the fit, in nats.
    pub log_loss_nats: f64,
    /// The largest entry of the gradient of the penalized loss, per unit of weight that it is about.
    pub gradient_max: f64,
    /// Newton iterations; 0 for a closed form.
    pub iterations: usize,
    /// Why the fit stopped.
    pub status: FitStatus,
    /// The multiplier β of the widths, where they are elliptical.
    pub width_multiplier: Option<f64>,
    /// The length `S` that the true parameters are taken not to exceed, where the widths assume one.
    pub parameter_norm: Option<f64>,
    /// Whether the bound on log-odds, and not only the ridge that was asked for, holds the estimate back.
    pub bound_active: bool,
    /// The effect of the presentation order, where one was fitted.
    pub order_effect: Option<OrderEffect>,
    /// Set where the estimate is finite only because of a ridge or bound.
    pub separation: Option<Separation>,
}

/// A fitted model with the evidence for it.
#[derive(Debug, Clone)]
pub struct Fitted<M> {
    /// The model.
    pub model: M,
    /// How the fit went.
    pub evidence: FitEvidence,
}

/// Data or settings that no model can be fitted to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FitError {
    /// No comparison of two different responses with a positive weight.
    #[error(
        "a fit needs a comparison of two different responses with a positive weight, but none of {given} is one"
    )]
    NoComparisons {
        /// How many rows were given.
        given: usize,
    },
    /// No finite maximum-likelihood estimate exists.
    #[error(
        "no finite maximum-likelihood estimate: {} responses always or never win; set a ridge or a bound",
        separation.responses.len()
    )]
    Separated {
        /// Which responses.
        separation: Separation,
    },
    /// A response without features.
    #[error("every response needs features, but {response:?} is beyond the table of {given} rows")]
    MissingResponseFeatures {
        /// The response.
        response: ResponseId,
        /// How many rows the table has.
        given: usize,
    },
    /// A prompt without features.
    #[error("every prompt needs features, but {prompt:?} is beyond the table of {given} rows")]
    MissingPromptFeatures {
        /// The prompt.
        prompt: PromptId,
        /// How many rows the table has.
        given: usize,
    },
    /// Too many parameters for the dense matrices of a fit.
    #[error("{model} fits at most {limit} parameters that hang together, but was given {given}")]
    TooLarge {
        /// What was fitted.
        model: &'static str,
        /// The limit.
        limit: usize,
        /// Parameters given.
        given: usize,
    },
    /// An iterate was not finite, or a matrix that must be positive definite was not.
    #[error("the fit of {model} broke down at iteration {iteration}")]
    Breakdown {
        /// What was fitted.
        model: &'static str,
        /// When it happened.
        iteration: usize,
    },
    /// The model failed for a reason of its own.
    #[error("the model cannot be fitted")]
    Model {
        /// The reason.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
}

/// Fits a preference model. Two methods and one type to write.
///
/// # Laws
/// * Swapping the responses and labels of any comparisons does not change the model beyond rounding. Where an
///   effect of the presentation order is fitted, who was shown first is data: then swapping *all* comparisons
///   turns the sign of the effect and does not change the model beyond rounding.
/// * Comparisons of a response with itself and those of weight zero change nothing.
pub trait FitPreference: Send + Sync {
    /// What is fitted.
    type Model: PreferenceModel;

    /// A short name in lower case.
    fn name(&self) -> &'static str;

    /// Fits the model to comparisons.
    ///
    /// # Errors
    /// [`FitError`] if the data or the settings admit no estimate.
    fn fit(&self, data: &[Comparison]) -> Result<Fitted<Self::Model>, FitError>;

    /// Fits to more comparisons than `previous` saw, the same as [`FitPreference::fit`] beyond the tolerance of the fit. Override
    /// it where starting from a model that is near saves work.
    ///
    /// # Errors
    /// Those of [`FitPreference::fit`].
    fn refit(
        &self,
        data: &[Comparison],
        previous: &Self::Model,
    ) -> Result<Fitted<Self::Model>, FitError> {
        let _ = previous;
        self.fit(data)
    }

    /// Fits where only predictions are wanted, not how sure they are, and shows the preference to `view`: the same as that
    /// of [`FitPreference::fit`] beyond rounding. Override it where confidence costs.
    ///
    /// # Errors
    /// Those of [`FitPreference::fit`].
    fn predict(
        &self,
        data: &[Comparison],
        view: &mut dyn FnMut(&dyn PreferenceModel),
    ) -> Result<(), FitError> {
        view(&self.fit(data)?.model);
        Ok(())
    }
}
