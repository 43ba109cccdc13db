//! Whether predicted probabilities mean what they say.
//!
//! ```text
//! bins of equal width in P(winner):  ECE = Σ_b (W_b / W) |mean prediction − mean label|
//! recalibration  logit P' = s · R:   slope s by maximum likelihood, 1 if calibrated, < 1 if overconfident
//! ```
//! Every comparison is seen from the side that the model favours, so that bins go from ½ to 1 and no
//! order of the two responses matters. The expected calibration error is that of Naeini et al. (2015).

use nlhf_core::logistic::sigmoid;
use nlhf_core::{Comparison, PreferenceModel};
use serde::{Deserialize, Serialize};

/// One bin of predictions.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct CalibrationBin {
    /// The weight of the comparisons in it.
    pub weight: f64,
    /// The mean probability that was predicted for the favoured response, in [½, 1].
    pub predicted: f64,
    /// The mean label of the favoured response.
    pub observed: f64,
}

/// The calibration of a model on comparisons.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// Bins that are not empty, by prediction.
    pub bins: Vec<CalibrationBin>,
    /// The expected calibration error, in [0, 1].
    pub expected_error: f64,
    /// The slope by which log-odds should be multiplied; `None` if no finite one is best.
    pub slope: Option<f64>,
}

/// Bins between ½ and 1.
const BINS: usize = 10;

/// Calibration on data that the model was not fitted to; `None` if there is nothing to judge by.
pub fn calibration<M: PreferenceModel + ?Sized>(
    model: &M,
    data: &[Comparison],
) -> Option<Calibration> {
    let mut sums = [(0.0, 0.0, 0.0); BINS];
    let mut rows = Vec::new();
    for c in data.iter().filter(|c| c.first != c.second && c.weight.get() > 0.0) {
        let t = model.log_odds(c.prompt, c.first, c.second);
        let (t, y) = if t < 0.0 { (-t, 1.0 - c.label.get()) } else { (t, c.label.get()) };
        // At even odds neither side is favoured: half of each.
        let y = if t == 0.0 { 0.5 } else { y };
        let (p, w) = (sigmoid(t), c.weight.get());
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "in [0, 10]")]
        let bin = ((2.0 * p - 1.0) * BINS as f64) as usize;
        let sum = &mut sums[bin.min(BINS - 1)];
        *sum = (sum.0 + w, sum.1 + w * p, sum.2 + w * y);
        rows.push((w, t, y));
    }
    let total: f64 = rows.iter().map(|row| row.0).sum();
    if rows.is_empty() {
        return None;
    }
    let bins: Vec<CalibrationBin> = sums
        .iter()
        .filter(|(weight, _, _)| *weight > 0.0)
        .map(|&(weight, p, y)| CalibrationBin {
            weight,
            predicted: p / weight,
            observed: y / weight,
        })
        .collect();
    let error = |bin: &CalibrationBin| bin.weight * (bin.predicted - bin.observed).abs();
    let expected_error = bins.iter().map(error).sum::<f64>() / total;
    Some(Calibration { bins, expected_error, slope: slope(&rows, total) })
}

/// Newton's method for the slope, safeguarded by a bracket.
fn slope(rows: &[(f64, f64, f64)], total: f64) -> Option<f64> {
    const LARGEST: f64 = 1e3;
    let gradient = |s: f64| -> f64 {
        rows.iter().map(|(w, t, y)| w * t * (sigmoid(s * t) - y)).sum::<f64>() / total
    };
    let (mut low, mut high) = (-LARGEST, LARGEST);
    if rows.iter().all(|row| row.1 == 0.0) || gradient(low) >= 0.0 || gradient(high) <= 0.0 {
        return None;
    }
    for _ in 0..200 {
        let middle = 0.5 * (low + high);
        *(if gradient(middle) < 0.0 { &mut low } else { &mut high }) = middle;
    }
    Some(0.5 * (low + high))
}

#[cfg(test)]
mod tests {
    use super::*;
    use nlhf_core::{Label, PromptId, ResponseId, Weight};

    /// Log-odds of 2 nats for the lower id.
    struct Fixed;

    impl PreferenceModel for Fixed {
        fn log_odds(&self, _: PromptId, a: ResponseId, b: ResponseId) -> f64 {
            2.0 * (b.index() as f64 - a.index() as f64).clamp(-1.0, 1.0)
        }
    }

    #[test]
    fn an_overconfident_model_has_a_slope_below_one() {
        // The truth is log-odds of 1: σ(1) of the weight for the lower id, in either order.
        let compare = |first: u32, label: f64, weight: f64| {
            let (a, b) = (ResponseId::new(first), ResponseId::new(1 - first));
            let weight = Weight::new(weight).unwrap();
            Comparison {
                weight,
                ..Comparison::new(PromptId::new(0), a, b, Label::new(label).unwrap())
            }
        };
        let truth = sigmoid(1.0);
        let data = [compare(0, truth, 3.0), compare(1, 1.0 - truth, 5.0)];
        let found = calibration(&Fixed, &data).unwrap();
        assert!((found.slope.unwrap() - 0.5).abs() < 1e-12);
        assert!((found.expected_error - (sigmoid(2.0) - truth)).abs() < 1e-12);
        assert_eq!(found.bins.len(), 1);
        assert_eq!(calibration(&Fixed, &[compare(0, 1.0, 1.0)]).unwrap().slope, None);
        assert_eq!(calibration(&Fixed, &[]), None);
    }
}
