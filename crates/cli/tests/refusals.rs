//! What the commands refuse, what they leave behind then, and what they mark.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{
    COMPARISONS, Room, assert_refused, json_lines, nlhf, nlhf_with_input, stderr, stdout,
};
use std::path::Path;
use std::process::{Command, Stdio};

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
            ":2: expected \"weight\" in [0, 1e12], found -1",
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
    // A prompt whose only comparison is of a response with itself: counted, left out, and said.
    let output = nlhf(&["offline", &own]);
    assert!(output.status.success());
    assert!(stderr(&output).contains("1 comparison of a response with itself: left out"));
    assert!(stdout(&output).contains("1 prompt"));
    let battles = room.file("b.csv", "model_a,model_b,winner\r\nx,y,tie\r\nx,y,nobody\r\n");
    assert_refused(&nlhf(&["offline", &battles]), "b.csv:3: expected \"winner\"");
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
    assert!(
        stderr(&skipped).contains("1 comparison of responses that are not listed"),
        "{}",
        stderr(&skipped)
    );

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
fn strictly_bad_games_are_refused_by_file_and_line() {
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
        (
            "{\"eta\": 1, \"scale\": \"payoff\", \"payoff\": [[0]], \"priro\": [1]}",
            "unknown field `priro`",
        ),
        ("{\"eta\": 1e9, \"scale\": \"payoff\", \"payoff\": [[1e300]]}", "at most 1e100"),
    ] {
        let room = Room::new();
        let file = room.file("games.jsonl", &format!("{good}\n{bad}\n"));
        let output = room.path("solved.jsonl");
        let solve = ["solve", &file, "--strict"];
        let refused = nlhf(&[&solve[..], &["--output", output.to_str().unwrap()]].concat());
        assert_refused(&refused, expected);
        assert!(stderr(&refused).contains("games.jsonl:2: "), "{}", stderr(&refused));
        assert_eq!(room.names(), ["games.jsonl"], "nothing half-written");
        assert_refused(&nlhf(&solve), expected);
        // A file that is nothing but this was not meant to be games.
        let file = room.file("games.jsonl", &format!("{bad}\n\n{bad}\n"));
        let refused = nlhf(&["solve", &file]);
        assert_refused(&refused, "none of 2 games can be solved");
        assert!(stderr(&refused).contains("games.jsonl:1: "), "{}", stderr(&refused));
    }
    assert_refused(&nlhf_with_input(&["solve", "-"], ""), "empty");
}

#[test]
fn outputs_are_checked_before_the_work_and_replace_no_input() {
    let room = Room::new();
    let comparisons = room.file("comparisons.jsonl", COMPARISONS);
    let policy = room.path("policy.jsonl");
    let policy = policy.to_str().unwrap();
    let nowhere = room.path("nowhere/report.json");
    let nowhere = nowhere.to_str().unwrap();
    assert_refused(&nlhf(&["offline", &comparisons, "-o", &comparisons]), "output of its own");
    let twice = nlhf(&["offline", &comparisons, "-o", policy, "--report", policy]);
    assert_refused(&twice, "output of its own");
    let lost = nlhf(&["offline", &comparisons, "-o", policy, "--report", nowhere]);
    assert_refused(&lost, "does not exist");
    assert_eq!(room.names(), ["comparisons.jsonl"], "nothing half-written");
    assert_eq!(std::fs::read_to_string(&comparisons).unwrap(), COMPARISONS);
}

#[test]
fn an_interrupt_leaves_nothing_behind() {
    let room = Room::new();
    let output = room.path("solved.jsonl");
    // It waits for games on a standard input that stays open.
    let mut child = Command::new(env!("CARGO_BIN_EXE_nlhf"))
        .args(["solve", "-", "--output", output.to_str().unwrap()])
        .stdin(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    while room.names().is_empty() {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    // Waiting would close the standard input, which is another way to end.
    let input = child.stdin.take();
    let id = child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    drop(input);
    assert_eq!(room.names(), Vec::<String>::new());
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
