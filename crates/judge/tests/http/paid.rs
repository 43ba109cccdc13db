//! Whatever was paid for is delivered: with failures at random, when answers cannot be kept, and when told to stop.

use super::{Keeper, Texts, ask, config, judge, message, mock, serve, server::Reply};
use nlhf_judge::{HttpJudge, Judge, JudgeError, NotKept};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// A number that looks random (splitmix64).
fn mixed(seed: u64, place: usize) -> u64 {
    let mut z = seed.wrapping_add((place as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[test]
fn failures_at_random_lose_and_repeat_nothing() {
    for seed in 0..3 {
        let texts = Texts::new(400);
        let server = serve(move |request| {
            let draw = mixed(seed, request.place);
            thread::sleep(Duration::from_micros(draw >> 54));
            let completion = mock::completion(&request.body);
            match draw % 20 {
                0 => Reply::Nothing,
                1 => Reply::Half(completion),
                2 => Reply::too_many("0"),
                3 => Reply::status(500, "out of order"),
                4 => Reply::status(503, ""),
                5 => Reply::status(200, "<html>welcome</html>"),
                6 => Reply::status(200, &completion.to_string()[..20]),
                7 => Reply::status(408, "{}"),
                _ => Reply::Completion(completion),
            }
        });
        let mut config = config(&server.url());
        config.concurrency = 8;
        // (8/20)^41 is never.
        config.retries = 40;
        let (result, kept) = ask(&mut judge(config), &texts);
        result.unwrap();
        assert_eq!((kept.len(), server.n_paid()), (400, 400), "seed {seed}");
        let n_requests = server.arrivals().len();
        assert!(n_requests > 500, "failures were injected into {n_requests} requests");
    }
}

#[test]
fn a_fatal_error_among_many_ends_the_asking_and_loses_nothing() {
    for seed in 0..3 {
        let texts = Texts::new(2000);
        let server = serve(move |request| {
            thread::sleep(Duration::from_micros(mixed(seed, request.place) >> 53));
            match request.place {
                100 => Reply::status(401, "no more"),
                _ => Reply::Completion(mock::completion(&request.body)),
            }
        });
        let mut config = config(&server.url());
        config.concurrency = 8;
        let (result, kept) = ask(&mut judge(config), &texts);
        let error = message(&result.unwrap_err());
        assert!(error.starts_with("the model failed: ") && error.contains("401"), "{error}");
        assert_eq!(kept.len(), server.n_paid(), "seed {seed}");
        assert_eq!(kept.len() + 1, server.arrivals().len(), "seed {seed}");
        assert!((93..1000).contains(&kept.len()), "{}", kept.len());
    }
}

#[test]
fn when_answers_cannot_be_kept_those_under_way_are_still_handed_on() {
    let texts = Texts::new(2000);
    let server = serve(|request| {
        thread::sleep(Duration::from_millis(2));
        Reply::Completion(mock::completion(&request.body))
    });
    let mut config = config(&server.url());
    config.concurrency = 8;
    let mut keeper = Keeper::default();
    let mut n_refused = 0;
    let result = judge(config).judge(&texts.questions(), &mut |answers| {
        keeper.keep(answers);
        if keeper.0.len() < 40 {
            return Ok(());
        }
        n_refused += 1;
        Err(NotKept)
    });
    assert!(matches!(result, Err(JudgeError::NotKept(_))), "{result:?}");
    assert!(n_refused > 0);
    assert_eq!(keeper.0.len(), server.n_paid());
    assert_eq!(server.arrivals().len(), server.n_paid());
    assert!(keeper.0.len() < 2000, "asking went on");
}

#[test]
fn told_to_stop_it_starts_nothing_and_finishes_what_is_under_way() {
    let texts = Texts::new(300);
    let stop = Arc::new(AtomicBool::new(false));
    let of_server = Arc::clone(&stop);
    let server = serve(move |request| {
        if request.place == 50 {
            of_server.store(true, Ordering::SeqCst);
        }
        Reply::Completion(mock::completion(&request.body))
    });
    let mut config = config(&server.url());
    config.concurrency = 4;
    let mut judge = HttpJudge::new(config, stop).unwrap();
    let (result, kept) = ask(&mut judge, &texts);
    assert_eq!(kept.len(), server.n_paid());
    // The request that stopped it, and at most one of each other worker behind it.
    assert!((51..=54).contains(&kept.len()), "{}", kept.len());
    match result {
        Err(JudgeError::Stopped { judge: "the model", n_left }) => {
            assert_eq!(n_left, 300 - kept.len());
        }
        other => panic!("{other:?}"),
    }
    // And it stays stopped.
    let (result, kept_later) = ask(&mut judge, &texts);
    assert!(matches!(result, Err(JudgeError::Stopped { n_left: 300, .. })), "{result:?}");
    assert_eq!((kept_later.len(), server.n_paid()), (0, kept.len()));
}

#[test]
fn told_to_stop_it_waits_no_longer_for_its_turn() {
    let stop = Arc::new(AtomicBool::new(false));
    let of_server = Arc::clone(&stop);
    let server = serve(move |_| {
        of_server.store(true, Ordering::SeqCst);
        Reply::too_many("3000")
    });
    let mut config = config(&server.url());
    config.retry_delay_secs = 3000.0;
    let mut judge = HttpJudge::new(config, stop).unwrap();
    let (result, kept) = ask(&mut judge, &Texts::new(20));
    assert!(matches!(result, Err(JudgeError::Stopped { n_left: 20, .. })), "{result:?}");
    assert!(kept.is_empty());
}

#[test]
fn an_answer_is_delivered_before_the_next_is_waited_for() {
    let texts = Texts::new(3);
    let n_kept = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let of_server = Arc::clone(&n_kept);
    let server = serve(move |request| {
        // The server keeps back its answer until the one before it has been delivered.
        for _ in 0..2000 {
            if of_server.load(Ordering::SeqCst) >= request.place {
                return Reply::Completion(mock::completion(&request.body));
            }
            thread::sleep(Duration::from_millis(5));
        }
        Reply::status(400, "answers are held back")
    });
    let mut config = config(&server.url());
    config.concurrency = 1;
    judge(config)
        .judge(&texts.questions(), &mut |answers| {
            n_kept.fetch_add(answers.len(), Ordering::SeqCst);
            Ok(())
        })
        .unwrap();
    assert_eq!(server.n_paid(), 3);
}
