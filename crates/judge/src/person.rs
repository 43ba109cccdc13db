//! A person who judges in the browser, from a page that this program serves to its own machine.
//!
//! ```text
//! judge ──questions──▶ desk ──page──▶ browser: 1, 2, tie, skip, undo, finish, end
//!   ◀────settled answers──┘ ◀─forms──────┘
//! ```
//! Answers are final once they are delivered, and people press the wrong key. Hence the last answer is held back until the next
//! one is given, the batch is finished or the session ends; until then it can be undone. The page goes on only after
//! what was settled has been delivered, so that a crash costs the one answer that could still be undone, and no other. The
//! page says so.
//!
//! The page needs no JavaScript; with it there are single keys. It follows WCAG 2.2 AA: all by keyboard, names and
//! roles for screen readers, contrast of 4.5 and more in light and dark, one column at 320 pixels. Single keys can be turned off
//! (2.1.4). Prompt and responses are shown as text and never as HTML, without their names, which may tell who wrote them.

mod desk;
mod page;
mod server;
mod session;

use self::desk::Desk;
use self::server::Server;
use self::session::{Choice, Ending};
use crate::{Answer, Deliver, Judge, JudgeError, NotKept, Question};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// The shortest token that is taken.
const MIN_TOKEN_LEN: usize = 16;

/// How a person is asked.
///
/// | Name | Default | Purpose | Range |
/// |---|---|---|---|
/// | `token` | none | a part of the address that nobody can guess | 16 or more of `A`–`Z`, `a`–`z`, `0`–`9`, `-`, `_` |
/// | `port` | 0 | where the page is served on 127.0.0.1 | 0 for any free one |
/// | `rater` | `None` | who judges; kept with each answer | not blank |
/// | `stop` | never set | ends the session soon after it is set | |
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PersonConfig {
    /// A part of the address that nobody can guess, drawn by the caller: who knows it can judge.
    pub token: String,
    /// The port of 127.0.0.1, 0 for any free one.
    pub port: u16,
    /// Who judges.
    pub rater: Option<String>,
    /// Set to end the session: what was answered is delivered, then comes [`JudgeError::Stopped`].
    pub stop: Arc<AtomicBool>,
}

impl PersonConfig {
    /// Any free port, an unknown rater, nothing that stops.
    pub fn new(token: impl Into<String>) -> Self {
        Self { token: token.into(), port: 0, rater: None, stop: Arc::default() }
    }

    /// The same on the port `port`.
    #[must_use]
    pub fn with_port(self, port: u16) -> Self {
        Self { port, ..self }
    }

    /// The same with the name of the person.
    #[must_use]
    pub fn with_rater(self, rater: impl Into<String>) -> Self {
        Self { rater: Some(rater.into()), ..self }
    }

    /// The same, stopped by `stop`.
    #[must_use]
    pub fn with_stop(self, stop: Arc<AtomicBool>) -> Self {
        Self { stop, ..self }
    }
}

/// Why there is no page.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PersonError {
    /// The token could be guessed or does not fit in an address. It is a secret and not quoted.
    #[error(
        "the token of the page must have {MIN_TOKEN_LEN} or more characters, letters of ASCII, digits, - and _ only, but has \
         {n_chars} characters, {n_other} of them others"
    )]
    Token {
        /// Its length.
        n_chars: usize,
        /// How many of its characters are not allowed.
        n_other: usize,
    },
    /// A name that says nothing.
    #[error("the name of the rater must not be blank, but is {given:?}")]
    Rater {
        /// The name that was given.
        given: String,
    },
    /// The system gave no port or no thread.
    #[error("the page could not be served on port {port} of 127.0.0.1")]
    Serve {
        /// The port that was asked for, 0 for any.
        port: u16,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Asks a person, who answers in the browser.
#[derive(Debug)]
pub struct PersonJudge {
    desk: Arc<Desk>,
    rater: Option<String>,
    stop: Arc<AtomicBool>,
    address: String,
    /// Ends when dropped.
    _server: Server,
}

impl PersonJudge {
    /// Serves the page, which says that it waits until the first questions come.
    ///
    /// # Errors
    /// [`PersonError`] if the token or the rater is none, or the port is not to be had.
    pub fn start(config: PersonConfig) -> Result<Self, PersonError> {
        let PersonConfig { token, port, rater, stop } = config;
        let n_chars = token.chars().count();
        let is_allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        let n_other = token.chars().filter(|&c| !is_allowed(c)).count();
        if n_chars < MIN_TOKEN_LEN || n_other > 0 {
            return Err(PersonError::Token { n_chars, n_other });
        }
        if let Some(given) = rater.as_ref().filter(|rater| rater.trim().is_empty()) {
            return Err(PersonError::Rater { given: given.clone() });
        }
        let desk = Arc::new(Desk::new());
        let server = Server::start(port, &token, rater.clone(), Arc::clone(&desk))
            .map_err(|source| PersonError::Serve { port, source })?;
        let address = format!("http://127.0.0.1:{}/{token}/", server.port());
        Ok(Self { desk, rater, stop, address, _server: server })
    }

    /// Where the page is: an address for this machine's browser, the token within.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Makes the page say thanks and how many labels were given, or why else it is over; nothing more can be judged. Then waits
    /// for a browser to show that, `patience` at most: the page is gone with this value. A page looks twice a second, one that
    /// waits without JavaScript every two seconds, and a tab that was closed never. If none was ever shown, there is no wait.
    pub fn finish(&mut self, patience: Duration) {
        self.desk.close(Ending::Finished);
        self.desk.wait_for_farewell(patience);
    }

    fn answers(&self, settled: Vec<(usize, Choice)>) -> Vec<(usize, Answer)> {
        let answer = |choice: Choice| Answer {
            annotator: self.rater.clone(),
            ..Answer::new(choice.verdict())
        };
        settled.into_iter().map(|(place, choice)| (place, answer(choice))).collect()
    }

    /// Ends the session because answers are not kept. What else was answered is handed on all the same.
    fn give_up(&self, deliver: &mut Deliver<'_>) {
        self.desk.close(Ending::NotKept);
        let rest = self.desk.wait(|| false).settled;
        if !rest.is_empty() {
            // That answers are not kept is known already.
            let _ = deliver(self.answers(rest));
        }
        self.desk.give_up();
    }
}

impl Judge for PersonJudge {
    fn name(&self) -> &'static str {
        "the person"
    }

    fn identity(&self) -> String {
        match &self.rater {
            None => "person".to_owned(),
            Some(rater) => format!("person {rater:?}"),
        }
    }

    /// An answer counts as received once the person can no longer undo it.
    ///
    /// # Errors
    /// [`JudgeError::Stopped`] if the person ended the session, `stop` was set or [`PersonJudge::finish`] was called;
    /// [`JudgeError::NotKept`].
    fn judge(
        &mut self,
        questions: &[Question<'_>],
        deliver: &mut Deliver<'_>,
    ) -> Result<(), JudgeError> {
        if questions.is_empty() {
            return Ok(());
        }
        self.desk.open(questions);
        let mut n_left = questions.len();
        loop {
            let news = self.desk.wait(|| self.stop.load(Ordering::Relaxed));
            let n_settled = news.settled.len();
            if n_settled > 0 {
                if let Err(NotKept) = deliver(self.answers(news.settled)) {
                    self.give_up(deliver);
                    return Err(NotKept.into());
                }
                self.desk.kept(n_settled);
                n_left -= n_settled;
            }
            if !news.is_asking {
                break;
            }
        }
        // The person may end the session right after finishing the batch: then this batch is whole.
        if n_left == 0 { Ok(()) } else { Err(JudgeError::Stopped { judge: self.name(), n_left }) }
    }
}
