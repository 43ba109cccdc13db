//! Results as files: JSONL with a line a game and method, or CSV with a line a measurement.

use super::contest::{Entrant, Point, Run};
use anyhow::Context;
use nlhf::core::Status;
use nlhf::data::AtomicFile;
use serde::Serialize;
use std::io::Write;
use std::path::Path;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Jsonl,
    Csv,
}

impl Format {
    /// The format that the name of a file asks for.
    pub(super) fn of(path: &Path) -> anyhow::Result<Self> {
        match path.extension().and_then(std::ffi::OsStr::to_str) {
            Some("jsonl") => Ok(Self::Jsonl),
            Some("csv") => Ok(Self::Csv),
            _ => anyhow::bail!("{}: expected a name that ends in .jsonl or .csv", path.display()),
        }
    }
}

#[derive(Serialize)]
struct Line<'a> {
    game: &'a str,
    eta: f64,
    method: &'static str,
    target: &'static str,
    /// None if the method is not defined for the game; the rest is then absent.
    status: Option<Status>,
    #[serde(skip_serializing_if = "Option::is_none")]
    iterations: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    products: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    duality_gap: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exploitability: Option<f64>,
    trace: &'a [Point],
}

/// The file of one comparison.
pub(super) struct Output {
    file: AtomicFile,
    format: Format,
}

impl Output {
    pub(super) fn start(mut file: AtomicFile, path: &Path) -> anyhow::Result<Self> {
        let format = Format::of(path)?;
        if format == Format::Csv {
            writeln!(file, "game,eta,method,target,products,gap").context("cannot write")?;
        }
        Ok(Self { file, format })
    }

    pub(super) fn write(
        &mut self,
        game: &str,
        eta: f64,
        entrant: Entrant,
        run: Option<&Run>,
    ) -> anyhow::Result<()> {
        let (method, target) = (entrant.name(), entrant.target().name());
        let trace = run.map_or(&[][..], |run| &run.trace);
        if self.format == Format::Jsonl {
            let line = Line {
                game,
                eta,
                method,
                target,
                status: run.map(|run| run.status),
                iterations: run.map(|run| run.iterations),
                products: run.map(|run| run.products),
                duality_gap: run.map(|run| run.duality_gap),
                exploitability: run.map(|run| run.exploitability),
                trace,
            };
            return Ok(self.file.write_line(&line)?);
        }
        let game = quoted(game);
        for Point { products, gap } in trace {
            writeln!(self.file, "{game},{eta},{method},{target},{products},{gap:e}")
                .context("cannot write")?;
        }
        Ok(())
    }

    pub(super) fn commit(self) -> anyhow::Result<()> {
        Ok(self.file.commit()?)
    }
}

/// A CSV cell.
fn quoted(cell: &str) -> String {
    if cell.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", cell.replace('"', "\"\""))
    } else {
        cell.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_with_commas_and_quotes_are_quoted() {
        assert_eq!(quoted("rps"), "rps");
        assert_eq!(quoted("a, \"b\""), "\"a, \"\"b\"\"\"");
    }

    #[test]
    fn the_name_decides_the_format() {
        assert_eq!(Format::of(Path::new("x.csv")).unwrap(), Format::Csv);
        assert_eq!(Format::of(Path::new("x.jsonl")).unwrap(), Format::Jsonl);
        assert!(
            Format::of(Path::new("x.txt")).unwrap_err().to_string().contains("x.txt: expected")
        );
    }
}
