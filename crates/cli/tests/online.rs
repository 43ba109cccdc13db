//! `nlhf online` as a user runs it: a record as oracle, plans of asking, and what is refused.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod asking;
mod common;

use asking::{CANDIDATES, json, record, shell_judge};
use common::{Room, assert_refused, nlhf, read_json_lines, stderr, stdout};
use std::path::Path;

fn run(arguments: &[&str]) -> String {
    let output = nlhf(arguments);
    assert!(output.status.success(), "{}", stderr(&output));
    stdout(&output)
}

/// A record of four prompts with three answers each, of which the first is the best, and the arguments to ask it.
fn asking_a_record(room: &Room) -> (String, [String; 2]) {
    let votes = room.file("votes.jsonl", &record(4, &["a", "b", "c"], 20, 0.9));
    let oracle = format!("recorded:{votes}");
    (votes, ["--oracle".to_owned(), oracle])
}

#[test]
fn a_record_answers_for_its_own_candidates() {
    let room = Room::new();
    let (votes, [_, oracle]) = asking_a_record(&room);
    let (policy, report) = (room.path("policy.jsonl"), room.path("report.json"));
    let (policy, report) = (policy.to_str().unwrap(), report.to_str().unwrap());
    let files = ["--output", policy, "--report", report];
    let online = ["online", "--oracle", &oracle, "--budget", "400", "--rounds", "4"];
    let shown = run(&[&online[..], &files, &["--return", "last"]].concat());
    for said in [
        "Asked the record about 4 prompts with 12 candidates, strategy optimistic.",
        "The run ended at its budget.",
        "the main agent of round 4, the last. After 400 labels",
        "Asked 400 questions in this run.",
    ] {
        assert!(shown.contains(said), "{said}:\n{shown}");
    }
    let written = json(report.as_ref());
    assert_eq!(written["rounds"].as_array().unwrap().len(), 4);
    assert_eq!(written["best_round"], 4);
    assert_eq!(written["asked"]["n_queries"], 400);
    assert_eq!(written["prompt_ids"][3], "p3");
    let lines = read_json_lines(policy.as_ref());
    assert_eq!(lines[1]["response_ids"], serde_json::json!(["p1a", "p1b", "p1c"]));
    for line in &lines {
        let played: Vec<f64> =
            line["probabilities"].as_array().unwrap().iter().map(|p| p.as_f64().unwrap()).collect();
        assert!(played[0] > 0.8, "{played:?}");
    }

    // The policy is one for every other command.
    let judged = run(&["evaluate", policy, "--comparisons", &votes]);
    assert!(judged.contains("1 policy on 4 prompts"), "{judged}");
    let pairs = room.path("pairs.jsonl");
    let export = ["export", policy, "--ids-only", "--output"];
    run(&[&export[..], &[pairs.to_str().unwrap()]].concat());
    let pairs = read_json_lines(&pairs);
    assert_eq!(pairs.len(), 12);
    assert!(pairs.iter().any(|pair| pair["chosen_id"] == "p2a" && pair["rejected_id"] == "p2c"));

    // The smallest bound is that of an early round, and the summary says so.
    let online = ["online", "--oracle", &oracle, "--budget", "8", "--rounds", "4"];
    let shown = run(&online);
    assert!(shown.contains("the smallest bound") && shown.contains("--return last"), "{shown}");
    // What is drawn is decided by the seed.
    assert_eq!(run(&online), shown);
    assert_ne!(run(&[&online[..], &["--seed", "1"]].concat()), shown);
}

#[test]
fn shares_are_asked_about_once_unless_told_otherwise() {
    let room = Room::new();
    let (_, [_, oracle]) = asking_a_record(&room);
    let report = room.path("report.json");
    let online = ["online", "--oracle", &oracle, "--budget", "60", "--rounds", "3", "--report"];
    let online = [&online[..], &[report.to_str().unwrap()]].concat();
    for (more, n_queries, ended) in [
        (vec!["--shares"], 12, "because every pair was asked about"),
        (vec!["--shares", "--ask-again", "yes"], 60, "at its budget"),
        (vec!["--ask-again", "no"], 12, "because every pair was asked about"),
        (vec![], 60, "at its budget"),
        (vec!["--target-bound", "0.6"], 20, "because the bound reached its target"),
        (vec!["--both-orders"], 60, "at its budget"),
        (vec!["--prompts-by", "bound", "--exploration", "0.5"], 60, "at its budget"),
    ] {
        let shown = run(&[&online[..], &more].concat());
        assert!(shown.contains(&format!("The run ended {ended}.")), "{more:?}: {shown}");
        let asked = json(&report)["asked"]["n_queries"].clone();
        assert_eq!(asked, n_queries, "{more:?}");
        let is_exhausted = shown.contains("--ask-again yes if answers may differ");
        assert_eq!(is_exhausted, ended.contains("every pair"), "{shown}");
    }
}

#[test]
fn candidates_choose_what_of_a_record_is_asked() {
    let room = Room::new();
    let (_, [_, oracle]) = asking_a_record(&room);
    let some = |names: &[&str]| {
        let lines = (0..4).flat_map(|x| names.iter().map(move |name| (x, name)));
        let line =
            |(x, name)| format!("{{\"prompt_id\":\"p{x}\",\"response_id\":\"p{x}{name}\"}}\n");
        lines.map(line).collect::<String>()
    };
    let two = room.file("two.jsonl", &some(&["a", "c"]));
    let policy = room.path("policy.jsonl");
    let policy = policy.to_str().unwrap();
    let online = ["online", "--oracle", &oracle, "--budget", "40", "--output", policy];
    let shown = run(&[&online[..], &["--candidates", &two]].concat());
    assert!(shown.contains("4 prompts with 8 candidates"), "{shown}");
    assert_eq!(
        read_json_lines(policy.as_ref())[0]["response_ids"],
        serde_json::json!(["p0a", "p0c"])
    );
    // And the policy is a reference for the next run.
    let again = [&online[..], &["--candidates", &two, "--reference", &two]].concat();
    assert_refused(&nlhf(&again), "two.jsonl");
    let first = room.file("first.jsonl", &std::fs::read_to_string(policy).unwrap());
    run(&[&online[..], &["--candidates", &two, "--reference", &first]].concat());

    let more = room.file("more.jsonl", &some(&["a", "b", "new"]));
    let unanswerable = nlhf(&[&online[..], &["--candidates", &more]].concat());
    assert_refused(&unanswerable, "expected a judgement of every pair of candidates");
    let said = stderr(&unanswerable);
    assert!(said.contains("new\"") && said.contains("on prompt \"p"), "the pair is named: {said}");
    let others = room.file("others.jsonl", &some(&["x", "y"]));
    assert_refused(
        &nlhf(&[&online[..], &["--candidates", &others]].concat()),
        "expected comparisons of listed responses, found 240 rows of others",
    );
}

#[test]
fn battles_are_a_record_too() {
    let room = Room::new();
    let mut battles = "model_a,model_b,winner\n".to_owned();
    for _ in 0..20 {
        battles.push_str("x,y,model_a\ny,z,model_a\nz,x,model_a\n");
    }
    let battles = room.file("battles.csv", &battles);
    let shown = run(&["online", "--oracle", &format!("recorded:{battles}"), "--budget", "90"]);
    assert!(shown.contains("1 prompt with 3 candidates"), "{shown}");
    assert!(shown.contains("After ") && shown.contains("Asked 90 questions"), "{shown}");
}

#[test]
fn every_strategy_asks_by_its_name() {
    let room = Room::new();
    let (_, [_, oracle]) = asking_a_record(&room);
    let online = ["online", "--oracle", &oracle, "--budget", "40", "--rounds", "4"];
    let online = [&online[..], &["--scale", "log-odds", "--strategy"]].concat();
    let wrong = nlhf(&[&online[..], &["nothing"]].concat());
    assert_refused(&wrong, "--strategy: expected one of optimistic, ");
    let said = stderr(&wrong);
    let (_, names) = said.split_once("expected one of ").unwrap();
    let (names, found) = names.split_once(", found ").unwrap();
    assert_eq!(found.trim(), "\"nothing\"");
    let names: Vec<&str> = names.split(", ").collect();
    assert!(names.len() >= 15, "{names:?}");
    for name in names {
        let shown = run(&[&online[..], &[name]].concat());
        assert!(shown.contains(&format!("strategy {name}.")), "{shown}");
    }
    assert_refused(
        &nlhf(&[&online[..], &["greedy", "--exploration", "2"]].concat()),
        "--exploration is for the optimistic strategies; drop it for greedy",
    );
    let probability = ["online", "--oracle", &oracle, "--strategy", "optimistic-policy-width"];
    assert_refused(&nlhf(&probability), "plays log-odds only");
}

#[test]
fn candidates_join_the_menus_round_by_round() {
    let room = Room::new();
    let votes = room.file("votes.jsonl", &record(2, &["a", "b", "c", "d", "e"], 4, 0.75));
    let oracle = format!("recorded:{votes}");
    let (policy, report) = (room.path("policy.jsonl"), room.path("report.json"));
    let files = ["--output", policy.to_str().unwrap(), "--report", report.to_str().unwrap()];
    let online = ["online", "--oracle", &oracle, "--budget", "80", "--rounds", "4"];
    for (growth, sizes) in [("1", [6, 8, 10, 10]), ("2", [6, 10, 10, 10])] {
        let menus = ["--menu-size", "3", "--menu-growth", growth];
        run(&[&online[..], &files, &menus].concat());
        let written = json(&report);
        let rounds = written["rounds"].as_array().unwrap();
        let found: Vec<u64> = rounds.iter().map(|r| r["n_candidates"].as_u64().unwrap()).collect();
        assert_eq!(found, sizes);
        // What is returned competes with all candidates.
        let best = rounds.iter().find(|round| round["round"] == written["best_round"]).unwrap();
        assert_eq!(best["n_candidates"], 10);
        for line in read_json_lines(&policy) {
            assert_eq!(line["response_ids"].as_array().unwrap().len(), 5);
        }
    }
}

#[test]
fn what_does_not_go_together_is_refused_before_anything_is_made() {
    let room = Room::new();
    let candidates = room.file("candidates.jsonl", CANDIDATES);
    let labels = room.path("labels.jsonl");
    let labels = labels.to_str().unwrap();
    let before = room.names();
    let model = "http://127.0.0.1:1/v1";
    let [given, kept, spent] =
        [["--candidates", &candidates], ["--labels", labels], ["--budget", "5"]];
    for (options, expected) in [
        (vec![["--oracle", "person"], given, spent], "--labels FILE is needed"),
        (vec![["--oracle", "command:cat"], given, spent], "--labels FILE is needed"),
        (vec![["--oracle", "person"], given, kept], "--budget N is needed"),
        (vec![["--oracle", "person"], kept, spent], "--candidates FILE is needed"),
        (vec![given, spent], "--oracle is needed"),
        (vec![["--oracle", "persn"], given, kept, spent], "expected person, recorded:FILE"),
        (vec![["--oracle", "command: "], given, kept, spent], "expected person, recorded:FILE"),
        (vec![["--oracle", "recorded:"], given, kept, spent], "expected person, recorded:FILE"),
        (vec![["--oracle", model], given, kept, spent], "--judge-model NAME is needed"),
        (
            vec![["--oracle", "person"], given, kept, spent, ["--judge-model", "m"]],
            "--judge-model does nothing for this oracle",
        ),
        (
            vec![["--oracle", "person"], given, kept, spent, ["--judge-timeout", "3"]],
            "--judge-timeout does nothing for this oracle",
        ),
        (
            vec![["--oracle", "command:cat"], given, kept, spent, ["--rater", "me"]],
            "--rater does nothing for this oracle",
        ),
        (
            vec![["--oracle", "command:cat"], given, kept, spent, ["--port", "80"]],
            "--port does nothing for this oracle",
        ),
        (
            vec![
                ["--oracle", model],
                given,
                kept,
                spent,
                ["--judge-model", "m"],
                ["--price-in", "-1"],
            ],
            "--price-in must be a price, 0 or more, but is -1",
        ),
        (
            vec![["--oracle", "person"], given, kept, spent, ["--target-bound", "-1"]],
            "target_bound must be non-negative",
        ),
        (
            vec![["--oracle", "person"], given, kept, spent, ["--strategy", "bold"]],
            "--strategy: expected one of",
        ),
        (
            vec![["--oracle", "person"], given, kept, spent, ["--exploration", "-1"]],
            "must be non-negative",
        ),
        (
            vec![["--oracle", "person"], given, ["--labels", &candidates], spent],
            "found a file that is named twice",
        ),
    ] {
        let output = nlhf(&[&["online"][..], &options.concat()].concat());
        assert_refused(&output, expected);
        assert!(!stderr(&output).contains("in a browser"), "{options:?}");
        assert_eq!(room.names().len(), before.len(), "{options:?} left {:?}", room.names());
    }
    let shares = ["online", "--oracle", "command:cat", "--shares", "--labels", labels];
    assert_refused(
        &nlhf(&[&shares[..], &given, &spent].concat()),
        "--shares does nothing for this oracle",
    );
}

#[test]
fn an_output_never_replaces_the_labels() {
    let room = Room::new();
    let candidates = room.file("candidates.jsonl", CANDIDATES);
    let oracle = shell_judge(&room, 1000);
    let labels = room.path("labels.jsonl");
    // The same file by another name, before it exists.
    let folder = room.path("folder");
    std::fs::create_dir(&folder).unwrap();
    let other = folder.join("../labels.jsonl");
    let online = ["online", "--candidates", &candidates, "--oracle", &oracle, "--budget", "5"];
    let both = ["--labels", labels.to_str().unwrap(), "--output", other.to_str().unwrap()];
    assert_refused(&nlhf(&[&online[..], &both].concat()), "found a file that is named twice");
    assert!(!labels.exists());
}

#[test]
fn a_broken_list_of_candidates_is_refused_with_its_line() {
    let room = Room::new();
    let labels = room.path("labels.jsonl");
    let rest = ["--labels", labels.to_str().unwrap(), "--budget", "5"];
    for (line, expected) in [
        (
            "{\"prompt\": \"p\", \"responses\": []}",
            "c.jsonl:4: expected \"responses\" of one candidate",
        ),
        (
            "{\"prompt\": \"p\", \"responses\": [\"a\", \"b\"], \"response_ids\": [\"x\"]}",
            "c.jsonl:4: ",
        ),
        ("{\"prompt\": \"p\", \"responses\": [\"a\"]}", "--allow-single-candidates"),
        ("{\"responses\": [\"a\", \"b\"]}", "c.jsonl:4: expected \"prompt\""),
        (
            "{\"prompt_id\": \"sky\", \"prompt\": \"p\", \"responses\": [\"a\", \"b\"]}",
            "c.jsonl:4: ",
        ),
        ("no JSON", "c.jsonl:4: "),
    ] {
        let candidates = room.file("c.jsonl", &format!("{CANDIDATES}{line}\n"));
        let online = ["online", "--oracle", "person", "--candidates", &candidates];
        assert_refused(&nlhf(&[&online[..], &rest].concat()), expected);
        assert!(!labels.exists());
    }
    // A person and a model judge by what the prompt says.
    let bare = room.file(
        "bare.jsonl",
        concat!(
            "{\"prompt_id\": \"p\", \"response_id\": \"a\", \"text\": \"A.\"}\n",
            "{\"prompt_id\": \"p\", \"response_id\": \"b\", \"text\": \"B.\"}\n",
        ),
    );
    let online = ["online", "--oracle", "person", "--candidates", &bare];
    assert_refused(&nlhf(&[&online[..], &rest].concat()), "expected what each prompt says");
    assert!(!Path::new(&labels).exists());
}
