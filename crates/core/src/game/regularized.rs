//! The KL-regularized game: payoffs, a reference for each player, and η.
//!
//! ```text
//! J(p, q) = p'Aq − KL(p‖π₀)/η + KL(q‖μ₀)/η
//! ```
//! Strongly concave in `p` and strongly convex in `q`, hence one equilibrium; the same policy for both
//! players if `A` is skew and `π₀ = μ₀` (Ye et al., arXiv 2402.07314).

use super::certificate::kl_to_best_response;
use super::{Certificate, GameError, Profile, ZeroSumGame};
use crate::{Distribution, Eta};

/// A game as it is asked: borrowed payoffs, borrowed references, η.
#[derive(Debug, Clone, Copy)]
pub struct RegularizedGame<'a> {
    payoff: &'a dyn ZeroSumGame,
    reference: &'a Profile,
    eta: Eta,
    symmetric: bool,
}

impl<'a> RegularizedGame<'a> {
    /// Puts payoffs, references and η together.
    ///
    /// # Errors
    /// [`GameError::Reference`] if a reference has another number of actions than the game.
    pub fn new(
        payoff: &'a dyn ZeroSumGame,
        reference: &'a Profile,
        eta: Eta,
    ) -> Result<Self, GameError> {
        for (player, required, given) in [
            ("row", payoff.nrows(), reference.row.len()),
            ("column", payoff.ncols(), reference.column.len()),
        ] {
            if required != given {
                return Err(GameError::Reference { player, required, given });
            }
        }
        let symmetric = payoff.is_skew() && reference.row == reference.column;
        Ok(Self { payoff, reference, eta, symmetric })
    }

    /// The payoffs.
    pub fn payoff(&self) -> &'a dyn ZeroSumGame {
        self.payoff
    }

    /// The reference of each player.
    pub fn reference(&self) -> &'a Profile {
        self.reference
    }

    /// The factor η of the payoffs.
    pub fn eta(&self) -> Eta {
        self.eta
    }

    /// Whether both players share one equilibrium policy: skew payoffs and equal references.
    pub fn is_symmetric(&self) -> bool {
        self.symmetric
    }

    /// The row player's best response `π₀ exp(+ηAq) / Z`.
    ///
    /// # Panics
    /// If `column` does not fit the game.
    pub fn best_row_response(&self, column: &Distribution) -> Distribution {
        let mut gains = vec![0.0; self.payoff.nrows()];
        self.payoff.apply(&column.probabilities(), &mut gains);
        tilted(&self.reference.row, self.eta.get(), &gains)
    }

    /// The column player's best response `μ₀ exp(−ηAᵀp) / Z`.
    ///
    /// # Panics
    /// If `row` does not fit the game.
    pub fn best_column_response(&self, row: &Distribution) -> Distribution {
        let mut losses = vec![0.0; self.payoff.ncols()];
        self.payoff.apply_transpose(&row.probabilities(), &mut losses);
        tilted(&self.reference.column, -self.eta.get(), &losses)
    }

    /// Recomputes value and gap of a profile from its policies alone.
    ///
    /// # Complexity
    /// Two products, one if the game is symmetric and both policies are equal.
    ///
    /// # Panics
    /// If the profile does not fit the game.
    pub fn certify(&self, profile: &Profile) -> Certificate {
        let (row, column) = (&profile.row, &profile.column);
        let (n, m) = (self.payoff.nrows(), self.payoff.ncols());
        assert_eq!((row.len(), column.len()), (n, m), "the profile must fit the game");
        let eta = self.eta.get();
        let mut gains = vec![0.0; n];
        let mut scratch = vec![0.0; n.max(m)];
        self.payoff.apply(&column.probabilities(), &mut gains);
        let payoff: f64 =
            row.log_probabilities().iter().zip(&gains).map(|(log_p, g)| log_p.exp() * g).sum();
        for gain in &mut gains {
            *gain *= eta;
        }
        let regret =
            |policy: &Distribution, reference: &Distribution, gains: &[f64], d: &mut [f64]| {
                let (p, r) = (policy.log_probabilities(), reference.log_probabilities());
                kl_to_best_response(p, r, gains, d) / eta
            };
        let row_regret = regret(row, &self.reference.row, &gains, &mut scratch[..n]);
        if self.symmetric && row == column {
            return Certificate {
                value: 0.0,
                duality_gap: 2.0 * row_regret,
                row_regret,
                column_regret: row_regret,
            };
        }
        let mut losses = vec![0.0; m];
        self.payoff.apply_transpose(&row.probabilities(), &mut losses);
        for loss in &mut losses {
            *loss *= -eta;
        }
        let column_regret = regret(column, &self.reference.column, &losses, &mut scratch[..m]);
        let kl_row = row.kl_nats(&self.reference.row);
        let kl_column = column.kl_nats(&self.reference.column);
        Certificate {
            value: payoff + (kl_column - kl_row) / eta,
            duality_gap: row_regret + column_regret,
            row_regret,
            column_regret,
        }
    }
}

/// `reference · exp(factor · gains) / Z`.
fn tilted(reference: &Distribution, factor: f64, gains: &[f64]) -> Distribution {
    let logs = reference.log_probabilities().iter().zip(gains);
    Distribution::from_logits(logs.map(|(log_r, gain)| log_r + factor * gain).collect())
        .expect("a reference tilted by finite payoffs is a distribution")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DenseGame;

    fn eta(eta: f64) -> Eta {
        Eta::new(eta).unwrap()
    }

    #[test]
    fn one_action_has_nothing_to_gain() {
        let game = DenseGame::skew_from_upper(1, |_, _| 0.0);
        let reference = Profile::uniform(1, 1);
        let game = RegularizedGame::new(&game, &reference, eta(3.0)).unwrap();
        assert!(game.certify(&reference).duality_gap == 0.0);
    }

    #[test]
    fn two_actions_have_a_closed_form() {
        // θ₁ − θ₂ = log(π₁/π₂) + ηA₁₂ whatever the opponent does.
        let payoff = DenseGame::from_probabilities(2, &[0.5, 0.8, 0.2, 0.5]).unwrap();
        let reference = Profile::symmetric(Distribution::from_masses(&[0.1, 0.9]).unwrap());
        let game = RegularizedGame::new(&payoff, &reference, eta(10.0)).unwrap();
        let ne = Distribution::from_logits(vec![0.1f64.ln() + 3.0, 0.9f64.ln()]).unwrap();
        let certificate = game.certify(&Profile::symmetric(ne.clone()));
        assert!(certificate.duality_gap < 1e-30, "{certificate:?}");
        let response = game.best_row_response(&Distribution::uniform(2));
        assert!(response.kl_nats(&ne) < 1e-20 + 1e-15);
    }

    #[test]
    fn a_reference_of_the_wrong_length_is_refused() {
        let payoff = DenseGame::skew_from_upper(2, |_, _| 0.1);
        let reference = Profile::uniform(2, 3);
        let error = RegularizedGame::new(&payoff, &reference, eta(1.0)).unwrap_err();
        assert!(error.to_string().contains("column player must have 2 actions, but has 3"));
    }
}
