//! The solver seam: what every method for KL-regularized games takes and returns.

use crate::{Certificate, Observer, Profile, RegularizedGame};
use serde::{Deserialize, Serialize};

/// Why a solver stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// The certificate is at most the tolerance asked for.
    Converged,
    /// Going on would not come below the tolerance, because of rounding or because the method has another
    /// target; the certificate says how far it got.
    Stalled,
    /// The limit on iterations was reached first.
    IterationLimit,
    /// An observer asked to stop.
    Stopped,
}

/// What a solver returns: the profile, and the certificate recomputed from that very profile.
#[derive(Debug, Clone, PartialEq)]
#[must_use = "a solution carries the status and the certificate that say whether it is one"]
pub struct Solution {
    /// The policies of both players.
    pub profile: Profile,
    /// The gap of `profile` in the game that was asked, recomputed from it and never below the true one.
    pub certificate: Certificate,
    /// Why the solver stopped.
    pub status: Status,
    /// Iterations used, over all stages of a continuation.
    pub iterations: usize,
    /// [`NashSolver::name`] of the method that found it.
    pub method: &'static str,
    /// Why this method: [`ASKED_FOR`], or the reason of the solver that chose it.
    pub reason: &'static str,
}

/// The [`Solution::reason`] of a method that was called by its name.
pub const ASKED_FOR: &str = "asked for";

/// One iteration of a solver.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Iteration {
    /// Counted from one.
    pub iteration: usize,
    /// Products `Aq` and `Aᵀp` so far, those of the step included and those of certificates not.
    pub products: usize,
    /// The η of this stage; below the game's own η during a continuation.
    pub eta: f64,
    /// The method's own residual after the step, in nats.
    pub residual: f64,
    /// The length of the step: 1 is a full Newton step, or the step size of a first-order method.
    pub step: f64,
}

/// A game or a start that no solver can work with.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SolveError {
    /// The start does not fit the game.
    #[error(
        "the start must have {nrows} x {ncols} actions like the game, but has {row} x {column}"
    )]
    StartShape {
        /// Rows of the game.
        nrows: usize,
        /// Columns of the game.
        ncols: usize,
        /// Actions of the start's row policy.
        row: usize,
        /// Actions of the start's column policy.
        column: usize,
    },
    /// The method does not handle this kind of game.
    #[error("{method} solves {solves} only")]
    Unsupported {
        /// The method.
        method: &'static str,
        /// What it solves.
        solves: &'static str,
    },
    /// An iterate was not finite: the payoffs times eta exceed the range of f64.
    #[error("{method} left the finite numbers at iteration {iteration}")]
    NotFinite {
        /// The method.
        method: &'static str,
        /// When it happened.
        iteration: usize,
    },
}

/// Finds the equilibrium of a KL-regularized zero-sum game. Two methods to write.
///
/// # Laws
/// * `solution.certificate` is `game.certify(&solution.profile)`.
/// * [`Status::Converged`] only if the certificate is at most the tolerance of the solver.
/// * Not converging is a status, never an error and never unmarked.
pub trait NashSolver: Send + Sync {
    /// A short name in lower case, as shown in reports and benches.
    fn name(&self) -> &'static str;

    /// Solves `game` from `start`; [`RegularizedGame::reference`] is always a valid start.
    ///
    /// # Errors
    /// [`SolveError`] for a start of the wrong shape, a kind of game the method does not handle, or a
    /// broken iterate.
    fn solve(
        &self,
        game: &RegularizedGame<'_>,
        start: &Profile,
        observer: &mut dyn Observer<Iteration>,
    ) -> Result<Solution, SolveError>;
}
