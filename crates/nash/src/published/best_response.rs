//! Best responses in turn: the naive iteration that the other methods are to be compared with.
//!
//! ```text
//! π⁺ = BR(π) ∝ π₀ exp(ηAπ)            both players at once in a general game
//! ```
//! A contraction if ηB < 1, and near the equilibrium if ηρ < 1 with ρ the spectral radius of S^½AS^½,
//! S = diag(π*) − π*π*'. Beyond that it cycles: a fixed point that nobody reaches. One product an
//! iteration and player. It is what iterated DPO or IPO with an exact minimizer and a frozen sampler does
//! (Calandriello et al., 2024, arXiv 2403.08635).

use super::driver::{Method, Update};
use super::mirror::Mirror;
use super::play::Play;
use super::{Limits, Published, Target};

/// Best-response iteration; converges to the regularized equilibrium if ηB < 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BestResponse;

impl BestResponse {
    /// The method as a solver.
    pub fn solver(self, limits: Limits) -> Published {
        Published::new(self, limits)
    }
}

impl Method for BestResponse {
    fn name(&self) -> &'static str {
        "best-response"
    }

    fn target(&self) -> Target {
        Target::Regularized
    }

    fn start(&self, play: &Play<'_>) -> Box<dyn Update> {
        Box::new(Mirror::last(play, 0.0, 1.0 / play.tau))
    }
}
