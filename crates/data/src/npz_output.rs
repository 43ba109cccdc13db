//! Solutions as arrays: an `.npz` archive that `numpy.load` reads.
//!
//! ```text
//! log_policies    [N, n] f64     NaN where there is no solution
//! log_opponents   [N, m] f64     only if a game has an opponent of its own
//! values, duality_gaps  [N] f64
//! iterations      [N] u4         statuses  [N] u1, positions in status_names
//! status_names    [6] text       unsolved  [K] i8, the games without a solution, and reasons [K] bytes
//! ```
//! Row `k` belongs to the `k`-th game of the file, from zero, bad ones included. All games must have one
//! size. What will be in the archive is kept in temporary files without a name, since an array begins
//! with its length: memory stays flat, and an interrupt leaves nothing.

mod spool;

use crate::zip_writer::ZipWriter;
use crate::{AtomicFile, DataError, GameBatch, GameRef, Outcome, SolutionBatch, SolutionRef};
use nlhf_core::Status;
use spool::Spool;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// What `statuses` count.
const STATUS_NAMES: [&str; 6] =
    ["converged", "stalled", "iteration-limit", "stopped", "failed", "invalid"];
/// The longest of them, in characters.
const LONGEST_NAME: usize = 15;
/// The longest reason that is kept, in bytes.
const REASON_BYTES: usize = 200;

/// Collects solutions for an archive.
#[derive(Debug)]
pub struct SolutionArrays {
    path: PathBuf,
    folder: PathBuf,
    n_games: u64,
    n_unsolved: u64,
    /// Actions of the two players, once a game has a solution.
    shape: Option<(usize, usize)>,
    log_policies: Spool,
    log_opponents: Option<Spool>,
    values: Spool,
    gaps: Spool,
    iterations: Spool,
    statuses: Spool,
    unsolved: Spool,
    reasons: Spool,
}

impl SolutionArrays {
    /// Starts what [`SolutionArrays::write`] is to write to `path`; the temporary files lie beside it.
    ///
    /// # Errors
    /// [`DataError::Io`] if a temporary file cannot be made.
    pub fn new(path: &Path) -> Result<Self, DataError> {
        let parent = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = parent.unwrap_or(Path::new(".")).to_path_buf();
        let spool = || Spool::new(&folder).map_err(|reason| DataError::io(path, reason));
        Ok(Self {
            path: path.to_path_buf(),
            n_games: 0,
            n_unsolved: 0,
            shape: None,
            log_policies: spool()?,
            log_opponents: None,
            values: spool()?,
            gaps: spool()?,
            iterations: spool()?,
            statuses: spool()?,
            unsolved: spool()?,
            reasons: spool()?,
            folder,
        })
    }

    /// Appends what came of a batch.
    ///
    /// # Errors
    /// [`DataError`] if a game has another size than those before, or a temporary file cannot be written.
    pub fn append(
        &mut self,
        games: &GameBatch,
        solutions: &SolutionBatch,
    ) -> Result<(), DataError> {
        for (game, outcome) in solutions.outcomes(games) {
            match (game, outcome) {
                (Some(game), Outcome::Solved(solution)) => {
                    let shape = (game.nrows, game.ncols);
                    if self.shape.is_some_and(|first| first != shape) {
                        return Err(self.other_size(&game));
                    }
                    self.push_solved(shape, &solution)
                }
                (_, Outcome::Failed(reason)) => self.push_unsolved(4, reason),
                (_, Outcome::Invalid(bad)) => self.push_unsolved(5, &bad.reason),
                (None, Outcome::Solved(_)) => Ok(()),
            }
            .map_err(|reason| DataError::io(&self.path, reason))?;
            self.n_games += 1;
        }
        Ok(())
    }

    #[cold]
    fn other_size(&self, game: &GameRef<'_>) -> DataError {
        let (n, m) = self.shape.unwrap_or_default();
        let expected = format!("games of one size for an .npz archive, {n} x {m} like the first");
        let found = format!("{} x {} of game {}", game.nrows, game.ncols, game.id());
        DataError::file(&self.path, expected, found)
    }

    fn push_solved(
        &mut self,
        (n, m): (usize, usize),
        solution: &SolutionRef<'_>,
    ) -> io::Result<()> {
        if self.shape.is_none() {
            self.shape = Some((n, m));
            for _ in 0..self.n_games {
                self.log_policies.write_nans(n)?;
            }
        }
        if solution.log_opponent.is_some() && self.log_opponents.is_none() {
            // Those before had no opponent of their own, or no solution at all.
            self.log_opponents = Some(if n == m {
                self.log_policies.copied(&self.folder)?
            } else {
                let mut spool = Spool::new(&self.folder)?;
                for _ in 0..self.n_games {
                    spool.write_nans(m)?;
                }
                spool
            });
        }
        self.log_policies.write_f64s(solution.log_policy)?;
        if let Some(opponents) = &mut self.log_opponents {
            opponents.write_f64s(solution.log_opponent.unwrap_or(solution.log_policy))?;
        }
        let iterations = u32::try_from(solution.iterations).unwrap_or(u32::MAX);
        self.push_numbers(solution.value, solution.duality_gap, iterations, code(solution.status))
    }

    #[cold]
    fn push_unsolved(&mut self, status: u8, reason: &str) -> io::Result<()> {
        if let Some((n, m)) = self.shape {
            self.log_policies.write_nans(n)?;
            if let Some(opponents) = &mut self.log_opponents {
                opponents.write_nans(m)?;
            }
        }
        let mut text = [0; REASON_BYTES];
        let ends = reason.char_indices().map(|(at, character)| at + character.len_utf8());
        let end = ends.take_while(|end| *end <= REASON_BYTES).last().unwrap_or(0);
        let reason = &reason[..end];
        text[..reason.len()].copy_from_slice(reason.as_bytes());
        self.reasons.write(&text)?;
        self.unsolved.write(&self.n_games.to_le_bytes())?;
        self.n_unsolved += 1;
        self.push_numbers(f64::NAN, f64::NAN, 0, status)
    }

    fn push_numbers(
        &mut self,
        value: f64,
        gap: f64,
        iterations: u32,
        status: u8,
    ) -> io::Result<()> {
        self.values.write(&value.to_le_bytes())?;
        self.gaps.write(&gap.to_le_bytes())?;
        self.iterations.write(&iterations.to_le_bytes())?;
        self.statuses.write(&[status])
    }

    /// Writes the archive.
    ///
    /// # Errors
    /// [`DataError::Io`] naming the target.
    pub fn write(self, file: &mut AtomicFile) -> Result<(), DataError> {
        let path = self.path.clone();
        self.write_to(file).map_err(|reason| DataError::io(&path, reason))
    }

    fn write_to(self, out: &mut impl Write) -> io::Result<()> {
        let (games, unsolved) = (self.n_games, self.n_unsolved);
        let (n, m) = self.shape.unwrap_or_default();
        let mut zip = ZipWriter::new(out);
        self.log_policies.write_to(&mut zip, "log_policies", "<f8", &format!("({games}, {n})"))?;
        if let Some(opponents) = self.log_opponents {
            opponents.write_to(&mut zip, "log_opponents", "<f8", &format!("({games}, {m})"))?;
        }
        let each = format!("({games},)");
        self.values.write_to(&mut zip, "values", "<f8", &each)?;
        self.gaps.write_to(&mut zip, "duality_gaps", "<f8", &each)?;
        self.iterations.write_to(&mut zip, "iterations", "<u4", &each)?;
        self.statuses.write_to(&mut zip, "statuses", "|u1", &each)?;
        let mut names = Spool::new(&self.folder)?;
        for name in STATUS_NAMES {
            let mut text = [0; 4 * LONGEST_NAME];
            for (four, character) in text.chunks_exact_mut(4).zip(name.chars()) {
                four.copy_from_slice(&u32::from(character).to_le_bytes());
            }
            names.write(&text)?;
        }
        let text = format!("<U{LONGEST_NAME}");
        names.write_to(&mut zip, "status_names", &text, &format!("({},)", STATUS_NAMES.len()))?;
        let each = format!("({unsolved},)");
        self.unsolved.write_to(&mut zip, "unsolved", "<i8", &each)?;
        self.reasons.write_to(&mut zip, "reasons", &format!("|S{REASON_BYTES}"), &each)?;
        zip.finish()
    }
}

/// The position in [`STATUS_NAMES`].
const fn code(status: Status) -> u8 {
    match status {
        Status::Converged => 0,
        Status::Stalled => 1,
        Status::IterationLimit => 2,
        Status::Stopped => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::npy::Header;
    use crate::{GameDefaults, GamePlace, parse_game, zip};
    use std::io::Read;

    /// The shape and the bytes of every array.
    fn arrays(path: &Path) -> Vec<(String, String, Vec<u8>)> {
        let entries = zip::directory(path).unwrap();
        let read = |entry: &zip::Entry| {
            let (mut reader, mut bytes) = (entry.open(path).unwrap(), Vec::new());
            reader.read_to_end(&mut bytes).unwrap();
            let length = usize::from(u16::from_le_bytes([bytes[8], bytes[9]])) + 10;
            assert_eq!(length % 64, 0);
            let header = String::from_utf8_lossy(&bytes[10..length]).into_owned();
            (entry.name.clone(), header, bytes[length..].to_vec())
        };
        entries.iter().map(read).collect()
    }

    fn f64s(bytes: &[u8]) -> Vec<f64> {
        bytes.as_chunks().0.iter().map(|bytes| f64::from_le_bytes(*bytes)).collect()
    }

    fn batch(line: &str) -> GameBatch {
        let mut games = GameBatch::default();
        match parse_game(line, Path::new("g"), 3, &GameDefaults::default()) {
            Ok(record) => games.push_record(&record, GamePlace::Line(3)),
            Err(error) => games.push_bad(GamePlace::Line(3), "3".to_owned(), &error),
        }
        games
    }

    fn solved(log_policy: &[f64], log_opponent: Option<&[f64]>) -> SolutionBatch {
        let mut solutions = SolutionBatch::default();
        let (value, duality_gap) = (0.25, 1e-12);
        let status = Status::IterationLimit;
        let iterations = 9;
        solutions.push(SolutionRef {
            status,
            log_policy,
            log_opponent,
            value,
            duality_gap,
            iterations,
            method: "newton",
            reason: "asked for",
        });
        solutions
    }

    #[test]
    fn rows_stay_in_place_whatever_comes_first() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.npz");
        let game = |rest: &str| {
            batch(&format!(r#"{{"eta":1,"scale":"log-odds","payoff":[[0,1],[-1,0]]{rest}}}"#))
        };
        let mut arrays_out = SolutionArrays::new(&path).unwrap();
        arrays_out.append(&batch("{}"), &SolutionBatch::default()).unwrap();
        arrays_out.append(&game(""), &solved(&[-0.5, -1.0], None)).unwrap();
        let own = game(r#","opponent_prior":[1,3]"#);
        arrays_out.append(&own, &solved(&[-2.0, -3.0], Some(&[-4.0, -5.0]))).unwrap();
        let mut failed = SolutionBatch::default();
        failed.push_failure("é".repeat(150));
        arrays_out.append(&own, &failed).unwrap();
        let mut file = AtomicFile::create(&path).unwrap();
        arrays_out.write(&mut file).unwrap();
        file.commit().unwrap();

        let arrays = arrays(&path);
        let array = |name: &str| {
            let (_, header, bytes) = arrays.iter().find(|(found, ..)| found == name).unwrap();
            let shape = header.split("'shape': ").nth(1).unwrap().split(", }").next().unwrap();
            (shape.to_owned(), bytes.clone())
        };
        let nan = f64::NAN.to_bits();
        let bits = |numbers: &[f64]| numbers.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
        let (shape, rows) = array("log_policies.npy");
        let rows = f64s(&rows);
        assert_eq!((shape.as_str(), &rows[2..6]), ("(4, 2)", &[-0.5, -1.0, -2.0, -3.0][..]));
        let (shape, opponents) = array("log_opponents.npy");
        let opponents = f64s(&opponents);
        let expected = ("(4, 2)", &[-0.5, -1.0, -4.0, -5.0][..]);
        assert_eq!((shape.as_str(), &opponents[2..6]), expected);
        for rows in [rows, opponents] {
            assert_eq!(bits(&[rows[0], rows[1], rows[6], rows[7]]), [nan; 4]);
        }
        let (shape, values) = array("values.npy");
        assert_eq!((shape.as_str(), &f64s(&values)[1..3]), ("(4,)", &[0.25, 0.25][..]));
        assert_eq!(array("statuses.npy").1, [5, 2, 2, 4]);
        assert_eq!(array("iterations.npy").1, [0, 9, 9, 0].map(u32::to_le_bytes).concat());
        let (shape, unsolved) = array("unsolved.npy");
        assert_eq!((shape.as_str(), unsolved), ("(2,)", [0_u64, 3].map(u64::to_le_bytes).concat()));
        let (_, reasons) = array("reasons.npy");
        assert!(reasons.starts_with(b"expected \"eta\" positive and finite"));
        assert_eq!(reasons[REASON_BYTES..], *"é".repeat(100).as_bytes(), "cut at a character");
        let (shape, names) = array("status_names.npy");
        assert_eq!((shape.as_str(), names.len()), ("(6,)", 6 * 4 * LONGEST_NAME));
        assert_eq!(STATUS_NAMES.map(str::len).into_iter().max(), Some(LONGEST_NAME));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left");
    }

    #[test]
    fn the_archive_is_read_by_our_own_reader() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.npz");
        let wide = r#"{"eta":1,"scale":"payoff","payoff":[[0,1,2]]}"#;
        let mut arrays = SolutionArrays::new(&path).unwrap();
        arrays.append(&batch("{}"), &SolutionBatch::default()).unwrap();
        arrays.append(&batch(wide), &solved(&[0.0], Some(&[-1.0, -2.0, -3.0]))).unwrap();
        let other = batch(r#"{"eta":1,"scale":"payoff","payoff":[[0,1]]}"#);
        let error = arrays.append(&other, &solved(&[0.0], Some(&[0.0, 0.0]))).unwrap_err();
        let expected = "1 x 3 like the first, found 1 x 2 of game 3";
        assert!(error.to_string().ends_with(expected), "{error}");
        arrays.write(&mut AtomicFile::create(&path).unwrap()).unwrap();
        assert!(!path.exists(), "not committed");

        let mut arrays = SolutionArrays::new(&path).unwrap();
        arrays.append(&batch("{}"), &SolutionBatch::default()).unwrap();
        arrays.append(&batch(wide), &solved(&[0.0], Some(&[-1.0, -2.0, -3.0]))).unwrap();
        let mut file = AtomicFile::create(&path).unwrap();
        arrays.write(&mut file).unwrap();
        file.commit().unwrap();
        let entries = zip::directory(&path).unwrap();
        let opponents = entries.iter().find(|entry| entry.name == "log_opponents.npy").unwrap();
        let (header, _) = Header::read(&mut opponents.open(&path).unwrap(), &path).unwrap();
        assert_eq!(header.shape, [2, 3]);
    }
}
