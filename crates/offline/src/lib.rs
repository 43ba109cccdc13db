//! Offline Nash learning: from a fixed set of comparisons to a pessimistic equilibrium.
//!
//! ```text
//! comparisons ──fit──▶ R̂ ± width ──▶ M = R̂ − width ──solve──▶ (π̂, q̂) ──project──▶ policy, certified again
//! sub(π̂) ≤ −min_q J_M(π̂, q)     with the confidence of the widths
//! ```
//! Pessimism keeps the policy from believing what the data cannot support: a response that won its
//! only comparison is not trusted with the whole mass. Source: Ye et al. (arXiv 2402.07314), section
//! 3; the right-hand side needs neither the truth nor its equilibrium.
//!
//! [`Pessimism`] has two forms: the bonus form above, a game a prompt, for every model with widths; and the
//! version-space form, all prompts against the worst preference of a finite set, for finite classes and ensembles.
//!
//! Start at [`OfflineLearner`].

mod baselines;
mod bounds;
mod config;
mod contest;
mod evidence;
mod learner;
mod repetitions;
mod report;
mod restriction;
mod reward_based;
mod solving;
mod version_space;

pub use baselines::{Baseline, BaselineError, BaselinePolicies, Baselines};
pub use bounds::{coverage_bound, theorem_bound};
pub use config::{OfflineConfig, Pessimism};
pub use contest::{
    Contest, ContestConfig, ContestData, ContestError, ContestEvent, Entrant, Estimate,
    FittedJudge, Interval, Judge, JudgeConfig, Maximum, Standing, WinRate, WinShareFit, WinShares,
};
pub use evidence::HeldOut;
pub use learner::{OfflineData, OfflineError, OfflineEvent, OfflineLearner, OfflineResult};
pub use report::{OfflineReport, PromptReport, VersionSpaceReport};
pub use reward_based::reward_based_policy;
