//! Comparisons beside the files that list prompts and responses.

#![expect(clippy::unwrap_used, reason = "a test may panic, in its helpers too")]

use nlhf_core::ResponseId;
use nlhf_data::{Catalog, Dataset, ReadOptions, read_comparisons};
use std::path::PathBuf;
use tempfile::TempDir;

const KEEP_ALL: ReadOptions = ReadOptions {
    skip_unlisted: false,
    allow_single_candidates: true,
    both_bad: nlhf_data::BothBad::Tie,
    keep_texts: false,
};

struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }
}

fn menu_names(data: &Dataset) -> Vec<(&str, Vec<&str>)> {
    let named = data.menus.iter().map(|menu| {
        let responses = menu.responses().iter().map(|r| data.responses.name(r.index()));
        (data.prompts.name(menu.prompt().index()), responses.collect())
    });
    named.collect()
}

const RESPONSES: &str = concat!(
    "{\"response_id\":\"q1\",\"prompt_id\":\"q\"}\n{\"response_id\":\"p2\",\"prompt_id\":\"p\"}\n",
    "{\"response_id\":\"p1\",\"prompt_id\":\"p\"}\n{\"response_id\":\"p3\",\"prompt_id\":\"p\"}\n",
);
const PROMPTS: &str = "{\"prompt_id\":\"p\"}\n{\"prompt_id\":\"empty\"}\n{\"prompt_id\":\"q\"}\n";

fn row(prompt: &str, a: &str, b: &str) -> String {
    format!(r#"{{"prompt_id":"{prompt}","response_a_id":"{a}","response_b_id":"{b}","label":1}}"#)
}

#[test]
fn a_catalog_gives_ids_and_menus() {
    let folder = Folder::new();
    let responses = folder.write("responses.jsonl", RESPONSES);
    let prompts = folder.write("prompts.jsonl", PROMPTS);
    let comparisons = folder.write("c.jsonl", row("p", "p1", "p2"));

    let catalog = Catalog::from_responses_and_prompts(&responses, &prompts).unwrap();
    let data = read_comparisons(&comparisons, Some(catalog), KEEP_ALL).unwrap();
    assert_eq!(menu_names(&data), [("p", vec!["p2", "p1", "p3"]), ("q", vec!["q1"])]);
    assert_eq!((data.prompts.len(), data.responses.len()), (3, 4));
    assert_eq!(data.comparisons[0].first, ResponseId::new(2));

    let catalog = Catalog::from_responses(&responses).unwrap();
    let data = read_comparisons(&comparisons, Some(catalog), KEEP_ALL).unwrap();
    assert_eq!(menu_names(&data), [("q", vec!["q1"]), ("p", vec!["p2", "p1", "p3"])]);

    // Prompts alone leave the responses open.
    let battles = folder.write("b.csv", "prompt_id,model_a,model_b,winner\nq,x,y,a\np,y,x,a\n");
    let catalog = Catalog::from_prompts(&prompts).unwrap();
    let data = read_comparisons(&battles, Some(catalog), ReadOptions::default()).unwrap();
    assert_eq!(menu_names(&data), [("p", vec!["y", "x"]), ("q", vec!["x", "y"])]);
    assert_eq!(data.prompts.len(), 3);
}

#[test]
fn what_the_catalog_does_not_list_is_refused() {
    let folder = Folder::new();
    let responses = folder.write("responses.jsonl", RESPONSES);
    let prompts = folder.write("prompts.jsonl", PROMPTS);
    for (line, expected) in [
        (
            row("x", "p1", "p2"),
            "c.jsonl:2: expected a \"prompt_id\" listed in ~prompts.jsonl, found \"x\"",
        ),
        (
            row("p", "p9", "p2"),
            "c.jsonl:2: expected a \"response_a_id\" listed in ~responses.jsonl, found \"p9\"",
        ),
        (
            row("p", "p1", "q1"),
            "c.jsonl:2: expected \"response_b_id\" to be a response to prompt \"p\", found \"q1\", a \
             response to \"q\"",
        ),
    ] {
        let content = format!("{}\n{line}\n", row("p", "p1", "p2"));
        let comparisons = folder.write("c.jsonl", content);
        let catalog = Catalog::from_responses_and_prompts(&responses, &prompts).unwrap();
        let error =
            read_comparisons(&comparisons, Some(catalog), KEEP_ALL).unwrap_err().to_string();
        let error = error.replace(&format!("{}/", folder.0.path().display()), "~");
        assert_eq!(error.trim_start_matches('~'), expected);
    }
    let pairs = folder.write("pairs.jsonl", r#"{"prompt":"a","chosen":"b","rejected":"c"}"#);
    let catalog = Catalog::from_prompts(&prompts).unwrap();
    let error =
        read_comparisons(&pairs, Some(catalog), ReadOptions::default()).unwrap_err().to_string();
    assert!(error.ends_with("found \"chosen\" and \"rejected\" texts without ids"), "{error}");
}

#[test]
fn a_prompt_with_one_candidate_is_named() {
    let folder = Folder::new();
    let responses = folder.write("responses.jsonl", RESPONSES);
    let comparisons = folder.write("c.jsonl", row("p", "p1", "p2"));
    let catalog = Catalog::from_responses(&responses).unwrap();
    let error = read_comparisons(&comparisons, Some(catalog), ReadOptions::default()).unwrap_err();
    let expected = "responses.jsonl:1: expected two candidates or more for prompt \"q\", found one";
    assert!(error.to_string().ends_with(expected), "{error}");
    // Without a list, a response compared with itself is the only way to have one candidate.
    let own = format!("{}\n{}\n", row("p", "p1", "p2"), row("r", "r1", "r1"));
    let comparisons = folder.write("c.jsonl", own);
    // It says nothing and makes no menu, unless that was asked for.
    let data = read_comparisons(&comparisons, None, ReadOptions::default()).unwrap();
    assert_eq!((data.menus.len(), data.n_self_comparisons), (1, 1));
    assert_eq!(read_comparisons(&comparisons, None, KEEP_ALL).unwrap().menus.len(), 2);
}

#[test]
fn unlisted_rows_can_be_left_out_and_are_counted() {
    let folder = Folder::new();
    let responses = folder.write("responses.jsonl", RESPONSES);
    let rows = [row("p", "p1", "p2"), row("p", "p9", "p2"), row("x", "p1", "p2")];
    let comparisons = folder.write("c.jsonl", rows.join("\n"));
    let catalog = Catalog::from_responses(&responses).unwrap();
    let options = ReadOptions { skip_unlisted: true, ..KEEP_ALL };
    let data = read_comparisons(&comparisons, Some(catalog), options).unwrap();
    assert_eq!((data.comparisons.len(), data.n_unlisted), (1, 2));
}
