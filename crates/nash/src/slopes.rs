//! How the equilibrium moves with η: the slope of every log-probability.
//!
//! ```text
//! F(u; η) = u − η(Aπ − V) − log π₀ = 0      ⇒      du/d log η = F'⁻¹ η(Aπ − V)
//! d log π / d log η = du/d log η − E_π[du/d log η]
//! ```
//! The references are held fixed, as along the path that a user asks for. As η → ∞ the slope of an
//! action tells what becomes of it: it tends to 0 if the limit plays the action, to a number of at
//! most −1 if the action is tied without being played, and to −∞ if it falls short of the value.

use crate::continuation::System;
use crate::skew_system::SkewSystem;
use crate::support::{Support, start_logits};
use crate::two_player_system::TwoPlayerSystem;
use nlhf_core::{Profile, RegularizedGame};

/// `d log p / d log η` of both players at an equilibrium, for the actions their references play.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Slopes {
    pub(crate) row: Vec<f64>,
    pub(crate) column: Vec<f64>,
}

/// The slopes at `profile`, taken to be the equilibrium of `game`; `None` if they are not finite.
pub(crate) fn slopes(game: &RegularizedGame<'_>, profile: &Profile) -> Option<Slopes> {
    let (support, eta) = (Support::new(game), game.eta().get());
    let (rows, columns) = (support.rows.clone(), support.columns.clone());
    let row_prior = support.log_row.clone();
    let u = start_logits(&profile.row, &rows);
    if game.is_symmetric() {
        let moved = moved(&mut SkewSystem::new(support, eta), eta, &u, &row_prior)?;
        let row = centred(&moved, &u);
        return finite(Slopes { column: row.clone(), row });
    }
    let v = start_logits(&profile.column, &columns);
    let prior = [row_prior, support.log_column.clone()].concat();
    let both = [&u[..], &v[..]].concat();
    let moved = moved(&mut TwoPlayerSystem::new(support, eta), eta, &both, &prior)?;
    let (row, column) = moved.split_at(u.len());
    finite(Slopes { row: centred(row, &u), column: centred(column, &v) })
}

/// `F'⁻¹ η(Aπ − V)`: the tangent of the system less what moves its prior.
fn moved(system: &mut dyn System, eta: f64, logits: &[f64], prior: &[f64]) -> Option<Vec<f64>> {
    let mut rhs = vec![0.0; logits.len()];
    system.residual(eta, logits, &mut rhs);
    system.tangent(&mut rhs);
    for (rhs, log_p) in rhs.iter_mut().zip(prior) {
        *rhs = eta * *rhs - log_p;
    }
    let mut moved = vec![0.0; logits.len()];
    system.factorize().then(|| system.solve(&rhs, &mut moved))?;
    Some(moved)
}

fn centred(moved: &[f64], log_policy: &[f64]) -> Vec<f64> {
    let mean: f64 = moved.iter().zip(log_policy).map(|(x, l)| l.exp() * x).sum();
    moved.iter().map(|x| x - mean).collect()
}

fn finite(slopes: Slopes) -> Option<Slopes> {
    let all = slopes.row.iter().chain(&slopes.column).all(|slope| slope.is_finite());
    all.then_some(slopes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Newton;
    use nlhf_core::{DenseGame, Distribution, Eta, NashSolver};

    /// Central differences of two solves, for every action with a prior.
    fn check(payoff: &DenseGame, reference: &Profile) {
        let solve = |eta: f64| {
            let game = RegularizedGame::new(payoff, reference, Eta::new(eta).unwrap()).unwrap();
            let profile = Newton::default().solve(&game, reference, &mut ()).unwrap().profile;
            let slopes = slopes(&game, &profile).unwrap();
            let logs = |d: &Distribution| d.log_probabilities().to_vec();
            (slopes, logs(&profile.row), logs(&profile.column))
        };
        let h: f64 = 1e-4;
        let (up, at, down) = (solve(7.0 * h.exp()), solve(7.0), solve(7.0 * (-h).exp()));
        let differences = |up: &[f64], down: &[f64]| -> Vec<f64> {
            let played = up.iter().zip(down).filter(|(u, _)| u.is_finite());
            played.map(|(u, d)| (u - d) / (2.0 * h)).collect()
        };
        for (slopes, want) in
            [(&at.0.row, differences(&up.1, &down.1)), (&at.0.column, differences(&up.2, &down.2))]
        {
            assert_eq!(slopes.len(), want.len());
            for (slope, want) in slopes.iter().zip(want) {
                assert!((slope - want).abs() < 1e-6, "{slope} and {want}");
            }
        }
    }

    #[test]
    fn slopes_are_the_derivatives_of_the_equilibrium() {
        let skew = DenseGame::skew_from_upper(5, |i, j| 0.5 * ((3 * i + 7 * j) as f64).sin());
        let prior = Distribution::from_masses(&[0.3, 0.1, 0.0, 0.2, 0.4]).unwrap();
        check(&skew, &Profile::symmetric(prior.clone()));
        check(&skew, &Profile { row: prior, column: Distribution::uniform(5) });
        let entries = (0..12).map(|at| f64::from(at).cos() + 2.0).collect();
        check(&DenseGame::new(3, 4, entries).unwrap(), &Profile::uniform(3, 4));
    }
}
