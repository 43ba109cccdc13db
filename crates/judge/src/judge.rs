//! The seam of this crate: whoever judges questions, and how answers reach the one who keeps them.
//!
//! Answers are delivered as they come, not returned at the end, because an answer that was paid for must be on disk before
//! anything else can fail. Several at once may be delivered together, so that they share one write to the disk.

use crate::Question;
use nlhf_core::Label;
use serde::{Deserialize, Serialize};
use std::error::Error;

/// What a judge said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The probability that the first response is preferred; ½ is a tie.
    Preferred(Label),
    /// The judge would not say. It is kept, and tells nothing.
    Skipped,
    /// What was said could not be understood; its beginning. It was paid for, is kept, and tells nothing.
    Unreadable(String),
}

/// A verdict and what it took.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// What was said.
    pub verdict: Verdict,
    /// Who said it, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotator: Option<String>,
    /// Tokens read by a model that charges for them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_tokens: Option<u64>,
    /// Tokens written by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_tokens: Option<u64>,
}

impl Answer {
    /// A verdict that cost nothing that is counted.
    pub fn new(verdict: Verdict) -> Self {
        Self { verdict, annotator: None, input_tokens: None, output_tokens: None }
    }
}

/// Answers could not be kept: the judge is to stop asking, and to hand on what is already under way.
#[derive(Debug, thiserror::Error)]
#[error("the answers could not be kept")]
pub struct NotKept;

/// Takes answers with the places of their questions. An error is remembered by the one who keeps them and ends the asking.
pub type Deliver<'a> = dyn FnMut(Vec<(usize, Answer)>) -> Result<(), NotKept> + 'a;

/// Why a judge stopped before all questions were answered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JudgeError {
    /// A question that this judge cannot answer.
    #[error("{judge} cannot judge {first:?} against {second:?} on prompt {prompt:?}")]
    Unanswerable {
        /// [`Judge::name`].
        judge: &'static str,
        /// The name of the prompt.
        prompt: String,
        /// The name of the response shown first.
        first: String,
        /// The name of the response shown second.
        second: String,
    },
    /// Answers could not be kept.
    #[error(transparent)]
    NotKept(#[from] NotKept),
    /// The judge was told to stop.
    #[error("{judge} was stopped with {n_left} questions left")]
    Stopped {
        /// [`Judge::name`].
        judge: &'static str,
        /// Questions without an answer.
        n_left: usize,
    },
    /// The judge could not be reached or failed.
    #[error("{judge} failed")]
    Failed {
        /// [`Judge::name`].
        judge: &'static str,
        /// What went wrong.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
}

/// Judges questions. Three methods to write.
///
/// # Laws
/// * `Ok` only if each question was answered, once.
/// * An error comes only after every answer that was received has been delivered.
/// * No answer is held back: what was received is delivered before more is waited for.
pub trait Judge {
    /// A short name in lower case, for messages: "the command", "the model", "the person".
    fn name(&self) -> &'static str;

    /// What decides its answers besides the question: the command, the model and its template and temperature. A store keeps
    /// answers of one identity only. Never a secret.
    fn identity(&self) -> String;

    /// Judges all questions and delivers each answer with the place of its question, in any order.
    ///
    /// # Errors
    /// [`JudgeError`] if not all questions could be answered.
    fn judge(
        &mut self,
        questions: &[Question<'_>],
        deliver: &mut Deliver<'_>,
    ) -> Result<(), JudgeError>;
}

impl<J: Judge + ?Sized> Judge for &mut J {
    fn name(&self) -> &'static str {
        (**self).name()
    }

    fn identity(&self) -> String {
        (**self).identity()
    }

    fn judge(
        &mut self,
        questions: &[Question<'_>],
        deliver: &mut Deliver<'_>,
    ) -> Result<(), JudgeError> {
        (**self).judge(questions, deliver)
    }
}

impl<J: Judge + ?Sized> Judge for Box<J> {
    fn name(&self) -> &'static str {
        (**self).name()
    }

    fn identity(&self) -> String {
        (**self).identity()
    }

    fn judge(
        &mut self,
        questions: &[Question<'_>],
        deliver: &mut Deliver<'_>,
    ) -> Result<(), JudgeError> {
        (**self).judge(questions, deliver)
    }
}
