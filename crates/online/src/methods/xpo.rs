//! XPO: online DPO with optimism by one term more.
//!
//! ```text
//! main = argmin_π (a/η√N) Σ_{i ≤ N} E_{b ~ π₀}[log π(b)] − Σ log σ(η⁻¹ log(π(a)/π₀(a)) − η⁻¹ log(π(b)/π₀(b)))
//! asks   a ~ main, b ~ π₀
//! ```
//! N counts the prompt's labels. The term takes mass off what the reference plays, which is an optimistic reward for all else: a
//! slope of at most a√N, of the size of the noise in N labels. In the paper it is one draw a label, with a factor in proportion to
//! 1/η that falls like one over the root of all labels; here the expectation is exact and the factor falls with the labels
//! so far. η as in `implicit_reward.rs`. Source: Xie et al. (2024, arXiv 2405.21046).

use super::implicit_reward::fitted_policy;
use super::{non_negative, positive};
use crate::{OnlineError, Pairing, Plan, PromptRound, Strategy};
use nlhf_core::SolveError;

/// Exploratory preference optimization over all policies on the menu.
///
/// | Name | Default | Purpose | Range |
/// |---|---|---|---|
/// | `optimism` | 0.5 | a; none is [`super::OnlineDpo`] asked against the reference | ≥ 0 |
/// | `ridge` | 0.1 | λ, in labels: keeps rewards finite | > 0 |
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Xpo {
    optimism: f64,
    ridge: f64,
}

impl Default for Xpo {
    fn default() -> Self {
        Self { optimism: 0.5, ridge: 0.1 }
    }
}

impl Xpo {
    /// Checks the settings.
    ///
    /// # Errors
    /// [`OnlineError::Config`] unless `optimism` is non-negative, `ridge` positive and both finite.
    pub fn new(optimism: f64, ridge: f64) -> Result<Self, OnlineError> {
        Ok(Self { optimism: non_negative("optimism", optimism)?, ridge: positive("ridge", ridge)? })
    }
}

impl Strategy for Xpo {
    fn name(&self) -> &'static str {
        "xpo"
    }

    fn plan(&self, prompt: &PromptRound<'_>) -> Result<Plan, SolveError> {
        let main = fitted_policy(prompt, self.ridge, self.optimism);
        let second = prompt.reference.row.clone();
        let asks = vec![Pairing { first: main.clone(), second }];
        Ok(Plan::of_policy(main, asks))
    }
}
