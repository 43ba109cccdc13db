//! Labels paid are labels kept, whatever fails; and outcomes do not tell how they came about.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{IDENTITY, Key, Names, Plan, Planned, answer_to, chain, kept, key, open, query};
use nlhf_core::{Label, Oracle, OracleError, Outcome, Query};
use nlhf_judge::{
    Accounting, Answer, AskError, Asked, Deliver, Judge, JudgeError, LabelStore, Question,
    StoreError, StoredOracle, Verdict,
};
use proptest::prelude::*;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ops::ControlFlow;

/// Enough of each kind of answer, with repetitions in both orders.
fn queries(n: u32) -> Vec<Query> {
    (0..n).map(|i| query(i % 3, i % 4, (i + 1 + i % 2) % 4)).collect()
}

/// Outcomes and accounting of a run that nothing disturbs.
fn undisturbed(batches: &[Vec<Query>], both_orders: bool) -> (Vec<Vec<Outcome>>, Accounting) {
    let (names, paid) = (Names::new(3, 4), RefCell::new(Vec::new()));
    let judge = Planned::new(Plan::SMOOTH, &paid);
    let mut oracle = StoredOracle::new(judge, &names).in_both_orders(both_orders);
    let outcomes = batches.iter().map(|batch| oracle.compare(batch).unwrap()).collect();
    (outcomes, *oracle.accounting())
}

/// What failed, and the message with its sources.
fn ask_error(error: &OracleError) -> &AskError {
    let OracleError::Failed { source } = error else { panic!("{error}") };
    source.downcast_ref().expect("the source of a failure is an AskError")
}

/// A judge that is a function.
struct Told<F>(F);

impl<F: FnMut(&[Question<'_>], &mut Deliver<'_>) -> Result<(), JudgeError>> Judge for Told<F> {
    fn name(&self) -> &'static str {
        "the told judge"
    }

    fn identity(&self) -> String {
        IDENTITY.to_owned()
    }

    fn judge(
        &mut self,
        questions: &[Question<'_>],
        deliver: &mut Deliver<'_>,
    ) -> Result<(), JudgeError> {
        (self.0)(questions, deliver)
    }
}

fn preferred(label: f64) -> Answer {
    Answer::new(Verdict::Preferred(Label::new(label).unwrap()))
}

#[test]
fn questions_name_show_and_count_what_is_asked() {
    let names = Names::new(3, 4);
    let seen = RefCell::new(Vec::new());
    let judge = Told(|questions: &[Question<'_>], deliver: &mut Deliver<'_>| {
        seen.borrow_mut().extend(questions.iter().map(key));
        assert!(questions.iter().all(|q| q.first.text == format!("{} says", q.first.id)));
        deliver(questions.iter().map(|_| preferred(1.0)).enumerate().collect())?;
        Ok(())
    });
    let mut oracle = StoredOracle::new(judge, &names);
    let batch = [query(0, 1, 2), query(0, 1, 2), query(0, 2, 1), query(1, 1, 2)];
    oracle.compare(&batch).unwrap();
    oracle.compare(&batch[1..3]).unwrap();
    let shown = [
        ("p0", "r1", "r2", 0),
        ("p0", "r1", "r2", 1),
        ("p0", "r2", "r1", 0),
        ("p1", "r1", "r2", 0),
        ("p0", "r1", "r2", 2),
        ("p0", "r2", "r1", 1),
    ];
    let shown = shown.map(|(p, a, b, k)| (p.to_owned(), a.to_owned(), b.to_owned(), k));
    assert_eq!(*seen.borrow(), shown);
}

#[test]
fn both_orders_are_asked_and_position_bias_is_told() {
    let names = Names::new(1, 3);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("labels.jsonl");
    // The first shown wins unless r2 is there, which always wins; r0 second cannot be read.
    let answer = |q: &Question<'_>| match (q.first.id, q.second.id) {
        (_, "r2") => preferred(0.25),
        ("r1", "r0") => Answer::new(Verdict::Unreadable("what?".to_owned())),
        _ => preferred(1.0),
    };
    let judge = Told(move |questions: &[Question<'_>], deliver: &mut Deliver<'_>| {
        deliver(questions.iter().map(answer).enumerate().collect())?;
        Ok(())
    });
    let mut oracle =
        StoredOracle::new(judge, &names).with_store(open(&path)).unwrap().in_both_orders(true);
    let batch = [query(0, 0, 1), query(0, 1, 0), query(0, 1, 2), query(0, 1, 1)];
    let outcomes = oracle.compare(&batch).unwrap();
    // Of half a pair of answers it is not known what the order did. The last is a response against itself, which the one shown
    // first wins in both orders.
    assert_eq!(outcomes[..2], [Outcome::SKIPPED; 2]);
    let labels: Vec<f64> = outcomes[2..].iter().map(|outcome| outcome.label.get()).collect();
    assert_eq!(labels, [0.5 * (0.25 + 0.0), 0.5]);
    let expected = (4, 8, 2, 2, 1);
    let Accounting { n_queries, n_asked, n_unreadable, n_both_orders, n_flipped, .. } =
        *oracle.accounting();
    assert_eq!((n_queries, n_asked, n_unreadable, n_both_orders, n_flipped), expected);
    assert_eq!(kept(&path).len(), 8, "the answers in both orders are kept one by one");
}

#[test]
fn what_is_in_the_store_is_not_asked_and_accounted_apart() {
    let names = Names::new(3, 4);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("labels.jsonl");
    let batches = [queries(100), queries(60)];
    let (outcomes, alone) = undisturbed(&batches, false);
    assert!(alone.n_skipped > 0 && alone.n_unreadable > 0 && alone.input_tokens > 0);
    assert_eq!((alone.n_queries, alone.n_asked, alone.output_tokens), (160, 160, 160));
    let paid = RefCell::new(Vec::new());
    for n_known in [0, 160] {
        let judge = Planned::new(Plan::SMOOTH, &paid);
        let mut oracle = StoredOracle::new(judge, &names).with_store(open(&path)).unwrap();
        for (batch, outcomes) in batches.iter().zip(&outcomes) {
            assert_eq!(oracle.compare(batch).unwrap(), *outcomes);
        }
        let accounting = *oracle.accounting();
        assert_eq!((accounting.n_asked, accounting.n_from_store), (160 - n_known, n_known));
        if n_known > 0 {
            let again = (accounting.n_skipped, accounting.n_unreadable, accounting.input_tokens);
            assert_eq!(again, (alone.n_skipped, alone.n_unreadable, 0));
        } else {
            assert_eq!(accounting, alone);
        }
        let text = serde_json::to_string(&accounting).unwrap();
        assert_eq!(serde_json::from_str::<Accounting>(&text).unwrap(), accounting);
    }
    assert_eq!(paid.borrow().len(), 160);
}

#[test]
fn more_questions_than_are_put_at_once_come_in_order() {
    let names = Names::new(3, 4);
    let batch = queries(10_000);
    let (outcomes, _) = undisturbed(std::slice::from_ref(&batch), false);
    let sizes = RefCell::new(Vec::new());
    let judge = Told(|questions: &[Question<'_>], deliver: &mut Deliver<'_>| {
        sizes.borrow_mut().push(questions.len());
        deliver(questions.iter().map(answer_to).enumerate().rev().collect())?;
        Ok(())
    });
    let mut oracle = StoredOracle::new(judge, &names);
    assert_eq!(oracle.compare(&batch).unwrap(), outcomes[0]);
    assert_eq!(*sizes.borrow(), [4096, 4096, 1808]);
}

#[test]
fn a_pair_that_cannot_be_judged_is_told_as_the_query() {
    let names = Names::new(3, 4);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("labels.jsonl");
    let cannot = |questions: &[Question<'_>], deliver: &mut Deliver<'_>| {
        let is_known = |q: &Question<'_>| q.first.id != "r3";
        let known = questions.iter().enumerate().filter(|(_, q)| is_known(q));
        deliver(known.map(|(place, q)| (place, answer_to(q))).collect())?;
        let Some(q) = questions.iter().find(|q| !is_known(q)) else { return Ok(()) };
        let [prompt, first, second] = [&q.prompt, &q.first, &q.second].map(|s| s.id.to_owned());
        Err(JudgeError::Unanswerable { judge: "the told judge", prompt, first, second })
    };
    for (both_orders, unknown) in [(false, query(1, 3, 0)), (true, query(1, 0, 3))] {
        let mut oracle = StoredOracle::new(Told(cannot), &names)
            .with_store(open(&path))
            .unwrap()
            .in_both_orders(both_orders);
        let error = oracle.compare(&[query(0, 0, 1), unknown, query(2, 1, 0)]).unwrap_err();
        let OracleError::Unanswerable { query } = error else { panic!("{error}") };
        assert_eq!(query, unknown);
    }
    assert_eq!(kept(&path).len(), 2 + 3, "what could be answered is kept");
}

#[test]
fn other_texts_stop_the_run_before_anything_is_asked() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("labels.jsonl");
    let mut names = Names::new(3, 4);
    let paid = RefCell::new(Vec::new());
    for says in [" says", " says now"] {
        names.says = says;
        let judge = Planned::new(Plan::SMOOTH, &paid);
        let mut oracle = StoredOracle::new(judge, &names).with_store(open(&path)).unwrap();
        match oracle.compare(&queries(9)[if says == " says" { 8 } else { 0 }..]) {
            Ok(_) => assert_eq!(says, " says"),
            Err(error) => {
                let error = ask_error(&error);
                assert!(matches!(error, AskError::Store(StoreError::Texts { .. })), "{error}");
            }
        }
    }
    assert_eq!(paid.borrow().len(), 1);
}

#[test]
fn a_store_of_another_judge_is_not_taken() {
    let folder = tempfile::tempdir().unwrap();
    let (names, paid) = (Names::new(1, 2), RefCell::new(Vec::new()));
    let store = LabelStore::open(folder.path().join("labels.jsonl"), "another").unwrap();
    let oracle = StoredOracle::new(Planned::new(Plan::SMOOTH, &paid), &names);
    let error = oracle.with_store(store).unwrap_err().to_string();
    assert!(error.ends_with("expected answers of a judge of tests, found answers of another"));
}

#[test]
fn too_many_unreadable_answers_stop_the_run_and_are_kept() {
    let names = Names::new(3, 4);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("labels.jsonl");
    let paid = RefCell::new(Vec::new());
    let plan = Plan { batch: 1, ..Plan::SMOOTH };
    // A quarter is accepted.
    let quarter = Planned {
        answer: |q| match q.repetition % 4 {
            3 => Answer::new(Verdict::Unreadable("I am sorry".to_owned())),
            _ => preferred(1.0),
        },
        ..Planned::new(plan, &paid)
    };
    let mut oracle = StoredOracle::new(quarter, &names);
    oracle.compare(&vec![query(0, 0, 1); 400]).unwrap();
    paid.borrow_mut().clear();
    let half = Planned {
        answer: |q| match q.repetition % 2 {
            1 => Answer::new(Verdict::Unreadable("I am sorry".to_owned())),
            _ => preferred(1.0),
        },
        ..Planned::new(plan, &paid)
    };
    let mut oracle = StoredOracle::new(half, &names).with_store(open(&path)).unwrap();
    let error = oracle.compare(&vec![query(0, 0, 1); 400]).unwrap_err();
    assert_eq!(
        chain(&error),
        "the oracle failed: the plan gave 10 unreadable answers among 20, at most a quarter is \
         accepted; one is \"I am sorry\""
    );
    assert_eq!((kept(&path).len(), paid.borrow().len()), (20, 20));
}

#[test]
fn an_observer_sees_every_batch_and_may_stop() {
    let names = Names::new(3, 4);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("labels.jsonl");
    let paid = RefCell::new(Vec::new());
    let plan = Plan { batch: 4, ..Plan::SMOOTH };
    let mut seen = Vec::new();
    let mut oracle = StoredOracle::new(Planned::new(plan, &paid), &names)
        .with_store(open(&path))
        .unwrap()
        .with_observer(|asked: &Asked| {
            assert_eq!(asked.accounting.n_asked, asked.n_answered as u64, "what it cost so far");
            seen.push((asked.n_answered, asked.n_questions));
            if asked.n_answered == 8 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
    let error = oracle.compare(&queries(10)).unwrap_err();
    assert!(matches!(error, OracleError::Stopped), "{error}");
    assert_eq!((kept(&path).len(), paid.borrow().len()), (8, 8));
    // The same batch again: nothing is asked twice, and repetitions are counted as before.
    assert_eq!(oracle.compare(&queries(10)).unwrap(), undisturbed(&[queries(10)], false).0[0]);
    assert_eq!(paid.borrow().len(), 10);
    drop(oracle);
    assert_eq!(seen, [(4, 10), (8, 10), (10, 10)]);
}

#[test]
fn judges_that_break_the_law_are_named_and_what_they_say_is_kept() {
    let names = Names::new(3, 4);
    for (places, found) in [
        (vec![0, 1], "no answer to a question"),
        (vec![0, 1, 2, 1], "a second answer to a question"),
        (vec![0, 3, 1], "an answer to a question that was not asked"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("labels.jsonl");
        let judge = Told(|_: &[Question<'_>], deliver: &mut Deliver<'_>| {
            // A judge that does not listen either.
            let _ = deliver(places.iter().map(|&place| (place, preferred(0.0))).collect());
            Ok(())
        });
        let mut oracle = StoredOracle::new(judge, &names).with_store(open(&path)).unwrap();
        let error = oracle.compare(&queries(3)).unwrap_err();
        let expected = format!("the told judge must answer each question once, but gave {found}");
        assert_eq!(ask_error(&error).to_string(), expected);
        let legal: BTreeSet<usize> = places.iter().copied().filter(|&place| place < 3).collect();
        assert_eq!(kept(&path).len(), legal.len());
    }
}

#[test]
fn what_is_handed_on_after_the_end_was_asked_for_is_kept() {
    let names = Names::new(3, 4);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("labels.jsonl");
    let judge = Told(|questions: &[Question<'_>], deliver: &mut Deliver<'_>| {
        let mut kept = Ok(());
        for (place, question) in questions.iter().enumerate().take(3) {
            kept = deliver(vec![(place, answer_to(question))]).and(kept);
        }
        Ok(kept?)
    });
    let mut oracle = StoredOracle::new(judge, &names)
        .with_store(open(&path))
        .unwrap()
        .with_observer(|_: &Asked| ControlFlow::Break(()));
    let error = oracle.compare(&queries(5)).unwrap_err();
    assert!(matches!(error, OracleError::Stopped), "{error}");
    assert_eq!((kept(&path).len(), oracle.accounting().n_asked), (3, 3));
}

fn plans() -> impl Strategy<Value = Vec<(Plan, bool)>> {
    let plan = (any::<u64>(), 1..9_usize, 0..25_usize);
    let plan = plan.prop_map(|(shuffle, batch, fails_after)| Plan { shuffle, batch, fails_after });
    prop::collection::vec((plan, any::<bool>()), 0..6)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// Runs that fail after some answers, in some order, and go on in the same run or in a new one.
    #[test]
    fn failures_neither_lose_nor_pay_twice(
        plans in plans(),
        n_queries in prop::collection::vec(0..30_u32, 1..4),
        both_orders: bool,
    ) {
        let names = Names::new(3, 4);
        let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        let path = folder.path().join("labels.jsonl");
        let batches: Vec<Vec<Query>> = n_queries.into_iter().map(queries).collect();
        let (expected, alone) = undisturbed(&batches, both_orders);
        let paid = RefCell::new(Vec::new());
        let current = RefCell::new(Plan::SMOOTH);
        let judge = || Told(|questions: &[Question<'_>], deliver: &mut Deliver<'_>| {
            Planned::new(*current.borrow(), &paid).judge(questions, deliver)
        });
        let begin = || {
            let oracle = StoredOracle::new(judge(), &names).with_store(open(&path)).unwrap();
            oracle.in_both_orders(both_orders)
        };
        let mut plans = plans.into_iter();
        let mut oracle = begin();
        let mut outcomes = Vec::new();
        while outcomes.len() < batches.len() {
            let (plan, starts_anew) = plans.next().unwrap_or((Plan::SMOOTH, false));
            current.replace(plan);
            match oracle.compare(&batches[outcomes.len()]) {
                Ok(found) => outcomes.push(found),
                Err(error) => {
                    let is_judge = matches!(ask_error(&error), AskError::Judge(_));
                    prop_assert!(is_judge, "{}", chain(&error));
                }
            }
            let keys: BTreeSet<Key> = paid.borrow().iter().cloned().collect();
            prop_assert_eq!(keys.len(), paid.borrow().len(), "paid twice");
            prop_assert_eq!(&kept(&path), &keys, "what was paid is what is kept");
            if starts_anew {
                drop(oracle);
                oracle = begin();
                outcomes.clear();
            }
        }
        prop_assert_eq!(outcomes, expected);
        prop_assert_eq!(paid.borrow().len() as u64, alone.n_asked);
        let Accounting { n_queries, n_skipped, n_unreadable, n_flipped, .. } = *oracle.accounting();
        prop_assert_eq!(
            (n_queries, n_skipped, n_unreadable, n_flipped),
            (alone.n_queries, alone.n_skipped, alone.n_unreadable, alone.n_flipped)
        );
    }
}
