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

use crate::npy;
use crate::zip_writer::ZipWriter;
use crate::{AtomicFile, DataError, GameBatch, GameRef, Outcome, SolutionBatch, SolutionRef};
use flate2::Crc;
use nlhf_core::Status;
use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
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

/// The entries of an array on their way: a temporary file that has no name.
#[derive(Debug)]
struct Spool {
    file: File,
    buffer: Vec<u8>,
    n_written: u64,
    crc: Crc,
}

/// What is kept in memory of each array.
const SPOOL_BYTES: usize = 1 << 17;

impl Spool {
    fn new(folder: &Path) -> io::Result<Self> {
        let file = tempfile::tempfile_in(folder).or_else(|_| tempfile::tempfile())?;
        Ok(Self { file, buffer: Vec::new(), n_written: 0, crc: Crc::new() })
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= SPOOL_BYTES { self.flush() } else { Ok(()) }
    }

    fn write_f64s(&mut self, numbers: &[f64]) -> io::Result<()> {
        self.buffer.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
        self.write(&[])
    }

    fn write_nans(&mut self, count: usize) -> io::Result<()> {
        (0..count).try_for_each(|_| self.write(&f64::NAN.to_le_bytes()))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.crc.update(&self.buffer);
        self.file.write_all(&self.buffer)?;
        self.n_written += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    /// A second array that begins with what this one has.
    fn copied(&mut self, folder: &Path) -> io::Result<Self> {
        self.flush()?;
        let mut copy = Self::new(folder)?;
        self.file.seek(SeekFrom::Start(0))?;
        copy.n_written = io::copy(&mut self.file, &mut copy.file)?;
        copy.crc.combine(&self.crc);
        Ok(copy)
    }

    fn write_to<W: Write>(
        mut self,
        zip: &mut ZipWriter<W>,
        name: &str,
        descr: &str,
        shape: &str,
    ) -> io::Result<()> {
        self.flush()?;
        let header = npy::header(descr, shape);
        let mut crc = Crc::new();
        crc.update(&header);
        crc.combine(&self.crc);
        let size = header.len() as u64 + self.n_written;
        let out = zip.start(&format!("{name}.npy"), size, crc.sum())?;
        out.write_all(&header)?;
        self.file.seek(SeekFrom::Start(0))?;
        io::copy(&mut self.file, out)?;
        Ok(())
    }
}
