//! `nlhf evaluate` as a user runs it: figures that are known, what is left out and told, and refusals.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{Room, assert_refused, nlhf, stderr, stdout};
use serde_json::Value;
use std::fmt::Write;

/// A policy that plays the same on prompts `p0`, `p1`, … with the candidates `p0:a`, `p0:b` and so on.
fn policy(n_prompts: usize, masses: &[(char, f64)]) -> String {
    let mut text = String::new();
    for x in 0..n_prompts {
        let ids: Vec<String> = masses.iter().map(|(c, _)| format!("\"p{x}:{c}\"")).collect();
        let masses: Vec<String> = masses.iter().map(|(_, p)| p.to_string()).collect();
        let _ = writeln!(
            text,
            "{{\"prompt_id\": \"p{x}\", \"response_ids\": [{}], \"probabilities\": [{}]}}",
            ids.join(", "),
            masses.join(", ")
        );
    }
    text
}

/// Votes for `a` against `b` on every prompt, of which 6, 8 or 10 of 10 in turns are won.
fn votes(n_prompts: usize, split: &str) -> String {
    let mut text = String::new();
    for (x, vote) in (0..n_prompts).flat_map(|x| (0..10).map(move |vote| (x, vote))) {
        let label = u8::from(vote < [6, 8, 10][x % 3]);
        let _ = writeln!(
            text,
            "{{\"prompt_id\": \"p{x}\", \"response_a_id\": \"p{x}:a\", \"response_b_id\": \"p{x}:b\", \
             \"label\": {label}{split}}}"
        );
    }
    text
}

const ALWAYS_A: &[(char, f64)] = &[('a', 1.0), ('b', 0.0), ('c', 0.0)];
const ALWAYS_B: &[(char, f64)] = &[('a', 0.0), ('b', 1.0), ('c', 0.0)];
const B_OR_C: &[(char, f64)] = &[('c', 0.5), ('b', 0.5), ('a', 0.0)];

/// Runs it and returns what it printed and the report.
fn run(room: &Room, arguments: &[&str]) -> (String, Value) {
    let path = room.path("report.json");
    let all = [&["evaluate"], arguments, &["--report", path.to_str().unwrap()]].concat();
    let output = nlhf(&all);
    assert!(output.status.success(), "{}", stderr(&output));
    (stdout(&output), serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap())
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap()
}

#[test]
fn win_rates_are_those_of_the_votes() {
    let room = Room::new();
    let (a, b, c) = (
        room.file("always.jsonl", &policy(30, ALWAYS_A)),
        room.file("never.jsonl", &policy(30, ALWAYS_B)),
        room.file("other.v2.jsonl", &policy(30, B_OR_C)),
    );
    let held_out = room.file("votes.jsonl", &votes(30, ", \"split\": \"test\""));
    let (shown, report) = run(&room, &[&a, &b, &c, "--comparisons", &held_out]);
    assert!(shown.contains("3 policies on 30 prompts, judged by 300 comparisons"), "{shown}");
    assert!(shown.contains("always beats every other"), "{shown}");
    let contest = &report["contest"];
    let rate = |i: usize, j: usize| &contest["win_rates"][i][j];
    assert!((number(&rate(0, 1)["rate"]) - 0.8).abs() < 1e-4);
    assert!((number(&rate(1, 0)["rate"]) - 0.2).abs() < 1e-4);
    assert_eq!(rate(0, 1)["beyond_noise"], true);
    // Nobody compared c: half of what the third plays counts as even.
    assert!((number(&rate(0, 2)["rate"]) - 0.65).abs() < 1e-4);
    assert!((number(&rate(0, 2)["judged"]) - 0.5).abs() < 1e-12);
    assert!(shown.contains("50 % of what always and other answer was never compared"), "{shown}");
    let (low, high) = (&rate(0, 1)["interval"]["low"], &rate(0, 1)["interval"]["high"]);
    // Thirty prompts of 0.6, 0.8 and 1: a standard error of 0.03.
    assert!(
        (0.71..0.76).contains(&number(low)) && (0.84..0.89).contains(&number(high)),
        "{low} {high}"
    );
    let standing = &contest["standings"][1];
    assert!((number(&standing["kl_nats"]["value"]) - 3f64.ln()).abs() < 1e-12);
    assert!((number(&standing["exploitability"]["value"]) - 0.3).abs() < 1e-4);
    // The competitor of half the votes is not always the best.
    let cross_fitted = number(&standing["exploitability"]["cross_fitted"]);
    assert!((0.2..0.3).contains(&cross_fitted), "{cross_fitted}");
    assert_eq!(contest["standings"][2]["name"], "other");

    // The threads change nothing, the seed only the intervals.
    let threads = ["--threads", "3"];
    let (_, again) =
        run(&room, &[&[&a, &b, &c, "--comparisons", &held_out], &threads[..]].concat());
    assert_eq!(again["contest"], *contest);
    let (_, other) = run(&room, &[&a, &b, &c, "--comparisons", &held_out, "--seed", "5"]);
    assert_eq!(other["contest"]["win_rates"][0][1]["rate"], rate(0, 1)["rate"]);
    assert_ne!(other["contest"]["win_rates"][0][1]["interval"], rate(0, 1)["interval"]);
}

#[test]
fn what_is_left_out_is_counted() {
    let room = Room::new();
    let a = room.file("a.jsonl", &policy(12, ALWAYS_A));
    let fewer = room.file("b.jsonl", &policy(11, ALWAYS_B));
    // Ten prompts with votes, one of them to train on, and rows of candidates that no policy lists.
    let mut rows = votes(10, ", \"split\": \"test\"");
    rows.push_str(&votes(10, ", \"split\": \"train\""));
    rows.push_str(
        "{\"prompt_id\": \"p0\", \"response_a_id\": \"p0:z\", \"response_b_id\": \"p0:a\", \"label\": 1}\n\
         {\"prompt_id\": \"p99\", \"response_a_id\": \"x\", \"response_b_id\": \"y\", \"label\": 1}\n\
         {\"prompt_id\": \"p0\", \"response_a_id\": \"p1:a\", \"response_b_id\": \"p0:a\", \"label\": 1}\n",
    );
    let rows = room.file("rows.jsonl", &rows);
    let output = nlhf(&["evaluate", &a, &fewer, "--comparisons", &rows]);
    assert!(stderr(&output).contains("3 comparisons of responses that are not listed: left out"));
    let (shown, report) = run(&room, &[&a, &fewer, "--comparisons", &rows]);
    assert!(shown.contains("left out      100 comparisons of split train"), "{shown}");
    assert!(shown.contains("left out      1 prompt without a comparison to judge by"), "{shown}");
    assert!(shown.contains("left out      1 prompt that some policy does not answer"), "{shown}");
    let counted = |field: &str| report[field].as_u64().unwrap();
    assert_eq!((counted("n_unanswered_prompts"), counted("n_unjudged_prompts")), (1, 1));
    assert_eq!(
        (counted("n_unlisted_comparisons"), &report["contest"]["n_prompts"]),
        (3, &10.into())
    );
    assert_eq!(report["judge"]["n_comparisons"], 100);
    let (shown, report) = run(&room, &[&a, &fewer, "--comparisons", &rows, "--all-rows"]);
    assert!(shown.contains("rows of split train judge too"), "{shown}");
    assert_eq!(report["judge"]["n_comparisons"], 200);
    // One policy plays the reference alone.
    let (shown, _) = run(&room, &[&a, "--comparisons", &rows, "--reference", &fewer, "-q"]);
    assert!(shown.is_empty());
    let (shown, report) = run(&room, &[&a, "--comparisons", &rows, "--reference", &fewer]);
    assert!(shown.contains("1 policy on 10 prompts") && !shown.contains("Win rates"), "{shown}");
    let rate = &report["contest"]["standings"][0]["against_reference"]["rate"];
    assert!((number(rate) - 0.78).abs() < 1e-4, "{rate}");
    // What it plays the reference never does.
    assert!(report["contest"]["standings"][0]["kl_nats"].is_null() && shown.contains("infinite"));
}

#[test]
fn other_judges_judge() {
    let room = Room::new();
    let (a, b) =
        (room.file("a.jsonl", &policy(9, ALWAYS_A)), room.file("b.jsonl", &policy(9, B_OR_C)));
    let rows = room.file("rows.jsonl", &votes(9, ""));
    let (shown, fitted) = run(
        &room,
        &[&a, &b, "--comparisons", &rows, "--model", "bradley-terry", "--bootstrap", "20"],
    );
    assert!(
        shown.contains("bradley-terry model") && shown.contains("no row names a split"),
        "{shown}"
    );
    assert_eq!(fitted["contest"]["n_members"], 20);
    let model = room.path("model.json");
    let model = model.to_str().unwrap();
    let fit = ["fit", &rows, "--model", "bradley-terry", "--folds", "0", "--output", model];
    assert!(nlhf(&fit).status.success());
    let (shown, saved) = run(&room, &[&a, &b, "--comparisons", &rows, "--fitted", model]);
    assert!(shown.contains("bradley-terry model fitted before"), "{shown}");
    assert!(shown.contains("judge         log-loss"), "{shown}");
    let rate = |report: &Value| number(&report["contest"]["win_rates"][0][1]["rate"]);
    assert!((rate(&saved) - rate(&fitted)).abs() < 1e-12);
    assert_eq!(saved["contest"]["n_members"], 0);
    // On the other scale, with another reference.
    let (_, odds) =
        run(&room, &[&a, &b, "--comparisons", &rows, "--scale", "log-odds", "--eta", "0.5"]);
    assert_eq!(odds["contest"]["config"]["scale"], "log-odds");
}

#[test]
fn what_cannot_be_judged_is_refused_by_file_and_line() {
    let room = Room::new();
    let a = room.file("a.jsonl", &policy(3, ALWAYS_A));
    let rows = room.file("rows.jsonl", &votes(3, ", \"split\": \"train\""));
    let test = room.file("test.jsonl", &votes(3, ""));
    let two = room.file("two.jsonl", &policy(3, &[('a', 0.5), ('b', 0.5)]));
    let more = room.file("more.jsonl", &policy(4, ALWAYS_A));
    let texts = "{\"prompt\": \"x\", \"chosen\": \"y\", \"rejected\": \"z\"}\n";
    let texts = room.file("pairs.jsonl", texts);
    let strangers = room.file("s.csv", "model_a,model_b,winner\nx,y,model_a\n");
    let report = room.path("report.json");
    let report = report.to_str().unwrap();
    for (arguments, told) in [
        (
            vec![&a[..], "--comparisons", &rows],
            "found 30 rows, all of train (--all-rows takes them)",
        ),
        (
            vec![&a, &two, "--comparisons", &test],
            "two.jsonl:1: expected \"response_ids\" to name all 3",
        ),
        (
            vec![&a, &more, "--comparisons", &test],
            "more.jsonl:4: expected \"prompt_id\" to be a prompt",
        ),
        (vec![&a, "--comparisons", &texts], "nlhf data FILE --explicit OUT.jsonl names them"),
        (vec![&a, "--comparisons", &strangers], "s.csv: expected comparisons of listed responses"),
        (vec![&a, "--comparisons", "/no/such/file"], "/no/such/file"),
        (
            vec![&rows, "--comparisons", &test],
            "rows.jsonl:1: expected \"response_ids\" to be a list",
        ),
        (vec!["-", "--comparisons", &test], "found a lone dash"),
        (vec![&a, "--comparisons", &test, "--beta", "1"], "--beta does nothing for a judge"),
        (
            vec![&a, "--comparisons", &test, "--bootstrap", "1"],
            "bootstrap replicates must be at least 2",
        ),
        (vec![&a, "--comparisons", &test, "--ridge", "1"], "--ridge does nothing"),
        (vec![&a, "--comparisons", &test, "--confidence", "1"], "a confidence level must be"),
        (vec![&a, "--comparisons", &test, "--report", &a], "named twice"),
    ] {
        let arguments = [vec!["evaluate"], arguments].concat();
        assert_refused(&nlhf(&arguments), told);
    }
    // Comparisons of one prompt, and policies of another.
    let elsewhere = votes(3, "").replace("\"p1", "\"q1").replace("\"p2", "\"q2");
    let elsewhere = room.file("elsewhere.jsonl", &elsewhere);
    let first = room.file("first.jsonl", policy(3, ALWAYS_A).lines().next().unwrap());
    let second = policy(3, ALWAYS_A);
    let second = room.file("second.jsonl", second.lines().nth(1).unwrap());
    let arguments = ["evaluate", &a, &second, "--comparisons", &elsewhere, "--report", report];
    assert_refused(&nlhf(&arguments), "2 prompts without a policy, 1 without a comparison");
    assert!(!std::path::Path::new(report).exists(), "nothing half-written");
    let (shown, _) = run(&room, &[&first, "--comparisons", &elsewhere]);
    assert!(shown.contains("there is one prompt: intervals are about it alone"), "{shown}");
}
