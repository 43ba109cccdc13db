//! A model behind HTTP, served on this machine: both orders, soft labels, costs, a server that dies, a key that stays secret.

use super::Desk;
use crate::asking::without_costs;
use crate::common::{assert_refused, nlhf, read_json_lines, stderr, stdout};
use crate::mock;
use crate::server::{Reply, Server};
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

const SIZES: [&str; 6] = ["--budget", "8", "--rounds", "2", "--judge-model", "mock"];

#[test]
fn a_model_is_asked_in_both_orders_and_its_costs_are_told() {
    let desk = Desk::new();
    let server = Server::start(0, |request| {
        assert_eq!(request.body["model"], "mock");
        assert_eq!(request.body["logprobs"], true);
        Reply::Completion(mock::completion(&request.body))
    });
    let server = server.unwrap();
    let url = server.url();
    let costs = ["--both-orders", "--logprobs", "--price-in", "3", "--price-out", "15"];
    let costs = [&SIZES[..], &costs, &["--return", "last"]].concat();
    let output = nlhf(&desk.asking(&url, &costs));
    assert!(output.status.success(), "{}", stderr(&output));
    let shown = stdout(&output);
    for said in [
        "Asked the model about 3 prompts with 9 candidates",
        "Asked 16 questions in this run, ",
        " tokens read and 16 written, cost 0.0",
        "Turned around, 0 of 8 pairs were judged the other way (0 %): the order matters little to this judge.",
        "All answers are kept in ",
    ] {
        assert!(shown.contains(said), "{said}:\n{shown}");
    }
    assert_eq!((server.n_paid(), desk.n_kept()), (16, 16));
    let asked = crate::asking::json(&desk.report)["asked"].clone();
    let tokens = asked["input_tokens"].as_f64().unwrap();
    let cost = (3.0 * tokens + 15.0 * 16.0) / 1e6;
    assert!((asked["cost"].as_f64().unwrap() - cost).abs() < 1e-12);
    // The longest answer of each prompt is the first.
    for line in read_json_lines(&desk.policy) {
        let played = line["probabilities"].as_array().unwrap();
        let of = |at: usize| played[at].as_f64().unwrap();
        assert!(of(0) >= of(1) && of(0) >= of(2), "{line}");
    }

    // Nothing is asked twice: it is free to run the same command again.
    let policy = std::fs::read(&desk.policy).unwrap();
    let report = without_costs(&desk.report);
    let output = nlhf(&desk.asking(&url, &costs));
    assert!(
        stdout(&output)
            .contains("Asked 0 questions in this run, 16 answers were known already, cost 0.0000.")
    );
    assert_eq!(server.n_paid(), 16);
    assert_eq!(
        (std::fs::read(&desk.policy).unwrap(), without_costs(&desk.report)),
        (policy, report)
    );
    // And no model at temperature zero is asked about a pair again.
    let all = [&["--budget", "50", "--judge-model", "mock"][..], &costs[6..]].concat();
    let output = nlhf(&desk.asking(&url, &all));
    assert!(stdout(&output).contains("because every pair was asked about"), "{}", stdout(&output));
    assert_eq!((server.n_paid(), desk.n_kept()), (18, 18), "nine pairs in both orders");
}

#[test]
fn a_server_that_dies_costs_no_answer() {
    let desk = Desk::new();
    let left = Arc::new(AtomicUsize::new(5));
    let of_server = Arc::clone(&left);
    let server = Server::start(0, move |request| {
        let take = |left: usize| left.checked_sub(1);
        match of_server.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take) {
            Ok(_) => Reply::Completion(mock::completion(&request.body)),
            Err(_) => Reply::status(503, "gone"),
        }
    });
    let server = server.unwrap();
    let url = server.url();
    let options = [&SIZES[..], &["--retries", "0", "--concurrency", "2"]].concat();
    let output = nlhf(&desk.asking(&url, &options));
    assert_refused(&output, "round 2 could not be asked: the model failed: ");
    let said = stderr(&output);
    assert!(said.contains("503") && said.contains("(5 answers of this run kept in "), "{said}");
    assert!(said.contains("the same command goes on from there"), "{said}");
    assert_eq!((server.n_paid(), desk.n_kept()), (5, 5));
    assert!(!desk.policy.exists());
    left.store(1000, Ordering::SeqCst);
    let output = nlhf(&desk.asking(&url, &options));
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!((server.n_paid(), desk.n_kept()), (8, 8));
    let whole = (std::fs::read(&desk.policy).unwrap(), without_costs(&desk.report));
    // The same without a break.
    let other = Desk::new();
    assert!(nlhf(&other.asking(&url, &SIZES)).status.success());
    assert_eq!((std::fs::read(&other.policy).unwrap(), without_costs(&other.report)), whole);

    // A server that is not there.
    drop(server);
    std::fs::remove_file(&desk.labels).unwrap();
    let output = nlhf(&desk.asking("http://127.0.0.1:1/v1", &options));
    assert_refused(&output, "check that a server runs at the base URL");
    assert!(!stderr(&output).contains("kept in"));
}

#[test]
fn the_key_is_sent_and_shown_nowhere() {
    const KEY: &str = "sk-a-secret-of-the-test";
    let desk = Desk::new();
    let is_refused = Arc::new(AtomicUsize::new(0));
    let of_server = Arc::clone(&is_refused);
    let server = Server::start(0, move |request| {
        let is_sent = request.head.to_lowercase().contains(&format!("authorization: bearer {KEY}"));
        if !is_sent || of_server.load(Ordering::SeqCst) > 0 {
            return Reply::status(401, format!("wrong key: {KEY}"));
        }
        Reply::Completion(mock::completion(&request.body))
    });
    let server = server.unwrap();
    let url = server.url();
    let options = [&SIZES[..], &["--api-key-variable", "NLHF_TEST_KEY"]].concat();
    let run = || -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_nlhf"));
        command.args(desk.asking(&url, &options)).env("NLHF_TEST_KEY", KEY).output().unwrap()
    };
    let output = run();
    assert!(output.status.success(), "{}", stderr(&output));
    is_refused.store(1, Ordering::SeqCst);
    std::fs::rename(&desk.labels, desk.room.path("first.jsonl")).unwrap();
    let refused = run();
    assert_refused(&refused, "401");
    let shown = [stdout(&output), stderr(&output), stderr(&refused)];
    assert!(shown.iter().all(|text| !text.contains(KEY)), "{shown:?}");
    for name in desk.room.names() {
        let text = std::fs::read_to_string(desk.room.path(&name)).unwrap();
        assert!(!text.contains(KEY), "{name}");
    }
}

#[test]
fn what_a_model_is_asked_is_checked_before_it_is_asked() {
    let desk = Desk::new();
    let template = desk.room.file("template.txt", "Which is better, {first} or {second}?");
    for (more, expected) in [
        (["--judge-prompt", template.as_str()], "but lacks {prompt}"),
        (["--judge-prompt", "nowhere.txt"], "nowhere.txt: cannot be read"),
        (["--judge-temperature", "-3"], "temperature must be in [0, 2], but is -3"),
        (["--concurrency", "0"], "concurrency"),
        (["--judge-timeout", "0"], "timeout"),
        (["--api-key-variable", "sk-live-0"], "variable"),
    ] {
        let options = [&SIZES[..], &more].concat();
        let output = nlhf(&desk.asking("http://127.0.0.1:1/v1", &options));
        assert_refused(&output, expected);
        assert!(!stderr(&output).contains("sk-live"), "{}", stderr(&output));
        assert!(!desk.labels.exists());
    }
}
