//! `nlhf solve`: certified equilibria of games in a file, one line a game, in the order given.

use crate::game::parse_eta;
use crate::path::{self, PathArgs, PathCommand};
use crate::progress::Progress;
use crate::{Global, Outcome, outputs, render};
use anyhow::{Context, ensure};
use clap::{Args, ValueEnum};
use nlhf::core::{Eta, NashSolver, RegularizedGame, Status};
use nlhf::data::{
    AtomicFile, DataError, GameDefaults, GameRecord, GameScale, LineReader, SolutionLine,
    is_game_matrix, parse_game, read_game_matrix, write_jsonl,
};
use nlhf::nash::Automatic;
use rayon::prelude::*;
use std::io::{BufWriter, IsTerminal, Write};
use std::path::PathBuf;

/// Solve KL-regularized games: preference matrices, log-odds, or any payoffs.
///
/// Every solution carries its duality gap, recomputed from the policy that is written.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct SolveArgs {
    /// Games: JSONL (plain or gzip), a .csv or .npy matrix, or - for JSONL on standard input
    games: PathBuf,
    /// The factor of the payoffs against the KL term, for games that do not name their own
    #[arg(long, value_parser = parse_eta, allow_hyphen_values = true)]
    eta: Option<Eta>,
    /// What the entries of the matrices are, for games that do not say it
    #[arg(long)]
    scale: Option<SolveScale>,
    /// The largest duality gap that counts as converged, in units of the payoff
    #[arg(long, default_value_t = 1e-10, value_parser = parse_tolerance, allow_hyphen_values = true)]
    tolerance: f64,
    /// Write JSONL here; without it, a table on a terminal and JSONL in a pipe
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    path: PathArgs,
}

const AFTER_HELP: &str = "\
Example:
  echo '{\"eta\": 5, \"scale\": \"payoff\", \"payoff\": [[0, 1], [2, -1]]}' \\
    | nlhf solve -
  nlhf solve winrates.csv --eta 20 --scale probability
  nlhf solve winrates.csv --path 0.1:inf --scale probability

A game a line:
  {\"id\"?, \"eta\", \"scale\", \"payoff\": [[…]], \"prior\"?, \"opponent_prior\"?}
  id              any name; the number of the line if there is none
  scale           probability: P with P + P' = 1; log-odds: R with R + R' = 0;
                  payoff: any n x m matrix, solved for both players
  prior           uniform unless given; divided by its sum; 0 is never played
  opponent_prior  the prior, if the matrix is square

Written, a line a game:
  id, status, policy, log_policy, opponent and log_opponent (where the two
  may differ), value (1/2 is even on the scale probability), duality_gap,
  iterations. A log-probability of minus infinity is null.

A .csv matrix may have names in its first row and column, and may miss
P + P' = 1 by rounding.";

#[derive(Debug, Clone, Copy, ValueEnum)]
enum SolveScale {
    /// P(row beats column); P + P' = 1
    Probability,
    /// log(P / (1 - P)); R + R' = 0
    LogOdds,
    /// Any payoffs, solved for both players
    Payoff,
}

impl From<SolveScale> for GameScale {
    fn from(scale: SolveScale) -> Self {
        match scale {
            SolveScale::Probability => Self::Probability,
            SolveScale::LogOdds => Self::LogOdds,
            SolveScale::Payoff => Self::Payoff,
        }
    }
}

fn parse_tolerance(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(tolerance) if tolerance >= 0.0 && tolerance.is_finite() => Ok(tolerance),
        _ => Err(format!("a tolerance must be a non-negative number, but is {text:?}")),
    }
}

/// Games read, solved in parallel and written before the next ones are read: memory stays flat.
const BATCH: usize = 1024;

/// Where solutions go.
enum Sink {
    File(AtomicFile),
    Pipe(BufWriter<std::io::Stdout>),
    Table(render::Table),
}

#[derive(Default)]
struct Tally {
    games: usize,
    unconverged: usize,
    max_gap: f64,
    iterations: usize,
    notes: usize,
}

pub(crate) fn run(args: &SolveArgs, global: &Global) -> anyhow::Result<Outcome> {
    if let Some(range) = args.path.range {
        let command = PathCommand {
            range,
            options: &args.path,
            games: &args.games,
            eta: args.eta,
            scale: args.scale.map(GameScale::from),
            tolerance: args.tolerance,
            output: args.output.as_deref(),
        };
        return path::run(&command, global);
    }
    let mut sink = match &args.output {
        Some(path) => {
            outputs::check_distinct(&[path], &[&args.games])?;
            Sink::File(outputs::open(path)?)
        }
        None if std::io::stdout().is_terminal() => Sink::Table(render::Table::new(&[
            "game",
            "status",
            "value",
            "duality gap",
            "iterations",
            "most played",
        ])),
        None => Sink::Pipe(BufWriter::new(std::io::stdout())),
    };
    let mut spinner = Progress::spinner(global);
    let mut tally = Tally::default();
    if is_game_matrix(&args.games) {
        let eta = args.eta.context("a matrix file needs --eta, as in --eta 10")?;
        let scale =
            args.scale.context("a matrix file needs --scale probability, log-odds or payoff")?;
        let record = read_game_matrix(&args.games, eta, scale.into())?;
        let line = solve(&record, args.tolerance)?;
        emit(&mut sink, &mut tally, &record, &line, global)?;
    } else {
        let defaults = GameDefaults { eta: args.eta, scale: args.scale.map(GameScale::from) };
        let mut reader = LineReader::open(&args.games)?;
        loop {
            let batch = read_batch(&mut reader)?;
            let path = reader.path();
            if batch.is_empty() {
                break;
            }
            let solved: anyhow::Result<Vec<(GameRecord, SolutionLine)>> = batch
                .into_par_iter()
                .map(|(number, text)| {
                    let record = parse_game(&text, path, number, &defaults)?;
                    let line = solve(&record, args.tolerance)
                        .with_context(|| format!("{}:{number}", path.display()))?;
                    Ok((record, line))
                })
                .collect();
            for (record, line) in solved? {
                emit(&mut sink, &mut tally, &record, &line, global)?;
            }
            let solved = format!("{} solved", render::counted(tally.games, "game"));
            spinner.update(tally.games as u64, solved);
        }
    }
    spinner.finish();
    let name = args.games.to_str().filter(|name| *name != "-").unwrap_or("<stdin>");
    ensure!(tally.games > 0, "{name}: expected games, found an empty file");
    finish(sink, &tally, args, global)
}

fn read_batch(reader: &mut LineReader) -> Result<Vec<(u64, String)>, DataError> {
    let mut batch = Vec::new();
    while batch.len() < BATCH {
        match reader.next_line()? {
            Some(line) => batch.push((line.number, line.text.to_owned())),
            None => break,
        }
    }
    Ok(batch)
}

fn solve(record: &GameRecord, tolerance: f64) -> anyhow::Result<SolutionLine> {
    let game = RegularizedGame::new(&record.payoff, &record.reference, record.eta)?;
    let solution = Automatic { tolerance }.solve(&game, &record.reference, &mut ())?;
    Ok(SolutionLine::new(record, &solution))
}

fn emit(
    sink: &mut Sink,
    tally: &mut Tally,
    record: &GameRecord,
    line: &SolutionLine,
    global: &Global,
) -> anyhow::Result<()> {
    tally.games += 1;
    tally.unconverged += usize::from(line.status != Status::Converged);
    tally.max_gap = tally.max_gap.max(line.duality_gap);
    tally.iterations += line.iterations;
    for note in &record.notes {
        // A batch of a million games with the same habit is told about it a few times only.
        if tally.notes < 3 && !global.quiet {
            eprintln!("nlhf: game {}: {note}", record.id);
        }
        tally.notes += 1;
    }
    match sink {
        Sink::File(file) => Ok(file.write_line(line)?),
        Sink::Pipe(pipe) => Ok(write_jsonl(pipe, line)?),
        Sink::Table(table) => {
            let mut ranked: Vec<(usize, f64)> = line.policy.iter().copied().enumerate().collect();
            ranked.sort_by(|a, b| b.1.total_cmp(&a.1));
            let top = ranked.iter().take(3).map(|(action, p)| format!("{action}: {p:.3}"));
            table.row(vec![
                line.id.clone(),
                status_name(line.status).to_owned(),
                render::number(line.value),
                format!("{:.1e}", line.duality_gap),
                line.iterations.to_string(),
                top.collect::<Vec<_>>().join("  "),
            ]);
            Ok(())
        }
    }
}

pub(crate) fn status_name(status: Status) -> &'static str {
    match status {
        Status::Converged => "converged",
        Status::Stalled => "stalled",
        Status::IterationLimit => "iteration-limit",
        Status::Stopped => "stopped",
    }
}

fn finish(sink: Sink, tally: &Tally, args: &SolveArgs, global: &Global) -> anyhow::Result<Outcome> {
    match sink {
        Sink::File(file) => file.commit()?,
        Sink::Pipe(mut pipe) => pipe.flush()?,
        Sink::Table(table) => write!(std::io::stdout(), "{table}")?,
    }
    if tally.notes > 3 && !global.quiet {
        eprintln!("nlhf: {} more notes of this kind", render::count(tally.notes - 3));
    }
    if !global.quiet {
        let games = render::counted(tally.games, "game");
        let solved = tally.games - tally.unconverged;
        eprintln!(
            "{games}, {} with a duality gap of at most {:e}; largest gap {:.1e}; {:.1} iterations a game",
            render::count(solved),
            args.tolerance,
            tally.max_gap,
            tally.iterations as f64 / tally.games.max(1) as f64
        );
        if let Some(path) = &args.output {
            eprintln!("written to {}", path.display());
        }
        if tally.unconverged > 0 {
            eprintln!(
                "{} did not reach the tolerance: their status says why, their gap how far they got",
                render::counted(tally.unconverged, "game")
            );
        }
    }
    Ok(if tally.unconverged == 0 { Outcome::Done } else { Outcome::NotConverged })
}
