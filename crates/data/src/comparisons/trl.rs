//! Preference pairs as TRL reads them, with an explicit prompt, one JSON object a line.
//!
//! ```text
//! {"prompt": "...", "chosen": "...", "rejected": "..."}
//! {"prompt": [{"role": "user", "content": "..."}], "chosen": [...], "rejected": [...]}
//! ```
//! Texts are not kept: a prompt is known by the 128-bit hash of its text, a response by that of its
//! text and its prompt. Each is named after the line of its first occurrence, from one: prompt "12",
//! responses "12.chosen" and "12.rejected".

use super::collect::{Collector, Judgement, weight};
use crate::error::Place;
use crate::json::{Field, ReadValue, Reading, parse_object};
use crate::{DataError, LineReader};
use nlhf_core::{Label, PromptId, ResponseId};
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, SeqAccess};
use std::collections::HashMap;
use std::fmt::Write;
use std::hash::{DefaultHasher, Hasher};

#[derive(Deserialize)]
struct Row<'a> {
    #[serde(default)]
    prompt: Content,
    #[serde(default)]
    chosen: Content,
    #[serde(default)]
    rejected: Content,
    #[serde(borrow, default)]
    weight: Field<'a>,
    #[serde(borrow, default)]
    annotator: Field<'a>,
    #[serde(borrow, default)]
    split: Field<'a>,
}

pub(super) fn read(mut lines: LineReader, collector: &mut Collector) -> Result<(), DataError> {
    let path = lines.path().to_path_buf();
    if collector.has_catalog() {
        return Err(DataError::file(
            &path,
            "comparisons by \"prompt_id\", as prompts or responses are listed in a file of their own",
            "\"chosen\" and \"rejected\" texts without ids",
        ));
    }
    let mut known = Known::default();
    while let Some(line) = lines.next_line()? {
        let place = Place { path: &path, line: line.number };
        let row: Row<'_> = parse_object(line.text, place)?;
        let prompt_key = row.prompt.key("prompt", place)?;
        let chosen_key = row.chosen.key("chosen", place)?;
        let rejected_key = row.rejected.key("rejected", place)?;
        let weight = weight(&row.weight, place)?;
        let annotator = row.annotator.optional_id("annotator", place)?;
        let split = row.split.optional_id("split", place)?;
        let (annotator, split) = (annotator.as_deref(), split.as_deref());
        let prompt = known.prompt(prompt_key, line.number, collector);
        let chosen = known.response(prompt, chosen_key, (line.number, "chosen"), collector);
        let rejected = known.response(prompt, rejected_key, (line.number, "rejected"), collector);
        collector.push(
            (prompt, chosen, rejected),
            Label::WIN,
            &Judgement { weight, annotator, split, line: place.line },
        );
    }
    Ok(())
}

/// What has been seen, by hash.
#[derive(Default)]
struct Known {
    prompts: HashMap<u128, PromptId>,
    responses: HashMap<(PromptId, u128), ResponseId>,
    name: String,
}

impl Known {
    fn prompt(&mut self, key: u128, line: u64, collector: &mut Collector) -> PromptId {
        *self.prompts.entry(key).or_insert_with(|| {
            self.name.clear();
            write!(self.name, "{line}").expect("a string takes all text");
            collector.new_prompt(&self.name)
        })
    }

    fn response(
        &mut self,
        prompt: PromptId,
        key: u128,
        (line, field): (u64, &str),
        collector: &mut Collector,
    ) -> ResponseId {
        *self.responses.entry((prompt, key)).or_insert_with(|| {
            self.name.clear();
            write!(self.name, "{line}.{field}").expect("a string takes all text");
            collector.new_response(&self.name)
        })
    }
}

/// A text or a list of messages, hashed while it is read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
enum Content {
    #[default]
    Missing,
    Hashed(u128),
    /// Something else, described for an error.
    Other(String),
}

impl Content {
    fn key(&self, name: &str, place: Place<'_>) -> Result<u128, DataError> {
        let found = match self {
            Self::Hashed(key) => return Ok(*key),
            Self::Missing => Field::Missing.found(),
            Self::Other(found) => found.clone(),
        };
        let expected = format!("\"{name}\" to be a string or a list of {{role, content}}");
        Err(place.error(expected, found))
    }
}

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Reading(HashContent).deserialize(deserializer)
    }
}

struct HashContent;

#[derive(Deserialize)]
#[serde(expecting = "a message {role, content}")]
struct Message<'a> {
    #[serde(borrow, default)]
    role: Field<'a>,
    #[serde(borrow, default)]
    content: Field<'a>,
}

impl<'de> ReadValue<'de> for HashContent {
    type Value = Content;

    fn array<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Content, A::Error> {
        let mut hash = Hash128::new();
        let (mut n_messages, mut wrong) = (0_u64, None);
        while let Some(Message { role, content }) = seq.next_element()? {
            n_messages += 1;
            match (role, content) {
                (Field::Text(role), Field::Text(content)) => {
                    hash.write(&role);
                    hash.write(&content);
                }
                (Field::Text(_), content) => {
                    wrong.get_or_insert_with(|| ("content", content.found(), n_messages));
                }
                (role, _) => {
                    wrong.get_or_insert_with(|| ("role", role.found(), n_messages));
                }
            }
        }
        Ok(match wrong {
            Some((field, found, k)) => {
                Content::Other(format!("\"{field}\" {found} in message {k}"))
            }
            None if n_messages == 0 => Content::Other("an empty list".to_owned()),
            None => Content::Hashed(hash.finish(n_messages)),
        })
    }

    fn other(self, field: Field<'de>) -> Content {
        let Field::Text(text) = field else {
            return Content::Other(field.found());
        };
        let mut hash = Hash128::new();
        hash.write(&text);
        Content::Hashed(hash.finish(0))
    }
}

/// Two independent 64-bit hashes of texts, each marked off by its length.
struct Hash128([DefaultHasher; 2]);

impl Hash128 {
    fn new() -> Self {
        let mut hashers = [DefaultHasher::new(), DefaultHasher::new()];
        hashers[1].write_u64(0x9e37_79b9_7f4a_7c15);
        Self(hashers)
    }

    fn write(&mut self, text: &str) {
        for hasher in &mut self.0 {
            hasher.write_usize(text.len());
            hasher.write(text.as_bytes());
        }
    }

    /// A string has no messages, so that no list is taken for it.
    fn finish(mut self, n_messages: u64) -> u128 {
        let [high, low] = &mut self.0;
        high.write_u64(n_messages);
        low.write_u64(n_messages);
        u128::from(high.finish()) << 64 | u128::from(low.finish())
    }
}
