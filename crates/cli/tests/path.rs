//! `nlhf solve --path` as a user runs it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{
    Room, assert_refused, json_lines, nlhf, nlhf_with_input, read_json_lines, stderr, stdout,
};
use serde_json::Value;

/// Rock, paper, scissors with unequal stakes, and an action that loses to two of the three.
const WINRATES: &str = "name,a,b,c,d\n\
    a,0.5,0.2,0.95,0.6\n\
    b,0.8,0.5,0.2,0.7\n\
    c,0.05,0.8,0.5,0.3\n\
    d,0.4,0.3,0.7,0.5\n";

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

#[test]
fn a_path_to_infinity_ends_in_the_winner() {
    let room = Room::new();
    let csv = room.file("winrates.csv", WINRATES);
    let file = room.path("path.jsonl");
    let output = nlhf(&[
        "solve",
        &csv,
        "--path",
        "0.1:inf:12",
        "--scale",
        "probability",
        "--output",
        file.to_str().unwrap(),
    ]);
    assert!(output.status.success(), "{}", stderr(&output));
    let lines = read_json_lines(&file);
    assert_eq!(lines.len(), 13);
    let etas: Vec<Option<f64>> = lines.iter().map(|line| line["eta"].as_f64()).collect();
    assert_eq!((etas[0], etas[12]), (Some(0.1), None));
    assert!(etas[..12].windows(2).all(|pair| pair[0] < pair[1]));
    assert!(lines.iter().all(|line| line["status"] == "converged" && line["id"] == "winrates"));
    assert!(lines.iter().all(|line| line["duality_gap"].as_f64().unwrap() <= 1e-10));
    assert!(lines.iter().all(|line| (line["value"].as_f64().unwrap() - 0.5).abs() < 1e-12));
    // Stakes 0.3, 0.45 and 0.3 are played 2 : 3 : 2.
    let winner = numbers(&lines[12]["policy"]);
    for (p, want) in winner.iter().zip([2.0, 3.0, 2.0, 0.0]) {
        assert!((p - want / 7.0).abs() < 1e-13, "{winner:?}");
    }
    assert_eq!(numbers(&lines[12]["limit"]["support"]), [0.0, 1.0, 2.0]);
    assert!((lines[12]["limit"]["margin"].as_f64().unwrap() - 0.4 / 7.0).abs() < 1e-13);
    // d leaves once, between two solved points.
    let changes: Vec<&Value> =
        lines.iter().flat_map(|line| line["changes"].as_array().unwrap()).collect();
    assert_eq!(changes.len(), 1);
    let change = changes[0];
    assert_eq!((&change["player"], &change["change"]), (&"both".into(), &"leaves".into()));
    let (after, before) = (change["after"].as_f64().unwrap(), change["before"].as_f64().unwrap());
    assert!(change["action"] == 3 && after < before && before / after < 1.001, "{change}");
    for (eta, above) in [(after, true), (before, false)] {
        let eta = eta.to_string();
        let solved = nlhf(&["solve", &csv, "--eta", &eta, "--scale", "probability"]);
        let mass = numbers(&json_lines(&stdout(&solved))[0]["policy"])[3];
        assert_eq!(mass > 1e-3, above, "{mass} at {eta}");
    }
    // With the lines in a file, the table is for the reader, and the summary says what was learned.
    let (table, said) = (stdout(&output), stderr(&output));
    assert!(table.contains("most played") && table.contains("leaves"), "{table}");
    assert_eq!(table.lines().filter(|line| line.contains("converged")).count(), 13);
    assert!(said.contains("13 points") && said.contains("1 support change"), "{said}");
    assert!(said.contains("3 actions played") && said.contains("falls short"), "{said}");
}

#[test]
fn both_players_are_told_in_a_pipe() {
    let game = "{\"id\": \"g\", \"scale\": \"payoff\", \"payoff\": [[0, 1, 3], [2, -1, 0]]}\n";
    let output = nlhf_with_input(&["solve", "-", "--path", "1:100:4", "--threshold", "0.05"], game);
    assert!(output.status.success(), "{}", stderr(&output));
    let lines = json_lines(&stdout(&output));
    assert_eq!(lines.len(), 4);
    for (line, eta) in
        lines.iter().zip([1.0, 100_f64.powf(1.0 / 3.0), 100_f64.powf(2.0 / 3.0), 100.0])
    {
        assert!((line["eta"].as_f64().unwrap() / eta - 1.0).abs() < 1e-12);
        let mass: f64 = numbers(&line["opponent"]["policy"]).iter().sum();
        assert!((mass - 1.0).abs() < 1e-12);
        assert!(line["limit"].is_null());
    }
    let changes: Vec<&Value> =
        lines.iter().flat_map(|line| line["changes"].as_array().unwrap()).collect();
    assert_eq!(changes.len(), 1);
    assert_eq!((&changes[0]["player"], &changes[0]["action"]), (&"column".into(), &2.into()));
}

#[test]
fn what_is_no_path_is_refused_and_named() {
    let room = Room::new();
    let csv = room.file("winrates.csv", WINRATES);
    let with = |rest: &[&str]| nlhf(&[&["solve", &csv, "--scale", "probability"], rest].concat());
    for (range, named) in [
        ("5:1", "above its first eta"),
        ("3:3", "above its first eta"),
        ("0:1", "positive"),
        ("1:2:1", "points"),
        ("1", "FROM:TO"),
        ("1:2:3:4", "FROM:TO"),
        ("a:2", "\"a\""),
    ] {
        let refused = with(&["--path", range]);
        assert_refused(&refused, named);
        assert!(stderr(&refused).contains("--path"));
    }
    assert_refused(&with(&["--path", "1:2", "--eta", "3"]), "--eta and --path");
    assert_refused(&with(&["--path", "1:2", "--threshold", "1"]), "threshold");
    assert_refused(&with(&["--eta", "1", "--threshold", "0.1"]), "--path");
    assert_refused(&nlhf(&["solve", &csv, "--path", "1:2"]), "--scale");
    let game = "{\"scale\": \"payoff\", \"payoff\": [[0]]}\n";
    let two = nlhf_with_input(&["solve", "-", "--path", "1:2"], &game.repeat(2));
    assert_refused(&two, "<stdin>:2: expected one game for --path");
    assert_refused(&nlhf_with_input(&["solve", "-", "--path", "1:2"], ""), "empty");
    let huge = "{\"eta\": 1, \"scale\": \"payoff\", \"payoff\": [[0, 1e60]]}\n";
    let huge = nlhf_with_input(&["solve", "-", "--path", "1:1e60"], huge);
    assert_refused(&huge, "at most 1e100");
    let file = room.path("out.jsonl");
    let refused = with(&["--path", "1:2", "--eta", "3", "-o", file.to_str().unwrap()]);
    assert_eq!(refused.status.code(), Some(2));
    assert_eq!(room.names(), ["winrates.csv"], "nothing half-written");
}
