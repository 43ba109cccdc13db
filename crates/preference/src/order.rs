//! The effect of the presentation order: what it adds to a likelihood, and to what is known.
//!
//! ```text
//! t = R(x, a, b) + sγ,   s = +1 if a was shown first, −1 if b was, seen from a
//! ```
//! γ is a habit of the judges and no part of the preference. Its ridge, 10⁻⁶ max(1, λ), is there only to keep
//! it finite where every first response wins. Widths account for it: V gains a row and column for γ, and
//! `V⁻¹` in R's coordinates is that of the Schur complement. Log-odds of the labels reach beyond those of
//! the preference, so that the smallest slope of σ is κ(B + G), where `|γ*|` is taken not to exceed
//! G = |γ̂| + 3 standard errors.

use crate::LogisticConfig;
use crate::arrow::{Bend, RowLoss};
use crate::newton::Design;
use nalgebra::{Cholesky, DMatrix, DVector};
use nlhf_core::OrderEffect;
use nlhf_core::logistic::{log_loss, sigmoid};

/// Beyond this many nats more changes nothing that f64 could tell.
const LARGEST_EFFECT: f64 = 50.0;

/// The ridge on γ beside a ridge on the other parameters.
pub(crate) fn order_ridge(ridge: f64) -> f64 {
    1e-6 * ridge.max(1.0)
}

/// G: what the true effect is taken not to exceed.
pub(crate) fn largest(effect: OrderEffect) -> f64 {
    (effect.log_odds.abs() + 3.0 * effect.standard_error).min(LARGEST_EFFECT)
}

/// The settings whose curvature is that on `[−B − G, B + G]`.
pub(crate) fn widened(config: LogisticConfig, effect: OrderEffect) -> LogisticConfig {
    LogisticConfig { log_odds_bound: config.log_odds_bound + largest(effect), ..config }
}

/// The logistic loss of counted wins, `t = d + sγ`.
pub(crate) struct OrderedLoss<'a> {
    pub(crate) weights: &'a [f64],
    pub(crate) wins: &'a [f64],
    /// s of each row.
    pub(crate) orders: &'a [f64],
}

impl RowLoss<1> for OrderedLoss<'_> {
    fn value(&self, row: usize, d: f64, [gamma]: &[f64; 1]) -> f64 {
        let weight = self.weights[row];
        weight * log_loss(d + self.orders[row] * gamma, self.wins[row] / weight)
    }

    fn bend(&self, row: usize, d: f64, [gamma]: &[f64; 1]) -> Bend<1> {
        let (s, weight) = (self.orders[row], self.weights[row]);
        let t = d + s * gamma;
        bend(weight * sigmoid(t) - self.wins[row], weight * sigmoid(t) * sigmoid(-t), s)
    }
}

/// Not a loss but the information matrix `Σ w zz'` as its Hessian.
pub(crate) struct Information<'a> {
    pub(crate) weights: &'a [f64],
    pub(crate) orders: &'a [f64],
}

impl RowLoss<1> for Information<'_> {
    fn value(&self, row: usize, d: f64, [gamma]: &[f64; 1]) -> f64 {
        let t = d + self.orders[row] * gamma;
        0.5 * self.weights[row] * t * t
    }

    fn bend(&self, row: usize, d: f64, [gamma]: &[f64; 1]) -> Bend<1> {
        let (s, weight) = (self.orders[row], self.weights[row]);
        bend(weight * (d + s * gamma), weight, s)
    }
}

/// The derivatives of a function of `d + sγ`.
fn bend(slope: f64, curvature: f64, s: f64) -> Bend<1> {
    Bend {
        slope,
        curvature,
        shared_slope: [s * slope],
        mixed: [s * curvature],
        shared: [[s * s * curvature]],
    }
}

/// A design with a last column `cs` for `γ/c`: a ridge of λ on that parameter is one of `λ/c²` on γ.
pub(crate) struct OrderedDesign<'a> {
    pub(crate) inner: &'a dyn Design,
    /// s of each row.
    pub(crate) orders: &'a [f64],
    /// c.
    pub(crate) scale: f64,
}

impl OrderedDesign<'_> {
    /// The scale with which the ridge on γ is [`order_ridge`].
    pub(crate) fn scale(ridge: f64) -> f64 {
        (ridge / order_ridge(ridge)).sqrt()
    }

    /// γ with its standard error at an estimate, from the Hessian there; `None` if that is not positive definite.
    pub(crate) fn effect(
        &self,
        theta: &DVector<f64>,
        weights: &[f64],
        ridge: f64,
    ) -> Option<OrderEffect> {
        let n = self.dimension();
        let mut t = vec![0.0; weights.len()];
        self.predict(theta, &mut t);
        let slope = |(w, t): (&f64, &f64)| w * sigmoid(*t) * sigmoid(-t);
        let bent: Vec<f64> = weights.iter().zip(&t).map(slope).collect();
        let mut hessian = DMatrix::zeros(n, n);
        self.gram(&bent, &mut hessian);
        hessian += DMatrix::identity(n, n) * ridge;
        let mut last = DVector::zeros(n);
        last[n - 1] = 1.0;
        let variance = Cholesky::new(hessian)?.solve(&last)[n - 1];
        Some(OrderEffect {
            log_odds: self.scale * theta[n - 1],
            standard_error: self.scale * variance.sqrt(),
        })
    }
}

/// The Schur complement of the last coordinate, and what stands there.
pub(crate) fn without_last(matrix: &DMatrix<f64>) -> (DMatrix<f64>, f64) {
    let n = matrix.nrows() - 1;
    let (border, corner) = (matrix.view((0, n), (n, 1)), matrix[(n, n)]);
    (matrix.view((0, 0), (n, n)) - border * border.transpose() / corner, corner)
}

impl Design for OrderedDesign<'_> {
    fn dimension(&self) -> usize {
        self.inner.dimension() + 1
    }

    fn predict(&self, theta: &DVector<f64>, t: &mut [f64]) {
        self.predict_preference(theta, t);
        let gamma = self.scale * theta[self.inner.dimension()];
        for (t, s) in t.iter_mut().zip(self.orders) {
            *t += s * gamma;
        }
    }

    fn predict_preference(&self, theta: &DVector<f64>, t: &mut [f64]) {
        let own = theta.rows(0, self.inner.dimension()).into_owned();
        self.inner.predict_preference(&own, t);
    }

    fn transpose(&self, r: &[f64], out: &mut DVector<f64>) {
        let n = self.inner.dimension();
        let mut own = DVector::zeros(n);
        self.inner.transpose(r, &mut own);
        out.rows_mut(0, n).copy_from(&own);
        out[n] = self.scale * r.iter().zip(self.orders).map(|(r, s)| r * s).sum::<f64>();
    }

    fn gram(&self, weights: &[f64], out: &mut DMatrix<f64>) {
        let n = self.inner.dimension();
        let mut own = DMatrix::zeros(n, n);
        self.inner.gram(weights, &mut own);
        out.view_mut((0, 0), (n, n)).copy_from(&own);
        let signed: Vec<f64> =
            weights.iter().zip(self.orders).map(|(w, s)| self.scale * w * s).collect();
        let mut border = DVector::zeros(n);
        self.inner.transpose(&signed, &mut border);
        out.view_mut((0, n), (n, 1)).copy_from(&border);
        out.view_mut((n, 0), (1, n)).copy_from(&border.transpose());
        let squares = weights.iter().zip(self.orders).map(|(w, s)| w * s * s);
        out[(n, n)] = self.scale * self.scale * squares.sum::<f64>();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::newton::{DenseDesign, GRADIENT_TOLERANCE, Likelihood, minimize};

    #[test]
    fn an_ordered_design_is_the_dense_one_with_a_column_more() {
        let z = [0.5, -1.0, 2.0, 0.25, 1.5, -0.75];
        let orders = [1.0, -1.0, 1.0];
        let inner = DenseDesign { columns: DMatrix::from_column_slice(2, 3, &z) };
        let design = OrderedDesign { inner: &inner, orders: &orders, scale: 10.0 };
        let with = |k: usize| [z[2 * k], z[2 * k + 1], 10.0 * orders[k]];
        let columns = DMatrix::from_iterator(3, 3, (0..3).flat_map(with));
        let dense = DenseDesign { columns };
        let likelihood = |design| Likelihood {
            design,
            weights: &[4.0, 3.0, 2.0],
            wins: &[3.0, 1.0, 0.5],
            ridge: 0.1,
            box_size: f64::INFINITY,
            tolerance: GRADIENT_TOLERANCE,
        };
        let ours = minimize(&likelihood(&design), DVector::zeros(3)).unwrap().theta;
        let plain = minimize(&likelihood(&dense), DVector::zeros(3)).unwrap().theta;
        assert!((&ours - &plain).amax() < 1e-12, "{ours} and {plain}");
        // The preference leaves the effect out.
        let (mut t, mut r) = ([0.0; 3], [0.0; 3]);
        design.predict(&ours, &mut t);
        design.predict_preference(&ours, &mut r);
        for ((t, r), s) in t.iter().zip(&r).zip(&orders) {
            assert!((t - r - 10.0 * s * ours[2]).abs() < 1e-14);
        }
    }
}
