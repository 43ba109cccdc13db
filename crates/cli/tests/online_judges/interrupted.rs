//! A command as judge, whose run is killed, interrupted or failed in the middle of a round.

use super::Desk;
use crate::asking::{CANDIDATES, Running, json, n_lines, shell_judge, wait_until, without_costs};
use crate::common::{assert_refused, nlhf, stderr, stdout};
use serde_json::Value;

const SIZES: [&str; 4] = ["--budget", "60", "--rounds", "6"];

/// Where the command waits: in the middle of the third round.
const PAUSE: usize = 25;

/// The policy and the report of a run that nothing interrupts.
fn uninterrupted() -> (String, Value) {
    let desk = Desk::new();
    let oracle = shell_judge(&desk.room, 1000);
    let output = nlhf(&desk.asking(&oracle, &SIZES));
    assert!(output.status.success(), "{}", stderr(&output));
    let shown = stdout(&output);
    assert!(shown.contains("Asked the command about 3 prompts with 9 candidates"), "{shown}");
    assert!(shown.contains("Asked 60 questions in this run."), "{shown}");
    assert!(shown.contains(" skipped and 0 could not be read: they are kept"), "{shown}");
    assert_eq!((desk.n_kept(), n_lines(&desk.room.path("seen"))), (60, 60));
    let policy = std::fs::read_to_string(&desk.policy).unwrap();
    assert_eq!(policy.lines().count(), 3);
    (policy, without_costs(&desk.report))
}

/// A run whose command waits with all its answers kept.
fn paused(desk: &Desk, oracle: &str) -> Running {
    let running = Running::start(&desk.asking(oracle, &SIZES));
    let seen = desk.room.path("seen");
    wait_until("the command pauses", || desk.n_kept() == PAUSE && n_lines(&seen) == PAUSE);
    running
}

/// The same command again, which must ask for the rest and for nothing else, and end as if nothing had happened.
fn goes_on(desk: &Desk, oracle: &str, n_kept: usize) {
    assert_eq!(desk.n_kept(), n_kept);
    desk.room.file("go", "");
    let seen = desk.room.path("seen");
    std::fs::remove_file(&seen).unwrap();
    let output = nlhf(&desk.asking(oracle, &SIZES));
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!((n_lines(&seen), desk.n_kept()), (60 - n_kept, 60));
    let said = format!(
        "Asked {} questions in this run, {n_kept} answers were known already.",
        60 - n_kept
    );
    assert!(stdout(&output).contains(&said), "{said}:\n{}", stdout(&output));
    let (policy, report) = uninterrupted();
    assert_eq!(std::fs::read_to_string(&desk.policy).unwrap(), policy);
    assert_eq!(without_costs(&desk.report), report);
    assert_eq!(json(&desk.report)["asked"]["n_from_store"], n_kept);
}

#[test]
fn a_run_that_was_killed_goes_on_where_it_ended() {
    let desk = Desk::new();
    let oracle = shell_judge(&desk.room, PAUSE);
    paused(&desk, &oracle).kill();
    assert!(!desk.policy.exists() && !desk.report.exists());
    goes_on(&desk, &oracle, PAUSE);
}

#[test]
fn interrupted_once_a_run_ends_after_its_round() {
    let desk = Desk::new();
    let oracle = shell_judge(&desk.room, PAUSE);
    let running = paused(&desk, &oracle);
    running.interrupt();
    running.wait_until_said("stopping after this round; interrupt again to stop sooner");
    desk.room.file("go", "");
    let ended = running.end();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(ended.stdout.contains("because you stopped it, after the round"), "{}", ended.stdout);
    assert!(ended.stdout.contains("go on where this run ended: the same command"));
    assert_eq!(json(&desk.report)["stopped"], "observer");
    assert_eq!(std::fs::read_to_string(&desk.policy).unwrap().lines().count(), 3);
    goes_on(&desk, &oracle, 30);
}

#[test]
fn interrupted_thrice_a_run_ends_at_once_and_leaves_no_half_file() {
    let desk = Desk::new();
    let oracle = shell_judge(&desk.room, PAUSE);
    let mut running = paused(&desk, &oracle);
    running.interrupt();
    running.wait_until_said("interrupt again to stop sooner");
    running.interrupt();
    running.wait_until_said("interrupt again to end at once");
    running.interrupt();
    assert_eq!(running.exit_code(), Some(130));
    let mut names = desk.room.names();
    names.sort();
    assert_eq!(names, ["candidates.jsonl", "judge.sh", "labels.jsonl", "seen"]);
    // The command ends once it finds that nobody listens.
    desk.room.file("go", "");
    assert_eq!(running.end().stdout, "");
    goes_on(&desk, &oracle, PAUSE);
}

#[test]
fn interrupted_twice_a_run_asks_no_more_and_writes_what_it_has_learned() {
    let desk = Desk::new();
    let oracle = shell_judge(&desk.room, PAUSE);
    let running = paused(&desk, &oracle);
    running.interrupt();
    running.wait_until_said("interrupt again to stop sooner");
    running.interrupt();
    running.wait_until_said("asking no more, what is under way is kept");
    desk.room.file("go", "");
    let ended = running.end();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let said = "because the oracle was stopped; the answers of the last round are kept";
    assert!(ended.stdout.contains(said), "{}", ended.stdout);
}

#[test]
fn a_run_whose_first_rounds_are_skipped_tells_of_the_round_that_it_returns() {
    let desk = Desk::new();
    let oracle = "command:for i in 1 2 3; do read -r line; echo '{\"winner\": \"skip\"}'; done; \
                  while read -r line; do echo '{\"winner\": \"first\"}'; done";
    let sizes = ["--budget", "5", "--labels-per-round", "1", "--return", "last"];
    let output = nlhf(&desk.asking(oracle, &sizes));
    assert!(output.status.success(), "{}", stderr(&output));
    let said = stdout(&output);
    assert!(
        said.contains("Returned: the main agent of round 5, the last. After 2 labels"),
        "{said}"
    );
}

#[test]
fn a_larger_budget_asks_only_for_more() {
    let desk = Desk::new();
    let oracle = shell_judge(&desk.room, 1000);
    let output = nlhf(&desk.asking(&oracle, &SIZES));
    let said = "more labels: a larger --budget with --labels-per-round 10;";
    assert!(stdout(&output).contains(said), "{}", stdout(&output));
    let output = nlhf(&desk.asking(&oracle, &["--budget", "90", "--labels-per-round", "10"]));
    let said = "Asked 30 questions in this run, 60 answers were known already.";
    assert!(stdout(&output).contains(said), "{}", stdout(&output));
}

#[test]
fn a_command_that_ends_is_told_with_what_is_kept() {
    let desk = Desk::new();
    let folder = desk.room.path("");
    let folder = folder.to_str().unwrap();
    let script =
        "for i in 1 2 3 4 5 6 7; do read -r line; echo '{\"label\": 1}'; done; exec sleep 0";
    let script = desk.room.file("short.sh", script);
    let oracle = format!("command:sh {script}");
    let output = nlhf(&desk.asking(&oracle, &SIZES));
    assert_refused(&output, "round 1 could not be asked: the command failed: it ended");
    let kept =
        format!("(7 answers of this run kept in {folder}labels.jsonl; the same command goes on");
    assert!(stderr(&output).contains(&kept), "{}", stderr(&output));
    assert_eq!(desk.n_kept(), 7);
    assert!(!desk.policy.exists() && !desk.report.exists());
    // Another seven, and so on: no answer is lost.
    nlhf(&desk.asking(&oracle, &SIZES));
    assert_eq!(desk.n_kept(), 14);
}

#[test]
fn what_is_no_answer_is_told() {
    for (line, expected) in [
        ("cat", "expected each line to be an object with \"label\" or \"winner\""),
        ("exit 3", "the command failed: it ended (exit status: 3)"),
        ("echo 2; sleep 9", "expected each line"),
        ("sleep 9", "no answer within 0.3 s"),
    ] {
        let desk = Desk::new();
        let oracle = format!("command:{line}");
        let output = nlhf(&desk.asking(&oracle, &["--budget", "6", "--judge-timeout", "0.3"]));
        assert_refused(&output, expected);
        assert!(!stderr(&output).contains("kept in"), "{}", stderr(&output));
        assert_eq!(desk.n_kept(), 0);
    }
    let desk = Desk::new();
    let timeout = ["--budget", "6", "--judge-timeout", "0"];
    let output = nlhf(&desk.asking("command:cat", &timeout));
    assert_refused(&output, "--judge-timeout must be a positive number of seconds, but is 0");
}

#[test]
fn labels_of_others_are_not_mixed_in() {
    let desk = Desk::new();
    let oracle = shell_judge(&desk.room, 1000);
    // A judge that never answered leaves a store that can go.
    nlhf(&desk.asking("command:exit 1", &["--budget", "6"]));
    let output = nlhf(&desk.asking(&oracle, &["--budget", "6"]));
    assert_refused(&output, "expected answers of command");
    assert!(stderr(&output).contains("it holds no answers yet and can be deleted"));
    std::fs::remove_file(&desk.labels).unwrap();

    assert!(nlhf(&desk.asking(&oracle, &["--budget", "6"])).status.success());
    let before = std::fs::read(&desk.labels).unwrap();
    let output = nlhf(&desk.asking("command:cat", &["--budget", "6"]));
    assert_refused(&output, "found answers of command [\"sh\", \"-c\", \"sh ");
    assert!(stderr(&output).contains("another judge needs a --labels file of its own"));

    // Other texts under the names that were judged.
    desk.room.file("candidates.jsonl", &CANDIDATES.replace("Paint", "Colour"));
    let output = nlhf(&desk.asking(&oracle, &["--budget", "60"]));
    assert_refused(
        &output,
        "expected the texts that were judged, found other texts of prompt \"sky\"",
    );
    desk.room.file("candidates.jsonl", CANDIDATES);

    let changed = String::from_utf8(before.clone()).unwrap();
    let changed =
        changed.replacen("\"verdict\":{\"preferred\":0.9}", "\"verdict\":{\"preferred\":0.1}", 1);
    desk.room.file("labels.jsonl", &changed);
    let output = nlhf(&desk.asking(&oracle, &["--budget", "6"]));
    assert_refused(&output, "a line was changed, removed or put elsewhere");
    assert_eq!(std::fs::read_to_string(&desk.labels).unwrap(), changed, "left as it was");

    desk.room.file("labels.jsonl", "{\"label\": 1}\n");
    let output = nlhf(&desk.asking(&oracle, &["--budget", "6"]));
    assert_refused(&output, "labels.jsonl: expected a label store, found a file that begins with");
    assert_eq!(std::fs::read_to_string(&desk.labels).unwrap(), "{\"label\": 1}\n");
}
