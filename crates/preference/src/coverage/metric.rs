//! What data tell of the parameters of a linear class: the pseudo-inverse of their information, and what it lacks.
//!
//! ```text
//! M = Σ_D w zz',   S = diag(M)^−½,   SMS = UΛU',   v'M⁺v = Σ_{λ_k > ν} y_k²,   y = max(Λ, ν)^−½ U'S v
//! v outside of range(M)  ⇔  Σ_{λ_k ≤ ν} y_k² > Σ_{λ_k > ν} y_k²,              ν = 16 d ε max Λ
//! ```
//! S makes of M a matrix of correlations, so that nothing depends on the units of the features, and its spectrum
//! is as flat as a diagonal scaling makes it. ν is what rounding in d-fold products, ε = 2⁻⁵², may add to an
//! eigenvalue: a direction with less cannot be told from one without data. If data do vary along it, by ν at most, its
//! part of `v'M⁺v` is at least the left-hand side; that is put against the part that is sure. A v in the
//! range passes: rounding turns the directions k by at most `ν/λ_k`, which makes the left-hand side at most
//! `ν/λ_k` of the right-hand one. What lies outside by less than `√(ν v'M⁺v)`, 1e-6 or so, goes unnoticed.

use nalgebra::{DMatrix, DVector, SymmetricEigen};

/// `y` of slopes v, and the directions that its entries are of.
#[derive(Debug)]
pub(super) struct Metric {
    /// `max(Λ, ν)^−½ U'S`, eigenvalues ascending.
    pub(super) whitening: DMatrix<f64>,
    /// Leading entries of y that are of directions without data.
    pub(super) n_missing: usize,
    /// `max(Λ, 0)`, ascending; 1 on average.
    pub(super) information: Vec<f64>,
    /// U.
    directions: DMatrix<f64>,
    scales: DVector<f64>,
}

impl Metric {
    /// M, and what stands for the diagonal entries of parameters that no data vary.
    pub(super) fn new(gram: &DMatrix<f64>, units: &[f64]) -> Self {
        let n = gram.nrows();
        let scale = |i: usize| {
            let square = if gram[(i, i)] > 0.0 { gram[(i, i)] } else { units[i] };
            if square > 0.0 { 1.0 / square.sqrt() } else { 1.0 }
        };
        let scales = DVector::from_fn(n, |i, _| scale(i));
        let scaled = DMatrix::from_fn(n, n, |i, j| scales[i] * gram[(i, j)] * scales[j]);
        let eigen = SymmetricEigen::new(scaled);
        let mut order: Vec<usize> = (0..n).collect();
        order.sort_by(|&i, &j| eigen.eigenvalues[i].total_cmp(&eigen.eigenvalues[j]));
        let noise = 16.0 * n as f64 * f64::EPSILON * eigen.eigenvalues.max().max(1.0);
        let information: Vec<f64> = order.iter().map(|k| eigen.eigenvalues[*k].max(0.0)).collect();
        let directions = DMatrix::from_fn(n, n, |i, k| {
            let direction = eigen.eigenvectors.column(order[k]);
            // Each points to where its largest entry is positive.
            if direction[direction.iamax()] < 0.0 { -direction[i] } else { direction[i] }
        });
        let whitening = DMatrix::from_fn(n, n, |k, i| {
            directions[(i, k)] * scales[i] / information[k].max(noise).sqrt()
        });
        let n_missing = information.iter().filter(|x| **x <= noise).count();
        Self { whitening, n_missing, information, directions, scales }
    }

    /// `v'M⁺v`, and whether v is outside of the range; of the y of v.
    pub(super) fn length(&self, white: &[f64]) -> (f64, bool) {
        let sum = |part: &[f64]| part.iter().map(|y| y * y).sum::<f64>();
        let (outside, inside) = white.split_at(self.n_missing);
        let (outside, inside) = (sum(outside), sum(inside));
        (outside + inside, outside > inside)
    }

    /// `M⁺v`.
    pub(super) fn solve(&self, slope: &DVector<f64>) -> DVector<f64> {
        self.whitening.tr_mul(&(&self.whitening * slope))
    }

    /// The unit direction of the k-th entry of y, in standardized parameters.
    pub(super) fn direction(&self, k: usize) -> DVector<f64> {
        self.directions.column(k).into_owned()
    }

    /// The components of `Sv` along the directions without data.
    pub(super) fn missing(&self, slope: &DVector<f64>) -> DVector<f64> {
        let scaled = slope.component_mul(&self.scales);
        self.directions.columns(0, self.n_missing).tr_mul(&scaled)
    }
}
