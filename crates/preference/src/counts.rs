//! Comparisons counted: the weight and the wins of every pair, which is all that a likelihood needs.
//!
//! A pair is unordered: `(a, b, y)` and `(b, a, 1 − y)` count into one cell. Comparisons of a response
//! with itself and those of weight zero say nothing and are left out.

use crate::fast_hash::IdMap;
use nlhf_core::{Comparison, FitError, PromptId, ResponseId};

/// One pair of responses to one prompt, and how often which of them was preferred.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PairCount {
    /// The prompt.
    pub prompt: PromptId,
    /// The response with the lower id.
    pub low: ResponseId,
    /// The response with the higher id.
    pub high: ResponseId,
    /// The sum of the weights, positive.
    pub weight: f64,
    /// The sum of weight times label, seen from `low`: at most `weight`.
    pub wins: f64,
}

/// All pairs that were compared, ordered by prompt and responses.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PairCounts {
    pairs: Vec<PairCount>,
    n_comparisons: usize,
    total_weight: f64,
}

impl PairCounts {
    /// Counts comparisons, adding weights in their order.
    pub fn new(data: &[Comparison]) -> Self {
        let mut counts = Self::default();
        let mut cells: IdMap<(PromptId, ResponseId, ResponseId), usize> = IdMap::default();
        for comparison in data {
            let (first, second) = (comparison.first, comparison.second);
            let (weight, label) = (comparison.weight.get(), comparison.label.get());
            if first == second || weight == 0.0 {
                continue;
            }
            let (low, high, label) =
                if first < second { (first, second, label) } else { (second, first, 1.0 - label) };
            let cell = *cells.entry((comparison.prompt, low, high)).or_insert_with(|| {
                let prompt = comparison.prompt;
                counts.pairs.push(PairCount { prompt, low, high, weight: 0.0, wins: 0.0 });
                counts.pairs.len() - 1
            });
            counts.pairs[cell].weight += weight;
            counts.pairs[cell].wins += weight * label;
            counts.n_comparisons += 1;
            counts.total_weight += weight;
        }
        counts.pairs.sort_unstable_by_key(|pair| (pair.prompt, pair.low, pair.high));
        counts
    }

    /// Pairs in order, each once.
    pub(crate) fn of_pairs(pairs: Vec<PairCount>) -> Self {
        let total_weight = pairs.iter().map(|pair| pair.weight).sum();
        Self { n_comparisons: pairs.len(), total_weight, pairs }
    }

    /// The same, refusing data without a single pair.
    pub(crate) fn for_fit(data: &[Comparison]) -> Result<Self, FitError> {
        let counts = Self::new(data);
        if counts.pairs.is_empty() {
            return Err(FitError::NoComparisons { given: data.len() });
        }
        Ok(counts)
    }

    /// The pairs, ordered by prompt, lower and higher response.
    pub fn pairs(&self) -> &[PairCount] {
        &self.pairs
    }

    /// Comparisons counted.
    pub fn n_comparisons(&self) -> usize {
        self.n_comparisons
    }

    /// The sum of their weights.
    pub fn total_weight(&self) -> f64 {
        self.total_weight
    }

    /// The place of a pair among [`PairCounts::pairs`], in whatever order its responses are named.
    pub(crate) fn position(
        &self,
        prompt: PromptId,
        first: ResponseId,
        second: ResponseId,
    ) -> Option<usize> {
        let key = (prompt, first.min(second), first.max(second));
        self.pairs.binary_search_by_key(&key, |p| (p.prompt, p.low, p.high)).ok()
    }

    /// Weight and wins of a pair, seen from `first`; `None` if it was never compared.
    pub fn get(
        &self,
        prompt: PromptId,
        first: ResponseId,
        second: ResponseId,
    ) -> Option<(f64, f64)> {
        let pair = self.pairs[self.position(prompt, first, second)?];
        Some((pair.weight, if first < second { pair.wins } else { pair.weight - pair.wins }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nlhf_core::{Label, Weight};

    #[test]
    fn both_orders_count_into_one_cell() {
        let (prompt, a, b) = (PromptId::new(0), ResponseId::new(3), ResponseId::new(1));
        let mut soft = Comparison::new(prompt, b, a, Label::new(0.25).unwrap());
        soft.weight = Weight::new(2.0).unwrap();
        let mut void = Comparison::new(prompt, a, b, Label::WIN);
        void.weight = Weight::new(0.0).unwrap();
        let own = Comparison::new(prompt, a, a, Label::WIN);
        let counts = PairCounts::new(&[Comparison::new(prompt, a, b, Label::WIN), soft, void, own]);
        assert_eq!(counts.get(prompt, a, b), Some((3.0, 2.5)));
        assert_eq!(counts.get(prompt, b, a), Some((3.0, 0.5)));
        assert_eq!(counts.get(PromptId::new(1), a, b), None);
        assert_eq!((counts.n_comparisons(), counts.pairs().len()), (2, 1));
    }
}
