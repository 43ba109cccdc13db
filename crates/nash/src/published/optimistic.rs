//! Optimistic steps: the gains of the last iteration predict those of the next, for one product in all.
//!
//! ```text
//! h⁺ ∝ w^(1−ατ) π₀^(ατ) exp(αAh)            play, expecting the last gains again
//! w⁺ ∝ w^(1−ατ) π₀^(ατ) exp(αAh⁺)           learn what was met
//! ```
//! **Regularized OMWU** (Cen, Wei and Chi, 2021, arXiv 2105.15186), τ = 1/η, converges to the regularized
//! equilibrium: KL(π*‖wₜ) ≤ (1 − ατ)ᵗ KL(π*‖w₀) for α ≤ min(1/(2τ + 2B), 1/(4B)). It returns w.
//!
//! **ONPO** (Zhang et al., 2025, arXiv 2502.16852) is the same with τ = 0 and no anchor. It converges to an
//! equilibrium of the game without KL terms: with α ≤ 1/(2B), from uniform policies and for n actions,
//! the average of the h has exploitability at most 2 log(n)/(αT) after T iterations, since the regrets of the
//! two players sum to no more than 2 log(n)/α. The last h converges linearly after a while if that
//! equilibrium is the only one. One product an iteration and player, and one before the first.

use super::driver::{Method, Update};
use super::play::{Average, Play};
use super::{Limits, Published, Target};
use nlhf_core::Eta;

/// Regularized optimistic multiplicative weights.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct RegularizedOmwu {
    /// 0 < α ≤ 1/τ in nats a unit of payoff; [`RegularizedOmwu::proven_step`] if `None`.
    pub step: Option<f64>,
}

impl RegularizedOmwu {
    /// The largest step that the rate is proven for, the smaller of 1/(2τ + 2B) and 1/(4B).
    pub fn proven_step(eta: Eta, payoff_bound: f64) -> f64 {
        omwu_step(eta.kl_weight(), payoff_bound)
    }

    /// The method as a solver.
    pub fn solver(self, limits: Limits) -> Published {
        Published::new(self, limits)
    }
}

impl Method for RegularizedOmwu {
    fn name(&self) -> &'static str {
        "regularized-omwu"
    }

    fn target(&self) -> Target {
        Target::Regularized
    }

    fn start(&self, play: &Play<'_>) -> Box<dyn Update> {
        let alpha = self.step.unwrap_or_else(|| omwu_step(play.tau, play.bound));
        Box::new(Optimistic::new(play, 1.0 - alpha * play.tau, alpha, Answer::Learned))
    }
}

/// Optimistic Nash policy optimization.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Onpo {
    /// α > 0 in nats a unit of payoff; [`Onpo::proven_step`] if `None`.
    pub step: Option<f64>,
    /// Returns the last policy that was played, in place of the average that the theorem is about.
    pub last: bool,
}

impl Onpo {
    /// The largest step that the rate of the average is proven for, 1/(2B).
    pub fn proven_step(_: Eta, payoff_bound: f64) -> f64 {
        0.5 / payoff_bound
    }

    /// The method as a solver.
    pub fn solver(self, limits: Limits) -> Published {
        Published::new(self, limits)
    }
}

impl Method for Onpo {
    fn name(&self) -> &'static str {
        if self.last { "onpo-last" } else { "onpo" }
    }

    fn target(&self) -> Target {
        Target::Unregularized
    }

    fn start(&self, play: &Play<'_>) -> Box<dyn Update> {
        let alpha = self.step.unwrap_or(0.5 / play.bound);
        let answer =
            if self.last { Answer::Played } else { Answer::AveragePlayed(Average::new(play)) };
        Box::new(Optimistic::new(play, 1.0, alpha, answer))
    }
}

fn omwu_step(tau: f64, bound: f64) -> f64 {
    (0.5 / (tau + bound)).min(0.25 / bound)
}

enum Answer {
    Learned,
    Played,
    AveragePlayed(Average),
}

struct Optimistic {
    learned: Vec<f64>,
    played: Vec<f64>,
    gains: Vec<f64>,
    keep: f64,
    gain: f64,
    is_first: bool,
    answer: Answer,
}

impl Optimistic {
    fn new(play: &Play<'_>, keep: f64, gain: f64, answer: Answer) -> Self {
        let (learned, played, gains) = (play.start(), play.start(), play.zeros());
        Self { learned, played, gains, keep, gain, is_first: true, answer }
    }
}

impl Update for Optimistic {
    fn advance(&mut self, play: &mut Play<'_>) -> f64 {
        if std::mem::take(&mut self.is_first) {
            play.gains(&mut self.played, &mut self.gains);
        }
        for ((played, learned), gain) in self.played.iter_mut().zip(&self.learned).zip(&self.gains)
        {
            *played = self.keep * learned + self.gain * gain;
        }
        play.gains(&mut self.played, &mut self.gains);
        for (learned, gain) in self.learned.iter_mut().zip(&self.gains) {
            *learned = self.keep * *learned + self.gain * gain;
        }
        if let Answer::AveragePlayed(average) = &mut self.answer {
            average.add(&self.played);
        }
        self.gain
    }

    fn answer(&self) -> &[f64] {
        match &self.answer {
            Answer::Learned => &self.learned,
            Answer::Played => &self.played,
            Answer::AveragePlayed(average) => average.logits(),
        }
    }
}
