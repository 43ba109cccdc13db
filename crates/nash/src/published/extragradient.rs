//! EGPO and Nash-MP: two anchored steps an iteration, the second with the gains met after the first.
//!
//! ```text
//! EGPO      h ∝ π^(1−ατ) π₀^(ατ) exp(αAπ),            π⁺ ∝ π^(1−ατ) π₀^(ατ) exp(αAh)
//! Nash-MP   h ∝ [π π₀^(ατ) exp(αAπ)]^(1/(1+ατ)),      π⁺ ∝ [π π₀^(ατ) exp(αAh)]^(1/(1+ατ))
//! EGPO with α/(1 + ατ) is Nash-MP with α; mirror-prox, `MirrorProx` here, is EGPO with 1/(τ + B)
//! ```
//! τ = 1/η, α the step, B ≥ |A|. EGPO: Zhou, Fazel and Du, 2025, arXiv 2503.08942; the PU method of Cen, Wei
//! and Chi, 2021, arXiv 2105.15186. Nash-MP: Tiapkin et al., 2025, arXiv 2505.19731. Both converge to the
//! regularized equilibrium, with two products an iteration and player:
//!
//! ```text
//! KL(π*‖π_t) ≤ (1 + ατ)⁻ᵗ KL(π*‖π_0)     Nash-MP, α ≤ 1/B;  EGPO, (1 − ατ)ᵗ, α ≤ 1/(τ + B)
//! ```
//! (1 + ηB) log(1/ε) iterations: the square root of what one step an iteration takes. The published
//! conditions of EGPO, α ≤ 1/(τ + 3) and 1/(τ + 2B), are stricter than needed: the proof of Nash-MP
//! and the identity give 1/(τ + B).

use super::driver::{Method, Update};
use super::play::Play;
use super::{Limits, Published, Target};
use nlhf_core::Eta;

/// Extragradient preference optimization.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Egpo {
    /// 0 < α ≤ 1/τ in nats a unit of payoff; [`Egpo::proven_step`] if `None`.
    pub step: Option<f64>,
}

impl Egpo {
    /// The largest step that the rate is proven for, 1/(τ + B).
    pub fn proven_step(eta: Eta, payoff_bound: f64) -> f64 {
        egpo_step(eta.kl_weight(), payoff_bound)
    }

    /// The method as a solver.
    pub fn solver(self, limits: Limits) -> Published {
        Published::new(self, limits)
    }
}

impl Method for Egpo {
    fn name(&self) -> &'static str {
        "egpo"
    }

    fn target(&self) -> Target {
        Target::Regularized
    }

    fn start(&self, play: &Play<'_>) -> Box<dyn Update> {
        let alpha = self.step.unwrap_or_else(|| egpo_step(play.tau, play.bound));
        Box::new(Extragradient::new(play, 1.0 - alpha * play.tau, alpha))
    }
}

/// Nash mirror-prox.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct NashMp {
    /// α > 0 in nats a unit of payoff; [`NashMp::proven_step`] if `None`.
    pub step: Option<f64>,
}

impl NashMp {
    /// The largest step that the rate is proven for, 1/B.
    pub fn proven_step(_: Eta, payoff_bound: f64) -> f64 {
        1.0 / payoff_bound
    }

    /// The method as a solver.
    pub fn solver(self, limits: Limits) -> Published {
        Published::new(self, limits)
    }
}

impl Method for NashMp {
    fn name(&self) -> &'static str {
        "nash-mp"
    }

    fn target(&self) -> Target {
        Target::Regularized
    }

    fn start(&self, play: &Play<'_>) -> Box<dyn Update> {
        let alpha = self.step.unwrap_or(1.0 / play.bound);
        let shrink = 1.0 / (1.0 + alpha * play.tau);
        Box::new(Extragradient::new(play, shrink, alpha * shrink))
    }
}

fn egpo_step(tau: f64, bound: f64) -> f64 {
    1.0 / (tau + bound)
}

struct Extragradient {
    logits: Vec<f64>,
    ahead: Vec<f64>,
    gains: Vec<f64>,
    keep: f64,
    gain: f64,
}

impl Extragradient {
    fn new(play: &Play<'_>, keep: f64, gain: f64) -> Self {
        Self { logits: play.start(), ahead: play.zeros(), gains: play.zeros(), keep, gain }
    }
}

impl Update for Extragradient {
    fn advance(&mut self, play: &mut Play<'_>) -> f64 {
        play.gains(&mut self.logits, &mut self.gains);
        for ((ahead, logit), gain) in self.ahead.iter_mut().zip(&self.logits).zip(&self.gains) {
            *ahead = self.keep * logit + self.gain * gain;
        }
        play.gains(&mut self.ahead, &mut self.gains);
        for (logit, gain) in self.logits.iter_mut().zip(&self.gains) {
            *logit = self.keep * *logit + self.gain * gain;
        }
        self.gain
    }

    fn answer(&self) -> &[f64] {
        &self.logits
    }
}
