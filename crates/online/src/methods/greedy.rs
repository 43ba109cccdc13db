//! Greedy sampling: no exploration but that of the reference.
//!
//! ```text
//! main = NE(R̂)            R̂ the estimated payoffs
//! asks   a ~ main, b ~ π₀  π₀ the reference
//! ```
//! The equilibrium is within `e^(±η)` of the reference on the scale of probabilities, so that what the reference asks
//! about covers every competitor. Source: Wu et al. (2025, arXiv 2510.24700).

use crate::{Pairing, Plan, PromptRound, Strategy};
use nlhf_core::SolveError;

/// The equilibrium against the reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Greedy;

impl Strategy for Greedy {
    fn name(&self) -> &'static str {
        "greedy"
    }

    fn plan(&self, prompt: &PromptRound<'_>) -> Result<Plan, SolveError> {
        let solution = prompt.equilibrium()?;
        let first = solution.profile.row.clone();
        let second = prompt.reference.row.clone();
        Ok(Plan::of_equilibrium(solution, vec![Pairing { first, second }]))
    }
}
