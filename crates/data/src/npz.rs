//! Games as arrays: an `.npz` archive as `numpy.savez` and `numpy.savez_compressed` write it.
//!
//! ```text
//! payoffs          [N, n, m]     any number type, C order
//! etas             () or [N]     may be absent if there is an η for all games
//! priors           [n] or [N, n]    may be absent: uniform
//! opponent_priors  [m] or [N, m]    may be absent: the priors if n = m, else uniform
//! scale            one text         may be absent if there is a scale for all games
//! ```
//! The arrays are streams read side by side, so that memory does not grow with the archive. A game is
//! called by its index, from zero.

use crate::game_batch::NewGame;
use crate::games::GameParts;
use crate::npy::{self, Header};
use crate::zip::{self, EntryReader};
use crate::{DataError, GameBatch, GameDefaults, GamePlace, GameScale};
use nlhf_core::Eta;
use std::io::{self, ErrorKind, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};

/// The payoffs that are read at a time.
const BLOCK_BYTES: usize = 1 << 23;
/// The payoffs that a thread takes at a time.
const PIECE_BYTES: usize = 1 << 20;

/// Whether a path names an archive of arrays.
pub fn is_npz(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("npz"))
}

/// Reads blocks of games.
pub(crate) struct ArrayBlocks {
    path: PathBuf,
    scale: GameScale,
    n_games: usize,
    next_game: usize,
    shape: (usize, usize),
    payoffs: Source,
    etas: Source,
    prior: Option<Source>,
    opponent_prior: Option<Source>,
    games_per_block: usize,
    games_per_piece: usize,
}

/// Some games as they stand in the archive.
#[derive(Debug, Default)]
pub(crate) struct ArrayBlock {
    path: PathBuf,
    scale: Option<GameScale>,
    first_game: usize,
    n_games: usize,
    games_per_piece: usize,
    shape: (usize, usize),
    payoffs: Numbers,
    etas: Numbers,
    prior: Option<Numbers>,
    opponent_prior: Option<Numbers>,
}

/// Where an array comes from.
enum Source {
    Same(Vec<f64>),
    PerGame { reader: Box<EntryReader>, entry: npy::Entry, width: usize, place: PathBuf },
}

/// The numbers of an array for the games of a block.
#[derive(Debug)]
enum Numbers {
    Same(Vec<f64>),
    PerGame { entry: npy::Entry, width: usize, bytes: Vec<u8> },
}

impl Default for Numbers {
    fn default() -> Self {
        Self::Same(Vec::new())
    }
}

impl Numbers {
    /// Appends the numbers of one game of the block.
    fn append(&self, game: usize, values: &mut Vec<f64>) {
        match self {
            Self::Same(same) => values.extend_from_slice(same),
            Self::PerGame { entry, width, bytes } => {
                let n_bytes = width * entry.size();
                entry.append(&bytes[game * n_bytes..(game + 1) * n_bytes], values);
            }
        }
    }
}

impl Source {
    /// Reads the numbers of the next games.
    fn read(&mut self, n_games: usize, numbers: &mut Numbers) -> Result<(), DataError> {
        match self {
            Self::Same(same) => *numbers = Numbers::Same(same.clone()),
            Self::PerGame { reader, entry, width, place } => {
                // The memory of the block before is taken over.
                let mut bytes = match std::mem::take(numbers) {
                    Numbers::PerGame { bytes, .. } => bytes,
                    Numbers::Same(_) => Vec::new(),
                };
                bytes.resize(n_games * *width * entry.size(), 0);
                reader.read_exact(&mut bytes).map_err(|error| unreadable(place, error))?;
                *numbers = Numbers::PerGame { entry: *entry, width: *width, bytes };
            }
        }
        Ok(())
    }
}

impl ArrayBlocks {
    pub(crate) fn open(path: &Path, defaults: GameDefaults) -> Result<Self, DataError> {
        let mut archive = Archive::open(path)?;
        let payoffs = archive.take("payoffs")?;
        let (place, header) = (&payoffs.place, &payoffs.header);
        let &[n_games, n, m] = header.shape.as_slice() else {
            let expected = "three dimensions: games, rows, columns";
            return Err(DataError::file(place, expected, header.shown_shape()));
        };
        if n_games == 0 || n == 0 || m == 0 {
            let expected = "at least one game, one row and one column";
            return Err(DataError::file(place, expected, header.shown_shape()));
        }
        let payoffs = payoffs.source(n_games, &[n, m], false)?;
        let etas = match (archive.take_optional("etas")?, defaults.eta) {
            (Some(etas), _) => etas.source(n_games, &[], true)?,
            (None, Some(eta)) => Source::Same(vec![eta.get()]),
            (None, None) => {
                return Err(archive.lacks("an array \"etas\", or one eta given for all games"));
            }
        };
        let mut prior = |name, n_actions| {
            let array = archive.take_optional(name)?;
            array.map(|array| array.source(n_games, &[n_actions], true)).transpose()
        };
        let (prior, opponent_prior) = (prior("priors", n)?, prior("opponent_priors", m)?);
        let Some(scale) = archive.take_scale()?.or(defaults.scale) else {
            return Err(archive.lacks("an array \"scale\", or one scale given for all games"));
        };
        archive.nothing_left()?;
        let game_bytes = n.saturating_mul(m).saturating_mul(8);
        Ok(Self {
            path: path.to_path_buf(),
            scale,
            n_games,
            next_game: 0,
            shape: (n, m),
            payoffs,
            etas,
            prior,
            opponent_prior,
            games_per_block: (BLOCK_BYTES / game_bytes).max(1),
            games_per_piece: (PIECE_BYTES / game_bytes).max(1),
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Fills a block with the next games, and says whether there were any.
    pub(crate) fn read(&mut self, block: &mut ArrayBlock) -> Result<bool, DataError> {
        let n_games = self.games_per_block.min(self.n_games - self.next_game);
        block.path.clone_from(&self.path);
        block.scale = Some(self.scale);
        (block.first_game, block.n_games) = (self.next_game, n_games);
        (block.games_per_piece, block.shape) = (self.games_per_piece, self.shape);
        self.payoffs.read(n_games, &mut block.payoffs)?;
        self.etas.read(n_games, &mut block.etas)?;
        for (source, numbers) in [
            (&mut self.prior, &mut block.prior),
            (&mut self.opponent_prior, &mut block.opponent_prior),
        ] {
            if let Some(source) = source {
                source.read(n_games, numbers.get_or_insert_default())?;
            }
        }
        self.next_game += n_games;
        Ok(n_games > 0)
    }
}

impl ArrayBlock {
    pub(crate) fn n_pieces(&self) -> usize {
        self.n_games.div_ceil(self.games_per_piece.max(1))
    }

    /// Checks the games of a piece and puts them into a batch.
    pub(crate) fn parse(&self, piece: usize, batch: &mut GameBatch) {
        let first = piece * self.games_per_piece;
        let games: Range<usize> = first..(first + self.games_per_piece).min(self.n_games);
        let (mut eta, mut row, mut column) = (Vec::new(), Vec::new(), Vec::new());
        for game in games {
            for (numbers, values) in [
                (Some(&self.etas), &mut eta),
                (self.prior.as_ref(), &mut row),
                (self.opponent_prior.as_ref(), &mut column),
            ] {
                values.clear();
                if let Some(numbers) = numbers {
                    numbers.append(game, values);
                }
            }
            let prior = self.prior.as_ref().map(|_| row.as_slice());
            let opponent_prior = self.opponent_prior.as_ref().map(|_| column.as_slice());
            let usual = self.push(game, eta[0], prior, opponent_prior, batch);
            if usual.is_none() {
                self.push_unusual(game, eta[0], prior, opponent_prior, batch);
            }
        }
    }

    fn push(
        &self,
        game: usize,
        eta: f64,
        prior: Option<&[f64]>,
        opponent_prior: Option<&[f64]>,
        batch: &mut GameBatch,
    ) -> Option<()> {
        let (eta, scale) = (Eta::new(eta).ok()?, self.scale?);
        let place = GamePlace::Index((self.first_game + game) as u64);
        batch.push_from(
            |payoffs| self.payoffs.append(game, payoffs),
            &NewGame { place, name: None, scale, eta, shape: self.shape },
            prior,
            opponent_prior,
        )
    }

    #[cold]
    fn push_unusual(
        &self,
        game: usize,
        eta: f64,
        prior: Option<&[f64]>,
        opponent_prior: Option<&[f64]>,
        batch: &mut GameBatch,
    ) {
        let place = GamePlace::Index((self.first_game + game) as u64);
        let id = place.number().to_string();
        let mut values = Vec::new();
        self.payoffs.append(game, &mut values);
        let checked = match (Eta::new(eta), self.scale) {
            (Ok(eta), Some(scale)) => {
                let shape = self.shape;
                GameParts { eta, scale, shape, values, prior, opponent_prior }.checked(id.clone())
            }
            _ => Err(("\"eta\" positive and finite".to_owned(), eta.to_string())),
        };
        match checked {
            Ok(record) => batch.push_record(&record, place),
            Err((expected, found)) => {
                batch.push_bad(place, id, &DataError::file(&self.path, expected, found));
            }
        }
    }
}

/// The arrays that have not been asked for yet.
struct Archive {
    path: PathBuf,
    entries: Vec<zip::Entry>,
    all_names: String,
}

/// An array and the stream of its entries.
struct OpenArray {
    place: PathBuf,
    header: Header,
    reader: EntryReader,
    n_bytes: u64,
}

impl Archive {
    fn open(path: &Path) -> Result<Self, DataError> {
        let entries = zip::directory(path).map_err(|error| match error.kind() {
            ErrorKind::InvalidData => {
                DataError::file(path, "an .npz archive with its directory", error.to_string())
            }
            _ => DataError::io(path, error),
        })?;
        let names: Vec<&str> = entries.iter().map(|entry| array_name(&entry.name)).collect();
        let all_names = names.join(", ");
        Ok(Self { path: path.to_path_buf(), entries, all_names })
    }

    /// The path of an array, as errors name it.
    fn place(&self, name: &str) -> PathBuf {
        PathBuf::from(format!("{}[{name}]", self.path.display()))
    }

    fn take_entry(&mut self, name: &str) -> Result<Option<(PathBuf, u64, EntryReader)>, DataError> {
        let Some(at) = self.entries.iter().position(|entry| array_name(&entry.name) == name) else {
            return Ok(None);
        };
        let (entry, place) = (self.entries.swap_remove(at), self.place(name));
        let reader = entry.open(&self.path).map_err(|error| unreadable(&place, error))?;
        Ok(Some((place, entry.size, reader)))
    }

    fn take_optional(&mut self, name: &str) -> Result<Option<OpenArray>, DataError> {
        let Some((place, size, mut reader)) = self.take_entry(name)? else { return Ok(None) };
        let (header, header_bytes) = Header::read(&mut reader, &place)?;
        if header.fortran_order && header.shape.len() > 1 {
            let expected = "C order, as numpy.ascontiguousarray gives it";
            return Err(DataError::file(&place, expected, "Fortran order"));
        }
        Ok(Some(OpenArray { place, header, reader, n_bytes: size.saturating_sub(header_bytes) }))
    }

    fn take(&mut self, name: &str) -> Result<OpenArray, DataError> {
        let array = self.take_optional(name)?;
        array.ok_or_else(|| self.lacks(&format!("an array \"{name}\"")))
    }

    fn take_scale(&mut self) -> Result<Option<GameScale>, DataError> {
        let Some((place, _, mut reader)) = self.take_entry("scale")? else { return Ok(None) };
        let name = npy::read_text(&mut reader, &place)?;
        let scale = GameScale::from_name(&name).ok_or_else(|| {
            let expected = "\"probability\", \"log-odds\" or \"payoff\"";
            DataError::file(&place, expected, crate::error::quoted(&name))
        });
        scale.map(Some)
    }

    fn lacks(&self, expected: &str) -> DataError {
        let found = if self.all_names.is_empty() { "no array" } else { &self.all_names };
        DataError::file(&self.path, expected.to_owned(), found)
    }

    /// Unknown arrays are refused: a misspelt prior would silently be the uniform one.
    fn nothing_left(&self) -> Result<(), DataError> {
        let Some(entry) = self.entries.first() else { return Ok(()) };
        let expected =
            "each of the arrays payoffs, etas, priors, opponent_priors, scale once at most";
        Err(DataError::file(&self.path, expected, crate::error::quoted(array_name(&entry.name))))
    }
}

impl OpenArray {
    /// Takes the array as one of `shape` a game, or as the same for all games if it may be.
    fn source(
        mut self,
        n_games: usize,
        shape: &[usize],
        may_be_same: bool,
    ) -> Result<Source, DataError> {
        let Header { entry, shape: given, .. } = &self.header;
        let (entry, width) = (*entry, shape.iter().copied().fold(1, usize::saturating_mul));
        let same = given == shape && may_be_same;
        let per_game = given.split_first() == Some((&n_games, shape));
        if !same && !per_game {
            let one = if may_be_same { format!("{shape:?} or ") } else { String::new() };
            let all = [&[n_games], shape].concat();
            let expected = format!("the shape {one}{all:?} like the payoffs");
            return Err(DataError::file(&self.place, expected, self.header.shown_shape()));
        }
        let n_values = if same { Some(width) } else { width.checked_mul(n_games) };
        let n_bytes = n_values.and_then(|n| n.checked_mul(entry.size())).map(|n| n as u64);
        if n_bytes != Some(self.n_bytes) {
            let expected = format!("the entries of an array {}", self.header.shown_shape());
            let found = format!("{} bytes of {} each", self.n_bytes, entry.size());
            return Err(DataError::file(&self.place, expected, found));
        }
        if per_game {
            let reader = Box::new(self.reader);
            return Ok(Source::PerGame { reader, entry, width, place: self.place });
        }
        let mut bytes = Vec::new();
        let read = self.reader.read_to_end(&mut bytes);
        read.map_err(|error| unreadable(&self.place, error))?;
        let mut values = Vec::new();
        entry.append(&bytes, &mut values);
        Ok(Source::Same(values))
    }
}

fn array_name(entry: &str) -> &str {
    entry.strip_suffix(".npy").unwrap_or(entry)
}

fn unreadable(place: &Path, error: io::Error) -> DataError {
    match error.kind() {
        ErrorKind::InvalidData => DataError::file(place, "an array in full", error.to_string()),
        _ => DataError::io(place, error),
    }
}

#[cfg(test)]
mod tests;
