//! `nlhf fit` as a user runs it: models that come back from their files, choices, and refusals.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{Room, assert_refused, nlhf, stderr, stdout};
use serde_json::Value;
use std::fmt::Write;

/// Votes between nine systems whose strength is their place on a circle and a little of their height.
fn circle(order: &[usize]) -> String {
    let mut text = String::from("model_a,model_b,winner\n");
    for (i, j) in (0..9).flat_map(|i| (0..9).map(move |j| (i, j))).filter(|(i, j)| i != j) {
        let (a, b) = (order[i], order[j]);
        let angle = 2.0 * std::f64::consts::PI * (a as f64 - b as f64) / 9.0;
        let p = 1.0 / (1.0 + (-2.0 * angle.sin()).exp());
        for vote in 0..20 {
            let winner = if f64::from(vote) + 0.5 < 20.0 * p { "model_a" } else { "model_b" };
            let _ = writeln!(text, "s{a},s{b},{winner}");
        }
    }
    text
}

fn run(arguments: &[&str]) -> String {
    let output = nlhf(arguments);
    assert!(output.status.success(), "{}", stderr(&output));
    stdout(&output)
}

fn json(path: &std::path::Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn a_model_comes_back_from_its_file_whatever_the_order_of_names() {
    let room = Room::new();
    let straight = room.file("a.csv", &circle(&[0, 1, 2, 3, 4, 5, 6, 7, 8]));
    let turned = room.file("b.csv", &circle(&[8, 3, 5, 1, 0, 2, 7, 6, 4]));
    let model = room.path("model.json");
    let model = model.to_str().unwrap();
    for (kind, more) in
        [("tabular", "0"), ("bradley-terry", "0"), ("low-rank", "0"), ("low-rank", "5")]
    {
        let fit = ["fit", &straight, "--model", kind, "--output", model, "--folds", "0"];
        run(&[&fit[..], &["--bootstrap", more]].concat());
        assert_eq!(json(model.as_ref())["format"], "nlhf-model");
        let mut losses = Vec::new();
        for data in [&straight, &turned] {
            let report = room.path("report.json");
            run(&["fit", data, "--fitted", model, "--report", report.to_str().unwrap()]);
            let report = json(&report);
            losses.push(report["held_out"]["log_loss_nats"].as_f64().unwrap());
            assert_eq!(report["evidence"]["model"], kind);
        }
        assert!((losses[0] - losses[1]).abs() < 1e-12, "{kind}: {losses:?}");
        // And other commands take it.
        let policy = room.path("policy.jsonl");
        run(&["offline", &turned, "--fitted", model, "--output", policy.to_str().unwrap()]);
        assert!(std::fs::read_to_string(&policy).unwrap().contains("\"s8\""));
    }
}

#[test]
fn the_best_model_is_chosen_and_named() {
    let room = Room::new();
    let data = room.file("a.csv", &circle(&[0, 1, 2, 3, 4, 5, 6, 7, 8]));
    let report = room.path("report.json");
    let shown = run(&["fit", &data, "--compare", "--report", report.to_str().unwrap()]);
    assert!(shown.contains("behind the best"), "{shown}");
    let report = json(&report);
    let scores = report["cross_validation"]["scores"].as_array().unwrap();
    let loss = |name: &str| {
        let score = scores.iter().find(|score| score["name"] == name);
        score.unwrap()["log_loss_nats"].as_f64().unwrap()
    };
    // Scores cannot tell who wins in a circle; planes and the table of all pairs can.
    assert!(loss("bradley-terry") > 0.69, "{shown}");
    assert!(loss("low-rank") < 0.58 && loss("tabular") < 0.58, "{shown}");
    assert_eq!(report["model"], scores[0]["name"]);
    // The settings of one model.
    let shown = run(&["fit", &data, "--model", "bradley-terry", "--cv"]);
    assert!(shown.contains("bradley-terry, ridge 0.1"), "{shown}");
}

#[test]
fn what_is_no_model_file_is_told_and_nothing_is_written() {
    let room = Room::new();
    let data = room.file("a.csv", &circle(&[0, 1, 2, 3, 4, 5, 6, 7, 8]));
    let model = room.path("model.json");
    let model = model.to_str().unwrap();
    run(&["fit", &data, "--model", "bradley-terry", "--output", model, "--folds", "0"]);
    let whole = std::fs::read_to_string(model).unwrap();
    let fitted = |content: &str| {
        let path = room.file("changed.json", content);
        nlhf(&["fit", &data, "--fitted", &path])
    };
    for (content, told) in [
        ("", "expected a model file as written by nlhf fit --output, found other content"),
        ("{}", "found JSON without \"format\""),
        (&whole[..whole.len() / 2], "expected a model file"),
        (&whole.replace("\"version\":1", "\"version\":7"), "found version 7"),
        (&whole.replace("\"s3\",", ""), "expected a score of each response"),
    ] {
        assert_refused(&fitted(content), told);
    }
    for (arguments, told) in [
        (vec!["--model", "tabular", "--ridge", "1"], "--ridge does nothing for the tabular model"),
        (vec!["--model", "linear"], "this model needs features"),
        (vec!["--model", "contextual"], "needs features of prompts"),
        (vec!["--model", "low-rank", "--planes", "0"], "number of planes"),
        (vec!["--cv", "--folds", "1"], "--folds must be at least 2"),
        (vec!["--fitted", model, "--output", "x.json"], "would write the same model again"),
        (vec!["--output", model, "--report", model], "named twice"),
    ] {
        let arguments = [vec!["fit", &data], arguments].concat();
        assert_refused(&nlhf(&arguments), told);
    }
    assert_eq!(std::fs::read_to_string(model).unwrap(), whole);
}
