//! What a prompt or a response says: a text, or messages of a conversation.

use crate::error::Place;
use crate::json::{Field, ReadValue, Reading};
use crate::texts::joined;
use crate::{DataError, Message};
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, SeqAccess};
use std::borrow::Cow;
use std::hash::{DefaultHasher, Hasher};

/// The content of a field.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) enum Content<'a> {
    #[default]
    Missing,
    Text(Cow<'a, str>),
    /// At least one.
    Messages(Vec<Message<'a>>),
    /// Something else, described for an error.
    Other(String),
}

/// A part of a content that was read.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Said<'a> {
    Text(&'a str),
    Messages(&'a [Message<'a>]),
}

impl Content<'_> {
    pub(super) fn is_present(&self) -> bool {
        !matches!(self, Self::Missing)
    }

    /// The text or the messages.
    pub(crate) fn said(&self, name: &str, place: Place<'_>) -> Result<Said<'_>, DataError> {
        let found = match self {
            Self::Text(text) => return Ok(Said::Text(text)),
            Self::Messages(messages) => return Ok(Said::Messages(messages)),
            Self::Missing => Field::Missing.found(),
            Self::Other(found) => found.clone(),
        };
        let expected = format!("\"{name}\" to be a string or a list of {{role, content}}");
        Err(place.error(expected, found))
    }
}

impl Said<'_> {
    /// A 128-bit hash, different for a text and a conversation of one message.
    pub(super) fn hash(self) -> u128 {
        let mut hash = Hash128::new();
        let n_messages = match self {
            Self::Text(text) => {
                hash.write(text);
                0
            }
            Self::Messages(messages) => {
                for message in messages {
                    hash.write(&message.role);
                    hash.write(&message.content);
                }
                messages.len() as u64
            }
        };
        // A string has no messages, so that no list is taken for it.
        hash.finish(n_messages)
    }

    /// As one text.
    pub(super) fn text(self) -> String {
        joined(self)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Content<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Reading(ReadContent).deserialize(deserializer)
    }
}

struct ReadContent;

#[derive(Deserialize)]
#[serde(expecting = "a message {role, content}")]
struct AnyMessage<'a> {
    #[serde(borrow, default)]
    role: Field<'a>,
    #[serde(borrow, default)]
    content: Field<'a>,
}

impl<'de> ReadValue<'de> for ReadContent {
    type Value = Content<'de>;

    fn array<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Content<'de>, A::Error> {
        let (mut messages, mut wrong) = (Vec::new(), None);
        let mut k = 0;
        while let Some(AnyMessage { role, content }) = seq.next_element()? {
            k += 1;
            match (role, content) {
                (Field::Text(role), Field::Text(content)) => {
                    messages.push(Message { role, content });
                }
                (Field::Text(_), content) => {
                    wrong.get_or_insert_with(|| ("content", content.found(), k));
                }
                (role, _) => {
                    wrong.get_or_insert_with(|| ("role", role.found(), k));
                }
            }
        }
        Ok(match wrong {
            Some((field, found, k)) => {
                Content::Other(format!("\"{field}\" {found} in message {k}"))
            }
            None if messages.is_empty() => Content::Other("an empty list".to_owned()),
            None => Content::Messages(messages),
        })
    }

    fn other(self, field: Field<'de>) -> Content<'de> {
        match field {
            Field::Text(text) => Content::Text(text),
            other => Content::Other(other.found()),
        }
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

    fn finish(mut self, n_messages: u64) -> u128 {
        let [high, low] = &mut self.0;
        high.write_u64(n_messages);
        low.write_u64(n_messages);
        u128::from(high.finish()) << 64 | u128::from(low.finish())
    }
}
