//! Win shares: each pair of each prompt by itself, as it was judged.
//!
//! ```text
//! P̂(a ≻ b | x) = wins / n,   ½ where nothing was compared
//! ```
//! The judge for win rates: a mean of such shares over prompts and policies is unbiased. The tabular model adds half a
//! win and half a loss to each pair, which is better for predicting one pair and halves every margin of pairs
//! that were judged once. On the scale of log-odds shares are clipped to ∓10 nats.

use nlhf_core::logistic::{log_loss, logit};
use nlhf_core::{
    Comparison, DenseGame, FitError, FitEvidence, FitPreference, FitStatus, Fitted, Menu,
    PreferenceModel, PromptId, ResponseId, Scale,
};
use nlhf_preference::{PairCount, PairCounts};

/// Counts wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WinShareFit;

/// The share of wins of each pair.
#[derive(Debug, Clone, PartialEq)]
pub struct WinShares {
    counts: PairCounts,
}

/// What unanimous labels are taken for, in nats.
const LOG_ODDS_BOUND: f64 = 10.0;

impl WinShares {
    /// The counts behind the shares.
    pub fn counts(&self) -> &PairCounts {
        &self.counts
    }
}

/// The log-odds of a pair, seen from the lower id.
fn log_odds(weight: f64, wins: f64) -> f64 {
    logit((wins / weight).clamp(0.0, 1.0)).clamp(-LOG_ODDS_BOUND, LOG_ODDS_BOUND)
}

impl PreferenceModel for WinShares {
    fn log_odds(&self, prompt: PromptId, first: ResponseId, second: ResponseId) -> f64 {
        let (low, high) = (first.min(second), first.max(second));
        let log_odds = match self.counts.get(prompt, low, high) {
            Some((weight, wins)) if low != high => log_odds(weight, wins),
            _ => 0.0,
        };
        if first <= second { log_odds } else { -log_odds }
    }

    /// One pass over the pairs of the prompt, which may be few of those of the menu.
    fn game(&self, menu: Menu<'_>, scale: Scale) -> DenseGame {
        let (n, all) = (menu.len(), self.counts.pairs());
        let start = all.partition_point(|pair| pair.prompt < menu.prompt());
        let of_prompt = all[start..].iter().take_while(|pair| pair.prompt == menu.prompt());
        let mut places: Vec<(ResponseId, usize)> = menu
            .responses()
            .iter()
            .enumerate()
            .map(|(place, response)| (*response, place))
            .collect();
        places.sort_unstable();
        let place = |response: ResponseId| {
            let at = places.binary_search_by_key(&response, |(response, _)| *response).ok()?;
            Some(places[at].1)
        };
        let mut upper = vec![0.0; n * n];
        let mut fill = |pair: &PairCount| {
            let (low, high) = (place(pair.low)?, place(pair.high)?);
            let payoff = scale.payoff(log_odds(pair.weight, pair.wins));
            upper[low.min(high) * n + low.max(high)] = if low < high { payoff } else { -payoff };
            Some(())
        };
        for pair in of_prompt {
            // A response beyond the menu plays no part.
            let _ = fill(pair);
        }
        DenseGame::skew_from_upper(n, |i, j| upper[i * n + j])
    }
}

impl FitPreference for WinShareFit {
    type Model = WinShares;

    fn name(&self) -> &'static str {
        "win-shares"
    }

    fn fit(&self, data: &[Comparison]) -> Result<Fitted<WinShares>, FitError> {
        let counts = PairCounts::new(data);
        if counts.pairs().is_empty() {
            return Err(FitError::NoComparisons { given: data.len() });
        }
        let model = WinShares { counts };
        let pairs = model.counts.pairs().iter();
        let loss = pairs.map(|pair| {
            let log_odds = model.log_odds(pair.prompt, pair.low, pair.high);
            pair.weight * log_loss(log_odds, pair.wins / pair.weight)
        });
        let evidence = FitEvidence {
            model: self.name().to_owned(),
            n_comparisons: model.counts.n_comparisons(),
            total_weight: model.counts.total_weight(),
            n_parameters: model.counts.pairs().len(),
            log_loss_nats: loss.sum::<f64>() / model.counts.total_weight(),
            gradient_max: 0.0,
            iterations: 0,
            status: FitStatus::Converged,
            width_multiplier: None,
            parameter_norm: None,
            bound_active: false,
            order_effect: None,
            separation: None,
        };
        Ok(Fitted { model, evidence })
    }
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "exact by construction")]
mod tests {
    use super::*;
    use nlhf_core::Label;

    #[test]
    fn shares_are_taken_as_they_are() {
        let (x, a, b, c) =
            (PromptId::new(0), ResponseId::new(0), ResponseId::new(1), ResponseId::new(2));
        let data = [
            Comparison::new(x, b, a, Label::WIN),
            Comparison::new(x, a, b, Label::TIE),
            Comparison::new(x, a, c, Label::WIN),
        ];
        let model = WinShareFit.fit(&data).unwrap().model;
        assert!((model.probability(x, b, a) - 0.75).abs() < 1e-15);
        assert!((model.log_odds(x, b, a) - 3f64.ln()).abs() < 1e-15);
        assert!((model.probability(x, a, c) - 1.0).abs() < 5e-5);
        assert_eq!(model.log_odds(x, c, a), -10.0);
        assert_eq!((model.probability(x, b, c), model.log_odds(x, a, a)), (0.5, 0.0));
        assert!(WinShareFit.fit(&[Comparison::new(x, a, a, Label::WIN)]).is_err());
    }
}
