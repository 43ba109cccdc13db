//! A simulated oracle: draws labels from a known preference.

use nlhf_core::{Label, Oracle, OracleError, Outcome, PreferenceModel, Query, SeedTree, Stream};
use rand::RngExt;

/// Answers each query with a win or a loss drawn from a preference model.
///
/// The `k`-th batch draws from unit `k` of [`Stream::Oracle`], one number a query.
#[derive(Debug, Clone)]
pub struct SimulatedOracle<M> {
    model: M,
    seeds: SeedTree,
    n_batches: u32,
}

impl<M: PreferenceModel> SimulatedOracle<M> {
    /// An oracle whose answers are decided by `seeds`.
    pub fn new(model: M, seeds: SeedTree) -> Self {
        Self { model, seeds, n_batches: 0 }
    }
}

impl<M: PreferenceModel> Oracle for SimulatedOracle<M> {
    fn compare(&mut self, queries: &[Query]) -> Result<Vec<Outcome>, OracleError> {
        let mut rng = self.seeds.rng(Stream::Oracle, self.n_batches);
        self.n_batches += 1;
        let judge = |query: &Query| {
            let p = self.model.probability(query.prompt, query.first, query.second);
            let won = rng.random::<f64>() < p;
            Outcome::new(if won { Label::WIN } else { Label::LOSS })
        };
        Ok(queries.iter().map(judge).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nlhf_core::{PromptId, ResponseId};

    struct Biased;

    impl PreferenceModel for Biased {
        fn log_odds(&self, _: PromptId, first: ResponseId, second: ResponseId) -> f64 {
            f64::from(u8::from(first > second)) - f64::from(u8::from(second > first))
        }
    }

    #[test]
    fn labels_follow_the_preference_and_are_stable() {
        let query = Query {
            prompt: PromptId::new(0),
            first: ResponseId::new(1),
            second: ResponseId::new(0),
        };
        let queries = vec![query; 4000];
        let mut oracle = SimulatedOracle::new(Biased, SeedTree::new(5));
        let answers = oracle.compare(&queries).unwrap();
        let wins = answers.iter().filter(|a| a.label == Label::WIN).count();
        // P = σ(1) = 0.7311; five standard deviations are 0.035.
        assert!((wins as f64 / 4000.0 - 0.7311).abs() < 0.035, "{wins}");
        let second = oracle.compare(&queries).unwrap();
        assert_ne!(answers, second);
        let mut again = SimulatedOracle::new(Biased, SeedTree::new(5));
        assert_eq!(again.compare(&queries).unwrap(), answers);
        let first: Vec<f64> = answers[..8].iter().map(|a| a.label.get()).collect();
        assert_eq!(
            first,
            [1.0, 1.0, 0.0, 0.0, 1.0, 1.0, 0.0, 1.0],
            "value stability, recorded at version 0.1.0"
        );
    }
}
