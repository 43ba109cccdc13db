//! A judge that is a command: one line of JSON a question in, one line of JSON an answer out, in the same order.
//!
//! ```text
//! in    {"prompt": "...", "first": "...", "second": "...", "prompt_id": "p", "first_id": "a", "second_id": "b", "repetition": 0}
//! out   {"label": 0.8}      the probability that the first is preferred, or
//!       {"winner": "first"}      "second", "tie" or "skip"
//! ```
//! An answer may name its `annotator` and its `input_tokens` and `output_tokens`. It may repeat `prompt_id`, `first_id`,
//! `second_id` and `repetition`: then they must be those of the question, which shows that no line was lost. The command must
//! write out each line at once, for it is given further questions before it is told that there are no more.

mod child;
mod reply;

use crate::quoted::quoted;
use crate::{Answer, Deliver, Judge, JudgeError, Question};
use child::{Running, Silence};
use serde::Serialize;
use std::io;
use std::process::{Command, ExitStatus};
use std::time::Duration;

/// How many questions may wait for an answer unless set otherwise.
const QUESTIONS_AHEAD: usize = 64;

/// What can go wrong with a command: the source of [`JudgeError::Failed`] of a [`CommandJudge`].
///
/// After each of them the command is killed; the next question starts it again.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CommandError {
    /// It could not be started.
    #[error("cannot start {program:?}: {reason}")]
    Start {
        /// The program.
        program: String,
        /// Why.
        reason: io::Error,
    },
    /// It ended while answers were missing.
    #[error("it ended ({status}) with {n_left} questions left")]
    Ended {
        /// How.
        status: ExitStatus,
        /// Questions without an answer.
        n_left: usize,
    },
    /// It goes on, but nothing more can come from it.
    #[error("it closed its output with {n_left} questions left")]
    ClosedOutput {
        /// Questions without an answer.
        n_left: usize,
    },
    /// It wrote no line in time.
    #[error("no answer within {} s, with {n_left} questions left; it must write out each line at once", timeout.as_secs_f64())]
    TimedOut {
        /// How long it was waited for the next line.
        timeout: Duration,
        /// Questions without an answer.
        n_left: usize,
    },
    /// Its first line is not an answer. Were it taken for one, all later answers would go to the wrong questions.
    #[error("expected its first line to be an object with \"label\" or \"winner\", found {found}")]
    Greeting {
        /// The line, quoted and shortened.
        found: String,
    },
    /// It wrote a line that nothing was asked for: earlier answers may belong to other questions.
    #[error("expected one line for each question, found {found} without a question")]
    Unasked {
        /// The line, quoted and shortened.
        found: String,
    },
    /// An answer repeats the names of another question. It was not delivered, nor were those after it.
    #[error("expected an answer to prompt {prompt} with {first} before {second}, found {found}")]
    OtherQuestion {
        /// The name of the prompt, quoted and shortened.
        prompt: String,
        /// The name of the response shown first, likewise.
        first: String,
        /// The name of the response shown second, likewise.
        second: String,
        /// The line, likewise.
        found: String,
    },
}

/// Asks a command, which is started with the first question and kept running. What it writes to its standard error is passed
/// through. It is killed when the judge is dropped.
#[derive(Debug)]
pub struct CommandJudge {
    program: String,
    arguments: Vec<String>,
    timeout: Duration,
    questions_ahead: usize,
    running: Option<Running>,
}

impl CommandJudge {
    /// A program with its arguments, which may take up to `timeout` from one answer to the next.
    pub fn new<S: Into<String>>(
        program: impl Into<String>,
        arguments: impl IntoIterator<Item = S>,
        timeout: Duration,
    ) -> Self {
        Self {
            program: program.into(),
            arguments: arguments.into_iter().map(Into::into).collect(),
            timeout,
            questions_ahead: QUESTIONS_AHEAD,
            running: None,
        }
    }

    /// A line for the shell: `sh -c line`.
    pub fn shell(line: &str, timeout: Duration) -> Self {
        Self::new("sh", ["-c", line], timeout)
    }

    /// How many questions may wait for an answer, at least one; 64 unless set. A command that answers several at once needs as many.
    ///
    /// # Panics
    /// If `n_questions` is zero.
    #[must_use]
    pub fn with_questions_ahead(mut self, n_questions: usize) -> Self {
        assert!(n_questions > 0, "without a question there is no answer");
        self.questions_ahead = n_questions;
        self
    }

    /// Asks, and stops at the first thing that goes wrong or cannot be kept.
    fn ask(
        &self,
        running: &mut Running,
        questions: &[Question<'_>],
        deliver: &mut Deliver<'_>,
    ) -> Result<(), JudgeError> {
        // What had already been read before anything was asked.
        if let Some(line) = running.unexpected_line() {
            return Err(self.failed(if running.has_spoken {
                unasked(&line)
            } else {
                greeting(&line)
            }));
        }
        let (mut n_sent, mut n_answered) = (0, 0);
        let mut kept = Ok(());
        while n_answered < n_sent || kept.is_ok() && n_sent < questions.len() {
            while kept.is_ok() && n_sent < questions.len().min(n_answered + self.questions_ahead) {
                running.send(line(&questions[n_sent]));
                n_sent += 1;
            }
            let n_left = questions.len() - n_answered;
            let lines = running.receive(self.timeout).map_err(|silence| {
                self.failed(match silence {
                    Silence::TimedOut => CommandError::TimedOut { timeout: self.timeout, n_left },
                    Silence::Ended(Some(status)) => CommandError::Ended { status, n_left },
                    Silence::Ended(None) => CommandError::ClosedOutput { n_left },
                })
            })?;
            if !running.has_spoken
                && !lines.first().is_none_or(|line| reply::is_meant_as_answer(line))
            {
                return Err(self.failed(greeting(&lines[0])));
            }
            running.has_spoken = true;
            let (answers, wrong) = answers(&lines, &questions[n_answered..n_sent]);
            let n_before = n_answered;
            n_answered += answers.len();
            kept = deliver((n_before..).zip(answers).collect()).and(kept);
            if let Some(wrong) = wrong {
                return Err(self.failed(wrong));
            }
        }
        kept?;
        match running.unexpected_line() {
            Some(line) => Err(self.failed(unasked(&line))),
            None => Ok(()),
        }
    }

    fn failed(&self, source: CommandError) -> JudgeError {
        JudgeError::Failed { judge: self.name(), source: Box::new(source) }
    }
}

impl Judge for CommandJudge {
    fn name(&self) -> &'static str {
        "the command"
    }

    /// The program and its arguments as they stand: a secret among them would be written to the store.
    fn identity(&self) -> String {
        let words: Vec<&str> =
            [&self.program].into_iter().chain(&self.arguments).map(String::as_str).collect();
        format!("command {words:?}")
    }

    fn judge(
        &mut self,
        questions: &[Question<'_>],
        deliver: &mut Deliver<'_>,
    ) -> Result<(), JudgeError> {
        if questions.is_empty() {
            return Ok(());
        }
        let running = self.running.take().map_or_else(
            || {
                let mut command = Command::new(&self.program);
                command.args(&self.arguments);
                Running::start(command, self.questions_ahead)
            },
            Ok,
        );
        let mut running = running.map_err(|reason| {
            self.failed(CommandError::Start { program: self.program.clone(), reason })
        })?;
        let asked = self.ask(&mut running, questions, deliver);
        // If answers could not be kept, all that was asked has been answered: the command is in step.
        if matches!(asked, Ok(()) | Err(JudgeError::NotKept(_))) {
            self.running = Some(running);
        }
        asked
    }
}

/// A question as the command reads it, with its line feed.
fn line(question: &Question<'_>) -> Vec<u8> {
    #[derive(Serialize)]
    struct Asked<'a> {
        prompt: &'a str,
        first: &'a str,
        second: &'a str,
        prompt_id: &'a str,
        first_id: &'a str,
        second_id: &'a str,
        repetition: u32,
    }
    let Question { prompt, first, second, repetition } = question;
    let asked = Asked {
        prompt: &prompt.text,
        first: &first.text,
        second: &second.text,
        prompt_id: prompt.id,
        first_id: first.id,
        second_id: second.id,
        repetition: *repetition,
    };
    let mut line = serde_json::to_vec(&asked).expect("strings and an integer have a JSON form");
    line.push(b'\n');
    line
}

/// The answers to `asked`, the oldest first, up to the first line that is none.
fn answers(lines: &[String], asked: &[Question<'_>]) -> (Vec<Answer>, Option<CommandError>) {
    let mut answers = Vec::with_capacity(lines.len());
    for (place, line) in lines.iter().enumerate() {
        let Some(question) = asked.get(place) else { return (answers, Some(unasked(line))) };
        let Some(answer) = reply::answer(line, question) else {
            let wrong = CommandError::OtherQuestion {
                prompt: quoted(question.prompt.id),
                first: quoted(question.first.id),
                second: quoted(question.second.id),
                found: quoted(line),
            };
            return (answers, Some(wrong));
        };
        answers.push(answer);
    }
    (answers, None)
}

fn greeting(line: &str) -> CommandError {
    CommandError::Greeting { found: quoted(line) }
}

fn unasked(line: &str) -> CommandError {
    CommandError::Unasked { found: quoted(line) }
}
