//! Catalogs: the files that list responses and prompts, one JSON object a line.
//!
//! ```text
//! responses.jsonl   {"response_id": "p1:gpt", "prompt_id": "p1", ...}
//! prompts.jsonl     {"prompt_id": "p1", ...}
//! ```
//! Row `k` of an embedding file belongs to line `k` of the file beside it, hence ids are dense in the
//! order of the lines. Texts and other fields are skipped, not copied. A file of policies lists both,
//! see [`Catalog::from_policies`].

use crate::error::{Place, quoted};
use crate::json::{Field, parse_object};
use crate::{DataError, LineReader, Names, candidates};
use nlhf_core::{PromptId, ResponseId};
use serde::Deserialize;
use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// All prompts and all responses that comparisons may name.
#[derive(Debug, Clone)]
pub struct Catalog {
    /// The prompts: in the order of their file, or as the responses first name them.
    pub prompts: Names,
    /// The responses, in the order of their file; none if no such file was read.
    pub responses: Names,
    /// The prompt of each response; of several that list it, as policies may, the first.
    pub prompt_of_response: Vec<PromptId>,
    /// Every response with every prompt that lists it, in the order of the file.
    pub(crate) candidates: Vec<(PromptId, ResponseId)>,
    /// The line of each of them.
    pub(crate) line_of_candidate: Vec<u64>,
    /// The candidates whose response has another prompt in `prompt_of_response`.
    shared: HashSet<(PromptId, ResponseId)>,
    /// Whether several prompts may list one response.
    pub(crate) prompts_share_responses: bool,
    pub(crate) prompts_in: PathBuf,
    pub(crate) responses_in: Option<PathBuf>,
}

#[derive(Deserialize)]
struct ResponseRow<'a> {
    #[serde(borrow, default)]
    response_id: Field<'a>,
    #[serde(borrow, default)]
    prompt_id: Field<'a>,
}

#[derive(Deserialize)]
struct PromptRow<'a> {
    #[serde(borrow, default)]
    prompt_id: Field<'a>,
}

impl Catalog {
    /// Reads a file of responses, and the prompts that they name; or one of prompts with their candidates, see
    /// [`Catalog::from_candidates`].
    ///
    /// # Errors
    /// If a file cannot be read or is empty, a line lacks an id, or an id stands on two lines.
    pub fn from_responses(responses: &Path) -> Result<Self, DataError> {
        if candidates::are_listed(responses)? {
            return Ok(Self::from_candidates(responses)?.0);
        }
        let mut catalog = Self::without_prompts(responses.to_path_buf());
        catalog.read_responses(responses, false)?;
        Ok(catalog)
    }

    /// Reads a file of prompts; any response may be compared.
    ///
    /// # Errors
    /// Those of [`Catalog::from_responses`].
    pub fn from_prompts(prompts: &Path) -> Result<Self, DataError> {
        let mut catalog = Self::without_prompts(prompts.to_path_buf());
        catalog.read_prompts(prompts)?;
        Ok(catalog)
    }

    /// Reads both; a response may only name a prompt of the other file.
    ///
    /// # Errors
    /// Those of [`Catalog::from_responses`], and if a response names another prompt.
    pub fn from_responses_and_prompts(responses: &Path, prompts: &Path) -> Result<Self, DataError> {
        let mut catalog = Self::from_prompts(prompts)?;
        catalog.read_responses(responses, true)?;
        Ok(catalog)
    }

    pub(crate) fn without_prompts(prompts_in: PathBuf) -> Self {
        Self {
            prompts: Names::new(),
            responses: Names::new(),
            prompt_of_response: Vec::new(),
            candidates: Vec::new(),
            line_of_candidate: Vec::new(),
            shared: HashSet::new(),
            prompts_share_responses: false,
            prompts_in,
            responses_in: None,
        }
    }

    fn read_prompts(&mut self, path: &Path) -> Result<(), DataError> {
        let mut lines = LineReader::open(path)?;
        while let Some(line) = lines.next_line()? {
            let place = Place { path, line: line.number };
            let row: PromptRow<'_> = parse_object(line.text, place)?;
            let prompt = row.prompt_id.id("prompt_id", place)?;
            self.add_prompt(&prompt, place)?;
        }
        if self.prompts.is_empty() {
            return Err(DataError::empty(path, "one prompt a line"));
        }
        Ok(())
    }

    fn read_responses(&mut self, path: &Path, prompts_are_known: bool) -> Result<(), DataError> {
        let mut lines = LineReader::open(path)?;
        while let Some(line) = lines.next_line()? {
            let place = Place { path, line: line.number };
            let row: ResponseRow<'_> = parse_object(line.text, place)?;
            let response = row.response_id.id("response_id", place)?;
            let prompt = row.prompt_id.id("prompt_id", place)?;
            let id = if prompts_are_known {
                self.known_prompt(&prompt, place)?
            } else {
                PromptId::new(self.prompts.intern(&prompt))
            };
            let n_before = self.responses.len();
            self.add_candidate(id, &response, place.line);
            if self.responses.len() == n_before {
                return Err(duplicate(place, "response_id", &response));
            }
        }
        if self.responses.is_empty() {
            return Err(DataError::empty(path, "one response a line"));
        }
        self.responses_in = Some(path.to_path_buf());
        Ok(())
    }

    /// A prompt that may not have been there before.
    pub(crate) fn add_prompt(
        &mut self,
        name: &str,
        place: Place<'_>,
    ) -> Result<PromptId, DataError> {
        let n_before = self.prompts.len();
        let id = PromptId::new(self.prompts.intern(name));
        if self.prompts.len() == n_before {
            return Err(duplicate(place, "prompt_id", name));
        }
        Ok(id)
    }

    /// A response to `prompt`, which may also answer other prompts.
    pub(crate) fn add_candidate(&mut self, prompt: PromptId, name: &str, line: u64) -> ResponseId {
        let id = ResponseId::new(self.responses.intern(name));
        if id.index() == self.prompt_of_response.len() {
            self.prompt_of_response.push(prompt);
        } else if self.prompt_of_response[id.index()] != prompt {
            self.shared.insert((prompt, id));
        }
        self.candidates.push((prompt, id));
        self.line_of_candidate.push(line);
        id
    }

    /// Whether the catalog lists a prompt and, if it lists responses at all, these two. Where prompts may
    /// share responses, they must be listed for this prompt; elsewhere the response to another is a mistake to be told.
    pub(crate) fn lists(&self, prompt: &str, responses: [&str; 2]) -> bool {
        let Some(prompt) = self.prompts.get(prompt).map(PromptId::new) else { return false };
        let listed = |name: &str| match self.responses.get(name).map(ResponseId::new) {
            Some(id) => !self.prompts_share_responses || self.answers(id, prompt),
            None => self.responses_in.is_none(),
        };
        responses.into_iter().all(listed)
    }

    /// Whether a response is listed for a prompt.
    fn answers(&self, response: ResponseId, prompt: PromptId) -> bool {
        self.prompt_of_response[response.index()] == prompt
            || self.shared.contains(&(prompt, response))
    }

    /// The id of a prompt that must be in the catalog.
    pub(crate) fn known_prompt(&self, name: &str, place: Place<'_>) -> Result<PromptId, DataError> {
        self.prompts
            .get(name)
            .map(PromptId::new)
            .ok_or_else(|| place.unlisted("prompt_id", &self.prompts_in, name))
    }

    /// The id of a response to `prompt` that stands in field `field` and must be in the catalog.
    pub(crate) fn known_response(
        &self,
        name: &str,
        prompt: PromptId,
        field: &str,
        place: Place<'_>,
    ) -> Result<ResponseId, DataError> {
        let Some(id) = self.responses.get(name).map(ResponseId::new) else {
            let listed_in = self.responses_in.as_deref().unwrap_or(Path::new("the catalog"));
            return Err(place.unlisted(field, listed_in, name));
        };
        if self.answers(id, prompt) {
            return Ok(id);
        }
        let owner = self.prompt_of_response[id.index()];
        let asked = quoted(self.prompts.name(prompt.index()));
        let owner = quoted(self.prompts.name(owner.index()));
        Err(place.error(
            format!("\"{field}\" to be a response to prompt {asked}"),
            format!("{}, a response to {owner}", quoted(name)),
        ))
    }
}

/// The field `text`, or else `prompt` or `response`, of each line of a file of prompts or responses, in the order of
/// the lines.
///
/// # Errors
/// If the file cannot be read, or a line has no such field.
pub fn read_texts(path: &Path) -> Result<Vec<String>, DataError> {
    #[derive(Deserialize)]
    struct TextRow<'a> {
        #[serde(borrow, default)]
        text: Field<'a>,
        #[serde(borrow, default)]
        prompt: Field<'a>,
        #[serde(borrow, default)]
        response: Field<'a>,
    }
    let mut lines = LineReader::open(path)?;
    let mut texts = Vec::new();
    while let Some(line) = lines.next_line()? {
        let place = Place { path, line: line.number };
        let row: TextRow<'_> = parse_object(line.text, place)?;
        let said = [row.text, row.prompt, row.response];
        let said = said.into_iter().find(Field::is_present).unwrap_or_default();
        match said {
            Field::Text(text) => texts.push(text.into_owned()),
            other => return Err(place.error("\"text\" to be a string", other.found())),
        }
    }
    Ok(texts)
}

fn duplicate(place: Place<'_>, field: &str, name: &str) -> DataError {
    place.error(format!("each \"{field}\" once"), format!("{} again", quoted(name)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::written;

    const PROMPTS: &str = "{\"prompt_id\": \"p1\", \"text\": [1]}\n{\"prompt_id\": 2}\n";
    const RESPONSES: &str = concat!(
        "{\"response_id\": \"b\", \"prompt_id\": 2, \"text\": \"long\"}\n\n",
        "{\"prompt_id\": \"p1\", \"response_id\": \"a\"}\n",
    );

    #[test]
    fn ids_follow_the_lines() {
        let (prompts, responses) = (written("p.jsonl", PROMPTS), written("r.jsonl", RESPONSES));
        let both = Catalog::from_responses_and_prompts(&responses.path, &prompts.path).unwrap();
        assert_eq!(both.prompts.iter().collect::<Vec<_>>(), ["p1", "2"]);
        assert_eq!(both.responses.iter().collect::<Vec<_>>(), ["b", "a"]);
        assert_eq!(both.prompt_of_response, [PromptId::new(1), PromptId::new(0)]);
        let alone = Catalog::from_responses(&responses.path).unwrap();
        assert_eq!(alone.prompts.iter().collect::<Vec<_>>(), ["2", "p1"]);
        assert_eq!(alone.prompt_of_response, [PromptId::new(0), PromptId::new(1)]);
        assert_eq!(Catalog::from_prompts(&prompts.path).unwrap().prompts.len(), 2);
    }

    #[test]
    fn texts_stand_in_the_order_of_the_lines() {
        let file = written("r.jsonl", "{\"text\": \"a\\n\"}\n\n{\"id\": 1, \"text\": \"b\"}\n");
        assert_eq!(read_texts(&file.path).unwrap(), ["a\n", "b"]);
        let file = written("r.jsonl", RESPONSES);
        let error = read_texts(&file.path).unwrap_err().to_string();
        assert!(
            error.ends_with("r.jsonl:3: expected \"text\" to be a string, found a line without it")
        );
    }

    #[test]
    fn what_is_no_list_is_refused() {
        let prompts = written("p.jsonl", PROMPTS);
        for (content, expected) in [
            ("", "expected one response a line, found an empty file"),
            ("[1]", "r.jsonl:1: expected one JSON object, found \"[1]\""),
            (
                "{\"prompt_id\": 2}",
                "expected \"response_id\" to be a string, found a line without it",
            ),
            ("{\"response_id\": \"a\", \"prompt_id\": \"p3\"}", "p.jsonl, found \"p3\""),
            (
                "{\"response_id\":\"a\",\"prompt_id\":2}\n{\"response_id\":\"a\",\"prompt_id\":2}",
                "r.jsonl:2: expected each \"response_id\" once, found \"a\" again",
            ),
        ] {
            let file = written("r.jsonl", content);
            let result = Catalog::from_responses_and_prompts(&file.path, &prompts.path);
            let error = result.unwrap_err().to_string();
            assert!(error.ends_with(expected), "{error}");
        }
        let twice = written("p.jsonl", "{\"prompt_id\": 2}\n{\"prompt_id\": \"2\"}");
        let error = Catalog::from_prompts(&twice.path).unwrap_err().to_string();
        assert!(error.ends_with("p.jsonl:2: expected each \"prompt_id\" once, found \"2\" again"));
    }
}
