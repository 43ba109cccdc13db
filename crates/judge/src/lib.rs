//! Oracles that reach outside, and the labels that were paid for.
//!
//! ```text
//! learner ──queries (ids)──▶ oracle ──questions (texts)──▶ judge: a file, a command, a model behind HTTP, a person
//!                              │  ◀──────answers, as they come──────┘
//!                              ▼
//!                     label store: every answer on disk before it counts
//! ```
//! A [`Judge`] is asked about texts and delivers each answer when it has it; a [`LabelStore`] keeps it, and
//! [`StoredOracle`] makes an oracle of the two.

mod command;
mod digest;
#[cfg(feature = "http")]
mod http;
mod judge;
#[cfg(feature = "person")]
mod person;
mod question;
mod quoted;
mod recorded;
mod store;
mod stored_oracle;

pub use command::{CommandError, CommandJudge};
pub use digest::Digest;
#[cfg(feature = "http")]
pub use http::{
    HttpConfigError, HttpJudge, HttpJudgeConfig, HttpJudgeError, LabelsFrom, RequestError,
    TemplateError,
};
pub use judge::{Answer, Deliver, Judge, JudgeError, NotKept, Verdict};
#[cfg(feature = "person")]
pub use person::{PersonConfig, PersonError, PersonJudge};
pub use question::{Catalog, Question, Shown};
pub use recorded::RecordedJudge;
pub use store::{KeptAnswer, LabelStore, Labels, StoreError, read_labels};
pub use stored_oracle::{Accounting, AskError, Asked, StoredOracle};
