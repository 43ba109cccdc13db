//! The choice of method from shape and η, and what to fall back to.
//!
//! | game | method | because |
//! |---|---|---|
//! | one or two actions, one policy | closed form | O(1) |
//! | symmetric, fewer features than actions | Newton in feature space | passes over the features |
//! | fewer than 24 actions a player | Newton | a factorization costs less than the products that replace it |
//! | more, ηB ≤ 250 | Newton-Krylov | a few products a step |
//! | more, larger η | Newton | the path to large η needs exact steps |
//!
//! What the first choice does not solve goes to Newton, and then to mirror-prox, whose convergence is proven,
//! if it can end in reasonable time. The best of what was found is returned, with its status.

use crate::{ClosedForm, LowRankNewton, MirrorProx, Newton, NewtonKrylov};
use nlhf_core::{
    Iteration, NashSolver, Observer, Profile, RegularizedGame, Solution, SolveError, Status,
    StoredPayoffs,
};

/// Picks the method from the game, and falls back; the solution names the method that found it and why.
///
/// | Name | Default | Purpose | Range |
/// |---|---|---|---|
/// | `tolerance` | 1e-10 | largest duality gap that counts as converged, in payoff units | ≥ 0 |
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Automatic {
    /// The largest duality gap that counts as converged, in units of the payoff.
    pub tolerance: f64,
}

impl Default for Automatic {
    fn default() -> Self {
        Self { tolerance: 1e-10 }
    }
}

/// Actions of the larger side from which on products are cheaper than factorizations.
const MANY_ACTIONS: usize = 24;
/// The ηB up to which they are.
const MODERATE: f64 = 250.0;
/// Actions up to which a factorization is thinkable at all.
const FACTORIZABLE: usize = 1 << 14;
/// Mirror-prox steps spent on a game that nothing else solved.
const FALLBACK_ITERATIONS: usize = 100_000;

impl NashSolver for Automatic {
    fn name(&self) -> &'static str {
        "automatic"
    }

    fn solve(
        &self,
        game: &RegularizedGame<'_>,
        start: &Profile,
        observer: &mut dyn Observer<Iteration>,
    ) -> Result<Solution, SolveError> {
        let tolerance = self.tolerance;
        let newton = Newton { tolerance, ..Newton::default() };
        let krylov = NewtonKrylov { tolerance, ..NewtonKrylov::default() };
        let slow = MirrorProx { tolerance, max_iterations: FALLBACK_ITERATIONS };
        let (n, m) = (game.payoff().nrows(), game.payoff().ncols());
        let (widest, scale) = (n.max(m), game.eta().get() * game.payoff().payoff_bound());
        let factorizable = widest <= FACTORIZABLE;
        let mut choices: Vec<(&dyn NashSolver, &'static str)> = Vec::new();
        let low_rank = LowRankNewton { tolerance, ..LowRankNewton::default() };
        let closed_form = ClosedForm { tolerance };
        let stored = game.payoff().stored();
        let factors = stored.and_then(StoredPayoffs::skew_factors);
        let few_features = factors.is_some_and(|factors| factors.rank < n);
        if ClosedForm::applies(game) {
            choices.push((&closed_form, "one or two actions"));
        } else if few_features && game.is_symmetric() {
            choices.push((&low_rank, "few features: the equilibrium is a point in their space"));
            if factorizable {
                choices.push((&newton, "newton-low-rank did not converge"));
            }
        } else if widest < MANY_ACTIONS {
            choices.push((&newton, "few actions: a factorization is cheap"));
        } else if scale <= MODERATE || !factorizable {
            choices.push((&krylov, "many actions, moderate eta: products are cheap"));
            if factorizable {
                choices.push((&newton, "newton-krylov did not converge"));
            }
        } else {
            choices.push((&newton, "large eta: its path needs factorizations"));
        }
        // (1 + ηB) log(1/gap) iterations are needed: beyond the limit there is nothing to hope for.
        if 20.0 * scale <= FALLBACK_ITERATIONS as f64 {
            choices.push((&slow, "nothing faster converged"));
        }
        first_to_converge(&choices, game, start, observer)
    }
}

/// Runs solvers until one converges or is stopped; the best solution otherwise.
fn first_to_converge(
    choices: &[(&dyn NashSolver, &'static str)],
    game: &RegularizedGame<'_>,
    start: &Profile,
    observer: &mut dyn Observer<Iteration>,
) -> Result<Solution, SolveError> {
    let mut best: Option<Solution> = None;
    let mut failure = None;
    let mut products = 0;
    for (solver, reason) in choices {
        // What a method that failed has spent counts.
        let spent = products;
        let mut relay = |event: &Iteration| {
            products = spent + event.products;
            observer.observe(&Iteration { products, ..*event })
        };
        match solver.solve(game, start, &mut relay) {
            Ok(solution) => {
                let solution = Solution { reason, ..solution };
                let done = matches!(solution.status, Status::Converged | Status::Stopped);
                let gap = solution.certificate.duality_gap;
                if best.as_ref().is_none_or(|best| gap < best.certificate.duality_gap) {
                    best = Some(solution);
                }
                if done {
                    break;
                }
            }
            // Another method may get through where this one left the range of f64.
            Err(error @ SolveError::NotFinite { .. }) => failure = Some(error),
            Err(error) => return Err(error),
        }
    }
    match (best, failure) {
        (Some(best), _) => Ok(best),
        (None, Some(error)) => Err(error),
        (None, None) => unreachable!("there is always a first choice"),
    }
}
