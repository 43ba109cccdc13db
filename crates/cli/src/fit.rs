//! `nlhf fit`: from a file of comparisons to a preference model in a file of its own.

use crate::input::{DataArgs, Problem};
use crate::model::file::ModelFile;
use crate::model::grid::{self, Choice};
use crate::model::{ModelArgs, WithFit};
use crate::progress::Progress;
use crate::{Global, Outcome, outputs};
use anyhow::ensure;
use clap::Args;
use nlhf::core::{ConfidenceWidth, FitPreference, FitStatus, Fitted, SeedTree};
use nlhf::preference::evidence::{
    Calibration, CrossValidation, FoldBy, calibration, cross_validate,
};
use nlhf::preference::{AnyModel, Evaluation, evaluate};
use serde::Serialize;
use std::io::Write;
use std::path::{Path, PathBuf};

mod summary;

/// Fit a preference model, say how well it predicts, and write it to a file.
///
/// Without COMPARISONS it fits to the embedded simulated crowd.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct FitArgs {
    #[command(flatten)]
    data: DataArgs,
    #[command(flatten)]
    model: ModelArgs,
    /// Choose by cross-validation: the ridge and rank of --model, or the model too if there is no --model
    #[arg(long, help_heading = "Choice", conflicts_with = "fitted")]
    cv: bool,
    /// Compare all models that the data allow and fit the best
    #[arg(long, help_heading = "Choice", conflicts_with_all = ["fitted", "model"])]
    compare: bool,
    /// Folds of the cross-validation; 0 leaves it out
    #[arg(long, value_name = "N", default_value_t = 5, help_heading = "Choice")]
    folds: usize,
    /// What is held out as a whole: prompts, to see how well models do on new ones, or comparisons
    #[arg(long, value_enum, default_value = "comparison", help_heading = "Choice")]
    by: Unit,
    /// Write the model here, for --fitted of other commands
    #[arg(long, short, value_name = "MODEL.json", help_heading = "Output")]
    output: Option<PathBuf>,
    /// Write all figures here: evidence, cross-validation, calibration
    #[arg(long, value_name = "REPORT.json", help_heading = "Output")]
    report: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Unit {
    Prompt,
    Comparison,
}

impl From<Unit> for FoldBy {
    fn from(unit: Unit) -> Self {
        match unit {
            Unit::Prompt => Self::Prompt,
            Unit::Comparison => Self::Comparison,
        }
    }
}

const AFTER_HELP: &str = "\
Examples:
  nlhf fit comparisons.jsonl --model bradley-terry --output model.json
  nlhf fit battles.csv --compare
  nlhf fit comparisons.jsonl --responses responses.jsonl \\
    --response-embeddings responses.npy --model linear --cv --by prompt \\
    --output model.json
  nlhf fit new.jsonl --fitted model.json        how well does it do on these?

Rows of a split other than train are evaluated on and never fitted to, nor
used to choose. The model file is JSON: names, parameters, and how the fit
went. It holds no embeddings; give them again wherever it is used.
Formats of comparisons: nlhf offline --help.";

/// Everything that was found, as the report holds it.
#[derive(Debug, Serialize)]
struct Findings {
    model: String,
    evidence: nlhf::core::FitEvidence,
    cross_validation: Option<CrossValidation>,
    held_out: Option<Evaluation>,
    calibration: Option<Calibration>,
    #[serde(skip)]
    taken_from_file: bool,
}

pub(crate) fn run(args: &FitArgs, global: &Global) -> anyhow::Result<Outcome> {
    let wanted = [args.output.as_deref(), args.report.as_deref()];
    let inputs: Vec<&Path> =
        args.data.files().into_iter().chain(args.model.fitted.as_deref()).collect();
    outputs::check_distinct(&wanted.into_iter().flatten().collect::<Vec<_>>(), &inputs)?;
    ensure!(
        args.output.is_none() || args.model.fitted.is_none(),
        "--output with --fitted would write the same model again; drop one of them"
    );
    ensure!(
        args.folds > 1 || !(args.cv || args.compare),
        "--folds must be at least 2 to choose by cross-validation, but is {}",
        args.folds
    );
    let mut output = args.output.as_deref().map(outputs::open).transpose()?;
    let mut report = args.report.as_deref().map(outputs::open).transpose()?;
    let problem = if args.model.fitted.is_some() {
        Problem::load_any(&args.data, global)?
    } else {
        Problem::load(&args.data, global)?
    };
    let (choice, cross_validation) = choose(args, global, &problem)?;
    let fitted = choice.args.with_fit(&problem, 1, FitIt { problem: &problem })?;
    let taken_from_file = args.model.fitted.is_some();
    // A model from a file has seen none of these rows, unless it was fitted to them.
    let unseen = if taken_from_file { &problem.dataset.comparisons } else { &problem.held_out };
    let findings = Findings {
        model: choice.name,
        held_out: evaluate(&fitted.model, unseen),
        calibration: calibration(&fitted.model, unseen),
        evidence: fitted.evidence.clone(),
        cross_validation,
        taken_from_file,
    };
    if let Some(file) = &mut output {
        let best = findings.cross_validation.as_ref().and_then(|cv| cv.scores.first());
        let score = best.filter(|score| score.failure.is_none()).cloned();
        let model =
            ModelFile::new(&fitted, &problem, findings.held_out, score, problem.text_features);
        serde_json::to_writer(&mut *file, &model).map_err(std::io::Error::from)?;
        file.write_all(b"\n")?;
    }
    if let Some(file) = &mut report {
        serde_json::to_writer_pretty(&mut *file, &findings).map_err(std::io::Error::from)?;
        file.write_all(b"\n")?;
    }
    for file in [output, report].into_iter().flatten() {
        file.commit()?;
    }
    if !global.quiet {
        write!(std::io::stdout(), "{}", summary::render(args, &problem, &findings))?;
    }
    let converged = findings.evidence.status != FitStatus::IterationLimit;
    Ok(if converged { Outcome::Done } else { Outcome::Marked })
}

/// The model to fit: that which was asked for, or the best in cross-validation on the training rows.
fn choose(
    args: &FitArgs,
    global: &Global,
    problem: &Problem,
) -> anyhow::Result<(Choice, Option<CrossValidation>)> {
    let name = args.model.kind(problem).name();
    let given = Choice { name, args: args.model.clone() };
    if args.model.fitted.is_some() || args.folds < 2 {
        return Ok((given, None));
    }
    let all = args.compare || (args.cv && args.model.model.is_none());
    let mut choices =
        if all { grid::kinds(problem, &args.model, true) } else { vec![given.clone()] };
    if args.cv {
        choices = choices.iter().flat_map(|choice| grid::settings(problem, choice)).collect();
    }
    let mut bar = Progress::new(global, 1, "cross-validation");
    bar.update(0, format!("comparing {} models", choices.len()));
    let contestants: Vec<_> = choices
        .iter()
        .map(|choice| grid::contestant(choice, problem))
        .collect::<anyhow::Result<_>>()?;
    let (by, seeds) = (args.by.into(), SeedTree::new(global.seed));
    let found = cross_validate(&contestants, problem.training(), args.folds, by, seeds);
    bar.finish();
    let best = found.as_ref().and_then(|cv| cv.scores.first());
    let best = best.filter(|score| score.failure.is_none());
    let chosen = best.and_then(|score| choices.iter().find(|choice| choice.name == score.name));
    let mut chosen = chosen.cloned().unwrap_or(given);
    // What the file and the bounds rest on.
    chosen.args.confidence = args.model.confidence;
    chosen.args.bootstrap = args.model.bootstrap;
    chosen.args.bootstrap_by = args.model.bootstrap_by;
    Ok((chosen, found))
}

/// Fits to all training rows.
struct FitIt<'a> {
    problem: &'a Problem,
}

impl WithFit for FitIt<'_> {
    type Output = Fitted<AnyModel>;

    fn call<F>(self, fit: F) -> anyhow::Result<Fitted<AnyModel>>
    where
        F: FitPreference + 'static,
        F::Model: ConfidenceWidth + Into<AnyModel> + 'static,
    {
        let Fitted { model, evidence } = fit.fit(self.problem.training())?;
        Ok(Fitted { model: model.into(), evidence })
    }
}
