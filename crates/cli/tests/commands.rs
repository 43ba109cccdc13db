//! The commands as a user runs them: what they print and write.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{
    COMPARISONS, Room, assert_refused, json_lines, nlhf, nlhf_with_input, read_json_lines, stderr,
    stdout,
};
use serde_json::Value;

#[test]
fn the_embedded_crowd_is_learned_and_reward_based_learning_is_beaten() {
    let room = Room::new();
    let (report, policy) = (room.path("report.json"), room.path("policy.jsonl"));
    let output = nlhf(&[
        "offline",
        "--report",
        report.to_str().unwrap(),
        "--output",
        policy.to_str().unwrap(),
    ]);
    assert!(output.status.success(), "{}", stderr(&output));
    let summary = stdout(&output);
    assert!(
        summary.contains("24 of 24 converged") && summary.contains("reward-based"),
        "{summary}"
    );
    let report: Value = serde_json::from_str(&std::fs::read_to_string(report).unwrap()).unwrap();
    for prompt in report["prompts"].as_array().unwrap() {
        assert!(prompt["certificate"]["duality_gap"].as_f64().unwrap() <= 1e-9);
    }
    // The shipped demonstration shows what it says: no score explains this crowd.
    let lost = |name: &str| {
        let all = report["contest"]["standings"].as_array().unwrap();
        let one = all.iter().find(|standing| standing["name"] == name).unwrap();
        one["suboptimality"]["value"].as_f64().unwrap()
    };
    assert!(lost("reward-based") > 2.0 * lost("this run"));
    let lines = read_json_lines(&policy);
    assert_eq!(lines.len(), 24);
    assert_eq!(lines[0]["prompt_id"], "prompt 1");
    assert_eq!(lines[0]["response_ids"][0], "1/a");
}

#[test]
fn a_file_becomes_a_policy_and_the_policy_a_reference() {
    let room = Room::new();
    let comparisons = room.file("comparisons.jsonl", COMPARISONS);
    let first = room.path("first.jsonl");
    let output = nlhf(&["offline", &comparisons, "--quiet", "--output", first.to_str().unwrap()]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(output.stdout.is_empty() && output.stderr.is_empty(), "--quiet is quiet");
    let lines = read_json_lines(&first);
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0]["response_ids"], serde_json::json!(["a", "b", "c"]));
    for line in &lines {
        let keys: Vec<&String> = line.as_object().unwrap().keys().collect();
        for field in [
            "prompt_id",
            "response_ids",
            "probabilities",
            "log_probabilities",
            "value",
            "duality_gap",
            "suboptimality_bound",
        ] {
            assert!(keys.iter().any(|key| *key == field), "{field} in {keys:?}");
        }
        let sum: f64 =
            line["probabilities"].as_array().unwrap().iter().map(|p| p.as_f64().unwrap()).sum();
        assert!((sum - 1.0).abs() < 1e-12);
    }
    let second = room.path("second.jsonl");
    let reference = first.to_str().unwrap();
    let output = nlhf(&[
        "offline",
        &comparisons,
        "--model",
        "bradley-terry",
        "--scale",
        "log-odds",
        "--reference",
        reference,
        "--output",
        second.to_str().unwrap(),
    ]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(read_json_lines(&second).len(), 2);
}

#[test]
fn results_do_not_depend_on_threads_and_repeat_with_the_seed() {
    let room = Room::new();
    let run = |name: &str, threads: &str, seed: &str| {
        let path = room.path(name);
        let output = nlhf(&[
            "online",
            "--rounds",
            "3",
            "--labels-per-round",
            "300",
            "--quiet",
            "--threads",
            threads,
            "--seed",
            seed,
            "--report",
            path.to_str().unwrap(),
        ]);
        assert!(output.status.success(), "{}", stderr(&output));
        std::fs::read(path).unwrap()
    };
    let one = run("one.json", "1", "7");
    assert_eq!(one, run("two.json", "2", "7"));
    assert_ne!(one, run("other.json", "2", "8"));
}

#[test]
fn games_are_solved_in_order_from_a_pipe() {
    let games = concat!(
        "{\"id\": \"rps\", \"eta\": 10, \"scale\": \"probability\", ",
        "\"payoff\": [[0.5, 0.2, 0.95], [0.8, 0.5, 0.2], [0.05, 0.8, 0.5]]}\n",
        "{\"id\": 7, \"eta\": 2, \"scale\": \"payoff\", \"payoff\": [[1, 0, 2], [0, 3, -1]], ",
        "\"prior\": [1, 3]}\n",
        "{\"id\": \"bt\", \"eta\": 1, \"scale\": \"log-odds\", \"payoff\": [[0, 1], [-1, 0]]}\n",
    );
    let output = nlhf_with_input(&["solve", "-"], games);
    assert!(output.status.success(), "{}", stderr(&output));
    let lines = json_lines(&stdout(&output));
    let ids: Vec<&str> = lines.iter().map(|line| line["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["rps", "7", "bt"]);
    assert!(lines.iter().all(|line| line["status"] == "converged"));
    assert!(lines.iter().all(|line| line["duality_gap"].as_f64().unwrap() <= 1e-10));
    // The rock-paper-scissors of the theory, to the digits printed there.
    let policy: Vec<f64> =
        lines[0]["policy"].as_array().unwrap().iter().map(|p| p.as_f64().unwrap()).collect();
    for (p, want) in policy.iter().zip([0.32706, 0.40838, 0.26457]) {
        assert!((p - want).abs() < 5e-6);
    }
    assert!((lines[0]["value"].as_f64().unwrap() - 0.5).abs() < 1e-12);
    assert!(lines[0].get("opponent").is_none());
    assert_eq!(lines[1]["opponent"].as_array().unwrap().len(), 3);
    assert!(stderr(&output).contains("prior"), "a normalized prior is noted: {}", stderr(&output));
    // Bradley-Terry: π ∝ e^r with r = ±½.
    let p = lines[2]["policy"][0].as_f64().unwrap();
    assert!((p - 1.0 / (1.0 + (-1f64).exp())).abs() < 1e-12);
}

#[test]
fn a_matrix_file_is_a_game_too() {
    let room = Room::new();
    let csv = room.file("winrates.csv", "name,x,y\r\nx,0.5,0.9\r\ny,0.1,0.5\r\n");
    let output = nlhf(&["solve", &csv, "--eta", "5", "--scale", "probability"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let line = &json_lines(&stdout(&output))[0];
    assert_eq!(line["id"], "winrates");
    // θ₁ − θ₂ = ηA₁₂ = 5 · 0.4.
    let p = line["policy"][0].as_f64().unwrap();
    assert!((p - 1.0 / (1.0 + (-2f64).exp())).abs() < 1e-12);
    assert_refused(&nlhf(&["solve", &csv, "--scale", "probability"]), "--eta");
}

#[cfg(unix)]
#[test]
fn every_command_has_an_example_in_its_help() {
    for command in ["solve", "compare", "offline", "online", "labels"] {
        let output = nlhf(&[command, "--help"]);
        assert!(output.status.success());
        assert!(stdout(&output).contains("Example"), "{command}");
        assert!(stdout(&output).contains(&format!("nlhf {command}")), "{command}");
        // Copied from an 80-column terminal, an example must not be broken by wrapping.
        let examples = stdout(&output);
        let examples = examples.split("Example").nth(1).unwrap();
        assert!(examples.lines().all(|line| line.chars().count() < 80), "{command}");
    }
}
