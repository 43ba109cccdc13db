//! The small neural class: a base policy tilted by a score with one hidden layer.
//!
//! ```text
//! π(a | x) ∝ base(a | x) exp s(x, a),     s = u·z + v·tanh(W z + b),     z = (φ(x, a) − mean) / scale
//! ```
//! φ is a [`FeatureMap`], so that prompts and candidates that were never fitted to are scored too. The linear term u·z makes every
//! log-linear policy a member; the h hidden units add what is no weighted sum of features, such as one feature mattering only
//! together with another. `mean` and `scale` are those of the candidates that were fitted to, and stay with the
//! parameters: any units of the features will do.
//!
//! Candidates without features are not played where others can be; where none on the menu can be, the base is played.
//!
//! | file | what |
//! |---|---|
//! | `neural/parameters.rs` | u, v, W, b, mean, scale: checked, saved, loaded |
//! | `neural/network.rs` | scores and gradients of many candidates at once, as matrix products |
//! | `neural/design.rs` | the candidates of all targets, standardized, in blocks |
//! | `neural/class.rs` | settings and projection |

mod class;
mod design;
mod network;
mod parameters;

pub use class::{NeuralClass, NeuralConfig};
pub use parameters::{NeuralError, NeuralParameters};

use nalgebra::DMatrix;
use network::Activations;
use nlhf_core::{Distribution, FeatureMap, Menu, ParametrizedPolicy, Policy};
use std::sync::Arc;

/// A base policy tilted by a small network. Parameters are u, v, W and b, in this order.
#[derive(Clone)]
pub struct NeuralPolicy {
    parameters: NeuralParameters,
    features: Arc<dyn FeatureMap>,
    base: Arc<dyn Policy>,
}

impl std::fmt::Debug for NeuralPolicy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NeuralPolicy")
            .field("parameters", &self.parameters)
            .field("features", &self.features)
            .finish_non_exhaustive()
    }
}

impl NeuralPolicy {
    /// The policy of some parameters over features and a base.
    ///
    /// # Errors
    /// [`NeuralError::Features`] if the parameters were made for features of another length.
    pub fn new(
        parameters: NeuralParameters,
        features: Arc<dyn FeatureMap>,
        base: Arc<dyn Policy>,
    ) -> Result<Self, NeuralError> {
        let (required, given) = (parameters.shape().dim, features.dim());
        if required != given {
            return Err(NeuralError::Features { required, given });
        }
        Ok(Self { parameters, features, base })
    }

    /// What was learned: all that needs saving.
    pub fn neural_parameters(&self) -> &NeuralParameters {
        &self.parameters
    }

    fn on(&self, menu: Menu<'_>) -> OnMenu {
        let base = self.base.distribution(menu);
        let (positions, mut raw) = featured(self.features.as_ref(), menu);
        if positions.is_empty() {
            return OnMenu { played: base, tilt: None };
        }
        self.parameters.standardize(&mut raw);
        let z = DMatrix::from_vec(self.features.dim(), positions.len(), raw);
        let activations = self.parameters.shape().forward(self.parameters.values(), &z);
        let mut logits = vec![f64::NEG_INFINITY; menu.len()];
        for (&position, score) in positions.iter().zip(activations.scores.iter()) {
            logits[position] = base.log_probabilities()[position] + score;
        }
        match Distribution::from_logits(logits) {
            Ok(played) => OnMenu { played, tilt: Some(Tilt { positions, z, activations }) },
            // The base plays none of those with features.
            Err(_) => OnMenu { played: base, tilt: None },
        }
    }
}

/// What is played on a menu, and how it came about if scores had a say.
struct OnMenu {
    played: Distribution,
    tilt: Option<Tilt>,
}

struct Tilt {
    /// Where on the menu the candidates with features stand.
    positions: Vec<usize>,
    /// A column each.
    z: DMatrix<f64>,
    activations: Activations,
}

/// The positions of candidates with features, and the features one after the other.
fn featured(features: &dyn FeatureMap, menu: Menu<'_>) -> (Vec<usize>, Vec<f64>) {
    let (mut positions, mut raw) = (Vec::with_capacity(menu.len()), Vec::new());
    let mut row = vec![0.0; features.dim()];
    for (position, &response) in menu.responses().iter().enumerate() {
        if features.write(menu.prompt(), response, &mut row).is_ok() {
            positions.push(position);
            raw.extend_from_slice(&row);
        }
    }
    (positions, raw)
}

impl Policy for NeuralPolicy {
    /// # Complexity
    /// O(n d h) for n candidates, d features and h hidden units.
    fn distribution(&self, menu: Menu<'_>) -> Distribution {
        self.on(menu).played
    }
}

impl ParametrizedPolicy for NeuralPolicy {
    fn parameters(&self) -> &[f64] {
        self.parameters.values()
    }

    /// Values beyond ±1e100 are held there, so that scores are finite.
    ///
    /// # Panics
    /// If their number differs, or one is not a number.
    fn with_parameters(&self, parameters: Vec<f64>) -> Self {
        Self { parameters: self.parameters.with_values(parameters), ..self.clone() }
    }

    fn add_log_probability_gradient(
        &self,
        menu: Menu<'_>,
        coefficients: &[f64],
        gradient: &mut [f64],
    ) {
        assert_eq!(coefficients.len(), menu.len(), "one coefficient a response");
        let OnMenu { played, tilt } = self.on(menu);
        let Some(Tilt { positions, z, activations }) = tilt else { return };
        let logs = played.log_probabilities();
        let plays = |position: &&usize| logs[**position].is_finite();
        let total: f64 = positions.iter().filter(plays).map(|&at| coefficients[at]).sum();
        let slope = |position: &usize| {
            let log_p = logs[*position];
            if log_p.is_finite() { coefficients[*position] - total * log_p.exp() } else { 0.0 }
        };
        let slopes: Vec<f64> = positions.iter().map(slope).collect();
        let shape = self.parameters.shape();
        shape.backward(self.parameters.values(), &z, &activations, &slopes, gradient);
    }
}
