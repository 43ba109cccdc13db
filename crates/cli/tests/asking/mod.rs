//! Candidates, judges and running commands, for the tests of `nlhf online`.

#![allow(dead_code, reason = "each test file uses a part of it")]

use crate::common::Room;
use serde_json::Value;
use std::fmt::Write;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Three prompts with three answers each, the first of them the longest.
pub(crate) const CANDIDATES: &str = concat!(
    "{\"prompt_id\": \"sky\", \"prompt\": \"Why is the sky blue?\", \"responses\": ",
    "[\"Air scatters blue light more than red light.\", \"It mirrors the sea.\", \"Paint.\"]}\n",
    "{\"prompt_id\": \"tea\", \"prompt\": \"How do I make green tea?\", \"responses\": ",
    "[\"Pour water of 80 degrees on it and wait two minutes.\", \"Boil it well.\", \"Buy some.\"]}\n",
    "{\"prompt_id\": \"cat\", \"prompt\": \"Why do cats purr?\", \"responses\": ",
    "[\"When content, and also to calm themselves.\", \"Nobody knows.\", \"Engines.\"]}\n",
);

/// `votes` judgements of each pair of `answers` on each prompt; the one listed first wins `share` of them.
pub(crate) fn record(n_prompts: usize, answers: &[&str], votes: usize, share: f64) -> String {
    let mut text = String::new();
    for x in 0..n_prompts {
        for (at, a) in answers.iter().enumerate() {
            for b in &answers[at + 1..] {
                for vote in 0..votes {
                    let label = u8::from((vote as f64 + 0.5) < share * votes as f64);
                    let _ = writeln!(
                        text,
                        "{{\"prompt_id\":\"p{x}\",\"response_a_id\":\"p{x}{a}\",\"response_b_id\":\"p{x}{b}\",\"label\":{label}}}"
                    );
                }
            }
        }
    }
    text
}

/// A judge in sh that goes by the names. It notes each answer that was taken in the file "seen", and before the one after
/// `pause` it waits until the file "go" is there.
pub(crate) fn shell_judge(room: &Room, pause: usize) -> String {
    let folder = room.path("");
    let folder = folder.to_str().unwrap().trim_end_matches('/');
    let script = r#"n=0
while read -r line; do
  n=$((n + 1))
  if [ $n -gt PAUSE ]; then
    while [ -d 'ROOM' ] && [ ! -e 'ROOM/go' ]; do sleep 0.02; done
  fi
  case $line in
    *'.1","second_id"'*) echo '{"label": 0.9}' || exit ;;
    *'.2","second_id"'*) echo '{"winner": "tie"}' || exit ;;
    *'"sky.3"'*) echo '{"winner": "skip"}' || exit ;;
    *) echo '{"winner": "second", "annotator": "sh"}' || exit ;;
  esac
  echo >> 'ROOM/seen'
done
"#;
    let script = script.replace("PAUSE", &pause.to_string()).replace("ROOM", folder);
    format!("command:sh '{}'", room.file("judge.sh", &script))
}

/// The number of lines of a file, 0 if there is none.
pub(crate) fn n_lines(path: &Path) -> usize {
    std::fs::read_to_string(path).map_or(0, |text| text.matches('\n').count())
}

pub(crate) fn json(path: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// A report without what the run itself cost, which depends on where it was interrupted.
pub(crate) fn without_costs(path: &Path) -> Value {
    let mut report = json(path);
    let asked = report["asked"].as_object_mut().unwrap();
    for cost in ["n_asked", "n_from_store", "input_tokens", "output_tokens", "cost", "n_torn"] {
        asked.remove(cost).unwrap();
    }
    report
}

/// Waits until it holds, for a minute at most.
pub(crate) fn wait_until(what: &str, holds: impl Fn() -> bool) {
    for _ in 0..6000 {
        if holds() {
            return;
        }
        thread::sleep(Duration::from_millis(10));
    }
    panic!("waited in vain until {what}");
}

/// A command that runs while the test goes on.
pub(crate) struct Running {
    child: Child,
    said: Arc<Mutex<String>>,
    listener: JoinHandle<()>,
}

/// How it ended.
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Running {
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_nlhf"))
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let said = Arc::new(Mutex::new(String::new()));
        let (errors, heard) = (child.stderr.take().unwrap(), Arc::clone(&said));
        let listener = thread::spawn(move || {
            for line in BufReader::new(errors).lines() {
                let mut heard = heard.lock().unwrap();
                heard.push_str(&line.unwrap());
                heard.push('\n');
            }
        });
        Self { child, said, listener }
    }

    /// What it wrote to standard error so far.
    pub(crate) fn said(&self) -> String {
        self.said.lock().unwrap().clone()
    }

    pub(crate) fn wait_until_said(&self, text: &str) {
        wait_until(&format!("{text:?} is said"), || self.said().contains(text));
    }

    /// As Ctrl-C does.
    pub(crate) fn interrupt(&self) {
        let line = format!("kill -INT {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &line]).status().unwrap().success());
    }

    /// As `kill -9` does: it can do nothing more.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Its exit code. What it started may go on.
    pub(crate) fn exit_code(&mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }

    /// What there is to know once all that it started has ended too.
    pub(crate) fn end(self) -> Ended {
        let output = self.child.wait_with_output().unwrap();
        self.listener.join().unwrap();
        let stderr = self.said.lock().unwrap().clone();
        let stdout = String::from_utf8(output.stdout).unwrap();
        Ended { code: output.status.code(), stdout, stderr }
    }
}
