//! Where solutions go: lines in a file or a pipe, arrays in an archive, or a table on a terminal.

use super::pipeline::Piece;
use crate::{outputs, render};
use nlhf::core::Status;
use nlhf::data::{AtomicFile, Outcome, SolutionArrays, is_npz};
use std::io::{IsTerminal, Write};
use std::path::Path;

/// What is kept back of a pipe: an error that comes early leaves nothing half-written.
const HELD_BYTES: usize = 1 << 20;

pub(super) enum Sink {
    File(AtomicFile),
    Arrays(AtomicFile, Box<SolutionArrays>),
    Pipe(Vec<u8>),
    Table(render::Table),
}

impl Sink {
    pub(super) fn open(path: Option<&Path>) -> anyhow::Result<Self> {
        Ok(match path {
            Some(path) => {
                let file = outputs::open(path)?;
                if is_npz(path) {
                    Self::Arrays(file, Box::new(SolutionArrays::new(path)?))
                } else {
                    Self::File(file)
                }
            }
            None if std::io::stdout().is_terminal() => Self::Table(render::Table::new(&[
                "game",
                "status",
                "value",
                "duality gap",
                "iterations",
                "most played",
            ])),
            None => Self::Pipe(Vec::new()),
        })
    }

    /// Whether solutions are written as lines of text.
    pub(super) fn wants_text(&self) -> bool {
        matches!(self, Self::File(_) | Self::Pipe(_))
    }

    pub(super) fn write(&mut self, piece: &Piece) -> anyhow::Result<()> {
        match self {
            Self::File(file) => file.write_all(&piece.text)?,
            Self::Arrays(_, arrays) => arrays.append(&piece.games, &piece.solutions)?,
            Self::Pipe(held) => {
                held.extend_from_slice(&piece.text);
                if held.len() > HELD_BYTES {
                    std::io::stdout().write_all(held)?;
                    held.clear();
                }
            }
            Self::Table(table) => {
                for (game, outcome) in piece.solutions.outcomes(&piece.games) {
                    let id = game.map(|game| game.id().into_owned()).unwrap_or_default();
                    table.row(row(id, &outcome));
                }
            }
        }
        Ok(())
    }

    pub(super) fn finish(self) -> anyhow::Result<()> {
        match self {
            Self::File(file) => file.commit()?,
            Self::Arrays(mut file, arrays) => {
                arrays.write(&mut file)?;
                file.commit()?;
            }
            Self::Pipe(held) => {
                let mut out = std::io::stdout();
                out.write_all(&held)?;
                out.flush()?;
            }
            Self::Table(table) => write!(std::io::stdout(), "{table}")?,
        }
        Ok(())
    }
}

fn row(id: String, outcome: &Outcome<'_>) -> Vec<String> {
    let dash = || "-".to_owned();
    let without = |id, status: &str, reason: &str| {
        vec![id, status.to_owned(), dash(), dash(), dash(), reason.to_owned()]
    };
    let solution = match outcome {
        Outcome::Solved(solution) => solution,
        Outcome::Failed(reason) => return without(id, "failed", reason),
        Outcome::Invalid(bad) => return without(bad.id.clone(), "invalid", &bad.reason),
    };
    let mut ranked: Vec<(usize, f64)> =
        solution.log_policy.iter().map(|log| log.exp()).enumerate().collect();
    ranked.sort_by(|a, b| b.1.total_cmp(&a.1));
    let top = ranked.iter().take(3).map(|(action, p)| format!("{action}: {p:.3}"));
    vec![
        id,
        status_name(solution.status).to_owned(),
        render::number(solution.value),
        format!("{:.1e}", solution.duality_gap),
        solution.iterations.to_string(),
        top.collect::<Vec<_>>().join("  "),
    ]
}

pub(crate) fn status_name(status: Status) -> &'static str {
    match status {
        Status::Converged => "converged",
        Status::Stalled => "stalled",
        Status::IterationLimit => "iteration-limit",
        Status::Stopped => "stopped",
    }
}
