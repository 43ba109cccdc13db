//! What an online run found: a value from which everything that is shown is rendered.

use crate::OnlineConfig;
use nlhf_core::{Distribution, FitEvidence, PromptId};
use nlhf_nash::in_class::Restriction;
use serde::{Deserialize, Serialize};

/// One round of the trace.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RoundReport {
    /// Counted from one.
    pub round: u32,
    /// Queries asked so far, those that the oracle skipped included.
    pub n_queries: usize,
    /// Labels that count so far.
    pub n_labels: usize,
    /// Candidates on all menus together.
    pub n_candidates: usize,
    /// The mean over the prompts of the bound on the main agent's suboptimality, in payoff units.
    pub suboptimality_bound: f64,
    /// The mean over the prompts of what the main agent loses at most if the widths of policies hold and the worst opponent
    /// was found, in payoff units; only of strategies that look for it.
    pub policy_level_bound: Option<f64>,
    /// Prompts whose main agent did not reach the tolerance.
    pub n_unconverged: usize,
    /// The largest duality gap of the main agent in the estimated game.
    pub max_duality_gap: f64,
    /// How the preference model was fitted.
    pub fit: FitEvidence,
}

/// Why a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StopReason {
    /// All rounds were played.
    Rounds,
    /// All labels of the budget were asked.
    LabelBudget,
    /// The bound reached its target.
    TargetBound,
    /// The observer asked to stop.
    Observer,
    /// The oracle was told to stop in the midst of a round; what was learned before it is returned.
    Oracle,
    /// Every pair was asked about, and none may be asked about again.
    NothingLeft,
}

/// One prompt of the returned policy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OnlinePromptReport {
    /// The prompt.
    pub prompt: PromptId,
    /// The policy over the menu's responses, as the policy class plays it.
    pub policy: Distribution,
    /// Its duality gap in the game of the estimate, in payoff units.
    pub duality_gap: f64,
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
    /// The name of the strategy.
    pub strategy: String,
    /// The name of the policy class.
    pub policy_class: String,
    /// All rounds.
    pub rounds: Vec<RoundReport>,
    /// The round whose main agent is returned: that with the smallest bound since candidates were last added, or the last.
    pub best_round: u32,
    /// What the policy class costs in the game of the estimate that is returned; `None` if it plays every equilibrium.
    pub restriction: Option<Restriction>,
    /// Why the run ended.
    pub stopped: StopReason,
    /// The prompts, in the order of the menus.
    pub prompts: Vec<OnlinePromptReport>,
}
