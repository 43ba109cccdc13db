//! The KL-regularized game: payoffs, a reference for each player, and η.
//!
//! ```text
//! J(p, q) = p'Aq − KL(p‖π₀)/η + KL(q‖μ₀)/η
//! ```
//! Strongly concave in `p` and strongly convex in `q`, hence one equilibrium; the same policy for both
//! players if `A` is skew and `π₀ = μ₀` (Ye et al., arXiv 2402.07314).

use super::evaluation::evaluate;
use super::stored_payoffs::PreciseProducts;
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
    /// If `column` does not fit the game, or `ηA` leaves the range of f64.
    pub fn best_row_response(&self, column: &Distribution) -> Distribution {
        let mut gains = vec![0.0; self.payoff.nrows()];
        self.payoff.apply(&column.probabilities(), &mut gains);
        tilted(&self.reference.row, self.eta.get(), &gains)
    }

    /// The column player's best response `μ₀ exp(−ηAᵀp) / Z`.
    ///
    /// # Panics
    /// If `row` does not fit the game, or `ηA` leaves the range of f64.
    pub fn best_column_response(&self, row: &Distribution) -> Distribution {
        let mut losses = vec![0.0; self.payoff.ncols()];
        self.payoff.apply_transpose(&row.probabilities(), &mut losses);
        tilted(&self.reference.column, -self.eta.get(), &losses)
    }

    /// Recomputes value and gap of a profile from its policies alone, in f64: never below the true gap.
    ///
    /// How far above it may be: see [`Certificate`].
    ///
    /// # Complexity
    /// Two products, one if the game is symmetric and both policies are equal.
    ///
    /// # Panics
    /// If the profile does not fit the game.
    pub fn certify(&self, profile: &Profile) -> Certificate {
        self.check(profile);
        evaluate::<f64>(self, &self.payoff, profile)
    }

    /// The same with exponents in twice the digits of f64: never below the true gap, and at most 1e-9
    /// relative above it from `(2·10¹⁰ δ)²` nats on, `δ ≈ 2⁻¹⁰³ (n + 40) ηB`: 1e-37 nats where `ηB` is of
    /// order one, 1e-23 where it is 1e7, which few equilibria in f64 come near.
    ///
    /// The payoffs are those of [`ZeroSumGame::stored`], or else of
    /// [`ZeroSumGame::write_dense`], which takes `8nm` bytes.
    ///
    /// # Complexity
    /// As many products as [`RegularizedGame::certify`], each 15 to 50 times as long.
    ///
    /// # Panics
    /// If the profile does not fit the game.
    pub fn certify_precisely(&self, profile: &Profile) -> Certificate {
        self.check(profile);
        let mut entries = Vec::new();
        evaluate(self, &PreciseProducts::new(self.payoff, &mut entries), profile)
    }

    fn check(&self, profile: &Profile) {
        let shape = (self.payoff.nrows(), self.payoff.ncols());
        assert_eq!(
            (profile.row.len(), profile.column.len()),
            shape,
            "the profile must fit the game"
        );
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
        assert!(certificate.duality_gap < 1e-28, "{certificate:?}");
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
