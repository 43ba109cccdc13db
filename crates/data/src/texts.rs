//! What prompts and responses say, kept by id: as one text, and where it was a conversation as its messages too.
//!
//! ```text
//! [{"role": "user", "content": "Why?"}]                          "Why?"
//! [{"role": "user", ...}, {"role": "assistant", "content": "B"}]  "user: Why?\n\nassistant: B"
//! ```
//! The messages are not kept beside the text but cut out of it: of each its role and its length are remembered.

use crate::comparisons::content::Said;
use nlhf_core::{PromptId, ResponseId};
use serde::Serialize;
use std::borrow::Cow;

/// One message of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Message<'a> {
    /// Who says it: "user", "assistant", "system" and whatever else a file names.
    pub role: Cow<'a, str>,
    /// What is said.
    pub content: Cow<'a, str>,
}

/// What a prompt or a response says, as trainers take it: a string, or a list of messages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum TextOrMessages<'a> {
    /// A text.
    Text(&'a str),
    /// Messages, at least one.
    Messages(Vec<Message<'a>>),
}

/// What prompts and responses say, by id; empty for those that no line tells.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Texts {
    /// Of each prompt; of several messages, with the roles before them.
    pub prompts: Vec<String>,
    /// Of each response, without its prompt.
    pub responses: Vec<String>,
    turns_of_prompts: Vec<Vec<Turn>>,
    turns_of_responses: Vec<Vec<Turn>>,
    roles: Vec<String>,
}

/// A message within a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Turn {
    /// Which role.
    role: usize,
    n_bytes: usize,
}

/// What stands between a role and what it says, and between two messages.
const AFTER_ROLE: &str = ": ";
const AFTER_MESSAGE: &str = "\n\n";

impl Texts {
    /// Plain texts of prompts and of responses.
    pub fn new(prompts: Vec<String>, responses: Vec<String>) -> Self {
        Self { prompts, responses, ..Self::default() }
    }

    /// What a prompt says, if that is known.
    pub fn prompt(&self, id: PromptId) -> Option<TextOrMessages<'_>> {
        let text = self.prompts.get(id.index())?;
        Some(self.cut(text, self.turns_of_prompts.get(id.index())))
    }

    /// What a response says, if that is known.
    pub fn response(&self, id: ResponseId) -> Option<TextOrMessages<'_>> {
        let text = self.responses.get(id.index())?;
        Some(self.cut(text, self.turns_of_responses.get(id.index())))
    }

    pub(crate) fn keep_prompt(&mut self, id: PromptId, said: Said<'_>) {
        let Self { prompts, turns_of_prompts, roles, .. } = self;
        keep(prompts, turns_of_prompts, roles, id.index(), said);
    }

    pub(crate) fn keep_response(&mut self, id: ResponseId, said: Said<'_>) {
        let Self { responses, turns_of_responses, roles, .. } = self;
        keep(responses, turns_of_responses, roles, id.index(), said);
    }

    /// The messages that a text was made of. A text that was put in its place later is left whole.
    fn cut<'a>(&'a self, text: &'a str, turns: Option<&Vec<Turn>>) -> TextOrMessages<'a> {
        let turns = turns.map_or(&[][..], Vec::as_slice);
        let mut at = 0;
        let mut messages = Vec::with_capacity(turns.len());
        for turn in turns {
            let role = &self.roles[turn.role];
            if turns.len() > 1 {
                at += role.len() + AFTER_ROLE.len();
            }
            let Some(content) = text.get(at..at + turn.n_bytes) else {
                return TextOrMessages::Text(text);
            };
            messages.push(Message { role: Cow::Borrowed(role), content: Cow::Borrowed(content) });
            at += turn.n_bytes + AFTER_MESSAGE.len();
        }
        if messages.is_empty() || at != text.len() + AFTER_MESSAGE.len() {
            TextOrMessages::Text(text)
        } else {
            TextOrMessages::Messages(messages)
        }
    }
}

/// Keeps what is said first.
fn keep(
    texts: &mut Vec<String>,
    turns: &mut Vec<Vec<Turn>>,
    roles: &mut Vec<String>,
    id: usize,
    said: Said<'_>,
) {
    if texts.len() <= id {
        texts.resize(id + 1, String::new());
    }
    if !texts[id].is_empty() {
        return;
    }
    texts[id] = joined(said);
    let Said::Messages(messages) = said else { return };
    if turns.len() <= id {
        turns.resize(id + 1, Vec::new());
    }
    let turn = |message: &Message<'_>| {
        let role = roles.iter().position(|role| *role == message.role).unwrap_or_else(|| {
            roles.push(message.role.clone().into_owned());
            roles.len() - 1
        });
        Turn { role, n_bytes: message.content.len() }
    };
    turns[id] = messages.iter().map(turn).collect();
}

/// As one text: that of a single message, and of more with the roles before them.
pub(crate) fn joined(said: Said<'_>) -> String {
    match said {
        Said::Text(text) => text.to_owned(),
        Said::Messages([message]) => message.content.clone().into_owned(),
        Said::Messages(messages) => {
            let lines = messages.iter().map(|m| format!("{}{AFTER_ROLE}{}", m.role, m.content));
            lines.collect::<Vec<String>>().join(AFTER_MESSAGE)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message<'a>(role: &'a str, content: &'a str) -> Message<'a> {
        Message { role: role.into(), content: content.into() }
    }

    #[test]
    fn messages_are_cut_out_of_the_text_as_they_were() {
        let talks = [
            vec![message("user", "Why?")],
            vec![message("", "")],
            vec![message("system", "a\n\nuser: b"), message("user", ""), message("user", "ä")],
        ];
        let mut texts = Texts::default();
        for (id, talk) in talks.iter().enumerate() {
            texts.keep_prompt(PromptId::from_index(2 * id), Said::Messages(talk));
            texts.keep_response(ResponseId::from_index(id), Said::Messages(talk));
        }
        texts.keep_prompt(PromptId::new(1), Said::Text("user: plain"));
        for (id, talk) in talks.into_iter().enumerate() {
            let talk = Some(TextOrMessages::Messages(talk));
            assert_eq!(texts.prompt(PromptId::from_index(2 * id)), talk);
            assert_eq!(texts.response(ResponseId::from_index(id)), talk);
        }
        let plain = Some(TextOrMessages::Text("user: plain"));
        assert_eq!(texts.prompt(PromptId::new(1)), plain);
        assert_eq!(texts.prompts[4], "system: a\n\nuser: b\n\nuser: \n\nuser: ä");
        assert_eq!(texts.prompt(PromptId::new(9)), None);
        // What was said first stays, and another text in its place is one text.
        texts.keep_prompt(PromptId::new(0), Said::Text("How?"));
        assert_eq!(texts.prompts[0], "Why?");
        for other in ["short", "a text that is longer than those that it is put in the place of"] {
            other.clone_into(&mut texts.prompts[4]);
            assert_eq!(texts.prompt(PromptId::new(4)), Some(TextOrMessages::Text(other)));
        }
    }
}
