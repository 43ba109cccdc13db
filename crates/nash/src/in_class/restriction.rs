//! What it costs to take the policy from a class: the equilibrium, its projection, and what is best within the class.
//!
//! ```text
//! free       Σ ω_x s_x(π*_x)          the equilibria of the prompts, each by itself
//! projected  Σ ω_x s_x(Π_C π*)        the member of C nearest to them
//! in class   Σ ω_x s_x(π)             π from there on by `LeastShortfall`: returned, and never above the projected
//! ```
//! `s_x` is the certified shortfall against all policies, so that the three are on one scale: that of what is promised.

use super::geometry::Geometry;
use super::least_shortfall::certified;
use super::{ClassGame, InClassError, InClassStatus, InClassStep, LeastShortfall};
use nlhf_core::{Distribution, Observer, PolicyClass, Projected};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// What it costs to take the policy from a class, in units of the payoff unless it says nats; means over the prompts by weight.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Restriction {
    /// What the equilibria fall short of even at most, each prompt by itself; 0 in symmetric games but for rounding.
    pub free_shortfall: f64,
    /// The same of their projection onto the class.
    #[serde(with = "nlhf_core::null_is_infinite")]
    pub projected_shortfall: f64,
    /// The same of what is returned.
    #[serde(with = "nlhf_core::null_is_infinite")]
    pub in_class_shortfall: f64,
    /// `KL(equilibrium ‖ projection)`, in nats.
    #[serde(with = "nlhf_core::null_is_infinite")]
    pub projection_kl_nats: f64,
    /// How much nearer another member could be at most, in nats ([`Projected::excess_nats`]).
    pub projection_excess_nats: Option<f64>,
    /// Projections that the search within the class took.
    pub n_projections: usize,
    /// Why it ended.
    pub status: InClassStatus,
}

/// Goes on from projected equilibria to what is best within the class, and says what the class costs.
///
/// `equilibria` are in the order of the games, whose weights are those of the projection.
///
/// # Errors
/// [`InClassError::Project`].
///
/// # Panics
/// If there is not one equilibrium of the right length a game.
pub fn restricted<C: PolicyClass>(
    search: &LeastShortfall,
    class: &C,
    games: &[ClassGame<'_>],
    equilibria: &[Distribution],
    projected: Projected<C::Policy>,
    observer: &mut dyn Observer<InClassStep>,
) -> Result<(C::Policy, Restriction), InClassError> {
    assert_eq!(games.len(), equilibria.len(), "one equilibrium a game");
    let geometry = Geometry::new(games);
    let free: Vec<f64> = (games.par_iter().zip(equilibria))
        .map(|(game, free)| certified(game, free.clone()).certificate.worst_shortfall())
        .collect();
    let played = geometry.play(&projected.policy);
    let nats = equilibria.iter().zip(&played).map(|(free, played)| free.kl_nats(played));
    let projection_kl_nats = geometry.mean_up(nats);
    let projection_excess_nats = projected.excess_nats;
    let found = search.solve(class, games, projected.policy, observer)?;
    let restriction = Restriction {
        free_shortfall: geometry.mean_up(free.into_iter()),
        projected_shortfall: found.start_shortfall,
        in_class_shortfall: found.mean_shortfall,
        projection_kl_nats,
        projection_excess_nats,
        n_projections: found.projections,
        status: found.status,
    };
    Ok((found.policy, restriction))
}
