//! The commands as a user runs them: what they print, write, and refuse.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use serde_json::Value;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

struct Room {
    folder: tempfile::TempDir,
}

impl Room {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn file(&self, name: &str, content: &str) -> String {
        std::fs::write(self.path(name), content).unwrap();
        self.path(name).to_str().unwrap().to_owned()
    }

    fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.folder.path()).unwrap();
        entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect()
    }
}

fn nlhf(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_nlhf")).args(arguments).output().unwrap()
}

fn nlhf_with_input(arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_nlhf"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn json_lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn read_json_lines(path: &Path) -> Vec<Value> {
    json_lines(&std::fs::read_to_string(path).unwrap())
}

fn assert_refused(output: &Output, expected: &str) {
    let said = stderr(output);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains(expected), "said {said:?}, expected {expected:?}");
    assert!(output.stdout.is_empty(), "nothing on standard output");
}

const COMPARISONS: &str = concat!(
    "{\"prompt_id\": \"p1\", \"response_a_id\": \"a\", \"response_b_id\": \"b\", \"label\": 1}\n",
    "{\"prompt_id\": \"p1\", \"response_a_id\": \"b\", \"response_b_id\": \"c\", \"label\": 1.0}\n",
    "{\"prompt_id\": \"p1\", \"response_a_id\": \"c\", \"response_b_id\": \"a\", \"label\": 0.5, \"weight\": 3}\n",
    "{\"prompt_id\": \"p2\", \"response_a_id\": \"d\", \"response_b_id\": \"e\", \"label\": 0}\n",
);

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
        let all = report["true_suboptimality"].as_array().unwrap();
        let one = all.iter().find(|p| p["policy"].as_str().unwrap().starts_with(name)).unwrap();
        let lost: Vec<f64> =
            one["suboptimality"].as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect();
        lost.iter().sum::<f64>() / lost.len() as f64
    };
    assert!(lost("reward-based") > 2.0 * lost("pessimistic"));
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

#[test]
fn bad_comparisons_are_refused_by_file_and_line() {
    let good = COMPARISONS.lines().next().unwrap();
    for (bad, expected) in [
        ("{\"prompt_id\": ", ":2: expected well-formed JSON"),
        ("{\"prompt_id\": \"p\", \"response_a_id\": \"a\", \"label\": 1}", "response_b_id"),
        (
            "{\"prompt_id\": \"p\", \"response_a_id\": \"a\", \"response_b_id\": \"b\", \"label\": 1.5}",
            ":2: expected \"label\" in [0, 1], found 1.5",
        ),
        (
            "{\"prompt_id\": \"p\", \"response_a_id\": \"a\", \"response_b_id\": \"b\", \"label\": null}",
            ":2: expected \"label\" in [0, 1]",
        ),
        (
            "{\"prompt_id\": \"p\", \"response_a_id\": \"a\", \"response_b_id\": \"b\", \"label\": NaN}",
            ":2: expected",
        ),
        (
            "{\"prompt_id\": \"p\", \"response_a_id\": \"a\", \"response_b_id\": \"b\", \"label\": 1, \"weight\": -1}",
            ":2: expected \"weight\" to be non-negative and finite, found -1",
        ),
    ] {
        let room = Room::new();
        let file = room.file("comparisons.jsonl", &format!("{good}\n{bad}\n"));
        let output = room.path("policy.jsonl");
        let refused = nlhf(&["offline", &file, "--output", output.to_str().unwrap()]);
        assert_refused(&refused, expected);
        assert!(stderr(&refused).contains("comparisons.jsonl"));
        assert_eq!(room.names(), ["comparisons.jsonl"], "nothing half-written");
    }
    let room = Room::new();
    let own =
        "{\"prompt_id\": \"p\", \"response_a_id\": \"a\", \"response_b_id\": \"a\", \"label\": 1}";
    let own = room.file("own.jsonl", &format!("{good}\n{own}\n"));
    assert_refused(&nlhf(&["offline", &own]), "own.jsonl:2: expected two candidates or more");
    let empty = room.file("empty.jsonl", "");
    assert_refused(&nlhf(&["offline", &empty]), "found an empty file");
    assert_refused(&nlhf(&["offline", "/no/such/file"]), "/no/such/file");
}

#[test]
fn catalogs_and_embeddings_must_fit() {
    let room = Room::new();
    let comparisons = room.file("comparisons.jsonl", COMPARISONS);
    let listed = |ids: &[(&str, &str)]| -> String {
        let line = |(prompt, response): &(&str, &str)| {
            format!("{{\"prompt_id\": \"{prompt}\", \"response_id\": \"{response}\"}}\n")
        };
        ids.iter().map(line).collect()
    };
    let all = [("p1", "a"), ("p1", "b"), ("p1", "c"), ("p2", "d"), ("p2", "e")];
    let few = room.file("few.jsonl", &listed(&all[..4]));
    assert_refused(
        &nlhf(&["offline", &comparisons, "--responses", &few]),
        "comparisons.jsonl:4: expected a \"response_b_id\" listed in",
    );
    let skipped = nlhf(&[
        "offline",
        &comparisons,
        "--responses",
        &few,
        "--skip-unlisted",
        "--allow-single-candidates",
    ]);
    assert!(skipped.status.success(), "{}", stderr(&skipped));
    assert!(stderr(&skipped).contains("1 row name"), "{}", stderr(&skipped));

    let lone = room.file("lone.jsonl", &listed(&[&all[..], &[("p3", "z")]].concat()));
    let single = ["offline", &comparisons, "--responses", &lone];
    assert_refused(
        &nlhf(&single),
        "lone.jsonl:6: expected two candidates or more for prompt \"p3\"",
    );
    let kept = nlhf(&[&single[..], &["--allow-single-candidates"]].concat());
    assert!(kept.status.success(), "{}", stderr(&kept));

    let responses = room.file("responses.jsonl", &listed(&all));
    let npy = room.path("rows.npy");
    write_npy(&npy, 4, 2);
    let npy = npy.to_str().unwrap();
    let with = |rest: &[&str]| {
        let fixed = ["offline", &comparisons, "--responses", &responses];
        nlhf(&[&fixed, rest].concat())
    };
    assert_refused(&with(&["--response-embeddings", npy]), "expected 5 rows");
    write_npy(&room.path("rows.npy"), 5, 2);
    for model in ["linear", "bilinear"] {
        let output = with(&["--response-embeddings", npy, "--model", model, "--beta", "1"]);
        assert!(output.status.success(), "{}", stderr(&output));
        assert!(stdout(&output).contains(model));
    }
    assert_refused(&with(&["--model", "linear"]), "--response-embeddings");
}

/// An `n × m` array of f64, all different.
fn write_npy(path: &Path, n: usize, m: usize) {
    let mut header =
        format!("{{'descr': '<f8', 'fortran_order': False, 'shape': ({n}, {m}), }}").into_bytes();
    while (10 + header.len() + 1) % 64 != 0 {
        header.push(b' ');
    }
    header.push(b'\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend(u16::try_from(header.len()).unwrap().to_le_bytes());
    bytes.extend(header);
    for at in 0..n * m {
        bytes.extend((at as f64).sin().to_le_bytes());
    }
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn bad_games_are_refused_by_file_and_line() {
    let good = "{\"eta\": 1, \"scale\": \"payoff\", \"payoff\": [[0]]}";
    for (bad, expected) in [
        ("{\"eta\": 0, \"scale\": \"payoff\", \"payoff\": [[0]]}", ":2: expected"),
        ("{\"eta\": 1, \"scale\": \"odds\", \"payoff\": [[0]]}", "\"odds\""),
        (
            "{\"eta\": 1, \"scale\": \"probability\", \"payoff\": [[0.5, 0.7], [0.7, 0.5]]}",
            ":2: expected",
        ),
        ("{\"eta\": 1, \"scale\": \"log-odds\", \"payoff\": [[0, 1]]}", "square"),
        ("{\"eta\": 1, \"scale\": \"payoff\", \"payoff\": [[0, 1], [2]]}", ":2: expected"),
        ("{\"eta\": 1, \"scale\": \"payoff\", \"payoff\": [[0, 1]], \"prior\": [-1]}", "prior"),
        ("{\"scale\": \"payoff\", \"payoff\": [[0]]}", "eta"),
    ] {
        let room = Room::new();
        let file = room.file("games.jsonl", &format!("{good}\n{bad}\n"));
        let output = room.path("solved.jsonl");
        let refused = nlhf(&["solve", &file, "--output", output.to_str().unwrap()]);
        assert_refused(&refused, expected);
        assert!(stderr(&refused).contains("games.jsonl"), "{}", stderr(&refused));
        assert_eq!(room.names(), ["games.jsonl"], "nothing half-written");
    }
    assert_refused(&nlhf_with_input(&["solve", "-"], ""), "empty");
}

#[test]
fn what_does_not_converge_is_marked_and_says_so() {
    let game = "{\"eta\": 50, \"scale\": \"payoff\", \"payoff\": [[0, 1.3], [0.7, -0.1]]}\n";
    let output = nlhf_with_input(&["solve", "-", "--tolerance", "0"], game);
    let line = &json_lines(&stdout(&output))[0];
    let gap = line["duality_gap"].as_f64().unwrap();
    let converged = line["status"] == "converged";
    assert_eq!(converged, gap == 0.0);
    assert_eq!(output.status.code(), Some(i32::from(!converged)));
}

#[test]
fn every_command_has_an_example_in_its_help() {
    for command in ["solve", "offline", "online"] {
        let output = nlhf(&[command, "--help"]);
        assert!(output.status.success());
        assert!(stdout(&output).contains("Example:"), "{command}");
        assert!(stdout(&output).contains(&format!("nlhf {command}")), "{command}");
    }
}
