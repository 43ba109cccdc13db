//! Prompts with their candidates, one prompt a line: what sampling several answers to each prompt leaves.
//!
//! ```text
//! {"prompt": "Why is the sky blue?", "responses": ["Rayleigh scattering.", "It mirrors the sea."]}
//! {"prompt": [{"role": "user", "content": "2 + 2?"}], "responses": ["4", "5"], "prompt_id": "sum", "response_ids": ["a", "b"]}
//! ```
//! Without ids a prompt is named after its line, and its candidates after the prompt and their place: "1", "1.1", "1.2".
//! Ids that are given are taken as they are; a response id may stand on one line only.

use crate::comparisons::content::Content;
use crate::error::{Place, quoted};
use crate::json::{Field, List, parse_object};
use crate::{Catalog, DataError, LineReader, Texts, read_texts};
use serde::Deserialize;
use std::path::Path;

#[derive(Deserialize)]
struct Row<'a> {
    #[serde(borrow, default)]
    prompt: Content<'a>,
    #[serde(borrow, default)]
    responses: Option<Vec<Content<'a>>>,
    #[serde(borrow, default)]
    prompt_id: Field<'a>,
    #[serde(borrow, default)]
    response_ids: Option<List<'a>>,
}

/// Whether the first line of a file lists the candidates of a prompt.
pub(crate) fn are_listed(path: &Path) -> Result<bool, DataError> {
    #[derive(Deserialize)]
    struct First<'a> {
        #[serde(borrow, default)]
        responses: Field<'a>,
        #[serde(borrow, default)]
        response_id: Field<'a>,
    }
    let mut lines = LineReader::open(path)?;
    let Some(line) = lines.next_line()? else { return Ok(false) };
    // What is no object is told by whoever reads the file.
    let first = serde_json::from_str::<First<'_>>(line.text);
    Ok(first.is_ok_and(|first| first.responses.is_present() && !first.response_id.is_present()))
}

impl Catalog {
    /// Reads prompts with their candidates, one prompt a line, and what they say.
    ///
    /// # Errors
    /// If the file cannot be read or is empty, a line lacks a prompt or a response, has another number of ids than of
    /// responses, or an id stands there twice.
    pub fn from_candidates(path: &Path) -> Result<(Self, Texts), DataError> {
        let mut catalog = Self::without_prompts(path.to_path_buf());
        let mut texts = Texts::default();
        let mut lines = LineReader::open(path)?;
        while let Some(line) = lines.next_line()? {
            let place = Place { path, line: line.number };
            let row: Row<'_> = parse_object(line.text, place)?;
            let name = match row.prompt_id.optional_id("prompt_id", place)? {
                Some(id) => id.into_owned(),
                None => line.number.to_string(),
            };
            let prompt = catalog.add_prompt(&name, place)?;
            texts.keep_prompt(prompt, row.prompt.said("prompt", place)?);
            let responses = row.responses.unwrap_or_default();
            if responses.is_empty() {
                return Err(place.error("\"responses\" of one candidate or more", "none"));
            }
            let ids = match &row.response_ids {
                None => None,
                Some(list) => Some(list.items("response_ids", place)?),
            };
            if let Some(ids) = ids.filter(|ids| ids.len() != responses.len()) {
                let expected = format!("one of \"response_ids\" for each of {}", responses.len());
                return Err(place.error(expected, ids.len().to_string()));
            }
            for (at, said) in responses.iter().enumerate() {
                let id = match ids {
                    Some(ids) => ids[at].id("response_ids", place)?.into_owned(),
                    None => format!("{name}.{}", at + 1),
                };
                let n_before = catalog.responses.len();
                let response = catalog.add_candidate(prompt, &id, place.line);
                if catalog.responses.len() == n_before {
                    let found = format!("{} again", quoted(&id));
                    return Err(place.error("each of \"response_ids\" once", found));
                }
                texts.keep_response(response, said.said("responses", place)?);
            }
        }
        if catalog.prompts.is_empty() {
            return Err(DataError::empty(path, "one prompt with its responses a line"));
        }
        catalog.responses_in = Some(path.to_path_buf());
        Ok((catalog, texts))
    }
}

/// What the candidates of a file say, in the order of [`Catalog::from_responses`]: with their prompts if the file lists
/// those, without if it lists responses alone.
///
/// # Errors
/// Those of [`Catalog::from_candidates`] and [`read_texts`].
pub fn read_candidate_texts(path: &Path) -> Result<Texts, DataError> {
    if are_listed(path)? {
        return Ok(Catalog::from_candidates(path)?.1);
    }
    Ok(Texts::new(Vec::new(), read_texts(path)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::written;

    const FILE: &str = concat!(
        "{\"prompt\": \"Why?\", \"responses\": [\"Because.\", [{\"role\": \"assistant\", \"content\": \"So.\"}]]}\n",
        "\n{\"prompt_id\": 7, \"prompt\": \"Who?\", \"response_ids\": [\"a\", \"b\"], \"responses\": [\"Me.\", \"You.\"]}\n",
    );

    #[test]
    fn prompts_and_candidates_are_named_and_their_texts_kept() {
        let file = written("c.jsonl", FILE);
        let catalog = Catalog::from_responses(&file.path).unwrap();
        assert_eq!(catalog.prompts.iter().collect::<Vec<_>>(), ["1", "7"]);
        assert_eq!(catalog.responses.iter().collect::<Vec<_>>(), ["1.1", "1.2", "a", "b"]);
        let texts = read_candidate_texts(&file.path).unwrap();
        assert_eq!(texts.prompts, ["Why?", "Who?"]);
        assert_eq!(texts.responses, ["Because.", "So.", "Me.", "You."]);
    }

    #[test]
    fn lists_of_responses_are_still_read_line_by_line() {
        let file =
            written("r.jsonl", "{\"response_id\": \"a\", \"prompt_id\": 1, \"text\": \"x\"}");
        assert_eq!(Catalog::from_responses(&file.path).unwrap().responses.len(), 1);
        assert_eq!(read_candidate_texts(&file.path).unwrap().responses, ["x"]);
    }

    #[test]
    fn what_is_no_list_of_candidates_is_refused_with_its_line() {
        for (line, expected) in [
            (
                "{\"responses\": [\"a\"]}",
                "\"prompt\" to be a string or a list of {role, content}, found a line without it",
            ),
            (
                "{\"prompt\": \"p\", \"responses\": []}",
                "\"responses\" of one candidate or more, found none",
            ),
            ("{\"prompt\": \"p\"}", "\"responses\" of one candidate or more, found none"),
            (
                "{\"prompt\": \"p\", \"responses\": [1]}",
                "\"responses\" to be a string or a list of {role, content}, found 1",
            ),
            (
                "{\"prompt\": \"p\", \"responses\": [\"a\"], \"response_ids\": []}",
                "one of \"response_ids\" for each of 1, found 0",
            ),
            (
                "{\"prompt\": \"p\", \"responses\": \"a\"}",
                "a valid line, found at column 32: invalid type: string \"a\", expected a sequence",
            ),
            (
                "{\"prompt\": \"p\", \"responses\": [\"a\", \"b\"], \"response_ids\": [\"x\", \"x\"]}",
                "each of \"response_ids\" once, found \"x\" again",
            ),
        ] {
            let file = written("c.jsonl", line);
            let error = Catalog::from_candidates(&file.path).unwrap_err().to_string();
            assert!(error.ends_with(&format!("c.jsonl:1: expected {expected}")), "{error}");
        }
        let empty = written("c.jsonl", "");
        let error = Catalog::from_candidates(&empty.path).unwrap_err().to_string();
        assert!(
            error.ends_with("expected one prompt with its responses a line, found an empty file")
        );
    }
}
