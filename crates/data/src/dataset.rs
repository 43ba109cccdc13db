//! Data sets: comparisons with dense ids, their names, and the menu of every prompt.

use crate::{Names, Texts};
use nlhf_core::{Comparison, Menus};

/// How comparisons were written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Format {
    /// JSONL with `prompt_id, response_a_id, response_b_id, label`.
    Explicit,
    /// JSONL with `prompt, chosen, rejected`, as TRL reads it.
    Trl,
    /// JSONL with `chosen, rejected` that begin with the prompt.
    TrlImplicit,
    /// JSONL with `chosen, rejected`, transcripts of `Human:` and `Assistant:` as Anthropic's HH.
    Transcripts,
    /// JSONL with `chosen, rejected, score_chosen, score_rejected`, as `ultrafeedback_binarized`.
    Scored,
    /// CSV with `model_a, model_b, winner`.
    Battles,
    /// JSONL with `model_a, model_b, winner`.
    Arena,
}

impl Format {
    /// Whether it tells which of two responses was shown first. Chosen and rejected pairs do not; the order in which their
    /// comparisons name the two says nothing.
    pub fn tells_order(self) -> bool {
        matches!(self, Self::Explicit | Self::Battles | Self::Arena)
    }

    /// What its lines look like.
    pub fn fields(self) -> &'static str {
        match self {
            Self::Explicit => "\"prompt_id\", \"response_a_id\", \"response_b_id\" and \"label\"",
            Self::Trl => "\"prompt\", \"chosen\" and \"rejected\"",
            Self::TrlImplicit => "\"chosen\" and \"rejected\" that begin with the prompt",
            Self::Transcripts => "\"chosen\" and \"rejected\" transcripts",
            Self::Scored => "\"chosen\", \"rejected\", \"score_chosen\" and \"score_rejected\"",
            Self::Battles | Self::Arena => "\"model_a\", \"model_b\" and \"winner\"",
        }
    }
}

/// What is to become of battles in which both responses were bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum BothBad {
    /// They are ties.
    #[default]
    Tie,
    /// They are left out.
    Drop,
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
    /// How many rows of a file of more than 2²¹ were like another in all but their weight and added to it.
    pub n_merged: usize,
    /// How many comparisons compare a response with itself. They say nothing about preferences; without a catalog they
    /// make no candidates either.
    pub n_self_comparisons: usize,
    /// How many comparisons found both responses bad.
    pub n_both_bad: usize,
    /// Whether those are ties in `comparisons`, or left out.
    pub both_bad: BothBad,
    /// How many rows name a prompt or response beyond the catalog and were left out.
    pub n_unlisted: usize,
    /// The candidates of each prompt that has any, in the order of the prompts: with a catalog of
    /// responses all of the prompt in the order of that file, else those compared, as first seen.
    pub menus: Menus,
    /// What the file was taken for.
    pub format: Format,
    /// What prompts and responses say, if that was asked for and the file tells it.
    pub texts: Option<Texts>,
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
