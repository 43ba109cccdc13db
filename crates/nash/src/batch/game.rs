//! One game of a batch, borrowed: payoffs, references and η as slices of whatever holds them.

use nlhf_core::log_space::log_sum_exp;
use nlhf_core::{
    DenseGame, Distribution, Eta, GameError, NORMALIZATION_TOLERANCE, Profile, RegularizedGame,
    ZeroSumGame,
};

/// A game of a batch; construction checks it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BatchGame<'a> {
    payoff: &'a [f64],
    log_row: &'a [f64],
    /// `None` if both players share one policy.
    log_column: Option<&'a [f64]>,
    eta: f64,
    bound: f64,
    lowest_reference: f64,
}

impl<'a> BatchGame<'a> {
    /// A symmetric game: `n × n` finite row-major payoffs, of which those above the diagonal stand for a
    /// skew matrix, and the log-probabilities of the reference of both players.
    ///
    /// # Errors
    /// [`GameError::Shape`] if there are not `n²` payoffs or `n` is zero, [`GameError::NotFinite`] for a
    /// payoff, [`GameError::LogReference`] and [`GameError::ReferenceSum`] for references that are no
    /// log-probabilities with a sum of one within 1e-9.
    pub fn symmetric(
        payoff: &'a [f64],
        log_reference: &'a [f64],
        eta: Eta,
    ) -> Result<Self, GameError> {
        Self::check(payoff, log_reference, None, eta)
    }

    /// A game of two players: `n × m` row-major payoffs of the row player, and the log-probabilities of both
    /// references, of lengths `n` and `m`.
    ///
    /// # Errors
    /// Those of [`BatchGame::symmetric`].
    pub fn two_player(
        payoff: &'a [f64],
        log_row: &'a [f64],
        log_column: &'a [f64],
        eta: Eta,
    ) -> Result<Self, GameError> {
        Self::check(payoff, log_row, Some(log_column), eta)
    }

    fn check(
        payoff: &'a [f64],
        log_row: &'a [f64],
        log_column: Option<&'a [f64]>,
        eta: Eta,
    ) -> Result<Self, GameError> {
        let (nrows, ncols) = (log_row.len(), log_column.unwrap_or(log_row).len());
        if nrows == 0 || ncols == 0 || nrows.checked_mul(ncols) != Some(payoff.len()) {
            let (what, given) = ("the payoffs of a batch game", payoff.len());
            return Err(GameError::Shape { what, nrows, ncols, given });
        }
        let bound = largest(payoff);
        if !bound.is_finite() {
            let at = payoff.iter().position(|a| !a.is_finite()).unwrap_or(0);
            let (row, column) = (at / ncols, at % ncols);
            return Err(GameError::NotFinite { row, column, given: payoff[at] });
        }
        let mut lowest_reference = 0.0_f64;
        for (player, logs) in [("row", log_row), ("column", log_column.unwrap_or(&[]))] {
            for (action, &log_p) in logs.iter().enumerate() {
                // Rounding may leave a sure action a little above zero.
                if log_p.is_nan() || log_p > 1e-9 {
                    return Err(GameError::LogReference { player, action, given: log_p });
                }
                lowest_reference = lowest_reference.min(log_p);
            }
            if !logs.is_empty() && logs.iter().all(|&log_p| log_p == f64::NEG_INFINITY) {
                return Err(GameError::LogReference { player, action: 0, given: logs[0] });
            }
            if !logs.is_empty() && log_sum_exp(logs).abs() > NORMALIZATION_TOLERANCE {
                return Err(GameError::ReferenceSum { player, sum: log_sum_exp(logs).exp() });
            }
        }
        Ok(Self { payoff, log_row, log_column, eta: eta.get(), bound, lowest_reference })
    }

    /// Actions of the row player.
    pub fn nrows(&self) -> usize {
        self.log_row.len()
    }

    /// Actions of the column player.
    pub fn ncols(&self) -> usize {
        self.log_column.unwrap_or(self.log_row).len()
    }

    /// Whether both players share one equilibrium policy.
    pub fn is_symmetric(&self) -> bool {
        self.log_column.is_none()
    }

    pub(super) fn shape(&self) -> (bool, usize, usize) {
        (self.is_symmetric(), self.nrows(), self.ncols())
    }

    pub(super) fn payoff(&self) -> &'a [f64] {
        self.payoff
    }

    /// The references of both players; of one, if they share it.
    pub(super) fn references(&self) -> [&'a [f64]; 2] {
        [self.log_row, self.log_column.unwrap_or(&[])]
    }

    pub(super) fn eta(&self) -> f64 {
        self.eta
    }

    /// The largest payoff in absolute value.
    pub(super) fn bound(&self) -> f64 {
        self.bound
    }

    pub(super) fn lowest_reference(&self) -> f64 {
        self.lowest_reference
    }

    /// Numbers that the players' policies take together.
    pub(super) fn policy_len(&self) -> usize {
        self.nrows() + self.log_column.map_or(0, <[f64]>::len)
    }

    /// Calls a function with the game in the form that every solver takes.
    pub(super) fn with_regularized<T>(
        &self,
        solve: impl FnOnce(&RegularizedGame<'_>, &Profile) -> T,
    ) -> T {
        let (nrows, ncols) = (self.nrows(), self.ncols());
        let distribution = |logs: &[f64]| {
            Distribution::from_log_probabilities(logs.to_vec()).expect("references were checked")
        };
        let (payoff, reference) = match self.log_column {
            None => (
                DenseGame::skew_from_upper(nrows, |i, j| self.payoff[i * ncols + j]),
                Profile::symmetric(distribution(self.log_row)),
            ),
            Some(log_column) => (
                DenseGame::new(nrows, ncols, self.payoff.to_vec()).expect("payoffs were checked"),
                Profile { row: distribution(self.log_row), column: distribution(log_column) },
            ),
        };
        let payoff: &dyn ZeroSumGame = &payoff;
        let eta = Eta::new(self.eta).expect("it was an Eta");
        let game = RegularizedGame::new(payoff, &reference, eta).expect("shapes were checked");
        solve(&game, &reference)
    }
}

/// The largest absolute value, infinite if one is not a finite number.
fn largest(values: &[f64]) -> f64 {
    let (chunks, rest) = values.as_chunks::<8>();
    let mut largest = [0.0_f64; 8];
    // Zero unless a value is not a finite number.
    let mut broken = [0.0_f64; 8];
    for chunk in chunks {
        for ((largest, broken), &value) in largest.iter_mut().zip(&mut broken).zip(chunk) {
            *largest = if value.abs() > *largest { value.abs() } else { *largest };
            *broken += 0.0 * value;
        }
    }
    let finite = broken.iter().all(|&zero| zero == 0.0) && rest.iter().all(|x| x.is_finite());
    let all = largest.iter().chain(rest).fold(0.0_f64, |all, x| all.max(x.abs()));
    if finite { all } else { f64::INFINITY }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_game_is_refused() {
        let eta = Eta::new(1.0).unwrap();
        let half = [-(2f64.ln()); 2];
        assert!(BatchGame::symmetric(&[0.0; 4], &half, eta).is_ok());
        assert!(BatchGame::symmetric(&[0.0; 3], &half, eta).is_err());
        assert!(BatchGame::symmetric(&[], &[], eta).is_err());
        let error = BatchGame::symmetric(&[0.0, f64::NAN, 0.0, 0.0], &half, eta).unwrap_err();
        assert!(matches!(error, GameError::NotFinite { row: 0, column: 1, .. }), "{error}");
        for bad in [f64::NAN, 0.1, f64::INFINITY, -2.0] {
            assert!(BatchGame::symmetric(&[0.0; 4], &[bad, -1.0], eta).is_err());
        }
        assert!(BatchGame::symmetric(&[0.0], &[f64::NEG_INFINITY], eta).is_err());
        assert!(BatchGame::two_player(&[1.0, 2.0], &half, &[0.0], eta).is_ok());
    }

    #[test]
    fn the_largest_value_is_found_anywhere() {
        for at in 0..19 {
            let mut values = vec![0.5; 19];
            values[at] = -3.0;
            assert!((largest(&values) - 3.0).abs() < 1e-15);
            values[at] = f64::NAN;
            assert!(largest(&values).is_infinite());
            values[at] = f64::NEG_INFINITY;
            assert!(largest(&values).is_infinite());
        }
    }
}
