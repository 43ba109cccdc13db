//! Nash-EMA: each policy answers a moving average of the opponent's policies.
//!
//! ```text
//! π⁺ ∝ π^(1−ατ) π₀^(ατ) exp(αAπ̄),       π̄⁺ = (1 − ω)π̄ + ωπ⁺          τ = 1/η, α the step
//! ```
//! Munos et al., 2023, arXiv 2312.00886, with the average taken of the policies themselves and not of the
//! parameters of networks. Its fixed point is the regularized equilibrium; no rate is published. One
//! product an iteration and player.

use super::driver::{Method, Update};
use super::mmd::inpo_step;
use super::play::{Average, Play};
use super::{Limits, Published, Target};

/// Nash mirror descent against an exponential moving average.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NashEma {
    /// 0 < α ≤ 1/τ in nats a unit of payoff; τ/(τ² + B²), which INPO takes, if `None`.
    pub step: Option<f64>,
    /// ω in (0, 1], the share of the newest policy in the average; 1 is INPO.
    pub share: f64,
}

impl Default for NashEma {
    fn default() -> Self {
        Self { step: None, share: 0.3 }
    }
}

impl NashEma {
    /// The method as a solver.
    pub fn solver(self, limits: Limits) -> Published {
        Published::new(self, limits)
    }
}

impl Method for NashEma {
    fn name(&self) -> &'static str {
        "nash-ema"
    }

    fn target(&self) -> Target {
        Target::Regularized
    }

    fn start(&self, play: &Play<'_>) -> Box<dyn Update> {
        let mut average = Average::new(play);
        average.blend(&play.start(), 1.0);
        let alpha = self.step.unwrap_or_else(|| inpo_step(play.tau, play.bound));
        let (logits, gains) = (play.start(), play.zeros());
        Box::new(State { logits, average, gains, alpha, share: self.share })
    }
}

struct State {
    logits: Vec<f64>,
    average: Average,
    gains: Vec<f64>,
    alpha: f64,
    share: f64,
}

impl Update for State {
    fn advance(&mut self, play: &mut Play<'_>) -> f64 {
        play.gains(self.average.logits_mut(), &mut self.gains);
        let keep = 1.0 - self.alpha * play.tau;
        for (logit, gain) in self.logits.iter_mut().zip(&self.gains) {
            *logit = keep * *logit + self.alpha * gain;
        }
        play.normalize(&mut self.logits);
        self.average.blend(&self.logits, self.share);
        self.alpha
    }

    fn answer(&self) -> &[f64] {
        &self.logits
    }
}
