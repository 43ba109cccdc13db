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
//! section 4; the enhancer is the optimistic best response, in closed form.
//!
//! Start at [`OnlineLearner`].

mod config;
mod learner;
mod queries;
mod report;
mod round;

pub use config::OnlineConfig;
pub use learner::{OnlineError, OnlineLearner, OnlineResult};
pub use report::{OnlinePromptReport, OnlineReport, RoundReport};
pub use round::{Agents, Round};
