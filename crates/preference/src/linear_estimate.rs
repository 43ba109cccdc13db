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
use crate::bounded::Bounded;
use crate::cells::Cells;
use crate::feature_model::Ellipsoid;
use crate::newton::{Design, Minimum};
use crate::order::{OrderedDesign, largest, widened, without_last};
use nalgebra::{Cholesky, DMatrix, DVector};
use nlhf_core::{FitError, FitEvidence, OrderEffect};

/// θ̂ and V, with what a fit says of itself.
pub(crate) struct LinearEstimate {
    pub(crate) parameters: DVector<f64>,
    /// L of `V = LL'` and β; none if they were not asked for.
    pub(crate) widths: Option<(DMatrix<f64>, f64)>,
    radius: f64,
    order_effect: Option<OrderEffect>,
    bound_active: bool,
    minimum: Minimum,
}

impl LinearEstimate {
    /// Fits the rows of `inner` to the cells, one row a cell, an order effect with them if the settings ask for it. The search
    /// begins at the parameters `start`, or at zero.
    pub(crate) fn new(
        inner: &dyn Design,
        cells: &Cells,
        config: &LogisticConfig,
        start: Option<&DVector<f64>>,
        widths: bool,
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
        let gram = gram(design, &weights, widths);
        let likelihood = Bounded { design, weights: &weights, wins: &wins, gram: &gram, bound };
        let mut from = DVector::zeros(design.dimension());
        if let Some(start) = start {
            from.rows_mut(0, n).copy_from(start);
        }
        let (minimum, ridge) = likelihood.solve(config.ridge, from).ok_or(broken(0))?;
        let broken = || broken(minimum.iterations);
        let order_effect = match &ordered {
            Some(design) => {
                Some(design.effect(&minimum.theta, &weights, ridge).ok_or_else(broken)?)
            }
            None => None,
        };

        // The trace of the preference's part is Σ w‖z‖².
        let squares = gram.view((0, 0), (n, n)).trace();
        let mean_length = (squares / cells.total_weight()).sqrt();
        let natural = bound * (n as f64).sqrt() / mean_length.max(f64::MIN_POSITIVE);
        let radius = config.parameter_norm.unwrap_or(natural);
        let effect_radius = order_effect.map_or(0.0, |effect| largest(effect) / scale);
        let radius_of_all = radius.hypot(effect_radius);
        let around = || ellipsoid(&gram, config, ridge, radius_of_all, order_effect);
        let widths = if widths { Some(around().ok_or_else(broken)?) } else { None };
        Ok(Self {
            parameters: minimum.theta.rows(0, n).into_owned(),
            bound_active: ridge > config.ridge,
            widths,
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
            width_multiplier: self.widths.as_ref().map(|(_, beta)| *beta),
            parameter_norm: self.widths.is_some().then_some(self.radius),
            bound_active: self.bound_active,
            order_effect: self.order_effect,
            separation: None,
        }
    }
}

impl LinearEstimate {
    /// The ellipsoid as `L⁻¹` and β.
    pub(crate) fn ellipsoid(&self) -> Option<Ellipsoid> {
        self.widths.as_ref().map(|(lower, beta)| {
            let mut whitening = DMatrix::identity(lower.nrows(), lower.nrows());
            lower.solve_lower_triangular_mut(&mut whitening);
            Ellipsoid { whitening, beta: *beta }
        })
    }
}

/// Rows a parameter in the sample that stands for all of them.
const SAMPLE_PER_PARAMETER: usize = 20;

/// `Σ w zz'`; over a sample if only its scale and shape are needed.
fn gram(design: &dyn Design, weights: &[f64], widths: bool) -> DMatrix<f64> {
    let n = design.dimension();
    let stride = weights.len() / (SAMPLE_PER_PARAMETER * n).max(1);
    if widths || stride <= 1 || !Bounded::is_large(n, weights.len()) {
        let mut gram = DMatrix::zeros(n, n);
        design.gram(weights, &mut gram);
        return gram;
    }
    let sampled: f64 = weights.iter().step_by(stride).sum();
    design.sampled_gram(weights, stride) * (weights.iter().sum::<f64>() / sampled)
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
