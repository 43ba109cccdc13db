//! Offline Nash learning: from a fixed set of comparisons to a pessimistic equilibrium.
//!
//! ```text
//! comparisons ──fit──▶ R̂ ± width ──▶ M = R̂ − width ──solve──▶ (π̂, q̂) ──project──▶ policy, certified again
//! sub(π̂) ≤ −min_q J_M(π̂, q)     with the confidence of the widths
//! ```
//! Pessimism keeps the policy from believing what the data cannot support: a response that won its
//! only comparison is not trusted with the whole mass. Source: Ye et al. (arXiv 2402.07314), section
//! 3, in the bonus form; the right-hand side needs neither the truth nor its equilibrium.
//!
//! Start at [`OfflineLearner`].

mod baselines;
mod config;
mod contest;
mod evidence;
mod learner;
mod report;
mod reward_based;

pub use baselines::{Baseline, BaselineError, BaselinePolicies, Baselines};
pub use config::{OfflineConfig, Pessimism};
pub use contest::{
    Contest, ContestConfig, ContestData, ContestError, ContestEvent, Entrant, Estimate,
    FittedJudge, Interval, Judge, JudgeConfig, Maximum, Standing, WinRate, WinShareFit, WinShares,
};
pub use evidence::HeldOut;
pub use learner::{OfflineData, OfflineError, OfflineEvent, OfflineLearner, OfflineResult};
pub use report::{OfflineReport, PromptReport};
pub use reward_based::reward_based_policy;
