//! Symmetric games with one or two actions, in closed form.
//!
//! ```text
//! log π(1) − log π(2) = log π₀(1) − log π₀(2) + η A(1, 2)
//! ```
//! because both rows of `Aπ` differ by `A(1,2)(π(1) + π(2))`, whatever `π` is.

use crate::newton::check_start;
use nlhf_core::{
    ASKED_FOR, Distribution, Iteration, NashSolver, Observer, Profile, RegularizedGame, Solution,
    SolveError, Status,
};

/// The exact equilibrium of symmetric games with at most two actions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ClosedForm {
    /// The largest duality gap that counts as converged, in units of the payoff.
    pub tolerance: f64,
}

impl Default for ClosedForm {
    fn default() -> Self {
        Self { tolerance: 1e-10 }
    }
}

impl ClosedForm {
    /// Whether this method solves `game`.
    pub fn applies(game: &RegularizedGame<'_>) -> bool {
        game.is_symmetric() && game.payoff().nrows() <= 2
    }
}

impl NashSolver for ClosedForm {
    fn name(&self) -> &'static str {
        "closed-form"
    }

    fn solve(
        &self,
        game: &RegularizedGame<'_>,
        start: &Profile,
        _: &mut dyn Observer<Iteration>,
    ) -> Result<Solution, SolveError> {
        check_start(game, start)?;
        if !Self::applies(game) {
            let solves = "symmetric games of at most two actions";
            return Err(SolveError::Unsupported { method: self.name(), solves });
        }
        let mut logits = game.reference().row.log_probabilities().to_vec();
        if let [first, _] = logits.as_mut_slice() {
            let mut payoff = [0.0; 4];
            game.payoff().write_dense(&mut payoff);
            *first += game.eta().get() * 0.5 * (payoff[1] - payoff[2]);
        }
        let broken = SolveError::NotFinite { method: self.name(), iteration: 0 };
        let policy = Distribution::from_logits(logits).map_err(|_| broken)?;
        let profile = Profile::symmetric(policy);
        let certificate = game.certify(&profile);
        let converged = certificate.duality_gap <= self.tolerance;
        let status = if converged { Status::Converged } else { Status::Stalled };
        Ok(Solution {
            profile,
            certificate,
            status,
            iterations: 0,
            method: self.name(),
            reason: ASKED_FOR,
        })
    }
}
