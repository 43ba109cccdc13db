//! A room to run the command line in, and what it said.

#![allow(dead_code, reason = "each test file uses a part of it")]

use serde_json::Value;
use std::fmt::Write as _;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

pub(crate) struct Room {
    folder: tempfile::TempDir,
}

impl Room {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn file(&self, name: &str, content: &str) -> String {
        std::fs::write(self.path(name), content).unwrap();
        self.path(name).to_str().unwrap().to_owned()
    }

    pub(crate) fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.folder.path()).unwrap();
        entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect()
    }
}

pub(crate) fn nlhf(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_nlhf")).args(arguments).output().unwrap()
}

pub(crate) fn nlhf_with_input(arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_nlhf"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

pub(crate) fn json_lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

pub(crate) fn read_json_lines(path: &Path) -> Vec<Value> {
    json_lines(&std::fs::read_to_string(path).unwrap())
}

pub(crate) fn assert_refused(output: &Output, expected: &str) {
    let said = stderr(output);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains(expected), "said {said:?}, expected {expected:?}");
    assert!(output.stdout.is_empty(), "nothing on standard output");
}

pub(crate) const COMPARISONS: &str = concat!(
    "{\"prompt_id\": \"p1\", \"response_a_id\": \"a\", \"response_b_id\": \"b\", \"label\": 1}\n",
    "{\"prompt_id\": \"p1\", \"response_a_id\": \"b\", \"response_b_id\": \"c\", \"label\": 1.0}\n",
    "{\"prompt_id\": \"p1\", \"response_a_id\": \"c\", \"response_b_id\": \"a\", \"label\": 0.5, \"weight\": 3}\n",
    "{\"prompt_id\": \"p2\", \"response_a_id\": \"d\", \"response_b_id\": \"e\", \"label\": 0}\n",
);

/// Pairs of texts in which answers of more `good` win.
pub(crate) fn good_and_bad() -> String {
    let mut text = String::new();
    for x in 0..30 {
        for (chosen, rejected) in [("good good", "bad"), ("good word", "bad bad"), ("good", "word")]
        {
            let _ = writeln!(
                text,
                "{{\"prompt\":\"question {x}\",\"chosen\":\"{chosen} {x}\",\"rejected\":\"{rejected} {x}\"}}"
            );
        }
    }
    text
}
