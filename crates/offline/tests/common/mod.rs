//! What several test files need.

use nlhf_core::{PolicyClass, Projected, ProjectionError, Target, UniformPolicy};

/// The smallest class there is: it only knows the uniform policy.
pub(crate) struct OnlyUniform;

impl PolicyClass for OnlyUniform {
    type Policy = UniformPolicy;
    fn name(&self) -> &'static str {
        "only-uniform"
    }
    fn project(
        &self,
        _: &[Target<'_>],
        _: Option<&UniformPolicy>,
    ) -> Result<Projected<UniformPolicy>, ProjectionError> {
        Ok(Projected { policy: UniformPolicy, excess_nats: Some(0.0) })
    }
}
