//! Comparisons as lines to be written: with ids, or as pairs of texts for trainers.
//!
//! ```text
//! {"prompt_id": "p1", "response_a_id": "x", "response_b_id": "y", "label": 1.0, "weight": 2.0, "annotator": "c", "split": "test"}
//! {"prompt": "...", "chosen": "...", "rejected": "..."}                    and the last three of above
//! ```
//! Conversations are written as lists of messages. The last three fields stand there only where they say something. What is written is read again as the same
//! comparisons, but for texts: pairs have no ties, and of a soft label only the side that it favours.

use crate::{DataError, Dataset, TextOrMessages, Texts, in_one_form};
use nlhf_core::{AnnotatorId, Comparison, Label, ResponseId, Weight};
use serde::Serialize;
use std::path::Path;

/// A comparison by ids.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct ExplicitLine<'a> {
    prompt_id: &'a str,
    response_a_id: &'a str,
    response_b_id: &'a str,
    label: f64,
    #[serde(flatten)]
    judged: Judged<'a>,
}

/// A comparison by texts, as TRL and other trainers read it.
#[derive(Debug, Clone, Serialize)]
pub struct PairLine<'a> {
    prompt: TextOrMessages<'a>,
    chosen: TextOrMessages<'a>,
    rejected: TextOrMessages<'a>,
    #[serde(flatten)]
    judged: Judged<'a>,
}

#[derive(Debug, Clone, Copy, Serialize)]
struct Judged<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    weight: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    annotator: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    split: Option<&'static str>,
}

impl<'a> Judged<'a> {
    fn of(dataset: &'a Dataset, comparison: &Comparison, held_out: bool) -> Self {
        let name = |id: AnnotatorId| dataset.annotators.name(id.index());
        Self {
            weight: (comparison.weight != Weight::ONE).then(|| comparison.weight.get()),
            annotator: comparison.annotator.map(name),
            split: match (dataset.has_split, held_out) {
                (false, _) => None,
                (true, false) => Some("train"),
                (true, true) => Some("test"),
            },
        }
    }
}

impl Dataset {
    /// The comparisons in their order, by ids. Every split but "train" is called "test".
    pub fn explicit_lines(&self) -> impl Iterator<Item = ExplicitLine<'_>> {
        self.comparisons.iter().zip(&self.held_out).map(|(c, held_out)| ExplicitLine {
            prompt_id: self.prompts.name(c.prompt.index()),
            response_a_id: self.responses.name(c.first.index()),
            response_b_id: self.responses.name(c.second.index()),
            label: c.label.get(),
            judged: Judged::of(self, c, *held_out),
        })
    }

    /// The comparisons in their order, by what is said; ties and those of a response with itself are left out. The
    /// texts have one entry for each prompt and response.
    ///
    /// # Errors
    /// [`DataError::File`] naming the first response or prompt that says nothing; `path` is where the comparisons are
    /// from.
    pub fn pair_lines<'a>(
        &'a self,
        texts: &'a Texts,
        path: &Path,
    ) -> Result<Vec<PairLine<'a>>, DataError> {
        let known = |said: Option<TextOrMessages<'a>>, name: &str| {
            said.ok_or_else(|| {
                let expected = "the text of every prompt and response";
                DataError::file(path, expected, format!("none of {name:?}"))
            })
        };
        let response = |id: ResponseId| known(texts.response(id), self.responses.name(id.index()));
        let mut lines = Vec::new();
        for (c, held_out) in self.comparisons.iter().zip(&self.held_out) {
            if c.label == Label::TIE || c.first == c.second {
                continue;
            }
            let (chosen, rejected) =
                if c.label.get() > 0.5 { (c.first, c.second) } else { (c.second, c.first) };
            let mut prompt = known(texts.prompt(c.prompt), self.prompts.name(c.prompt.index()))?;
            let mut answers = [response(chosen)?, response(rejected)?];
            in_one_form(&mut prompt, &mut answers);
            let ([chosen, rejected], judged) = (answers, Judged::of(self, c, *held_out));
            lines.push(PairLine { prompt, chosen, rejected, judged });
        }
        Ok(lines)
    }
}
