//! The tabular model: a win rate for each pair of each prompt, and nothing assumed beyond it.
//!
//! ```text
//! P̂ = (wins + ½) / (n + 1)                                     half a win and half a loss added
//! |wins/n − P| ≤ √(log(2Nh/δ) / 2n)   for all N pairs at once, with probability 1 − δ
//! ```
//! Hoeffding's inequality for averages of n independent labels in [0, 1], with a union over both sides
//! of N pairs. A learner that chooses pairs by earlier labels makes n depend on them; a further union
//! over the h counts that a pair can reach covers every n at once. A pair never compared may have
//! any preference. Weights count as repetitions. The added halves keep
//! a pair that was judged once from being predicted with certainty; the widths grow by what they move.
//! Estimates are clipped to log-odds of ∓B, within which the true ones are taken to lie. With an effect of
//! the presentation order they are fitted together (`order`).

mod order;

use crate::config::checked_bound;
use crate::{PairCount, PairCounts};
use nlhf_core::logistic::{log_loss, logit};
use nlhf_core::{
    Comparison, Confidence, ConfidenceWidth, FitError, FitEvidence, FitPreference, FitStatus,
    Fitted, Menu, Menus, PreferenceModel, PromptId, ResponseId, ScalarError, Scale,
};

/// Counts wins.
///
/// | Name | Default | Purpose | Range |
/// |---|---|---|---|
/// | `confidence` | | probability that all intervals hold at once | (0, 1) |
/// | `n_pairs` | pairs of the menus | pairs that the statement is about | ≥ 1 |
/// | `horizon` | 1 | labels an adaptive learner may ask in all; 1 if pairs were chosen beforehand | ≥ 1 |
/// | `log_odds_bound` | 10 | bound B on log-odds, estimated and true | (0, 50] |
/// | `order_effect` | false | fit a term γ for the response shown first, one for all pairs | |
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TabularFit {
    confidence: Confidence,
    n_pairs: usize,
    horizon: u64,
    log_odds_bound: f64,
    order_effect: bool,
}

impl TabularFit {
    /// Intervals for all pairs of all menus at once, on a data set whose pairs were chosen beforehand.
    pub fn for_menus(menus: &Menus, confidence: Confidence) -> Self {
        Self::new(menus.n_pairs(), confidence)
    }

    /// Intervals for `n_pairs` pairs at once; at least one.
    pub fn new(n_pairs: usize, confidence: Confidence) -> Self {
        Self {
            confidence,
            n_pairs: n_pairs.max(1),
            horizon: 1,
            log_odds_bound: 10.0,
            order_effect: false,
        }
    }

    /// Intervals that stay valid while an adaptive learner asks up to `n_labels`; at least one.
    #[must_use]
    pub fn with_horizon(mut self, n_labels: u64) -> Self {
        self.horizon = n_labels.max(1);
        self
    }

    /// With another bound on log-odds.
    ///
    /// # Errors
    /// [`ScalarError`] if it is not in (0, 50].
    pub fn with_log_odds_bound(mut self, bound: f64) -> Result<Self, ScalarError> {
        self.log_odds_bound = checked_bound(bound)?;
        Ok(self)
    }

    /// With or without an effect of the presentation order beside the win rates.
    ///
    /// With it `σ(R ± γ)` is the probability of the label, and what a width adds for γ being estimated holds
    /// in the limit of many labels.
    #[must_use]
    pub fn with_order_effect(mut self, order_effect: bool) -> Self {
        self.order_effect = order_effect;
        self
    }

    /// `log(2Nh/δ)`.
    fn log_term(&self, n_pairs: usize) -> f64 {
        let n_statements = 2.0 * n_pairs as f64 * self.horizon as f64;
        (n_statements / self.confidence.failure_probability()).ln()
    }

    /// The evidence of a closed form.
    fn evidence(&self, counts: &PairCounts, loss: f64) -> FitEvidence {
        FitEvidence {
            model: self.name().to_owned(),
            n_comparisons: counts.n_comparisons(),
            total_weight: counts.total_weight(),
            n_parameters: counts.pairs().len(),
            log_loss_nats: loss / counts.total_weight(),
            gradient_max: 0.0,
            iterations: 0,
            status: FitStatus::Converged,
            width_multiplier: None,
            parameter_norm: None,
            bound_active: false,
            order_effect: None,
            separation: None,
        }
    }
}

/// A win rate for each pair.
#[derive(Debug, Clone, PartialEq)]
pub struct TabularModel {
    pub(crate) counts: PairCounts,
    pub(crate) log_term: f64,
    pub(crate) log_odds_bound: f64,
    /// What an effect of the presentation order leaves of each pair, seen from the lower id.
    pub(crate) adjusted: Option<Vec<Adjusted>>,
}

/// An estimate and the half-width around it, in nats.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Adjusted {
    pub(crate) log_odds: f64,
    pub(crate) width: f64,
}

impl TabularModel {
    /// The counts behind the win rates.
    pub fn counts(&self) -> &PairCounts {
        &self.counts
    }

    fn adjusted(&self, prompt: PromptId, a: ResponseId, b: ResponseId) -> Option<Adjusted> {
        let at = self.counts.position(prompt, a, b)?;
        self.adjusted.as_ref().map(|pairs| pairs[at])
    }

    /// `P̂ − ½`, exactly odd in the order of the responses.
    fn centred(&self, prompt: PromptId, first: ResponseId, second: ResponseId) -> f64 {
        let (low, high) = (first.min(second), first.max(second));
        let value = match self.counts.get(prompt, low, high) {
            Some((weight, wins)) if low != high => (wins - 0.5 * weight) / (weight + 1.0),
            _ => 0.0,
        };
        if first <= second { value } else { -value }
    }

    /// [`ConfidenceWidth::scaled_widths`] of one pair.
    fn scaled_width(
        &self,
        prompt: PromptId,
        first: ResponseId,
        second: ResponseId,
        scale: Scale,
        factor: f64,
    ) -> f64 {
        match scale {
            Scale::Probability if self.adjusted.is_none() => {
                self.probability_width(prompt, first, second, factor)
            }
            Scale::Probability => {
                let width = self.scaled_log_odds_width(prompt, first, second, factor);
                scale.width(self.log_odds(prompt, first, second), width)
            }
            Scale::LogOdds => self.scaled_log_odds_width(prompt, first, second, factor),
        }
    }

    fn scaled_log_odds_width(
        &self,
        prompt: PromptId,
        first: ResponseId,
        second: ResponseId,
        factor: f64,
    ) -> f64 {
        if first == second {
            return 0.0;
        }
        if self.adjusted.is_some() {
            let pair = self.adjusted(prompt, first, second);
            return pair.map_or(self.log_odds_bound, |pair| factor * pair.width);
        }
        // The interval of P through the logit, around the larger of P̂ and 1 − P̂.
        let p = 0.5 + self.centred(prompt, first, second).abs();
        let w = self.probability_width(prompt, first, second, factor);
        let estimate = logit(p).min(self.log_odds_bound);
        // What lies beyond B was ruled out beforehand.
        let clipped =
            |p: f64| logit(p.clamp(0.0, 1.0)).clamp(-self.log_odds_bound, self.log_odds_bound);
        let (low, high) = (clipped(p - w), clipped(p + w));
        (estimate - low).max(high - estimate)
    }

    /// The half-width on the scale of probabilities, no larger than what leaves [0, 1], with `factor` times the
    /// multiplier of Hoeffding's.
    fn probability_width(
        &self,
        prompt: PromptId,
        first: ResponseId,
        second: ResponseId,
        factor: f64,
    ) -> f64 {
        if first == second {
            return 0.0;
        }
        let most = 0.5 + self.centred(prompt, first, second).abs();
        match self.counts.get(prompt, first.min(second), first.max(second)) {
            Some((weight, wins)) => {
                let added = ((wins - 0.5 * weight) / (weight * (weight + 1.0))).abs();
                (factor * (self.log_term / (2.0 * weight)).sqrt() + added).min(most)
            }
            None => most,
        }
    }
}

impl PreferenceModel for TabularModel {
    fn log_odds(&self, prompt: PromptId, first: ResponseId, second: ResponseId) -> f64 {
        if self.adjusted.is_some() {
            let value = self.adjusted(prompt, first, second).map_or(0.0, |pair| pair.log_odds);
            return if first <= second { value } else { -value };
        }
        let centred = self.centred(prompt, first, second);
        let size = logit(0.5 + centred.abs()).min(self.log_odds_bound);
        if centred < 0.0 { -size } else { size }
    }
}

impl ConfidenceWidth for TabularModel {
    fn log_odds_width(&self, prompt: PromptId, first: ResponseId, second: ResponseId) -> f64 {
        self.scaled_width(prompt, first, second, Scale::LogOdds, 1.0)
    }
    fn log_odds_bound(&self) -> f64 {
        self.log_odds_bound
    }

    fn width(&self, prompt: PromptId, a: ResponseId, b: ResponseId, scale: Scale) -> f64 {
        self.scaled_width(prompt, a, b, scale, 1.0)
    }

    fn scaled_widths(&self, menu: Menu<'_>, scale: Scale, factor: f64) -> Vec<f64> {
        let (prompt, responses) = (menu.prompt(), menu.responses());
        let row =
            |a| responses.iter().map(move |b| self.scaled_width(prompt, a, *b, scale, factor));
        responses.iter().flat_map(|a| row(*a)).collect()
    }
}

impl FitPreference for TabularFit {
    type Model = TabularModel;

    fn name(&self) -> &'static str {
        "tabular"
    }

    fn fit(&self, data: &[Comparison]) -> Result<Fitted<TabularModel>, FitError> {
        if self.order_effect {
            return self.fit_with_order(data);
        }
        let counts = PairCounts::for_fit(data)?;
        let (log_term, log_odds_bound) = (self.log_term(self.n_pairs), self.log_odds_bound);
        let model = TabularModel { counts, log_term, log_odds_bound, adjusted: None };
        let pairs = model.counts.pairs().iter();
        let loss = |p: &PairCount| {
            p.weight * log_loss(model.log_odds(p.prompt, p.low, p.high), p.wins / p.weight)
        };
        let evidence = self.evidence(&model.counts, pairs.map(loss).sum());
        Ok(Fitted { model, evidence })
    }
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "exact by construction")]
mod tests {
    use super::*;
    use nlhf_core::{Label, SeedTree, Stream};
    use rand::RngExt;

    fn fit(data: &[Comparison], n_pairs: usize) -> TabularModel {
        TabularFit::new(n_pairs, Confidence::new(0.95).unwrap()).fit(data).unwrap().model
    }

    #[test]
    fn known_answers() {
        let (x, a, b, c) =
            (PromptId::new(0), ResponseId::new(0), ResponseId::new(1), ResponseId::new(2));
        let label = |y: f64| Comparison::new(x, a, b, Label::new(y).unwrap());
        let model = fit(&[label(1.0), label(1.0), label(0.5), label(0.5)], 3);
        // Three wins of four, with the halves 3.5 of 5.
        assert!((model.payoff(x, a, b, Scale::Probability) - 0.2).abs() < 1e-15);
        assert!((model.log_odds(x, a, b) - (7.0f64 / 3.0).ln()).abs() < 1e-15);
        let width = (((6.0f64 / 0.05).ln() / 8.0).sqrt() + 0.05).min(0.7);
        assert!((model.width(x, b, a, Scale::Probability) - width).abs() < 1e-12);
        // Never compared: P may be anything, log-odds anything within the bound.
        assert!(model.payoff(x, a, c, Scale::Probability) == 0.0);
        assert!(model.width(x, a, c, Scale::Probability) == 0.5);
        assert!(model.log_odds_width(x, a, c) == 10.0);
        // Sure as it is, the pair keeps a lower bound: 99.5 % of a thousand is at least even.
        let often = |y: f64, times: f64| Comparison {
            weight: nlhf_core::Weight::new(times).unwrap(),
            ..label(y)
        };
        let sure = fit(&[often(1.0, 995.0), often(0.0, 5.0)], 1);
        assert!(sure.log_odds(x, a, b) - sure.log_odds_width(x, a, b) > 0.0);
        // Only wins: one is no certainty, a million are clipped.
        assert!((fit(&[label(1.0)], 1).log_odds(x, a, b) - 3f64.ln()).abs() < 1e-15);
        let weight = nlhf_core::Weight::new(1e6).unwrap();
        let sure = fit(&[Comparison { weight, ..label(1.0) }], 1);
        assert!(sure.log_odds(x, a, b) == 10.0 && sure.log_odds(x, b, a) == -10.0);
        assert!(sure.width(x, a, b, Scale::Probability) <= 1.0);
    }

    #[test]
    fn scaled_widths_leave_unknown_pairs_unknown() {
        let ids = [0, 1, 2].map(ResponseId::new);
        let (x, mut menus) = (PromptId::new(0), Menus::new());
        menus.push(x, &ids).unwrap();
        let labels = [Label::WIN, Label::LOSS].repeat(50);
        let data: Vec<Comparison> =
            labels.iter().map(|label| Comparison::new(x, ids[0], ids[1], *label)).collect();
        let model = fit(&data, 3);
        for scale in [Scale::Probability, Scale::LogOdds] {
            let widths = |factor| model.scaled_widths(menus.get(0), scale, factor);
            let whole = widths(1.0);
            assert_eq!(whole, model.widths(menus.get(0), scale));
            let tenth = widths(0.1);
            // Nearly linear for the pair that was judged, and the same for one that never was.
            assert!((tenth[1] / whole[1] - 0.1).abs() < 0.01, "{} of {}", tenth[1], whole[1]);
            assert_eq!(tenth[2], whole[2]);
            assert!(widths(0.0)[1] < 1e-9 && tenth[0] == 0.0);
        }
    }

    #[test]
    fn intervals_cover_the_truth_at_least_as_often_as_stated() {
        // 400 data sets of 5 pairs with 30 labels each; 95 % must be covered whole.
        let mut rng = SeedTree::new(4).rng(Stream::Instance, 0);
        let x = PromptId::new(0);
        let truths = [0.5, 0.9, 0.02, 0.7, 0.35];
        let mut covered = 0;
        for _ in 0..400 {
            let mut data = Vec::new();
            for (i, &p) in (1..).zip(&truths) {
                for _ in 0..30 {
                    let won = rng.random::<f64>() < p;
                    let label = if won { Label::WIN } else { Label::LOSS };
                    data.push(Comparison::new(x, ResponseId::new(0), ResponseId::new(i), label));
                }
            }
            let model = fit(&data, truths.len());
            covered += u32::from((1..).zip(&truths).all(|(i, p)| {
                let (a, b) = (ResponseId::new(0), ResponseId::new(i));
                let off = (model.payoff(x, a, b, Scale::Probability) + 0.5 - p).abs();
                let log_off = (model.log_odds(x, a, b) - logit(*p)).abs();
                off <= model.width(x, a, b, Scale::Probability)
                    && log_off <= model.log_odds_width(x, a, b)
            }));
        }
        assert!(covered >= 380, "{covered} of 400");
    }
}
