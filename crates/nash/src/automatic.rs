//! The choice of method: a closed form where there is one, Newton otherwise, mirror-prox if it fails.

use crate::{ClosedForm, MirrorProx, Newton};
use nlhf_core::{
    Iteration, NashSolver, Observer, Profile, RegularizedGame, Solution, SolveError, Status,
};

/// Picks the method from the game, and falls back; the solution names the method that found it.
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

/// Mirror-prox steps spent on a game that Newton did not solve.
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
        if ClosedForm::applies(game) {
            return ClosedForm { tolerance }.solve(game, start, observer);
        }
        let newton = Newton { tolerance, ..Newton::default() }.solve(game, start, observer);
        let start = match &newton {
            Ok(solution) if matches!(solution.status, Status::Converged | Status::Stopped) => {
                return newton;
            }
            Ok(solution) => &solution.profile,
            Err(SolveError::NotFinite { .. }) => game.reference(),
            Err(_) => return newton,
        };
        // (1 + ηB) log(1/gap) iterations are needed: beyond the limit there is nothing to hope for.
        if 20.0 * game.eta().get() * game.payoff().payoff_bound() > FALLBACK_ITERATIONS as f64 {
            return newton;
        }
        let fallback = MirrorProx { tolerance, max_iterations: FALLBACK_ITERATIONS };
        let second = fallback.solve(game, start, observer);
        match (newton, second) {
            (Ok(first), Ok(second)) => {
                let better = second.certificate.duality_gap < first.certificate.duality_gap;
                Ok(if better { second } else { first })
            }
            (Err(_), second) => second,
            (first, Err(_)) => first,
        }
    }
}
