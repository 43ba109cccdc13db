//! How many labels of the same kind would halve the bound of a report: found by trying.
//!
//! ```text
//! least k ≥ 1 with bound(k D) ≤ ½ bound(D),     k D the comparisons with their weights times k
//! ```
//! As if every comparison had been judged k times as often and come out alike: the estimate stays, and confidence
//! grows as the model has it. Where intervals are cut off at the bound on log-odds the first labels do nothing, which a rule of
//! square roots does not know.

use crate::{OfflineConfig, OfflineData, OfflineError, OfflineLearner, OfflineReport};
use nlhf_core::{Comparison, ConfidenceWidth, FitPreference, PolicyClass, Weight};

/// Doublings after which no number of labels is likely to help.
const DOUBLINGS: u32 = 24;
/// Halvings of the last doubling: k to 3 %.
const HALVINGS: u32 = 5;

impl OfflineLearner {
    /// How many times the comparisons there are would halve the mean bound on the suboptimality that `report` states, which this
    /// learner made of the same data; `None` without a bound above zero, or if no number does. Each trial fits and solves anew: for some thousand prompts at most.
    ///
    /// # Errors
    /// Those of [`OfflineLearner::learn`].
    pub fn repetitions_to_halve<F, C>(
        &self,
        data: OfflineData<'_>,
        fit: &F,
        class: &C,
        report: &OfflineReport,
    ) -> Result<Option<f64>, OfflineError>
    where
        F: FitPreference,
        F::Model: ConfidenceWidth,
        C: PolicyClass,
    {
        let bounded = report.mean_suboptimality_bound().filter(|bound| *bound > 0.0);
        let Some(now) = bounded else { return Ok(None) };
        // Evidence is not asked for.
        let config = OfflineConfig { held_out_fraction: 0.0, ..self.config().clone() };
        let learner = Self::new(config)?;
        let bound = |times: f64| {
            let again = |c: &Comparison| {
                let weight = Weight::new(c.weight.get() * times).unwrap_or(c.weight);
                Comparison { weight, ..*c }
            };
            let training: Vec<Comparison> = data.training.iter().map(again).collect();
            let data = OfflineData { training: &training, held_out: &[], ..data };
            let report = learner.learn(data, fit, class, &mut ())?.report;
            Ok::<_, OfflineError>(report.mean_suboptimality_bound())
        };
        let halved = |times| Ok::<_, OfflineError>(bound(times)?.is_some_and(|b| b <= 0.5 * now));
        let mut high = 1.0;
        for doubling in 0.. {
            if doubling == DOUBLINGS {
                return Ok(None);
            }
            high *= 2.0;
            if halved(high)? {
                break;
            }
        }
        let mut low = 0.5 * high;
        for _ in 0..HALVINGS {
            let middle = f64::sqrt(low * high);
            *(if halved(middle)? { &mut high } else { &mut low }) = middle;
        }
        Ok(Some(high))
    }
}
