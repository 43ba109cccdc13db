//! The log-linear class: scores that are linear in features, so that what was never seen is scored too.
//!
//! ```text
//! π_w(a | x) ∝ base(a | x) exp(w·φ(x, a) / T),   ‖w‖ ≤ R
//! f(w) = Σ_x ω_x KL(t_x ‖ π_w(· | x)) / Σ_x ω_x   →   min        convex in w
//! ```
//! The norm ball rather than a ridge: a ball is a class. It is compact, so that the minimum exists for separable targets too, and
//! targets which a member plays are projected onto that member, which a ridge would pull toward the base.
//!
//! A candidate without features is never played where the base plays others that have some; where it plays none of those, the
//! base is played. What the base never plays stays at zero.

use nlhf_core::{
    FeatureMap, FitStatus, Policy, PolicyClass, Projected, ProjectionError, PromptId, ResponseId,
    Target,
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

mod ball;
mod certificate;
mod curvature;
mod design;
mod policy;
mod rows;
mod sample;
mod search;

pub use policy::{LogLinearParameters, LogLinearPolicy};

use design::Design;

/// The settings of a log-linear class.
///
/// | Name | Default | Purpose | Range |
/// |---|---|---|---|
/// | `max_norm` | 1000 | the largest Euclidean norm of the weights | (0, 1e100] |
/// | `tolerance_nats` | 1e-10 | the bound on the excess at which a projection ends | ≥ 0 |
/// | `temperature` | 1 | the temperature at which is projected | (0, ∞) |
///
/// A policy plays at the temperature it was projected at, until [`LogLinearPolicy::with_temperature`] changes that.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct LogLinearConfig {
    /// The largest Euclidean norm of the weights.
    pub max_norm: f64,
    /// What the excess has to come below, in nats. The total variation to the projection may then be half its root or so.
    pub tolerance_nats: f64,
    /// The temperature at which is projected.
    pub temperature: f64,
}

impl Default for LogLinearConfig {
    fn default() -> Self {
        Self { max_norm: 1e3, tolerance_nats: 1e-10, temperature: 1.0 }
    }
}

impl LogLinearConfig {
    /// With another largest norm.
    #[must_use]
    pub fn with_max_norm(mut self, max_norm: f64) -> Self {
        self.max_norm = max_norm;
        self
    }

    /// With another tolerance.
    #[must_use]
    pub fn with_tolerance_nats(mut self, tolerance_nats: f64) -> Self {
        self.tolerance_nats = tolerance_nats;
        self
    }

    /// With another temperature.
    #[must_use]
    pub fn with_temperature(mut self, temperature: f64) -> Self {
        self.temperature = temperature;
        self
    }
}

/// Settings, parameters or targets that no log-linear policy can be made of.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum LogLinearError {
    /// A largest norm that is not positive, or beyond 1e100.
    #[error("the largest norm must be positive and at most 1e100, but is {given}")]
    MaxNorm {
        /// What was given.
        given: f64,
    },
    /// A tolerance that is negative or not finite.
    #[error("the tolerance must be non-negative and finite, but is {given}")]
    Tolerance {
        /// What was given.
        given: f64,
    },
    /// A temperature that is not positive and finite.
    #[error("the temperature must be positive and finite, but is {given}")]
    Temperature {
        /// What was given.
        given: f64,
    },
    /// A weight that is not a number within ±1e100.
    #[error("every weight must lie within 1e100, but weight {index} is {given}")]
    Weight {
        /// Which weight.
        index: usize,
        /// Its value.
        given: f64,
    },
    /// Not one weight a feature.
    #[error("there must be one weight a feature, but there are {given} for {required} features")]
    Length {
        /// Features.
        required: usize,
        /// Weights.
        given: usize,
    },
    /// A target that plays what the base never plays: it is infinitely far from every member.
    #[error(
        "a target may play only what the base plays, but that of {prompt:?} plays {response:?}, which the base never does"
    )]
    BeyondBase {
        /// The prompt.
        prompt: PromptId,
        /// The response.
        response: ResponseId,
    },
    /// Features that are not finite, or farther than 1e200 from their mean over a menu.
    #[error(
        "features must be finite and within 1e200 of their mean over the menu, but those of {prompt:?} are not"
    )]
    Features {
        /// The prompt.
        prompt: PromptId,
    },
    /// An iterate was not finite.
    #[error("the search for the weights broke down")]
    Breakdown,
}

impl From<LogLinearError> for ProjectionError {
    fn from(error: LogLinearError) -> Self {
        Self::Class { source: Box::new(error) }
    }
}

/// What a fit to targets found.
#[derive(Debug, Clone)]
#[must_use]
pub struct LogLinearFit {
    /// The member of the class.
    pub policy: LogLinearPolicy,
    /// The weighted mean of `KL(target ‖ policy)`, in nats.
    pub kl_nats: f64,
    /// A bound on how much smaller that mean could be within the class, in nats.
    pub excess_nats: f64,
    /// The Euclidean norm of the weights.
    pub norm: f64,
    /// Whether the ball, and not only the targets, holds the weights back.
    pub ball_binds: bool,
    /// Steps over all targets.
    pub iterations: usize,
    /// Why the fit ended. Whatever it says, the bound holds.
    pub status: FitStatus,
}

/// All log-linear policies over given features and a base, with weights in a ball.
///
/// ```
/// use nlhf_core::{
///     Distribution, FeatureMap, FitError, Menu, Policy, PolicyClass, PromptId, ResponseId, Target,
///     UniformPolicy, Weight,
/// };
/// use nlhf_policy::{LogLinearClass, LogLinearConfig};
/// use std::sync::Arc;
///
/// /// The length of an answer, as its id tells it.
/// #[derive(Debug)]
/// struct Length;
///
/// impl FeatureMap for Length {
///     fn dim(&self) -> usize {
///         1
///     }
///     fn write(&self, _: PromptId, response: ResponseId, out: &mut [f64]) -> Result<(), FitError> {
///         out[0] = response.index() as f64;
///         Ok(())
///     }
/// }
///
/// let class =
///     LogLinearClass::new(Arc::new(Length), Arc::new(UniformPolicy), LogLinearConfig::default())?;
/// let seen = [ResponseId::new(1), ResponseId::new(2)];
/// let menu = Menu::new(PromptId::new(0), &seen)?;
/// let distribution = Distribution::from_masses(&[0.8, 0.2])?;
/// let policy = class.project(&[Target { menu, distribution, weight: Weight::ONE }], None)?.policy;
/// // Shorter answers are played more often, also where neither the prompt nor the answers were seen before.
/// let unseen = [ResponseId::new(5), ResponseId::new(7)];
/// let played = policy.distribution(Menu::new(PromptId::new(9), &unseen)?).probabilities();
/// assert!((played[0] - 16.0 / 17.0).abs() < 1e-4);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct LogLinearClass {
    features: Arc<dyn FeatureMap>,
    base: Arc<dyn Policy>,
    config: LogLinearConfig,
}

impl std::fmt::Debug for LogLinearClass {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("LogLinearClass");
        shown
            .field("features", &self.features)
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

impl LogLinearClass {
    /// The class of these features over a base.
    ///
    /// # Errors
    /// [`LogLinearError::MaxNorm`], [`LogLinearError::Tolerance`] and [`LogLinearError::Temperature`].
    pub fn new(
        features: Arc<dyn FeatureMap>,
        base: Arc<dyn Policy>,
        config: LogLinearConfig,
    ) -> Result<Self, LogLinearError> {
        let positive = |x: f64| x > 0.0 && x.is_finite();
        let LogLinearConfig { max_norm, tolerance_nats, temperature } = config;
        if !(max_norm > 0.0 && max_norm <= policy::LARGEST_WEIGHT) {
            return Err(LogLinearError::MaxNorm { given: max_norm });
        }
        if !(tolerance_nats >= 0.0 && tolerance_nats.is_finite()) {
            return Err(LogLinearError::Tolerance { given: tolerance_nats });
        }
        if !positive(temperature) {
            return Err(LogLinearError::Temperature { given: temperature });
        }
        Ok(Self { features, base, config })
    }

    /// The member nearest to the targets, with what the search found out about it.
    ///
    /// Targets of weight zero change nothing; several targets of one prompt add up. Without any weight all members are
    /// equally near: the base comes back, or the warm start if there is one, drawn into the ball.
    ///
    /// # Errors
    /// [`ProjectionError::Shape`]; [`ProjectionError::Class`] with a [`FitError`](nlhf_core::FitError) as its source if a target
    /// plays what has no features, and with a [`LogLinearError`] if one plays what the base never does.
    pub fn fit(
        &self,
        targets: &[Target<'_>],
        warm: Option<&LogLinearPolicy>,
    ) -> Result<LogLinearFit, ProjectionError> {
        let LogLinearConfig { max_norm, tolerance_nats, temperature } = self.config;
        let design = Design::new(self.features.as_ref(), self.base.as_ref(), targets)?;
        // Within the search weights are per temperature, and features per unit.
        let radius = max_norm / temperature * design.unit;
        let start = warm.map(|warm| self.start(warm, design.unit)).transpose()?;
        let found = search::minimize(&design, radius, tolerance_nats, start)?;
        let mut weights: Vec<f64> =
            found.weights.iter().map(|w| w / design.unit * temperature).collect();
        let mut norm = ball::norm(&weights);
        while norm > max_norm {
            // Rounding only.
            let shrink = max_norm / norm * (1.0 - f64::EPSILON);
            for w in &mut weights {
                *w *= shrink;
            }
            norm = ball::norm(&weights);
        }
        let parameters = LogLinearParameters::new(weights, temperature)?;
        let (features, base) = (Arc::clone(&self.features), Arc::clone(&self.base));
        Ok(LogLinearFit {
            policy: LogLinearPolicy::new(parameters, features, base)?,
            kl_nats: found.value,
            excess_nats: found.bound,
            norm,
            ball_binds: found.ball_binds,
            iterations: found.iterations,
            status: found.status,
        })
    }

    /// The weights of a warm start per temperature, where features are per unit.
    fn start(&self, warm: &LogLinearPolicy, unit: f64) -> Result<Vec<f64>, LogLinearError> {
        let weights = warm.log_linear_parameters().weights();
        let (required, given) = (self.features.dim(), weights.len());
        if required != given {
            return Err(LogLinearError::Length { required, given });
        }
        // What it plays is what it starts with, at whatever temperature, as long as there are numbers for it.
        let temperature = warm.log_linear_parameters().temperature();
        let start: Vec<f64> = weights.iter().map(|w| w / temperature * unit).collect();
        Ok(if ball::norm(&start).is_finite() { start } else { vec![0.0; given] })
    }
}

impl PolicyClass for LogLinearClass {
    type Policy = LogLinearPolicy;

    fn name(&self) -> &'static str {
        "log-linear"
    }

    /// # Errors
    /// Those of [`LogLinearClass::fit`].
    fn project(
        &self,
        targets: &[Target<'_>],
        warm: Option<&LogLinearPolicy>,
    ) -> Result<Projected<LogLinearPolicy>, ProjectionError> {
        let fit = self.fit(targets, warm)?;
        Ok(Projected { policy: fit.policy, excess_nats: Some(fit.excess_nats) })
    }
}
