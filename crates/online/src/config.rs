//! What an online run is told.

use nlhf_core::{Eta, Scale, SeedTree};
use serde::{Deserialize, Serialize};

/// The settings of an online run.
///
/// | Name | Default | Purpose | Range |
/// |---|---|---|---|
/// | `eta` | 10 | the factor of the payoffs against the KL term | (0, ∞) |
/// | `scale` | probability | which game the preference is played as | |
/// | `rounds` | 20 | how often the agents change | ≥ 1 |
/// | `labels_per_round` | 1000 | labels asked between two changes | ≥ 1 |
/// | `tolerance` | 1e-10 | largest duality gap that counts as converged, in payoff units | ≥ 0 |
/// | `seed` | 0 | decides prompts and responses drawn | |
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct OnlineConfig {
    /// The factor of the payoffs against the KL term.
    pub eta: Eta,
    /// Which game the preference is played as.
    pub scale: Scale,
    /// How often the agents change.
    pub rounds: u32,
    /// Labels asked between two changes.
    pub labels_per_round: u32,
    /// The largest duality gap that counts as converged, in units of the payoff.
    pub tolerance: f64,
    /// Decides which prompts and responses are drawn.
    pub seed: SeedTree,
}

impl Default for OnlineConfig {
    fn default() -> Self {
        Self {
            eta: Eta::new(10.0).expect("10 is a valid eta"),
            scale: Scale::Probability,
            rounds: 20,
            labels_per_round: 1000,
            tolerance: 1e-10,
            seed: SeedTree::new(0),
        }
    }
}

impl OnlineConfig {
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

    /// With another seed.
    #[must_use]
    pub fn with_seed(mut self, seed: SeedTree) -> Self {
        self.seed = seed;
        self
    }

    /// The most labels that the run may ask: the horizon of confidence widths under adaptive queries.
    pub fn label_budget(&self) -> u64 {
        u64::from(self.rounds) * u64::from(self.labels_per_round)
    }
}
