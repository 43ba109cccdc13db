//! Moves along natural gradients of a policy with parameters.
//!
//! ```text
//! θ⁺ = θ + α (F + εD)⁻¹ ∇,  D = diag F,   ∇ = Σ_x Σ_a c_xa ∇log π_a,   F = Σ_x ω_x Σ_a π_a ∇log π_a ∇log π_a'
//! ```
//! ε keeps F regular where parameters are redundant; with D the scale of parameters does not matter. Both steps from one point use the F of that point. Beyond 512 parameters F is the
//! identity.

use super::InClassError;
use super::geometry::Geometry;
use super::self_play::{Mover, Stand};
use crate::cholesky;
use nlhf_core::ParametrizedPolicy;
use rayon::prelude::*;
use std::marker::PhantomData;

/// Parameters up to which the Fisher matrix is factorized.
const MAX_FACTORIZED: usize = 512;
/// ε.
const RIDGE: f64 = 1e-12;
/// Blocks of prompts that are summed by themselves, whatever the number of threads.
const BLOCKS: usize = 16;

/// The Fisher matrix of the last point that was moved from.
pub(super) struct NaturalGradient<P> {
    /// Its parameters, and L of `F + εD = LL'`, none where F is the identity.
    factorized: Option<(Vec<f64>, Option<Vec<f64>>)>,
    policy: PhantomData<P>,
}

impl<P> Default for NaturalGradient<P> {
    fn default() -> Self {
        Self { factorized: None, policy: PhantomData }
    }
}

impl<P: ParametrizedPolicy> Mover for NaturalGradient<P> {
    type Policy = P;

    fn moved(
        &mut self,
        geometry: &Geometry<'_>,
        from: &Stand<P>,
        slope: &[f64],
        length: f64,
    ) -> Result<(P, f64), InClassError> {
        let parameters = from.policy.parameters();
        let known = self.factorized.as_ref().is_some_and(|(at, _)| at == parameters);
        if !known {
            self.factorized = Some((parameters.to_vec(), factorized(geometry, &from.policy)));
        }
        let mut direction = gradient(geometry, &from.policy, slope);
        if let Some((_, Some(lower))) = &self.factorized {
            cholesky::solve(direction.len(), lower, &mut direction);
        }
        let moved = parameters.iter().zip(direction).map(|(theta, d)| theta + length * d);
        Ok((from.policy.with_parameters(moved.collect()), 0.0))
    }
}

/// `Σ_x Σ_a slope_xa ∇log π_a`.
pub(super) fn gradient<P: ParametrizedPolicy>(
    geometry: &Geometry<'_>,
    policy: &P,
    slope: &[f64],
) -> Vec<f64> {
    let n = policy.parameters().len();
    summed(geometry, n, |x, sum| {
        let menu = geometry.games[x].menu();
        policy.add_log_probability_gradient(menu, &slope[geometry.range(x)], sum);
    })
}

/// L of `F + εD`; none beyond the limit, or where rounding leaves nothing to factorize.
pub(super) fn factorized<P: ParametrizedPolicy>(
    geometry: &Geometry<'_>,
    policy: &P,
) -> Option<Vec<f64>> {
    let n = policy.parameters().len();
    if n > MAX_FACTORIZED {
        return None;
    }
    let mut fisher = summed(geometry, n * n, |x, sum| {
        let (menu, share) = (geometry.games[x].menu(), geometry.share(x));
        let played = policy.distribution(menu);
        let mut unit = vec![0.0; played.len()];
        let mut score = vec![0.0; n];
        for (a, p) in played.probabilities().into_iter().enumerate() {
            if share * p == 0.0 {
                continue;
            }
            unit[a] = 1.0;
            score.fill(0.0);
            policy.add_log_probability_gradient(menu, &unit, &mut score);
            unit[a] = 0.0;
            for (i, row) in sum.chunks_exact_mut(n).enumerate() {
                let scale = share * p * score[i];
                for (entry, score) in row[..=i].iter_mut().zip(&score) {
                    *entry += scale * score;
                }
            }
        }
    });
    for i in 0..n {
        let curvature = fisher[i * n + i];
        // What no policy changes along stays where it is.
        fisher[i * n + i] = if curvature > 0.0 { (1.0 + RIDGE) * curvature } else { 1.0 };
    }
    cholesky::factorize(n, &mut fisher).then_some(fisher)
}

/// The sum of what every prompt adds, in blocks of prompts that do not depend on the number of threads.
fn summed(geometry: &Geometry<'_>, len: usize, add: impl Fn(usize, &mut [f64]) + Sync) -> Vec<f64> {
    let positions: Vec<usize> = (0..geometry.games.len()).collect();
    let blocks: Vec<Vec<f64>> = positions
        .par_chunks(positions.len().div_ceil(BLOCKS).max(1))
        .map(|block| {
            let mut sum = vec![0.0; len];
            for x in block {
                add(*x, &mut sum);
            }
            sum
        })
        .collect();
    let mut total = vec![0.0; len];
    for block in blocks {
        for (total, part) in total.iter_mut().zip(block) {
            *total += part;
        }
    }
    total
}
