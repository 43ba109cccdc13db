//! `--policy`, `--save-policy` and `nlhf act` as a user runs them: classes that play what they have never seen.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::float_cmp, reason = "zero, and the largest of some numbers")]

mod common;

use common::{Room, assert_refused, good_and_bad, nlhf, read_json_lines, stderr, stdout};
use serde_json::Value;

fn run(arguments: &[&str]) -> String {
    let output = nlhf(arguments);
    assert!(output.status.success(), "{}", stderr(&output));
    stdout(&output)
}

/// Candidates of prompts that no pair is about; the first of each is good.
const OTHERS: &str = concat!(
    "{\"prompt\": \"another\", \"responses\": [\"good good 77\", \"bad bad 77\", \"bad 78\"]}\n",
    "{\"prompt\": \"yet another\", \"responses\": [\"good 99\", \"bad 99\"]}\n",
);

fn probabilities(line: &Value) -> Vec<f64> {
    let numbers = line["probabilities"].as_array().unwrap();
    numbers.iter().map(|x| x.as_f64().unwrap()).collect()
}

#[test]
fn a_policy_learned_from_pairs_chooses_among_answers_never_seen() {
    let room = Room::new();
    let pairs = room.file("pairs.jsonl", &good_and_bad());
    let others = room.file("others.jsonl", OTHERS);
    let (chosen, again) = (room.path("chosen.jsonl"), room.path("again.jsonl"));
    let (chosen_name, again_name) = (chosen.to_str().unwrap(), again.to_str().unwrap());
    for class in ["log-linear", "neural"] {
        let policy = room.path(&format!("{class}.json"));
        let policy = policy.to_str().unwrap();
        let learn = ["offline", &pairs, "--text-features", "64", "--pessimism", "none"];
        let said = run(&[&learn[..], &["--policy", class, "--save-policy", policy]].concat());
        assert!(said.contains(&format!("  class         {class}; ")), "{said}");
        assert!(said.contains("nlhf act"), "{said}");
        let act = ["act", policy, &others, "--text-features", "64", "--draws", "200"];
        let said = run(&[&act[..], &["--output", chosen_name]].concat());
        assert!(
            said.contains(&format!("({class} policy) about 2 prompts with 5 candidates")),
            "{said}"
        );
        let lines = read_json_lines(&chosen);
        for line in &lines {
            let played = probabilities(line);
            let best = played.iter().copied().fold(0.0, f64::max);
            assert!(played[0] == best && best > 1.2 / played.len() as f64, "{class}: {played:?}");
            let drawn = line["drawn"].as_array().unwrap();
            let first = drawn.iter().filter(|id| **id == line["response_ids"][0]).count() as f64;
            assert!((first / 200.0 - best).abs() < 0.15, "{first} of 200 drawn at {best}");
        }
        // Sharper, and the same when asked again.
        let sharp = [&act[..], &["--temperature", "0.1", "--output", again_name]].concat();
        run(&sharp);
        let sharp = read_json_lines(&again);
        assert!(probabilities(&sharp[0])[0] > probabilities(&lines[0])[0]);
        run(&[&act[..], &["--output", again_name]].concat());
        assert_eq!(read_json_lines(&again), lines);
    }
}

#[test]
fn the_price_of_a_class_is_in_the_report_and_in_order() {
    let room = Room::new();
    let report = room.path("report.json");
    let name = report.to_str().unwrap();
    for command in [&["offline"][..], &["online", "--rounds", "3"]] {
        run(&[command, &["--policy", "log-linear", "--report", name]].concat());
        let report: Value =
            serde_json::from_str(&std::fs::read_to_string(&report).unwrap()).unwrap();
        assert_eq!(report["policy_class"], "log-linear");
        let costs = &report["restriction"];
        let of = |key: &str| costs[key].as_f64().unwrap();
        assert!(of("free_shortfall") <= of("in_class_shortfall"), "{costs}");
        assert!(of("in_class_shortfall") <= of("projected_shortfall"), "{costs}");
        assert!(of("projection_excess_nats") <= 1e-6, "{costs}");
        run(&[command, &["--report", name]].concat());
        let report: Value =
            serde_json::from_str(&std::fs::read_to_string(room.path("report.json")).unwrap())
                .unwrap();
        assert_eq!(report["restriction"], Value::Null, "a table costs nothing");
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let room = Room::new();
    let pairs = room.file("pairs.jsonl", &good_and_bad());
    let others = room.file("others.jsonl", OTHERS);
    let policy = room.path("policy.json");
    let policy = policy.to_str().unwrap();
    let offline = |more: &[&str]| nlhf(&[&["offline", &pairs], more].concat());
    assert_refused(&offline(&["--policy", "log-linear"]), "needs features of the candidates");
    assert_refused(&offline(&["--policy-norm", "3"]), "does nothing for the tabular policy");
    assert_refused(&offline(&["--save-policy", policy]), "--save-policy is for policies");
    let linear = ["--policy", "log-linear", "--text-features", "64"];
    for norm in ["0", "-1", "nan"] {
        assert_refused(&offline(&[&linear[..], &["--policy-norm", norm]].concat()), "norm");
    }
    run(&[&["offline", &pairs], &linear[..], &["--save-policy", policy, "--quiet"]].concat());
    let act = |more: &[&str]| nlhf(&[&["act", policy, &others], more].concat());
    assert_refused(&act(&[]), "expected --text-features 64");
    assert_refused(&act(&["--text-features", "32"]), "expected --text-features 64");
    assert_refused(&act(&["--text-features", "64", "--temperature", "0"]), "must be positive");
    assert_refused(&act(&["--text-features", "64", "--draws", "99999999999"]), "--draws");
    let alone = "{\"prompt_id\": \"p\", \"response_id\": \"r\", \"text\": \"good\"}\n";
    let alone = room.file("alone.jsonl", alone);
    let without_prompts = nlhf(&["act", policy, &alone, "--text-features", "64"]);
    assert_refused(&without_prompts, "over the texts of prompts too");
    let uniform = room.file("uniform.jsonl", "");
    assert_refused(&act(&["--text-features", "64", "--reference", &uniform]), "uniform.jsonl");
    let model = nlhf(&["act", &pairs, &others, "--text-features", "64"]);
    assert_refused(&model, "expected a policy file as written by --save-policy");
    let cut = room.file("cut.json", "{\"format\":\"nlhf-policy\",\"version\":2}");
    assert_refused(&nlhf(&["act", &cut, &others]), "found version 2");
    assert!(!room.names().iter().any(|name| name.contains("tmp")), "{:?}", room.names());
}

#[test]
fn a_policy_over_a_reference_wants_it_again() {
    let room = Room::new();
    let pairs = room.file("pairs.jsonl", &good_and_bad());
    let table = room.path("table.jsonl");
    let table = table.to_str().unwrap();
    run(&["offline", &pairs, "--output", table, "--quiet"]);
    let policy = room.path("policy.json");
    let policy = policy.to_str().unwrap();
    let learn = ["offline", &pairs, "--text-features", "64", "--policy", "log-linear", "--quiet"];
    run(&[&learn[..], &["--reference", table, "--save-policy", policy]].concat());
    let others = room.file("others.jsonl", OTHERS);
    let act = ["act", policy, &others, "--text-features", "64"];
    assert_refused(&nlhf(&act), "expected --reference FILE");
    let line = "{\"prompt_id\": \"1\", \"response_ids\": [\"1.1\", \"1.2\", \"1.3\"], \"probabilities\": [0, 0.5, 0.5]}";
    let reference = room.file("reference.jsonl", line);
    let said = run(&[&act[..], &["--reference", &reference]].concat());
    let lines = common::json_lines(&said);
    assert_eq!(probabilities(&lines[0])[0], 0.0, "what the reference never plays");
}
