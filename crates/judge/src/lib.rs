//! Oracles that reach outside, and the labels that were paid for.
//!
//! ```text
//! learner ──queries (ids)──▶ oracle ──questions (texts)──▶ judge: a file, a command, a model behind HTTP, a person
//!                              │  ◀──────answers, as they come──────┘
//!                              ▼
//!                     label store: every answer on disk before it counts
//! ```
//! A [`Judge`] is asked about texts and delivers each answer when it has it.

mod judge;
#[cfg(feature = "person")]
mod person;
mod question;

pub use judge::{Answer, Deliver, Judge, JudgeError, NotKept, Verdict};
#[cfg(feature = "person")]
pub use person::{PersonConfig, PersonError, PersonJudge};
pub use question::{Catalog, Question, Shown};
