//! What a judge is shown: a prompt and two responses, by name and by what they say.

use nlhf_core::{PromptId, ResponseId};
use std::borrow::Cow;

/// A prompt or a response as a judge sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown<'a> {
    /// Its name: of a prompt no other prompt has it, of a response no other response.
    pub id: &'a str,
    /// What it says; the name again where nothing else is known.
    pub text: Cow<'a, str>,
}

/// Names and texts behind ids. Two methods to write.
pub trait Catalog: Sync {
    /// A prompt.
    ///
    /// # Panics
    /// If the id is not one of the catalog's.
    fn prompt(&self, id: PromptId) -> Shown<'_>;

    /// A response.
    ///
    /// # Panics
    /// If the id is not one of the catalog's.
    fn response(&self, id: ResponseId) -> Shown<'_>;
}

/// Which of two responses is better? In this order they are shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question<'a> {
    /// The prompt.
    pub prompt: Shown<'a>,
    /// The response shown first.
    pub first: Shown<'a>,
    /// The response shown second.
    pub second: Shown<'a>,
    /// How often this prompt with these responses in this order was asked before: the answer to each repetition is a
    /// draw of its own.
    pub repetition: u32,
}
