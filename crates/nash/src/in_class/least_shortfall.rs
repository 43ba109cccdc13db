//! The member of a class that falls least short of even against the worst opponents.
//!
//! ```text
//! min over π in C of Σ_x ω_x s_x(π),   s_x(π) = max_q −J_x(π, q) = −min_q J_x(π, q)
//! q_x = BR₂(π) ∝ μ₀ exp(−ηM'π),   g_x = M q_x − (log π/π₀)/η = −∂s_x/∂π
//! ```
//! In a symmetric game `s = sub`, the suboptimality against all policies; in a pessimistic one it bounds the suboptimality under the
//! truth. s is convex in the policy. The search is that of `descent`: it never ends worse than it starts, so that
//! started from the projected equilibrium it only improves on it. Where the class is not convex as a set of policies (log-linear ones,
//! networks), its end is a stationary point and need not be the best of the class.
//!
//! What that takes with the defaults, from the projected equilibrium, and how far above the best mean found from two starts the start
//! and the end are; cyclic games with random features that all prompts share, three draws each:
//!
//! | prompts × responses, features | η | projections | start | end |
//! |---|---|---|---|---|
//! | 20 × 8, 6 | 1 | 1 | 0.02 to 0.04 % | 4e-5 |
//! | | 10 | 3 | 1.5 to 4 % | 6e-5 |
//! | | 100 | 11 to 14 | 5 to 10 % | 2e-4 |
//! | 50 × 8, 24 | 1 | 1 | 0.03 to 0.05 % | 5e-5 |
//! | | 10 | 3 to 5 | 2 to 3 % | 1e-4 |
//! | | 100 | 29 to 43 | 9 to 11 % | 3e-4 |
//! | 10 × 12, 30 | 1 | 2 | 0.1 % | 2e-7 |
//! | | 10 | 7 to 10 | 14 to 21 % | 3e-4 |
//! | | 100 | 100, the budget | 190 to 330 % | 6 to 29 % |
//!
//! The last class nearly holds all equilibria; 250 to 340 projections bring it within 1e-8 of a stationary point.

use super::descent::{Cost, Descended, Descent, Evaluated};
use super::geometry::{Geometry, net_gains};
use super::{ClassGame, InClassError, InClassStatus, InClassStep};
use nlhf_core::{Certificate, Distribution, Observer, PolicyClass, Profile};
use rayon::prelude::*;

/// Minimizes the mean certified shortfall over a class.
///
/// | Name | Default | Purpose | Range |
/// |---|---|---|---|
/// | `max_projections` | 100 | projections that may be spent | any |
/// | `tolerance` | 1e-10 | ends where no policy at all does better by more, in units of the payoff | ≥ 0 |
/// | `relative_tolerance` | 1e-3 | ends where to first order no member near by does better by more, relative to the mean | ≥ 0 |
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LeastShortfall {
    /// Projections that may be spent; each trial step costs one.
    pub max_projections: usize,
    /// What is not worth gaining, in units of the payoff.
    pub tolerance: f64,
    /// What is not worth gaining, as a share of the mean shortfall.
    pub relative_tolerance: f64,
}

impl Default for LeastShortfall {
    fn default() -> Self {
        Self { max_projections: 100, tolerance: 1e-10, relative_tolerance: 1e-3 }
    }
}

/// What the class plays on one prompt, and how good that is.
#[derive(Debug, Clone, PartialEq)]
pub struct PlayedPrompt {
    /// The policy on the menu, as the class plays it.
    pub policy: Distribution,
    /// The opponent it was certified with: itself in a symmetric game, else the worst one, `BR₂(policy)`.
    pub opponent: Distribution,
    /// The certificate of the two, which holds against all policies.
    pub certificate: Certificate,
}

/// What [`LeastShortfall::solve`] returns.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub struct LeastShortfallSolution<P> {
    /// The member of the class.
    pub policy: P,
    /// What it plays, prompt by prompt in the order of the games.
    pub prompts: Vec<PlayedPrompt>,
    /// `Σ ω_x s_x` of the start, in units of the payoff: certified, never below the true mean. +∞ if the start plays what a reference
    /// never does.
    pub start_shortfall: f64,
    /// The same of `policy`: no larger.
    pub mean_shortfall: f64,
    /// Projections used.
    pub projections: usize,
    /// Why the search ended.
    pub status: InClassStatus,
}

impl LeastShortfall {
    /// Searches from `start`, a member of the class.
    ///
    /// The mean is that of `column_regret − value`, which is [`Certificate::worst_shortfall`] unless the row player is sure of
    /// more than even. Without any weight all is left as it is.
    ///
    /// # Errors
    /// [`InClassError::Project`].
    pub fn solve<C: PolicyClass>(
        &self,
        class: &C,
        games: &[ClassGame<'_>],
        start: C::Policy,
        observer: &mut dyn Observer<InClassStep>,
    ) -> Result<LeastShortfallSolution<C::Policy>, InClassError> {
        let Self { max_projections, tolerance, relative_tolerance } = *self;
        let descent = Descent { max_projections, tolerance, relative_tolerance };
        let ended = descent.run(class, &Geometry::new(games), &Shortfall, start, observer)?;
        let Descended { policy, played, start_mean, mean, projections, status } = ended;
        let prompts = games.par_iter().zip(played).map(|(game, played)| certified(game, played));
        Ok(LeastShortfallSolution {
            policy,
            prompts: prompts.collect(),
            start_shortfall: start_mean,
            mean_shortfall: mean,
            projections,
            status,
        })
    }
}

/// A policy with the opponent that its certificate is stated for.
pub(super) fn certified(game: &ClassGame<'_>, policy: Distribution) -> PlayedPrompt {
    let game = game.game();
    let opponent =
        if game.is_symmetric() { policy.clone() } else { game.best_column_response(&policy) };
    let profile = Profile { row: policy, column: opponent };
    let certificate = game.certify(&profile);
    let Profile { row: policy, column: opponent } = profile;
    PlayedPrompt { policy, opponent, certificate }
}

struct Shortfall;

impl Cost for Shortfall {
    fn evaluate(&self, _: usize, game: &ClassGame<'_>, played: &Distribution) -> Evaluated {
        let PlayedPrompt { policy, opponent, certificate } = certified(game, played.clone());
        let shortfall = certificate.column_regret - certificate.value;
        let worst = if game.game().is_symmetric() {
            game.game().best_column_response(&policy)
        } else {
            opponent
        };
        Evaluated {
            cost: if shortfall.is_nan() { f64::INFINITY } else { shortfall },
            excess: if certificate.duality_gap.is_nan() {
                f64::INFINITY
            } else {
                certificate.duality_gap
            },
            gains: net_gains(game, &policy, &worst.probabilities()),
        }
    }
}
