//! What a run asked, what it cost, and what came of it.

use crate::{Answer, Verdict};
use nlhf_core::Outcome;
use serde::{Deserialize, Serialize};

/// What a run asked, what it cost, and what came of it.
///
/// Results: `n_queries`, `n_skipped`, `n_unreadable`, `n_both_orders`, `n_flipped` tell of all queries that were answered and are the
/// same however often the run was interrupted. Costs: the others tell of this run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Accounting {
    /// Queries that were answered.
    pub n_queries: u64,
    /// Questions that the judge answered in this run.
    pub n_asked: u64,
    /// Questions whose answers were in the store.
    pub n_from_store: u64,
    /// Questions on which the judge would not say.
    pub n_skipped: u64,
    /// Questions whose answers could not be understood.
    pub n_unreadable: u64,
    /// Tokens read for the answers of this run, as far as they were told.
    pub input_tokens: u64,
    /// Tokens written for them, likewise.
    pub output_tokens: u64,
    /// Queries that were judged in both orders.
    pub n_both_orders: u64,
    /// Of these, queries on which the one shown first was preferred in both orders, or the one shown second: verdicts that
    /// contradict each other.
    pub n_flipped: u64,
}

impl Accounting {
    /// An answer that the judge handed over.
    pub(super) fn count_asked(&mut self, answer: &Answer) {
        self.n_asked += 1;
        self.input_tokens += answer.input_tokens.unwrap_or(0);
        self.output_tokens += answer.output_tokens.unwrap_or(0);
    }

    /// The outcome of a query from the answer to its question, or from those in both orders.
    pub(super) fn outcome(&mut self, answers: &[Answer]) -> Outcome {
        self.n_queries += 1;
        let mut labels = [None; 2];
        for (label, answer) in labels.iter_mut().zip(answers) {
            match answer.verdict {
                Verdict::Preferred(given) => *label = Some(given),
                Verdict::Skipped => self.n_skipped += 1,
                Verdict::Unreadable(_) => self.n_unreadable += 1,
            }
        }
        match labels {
            [None, None] => Outcome::SKIPPED,
            [Some(label), None] => Outcome::new(label),
            [None, Some(label)] => Outcome::new(label.swapped()),
            [Some(forward), Some(backward)] => {
                self.n_both_orders += 1;
                let [f, b] = [forward, backward].map(|label| label.get() - 0.5);
                self.n_flipped += u64::from(f * b > 0.0);
                let mean = 0.5 * (forward.get() + backward.swapped().get());
                let label = mean.try_into().expect("the mean of two labels is a label");
                Outcome::new(label)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nlhf_core::Label;

    fn answer(label: f64) -> Answer {
        Answer::new(Verdict::Preferred(Label::new(label).unwrap()))
    }

    #[test]
    fn both_orders_are_averaged_and_flips_counted() {
        for (forward, backward, label, is_flip) in [
            (1.0, 0.0, 1.0, false),
            (1.0, 1.0, 0.5, true),
            (0.0, 0.0, 0.5, true),
            (0.5, 1.0, 0.25, false),
            (0.5, 0.5, 0.5, false),
            (0.75, 0.5, 0.625, false),
        ] {
            let mut accounting = Accounting::default();
            let outcome = accounting.outcome(&[answer(forward), answer(backward)]);
            assert_eq!(outcome, Outcome::new(Label::new(label).unwrap()), "{forward} {backward}");
            assert_eq!((accounting.n_both_orders, accounting.n_flipped), (1, u64::from(is_flip)));
        }
    }

    #[test]
    fn the_readable_one_of_two_counts_and_none_is_skipped() {
        let mut accounting = Accounting::default();
        let skipped = Answer::new(Verdict::Skipped);
        let unreadable = Answer::new(Verdict::Unreadable("?".to_owned()));
        let loss = Outcome::new(Label::LOSS);
        assert_eq!(accounting.outcome(&[skipped.clone(), answer(1.0)]), loss);
        assert_eq!(accounting.outcome(&[answer(0.0), unreadable.clone()]), loss);
        assert_eq!(accounting.outcome(&[unreadable, skipped]), Outcome::SKIPPED);
        let Accounting { n_queries, n_skipped, n_unreadable, n_both_orders, .. } = accounting;
        assert_eq!((n_queries, n_skipped, n_unreadable, n_both_orders), (3, 2, 2, 0));
    }
}
