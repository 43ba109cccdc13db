//! What stands in a store is found again, what was torn off is not missed, and what was changed is refused.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{IDENTITY, answer_to, kept, open, question};
use nlhf_core::Label;
use nlhf_judge::{Answer, LabelStore, Question, StoreError, Verdict, read_labels};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// In memory where that can be had: these tests write a store some thousand times.
fn folder() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    let path = folder.path().join("labels.jsonl");
    (folder, path)
}

/// Four questions, and answers of every kind.
fn content() -> Vec<(Question<'static>, Answer)> {
    let unreadable = Verdict::Unreadable("\u{1f600} a\"b\\ \u{7f}".to_owned());
    let preferred = Verdict::Preferred(Label::new(1.0 / 3.0).unwrap());
    let annotator = Some("ann".to_owned());
    let paid = Answer { annotator, input_tokens: Some(9), ..Answer::new(preferred) };
    let names = ["p \"1\"\n", "ü", ""];
    vec![
        (question(names, 0), Answer::new(Verdict::Skipped)),
        (question(names, 1), Answer::new(unreadable)),
        (question(["p", "b", "a"], 0), paid),
        (question(["p", "a", "b"], 7), Answer::new(Verdict::Preferred(Label::WIN))),
    ]
}

fn write(path: &Path, content: &[(Question<'_>, Answer)]) {
    let mut store = open(path);
    for (question, answer) in content {
        if store.lookup(question).unwrap().is_none() {
            store.append(&[(question, answer)]).unwrap();
        }
    }
}

fn error(path: &Path) -> String {
    let before = fs::read(path).ok();
    let error = LabelStore::open(path, IDENTITY).unwrap_err();
    assert_eq!(fs::read(path).ok(), before, "a file that is refused must not be touched: {error}");
    error.to_string()
}

#[test]
fn what_was_kept_is_found_after_opening_again() {
    let (_folder, path) = folder();
    let content = content();
    let mut store = open(&path);
    assert!(store.is_empty() && store.lookup(&content[0].0).unwrap().is_none());
    store.append(&[]).unwrap();
    let batch: Vec<_> = content.iter().map(|(question, answer)| (question, answer)).collect();
    store
        .reserve(&content.iter().map(|(question, _)| question.clone()).collect::<Vec<_>>())
        .unwrap();
    store.append(&batch[..3]).unwrap();
    store.append(&batch[3..]).unwrap();
    for is_again in [false, true] {
        for (question, answer) in &content {
            assert_eq!(store.lookup(question).unwrap(), Some(answer), "{question:?}");
        }
        assert!(store.lookup(&question(["p", "a", "b"], 0)).unwrap().is_none());
        assert_eq!((store.len(), store.n_torn(), store.path()), (4, 0, path.as_path()));
        if !is_again {
            drop(store);
            store = open(&path);
        }
    }
    let labels = read_labels(&path).unwrap();
    assert_eq!((labels.identity.as_str(), labels.n_torn), (IDENTITY, 0));
    let answers: Vec<&Answer> = labels.answers.iter().map(|kept| &kept.answer).collect();
    assert_eq!(answers, content.iter().map(|(_, answer)| answer).collect::<Vec<_>>());
    for line in fs::read_to_string(&path).unwrap().lines() {
        serde_json::from_str::<serde_json::Value>(line).unwrap();
    }
}

#[test]
fn the_format_is_stable() {
    let (_folder, path) = folder();
    write(&path, &content()[3..]);
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(
        text,
        concat!(
            r#"{"format":"nlhf-labels","version":1,"identity":"a judge of tests","check":"a342d9e1eededa7128af952099770a61"}"#,
            "\n",
            r#"{"prompt_id":"p","first_id":"a","second_id":"b","repetition":7,"shown":"e775630750f2945f286e03574ea65471","#,
            r#""answer":{"verdict":{"preferred":1.0}},"check":"e55b8b0d16b24afa111286feef21b4bc"}"#,
            "\n",
        ),
        "recorded at version 0.1.0, digests computed by other means"
    );
}

#[test]
fn cut_off_at_any_byte_a_store_goes_on_to_the_same_bytes() {
    let (_folder, path) = folder();
    let content = content();
    write(&path, &content);
    let whole = fs::read(&path).unwrap();
    // Where lines end, before their line feed.
    let ends: Vec<usize> = (0..whole.len()).filter(|&at| whole[at] == b'\n').collect();
    assert_eq!(ends.len(), 5);
    for n_bytes in 0..=whole.len() {
        fs::write(&path, &whole[..n_bytes]).unwrap();
        let n_kept = ends[1..].iter().filter(|&&end| end <= n_bytes).count();
        let is_torn =
            n_bytes > ends[0] + 1 && !ends.iter().any(|&end| (end..end + 2).contains(&n_bytes));
        if n_bytes >= ends[0] {
            let labels = read_labels(&path).unwrap();
            assert_eq!((labels.answers.len(), labels.n_torn), (n_kept, usize::from(is_torn)));
            assert_eq!(fs::read(&path).unwrap(), whole[..n_bytes], "inspection changes nothing");
        }
        let store = open(&path);
        assert_eq!((store.len(), store.n_torn()), (n_kept, usize::from(is_torn)), "{n_bytes}");
        drop(store);
        write(&path, &content);
        assert_eq!(fs::read(&path).unwrap(), whole, "cut at {n_bytes}");
    }
}

#[test]
fn zeros_where_the_last_write_should_be_are_torn() {
    let (_folder, path) = folder();
    let content = content();
    write(&path, &content);
    let whole = fs::read(&path).unwrap();
    let last_line = whole[..whole.len() - 1].iter().rposition(|&byte| byte == b'\n').unwrap() + 1;
    for start in [last_line, last_line + 10, last_line - 30] {
        for end in [whole.len(), whole.len() - 1] {
            let mut torn = whole.clone();
            torn[start..end].fill(0);
            fs::write(&path, &torn).unwrap();
            let n_kept = if start < last_line { 2 } else { 3 };
            let store = open(&path);
            assert_eq!((store.len(), store.n_torn()), (n_kept, 1), "{start} {end}");
            drop(store);
            write(&path, &content);
            assert_eq!(fs::read(&path).unwrap(), whole);
        }
    }
    // Zeros before a line that was written later are not.
    let mut changed = whole.clone();
    changed[last_line - 30..last_line - 20].fill(0);
    fs::write(&path, &changed).unwrap();
    let error = error(&path);
    assert!(error.contains("labels.jsonl:4: expected "), "{error}");
}

#[test]
fn no_bit_can_be_turned_without_being_found() {
    let (_folder, path) = folder();
    let content = content();
    write(&path, &content);
    let whole = fs::read(&path).unwrap();
    let last_line = whole[..whole.len() - 1].iter().rposition(|&byte| byte == b'\n').unwrap() + 1;
    let mut n_torn = 0;
    for at in 0..whole.len() {
        for bit in 0..8 {
            let mut changed = whole.clone();
            changed[at] ^= 1 << bit;
            fs::write(&path, &changed).unwrap();
            match LabelStore::open(&path, IDENTITY) {
                Err(_) => assert_eq!(fs::read(&path).unwrap(), changed, "byte {at} bit {bit}"),
                Ok(store) => {
                    assert!(at >= last_line, "byte {at} bit {bit} was not found");
                    assert_eq!((store.len(), store.n_torn()), (content.len() - 1, 1));
                    n_torn += 1;
                }
            }
        }
    }
    // Without its line feed and changed, the last line is as if it were torn.
    assert_eq!(n_torn, 8);
}

#[test]
fn lines_that_are_missing_elsewhere_or_from_elsewhere_are_named() {
    let (_folder, path) = folder();
    write(&path, &content());
    let text = fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let (_other_folder, other) = folder();
    write(&other, &content()[1..]);
    let other = fs::read_to_string(&other).unwrap();
    let foreign = other.lines().nth(2).unwrap();
    let not_ours = "{\"prompt_id\":\"p\"}";
    for (changed, at) in [
        (vec![lines[0], lines[2], lines[3], lines[4]], 2),
        (vec![lines[0], lines[1], lines[3], lines[4]], 3),
        (vec![lines[0], lines[2], lines[1], lines[3], lines[4]], 2),
        (vec![lines[0], lines[1], lines[2], lines[4], lines[3]], 4),
        (vec![lines[0], lines[1], lines[1], lines[2]], 3),
        (vec![lines[0], lines[1], foreign, lines[3]], 3),
        (vec![lines[0], lines[1], not_ours, lines[3]], 3),
        (vec![lines[0], lines[1], lines[2], lines[3], lines[4], ""], 6),
        (vec![lines[0], lines[0], lines[1]], 2),
    ] {
        fs::write(&path, changed.join("\n") + "\n").unwrap();
        let error = error(&path);
        assert!(error.contains(&format!("labels.jsonl:{at}: expected ")), "{at}: {error}");
        assert_eq!(read_labels(&path).unwrap_err().to_string(), error);
    }
}

#[test]
fn a_file_that_is_no_store_is_refused_and_not_touched() {
    let (folder, path) = folder();
    for content in [
        "\n",
        "{}\n",
        "{\"prompt_id\": \"p\", \"label\": 1}\n",
        "important",
        "{\"format\":\"other\",\"version\":1}\n",
        "\u{0}\u{0}",
    ] {
        fs::write(&path, content).unwrap();
        let error = error(&path);
        let expected = "labels.jsonl: expected a label store, found a file that begins with ";
        assert!(error.contains(expected), "{error}");
    }
    fs::write(&path, "{\"format\":\"nlhf-labels\",\"version\":2,\"new\":1}\n").unwrap();
    assert!(error(&path).contains(":1: expected version 1 of the format, found version 2"));
    let empty = folder.path().join("empty");
    fs::write(&empty, "").unwrap();
    let error = read_labels(&empty).unwrap_err().to_string();
    assert!(error.ends_with("empty: expected a label store, found an empty file"), "{error}");
    for no_file in [folder.path(), Path::new("/dev/null")] {
        let error = LabelStore::open(no_file, IDENTITY).unwrap_err().to_string();
        assert!(
            error.ends_with("expected a label store, found what is no regular file"),
            "{error}"
        );
    }
    let missing = folder.path().join("no/such.jsonl");
    let error = LabelStore::open(&missing, IDENTITY).unwrap_err().to_string();
    assert!(error.contains("no/such.jsonl: cannot open: No such file"), "{error}");
    assert!(read_labels(&missing).is_err());
}

#[test]
fn an_empty_file_is_a_new_store() {
    let (_folder, path) = folder();
    fs::write(&path, "").unwrap();
    assert!(open(&path).is_empty());
    assert!(read_labels(&path).unwrap().answers.is_empty());
}

#[test]
fn answers_of_another_judge_are_refused_by_both_names() {
    let (_folder, path) = folder();
    write(&path, &content());
    let before = fs::read(&path).unwrap();
    let error = LabelStore::open(&path, "another").unwrap_err();
    let expected = "expected answers of another, found answers of a judge of tests";
    assert!(error.to_string().ends_with(expected), "{error}");
    assert_eq!(fs::read(&path).unwrap(), before);
    // A store of which only the header is left, without its line feed, belongs to a judge too.
    let header = before.iter().position(|&byte| byte == b'\n').unwrap();
    fs::write(&path, &before[..header]).unwrap();
    let error = LabelStore::open(&path, "another").unwrap_err();
    assert!(matches!(error, StoreError::Identity { .. }), "{error}");
    assert_eq!(fs::read(&path).unwrap(), &before[..header]);
}

#[test]
fn changed_texts_under_the_same_names_are_refused() {
    let (_folder, path) = folder();
    let asked = question(["p", "a", "b"], 0);
    write(&path, &[(asked.clone(), answer_to(&asked))]);
    let store = open(&path);
    for place in 0..3 {
        let mut changed = asked.clone();
        [&mut changed.prompt, &mut changed.first, &mut changed.second][place].text = "x".into();
        let error = store.lookup(&changed).unwrap_err().to_string();
        let expected = "expected the texts that were judged, found other texts of prompt \"p\" with \"a\" before \"b\"";
        assert!(error.ends_with(expected), "{error}");
    }
    assert!(store.lookup(&asked).unwrap().is_some());
}

#[test]
fn a_second_answer_to_a_question_is_refused_and_changes_nothing() {
    let (_folder, path) = folder();
    let [one, two] = [0, 1].map(|repetition| question(["p", "a", "b"], repetition));
    let answer = Answer::new(Verdict::Skipped);
    let mut store = open(&path);
    store.append(&[(&one, &answer)]).unwrap();
    for batch in [vec![(&two, &answer), (&one, &answer)], vec![(&two, &answer), (&two, &answer)]] {
        let error = store.append(&batch).unwrap_err();
        assert!(matches!(error, StoreError::Twice { .. }), "{error}");
    }
    assert_eq!((store.len(), kept(&path).len()), (1, 1));
    store.append(&[(&two, &answer)]).unwrap();
    assert_eq!(kept(&path).len(), 2);
}

#[test]
fn a_store_is_open_once_and_can_be_read_meanwhile() {
    let (_folder, path) = folder();
    let store = open(&path);
    let error = LabelStore::open(&path, IDENTITY).unwrap_err();
    assert!(error.to_string().ends_with("another run is using this label store"), "{error}");
    // What another run is just writing is not there yet.
    let mut file = fs::File::options().append(true).open(&path).unwrap();
    file.write_all(b"{\"prompt_id\":\"p").unwrap();
    let labels = read_labels(&path).unwrap();
    assert_eq!((labels.answers.len(), labels.n_torn), (0, 1));
    drop(store);
    open(&path);
}
