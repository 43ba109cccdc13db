//! Projection onto any policy with parameters, by its gradients.
//!
//! ```text
//! minimize over θ   f(θ) = Σ_x share_x KL(t_x ‖ π_θ(· | x)),      ∇f = −Σ_x share_x Σ_a t_x(a) ∇ log π_θ(a | x)
//! ```
//! Minimized by L-BFGS ([`nlhf_core::lbfgs`]) from a start that is never left for a farther point. Nothing is known of how much
//! nearer another member would be, because the minimum may be a local one.

use crate::ProjectionFailure;
use crate::shares::{Share, shares};
use nlhf_core::{ParametrizedPolicy, Projected, ProjectionError, Target, lbfgs};
use rayon::prelude::*;

/// Targets to a block: sums run over the targets of a block, then over the blocks, both in order.
const BLOCK: usize = 64;

/// The policy near `start` that is nearest to the targets: a class in a few lines for whoever has written a
/// [`ParametrizedPolicy`].
///
/// The search ends where no entry of the gradient exceeds `tolerance`, in nats per unit of the parameter, or after
/// `max_iterations` steps. A start that is there already is returned as it is. The order of the targets does not matter to the
/// last bit, nor does the number of threads.
///
/// # Errors
/// [`ProjectionError::Shape`]; [`ProjectionError::Class`] with a [`ProjectionFailure`] if a target of positive weight plays
/// what `start` never does, or a gradient is not finite.
///
/// # Example
/// A softmax over a score that is quadratic in the number of the response, with a peak that is learned:
///
/// ```
/// use nlhf_core::{
///     Distribution, Menu, ParametrizedPolicy, Policy, PolicyClass, Projected, ProjectionError, PromptId, ResponseId, Target,
///     Weight,
/// };
///
/// #[derive(Clone)]
/// struct Peak(Vec<f64>);
///
/// impl Policy for Peak {
///     fn distribution(&self, menu: Menu<'_>) -> Distribution {
///         let score = |a: &ResponseId| -(a.index() as f64 - self.0[0]).powi(2);
///         Distribution::from_logits(menu.responses().iter().map(score).collect()).expect("finite scores")
///     }
/// }
///
/// impl ParametrizedPolicy for Peak {
///     fn parameters(&self) -> &[f64] {
///         &self.0
///     }
///     fn with_parameters(&self, parameters: Vec<f64>) -> Self {
///         Self(parameters)
///     }
///     fn add_log_probability_gradient(&self, menu: Menu<'_>, coefficients: &[f64], gradient: &mut [f64]) {
///         let total: f64 = coefficients.iter().sum();
///         let played = self.distribution(menu).probabilities();
///         for ((a, c), p) in menu.responses().iter().zip(coefficients).zip(played) {
///             gradient[0] += (c - total * p) * 2.0 * (a.index() as f64 - self.0[0]);
///         }
///     }
/// }
///
/// struct Peaks;
///
/// impl PolicyClass for Peaks {
///     type Policy = Peak;
///     fn name(&self) -> &'static str {
///         "peaks"
///     }
///     fn project(&self, targets: &[Target<'_>], warm: Option<&Peak>) -> Result<Projected<Peak>, ProjectionError> {
///         let start = warm.cloned().unwrap_or(Peak(vec![0.0]));
///         nlhf_policy::project_by_gradient(start, targets, 1e-10, 100)
///     }
/// }
///
/// let responses = [0, 1, 2, 3].map(ResponseId::new);
/// let menu = Menu::new(PromptId::new(0), &responses)?;
/// let distribution = Peak(vec![1.7]).distribution(menu);
/// let policy = Peaks.project(&[Target { menu, distribution, weight: Weight::ONE }], None)?.policy;
/// assert!((policy.parameters()[0] - 1.7).abs() < 1e-9);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn project_by_gradient<P: ParametrizedPolicy>(
    start: P,
    targets: &[Target<'_>],
    tolerance: f64,
    max_iterations: usize,
) -> Result<Projected<P>, ProjectionError> {
    let shares = shares(targets)?;
    let unplayable = |share: &Share<'_>| {
        let played = start.distribution(share.target.menu);
        ProjectionFailure::find(share.target, played.log_probabilities())
    };
    if let Some(failure) = shares.iter().find_map(unplayable) {
        return Err(failure.into());
    }
    if shares.is_empty() {
        return Ok(Projected { policy: start, excess_nats: None });
    }
    let objective = |point: &[f64], gradient: &mut [f64]| {
        mean_kl(&start.with_parameters(point.to_vec()), &shares, gradient)
    };
    let parameters = start.parameters().to_vec();
    let found = lbfgs::minimize(objective, parameters, tolerance, max_iterations)
        .ok_or(ProjectionFailure::Breakdown)?;
    let policy = if found.iterations == 0 { start } else { start.with_parameters(found.point) };
    Ok(Projected { policy, excess_nats: None })
}

/// The mean KL, and its gradient in `gradient`.
fn mean_kl<P: ParametrizedPolicy>(policy: &P, shares: &[Share<'_>], gradient: &mut [f64]) -> f64 {
    let of_block = |block: &[Share<'_>]| {
        let (mut value, mut gradient) = (0.0, vec![0.0; policy.parameters().len()]);
        for Share { target, share } in block {
            value += share * target.distribution.kl_nats(&policy.distribution(target.menu));
            let coefficients: Vec<f64> =
                target.distribution.probabilities().iter().map(|p| -share * p).collect();
            policy.add_log_probability_gradient(target.menu, &coefficients, &mut gradient);
        }
        (value, gradient)
    };
    let blocks: Vec<(f64, Vec<f64>)> = shares.par_chunks(BLOCK).map(of_block).collect();
    gradient.fill(0.0);
    let mut value = 0.0;
    for (of_block, block) in blocks {
        value += of_block;
        for (sum, g) in gradient.iter_mut().zip(block) {
            *sum += g;
        }
    }
    value
}
