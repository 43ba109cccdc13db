//! A judge behind an OpenAI-compatible HTTP interface: a language model of a service, or of a server on this machine.
//!
//! ```text
//! questions ──next──▶ worker ──POST /chat/completions──▶ model          config    settings, checked once
//!                     worker        (client, pacer)                     template  question ──▶ message
//!                     worker ──(place, answer)──▶ channel ──▶ deliver   completion, verdict, logprobs: body ──▶ answer
//! ```
//! Workers take the next question each. The calling thread delivers together whatever has arrived. When answers cannot be
//! kept, a request fails for good or the judge is told to stop, no new request starts; those under way were paid for, so that
//! they are waited for and delivered before the error returns.

mod address;
mod client;
mod completion;
mod config;
mod error;
mod logprobs;
mod pacer;
mod retry_after;
mod secret;
mod template;
mod verdict;

pub use config::{HttpConfigError, HttpJudgeConfig, LabelsFrom};
pub use error::{HttpJudgeError, RequestError};
pub use template::TemplateError;

use crate::{Answer, Deliver, Judge, JudgeError, NotKept, Question};
use client::Client;
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Sender};
use std::thread;

/// A language model that is asked over HTTP.
///
/// ```no_run
/// use nlhf_judge::{HttpJudge, HttpJudgeConfig};
/// use std::sync::{Arc, atomic::AtomicBool};
///
/// let config = HttpJudgeConfig::new("http://127.0.0.1:8099/v1", "any");
/// let stop = Arc::new(AtomicBool::new(false));
/// let judge = HttpJudge::new(config, Arc::clone(&stop))?;
/// # Ok::<(), nlhf_judge::HttpConfigError>(())
/// ```
#[derive(Debug)]
pub struct HttpJudge {
    client: Client,
    stop: Arc<AtomicBool>,
}

impl HttpJudge {
    /// Checks the settings and reads the key from the environment. Nothing is sent yet. Once `stop` is true no request
    /// starts, and [`Judge::judge`] ends with [`JudgeError::Stopped`].
    ///
    /// # Errors
    /// [`HttpConfigError`] names the setting that is wrong.
    pub fn new(config: HttpJudgeConfig, stop: Arc<AtomicBool>) -> Result<Self, HttpConfigError> {
        Ok(Self { client: Client::new(config)?, stop })
    }

    /// Asks one question after the other until none is left, one fails for good, or all are to `halt`.
    fn work(
        &self,
        questions: &[Question<'_>],
        next: &AtomicUsize,
        halt: &AtomicBool,
        results: &Sender<Result<(usize, Answer), HttpJudgeError>>,
    ) {
        let is_halted = || halt.load(Ordering::Relaxed) || self.stop.load(Ordering::Relaxed);
        while !is_halted() {
            let place = next.fetch_add(1, Ordering::Relaxed);
            let Some(question) = questions.get(place) else { return };
            let result = match self.client.ask(question, &is_halted) {
                Ok(None) => return,
                Ok(Some(answer)) => Ok((place, answer)),
                Err(error) => {
                    // Here and not where it is received, because that may be busy delivering.
                    halt.store(true, Ordering::Relaxed);
                    Err(error)
                }
            };
            // Nobody listens any more if delivering panicked.
            if results.send(result).is_err() {
                return;
            }
        }
    }
}

impl Judge for HttpJudge {
    fn name(&self) -> &'static str {
        "the model"
    }

    fn identity(&self) -> String {
        let HttpJudgeConfig { model, template, system, temperature, labels, top_logprobs, .. } =
            self.client.config();
        let labels = match labels {
            LabelsFrom::Verdict => "verdict".to_owned(),
            LabelsFrom::Logprobs => format!("logprobs of {top_logprobs} tokens"),
        };
        let mut hash = Sha256::new();
        // With its length, so that no text can move from one to the other.
        hash.update((template.len() as u64).to_le_bytes());
        hash.update(template);
        if let Some(system) = system {
            hash.update((system.len() as u64).to_le_bytes());
            hash.update(system);
        }
        let mut texts = String::new();
        for byte in &hash.finalize()[..8] {
            // Writing to a string cannot fail.
            let _ = write!(texts, "{byte:02x}");
        }
        format!(
            "model {model} at {}, temperature {temperature}, labels {labels}, texts {texts}",
            self.client.url()
        )
    }

    fn judge(
        &mut self,
        questions: &[Question<'_>],
        deliver: &mut Deliver<'_>,
    ) -> Result<(), JudgeError> {
        let next = AtomicUsize::new(0);
        let halt = AtomicBool::new(false);
        let judge = &*self;
        let mut n_left = questions.len();
        let mut not_kept: Option<NotKept> = None;
        let mut failure: Option<HttpJudgeError> = None;
        thread::scope(|scope| {
            let (sender, results) = mpsc::channel();
            for _ in 0..judge.client.config().concurrency.min(questions.len()) {
                let (sender, next, halt) = (sender.clone(), &next, &halt);
                scope.spawn(move || judge.work(questions, next, halt, &sender));
            }
            // The channel ends with the last worker.
            drop(sender);
            while let Ok(result) = results.recv() {
                let mut answers = Vec::new();
                for result in [result].into_iter().chain(results.try_iter()) {
                    match result {
                        Ok(answer) => answers.push(answer),
                        Err(error) => {
                            failure.get_or_insert(error);
                        }
                    }
                }
                if answers.is_empty() {
                    continue;
                }
                n_left -= answers.len();
                if let Err(error) = deliver(answers) {
                    halt.store(true, Ordering::Relaxed);
                    not_kept.get_or_insert(error);
                }
            }
        });
        match (not_kept, failure) {
            (Some(error), _) => Err(error.into()),
            (None, Some(error)) => {
                Err(JudgeError::Failed { judge: self.name(), source: Box::new(error) })
            }
            (None, None) if n_left == 0 => Ok(()),
            (None, None) => Err(JudgeError::Stopped { judge: self.name(), n_left }),
        }
    }
}

/// At most `n_chars` characters from the beginning of a text.
fn beginning(text: &str, n_chars: usize) -> String {
    text.chars().take(n_chars).collect()
}
