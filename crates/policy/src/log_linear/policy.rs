//! A log-linear policy: weights, and the features and base that they are about.
//!
//! ```text
//! log π(a | x) = log base(a | x) + w·φ(x, a)/T − log Z(x)
//! ∂ log π(a | x)/∂w = (φ(x, a) − Σ_b π(b | x) φ(x, b)) / T
//! ```

use super::LogLinearError;
use nlhf_core::{Distribution, FeatureMap, Menu, ParametrizedPolicy, Policy};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// Scores beyond this are as good as it: sums and differences of them stay finite.
const LARGEST_SCORE: f64 = 1e300;

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
        if let Some(index) = weights.iter().position(|w| !w.is_finite()) {
            return Err(LogLinearError::Weight { index, given: weights[index] });
        }
        if !(temperature > 0.0 && temperature.is_finite()) {
            return Err(LogLinearError::Temperature { given: temperature });
        }
        Ok(Self { weights, temperature })
    }

    /// The weights w, finite.
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

    /// Shows the features of whatever the base plays and has some, with its position in the menu.
    fn for_each_row(
        &self,
        menu: Menu<'_>,
        base: &Distribution,
        mut show: impl FnMut(usize, &[f64]),
    ) {
        let mut row = vec![0.0; self.features.dim()];
        for (at, (&response, log_base)) in
            menu.responses().iter().zip(base.log_probabilities()).enumerate()
        {
            let played = log_base.is_finite();
            if played && self.features.write(menu.prompt(), response, &mut row).is_ok() {
                show(at, &row);
            }
        }
    }
}

impl Policy for LogLinearPolicy {
    fn distribution(&self, menu: Menu<'_>) -> Distribution {
        let base = self.base.distribution(menu);
        let mut logits = vec![f64::NEG_INFINITY; menu.len()];
        self.for_each_row(menu, &base, |at, row| {
            let score: f64 = row.iter().zip(&self.parameters.weights).map(|(x, w)| x * w).sum();
            let score = score / self.parameters.temperature;
            logits[at] = base.log_probabilities()[at] + score.clamp(-LARGEST_SCORE, LARGEST_SCORE);
        });
        // No logit: nothing that the base plays has features.
        Distribution::from_logits(logits).unwrap_or(base)
    }
}

impl ParametrizedPolicy for LogLinearPolicy {
    fn parameters(&self) -> &[f64] {
        &self.parameters.weights
    }

    /// # Panics
    /// If the number of the parameters differs, or one is not finite.
    fn with_parameters(&self, parameters: Vec<f64>) -> Self {
        assert_eq!(parameters.len(), self.parameters.weights.len(), "one parameter a feature");
        let parameters = LogLinearParameters::new(parameters, self.parameters.temperature)
            .expect("finite parameters");
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
        let base = self.base.distribution(menu);
        let played = self.distribution(menu).probabilities();
        let mut total = 0.0;
        self.for_each_row(menu, &base, |at, _| total += coefficients[at]);
        self.for_each_row(menu, &base, |at, row| {
            let share = (coefficients[at] - total * played[at]) / self.parameters.temperature;
            for (gradient, x) in gradient.iter_mut().zip(row) {
                *gradient += share * x;
            }
        });
    }
}
