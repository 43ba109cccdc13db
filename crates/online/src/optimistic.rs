//! Optimistic equilibrium learning: a main agent at the equilibrium, and an enhancer that explores.
//!
//! ```text
//! π¹ = NE(R̂)                      main agent: the plain equilibrium of the estimate
//! π² = an opponent that may yet beat it if every doubt is in the opponent's favour
//! ```
//! Only one player explores: optimism goes to the opponent. Source: Ye et al. (arXiv 2402.07314), section 4.

use crate::enhancer::{confidence_set, optimistic_opponent, policy_width};
use crate::{OnlineError, Pairing, Plan, PromptRound, Strategy};
use nlhf_core::{DenseGame, SolveError, pessimistic_payoffs};
use serde::{Deserialize, Serialize};

/// How the enhancer is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Enhancer {
    /// The best response to the main agent where each payoff is as bad for it as its width allows.
    #[default]
    OptimisticOpponent,
    /// The most uncertain policy among those that may be best responses.
    ConfidenceSet,
    /// As the first, with the width of the two policies in place of the mean width of pairs: log-odds only.
    PolicyWidth,
}

/// Main agent and enhancer.
///
/// | Name | Default | Purpose | Range |
/// |---|---|---|---|
/// | `enhancer` | optimistic opponent | how the enhancer is found | |
/// | `exploration` | 1 | factor of the widths that the enhancer sees, not of those of the certificate | ≥ 0 |
///
/// With `exploration` 1 the guarantees of the theory hold for what is asked; the certificate of a round holds with any. Widths
/// are scaled before they are cut off at what payoffs can be ([`nlhf_core::ConfidenceWidth::scaled_widths`]), so that a pair of a
/// table that was never judged keeps its whole width with any factor. 0.05 was chosen in `docs/results/online.md`, which
/// says where it saves labels and where not.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Optimistic {
    enhancer: Enhancer,
    exploration: f64,
}

impl Default for Optimistic {
    fn default() -> Self {
        Self { enhancer: Enhancer::default(), exploration: 1.0 }
    }
}

impl Optimistic {
    /// Checks the factor.
    ///
    /// # Errors
    /// [`OnlineError::Config`] unless `exploration` is non-negative and finite.
    pub fn new(enhancer: Enhancer, exploration: f64) -> Result<Self, OnlineError> {
        if (0.0..f64::INFINITY).contains(&exploration) {
            return Ok(Self { enhancer, exploration });
        }
        let (setting, required) = ("exploration", "non-negative and finite");
        Err(OnlineError::Config { setting, required, given: exploration })
    }
}

impl Optimistic {
    /// Payoffs as bad for the main agent as the enhancer takes them to be.
    fn feared(&self, prompt: &PromptRound<'_>) -> DenseGame {
        let scale = prompt.config.scale;
        let widths = prompt.model.scaled_widths(prompt.menu, scale, self.exploration);
        pessimistic_payoffs(prompt.estimate, &widths, prompt.model.payoff_floor(scale))
    }
}

impl Strategy for Optimistic {
    fn name(&self) -> &'static str {
        match self.enhancer {
            Enhancer::OptimisticOpponent => "optimistic",
            Enhancer::ConfidenceSet => "optimistic-confidence-set",
            Enhancer::PolicyWidth => "optimistic-policy-width",
        }
    }

    fn log_odds_only(&self) -> bool {
        self.enhancer == Enhancer::PolicyWidth
    }

    fn plan(&self, prompt: &PromptRound<'_>) -> Result<Plan, SolveError> {
        let solution = prompt.equilibrium()?;
        let main = &solution.profile.row;
        let whole = self.exploration.to_bits() == 1.0_f64.to_bits();
        let scaled = (!whole).then(|| self.feared(prompt));
        let feared = scaled.as_ref().unwrap_or(prompt.feared);
        let game = prompt.regularized(feared);
        let (second, policy_level_bound) = match self.enhancer {
            Enhancer::OptimisticOpponent => (optimistic_opponent(&game, main), None),
            Enhancer::ConfidenceSet => {
                (confidence_set::most_uncertain(&game, prompt.estimate, main), None)
            }
            Enhancer::PolicyWidth => {
                // What is certified knows nothing of how boldly is explored.
                let worst = policy_width::worst_opponent(prompt, main, 1.0);
                let asked = if whole {
                    worst.policy
                } else {
                    policy_width::worst_opponent(prompt, main, self.exploration).policy
                };
                (asked, Some(worst.loss))
            }
        };
        let asks = vec![Pairing { first: main.clone(), second }];
        Ok(Plan { policy_level_bound, ..Plan::of_equilibrium(solution, asks) })
    }
}
