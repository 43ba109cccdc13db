//! Magnetic mirror descent, and INPO, which is the same algorithm with another name for its step.
//!
//! ```text
//! MMD    π⁺ ∝ [π π₀^(ατ) exp(αAπ)]^(1/(1+ατ))             θ⁺ = (θ + αAπ)/(1 + ατ)
//! INPO   π⁺ ∝ π^(1−ατ) π₀^(ατ) exp(αAπ)                   θ⁺ = (1 − ατ)θ + αAπ
//! INPO with α/(1 + ατ) is MMD with α
//! ```
//! τ = 1/η, α the step, B ≥ |A|. MMD: Sokota et al., 2022, arXiv 2206.05825, with the reference as the
//! magnet. INPO: Zhang et al., 2024, arXiv 2407.00617; its update minimizes a squared loss over pairs of the
//! present policy, and its own η is an inverse step. Both converge to the regularized equilibrium:
//!
//! ```text
//! KL(π*‖π_t) ≤ (1 + ατ)⁻ᵗ KL(π*‖π_0)     MMD, α ≤ τ/B²;  INPO, (1 − ατ)ᵗ, α ≤ τ/(τ² + B²)
//! ```
//! and so take (1 + η²B²) log(1/ε) products. Near the equilibrium the modulus is
//! √(1 + α²ρ²)/(1 + ατ): a step of 1/B, which extragradient may take, makes them diverge if ρ > τ. One
//! product an iteration and player. The INPO paper itself proves O(1/T) for the last policy, with
//! decreasing steps; the linear rate follows from the identity with MMD.

use super::driver::{Method, Update};
use super::mirror::Mirror;
use super::play::Play;
use super::{Limits, Published, Target};
use nlhf_core::Eta;

/// Magnetic mirror descent at the reference.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Mmd {
    /// α > 0 in nats a unit of payoff; [`Mmd::proven_step`] if `None`.
    pub step: Option<f64>,
}

impl Mmd {
    /// The largest step that the linear rate is proven for, τ/B².
    pub fn proven_step(eta: Eta, payoff_bound: f64) -> f64 {
        mmd_step(eta.kl_weight(), payoff_bound)
    }

    /// The method as a solver.
    pub fn solver(self, limits: Limits) -> Published {
        Published::new(self, limits)
    }
}

impl Method for Mmd {
    fn name(&self) -> &'static str {
        "mmd"
    }

    fn target(&self) -> Target {
        Target::Regularized
    }

    fn start(&self, play: &Play<'_>) -> Box<dyn Update> {
        let alpha = self.step.unwrap_or_else(|| mmd_step(play.tau, play.bound));
        let shrink = 1.0 / (1.0 + alpha * play.tau);
        Box::new(Mirror::last(play, shrink, alpha * shrink))
    }
}

/// Iterative Nash policy optimization.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Inpo {
    /// 0 < α ≤ 1/τ in nats a unit of payoff; [`Inpo::proven_step`] if `None`.
    pub step: Option<f64>,
}

impl Inpo {
    /// The largest step that the linear rate is proven for, τ/(τ² + B²).
    pub fn proven_step(eta: Eta, payoff_bound: f64) -> f64 {
        inpo_step(eta.kl_weight(), payoff_bound)
    }

    /// The method as a solver.
    pub fn solver(self, limits: Limits) -> Published {
        Published::new(self, limits)
    }
}

impl Method for Inpo {
    fn name(&self) -> &'static str {
        "inpo"
    }

    fn target(&self) -> Target {
        Target::Regularized
    }

    fn start(&self, play: &Play<'_>) -> Box<dyn Update> {
        let alpha = self.step.unwrap_or_else(|| inpo_step(play.tau, play.bound));
        Box::new(Mirror::last(play, 1.0 - alpha * play.tau, alpha))
    }
}

fn mmd_step(tau: f64, bound: f64) -> f64 {
    tau / (bound * bound)
}

/// τ/(τ² + B²).
pub(super) fn inpo_step(tau: f64, bound: f64) -> f64 {
    tau / (tau * tau + bound * bound)
}
