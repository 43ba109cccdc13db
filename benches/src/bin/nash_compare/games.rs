//! The games of the comparison, seeded, in `.npy` files that every candidate reads.
//!
//! Payoffs are on the scale of probabilities, all games of a file below one another: `N·n` rows of `n`.
//! Low-rank games are on the log-odds scale, `A = ΦΘΦᵀ` with entries of `Φ` uniform in [−1, 1] and those of
//! `Θ` scaled so that log-odds have a standard deviation of 1 at every rank:
//!
//! ```text
//! Var A[a, b] = k² · Var φ · Var θ · Var φ = k²/9 · t²/3 = 1        t = √27 / k
//! ```

use anyhow::Context;
use nlhf::core::{DenseGame, SeedTree, Stream};
use nlhf_testkit::{cyclic_skew, random_skew};
use rand::{Rng, RngExt};
use serde::Deserialize;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

const SEED: u64 = 0;

/// What to generate and where to write it; files that exist are kept.
#[derive(Debug, Deserialize)]
#[serde(tag = "family", rename_all = "kebab-case")]
pub(crate) enum Request {
    /// Independent payoffs, uniform in [−½, ½].
    Random { games: u32, actions: usize, payoffs: PathBuf },
    /// Bradley-Terry plus rotations, see `nlhf_testkit::cyclic_skew`.
    Cyclic { games: u32, actions: usize, payoffs: PathBuf },
    /// One game of low rank.
    LowRank { actions: usize, rank: usize, features: PathBuf, theta: PathBuf },
}

pub(crate) fn generate(request: &Request) -> anyhow::Result<()> {
    match request {
        Request::Random { games, actions, payoffs } => {
            write_games(payoffs, *games, *actions, |rng| random_skew(*actions, 0.5, rng))
        }
        Request::Cyclic { games, actions, payoffs } => {
            write_games(payoffs, *games, *actions, |rng| cyclic_skew(*actions, rng))
        }
        Request::LowRank { actions, rank, features, theta } => {
            let mut rng = SeedTree::new(SEED).rng(Stream::Instance, 0);
            let bound = 27.0_f64.sqrt() / *rank as f64;
            write(theta, *rank, *rank, |out| write_uniform(out, rank * rank, bound, &mut rng))?;
            let mut rng = SeedTree::new(SEED).rng(Stream::Instance, 1);
            let entries = actions * rank;
            write(features, *actions, *rank, |out| write_uniform(out, entries, 1.0, &mut rng))
        }
    }
}

fn write_games(
    path: &Path,
    games: u32,
    actions: usize,
    draw: impl Fn(&mut dyn Rng) -> DenseGame,
) -> anyhow::Result<()> {
    write(path, games as usize * actions, actions, |out| {
        for unit in 0..games {
            let game = draw(&mut SeedTree::new(SEED).rng(Stream::Instance, unit));
            for entry in game.entries() {
                out.write_all(&entry.to_le_bytes())?;
            }
        }
        Ok(())
    })
}

fn write_uniform(
    out: &mut dyn Write,
    entries: usize,
    bound: f64,
    rng: &mut dyn Rng,
) -> anyhow::Result<()> {
    for _ in 0..entries {
        let entry = bound * (2.0 * rng.random::<f64>() - 1.0);
        out.write_all(&entry.to_le_bytes())?;
    }
    Ok(())
}

/// Writes a matrix of little-endian f64 under another name first, so that a file is whole if it exists.
fn write(
    path: &Path,
    nrows: usize,
    ncols: usize,
    entries: impl FnOnce(&mut dyn Write) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    if path.exists() {
        return Ok(());
    }
    let partial = path.with_extension("partial");
    let file = File::create(&partial).with_context(|| partial.display().to_string())?;
    let mut out = BufWriter::new(file);
    let header =
        format!("{{'descr': '<f8', 'fortran_order': False, 'shape': ({nrows}, {ncols}), }}");
    // Magic, version and length are 10 bytes; the header ends with a line feed on a multiple of 64.
    let padded = (10 + header.len() + 1).next_multiple_of(64) - 10;
    out.write_all(b"\x93NUMPY\x01\x00")?;
    out.write_all(&u16::try_from(padded)?.to_le_bytes())?;
    writeln!(out, "{header:<width$}", width = padded - 1)?;
    entries(&mut out)?;
    out.into_inner().map_err(std::io::IntoInnerError::into_error)?.sync_all()?;
    fs::rename(&partial, path)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use nlhf::data::read_matrix_npy;

    #[test]
    fn games_are_read_as_they_were_drawn() {
        let folder = std::env::temp_dir().join(format!("nlhf-compare-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let payoffs = folder.join("games.npy");
        generate(&Request::Cyclic { games: 3, actions: 5, payoffs: payoffs.clone() }).unwrap();
        let read = read_matrix_npy(&payoffs).unwrap();
        assert_eq!((read.nrows, read.ncols), (15, 5));
        let last = cyclic_skew(5, &mut SeedTree::new(SEED).rng(Stream::Instance, 2));
        assert_eq!(&read.values[50..], last.entries());
        let (features, theta) = (folder.join("features.npy"), folder.join("theta.npy"));
        let request = Request::LowRank { actions: 7, rank: 4, features: features.clone(), theta };
        generate(&request).unwrap();
        let read = read_matrix_npy(&features).unwrap();
        assert_eq!((read.nrows, read.ncols), (7, 4));
        assert!(read.values.iter().all(|entry| entry.abs() <= 1.0));
        fs::remove_dir_all(&folder).unwrap();
    }
}
