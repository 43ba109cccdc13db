//! `nlhf evaluate`: policies against each other, judged by comparisons that none of them has learned from.

use crate::game::GameArgs;
use crate::input::{self, BothBadRule, DataArgs, Problem};
use crate::model::file::AlreadyFitted;
use crate::model::{ModelArgs, WithFit};
use crate::progress::Progress;
use crate::{Global, Outcome, outputs, reference, render};
use anyhow::{Context, ensure};
use clap::Args;
use nlhf::core::{
    Comparison, Confidence, ConfidenceWidth, FitEvidence, FitPreference, Policy, PreferenceModel,
    SeedTree,
};
use nlhf::data::Catalog;
use nlhf::offline::{
    Contest, ContestConfig, ContestData, ContestEvent, FittedJudge, Judge, JudgeConfig, WinShareFit,
};
use nlhf::preference::{AnyModel, Evaluation, PairCounts, evaluate};
use serde::Serialize;
use std::io::Write;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

mod field;
mod summary;

use field::Field;

/// Let policies play each other on held-out comparisons: win rates with intervals, exploitability, KL.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
#[command(mut_arg("model", |arg| arg.help(
    "The judge [default: the share of wins of each pair; linear if there are embeddings]",
)))]
#[command(mut_arg("fitted", |arg| arg.help("Take this model, as written by nlhf fit --output, for the judge")))]
#[command(mut_arg("confidence", |arg| arg.help("How often each interval holds")))]
#[command(mut_arg("bootstrap", |arg| arg.help("Judges fitted to resampled comparisons, for the intervals [default: 200]")))]
#[command(mut_arg("beta", |arg| arg.hide(true)))]
pub(crate) struct EvaluateArgs {
    /// Policies: JSONL as written by --output of other commands, plain, gzip or zstd; the first names prompts
    /// and candidates
    #[arg(value_name = "POLICY", required = true)]
    policies: Vec<PathBuf>,
    #[command(flatten)]
    rows: RowArgs,
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    game: GameArgs,
    /// The policy that KL terms are measured from: a policy file as written by --output of other commands
    /// [default: uniform]
    #[arg(long, value_name = "FILE", help_heading = "Game")]
    reference: Option<PathBuf>,
    /// Write all figures here: win rates and intervals, standings, the judge
    #[arg(long, value_name = "REPORT.json", help_heading = "Output")]
    report: Option<PathBuf>,
}

/// What the judge is fitted to.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Data")]
struct RowArgs {
    /// Comparisons that no policy has learned from; formats: nlhf offline --help
    #[arg(long, value_name = "HELDOUT")]
    comparisons: PathBuf,
    /// Judge by the rows of all splits, those of train included
    #[arg(long)]
    all_rows: bool,
    /// What to do with battles in which both responses were bad
    #[arg(long, value_enum, default_value = "tie")]
    both_bad: BothBadRule,
    /// Candidates: JSONL with response_id and prompt_id, for judges of features
    #[arg(long, value_name = "FILE")]
    responses: Option<PathBuf>,
    /// Embeddings of the candidates: .npy, row k for line k of --responses
    #[arg(long, value_name = "FILE", requires = "responses")]
    response_embeddings: Option<PathBuf>,
    /// Prompts: JSONL with prompt_id
    #[arg(long, value_name = "FILE", requires = "responses")]
    prompts: Option<PathBuf>,
    /// Embeddings of the prompts: .npy, row k for line k of --prompts
    #[arg(long, value_name = "FILE", requires = "prompts")]
    prompt_embeddings: Option<PathBuf>,
}

const AFTER_HELP: &str = "\
Examples:
  nlhf offline train.jsonl --output nash.jsonl
  nlhf offline train.jsonl --eta 50 --output bold.jsonl
  nlhf evaluate nash.jsonl bold.jsonl --comparisons heldout.jsonl
  nlhf evaluate nash.jsonl bold.jsonl --comparisons battles.csv \\
    --model bradley-terry --bootstrap-by annotator --report contest.json

The judge is fitted to the comparisons of HELDOUT: to rows of a split other
than train if it names splits, else to all. Those of candidates that the
policies do not list are left out and counted, and so are prompts without
any. A pair that was never compared counts as even.

Intervals are about other prompts of the same kind, and about other labels.
Exploitability and suboptimality under a fitted judge are biased upwards,
because the best of noisy competitors is overrated; their brackets reach
down to a value with the competitor chosen on one half of the comparisons
and judged on the other, which is biased downwards.";

pub(crate) fn run(args: &EvaluateArgs, global: &Global) -> anyhow::Result<Outcome> {
    let data = args.rows.data();
    let inputs: Vec<&Path> = data.files().into_iter().chain(args.files()).collect();
    outputs::check_distinct(&args.report.as_deref().into_iter().collect::<Vec<_>>(), &inputs)?;
    ensure!(
        args.model.beta.is_none(),
        "--beta does nothing for a judge, whose noise is found by resampling; drop it"
    );
    if args.rows.response_embeddings.is_none() && args.model.model.is_none() {
        refuse_settings_of_models(&args.model)?;
    }
    let mut report = args.report.as_deref().map(outputs::open).transpose()?;
    let problem = read(args, &data, global)?;
    let rows = judging_rows(args, &problem)?;
    let field = Field::gather(&args.policies, &problem, rows)?;
    let reference = reference::load(args.reference.as_deref(), &problem, global)?;
    let play = Play { args, global, rows, field: &field, reference: reference.as_ref() };
    let judged = play.judged(&problem)?;
    if let Some(file) = &mut report {
        serde_json::to_writer_pretty(&mut *file, &judged).map_err(std::io::Error::from)?;
        file.write_all(b"\n")?;
    }
    if let Some(file) = report {
        file.commit()?;
    }
    if !global.quiet {
        write!(std::io::stdout(), "{}", summary::render(args, &problem, &judged))?;
    }
    Ok(Outcome::Done)
}

/// Refuses settings that do nothing for win shares.
fn refuse_settings_of_models(model: &ModelArgs) -> anyhow::Result<()> {
    for (given, option) in [
        (model.ridge.is_some(), "--ridge"),
        (model.log_odds_bound.is_some(), "--log-odds-bound"),
        (model.order_effect, "--order-effect"),
        (model.components.is_some(), "--components"),
        (model.planes.is_some(), "--planes"),
        (model.plane_penalty.is_some(), "--plane-penalty"),
        (model.hidden.is_some(), "--hidden"),
    ] {
        ensure!(
            !given,
            "{option} does nothing for shares of wins; drop it, or choose the judge with --model"
        );
    }
    Ok(())
}

impl EvaluateArgs {
    /// The files that are read beside the data.
    fn files(&self) -> impl Iterator<Item = &Path> {
        let files = self.policies.iter().chain(&self.reference).chain(&self.model.fitted);
        files.map(PathBuf::as_path)
    }
}

impl RowArgs {
    fn data(&self) -> DataArgs {
        DataArgs {
            comparisons: Some(self.comparisons.clone()),
            responses: self.responses.clone(),
            response_embeddings: self.response_embeddings.clone(),
            prompts: self.prompts.clone(),
            prompt_embeddings: self.prompt_embeddings.clone(),
            text_features: None,
            skip_unlisted: true,
            both_bad: self.both_bad,
            allow_single_candidates: true,
        }
    }
}

/// Reads the comparisons of what the policies, or a list of candidates, name.
fn read(args: &EvaluateArgs, data: &DataArgs, global: &Global) -> anyhow::Result<Problem> {
    let first = &args.policies[0];
    let lone = args.policies.iter().find(|path| path.as_os_str() == "-");
    ensure!(lone.is_none(), "-: expected the name of a policy file, found a lone dash");
    let catalog = match input::catalog(data)? {
        Some(catalog) => catalog,
        None => Catalog::from_policies(first)?,
    };
    let path = &args.rows.comparisons;
    let read = Problem::read(data, path, Some(catalog), global, false);
    read.map_err(|error| {
        if error.to_string().contains("texts without ids") {
            let named = "nlhf data FILE --explicit OUT.jsonl names them as nlhf offline FILE does";
            anyhow::anyhow!("{error} ({named})")
        } else {
            error
        }
    })
}

/// The rows that the judge is fitted to.
fn judging_rows<'a>(args: &EvaluateArgs, problem: &'a Problem) -> anyhow::Result<&'a [Comparison]> {
    let dataset = &problem.dataset;
    if args.rows.all_rows || !dataset.has_split {
        return Ok(&dataset.comparisons);
    }
    ensure!(
        !problem.held_out.is_empty(),
        "{}: expected rows of a split other than \"train\" to judge by, found {}, all of train (--all-rows takes them)",
        args.rows.comparisons.display(),
        render::counted(dataset.comparisons.len(), "row")
    );
    Ok(&problem.held_out)
}

/// Everything that was found, as the report holds it.
#[derive(Debug, Serialize)]
struct Judged {
    policies: Vec<PathBuf>,
    judge: JudgeReport,
    n_unanswered_prompts: usize,
    n_unjudged_prompts: usize,
    n_unlisted_comparisons: usize,
    contest: Contest,
}

#[derive(Debug, Serialize)]
struct JudgeReport {
    model: String,
    /// Comparisons that it judges by, those of a response with itself left out.
    n_comparisons: usize,
    evidence: FitEvidence,
    /// How well a model that was fitted before predicts these comparisons.
    on_these: Option<Evaluation>,
}

/// Finds a judge, and lets the policies play.
struct Play<'a> {
    args: &'a EvaluateArgs,
    global: &'a Global,
    rows: &'a [Comparison],
    field: &'a Field,
    reference: &'a dyn Policy,
}

impl Play<'_> {
    fn judged(&self, problem: &Problem) -> anyhow::Result<Judged> {
        let model = &self.args.model;
        let (judge, contest) = if let Some(path) = &model.fitted {
            self.by_saved(path, problem)?
        } else if model.model.is_none() && problem.features.is_none() {
            self.by_fit(WinShareFit)?
        } else {
            // Noise is found by resampling, not by widths.
            let plain = ModelArgs { widths: false, bootstrap: None, ..model.clone() };
            plain.with_fit(problem, 1, self)?
        };
        Ok(Judged {
            policies: self.args.policies.clone(),
            judge,
            n_unanswered_prompts: self.field.n_unanswered,
            n_unjudged_prompts: self.field.n_unjudged,
            n_unlisted_comparisons: problem.dataset.n_unlisted,
            contest,
        })
    }

    fn by_fit<F: FitPreference>(&self, fit: F) -> anyhow::Result<(JudgeReport, Contest)> {
        let model = &self.args.model;
        let default = JudgeConfig::default();
        let config = JudgeConfig {
            members: model.bootstrap.unwrap_or(default.members),
            cluster: model.bootstrap_by.into(),
            seed: SeedTree::new(self.global.seed),
        };
        let judge = FittedJudge::fit(fit, self.rows, config).context("cannot fit the judge")?;
        let evidence = judge.evidence().clone();
        let contest = self.contest(&judge.judge())?;
        Ok((
            JudgeReport {
                model: evidence.model.clone(),
                n_comparisons: evidence.n_comparisons,
                evidence,
                on_these: None,
            },
            contest,
        ))
    }

    fn by_saved(&self, path: &Path, problem: &Problem) -> anyhow::Result<(JudgeReport, Contest)> {
        let saved = AlreadyFitted::read(path, problem)?.fit(self.rows)?;
        let counts = PairCounts::new(self.rows);
        let members: &[AnyModel] = match &saved.model {
            AnyModel::Bootstrap(ensemble) => ensemble.members(),
            _ => &[],
        };
        let members = members.iter().map(|member| member as &dyn PreferenceModel);
        let judge = Judge::known(&saved.model).with_members(members).with_judged(&counts);
        let contest = self.contest(&judge)?;
        Ok((
            JudgeReport {
                model: saved.evidence.model.clone(),
                n_comparisons: counts.n_comparisons(),
                on_these: evaluate(&saved.model, self.rows),
                evidence: saved.evidence,
            },
            contest,
        ))
    }

    fn contest(&self, judge: &Judge<'_>) -> anyhow::Result<Contest> {
        let config = ContestConfig {
            eta: self.args.game.eta,
            scale: self.args.game.scale.into(),
            confidence: Confidence::new(self.args.model.confidence)?,
            seed: SeedTree::new(self.global.seed),
            ..ContestConfig::default()
        };
        let Field { menus, entrants, .. } = self.field;
        let data = ContestData { menus, reference: self.reference, entrants };
        let mut bar = None;
        let mut watch = |event: &ContestEvent| {
            let total = event.total as u64;
            let bar = bar.get_or_insert_with(|| Progress::new(self.global, total, "judges"));
            bar.update(event.done as u64, "judging");
            ControlFlow::Continue(())
        };
        let contest = Contest::hold(data, judge, &config, &mut watch)?;
        bar.into_iter().for_each(Progress::finish);
        Ok(contest)
    }
}

impl WithFit for &Play<'_> {
    type Output = (JudgeReport, Contest);

    fn call<F>(self, fit: F) -> anyhow::Result<Self::Output>
    where
        F: FitPreference + 'static,
        F::Model: ConfidenceWidth + Into<AnyModel> + 'static,
    {
        self.by_fit(fit)
    }
}
