//! Optimistic matrix games: each player in turn is optimistic against the other's equilibrium policy.
//!
//! ```text
//! (π, ν) = NE(R̂)                        w the half-widths of the payoffs R̂, B the bound on payoffs
//! ν' = BR to π in max(R̂ − w, −B) = μ₀ exp(−η (R̂ − w)'π) / Z     the opponent hopes
//! π' = BR to ν in min(R̂ + w, +B) = π₀ exp(+η (R̂ + w) ν) / Z     the row player hopes
//! main = π,   asks   (π, ν') and (π', ν) alike
//! ```
//! In a symmetric game R̂ is skew, w symmetric, π = ν and π₀ = μ₀: then `(R̂ + w)ν = −(R̂ − w)'π`, π' = ν', and both pairings are
//! that of main agent and optimistic opponent, once turned. Preferences are such games, so that here the method is
//! [`crate::Optimistic`] with its default enhancer but for the side of the pair; the formulas are those of any payoffs.
//! Source: Nayak et al. (2025, arXiv 2510.13060).

use crate::{Pairing, Plan, PromptRound, Strategy};
use nlhf_core::{DenseGame, SolveError, pessimistic_payoffs};

/// Both players explore by turns, each optimistic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OptimisticMatrixGame;

impl Strategy for OptimisticMatrixGame {
    fn name(&self) -> &'static str {
        "optimistic-matrix-game"
    }

    fn plan(&self, prompt: &PromptRound<'_>) -> Result<Plan, SolveError> {
        let solution = prompt.equilibrium()?;
        let (row, column) = (solution.profile.row.clone(), solution.profile.column.clone());
        let floor = prompt.model.payoff_floor(prompt.config.scale);
        let low = pessimistic_payoffs(prompt.estimate, prompt.widths, floor);
        let high = hopeful_payoffs(prompt.estimate, prompt.widths, -floor);
        let hopeful_column = prompt.regularized(&low).best_column_response(&row);
        let hopeful_row = prompt.regularized(&high).best_row_response(&column);
        let asks = vec![
            Pairing { first: row, second: hopeful_column },
            Pairing { first: hopeful_row, second: column },
        ];
        Ok(Plan::of_equilibrium(solution, asks))
    }
}

/// `min(A + width, ceiling)` of each pair.
fn hopeful_payoffs(estimate: &DenseGame, widths: &[f64], ceiling: f64) -> DenseGame {
    let n = estimate.entries().len().isqrt();
    estimate
        .map_entries(|i, j, payoff| (payoff + widths[i * n + j]).min(ceiling))
        .expect("payoffs and widths are finite")
}
