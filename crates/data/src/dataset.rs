//! Data sets: comparisons with dense ids, their names, and the menu of every prompt.

use crate::Names;
use nlhf_core::{Comparison, Menus};

/// How comparisons were written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Format {
    /// JSONL with `prompt_id, response_a_id, response_b_id, label`.
    Explicit,
    /// JSONL with `prompt, chosen, rejected`, as TRL reads it.
    Trl,
    /// CSV with `model_a, model_b, winner`.
    Battles,
}

/// The comparisons of a file and what they are about.
#[derive(Debug, Clone)]
pub struct Dataset {
    /// The prompts; of a catalog if one was given, else as first seen.
    pub prompts: Names,
    /// The responses; of a catalog if one was given, else as first seen.
    pub responses: Names,
    /// Who judged.
    pub annotators: Names,
    /// The comparisons in the order of the file, those of a response with itself included.
    pub comparisons: Vec<Comparison>,
    /// Of each comparison, whether its split is another than "train".
    pub held_out: Vec<bool>,
    /// Whether any comparison names a split.
    pub has_split: bool,
    /// How many comparisons compare a response with itself. They say nothing about preferences.
    pub n_self_comparisons: usize,
    /// How many comparisons found both responses bad; each is a tie in `comparisons`.
    pub n_both_bad: usize,
    /// How many rows name a prompt or response beyond the catalog and were left out.
    pub n_unlisted: usize,
    /// The candidates of each prompt that has any, in the order of the prompts: with a catalog of
    /// responses all of the prompt in the order of that file, else those compared, as first seen.
    pub menus: Menus,
    /// What the file was taken for.
    pub format: Format,
}

impl Dataset {
    /// The comparisons to fit on.
    pub fn train(&self) -> impl Iterator<Item = &Comparison> {
        self.of_split(false)
    }

    /// The comparisons to evaluate on.
    pub fn held_out(&self) -> impl Iterator<Item = &Comparison> {
        self.of_split(true)
    }

    fn of_split(&self, held_out: bool) -> impl Iterator<Item = &Comparison> {
        let both = self.comparisons.iter().zip(&self.held_out);
        both.filter(move |(_, out)| **out == held_out).map(|(comparison, _)| comparison)
    }
}
