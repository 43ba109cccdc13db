//! The equilibrium inside a class: both players are members, and none has a first-order reason to move.
//!
//! ```text
//! c(π) = ω π∘(g − E_π g),  g = Aπ − (log π/π₀)/η      the slope of J(·, π) at π, the opponent's gradient stopped
//! h  = π moved along α F⁻¹ c(π)                       half a step ahead
//! π⁺ = π moved along α F⁻¹ c(h)                       with the slope met there
//! residual = η |h − π|/α  ≈  η √(∇'F⁻¹∇)              nats, |·|² = Σ_x ω_x Var_π; zero where no direction in the class gains
//! ```
//! This is extragradient as EGPO (Zhou, Fazel and Du, 2025, arXiv 2503.08942) and Nash-MP (Tiapkin et al., 2025, arXiv
//! 2505.19731) play it with policies of parameters; plain gradient play circles. `F` is the Fisher matrix of the class:
//!
//! * **any class**: the projection of the target `π φ(α c/ωπ)` moves along `α F⁻¹ c`. Two projections a step. `descent` says why fixed points
//!   of such steps are unbiased, whatever α, as long as φ is linear: α is bounded by that, and need not decay.
//! * **parameters**: `∇ = Σ (c_a/ω) ∇log π_a`, and `F = Σ_x ω_x Cov_π(∇log π)` by Cholesky up to 512 parameters, so that a class that
//!   spans all policies goes the way of the tabular method whatever the scale of its features; plain gradients beyond.
//!
//! α follows the observed Lipschitz ratio: a step is taken where the two displacements differ by at most 0.9 of the first, and α grows
//! where they differ by less than half. Some `(1 + ηB) log(1/residual)` steps are needed, as in the tabular game: from the projected
//! equilibria to 1e-6 some 35 at η = 1, 60 to 100 at η = 10, 150 to 450 at η = 100 over random log-linear classes.
//!
//! **What is proved.** Over all policies the residual is zero at the equilibrium only. A class that is no convex set of policies may have
//! several stationary points, and one may be beaten by a member far away: [`ClassCompetitor`](super::ClassCompetitor) encloses by how much.
//! The certificates hold against all policies.

use super::descent::looseness;
use super::geometry::{Geometry, Step, displacement, net_gains};
use super::least_shortfall::certified;
use super::natural_gradient::NaturalGradient;
use super::{ClassGame, InClassError, InClassStatus, PlayedPrompt, check_symmetric};
use nlhf_core::{Distribution, Observer, ParametrizedPolicy, Policy, PolicyClass};
use rayon::prelude::*;

/// Finds the equilibrium inside a class by extragradient play.
///
/// | Name | Default | Purpose | Range |
/// |---|---|---|---|
/// | `max_iterations` | 1000 | steps tried, each of two projections or two gradients | any |
/// | `residual_nats` | 1e-6 | residual at which it ends | ≥ 0 |
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ClassSelfPlay {
    /// Steps tried.
    pub max_iterations: usize,
    /// The residual at which it ends, in nats.
    pub residual_nats: f64,
}

impl Default for ClassSelfPlay {
    fn default() -> Self {
        Self { max_iterations: 1000, residual_nats: 1e-6 }
    }
}

/// One step of self-play, taken or not.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SelfPlayStep {
    /// Counted from one.
    pub iteration: usize,
    /// The residual before the step, in nats.
    pub residual_nats: f64,
    /// The length α of the step in nats a unit of payoff.
    pub step: f64,
    /// Whether it was taken.
    pub accepted: bool,
}

/// What [`ClassSelfPlay::solve`] returns.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub struct ClassEquilibrium<P> {
    /// The member of the class.
    pub policy: P,
    /// What it plays, prompt by prompt in the order of the games, certified against all policies.
    pub prompts: Vec<PlayedPrompt>,
    /// The mean certified suboptimality against all policies, in units of the payoff: an upper bound of the gap against the class.
    pub mean_shortfall: f64,
    /// `η |F⁻¹c|` in nats, η the largest of the games, measured by a step: to first order a member near by gains about `residual²/2η`.
    pub residual_nats: f64,
    /// Steps tried.
    pub iterations: usize,
    /// Projections used; none where gradients are.
    pub projections: usize,
    /// [`InClassStatus::Stationary`] if the residual is small enough, [`InClassStatus::Stalled`] if projections are too loose to tell.
    pub status: InClassStatus,
}

impl ClassSelfPlay {
    /// Plays within any class, from one of its members, by projections.
    ///
    /// The start should play nothing that a reference never does: what that costs has no slope, so that play may end as stationary with
    /// a mean shortfall of +∞. [`LeastShortfall`](super::LeastShortfall) gives such mass up.
    ///
    /// # Errors
    /// [`InClassError::NotSymmetric`] and [`InClassError::Project`].
    pub fn solve<C: PolicyClass>(
        &self,
        class: &C,
        games: &[ClassGame<'_>],
        start: C::Policy,
        observer: &mut dyn Observer<SelfPlayStep>,
    ) -> Result<ClassEquilibrium<C::Policy>, InClassError> {
        let mut mover = Projecting { class, projections: 0 };
        let found = self.run(&mut mover, games, start, observer)?;
        Ok(ClassEquilibrium { projections: mover.projections, ..found })
    }

    /// Plays with the gradients of a policy with parameters, from a start as [`solve`](Self::solve) wants it.
    ///
    /// # Errors
    /// [`InClassError::NotSymmetric`].
    pub fn solve_parametrized<P: ParametrizedPolicy>(
        &self,
        games: &[ClassGame<'_>],
        start: P,
        observer: &mut dyn Observer<SelfPlayStep>,
    ) -> Result<ClassEquilibrium<P>, InClassError> {
        self.run(&mut NaturalGradient::default(), games, start, observer)
    }

    fn run<M: Mover>(
        &self,
        mover: &mut M,
        games: &[ClassGame<'_>],
        start: M::Policy,
        observer: &mut dyn Observer<SelfPlayStep>,
    ) -> Result<ClassEquilibrium<M::Policy>, InClassError> {
        check_symmetric(games)?;
        let geometry = Geometry::new(games);
        let eta = 1.0 / geometry.least_kl_weight();
        let mut now = Stand::new(&geometry, start);
        let first_step = geometry.first_step();
        let (mut alpha, mut iterations) = (first_step, 0);
        let (status, residual_nats) = loop {
            alpha = alpha.min(mover.longest(&geometry, &now));
            let (half, loose) = mover.moved(&geometry, &now, &now.slope, alpha)?;
            let half = Stand::new(&geometry, half);
            let first = displacement(&now.played, &half.played);
            let norm = |v: &[f64]| geometry.squared_norm(&now.played, v).sqrt();
            let residual_nats = eta * norm(&first) / alpha;
            if residual_nats <= self.residual_nats {
                // What the projection left open may hide a slope.
                let is_told = eta * loose / alpha <= self.residual_nats;
                let status =
                    if is_told { InClassStatus::Stationary } else { InClassStatus::Stalled };
                break (status, residual_nats);
            }
            if alpha < SHORTEST * first_step {
                break (InClassStatus::Stalled, residual_nats);
            }
            if iterations >= self.max_iterations {
                break (InClassStatus::Budget, residual_nats);
            }
            let (next, _) = mover.moved(&geometry, &now, &half.slope, alpha)?;
            let next = Stand::new(&geometry, next);
            let second = displacement(&now.played, &next.played);
            let apart: Vec<f64> = second.iter().zip(&first).map(|(s, f)| s - f).collect();
            let ratio = norm(&apart) / norm(&first);
            iterations += 1;
            let (accepted, step) = (ratio <= LARGEST_RATIO, alpha);
            if accepted {
                now = next;
            }
            if ratio < GROWING_RATIO {
                alpha = (1.2 * alpha).min(geometry.longest_step());
            } else if !accepted {
                alpha *= 0.5;
            }
            let event = SelfPlayStep { iteration: iterations, residual_nats, step, accepted };
            if observer.observe(&event).is_break() {
                break (InClassStatus::Stopped, residual_nats);
            }
        };
        let Stand { policy, played, .. } = now;
        Ok(certified_equilibrium(&geometry, policy, played, residual_nats, iterations, status))
    }
}

/// A policy with its certificates.
pub(super) fn certified_equilibrium<P>(
    geometry: &Geometry<'_>,
    policy: P,
    played: Vec<Distribution>,
    residual_nats: f64,
    iterations: usize,
    status: InClassStatus,
) -> ClassEquilibrium<P> {
    let prompts = geometry.games.par_iter().zip(played);
    let prompts: Vec<PlayedPrompt> =
        prompts.map(|(game, played)| certified(game, played)).collect();
    let shortfalls = prompts.iter().map(|prompt| prompt.certificate.worst_shortfall());
    let mean_shortfall = geometry.mean_up(shortfalls);
    let projections = 0;
    ClassEquilibrium {
        policy,
        prompts,
        mean_shortfall,
        residual_nats,
        iterations,
        projections,
        status,
    }
}

/// A step this much shorter than the first is none.
const SHORTEST: f64 = 1e-9;
/// How much of the first displacement the second may differ by.
const LARGEST_RATIO: f64 = 0.9;
/// Where steps are longer than need be.
const GROWING_RATIO: f64 = 0.5;

/// A policy in self-play.
pub(super) struct Stand<P> {
    pub(super) policy: P,
    played: Vec<Distribution>,
    gains: Vec<Vec<f64>>,
    slope: Vec<f64>,
}

impl<P: Policy> Stand<P> {
    fn new(geometry: &Geometry<'_>, policy: P) -> Self {
        let played = geometry.play(&policy);
        let games = geometry.games.par_iter().zip(&played);
        let gains = games.map(|(game, played)| net_gains(game, played, &played.probabilities()));
        let gains: Vec<Vec<f64>> = gains.collect();
        let slope = geometry.slope(&played, &gains);
        Self { policy, played, gains, slope }
    }
}

/// How a class moves along the natural gradient of a slope.
pub(super) trait Mover {
    type Policy: Policy;

    /// The longest step that fixed points allow.
    fn longest(&self, _: &Geometry<'_>, _: &Stand<Self::Policy>) -> f64 {
        f64::INFINITY
    }

    /// `from` moved along `length F⁻¹ slope`, to first order, and how far that may be off in the norm of displacements.
    fn moved(
        &mut self,
        geometry: &Geometry<'_>,
        from: &Stand<Self::Policy>,
        slope: &[f64],
        length: f64,
    ) -> Result<(Self::Policy, f64), InClassError>;
}

/// Moves by projections.
struct Projecting<'c, C> {
    class: &'c C,
    projections: usize,
}

impl<C: PolicyClass> Mover for Projecting<'_, C> {
    type Policy = C::Policy;

    fn longest(&self, geometry: &Geometry<'_>, from: &Stand<C::Policy>) -> f64 {
        geometry.longest_linear(&from.played, &from.slope)
    }

    fn moved(
        &mut self,
        geometry: &Geometry<'_>,
        from: &Stand<C::Policy>,
        slope: &[f64],
        length: f64,
    ) -> Result<(C::Policy, f64), InClassError> {
        let nowhere = vec![0.0; slope.len()];
        let step = Step { moved: &nowhere, slope, length };
        let targets = geometry.targets(&from.played, &from.gains, &step);
        self.projections += 1;
        let projected = self.class.project(&targets, Some(&from.policy))?;
        Ok((projected.policy, looseness(projected.excess_nats)))
    }
}
