//! `nlhf`: Nash learning from human feedback on the command line.
//!
//! The only place of the workspace that prints. Standard output carries results, standard error
//! progress, notes and errors. Exit codes: 0 done, 1 done but something is marked, 2 bad input.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the command line is the one place that prints"
)]
#![allow(clippy::doc_markdown, reason = "doc comments of arguments are shown as help texts")]

mod act;
mod compare;
mod contest;
mod crowd;
mod data;
mod evaluate;
mod export;
mod fit;
mod game;
mod input;
mod labels;
mod model;
mod offline;
mod online;
mod outputs;
mod path;
mod policy_class;
mod progress;
mod reference;
mod render;
mod solve;
mod versioned;

use clap::{Args, Parser, Subcommand};
use std::process::ExitCode;

/// Learn policies that no competitor is preferred to, from comparisons or from games.
#[derive(Debug, Parser)]
#[command(name = "nlhf", version, propagate_version = true, after_help = AFTER_HELP)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    global: Global,
}

const AFTER_HELP: &str = "\
Examples:
  nlhf offline                                   learn from an embedded simulated crowd
  nlhf offline comparisons.jsonl --output p.jsonl  learn a policy from your own comparisons
  nlhf evaluate a.jsonl b.jsonl --comparisons heldout.jsonl  which policy wins
  nlhf export policy.jsonl --comparisons pairs.jsonl  pairs with margins for a trainer
  nlhf act policy.json new.jsonl                 let a saved policy choose among new candidates
  nlhf data comparisons.jsonl                    see what a file holds, and which model fits
  nlhf fit comparisons.jsonl --cv --output m.json  keep the preference model
  nlhf online --candidates c.jsonl --oracle person --labels l.jsonl --budget 100
  nlhf online                                    ask a simulated crowd, round by round
  nlhf labels l.jsonl --output comparisons.jsonl see what was answered
  nlhf solve games.jsonl --output solved.jsonl   solve games that you already have
  nlhf compare games.jsonl --plot gaps.svg       see how published methods do on them

Exit codes: 0 done; 1 done, but something is marked as not converged or
as no game; 2 bad input.";

/// Options of every command.
#[derive(Debug, Clone, Args)]
struct Global {
    /// Threads to use; results do not depend on it [default: all cores]
    #[arg(long, global = true, value_name = "N")]
    threads: Option<usize>,
    /// Seed of everything that is drawn at random
    #[arg(long, global = true, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// No progress and no summary: only results and errors
    #[arg(long, short, global = true)]
    quiet: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    Data(data::DataCommand),
    Fit(fit::FitArgs),
    Solve(solve::SolveArgs),
    Compare(compare::CompareArgs),
    Offline(Box<offline::OfflineArgs>),
    Evaluate(evaluate::EvaluateArgs),
    Export(export::ExportArgs),
    Online(Box<online::OnlineArgs>),
    Labels(labels::LabelsArgs),
    Act(act::ActArgs),
}

/// How a command that did not fail ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Done,
    /// Results are written, but some are marked: not converged, or no game.
    Marked,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(&cli) {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::Marked) => ExitCode::from(1),
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("nlhf: {}", render::error_chain(&error));
            ExitCode::from(2)
        }
    }
}

fn run(cli: &Cli) -> anyhow::Result<Outcome> {
    outputs::remove_when_interrupted()?;
    if let Some(threads) = cli.global.threads {
        anyhow::ensure!(
            (1..=1024).contains(&threads),
            "--threads must be between 1 and 1024, but is {threads}"
        );
        rayon::ThreadPoolBuilder::new().num_threads(threads).build_global()?;
    }
    match &cli.command {
        Command::Data(args) => data::run(args, &cli.global),
        Command::Fit(args) => fit::run(args, &cli.global),
        Command::Solve(args) => solve::run(args, &cli.global),
        Command::Compare(args) => compare::run(args, &cli.global),
        Command::Offline(args) => offline::run(args, &cli.global),
        Command::Evaluate(args) => evaluate::run(args, &cli.global),
        Command::Export(args) => export::run(args, &cli.global),
        Command::Online(args) => online::run(args, &cli.global),
        Command::Labels(args) => labels::run(args, &cli.global),
        Command::Act(args) => act::run(args, &cli.global),
    }
}

/// Whoever reads our output has seen enough: `nlhf solve … | head` is no error.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause
            .downcast_ref::<std::io::Error>()
            .is_some_and(|io| io.kind() == std::io::ErrorKind::BrokenPipe)
    })
}
