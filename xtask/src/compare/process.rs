//! A candidate as a process: a JSON object a line in, one a line out, on as many cores as threads.

use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use super::environment;
use super::regimes::{Candidate, Regime};
use crate::TaskResult;

/// Where the programs of both sides are.
pub(super) struct Programs {
    pub(super) ours: PathBuf,
    pub(super) python: PathBuf,
    pub(super) root: PathBuf,
}

impl Programs {
    /// Starts a candidate and lets it load the games of the regime.
    pub(super) fn start(
        &self,
        candidate: &Candidate,
        regime: &Regime,
        games: &Path,
        threads: usize,
    ) -> TaskResult<Process> {
        // Batches give each thread its blocks, and single games get one thread: BLAS itself never has two.
        let mut process = self.start_program(candidate.is_ours(), "serve.py", threads, 1)?;
        let mut job = regime.games.request(games);
        job["eta"] = json!(regime.eta);
        job["tolerance"] = json!(candidate.tolerance);
        process.ask(&json!({"command": "load", "candidate": candidate.id, "job": job}))?;
        Ok(process)
    }

    /// Starts our program or a script on as many cores as threads.
    pub(super) fn start_program(
        &self,
        ours: bool,
        script: &str,
        threads: usize,
        blas_threads: usize,
    ) -> TaskResult<Process> {
        let program = if ours {
            Command::new(&self.ours)
        } else {
            environment::script(&self.root, &self.python, script)
        };
        let mut command = pinned(program, threads);
        for variable in ["COMPARE_THREADS", "RAYON_NUM_THREADS"] {
            command.env(variable, threads.to_string());
        }
        for variable in ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"] {
            command.env(variable, blas_threads.to_string());
        }
        command.env("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false");
        Process::start(&mut command)
    }
}

pub(super) struct Process {
    child: Child,
    input: Option<ChildStdin>,
    replies: Receiver<io::Result<String>>,
}

/// How long a reply may take: on one core a thread pool has been seen to wait for itself.
const PATIENCE: Duration = Duration::from_secs(180);

impl Process {
    pub(super) fn start(command: &mut Command) -> TaskResult<Self> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("{command:?} could not be started: {error}"))?;
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().ok_or("a process has an output")?);
        let (sender, replies) = mpsc::channel();
        // The thread ends with the output of the process.
        thread::spawn(move || output.lines().try_for_each(|line| sender.send(line)));
        Ok(Self { child, input, replies })
    }

    /// Sends a request and waits for its reply.
    pub(super) fn ask(&mut self, request: &Value) -> TaskResult<Value> {
        let input = self.input.as_mut().ok_or("a process has an input")?;
        writeln!(input, "{request}")?;
        input.flush()?;
        match self.replies.recv_timeout(PATIENCE) {
            Ok(line) => Ok(serde_json::from_str(&line?)?),
            Err(RecvTimeoutError::Disconnected) => {
                let status = self.child.wait()?;
                Err(format!("the candidate ended with {status} on {request}").into())
            }
            Err(RecvTimeoutError::Timeout) => {
                self.child.kill()?;
                Err(format!("no answer within {} s", PATIENCE.as_secs()).into())
            }
        }
    }
}

impl Drop for Process {
    /// The end of its input ends a candidate.
    fn drop(&mut self) {
        self.input = None;
        if self.child.wait().is_err() {
            eprintln!("compare: a candidate could not be waited for");
        }
    }
}

/// The same command on the last `threads` of the cores that this process may use: XLA makes as many threads
/// as it sees cores, whatever it is told.
fn pinned(program: Command, threads: usize) -> Command {
    let cores = allowed_cores();
    if !can_pin() || cores.len() < threads {
        return program;
    }
    let chosen: Vec<String> =
        cores[cores.len() - threads..].iter().map(ToString::to_string).collect();
    let mut command = Command::new("taskset");
    command.args(["--cpu-list", &chosen.join(",")]).arg(program.get_program());
    command.args(program.get_args());
    for (name, value) in program.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    if let Some(folder) = program.get_current_dir() {
        command.current_dir(folder);
    }
    command
}

/// Whether candidates can be held to a number of cores.
pub(super) fn can_pin() -> bool {
    let found = Command::new("taskset").arg("--version").output();
    found.is_ok_and(|output| output.status.success()) && !allowed_cores().is_empty()
}

/// How many cores this process may use, where the system tells.
pub(super) fn allowed_cores() -> Vec<usize> {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    list.map_or_else(Vec::new, |list| parse_cores(list.trim()))
}

/// The numbers of a list such as `0-2,5`.
fn parse_cores(list: &str) -> Vec<usize> {
    let range = |part: &str| -> Option<Vec<usize>> {
        match part.split_once('-') {
            Some((first, last)) => Some((first.parse().ok()?..=last.parse().ok()?).collect()),
            None => Some(vec![part.parse().ok()?]),
        }
    };
    list.split(',').filter_map(range).flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_cores_are_read() {
        assert_eq!(parse_cores("0-2,5"), [0, 1, 2, 5]);
        assert_eq!(parse_cores("7"), [7]);
        assert!(parse_cores("").is_empty());
    }
}
