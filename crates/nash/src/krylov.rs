//! Newton's method for one large game: the linear systems are solved by products alone.
//!
//! ```text
//! F(u) = u − η_s(Aπ + c),  π = softmax(u),  c = log π₀ / η,  η_s from small to η in a few stages
//! inexact Newton: ‖F + F'δ‖ ≤ τ‖F‖ by GMRES, then the line search of `continuation` on ‖F‖₂
//! ```
//! Nothing is factorized: a step costs a few products, and a game of 8192 actions a few seconds instead of
//! minutes. A dense skew game is packed once in f32 above its diagonal (`krylov::packed`), which makes
//! a product on the way four times cheaper than one in f64; since the gap is quadratic in the residual, f32
//! reaches a gap of 1e-12 at moderate η. Where it does not, the residual is computed in f64 and the next
//! steps refine it (Dembo, Eisenstat and Steihaug, 1982). The certificate is in f64 always.

mod gmres;
mod packed;
mod payoffs;
mod search;

use crate::newton::check_start;
use nlhf_core::{
    ASKED_FOR, Certificate, Iteration, NashSolver, Observer, Profile, RegularizedGame, Solution,
    SolveError, Status,
};
use search::Search;

/// Inexact Newton-Krylov for games that are too large to factorize, dense or matrix-free, of one player or two.
///
/// | Name | Default | Purpose | Range |
/// |---|---|---|---|
/// | `tolerance` | 1e-10 | largest duality gap that counts as converged, in payoff units | ≥ 0 |
/// | `max_products` | 10 000 | products with the payoffs, of both players together | ≥ 1 |
///
/// # Complexity
/// At ηB = 5 about 10 products, at 50 about 40, growing with η; of `2n²` bytes each in a dense skew game.
/// Where η is so large that the equilibrium sits on few actions, [`crate::Newton`] is the better choice.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NewtonKrylov {
    /// The largest duality gap that counts as converged, in units of the payoff.
    pub tolerance: f64,
    /// Products with the payoffs.
    pub max_products: usize,
}

impl Default for NewtonKrylov {
    fn default() -> Self {
        Self { tolerance: 1e-10, max_products: 10_000 }
    }
}

/// The first η of the stages in units of 1 / max |A|, and the factor between them.
const FIRST_STAGE: f64 = 16.0;
const STAGE_FACTOR: f64 = 4.0;
/// The residual, in nats, at which a stage before the last one ends.
const STAGE_RESIDUAL: f64 = 0.3;
/// The loosest inner tolerance.
const LOOSE: f64 = 0.2;
/// How often the search goes on, a tenth as tolerant, because the certificate is above the tolerance.
const REFINEMENTS: usize = 8;

impl NashSolver for NewtonKrylov {
    fn name(&self) -> &'static str {
        "newton-krylov"
    }

    fn solve(
        &self,
        game: &RegularizedGame<'_>,
        start: &Profile,
        observer: &mut dyn Observer<Iteration>,
    ) -> Result<Solution, SolveError> {
        check_start(game, start)?;
        let mut search = Search::new(game, start);
        let (eta, bound) = (game.eta().get(), game.payoff().payoff_bound());
        let mut stage = if start == game.reference() { first_stage(eta, bound) } else { eta };
        search.evaluate(stage);
        let broken = |iteration| Err(SolveError::NotFinite { method: "newton-krylov", iteration });
        // Near the equilibrium the gap is the variance of the residual / η, for each player / 2η.
        let mut wanted = 0.25 * eta * self.tolerance;
        let (mut best, mut status, mut refinements) = (None, Status::IterationLimit, 0);
        while search.products() < self.max_products {
            if !search.norm.is_finite() {
                return broken(search.iterations);
            }
            if stage < eta && (search.stuck || search.largest() <= STAGE_RESIDUAL) {
                // A stage that stalls is left behind: the next one starts from where it got.
                stage = next_stage(stage, eta);
                search.change_eta(stage);
                continue;
            }
            if stage >= eta && (search.variance <= wanted || search.stuck) {
                let Some(profile) = search.profile() else { return broken(search.iterations) };
                let certificate = game.certify(&profile);
                let gap = certificate.duality_gap;
                if gap.is_nan() {
                    return broken(search.iterations);
                }
                keep_better(&mut best, profile, certificate);
                if gap <= self.tolerance {
                    break;
                }
                if !search.use_exact_products(eta) {
                    // The certificate's own rounding error may be above the tolerance.
                    if search.stuck || search.variance <= 0.0 || refinements == REFINEMENTS {
                        status = Status::Stalled;
                        break;
                    }
                    wanted *= 0.1;
                    refinements += 1;
                }
                continue;
            }
            let length = search.newton_step(stage, self.inner_tolerance(&search, eta));
            let event = Iteration {
                iteration: search.iterations,
                products: search.products(),
                eta: stage,
                residual: search.largest(),
                step: length,
            };
            if observer.observe(&event).is_break() {
                status = Status::Stopped;
                break;
            }
        }
        let (profile, certificate) = if let Some(best) = best {
            best
        } else {
            let Some(profile) = search.profile() else { return broken(search.iterations) };
            let certificate = game.certify(&profile);
            (profile, certificate)
        };
        if certificate.duality_gap <= self.tolerance {
            status = Status::Converged;
        }
        let iterations = search.iterations;
        let (method, reason) = (self.name(), ASKED_FOR);
        Ok(Solution { profile, certificate, status, iterations, method, reason })
    }
}

fn keep_better(
    best: &mut Option<(Profile, Certificate)>,
    profile: Profile,
    certificate: Certificate,
) {
    if best.as_ref().is_none_or(|(_, best)| certificate.duality_gap < best.duality_gap) {
        *best = Some((profile, certificate));
    }
}

impl NewtonKrylov {
    /// The inner tolerance: tight enough for quadratic convergence, no tighter than what is asked for.
    fn inner_tolerance(self, search: &Search<'_>, eta: f64) -> f64 {
        let wanted = (0.1 * self.tolerance * eta / search.variance.max(f64::MIN_POSITIVE)).sqrt();
        let quadratic = 0.5 * search.largest();
        LOOSE.min(quadratic.max(wanted)).max(1e-6)
    }
}

fn first_stage(eta: f64, bound: f64) -> f64 {
    let first = FIRST_STAGE / bound.max(f64::MIN_POSITIVE);
    if 2.0 * first >= eta { eta } else { first }
}

fn next_stage(stage: f64, eta: f64) -> f64 {
    let next = STAGE_FACTOR * stage;
    if 2.0 * next >= eta { eta } else { next }
}
