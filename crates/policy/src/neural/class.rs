//! Projection onto the neural class.

use super::design::Design;
use super::network::Shape;
use super::{NeuralError, NeuralParameters, NeuralPolicy};
use crate::ProjectionFailure;
use crate::shares::shares;
use nlhf_core::{
    FeatureMap, Policy, PolicyClass, Projected, ProjectionError, SeedTree, Stream, Target, lbfgs,
};
use rand_distr::{Distribution, StandardNormal};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The settings of a neural class.
///
/// | Name | Default | Purpose | Range |
/// |---|---|---|---|
/// | `hidden` | 32 | hidden units | 1 to 65 536 |
/// | `weight_decay` | 0 | holds u, v and W back: half of it times their squares is added to the mean KL, in nats | [0, ∞) |
/// | `max_iterations` | 300 | steps of each of the two searches | |
/// | `tolerance` | 1e-7 | largest entry of the gradient at which a search ends, in nats | [0, ∞) |
/// | `seed` | 0 | decides where the hidden units start | |
///
/// With weight decay the nearest policy is not what is looked for: targets that a policy of the class plays then no longer give that
/// policy, and a projection may end farther from the targets than its warm start.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct NeuralConfig {
    /// Hidden units.
    pub hidden: usize,
    /// The factor of the penalty on u, v and W.
    pub weight_decay: f64,
    /// The most steps of each search.
    pub max_iterations: usize,
    /// The largest entry of the gradient at which a search ends.
    pub tolerance: f64,
    /// Decides where the hidden units start.
    pub seed: SeedTree,
}

impl Default for NeuralConfig {
    fn default() -> Self {
        Self {
            hidden: 32,
            weight_decay: 0.0,
            max_iterations: 300,
            tolerance: 1e-7,
            seed: SeedTree::new(0),
        }
    }
}

impl NeuralConfig {
    /// With another number of hidden units.
    #[must_use]
    pub fn with_hidden(mut self, hidden: usize) -> Self {
        self.hidden = hidden;
        self
    }

    /// With a penalty on u, v and W.
    #[must_use]
    pub fn with_weight_decay(mut self, weight_decay: f64) -> Self {
        self.weight_decay = weight_decay;
        self
    }

    /// With another end of the searches.
    #[must_use]
    pub fn with_effort(mut self, max_iterations: usize, tolerance: f64) -> Self {
        (self.max_iterations, self.tolerance) = (max_iterations, tolerance);
        self
    }

    /// With another seed.
    #[must_use]
    pub fn with_seed(mut self, seed: SeedTree) -> Self {
        self.seed = seed;
        self
    }
}

/// All base policies tilted by a network with a hidden layer of one size, over one map of features.
///
/// A cold start fits the linear term first, to its global minimum, and lets the hidden units join from v = 0: what comes out is
/// never farther from the targets than the nearest log-linear policy, up to the tolerance. Another minimum may be nearer, so that
/// [`Projected::excess_nats`] is not known.
///
/// # Example
/// Answers of a middling length are liked, which no multiple of the length says:
///
/// ```
/// use nlhf_core::{
///     Distribution, FeatureMap, FitError, Menu, Policy, PolicyClass, PromptId, ResponseId, Target, UniformPolicy, Weight,
/// };
/// use nlhf_policy::{NeuralClass, NeuralConfig};
/// use std::sync::Arc;
///
/// #[derive(Debug)]
/// struct Length(Vec<f64>);
///
/// impl FeatureMap for Length {
///     fn dim(&self) -> usize {
///         1
///     }
///     fn write(&self, _: PromptId, response: ResponseId, out: &mut [f64]) -> Result<(), FitError> {
///         out[0] = self.0[response.index()];
///         Ok(())
///     }
/// }
///
/// let lengths = Arc::new(Length(vec![10.0, 120.0, 900.0, 100.0]));
/// let config = NeuralConfig::default().with_hidden(4);
/// let class = NeuralClass::new(lengths, Arc::new(UniformPolicy), config)?;
/// let answers = [0, 1, 2, 3].map(ResponseId::new);
/// let menu = Menu::new(PromptId::new(0), &answers[..3])?;
/// let distribution = Distribution::from_masses(&[0.1, 0.8, 0.1])?;
/// let policy = class.project(&[Target { menu, distribution, weight: Weight::ONE }], None)?.policy;
///
/// // The last answer was never seen. It is nearly as long as the one that is liked.
/// let unseen = policy.distribution(Menu::new(PromptId::new(7), &answers)?).probabilities();
/// assert!(unseen[3] > 2.0 * unseen[0] && unseen[3] > 2.0 * unseen[2]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct NeuralClass {
    features: Arc<dyn FeatureMap>,
    base: Arc<dyn Policy>,
    config: NeuralConfig,
}

impl std::fmt::Debug for NeuralClass {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NeuralClass")
            .field("features", &self.features)
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

impl NeuralClass {
    /// Checks the settings.
    ///
    /// # Errors
    /// [`NeuralError::Config`].
    pub fn new(
        features: Arc<dyn FeatureMap>,
        base: Arc<dyn Policy>,
        config: NeuralConfig,
    ) -> Result<Self, NeuralError> {
        if !(1..=65_536).contains(&config.hidden) {
            let (setting, required, given) = ("hidden", "from 1 to 65536", config.hidden as f64);
            return Err(NeuralError::Config { setting, required, given });
        }
        for (setting, given) in
            [("weight_decay", config.weight_decay), ("tolerance", config.tolerance)]
        {
            if !(0.0..f64::INFINITY).contains(&given) {
                let required = "non-negative and finite";
                return Err(NeuralError::Config { setting, required, given });
            }
        }
        Ok(Self { features, base, config })
    }

    /// The settings.
    pub fn config(&self) -> &NeuralConfig {
        &self.config
    }

    fn shape(&self) -> Shape {
        Shape { dim: self.features.dim(), hidden: self.config.hidden }
    }

    /// u = 0 and v = 0. W and b are drawn so that units bend where standardized candidates are, each in a direction of its own.
    fn cold(&self, design: &Design) -> Result<NeuralParameters, NeuralError> {
        let Shape { dim, hidden } = self.shape();
        let (mean, scale) = design.moments();
        let rng = &mut self.config.seed.rng(Stream::Start, 0);
        let mut draw = |spread: f64| {
            let normal: f64 = StandardNormal.sample(rng);
            spread * normal
        };
        let mut values = vec![0.0; dim + hidden];
        values.extend((0..hidden * dim).map(|_| draw(1.0 / (dim as f64).sqrt())));
        values.extend((0..hidden).map(|_| draw(1.0)));
        NeuralParameters::new(hidden, mean, scale, values)
    }

    /// Minimizes from `start`, and leaves it where it is if it is a minimum.
    fn search(
        &self,
        design: &Design,
        shape: Shape,
        start: &[f64],
    ) -> Result<Vec<f64>, ProjectionError> {
        let decay = self.config.weight_decay;
        // All but b, which comes last.
        let n_held = shape.n_parameters() - shape.hidden;
        let objective = |values: &[f64], gradient: &mut [f64]| {
            let mut value = design.mean_kl(shape, values, gradient);
            for (g, x) in gradient.iter_mut().zip(&values[..n_held]) {
                value += 0.5 * decay * x * x;
                *g += decay * x;
            }
            value
        };
        let (tolerance, most) = (self.config.tolerance, self.config.max_iterations);
        let found = lbfgs::minimize(objective, start.to_vec(), tolerance, most);
        Ok(found.ok_or(ProjectionFailure::Breakdown)?.point)
    }
}

fn class_error(error: NeuralError) -> ProjectionError {
    ProjectionError::Class { source: Box::new(error) }
}

impl PolicyClass for NeuralClass {
    type Policy = NeuralPolicy;

    fn name(&self) -> &'static str {
        "neural"
    }

    /// # Errors
    /// [`ProjectionError::Shape`]; [`ProjectionError::Class`] with a [`ProjectionFailure`] if a target plays what the base does
    /// not, or a candidate without features beside others, or a search breaks down; with a [`NeuralError`] if the warm start
    /// has another size.
    fn project(
        &self,
        targets: &[Target<'_>],
        warm: Option<&NeuralPolicy>,
    ) -> Result<Projected<NeuralPolicy>, ProjectionError> {
        let shape = self.shape();
        let shares = shares(targets)?;
        let mut design = Design::new(&shares, self.features.as_ref(), self.base.as_ref())?;
        let start = match warm {
            Some(warm) => {
                let (given, dim) = (warm.parameters.shape(), shape.dim);
                if given.dim != dim {
                    let error = NeuralError::Features { required: given.dim, given: dim };
                    return Err(class_error(error));
                }
                if given.hidden != shape.hidden {
                    let (required, given) = (shape.hidden, given.hidden);
                    return Err(class_error(NeuralError::WarmStart { required, given }));
                }
                warm.parameters.clone()
            }
            None => self.cold(&design).map_err(class_error)?,
        };
        design.standardize(&start);
        let mut values = start.values().to_vec();
        if warm.is_none() {
            let linear = Shape { hidden: 0, ..shape };
            let found = self.search(&design, linear, &values[..shape.dim])?;
            values[..shape.dim].copy_from_slice(&found);
        }
        let values = self.search(&design, shape, &values)?;
        let (features, base) = (Arc::clone(&self.features), Arc::clone(&self.base));
        let policy = NeuralPolicy { parameters: start.with_values(values), features, base };
        Ok(Projected { policy, excess_nats: None })
    }
}
