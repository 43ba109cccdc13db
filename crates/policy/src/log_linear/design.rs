//! The targets of a projection as numbers, and the loss over them in one pass.
//!
//! ```text
//! f(θ) = Σ_x ω_x [log Σ_a exp s_a − Σ_a t_a s_a + Σ_a t_a log t_a],   s_a = log base_a + θ·φ_a
//! ∇f(θ) = Σ_x ω_x Σ_a (π_a − t_a) φ_a                               Σ ω = 1
//! ```
//! Features are centered in each menu, which no policy notices and which keeps digits. Blocks of prompts and the order of
//! their sums are fixed, and prompts are sorted: results depend neither on the number of threads nor on the order of the
//! targets. A block fits a core's cache: scores and gradient together read the features once.

use super::LogLinearError;
use super::rows::{LARGEST_FEATURE, center, combine, dot};
use super::sample::Sample;
use crate::shares::{Share, shares};
use nalgebra::{DMatrix, DMatrixView};
use nlhf_core::{FeatureMap, Policy, ProjectionError, Target};
use rayon::prelude::*;

/// Features of this many prompts and their number make a block: 256 KiB at eight candidates a prompt.
const PROMPT_FEATURES: usize = 4096;

/// Prompts one after the other, each with those candidates that have features and that the base plays.
#[derive(Debug, Default)]
pub(super) struct Block {
    /// Centered features, a row a candidate.
    pub(super) rows: Vec<f64>,
    /// Where the rows of each prompt end.
    pub(super) ends: Vec<usize>,
    /// ω of each prompt.
    pub(super) weights: Vec<f64>,
    /// Σ t log t of each prompt.
    negentropies: Vec<f64>,
    log_base: Vec<f64>,
    targets: Vec<f64>,
    /// Σ ω KL of prompts where no weights can change anything.
    fixed_kl: f64,
    /// Σ ω max |log base|.
    base_size: f64,
    /// Largest absolute value and sum of squares of each feature.
    largest: Vec<f64>,
    squares: Vec<f64>,
}

/// All targets.
#[derive(Debug)]
pub(super) struct Design {
    pub(super) dim: usize,
    /// What features were divided by, for their squares to be numbers: a power of two, so that no digit changes.
    pub(super) unit: f64,
    pub(super) blocks: Vec<Block>,
    /// The root of the mean square of each feature; 1 where it is always zero.
    pub(super) scales: Vec<f64>,
    /// The largest absolute value of each feature.
    pub(super) largest: Vec<f64>,
    fixed_kl: f64,
    base_size: f64,
}

/// The loss at one point, over some blocks.
#[derive(Debug, Clone)]
pub(super) struct Loss {
    /// In nats.
    pub(super) value: f64,
    pub(super) gradient: Vec<f64>,
    /// Σ ω Σ |π − t|, which the rounding of the gradient grows with.
    pub(super) spread: f64,
}

impl Design {
    pub(super) fn new(
        features: &dyn FeatureMap,
        base: &dyn Policy,
        targets: &[Target<'_>],
    ) -> Result<Self, ProjectionError> {
        let dim = features.dim();
        let shares = shares(targets)?;
        let mut blocks: Vec<Block> = shares
            .par_chunks((PROMPT_FEATURES / dim).clamp(1, 256))
            .map(|shares| {
                let mut block = Block::new(dim, shares);
                for Share { target, share } in shares {
                    block.add(features, base, target, *share)?;
                }
                Ok(block)
            })
            .collect::<Result<_, ProjectionError>>()?;
        let mut largest = vec![0.0_f64; dim];
        for block in &blocks {
            for (largest, x) in largest.iter_mut().zip(&block.largest) {
                *largest = largest.max(*x);
            }
        }
        let unit = unit(largest.iter().copied().fold(0.0, f64::max));
        if let Some(unit) = unit {
            blocks.par_iter_mut().for_each(|block| block.divide(unit));
            for x in &mut largest {
                *x /= unit;
            }
        }
        let least = SMALLEST_SCALE * largest.iter().copied().fold(0.0, f64::max);
        let n_rows: usize = blocks.iter().map(|block| block.targets.len()).sum();
        let scale = |k: usize| {
            let sum: f64 = blocks.iter().map(|block| block.squares[k]).sum();
            if largest[k] > 0.0 { (sum / n_rows as f64).sqrt().max(least) } else { 1.0 }
        };
        Ok(Self {
            dim,
            unit: unit.unwrap_or(1.0),
            scales: (0..dim).map(scale).collect(),
            largest,
            fixed_kl: blocks.iter().map(|block| block.fixed_kl).sum(),
            base_size: blocks.iter().map(|block| block.base_size).sum(),
            blocks,
        })
    }

    /// The stride at which blocks hold about `rows` candidates.
    pub(super) fn stride(&self, rows: usize) -> usize {
        let n_rows: usize = self.blocks.iter().map(|block| block.targets.len()).sum();
        (n_rows / rows).clamp(1, self.blocks.len().max(1))
    }

    /// The length of the longest row seen through a matrix.
    pub(super) fn longest(&self, across: &DMatrix<f64>) -> f64 {
        let longest = |block: &Block| {
            let n_rows = block.targets.len();
            let seen = across * DMatrixView::from_slice(&block.rows, self.dim, n_rows);
            seen.column_iter().map(|row| row.norm()).fold(0.0, f64::max)
        };
        let longest: Vec<f64> = self.blocks.par_iter().map(longest).collect();
        longest.into_iter().fold(0.0, f64::max)
    }

    /// The loss over a sample.
    pub(super) fn loss(&self, sample: &Sample<'_>, theta: &[f64]) -> Loss {
        let partial: Vec<Loss> =
            sample.blocks.par_iter().map(|(block, _)| block.loss(theta)).collect();
        let mut loss = Loss { value: self.fixed_kl, gradient: vec![0.0; self.dim], spread: 0.0 };
        for (partial, (_, factor)) in partial.into_iter().zip(&sample.blocks) {
            loss.value += factor * partial.value;
            loss.spread += factor * partial.spread;
            for (sum, x) in loss.gradient.iter_mut().zip(partial.gradient) {
                *sum += factor * x;
            }
        }
        loss.value = loss.value.max(0.0);
        loss
    }

    /// What rounding may have done to the scores and to the loss, in units of 2⁻⁵³. An allowance, not a proof: errors of sums
    /// are taken to grow like roots.
    pub(super) fn score_rounding(&self, theta: &[f64]) -> f64 {
        let size: f64 = theta.iter().zip(&self.largest).map(|(w, x)| (w * x).abs()).sum();
        2.0 * (((self.dim as f64).sqrt() + 4.0) * size + self.base_size + 8.0)
    }

    /// What it may have done to each entry of the gradient, per unit of the largest feature.
    pub(super) fn gradient_rounding(&self, theta: &[f64], loss: &Loss) -> [f64; 2] {
        let rows = self.blocks.iter().map(|block| block.targets.len()).max().unwrap_or(0);
        let summing = 4.0 * ((rows + self.blocks.len()) as f64).sqrt() * (loss.spread + 1e-15);
        [summing * UNIT, self.score_rounding(theta) * UNIT]
    }
}

/// The unit of rounding.
pub(super) const UNIT: f64 = 0.5 * f64::EPSILON;

/// Scales are at least this, relative to the largest feature: their squares have inverses.
const SMALLEST_SCALE: f64 = 1e-150;

/// A power of two near the largest feature, where squares may leave f64; nothing elsewhere.
fn unit(largest: f64) -> Option<f64> {
    let usual = largest == 0.0 || (1e-3..=1e30).contains(&largest);
    (!usual).then(|| largest.log2().floor().exp2())
}

impl Block {
    fn new(dim: usize, shares: &[Share<'_>]) -> Self {
        let n_rows = shares.iter().map(|share| share.target.menu.len()).sum::<usize>();
        Self {
            rows: Vec::with_capacity(n_rows * dim),
            largest: vec![0.0; dim],
            squares: vec![0.0; dim],
            ..Self::default()
        }
    }

    fn add(
        &mut self,
        features: &dyn FeatureMap,
        base: &dyn Policy,
        target: &Target<'_>,
        weight: f64,
    ) -> Result<(), ProjectionError> {
        let (menu, dim) = (target.menu, self.largest.len());
        let prompt = menu.prompt();
        let played = base.distribution(menu);
        let (first, start) = (self.targets.len(), self.rows.len());
        let mut missing = None;
        for ((&response, &log_base), &log_t) in menu
            .responses()
            .iter()
            .zip(played.log_probabilities())
            .zip(target.distribution.log_probabilities())
        {
            let wanted = log_t > f64::NEG_INFINITY;
            if log_base == f64::NEG_INFINITY {
                if wanted {
                    return Err(LogLinearError::BeyondBase { prompt, response }.into());
                }
                continue;
            }
            let at = self.rows.len();
            self.rows.resize(at + dim, 0.0);
            match features.write(prompt, response, &mut self.rows[at..]) {
                Ok(()) => {
                    self.log_base.push(log_base);
                    self.targets.push(log_t.exp());
                }
                Err(error) => {
                    self.rows.truncate(at);
                    missing = missing.or(wanted.then_some(error));
                }
            }
        }
        if self.targets.len() == first {
            // The base is played, whatever the weights.
            self.fixed_kl += weight * target.distribution.kl_nats(&played);
            return Ok(());
        }
        if let Some(error) = missing {
            return Err(ProjectionError::Class { source: Box::new(error) });
        }
        center(&mut self.rows[start..], dim);
        // A target may be off by 1e-9 from summing to one.
        let mass: f64 = self.targets[first..].iter().sum();
        for t in &mut self.targets[first..] {
            *t /= mass;
        }
        for row in self.rows[start..].chunks_exact(dim) {
            for ((x, largest), square) in row.iter().zip(&mut self.largest).zip(&mut self.squares) {
                *largest = largest.max(x.abs());
                *square += x * x;
            }
        }
        if !self.rows[start..].iter().all(|x| x.abs() <= LARGEST_FEATURE) {
            return Err(LogLinearError::Features { prompt }.into());
        }
        let wanted = self.targets[first..].iter().filter(|t| **t > 0.0);
        self.negentropies.push(wanted.map(|t| t * t.ln()).sum());
        let size = self.log_base[first..].iter().fold(0.0, |most: f64, x| most.max(x.abs()));
        self.base_size += weight * size;
        self.weights.push(weight);
        self.ends.push(self.targets.len());
        Ok(())
    }

    fn divide(&mut self, unit: f64) {
        self.squares.fill(0.0);
        for row in self.rows.chunks_exact_mut(self.largest.len()) {
            for (x, square) in row.iter_mut().zip(&mut self.squares) {
                *x /= unit;
                *square += *x * *x;
            }
        }
    }

    /// Writes π of every candidate into `played`; returns `log Σ exp s − Σ t s` of every prompt through `show`.
    pub(super) fn play(
        &self,
        theta: &[f64],
        played: &mut Vec<f64>,
        mut show: impl FnMut(usize, f64),
    ) {
        let dim = theta.len();
        played.clear();
        let rows = self.rows.chunks_exact(dim).zip(&self.log_base);
        played.extend(rows.map(|(row, log_base)| log_base + dot(row, theta)));
        let mut start = 0;
        for (prompt, &end) in self.ends.iter().enumerate() {
            let scores = &mut played[start..end];
            let most = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let (mut sum, mut wanted) = (0.0, 0.0);
            for (score, t) in scores.iter_mut().zip(&self.targets[start..end]) {
                let below = *score - most;
                wanted += t * below;
                *score = below.exp();
                sum += *score;
            }
            for score in scores {
                *score /= sum;
            }
            show(prompt, sum.ln() - wanted);
            start = end;
        }
    }

    fn loss(&self, theta: &[f64]) -> Loss {
        let (mut value, mut spread) = (0.0, 0.0);
        let mut played = Vec::with_capacity(self.targets.len());
        self.play(theta, &mut played, |prompt, loss| {
            value += self.weights[prompt] * (loss + self.negentropies[prompt]);
        });
        let mut start = 0;
        for (&end, weight) in self.ends.iter().zip(&self.weights) {
            for (p, t) in played[start..end].iter_mut().zip(&self.targets[start..end]) {
                *p = weight * (*p - t);
                spread += p.abs();
            }
            start = end;
        }
        let mut gradient = vec![0.0; theta.len()];
        combine(&self.rows, &played, &mut gradient);
        Loss { value, gradient, spread }
    }

    /// The largest range of `θ·φ` within a menu.
    pub(super) fn range(&self, theta: &[f64]) -> f64 {
        let scores: Vec<f64> =
            self.rows.chunks_exact(theta.len()).map(|row| dot(row, theta)).collect();
        let (mut start, mut range) = (0, 0.0_f64);
        for &end in &self.ends {
            let scores = &scores[start..end];
            let most = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let least = scores.iter().copied().fold(f64::INFINITY, f64::min);
            range = range.max(most - least);
            start = end;
        }
        range
    }
}
