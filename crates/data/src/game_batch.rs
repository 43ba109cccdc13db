//! Many games in a few flat vectors, and the games that could not be read.
//!
//! ```text
//! payoffs      [ game 0: n₀·m₀ | game 1: n₁·m₁ | … ]      centred, row-major
//! references   [ game 0: n₀    | game 1: n₁    | … ]      log-probabilities of the row players
//! own columns  [ m of each game whose column player has a reference of its own ]
//! etas         [ η₀, η₁, … ]
//! ```
//! A batch is cleared and filled again, so that a million games cost as much memory as a few thousand.
//! Bad games stand beside the good ones, each with the number of games that come before it.

use crate::centre::{Centred, centre};
use crate::games::{GameRecord, LARGEST_LOGIT};
use crate::line_scan::{Scanned, scan};
use crate::prior::{append_logs, append_uniform};
use crate::{DataError, GameDefaults, GameNote, GameScale, Player, parse_game};
use nlhf_core::{Eta, ZeroSumGame};
use std::borrow::Cow;
use std::path::Path;

/// Where a game stands in its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum GamePlace {
    /// The line of a text, from one.
    Line(u64),
    /// The index in the arrays of an archive, from zero as in numpy.
    Index(u64),
}

impl GamePlace {
    /// The number, which is the name of a game that has none.
    pub const fn number(self) -> u64 {
        match self {
            Self::Line(number) | Self::Index(number) => number,
        }
    }
}

/// A game that cannot be solved, because it is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadGame {
    /// Its name if that much could be read, or its number.
    pub id: String,
    /// Where it stands.
    pub place: GamePlace,
    /// What was expected and what was found.
    pub reason: String,
    /// How many games of the batch stand before it.
    pub games_before: usize,
}

/// Games in flat vectors, in the order of the file.
#[derive(Debug, Clone, Default)]
pub struct GameBatch {
    heads: Vec<Head>,
    etas: Vec<f64>,
    payoffs: Vec<f64>,
    references: Vec<f64>,
    own_columns: Vec<f64>,
    names: String,
    notes: Vec<(usize, GameNote)>,
    bad: Vec<BadGame>,
    /// Masses of the priors of the line that is being read.
    masses: Vec<f64>,
}

/// Where the parts of a game are.
#[derive(Debug, Clone, Copy)]
struct Head {
    place: GamePlace,
    scale: GameScale,
    eta: Eta,
    nrows: usize,
    ncols: usize,
    skew: bool,
    payoff_start: usize,
    reference_start: usize,
    own_column_start: Option<usize>,
    name: Option<(usize, usize)>,
}

/// One game of a batch.
#[derive(Debug, Clone, Copy)]
pub struct GameRef<'a> {
    /// Where it stands in the file.
    pub place: GamePlace,
    /// Its name, if it has one.
    pub name: Option<&'a str>,
    /// What the numbers in the file were.
    pub scale: GameScale,
    /// The factor of the payoffs.
    pub eta: Eta,
    /// Actions of the row player.
    pub nrows: usize,
    /// Actions of the column player.
    pub ncols: usize,
    /// Whether the payoffs are skew to the last bit.
    pub skew: bool,
    /// The payoffs, centred, row-major.
    pub payoffs: &'a [f64],
    /// The log-probabilities of the row player's reference; −∞ is never played.
    pub row_reference: &'a [f64],
    /// Those of the column player, if they are not the same.
    pub column_reference: Option<&'a [f64]>,
}

impl<'a> GameRef<'a> {
    /// The name, or the number of the line or the index.
    pub fn id(&self) -> Cow<'a, str> {
        match self.name {
            Some(name) => Cow::Borrowed(name),
            None => Cow::Owned(self.place.number().to_string()),
        }
    }

    /// Whether both players share one equilibrium: skew payoffs and one reference.
    pub fn is_symmetric(&self) -> bool {
        self.skew && self.column_reference.is_none()
    }
}

/// What is known of a game before its numbers are checked.
pub(crate) struct NewGame<'a> {
    pub(crate) place: GamePlace,
    pub(crate) name: Option<&'a str>,
    pub(crate) scale: GameScale,
    pub(crate) eta: Eta,
    pub(crate) shape: (usize, usize),
}

impl GameBatch {
    /// Takes everything out and keeps the memory.
    pub fn clear(&mut self) {
        let Self { heads, etas, payoffs, references, own_columns, names, notes, bad, masses } =
            self;
        for numbers in [etas, payoffs, references, own_columns, masses] {
            numbers.clear();
        }
        heads.clear();
        names.clear();
        notes.clear();
        bad.clear();
    }

    /// How many games can be solved.
    pub fn len(&self) -> usize {
        self.heads.len()
    }

    /// Whether there is no game to solve.
    pub fn is_empty(&self) -> bool {
        self.heads.is_empty()
    }

    /// The game at a position below [`GameBatch::len`].
    ///
    /// # Panics
    /// If there is none.
    pub fn game(&self, at: usize) -> GameRef<'_> {
        let Head { place, scale, eta, nrows, ncols, skew, .. } = self.heads[at];
        let Head { payoff_start, reference_start, own_column_start, name, .. } = self.heads[at];
        GameRef {
            place,
            name: name.map(|(start, end)| &self.names[start..end]),
            scale,
            eta,
            nrows,
            ncols,
            skew,
            payoffs: &self.payoffs[payoff_start..payoff_start + nrows * ncols],
            row_reference: &self.references[reference_start..reference_start + nrows],
            column_reference: own_column_start.map(|start| &self.own_columns[start..start + ncols]),
        }
    }

    /// The games, in order.
    pub fn games(&self) -> impl ExactSizeIterator<Item = GameRef<'_>> {
        (0..self.len()).map(|at| self.game(at))
    }

    /// The one size of all games, if they are symmetric and alike: then [`GameBatch::payoffs`],
    /// [`GameBatch::references`] and [`GameBatch::etas`] are arrays `[N, n, n]`, `[N, n]` and `[N]`.
    pub fn symmetric_size(&self) -> Option<usize> {
        let n = self.heads.first()?.nrows;
        let alike = |head: &Head| {
            head.skew && head.own_column_start.is_none() && (head.nrows, head.ncols) == (n, n)
        };
        self.heads.iter().all(alike).then_some(n)
    }

    /// The payoffs of all games, one after the other.
    pub fn payoffs(&self) -> &[f64] {
        &self.payoffs
    }

    /// The log-probabilities of all row references, one after the other.
    pub fn references(&self) -> &[f64] {
        &self.references
    }

    /// The η of every game.
    pub fn etas(&self) -> &[f64] {
        &self.etas
    }

    /// The games that could not be read, in order.
    pub fn bad(&self) -> &[BadGame] {
        &self.bad
    }

    /// What may be wrong with the priors, each with the position of its game.
    pub fn notes(&self) -> &[(usize, GameNote)] {
        &self.notes
    }

    /// Appends a game that was read by itself.
    pub fn push_record(&mut self, record: &GameRecord, place: GamePlace) {
        let own_name = (record.id != place.number().to_string()).then_some(record.id.as_str());
        let game = NewGame {
            place,
            name: own_name,
            scale: record.scale,
            eta: record.eta,
            shape: (record.payoff.nrows(), record.payoff.ncols()),
        };
        let payoff_start = self.payoffs.len();
        self.payoffs.extend_from_slice(record.payoff.entries());
        self.references.extend_from_slice(record.reference.row.log_probabilities());
        let at = self.len();
        self.notes.extend(record.notes.iter().map(|note| (at, *note)));
        let column = record.reference.column.log_probabilities();
        let own_column = record.reference.column != record.reference.row;
        let own_column_start = own_column.then_some(self.own_columns.len());
        self.own_columns.extend_from_slice(if own_column { column } else { &[] });
        self.finish(&game, payoff_start, record.payoff.is_skew(), own_column_start);
    }

    /// Reads the game of one line; a line that is none becomes a bad game.
    pub(crate) fn push_line(
        &mut self,
        line: &[u8],
        path: &Path,
        line_no: u64,
        defaults: &GameDefaults,
    ) {
        if self.push_usual(line, line_no, defaults).is_some() {
            return;
        }
        let place = GamePlace::Line(line_no);
        let record = crate::input::text_of(line, path, line_no)
            .and_then(|text| parse_game(text, path, line_no, defaults));
        match record {
            Ok(record) => self.push_record(&record, place),
            Err(error) => {
                let id = crate::games::id_of(line).unwrap_or_else(|| line_no.to_string());
                self.push_bad(place, id, &error);
            }
        }
    }

    /// Appends a game of which only the place is known, and why.
    pub(crate) fn push_bad(&mut self, place: GamePlace, id: String, error: &DataError) {
        let reason = error.without_place();
        self.bad.push(BadGame { id, place, reason, games_before: self.len() });
    }

    /// Reads a line of the usual kind; nothing, and nothing appended, if it is another or may be wrong.
    fn push_usual(&mut self, line: &[u8], line_no: u64, defaults: &GameDefaults) -> Option<()> {
        let payoff_start = self.payoffs.len();
        self.masses.clear();
        let mut masses = std::mem::take(&mut self.masses);
        let read = scan(line, &mut self.payoffs, &mut masses).and_then(|scanned| {
            let Scanned { id, eta, scale, shape, priors } = scanned;
            let eta = match eta {
                Some(eta) => Eta::new(eta).ok()?,
                None => defaults.eta?,
            };
            let (place, scale) = (GamePlace::Line(line_no), scale.or(defaults.scale)?);
            let game = NewGame { place, name: id, scale, eta, shape };
            let [prior, opponent_prior] =
                priors.map(|range| range.map(|range| masses.get(range).unwrap_or_default()));
            self.push_centred(&game, payoff_start, prior, opponent_prior)
        });
        self.masses = masses;
        if read.is_none() {
            self.payoffs.truncate(payoff_start);
        }
        read
    }

    /// Appends a game whose payoffs `write` appends; nothing, and nothing appended, if something may be
    /// wrong with it.
    pub(crate) fn push_from(
        &mut self,
        write: impl FnOnce(&mut Vec<f64>),
        game: &NewGame<'_>,
        prior: Option<&[f64]>,
        opponent_prior: Option<&[f64]>,
    ) -> Option<()> {
        let payoff_start = self.payoffs.len();
        write(&mut self.payoffs);
        let pushed = self.push_centred(game, payoff_start, prior, opponent_prior);
        if pushed.is_none() {
            self.payoffs.truncate(payoff_start);
        }
        pushed
    }

    /// Centres the payoffs from `payoff_start` on and appends their game; nothing if something may be
    /// wrong with it, and then the payoffs are spoilt and the rest is as before.
    fn push_centred(
        &mut self,
        game: &NewGame<'_>,
        payoff_start: usize,
        prior: Option<&[f64]>,
        opponent_prior: Option<&[f64]>,
    ) -> Option<()> {
        let (n, m) = game.shape;
        let Centred { bound, skew } = centre(game.scale, n, m, &mut self.payoffs[payoff_start..])?;
        let in_range = game.eta.get() * bound <= LARGEST_LOGIT;
        if !in_range {
            return None;
        }
        let (start, own_start, n_notes) =
            (self.references.len(), self.own_columns.len(), self.notes.len());
        let own_column = self.push_references(n, m, prior, opponent_prior);
        if own_column.is_none() {
            self.references.truncate(start);
            self.own_columns.truncate(own_start);
            self.notes.truncate(n_notes);
        }
        self.finish(game, payoff_start, skew, own_column?.then_some(own_start));
        Some(())
    }

    /// Appends the references, and says whether the column player has one of its own.
    fn push_references(
        &mut self,
        n: usize,
        m: usize,
        prior: Option<&[f64]>,
        opponent_prior: Option<&[f64]>,
    ) -> Option<bool> {
        let (at, start, own_start) = (self.len(), self.references.len(), self.own_columns.len());
        let Self { references, own_columns, notes, .. } = self;
        let mut note = |note: GameNote| notes.push((at, note));
        match prior {
            Some(masses) => append_logs(references, masses, n, Player::Row, &mut note)?,
            None => append_uniform(references, n),
        }
        match opponent_prior {
            Some(masses) => append_logs(own_columns, masses, m, Player::Column, &mut note)?,
            None if n == m => return Some(false),
            None => append_uniform(own_columns, m),
        }
        let own_column = references[start..] != own_columns[own_start..];
        if !own_column {
            own_columns.truncate(own_start);
        }
        Some(own_column)
    }

    fn finish(
        &mut self,
        game: &NewGame<'_>,
        payoff_start: usize,
        skew: bool,
        own_column_start: Option<usize>,
    ) {
        let NewGame { place, name, scale, eta, shape: (nrows, ncols) } = *game;
        let name = name.map(|name| {
            let start = self.names.len();
            self.names.push_str(name);
            (start, self.names.len())
        });
        let reference_start = self.references.len() - nrows;
        self.etas.push(eta.get());
        self.heads.push(Head {
            place,
            scale,
            eta,
            nrows,
            ncols,
            skew,
            payoff_start,
            reference_start,
            own_column_start,
            name,
        });
    }
}
