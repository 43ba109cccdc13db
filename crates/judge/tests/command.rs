//! Commands that answer, and commands that do anything else. The commands are scripts for `sh`.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{chain, question};
use nlhf_core::Label;
use nlhf_judge::{
    Answer, CommandError, CommandJudge, Judge, JudgeError, NotKept, Question, Verdict,
};
use std::error::Error;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

/// Longer than any answer takes, also on a busy machine.
const PATIENT: Duration = Duration::from_secs(60);

fn questions(n: u32) -> Vec<Question<'static>> {
    (0..n).map(|repetition| question(["p", "a", "b"], repetition)).collect()
}

/// The answers in the order in which they came, and how it ended.
fn ask(
    judge: &mut CommandJudge,
    questions: &[Question<'_>],
) -> (Vec<(usize, Verdict)>, Result<(), JudgeError>) {
    let mut verdicts = Vec::new();
    let result = judge.judge(questions, &mut |answers| {
        verdicts.extend(answers.into_iter().map(|(place, answer)| (place, answer.verdict)));
        Ok(())
    });
    (verdicts, result)
}

/// What went wrong with a script that is asked `n` questions, after so many answers.
fn failure(script: &str, timeout: Duration, n: u32) -> (usize, String) {
    let (answers, result) = ask(&mut CommandJudge::shell(script, timeout), &questions(n));
    let error = result.unwrap_err();
    let source = error.source().unwrap();
    assert!(source.is::<CommandError>(), "{source:?}");
    (answers.len(), chain(&error))
}

fn label(label: f64) -> Verdict {
    Verdict::Preferred(Label::new(label).unwrap())
}

#[test]
fn answers_come_in_order_from_one_process_however_many_are_asked() {
    // Counts its answers, so that a second process would begin anew.
    let script = r#"n=0; while read -r line; do echo "{\"label\": 0.$((n % 10)), \"annotator\": \"$$\"}"; n=$((n + 1)); done"#;
    for questions_ahead in [1, 7, 64, 5000] {
        let mut judge = CommandJudge::shell(script, PATIENT).with_questions_ahead(questions_ahead);
        for n in [1, 199, 0, 300] {
            let (answers, result) = ask(&mut judge, &questions(n));
            result.unwrap();
            let n_before = usize::from(n == 199);
            for (place, answer) in answers.iter().enumerate() {
                let expected = f64::from(u32::try_from((n_before + place) % 10).unwrap()) / 10.0;
                assert_eq!(*answer, (place, label(expected)));
            }
            assert_eq!(answers.len(), n as usize);
        }
    }
}

#[test]
fn the_command_reads_texts_and_names() {
    let folder = tempfile::tempdir().unwrap();
    let seen = folder.path().join("seen");
    let script =
        r#"while read -r line; do printf '%s\n' "$line" >> "$1"; echo '{"winner":"skip"}'; done"#;
    let arguments = ["-c", script, "sh", seen.to_str().unwrap()];
    let mut judge = CommandJudge::new("sh", arguments, PATIENT);
    let asked = question(["p\n\"ü", "a", "b"], 3);
    assert_eq!(ask(&mut judge, &[asked]).0, [(0, Verdict::Skipped)]);
    let line = fs::read_to_string(&seen).unwrap();
    assert_eq!(
        line,
        concat!(
            r#"{"prompt":"p\n\"ü says","first":"a says","second":"b says","#,
            r#""prompt_id":"p\n\"ü","first_id":"a","second_id":"b","repetition":3}"#,
            "\n"
        )
    );
    assert!(judge.identity().starts_with(r#"command ["sh", "-c", "while"#), "{}", judge.identity());
}

#[test]
fn verdicts_of_all_kinds_and_nonsense_among_them() {
    let script = r#"read -r line; echo '{"winner": "first"}'
        read -r line; echo 'I think'
        read -r line; printf '{"winner": "second", "annotator": "x"}\r\n'
        read -r line; echo
        read -r line; printf '\377\n'
        read -r line; printf '{"label": 0.5}'"#;
    let (answers, result) = ask(&mut CommandJudge::shell(script, PATIENT), &questions(6));
    result.unwrap();
    let unreadable = |text: &str| Verdict::Unreadable(text.to_owned());
    let expected = [
        label(1.0),
        unreadable("I think"),
        label(0.0),
        unreadable(""),
        unreadable("\u{fffd}"),
        label(0.5),
    ];
    assert_eq!(answers, expected.into_iter().enumerate().collect::<Vec<_>>());
}

#[test]
fn an_answer_is_delivered_before_the_next_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let sign = folder.path().join("sign");
    // The second answer is given when the first has been taken.
    let script = r#"read -r line; echo '{"label":1}'; read -r line
        while [ ! -e "$1" ]; do sleep 0.01; done; echo '{"label":0}'"#;
    let arguments = ["-c", script, "sh", sign.to_str().unwrap()];
    let mut judge = CommandJudge::new("sh", arguments, PATIENT);
    let mut n_deliveries = 0;
    let result = judge.judge(&questions(2), &mut |_| {
        n_deliveries += 1;
        fs::write(&sign, "").unwrap();
        Ok(())
    });
    result.unwrap();
    assert_eq!(n_deliveries, 2);
}

#[test]
fn a_command_that_ends_hangs_or_closes_its_output_is_told_apart() {
    let one = r#"read -r line; echo '{"label":1}'; "#;
    let ended = failure(&format!("{one} exit 3"), PATIENT, 3);
    assert_eq!(
        ended,
        (1, "the command failed: it ended (exit status: 3) with 2 questions left".to_owned())
    );
    let killed = failure(&format!("{one} kill -9 $$"), PATIENT, 2);
    assert_eq!(killed.0, 1);
    assert!(
        killed.1.contains("it ended (signal: 9 (SIGKILL)) with 1 questions left"),
        "{}",
        killed.1
    );
    let closed = failure(&format!("{one} exec >&-; sleep 100"), PATIENT, 2);
    assert_eq!(
        closed,
        (1, "the command failed: it closed its output with 1 questions left".to_owned())
    );
    let begun = Instant::now();
    let hung = failure(&format!("{one} sleep 100 | cat"), Duration::from_millis(300), 2);
    assert!(begun.elapsed() >= Duration::from_millis(300));
    assert!(hung.1.contains("no answer within 0.3 s, with 1 questions left"), "{}", hung.1);
    let (n, missing) = failure("/no/such/program", PATIENT, 1);
    assert_eq!(n, 0);
    assert!(missing.contains("exit status: 127"), "{missing}");
    let arguments: [&str; 0] = [];
    let mut judge = CommandJudge::new("/no/such/program", arguments, PATIENT);
    let error = chain(&ask(&mut judge, &questions(1)).1.unwrap_err());
    assert!(error.starts_with("the command failed: cannot start \"/no/such/program\": No such"));
}

#[test]
fn a_command_that_does_not_read_is_not_waited_for_when_it_is_written_to() {
    // More than a pipe holds.
    let text = "x".repeat(100_000);
    let questions: Vec<Question<'_>> =
        (0..10).map(|repetition| question(["p", &text, "b"], repetition)).collect();
    let mut judge = CommandJudge::shell("sleep 100", Duration::from_millis(300));
    let error = ask(&mut judge, &questions).1.unwrap_err();
    assert!(chain(&error).contains("no answer within 0.3 s, with 10 questions left"));
    // One that closes its input may still have answered.
    let script = r#"read -r line; exec <&-; printf '{"label":1}\n{"label":1}\n'; sleep 0.1"#;
    let answers = ask(&mut CommandJudge::shell(script, PATIENT), &questions).0;
    assert_eq!(answers.len(), 2);
}

#[test]
fn lines_that_nobody_asked_for_are_refused() {
    let twice = r#"while read -r line; do printf '{"label":1}\n{"label":0}\n'; done"#;
    let (n, error) = failure(twice, PATIENT, 1);
    assert_eq!(n, 1);
    let expected =
        "expected one line for each question, found \"{\\\"label\\\":0}\" without a question";
    assert!(error.ends_with(expected), "{error}");
    for greeting in ["Loading...", "{\"status\":1}", ""] {
        let greets =
            format!("echo '{greeting}'; while read -r line; do echo '{{\"label\":1}}'; done");
        let (n, error) = failure(&greets, PATIENT, 9);
        assert_eq!(n, 0, "no answer may go to the wrong question");
        let expected = format!("an object with \"label\" or \"winner\", found {greeting:?}");
        assert!(error.ends_with(&expected), "{error}");
    }
    // What is meant as an answer is one, although it cannot be read.
    let mut judge = CommandJudge::shell(r#"read -r line; echo '{"winner":"none"}'"#, PATIENT);
    let (answers, result) = ask(&mut judge, &questions(1));
    result.unwrap();
    assert_eq!(answers, [(0, Verdict::Unreadable(r#"{"winner":"none"}"#.to_owned()))]);
}

#[test]
fn an_answer_to_another_question_is_found_by_the_names_it_repeats() {
    // The third question is passed over.
    let script = r#"while read -r line; do case "$line" in
        *'"repetition":2}') ;;
        *) printf '{"label":1,%s\n' "${line#*says\",\"second\":\"b says\",}" ;;
        esac; done"#;
    let (n, error) = failure(script, PATIENT, 5);
    assert_eq!(n, 2);
    let expected = "expected an answer to prompt \"p\" with \"a\" before \"b\", found ";
    assert!(error.contains(expected), "{error}");
}

#[test]
fn after_a_failure_the_next_question_starts_the_command_again() {
    let script = r#"read -r line; echo '{"label":1}'"#;
    let mut judge = CommandJudge::shell(script, PATIENT);
    for _ in 0..2 {
        let (answers, result) = ask(&mut judge, &questions(2));
        assert_eq!(answers, [(0, label(1.0))]);
        result.unwrap_err();
    }
}

#[test]
fn what_is_under_way_is_handed_on_after_answers_could_not_be_kept() {
    let script = r#"n=0; while read -r line; do n=$((n + 1)); echo "{\"label\": 0.$n}"; done"#;
    let mut judge = CommandJudge::shell(script, PATIENT).with_questions_ahead(4);
    let mut delivered = Vec::new();
    let result = judge.judge(&questions(9), &mut |answers: Vec<(usize, Answer)>| {
        delivered.extend(answers.into_iter().map(|(place, answer)| (place, answer.verdict)));
        Err(NotKept)
    });
    assert!(matches!(result, Err(JudgeError::NotKept(_))), "{result:?}");
    let expected: Vec<_> = [0.1, 0.2, 0.3, 0.4].map(label).into_iter().enumerate().collect();
    assert_eq!(delivered, expected, "four had been asked, and no more were");
    // The command is in step, and goes on.
    assert_eq!(ask(&mut judge, &questions(1)).0, [(0, label(0.5))]);
}

/// Whether a process runs: it is there and not merely waiting to be reaped.
fn runs(pid: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(')').next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with(" Z"))
}

#[test]
#[cfg(target_os = "linux")]
fn it_and_all_that_it_started_are_killed_when_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let pids = folder.path().join("pids");
    let script =
        r#"sleep 100 & echo $$ $! > "$1"; read -r line; echo '{"label":1}'; sleep 100 | cat"#;
    let arguments = ["-c", script, "sh", pids.to_str().unwrap()];
    let mut judge = CommandJudge::new("sh", arguments, PATIENT);
    ask(&mut judge, &questions(1)).1.unwrap();
    let text = fs::read_to_string(&pids).unwrap();
    let pids: Vec<&str> = text.split_whitespace().collect();
    assert_eq!(pids.len(), 2);
    assert!(pids.iter().all(|pid| runs(pid)), "{text}");
    drop(judge);
    assert!(!Path::new(&format!("/proc/{}", pids[0])).exists(), "it is reaped");
    // What it started is reaped by others, but has ended before long.
    let deadline = Instant::now() + PATIENT;
    while runs(pids[1]) && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(!runs(pids[1]));
}
