//! `nlhf online` with judges that answer for themselves: what is paid is kept, whatever ends the run.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod asking;
mod common;
#[path = "online_judges/interrupted.rs"]
mod interrupted;
#[path = "../../judge/examples/judge_server/mock.rs"]
#[allow(dead_code, reason = "the judge's own tests look at its probabilities")]
mod mock;
#[path = "online_judges/model.rs"]
mod model;
#[path = "online_judges/person.rs"]
mod person;
#[path = "../../judge/examples/judge_server/server.rs"]
#[allow(dead_code, reason = "the judge's own tests ask the server for more")]
mod server;

use asking::CANDIDATES;
use common::Room;
use std::path::PathBuf;

/// A room with candidates, and where a run is to write.
struct Desk {
    room: Room,
    candidates: String,
    labels: PathBuf,
    policy: PathBuf,
    report: PathBuf,
}

impl Desk {
    fn new() -> Self {
        let room = Room::new();
        let candidates = room.file("candidates.jsonl", CANDIDATES);
        let [labels, policy, report] =
            ["labels.jsonl", "policy.jsonl", "report.json"].map(|name| room.path(name));
        Self { room, candidates, labels, policy, report }
    }

    /// The arguments of a run that asks `oracle`.
    fn asking<'a>(&'a self, oracle: &'a str, more: &[&'a str]) -> Vec<&'a str> {
        let path = |path: &'a PathBuf| path.to_str().unwrap();
        let online = ["online", "--candidates", &self.candidates, "--oracle", oracle, "--labels"];
        let files =
            [path(&self.labels), "--output", path(&self.policy), "--report", path(&self.report)];
        [&online[..], &files, more].concat()
    }

    /// Answers that are on disk.
    fn n_kept(&self) -> usize {
        asking::n_lines(&self.labels).saturating_sub(1)
    }
}
