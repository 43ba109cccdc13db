//! One solved point of a path, and how to get to the next.
//!
//! ```text
//! log p(η') ≈ log p(η) + (η' − η) d log p / dη        exact for what falls short of the value
//! ```

use crate::slopes::{Slopes, slopes};
use crate::support::Support;
use crate::{Automatic, Newton};
use nlhf_core::{
    Distribution, Eta, NashSolver, Profile, RegularizedGame, Solution, SolveError, Status,
    ZeroSumGame,
};

/// The games of a path: the same payoffs and references at every η.
#[derive(Debug, Clone, Copy)]
pub(super) struct Games<'a> {
    pub(super) payoff: &'a dyn ZeroSumGame,
    pub(super) reference: &'a Profile,
    pub(super) tolerance: f64,
    pub(super) symmetric: bool,
}

/// The equilibrium at one η and its slopes.
#[derive(Debug, Clone)]
pub(super) struct State {
    pub(super) eta: f64,
    pub(super) solution: Solution,
    /// `d log p / d log η` of all actions, 0 for those that the reference excludes; row, column.
    pub(super) slopes: [Vec<f64>; 2],
}

impl State {
    pub(super) fn policy(&self, player: usize) -> &Distribution {
        [&self.solution.profile.row, &self.solution.profile.column][player]
    }
}

impl<'a> Games<'a> {
    pub(super) fn at(&self, eta: f64) -> Result<RegularizedGame<'a>, SolveError> {
        let broken = SolveError::NotFinite { method: "path", iteration: 0 };
        let eta = Eta::new(eta).map_err(|_| broken)?;
        RegularizedGame::new(self.payoff, self.reference, eta).map_err(|_| broken)
    }

    /// The equilibrium at `eta`, warm from another point of the path if there is one.
    pub(super) fn solve(&self, eta: f64, near: Option<&State>) -> Result<State, SolveError> {
        let game = self.at(eta)?;
        let tolerance = self.tolerance;
        let newton = Newton { tolerance, ..Newton::default() };
        let warm = near
            .and_then(|near| predicted(near, eta))
            .and_then(|start| newton.solve(&game, &start, &mut ()).ok())
            .filter(|warm| warm.status == Status::Converged);
        let solution = match warm {
            Some(solution) => solution,
            None => Automatic { tolerance }.solve(&game, self.reference, &mut ())?,
        };
        let slopes = slopes(&game, &solution.profile);
        let slopes = slopes.map_or_else(
            || [self.payoff.nrows(), self.payoff.ncols()].map(|n| vec![0.0; n]),
            |slopes| self.expanded(&game, &slopes),
        );
        Ok(State { eta, solution, slopes })
    }

    fn expanded(&self, game: &RegularizedGame<'_>, slopes: &Slopes) -> [Vec<f64>; 2] {
        let support = Support::new(game);
        let spread = |n: usize, actions: &[usize], slopes: &[f64]| {
            let mut all = vec![0.0; n];
            for (&at, &slope) in actions.iter().zip(slopes) {
                all[at] = slope;
            }
            all
        };
        [
            spread(self.payoff.nrows(), &support.rows, &slopes.row),
            spread(self.payoff.ncols(), &support.columns, &slopes.column),
        ]
    }
}

/// The profile that the slopes at `near` promise for `eta`.
fn predicted(near: &State, eta: f64) -> Option<Profile> {
    let ratio = eta / near.eta - 1.0;
    let moved = |player: usize| {
        let logs = near.policy(player).log_probabilities().iter().zip(&near.slopes[player]);
        Distribution::from_logits(logs.map(|(l, slope)| l + ratio * slope).collect()).ok()
    };
    Some(Profile { row: moved(0)?, column: moved(1)? })
}
