//! How well a preference model predicts judgements: log-loss and accuracy.
//!
//! ```text
//! log-loss = Σ w [log(1 + eᵗ) − y t] / Σ w,   at least the mean entropy of the labels
//! ```

use nlhf_core::logistic::log_loss;
use nlhf_core::{Comparison, Label, PreferenceModel};
use serde::{Deserialize, Serialize};

/// The score of a model on comparisons.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Comparisons of two different responses with a positive weight.
    pub n_comparisons: usize,
    /// Weighted mean log-loss, in nats; a coin has log 2 = 0.693.
    pub log_loss_nats: f64,
    /// The mean entropy of the labels, which no model can go below; 0 if all are decided.
    pub label_entropy_nats: f64,
    /// Weighted share of decided judgements (label not ½) whose winner was predicted, an undecided
    /// prediction counting half; `None` if nothing was decided.
    pub accuracy: Option<f64>,
}

/// Scores a model; `None` if there is nothing to score it on.
pub fn evaluate<M: PreferenceModel + ?Sized>(model: &M, data: &[Comparison]) -> Option<Evaluation> {
    let (mut n_comparisons, mut total, mut loss, mut entropy) = (0, 0.0, 0.0, 0.0);
    let (mut decided, mut right) = (0.0, 0.0);
    for comparison in data {
        let (y, w) = (comparison.label.get(), comparison.weight.get());
        if comparison.first == comparison.second || w == 0.0 {
            continue;
        }
        let t = model.log_odds(comparison.prompt, comparison.first, comparison.second);
        n_comparisons += 1;
        total += w;
        loss += w * log_loss(t, y);
        let term = |p: f64| if p > 0.0 { -p * p.ln() } else { 0.0 };
        entropy += w * (term(y) + term(1.0 - y));
        if comparison.label != Label::TIE {
            decided += w;
            right += w * if t == 0.0 { 0.5 } else { f64::from((t > 0.0) == (y > 0.5)) };
        }
    }
    (n_comparisons > 0).then(|| Evaluation {
        n_comparisons,
        log_loss_nats: loss / total,
        label_entropy_nats: entropy / total,
        accuracy: (decided > 0.0).then(|| right / decided),
    })
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "exact by construction")]
mod tests {
    use super::*;
    use nlhf_core::{PromptId, ResponseId};

    struct Sure;

    impl PreferenceModel for Sure {
        fn log_odds(&self, _: PromptId, first: ResponseId, second: ResponseId) -> f64 {
            match first.cmp(&second) {
                std::cmp::Ordering::Less => 3f64.ln(),
                std::cmp::Ordering::Equal => 0.0,
                std::cmp::Ordering::Greater => -(3f64.ln()),
            }
        }
    }

    #[test]
    fn known_answers() {
        let compare = |a: u32, b: u32, y: f64| {
            let (a, b) = (ResponseId::new(a), ResponseId::new(b));
            Comparison::new(PromptId::new(0), a, b, Label::new(y).unwrap())
        };
        let data = [compare(0, 1, 1.0), compare(1, 0, 1.0), compare(2, 3, 0.5), compare(4, 4, 1.0)];
        let evaluation = evaluate(&Sure, &data).unwrap();
        let (hit, miss) = ((4.0f64 / 3.0).ln(), 4f64.ln());
        assert_eq!(evaluation.n_comparisons, 3);
        let mean = (hit + miss + 0.5 * (hit + miss)) / 3.0;
        assert!((evaluation.log_loss_nats - mean).abs() < 1e-14);
        assert!((evaluation.label_entropy_nats - 2f64.ln() / 3.0).abs() < 1e-15);
        assert!(evaluation.accuracy == Some(0.5));
        assert_eq!(evaluate(&Sure, &[compare(4, 4, 1.0)]), None);
        assert_eq!(evaluate(&Sure, &[compare(0, 1, 0.5)]).unwrap().accuracy, None);
    }
}
