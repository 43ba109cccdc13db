//! The key goes into one header of requests to one server, and nowhere else.
//!
//! A key is read from the environment, so that these tests run themselves again in a process that has one, and search all
//! that it says.

use super::{Texts, ask, config, failure, judge, mock, serve, server::Reply};
use nlhf_judge::{HttpJudge, HttpJudgeConfig, Judge};
use serde_json::json;
use std::env;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

const VARIABLE: &str = "NLHF_TEST_JUDGE_KEY";
const KEY: &str = "sk-4f1c/9+very=secret";

#[test]
fn nothing_that_is_said_or_kept_holds_the_key() {
    let output = Command::new(env::current_exe().unwrap())
        .args(["--exact", "secret::in_a_process_with_a_key", "--nocapture"])
        .env(VARIABLE, KEY)
        .output()
        .unwrap();
    let said =
        String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
    // Not with assert_eq, which would print what must not be printed.
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{}",
        said.replace(KEY, "(the key)")
    );
    assert!(!said.contains(KEY), "{}", said.replace(KEY, "(the key)"));
    for part in ["checked: wrong key", "checked: Debug", "checked: elsewhere", "***"] {
        assert!(said.contains(part), "{part} is missing in {said}");
    }
}

/// Says all that a user can come to see. Without a key, as a test among others, it has nothing to check.
#[test]
fn in_a_process_with_a_key() {
    if env::var_os(VARIABLE).is_none() {
        return;
    }
    let with_key = |url: &str| {
        let mut config = config(url);
        config.key_variable = Some(VARIABLE.to_owned());
        config.concurrency = 1;
        config.retries = 1;
        config
    };
    let echo = json!({"error": {"message": format!("bad key {KEY}")}}).to_string();
    for (name, status) in
        [("wrong key", 401), ("forbidden", 403), ("busy", 429), ("odd", 418), ("no JSON", 200)]
    {
        let echo = if status == 200 { format!("<b>{KEY}") } else { echo.clone() };
        let server = serve(move |request| {
            let expected = format!("authorization: bearer {KEY}");
            assert!(request.head.lines().any(|line| line.eq_ignore_ascii_case(&expected)));
            Reply::status(status, echo.clone())
        });
        println!("checked: {name}: {}", failure(with_key(&server.url())));
    }

    let server = serve(|request| {
        let mut completion = mock::completion(&request.body);
        completion["model"] = format!("model of {KEY}").into();
        completion["choices"][0]["message"]["content"] = format!("you are {KEY}").into();
        Reply::Completion(completion)
    });
    let mut judge = judge(with_key(&server.url()));
    let (result, kept) = ask(&mut judge, &Texts::new(1));
    result.unwrap();
    println!("checked: answers: {kept:?} {}", serde_json::to_string(&kept[&0]).unwrap());
    println!("checked: Debug: {judge:?} {judge:#?} {}", judge.identity());
    println!("checked: settings: {}", serde_json::to_string(&with_key(&server.url())).unwrap());

    let other = serve(|_| panic!("a redirect was followed"));
    let location = format!("{}/chat/completions?key={KEY}", other.url());
    let server = serve(move |_| Reply::Other {
        status: 307,
        headers: vec![("location", location.clone())],
        body: String::new(),
    });
    println!("checked: elsewhere: {}", failure(with_key(&server.url())));
    assert!(other.arrivals().is_empty());

    let refused = |config: HttpJudgeConfig| {
        HttpJudge::new(config, Arc::new(AtomicBool::new(false))).unwrap_err()
    };
    let in_the_open = refused(with_key("http://judge.example.org/v1"));
    assert!(in_the_open.to_string().contains("is not sent over plain http to judge.example.org"));
    let mut mistaken = with_key(&server.url());
    mistaken.key_variable = Some(KEY.to_owned());
    let mistaken = refused(mistaken);
    println!("checked: {in_the_open} {in_the_open:?} {mistaken} {mistaken:?}");
}

#[test]
fn without_a_key_no_header_is_sent() {
    let server = serve(|request| {
        assert!(!request.head.to_lowercase().contains("authorization"), "{}", request.head);
        Reply::Completion(mock::completion(&request.body))
    });
    let mut config = config(&server.url());
    config.key_variable = Some("NLHF_NO_SUCH_VARIABLE".to_owned());
    let (result, kept) = ask(&mut judge(config), &Texts::new(1));
    result.unwrap();
    assert_eq!(kept.len(), 1);
}

#[test]
fn a_refused_key_is_named_by_its_variable() {
    // The name of this crate stands for a key: cargo sets it for every test.
    let server = serve(|_| Reply::status(401, "who are you?"));
    let mut config = config(&server.url());
    config.key_variable = Some("CARGO_PKG_NAME".to_owned());
    let message = failure(config);
    let expected =
        "refused the key (status 401); check the key in the environment variable CARGO_PKG_NAME";
    assert!(message.contains(expected), "{message}");
}
