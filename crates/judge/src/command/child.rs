//! A running command: lines go in by one thread, come out by another, and nobody waits for it longer than was agreed.

use std::io::{Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, sync_channel};
use std::time::{Duration, Instant};
use std::{io, thread};

/// What goes beyond this in a line is not kept; no answer is so long.
const MAX_LINE_BYTES: usize = 1 << 16;
/// How long a command that closed its output may take to end.
const END_PATIENCE: Duration = Duration::from_secs(2);
/// How many reads of its output may wait to be taken.
const READS_AHEAD: usize = 16;

/// A child process that reads and writes lines. It and all that it started are killed when this is dropped.
#[derive(Debug)]
pub(super) struct Running {
    child: Child,
    is_reaped: bool,
    to_child: SyncSender<Vec<u8>>,
    from_child: Receiver<Vec<String>>,
    /// Whether a line was ever taken.
    pub(super) has_spoken: bool,
}

/// Why there are no more lines.
#[derive(Debug)]
pub(super) enum Silence {
    /// None came in time.
    TimedOut,
    /// The command ended, or closed its output and goes on running.
    Ended(Option<ExitStatus>),
}

impl Running {
    /// Starts a command; up to `n_ahead` lines can be sent before it reads one.
    pub(super) fn start(mut command: Command, n_ahead: usize) -> io::Result<Self> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        // In a group of its own, all that it starts can be killed with it. An interrupt from the keyboard then does not
        // reach it either: answers that are under way still come.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut child = command.spawn()?;
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        let (to_child, lines) = sync_channel(n_ahead);
        let (sender, from_child) = sync_channel(READS_AHEAD);
        // The threads end when their pipe is closed, at the latest by the death of the child.
        stdin.map(|stdin| thread::spawn(move || write_lines(stdin, &lines)));
        stdout.map(|stdout| thread::spawn(move || read_lines(stdout, &sender)));
        Ok(Self { child, is_reaped: false, to_child, from_child, has_spoken: false })
    }

    /// Hands a line over to be written. If the command reads no more, that shows by what it does not write.
    pub(super) fn send(&self, line: Vec<u8>) {
        let _ = self.to_child.send(line);
    }

    /// The lines of the next read, one or more; waits for them.
    pub(super) fn receive(&mut self, timeout: Duration) -> Result<Vec<String>, Silence> {
        let lines = self.from_child.recv_timeout(timeout);
        lines.map_err(|reason| match reason {
            RecvTimeoutError::Timeout => Silence::TimedOut,
            RecvTimeoutError::Disconnected => Silence::Ended(self.wait_for_end()),
        })
    }

    /// A line that is there without having been waited for.
    pub(super) fn unexpected_line(&mut self) -> Option<String> {
        match self.from_child.try_recv() {
            Ok(lines) => lines.into_iter().next(),
            Err(TryRecvError::Empty | TryRecvError::Disconnected) => None,
        }
    }

    fn wait_for_end(&mut self) -> Option<ExitStatus> {
        let deadline = Instant::now() + END_PATIENCE;
        loop {
            if let Ok(Some(status)) = self.child.try_wait() {
                self.is_reaped = true;
                return Some(status);
            }
            if Instant::now() >= deadline {
                return None;
            }
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.is_reaped {
            // Its number may belong to another by now.
            return;
        }
        #[cfg(unix)]
        {
            use rustix::process::{Pid, Signal, kill_process_group};
            let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn write_lines(mut stdin: ChildStdin, lines: &Receiver<Vec<u8>>) {
    for line in lines {
        if stdin.write_all(&line).is_err() {
            return;
        }
    }
}

/// Sends the complete lines of each read together, and in the end a line without an end.
fn read_lines(mut stdout: ChildStdout, sender: &SyncSender<Vec<String>>) {
    let mut buffer = vec![0; 1 << 16];
    let mut line = Vec::new();
    let text = |line: &mut Vec<u8>| {
        let text = String::from_utf8_lossy(line.strip_suffix(b"\r").unwrap_or(line)).into_owned();
        line.clear();
        text
    };
    loop {
        let n_bytes = match stdout.read(&mut buffer) {
            Err(reason) if reason.kind() == io::ErrorKind::Interrupted => continue,
            Ok(0) | Err(_) => break,
            Ok(n_bytes) => n_bytes,
        };
        let mut lines = Vec::new();
        for piece in buffer[..n_bytes].split_inclusive(|&byte| byte == b'\n') {
            let (content, is_end) = match piece.strip_suffix(b"\n") {
                Some(content) => (content, true),
                None => (piece, false),
            };
            let room = MAX_LINE_BYTES.saturating_sub(line.len());
            line.extend_from_slice(&content[..content.len().min(room)]);
            if is_end {
                lines.push(text(&mut line));
            }
        }
        if !lines.is_empty() && sender.send(lines).is_err() {
            return;
        }
    }
    if !line.is_empty() {
        // Nobody may be there to hear it.
        let _ = sender.send(vec![text(&mut line)]);
    }
}
