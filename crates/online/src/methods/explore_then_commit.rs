//! Explore, then commit; and greedy sampling against a fixed exploration policy.
//!
//! ```text
//! explore then commit   rounds 1 … k:  main = NE(R̂),            asks  a ~ ρ, b ~ ρ
//!                       later:         main = that of round k,  asks  a ~ main, b ~ main
//! greedy exploration    always:        main = NE(R̂),            asks  a ~ main, b ~ ρ
//! ```
//! ρ is uniform over what the reference plays, or the reference itself. After round k a label costs no regret that the main
//! agent does not have anyway, and changes nothing but the certificate. Source: Lee et al. (2026, arXiv 2602.23116), whose
//! bilinear preference is one of the models that a run may fit; the penalty on its rank is a matter of the fit.

use super::uniform;
use crate::{OnlineError, Pairing, Plan, PromptRound, Strategy};
use nlhf_core::{Distribution, SolveError};

/// ρ: whom exploration asks about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Exploration {
    /// All that the reference plays alike.
    #[default]
    Uniform,
    /// The reference.
    Reference,
}

impl Exploration {
    fn policy(self, reference: &Distribution) -> Distribution {
        match self {
            Self::Uniform => uniform(reference),
            Self::Reference => reference.clone(),
        }
    }

    fn against_itself(self, reference: &Distribution) -> Vec<Pairing> {
        vec![Pairing { first: self.policy(reference), second: self.policy(reference) }]
    }
}

/// Explores for some rounds and plays what it found from then on.
///
/// Where candidates are added after that, the main agent of the round in which they came is frozen in its place.
///
/// | Name | Default | Purpose | Range |
/// |---|---|---|---|
/// | `exploration` | uniform | ρ | |
/// | `rounds` | half of the rounds planned, rounded up | k | ≥ 1 |
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ExploreThenCommit {
    exploration: Exploration,
    rounds: Option<u32>,
}

impl ExploreThenCommit {
    /// Explores for the first `rounds`.
    ///
    /// # Errors
    /// [`OnlineError::Config`] if there is no round of exploration.
    pub fn new(exploration: Exploration, rounds: u32) -> Result<Self, OnlineError> {
        if rounds == 0 {
            let (setting, required) = ("rounds of exploration", "at least 1");
            return Err(OnlineError::Config { setting, required, given: 0.0 });
        }
        Ok(Self { exploration, rounds: Some(rounds) })
    }
}

impl Strategy for ExploreThenCommit {
    fn name(&self) -> &'static str {
        "explore-then-commit"
    }

    fn plan(&self, prompt: &PromptRound<'_>) -> Result<Plan, SolveError> {
        let last = self.rounds.unwrap_or_else(|| prompt.config.rounds.div_ceil(2));
        if prompt.round < last {
            let asks = self.opening(&prompt.reference.row);
            return Ok(Plan::of_equilibrium(prompt.equilibrium()?, asks));
        }
        // Candidates that have just come have no main agent yet.
        let is_fresh = prompt.previous.suboptimality_bound == f64::INFINITY;
        if prompt.round == last || is_fresh {
            let solution = prompt.equilibrium()?;
            let asks = against_itself(&solution.profile.row);
            return Ok(Plan::of_equilibrium(solution, asks));
        }
        let main = prompt.previous.main.clone();
        let asks = against_itself(&main);
        Ok(Plan::of_policy(main, asks))
    }

    fn opening(&self, reference: &Distribution) -> Vec<Pairing> {
        self.exploration.against_itself(reference)
    }
}

fn against_itself(main: &Distribution) -> Vec<Pairing> {
    vec![Pairing { first: main.clone(), second: main.clone() }]
}

/// The equilibrium against an exploration policy; against the reference it is [`super::Greedy`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct GreedyExploration;

impl Strategy for GreedyExploration {
    fn name(&self) -> &'static str {
        "greedy-exploration"
    }

    fn plan(&self, prompt: &PromptRound<'_>) -> Result<Plan, SolveError> {
        let solution = prompt.equilibrium()?;
        let first = solution.profile.row.clone();
        let second = uniform(&prompt.reference.row);
        Ok(Plan::of_equilibrium(solution, vec![Pairing { first, second }]))
    }

    fn opening(&self, reference: &Distribution) -> Vec<Pairing> {
        vec![Pairing { first: reference.clone(), second: uniform(reference) }]
    }
}
