//! What a batch returns: all policies in one vector, an outcome a game.

use super::{BatchGame, Outcome};
use nlhf_core::{Certificate, SolveError, Status};

/// How one game of a batch ended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BatchOutcome {
    /// Value and gap of the policies, recomputed in f64, the gap rounded up.
    pub certificate: Certificate,
    /// Why the solver stopped.
    pub status: Status,
    /// Newton steps over all stages.
    pub iterations: u32,
    /// The method that found it.
    pub method: &'static str,
    /// Why this method.
    pub reason: &'static str,
}

/// The solutions of a batch, in the order of its games.
#[derive(Debug, Clone, PartialEq)]
pub struct BatchSolutions {
    log_policies: Vec<f64>,
    /// Where the policies of each game begin, and the actions of its row player.
    starts: Vec<(usize, usize)>,
    outcomes: Vec<Outcome>,
}

/// The solution of one game of a batch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BatchSolution<'a> {
    /// The log-probabilities of the row player.
    pub log_row: &'a [f64],
    /// The log-probabilities of the column player; the row player's, if the game is symmetric.
    pub log_column: &'a [f64],
    /// How it ended; an error if the game left the range of f64, with the references in place of policies.
    pub outcome: Outcome,
}

impl BatchSolutions {
    pub(super) fn for_games(games: &[BatchGame<'_>]) -> Self {
        let mut starts = Vec::with_capacity(games.len());
        let mut total = 0;
        for game in games {
            starts.push((total, game.nrows()));
            total += game.policy_len();
        }
        let unsolved = Err(SolveError::NotFinite { method: super::METHOD, iteration: 0 });
        Self { log_policies: vec![0.0; total], starts, outcomes: vec![unsolved; games.len()] }
    }

    /// The number of games.
    pub fn len(&self) -> usize {
        self.outcomes.len()
    }

    /// Whether there was no game.
    pub fn is_empty(&self) -> bool {
        self.outcomes.is_empty()
    }

    /// The outcomes of all games.
    pub fn outcomes(&self) -> &[Outcome] {
        &self.outcomes
    }

    /// The solution of one game.
    ///
    /// # Panics
    /// If there are not as many games.
    pub fn get(&self, game: usize) -> BatchSolution<'_> {
        let (start, nrows) = self.starts[game];
        let end = self.starts.get(game + 1).map_or(self.log_policies.len(), |next| next.0);
        let (log_row, log_column) = self.log_policies[start..end].split_at(nrows);
        let log_column = if log_column.is_empty() { log_row } else { log_column };
        BatchSolution { log_row, log_column, outcome: self.outcomes[game] }
    }

    /// The solutions of all games.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = BatchSolution<'_>> {
        (0..self.len()).map(|game| self.get(game))
    }

    /// The room of every `chunk` games, apart from that of the others.
    pub(super) fn places(&mut self, chunk: usize) -> Vec<Places<'_>> {
        let mut places = Vec::with_capacity(self.outcomes.len().div_ceil(chunk));
        let mut rest = self.log_policies.as_mut_slice();
        let mut first = 0;
        for outcomes in self.outcomes.chunks_mut(chunk) {
            let starts = &self.starts[first..first + outcomes.len()];
            first += outcomes.len();
            let offset = starts[0].0;
            let end = self.starts.get(first).map_or(offset + rest.len(), |next| next.0);
            let (log_policies, later) = rest.split_at_mut(end - offset);
            rest = later;
            places.push(Places { log_policies, offset, starts, outcomes });
        }
        places
    }
}

/// The room of some games in a row.
#[derive(Debug)]
pub(super) struct Places<'a> {
    log_policies: &'a mut [f64],
    offset: usize,
    starts: &'a [(usize, usize)],
    outcomes: &'a mut [Outcome],
}

impl Places<'_> {
    /// Puts the solution of a game, counted from the first of these, in its place.
    pub(super) fn put(&mut self, at: usize, log_policy: &[f64], outcome: Outcome) {
        let start = self.starts[at].0 - self.offset;
        self.log_policies[start..start + log_policy.len()].copy_from_slice(log_policy);
        self.outcomes[at] = outcome;
    }
}
