//! What is tried again, how often and when, and what the messages of failures say to check.

use super::{Texts, ask, config, failure, judge, mock, serve, server::Reply};
use std::net::TcpListener;
use std::time::{Duration, Instant};

#[test]
fn tries_are_bounded() {
    for (reply, expected) in [
        (
            (|| Reply::status(500, "out of order")) as fn() -> Reply,
            "status 500 and said \"out of order\"",
        ),
        (|| Reply::status(408, ""), "status 408"),
        (|| Reply::status(409, ""), "status 409"),
        (|| Reply::too_many("0"), "status 429"),
        (
            || Reply::status(200, "welcome"),
            "\"welcome\", which is not JSON; check that the base URL",
        ),
        (|| Reply::Nothing, "the connection failed"),
        (|| Reply::Half(mock::completion(&serde_json::Value::Null)), "the connection failed"),
    ] {
        let server = serve(move |_| reply());
        let mut config = config(&server.url());
        config.retries = 3;
        config.concurrency = 1;
        let message = failure(config);
        assert!(message.contains(" was tried 4 times without an answer"), "{message}");
        assert!(message.contains(expected), "{message}");
        assert_eq!(server.arrivals().len(), 4, "{message}");
    }
}

#[test]
fn what_cannot_succeed_is_not_tried_again() {
    for (status, expected) in [
        (401, "asks for a key (status 401), and none was sent; check key_variable"),
        (403, "(status 403); check what the key may use, and the model \"mock\""),
        (
            404,
            "(status 404); check the base URL, to which /chat/completions was appended, and the model \"mock\"",
        ),
        (400, "(status 400); check the model \"mock\" and the settings"),
        (422, "(status 422)"),
        (302, "(status 302), and that is not followed; check the base URL"),
        (307, "(status 307), and that is not followed; check the base URL"),
    ] {
        let server = serve(move |_| Reply::status(status, "the reason"));
        let mut config = config(&server.url());
        config.concurrency = 1;
        let message = failure(config);
        assert!(message.starts_with(&format!("the model failed: {}", server.url())), "{message}");
        assert!(message.contains(expected), "{message}");
        assert!(status < 400 || message.ends_with("it said \"the reason\""), "{message}");
        assert_eq!(server.arrivals().len(), 1, "{message}");
    }
}

#[test]
fn a_refused_connection_says_what_to_check() {
    // A port that was free a moment ago.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut config = config(&format!("http://{address}/v1"));
    config.retries = 2;
    let message = failure(config);
    let start = format!(
        "the model failed: http://{address}/v1/chat/completions was tried 3 times without an answer"
    );
    assert!(message.starts_with(&start), "{message}");
    assert!(message.contains("refused"), "{message}");
    assert!(
        message.ends_with("check that a server runs at the base URL and can be reached from here"),
        "{message}"
    );
}

#[test]
fn a_wrong_path_is_not_found() {
    let server = serve(|_| Reply::Nothing);
    let message = failure(config(&server.url().replace("/v1", "/v2")));
    assert!(message.contains("/v2/chat/completions was not found (status 404)"), "{message}");
}

#[test]
fn silence_ends_and_is_tried_again() {
    let server = serve(|request| match request.place {
        0 => Reply::Silence,
        _ => Reply::Completion(mock::completion(&request.body)),
    });
    let mut patient = config(&server.url());
    patient.timeout_secs = 1.5;
    patient.concurrency = 1;
    let (result, kept) = ask(&mut judge(patient), &Texts::new(2));
    result.unwrap();
    assert_eq!(kept.len(), 2);
    let server = serve(|_| Reply::Silence);
    let mut impatient = config(&server.url());
    impatient.timeout_secs = 0.05;
    impatient.retries = 1;
    let message = failure(impatient);
    assert!(message.contains("no complete answer came within 0.05 seconds"), "{message}");
}

#[test]
fn a_wait_that_the_server_asks_for_is_kept() {
    let server = serve(|request| match request.place {
        0 => Reply::too_many("1"),
        1 => Reply::too_many("0"),
        _ => Reply::Completion(mock::completion(&request.body)),
    });
    let mut config = config(&server.url());
    config.concurrency = 1;
    let (result, kept) = ask(&mut judge(config), &Texts::new(4));
    result.unwrap();
    assert_eq!(kept.len(), 4);
    let arrivals = server.arrivals();
    let wait = arrivals[1] - arrivals[0];
    assert!(wait >= Duration::from_secs(1), "{wait:?}");
}

#[test]
fn delays_double() {
    let server = serve(|request| match request.place {
        0..3 => Reply::status(503, ""),
        _ => Reply::Completion(mock::completion(&request.body)),
    });
    let mut config = config(&server.url());
    config.retry_delay_secs = 0.05;
    let (result, _) = ask(&mut judge(config), &Texts::new(1));
    result.unwrap();
    let arrivals = server.arrivals();
    for (i, wait) in [50, 100, 200].map(Duration::from_millis).into_iter().enumerate() {
        assert!(arrivals[i + 1] - arrivals[i] >= wait, "{i}");
    }
}

#[test]
fn a_wait_without_end_is_refused() {
    let server = serve(|_| Reply::too_many("86400"));
    let mut config = config(&server.url());
    config.concurrency = 1;
    let message = failure(config);
    assert!(
        message.contains("asks to wait for 86400 seconds, and at most 3600 are waited"),
        "{message}"
    );
    assert_eq!(server.arrivals().len(), 1);
}

#[test]
fn requests_are_no_faster_than_allowed() {
    let server = serve(|request| match request.place % 3 {
        0 => Reply::status(500, ""),
        _ => Reply::Completion(mock::completion(&request.body)),
    });
    let mut config = config(&server.url());
    config.concurrency = 8;
    config.requests_per_minute = Some(3000);
    let start = Instant::now();
    let mut judge = judge(config);
    // The limit holds over several calls.
    for _ in 0..2 {
        let (result, kept) = ask(&mut judge, &Texts::new(10));
        result.unwrap();
        assert_eq!(kept.len(), 10);
    }
    let arrivals = server.arrivals();
    assert!(arrivals.len() >= 30, "{}", arrivals.len());
    // The k-th request cannot have come earlier than k intervals after the start, whatever came in its way.
    for (k, arrival) in (0..).zip(&arrivals) {
        let earliest = Duration::from_millis(20) * k;
        assert!(*arrival - start >= earliest, "request {k} after {:?}", *arrival - start);
    }
}
