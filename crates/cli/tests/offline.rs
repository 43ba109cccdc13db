//! `nlhf offline` as a user runs it: forms of pessimism, saved models on new candidates, coverage, judges.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{Room, assert_refused, good_and_bad, nlhf, read_json_lines, stderr, stdout};
use serde_json::Value;
use std::fmt::Write;
use std::path::Path;

fn run(arguments: &[&str]) -> String {
    let output = nlhf(arguments);
    assert!(output.status.success(), "{}", stderr(&output));
    stdout(&output)
}

fn json(path: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

/// Votes on three answers that beat each other in a circle, `share` of the time, on each prompt.
fn circles(prompts: usize, votes: usize, share: f64) -> String {
    let mut text = String::new();
    for x in 0..prompts {
        for (a, b) in [("a", "b"), ("b", "c"), ("c", "a")] {
            for vote in 0..votes {
                let label = u8::from((vote as f64 + 0.5) < share * votes as f64);
                let _ = writeln!(
                    text,
                    "{{\"prompt_id\":\"p{x}\",\"response_a_id\":\"{a}\",\"response_b_id\":\"{b}\",\"label\":{label}}}"
                );
            }
        }
    }
    text
}

/// The same of responses that nobody else names.
fn votes_of_others() -> String {
    circles(3, 20, 0.9)
        .replace("\"a\"", "\"x\"")
        .replace("\"b\"", "\"y\"")
        .replace("\"c\"", "\"z\"")
}

#[test]
fn a_saved_model_answers_for_candidates_never_compared() {
    let room = Room::new();
    let pairs = room.file("pairs.jsonl", &good_and_bad());
    let candidates = room.file(
        "new.jsonl",
        concat!(
            "{\"prompt_id\":\"n1\",\"prompt\":\"one\",\"responses\":[\"bad bad\",\"good good\"],\"response_ids\":[\"x\",\"y\"]}\n",
            "{\"prompt_id\":\"n2\",\"prompt\":\"two\",\"responses\":[\"good\",\"strange\"],\"response_ids\":[\"z\",\"w\"]}\n",
        ),
    );
    let (model, policy) = (room.path("model.json"), room.path("policy.jsonl"));
    let (model, policy) = (model.to_str().unwrap(), policy.to_str().unwrap());
    let features = ["--text-features", "64"];
    let fit = ["fit", &pairs, "--model", "linear", "--ridge", "1", "--folds", "0", "--beta", "1"];
    run(&[&fit[..], &features, &["--output", model]].concat());
    let apply = ["offline", "--apply", model, &candidates, "--output", policy];
    let shown = run(&[&apply[..], &features].concat());
    assert!(shown.contains("Applied") && shown.contains("2 prompts with 4 candidates"), "{shown}");
    assert!(shown.contains("if the saved model's widths hold"), "{shown}");
    let lines = read_json_lines(policy.as_ref());
    assert_eq!(lines[0]["response_ids"], serde_json::json!(["x", "y"]));
    let first = numbers(&lines[0]["probabilities"]);
    assert!(first[1] > 0.6, "{first:?}");
    assert!(lines.iter().all(|line| line["duality_gap"].as_f64().unwrap() < 1e-10));

    // What the model needs and is not given, and what cannot be applied.
    assert_refused(&nlhf(&apply), "expected --text-features 64");
    assert_refused(
        &nlhf(&["offline", "--apply", &candidates, &candidates]),
        "expected a model file",
    );
    let alone =
        room.file("one.jsonl", "{\"prompt_id\":\"n\",\"prompt\":\"p\",\"responses\":[\"a\"]}\n");
    let without_prompts = "{\"prompt_id\":\"n\",\"response_id\":\"x\",\"text\":\"a\"}\n";
    let without_prompts = room.file("bare.jsonl", without_prompts);
    let bare = ["offline", "--allow-single-candidates", "--apply", model, &without_prompts];
    assert_refused(&nlhf(&[&bare[..], &features].concat()), "over the texts of prompts too");
    let one = nlhf(&[&["offline", "--apply", model, &alone][..], &features].concat());
    assert_refused(&one, "--allow-single-candidates");
    let empty = room.file("none.jsonl", "");
    let none = nlhf(&[&["offline", "--apply", model, &empty][..], &features].concat());
    assert_refused(&none, "none.jsonl");
}

#[test]
fn saved_models_make_a_class_and_resampled_fits_a_version_space() {
    let room = Room::new();
    let votes = room.file("votes.jsonl", &circles(3, 60, 0.8));
    let straight = room.file(
        "straight.jsonl",
        &circles(3, 60, 0.8)
            .replace("\"c\",\"response_b_id\":\"a\"", "\"a\",\"response_b_id\":\"c\""),
    );
    let even = room.file("even.jsonl", &circles(3, 60, 0.5));
    let mut class = Vec::new();
    // Chosen without the votes that they are held against.
    let like = room.file("like.jsonl", &circles(3, 61, 0.8));
    for (name, data) in [("circle", &like), ("straight", &straight), ("even", &even)] {
        let model = room.path(&format!("{name}.json"));
        let model = model.to_str().unwrap().to_owned();
        run(&["fit", data, "--model", "tabular", "--folds", "0", "--output", &model]);
        class.extend(["--class".to_owned(), model]);
    }
    let class: Vec<&str> = class.iter().map(String::as_str).collect();
    let report = room.path("report.json");
    let few = room.file("few.jsonl", &circles(1, 1, 0.8));
    for (data, open) in [(&votes, 1), (&few, 3)] {
        let offline = ["offline", data, "--pessimism", "version-space", "--report"];
        let shown = run(&[&offline[..], &[report.to_str().unwrap()], &class].concat());
        let found = json(&report);
        assert_eq!(found["version_space"]["n_preferences"], open, "{shown}");
        assert!(shown.contains("if one of the models is the truth"), "{shown}");
        let bound = found["version_space"]["suboptimality_bound"].as_f64().unwrap();
        assert!((bound < 1e-9) == (open == 1), "{bound}");
    }
    // A class without the truth: the circle is told from both others.
    let shown = run(&[&["offline", &votes][..], &class[2..]].concat());
    assert!(shown.contains("MISFIT"), "{shown}");

    let own = room.path("own.json");
    let own = own.to_str().unwrap();
    run(&["fit", &votes, "--model", "tabular", "--folds", "0", "--output", own]);
    assert_refused(&nlhf(&["offline", &votes, "--class", own]), "this model was fitted to them");
    let strange = room.file("strange.jsonl", &votes_of_others());
    run(&["fit", &strange, "--model", "tabular", "--folds", "0", "--output", own]);
    assert_refused(&nlhf(&["offline", &votes, "--class", own]), "knows none of those");

    let ensemble = ["offline", &votes, "--pessimism", "version-space", "--report"];
    let shown = run(&[&ensemble[..], &[report.to_str().unwrap()]].concat());
    assert_eq!(json(&report)["version_space"]["n_preferences"], 51);
    assert!(shown.contains("for which nothing vouches"), "{shown}");
    assert_refused(
        &nlhf(&["offline", &votes, "--class", &votes]),
        "expected a model file as written by nlhf fit --output",
    );
}

#[test]
fn what_is_missing_is_named_and_misfit_is_told() {
    let room = Room::new();
    // p0 is judged in full; on p1 nobody compared c with a.
    let full = circles(2, 200, 0.9);
    let missing = "\"prompt_id\":\"p1\",\"response_a_id\":\"c\",\"response_b_id\":\"a\"";
    let part: String = full.split_inclusive('\n').filter(|line| !line.contains(missing)).collect();
    let votes = room.file("votes.jsonl", &part);
    let report = room.path("report.json");
    let report_name = report.to_str().unwrap();
    let shown = run(&["offline", &votes, "--report", report_name]);
    assert!(shown.contains("on 1 of 2 prompts the comparisons leave open"), "{shown}");
    assert!(shown.contains("collect what is missing first"), "{shown}");
    let coverage = &json(&report)["coverage"];
    assert!(coverage["coefficient_upper"].is_null() && coverage["covered_upper"].is_number());
    let pair = &coverage["missing"][0];
    let mut ends = [pair["response_id"].as_str().unwrap(), pair["competitor_id"].as_str().unwrap()];
    ends.sort_unstable();
    assert_eq!((pair["prompt_id"].as_str().unwrap(), ends), ("p1", ["a", "c"]));
    assert!(coverage["prompt_coefficients"][0].is_number());
    assert!(coverage["prompt_coefficients"][1].is_null());

    // Scores cannot hold a circle, and the comparisons say so.
    let circle = room.file("circle.jsonl", &full);
    let shown = run(&["offline", &circle, "--model", "bradley-terry", "--report", report_name]);
    assert!(shown.contains("MISFIT") && shown.contains("is believed to in 50 %"), "{shown}");
    assert!(json(&report)["misfit"]["estimate_nats"].as_f64().unwrap() > 100.0);
    let shown = run(&["offline", &circle]);
    assert!(!shown.contains("MISFIT"), "{shown}");
}

#[test]
fn other_methods_are_judged_by_what_was_held_out() {
    let room = Room::new();
    let votes = room.file("votes.jsonl", &circles(4, 50, 0.9));
    let report = room.path("report.json");
    let baselines = ["offline", &votes, "--baselines", "--eta", "20", "--report"];
    let shown = run(&[&baselines[..], &[report.to_str().unwrap()]].concat());
    assert!(shown.contains("DPO") && shown.contains("judged by"), "{shown}");
    let found = json(&report);
    let judged = found["contest"]["n_comparisons"].as_u64().unwrap();
    let fitted = found["fit"]["n_comparisons"].as_u64().unwrap();
    assert_eq!(judged + fitted, 600);
    assert!((80..160).contains(&judged), "{judged}");
    assert_eq!(found["contest"]["standings"][0]["name"], "this run");
    // Named splits are taken as they are.
    let mut split = circles(4, 50, 0.9).replace("\"label\":0}", "\"label\":0,\"split\":\"test\"}");
    split = split.replace("\"label\":1}", "\"label\":1,\"split\":\"train\"}");
    let split = room.file("split.jsonl", &split);
    assert_refused(
        &nlhf(&["offline", &split, "--hold-out", "0.2"]),
        "for data that name no splits",
    );
    for share in ["0", "1", "NaN", "-0.1"] {
        assert_refused(&nlhf(&["offline", &votes, "--hold-out", share]), "between 0 and 1");
    }
}

#[test]
fn extremes_are_answered_and_no_bound_is_claimed_without_widths() {
    let room = Room::new();
    let votes = room.file("votes.jsonl", &circles(2, 30, 0.8));
    for eta in ["1e-3", "1e7"] {
        for pessimism in ["bonus", "version-space", "none"] {
            let shown = run(&["offline", &votes, "--eta", eta, "--pessimism", pessimism]);
            assert!(shown.contains("2 of 2 converged"), "{eta} {pessimism}: {shown}");
        }
    }
    let policy = room.path("policy.jsonl");
    let bold = ["offline", &votes, "--model", "bradley-terry", "--beta", "0", "--output"];
    let shown = run(&[&bold[..], &[policy.to_str().unwrap()]].concat());
    assert!(shown.contains("none: --beta 0 takes the estimate at its word"), "{shown}");
    assert!(read_json_lines(&policy).iter().all(|line| line["suboptimality_bound"].is_null()));
}

#[test]
fn where_nothing_was_compared_nothing_is_known() {
    let room = Room::new();
    let votes = room.file("votes.jsonl", &circles(2, 40, 0.8));
    let mut list = String::new();
    for x in 0..3 {
        for a in ["a", "b", "c"] {
            let _ = writeln!(list, "{{\"prompt_id\":\"p{x}\",\"response_id\":\"p{x}{a}\"}}");
        }
    }
    let responses = room.file("responses.jsonl", &list);
    let named: String = (0..2)
        .flat_map(|x| {
            let of = format!("\"p{x}\"");
            let lines = std::fs::read_to_string(&votes).unwrap();
            let own = lines.lines().filter(|line| line.contains(&of));
            let rename = |line: &str| {
                ["a", "b", "c"].iter().fold(line.to_owned(), |line, a| {
                    line.replace(&format!("id\":\"{a}\""), &format!("id\":\"p{x}{a}\""))
                })
            };
            own.map(|line| rename(line) + "\n").collect::<Vec<_>>()
        })
        .collect();
    let named = room.file("named.jsonl", &named);
    let report = room.path("report.json");
    for (more, bound) in [
        (vec!["--pessimism", "version-space"], None),
        (vec!["--bootstrap", "30"], Some(0.3)),
        (vec!["--model", "low-rank"], Some(0.3)),
        (vec!["--model", "tabular"], Some(0.3)),
    ] {
        let offline = ["offline", &named, "--responses", &responses, "--report"];
        let shown = run(&[&offline[..], &[report.to_str().unwrap()], &more].concat());
        let found = json(&report)["prompts"][2]["suboptimality_bound"].as_f64();
        match bound {
            None => {
                assert!(found.is_none() && shown.contains("nothing is known on 1 of 3"), "{shown}");
            }
            Some(least) => assert!(found.unwrap() > least, "{more:?}: {found:?}"),
        }
    }
}
