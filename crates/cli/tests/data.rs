//! `nlhf data` as a user runs it: counts that are known, cycles that are there, and refusals.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{Room, assert_refused, nlhf, stderr, stdout};
use serde_json::Value;
use std::fmt::Write;

/// `votes` votes a pair and order on one prompt, `wins` of them for the first of each pair.
fn file(pairs: &[(&str, &str)], votes: u32, wins: u32) -> String {
    let mut text = String::from("model_a,model_b,winner,annotator\n");
    for (a, b) in pairs {
        for vote in 0..votes {
            let (a_wins, b_wins) =
                if vote < wins { ("model_a", "model_b") } else { ("model_b", "model_a") };
            let _ = writeln!(text, "{a},{b},{a_wins},judge{}", vote % 3);
            let _ = writeln!(text, "{b},{a},{b_wins},judge{}", vote % 3);
        }
    }
    text
}

fn report(room: &Room, name: &str, content: &str, more: &[&str]) -> (String, Value) {
    let (data, path) = (room.file(name, content), room.path("report.json"));
    let mut arguments = vec!["data", &data, "--report", path.to_str().unwrap()];
    arguments.extend(more);
    let output = nlhf(&arguments);
    assert!(output.status.success(), "{}", stderr(&output));
    let report = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    (stdout(&output), report)
}

#[test]
fn a_circle_is_told_from_a_ranking() {
    let room = Room::new();
    let circle = file(&[("rock", "scissors"), ("scissors", "paper"), ("paper", "rock")], 30, 24);
    let (summary, found) = report(&room, "circle.csv", &circle, &[]);
    assert!(
        summary.contains("more cycles than noise") || summary.contains("scores miss"),
        "{summary}"
    );
    assert!(found["transitivity"]["likelihood_ratio"]["p_value"].as_f64().unwrap() <= 0.005);
    assert_eq!(found["transitivity"]["cyclic_triples"]["statistic"], 1.0);
    assert_eq!(found["cross_validation"]["scores"][0]["name"], "tabular");
    assert_eq!((&found["n_comparisons"], &found["n_annotators"]), (&180.into(), &3.into()));
    assert_eq!(found["order"]["first_won"], 0.5);

    let ranking = file(&[("gold", "silver"), ("silver", "bronze"), ("gold", "bronze")], 30, 20);
    let (summary, found) = report(&room, "ranking.csv", &ranking, &["--folds", "3"]);
    assert_eq!(found["transitivity"]["cyclic_triples"]["statistic"], 0.0);
    assert!(summary.contains("0 of 1 triples"), "{summary}");
    assert_eq!(found["cross_validation"]["n_folds"], 3);
}

#[test]
fn islands_and_champions_are_named_with_what_to_do() {
    let room = Room::new();
    let lines = "model_a,model_b,winner\na,b,model_a\nb,c,tie\nb,c,model_a\nc,b,model_a\nx,y,tie\n";
    let (summary, found) = report(&room, "islands.csv", lines, &[]);
    assert_eq!(found["connectivity"]["n_components"], 2);
    assert_eq!(found["connectivity"]["never_lost"], serde_json::json!(["a"]));
    assert!(summary.contains("compare b, x with each other"), "{summary}");
    assert!(summary.contains("1 response never lost nor tied: a"), "{summary}");
    assert!(summary.contains("40.0 % ties"), "{summary}");
    assert!(found["transitivity"].is_null());
    assert!(summary.contains("not tested: no three responses"), "{summary}");
}

#[test]
fn results_do_not_depend_on_threads_and_parts_can_be_left_out() {
    let room = Room::new();
    let circle = file(&[("a", "b"), ("b", "c"), ("c", "a"), ("c", "d"), ("d", "a")], 9, 6);
    let one = report(&room, "data.csv", &circle, &["--threads", "1"]);
    let two = report(&room, "data.csv", &circle, &["--threads", "2"]);
    assert_eq!(one, two);
    let (summary, found) =
        report(&room, "data.csv", &circle, &["--replicates", "0", "--folds", "0"]);
    assert!(found["transitivity"].is_null() && found["cross_validation"].is_null());
    assert!(summary.contains("--replicates 0"), "{summary}");
    let quiet = nlhf(&["data", &room.file("d.csv", &circle), "--quiet"]);
    assert!(quiet.status.success() && quiet.stdout.is_empty() && quiet.stderr.is_empty());
}

#[test]
fn bad_files_are_refused_and_no_report_is_left() {
    let room = Room::new();
    let bad = room.file("bad.jsonl", "{\"response_a_id\": \"a\"}\n");
    let report = room.path("report.json");
    let output = nlhf(&["data", &bad, "--report", report.to_str().unwrap()]);
    assert_refused(&output, "bad.jsonl:1");
    assert!(!report.exists());
    let output = nlhf(&["data", &bad, "--report", &bad]);
    assert_refused(&output, "named twice");
}

#[test]
fn an_order_effect_is_fitted_and_told() {
    let room = Room::new();
    // The first shown wins 30 of 40 in either order.
    let mut text = String::from("model_a,model_b,winner\n");
    for (a, b) in [("a", "b"), ("b", "a"), ("b", "c"), ("c", "b"), ("a", "c"), ("c", "a")] {
        for vote in 0..40 {
            let _ = writeln!(text, "{a},{b},{}", if vote < 30 { "model_a" } else { "model_b" });
        }
    }
    let data = room.file("order.csv", &text);
    let summary = stdout(&nlhf(&["data", &data]));
    assert!(summary.contains("the first shown wins 75.0 %"), "{summary}");
    assert!(summary.contains("--order-effect"), "{summary}");
    for model in ["tabular", "bradley-terry"] {
        let output = nlhf(&["offline", &data, "--model", model, "--order-effect"]);
        // log 3 = 1.099 nats.
        assert!(stdout(&output).contains("order effect +1.0"), "{}", stdout(&output));
    }
}

#[test]
fn comparisons_come_out_in_other_forms_and_go_in_again() {
    let room = Room::new();
    let pairs = concat!(
        "{\"chosen\": \"Why? Because it is so.\", \"rejected\": \"Why? No.\"}\n",
        "{\"chosen\": \"Why? Because it is so.\", \"rejected\": \"Why? Leave me alone.\"}\n",
        "{\"chosen\": \"How? Slowly.\", \"rejected\": \"How? Yes.\"}\n",
    );
    let data = room.file("pairs.jsonl", pairs);
    let (explicit, trl) = (room.path("explicit.jsonl"), room.path("trl.jsonl"));
    let (explicit, trl) = (explicit.to_str().unwrap(), trl.to_str().unwrap());
    let output = nlhf(&["data", &data, "--explicit", explicit, "--pairs", trl]);
    assert!(output.status.success(), "{}", stderr(&output));
    let text = std::fs::read_to_string(trl).unwrap();
    let line = "{\"prompt\":\"How?\",\"chosen\":\" Slowly.\",\"rejected\":\" Yes.\"}";
    assert!(text.contains(line), "{text}");
    let text = std::fs::read_to_string(explicit).unwrap();
    assert!(text.contains("\"response_a_id\":\"1.chosen\""), "{text}");
    // The texts make features, and a model of them is found again only with the same.
    let model = room.path("model.json");
    let model = model.to_str().unwrap();
    let fit = ["fit", trl, "--text-features", "64", "--model", "linear", "--folds", "0"];
    let output = nlhf(&[&fit[..], &["--output", model]].concat());
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(nlhf(&["fit", trl, "--text-features", "64", "--fitted", model]).status.success());
    assert_refused(&nlhf(&["fit", trl, "--fitted", model]), "expected --text-features 64");
    assert_refused(&nlhf(&["fit", trl, "--text-features", "100"]), "a power of two");
    // Ids alone say nothing.
    assert_refused(&nlhf(&["data", explicit, "--pairs", trl]), "expected texts of the responses");
    assert_refused(
        &nlhf(&["data", explicit, "--text-features"]),
        "expected texts of the responses",
    );
}

#[test]
fn the_embedded_crowd_can_be_written_and_read_again() {
    let room = Room::new();
    let crowd = room.path("crowd.jsonl");
    let crowd = crowd.to_str().unwrap();
    let output = nlhf(&["data", "--explicit", crowd, "--folds", "0", "--replicates", "0"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let written = std::fs::read_to_string(crowd).unwrap();
    // 24 prompts of 15 pairs, 400 labels each.
    assert_eq!(written.lines().count(), 144_000);
    assert!(written.contains("\"annotator\":\"kind 3\""), "{}", written.lines().next().unwrap());
}
