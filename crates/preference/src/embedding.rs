//! Where coordinates come from: a table of items, a linear map of features, or a small network.
//!
//! ```text
//! items     C = W                                W one column an item
//! linear    C = WΦ                               Φ one column a candidate
//! network   C = WΦ + V tanh(AΦ + b 1')           the linear map, and h hidden units beside it
//! ```
//! All are functions of φ alone: antisymmetry is that of the log-odds made of C (`planes`). Parameters stand in a
//! row, W by columns, then V, A by columns, b. The gradient is written by hand and checked against
//! differences.

use nalgebra::{DMatrix, DMatrixView, DVector};
use rayon::prelude::*;

/// Candidates a block; sums go in the order of the blocks.
const BLOCK: usize = 512;

/// The map from parameters to the coordinates of all candidates of a fit.
pub(crate) enum Embedding {
    /// Coordinates of their own for so many items.
    Items(usize),
    /// A linear map of features, the columns of the matrix.
    Linear(DMatrix<f64>),
    /// The same with hidden units beside it.
    Network {
        /// Features, one column a candidate.
        features: DMatrix<f64>,
        /// Hidden units.
        hidden: usize,
    },
}

/// The parameters of a network, as matrices.
pub(crate) struct Weights<'a> {
    /// W, m × d.
    pub(crate) direct: DMatrixView<'a, f64>,
    /// V, m × h.
    pub(crate) output: DMatrixView<'a, f64>,
    /// A, h × d.
    pub(crate) inner: DMatrixView<'a, f64>,
    /// b, of length h.
    pub(crate) bias: &'a [f64],
}

impl<'a> Weights<'a> {
    /// Reads m coordinates of d features and h hidden units; h may be 0.
    pub(crate) fn read(theta: &'a [f64], m: usize, d: usize, h: usize) -> Self {
        let (direct, rest) = theta.split_at(m * d);
        let (output, rest) = rest.split_at(m * h);
        let (inner, bias) = rest.split_at(h * d);
        Self {
            direct: DMatrixView::from_slice(direct, m, d),
            output: DMatrixView::from_slice(output, m, h),
            inner: DMatrixView::from_slice(inner, h, d),
            bias: &bias[..h],
        }
    }

    /// How many parameters there are.
    pub(crate) fn count(m: usize, d: usize, h: usize) -> usize {
        m * d + m * h + h * d + h
    }

    /// `tanh(AΦ + b)`.
    fn hidden(&self, phi: DMatrixView<'_, f64>) -> DMatrix<f64> {
        let mut x = self.inner * phi;
        for mut column in x.column_iter_mut() {
            for (x, b) in column.iter_mut().zip(self.bias) {
                *x = (*x + b).tanh();
            }
        }
        x
    }

    /// The coordinates of candidates with features Φ.
    pub(crate) fn coordinates(&self, phi: DMatrixView<'_, f64>) -> DMatrix<f64> {
        let direct = self.direct * phi;
        if self.bias.is_empty() { direct } else { direct + self.output * self.hidden(phi) }
    }

    /// `Σ g ∂C/∂θ` for the slopes G of a function in C.
    fn pull_back(&self, phi: DMatrixView<'_, f64>, g: DMatrixView<'_, f64>) -> Vec<f64> {
        let mut all: Vec<f64> = (g * phi.transpose()).as_slice().to_vec();
        if self.bias.is_empty() {
            return all;
        }
        let hidden = self.hidden(phi);
        all.extend((g * hidden.transpose()).as_slice());
        let mut inner = self.output.transpose() * g;
        inner.zip_apply(&hidden, |x, h| *x *= 1.0 - h * h);
        all.extend((&inner * phi.transpose()).as_slice());
        all.extend(inner.column_sum().as_slice());
        all
    }
}

impl Embedding {
    /// Candidates.
    pub(crate) fn n_candidates(&self) -> usize {
        match self {
            Self::Items(n) => *n,
            Self::Linear(features) | Self::Network { features, .. } => features.ncols(),
        }
    }

    /// Columns of W: items or features.
    pub(crate) fn n_columns(&self) -> usize {
        self.parts().map_or(self.n_candidates(), |(features, _)| features.nrows())
    }

    /// Parameters of m coordinates.
    pub(crate) fn n_parameters(&self, m: usize) -> usize {
        match self {
            Self::Items(n) => m * n,
            Self::Linear(features) => m * features.nrows(),
            Self::Network { features, hidden } => Weights::count(m, features.nrows(), *hidden),
        }
    }

    /// The features and the hidden units, unless the items have coordinates of their own.
    fn parts(&self) -> Option<(&DMatrix<f64>, usize)> {
        match self {
            Self::Items(_) => None,
            Self::Linear(features) => Some((features, 0)),
            Self::Network { features, hidden } => Some((features, *hidden)),
        }
    }

    /// Writes the coordinates, one column a candidate.
    pub(crate) fn coordinates(&self, theta: &[f64], out: &mut DMatrix<f64>) {
        let Some((features, hidden)) = self.parts() else {
            out.as_mut_slice().copy_from_slice(theta);
            return;
        };
        let (m, d) = (out.nrows(), features.nrows());
        let weights = Weights::read(theta, m, d, hidden);
        let blocks = features.as_slice().par_chunks(BLOCK * d);
        out.as_mut_slice().par_chunks_mut(BLOCK * m).zip(blocks).for_each(|(out, phi)| {
            let phi = DMatrixView::from_slice(phi, d, phi.len() / d);
            out.copy_from_slice(weights.coordinates(phi).as_slice());
        });
    }

    /// Adds the gradient in the parameters of a function whose gradient in the coordinates is `slopes`.
    pub(crate) fn add_gradient(&self, theta: &[f64], slopes: &DMatrix<f64>, out: &mut [f64]) {
        let Some((features, hidden)) = self.parts() else {
            for (out, slope) in out.iter_mut().zip(slopes.as_slice()) {
                *out += slope;
            }
            return;
        };
        let (m, d) = (slopes.nrows(), features.nrows());
        let weights = Weights::read(theta, m, d, hidden);
        let blocks = features.as_slice().par_chunks(BLOCK * d);
        let blocks = blocks.zip(slopes.as_slice().par_chunks(BLOCK * m));
        let partial: Vec<Vec<f64>> = blocks
            .map(|(phi, g)| {
                let n = g.len() / m;
                let phi = DMatrixView::from_slice(phi, d, n);
                weights.pull_back(phi, DMatrixView::from_slice(g, m, n))
            })
            .collect();
        for partial in partial {
            for (out, x) in out.iter_mut().zip(partial) {
                *out += x;
            }
        }
    }

    /// `√Σ d² |φ_a − φ_b|²` over the pairs (a, b) with their d.
    pub(crate) fn spread_of(&self, ends: &[(u32, u32)], deviations: &[f64]) -> f64 {
        let apart = |a: u32, b: u32| match self.parts() {
            None => 2.0,
            Some((features, _)) => {
                (features.column(a as usize) - features.column(b as usize)).norm_squared()
            }
        };
        let pairs = ends.iter().zip(deviations);
        pairs.map(|((a, b), d)| d * d * apart(*a, *b)).sum::<f64>().sqrt()
    }

    /// `Φ'w`: one number a candidate.
    pub(crate) fn spread(&self, w: &[f64]) -> Vec<f64> {
        let Some((features, _)) = self.parts() else { return w.to_vec() };
        let mut out = vec![0.0; features.ncols()];
        crate::rows::scores(features.as_slice(), &DVector::from_column_slice(w), &mut out);
        out
    }

    /// `Φx`: one number a feature.
    pub(crate) fn gather(&self, x: &[f64]) -> DVector<f64> {
        let Some((features, _)) = self.parts() else { return DVector::from_column_slice(x) };
        let mut out = DVector::zeros(features.nrows());
        crate::rows::combine(features.as_slice(), x, &mut out);
        out
    }
}
