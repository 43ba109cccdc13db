//! Games, one JSON object a line.
//!
//! ```text
//! {"id": "rps", "eta": 2.0, "scale": "probability", "payoff": [[0.5, 0.9], [0.1, 0.5]],
//!  "prior": [0.5, 0.5], "opponent_prior": [0.5, 0.5]}        id and the priors may be absent
//! ```
//! `scale` says what the payoffs are: "probability" takes `P` with `P + Pᵀ = 1`, "log-odds" takes `R`
//! with `R + Rᵀ = 0`, "payoff" takes any matrix, rows for the maximizing player. Without an `id` a
//! game is called by its line. `prior` is uniform if absent; `opponent_prior` is then `prior` if the
//! matrix is square, and uniform if it is not.

use crate::error::Place;
use crate::json::{Field, parse_object};
use crate::numbers::{Numbers, Rows};
use crate::prior::normalized;
use crate::{DataError, GameNote, LineReader, Player};
use nlhf_core::{DenseGame, Distribution, Eta, GameError, Profile, Scale, ZeroSumGame};
use serde::Deserialize;
use std::path::Path;

/// What the numbers of a payoff matrix are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum GameScale {
    /// Probabilities of preference, played as `P − ½`.
    Probability,
    /// Log-odds of preference.
    LogOdds,
    /// Any payoffs of the row player.
    Payoff,
}

impl GameScale {
    /// The name in files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Probability => "probability",
            Self::LogOdds => "log-odds",
            Self::Payoff => "payoff",
        }
    }

    /// The scale of a name in files.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Probability, Self::LogOdds, Self::Payoff].into_iter().find(|s| s.name() == name)
    }

    /// What is added to the value of the centred game when it is reported: ½ or 0.
    pub const fn offset(self) -> f64 {
        match self {
            Self::Probability => Scale::Probability.offset(),
            Self::LogOdds | Self::Payoff => 0.0,
        }
    }
}

/// What a game takes if its line does not say.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct GameDefaults {
    /// The η; without one every line must have its own.
    pub eta: Option<Eta>,
    /// The scale; without one every line must have its own.
    pub scale: Option<GameScale>,
}

/// A game to solve.
#[derive(Debug, Clone, PartialEq)]
pub struct GameRecord {
    /// Its name.
    pub id: String,
    /// The factor of the payoffs.
    pub eta: Eta,
    /// What the numbers in the file were.
    pub scale: GameScale,
    /// The payoffs, centred.
    pub payoff: DenseGame,
    /// The reference policies.
    pub reference: Profile,
    /// What may be wrong with the priors.
    pub notes: Vec<GameNote>,
}

/// The games of a file, one at a time. A line that is no game is an error, and the next line follows.
#[derive(Debug)]
pub struct GameReader {
    lines: LineReader,
    defaults: GameDefaults,
    state: ReaderState,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ReaderState {
    Start,
    Within,
    End,
}

impl GameReader {
    /// Opens JSONL, plain or gzip; "-" is standard input.
    ///
    /// # Errors
    /// [`DataError::Io`].
    pub fn open(path: &Path, defaults: GameDefaults) -> Result<Self, DataError> {
        Ok(Self { lines: LineReader::open(path)?, defaults, state: ReaderState::Start })
    }
}

impl Iterator for GameReader {
    type Item = Result<GameRecord, DataError>;

    fn next(&mut self) -> Option<Self::Item> {
        let Self { lines, defaults, state } = self;
        if *state == ReaderState::End {
            return None;
        }
        let path = lines.path().to_path_buf();
        let before = std::mem::replace(state, ReaderState::Within);
        match lines.next_line() {
            Ok(Some(line)) => Some(parse_game(line.text, &path, line.number, defaults)),
            Ok(None) => {
                *state = ReaderState::End;
                let empty = before == ReaderState::Start;
                empty.then(|| Err(DataError::empty(&path, "at least one game")))
            }
            Err(error) => {
                if matches!(error, DataError::Io { .. }) {
                    *state = ReaderState::End;
                }
                Some(Err(error))
            }
        }
    }
}

/// Unknown fields are refused: a misspelt prior would silently be the uniform one.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row<'a> {
    #[serde(borrow, default)]
    id: Field<'a>,
    #[serde(borrow, default)]
    eta: Field<'a>,
    #[serde(borrow, default)]
    scale: Field<'a>,
    #[serde(default)]
    payoff: Rows,
    #[serde(default)]
    prior: Numbers,
    #[serde(default)]
    opponent_prior: Numbers,
}

/// Reads the game of one line; pure, so that lines may be parsed by many threads.
///
/// # Errors
/// [`DataError`] naming the line if it is not JSON, lacks a field, or the payoffs or a prior are not
/// what the scale asks for.
pub fn parse_game(
    line: &str,
    path: &Path,
    line_no: u64,
    defaults: &GameDefaults,
) -> Result<GameRecord, DataError> {
    let place = Place { path, line: line_no };
    let row: Row<'_> = parse_object(line, place)?;
    let id = row.id.optional_id("id", place)?;
    let id = id.map_or_else(|| line_no.to_string(), std::borrow::Cow::into_owned);
    let eta = match defaults.eta {
        Some(eta) if !row.eta.is_present() => eta,
        _ => {
            let eta = row.eta.as_number().and_then(|number| Eta::new(number).ok());
            eta.ok_or_else(|| place.error("\"eta\" positive and finite", row.eta.found()))?
        }
    };
    let scale = match defaults.scale {
        Some(scale) if !row.scale.is_present() => scale,
        _ => {
            let name = if let Field::Text(name) = &row.scale { name } else { "" };
            GameScale::from_name(name).ok_or_else(|| {
                let expected = "\"scale\" to be \"probability\", \"log-odds\" or \"payoff\"";
                place.error(expected, row.scale.found())
            })?
        }
    };
    let refuse = |(expected, found): (String, String)| place.error(expected, found);
    let (n, m, values) = row.payoff.checked("payoff").map_err(refuse)?;
    let prior = row.prior.checked(Player::Row.field()).map_err(refuse)?;
    let opponent_prior = row.opponent_prior.checked(Player::Column.field()).map_err(refuse)?;
    let parts = GameParts { eta, scale, shape: (n, m), values, prior, opponent_prior };
    parts.checked(id).map_err(refuse)
}

/// What a file says about a game, each part well-formed by itself.
pub(crate) struct GameParts<'a> {
    pub(crate) eta: Eta,
    pub(crate) scale: GameScale,
    pub(crate) shape: (usize, usize),
    pub(crate) values: Vec<f64>,
    pub(crate) prior: Option<&'a [f64]>,
    pub(crate) opponent_prior: Option<&'a [f64]>,
}

impl GameParts<'_> {
    /// Checks what must fit together; the error is what was expected and what was found.
    pub(crate) fn checked(self, id: String) -> Result<GameRecord, (String, String)> {
        let Self { eta, scale, shape: (n, m), values, prior, opponent_prior } = self;
        let payoff = game(scale, n, m, values)?;
        within_range(eta, &payoff)?;
        let mut notes = Vec::new();
        let mut reference = |masses: Option<&[f64]>, player: Player, n_actions| {
            masses.map(|masses| normalized(masses, n_actions, player, &mut notes)).transpose()
        };
        let row = reference(prior, Player::Row, n)?;
        let column = reference(opponent_prior, Player::Column, m)?;
        let row = row.unwrap_or_else(|| Distribution::uniform(n));
        let column =
            column.unwrap_or_else(|| if n == m { row.clone() } else { Distribution::uniform(m) });
        let reference = Profile { row, column };
        Ok(GameRecord { id, eta, scale, payoff, reference, notes })
    }
}

/// The id of a line that is no game otherwise, if that much of it can be read.
#[cold]
pub(crate) fn id_of(line: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Named<'a> {
        #[serde(borrow, default)]
        id: Field<'a>,
    }
    // An array would be taken for a list of fields.
    let object = line.trim_ascii_start().starts_with(b"{").then_some(line)?;
    match serde_json::from_slice(object).ok()? {
        Named { id: Field::Text(text) } => Some(text.into_owned()),
        Named { id: Field::Integer(integer) } => Some(integer.to_string()),
        Named { .. } => None,
    }
}

/// Logits beyond this leave f64 when they are squared, and have long lost every digit of a nat.
pub(crate) const LARGEST_LOGIT: f64 = 1e100;

/// Checks that η times the payoffs can be computed with.
pub(crate) fn within_range(eta: Eta, payoff: &DenseGame) -> Result<(), (String, String)> {
    let logit = eta.get() * payoff.payoff_bound();
    if logit <= LARGEST_LOGIT {
        return Ok(());
    }
    let expected = format!("\"eta\" times the largest \"payoff\" to be at most {LARGEST_LOGIT:e}");
    Err((expected, format!("{logit:e}")))
}

/// Checks payoffs and centres them; the error is what was expected and what was found.
pub(crate) fn game(
    scale: GameScale,
    nrows: usize,
    ncols: usize,
    values: Vec<f64>,
) -> Result<DenseGame, (String, String)> {
    if nrows == 0 || ncols == 0 {
        let expected = "\"payoff\" to have at least one row and one column";
        return Err((expected.to_owned(), format!("{nrows} x {ncols}")));
    }
    if scale != GameScale::Payoff && nrows != ncols {
        let expected = format!("a square \"payoff\" on the {} scale", scale.name());
        return Err((expected, format!("{nrows} x {ncols}")));
    }
    let game = match scale {
        GameScale::Probability => DenseGame::from_probabilities(nrows, &values),
        GameScale::LogOdds => DenseGame::from_log_odds(nrows, &values),
        GameScale::Payoff => DenseGame::new(nrows, ncols, values),
    };
    let at = |row: usize, column: usize| format!("row {}, column {}", row + 1, column + 1);
    game.map_err(|error| match error {
        GameError::NotFinite { row, column, given } => {
            (format!("a finite \"payoff\" in {}", at(row, column)), given.to_string())
        }
        GameError::Probability { row, column, given } => {
            (format!("a \"payoff\" in [0, 1] in {}", at(row, column)), given.to_string())
        }
        GameError::Antisymmetry { row, column, required, given } => {
            let (here, there) = (at(row, column), at(column, row));
            let expected =
                format!("\"payoff\" in {here} and in {there} to sum to {required} within 1e-6");
            (expected, given.to_string())
        }
        other => ("a \"payoff\" matrix".to_owned(), other.to_string()),
    })
}
