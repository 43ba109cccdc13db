//! The Hessian of the loss over a sample of the targets, each feature divided by its scale.
//!
//! ```text
//! H = Σ_x F_x ω_x Σ_a π_a (φ_a − φ̄_x)(φ_a − φ̄_x)',   φ̄_x = Σ_a π_a φ_a,   x in the sample, F_x how often it counts
//! ```
//! A sample turns well enough: Newton steps then contract by about `2 √(features / candidates)`. Divided by the most that a
//! block counts it is a lower bound of the whole Hessian, whose other terms are positive semidefinite.

use super::design::{Block, Design};
use super::sample::Sample;
use nalgebra::{DMatrix, DVector, SymmetricEigen};
use rayon::prelude::*;
use std::sync::OnceLock;

/// Sums side by side, whatever the number of threads.
const PARTS: usize = 16;

pub(super) struct Curvature<'a> {
    pub(super) sample: Sample<'a>,
    /// Where it was taken.
    pub(super) at: Vec<f64>,
    /// H in scaled coordinates.
    sampled: DMatrix<f64>,
    /// The same with what steps over all targets told of it.
    pub(super) matrix: DMatrix<f64>,
    spectrum: OnceLock<Spectrum>,
}

/// The eigenvectors of the scaled H, one a column.
pub(super) struct Spectrum {
    pub(super) values: DVector<f64>,
    pub(super) vectors: DMatrix<f64>,
}

impl<'a> Curvature<'a> {
    pub(super) fn new(design: &Design, sample: Sample<'a>, theta: &[f64]) -> Self {
        let part = sample.blocks.len().div_ceil(PARTS).max(1);
        let parts: Vec<DMatrix<f64>> = sample
            .blocks
            .par_chunks(part)
            .map(|blocks| {
                let mut sum = DMatrix::zeros(design.dim, design.dim);
                let mut played = Vec::new();
                for (block, factor) in blocks {
                    block.play(theta, &mut played, |_, _| {});
                    let rows = deviations(block, &played, &design.scales);
                    sum.gemm(*factor, &rows, &rows.transpose(), 1.0);
                }
                sum
            })
            .collect();
        let mut matrix = DMatrix::zeros(design.dim, design.dim);
        for part in parts {
            matrix += part;
        }
        let matrix = (&matrix + matrix.transpose()) * 0.5;
        let (at, sampled) = (theta.to_vec(), matrix.clone());
        Self { sample, at, sampled, matrix, spectrum: OnceLock::new() }
    }

    /// The update of Broyden, Fletcher, Goldfarb and Shanno (1970): H becomes right along a step.
    pub(super) fn learn(&mut self, scales: &[f64], points: [&[f64]; 2], gradients: [&[f64]; 2]) {
        let scales = DVector::from_column_slice(scales);
        let difference = |[from, to]: [&[f64]; 2]| {
            DVector::from_iterator(from.len(), to.iter().zip(from).map(|(to, from)| to - from))
        };
        let step = difference(points).component_mul(&scales);
        let change = difference(gradients).component_div(&scales);
        let foretold = &self.matrix * &step;
        let (curved, foreseen) = (change.dot(&step), foretold.dot(&step));
        // Otherwise rounding speaks.
        if curved > 0.1 * foreseen && curved < 10.0 * foreseen {
            self.matrix.ger(1.0 / curved, &change, &change, 1.0);
            self.matrix.ger(-1.0 / foreseen, &foretold, &foretold, 1.0);
        }
    }

    /// H in scaled coordinates, without what was learned.
    pub(super) fn sampled(&self) -> &DMatrix<f64> {
        &self.sampled
    }

    pub(super) fn spectrum(&self) -> &Spectrum {
        self.spectrum.get_or_init(|| {
            let SymmetricEigen { eigenvalues, eigenvectors } =
                self.sampled.clone().symmetric_eigen();
            Spectrum { values: eigenvalues, vectors: eigenvectors }
        })
    }
}

/// `√(ω π_a) (φ_a − φ̄)` of every candidate, scaled, one a column.
fn deviations(block: &Block, played: &[f64], scales: &[f64]) -> DMatrix<f64> {
    let dim = scales.len();
    let mut out = DMatrix::zeros(dim, played.len());
    let columns = out.as_mut_slice();
    let inverse: Vec<f64> = scales.iter().map(|scale| 1.0 / scale).collect();
    let mut mean = vec![0.0; dim];
    let mut start = 0;
    for (&end, weight) in block.ends.iter().zip(&block.weights) {
        let rows = &block.rows[start * dim..end * dim];
        mean.fill(0.0);
        for (row, p) in rows.chunks_exact(dim).zip(&played[start..end]) {
            for (mean, x) in mean.iter_mut().zip(row) {
                *mean += p * x;
            }
        }
        let columns = columns[start * dim..end * dim].chunks_exact_mut(dim);
        for ((column, row), p) in columns.zip(rows.chunks_exact(dim)).zip(&played[start..end]) {
            let root = (weight * p).sqrt();
            for (((out, x), mean), inverse) in column.iter_mut().zip(row).zip(&mean).zip(&inverse) {
                *out = root * (x - mean) * inverse;
            }
        }
        start = end;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use nlhf_core::{
        Distribution, FeatureMap, FitError, Menus, PromptId, ResponseId, Target, UniformPolicy,
        Weight,
    };

    const SIZES: [f64; 3] = [1.0, 10.0, 100.0];

    #[derive(Debug)]
    struct Waves;

    impl FeatureMap for Waves {
        fn dim(&self) -> usize {
            3
        }

        fn write(&self, x: PromptId, a: ResponseId, out: &mut [f64]) -> Result<(), FitError> {
            for (k, out) in out.iter_mut().enumerate() {
                *out = ((1 + k) as f64 * (x.index() + 3 * a.index()) as f64).sin() * SIZES[k];
            }
            Ok(())
        }
    }

    #[test]
    fn gradient_and_hessian_are_differences() {
        let mut menus = Menus::new();
        for x in 0..7 {
            let responses: Vec<_> = (0..2 + x % 3).map(ResponseId::new).collect();
            menus.push(PromptId::new(x), &responses).unwrap();
        }
        let targets: Vec<_> = menus
            .iter()
            .map(|menu| Target {
                menu,
                distribution: Distribution::from_logits(
                    (0..menu.len()).map(|a| a as f64).collect(),
                )
                .unwrap(),
                weight: Weight::new(1.0 + menu.prompt().index() as f64).unwrap(),
            })
            .collect();
        let design = Design::new(&Waves, &UniformPolicy, &targets).unwrap();
        let theta = [0.4, -0.05, 0.002];
        let all = Sample::all(&design);
        let loss = design.loss(&all, &theta);
        let curvature = Curvature::new(&design, all.clone(), &theta);
        for k in 0..3 {
            let by = 1e-5 / SIZES[k];
            let [up, down] = [by, -by].map(|by| {
                let mut moved = theta;
                moved[k] += by;
                design.loss(&all, &moved)
            });
            let slope = (up.value - down.value) / (2.0 * by);
            assert!((loss.gradient[k] / slope - 1.0).abs() < 1e-7, "{k}: {slope}");
            for j in 0..3 {
                let scale = design.scales[k] * design.scales[j];
                let bend = (up.gradient[j] - down.gradient[j]) / (2.0 * by) / scale;
                assert!((curvature.matrix[(j, k)] - bend).abs() < 1e-8, "{j} {k}: {bend}");
            }
        }
    }
}
