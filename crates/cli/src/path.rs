//! `nlhf solve --path`: one game at every η of a range, and the η at which its support changes.

use crate::game::parse_eta;
use crate::solve::status_name;
use crate::{Global, Outcome, outputs, render};
use anyhow::{Context, bail, ensure};
use clap::Args;
use nlhf::core::{Distribution, Eta, Status, ZeroSumGame};
use nlhf::data::{
    GameDefaults, GameRecord, GameScale, LineReader, is_game_matrix, parse_game, read_game_matrix,
    write_jsonl,
};
use nlhf::nash::{
    EquilibriumPath, PathEnd, PathPoint, PathPolicy, PathSettings, Side, SupportChange,
};
use serde::Serialize;
use std::fmt::Write as _;
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

/// One point, as a line of JSON.
#[derive(Serialize)]
struct PointLine<'a> {
    id: &'a str,
    /// `null` is infinity.
    eta: Option<f64>,
    status: Status,
    value: f64,
    duality_gap: Option<f64>,
    exploitability: f64,
    policy: Vec<f64>,
    log_policy: &'a Distribution,
    kl_to_reference: f64,
    entropy: f64,
    support: &'a [usize],
    #[serde(skip_serializing_if = "Option::is_none")]
    opponent: Option<OpponentLine<'a>>,
    changes: Vec<ChangeLine>,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<LimitLine<'a>>,
    iterations: usize,
}

#[derive(Serialize)]
struct OpponentLine<'a> {
    policy: Vec<f64>,
    log_policy: &'a Distribution,
    kl_to_reference: f64,
    entropy: f64,
    support: &'a [usize],
}

/// `before` is `null` where only the limit has changed.
#[derive(Serialize)]
struct ChangeLine {
    player: &'static str,
    action: usize,
    change: &'static str,
    after: f64,
    before: Option<f64>,
}

/// What the winner plays however little, and what is tied with it.
#[derive(Serialize)]
struct LimitLine<'a> {
    support: &'a [usize],
    tied: &'a [usize],
    #[serde(skip_serializing_if = "Option::is_none")]
    opponent_support: Option<&'a [usize]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    opponent_tied: Option<&'a [usize]>,
    margin: Option<f64>,
}

fn finite(x: f64) -> Option<f64> {
    x.is_finite().then_some(x)
}

fn line<'a>(record: &'a GameRecord, point: &'a PathPoint, symmetric: bool) -> PointLine<'a> {
    let opponent = (!symmetric).then(|| OpponentLine {
        policy: point.profile.column.probabilities(),
        log_policy: &point.profile.column,
        kl_to_reference: point.column.kl_to_reference,
        entropy: point.column.entropy,
        support: &point.column.support,
    });
    let changes = point.changes.iter().map(|change| ChangeLine {
        player: player(change, symmetric),
        action: change.action,
        change: if change.enters { "enters" } else { "leaves" },
        after: change.after,
        before: finite(change.before),
    });
    let limit = point.limit.as_ref().map(|limit| LimitLine {
        support: &limit.row.support,
        tied: &limit.row.tied,
        opponent_support: (!symmetric).then_some(&limit.column.support),
        opponent_tied: (!symmetric).then_some(&limit.column.tied),
        margin: limit.margin,
    });
    PointLine {
        id: &record.id,
        eta: point.eta.map(Eta::get),
        status: point.status,
        value: point.value + record.scale.offset(),
        duality_gap: finite(point.duality_gap),
        exploitability: point.exploitability,
        policy: point.profile.row.probabilities(),
        log_policy: &point.profile.row,
        kl_to_reference: point.row.kl_to_reference,
        entropy: point.row.entropy,
        support: &point.row.support,
        opponent,
        changes: changes.collect(),
        limit,
        iterations: point.iterations,
    }
}

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
        let line = line(&record, &point, symmetric);
        match &mut file {
            Some(file) => file.write_line(&line)?,
            None if !shown => write_jsonl(&mut pipe, &line)?,
            None => {}
        }
        points.push(point);
    }
    if shown {
        write!(pipe, "{}", report(&points, &record, symmetric, command.options.threshold))?;
    }
    pipe.flush()?;
    if let Some(file) = file {
        file.commit()?;
    }
    if !global.quiet {
        eprint!("{}", summary(&points, symmetric));
        if let Some(output) = command.output {
            eprintln!("written to {}", output.display());
        }
    }
    let done = points.iter().all(|point| point.status == Status::Converged);
    Ok(if done { Outcome::Done } else { Outcome::NotConverged })
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

/// The table of points, and the support changes below it.
fn report(points: &[PathPoint], record: &GameRecord, symmetric: bool, threshold: f64) -> String {
    let mut header =
        vec!["eta", "status", "duality gap", "value", "exploitability", "KL to reference"];
    header.extend(if symmetric { vec!["support"] } else { vec!["row support", "column support"] });
    header.push("most played");
    let mut table = render::Table::new(&header);
    for point in points {
        let both = |of: &dyn Fn(&PathPolicy) -> String| {
            let column = (!symmetric).then(|| of(&point.column));
            [Some(of(&point.row)), column].into_iter().flatten().collect::<Vec<_>>()
        };
        let mut cells = vec![
            point.eta.map_or("inf".to_owned(), |eta| significant(eta.get())),
            status_name(point.status).to_owned(),
            format!("{:.1e}", point.duality_gap),
            render::number(point.value + record.scale.offset()),
            render::number(point.exploitability),
            both(&|policy| render::number(policy.kl_to_reference)).join(" / "),
        ];
        cells.extend(both(&|policy| policy.support.len().to_string()));
        cells.push(most_played(&point.profile.row));
        table.row(cells);
    }
    let mut text = table.to_string();
    let changes: Vec<&SupportChange> = points.iter().flat_map(|point| &point.changes).collect();
    let mass = render::number(threshold);
    if changes.is_empty() {
        let _ = writeln!(text, "\nNo action crosses a probability of {mass}.");
        return text;
    }
    let _ = writeln!(text, "\nActions that cross a probability of {mass}, by eta:");
    let mut table = render::Table::new(&["eta", "change", "action", "player"]);
    for change in changes {
        let eta = significant(change.eta());
        table.row(vec![
            if change.before.is_finite() { eta } else { format!("beyond {eta}") },
            if change.enters { "enters" } else { "leaves" }.to_owned(),
            change.action.to_string(),
            player(change, symmetric).to_owned(),
        ]);
    }
    let _ = write!(text, "{table}");
    text
}

fn most_played(policy: &Distribution) -> String {
    let mut ranked: Vec<(usize, f64)> = policy.probabilities().into_iter().enumerate().collect();
    ranked.sort_by(|a, b| b.1.total_cmp(&a.1));
    let top = ranked.iter().take(3).map(|(action, p)| format!("{action}: {p:.3}"));
    top.collect::<Vec<_>>().join("  ")
}

/// Five digits, as closely as a support change is known.
fn significant(eta: f64) -> String {
    if (1e-3..1e6).contains(&eta) {
        let powers = [1e5, 1e4, 1e3, 1e2, 1e1, 1.0, 1e-1, 1e-2, 1e-3];
        let digits = powers.iter().position(|power| eta >= *power).unwrap_or(8);
        format!("{eta:.*}", digits.saturating_sub(1))
    } else {
        format!("{eta:.4e}")
    }
}

/// What was learned, in a few lines.
fn summary(points: &[PathPoint], symmetric: bool) -> String {
    let mut text = String::new();
    let largest = points.iter().map(|point| point.duality_gap).fold(0.0, f64::max);
    let changes: usize = points.iter().map(|point| point.changes.len()).sum();
    let iterations: usize = points.iter().map(|point| point.iterations).sum();
    let _ = writeln!(
        text,
        "{}, largest gap {largest:.1e}, {}; {} in all",
        render::counted(points.len(), "point"),
        render::counted(changes, "support change"),
        render::counted(iterations, "iteration"),
    );
    let unconverged = points.iter().filter(|point| point.status != Status::Converged).count();
    if unconverged > 0 {
        let _ =
            writeln!(text, "{} did not reach the tolerance", render::counted(unconverged, "point"));
    }
    if let Some(limit) = points.last().and_then(|point| point.limit.as_ref()) {
        let faces = if symmetric {
            vec![(&limit.row, "both")]
        } else {
            vec![(&limit.row, "row"), (&limit.column, "column")]
        };
        for (face, player) in faces {
            let played = render::counted(face.support.len(), "action");
            let _ = write!(text, "winner ({player}): {played} played");
            if !face.tied.is_empty() {
                let _ = write!(text, ", {} tied but not played", face.tied.len());
            }
            text.push('\n');
        }
        match (limit.status, limit.margin) {
            (Status::Converged, Some(margin)) => {
                let _ = writeln!(text, "every other action falls short by {margin:.1e} or more");
            }
            (Status::Converged, None) => {}
            _ => text.push_str("the support of the winner could not be proved\n"),
        }
    }
    text
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

    #[test]
    fn etas_keep_five_digits() {
        assert_eq!(significant(0.1), "0.10000");
        assert_eq!(significant(123.456_789), "123.46");
        assert_eq!(significant(123_456.7), "123457");
        assert_eq!(significant(2.5e7), "2.5000e7");
    }
}
