//! Online IPO and IPO-MD: gradient steps on the squared loss over pairs that the policy itself draws.
//!
//! ```text
//! μ ∝ π^(1−γ) π₀^γ                                  the sampler, its gradient stopped
//! L(θ) = E_{y,y'~μ} [(θ(y) − θ(y') − ηA(y, y'))²] + const        θ = log(π/π₀), τ = 1/η
//! θ⁺ = θ − s μ∘(θ − E_μ θ − ηAμ)                    s = 4 × the learning rate
//! ```
//! Calandriello et al., 2024, arXiv 2403.08635. The loss over labelled pairs, with the target 1/(2τ) for
//! winner minus loser, is L up to a constant, because a pair that is won with probability P
//! contributes the gradient 2(h − 2(P − ½)/(2τ)) in h. It is the loss of the tabular population: no
//! samples are drawn.
//!
//! With γ = 0, online IPO, a stationary point has θ = ηAπ + const: the regularized equilibrium. With γ > 0,
//! IPO-MD, it has θ = ηAμ + const: **a biased point**, that of Nash-MD with the constant step α = γ/τ.
//! Minimizing L exactly with a frozen sampler is best-response iteration, which may diverge; small steps
//! do not, near the equilibrium: their linearization is I − sM with M = S − η·SAS, S = diag(π) − ππ',
//! and |Mx|² ≤ ½(1 + η²B²) x'Sx while x'Mx = x'Sx, so that s < 4/(1 + η²B²) contracts (for γ = 0). The
//! rate is that of the smallest mass: plain gradients hardly move what is hardly played. No global
//! rate is known. One product an iteration; symmetric games only, because both responses of a pair
//! come from one policy. Another start for the opponent is ignored.

use super::driver::{Method, Update};
use super::play::Play;
use super::{Limits, Published, Target};
use nlhf_core::Eta;

/// Online IPO, and with `mixing` IPO-MD.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct OnlineIpo {
    /// s > 0; [`OnlineIpo::stable_step`] if `None`.
    pub step: Option<f64>,
    /// γ in [0, 1), the weight of the reference in the sampler.
    pub mixing: f64,
}

impl OnlineIpo {
    /// Half of the largest step that is stable at every equilibrium, 2/(1 + η²B²).
    pub fn stable_step(eta: Eta, payoff_bound: f64) -> f64 {
        stable_step(eta.get() * payoff_bound)
    }

    /// The method as a solver.
    pub fn solver(self, limits: Limits) -> Published {
        Published::new(self, limits)
    }
}

impl Method for OnlineIpo {
    fn name(&self) -> &'static str {
        if self.mixing > 0.0 { "ipo-md" } else { "online-ipo" }
    }

    fn target(&self) -> Target {
        if self.mixing > 0.0 { Target::NearRegularized } else { Target::Regularized }
    }

    fn is_symmetric_only(&self) -> bool {
        true
    }

    fn start(&self, play: &Play<'_>) -> Box<dyn Update> {
        let step = self.step.unwrap_or_else(|| stable_step(play.bound / play.tau));
        let (logits, sampler, gains) = (play.start(), play.zeros(), play.zeros());
        Box::new(State { logits, sampler, gains, step, mixing: self.mixing })
    }
}

fn stable_step(eta_bound: f64) -> f64 {
    2.0 / (1.0 + eta_bound * eta_bound)
}

struct State {
    logits: Vec<f64>,
    sampler: Vec<f64>,
    gains: Vec<f64>,
    step: f64,
    mixing: f64,
}

impl Update for State {
    fn advance(&mut self, play: &mut Play<'_>) -> f64 {
        for (sampler, logit) in self.sampler.iter_mut().zip(&self.logits) {
            *sampler = (1.0 - self.mixing) * logit;
        }
        play.gains(&mut self.sampler, &mut self.gains);
        // What the loss wants each logit to fall by; its mean is no business of the gradient.
        for (gain, logit) in self.gains.iter_mut().zip(&self.logits) {
            *gain = logit - *gain / play.tau;
        }
        let excess = self.gains.iter().zip(play.probabilities());
        let mean: f64 = excess.map(|(excess, mu)| mu * excess).sum();
        for ((logit, excess), mu) in
            self.logits.iter_mut().zip(&self.gains).zip(play.probabilities())
        {
            *logit -= self.step * mu * (excess - mean);
        }
        self.step
    }

    fn answer(&self) -> &[f64] {
        &self.logits
    }
}
