//! A store among processes: one that holds it, one that is killed while it writes, one whose disk is full.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{IDENTITY, Key, Names, Plan, Planned, answer_to, chain, kept, open, query};
use nlhf_core::{Oracle, Query};
use nlhf_judge::{Deliver, Judge, JudgeError, LabelStore, Question, StoreError, StoredOracle};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use std::{env, thread};

const N_QUERIES: u32 = 3000;

fn queries() -> Vec<Query> {
    (0..N_QUERIES).map(|i| query(i % 50, i % 7, 7 + i % 5)).collect()
}

/// This program again, to play a part on a store.
fn player(part: &str, store: &Path) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", "plays_its_part", "--nocapture"]);
    command.env("NLHF_TEST_PART", part).env("NLHF_TEST_STORE", store);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    command
}

/// Not a test by itself: what the other process does.
#[test]
fn plays_its_part() {
    let Ok(part) = env::var("NLHF_TEST_PART") else { return };
    let path = PathBuf::from(env::var("NLHF_TEST_STORE").unwrap());
    match part.as_str() {
        "hold" => {
            let _store = open(&path);
            println!("\nheld");
            std::io::stdin().read_line(&mut String::new()).unwrap();
        }
        "write" => {
            let names = names();
            let oracle = StoredOracle::new(Noting::new(&path), &names).with_store(open(&path));
            oracle.unwrap().compare(&queries()).unwrap();
        }
        "fill" => {
            let names = names();
            let judge = Noting::new(&path);
            let mut oracle = StoredOracle::new(judge, &names).with_store(open(&path)).unwrap();
            for _ in 0..2 {
                let error = oracle.compare(&queries()).unwrap_err();
                println!("\nerror {}", chain(&error));
            }
            // While the store is still open: what was written in part is taken back at once.
            println!("\ntorn {}", nlhf_judge::read_labels(&path).unwrap().n_torn);
        }
        part => panic!("{part}"),
    }
}

fn names() -> Names {
    Names::new(50, 12)
}

/// Writes down what it hands over, before and after it is kept.
struct Noting {
    begun: File,
    confirmed: File,
}

impl Noting {
    fn new(store: &Path) -> Self {
        let note = |kind| {
            let path = store.with_extension(kind);
            File::options().append(true).create(true).open(path).unwrap()
        };
        Self { begun: note("begun"), confirmed: note("confirmed") }
    }
}

impl Judge for Noting {
    fn name(&self) -> &'static str {
        "the noting judge"
    }

    fn identity(&self) -> String {
        IDENTITY.to_owned()
    }

    fn judge(
        &mut self,
        questions: &[Question<'_>],
        deliver: &mut Deliver<'_>,
    ) -> Result<(), JudgeError> {
        // Two batches are always under way.
        let mut n_under_way = 2;
        let mut kept = Ok(());
        for (start, batch) in questions.chunks(3).enumerate().map(|(i, batch)| (3 * i, batch)) {
            if kept.is_err() {
                if n_under_way == 0 {
                    break;
                }
                n_under_way -= 1;
            }
            let note: String = batch
                .iter()
                .map(|q| serde_json::to_string(&common::key(q)).unwrap() + "\n")
                .collect();
            self.begun.write_all(note.as_bytes()).unwrap();
            let delivered = deliver((start..).zip(batch.iter().map(answer_to)).collect());
            if delivered.is_ok() {
                self.confirmed.write_all(note.as_bytes()).unwrap();
            }
            kept = delivered.and(kept);
        }
        Ok(kept?)
    }
}

fn noted(store: &Path, kind: &str) -> Vec<Key> {
    let text = fs::read_to_string(store.with_extension(kind)).unwrap_or_default();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// Finishes a run in this process, and compares it with one that was never disturbed.
fn finish(path: &Path) {
    let names = names();
    let n_kept = kept(path).len();
    let paid = RefCell::new(Vec::new());
    let judge = Planned::new(Plan::SMOOTH, &paid);
    let mut oracle = StoredOracle::new(judge, &names).with_store(open(path)).unwrap();
    let outcomes = oracle.compare(&queries()).unwrap();
    assert_eq!(paid.borrow().len(), N_QUERIES as usize - n_kept, "asked only for what was missing");
    let undisturbed = RefCell::new(Vec::new());
    let mut oracle = StoredOracle::new(Planned::new(Plan::SMOOTH, &undisturbed), &names);
    assert_eq!(outcomes, oracle.compare(&queries()).unwrap());
}

#[test]
fn a_second_process_is_refused_while_the_first_lives() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("labels.jsonl");
    let mut holder = player("hold", &path).spawn().unwrap();
    let lines = BufReader::new(holder.stdout.take().unwrap()).lines();
    assert!(lines.map_while(Result::ok).any(|line| line == "held"));
    let error = LabelStore::open(&path, IDENTITY).unwrap_err();
    assert!(matches!(error, StoreError::Locked { .. }), "{error}");
    holder.kill().unwrap();
    holder.wait().unwrap();
    assert!(open(&path).is_empty(), "a dead process holds nothing");
}

#[test]
fn killed_at_any_moment_nothing_that_was_kept_is_lost_or_paid_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("labels.jsonl");
    let mut n_killed = 0;
    for round in 0..20_u64 {
        let mut writer = player("write", &path).stdout(Stdio::null()).spawn().unwrap();
        thread::sleep(Duration::from_millis(5 + 7 * round % 40));
        writer.kill().unwrap();
        n_killed += u32::from(!writer.wait().unwrap().success());
        if !path.exists() {
            continue;
        }
        let kept =
            if fs::metadata(&path).unwrap().len() > 0 { kept(&path) } else { BTreeSet::new() };
        let begun: BTreeSet<Key> = noted(&path, "begun").into_iter().collect();
        let confirmed = noted(&path, "confirmed");
        assert!(
            confirmed.iter().all(|key| kept.contains(key)),
            "round {round}: a kept label is lost"
        );
        assert!(kept.is_subset(&begun), "round {round}");
        // At most the batch under way was written without being confirmed, once a kill.
        assert!(kept.len() <= confirmed.len() + 3 * n_killed as usize, "round {round}");
        let once: BTreeSet<&Key> = confirmed.iter().collect();
        assert_eq!(once.len(), confirmed.len(), "round {round}: a kept label was paid again");
    }
    assert!(n_killed > 0, "no writer was killed before it ended");
    finish(&path);
}

#[test]
fn a_full_disk_keeps_what_was_kept_and_stops_the_asking() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("labels.jsonl");
    let player = player("fill", &path);
    // 64 blocks of 512 or 1024 bytes: far less than the run needs, and not a whole number of lines.
    let mut limited = Command::new("sh");
    limited.args(["-c", "trap '' XFSZ; ulimit -f 64; exec \"$@\"", "sh"]);
    limited.arg(player.get_program()).args(player.get_args());
    limited.envs(player.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let output = limited.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let errors: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("error ")).collect();
    assert_eq!(errors.len(), 2, "{text}");
    assert!(
        errors[0].contains("the oracle failed: 9 answers were given and could not be kept: "),
        "{text}"
    );
    assert!(errors[0].contains("labels.jsonl: cannot write to: File too large"), "{text}");
    assert!(errors[1].contains("nothing more is written since a write failed: File too"), "{text}");

    let confirmed = noted(&path, "confirmed");
    assert!(confirmed.len() > 50 && confirmed.len() < N_QUERIES as usize);
    assert_eq!(kept(&path), confirmed.iter().cloned().collect::<BTreeSet<_>>());
    // One batch failed and two were under way; the second attempt was refused before it asked.
    assert_eq!(noted(&path, "begun").len(), confirmed.len() + 9);
    assert!(text.contains("\ntorn 0\n"), "{text}");
    finish(&path);
}
