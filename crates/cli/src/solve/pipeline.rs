//! From a file to a sink, block by block: read, parse, solve, write.
//!
//! ```text
//! one thread:   write block k − 1, read block k + 1
//! the others:   block k, a piece a thread: parse ──▶ solve ──▶ lines
//! ```
//! The pieces and their order depend on the file alone, and so do the results. Blocks, batches and texts
//! are used again, so that memory does not grow with the file.

use super::Output;
use nlhf::core::{GameError, Status};
use nlhf::data::{
    GameBatch, GameBlock, GameFile, GameRef, GameScale, Outcome, SolutionBatch, SolutionRef,
};
use nlhf::nash::{Batch, BatchGame};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::io;
use std::time::{Duration, Instant};

/// A piece on its way through the stages.
#[derive(Default)]
pub(super) struct Piece {
    pub(super) games: GameBatch,
    pub(super) solutions: SolutionBatch,
    /// The lines of the solutions, if they are written as such.
    pub(super) text: Vec<u8>,
    pub(super) tally: Tally,
}

/// What the summary needs to know of a piece.
#[derive(Debug, Default, Clone)]
pub(super) struct Tally {
    pub(super) unconverged: usize,
    pub(super) failed: usize,
    pub(super) max_gap: f64,
    pub(super) iterations: usize,
    /// Games by the method that solved them and why it was taken.
    pub(super) methods: BTreeMap<(&'static str, &'static str), usize>,
    pub(super) time: Times,
}

/// The time that threads spent in each stage.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Times {
    pub(super) reading: Duration,
    pub(super) parsing: Duration,
    pub(super) solving: Duration,
    pub(super) writing: Duration,
}

/// Solves all games of a file.
pub(super) fn run(mut file: GameFile, tolerance: f64, output: &mut Output) -> anyhow::Result<()> {
    let wants_text = output.sink.wants_text();
    let (mut block, mut next) = (GameBlock::default(), GameBlock::default());
    // The pieces of the block that is worked on, and those of the one before.
    let (mut pieces, mut done) = (Vec::<Piece>::new(), Vec::<Piece>::new());
    let mut n_done = 0;
    let mut more = output.timed_read(&mut file, &mut block)?;
    while more {
        let n_pieces = block.n_pieces();
        if pieces.len() < n_pieces {
            pieces.resize_with(n_pieces, Piece::default);
        }
        let (worked, read) = rayon::join(
            || {
                let pieces = pieces[..n_pieces].par_iter_mut().enumerate();
                pieces.try_for_each(|(at, piece)| piece.work(&block, at, tolerance, wants_text))
            },
            || -> anyhow::Result<bool> {
                output.emit(&done[..n_done])?;
                output.timed_read(&mut file, &mut next)
            },
        );
        // What was wrong before this block goes first.
        more = read?;
        worked?;
        std::mem::swap(&mut block, &mut next);
        std::mem::swap(&mut pieces, &mut done);
        n_done = n_pieces;
    }
    output.emit(&done[..n_done])
}

/// Solves games that have been read already.
pub(super) fn run_batch(
    games: GameBatch,
    tolerance: f64,
    output: &mut Output,
) -> anyhow::Result<()> {
    let mut piece = Piece { games, ..Piece::default() };
    piece.solve_and_format(tolerance, output.sink.wants_text())?;
    output.emit(&[piece])
}

impl Piece {
    fn work(
        &mut self,
        block: &GameBlock,
        at: usize,
        tolerance: f64,
        wants_text: bool,
    ) -> io::Result<()> {
        let start = Instant::now();
        self.games.clear();
        block.parse(at, &mut self.games);
        let parsing = start.elapsed();
        self.solve_and_format(tolerance, wants_text)?;
        self.tally.time.parsing = parsing;
        Ok(())
    }

    fn solve_and_format(&mut self, tolerance: f64, wants_text: bool) -> io::Result<()> {
        let start = Instant::now();
        solve_batch(&self.games, tolerance, &mut self.solutions);
        let solved = Instant::now();
        self.text.clear();
        if wants_text {
            self.solutions.write_lines(&self.games, &mut self.text)?;
        }
        self.tally = Tally::of(&self.solutions);
        self.tally.time.solving = solved - start;
        self.tally.time.writing = solved.elapsed();
        Ok(())
    }
}

impl Tally {
    fn of(solutions: &SolutionBatch) -> Self {
        let mut tally = Self::default();
        for at in 0..solutions.len() {
            match solutions.outcome(at) {
                Outcome::Solved(solution) => {
                    tally.unconverged += usize::from(solution.status != Status::Converged);
                    tally.max_gap = tally.max_gap.max(solution.duality_gap);
                    tally.iterations += solution.iterations;
                    *tally.methods.entry((solution.method, solution.reason)).or_default() += 1;
                }
                Outcome::Failed(_) | Outcome::Invalid(_) => tally.failed += 1,
            }
        }
        tally
    }
}

/// The stage between parsing and writing: an answer to every game of a batch, in order.
fn solve_batch(games: &GameBatch, tolerance: f64, solutions: &mut SolutionBatch) {
    solutions.clear();
    let borrowed: Result<Vec<BatchGame<'_>>, GameError> = games.games().map(batch_game).collect();
    let solved = match borrowed {
        Ok(borrowed) => Batch { tolerance }.solve(&borrowed),
        // What was read is checked already: one word for all is enough.
        Err(error) => {
            games.games().for_each(|_| solutions.push_failure(error.to_string()));
            return;
        }
    };
    for (game, solution) in games.games().zip(solved.iter()) {
        let outcome = match solution.outcome {
            Ok(outcome) => outcome,
            Err(error) => {
                solutions.push_failure(error.to_string());
                continue;
            }
        };
        let shared = game.scale != GameScale::Payoff && game.is_symmetric();
        solutions.push(SolutionRef {
            status: outcome.status,
            log_policy: solution.log_row,
            log_opponent: (!shared).then_some(solution.log_column),
            value: outcome.certificate.value + game.scale.offset(),
            duality_gap: outcome.certificate.duality_gap,
            iterations: outcome.iterations as usize,
            method: outcome.method,
            reason: outcome.reason,
        });
    }
}

fn batch_game(game: GameRef<'_>) -> Result<BatchGame<'_>, GameError> {
    let (payoffs, row) = (game.payoffs, game.row_reference);
    if game.is_symmetric() {
        BatchGame::symmetric(payoffs, row, game.eta)
    } else {
        BatchGame::two_player(payoffs, row, game.column_reference.unwrap_or(row), game.eta)
    }
}

impl Output {
    fn timed_read(&mut self, file: &mut GameFile, block: &mut GameBlock) -> anyhow::Result<bool> {
        let start = Instant::now();
        let more = file.read(block)?;
        self.summary.time.reading += start.elapsed();
        Ok(more)
    }

    fn emit(&mut self, pieces: &[Piece]) -> anyhow::Result<()> {
        let start = Instant::now();
        for piece in pieces {
            self.summary.add(piece)?;
            self.sink.write(piece)?;
        }
        self.summary.time.writing += start.elapsed();
        self.spinner.update(self.summary.n_games() as u64, self.summary.progress());
        Ok(())
    }
}
