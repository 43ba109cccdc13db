//! Who in a class gains most against a policy: an enclosure of its gap against the class.
//!
//! ```text
//! gap_C(π) = max over π' in C of Σ_x ω_x J_x(π', π) = max over π' in C of  loss of π against π'
//! found = Σ ω_x J_x(π', π) of the best π' found     ≤ gap_C(π) ≤     Σ ω_x sub_x(π) = certified
//! ```
//! The lower end is the payoff of a policy that is shown, rounded down; the upper end is the certificate, because members of C are
//! among all policies. J is concave in π' as a policy, so that over a convex set of policies (tabular ones, mixtures) every stationary
//! point is the best, and over all policies both ends meet. Over a log-linear class or networks the set is not convex: there may
//! be better members than the best of several searches, and what is known is the interval. Symmetric games only, where the
//! gain of π' is what π loses.

use super::descent::{Cost, Descended, Descent, Evaluated};
use super::geometry::{Geometry, net_gains};
use super::least_shortfall::certified;
use super::{ClassGame, InClassError, InClassStatus, InClassStep, check_symmetric};
use nlhf_core::{Distribution, Observer, PolicyClass, Profile, Target};
use rayon::prelude::*;

/// Searches a class for the member that gains most against a policy, from three starts: the projected best responses, the
/// policy itself, the projected references.
///
/// | Name | Default | Purpose | Range |
/// |---|---|---|---|
/// | `max_projections` | 60 | projections that may be spent, those of the starts not counted | any |
/// | `tolerance` | 1e-10 | ends where no policy at all gains more than this beyond what was found, in units of the payoff | ≥ 0 |
/// | `relative_tolerance` | 1e-3 | a search ends where to first order no member near by gains more than this beyond, relative to the gain | ≥ 0 |
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ClassCompetitor {
    /// Projections that may be spent; each trial step costs one.
    pub max_projections: usize,
    /// What is not worth gaining, in units of the payoff.
    pub tolerance: f64,
    /// What is not worth gaining, as a share of the gain.
    pub relative_tolerance: f64,
}

impl Default for ClassCompetitor {
    fn default() -> Self {
        Self { max_projections: 60, tolerance: 1e-10, relative_tolerance: 1e-3 }
    }
}

/// What [`ClassCompetitor::find`] returns: the gap of a policy against a class lies in `[gain, bound]`.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub struct Competitor<P> {
    /// The witness: the member of the class that gains most among those found.
    pub policy: P,
    /// `J_x(witness, policy)`, prompt by prompt in the order of the games, each rounded down; in units of the payoff, negative where
    /// the witness loses.
    pub gains: Vec<f64>,
    /// Their weighted mean, rounded down: never above the gap. Negative where no member that was found does even, as may be against a
    /// policy outside the class, or by rounding against one that is not beaten.
    pub gain: f64,
    /// The mean certified suboptimality of the policy: never below the gap.
    pub bound: f64,
    /// Projections used, those of the starts included.
    pub projections: usize,
    /// How the search ended that found the witness; [`InClassStatus::Converged`] if the ends of the interval are within the tolerance.
    pub status: InClassStatus,
}

impl ClassCompetitor {
    /// Searches for who gains most against `policy`, which need not be from the class.
    ///
    /// # Errors
    /// [`InClassError::NotSymmetric`] and [`InClassError::Project`].
    pub fn find<C: PolicyClass>(
        &self,
        class: &C,
        games: &[ClassGame<'_>],
        policy: &C::Policy,
        observer: &mut dyn Observer<InClassStep>,
    ) -> Result<Competitor<C::Policy>, InClassError> {
        check_symmetric(games)?;
        let geometry = Geometry::new(games);
        let opponents = geometry.play(policy);
        let shortfalls: Vec<f64> = (games.par_iter().zip(&opponents))
            .map(|(game, played)| certified(game, played.clone()).certificate.worst_shortfall())
            .collect();
        let bound = geometry.mean_up(shortfalls.into_iter());
        let responses = games.iter().zip(&opponents);
        let responses =
            responses.map(|(game, played)| game.game.best_row_response(played)).collect();
        let references = games.iter().map(|game| game.game.reference().row.clone()).collect();
        let starts: [Vec<Distribution>; 3] = [responses, opponents.clone(), references];

        let against = Against { opponents };
        let mut best: Option<Descended<C::Policy>> = None;
        let (mut projections, mut spent) = (0, 0);
        for (at, start) in starts.into_iter().enumerate() {
            let targets = games.iter().zip(start).map(|(game, distribution)| Target {
                menu: game.menu,
                distribution,
                weight: game.weight,
            });
            let start = class.project(&targets.collect::<Vec<_>>(), Some(policy))?.policy;
            projections += 1;
            let max_projections = (self.max_projections - spent) / (3 - at);
            let Self { tolerance, relative_tolerance, .. } = *self;
            let descent = Descent { max_projections, tolerance, relative_tolerance };
            let before = projections;
            let mut relay = |step: &InClassStep| {
                observer.observe(&InClassStep { projections: before + step.projections, ..*step })
            };
            let ended = descent.run(class, &geometry, &against, start, &mut relay)?;
            projections += ended.projections;
            spent += ended.projections;
            let status = ended.status;
            if best.as_ref().is_none_or(|best| ended.mean < best.mean) {
                best = Some(ended);
            }
            if let (InClassStatus::Stopped, Some(best)) = (status, &mut best) {
                best.status = status;
            }
            if matches!(status, InClassStatus::Converged | InClassStatus::Stopped) {
                break;
            }
        }
        let Some(Descended { policy, played, mean, status, .. }) = best else {
            unreachable!("there are three starts")
        };
        let gains = (games.par_iter().zip(&played).zip(&against.opponents))
            .map(|((game, row), column)| payoff(game, row, column).0);
        let gain = -mean;
        let enclosed = bound - gain <= self.tolerance;
        let status = if enclosed { InClassStatus::Converged } else { status };
        Ok(Competitor { policy, gains: gains.collect(), gain, bound, projections, status })
    }
}

/// `J(row, column)` rounded down, −∞ if it is not a number, and how much any row policy could gain beyond.
fn payoff(game: &ClassGame<'_>, row: &Distribution, column: &Distribution) -> (f64, f64) {
    let profile = Profile { row: row.clone(), column: column.clone() };
    let certificate = game.game.certify(&profile);
    let known = |x: f64, unknown: f64| if x.is_nan() { unknown } else { x };
    (known(certificate.value, f64::NEG_INFINITY), known(certificate.row_regret, f64::INFINITY))
}

/// Less than nothing is lost: the cost of a policy is minus its gain against fixed opponents.
struct Against {
    opponents: Vec<Distribution>,
}

impl Cost for Against {
    fn evaluate(&self, position: usize, game: &ClassGame<'_>, played: &Distribution) -> Evaluated {
        let opponent = &self.opponents[position];
        let (gain, excess) = payoff(game, played, opponent);
        let gains = net_gains(game, played, &opponent.probabilities());
        Evaluated { cost: -gain, excess, gains }
    }
}
