//! `nlhf solve`: certified equilibria of games in a file, one line a game, in the order given.

mod pipeline;
mod sink;
mod summary;

use crate::game::parse_eta;
use crate::path::{self, PathArgs, PathCommand};
use crate::progress::Progress;
use crate::{Global, Outcome, outputs};
use anyhow::Context;
use clap::{Args, ValueEnum};
use nlhf::core::Eta;
use nlhf::data::{
    GameBatch, GameDefaults, GameFile, GamePlace, GameScale, is_game_matrix, read_game_matrix,
};
use sink::Sink;
pub(crate) use sink::status_name;
use std::path::PathBuf;
use summary::Summary;

/// Solve KL-regularized games: preference matrices, log-odds, or any payoffs.
///
/// Every solution carries its duality gap, recomputed from the policy that is written.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct SolveArgs {
    /// Games: JSONL (plain or gzip), arrays in an .npz archive, a .csv or .npy matrix, or - for JSONL on
    /// standard input
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
    /// Write JSONL here, or arrays if the name ends in .npz; without it, a table on a terminal and
    /// JSONL in a pipe
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Stop at the first game that is none, and write nothing; without it, the game is marked as
    /// invalid and the others are solved
    #[arg(long)]
    strict: bool,
    #[command(flatten)]
    path: PathArgs,
}

const AFTER_HELP: &str = "\
Examples:
  echo '{\"eta\": 5, \"scale\": \"payoff\", \"payoff\": [[0, 1], [2, -1]]}' \\
    | nlhf solve -
  nlhf solve winrates.csv --eta 20 --scale probability
  python3 -c 'import numpy; p = numpy.full((9, 2, 2), 0.5);
    numpy.savez(\"games.npz\", payoffs=p, etas=10.0, scale=\"probability\")'
  nlhf solve games.npz --output solved.npz
  nlhf solve winrates.csv --path 0.1:inf --scale probability

A game a line:
  {\"id\"?, \"eta\", \"scale\", \"payoff\": [[…]], \"prior\"?, \"opponent_prior\"?}
  id              any name; the number of the line if there is none
  scale           probability: P with P + P' = 1; log-odds: R with R + R' = 0;
                  payoff: any n x m matrix, solved for both players
  prior           uniform unless given; divided by its sum; 0 is never played
  opponent_prior  the prior, if the matrix is square

The same as arrays, by numpy.savez or savez_compressed, which spares parsing:
  payoffs [N, n, m]; etas () or [N], or --eta; scale one text, or --scale;
  priors [n] or [N, n]?; opponent_priors [m] or [N, m]?
  A game is called by its index, from 0.

Written, a line a game:
  id, status, policy, log_policy, opponent and log_opponent (where the two
  may differ), value (1/2 is even on the scale probability), duality_gap,
  iterations, method. A log-probability of minus infinity is null.
  What is no game gives {id, status: \"invalid\", line or index, reason}; if
  the solver breaks down the status is \"failed\".

Written to .npz, if all games have one size; row k is the k-th game:
  log_policies [N, n], log_opponents [N, m] (where the two may differ),
  values, duality_gaps, iterations, statuses [N] (positions in
  status_names), unsolved [K] and reasons [K] (games without a solution,
  whose policies are NaN)

A .csv matrix may have names in its first row and column, and may miss
P + P' = 1 by rounding.";

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum SolveScale {
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

pub(crate) fn parse_tolerance(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(tolerance) if tolerance >= 0.0 && tolerance.is_finite() => Ok(tolerance),
        _ => Err(format!("a tolerance must be a non-negative number, but is {text:?}")),
    }
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
    if let Some(path) = &args.output {
        outputs::check_distinct(&[path], &[&args.games])?;
    }
    let mut output = Output {
        sink: Sink::open(args.output.as_deref())?,
        summary: Summary::new(args, global),
        spinner: Progress::spinner(global),
    };
    let scale = args.scale.map(GameScale::from);
    if is_game_matrix(&args.games) {
        let eta = args.eta.context("a matrix file needs --eta, as in --eta 10")?;
        let scale = scale.context("a matrix file needs --scale probability, log-odds or payoff")?;
        let record = read_game_matrix(&args.games, eta, scale)?;
        let mut games = GameBatch::default();
        games.push_record(&record, GamePlace::Index(0));
        drop(record);
        pipeline::run_batch(games, args.tolerance, &mut output)?;
    } else {
        let defaults = GameDefaults { eta: args.eta, scale };
        let file = GameFile::open(&args.games, defaults)?;
        pipeline::run(file, args.tolerance, &mut output)?;
    }
    let Output { sink, summary, spinner } = output;
    spinner.finish();
    summary.check_any()?;
    sink.finish()?;
    Ok(summary.finish())
}

/// Where solutions go, and what is said about them.
struct Output {
    sink: Sink,
    summary: Summary,
    spinner: Progress,
}
