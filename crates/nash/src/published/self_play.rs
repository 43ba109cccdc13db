//! SPO, SPPO and DNO: multiplicative weights against oneself, without an anchor.
//!
//! ```text
//! π⁺ ∝ π exp(αAπ)                                 α the step, B ≥ |A|
//! ```
//! The three fit this update in different ways, and with exact fits over all policies are one algorithm:
//!
//! * SPO (Swamy et al., 2024, arXiv 2401.04056) takes P(y ≻ π) for the reward of no-regret learning;
//! * SPPO (Wu et al., 2024, arXiv 2405.00675) regresses log(π⁺/π) on α(P(y ≻ π) − ½), the logarithm of the
//!   normalizer being taken for a constant;
//! * DNO (Rosset et al., 2024, arXiv 2404.03715) fits differences of log(π⁺/π)/α to those of P(y ≻ π)
//!   by cross-entropy, pair by pair.
//!
//! Their target is an equilibrium of the game **without** KL terms: they start at the reference and are not
//! held there. After T iterations with α = √(8 log(n)/T)/(2B) from uniform policies the *average* of the
//! policies has a regret of at most 2B√(log(n)/2T) for each player, and exploitability at most twice
//! that. The *last* policy does not converge: it circles around an equilibrium that is mixed, and moves
//! outward. SPO returns the average here, SPPO and DNO the last policy, as they are used. One product
//! an iteration and player.

use super::driver::{Method, Update};
use super::mirror::Mirror;
use super::play::Play;
use super::{Limits, Published, Target};

/// Self-play preference optimization, averaged.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Spo {
    /// α > 0 in nats a unit of payoff; √(8 log(n)/T)/(2B) for as many iterations T as the limit on
    /// products allows if `None`.
    pub step: Option<f64>,
}

impl Spo {
    /// The method as a solver.
    pub fn solver(self, limits: Limits) -> Published {
        Published::new(self, limits)
    }
}

impl Method for Spo {
    fn name(&self) -> &'static str {
        "spo"
    }

    fn target(&self) -> Target {
        Target::Unregularized
    }

    fn start(&self, play: &Play<'_>) -> Box<dyn Update> {
        let alpha = self.step.unwrap_or_else(|| no_regret_step(play));
        Box::new(Mirror::averaged(play, 1.0, alpha))
    }
}

/// Self-play preference optimization by regression, last policy.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Sppo {
    /// α > 0 in nats a unit of payoff; √(8 log(n)/T)/(2B) for as many iterations T as the limit on
    /// products allows if `None`.
    pub step: Option<f64>,
}

impl Sppo {
    /// The method as a solver.
    pub fn solver(self, limits: Limits) -> Published {
        Published::new(self, limits)
    }
}

impl Method for Sppo {
    fn name(&self) -> &'static str {
        "sppo"
    }

    fn target(&self) -> Target {
        Target::Unregularized
    }

    fn start(&self, play: &Play<'_>) -> Box<dyn Update> {
        Box::new(Mirror::last(play, 1.0, self.step.unwrap_or_else(|| no_regret_step(play))))
    }
}

/// Direct Nash optimization, last policy.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Dno {
    /// α > 0 in nats a unit of payoff; 1/(2B) if `None`, which is our choice: the paper leaves it open.
    pub step: Option<f64>,
}

impl Dno {
    /// The method as a solver.
    pub fn solver(self, limits: Limits) -> Published {
        Published::new(self, limits)
    }
}

impl Method for Dno {
    fn name(&self) -> &'static str {
        "dno"
    }

    fn target(&self) -> Target {
        Target::Unregularized
    }

    fn start(&self, play: &Play<'_>) -> Box<dyn Update> {
        Box::new(Mirror::last(play, 1.0, self.step.unwrap_or(0.5 / play.bound)))
    }
}

fn no_regret_step(play: &Play<'_>) -> f64 {
    (8.0 * (play.n_actions() as f64).ln() / play.horizon() as f64).sqrt() / (2.0 * play.bound)
}
