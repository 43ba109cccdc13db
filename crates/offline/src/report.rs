//! What an offline run found: a value from which everything that is shown is rendered.

use crate::{HeldOut, OfflineConfig};
use nlhf_core::{Certificate, Distribution, FitEvidence, PromptId, Status};
use nlhf_nash::in_class::Restriction;
use serde::{Deserialize, Serialize};

/// One prompt: its policy, how sure that is the equilibrium, and how far it can be from the truth.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PromptReport {
    /// The prompt.
    pub prompt: PromptId,
    /// The policy over the menu's responses, as the policy class plays it.
    pub policy: Distribution,
    /// The competitor that it was certified against.
    pub opponent: Distribution,
    /// Value and gap of the two in the game that was solved, recomputed from them.
    pub certificate: Certificate,
    /// What the policy is worth in the game that was solved, against a competitor that responds best there, with the offset of
    /// the scale: ½ is even on the scale of probabilities, 0 on that of log-odds. Where there is a bound the true
    /// worth is no less, with the confidence of the widths or of the version space.
    pub value: f64,
    /// The most that a best competitor gains against the policy if both pay 1/η a nat for leaving the reference, in units of
    /// the payoff and with that confidence: `sub(π)` is no larger. `None` without pessimism, or with widths of zero.
    pub suboptimality_bound: Option<f64>,
    /// The same if the competitor pays nothing: no response is preferred to the policy by more.
    pub exploitability_bound: Option<f64>,
    /// `E[width]` over the policy's responses and its competitor's, in units of the payoff; `None` but in the bonus
    /// form. The theorem bounds the suboptimality by twice this number at the true equilibrium
    /// ([`theorem_bound`](crate::theorem_bound)); at the policy it tells what the bound is made of.
    pub expected_width: Option<f64>,
    /// How far the policy moved from the reference, in nats.
    pub kl_nats: f64,
    /// Comparisons on this prompt that the model was fitted to.
    pub n_comparisons: usize,
    /// Why the solver stopped.
    pub status: Status,
    /// The method that found the equilibrium.
    pub method: String,
    /// Its iterations.
    pub iterations: usize,
}

/// What pessimism over a version space found, all prompts together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VersionSpaceReport {
    /// Preferences that the data leave open.
    pub n_preferences: usize,
    /// Prompts of which nothing is known: all preferences of the set agree, because no comparison tells them apart. They have no
    /// bound of their own, and count as even in those of all together.
    pub n_untold: usize,
    /// The place and the weight of those that the policy is held against; all others make it look no worse.
    pub weights: Vec<(usize, f64)>,
    /// What no policy exceeds less what this one reaches, on average over prompts and in units of the payoff.
    pub duality_gap: f64,
    /// The most that the policy loses on average over prompts, whichever preference of the set is true.
    pub suboptimality_bound: f64,
    /// The same against competitors that pay nothing for leaving the reference.
    pub exploitability_bound: f64,
}

/// The report of an offline run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OfflineReport {
    /// The version of this crate.
    pub version: String,
    /// The settings of the run.
    pub config: OfflineConfig,
    /// How the preference model was fitted.
    pub fit: FitEvidence,
    /// How well it predicts what it has not seen.
    pub held_out: HeldOut,
    /// The name of the policy class.
    pub policy_class: String,
    /// All prompts together, in the version-space form.
    pub version_space: Option<VersionSpaceReport>,
    /// What the policy class costs, in the game that was solved; `None` if it plays every equilibrium. In the version-space form
    /// equilibria are projected and nothing more, and shortfalls are bounds on the mean suboptimality.
    pub restriction: Option<Restriction>,
    /// The prompts, in the order of the menus.
    pub prompts: Vec<PromptReport>,
}

impl OfflineReport {
    /// The largest duality gap of all prompts, in units of the payoff; 0 without prompts. In the version-space form the gap
    /// of all together.
    pub fn max_duality_gap(&self) -> f64 {
        if let Some(found) = &self.version_space {
            return found.duality_gap;
        }
        self.prompts.iter().map(|p| p.certificate.duality_gap).fold(0.0, f64::max)
    }

    /// How many prompts did not converge.
    pub fn n_unconverged(&self) -> usize {
        self.prompts.iter().filter(|p| p.status != Status::Converged).count()
    }

    /// The bound on the mean suboptimality over the prompts; `None` without pessimism or prompts.
    ///
    /// In the version-space form it is smaller than the mean of the prompts' own bounds, because one preference holds on
    /// all of them, and is about the prompts of which something is known.
    pub fn mean_suboptimality_bound(&self) -> Option<f64> {
        if let Some(found) = &self.version_space {
            return self.told(found).map(|share| found.suboptimality_bound / share);
        }
        self.mean(|prompt| prompt.suboptimality_bound)
    }

    /// The same for the exploitability, without the KL terms.
    pub fn mean_exploitability_bound(&self) -> Option<f64> {
        if let Some(found) = &self.version_space {
            return self.told(found).map(|share| found.exploitability_bound / share);
        }
        self.mean(|prompt| prompt.exploitability_bound)
    }

    /// The share of prompts of which something is known; `None` if it is none.
    fn told(&self, found: &VersionSpaceReport) -> Option<f64> {
        let n = self.prompts.len() - found.n_untold;
        (n > 0).then(|| n as f64 / self.prompts.len() as f64)
    }

    fn mean(&self, bound: impl Fn(&PromptReport) -> Option<f64>) -> Option<f64> {
        let bounds: Option<Vec<f64>> = self.prompts.iter().map(bound).collect();
        bounds.filter(|bounds| !bounds.is_empty()).map(|b| b.iter().sum::<f64>() / b.len() as f64)
    }
}
