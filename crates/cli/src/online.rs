//! `nlhf online`: ask about candidates in batches, and learn a certified policy from the answers.

use crate::game::GameArgs;
use crate::model::ModelArgs;
use crate::policy_class::PolicyArgs;
use crate::{Global, Outcome, outputs};
use clap::{Args, ValueEnum};
use std::io::Write;
use std::path::{Path, PathBuf};

mod candidates;
mod judges;
mod learn;
mod plan;
mod summary;
mod written;

use candidates::CandidateArgs;
use judges::JudgeArgs;
use plan::PlanArgs;

/// Learn by asking: a main agent at the equilibrium, an enhancer that explores.
///
/// Without --candidates it asks an embedded simulated crowd, whose true preferences are known.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct OnlineArgs {
    #[command(flatten)]
    candidates: CandidateArgs,
    #[command(flatten)]
    judge: JudgeArgs,
    #[command(flatten)]
    plan: PlanArgs,
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    policy: PolicyArgs,
    #[command(flatten)]
    game: GameArgs,
    /// The policy that the KL term is measured from: a policy file as written by --output [default: uniform]
    #[arg(long, value_name = "FILE", requires = "candidates", help_heading = "Game")]
    reference: Option<PathBuf>,
    /// Write the policy here, one JSON line a prompt
    #[arg(long, short, value_name = "POLICY.jsonl", help_heading = "Output")]
    output: Option<PathBuf>,
    /// Write the whole report here: settings, rounds, bounds, policies, what was asked
    #[arg(long, value_name = "REPORT.json", help_heading = "Output")]
    report: Option<PathBuf>,
}

/// A choice that depends on something else where it is not made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum YesNo {
    Yes,
    No,
}

const AFTER_HELP: &str = "\
Examples:
  nlhf online --rounds 20 --labels-per-round 5000 --report online.json
  nlhf online --candidates candidates.jsonl --oracle person \\
    --labels labels.jsonl --budget 100 --output policy.jsonl
  nlhf online --candidates candidates.jsonl --budget 2000 \\
    --oracle http://127.0.0.1:8099/v1 --judge-model NAME \\
    --both-orders --labels labels.jsonl --output policy.jsonl
  nlhf online --oracle recorded:battles.csv --budget 5000

Candidates, a line a prompt or a line a candidate:
  {\"prompt\", \"responses\": [...], \"prompt_id\"?, \"response_ids\"?: [...]}
  {\"response_id\", \"prompt_id\", \"text\"?}    and --prompts for their texts

Every answer of a judge is on disk in --labels before it counts. The same
command goes on where it was interrupted and asks only what is missing.
Ctrl-C ends after the round; pressed again, as soon as what is under way
is kept; a third time, at once.";

pub(crate) fn run(args: &OnlineArgs, global: &Global) -> anyhow::Result<Outcome> {
    args.judge.check(&args.candidates)?;
    args.policy.check()?;
    anyhow::ensure!(
        args.model.fitted.is_none(),
        "--fitted learns nothing from what is asked; drop it, or see nlhf offline --apply"
    );
    let saved = args.policy.save_policy.as_deref();
    let wanted: Vec<&Path> =
        [args.output.as_deref(), args.report.as_deref(), saved].into_iter().flatten().collect();
    let kept = args.judge.labels();
    outputs::check_distinct(&[wanted.as_slice(), kept.as_slice()].concat(), &inputs(args))?;
    let mut output = args.output.as_deref().map(outputs::open).transpose()?;
    let mut report = args.report.as_deref().map(outputs::open).transpose()?;
    let mut saved = saved.map(outputs::open).transpose()?;
    let asked = candidates::load(args, global)?;
    let learned = learn::learn(args, global, &asked)?;

    if let Some(file) = &mut output {
        for line in written::policy_lines(&asked.problem, &learned) {
            file.write_line(&line)?;
        }
    }
    if let Some(file) = &mut report {
        serde_json::to_writer_pretty(&mut *file, &written::named_report(&asked.problem, &learned))
            .map_err(std::io::Error::from)?;
        file.write_all(b"\n")?;
    }
    if let Some(file) = &mut saved {
        let over_reference = args.reference.is_some();
        args.policy.write(file, &asked.problem, over_reference, learned.policy.as_ref())?;
    }
    for file in [output, report, saved].into_iter().flatten() {
        file.commit()?;
    }
    if !global.quiet {
        write!(std::io::stdout(), "{}", summary::render(args, &asked, &learned))?;
    }
    let unconverged = learned.report.rounds.iter().any(|round| round.n_unconverged > 0);
    Ok(if unconverged { Outcome::Marked } else { Outcome::Done })
}

/// The files that are read, which no output may replace.
fn inputs(args: &OnlineArgs) -> Vec<&Path> {
    let reference = args.reference.as_deref();
    args.candidates.files().into_iter().chain(args.judge.files()).chain(reference).collect()
}
