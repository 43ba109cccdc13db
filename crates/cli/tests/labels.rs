//! `nlhf labels`: what a label store holds, and its answers as comparisons.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod asking;
mod common;

use asking::{CANDIDATES, shell_judge};
use common::{Room, assert_refused, nlhf, read_json_lines, stderr, stdout};

/// A room with a store of 40 answers.
fn answered(more: &[&str]) -> (Room, String) {
    let room = Room::new();
    let candidates = room.file("candidates.jsonl", CANDIDATES);
    let oracle = shell_judge(&room, 1000);
    let labels = room.path("labels.jsonl").to_str().unwrap().to_owned();
    let online = ["online", "--candidates", &candidates, "--oracle", &oracle, "--labels", &labels];
    let output = nlhf(&[&online[..], &["--budget", "40", "--quiet"], more].concat());
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(output.stdout.is_empty() && output.stderr.is_empty(), "--quiet is quiet");
    (room, labels)
}

#[test]
fn answers_are_told_and_become_comparisons() {
    let (room, labels) = answered(&[]);
    let comparisons = room.path("comparisons.jsonl");
    let comparisons = comparisons.to_str().unwrap();
    let output = nlhf(&["labels", &labels, "--output", comparisons]);
    assert!(output.status.success(), "{}", stderr(&output));
    let shown = stdout(&output);
    assert!(
        shown.contains("labels.jsonl: 40 answers on 3 prompts, all checks in order."),
        "{shown}"
    );
    assert!(shown.contains("Judge: command [\"sh\", \"-c\", \"sh '"), "{shown}");
    let told = |verdict: &str| -> usize {
        let line = shown.lines().find(|line| line.trim_start().starts_with(verdict)).unwrap();
        line.split_whitespace().last().unwrap().parse().unwrap()
    };
    let lines = read_json_lines(comparisons.as_ref());
    let n_with = |label: f64| lines.iter().filter(|line| line["label"] == label).count();
    assert_eq!([told("first"), told("second"), told("tie")], [0.9, 0.0, 0.5].map(n_with));
    assert!([0.9, 0.0, 0.5].iter().all(|label| n_with(*label) > 0), "{shown}");
    assert!(told("skipped") > 0 && told("unreadable") == 0, "{shown}");
    assert_eq!(lines.len() + told("skipped"), 40);
    let by_name = lines.iter().filter(|line| line["annotator"] == "sh").count();
    assert!(shown.contains(&format!("By sh: {by_name} answers")), "{shown}");
    assert!(lines.iter().all(|line| line["response_a_id"].as_str().unwrap().contains('.')));

    // Read by the commands that learn from comparisons.
    let shown = nlhf(&["data", comparisons]);
    let expected = format!("{} comparisons of 9 responses to 3 prompts", lines.len());
    assert!(stdout(&shown).contains(&expected), "{}", stdout(&shown));
    let candidates = room.path("candidates.jsonl");
    let offline = ["offline", comparisons, "--responses", candidates.to_str().unwrap()];
    let shown = nlhf(&offline);
    assert!(stdout(&shown).contains("3 of 3 converged"), "{}", stderr(&shown));
}

#[test]
fn verdicts_that_turn_with_the_order_are_counted() {
    let (_room, labels) = answered(&["--both-orders", "--ask-again", "no"]);
    let shown = stdout(&nlhf(&["labels", &labels]));
    // Of the nine pairs, two were skipped in one order.
    assert!(shown.contains("18 answers on 3 prompts"), "{shown}");
    assert!(shown.contains("Answered in both orders: 7 pairs, 0 of them the other way"), "{shown}");
    assert!(shown.contains("Next: nlhf labels"), "{shown}");

    // A judge that always takes the first.
    let room = Room::new();
    let candidates = room.file("candidates.jsonl", CANDIDATES);
    let labels = room.path("labels.jsonl").to_str().unwrap().to_owned();
    let oracle = "command:while read -r line; do echo '{\"winner\": \"first\"}'; done";
    let online = ["online", "--candidates", &candidates, "--oracle", oracle, "--labels", &labels];
    let output = nlhf(&[&online[..], &["--budget", "10", "--both-orders"]].concat());
    let said = "10 of 10 pairs were judged the other way (100 %): this judge goes by the order";
    assert!(stdout(&output).contains(said), "{}", stdout(&output));
    let shown = stdout(&nlhf(&["labels", &labels]));
    assert!(
        shown.contains("10 pairs, 10 of them the other way (100 %), by the order or by chance."),
        "{shown}"
    );
}

#[test]
fn a_torn_store_is_read_and_a_changed_one_refused_with_its_line() {
    let (room, labels) = answered(&[]);
    let whole = std::fs::read_to_string(&labels).unwrap();
    let torn = room.file("torn.jsonl", &whole[..whole.len() - 30]);
    let shown = nlhf(&["labels", &torn]);
    assert!(shown.status.success(), "{}", stderr(&shown));
    let shown = stdout(&shown);
    assert!(shown.contains("39 answers") && shown.contains("The last line is torn"), "{shown}");
    assert_eq!(std::fs::read_to_string(&torn).unwrap(), whole[..whole.len() - 30], "only read");

    let mut lines: Vec<&str> = whole.lines().collect();
    lines.remove(6);
    let removed = room.file("removed.jsonl", &(lines.join("\n") + "\n"));
    let output = room.path("comparisons.jsonl");
    let write = ["labels", &removed, "--output", output.to_str().unwrap()];
    assert_refused(&nlhf(&write), "removed.jsonl:7: expected check ");
    let before = room.names().len();
    assert!(!output.exists() && before == room.names().len(), "{:?}", room.names());

    let changed =
        room.file("changed.jsonl", &whole.replacen("\"repetition\":0", "\"repetition\":9", 1));
    assert_refused(&nlhf(&["labels", &changed]), "changed.jsonl:2: expected check ");
}

#[test]
fn what_is_no_store_is_refused_and_no_store_is_replaced() {
    let (room, labels) = answered(&[]);
    let candidates = room.path("candidates.jsonl");
    let candidates = candidates.to_str().unwrap();
    assert_refused(&nlhf(&["labels", candidates]), "candidates.jsonl: expected a label store");
    let empty = room.file("empty.jsonl", "");
    assert_refused(&nlhf(&["labels", &empty]), "empty.jsonl: expected a label store");
    let nowhere = room.path("nowhere.jsonl");
    assert_refused(&nlhf(&["labels", nowhere.to_str().unwrap()]), "nowhere.jsonl: cannot open");
    assert!(!nowhere.exists());
    assert_refused(&nlhf(&["labels", &labels, "--output", &labels]), "named twice");
    assert_refused(&nlhf(&["labels"]), "<LABELS.jsonl>");

    // A run that was given up before its first answer.
    let header = std::fs::read_to_string(&labels).unwrap();
    let header = room.file("header.jsonl", &format!("{}\n", header.lines().next().unwrap()));
    let shown = stdout(&nlhf(&["labels", &header]));
    assert!(shown.contains("0 answers on 0 prompts") && !shown.contains("Next"), "{shown}");
}
