//! The network on many candidates at once.
//!
//! ```text
//! T = tanh(Z'W + 1b')      s = Z'u + T v                             Z: d × n, a candidate a column; W: d × h; T: n × h
//! with δ = ∂f/∂s:          ∂f/∂u = Z δ     ∂f/∂v = T'δ     ∂f/∂W = Z D     ∂f/∂b = D'1,     D = δ v' ∘ (1 − T ∘ T)
//! ```
//! Both directions are two matrix products of n d h operations; Z' is made anew each time, which costs 1/h of them.

use nalgebra::{DMatrix, DMatrixView, DMatrixViewMut, DVector, DVectorView, DVectorViewMut};

/// The size of a network. Without hidden units it is linear.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shape {
    /// Features.
    pub(crate) dim: usize,
    /// Hidden units.
    pub(crate) hidden: usize,
}

/// What a forward pass leaves for the backward pass.
pub(super) struct Activations {
    /// T, a row a candidate.
    hidden: DMatrix<f64>,
    /// s, one a candidate.
    pub(super) scores: DVector<f64>,
}

impl Shape {
    /// Entries of u, v, W and b together.
    pub(super) fn n_parameters(self) -> usize {
        self.dim + self.hidden * (self.dim + 2)
    }

    /// Where v, W and b begin; u begins at 0.
    fn offsets(self) -> [usize; 3] {
        let v = self.dim;
        [v, v + self.hidden, v + self.hidden + self.hidden * self.dim]
    }

    /// The scores of the columns of `z`.
    pub(super) fn forward(self, values: &[f64], z: &DMatrix<f64>) -> Activations {
        let [v, w, b] = self.offsets();
        let transposed = z.transpose();
        let mut hidden =
            &transposed * DMatrixView::from_slice(&values[w..b], self.dim, self.hidden);
        for (mut unit, bias) in hidden.column_iter_mut().zip(&values[b..]) {
            unit.apply(|x| *x = (*x + bias).tanh());
        }
        let scores = &transposed * DVectorView::from_slice(&values[..v], self.dim)
            + &hidden * DVectorView::from_slice(&values[v..w], self.hidden);
        Activations { hidden, scores }
    }

    /// `gradient ← gradient + Σ_a slopes[a] ∇ s_a`.
    pub(super) fn backward(
        self,
        values: &[f64],
        z: &DMatrix<f64>,
        activations: &Activations,
        slopes: &[f64],
        gradient: &mut [f64],
    ) {
        assert_eq!(gradient.len(), self.n_parameters(), "one entry a parameter");
        let [v, w, b] = self.offsets();
        let slopes = DVectorView::from_slice(slopes, slopes.len());
        let mut reached = activations.hidden.clone();
        for (mut unit, weight) in reached.column_iter_mut().zip(&values[v..w]) {
            unit.zip_apply(&slopes, |t, slope| *t = slope * weight * (1.0 - *t * *t));
        }
        let mut of_u = DVectorViewMut::from_slice(&mut gradient[..v], self.dim);
        of_u.gemv(1.0, z, &slopes, 1.0);
        let mut of_v = DVectorViewMut::from_slice(&mut gradient[v..w], self.hidden);
        of_v.gemv_tr(1.0, &activations.hidden, &slopes, 1.0);
        let mut of_w = DMatrixViewMut::from_slice(&mut gradient[w..b], self.dim, self.hidden);
        of_w.gemm(1.0, z, &reached, 1.0);
        for (g, unit) in gradient[b..].iter_mut().zip(reached.column_iter()) {
            *g += unit.sum();
        }
    }
}
