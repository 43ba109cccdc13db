//! Blocks of targets that stand for all of them.
//!
//! ```text
//! Σ_b H_b ≈ Σ_{b heavy} H_b + F Σ_{b drawn} H_b,   F = Σ_{b light} ω_b / Σ_{b drawn} ω_b
//! ```
//! A block is heavy if it has more than its share of what is left when the heavier ones are taken away; all of them are in. Of
//! the light ones those are drawn in which a comb of equal teeth along the sum of their weights falls. Hence no few targets that
//! carry most of the weight are missed, and equal weights give every so many-th block.

use super::design::{Block, Design};

#[derive(Debug, Clone)]
pub(super) struct Sample<'a> {
    /// Blocks, in order, and how many times each counts.
    pub(super) blocks: Vec<(&'a Block, f64)>,
}

impl<'a> Sample<'a> {
    pub(super) fn all(design: &'a Design) -> Self {
        Self { blocks: design.blocks.iter().map(|block| (block, 1.0)).collect() }
    }

    /// About one in `stride` of the blocks.
    pub(super) fn of(design: &'a Design, stride: usize) -> Self {
        if stride == 1 {
            return Self::all(design);
        }
        let weights: Vec<f64> =
            design.blocks.iter().map(|block| block.weights.iter().sum()).collect();
        let mut left = weights.len().div_ceil(stride);
        let mut light: Vec<usize> = (0..weights.len()).collect();
        let total = |which: &[usize]| which.iter().map(|&at| weights[at]).sum::<f64>();
        let mut factors = vec![0.0; weights.len()];
        let gap = loop {
            let gap = total(&light) / left as f64;
            let before = light.len();
            // Fewer than are left, since they would have more than everything together. The margin is for rounding.
            light.retain(|&at| {
                let heavy = weights[at] > gap * (1.0 + 1e-9);
                if heavy {
                    factors[at] = 1.0;
                }
                !heavy
            });
            if light.len() == before {
                break gap;
            }
            left -= before - light.len();
        };
        let mut sum = 0.0;
        let mut drawn = light.clone();
        drawn.retain(|&at| {
            let tooth = |sum: f64| (sum / gap + 0.5).floor();
            let before = sum;
            sum += weights[at];
            tooth(sum) > tooth(before)
        });
        let factor = total(&light) / total(&drawn);
        for at in drawn {
            factors[at] = factor;
        }
        let blocks = design.blocks.iter().zip(factors).filter(|(_, factor)| *factor > 0.0);
        Self { blocks: blocks.collect() }
    }

    /// The sum over the sample is at most this many times that over all.
    pub(super) fn most(&self) -> f64 {
        self.blocks.iter().map(|(_, factor)| *factor).fold(1.0, f64::max)
    }
}
