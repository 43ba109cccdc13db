//! The lines of a label store, each sealed with a check that chains it to the line before.
//!
//! ```text
//! {"format":"nlhf-labels","version":1,"identity":"...","check":"c₀"}
//! {"prompt_id":"p","first_id":"a","second_id":"b","repetition":0,"shown":"...","answer":{...},"check":"c₁"}
//!
//! cₖ = digest(cₖ₋₁, line k up to its check),   c₋₁ = 0
//! ```

use crate::quoted::quoted;
use crate::{Answer, Digest, Question};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// The name of the format.
pub(super) const FORMAT: &str = "nlhf-labels";
/// The version that is written, and the only one that is read.
pub(super) const VERSION: u32 = 1;

const CHECK_OPENS: &[u8] = b",\"check\":\"";
const CHECK_CLOSES: &[u8] = b"\"}";
const CHECK_BYTES: usize = CHECK_OPENS.len() + 32 + CHECK_CLOSES.len();

/// The first line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Header {
    pub(super) format: String,
    pub(super) version: u32,
    pub(super) identity: String,
}

/// One line of a store: a question by names, and what was said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct KeptAnswer {
    /// The name of the prompt.
    pub prompt_id: String,
    /// The name of the response shown first.
    pub first_id: String,
    /// The name of the response shown second.
    pub second_id: String,
    /// [`Question::repetition`].
    pub repetition: u32,
    /// The digest of the three texts that were shown: prompt, first, second.
    pub shown: Digest,
    /// What was said.
    pub answer: Answer,
}

impl KeptAnswer {
    pub(super) fn new(question: &Question<'_>, answer: &Answer) -> Self {
        Self {
            prompt_id: question.prompt.id.to_owned(),
            first_id: question.first.id.to_owned(),
            second_id: question.second.id.to_owned(),
            repetition: question.repetition,
            shown: shown(question),
            answer: answer.clone(),
        }
    }

    /// What the answer is found by.
    pub(super) fn key(&self) -> Digest {
        key([&self.prompt_id, &self.first_id, &self.second_id], self.repetition)
    }
}

/// What the answer to a question is found by.
pub(super) fn key(names: [&str; 3], repetition: u32) -> Digest {
    let [prompt, first, second] = names.map(str::as_bytes);
    Digest::of(&[prompt, first, second, &repetition.to_le_bytes()])
}

/// What tells whether the texts under the names are still the same.
pub(super) fn shown(question: &Question<'_>) -> Digest {
    let texts = [&question.prompt.text, &question.first.text, &question.second.text];
    Digest::of(&texts.map(|text| text.as_bytes()))
}

/// Adds a line that follows a line with check `previous`, and tells its own check.
pub(super) fn push_line<T: Serialize>(lines: &mut Vec<u8>, value: &T, previous: Digest) -> Digest {
    let mut body = serde_json::to_vec(value).expect("names, digests and labels have a JSON form");
    body.pop();
    let check = Digest::of(&[previous.bytes(), &body]);
    lines.extend_from_slice(&body);
    lines.extend_from_slice(CHECK_OPENS);
    lines.extend_from_slice(check.to_string().as_bytes());
    lines.extend_from_slice(CHECK_CLOSES);
    lines.push(b'\n');
    check
}

/// Why a line does not belong where it stands.
#[derive(Debug)]
pub(super) struct Wrong {
    pub(super) expected: Cow<'static, str>,
    pub(super) found: String,
}

/// Reads a line without its end that follows a line with check `previous`; gives its own check too.
pub(super) fn read_line<T: DeserializeOwned>(
    line: &[u8],
    previous: Digest,
) -> Result<(T, Digest), Wrong> {
    let unsealed = || Wrong {
        expected: "a line that ends with its check".into(),
        found: quoted(&String::from_utf8_lossy(line)),
    };
    let (body, seal) = line.split_at(line.len().checked_sub(CHECK_BYTES).ok_or_else(unsealed)?);
    let stated = seal
        .strip_prefix(CHECK_OPENS)
        .and_then(|seal| seal.strip_suffix(CHECK_CLOSES))
        .and_then(Digest::from_hex)
        .ok_or_else(unsealed)?;
    let check = Digest::of(&[previous.bytes(), body]);
    if check != stated {
        return Err(Wrong {
            expected: format!("check {check}, which follows from this line and those before")
                .into(),
            found: format!("{stated}: a line was changed, removed or put elsewhere"),
        });
    }
    let value = serde_json::from_slice(&[body, b"}"].concat()).map_err(|reason| Wrong {
        expected: "the fields of this version".into(),
        found: reason.to_string(),
    })?;
    Ok((value, check))
}
