//! Rows that say the same become one row with the sum of their weights, so that memory follows what differs.
//!
//! Two rows say the same if they agree in prompt, both responses and their order, label, annotator and whether they are
//! held out. It starts at 2²¹ rows (90 MB) and happens again whenever the rows have doubled: a pass over
//! N rows costs one sort of them. Where rows differ, as with features of ever new responses, it gains nothing, and its
//! cost is that of one more sort for each doubling.

use nlhf_core::{Comparison, Weight};

/// Rows beyond which it starts.
const START: usize = 1 << 21;

/// Rows, merged as they grow.
#[derive(Debug)]
pub(super) struct Rows {
    pub(super) comparisons: Vec<Comparison>,
    pub(super) held_out: Vec<bool>,
    /// How many rows were added to others.
    pub(super) n_merged: usize,
    /// The number of rows at which they are merged next.
    next: usize,
}

impl Default for Rows {
    fn default() -> Self {
        Self::merging_at(START)
    }
}

impl Rows {
    fn merging_at(next: usize) -> Self {
        Self { comparisons: Vec::new(), held_out: Vec::new(), n_merged: 0, next }
    }

    pub(super) fn push(&mut self, comparison: Comparison, held_out: bool) {
        self.comparisons.push(comparison);
        self.held_out.push(held_out);
        if self.comparisons.len() >= self.next {
            self.merge();
            self.next = self.next.max(2 * self.comparisons.len());
        }
    }

    /// Merges what came since the last time; rows never merged so far stay as they are.
    pub(super) fn finish(&mut self) {
        if self.n_merged > 0 {
            self.merge();
        }
    }

    /// Keeps the first of each kind at its place.
    fn merge(&mut self) {
        let n = self.comparisons.len();
        let key = |row: u32| {
            let c = &self.comparisons[row as usize];
            let label = c.label.get().to_bits();
            (c.prompt, c.first, c.second, label, c.annotator, self.held_out[row as usize], row)
        };
        let mut order: Vec<u32> = (0..n).map(|row| u32::try_from(row).expect("few rows")).collect();
        order.sort_unstable_by_key(|row| key(*row));
        let same = |a: u32, b: u32| {
            let (a, b) = (key(a), key(b));
            (a.0, a.1, a.2, a.3, a.4, a.5) == (b.0, b.1, b.2, b.3, b.4, b.5)
        };
        let mut weights = vec![None; n];
        for group in order.chunk_by(|a, b| same(*a, *b)) {
            let sum: f64 =
                group.iter().map(|row| self.comparisons[*row as usize].weight.get()).sum();
            // A sum beyond the largest float is no weight: such rows stay apart.
            match Weight::new(sum) {
                Ok(sum) => weights[group[0] as usize] = Some(sum),
                Err(_) => {
                    for row in group {
                        weights[*row as usize] = Some(self.comparisons[*row as usize].weight);
                    }
                }
            }
        }
        let mut kept = 0;
        for (row, weight) in weights.into_iter().enumerate() {
            if let Some(weight) = weight {
                self.comparisons[kept] = Comparison { weight, ..self.comparisons[row] };
                self.held_out[kept] = self.held_out[row];
                kept += 1;
            }
        }
        self.comparisons.truncate(kept);
        self.held_out.truncate(kept);
        self.n_merged += n - kept;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nlhf_core::{AnnotatorId, Label, PromptId, ResponseId};

    fn row(k: u32) -> (Comparison, bool) {
        let (first, second) = (ResponseId::new(k % 3), ResponseId::new(3 + k % 2));
        let label = if k.is_multiple_of(5) { Label::TIE } else { Label::WIN };
        let annotator = (k % 7 == 1).then(|| AnnotatorId::new(0));
        let weight = Weight::new(f64::from(1 + k % 2)).unwrap();
        let c = Comparison::new(PromptId::new(0), first, second, label);
        (Comparison { weight, annotator, ..c }, k.is_multiple_of(4))
    }

    fn total(rows: &Rows, held_out: bool) -> f64 {
        let both = rows.comparisons.iter().zip(&rows.held_out);
        both.filter(|(_, out)| **out == held_out).map(|(c, _)| c.weight.get()).sum()
    }

    #[test]
    fn memory_follows_what_differs_and_no_weight_is_lost() {
        let (mut merged, mut plain) = (Rows::merging_at(100), Rows::default());
        let mut most = 0;
        for k in 0..20_000 {
            let (comparison, held_out) = row(k);
            merged.push(comparison, held_out);
            plain.push(comparison, held_out);
            most = most.max(merged.comparisons.len());
        }
        merged.finish();
        plain.finish();
        // At most 2 × 3 × 2 × 2 × 2 kinds.
        assert!(merged.comparisons.len() <= 48 && most <= 100, "{most}");
        assert_eq!(merged.comparisons.len() + merged.n_merged, 20_000);
        assert_eq!((plain.comparisons.len(), plain.n_merged), (20_000, 0));
        for held_out in [false, true] {
            assert!((total(&merged, held_out) - total(&plain, held_out)).abs() < 1e-9);
        }
        // In the order of their first rows.
        let firsts = merged.comparisons.iter().take(5).map(|c| c.first.index());
        assert_eq!(firsts.collect::<Vec<_>>(), [0, 1, 2, 0, 1]);
    }

    #[test]
    fn weights_that_do_not_add_up_stay_apart() {
        let mut rows = Rows::merging_at(3);
        let huge = Weight::new(1e308).unwrap();
        for _ in 0..3 {
            rows.push(Comparison { weight: huge, ..row(1).0 }, false);
        }
        assert_eq!((rows.comparisons.len(), rows.n_merged), (3, 0));
    }
}
