//! Online DPO: the policy whose implicit reward fits the labels, asked against itself.
//!
//! ```text
//! main = argmin_π −Σ log σ(η⁻¹ log(π(a)/π₀(a)) − η⁻¹ log(π(b)/π₀(b))) = π₀ exp(ηr),   a preferred to b
//! asks   a ~ main, b ~ main
//! ```
//! r is the Bradley-Terry reward of the prompt's labels, with a ridge, and η a quarter of that of the game on the scale
//! of probabilities (`implicit_reward.rs` says why). The main agent is no equilibrium unless preferences come from a reward; its
//! certificate comes from the preference model of the run, like that of every method. Source: Guo et al. (2024, arXiv
//! 2402.04792); the loss: Rafailov et al. (2023, arXiv 2305.18290).

use super::implicit_reward::fitted_policy;
use super::positive;
use crate::{OnlineError, Pairing, Plan, PromptRound, Strategy};
use nlhf_core::SolveError;

/// Direct preference optimization, round by round, over all policies on the menu.
///
/// | Name | Default | Purpose | Range |
/// |---|---|---|---|
/// | `ridge` | 0.1 | λ, in labels: keeps rewards finite | > 0 |
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OnlineDpo {
    ridge: f64,
}

impl Default for OnlineDpo {
    fn default() -> Self {
        Self { ridge: 0.1 }
    }
}

impl OnlineDpo {
    /// Checks the ridge.
    ///
    /// # Errors
    /// [`OnlineError::Config`] unless the ridge is positive and finite.
    pub fn new(ridge: f64) -> Result<Self, OnlineError> {
        Ok(Self { ridge: positive("ridge", ridge)? })
    }
}

impl Strategy for OnlineDpo {
    fn name(&self) -> &'static str {
        "online-dpo"
    }

    fn plan(&self, prompt: &PromptRound<'_>) -> Result<Plan, SolveError> {
        let main = fitted_policy(prompt, self.ridge, 0.0);
        let asks = vec![Pairing { first: main.clone(), second: main.clone() }];
        Ok(Plan::of_policy(main, asks))
    }
}
