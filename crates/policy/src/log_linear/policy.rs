//! A log-linear policy: weights, and the features and base that they are about.
//!
//! ```text
//! log π(a | x) = log base(a | x) + w·φ(x, a)/T − log Z(x)
//! ∂ log π(a | x)/∂w = (φ(x, a) − Σ_b π(b | x) φ(x, b)) / T
//! ```

use super::LogLinearError;
use super::rows::{LARGEST_FEATURE, center, dot};
use nlhf_core::{Distribution, FeatureMap, Menu, ParametrizedPolicy, Policy};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// Weights are held within ± this, so that scores are finite.
pub(super) const LARGEST_WEIGHT: f64 = 1e100;
/// What is farther below the best score is as good as that: with what the base adds it stays finite.
const LARGEST_DIFFERENCE: f64 = 1e307;

/// What a log-linear policy is saved as.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked", into = "Unchecked")]
pub struct LogLinearParameters {
    weights: Vec<f64>,
    temperature: f64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Unchecked {
    weights: Vec<f64>,
    temperature: f64,
}

impl LogLinearParameters {
    /// Weights, one a feature, and the temperature that their scores are divided by.
    ///
    /// # Errors
    /// [`LogLinearError::Weight`] and [`LogLinearError::Temperature`].
    pub fn new(weights: Vec<f64>, temperature: f64) -> Result<Self, LogLinearError> {
        let valid = |w: &f64| w.abs() <= LARGEST_WEIGHT;
        if let Some(index) = weights.iter().position(|w| !valid(w)) {
            return Err(LogLinearError::Weight { index, given: weights[index] });
        }
        if !(temperature > 0.0 && temperature.is_finite()) {
            return Err(LogLinearError::Temperature { given: temperature });
        }
        Ok(Self { weights, temperature })
    }

    /// The weights w, within ±1e100.
    pub fn weights(&self) -> &[f64] {
        &self.weights
    }

    /// The temperature T, positive and finite.
    pub fn temperature(&self) -> f64 {
        self.temperature
    }
}

impl TryFrom<Unchecked> for LogLinearParameters {
    type Error = LogLinearError;
    fn try_from(read: Unchecked) -> Result<Self, LogLinearError> {
        Self::new(read.weights, read.temperature)
    }
}

impl From<LogLinearParameters> for Unchecked {
    fn from(parameters: LogLinearParameters) -> Self {
        Self { weights: parameters.weights, temperature: parameters.temperature }
    }
}

/// Plays `base(a | x) exp(w·φ(x, a) / T)`, normalized.
#[derive(Clone)]
pub struct LogLinearPolicy {
    parameters: LogLinearParameters,
    features: Arc<dyn FeatureMap>,
    base: Arc<dyn Policy>,
}

impl fmt::Debug for LogLinearPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("LogLinearPolicy");
        shown
            .field("parameters", &self.parameters)
            .field("features", &self.features)
            .finish_non_exhaustive()
    }
}

impl LogLinearPolicy {
    /// The policy of these parameters.
    ///
    /// # Errors
    /// [`LogLinearError::Length`] if there is not one weight a feature.
    pub fn new(
        parameters: LogLinearParameters,
        features: Arc<dyn FeatureMap>,
        base: Arc<dyn Policy>,
    ) -> Result<Self, LogLinearError> {
        let (required, given) = (features.dim(), parameters.weights.len());
        if required == given {
            Ok(Self { parameters, features, base })
        } else {
            Err(LogLinearError::Length { required, given })
        }
    }

    /// What it is saved as.
    pub fn log_linear_parameters(&self) -> &LogLinearParameters {
        &self.parameters
    }

    /// The same weights at another temperature: nearer to the base the higher it is.
    ///
    /// # Errors
    /// [`LogLinearError::Temperature`] if it is not positive and finite.
    pub fn with_temperature(mut self, temperature: f64) -> Result<Self, LogLinearError> {
        self.parameters = LogLinearParameters::new(self.parameters.weights, temperature)?;
        Ok(self)
    }

    /// Whatever the base plays and has features: its positions in the menu, and its features, centered.
    fn rows(&self, menu: Menu<'_>, base: &Distribution) -> (Vec<usize>, Vec<f64>) {
        let dim = self.features.dim();
        let (mut positions, mut rows) = (Vec::with_capacity(menu.len()), Vec::new());
        rows.reserve(menu.len() * dim);
        for (at, (&response, log_base)) in
            menu.responses().iter().zip(base.log_probabilities()).enumerate()
        {
            if *log_base == f64::NEG_INFINITY {
                continue;
            }
            let start = rows.len();
            rows.resize(start + dim, 0.0);
            if self.features.write(menu.prompt(), response, &mut rows[start..]).is_ok() {
                positions.push(at);
            } else {
                rows.truncate(start);
            }
        }
        center(&mut rows, dim);
        for x in &mut rows {
            *x = x.clamp(-LARGEST_FEATURE, LARGEST_FEATURE);
        }
        (positions, rows)
    }
}

/// What is played on a menu, and whatever scores had a say in it: positions in the menu, and centered features.
struct OnMenu {
    played: Distribution,
    positions: Vec<usize>,
    rows: Vec<f64>,
}

impl LogLinearPolicy {
    fn on(&self, menu: Menu<'_>) -> OnMenu {
        let base = self.base.distribution(menu);
        let (positions, rows) = self.rows(menu, &base);
        let LogLinearParameters { weights, temperature } = &self.parameters;
        let scores: Vec<f64> =
            rows.chunks_exact(weights.len()).map(|row| dot(row, weights)).collect();
        let best = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let mut logits = vec![f64::NEG_INFINITY; menu.len()];
        for (&at, score) in positions.iter().zip(scores) {
            // Differences first: at low temperatures the scores themselves may be beyond numbers.
            let below = (score - best) / temperature;
            logits[at] = base.log_probabilities()[at] + below.max(-LARGEST_DIFFERENCE);
        }
        // No logit: nothing that the base plays has features.
        OnMenu { played: Distribution::from_logits(logits).unwrap_or(base), positions, rows }
    }
}

impl Policy for LogLinearPolicy {
    fn distribution(&self, menu: Menu<'_>) -> Distribution {
        self.on(menu).played
    }
}

impl ParametrizedPolicy for LogLinearPolicy {
    fn parameters(&self) -> &[f64] {
        &self.parameters.weights
    }

    /// Values beyond ±1e100 are held there, so that scores are finite.
    ///
    /// # Panics
    /// If the number of the parameters differs, or one is not a number.
    fn with_parameters(&self, mut parameters: Vec<f64>) -> Self {
        assert_eq!(parameters.len(), self.parameters.weights.len(), "one parameter a feature");
        for parameter in &mut parameters {
            *parameter = parameter.clamp(-LARGEST_WEIGHT, LARGEST_WEIGHT);
        }
        let parameters = LogLinearParameters::new(parameters, self.parameters.temperature)
            .expect("parameters are numbers");
        Self { parameters, ..self.clone() }
    }

    fn add_log_probability_gradient(
        &self,
        menu: Menu<'_>,
        coefficients: &[f64],
        gradient: &mut [f64],
    ) {
        assert_eq!(coefficients.len(), menu.len(), "one coefficient a response");
        assert_eq!(gradient.len(), self.parameters.weights.len(), "one entry a parameter");
        let OnMenu { played, positions, rows } = self.on(menu);
        let played = played.probabilities();
        let total: f64 = positions.iter().map(|&at| coefficients[at]).sum();
        for (at, row) in positions.into_iter().zip(rows.chunks_exact(gradient.len())) {
            let share = (coefficients[at] - total * played[at]) / self.parameters.temperature;
            for (gradient, x) in gradient.iter_mut().zip(row) {
                *gradient += share * x;
            }
        }
    }
}
