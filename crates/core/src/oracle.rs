//! Oracles: whoever answers which of two responses is preferred.

use crate::{Label, PromptId, ResponseId, Weight};
use serde::{Deserialize, Serialize};
use std::error::Error;

/// A pair to be judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Query {
    /// The prompt.
    pub prompt: PromptId,
    /// The response shown first.
    pub first: ResponseId,
    /// The response shown second.
    pub second: ResponseId,
}

/// The answer to a [`Query`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// The probability that the first response is preferred.
    pub label: Label,
    /// How many times the judgement counts; zero if the oracle was asked and would not say.
    pub weight: Weight,
}

impl Outcome {
    /// No judgement: asked and skipped.
    pub const SKIPPED: Self = Self { label: Label::TIE, weight: Weight::ZERO };

    /// A judgement that counts once.
    pub const fn new(label: Label) -> Self {
        Self { label, weight: Weight::ONE }
    }
}

/// An oracle that gave no answers.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OracleError {
    /// A pair that this oracle cannot judge.
    #[error("the oracle cannot judge {query:?}")]
    Unanswerable {
        /// The pair.
        query: Query,
    },
    /// The oracle was told to stop before it had answered all.
    #[error("the oracle was stopped")]
    Stopped,
    /// The oracle could not be reached or failed.
    #[error("the oracle failed")]
    Failed {
        /// What went wrong.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
}

/// Judges pairs. One method to write.
///
/// Law: the answers come in the order of the queries, one each.
pub trait Oracle {
    /// Judges a batch of pairs.
    ///
    /// # Errors
    /// [`OracleError`] if no complete batch of answers can be given.
    fn compare(&mut self, queries: &[Query]) -> Result<Vec<Outcome>, OracleError>;
}
