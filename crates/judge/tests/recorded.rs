//! A record is replayed with the frequencies it has, whoever asks when.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{Names, question};
use nlhf_core::{Comparison, Label, PromptId, ResponseId, SeedTree, Weight};
use nlhf_judge::{Answer, Judge, JudgeError, Question, RecordedJudge, Verdict};

fn comparison(first: u32, second: u32, label: f64, weight: f64) -> Comparison {
    let [first, second] = [first, second].map(ResponseId::new);
    let label = Label::new(label).unwrap();
    let weight = Weight::new(weight).unwrap();
    Comparison { weight, ..Comparison::new(PromptId::new(0), first, second, label) }
}

/// r0 against r1: one win that counts thrice, one loss told in the other order.
fn record() -> Vec<Comparison> {
    vec![
        comparison(0, 1, 1.0, 3.0),
        comparison(1, 0, 1.0, 1.0),
        comparison(0, 1, 0.0, 0.0),
        comparison(2, 0, 0.25, 0.5),
        comparison(1, 2, 1.0, 0.0),
    ]
}

fn drawn(seed: u64) -> RecordedJudge {
    RecordedJudge::drawn(&record(), &Names::new(1, 3), SeedTree::new(seed))
}

fn share() -> RecordedJudge {
    RecordedJudge::share(&record(), &Names::new(1, 3))
}

fn labels(judge: &mut RecordedJudge, questions: &[Question<'_>]) -> Vec<f64> {
    let mut labels = vec![f64::NAN; questions.len()];
    judge
        .judge(questions, &mut |answers| {
            for (place, answer) in answers {
                let Answer { verdict: Verdict::Preferred(label), .. } = answer else { panic!() };
                labels[place] = label.get();
            }
            Ok(())
        })
        .unwrap();
    labels
}

fn asked<'a>(first: &'a str, second: &'a str, n: u32) -> Vec<Question<'a>> {
    (0..n).map(|repetition| question(["p0", first, second], repetition)).collect()
}

#[test]
fn draws_have_the_frequencies_of_the_record_in_either_order() {
    for (first, second, share) in [("r0", "r1", 0.75), ("r1", "r0", 0.25)] {
        let labels = labels(&mut drawn(3), &asked(first, second, 4000));
        assert!(labels.iter().all(|label| [0.0, 1.0].contains(label)));
        let mean = labels.iter().sum::<f64>() / 4000.0;
        // Five standard deviations are 0.034.
        assert!((mean - share).abs() < 0.034, "{first} {second}: {mean}");
    }
    assert_eq!(labels(&mut drawn(3), &asked("r2", "r0", 3)), [0.25; 3]);
    assert_eq!(labels(&mut drawn(3), &asked("r0", "r2", 3)), [0.75; 3]);
}

#[test]
fn a_draw_does_not_depend_on_when_and_with_what_it_is_asked() {
    let mut questions = asked("r0", "r1", 50);
    questions.extend(asked("r1", "r0", 50));
    let together = labels(&mut drawn(3), &questions);
    let mut judge = drawn(3);
    for (question, label) in questions.iter().zip(&together).rev() {
        assert_eq!(labels(&mut judge, std::slice::from_ref(question)), [*label]);
    }
    assert_ne!(labels(&mut drawn(4), &questions), together);
    let turned: Vec<f64> = together[50..].iter().map(|label| 1.0 - label).collect();
    assert_ne!(turned, together[..50], "the two orders are two draws");
    assert_eq!(
        together[..12],
        [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 1.0],
        "value stability, recorded at version 0.1.0"
    );
}

#[test]
fn a_share_is_the_weighted_mean_every_time() {
    assert_eq!(labels(&mut share(), &asked("r0", "r1", 2)), [0.75; 2]);
    assert_eq!(labels(&mut share(), &asked("r1", "r0", 2)), [0.25; 2]);
    assert_eq!(labels(&mut share(), &asked("r2", "r0", 1)), [0.25]);
}

#[test]
fn a_pair_without_a_judgement_is_named_after_all_others_were_answered() {
    // r1 against r2 was judged with weight zero, which is not at all.
    let questions = [
        question(["p0", "r0", "r1"], 0),
        question(["p0", "r1", "r2"], 0),
        question(["p0", "r2", "r0"], 0),
        question(["p1", "r0", "r1"], 0),
    ];
    for mut judge in [drawn(3), share()] {
        let mut places = Vec::new();
        let error = judge.judge(&questions, &mut |answers| {
            places.extend(answers.into_iter().map(|(place, _)| place));
            Ok(())
        });
        let error = error.unwrap_err();
        assert!(matches!(error, JudgeError::Unanswerable { .. }));
        let expected = "the record cannot judge \"r1\" against \"r2\" on prompt \"p0\"";
        assert_eq!(error.to_string(), expected);
        assert_eq!(places, [0, 2]);
    }
}

#[test]
fn another_record_seed_or_way_is_another_judge() {
    let other = RecordedJudge::share(&record()[..2], &Names::new(1, 3));
    let identities = [drawn(3), drawn(4), share(), other].map(|judge| judge.identity());
    for (place, identity) in identities.iter().enumerate() {
        assert!(!identities[..place].contains(identity), "{identity}");
    }
    assert_eq!(drawn(3).identity(), identities[0]);
}
