//! Preference pairs: a chosen and a rejected answer, one JSON object a line, as TRL and others write them.
//!
//! ```text
//! {"prompt": "...", "chosen": "...", "rejected": "..."}                 explicit prompt
//! {"prompt": [{"role": "user", "content": "..."}], "chosen": [...], "rejected": [...]}
//! {"chosen": "...", "rejected": "..."}                                  implicit: what both begin with
//! {"chosen": "\n\nHuman: ...\n\nAssistant: ...", "rejected": ...}       transcripts, as Anthropic's HH
//! {"prompt_id": "...", "chosen": [...], "rejected": [...], "score_chosen": 8, "score_rejected": 6}
//! ```
//! An implicit prompt of conversations is all messages that both begin with; of transcripts everything through the last
//! "\n\nAssistant:" that both share; of other strings their longest common beginning, without a space at its
//! end. Equal scores make a tie, and chosen may not have the lower one.
//!
//! A prompt is known by its id, or else by the 128-bit hash of its text, a response by that of its text and its prompt.
//! Without ids each is named after the line of its first occurrence, from one: prompt "12", responses
//! "12.chosen" and "12.rejected". Texts are kept only on request.

use super::collect::{Collector, Judgement, weight};
use super::content::{Content, Said};
use super::mixed;
use crate::error::{Place, quoted};
use crate::json::{Field, parse_object};
use crate::{DataError, Format, LineReader};
use nlhf_core::{Label, PromptId, ResponseId};
use serde::Deserialize;
use std::collections::HashMap;
use std::fmt::Write;

#[derive(Deserialize)]
struct Row<'a> {
    #[serde(borrow, default)]
    prompt_id: Field<'a>,
    #[serde(borrow, default)]
    prompt: Content<'a>,
    #[serde(borrow, default)]
    chosen: Content<'a>,
    #[serde(borrow, default)]
    rejected: Content<'a>,
    #[serde(borrow, default)]
    score_chosen: Field<'a>,
    #[serde(borrow, default)]
    score_rejected: Field<'a>,
    #[serde(borrow, default)]
    weight: Field<'a>,
    #[serde(borrow, default)]
    annotator: Field<'a>,
    #[serde(borrow, default)]
    split: Field<'a>,
}

/// What both turns of a transcript begin their answers with.
const ANSWER: &str = "\n\nAssistant:";

pub(super) fn read(mut lines: LineReader, collector: &mut Collector) -> Result<Format, DataError> {
    let path = lines.path().to_path_buf();
    if collector.has_catalog() {
        return Err(DataError::file(
            &path,
            "comparisons by \"prompt_id\", as prompts or responses are listed in a file of their own",
            "\"chosen\" and \"rejected\" texts without ids",
        ));
    }
    let mut known = Known::default();
    let mut format = None;
    while let Some(line) = lines.next_line()? {
        let place = Place { path: &path, line: line.number };
        let row: Row<'_> = parse_object(line.text, place)?;
        let own = row.format();
        let first = *format.get_or_insert(own);
        if own != first || !(row.chosen.is_present() || row.rejected.is_present()) {
            mixed(first, line.text, place)?;
        }
        let (chosen, rejected) =
            (row.chosen.said("chosen", place)?, row.rejected.said("rejected", place)?);
        let (prompt, chosen, rejected) = match own {
            Format::Trl | Format::Scored if row.prompt.is_present() => {
                (row.prompt.said("prompt", place)?, chosen, rejected)
            }
            _ => implicit(chosen, rejected, own, place)?,
        };
        let label = row.label(place)?;
        let weight = weight(&row.weight, place)?;
        let annotator = row.annotator.optional_id("annotator", place)?;
        let split = row.split.optional_id("split", place)?;
        let (annotator, split) = (annotator.as_deref(), split.as_deref());
        let id = row.prompt_id.optional_id("prompt_id", place)?;
        let prompt = known.prompt(id.as_deref(), prompt, place, collector)?;
        let chosen = known.response(prompt, chosen, (line.number, "chosen"), collector);
        let rejected = known.response(prompt, rejected, (line.number, "rejected"), collector);
        let judgement = Judgement { weight, annotator, split, line: place.line };
        let (first, second, label) = unordered(prompt, chosen, rejected, label);
        collector.push((prompt, first, second), label, &judgement);
    }
    Ok(format.unwrap_or(Format::Trl))
}

/// A pair and its label in an order that has nothing to do with who won: nobody says which answer was shown first, and
/// with the chosen one first the order would explain every label.
fn unordered(
    prompt: PromptId,
    chosen: ResponseId,
    rejected: ResponseId,
    label: Label,
) -> (ResponseId, ResponseId, Label) {
    let (low, high) = (chosen.min(rejected), chosen.max(rejected));
    let turned = (prompt.index() + low.index() + high.index()).is_multiple_of(2);
    let (first, second) = if turned { (high, low) } else { (low, high) };
    (first, second, if first == chosen { label } else { label.swapped() })
}

impl Row<'_> {
    fn format(&self) -> Format {
        if self.score_chosen.is_present() || self.score_rejected.is_present() {
            return Format::Scored;
        }
        if self.prompt.is_present() {
            return Format::Trl;
        }
        match &self.chosen {
            Content::Text(text) if text.contains(ANSWER) => Format::Transcripts,
            _ => Format::TrlImplicit,
        }
    }

    fn label(&self, place: Place<'_>) -> Result<Label, DataError> {
        if !self.score_chosen.is_present() && !self.score_rejected.is_present() {
            return Ok(Label::WIN);
        }
        let number = |field: &Field<'_>, name: &str| {
            let number = field.as_number();
            number.ok_or_else(|| place.error(format!("\"{name}\" to be a number"), field.found()))
        };
        let chosen = number(&self.score_chosen, "score_chosen")?;
        let rejected = number(&self.score_rejected, "score_rejected")?;
        if chosen < rejected {
            let found = format!("{chosen} below {rejected}");
            return Err(place.error("\"score_chosen\" no lower than \"score_rejected\"", found));
        }
        Ok(if chosen > rejected { Label::WIN } else { Label::TIE })
    }
}

/// The prompt that both answers begin with, and what is left of them.
fn implicit<'a>(
    chosen: Said<'a>,
    rejected: Said<'a>,
    format: Format,
    place: Place<'_>,
) -> Result<(Said<'a>, Said<'a>, Said<'a>), DataError> {
    match (chosen, rejected) {
        (Said::Messages(chosen), Said::Messages(rejected)) => {
            let same = chosen.iter().zip(rejected).take_while(|(a, b)| a == b).count();
            // What is judged is the end of each, also if both are the same.
            let n = same.min(chosen.len() - 1).min(rejected.len() - 1);
            if n == 0 {
                let expected =
                    "\"chosen\" and \"rejected\" to begin with the same messages, or a \"prompt\"";
                let found =
                    format!("{} and {}", quoted(&chosen[0].content), quoted(&rejected[0].content));
                return Err(place.error(expected, found));
            }
            Ok((
                Said::Messages(&chosen[..n]),
                Said::Messages(&chosen[n..]),
                Said::Messages(&rejected[n..]),
            ))
        }
        (Said::Text(chosen), Said::Text(rejected)) => {
            let same = chosen.bytes().zip(rejected.bytes()).take_while(|(a, b)| a == b).count();
            let mut n = (0..=same).rev().find(|n| chosen.is_char_boundary(*n)).unwrap_or(0);
            if format == Format::Transcripts {
                let end = chosen[..n].rfind(ANSWER).map(|at| at + ANSWER.len());
                n = end.ok_or_else(|| {
                    let expected =
                        "transcripts with the same turns through a last \"\\n\\nAssistant:\"";
                    place.error(expected, format!("{} and {}", quoted(chosen), quoted(rejected)))
                })?;
            } else {
                n = chosen[..n].trim_end_matches(' ').len();
                if n == 0 {
                    let expected =
                        "\"chosen\" and \"rejected\" to begin with the same text, or a \"prompt\"";
                    let found = format!("{} and {}", quoted(chosen), quoted(rejected));
                    return Err(place.error(expected, found));
                }
            }
            Ok((Said::Text(&chosen[..n]), Said::Text(&chosen[n..]), Said::Text(&rejected[n..])))
        }
        _ => {
            let expected =
                "\"chosen\" and \"rejected\" both to be strings, or both lists of messages";
            Err(place.error(expected, "one of each"))
        }
    }
}

/// What has been seen, by hash.
#[derive(Default)]
struct Known {
    prompts: HashMap<u128, PromptId>,
    /// Of each prompt with an id, its hash and the line of its first occurrence.
    by_id: HashMap<PromptId, (u128, u64)>,
    responses: HashMap<(PromptId, u128), ResponseId>,
    name: String,
}

impl Known {
    fn prompt(
        &mut self,
        id: Option<&str>,
        said: Said<'_>,
        place: Place<'_>,
        collector: &mut Collector,
    ) -> Result<PromptId, DataError> {
        let hash = said.hash();
        if let Some(name) = id {
            let prompt = collector.new_prompt(name);
            let (before, line) = *self.by_id.entry(prompt).or_insert((hash, place.line));
            if before != hash {
                let expected =
                    format!("prompt {} to say what it said in line {line}", quoted(name));
                return Err(place.error(expected, quoted(&said.text())));
            }
            collector.keep_prompt(prompt, said);
            return Ok(prompt);
        }
        let prompt = *self.prompts.entry(hash).or_insert_with(|| {
            self.name.clear();
            write!(self.name, "{}", place.line).expect("a string takes all text");
            collector.new_prompt(&self.name)
        });
        collector.keep_prompt(prompt, said);
        Ok(prompt)
    }

    fn response(
        &mut self,
        prompt: PromptId,
        said: Said<'_>,
        (line, field): (u64, &str),
        collector: &mut Collector,
    ) -> ResponseId {
        let response = *self.responses.entry((prompt, said.hash())).or_insert_with(|| {
            self.name.clear();
            write!(self.name, "{line}.{field}").expect("a string takes all text");
            collector.new_response(&self.name)
        });
        collector.keep_response(response, said);
        response
    }
}
