//! What a contextual Bradley-Terry model answers, once fitted.
//!
//! ```text
//! R(x, a, b) = s(x, a) − s(x, b),  s(x, a) = r(a) + w(a)'ψ(x);   width = β √(z'V⁻¹z),  z = (e_a − e_b) ⊗ (1, ψ(x))
//! ```
//! Parameters and the features of prompts are separate values: the same parameters score other prompts.

use crate::{FeatureError, FeatureTable, Projection};
use nalgebra::{DMatrix, DVectorView};
use nlhf_core::{ConfidenceWidth, DenseGame, Menu, PreferenceModel, PromptId, ResponseId, Scale};
use std::sync::Arc;

/// Scores and tastes of the responses that were compared, without the features of prompts.
#[derive(Debug, Clone, PartialEq)]
pub struct ContextualParameters {
    /// k, the features of a prompt after their projection.
    pub(crate) dim: usize,
    pub(crate) projection: Option<Arc<Projection>>,
    /// Ascending.
    pub(crate) responses: Vec<ResponseId>,
    /// `r(a), w(a)` of each response, `1 + k` values.
    pub(crate) values: Vec<f64>,
    /// `V⁻¹`.
    pub(crate) covariance: DMatrix<f64>,
    pub(crate) beta: f64,
    pub(crate) log_odds_bound: f64,
}

impl ContextualParameters {
    /// The features that a prompt needs.
    pub fn dim(&self) -> usize {
        self.projection.as_ref().map_or(self.dim, |projection| projection.dim())
    }

    /// The responses that were compared, ascending.
    pub fn responses(&self) -> &[ResponseId] {
        &self.responses
    }

    /// `r(a)`, the score on a prompt whose features are zero; `None` if the response was never compared.
    pub fn base_score(&self, response: ResponseId) -> Option<f64> {
        self.of(response).map(|values| values[0])
    }

    /// `w(a)`, nats per unit of each feature; `None` if the response was never compared.
    pub fn tastes(&self, response: ResponseId) -> Option<&[f64]> {
        self.of(response).map(|values| &values[1..])
    }

    /// A model of the prompts whose features are given, row k of prompt k.
    ///
    /// # Errors
    /// [`FeatureError::Shape`] if they have another length.
    pub fn with_prompts(self, prompts: Arc<FeatureTable>) -> Result<ContextualModel, FeatureError> {
        if prompts.dim() != self.dim() {
            return Err(FeatureError::Shape { dim: self.dim(), given: prompts.dim() });
        }
        let prompts = match &self.projection {
            Some(projection) => Arc::new(projection.apply(&prompts)?),
            None => prompts,
        };
        Ok(ContextualModel { parameters: self, prompts })
    }

    fn place(&self, response: ResponseId) -> Option<usize> {
        self.responses.binary_search(&response).ok()
    }

    fn of(&self, response: ResponseId) -> Option<&[f64]> {
        let width = 1 + self.dim;
        self.place(response).map(|at| &self.values[at * width..(at + 1) * width])
    }

    /// `z'V⁻¹z`.
    fn squared_length(&self, psi: &[f64], low: usize, high: usize) -> f64 {
        let width = 1 + self.dim;
        let (i, j) = (low * width, high * width);
        let block = |i: usize, j: usize| {
            let block = self.covariance.view((i, j), (width, width));
            let tastes = DVectorView::from_slice(psi, self.dim);
            let inner = block.view((1, 1), (self.dim, self.dim));
            let border = block.view((1, 0), (self.dim, 1)).dot(&tastes)
                + block.view((0, 1), (1, self.dim)).transpose().dot(&tastes);
            block[(0, 0)] + border + tastes.dot(&(inner * tastes))
        };
        block(i, i) + block(j, j) - 2.0 * block(i, j)
    }
}

/// A fitted contextual Bradley-Terry model: parameters, and prompts that can be exchanged.
///
/// Where a prompt has no features or a response was never compared, nothing is claimed: log-odds of 0, and the bound
/// as width.
#[derive(Debug, Clone)]
pub struct ContextualModel {
    pub(crate) parameters: ContextualParameters,
    pub(crate) prompts: Arc<FeatureTable>,
}

impl ContextualModel {
    /// The parameters alone.
    pub fn parameters(&self) -> &ContextualParameters {
        &self.parameters
    }

    /// The same parameters on other prompts.
    ///
    /// # Errors
    /// [`FeatureError::Shape`] if their features have another length.
    pub fn with_prompts(self, prompts: Arc<FeatureTable>) -> Result<Self, FeatureError> {
        self.parameters.with_prompts(prompts)
    }

    /// `s(x, a)` in nats; `None` without features of the prompt, or if the response was never compared.
    pub fn score(&self, prompt: PromptId, response: ResponseId) -> Option<f64> {
        let psi = self.prompts.row(prompt.index())?;
        let (base, tastes) = self.parameters.of(response)?.split_first()?;
        Some(base + tastes.iter().zip(psi).map(|(w, x)| w * x).sum::<f64>())
    }

    fn difference(&self, first: Option<f64>, second: Option<f64>) -> f64 {
        let bound = self.parameters.log_odds_bound;
        match (first, second) {
            (Some(first), Some(second)) => (first - second).clamp(-bound, bound),
            _ => 0.0,
        }
    }
}

impl PreferenceModel for ContextualModel {
    fn log_odds(&self, prompt: PromptId, first: ResponseId, second: ResponseId) -> f64 {
        self.difference(self.score(prompt, first), self.score(prompt, second))
    }

    fn game(&self, menu: Menu<'_>, scale: Scale) -> DenseGame {
        let score = |response: &ResponseId| self.score(menu.prompt(), *response);
        let scores: Vec<Option<f64>> = menu.responses().iter().map(score).collect();
        DenseGame::skew_from_upper(menu.len(), |i, j| {
            let log_odds = self.difference(scores[i], scores[j]);
            scale.payoff(log_odds)
        })
    }
}

impl ConfidenceWidth for ContextualModel {
    fn log_odds_width(&self, prompt: PromptId, first: ResponseId, second: ResponseId) -> f64 {
        if first == second {
            return 0.0;
        }
        let (low, high) = (first.min(second), first.max(second));
        let most = self.parameters.log_odds_bound + self.log_odds(prompt, low, high).abs();
        let places = (self.parameters.place(low), self.parameters.place(high));
        let (Some(psi), (Some(i), Some(j))) = (self.prompts.row(prompt.index()), places) else {
            return most;
        };
        let squared = self.parameters.squared_length(psi, i, j).max(0.0);
        (self.parameters.beta * squared.sqrt()).min(most)
    }

    fn log_odds_bound(&self) -> f64 {
        self.parameters.log_odds_bound
    }
}
