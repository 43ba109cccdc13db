//! The candidates of all targets, standardized once, in blocks that are large enough for matrix products.
//!
//! ```text
//! f(θ) = Σ_x share_x KL(t_x ‖ π_θ(· | x)),        ∂f/∂s(x, a) = share_x (π_θ(a | x) − t_x(a))
//! ```
//! Candidates that no parameters make the policy play, and menus on which it has no choice, add nothing and are left out.

use super::network::Shape;
use super::{featured, parameters};
use crate::ProjectionFailure;
use crate::shares::Share;
use nalgebra::DMatrix;
use nlhf_core::{Distribution, FeatureMap, Policy, ProjectionError};
use rayon::prelude::*;

/// Candidates that a block has at least, all but the last: sums run within blocks, then over them.
const BLOCK: usize = 256;

/// A target on the candidates that can be played.
struct Choice {
    share: f64,
    wanted: Distribution,
    base: Vec<f64>,
    /// Features, one candidate after the other.
    raw: Vec<f64>,
}

struct Block {
    choices: Vec<Choice>,
    /// A column a candidate, those of each choice together.
    z: DMatrix<f64>,
}

/// All that a search needs to know of the targets.
pub(super) struct Design {
    dim: usize,
    choices: Vec<Choice>,
    blocks: Vec<Block>,
}

impl Design {
    /// # Errors
    /// [`ProjectionError::Class`] if a target plays what is never played.
    pub(super) fn new(
        shares: &[Share<'_>],
        features: &dyn FeatureMap,
        base: &dyn Policy,
    ) -> Result<Self, ProjectionError> {
        let choices: Result<Vec<Option<Choice>>, ProjectionError> =
            shares.par_iter().map(|share| choice(share, features, base)).collect();
        let choices = choices?.into_iter().flatten().collect();
        Ok(Self { dim: features.dim(), choices, blocks: Vec::new() })
    }

    /// Mean and scale of the features.
    pub(super) fn moments(&self) -> (Vec<f64>, Vec<f64>) {
        let all: Vec<f64> = self.choices.iter().flat_map(|choice| &choice.raw).copied().collect();
        parameters::moments(&all, self.dim)
    }

    /// Standardizes the features with those of `parameters`.
    pub(super) fn standardize(&mut self, parameters: &parameters::NeuralParameters) {
        let mut waiting = Vec::new();
        let mut z = Vec::new();
        let mut left = self.choices.len();
        for mut choice in self.choices.drain(..) {
            left -= 1;
            parameters.standardize(&mut choice.raw);
            z.append(&mut choice.raw);
            waiting.push(choice);
            let n = z.len() / self.dim;
            if n >= BLOCK || left == 0 {
                let z = DMatrix::from_vec(self.dim, n, std::mem::take(&mut z));
                self.blocks.push(Block { choices: std::mem::take(&mut waiting), z });
            }
        }
    }

    /// The mean KL at some parameters, and its gradient; +∞ where scores leave the range of numbers.
    pub(super) fn mean_kl(&self, shape: Shape, values: &[f64], gradient: &mut [f64]) -> f64 {
        let blocks: Vec<(f64, Vec<f64>)> =
            self.blocks.par_iter().map(|block| block.mean_kl(shape, values)).collect();
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
}

/// A target as a choice among candidates, none if it leaves none.
fn choice(
    share: &Share<'_>,
    features: &dyn FeatureMap,
    base: &dyn Policy,
) -> Result<Option<Choice>, ProjectionError> {
    let target = share.target;
    let of_base = base.distribution(target.menu);
    let (positions, raw) = featured(features, target.menu);
    let playable = |position: usize| of_base.log_probabilities()[position].is_finite();
    let mut logs = vec![f64::NEG_INFINITY; target.menu.len()];
    let mut kept = Vec::with_capacity(raw.len());
    for (&position, row) in positions.iter().zip(raw.chunks_exact(features.dim())) {
        if playable(position) {
            logs[position] = of_base.log_probabilities()[position];
            kept.extend_from_slice(row);
        }
    }
    if kept.is_empty() {
        // The base is played, whatever the parameters.
        logs = of_base.log_probabilities().to_vec();
    }
    if let Some(failure) = ProjectionFailure::find(target, &logs) {
        return Err(failure.into());
    }
    if kept.len() <= features.dim() {
        return Ok(None);
    }
    let played = |values: &[f64]| -> Vec<f64> {
        let pairs = values.iter().zip(&logs);
        pairs.filter(|(_, log_p)| log_p.is_finite()).map(|(value, _)| *value).collect()
    };
    let wanted = played(target.distribution.log_probabilities());
    let wanted = Distribution::from_log_probabilities(wanted).expect("all mass is on those played");
    Ok(Some(Choice { share: share.share, wanted, base: played(&logs), raw: kept }))
}

impl Block {
    fn mean_kl(&self, shape: Shape, values: &[f64]) -> (f64, Vec<f64>) {
        let mut gradient = vec![0.0; shape.n_parameters()];
        let activations = shape.forward(values, &self.z);
        let scores = activations.scores.as_slice();
        let mut slopes = Vec::with_capacity(scores.len());
        let mut value = 0.0;
        for Choice { share, wanted, base, .. } in &self.choices {
            let scores = &scores[slopes.len()..slopes.len() + base.len()];
            let logits = base.iter().zip(scores).map(|(base, score)| base + score).collect();
            let Ok(played) = Distribution::from_logits(logits) else {
                return (f64::INFINITY, gradient);
            };
            value += share * wanted.kl_nats(&played);
            let pairs = played.probabilities().into_iter().zip(wanted.probabilities());
            slopes.extend(pairs.map(|(p, t)| share * (p - t)));
        }
        shape.backward(values, &self.z, &activations, &slopes, &mut gradient);
        (value, gradient)
    }
}
