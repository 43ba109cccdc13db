//! `nlhf offline`: from a file of comparisons to a pessimistic, certified Nash policy.

use crate::game::GameArgs;
use crate::input::{DataArgs, Problem};
use crate::model::ModelArgs;
use crate::policy_class::PolicyArgs;
use crate::{Global, Outcome, outputs, reference};
use clap::{Args, ValueEnum};
use nlhf::core::SeedTree;
use nlhf::offline::Pessimism;
use std::io::Write;
use std::path::{Path, PathBuf};

mod coverage;
mod learn;
mod summary;
mod written;

/// Learn a policy from a fixed set of comparisons, pessimistically.
///
/// Without COMPARISONS it learns from an embedded simulated crowd, whose true preferences are known.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct OfflineArgs {
    #[command(flatten)]
    data: DataArgs,
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    policy: PolicyArgs,
    #[command(flatten)]
    game: GameArgs,
    /// How to guard against what the data leave open
    #[arg(long, value_enum, default_value = "bonus", help_heading = "Pessimism")]
    pessimism: PessimismArg,
    /// A saved model, given once for each: one of them is taken for the truth, and those that the comparisons leave open are
    /// guarded against
    #[arg(long, value_name = "MODEL.json", help_heading = "Pessimism", requires = "comparisons", conflicts_with_all = [
        "fitted", "model", "beta", "ridge", "log_odds_bound", "order_effect", "components", "planes", "plane_penalty", "hidden",
        "bootstrap",
    ])]
    class: Vec<PathBuf>,
    /// Apply this saved model to candidates that need not have been compared: COMPARISONS is then a list
    /// of them, JSONL with response_id and prompt_id
    #[arg(long, value_name = "MODEL.json", requires = "comparisons", conflicts_with_all = [
        "fitted", "class", "responses", "model", "beta", "ridge", "log_odds_bound", "order_effect", "components", "planes",
        "plane_penalty", "hidden", "bootstrap",
    ])]
    apply: Option<PathBuf>,
    /// How many labels might have been asked for, if pairs were chosen by earlier labels, as nlhf online does: intervals are
    /// made to hold for those too
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..), requires = "comparisons", help_heading = "Pessimism")]
    label_budget: u64,
    /// Put what other methods learn from the same comparisons beside it, judged by held-out comparisons: rows of a
    /// split other than train, or a share of all (--hold-out)
    #[arg(long, requires = "comparisons", conflicts_with = "apply", help_heading = "Judging")]
    baselines: bool,
    /// Hold this share of the comparisons out, drawn at random, to judge by; for data that name no splits
    /// [default: 0.2 with --baselines]
    #[arg(
        long,
        value_name = "SHARE",
        requires = "comparisons",
        conflicts_with = "apply",
        help_heading = "Judging",
        allow_hyphen_values = true
    )]
    hold_out: Option<f64>,
    /// The policy that the KL term is measured from: a policy file as written by --output [default: uniform]
    #[arg(long, value_name = "FILE", requires = "comparisons", help_heading = "Game")]
    reference: Option<PathBuf>,
    /// Write the policy here, one JSON line a prompt
    #[arg(long, short, value_name = "POLICY.jsonl", help_heading = "Output")]
    output: Option<PathBuf>,
    /// Write the whole report here: settings, evidence, certificates
    #[arg(long, value_name = "REPORT.json", help_heading = "Output")]
    report: Option<PathBuf>,
}

/// The share of comparisons that baselines are judged by where the data name none.
const HOLD_OUT: f64 = 0.2;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum PessimismArg {
    /// The worst preference within the confidence intervals, pair by pair
    Bonus,
    /// The worst of a set of preferences, all prompts at once: of --class, or of an ensemble of
    /// resampled fits (--bootstrap)
    VersionSpace,
    /// The estimate taken at its word
    None,
}

impl From<PessimismArg> for Pessimism {
    fn from(pessimism: PessimismArg) -> Self {
        match pessimism {
            PessimismArg::Bonus => Self::Bonus,
            PessimismArg::VersionSpace => Self::VersionSpace,
            PessimismArg::None => Self::None,
        }
    }
}

const AFTER_HELP: &str = "\
Examples:
  nlhf offline comparisons.jsonl --output policy.jsonl --report report.json
  nlhf offline --apply model.json candidates.jsonl \\
    --response-embeddings candidates.npy --output policy.jsonl
  nlhf offline comparisons.jsonl --responses responses.jsonl \\
    --response-embeddings responses.npy --model linear --output policy.jsonl

Comparisons, one of:
  JSONL  {\"prompt_id\", \"response_a_id\", \"response_b_id\", \"label\",
         \"weight\"?, \"annotator\"?, \"split\"?}; label: the probability that a
         is preferred; 1 won, 0 lost, 0.5 a tie
  TRL    {\"prompt\", \"chosen\", \"rejected\"}; named after the line where the
         texts first stand: \"12\", \"12.chosen\", \"12.rejected\"
  CSV    model_a, model_b, winner (model_a, model_b, tie or both_bad),
         prompt_id?, weight?, annotator?, split?

Rows of a split other than train are evaluated on and never fitted to.
Without splits a tenth is held out to evaluate, and the model is then
fitted to all rows. The tabular model keeps prompts apart; bradley-terry
gives one score to a response id, whichever prompts it answers.

Written to --output, a line a prompt:
  prompt_id, response_ids, probabilities, log_probabilities
  value                what the policy is worth at least against a best
                       competitor, if what the bound rests on holds (1/2 is
                       even on the scale probability, 0 on log-odds); where
                       there is no bound, in the game that was solved
  duality_gap          distance from the equilibrium of the game that was
                       solved; 0 is exact
  suboptimality_bound  the most that a best competitor gains against it, both
                       paying 1/eta a nat for leaving the reference; null if
                       nothing bounds it";

impl OfflineArgs {
    /// Whether models are taken from files, and none is fitted here.
    fn takes_models(&self) -> bool {
        self.apply.is_some() || self.model.fitted.is_some() || !self.class.is_empty()
    }

    /// Whether the bound rests on intervals of pairs; with `--beta 0` there are none.
    fn trusts_intervals(&self) -> bool {
        self.pessimism == PessimismArg::Bonus && self.model.beta != Some(0.0)
    }
}

pub(crate) fn run(args: &OfflineArgs, global: &Global) -> anyhow::Result<Outcome> {
    args.policy.check()?;
    let saved = args.policy.save_policy.as_deref();
    let wanted = [args.output.as_deref(), args.report.as_deref(), saved];
    outputs::check_distinct(&wanted.into_iter().flatten().collect::<Vec<_>>(), &inputs(args))?;
    let mut output = args.output.as_deref().map(outputs::open).transpose()?;
    let mut report = args.report.as_deref().map(outputs::open).transpose()?;
    let mut saved = saved.map(outputs::open).transpose()?;
    let mut problem = match &args.apply {
        Some(_) => Problem::load_candidates(&args.data)?,
        None => Problem::load(&args.data, global)?,
    };
    let share =
        args.hold_out.or((args.baselines && problem.held_out.is_empty()).then_some(HOLD_OUT));
    if let Some(share) = share {
        problem.hold_out(share, SeedTree::new(global.seed))?;
    }
    let reference = reference::load(args.reference.as_deref(), &problem, global)?;
    let learned = learn::learn(args, global, &problem, &reference)?;

    if let Some(file) = &mut output {
        for prompt in &learned.report.prompts {
            file.write_line(&written::policy_line(&problem, prompt))?;
        }
    }
    if let Some(file) = &mut report {
        serde_json::to_writer_pretty(&mut *file, &written::named_report(&problem, &learned))
            .map_err(std::io::Error::from)?;
        file.write_all(b"\n")?;
    }
    if let Some(file) = &mut saved {
        let over_reference = args.reference.is_some();
        args.policy.write(file, &problem, over_reference, learned.policy.as_ref())?;
    }
    for file in [output, report, saved].into_iter().flatten() {
        file.commit()?;
    }
    if !global.quiet {
        write!(std::io::stdout(), "{}", summary::render(args, &problem, &learned))?;
    }
    let converged = learned.report.n_unconverged() == 0;
    Ok(if converged { Outcome::Done } else { Outcome::Marked })
}

/// The files that are read, which no output may replace.
fn inputs(args: &OfflineArgs) -> Vec<&Path> {
    let models = [&args.model.fitted, &args.apply].into_iter().filter_map(|path| path.as_deref());
    let class = args.class.iter().map(PathBuf::as_path);
    args.data
        .files()
        .into_iter()
        .chain(args.reference.as_deref())
        .chain(models)
        .chain(class)
        .collect()
}
