//! What an online run found: a value from which everything that is shown is rendered.

use crate::OnlineConfig;
use nlhf_core::{Distribution, FitEvidence, PromptId};
use serde::{Deserialize, Serialize};

/// One round of the trace.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RoundReport {
    /// Counted from one.
    pub round: u32,
    /// Labels used so far.
    pub n_labels: usize,
    /// The mean over the prompts of the bound on the main agent's suboptimality, in payoff units.
    pub suboptimality_bound: f64,
    /// Prompts whose main agent did not reach the tolerance.
    pub n_unconverged: usize,
    /// The largest duality gap of the main agent in the estimated game.
    pub max_duality_gap: f64,
    /// How the preference model was fitted.
    pub fit: FitEvidence,
}

/// One prompt of the returned policy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OnlinePromptReport {
    /// The prompt.
    pub prompt: PromptId,
    /// The policy over the menu's responses, as the policy class plays it.
    pub policy: Distribution,
    /// The bound on its suboptimality, in payoff units, recomputed from this policy.
    pub suboptimality_bound: f64,
}

/// The report of an online run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OnlineReport {
    /// The version of this crate.
    pub version: String,
    /// The settings of the run.
    pub config: OnlineConfig,
    /// The name of the policy class.
    pub policy_class: String,
    /// All rounds.
    pub rounds: Vec<RoundReport>,
    /// The round whose main agent is returned: that with the smallest bound.
    pub best_round: u32,
    /// The prompts, in the order of the menus.
    pub prompts: Vec<OnlinePromptReport>,
}
