//! The exact von Neumann winner that a KL-regularized equilibrium converges to as η → ∞.
//!
//! ```text
//! p∞ = argmin KL(p‖π₀) over p ∈ P*,    q∞ = argmin KL(q‖μ₀) over q ∈ Q*
//! P* × Q* = equilibria of max_p min_q p'Aq      (Dudík et al., COLT 2015, for preferences)
//! ```
//! Of all unregularized equilibria the limit is the one of maximal entropy relative to the references,
//! and therefore of maximal support. Three steps find it:
//!
//! 1. *Identify.* Which actions some equilibrium plays does not depend on the references. Newton's
//!    method with uniform ones at a large η gives the slopes `s = d log p / d log η`: `s → 0` for
//!    actions of the limit, `s ≤ −1` in the limit for all others.
//! 2. *Prove.* An action that is left out must cost something against some equilibrium of the
//!    opponent: against the most even one, or, where it is tied there, against a neighbour in the
//!    direction `d/d log η [η(q − q∞)]`, along which its payoff changes by `s`. By the theorem of
//!    Goldman and Tucker (1956) such an equilibrium exists.
//! 3. *Project.* On these supports the limit solves a small convex programme (`projection`), and its
//!    exploitability is recomputed.
//!
//! If a step fails, η grows. If all fail, the status says so.

mod basis;
mod dual;
mod projection;
mod side;

use crate::Newton;
use crate::slopes::slopes;
use crate::support::Support;
use nlhf_core::{
    DenseGame, Distribution, Eta, NashSolver, Profile, RegularizedGame, SolveError, Status,
    ZeroSumGame, exploitability,
};
use side::{Near, Side};

/// The equilibrium of the unregularized game that is nearest to the references: the limit η → ∞.
///
/// Actions that a reference excludes are no part of the game.
///
/// | Name | Default | Purpose | Range |
/// |---|---|---|---|
/// | `tolerance` | 1e-12 | largest exploitability that counts as converged, times the largest payoff | ≥ 0 |
///
/// # Complexity
/// Two to 40 factorizations of Newton's method and a few of the size of the support.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MaximalEntropyWinner {
    /// The largest exploitability that counts as converged, relative to the largest payoff.
    pub tolerance: f64,
}

impl Default for MaximalEntropyWinner {
    fn default() -> Self {
        Self { tolerance: 1e-12 }
    }
}

/// An equilibrium of the unregularized game, and how sure it is.
#[derive(Debug, Clone, PartialEq)]
#[must_use = "a winner carries the status and the exploitability that say whether it is one"]
pub struct Winner {
    /// The policies of both players.
    pub profile: Profile,
    /// What the row player plays and is indifferent to.
    pub row: Face,
    /// The same of the column player.
    pub column: Face,
    /// `p'Aq`, in units of the payoff.
    pub value: f64,
    /// What both players together could gain by the best actions that their references play, in units
    /// of the payoff; recomputed from `profile`.
    pub exploitability: f64,
    /// How much the best action that is neither played nor tied falls short of the value; `None` if
    /// there is no such action. Far above the exploitability, the supports are beyond doubt.
    pub margin: Option<f64>,
    /// [`Status::Converged`] if the exploitability is within the tolerance and the supports are proved
    /// maximal. Otherwise [`Status::Stalled`]: a profile as good as its exploitability, which may not be
    /// the one of maximal entropy, and faces with all that the references play if nothing is proved.
    pub status: Status,
    /// The η of the regularized equilibrium that the supports were read off.
    pub eta: f64,
    /// Newton steps of all regularized equilibria.
    pub iterations: usize,
}

/// The part of the actions that matter at an equilibrium.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Face {
    /// The actions that some equilibrium plays, ascending: the limit plays them all.
    pub support: Vec<usize>,
    /// Actions that no equilibrium plays although they earn the value against this one, ascending: the
    /// limit lies on the edge of the opponent's equilibria. Their mass goes to zero like `1/η` only.
    pub tied: Vec<usize>,
}

/// Factors `ηB` of the regularized equilibria that supports are read off, one after the other.
const IDENTIFY_AT: [f64; 6] = [1e6, 1e7, 1e8, 1e9, 1e10, 1e11];
/// Slopes above this belong to the support.
const PLAYED: f64 = -0.5;
/// An action less than this short of the value, in units of half the range of payoffs, is tied.
const TIED: f64 = 1e-10;
/// What counts as rounding of payoffs, in the same unit.
const ROUNDING: f64 = 1e-13;

impl MaximalEntropyWinner {
    /// The name of the method, as shown in reports.
    pub const NAME: &str = "maximal-entropy-winner";

    /// The limit of the equilibrium of `game` as its η grows; the η it has is not used.
    ///
    /// # Errors
    /// [`SolveError::NotFinite`] if payoffs exceed what f64 can hold.
    pub fn solve(&self, game: &RegularizedGame<'_>) -> Result<Winner, SolveError> {
        let restricted = Restricted::new(game);
        if restricted.bound <= restricted.rounding() {
            return Ok(restricted.indifferent(game));
        }
        let even = restricted.even_reference();
        let most = self.tolerance * restricted.largest;
        let (mut iterations, mut best) = (0, None);
        for factor in IDENTIFY_AT {
            let Ok(eta) = Eta::new(factor / restricted.bound) else { break };
            let at = fitting(game.payoff(), &even, eta);
            let Ok(near) = Newton::default().solve(&at, &even, &mut ()) else { continue };
            iterations += near.iterations;
            let Some(winner) = restricted.winner(&at, &near.profile) else { continue };
            if winner.exploitability <= most {
                return Ok(Winner { iterations, ..winner });
            }
            best = best.or(Some(winner));
        }
        if let Some(best) = best {
            return Ok(Winner { iterations, status: Status::Stalled, ..best });
        }
        let eta = Eta::new(IDENTIFY_AT[0] / restricted.bound);
        let eta = eta.map_err(|_| SolveError::NotFinite { method: Self::NAME, iteration: 0 })?;
        let at = fitting(game.payoff(), game.reference(), eta);
        let near = Newton::default().solve(&at, game.reference(), &mut ())?;
        iterations += near.iterations;
        Ok(Winner { iterations, ..restricted.unproved(near.profile, eta) })
    }
}

/// The value `p'Aq` and the exploitability of a profile, between the actions that the references play.
pub(crate) fn unregularized(game: &RegularizedGame<'_>, profile: &Profile) -> (f64, f64) {
    Restricted::new(game).certify(profile)
}

fn fitting<'a>(
    payoff: &'a dyn ZeroSumGame,
    reference: &'a Profile,
    eta: Eta,
) -> RegularizedGame<'a> {
    RegularizedGame::new(payoff, reference, eta).expect("the references of a valid game fit it")
}

/// The game between the actions that the references play.
#[derive(Debug)]
struct Restricted {
    support: Support,
    symmetric: bool,
    /// Half the distance between the largest and the smallest payoff.
    bound: f64,
    /// The largest payoff in absolute value.
    largest: f64,
    full_shape: (usize, usize),
}

impl Restricted {
    fn new(game: &RegularizedGame<'_>) -> Self {
        let support = Support::new(game);
        let low = support.payoff.iter().copied().fold(f64::INFINITY, f64::min);
        let high = support.payoff.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let (bound, largest) = (0.5 * high - 0.5 * low, high.abs().max(low.abs()));
        let full_shape = (game.payoff().nrows(), game.payoff().ncols());
        Self { support, symmetric: game.is_symmetric(), bound, largest, full_shape }
    }

    /// Uniform references on the actions that count.
    fn even_reference(&self) -> Profile {
        let (n, m) = self.full_shape;
        let even = |n, actions: &[usize]| policy(n, actions, &vec![0.0; actions.len()]);
        Profile { row: even(n, &self.support.rows), column: even(m, &self.support.columns) }
    }

    /// Differences of payoffs up to this are rounding.
    fn rounding(&self) -> f64 {
        ROUNDING * self.bound + 4.0 * f64::EPSILON * self.largest
    }

    /// The limit if all payoffs are equal: the references themselves.
    fn indifferent(&self, game: &RegularizedGame<'_>) -> Winner {
        let face = |actions: &[usize]| Face { support: actions.to_vec(), tied: Vec::new() };
        let (value, exploitability) = self.certify(game.reference());
        Winner {
            profile: game.reference().clone(),
            row: face(&self.support.rows),
            column: face(&self.support.columns),
            value,
            exploitability,
            margin: None,
            status: Status::Converged,
            eta: game.eta().get(),
            iterations: 0,
        }
    }

    /// A regularized equilibrium whose limit was not found.
    fn unproved(&self, profile: Profile, eta: Eta) -> Winner {
        let (value, exploitability) = self.certify(&profile);
        let all = |actions: &[usize]| Face { support: actions.to_vec(), tied: Vec::new() };
        Winner {
            row: all(&self.support.rows),
            column: all(&self.support.columns),
            profile,
            value,
            exploitability,
            margin: None,
            status: Status::Stalled,
            eta: eta.get(),
            iterations: 0,
        }
    }

    /// The log-probabilities of both players for the actions that count.
    fn logs(&self, profile: &Profile) -> [Vec<f64>; 2] {
        let of = |policy: &Distribution, actions: &[usize]| {
            actions.iter().map(|&at| policy.log_probabilities()[at]).collect()
        };
        [of(&profile.row, &self.support.rows), of(&profile.column, &self.support.columns)]
    }

    /// The value and the exploitability of a profile, between the actions that count.
    fn certify(&self, profile: &Profile) -> (f64, f64) {
        let (n, m) = (self.support.rows.len(), self.support.columns.len());
        let payoff = DenseGame::new(n, m, self.support.payoff.clone())
            .expect("a sub-matrix of a valid game is valid");
        let part = |logs| Distribution::from_logits(logs).expect("a policy within its reference");
        let [row, column] = self.logs(profile).map(part);
        let mut gains = vec![0.0; n];
        payoff.apply(&column.probabilities(), &mut gains);
        let value = row.probabilities().iter().zip(&gains).map(|(p, gain)| p * gain).sum();
        (value, exploitability(&payoff, &Profile { row, column }))
    }

    /// The limit, if the supports that show at `near`, the equilibrium of `at`, are proved.
    fn winner(&self, at: &RegularizedGame<'_>, near: &Profile) -> Option<Winner> {
        let (support, eta) = (&self.support, at.eta().get());
        let slopes = slopes(at, near)?;
        let played = |slopes: &[f64]| -> Vec<bool> { slopes.iter().map(|s| *s > PLAYED).collect() };
        let (rows, columns) = (played(&slopes.row), played(&slopes.column));
        let (own, theirs) = (indices(&rows), indices(&columns));
        let rounding = self.rounding();
        let tied = (TIED * self.bound).max(10.0 * rounding);
        let [row_logs, column_logs] = self.logs(near);

        let m = support.columns.len();
        let gain = |i: usize, j: usize| support.payoff[i * m + j];
        let gains = (0..m).map(|j| own.iter().map(|&i| gain(i, j)).collect()).collect();
        let row = Side::new(gains, columns, &own, &row_logs, rounding)?;
        let near = Near { log_policy: &row_logs, slopes: &slopes.row, eta };
        row.proves_support(near, tied).then_some(())?;
        let row_limit = row.nearest(&support.log_row)?;
        let columns_out = row.left_out(&row_limit, tied);

        let (column_limit, rows_out) = if self.symmetric {
            (row_limit.clone(), columns_out.clone())
        } else {
            let n = support.rows.len();
            let gains = (0..n).map(|i| theirs.iter().map(|&j| -gain(i, j)).collect()).collect();
            let column = Side::new(gains, rows, &theirs, &column_logs, rounding)?;
            let near = Near { log_policy: &column_logs, slopes: &slopes.column, eta };
            column.proves_support(near, tied).then_some(())?;
            let limit = column.nearest(&support.log_column)?;
            let out = column.left_out(&limit, tied);
            (limit, out)
        };

        let of = |at: &[usize], actions: &[usize]| at.iter().map(|&at| actions[at]).collect();
        let (own, theirs): (Vec<usize>, Vec<usize>) =
            (of(&own, &support.rows), of(&theirs, &support.columns));
        let profile = Profile {
            row: policy(self.full_shape.0, &own, &row_limit.log_policy),
            column: policy(self.full_shape.1, &theirs, &column_limit.log_policy),
        };
        let (value, exploitability) = self.certify(&profile);
        let margins = [rows_out.margin, columns_out.margin];
        Some(Winner {
            profile,
            row: Face { support: own, tied: of(&rows_out.tied, &support.rows) },
            column: Face { support: theirs, tied: of(&columns_out.tied, &support.columns) },
            value,
            exploitability,
            margin: margins.into_iter().flatten().reduce(f64::min),
            status: Status::Converged,
            eta,
            iterations: 0,
        })
    }
}

/// The policy over `n` actions that plays `actions` with these logits and no other.
fn policy(n: usize, actions: &[usize], logits: &[f64]) -> Distribution {
    let mut logs = vec![f64::NEG_INFINITY; n];
    for (&at, &logit) in actions.iter().zip(logits) {
        logs[at] = logit;
    }
    Distribution::from_logits(logs).expect("finite logits of at least one action")
}

fn indices(chosen: &[bool]) -> Vec<usize> {
    (0..chosen.len()).filter(|&at| chosen[at]).collect()
}
