//! The game of each prompt by itself: the bonus form of pessimism, and the estimate taken at its word.
//!
//! ```text
//! M = max(R̂ − width, −B)  or  M = R̂,      (π̂, q̂) = the equilibrium of M
//! sub(π̂) ≤ −min_q J_M(π̂, q),   max_b (P(b ≻ π̂) − ½) ≤ max_b −(M'π̂)_b       where M is below the truth
//! ```
//! Source: Ye et al. (arXiv 2402.07314), section 3, the bonus form.

use crate::{OfflineConfig, OfflineError, Pessimism};
use nlhf_core::{
    Certificate, ConfidenceWidth, DenseGame, Distribution, Menu, NashSolver, Policy, Profile,
    RegularizedGame, Solution, Status, ZeroSumGame,
};

/// What was found for one prompt, before and after the policy class has taken it.
pub(crate) struct Found {
    pub(crate) policy: Distribution,
    pub(crate) opponent: Distribution,
    pub(crate) certificate: Certificate,
    pub(crate) suboptimality_bound: Option<f64>,
    pub(crate) exploitability_bound: Option<f64>,
    pub(crate) expected_width: Option<f64>,
    pub(crate) status: Status,
    pub(crate) method: &'static str,
    pub(crate) iterations: usize,
}

/// A prompt with the model and the reference that make its game.
pub(crate) struct PromptGame<'a, M> {
    pub(crate) config: &'a OfflineConfig,
    pub(crate) model: &'a M,
    pub(crate) menu: Menu<'a>,
    pub(crate) reference: &'a dyn Policy,
}

impl<M: ConfidenceWidth> PromptGame<'_, M> {
    /// Solves it.
    pub(crate) fn solve(&self, solver: &dyn NashSolver) -> Result<Found, OfflineError> {
        let payoff = self.payoff();
        let reference = self.reference();
        let game = self.regularized(&payoff, &reference)?;
        let prompt = self.menu.prompt();
        let solved = solver.solve(&game, &reference, &mut ());
        let solution = solved.map_err(|source| OfflineError::Solve { prompt, source })?;
        let Solution { profile, certificate, status, method, iterations, .. } = solution;
        let found = Found {
            policy: profile.row,
            opponent: profile.column,
            certificate,
            suboptimality_bound: None,
            exploitability_bound: None,
            expected_width: None,
            status,
            method,
            iterations,
        };
        Ok(self.bounded(&payoff, found))
    }

    /// What is left of it if `policy` is played in place of the solution.
    pub(crate) fn certify(
        &self,
        found: Found,
        policy: Distribution,
    ) -> Result<Found, OfflineError> {
        let payoff = self.payoff();
        let reference = self.reference();
        let profile = Profile { row: policy, column: found.opponent };
        let certificate = self.regularized(&payoff, &reference)?.certify(&profile);
        let Profile { row: policy, column: opponent } = profile;
        Ok(self.bounded(&payoff, Found { policy, opponent, certificate, ..found }))
    }

    fn bounded(&self, payoff: &DenseGame, found: Found) -> Found {
        if self.config.pessimism != Pessimism::Bonus {
            return found;
        }
        // What the pessimistic payoffs lie below the estimate, floor included.
        let estimate = self.model.game(self.menu, self.config.scale);
        let (p, q) = (found.policy.probabilities(), found.opponent.probabilities());
        let rows =
            payoff.entries().chunks_exact(q.len()).zip(estimate.entries().chunks_exact(q.len()));
        let row = |(low, middle): (&[f64], &[f64])| -> f64 {
            let terms = low.iter().zip(middle).zip(&q);
            terms.map(|((low, middle), q)| q * (middle - low)).sum()
        };
        let expected = p.iter().zip(rows).map(|(p, rows)| p * row(rows)).sum();
        Found {
            suboptimality_bound: Some(found.certificate.worst_shortfall()),
            exploitability_bound: Some(best_gain(payoff, &p)),
            expected_width: Some(expected),
            ..found
        }
    }

    /// The payoffs that are played.
    pub(crate) fn payoff(&self) -> DenseGame {
        match self.config.pessimism {
            Pessimism::Bonus => self.model.pessimistic_game(self.menu, self.config.scale),
            Pessimism::VersionSpace | Pessimism::None => {
                self.model.game(self.menu, self.config.scale)
            }
        }
    }

    pub(crate) fn reference(&self) -> Profile {
        Profile::symmetric(self.reference.distribution(self.menu))
    }

    pub(crate) fn regularized<'a>(
        &self,
        payoff: &'a DenseGame,
        reference: &'a Profile,
    ) -> Result<RegularizedGame<'a>, OfflineError> {
        RegularizedGame::new(payoff, reference, self.config.eta)
            .map_err(|source| OfflineError::Reference { prompt: self.menu.prompt(), source })
    }
}

/// `max_b −(A'p)_b`, at least zero: what the best single response gains against a policy without the KL terms, where no
/// payoff is below `A`.
pub(crate) fn best_gain(payoff: &DenseGame, policy: &[f64]) -> f64 {
    let mut losses = vec![0.0; payoff.ncols()];
    payoff.apply_transpose(policy, &mut losses);
    losses.into_iter().fold(0.0, |most, loss| f64::max(most, -loss))
}
