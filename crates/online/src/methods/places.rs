//! The labels of a prompt counted by the places of its candidates in the menu.

use nlhf_core::{Comparison, Menu, ResponseId};
use nlhf_preference::PairCounts;

/// Wins of every candidate over every other.
#[derive(Debug)]
pub(super) struct PairTable {
    n: usize,
    /// Row-major, not negative; soft labels count in parts.
    wins: Vec<f64>,
    total: f64,
}

impl PairTable {
    /// Counts the comparisons between candidates of the menu; those with others are left out.
    pub(super) fn new(menu: Menu<'_>, comparisons: &[Comparison]) -> Self {
        let n = menu.len();
        let mut places: Vec<(ResponseId, usize)> =
            menu.responses().iter().copied().zip(0..).collect();
        places.sort_unstable();
        let place = |response: ResponseId| {
            let at = places.binary_search_by_key(&response, |(response, _)| *response).ok();
            at.map(|at| places[at].1)
        };
        let mut table = Self { n, wins: vec![0.0; n * n], total: 0.0 };
        for pair in PairCounts::new(comparisons).pairs() {
            if let (Some(low), Some(high)) = (place(pair.low), place(pair.high)) {
                table.wins[low * n + high] = pair.wins;
                table.wins[high * n + low] = (pair.weight - pair.wins).max(0.0);
                table.total += pair.weight;
            }
        }
        table
    }

    /// The weight of labels that prefer `i` to `j`.
    pub(super) fn wins(&self, i: usize, j: usize) -> f64 {
        self.wins[i * self.n + j]
    }

    /// The weight of all labels on a pair.
    pub(super) fn weight(&self, i: usize, j: usize) -> f64 {
        self.wins(i, j) + self.wins(j, i)
    }

    /// The weight of all labels.
    pub(super) fn total(&self) -> f64 {
        self.total
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nlhf_core::{Label, PromptId, Weight};

    #[test]
    fn labels_are_counted_by_place_from_both_sides() {
        let [a, b, c, stranger] = [9, 2, 5, 7].map(ResponseId::new);
        let (x, ids) = (PromptId::new(3), [a, b, c]);
        let data = [
            Comparison::new(x, a, c, Label::WIN),
            Comparison {
                weight: Weight::new(3.0).unwrap(),
                ..Comparison::new(x, c, a, Label::TIE)
            },
            Comparison { weight: Weight::ZERO, ..Comparison::new(x, a, b, Label::WIN) },
            Comparison::new(x, a, stranger, Label::WIN),
        ];
        let table = PairTable::new(Menu::new(x, &ids).unwrap(), &data);
        assert_eq!((table.wins(0, 2), table.wins(2, 0)), (2.5, 1.5));
        assert_eq!((table.weight(2, 0), table.weight(0, 1), table.total()), (4.0, 0.0, 4.0));
    }
}
