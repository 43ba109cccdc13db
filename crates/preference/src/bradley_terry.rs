//! Bradley-Terry: one score a response, shared by all prompts it answers; transitive.
//!
//! ```text
//! R(a, b) = r(a) − r(b),   |r| ≤ B/2,   Σ r = 0 in each group unless that bound is active
//! ```
//! Ties are half a win. A finite maximum-likelihood estimate exists iff the digraph "i beat j" is strongly
//! connected within each group (Ford, 1957; ties go both ways); the ridge and the box |r| ≤ B/2 keep the
//! estimate finite otherwise, and the evidence names the responses concerned. Groups that were never
//! compared with one another are fitted, and their confidence sets drawn, one by one. The box costs the truth
//! nothing: if all |R*| ≤ B, scores with their mid-range at 0 lie in it.

mod order;
mod table;

use crate::config::LogisticConfig;
use crate::groups::Groups;
use crate::newton::{Design, GRADIENT_TOLERANCE, Likelihood, minimize};
use crate::{PairCount, PairCounts};
use nalgebra::{Cholesky, DMatrix, DVector};
use nlhf_core::{
    Comparison, ConfidenceWidth, FitError, FitEvidence, FitPreference, FitStatus, Fitted, Menus,
    PreferenceModel, PromptId, ResponseId, ScalarError,
};

/// Fits scores by penalized maximum likelihood.
#[derive(Debug, Clone, PartialEq)]
pub struct BradleyTerryFit {
    config: LogisticConfig,
    /// Responses that count as hanging together whether or not they were compared.
    together: Vec<Vec<ResponseId>>,
}

impl BradleyTerryFit {
    /// Checks the settings. A ridge of zero is allowed with a fixed width multiplier.
    ///
    /// # Errors
    /// [`ScalarError`] naming the setting outside its range.
    pub fn new(config: LogisticConfig) -> Result<Self, ScalarError> {
        Ok(Self { config: config.validate_ridge(true)?, together: Vec::new() })
    }

    /// The same, with the candidates of a prompt in one group from the start.
    ///
    /// The failure probability is shared among groups. If pairs are chosen by earlier labels, groups
    /// that form with the labels would be chosen by them too: their number must be fixed beforehand.
    ///
    /// # Errors
    /// Those of [`BradleyTerryFit::new`], which here asks for a positive ridge.
    pub fn for_menus(menus: &Menus, config: LogisticConfig) -> Result<Self, ScalarError> {
        let together = menus.iter().map(|menu| menu.responses().to_vec()).collect();
        Ok(Self { config: config.validate()?, together })
    }
}

/// Scores, and the ellipsoid that they are known to.
#[derive(Debug, Clone)]
pub struct BradleyTerryModel {
    pub(crate) scores: Vec<f64>,
    /// Of each response, its group and its place in it; `None` if it was never compared.
    pub(crate) places: Vec<Option<(usize, usize)>>,
    pub(crate) groups: Vec<Ellipsoid>,
    pub(crate) config: LogisticConfig,
}

/// `{r : (r − r̂)'V(r − r̂) ≤ β²}` of one group, as `V⁻¹` and β.
#[derive(Debug, Clone)]
pub(crate) struct Ellipsoid {
    pub(crate) covariance: DMatrix<f64>,
    pub(crate) beta: f64,
}

impl BradleyTerryModel {
    /// The score of a response in nats, 0 if it was never compared.
    pub fn score(&self, response: ResponseId) -> f64 {
        self.scores.get(response.index()).copied().unwrap_or(0.0)
    }

    fn place(&self, response: ResponseId) -> Option<(usize, usize)> {
        self.places.get(response.index()).copied().flatten()
    }

    /// How far the score of one response may be off on its own.
    fn spread(&self, response: ResponseId) -> f64 {
        match self.place(response) {
            Some((group, at)) if self.config.ridge > 0.0 => {
                let group = &self.groups[group];
                group.beta * group.covariance[(at, at)].sqrt()
            }
            // Nothing but |r| ≤ B/2 is known of the truth, nor more of the estimate.
            _ => self.config.log_odds_bound,
        }
    }
}

impl PreferenceModel for BradleyTerryModel {
    fn log_odds(&self, _: PromptId, first: ResponseId, second: ResponseId) -> f64 {
        self.score(first) - self.score(second)
    }
}

impl ConfidenceWidth for BradleyTerryModel {
    fn log_odds_width(&self, prompt: PromptId, first: ResponseId, second: ResponseId) -> f64 {
        if first == second {
            return 0.0;
        }
        let width = match (self.place(first), self.place(second)) {
            (Some((g, i)), Some((h, j))) if g == h => {
                let Ellipsoid { covariance, beta } = &self.groups[g];
                let along = covariance[(i, i)] + covariance[(j, j)]
                    - 2.0 * covariance[(i.min(j), i.max(j))];
                beta * along.max(0.0).sqrt()
            }
            _ => self.spread(first.min(second)) + self.spread(first.max(second)),
        };
        width.min(self.config.log_odds_bound + self.log_odds(prompt, first, second).abs())
    }

    fn log_odds_bound(&self) -> f64 {
        self.config.log_odds_bound
    }
}

impl FitPreference for BradleyTerryFit {
    type Model = BradleyTerryModel;

    fn name(&self) -> &'static str {
        "bradley-terry"
    }

    fn fit(&self, data: &[Comparison]) -> Result<Fitted<BradleyTerryModel>, FitError> {
        self.fit_from(&[], data)
    }

    fn refit(
        &self,
        data: &[Comparison],
        previous: &BradleyTerryModel,
    ) -> Result<Fitted<BradleyTerryModel>, FitError> {
        self.fit_from(&previous.scores, data)
    }
}

struct FittedGroup {
    scores: Vec<f64>,
    ellipsoid: Ellipsoid,
    loss: f64,
    gradient_max: f64,
    iterations: usize,
    status: FitStatus,
    bound_active: bool,
}

impl BradleyTerryFit {
    /// The estimate, searched from scores by response, zero for those beyond.
    fn fit_from(
        &self,
        start: &[f64],
        data: &[Comparison],
    ) -> Result<Fitted<BradleyTerryModel>, FitError> {
        if self.config.order_effect {
            return self.fit_with_order(data);
        }
        let counts = PairCounts::for_fit(data)?;
        let (separation, groups) = Groups::for_fit(counts.pairs(), &self.together, self.name())?;
        let n_responses = groups.places().len();
        let mut model = BradleyTerryModel {
            scores: vec![0.0; n_responses],
            places: groups.places().to_vec(),
            groups: Vec::with_capacity(groups.len()),
            config: self.config,
        };
        let mut evidence = FitEvidence {
            model: self.name().to_owned(),
            n_comparisons: counts.n_comparisons(),
            total_weight: counts.total_weight(),
            n_parameters: groups.members().iter().map(|members| members.len() - 1).sum(),
            log_loss_nats: 0.0,
            gradient_max: 0.0,
            iterations: 0,
            status: FitStatus::Converged,
            width_multiplier: None,
            parameter_norm: None,
            bound_active: false,
            order_effect: None,
            separation,
        };
        for (members, pairs) in groups.members().iter().zip(groups.split(counts.pairs())) {
            let score = |member: &ResponseId| start.get(member.index()).copied().unwrap_or(0.0);
            let mut start = DVector::from_iterator(members.len(), members.iter().map(score));
            // Without a ridge Newton's method keeps the mean of its start.
            let mean = start.mean();
            start.add_scalar_mut(-mean);
            let fitted = self.fit_group(start, &pairs, &groups)?;
            for (member, score) in members.iter().zip(&fitted.scores) {
                model.scores[member.index()] = *score;
            }
            evidence.log_loss_nats += fitted.loss;
            evidence.gradient_max = evidence.gradient_max.max(fitted.gradient_max);
            evidence.iterations = evidence.iterations.max(fitted.iterations);
            evidence.bound_active |= fitted.bound_active;
            if fitted.status != FitStatus::Converged {
                evidence.status = fitted.status;
            }
            let beta = fitted.ellipsoid.beta;
            evidence.width_multiplier =
                Some(evidence.width_multiplier.map_or(beta, |most| most.max(beta)));
            model.groups.push(fitted.ellipsoid);
        }
        evidence.log_loss_nats /= evidence.total_weight;
        Ok(Fitted { model, evidence })
    }

    fn fit_group(
        &self,
        start: DVector<f64>,
        pairs: &[PairCount],
        groups: &Groups,
    ) -> Result<FittedGroup, FitError> {
        let n = start.len();
        let place = |response| groups.place(response).expect("a compared response has a group").1;
        let design = PairDesign {
            n,
            pairs: pairs.iter().map(|pair| (place(pair.low), place(pair.high))).collect(),
            // Without a ridge the Hessian does not see a shift of all scores.
            pin: if self.config.ridge > 0.0 { 0.0 } else { 1.0 },
        };
        let weights: Vec<f64> = pairs.iter().map(|pair| pair.weight).collect();
        let wins: Vec<f64> = pairs.iter().map(|pair| pair.wins).collect();
        let half = 0.5 * self.config.log_odds_bound;
        let likelihood = Likelihood {
            design: &design,
            weights: &weights,
            wins: &wins,
            ridge: self.config.ridge,
            box_size: half,
            tolerance: GRADIENT_TOLERANCE,
        };
        let broken = |iteration| FitError::Breakdown { model: self.name(), iteration };
        let minimum = minimize(&likelihood, start).ok_or(broken(0))?;

        let precision = self.config.prior_precision();
        let mut information = DMatrix::zeros(n, n);
        design.gram(&weights, &mut information);
        for i in 0..n {
            information[(i, i)] += precision;
        }
        let cholesky = Cholesky::new(information).ok_or(broken(minimum.iterations))?;
        let log_det: f64 = cholesky.l_dirty().diagonal().iter().map(|d| 2.0 * d.ln()).sum::<f64>()
            - n as f64 * precision.ln();
        let radius = half * (n as f64).sqrt();
        let beta = self.config.beta(log_det, radius, self.config.ridge, groups.len());
        Ok(FittedGroup {
            scores: minimum.theta.iter().copied().collect(),
            ellipsoid: Ellipsoid { covariance: cholesky.inverse(), beta },
            loss: minimum.loss,
            gradient_max: minimum.gradient_max,
            iterations: minimum.iterations,
            status: minimum.status,
            bound_active: minimum.bound_active,
        })
    }
}

/// Rows `e_i − e_j`.
struct PairDesign {
    n: usize,
    pairs: Vec<(usize, usize)>,
    /// Times `11'/n`, which no difference of scores sees.
    pin: f64,
}

impl Design for PairDesign {
    fn dimension(&self) -> usize {
        self.n
    }

    fn predict(&self, theta: &DVector<f64>, t: &mut [f64]) {
        for (t, &(i, j)) in t.iter_mut().zip(&self.pairs) {
            *t = theta[i] - theta[j];
        }
    }

    fn transpose(&self, r: &[f64], out: &mut DVector<f64>) {
        out.fill(0.0);
        for (r, &(i, j)) in r.iter().zip(&self.pairs) {
            out[i] += r;
            out[j] -= r;
        }
    }

    fn gram(&self, weights: &[f64], out: &mut DMatrix<f64>) {
        let scale = weights.iter().sum::<f64>() / self.n as f64;
        out.fill(self.pin * scale / self.n as f64);
        for (w, &(i, j)) in weights.iter().zip(&self.pairs) {
            out[(i, i)] += w;
            out[(j, j)] += w;
            out[(i, j)] -= w;
            out[(j, i)] -= w;
        }
    }
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "exact by construction")]
mod tests {
    use super::*;
    use crate::WidthMultiplier;
    use nlhf_core::Label;

    fn won(a: u32, b: u32, times: usize) -> Vec<Comparison> {
        let (a, b) = (ResponseId::new(a), ResponseId::new(b));
        vec![Comparison::new(PromptId::new(0), a, b, Label::WIN); times]
    }

    #[test]
    fn two_responses_have_a_closed_form() {
        let data = [won(0, 1, 3), won(1, 0, 1)].concat();
        let config = LogisticConfig {
            ridge: 0.0,
            multiplier: WidthMultiplier::Fixed(1.0),
            ..Default::default()
        };
        let fitted = BradleyTerryFit::new(config).unwrap().fit(&data).unwrap();
        let (x, a, b) = (PromptId::new(0), ResponseId::new(0), ResponseId::new(1));
        assert!((fitted.model.log_odds(x, a, b) - 3f64.ln()).abs() < 1e-12);
        assert!((fitted.model.score(a) + fitted.model.score(b)).abs() < 1e-12);
        assert_eq!(fitted.evidence.separation, None);
        // V restricted to differences is n = 4: Γ = 1/√4.
        assert!((fitted.model.log_odds_width(x, a, b) - 0.5).abs() < 1e-12);
    }

    #[test]
    fn separation_and_groups_are_reported_and_bounded() {
        // 0 always wins; 3 and 4 were never compared with the others.
        let data =
            [won(0, 1, 5), won(0, 2, 5), won(1, 2, 2), won(2, 1, 2), won(3, 4, 1), won(4, 3, 1)];
        let config = LogisticConfig {
            ridge: 0.0,
            multiplier: WidthMultiplier::Fixed(1.0),
            ..Default::default()
        };
        let fitted = BradleyTerryFit::new(config).unwrap().fit(&data.concat()).unwrap();
        let separation = fitted.evidence.separation.clone().unwrap();
        assert_eq!(separation.responses, [ResponseId::new(0)]);
        assert_eq!(separation.n_groups, 2);
        assert!(fitted.evidence.bound_active);
        let x = PromptId::new(0);
        let odds = |a, b| fitted.model.log_odds(x, ResponseId::new(a), ResponseId::new(b));
        assert!((0.0..=4.0).contains(&odds(0, 1)) && odds(0, 1) > 2.0);
        // Across groups, and for a stranger, nothing but the bound is known.
        let width = |a, b| fitted.model.log_odds_width(x, ResponseId::new(a), ResponseId::new(b));
        assert!((width(1, 3) - (4.0 + odds(1, 3).abs())).abs() < 1e-12);
        assert!((width(3, 9) - (4.0 + odds(3, 9).abs())).abs() < 1e-12);
    }

    #[test]
    fn menus_fix_the_groups_also_where_nothing_was_compared() {
        let ids: Vec<ResponseId> = (0..5).map(ResponseId::new).collect();
        let mut menus = Menus::new();
        menus.push(PromptId::new(0), &ids[..3]).unwrap();
        menus.push(PromptId::new(1), &ids[3..]).unwrap();
        let fit = BradleyTerryFit::for_menus(&menus, LogisticConfig::default()).unwrap();
        let fitted = fit.fit(&won(0, 1, 9)).unwrap();
        assert_eq!(fitted.evidence.status, FitStatus::Converged);
        assert_eq!(fitted.evidence.n_parameters, 3);
        let x = PromptId::new(1);
        assert!(fitted.model.log_odds(x, ids[3], ids[4]) == 0.0);
        let (known, unknown) = (
            fitted.model.log_odds_width(x, ids[0], ids[1]),
            fitted.model.log_odds_width(x, ids[3], ids[4]),
        );
        assert!(unknown == 4.0 && known > 0.0, "{known} and {unknown}");
    }

    #[test]
    fn a_zero_ridge_needs_a_fixed_multiplier() {
        let config = LogisticConfig { ridge: 0.0, ..Default::default() };
        assert!(BradleyTerryFit::new(config).is_err());
    }
}
