//! Uniform pairs: labels spread evenly, whatever was learned.
//!
//! ```text
//! main = NE(R̂)                    R̂ the estimated payoffs
//! asks   a ~ uniform, b ~ uniform  over what the reference plays, from the first round on
//! ```
//! The design of an offline data set, against which all active methods are measured. Source: common ground; the exploration
//! phase of Lee et al. (2026, arXiv 2602.23116) without an end.

use super::uniform;
use crate::{Pairing, Plan, PromptRound, Strategy};
use nlhf_core::{Distribution, SolveError};

/// The equilibrium, learned from uniform pairs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct UniformPairs;

impl Strategy for UniformPairs {
    fn name(&self) -> &'static str {
        "uniform-pairs"
    }

    fn plan(&self, prompt: &PromptRound<'_>) -> Result<Plan, SolveError> {
        let asks = self.opening(&prompt.reference.row);
        Ok(Plan::of_equilibrium(prompt.equilibrium()?, asks))
    }

    fn opening(&self, reference: &Distribution) -> Vec<Pairing> {
        vec![Pairing { first: uniform(reference), second: uniform(reference) }]
    }
}
