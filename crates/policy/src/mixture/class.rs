//! Projection onto the mixtures of given policies.
//!
//! ```text
//! maximize  Σ_i c_i log Σ_k w_k π_k(i)  over the simplex,       i = (x, a),  c_i = share_x t_x(a)
//! g_k = Σ_i c_i π_k(i) / π_w(i):        no mixture is nearer by more than  log max_k g_k
//! ```
//! The bound is Jensen's: for other weights v, `Σ c log(π_v / π_w) ≤ log Σ c π_v / π_w = log Σ_k v_k g_k`. At the optimum no `g_k`
//! exceeds 1 (Lindsay 1983).

use super::weights::Likelihoods;
use super::{MixtureError, MixturePolicy};
use crate::shares::shares;
use nlhf_core::{Distribution, Policy, PolicyClass, Projected, ProjectionError, Target};
use std::sync::Arc;

/// The excess at which a search ends, in nats.
const TOLERANCE: f64 = 1e-10;

/// All mixtures of some policies.
///
/// The problem is convex and solved to an excess of 1e-10 nats; what is left is said in [`Projected::excess_nats`]. Components of
/// no use get weight zero. Where several mixtures are equally near, as with components that play the same, which of them comes
/// out is decided by the targets and the order of the components, unless a warm start is one of them.
#[derive(Clone)]
pub struct MixtureClass {
    components: Vec<Arc<dyn Policy>>,
}

impl std::fmt::Debug for MixtureClass {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let n = self.components.len();
        f.debug_struct("MixtureClass").field("components", &n).finish_non_exhaustive()
    }
}

impl MixtureClass {
    /// The mixtures of `components`.
    ///
    /// # Errors
    /// [`MixtureError::Empty`].
    pub fn new(components: Vec<Arc<dyn Policy>>) -> Result<Self, MixtureError> {
        if components.is_empty() { Err(MixtureError::Empty) } else { Ok(Self { components }) }
    }
}

impl PolicyClass for MixtureClass {
    type Policy = MixturePolicy;

    fn name(&self) -> &'static str {
        "mixture"
    }

    /// # Complexity
    /// O(n k²) an iteration, for n candidates and k components; some ten to twenty iterations.
    ///
    /// # Errors
    /// [`ProjectionError::Shape`]; [`ProjectionError::Class`] with [`crate::ProjectionFailure::Unplayable`] if a target plays what
    /// no component does, and with [`MixtureError::Weights`] if the warm start mixes another number of components.
    fn project(
        &self,
        targets: &[Target<'_>],
        warm: Option<&MixturePolicy>,
    ) -> Result<Projected<MixturePolicy>, ProjectionError> {
        let n = self.components.len();
        if let Some(warm) = warm.filter(|warm| warm.weights.len() != n) {
            let error = MixtureError::Weights { required: n, given: warm.weights.len() };
            return Err(ProjectionError::Class { source: Box::new(error) });
        }
        let likelihoods = Likelihoods::new(&shares(targets)?, &self.components)?;
        let projected = |weights: Distribution, excess: f64| {
            let policy = MixturePolicy { components: self.components.clone(), weights };
            Projected { policy, excess_nats: Some(excess) }
        };
        let start = warm.map(|warm| (&warm.weights, likelihoods.excess_nats(&warm.weights)));
        if let Some((weights, excess)) = start.filter(|(_, excess)| *excess <= TOLERANCE) {
            return Ok(projected(weights.clone(), excess));
        }
        let found = likelihoods.maximize(TOLERANCE);
        let excess = likelihoods.excess_nats(&found);
        // Where rounding ends the search early, the start may still be nearer.
        if let Some((weights, left)) = start
            && likelihoods.mean_log(weights) > likelihoods.mean_log(&found) + TOLERANCE
        {
            return Ok(projected(weights.clone(), left));
        }
        Ok(projected(found, excess))
    }
}
