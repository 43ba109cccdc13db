//! Newton's method on the logits, damped and with continuation: quadratic, at every η.
//!
//! ```text
//! F(u) = u − η(Aπ + c) = 0,   π = softmax(u),   c = log π₀ / η
//! ```
//! The unknowns are log-probabilities up to a constant. The fixed point is that of Ye et al. (arXiv
//! 2402.07314), section 2; its Jacobian is nonsingular at every point because `A` is skew, or made so by
//! stacking both players. The linear algebra is in `skew_system` and `two_player_system`, the
//! globalization in `continuation`.

use crate::continuation::{End, Path, System};
use crate::skew_system::SkewSystem;
use crate::support::Support;
use crate::two_player_system::TwoPlayerSystem;
use nlhf_core::{
    ASKED_FOR, Certificate, Iteration, NashSolver, Observer, Profile, RegularizedGame, Solution,
    SolveError, Status,
};

/// Damped Newton with continuation in η, for symmetric and for general games.
///
/// It reads all payoffs once. Iterating goes on to the rounding floor whatever the tolerance, because
/// the last quadratic step costs one factorization and makes the policy, and not only its gap,
/// accurate: the distance to the equilibrium is up to the square root of the gap.
///
/// | Name | Default | Purpose | Range |
/// |---|---|---|---|
/// | `tolerance` | 1e-10 | largest duality gap that counts as converged, in payoff units | ≥ 0 |
/// | `max_iterations` | 1000 | Newton steps over all stages | ≥ 1 |
///
/// # Complexity
/// A step costs `2n³/3` flops in a symmetric game, `2(n + m)³/3` in a general one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Newton {
    /// The largest duality gap that counts as converged, in units of the payoff.
    pub tolerance: f64,
    /// Newton steps over all stages of a continuation.
    pub max_iterations: usize,
}

impl Default for Newton {
    fn default() -> Self {
        Self { tolerance: 1e-10, max_iterations: 1000 }
    }
}

/// Above this ηB a cold start goes straight to the continuation.
const COLD_START_LIMIT: f64 = 60.0;

impl NashSolver for Newton {
    fn name(&self) -> &'static str {
        "newton"
    }

    fn solve(
        &self,
        game: &RegularizedGame<'_>,
        start: &Profile,
        observer: &mut dyn Observer<Iteration>,
    ) -> Result<Solution, SolveError> {
        check_start(game, start)?;
        let (support, eta) = (Support::new(game), game.eta().get());
        if game.is_symmetric() {
            self.run(game, start, observer, &mut SkewSystem::new(support, eta))
        } else {
            self.run(game, start, observer, &mut TwoPlayerSystem::new(support, eta))
        }
    }
}

impl Newton {
    fn run(
        &self,
        game: &RegularizedGame<'_>,
        start: &Profile,
        observer: &mut dyn Observer<Iteration>,
        system: &mut dyn System,
    ) -> Result<Solution, SolveError> {
        let eta = game.eta().get();
        let logits = system.start(start);
        let hard = start == game.reference() && eta * system.payoff_bound() > COLD_START_LIMIT;
        // A direct attempt may use a part of the budget only: the continuation needs the rest.
        let direct_limit = if hard { 0 } else { self.max_iterations.min(60) };
        let mut path = Path::new(&mut *system, &mut *observer, logits, direct_limit);
        let mut end = path.solve_at(eta);
        let (logits, mut iterations) = (path.logits, path.iterations);
        let mut best = certified(game, system, &logits);
        if !matches!(end, End::Floor | End::Stopped) && iterations < self.max_iterations {
            let limit = self.max_iterations - iterations;
            let mut path = Path::new(&mut *system, observer, vec![0.0; logits.len()], limit);
            let followed = path.follow_to(eta);
            iterations += path.iterations;
            let logits = path.logits;
            let second = certified(game, system, &logits);
            let gap = |found: &Option<(Profile, Certificate)>| {
                found.as_ref().map_or(f64::INFINITY, |(_, certificate)| certificate.duality_gap)
            };
            if best.is_none() || gap(&second) < gap(&best) {
                (end, best) = (followed, second);
            }
        }
        let (profile, certificate) =
            best.ok_or(SolveError::NotFinite { method: self.name(), iteration: iterations })?;
        let status = match end {
            _ if certificate.duality_gap <= self.tolerance => Status::Converged,
            End::Limit => Status::IterationLimit,
            End::Stopped => Status::Stopped,
            End::Floor | End::Stalled | End::Broken => Status::Stalled,
        };
        Ok(Solution {
            profile,
            certificate,
            status,
            iterations,
            method: self.name(),
            reason: ASKED_FOR,
        })
    }
}

/// The profile of these logits with its certificate, `None` if either is not a number.
fn certified(
    game: &RegularizedGame<'_>,
    system: &dyn System,
    logits: &[f64],
) -> Option<(Profile, Certificate)> {
    let profile = system.profile(logits)?;
    let certificate = game.certify(&profile);
    (!certificate.duality_gap.is_nan()).then_some((profile, certificate))
}

/// Whether a start fits its game.
pub(crate) fn check_start(game: &RegularizedGame<'_>, start: &Profile) -> Result<(), SolveError> {
    let (nrows, ncols) = (game.payoff().nrows(), game.payoff().ncols());
    let (row, column) = (start.row.len(), start.column.len());
    if (row, column) == (nrows, ncols) {
        Ok(())
    } else {
        Err(SolveError::StartShape { nrows, ncols, row, column })
    }
}
