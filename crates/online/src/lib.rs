//! Online Nash learning: ask an oracle, in batches, about what matters most.
//!
//! ```text
//! for t = 1 … T:
//!     ask m pairs  a ~ π¹, b ~ π²              the first round asks pairs of the reference
//!     R̂ ± width ← fit all labels
//!     π¹ ← NE(R̂)                               main agent: the plain equilibrium of the estimate
//!     π² ← argmin_q J_M(π¹, q), M = R̂ − width  enhancer: the opponent that may yet beat it
//!     sub(π¹) ≤ −min_q J_M(π¹, q)              the certificate of the round
//! return the π¹ with the smallest certificate
//! ```
//! Only one player explores: optimism goes to the opponent. Source: Ye et al. (arXiv 2402.07314),
//! section 4; [`Enhancer`] names its three forms. Other methods ([`methods`]) are [`Strategy`]s of the same loop, so that
//! they can be compared label by label.
//!
//! Start at [`OnlineLearner`].

mod candidates;
mod config;
mod enhancer;
mod error;
mod learner;
pub mod methods;
mod optimistic;
mod queries;
mod report;
mod round;
mod run;
mod strategy;

pub use candidates::{Candidates, GrowingMenus};
pub use config::{OnlineConfig, PromptSampling, Returned};
pub use error::OnlineError;
pub use learner::{OnlineLearner, OnlineResult};
pub use optimistic::{Enhancer, Optimistic};
pub use report::{OnlinePromptReport, OnlineReport, RoundReport, StopReason};
pub use round::{Agents, Round};
pub use strategy::{Pairing, Plan, PromptRound, Strategy};
