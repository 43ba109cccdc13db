//! Bradley-Terry with an effect of the presentation order, shared by all groups.
//!
//! ```text
//! t = r(a) − r(b) + sγ,    V = [V_g  b_g; b_g'  μ₀ + Σw],   b_g = Σ w s z,    s = ±1 by who was shown first
//! ```
//! One γ ties the groups together: their scores are fitted at once, and one ellipsoid over all
//! scores and γ bounds them, `β = (1/2κ)√(2 log(1/δ) + log det(V/V₀)) + √(λ₀ΣS_g² + μ₀G²)`, κ and G as in
//! `order`. Nothing is shared among groups, so that the number of groups need not be fixed beforehand.

use super::{BradleyTerryFit, BradleyTerryModel, Ellipsoid};
use crate::arrow::Arrow;
use crate::cells::{CellKey, Cells};
use crate::groups::Groups;
use crate::order::{Information, OrderedLoss, largest, order_ridge, widened};
use nlhf_core::{Comparison, FitError, FitEvidence, FitPreference, Fitted, OrderEffect};

impl BradleyTerryFit {
    pub(super) fn fit_with_order(
        &self,
        data: &[Comparison],
    ) -> Result<Fitted<BradleyTerryModel>, FitError> {
        let cells = Cells::for_fit(data, CellKey { prompt: false, order: true })?;
        let (separation, groups) = Groups::for_fit(cells.pairs(), &self.together, self.name())?;
        let (sizes, rows) = groups.rows(cells.pairs());
        let weights: Vec<f64> = cells.pairs().iter().map(|pair| pair.weight).collect();
        let wins: Vec<f64> = cells.pairs().iter().map(|pair| pair.wins).collect();
        let config = self.config;
        let half = 0.5 * config.log_odds_bound;
        let loss = OrderedLoss { weights: &weights, wins: &wins, orders: cells.orders() };
        let arrow = Arrow {
            sizes: &sizes,
            rows: &rows,
            loss: &loss,
            ridge: config.ridge,
            shared_ridge: order_ridge(config.ridge),
            box_size: half,
            total_weight: cells.total_weight(),
        };
        let broken = |iteration| FitError::Breakdown { model: self.name(), iteration };
        let minimum = arrow.minimize([0.0]).ok_or(broken(0))?;
        let broken = broken(minimum.iterations);
        let order_effect = OrderEffect {
            log_odds: minimum.shared[0],
            standard_error: minimum.shared_covariance[(0, 0)].sqrt(),
        };

        let widened = widened(config, order_effect);
        let (precision, shared_precision) =
            (widened.prior_precision(), arrow.shared_ridge / widened.curvature());
        let information = Information { weights: &weights, orders: cells.orders() };
        let factors = arrow
            .with_loss(&information, precision, shared_precision)
            .factors(&minimum.theta, &minimum.shared)
            .ok_or(broken)?;
        let n = minimum.theta.len() as f64;
        let log_det = factors.log_det() - n * precision.ln() - shared_precision.ln();
        // The radius in units of the scores' ridge, which is zero only where no theory is asked for.
        let effect_radius = largest(order_effect) * (arrow.shared_ridge / config.ridge).sqrt();
        let radius = (half * half * n + effect_radius * effect_radius).sqrt();
        let beta = widened.beta(log_det, radius, config.ridge, 1);

        let mut scores = vec![0.0; groups.places().len()];
        let members = groups.members().iter().flatten();
        for (member, score) in members.zip(&minimum.theta) {
            scores[member.index()] = *score;
        }
        let ellipsoid = |g| Ellipsoid { covariance: factors.covariance(g), beta };
        let model = BradleyTerryModel {
            scores,
            places: groups.places().to_vec(),
            groups: (0..sizes.len()).map(ellipsoid).collect(),
            config,
        };
        let evidence = FitEvidence {
            model: self.name().to_owned(),
            n_comparisons: cells.n_comparisons(),
            total_weight: cells.total_weight(),
            n_parameters: minimum.theta.len() - sizes.len() + 1,
            log_loss_nats: minimum.loss / cells.total_weight(),
            gradient_max: minimum.gradient_max,
            iterations: minimum.iterations,
            status: minimum.status,
            width_multiplier: Some(beta),
            parameter_norm: None,
            bound_active: minimum.bound_active,
            order_effect: Some(order_effect),
            separation,
        };
        Ok(Fitted { model, evidence })
    }
}
