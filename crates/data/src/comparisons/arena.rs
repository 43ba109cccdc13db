//! Battles between named models, one JSON object a line, as chatbot arenas publish them.
//!
//! ```text
//! {"model_a": "...", "model_b": "...", "winner": "model_a",
//!  "judge": "...", "conversation_a": [{"role": "user", "content": "..."}, ...], "conversation_b": [...]}
//! ```
//! The last three may be absent, and other fields are ignored. With conversations the prompt is the first turn of the
//! user, named after the line where it first stands; a `prompt_id` names it otherwise, and without
//! either all battles are about one prompt named "all". A model is one response that all prompts share.
//! `judge` or `annotator` says who judged.

use super::collect::{Collector, Judgement, Named, weight};
use super::content::{Content, Said};
use super::{ONLY_PROMPT, mixed, winner};
use crate::error::Place;
use crate::json::{Field, parse_object};
use crate::{DataError, Format, LineReader};
use serde::Deserialize;
use std::collections::HashMap;

#[derive(Deserialize)]
struct Row<'a> {
    #[serde(borrow, default)]
    prompt_id: Field<'a>,
    #[serde(borrow, default)]
    model_a: Field<'a>,
    #[serde(borrow, default)]
    model_b: Field<'a>,
    #[serde(borrow, default)]
    winner: Field<'a>,
    #[serde(borrow, default)]
    conversation_a: Content<'a>,
    #[serde(borrow, default)]
    conversation_b: Content<'a>,
    #[serde(borrow, default)]
    weight: Field<'a>,
    #[serde(borrow, default)]
    annotator: Field<'a>,
    #[serde(borrow, default)]
    judge: Field<'a>,
    #[serde(borrow, default)]
    split: Field<'a>,
}

pub(super) fn read(mut lines: LineReader, collector: &mut Collector) -> Result<(), DataError> {
    let path = lines.path().to_path_buf();
    let mut prompts: HashMap<u128, String> = HashMap::new();
    while let Some(line) = lines.next_line()? {
        let place = Place { path: &path, line: line.number };
        let row: Row<'_> = parse_object(line.text, place)?;
        if !(row.model_a.is_present() || row.model_b.is_present()) {
            mixed(Format::Arena, line.text, place)?;
        }
        let first_turn = row.first_turn(place)?;
        let id = row.prompt_id.optional_id("prompt_id", place)?;
        let prompt: &str = match (&id, first_turn) {
            (Some(id), _) => id,
            (None, Some(turn)) => {
                prompts.entry(Said::Text(turn).hash()).or_insert_with(|| line.number.to_string())
            }
            (None, None) => ONLY_PROMPT,
        };
        let names = Named {
            prompt,
            first: ("model_a", &row.model_a.id("model_a", place)?),
            second: ("model_b", &row.model_b.id("model_b", place)?),
        };
        let said = match &row.winner {
            Field::Text(text) => text,
            other => {
                let expected = "\"winner\" to be model_a, model_b, tie or tie (bothbad)";
                return Err(place.error(expected, other.found()));
            }
        };
        let label = winner::label(said, collector, place)?;
        let judge = if row.annotator.is_present() { &row.annotator } else { &row.judge };
        let annotator = judge.optional_id("judge", place)?;
        let split = row.split.optional_id("split", place)?;
        let judgement = Judgement {
            weight: weight(&row.weight, place)?,
            annotator: annotator.as_deref(),
            split: split.as_deref(),
            line: place.line,
        };
        let (Some(ids), Some(label)) = (collector.resolve(&names, place)?, label) else { continue };
        if let Some(turn) = first_turn {
            collector.keep_prompt(ids.0, Said::Text(turn));
        }
        collector.push(ids, label, &judgement);
    }
    Ok(())
}

impl Row<'_> {
    /// What the user said first, which both conversations must agree on.
    fn first_turn(&self, place: Place<'_>) -> Result<Option<&str>, DataError> {
        let mut turns = Vec::new();
        for (content, name) in
            [(&self.conversation_a, "conversation_a"), (&self.conversation_b, "conversation_b")]
        {
            if !content.is_present() {
                continue;
            }
            match content.said(name, place)? {
                Said::Messages([first, ..]) => turns.push(&*first.content),
                _ => {
                    return Err(
                        place.error(format!("\"{name}\" to be a list of messages"), "a string")
                    );
                }
            }
        }
        match turns[..] {
            [a, b] if a != b => {
                let expected = "both conversations to begin with the same turn of the user";
                Err(place.error(expected, crate::error::quoted(b)))
            }
            [first, ..] => Ok(Some(first)),
            [] => Ok(None),
        }
    }
}
