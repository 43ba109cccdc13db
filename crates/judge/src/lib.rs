//! Oracles that reach outside, and the labels that were paid for.
//!
//! ```text
//! learner ──queries (ids)──▶ oracle ──questions (texts)──▶ judge: a file, a command, a model behind HTTP, a person
//!                              │  ◀──────answers, as they come──────┘
//!                              ▼
//!                     label store: every answer on disk before it counts
//! ```
//! A [`Judge`] is asked about texts and delivers each answer when it has it.

#[cfg(feature = "http")]
mod http;
mod judge;
mod question;

#[cfg(feature = "http")]
pub use http::{
    HttpConfigError, HttpJudge, HttpJudgeConfig, HttpJudgeError, Labels, RequestError,
    TemplateError,
};
pub use judge::{Answer, Deliver, Judge, JudgeError, NotKept, Verdict};
pub use question::{Catalog, Question, Shown};
