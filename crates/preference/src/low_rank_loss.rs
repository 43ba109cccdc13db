//! The penalized loss of a low-rank fit as a function of all its parameters, γ last.
//!
//! ```text
//! f(θ, γ) = Σ w [log(1 + eᵗ) − y t] + Σ λ_i θ_i²/2 + λ_γ γ²/2,   t = R(C(θ)) + γ · order
//! ```
//! C as in `embedding`, R as in `planes`; there is one λ for scores, one for planes, and one for what is within a network.

use crate::embedding::Embedding;
use crate::order::order_ridge;
use crate::planes::{Layout, Rows};
use nalgebra::{DMatrix, DVector};

/// The loss, with room for what an evaluation needs.
pub(crate) struct LowRankLoss<'a> {
    pub(crate) embedding: Embedding,
    layout: Layout,
    rows: &'a Rows,
    /// The λ of each parameter, that of γ last.
    ridges: DVector<f64>,
    order_effect: bool,
    coordinates: DMatrix<f64>,
    slopes: DMatrix<f64>,
    residuals: Vec<f64>,
}

/// How strongly parameters are held.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ridges {
    pub(crate) scores: f64,
    pub(crate) planes: f64,
    pub(crate) hidden: f64,
}

/// Products with the Hessian that the standard error of γ may take.
const PRODUCTS: usize = 200;

impl<'a> LowRankLoss<'a> {
    pub(crate) fn new(
        embedding: Embedding,
        layout: Layout,
        rows: &'a Rows,
        order_effect: bool,
    ) -> Self {
        let coordinates = DMatrix::zeros(layout.len(), embedding.n_candidates());
        Self {
            slopes: coordinates.clone(),
            coordinates,
            residuals: vec![0.0; rows.len()],
            embedding,
            layout,
            rows,
            ridges: DVector::zeros(0),
            order_effect,
        }
    }

    /// Sets the penalty, which there must be one of.
    pub(crate) fn hold(&mut self, ridges: Ridges) {
        let (m, n) = (self.layout.len(), self.embedding.n_columns());
        let plane = |k: usize| k >= m - 2 * self.layout.planes;
        let of_row = (0..m).map(|k| if plane(k) { ridges.planes } else { ridges.scores });
        let direct = of_row.cycle().take(m * n);
        let hidden = std::iter::repeat_n(ridges.hidden, self.embedding.n_parameters(m) - m * n);
        let order = self.order_effect.then(|| order_ridge(ridges.scores));
        let all: Vec<f64> = direct.chain(hidden).chain(order).collect();
        self.ridges = DVector::from_vec(all);
    }

    pub(crate) fn n_parameters(&self) -> usize {
        self.embedding.n_parameters(self.layout.len()) + usize::from(self.order_effect)
    }

    /// θ and γ, which is 0 without an order effect.
    fn split<'t>(&self, theta: &'t DVector<f64>) -> (&'t [f64], f64) {
        match theta.as_slice() {
            [theta @ .., gamma] if self.order_effect => (theta, *gamma),
            theta => (theta, 0.0),
        }
    }

    /// The value; writes the gradient.
    pub(crate) fn evaluate(&mut self, theta: &DVector<f64>, gradient: &mut DVector<f64>) -> f64 {
        let (own, gamma) = self.split(theta);
        gradient.copy_from(theta);
        gradient.component_mul_assign(&self.ridges);
        let mut value = 0.5 * gradient.dot(theta);
        self.embedding.coordinates(own, &mut self.coordinates);
        let (rows, layout) = (self.rows, self.layout);
        let (loss, slope) = rows.residuals(layout, &self.coordinates, gamma, &mut self.residuals);
        value += loss;
        rows.gradient(layout, &self.coordinates, &self.residuals, &mut self.slopes);
        self.embedding.add_gradient(own, &self.slopes, &mut gradient.as_mut_slice()[..own.len()]);
        if self.order_effect {
            gradient[theta.len() - 1] += slope;
        }
        value
    }

    /// `w(σ(t) − y)` of each row.
    pub(crate) fn residuals_at(&mut self, theta: &DVector<f64>) -> Vec<f64> {
        self.unpenalized(theta);
        self.residuals.clone()
    }

    /// The loss without a penalty, and the largest `|R|` of a row.
    pub(crate) fn unpenalized(&mut self, theta: &DVector<f64>) -> (f64, f64) {
        let (own, gamma) = self.split(theta);
        self.embedding.coordinates(own, &mut self.coordinates);
        let rows = self.rows;
        let (loss, _) = rows.residuals(self.layout, &self.coordinates, gamma, &mut self.residuals);
        (loss, rows.largest(self.layout, &self.coordinates))
    }

    /// The standard error of γ from the inverse of the Hessian, by conjugate gradients with differences of
    /// gradients; +∞ where the Hessian is not positive definite along the way.
    pub(crate) fn order_error(&mut self, theta: &DVector<f64>) -> f64 {
        let n = theta.len();
        let mut plus = DVector::zeros(n);
        let mut minus = DVector::zeros(n);
        let mut x = DVector::zeros(n);
        let mut r = DVector::zeros(n);
        r[n - 1] = 1.0;
        let mut p = r.clone();
        let mut size = 1.0;
        for _ in 0..PRODUCTS {
            let step = 1e-5 * (1.0 + theta.amax()) / p.amax();
            self.evaluate(&(theta + step * &p), &mut plus);
            self.evaluate(&(theta - step * &p), &mut minus);
            let product = (&plus - &minus) / (2.0 * step);
            let curvature = p.dot(&product);
            if curvature.is_nan() || curvature <= 0.0 {
                return f64::INFINITY;
            }
            let length = size / curvature;
            x.axpy(length, &p, 1.0);
            r.axpy(-length, &product, 1.0);
            let next = r.norm_squared();
            if next <= 1e-8 {
                break;
            }
            p = &r + (next / size) * p;
            size = next;
        }
        x[n - 1].sqrt()
    }
}
