//! Comparisons beside the files that list prompts and responses.

#![expect(clippy::unwrap_used, reason = "a test may panic, in its helpers too")]

use nlhf_core::ResponseId;
use nlhf_data::{
    Catalog, Dataset, ReadOptions, read_comparisons, read_named_policies, read_policies,
};
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

const POLICIES: &str = concat!(
    "{\"prompt_id\":\"q\",\"response_ids\":[\"gpt\",7],\"probabilities\":[0.25,0.75]}\n\n",
    "{\"prompt_id\":\"p\",\"response_ids\":[\"b\",\"gpt\"],\"probabilities\":[1,0],\"suboptimality_bound\":0.5}\n",
    "{\"prompt_id\":\"r\",\"response_ids\":[\"c\"],\"probabilities\":[1],\"suboptimality_bound\":null}\n",
);

#[test]
fn policies_name_prompts_and_candidates_which_prompts_may_share() {
    let folder = Folder::new();
    let policies = folder.write("policies.jsonl", POLICIES);
    let expected = [("q", vec!["gpt", "7"]), ("p", vec!["b", "gpt"]), ("r", vec!["c"])];
    let catalog = Catalog::from_policies(&policies).unwrap();
    assert_eq!(catalog.responses.iter().collect::<Vec<_>>(), ["gpt", "7", "b", "c"]);
    let first_prompts = catalog.prompt_of_response.iter().map(|prompt| prompt.index());
    assert_eq!(first_prompts.collect::<Vec<_>>(), [0, 0, 1, 2]);

    let alone = Dataset::without_comparisons(catalog.clone(), KEEP_ALL).unwrap();
    assert_eq!(menu_names(&alone), expected);
    assert!(alone.comparisons.is_empty() && alone.texts.is_none());
    // Another file of the same menus in another order, without a line for one of them.
    let other = folder.write(
        "other.jsonl",
        concat!(
            "{\"prompt_id\":\"p\",\"response_ids\":[\"gpt\",\"b\"],\"probabilities\":[0.5,0.5]}\n",
            "{\"prompt_id\":\"q\",\"response_ids\":[\"7\",\"gpt\"],\"probabilities\":[0.5,0.5]}\n",
        ),
    );
    let read = |path| read_policies(path, &alone).unwrap();
    let of_q = read(&policies)[0].as_ref().unwrap().probabilities();
    assert!((of_q[0] - 0.25).abs() < 1e-15, "{of_q:?}");
    let named = read_named_policies(&policies).unwrap();
    assert_eq!(menu_names(&named.dataset), expected);
    assert_eq!(named.policies.into_iter().map(Some).collect::<Vec<_>>(), read(&policies));
    assert_eq!(named.suboptimality_bounds, [None, Some(0.5), Some(f64::INFINITY)]);
    assert!(read(&other)[2].is_none());

    let comparisons = folder.write("c.jsonl", row("p", "gpt", "b"));
    let data = read_comparisons(&comparisons, Some(catalog.clone()), KEEP_ALL).unwrap();
    assert_eq!(menu_names(&data), expected);
    assert_eq!(data.comparisons[0].first, ResponseId::new(0));
    // "7" answers q alone.
    let comparisons = folder.write("c.jsonl", row("p", "gpt", "7"));
    let strict = read_comparisons(&comparisons, Some(catalog.clone()), KEEP_ALL);
    let error = strict.unwrap_err().to_string();
    let expected = "expected \"response_b_id\" to be a response to prompt \"p\", found \"7\", a \
                    response to \"q\"";
    assert!(error.ends_with(expected), "{error}");
    // Where rows beyond the policies are left out, this is one.
    let rows =
        [row("p", "gpt", "7"), row("p", "gpt", "b"), row("q", "gpt", "7"), row("q", "b", "7")];
    let comparisons = folder.write("c.jsonl", rows.join("\n"));
    let options = ReadOptions { skip_unlisted: true, ..KEEP_ALL };
    let data = read_comparisons(&comparisons, Some(catalog), options).unwrap();
    assert_eq!((data.comparisons.len(), data.n_unlisted), (2, 2));
}

#[test]
fn what_names_no_menus_is_refused_by_file_and_line() {
    let folder = Folder::new();
    for (second, expected) in [
        (
            "{\"prompt_id\":\"p\",\"response_ids\":[\"x\",\"x\"]}",
            ":2: expected \"response_ids\" to name each candidate of the prompt once, found \"x\"",
        ),
        (
            "{\"prompt_id\":\"q\",\"response_ids\":[\"x\"]}",
            ":2: expected each \"prompt_id\" once, found \"q\" again",
        ),
        (
            "{\"prompt_id\":\"p\",\"response_ids\":[]}",
            ":2: expected \"response_ids\" of one candidate or more, found none",
        ),
        (
            &row("p", "a", "b"),
            ":2: expected \"response_ids\" to be a list, found a line without it",
        ),
        (
            "{\"prompt_id\":\"p\",\"response_ids\":[1.5]}",
            ":2: expected \"response_ids\" to be a string, found 1.5",
        ),
    ] {
        let first = "{\"prompt_id\":\"q\",\"response_ids\":[\"x\",\"y\"]}";
        let path = folder.write("policies.jsonl", format!("{first}\n{second}\n"));
        let error = Catalog::from_policies(&path).unwrap_err().to_string();
        assert!(error.ends_with(&format!("policies.jsonl{expected}")), "{error}");
    }
    // The probabilities are looked at only if they are asked for.
    let content = "{\"prompt_id\":\"q\",\"response_ids\":[\"x\",\"y\"],\"probabilities\":[1,1]}";
    let path = folder.write("policies.jsonl", content);
    assert_eq!(Catalog::from_policies(&path).unwrap().prompts.len(), 1);
    let error = read_named_policies(&path).unwrap_err().to_string();
    assert!(error.contains("policies.jsonl:1: expected \"probabilities\" of a policy"), "{error}");
    let bound = content.replace("[1,1]", "[1,0],\"suboptimality_bound\":\"big\"");
    let error = read_named_policies(&folder.write("policies.jsonl", bound)).unwrap_err();
    let expected = "expected \"suboptimality_bound\" to be a number, found \"big\"";
    assert!(error.to_string().ends_with(expected), "{error}");
    let empty = folder.write("policies.jsonl", "\n");
    let error = Catalog::from_policies(&empty).unwrap_err().to_string();
    assert!(error.ends_with("expected one policy a line, found an empty file"), "{error}");
}

#[test]
fn candidates_alone_are_checked_like_those_beside_comparisons() {
    let folder = Folder::new();
    let policies = Catalog::from_policies(&folder.write("p.jsonl", POLICIES)).unwrap();
    let responses = Catalog::from_responses(&folder.write("r.jsonl", RESPONSES)).unwrap();
    for (catalog, place) in [(policies, "p.jsonl:4"), (responses.clone(), "r.jsonl:1")] {
        let error = Dataset::without_comparisons(catalog, ReadOptions::default()).unwrap_err();
        let expected = format!("{place}: expected two candidates or more for prompt ");
        assert!(error.to_string().contains(&expected), "{error}");
    }
    let data = Dataset::without_comparisons(responses, KEEP_ALL).unwrap();
    assert_eq!(menu_names(&data), [("q", vec!["q1"]), ("p", vec!["p2", "p1", "p3"])]);
    let prompts = Catalog::from_prompts(&folder.write("prompts.jsonl", PROMPTS)).unwrap();
    let error = Dataset::without_comparisons(prompts, KEEP_ALL).unwrap_err().to_string();
    let expected = "prompts.jsonl: expected responses beside the prompts, found prompts alone";
    assert!(error.ends_with(expected), "{error}");
}
