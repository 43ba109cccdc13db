//! Nash-MD: each policy answers the opponent's mixture with the reference.
//!
//! ```text
//! m ∝ π^(1−ατ) π₀^(ατ),       π⁺ ∝ m exp(αAm)                 τ = 1/η, α the step
//! ```
//! Munos et al., 2023, arXiv 2312.00886. With αₜ = 2/(τ(t + 2)) it converges to the regularized equilibrium:
//! KL⁺ ≤ (1 − ατ) KL + 2α² for payoffs in an interval of length one, and hence, in one of length 2B,
//!
//! ```text
//! KL(π*‖π_T) ≤ 8 (2B)² / (τ² (T + 1))
//! ```
//! **With a constant step it converges to another point**: its limit is θ = ηA m(θ), a best response to the
//! mixture and not to itself, and the KL to the equilibrium is O(α²). One product an iteration and player.

use super::driver::{Method, Update};
use super::mmd::inpo_step;
use super::play::Play;
use super::{Limits, Published, Target};

/// How the step of [`NashMd`] changes.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Schedule {
    /// αₜ = 2/(τ(t + 2)), t from zero.
    #[default]
    Decaying,
    /// 0 < α ≤ 1/τ in nats a unit of payoff; τ/(τ² + B²), which INPO takes, if `None`.
    Constant(Option<f64>),
}

/// Nash mirror descent.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct NashMd {
    /// The steps.
    pub schedule: Schedule,
}

impl NashMd {
    /// The method as a solver.
    pub fn solver(self, limits: Limits) -> Published {
        Published::new(self, limits)
    }
}

impl Method for NashMd {
    fn name(&self) -> &'static str {
        match self.schedule {
            Schedule::Decaying => "nash-md",
            Schedule::Constant(_) => "nash-md-constant",
        }
    }

    fn target(&self) -> Target {
        match self.schedule {
            Schedule::Decaying => Target::Regularized,
            Schedule::Constant(_) => Target::NearRegularized,
        }
    }

    fn start(&self, play: &Play<'_>) -> Box<dyn Update> {
        let constant = match self.schedule {
            Schedule::Decaying => None,
            Schedule::Constant(step) => {
                Some(step.unwrap_or_else(|| inpo_step(play.tau, play.bound)))
            }
        };
        Box::new(State { logits: play.start(), gains: play.zeros(), constant, n_steps: 0 })
    }
}

struct State {
    logits: Vec<f64>,
    gains: Vec<f64>,
    constant: Option<f64>,
    n_steps: usize,
}

impl Update for State {
    fn advance(&mut self, play: &mut Play<'_>) -> f64 {
        let decaying = 2.0 / (play.tau * (self.n_steps as f64 + 2.0));
        let alpha = self.constant.unwrap_or(decaying);
        self.n_steps += 1;
        // The mixture takes the place of the policy, which is not needed any more.
        let keep = 1.0 - alpha * play.tau;
        for logit in &mut self.logits {
            *logit *= keep;
        }
        play.gains(&mut self.logits, &mut self.gains);
        for (logit, gain) in self.logits.iter_mut().zip(&self.gains) {
            *logit += alpha * gain;
        }
        alpha
    }

    fn answer(&self) -> &[f64] {
        &self.logits
    }
}
