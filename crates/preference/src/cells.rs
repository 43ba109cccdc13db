//! Comparisons counted into cells that keep apart what a likelihood with ties or an order effect tells apart.
//!
//! A cell is a pair of responses, seen from the lower id; on request also the prompt and which of the two
//! was shown first. Comparisons of a response with itself and those of weight zero are left out, as in
//! [`PairCounts`](crate::PairCounts). A label of exactly ½ is a tie; `wins` holds half of it.

use crate::PairCount;
use crate::fast_hash::IdMap;
use nlhf_core::{Comparison, FitError, Label, PromptId, ResponseId};

/// What comparisons are told apart by, besides the pair.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CellKey {
    /// The prompt; otherwise prompt 0 stands for all.
    pub(crate) prompt: bool,
    /// Which response was shown first.
    pub(crate) order: bool,
}

/// Counted comparisons, ordered by prompt, responses and order.
#[derive(Debug, Default)]
pub(crate) struct Cells {
    pairs: Vec<PairCount>,
    orders: Vec<f64>,
    ties: Vec<f64>,
    n_comparisons: usize,
    total_weight: f64,
}

/// One cell while counting.
struct Cell {
    pair: PairCount,
    order: i8,
    ties: f64,
}

impl Cells {
    /// Counts comparisons, adding weights in their order.
    ///
    /// # Errors
    /// [`FitError::NoComparisons`] if no comparison says anything.
    pub(crate) fn for_fit(data: &[Comparison], key: CellKey) -> Result<Self, FitError> {
        let mut cells: Vec<Cell> = Vec::new();
        let mut places: IdMap<(PromptId, ResponseId, ResponseId, i8), usize> = IdMap::default();
        let mut counted = Self::default();
        for comparison in data {
            let (first, second) = (comparison.first, comparison.second);
            let (weight, label) = (comparison.weight.get(), comparison.label.get());
            if first == second || weight == 0.0 {
                continue;
            }
            let low_first = first < second;
            let (low, high, label) =
                if low_first { (first, second, label) } else { (second, first, 1.0 - label) };
            let prompt = if key.prompt { comparison.prompt } else { PromptId::new(0) };
            let order = match (key.order, low_first) {
                (false, _) => 0,
                (true, true) => 1,
                (true, false) => -1,
            };
            let at = *places.entry((prompt, low, high, order)).or_insert_with(|| {
                let pair = PairCount { prompt, low, high, weight: 0.0, wins: 0.0 };
                cells.push(Cell { pair, order, ties: 0.0 });
                cells.len() - 1
            });
            let cell = &mut cells[at];
            cell.pair.weight += weight;
            cell.pair.wins += weight * label;
            if comparison.label == Label::TIE {
                cell.ties += weight;
            }
            counted.n_comparisons += 1;
            counted.total_weight += weight;
        }
        if cells.is_empty() {
            return Err(FitError::NoComparisons { given: data.len() });
        }
        cells.sort_unstable_by_key(|c| (c.pair.prompt, c.pair.low, c.pair.high, c.order));
        counted.pairs = cells.iter().map(|cell| cell.pair).collect();
        counted.orders = cells.iter().map(|cell| f64::from(cell.order)).collect();
        counted.ties = cells.iter().map(|cell| cell.ties).collect();
        Ok(counted)
    }

    /// The pair of each cell.
    pub(crate) fn pairs(&self) -> &[PairCount] {
        &self.pairs
    }

    /// Of each cell, +1 if the lower id was shown first, −1 if the higher was, 0 if that is not told apart.
    pub(crate) fn orders(&self) -> &[f64] {
        &self.orders
    }

    /// Of each cell, the weight of its ties.
    pub(crate) fn ties(&self) -> &[f64] {
        &self.ties
    }

    /// Comparisons counted.
    pub(crate) fn n_comparisons(&self) -> usize {
        self.n_comparisons
    }

    /// The sum of their weights.
    pub(crate) fn total_weight(&self) -> f64 {
        self.total_weight
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_and_ties_are_told_apart_on_request() {
        let (x, y) = (PromptId::new(0), PromptId::new(4));
        let (a, b) = (ResponseId::new(3), ResponseId::new(1));
        let data = [
            Comparison::new(x, a, b, Label::WIN),
            Comparison::new(y, b, a, Label::WIN),
            Comparison::new(y, b, a, Label::TIE),
            Comparison::new(y, a, a, Label::TIE),
        ];
        let count = |prompt, order| Cells::for_fit(&data, CellKey { prompt, order }).unwrap();
        let all = count(false, false);
        assert_eq!(all.pairs().len(), 1);
        assert!((all.pairs()[0].wins - 1.5).abs() < 1e-15);
        assert_eq!((all.ties(), all.orders()), (&[1.0][..], &[0.0][..]));
        assert_eq!(count(true, false).pairs().len(), 2);
        let ordered = count(false, true);
        assert_eq!(ordered.orders(), [-1.0, 1.0]);
        assert_eq!(ordered.ties(), [0.0, 1.0]);
        assert!((ordered.pairs()[1].wins - 1.5).abs() < 1e-15);
        assert_eq!((ordered.n_comparisons(), ordered.total_weight()), (3, 3.0));
        let none = Cells::for_fit(&data[3..], CellKey { prompt: true, order: true });
        assert!(matches!(none, Err(FitError::NoComparisons { given: 1 })));
    }
}
