//! `nlhf solve --path`: one game at every η of a range, and the η at which its support changes.

mod lines;
mod report;

use crate::game::parse_eta;
use crate::{Global, Outcome, outputs};
use anyhow::{Context, bail, ensure};
use clap::Args;
use lines::PointLine;
use nlhf::core::{Eta, Status, ZeroSumGame};
use nlhf::data::{
    GameDefaults, GameRecord, GameScale, LineReader, is_game_matrix, parse_game, read_game_matrix,
    write_jsonl,
};
use nlhf::nash::{EquilibriumPath, PathEnd, PathSettings, Side, SupportChange};
use std::io::{BufWriter, IsTerminal, Write};
use std::path::Path;

/// The η of a path as given on the command line: `from:to` or `from:to:points`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct PathRange {
    from: Eta,
    to: PathEnd,
    points: Option<usize>,
}

/// Reads `0.1:1000`, `0.1:1000:50` or `0.1:inf`.
pub(crate) fn parse_path(text: &str) -> Result<PathRange, String> {
    let mut parts = text.split(':');
    let (Some(from), Some(to), points, None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(format!("a path must be FROM:TO or FROM:TO:POINTS, but is {text:?}"));
    };
    let from = parse_eta(from)?;
    let to = if to.eq_ignore_ascii_case("inf") {
        PathEnd::Infinity
    } else {
        let to = parse_eta(to)?;
        if to.get() <= from.get() {
            return Err(format!("a path must end above its first eta, but is {text:?}"));
        }
        PathEnd::At(to)
    };
    let points = points.map(|points| match points.parse::<usize>() {
        Ok(points @ 2..=1_000_000) => Ok(points),
        _ => Err(format!("a path must have 2 to 1,000,000 points, but is {text:?}")),
    });
    Ok(PathRange { from, to, points: points.transpose()? })
}

/// The options of a path, beside those of every game that is solved.
#[derive(Debug, Args)]
#[command(next_help_heading = "Path")]
pub(crate) struct PathArgs {
    /// Follow the equilibrium of one game over a range of eta, FROM:TO or FROM:TO:POINTS
    ///
    /// TO may be inf: the path then ends in the winner of the game without KL terms that is nearest to
    /// the prior. Without POINTS there are 5 a decade. Reported are the equilibria and the eta at which
    /// actions come and go. Written, a line an eta (null is infinity): id, eta, status, value,
    /// duality_gap, exploitability, policy, log_policy, kl_to_reference, entropy, support, opponent
    /// (where it differs), changes since the line before, limit (at infinity), iterations.
    #[arg(long = "path", value_name = "RANGE", value_parser = parse_path)]
    pub(crate) range: Option<PathRange>,
    /// The probability above which an action is in the support of a path
    #[arg(
        long, value_name = "MASS", default_value_t = 1e-3, requires = "range",
        value_parser = parse_threshold
    )]
    threshold: f64,
}

fn parse_threshold(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(mass) if mass > 0.0 && mass < 1.0 => Ok(mass),
        _ => Err(format!("a threshold must be above 0 and below 1, but is {text:?}")),
    }
}

/// What `nlhf solve --path` was asked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PathCommand<'a> {
    pub(crate) range: PathRange,
    pub(crate) options: &'a PathArgs,
    pub(crate) games: &'a Path,
    pub(crate) eta: Option<Eta>,
    pub(crate) scale: Option<GameScale>,
    pub(crate) tolerance: f64,
    pub(crate) output: Option<&'a Path>,
}

/// Whose change it is, as people and files are told.
fn player(change: &SupportChange, symmetric: bool) -> &'static str {
    match change.side {
        _ if symmetric => "both",
        Side::Row => "row",
        Side::Column => "column",
    }
}

pub(crate) fn run(command: &PathCommand<'_>, global: &Global) -> anyhow::Result<Outcome> {
    ensure!(command.eta.is_none(), "--eta and --path exclude each other: a path has its own eta");
    if let Some(output) = command.output {
        outputs::check_distinct(&[output], &[command.games])?;
    }
    let mut file = command.output.map(outputs::open).transpose()?;
    let record = read_one_game(command)?;
    if !global.quiet {
        for note in &record.notes {
            eprintln!("nlhf: game {}: {note}", record.id);
        }
    }
    let mut settings = PathSettings::new(command.range.from, command.range.to);
    settings.points = command.range.points;
    settings.tolerance = command.tolerance;
    settings.threshold = command.options.threshold;
    let path = EquilibriumPath::new(&record.payoff, &record.reference, &settings)?;
    let symmetric = record.payoff.is_skew() && record.reference.row == record.reference.column;

    let shown = command.output.is_some() || std::io::stdout().is_terminal();
    let mut pipe = BufWriter::new(std::io::stdout());
    let mut points = Vec::new();
    for point in path {
        let point = point?;
        let line = PointLine::new(&record, &point, symmetric);
        match &mut file {
            Some(file) => file.write_line(&line)?,
            None if !shown => write_jsonl(&mut pipe, &line)?,
            None => {}
        }
        points.push(point);
    }
    if shown {
        write!(pipe, "{}", report::table(&points, &record, symmetric, command.options.threshold))?;
    }
    pipe.flush()?;
    if let Some(file) = file {
        file.commit()?;
    }
    if !global.quiet {
        eprint!("{}", report::summary(&points, symmetric));
        if let Some(output) = command.output {
            eprintln!("written to {}", output.display());
        }
    }
    let done = points.iter().all(|point| point.status == Status::Converged);
    Ok(if done { Outcome::Done } else { Outcome::Marked })
}

fn read_one_game(command: &PathCommand<'_>) -> anyhow::Result<GameRecord> {
    let (games, scale) = (command.games, command.scale);
    // The largest η of the path, so that the check of what can be computed with is made for it.
    let eta = match command.range.to {
        PathEnd::At(to) => to,
        PathEnd::Infinity => command.range.from,
    };
    if is_game_matrix(games) {
        let scale = scale.context("a matrix file needs --scale probability, log-odds or payoff")?;
        return Ok(read_game_matrix(games, eta, scale)?);
    }
    let name = games.to_str().filter(|name| *name != "-").unwrap_or("<stdin>");
    let defaults = GameDefaults { eta: Some(eta), scale };
    let mut reader = LineReader::open(games)?;
    let place = reader.path().to_path_buf();
    let Some(line) = reader.next_line()? else {
        bail!("{name}: expected a game, found an empty file");
    };
    let record = parse_game(line.text, &place, line.number, &defaults)?;
    if let Some(second) = reader.next_line()? {
        bail!("{name}:{}: expected one game for --path, found a second one", second.number);
    }
    let largest = eta.get() * record.payoff.payoff_bound();
    ensure!(
        largest <= 1e100,
        "{name}: expected the last eta of --path times the largest payoff to be at most 1e100, \
         found {largest:e}"
    );
    Ok(record)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_and_others_named() {
        let range = parse_path("0.1:1000:50").unwrap();
        assert_eq!((range.from.get(), range.points), (0.1, Some(50)));
        assert_eq!(parse_path("2:inf").unwrap().to, PathEnd::Infinity);
        for (text, named) in [
            ("1", "FROM:TO"),
            ("1:2:3:4", "FROM:TO"),
            ("0:5", "positive"),
            ("5:5", "above its first eta"),
            ("inf:inf", "finite"),
            ("1:x", "\"x\""),
            ("1:2:1", "2 to 1,000,000"),
        ] {
            let error = parse_path(text).unwrap_err();
            assert!(error.contains(named), "{text}: {error}");
        }
    }
}
