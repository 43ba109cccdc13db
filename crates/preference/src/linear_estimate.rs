//! The estimate of a model whose log-odds are linear in its parameters, and the ellipsoid around it.
//!
//! ```text
//! R = θ'z,   t = R + sγ with an order effect,   λ' ≥ λ such that |R| ≤ B on every row
//! V = λ₀I + Σ w z̃z̃',  z̃ = (z, s/c)   and of it the Schur complement of γ;   |R̂ − R*| ≤ β‖z‖_{V⁻¹}
//! β = (1/2κ)√(2 log(1/δ) + log det(V/λ₀)) + √(S² + (G/c)²) √λ₀
//! ```
//! c, G and κ as in `order`; without an order effect the bound is that of Abbasi-Yadkori, Pál and
//! Szepesvári (2011).

use crate::LogisticConfig;
use crate::bounded::within_bound;
use crate::cells::Cells;
use crate::newton::{Design, Minimum};
use crate::order::{OrderedDesign, largest, widened, without_last};
use nalgebra::{Cholesky, DMatrix, DVector};
use nlhf_core::{FitError, FitEvidence, OrderEffect};

/// θ̂ and V, with what a fit says of itself.
pub(crate) struct LinearEstimate {
    pub(crate) parameters: DVector<f64>,
    /// L of `V = LL'`.
    pub(crate) lower: DMatrix<f64>,
    pub(crate) beta: f64,
    radius: f64,
    order_effect: Option<OrderEffect>,
    bound_active: bool,
    minimum: Minimum,
}

impl LinearEstimate {
    /// Fits the rows of `inner` to the cells, one row a cell, an order effect with them if the settings ask for it.
    pub(crate) fn new(
        inner: &dyn Design,
        cells: &Cells,
        config: &LogisticConfig,
        model: &'static str,
    ) -> Result<Self, FitError> {
        let n = inner.dimension();
        let weights: Vec<f64> = cells.pairs().iter().map(|pair| pair.weight).collect();
        let wins: Vec<f64> = cells.pairs().iter().map(|pair| pair.wins).collect();
        let scale = OrderedDesign::scale(config.ridge);
        let ordered =
            config.order_effect.then(|| OrderedDesign { inner, orders: cells.orders(), scale });
        let design: &dyn Design = ordered.as_ref().map_or(inner, |design| design);
        let broken = |iteration| FitError::Breakdown { model, iteration };
        let bound = config.log_odds_bound;
        let (minimum, ridge) =
            within_bound(design, &weights, &wins, config.ridge, bound).ok_or(broken(0))?;
        let broken = || broken(minimum.iterations);
        let order_effect = match &ordered {
            Some(design) => {
                Some(design.effect(&minimum.theta, &weights, ridge).ok_or_else(broken)?)
            }
            None => None,
        };

        let mut gram = DMatrix::zeros(design.dimension(), design.dimension());
        design.gram(&weights, &mut gram);
        // The trace of the preference's part is Σ w‖z‖².
        let squares = gram.view((0, 0), (n, n)).trace();
        let mean_length = (squares / cells.total_weight()).sqrt();
        let natural = bound * (n as f64).sqrt() / mean_length.max(f64::MIN_POSITIVE);
        let radius = config.parameter_norm.unwrap_or(natural);
        let effect_radius = order_effect.map_or(0.0, |effect| largest(effect) / scale);
        let ellipsoid = ellipsoid(&gram, config, ridge, radius.hypot(effect_radius), order_effect);
        let (lower, beta) = ellipsoid.ok_or_else(broken)?;
        Ok(Self {
            parameters: minimum.theta.rows(0, n).into_owned(),
            bound_active: ridge > config.ridge,
            lower,
            beta,
            radius,
            order_effect,
            minimum,
        })
    }

    pub(crate) fn evidence(&self, cells: &Cells, model: &str) -> FitEvidence {
        FitEvidence {
            model: model.to_owned(),
            n_comparisons: cells.n_comparisons(),
            total_weight: cells.total_weight(),
            n_parameters: self.minimum.theta.len(),
            log_loss_nats: self.minimum.loss / cells.total_weight(),
            gradient_max: self.minimum.gradient_max,
            iterations: self.minimum.iterations,
            status: self.minimum.status,
            width_multiplier: Some(self.beta),
            parameter_norm: Some(self.radius),
            bound_active: self.bound_active,
            order_effect: self.order_effect,
            separation: None,
        }
    }
}

/// L of `V = LL'`, γ eliminated if there is one, and β.
fn ellipsoid(
    gram: &DMatrix<f64>,
    config: &LogisticConfig,
    ridge: f64,
    radius: f64,
    order_effect: Option<OrderEffect>,
) -> Option<(DMatrix<f64>, f64)> {
    let n = gram.nrows();
    let curved = order_effect.map_or(*config, |effect| widened(*config, effect));
    let factor = |ridge: f64| {
        let precision = ridge / curved.curvature();
        let information = gram + DMatrix::identity(n, n) * precision;
        let (information, corner) = match order_effect {
            Some(_) => without_last(&information),
            None => (information, 1.0),
        };
        let lower = Cholesky::new(information)?.unpack();
        let log_det: f64 = lower.diagonal().iter().map(|d| 2.0 * d.ln()).sum();
        Some((lower, log_det + corner.ln() - n as f64 * precision.ln()))
    };
    // The noise is measured in V with the ridge that was asked for, the widths with that in force.
    let (lower, log_det) = factor(config.ridge)?;
    let beta = curved.beta(log_det, radius, ridge, 1);
    let lower = if ridge > config.ridge { factor(ridge)?.0 } else { lower };
    Some((lower, beta))
}
