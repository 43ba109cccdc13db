//! Self-play: online iterative learning without an enhancer.
//!
//! ```text
//! main = NE(R̂)             R̂ the estimated payoffs
//! asks   a ~ main, b ~ main
//! ```
//! Labels go where the equilibrium has its mass; a competitor that it never plays stays unknown. Source: the online iterative
//! form of Nash learning (Ye et al., 2024, arXiv 2402.07314, section 4, without its second player).

use crate::{Pairing, Plan, PromptRound, Strategy};
use nlhf_core::SolveError;

/// The equilibrium against itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SelfPlay;

impl Strategy for SelfPlay {
    fn name(&self) -> &'static str {
        "self-play"
    }

    fn plan(&self, prompt: &PromptRound<'_>) -> Result<Plan, SolveError> {
        let solution = prompt.equilibrium()?;
        let (first, second) = (solution.profile.row.clone(), solution.profile.row.clone());
        Ok(Plan::of_equilibrium(solution, vec![Pairing { first, second }]))
    }
}
