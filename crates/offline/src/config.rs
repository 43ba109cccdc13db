//! What an offline run is told.

use nlhf_core::{Eta, Scale, SeedTree};
use serde::{Deserialize, Serialize};

/// How what is not known enters the game.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pessimism {
    /// `M = R̂ − width`, a general game: the bonus form of pessimistic equilibrium learning.
    #[default]
    Bonus,
    /// The worst preference of a version space, over all prompts at once: the form of the paper's first algorithm, exact.
    /// For models that know a [`VersionSpace`](nlhf_core::VersionSpace): finite classes, with the confidence of
    /// the class, and bootstrap ensembles, without a guarantee.
    VersionSpace,
    /// `M = R̂`, the symmetric game of the estimate taken at its word (greedy).
    None,
}

/// The settings of an offline run.
///
/// | Name | Default | Purpose | Range |
/// |---|---|---|---|
/// | `eta` | 10 | the factor of the payoffs against the KL term | (0, ∞) |
/// | `scale` | probability | which game the preference is played as | |
/// | `pessimism` | bonus | how the policy guards against what the data leave open | |
/// | `tolerance` | 1e-10 | largest duality gap that counts as converged, in payoff units | ≥ 0 |
/// | `in_class_projections` | 100 | projections spent within a policy class that cannot play the equilibria; 0 only projects them | any |
/// | `held_out_fraction` | 0.1 | rows held out at random where the data name none | [0, 1) |
/// | `seed` | 0 | decides which rows those are | |
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct OfflineConfig {
    /// The factor of the payoffs against the KL term.
    pub eta: Eta,
    /// Which game the preference is played as.
    pub scale: Scale,
    /// How the policy guards against what the data leave open.
    pub pessimism: Pessimism,
    /// The largest duality gap that counts as converged, in units of the payoff.
    pub tolerance: f64,
    /// Projections spent at most on what is best within a policy class that cannot play the equilibria.
    pub in_class_projections: usize,
    /// The share of rows held out at random where the data name none.
    pub held_out_fraction: f64,
    /// Decides which rows those are.
    pub seed: SeedTree,
}

impl Default for OfflineConfig {
    fn default() -> Self {
        Self {
            eta: Eta::new(10.0).expect("10 is a valid eta"),
            scale: Scale::Probability,
            pessimism: Pessimism::Bonus,
            tolerance: 1e-10,
            in_class_projections: 100,
            held_out_fraction: 0.1,
            seed: SeedTree::new(0),
        }
    }
}

impl OfflineConfig {
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

    /// With another form of pessimism, or none.
    #[must_use]
    pub fn with_pessimism(mut self, pessimism: Pessimism) -> Self {
        self.pessimism = pessimism;
        self
    }

    /// With another limit on the search within a policy class that cannot play the equilibria; 0 only projects them.
    #[must_use]
    pub fn with_in_class_projections(mut self, n_projections: usize) -> Self {
        self.in_class_projections = n_projections;
        self
    }

    /// With another seed.
    #[must_use]
    pub fn with_seed(mut self, seed: SeedTree) -> Self {
        self.seed = seed;
        self
    }
}
