//! Bradley-Terry scores straight from a win table, without widths.

use super::{BradleyTerryFit, BradleyTerryModel};
use crate::WinTable;
use crate::item_scores::item_scores;
use nlhf_core::{
    Comparison, FitError, FitEvidence, FitPreference, FitStatus, Fitted, Label, PromptId,
    ResponseId, Weight,
};

impl BradleyTerryFit {
    /// The scores that [`FitPreference::fit`] gives, from counted wins: item `k` is the response with id `k`.
    ///
    /// It costs a few products with the table, about a hundredth of what widths cost; nothing but the
    /// bound on log-odds is claimed of how far the estimate may be off.
    ///
    /// # Errors
    /// Those of [`FitPreference::fit`].
    pub fn fit_scores(&self, table: &WinTable) -> Result<Fitted<BradleyTerryModel>, FitError> {
        let bound = 0.5 * self.config.log_odds_bound;
        let in_one_piece = self.together.is_empty() && table.is_strongly_connected();
        let found = in_one_piece.then(|| item_scores(table, self.config.ridge)).flatten();
        // Responses that only win, groups, and the box need the other way.
        let Some(found) = found.filter(|f| f.scores.iter().all(|score| score.abs() <= bound))
        else {
            let mut fitted = self.fit(&comparisons(table))?;
            fitted.model = self.without_widths(fitted.model.scores);
            fitted.evidence.n_comparisons = table.n_comparisons();
            fitted.evidence.width_multiplier = None;
            return Ok(fitted);
        };
        let n = table.n_items();
        let total_weight = (0..n).map(|i| table.row(i).iter().sum::<f64>()).sum();
        let evidence = FitEvidence {
            model: self.name().to_owned(),
            n_comparisons: table.n_comparisons(),
            total_weight,
            n_parameters: n - 1,
            log_loss_nats: found.loss / total_weight,
            gradient_max: found.gradient_max,
            iterations: found.iterations,
            status: FitStatus::Converged,
            width_multiplier: None,
            parameter_norm: None,
            bound_active: false,
            order_effect: None,
            separation: None,
        };
        Ok(Fitted { model: self.without_widths(found.scores), evidence })
    }

    fn without_widths(&self, scores: Vec<f64>) -> BradleyTerryModel {
        let places = vec![None; scores.len()];
        BradleyTerryModel { scores, places, groups: Vec::new(), config: self.config }
    }
}

/// The table as one soft comparison a pair.
fn comparisons(table: &WinTable) -> Vec<Comparison> {
    let mut data = Vec::new();
    for i in 0..table.n_items() {
        for j in 0..i {
            let (won, lost) = (table.row(i)[j], table.row(j)[i]);
            if let (Ok(label), Ok(weight)) =
                (Label::new(won / (won + lost)), Weight::new(won + lost))
            {
                let (first, second) = (ResponseId::from_index(i), ResponseId::from_index(j));
                data.push(Comparison {
                    weight,
                    ..Comparison::new(PromptId::new(0), first, second, label)
                });
            }
        }
    }
    data
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{LogisticConfig, WidthMultiplier};
    use nlhf_core::{ConfidenceWidth, PreferenceModel};

    fn battles(n: u32, rounds: u32, champion: bool) -> WinTable {
        let mut table = WinTable::new(n as usize);
        let (mut winners, mut losers) = (Vec::new(), Vec::new());
        for k in 0..rounds {
            let (a, b) = (k % n, (k * 7 + k / n) % n);
            let upset = (k * 31) % 100 < 25 && !(champion && a.min(b) == 0);
            let (winner, loser) = if upset { (a.max(b), a.min(b)) } else { (a.min(b), a.max(b)) };
            winners.push(winner);
            losers.push(loser);
        }
        table.add_battles(&winners, &losers).unwrap();
        table
    }

    #[test]
    fn scores_are_those_of_the_comparisons_with_and_without_separation() {
        let fixed = WidthMultiplier::Fixed(1.0);
        for champion in [false, true] {
            let table = battles(12, 3000, champion);
            for ridge in [0.0, 2.0] {
                let config = LogisticConfig { ridge, multiplier: fixed, ..Default::default() };
                let fit = BradleyTerryFit::new(config).unwrap();
                let slow = fit.fit(&comparisons(&table)).unwrap();
                let fast = fit.fit_scores(&table).unwrap();
                assert_eq!(fast.evidence.separation.is_some(), champion);
                assert_eq!(fast.evidence.n_comparisons, table.n_comparisons());
                assert!((fast.evidence.log_loss_nats - slow.evidence.log_loss_nats).abs() < 1e-10);
                let x = PromptId::new(0);
                for i in 0..12 {
                    let (a, b) = (ResponseId::new(i), ResponseId::new((i + 5) % 12));
                    let (want, got) = (slow.model.log_odds(x, a, b), fast.model.log_odds(x, a, b));
                    assert!((want - got).abs() < 1e-8, "{want} {got}");
                    let width = fast.model.log_odds_width(x, a, b);
                    assert!((width - (4.0 + got.abs())).abs() < 1e-12);
                }
            }
        }
    }

    #[test]
    fn an_empty_table_is_refused() {
        let fit = BradleyTerryFit::new(LogisticConfig::default()).unwrap();
        assert!(matches!(fit.fit_scores(&WinTable::new(3)), Err(FitError::NoComparisons { .. })));
    }
}
