//! Wins of every item over every other in one dense table: all that a score of items needs.
//!
//! ```text
//! W_ij = Σ weight · label over comparisons of i with j, a tie half for each       n × n, 8 bytes a cell
//! ```
//! It is filled row by row, from a file of any length or from arrays, in memory that does not grow.

use nlhf_core::{Comparison, Label, ResponseId, Weight};
use rayon::prelude::*;

/// Wins of few items against each other, whatever the prompt.
#[derive(Debug, Clone, PartialEq)]
pub struct WinTable {
    n_items: usize,
    /// Row-major; the diagonal stays zero.
    wins: Vec<f64>,
    n_comparisons: usize,
}

/// An item beyond the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("comparison {row} names item {item}, but there are only {n_items}")]
pub struct ItemBeyondTable {
    /// Which comparison, from zero.
    pub row: usize,
    /// The item.
    pub item: u32,
    /// Items of the table.
    pub n_items: usize,
}

/// Items of which a table takes 512 MiB.
const ITEM_LIMIT: usize = 8192;

/// Battles that are worth a table of their own.
const CHUNK: usize = 1 << 18;

impl WinTable {
    /// A table of items that nobody has compared yet; at most 8192 of them.
    ///
    /// # Panics
    /// If there are more.
    pub fn new(n_items: usize) -> Self {
        assert!(n_items <= ITEM_LIMIT, "a win table holds at most {ITEM_LIMIT} items");
        Self { n_items, wins: vec![0.0; n_items * n_items], n_comparisons: 0 }
    }

    /// Adds one judgement. Comparisons of an item with itself and those of weight zero say nothing.
    ///
    /// # Panics
    /// If an item is beyond the table.
    pub fn add(&mut self, first: ResponseId, second: ResponseId, label: Label, weight: Weight) {
        let (i, j, n) = (first.index(), second.index(), self.n_items);
        assert!(i < n && j < n, "items {i} and {j} of a table of {n}");
        let (label, weight) = (label.get(), weight.get());
        if i == j || weight == 0.0 {
            return;
        }
        self.wins[i * n + j] += weight * label;
        self.wins[j * n + i] += weight * (1.0 - label);
        self.n_comparisons += 1;
    }

    /// Adds decided comparisons of weight one: `winners[k]` won against `losers[k]`.
    ///
    /// # Errors
    /// [`ItemBeyondTable`], and nothing is added.
    ///
    /// # Panics
    /// If the two have unlike lengths.
    pub fn add_battles(&mut self, winners: &[u32], losers: &[u32]) -> Result<(), ItemBeyondTable> {
        assert_eq!(winners.len(), losers.len(), "a loser for each winner");
        let n = self.n_items;
        let count = |winners: &[u32], losers: &[u32]| {
            let mut counts = vec![0_u32; n * n];
            for (at, (&winner, &loser)) in winners.iter().zip(losers).enumerate() {
                let (i, j) = (winner as usize, loser as usize);
                if i >= n || j >= n {
                    return Err(at);
                }
                counts[i * n + j] += 1;
            }
            Ok(counts)
        };
        let chunks = winners.par_chunks(CHUNK).zip(losers.par_chunks(CHUNK));
        let tables: Vec<Result<Vec<u32>, usize>> = chunks.map(|(w, l)| count(w, l)).collect();
        let mut total = vec![0_u64; n * n];
        for (chunk, table) in tables.into_iter().enumerate() {
            let table = table.map_err(|at| {
                let row = chunk * CHUNK + at;
                let item = if winners[row] as usize >= n { winners[row] } else { losers[row] };
                ItemBeyondTable { row, item, n_items: n }
            })?;
            for (total, count) in total.iter_mut().zip(table) {
                *total += u64::from(count);
            }
        }
        for i in 0..n {
            total[i * n + i] = 0;
        }
        for (wins, count) in self.wins.iter_mut().zip(&total) {
            *wins += *count as f64;
        }
        self.n_comparisons += usize::try_from(total.iter().sum::<u64>()).expect("rows of arrays");
        Ok(())
    }

    /// All comparisons whatever their prompt, in a table that is large enough for their responses.
    ///
    /// # Panics
    /// If a response has an id beyond 8191.
    pub fn of(data: &[Comparison]) -> Self {
        let largest = data.iter().map(|c| c.first.index().max(c.second.index()));
        let mut table = Self::new(largest.max().map_or(0, |id| id + 1));
        for c in data {
            table.add(c.first, c.second, c.label, c.weight);
        }
        table
    }

    /// A table of `(first, second, wins of the first, wins of the second)`.
    pub(crate) fn from_pairs(
        n_items: usize,
        pairs: impl Iterator<Item = (usize, usize, f64, f64)>,
    ) -> Self {
        let mut table = Self::new(n_items);
        for (i, j, won, lost) in pairs {
            table.wins[i * n_items + j] += won;
            table.wins[j * n_items + i] += lost;
            table.n_comparisons += 1;
        }
        table
    }

    /// Items.
    pub fn n_items(&self) -> usize {
        self.n_items
    }

    /// Comparisons of two different items with a positive weight.
    pub fn n_comparisons(&self) -> usize {
        self.n_comparisons
    }

    /// The sum of weight times label of `first` against `second`.
    pub fn wins(&self, first: ResponseId, second: ResponseId) -> f64 {
        self.wins[first.index() * self.n_items + second.index()]
    }

    /// Wins of one item against each, zero against itself.
    pub(crate) fn row(&self, item: usize) -> &[f64] {
        &self.wins[item * self.n_items..(item + 1) * self.n_items]
    }

    /// Whether every item reaches every other by wins: then a finite maximum-likelihood score exists.
    pub(crate) fn is_strongly_connected(&self) -> bool {
        let n = self.n_items;
        let reaches_all = |edge: &dyn Fn(usize, usize) -> bool| {
            let mut waiting: Vec<usize> = (1..n).collect();
            let mut reached = vec![0];
            while let Some(from) = reached.pop() {
                waiting.retain(|&to| {
                    let found = edge(from, to);
                    if found {
                        reached.push(to);
                    }
                    !found
                });
            }
            waiting.is_empty()
        };
        n > 0
            && reaches_all(&|i, j| self.wins[i * n + j] > 0.0)
            && reaches_all(&|i, j| self.wins[j * n + i] > 0.0)
    }
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "exact by construction")]
mod tests {
    use super::*;
    use nlhf_core::PromptId;

    fn id(k: u32) -> ResponseId {
        ResponseId::new(k)
    }

    #[test]
    fn battles_and_comparisons_count_alike() {
        let winners: Vec<u32> = (0..600_000).map(|k| k * 7 % 5).collect();
        let losers: Vec<u32> = (0..600_000).map(|k| k * 11 % 4).collect();
        let mut table = WinTable::new(5);
        table.add_battles(&winners, &losers).unwrap();
        let rows = winners.iter().zip(&losers);
        let rows = rows.map(|(&w, &l)| Comparison::new(PromptId::new(w), id(w), id(l), Label::WIN));
        assert_eq!(WinTable::of(&rows.collect::<Vec<_>>()), table);
        assert_eq!(table.row(3)[3], 0.0);
        assert!(table.is_strongly_connected() == (table.row(0)[4] > 0.0));
    }

    #[test]
    fn ties_count_half_and_strangers_are_refused() {
        let mut table = WinTable::new(2);
        table.add(id(0), id(1), Label::TIE, Weight::new(3.0).unwrap());
        assert_eq!((table.wins(id(0), id(1)), table.wins(id(1), id(0))), (1.5, 1.5));
        let before = table.clone();
        let error = table.add_battles(&[0, 1, 0], &[1, 0, 2]).unwrap_err();
        assert_eq!(error, ItemBeyondTable { row: 2, item: 2, n_items: 2 });
        assert_eq!(table, before);
        assert!(table.is_strongly_connected());
        let mut champion = WinTable::new(3);
        champion.add_battles(&[0, 0, 1, 2], &[1, 2, 2, 1]).unwrap();
        assert!(!champion.is_strongly_connected() && !WinTable::new(0).is_strongly_connected());
    }
}
