//! Many small games at once: one game a lane of the vector registers, all cores.
//!
//! ```text
//! 100,000 games of 8 actions  →  Newton's method in f32, 16 or 32 games an instruction
//!                             →  a last step from the f64 residual  →  a certificate in f64
//! ```
//! A game that finishes leaves its lane to the next one. What does not fit the lanes - large games, extreme
//! η, references that exclude actions - or stalls in them is solved by [`Automatic`], so that every game is
//! either certified or marked. Results do not depend on the order of the games, on their neighbours,
//! or on the number of threads. The instructions are chosen when the program runs; machines with and without
//! fused multiply-adds round differently.

#![allow(
    clippy::inline_always,
    reason = "code that is not inlined into the dispatched function is compiled without its instructions"
)]
#![allow(clippy::needless_range_loop, reason = "the loops run over several arrays, and unroll")]
#![allow(clippy::cast_possible_truncation, reason = "lanes are f32 on purpose")]

mod eliminate;
mod finish;
mod game;
mod group;
mod kernel;
mod lanes;
mod solutions;

pub use game::BatchGame;
pub use solutions::{BatchOutcome, BatchSolution, BatchSolutions};

use crate::Automatic;
use finish::Certified;
use kernel::{Found, Kernel};
use nlhf_core::{Certificate, NashSolver, SolveError, Status};
use rayon::prelude::*;
use solutions::Places;

/// Solves batches of small games, symmetric or not, of any mixture of shapes.
///
/// | Name | Default | Purpose | Range |
/// |---|---|---|---|
/// | `tolerance` | 1e-10 | largest duality gap that counts as converged, in payoff units | ≥ 0 |
///
/// Gaps are usually far below the tolerance: the last step is taken in f64 whatever it is.
///
/// ```
/// use nlhf_core::Eta;
/// use nlhf_nash::{Batch, BatchGame};
///
/// // Two games of three actions that beat each other in a circle, at two temperatures.
/// let payoff = [0.0, 0.3, -0.4, -0.3, 0.0, 0.2, 0.4, -0.2, 0.0];
/// let log_reference = [-(3f64.ln()); 3];
/// let game = |eta| BatchGame::symmetric(&payoff, &log_reference, Eta::new(eta).unwrap());
/// let solutions = Batch::default().solve(&[game(1.0)?, game(100.0)?]);
/// for solution in solutions.iter() {
///     let outcome = solution.outcome?;
///     assert!(outcome.certificate.duality_gap < 1e-10);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Batch {
    /// The largest duality gap that counts as converged, in units of the payoff.
    pub tolerance: f64,
}

impl Default for Batch {
    fn default() -> Self {
        Self { tolerance: 1e-10 }
    }
}

/// The name of the method in the lanes.
const METHOD: &str = "newton-lanes";
const REASON: &str = "small games in a batch";

/// Games a thread takes at a time.
const CHUNK: usize = 2048;
/// Actions a player for which there are lanes.
const SMALL: usize = 8;
const LARGE: usize = 16;
/// Beyond this ηB single precision no longer finds the way, and below this log-probability of a reference.
const LARGEST_LOGIT: f64 = 5e3;
const LOWEST_REFERENCE: f64 = -700.0;

impl Batch {
    /// Solves all games, in parallel.
    ///
    /// # Complexity
    /// About 5 Newton steps a game at ηB = 5, 10 at 50; a step costs `n³/3 + 2n²` fused operations in a lane.
    pub fn solve(&self, games: &[BatchGame<'_>]) -> BatchSolutions {
        let mut solutions = BatchSolutions::for_games(games);
        let places = solutions.places(CHUNK);
        games.par_chunks(CHUNK).zip(places).for_each(|(games, mut places)| {
            self.solve_chunk(games, &mut places);
        });
        solutions
    }

    fn solve_chunk(self, games: &[BatchGame<'_>], places: &mut Places<'_>) {
        let mut order: Vec<usize> = (0..games.len()).collect();
        order.sort_by_key(|&at| games[at].shape());
        for same in order.chunk_by(|&a, &b| games[a].shape() == games[b].shape()) {
            let first = &games[same[0]];
            let widest = first.nrows().max(first.ncols());
            let (fits, leftover): (Vec<usize>, Vec<usize>) = same.iter().partition(|&&at| {
                let game = &games[at];
                widest <= LARGE
                    && game.eta() * game.bound() <= LARGEST_LOGIT
                    && game.lowest_reference() >= LOWEST_REFERENCE
            });
            let mut given_up = leftover;
            match (first.is_symmetric(), widest <= SMALL) {
                (true, true) => self.lanes::<SMALL, 1>(games, &fits, places, &mut given_up),
                (true, false) => self.lanes::<LARGE, 1>(games, &fits, places, &mut given_up),
                (false, true) => {
                    self.lanes::<{ 2 * SMALL }, 2>(games, &fits, places, &mut given_up);
                }
                (false, false) => {
                    self.lanes::<{ 2 * LARGE }, 2>(games, &fits, places, &mut given_up);
                }
            }
            for at in given_up {
                self.solve_alone(&games[at], at, places);
            }
        }
    }

    /// Runs the games of one shape through the lanes, and lists those that they gave back.
    fn lanes<const N: usize, const PLAYERS: usize>(
        self,
        games: &[BatchGame<'_>],
        which: &[usize],
        places: &mut Places<'_>,
        given_up: &mut Vec<usize>,
    ) {
        let sink = |at: usize, found: Option<Found<'_>>| match found {
            None => given_up.push(at),
            Some(Found { log_policy, certified, iterations }) => {
                let Certified { value, row_regret, column_regret } = certified;
                let duality_gap = row_regret + column_regret;
                let certificate = Certificate { value, duality_gap, row_regret, column_regret };
                let (status, method, reason) = (Status::Converged, METHOD, REASON);
                let outcome = BatchOutcome { certificate, status, iterations, method, reason };
                places.put(at, log_policy, Ok(outcome));
            }
        };
        let tolerance = self.tolerance;
        pulp::Arch::new().dispatch(Kernel::<N, PLAYERS, _> { tolerance, games, which, sink });
    }

    fn solve_alone(self, game: &BatchGame<'_>, at: usize, places: &mut Places<'_>) {
        let solver = Automatic { tolerance: self.tolerance };
        let solved =
            game.with_regularized(|game, reference| solver.solve(game, reference, &mut ()));
        match solved {
            Ok(solution) => {
                let mut log_policy = solution.profile.row.log_probabilities().to_vec();
                if !game.is_symmetric() {
                    log_policy.extend_from_slice(solution.profile.column.log_probabilities());
                }
                let outcome = BatchOutcome {
                    certificate: solution.certificate,
                    status: solution.status,
                    iterations: u32::try_from(solution.iterations).unwrap_or(u32::MAX),
                    method: solution.method,
                    reason: solution.reason,
                };
                places.put(at, &log_policy, Ok(outcome));
            }
            Err(error) => places.put(at, &game.references().concat(), Err(error)),
        }
    }
}

/// The outcome of one game.
pub(crate) type Outcome = Result<BatchOutcome, SolveError>;
