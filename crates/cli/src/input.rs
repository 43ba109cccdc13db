//! What a learner works on: comparisons, names, menus, features, and the truth where it is known.

use crate::{Global, render};
use anyhow::{Context, bail, ensure};
use clap::Args;
use nlhf::core::{Comparison, SeedTree};
use nlhf::data::{Catalog, DataError, Dataset, ReadOptions, read_comparisons, read_embeddings};
use nlhf::preference::{Crowd, FeatureTable, Features};
use std::path::{Path, PathBuf};

/// The files of a data set.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Data")]
pub(crate) struct DataArgs {
    /// Comparisons: JSONL (prompt_id, response_a_id, response_b_id, label), TRL preference JSONL
    /// (prompt, chosen, rejected) or battles CSV (model_a, model_b, winner), plain or gzip
    #[arg(value_name = "COMPARISONS")]
    pub(crate) comparisons: Option<PathBuf>,
    /// Candidates: JSONL with response_id and prompt_id
    #[arg(long, value_name = "FILE", requires = "comparisons")]
    pub(crate) responses: Option<PathBuf>,
    /// Embeddings of the candidates: .npy, row k for line k of --responses
    #[arg(long, value_name = "FILE", requires = "responses")]
    pub(crate) response_embeddings: Option<PathBuf>,
    /// Prompts: JSONL with prompt_id
    #[arg(long, value_name = "FILE", requires = "comparisons")]
    pub(crate) prompts: Option<PathBuf>,
    /// Embeddings of the prompts: .npy, row k for line k of --prompts. Beside embeddings of the
    /// responses they are as long as those, and multiplied with them entry by entry, so that taste may
    /// depend on the prompt
    #[arg(long, value_name = "FILE", requires = "prompts")]
    pub(crate) prompt_embeddings: Option<PathBuf>,
    /// Leave out comparisons of responses that --responses does not list; without it they are errors
    #[arg(long, requires = "responses")]
    pub(crate) skip_unlisted: bool,
    /// Keep prompts with one candidate, which can only be answered with it; without it they are errors
    #[arg(long, requires = "comparisons")]
    pub(crate) allow_single_candidates: bool,
}

impl DataArgs {
    /// The files that are read, which no output may replace.
    pub(crate) fn files(&self) -> Vec<&Path> {
        let files = [
            &self.comparisons,
            &self.responses,
            &self.response_embeddings,
            &self.prompts,
            &self.prompt_embeddings,
        ];
        files.into_iter().filter_map(|file| file.as_deref()).collect()
    }
}

/// A data set ready to learn from.
pub(crate) struct Problem {
    pub(crate) dataset: Dataset,
    pub(crate) training: Vec<Comparison>,
    pub(crate) held_out: Vec<Comparison>,
    pub(crate) features: Option<Features>,
    /// Embeddings of the prompts by themselves.
    pub(crate) prompt_features: Option<FeatureTable>,
    /// The simulated crowd behind the embedded data.
    pub(crate) truth: Option<Crowd>,
}

impl Problem {
    /// Reads the files to learn from, or simulates the embedded crowd if there are none.
    pub(crate) fn load(args: &DataArgs, global: &Global) -> anyhow::Result<Self> {
        let problem = Self::load_any(args, global)?;
        if let Some(comparisons) = &args.comparisons {
            ensure!(
                !problem.training.is_empty(),
                "{}: expected rows of split \"train\" to learn from, found {}, all of other splits",
                comparisons.display(),
                render::counted(problem.held_out.len(), "row")
            );
        }
        Ok(problem)
    }

    /// The same, also if all rows are held out.
    pub(crate) fn load_any(args: &DataArgs, global: &Global) -> anyhow::Result<Self> {
        let Some(comparisons) = &args.comparisons else {
            return crate::crowd::offline_problem(SeedTree::new(global.seed));
        };
        let options = ReadOptions {
            skip_unlisted: args.skip_unlisted,
            allow_single_candidates: args.allow_single_candidates,
        };
        let dataset = match read_comparisons(comparisons, catalog(args)?, options) {
            Err(error @ DataError::SingleCandidate { .. }) => {
                bail!("{error} (--allow-single-candidates keeps such prompts)")
            }
            Err(error @ DataError::Unlisted { .. }) => {
                bail!("{error} (--skip-unlisted leaves such rows out)")
            }
            read => read?,
        };
        if dataset.comparisons.is_empty() {
            bail!(
                "{}: expected comparisons of listed responses, found {} of others",
                comparisons.display(),
                render::counted(dataset.n_unlisted, "row")
            );
        }
        if !global.quiet {
            report_oddities(comparisons, &dataset);
        }
        let prompt_features = prompt_features(args, &dataset)?;
        let features = features(args, &dataset, prompt_features.as_ref())?;
        Ok(Self { prompt_features, ..Self::new(dataset, features, None) })
    }

    pub(crate) fn new(dataset: Dataset, features: Option<Features>, truth: Option<Crowd>) -> Self {
        let prompt_features = features.as_ref().and_then(|features| features.prompts().cloned());
        let training = dataset.train().copied().collect();
        let held_out = dataset.held_out().copied().collect();
        Self { dataset, training, held_out, features, prompt_features, truth }
    }
}

/// Says what was left out or read in a way that one may want to know of.
fn report_oddities(path: &Path, dataset: &Dataset) {
    for (n, what) in [
        (dataset.n_unlisted, "of responses that are not listed: left out"),
        (dataset.n_self_comparisons, "of a response with itself: left out of the fit"),
        (dataset.n_both_bad, "with both responses bad: taken for ties"),
    ] {
        if n > 0 {
            eprintln!("nlhf: {}: {} {what}", path.display(), render::counted(n, "comparison"));
        }
    }
}

fn catalog(args: &DataArgs) -> anyhow::Result<Option<Catalog>> {
    Ok(match (&args.responses, &args.prompts) {
        (Some(responses), Some(prompts)) => {
            Some(Catalog::from_responses_and_prompts(responses, prompts)?)
        }
        (Some(responses), None) => Some(Catalog::from_responses(responses)?),
        (None, Some(prompts)) => Some(Catalog::from_prompts(prompts)?),
        (None, None) => None,
    })
}

fn prompt_features(args: &DataArgs, dataset: &Dataset) -> anyhow::Result<Option<FeatureTable>> {
    match (&args.prompts, &args.prompt_embeddings) {
        (Some(prompts), Some(embeddings)) => {
            Ok(Some(table(embeddings, dataset.prompts.len(), prompts)?))
        }
        _ => Ok(None),
    }
}

fn features(
    args: &DataArgs,
    dataset: &Dataset,
    prompts: Option<&FeatureTable>,
) -> anyhow::Result<Option<Features>> {
    let (Some(responses), Some(embeddings)) = (&args.responses, &args.response_embeddings) else {
        return Ok(None);
    };
    let responses = table(embeddings, dataset.responses.len(), responses)?;
    let features = Features::new(responses, prompts.cloned()).with_context(|| {
        let prompts = args.prompt_embeddings.as_deref().unwrap_or(embeddings);
        format!("{} and {} do not fit together", prompts.display(), embeddings.display())
    })?;
    Ok(Some(features))
}

fn table(embeddings: &Path, n_rows: usize, listed_in: &Path) -> anyhow::Result<FeatureTable> {
    let matrix = read_embeddings(embeddings, n_rows, listed_in)?;
    FeatureTable::new(matrix.ncols, matrix.values).with_context(|| embeddings.display().to_string())
}
