//! Davidson's model of ties: Bradley-Terry scores, and a parameter for how readily judges call it even.
//!
//! ```text
//! P(a ≻ b) : P(tie) : P(b ≻ a) = e^{t/2} : ν : e^{−t/2},   t = r(a) − r(b) + sγ,   ν = e^ζ
//! −log-likelihood = Σ n A(t, ζ) − (W − L) t/2 − T ζ,   A = log(e^{t/2} + e^ζ + e^{−t/2}),   convex in (r, ζ, γ)
//! ```
//! A label of exactly ½ is a tie, T; one of 1 or 0 is a win or a loss; any other label y is a mixture of them,
//! y of a win and 1 − y of a loss, as a share of votes is. Equals tie with probability ν/(2 + ν). Scores
//! are held finite as in [`BradleyTerryFit`](crate::BradleyTerryFit): by the ridge and the box |r| ≤ B/2. ζ and γ have a ridge of
//! 10⁻⁶ max(1, λ), which matters only where nothing or everything is a tie. Source: Davidson, "On extending
//! the Bradley-Terry model to accommodate ties in paired comparison experiments" (1970).

mod model;

pub use model::{DavidsonModel, TieParameter};

use crate::arrow::{Arrow, Bend, RowLoss};
use crate::cells::{CellKey, Cells};
use crate::groups::Groups;
use crate::order::order_ridge;
use crate::{LogisticConfig, WidthMultiplier};
pub(crate) use model::Group;
use model::preference;
use nlhf_core::logistic::log_loss;
use nlhf_core::{
    Comparison, FitError, FitEvidence, FitPreference, Fitted, OrderEffect, ScalarError,
};

/// Fits scores and the tie parameter by penalized maximum likelihood.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DavidsonFit {
    config: LogisticConfig,
}

impl DavidsonFit {
    /// Checks the settings. A ridge of zero is allowed with a fixed width multiplier.
    ///
    /// `log_odds_bound` bounds the differences of scores, and with them the smaller log-odds.
    ///
    /// # Errors
    /// [`ScalarError`] naming the setting outside its range.
    pub fn new(config: LogisticConfig) -> Result<Self, ScalarError> {
        Ok(Self { config: config.validate_ridge(true)? })
    }

    /// β: Scheffé's for p parameters, `√χ²_p(1 − δ) + S√λ`, with the bound of Laurent and Massart (2000) on
    /// the quantile, `χ²_p(1 − δ) ≤ p + 2√(p log(1/δ)) + 2 log(1/δ)`.
    fn beta(&self, n_parameters: usize, radius: f64) -> f64 {
        match self.config.multiplier {
            WidthMultiplier::Fixed(beta) => beta,
            WidthMultiplier::Theory(confidence) => {
                let p = n_parameters as f64;
                let log_term = -confidence.failure_probability().ln();
                let quantile = p + 2.0 * (p * log_term).sqrt() + 2.0 * log_term;
                quantile.sqrt() + radius * self.config.ridge.sqrt()
            }
        }
    }
}

/// Wins, ties and losses of each row; ζ and γ are shared.
struct TieLoss<'a> {
    /// Weight, ties, and wins less losses of each row.
    counts: &'a [[f64; 3]],
    /// s of each row.
    orders: &'a [f64],
}

impl TieLoss<'_> {
    /// `A(t, ζ)`.
    fn log_total(t: f64, zeta: f64) -> f64 {
        let top = (0.5 * t.abs()).max(zeta);
        top + ((0.5 * t - top).exp() + (zeta - top).exp() + (-0.5 * t - top).exp()).ln()
    }
}

impl RowLoss<2> for TieLoss<'_> {
    fn value(&self, row: usize, d: f64, &[zeta, gamma]: &[f64; 2]) -> f64 {
        let t = d + self.orders[row] * gamma;
        let [weight, ties, margin] = self.counts[row];
        let total = Self::log_total(t, zeta);
        // Wins, losses and ties apart, so that what is certain costs nothing but what it should.
        let (won, lost) = (0.5 * (weight - ties + margin), 0.5 * (weight - ties - margin));
        won * (total - 0.5 * t) + ties * (total - zeta) + lost * (total + 0.5 * t)
    }

    fn bend(&self, row: usize, d: f64, &[zeta, gamma]: &[f64; 2]) -> Bend<2> {
        let s = self.orders[row];
        let t = d + s * gamma;
        let [weight, ties, margin] = self.counts[row];
        let total = Self::log_total(t, zeta);
        let (won, tied, lost) =
            ((0.5 * t - total).exp(), (zeta - total).exp(), (-0.5 * t - total).exp());
        let slope = 0.5 * (weight * (won - lost) - margin);
        // The variance of (win − loss)/2, without the cancellation of second moment less squared mean.
        let curvature = weight * (won * lost + 0.25 * tied * (won + lost));
        let mixed = -0.5 * weight * (won - lost) * tied;
        let tie_curvature = weight * tied * (won + lost);
        Bend {
            slope,
            curvature,
            shared_slope: [weight * tied - ties, s * slope],
            mixed: [mixed, s * curvature],
            shared: [[tie_curvature, s * mixed], [s * mixed, s * s * curvature]],
        }
    }
}

impl FitPreference for DavidsonFit {
    type Model = DavidsonModel;

    fn name(&self) -> &'static str {
        "davidson"
    }

    fn fit(&self, data: &[Comparison]) -> Result<Fitted<DavidsonModel>, FitError> {
        let config = self.config;
        let cells = Cells::for_fit(data, CellKey { prompt: false, order: config.order_effect })?;
        let (separation, groups) = Groups::for_fit(cells.pairs(), &[], self.name())?;
        let (sizes, rows) = groups.rows(cells.pairs());
        let margin = |(pair, ties): (&crate::PairCount, &f64)| {
            let decided = (pair.weight - ties).max(0.0);
            // Ties are half a win each: 2 wins − n is what wins exceed losses by.
            [pair.weight, *ties, (2.0 * pair.wins - pair.weight).clamp(-decided, decided)]
        };
        let counts: Vec<[f64; 3]> = cells.pairs().iter().zip(cells.ties()).map(margin).collect();
        let half = 0.5 * config.log_odds_bound;
        let arrow = Arrow {
            sizes: &sizes,
            rows: &rows,
            loss: &TieLoss { counts: &counts, orders: cells.orders() },
            ridge: config.ridge,
            shared_ridge: order_ridge(config.ridge),
            box_size: half,
            total_weight: cells.total_weight(),
        };
        let broken = |iteration| FitError::Breakdown { model: self.name(), iteration };
        let minimum = arrow.minimize([0.0; 2]).ok_or(broken(0))?;
        let factors =
            arrow.factors(&minimum.theta, &minimum.shared).ok_or(broken(minimum.iterations))?;
        let error = |at| minimum.shared_covariance[(at, at)].sqrt();
        let [log_nu, gamma] = minimum.shared;
        let order_effect =
            config.order_effect.then(|| OrderEffect { log_odds: gamma, standard_error: error(1) });

        let n_parameters = minimum.theta.len() - sizes.len() + 1 + usize::from(config.order_effect);
        let natural = half * (minimum.theta.len() as f64).sqrt();
        let radius = config.parameter_norm.unwrap_or(natural);
        let beta = self.beta(n_parameters, radius);
        let mut scores = vec![0.0; groups.places().len()];
        for (member, score) in groups.members().iter().flatten().zip(&minimum.theta) {
            scores[member.index()] = *score;
        }
        let group = |g| Group {
            covariance: factors.covariance(g),
            with_ties: factors.cross_covariance(g).column(0).iter().copied().collect(),
        };
        let model = DavidsonModel {
            places: groups.places().to_vec(),
            groups: (0..sizes.len()).map(group).collect(),
            ties: TieParameter { log_nu, standard_error: error(0) },
            scores,
            beta,
            log_odds_bound: config.log_odds_bound,
        };
        let nu = log_nu.exp();
        let loss = |(pair, order): (&crate::PairCount, &f64)| {
            let t = model.score(pair.low) - model.score(pair.high) + order * gamma;
            pair.weight * log_loss(preference(t, nu), pair.wins / pair.weight)
        };
        let loss: f64 = cells.pairs().iter().zip(cells.orders()).map(loss).sum();
        let evidence = FitEvidence {
            model: self.name().to_owned(),
            n_comparisons: cells.n_comparisons(),
            total_weight: cells.total_weight(),
            n_parameters,
            log_loss_nats: loss / cells.total_weight(),
            gradient_max: minimum.gradient_max,
            iterations: minimum.iterations,
            status: minimum.status,
            width_multiplier: Some(beta),
            parameter_norm: Some(radius),
            bound_active: minimum.bound_active,
            order_effect,
            separation,
        };
        Ok(Fitted { model, evidence })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nlhf_core::{ConfidenceWidth, FitStatus, Label, PreferenceModel, PromptId, ResponseId};

    fn judged(a: u32, b: u32, label: f64, times: usize) -> Vec<Comparison> {
        let (a, b) = (ResponseId::new(a), ResponseId::new(b));
        vec![Comparison::new(PromptId::new(0), a, b, Label::new(label).unwrap()); times]
    }

    fn loose() -> LogisticConfig {
        let multiplier = WidthMultiplier::Fixed(1.0);
        LogisticConfig { ridge: 0.0, multiplier, log_odds_bound: 20.0, ..Default::default() }
    }

    #[test]
    fn two_responses_have_a_closed_form() {
        // W = 12, T = 6, L = 3: t = log(W/L), ν = T/√(WL) = 1.
        let data = [judged(0, 1, 1.0, 12), judged(1, 0, 0.5, 6), judged(0, 1, 0.0, 3)].concat();
        let fitted = DavidsonFit::new(loose()).unwrap().fit(&data).unwrap();
        assert_eq!(fitted.evidence.status, FitStatus::Converged);
        let (x, a, b) = (PromptId::new(0), ResponseId::new(0), ResponseId::new(1));
        let model = fitted.model;
        assert!((model.score(a) - model.score(b) - 4f64.ln()).abs() < 1e-7);
        assert!(model.ties().log_nu.abs() < 1e-6);
        assert!((model.ties().rate_of_equals() - 1.0 / 3.0).abs() < 1e-6);
        // P = (12 + 3) / 21, which is not the 12 / 15 of the scores.
        assert!((model.probability(x, a, b) - 15.0 / 21.0).abs() < 1e-7);
        // The saturated multinomial: var(log(W + T/2) − log(L + T/2)) by the delta method is
        // Σ p (∂R/∂p)² / n with ∂R/∂W = 1/(W + T/2), ∂R/∂L = −1/(L + T/2), ∂R/∂T half their sum.
        let (up, down) = (1.0 / 15.0, -1.0 / 6.0);
        let variance: f64 = 12.0 * up * up + 3.0 * down * down + 1.5 * (up + down) * (up + down);
        let width = model.log_odds_width(x, a, b);
        assert!((width - variance.sqrt()).abs() < 1e-5, "{width} and {}", variance.sqrt());
    }

    #[test]
    fn no_tie_and_nothing_but_ties_stay_finite() {
        let decided = [judged(0, 1, 1.0, 12), judged(0, 1, 0.0, 3)].concat();
        let fitted = DavidsonFit::new(loose()).unwrap().fit(&decided).unwrap();
        let ties = fitted.model.ties();
        assert!(ties.nu() < 1e-5 && ties.standard_error > 10.0, "{ties:?}");
        let (x, a, b) = (PromptId::new(0), ResponseId::new(0), ResponseId::new(1));
        assert!((fitted.model.log_odds(x, a, b) - 4f64.ln()).abs() < 1e-4);
        let tied = judged(0, 1, 0.5, 12);
        let fitted = DavidsonFit::new(LogisticConfig::default()).unwrap().fit(&tied).unwrap();
        assert!(fitted.model.ties().rate_of_equals() > 0.999);
        assert!(fitted.model.log_odds(x, a, b).abs() < 1e-9);
        assert!(fitted.evidence.order_effect.is_none());
    }

    #[test]
    fn the_loss_has_the_derivatives_that_it_says() {
        let loss = TieLoss { counts: &[[5.0, 1.5, 2.0]], orders: &[-1.0] };
        let (d, shared, step) = (0.7, [-0.3, 0.4], 1e-5);
        let at = |i: usize, by: f64| {
            let mut x = [d, shared[0], shared[1]];
            x[i] += by;
            (x[0], [x[1], x[2]])
        };
        let slopes = |(d, shared): (f64, [f64; 2])| {
            let bend = loss.bend(0, d, &shared);
            [bend.slope, bend.shared_slope[0], bend.shared_slope[1]]
        };
        let bend = loss.bend(0, d, &shared);
        let hessian = [
            [bend.curvature, bend.mixed[0], bend.mixed[1]],
            [bend.mixed[0], bend.shared[0][0], bend.shared[0][1]],
            [bend.mixed[1], bend.shared[1][0], bend.shared[1][1]],
        ];
        for (i, row) in hessian.iter().enumerate() {
            let value = |by| {
                let (d, shared) = at(i, by);
                loss.value(0, d, &shared)
            };
            let slope = (value(step) - value(-step)) / (2.0 * step);
            assert!((slope - slopes(at(i, 0.0))[i]).abs() < 1e-8);
            let (up, down) = (slopes(at(i, step)), slopes(at(i, -step)));
            for (j, exact) in row.iter().enumerate() {
                let bent = (up[j] - down[j]) / (2.0 * step);
                assert!((bent - exact).abs() < 1e-8, "{i} {j}: {bent}");
            }
        }
    }
}
