//! What an online run is told.

use crate::OnlineError;
use nlhf_core::{Eta, Scale, SeedTree};
use serde::{Deserialize, Serialize};

/// The settings of an online run.
///
/// | Name | Default | Purpose | Range |
/// |---|---|---|---|
/// | `eta` | 10 | the factor of the payoffs against the KL term | (0, ∞) |
/// | `scale` | probability | which game the preference is played as | |
/// | `rounds` | 20 | how often the agents change at most | ≥ 1 |
/// | `labels_per_round` | 1000 | labels asked between two changes | ≥ 1 |
/// | `label_budget` | none | labels asked at most; the last round is cut to it | ≥ 1 |
/// | `target_bound` | none | the run ends once its bound is no larger, in payoff units | ≥ 0 |
/// | `prompts` | uniform | which prompts are asked about | |
/// | `repeats` | true | whether a pair may be asked about again | |
/// | `returned` | smallest bound | which round's main agent is returned | |
/// | `tolerance` | 1e-10 | largest duality gap that counts as converged, in payoff units | ≥ 0 |
/// | `in_class_projections` | 100 | projections spent within a policy class that cannot play the equilibria; 0 only projects them | any |
/// | `seed` | 0 | decides prompts and responses drawn | |
///
/// Without `repeats` each pair of a prompt is asked about once: for a judge that always says the same, a second answer would
/// cost as much as the first, and counting it would claim evidence that is not there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct OnlineConfig {
    /// The factor of the payoffs against the KL term.
    pub eta: Eta,
    /// Which game the preference is played as.
    pub scale: Scale,
    /// How often the agents change at most.
    pub rounds: u32,
    /// Labels asked between two changes.
    pub labels_per_round: u32,
    /// The most labels that may be asked.
    pub label_budget: Option<u64>,
    /// The bound at which the run may end, in units of the payoff.
    pub target_bound: Option<f64>,
    /// Which prompts are asked about.
    pub prompts: PromptSampling,
    /// Whether a pair may be asked about again.
    pub repeats: bool,
    /// Which round's main agent is returned.
    pub returned: Returned,
    /// The largest duality gap that counts as converged, in units of the payoff.
    pub tolerance: f64,
    /// Projections spent at most on what is best within a policy class that cannot play the equilibria.
    pub in_class_projections: usize,
    /// Decides which prompts and responses are drawn.
    pub seed: SeedTree,
}

/// How the prompt of a query is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PromptSampling {
    /// All prompts alike: what the rates of the theory are about.
    #[default]
    Uniform,
    /// In proportion to the bound on the main agent's suboptimality. Certificates hold as before.
    ByBound,
}

/// Which round's main agent a run returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Returned {
    /// That with the smallest bound, as the theory has it. While labels are few it is a policy near the reference.
    #[default]
    SmallestBound,
    /// That of the last round, which has seen all labels, with the bound that it has.
    Last,
}

impl Default for OnlineConfig {
    fn default() -> Self {
        Self {
            eta: Eta::new(10.0).expect("10 is a valid eta"),
            scale: Scale::Probability,
            rounds: 20,
            labels_per_round: 1000,
            label_budget: None,
            target_bound: None,
            prompts: PromptSampling::Uniform,
            repeats: true,
            returned: Returned::SmallestBound,
            tolerance: 1e-10,
            in_class_projections: 100,
            seed: SeedTree::new(0),
        }
    }
}

impl OnlineConfig {
    /// With another limit on the search within a policy class that cannot play the equilibria; 0 only projects them.
    #[must_use]
    pub fn with_in_class_projections(mut self, n_projections: usize) -> Self {
        self.in_class_projections = n_projections;
        self
    }

    /// With another η.
    #[must_use]
    pub fn with_eta(mut self, eta: Eta) -> Self {
        self.eta = eta;
        self
    }

    /// With another scale.
    #[must_use]
    pub fn with_scale(mut self, scale: Scale) -> Self {
        self.scale = scale;
        self
    }

    /// With another number of rounds and of labels a round.
    #[must_use]
    pub fn with_budget(mut self, rounds: u32, labels_per_round: u32) -> Self {
        self.rounds = rounds;
        self.labels_per_round = labels_per_round;
        self
    }

    /// With a limit on all labels together.
    #[must_use]
    pub fn with_label_budget(mut self, n_labels: u64) -> Self {
        self.label_budget = Some(n_labels);
        self
    }

    /// With a bound at which the run may end.
    #[must_use]
    pub fn with_target_bound(mut self, bound: f64) -> Self {
        self.target_bound = Some(bound);
        self
    }

    /// With prompts drawn in another way.
    #[must_use]
    pub fn with_prompts(mut self, prompts: PromptSampling) -> Self {
        self.prompts = prompts;
        self
    }

    /// With each pair asked about once.
    #[must_use]
    pub fn without_repeats(mut self) -> Self {
        self.repeats = false;
        self
    }

    /// With the main agent of another round returned.
    #[must_use]
    pub fn with_returned(mut self, returned: Returned) -> Self {
        self.returned = returned;
        self
    }

    /// With another seed.
    #[must_use]
    pub fn with_seed(mut self, seed: SeedTree) -> Self {
        self.seed = seed;
        self
    }

    /// The most labels that the run may ask: the horizon of confidence widths under adaptive queries.
    pub fn most_labels(&self) -> u64 {
        let planned = u64::from(self.rounds) * u64::from(self.labels_per_round);
        self.label_budget.map_or(planned, |budget| budget.min(planned))
    }

    /// Checks what types do not.
    pub(crate) fn validate(self) -> Result<Self, OnlineError> {
        let refuse =
            |setting, required, given| Err(OnlineError::Config { setting, required, given });
        let at_least_one = [
            ("rounds", u64::from(self.rounds)),
            ("labels_per_round", u64::from(self.labels_per_round)),
            ("label_budget", self.label_budget.unwrap_or(1)),
        ];
        if let Some((setting, _)) = at_least_one.iter().find(|(_, given)| *given == 0) {
            return refuse(setting, "at least 1", 0.0);
        }
        let target = self.target_bound.unwrap_or(0.0);
        for (setting, given) in [("tolerance", self.tolerance), ("target_bound", target)] {
            if !(0.0..f64::INFINITY).contains(&given) {
                return refuse(setting, "non-negative and finite", given);
            }
        }
        Ok(self)
    }
}
