//! What a learner works on: comparisons, names, menus, features, and the truth where it is known.

use crate::{Global, render};
use anyhow::{Context, bail, ensure};
use clap::{Args, ValueEnum};
use nlhf::core::{Comparison, SeedTree, Stream};
use nlhf::data::{
    BothBad, Catalog, DataError, Dataset, Matrix, ReadOptions, TextFeatures, Texts,
    read_candidate_texts, read_comparisons, read_embeddings, read_texts,
};
use nlhf::preference::{Crowd, FeatureTable, Features};
use rand::RngExt;
use std::path::{Path, PathBuf};

/// The files of a data set.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Data")]
pub(crate) struct DataArgs {
    /// Comparisons: JSONL (prompt_id, response_a_id, response_b_id, label), preference pairs JSONL
    /// (chosen, rejected; prompt) or battles, JSONL or CSV (model_a, model_b, winner); plain, gzip or zstd
    #[arg(value_name = "COMPARISONS")]
    pub(crate) comparisons: Option<PathBuf>,
    /// Candidates: JSONL with response_id and prompt_id, or with prompt and responses
    #[arg(long, value_name = "FILE", requires = "comparisons")]
    pub(crate) responses: Option<PathBuf>,
    /// Embeddings of the candidates: .npy, row k for the k-th candidate of --responses
    #[arg(long, value_name = "FILE", requires = "comparisons")]
    pub(crate) response_embeddings: Option<PathBuf>,
    /// Prompts: JSONL with prompt_id
    #[arg(long, value_name = "FILE", requires = "comparisons")]
    pub(crate) prompts: Option<PathBuf>,
    /// Embeddings of the prompts: .npy, row k for line k of --prompts. Beside embeddings of the
    /// responses they are as long as those, and multiplied with them entry by entry, so that taste may
    /// depend on the prompt
    #[arg(long, value_name = "FILE", requires = "prompts")]
    pub(crate) prompt_embeddings: Option<PathBuf>,
    /// Hash the texts of the candidates into so many features, in place of embeddings: those of
    /// chosen/rejected pairs, or the field "text" of --responses and "prompt" or "text" of --prompts
    #[arg(long, value_name = "BUCKETS", num_args = 0..=1, default_missing_value = "256", requires = "comparisons",
          conflicts_with_all = ["response_embeddings", "prompt_embeddings"])]
    pub(crate) text_features: Option<usize>,
    /// Leave out comparisons of responses that --responses does not list; without it they are errors
    #[arg(long, requires = "responses")]
    pub(crate) skip_unlisted: bool,
    /// What to do with battles in which both responses were bad
    #[arg(long, value_enum, default_value = "tie", requires = "comparisons")]
    pub(crate) both_bad: BothBadRule,
    /// Keep prompts with one candidate, which can only be answered with it; without it they are errors
    #[arg(long, requires = "comparisons")]
    pub(crate) allow_single_candidates: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum BothBadRule {
    /// A tie
    Tie,
    /// Left out
    Drop,
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

/// The unit of [`Stream::Split`] that draws the rows to judge by; 0 and 1 are those of held-out evidence and of halves.
const HELD_OUT_ROWS: u32 = 2;

/// A data set ready to learn from.
pub(crate) struct Problem {
    pub(crate) dataset: Dataset,
    /// The rows to fit to, if they are not all.
    training: Option<Vec<Comparison>>,
    pub(crate) held_out: Vec<Comparison>,
    pub(crate) features: Option<Features>,
    /// Embeddings of the prompts by themselves.
    pub(crate) prompt_features: Option<FeatureTable>,
    /// Buckets of hashed texts, if the features are those.
    pub(crate) text_features: Option<usize>,
    /// The simulated crowd behind the embedded data.
    pub(crate) truth: Option<Crowd>,
}

impl Problem {
    /// Reads candidates that need not have been compared: `args.comparisons` lists them.
    pub(crate) fn load_candidates(args: &DataArgs) -> anyhow::Result<Self> {
        let args = &DataArgs { responses: args.comparisons.clone(), ..args.clone() };
        let catalog =
            catalog(args)?.context("expected a file of candidates to apply a model to")?;
        let dataset =
            single_candidates_told(Dataset::without_comparisons(catalog, options(args, false)))?;
        Self::with_features(args, dataset)
    }

    /// Reads the files to learn from, or simulates the embedded crowd if there are none.
    pub(crate) fn load(args: &DataArgs, global: &Global) -> anyhow::Result<Self> {
        let problem = Self::load_any(args, global)?;
        if let Some(comparisons) = &args.comparisons {
            ensure!(
                !problem.training().is_empty(),
                "{}: expected rows of split \"train\" to learn from, found {}, all of other splits",
                comparisons.display(),
                render::counted(problem.held_out.len(), "row")
            );
        }
        Ok(problem)
    }

    /// The same, also if all rows are held out.
    pub(crate) fn load_any(args: &DataArgs, global: &Global) -> anyhow::Result<Self> {
        Self::load_with_texts(args, global, false)
    }

    /// The same with the texts of prompts and responses, where there are any.
    pub(crate) fn load_with_texts(
        args: &DataArgs,
        global: &Global,
        keep_texts: bool,
    ) -> anyhow::Result<Self> {
        let Some(comparisons) = &args.comparisons else {
            return crate::crowd::offline_problem(SeedTree::new(global.seed));
        };
        ensure!(
            args.responses.is_some() || args.response_embeddings.is_none(),
            "--response-embeddings needs --responses FILE.jsonl, which says whose they are"
        );
        Self::read(args, comparisons, catalog(args)?, global, keep_texts)
    }

    /// Reads comparisons of what a catalog lists.
    pub(crate) fn read(
        args: &DataArgs,
        comparisons: &Path,
        catalog: Option<Catalog>,
        global: &Global,
        keep_texts: bool,
    ) -> anyhow::Result<Self> {
        let read = read_comparisons(comparisons, catalog, options(args, keep_texts));
        let dataset = match single_candidates_told(read) {
            Err(error) if matches!(error.downcast_ref(), Some(DataError::Unlisted { .. })) => {
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
        Self::with_features(args, dataset)
    }

    fn with_features(args: &DataArgs, dataset: Dataset) -> anyhow::Result<Self> {
        if let Some(buckets) = args.text_features {
            let (features, prompt_features) = text_features(args, &dataset, buckets)?;
            let text_features = Some(buckets);
            let problem = Self::new(dataset, Some(features), None);
            return Ok(Self { prompt_features, text_features, ..problem });
        }
        let prompt_features = prompt_features(args, &dataset)?;
        let features = features(args, &dataset, prompt_features.as_ref())?;
        Ok(Self { prompt_features, ..Self::new(dataset, features, None) })
    }

    pub(crate) fn new(dataset: Dataset, features: Option<Features>, truth: Option<Crowd>) -> Self {
        let prompt_features = features.as_ref().and_then(|features| features.prompts().cloned());
        let held_out: Vec<Comparison> = dataset.held_out().copied().collect();
        let training = (!held_out.is_empty()).then(|| dataset.train().copied().collect());
        Self { dataset, training, held_out, features, prompt_features, text_features: None, truth }
    }

    /// Holds a share of the rows out, drawn at random.
    pub(crate) fn hold_out(&mut self, share: f64, seeds: SeedTree) -> anyhow::Result<()> {
        ensure!(
            share > 0.0 && share < 1.0,
            "--hold-out must be a share between 0 and 1, but is {share}"
        );
        ensure!(
            self.held_out.is_empty(),
            "--hold-out is for data that name no splits, but these hold {} out; drop it",
            render::counted(self.held_out.len(), "row")
        );
        let mut rng = seeds.rng(Stream::Split, HELD_OUT_ROWS);
        let rows = self.dataset.comparisons.iter().copied();
        let (held_out, training): (Vec<_>, Vec<_>) =
            rows.partition(|_| rng.random::<f64>() < share);
        ensure!(
            !held_out.is_empty() && !training.is_empty(),
            "--hold-out {share} of {} leaves nothing on one side",
            render::counted(self.dataset.comparisons.len(), "comparison")
        );
        (self.held_out, self.training) = (held_out, Some(training));
        Ok(())
    }

    /// Whether hashed texts are also those of prompts; nothing where features are embeddings, or there are none.
    pub(crate) fn hashes_prompts(&self) -> Option<bool> {
        self.text_features.map(|_| self.prompt_features.is_some())
    }

    /// Refuses features of another kind than those that `what` was learned with: hashed texts of so many buckets, with or
    /// without those of prompts, or embeddings.
    pub(crate) fn check_texts(
        &self,
        what: &str,
        buckets: Option<usize>,
        of_prompts: Option<bool>,
    ) -> anyhow::Result<()> {
        let Some(buckets) = buckets else {
            ensure!(
                self.text_features.is_none(),
                "a {what} over embeddings: expected --response-embeddings FILE.npy in place of --text-features"
            );
            return Ok(());
        };
        ensure!(
            self.text_features == Some(buckets),
            "a {what} over hashed texts: expected --text-features {buckets}"
        );
        // Files of old do not tell.
        let Some(of_prompts) = of_prompts else { return Ok(()) };
        let found = self.hashes_prompts() == Some(true);
        ensure!(
            found || !of_prompts,
            "a {what} over the texts of prompts too: expected candidates with \"prompt\" and \"responses\", or --prompts FILE with \
             \"text\"; found responses alone"
        );
        ensure!(
            !found || of_prompts,
            "a {what} over the texts of responses alone: expected candidates without texts of prompts, found them with"
        );
        Ok(())
    }

    /// The rows to fit to.
    pub(crate) fn training(&self) -> &[Comparison] {
        self.training.as_deref().unwrap_or(&self.dataset.comparisons)
    }
}

fn options(args: &DataArgs, keep_texts: bool) -> ReadOptions {
    ReadOptions {
        skip_unlisted: args.skip_unlisted,
        allow_single_candidates: args.allow_single_candidates,
        both_bad: match args.both_bad {
            BothBadRule::Tie => BothBad::Tie,
            BothBadRule::Drop => BothBad::Drop,
        },
        keep_texts: keep_texts || args.text_features.is_some(),
    }
}

/// The same with the option that lets single candidates pass.
fn single_candidates_told(read: Result<Dataset, DataError>) -> anyhow::Result<Dataset> {
    match read {
        Err(error @ DataError::SingleCandidate { .. }) => {
            bail!("{error} (--allow-single-candidates keeps such prompts)")
        }
        read => Ok(read?),
    }
}

/// Says what was left out or read in a way that one may want to know of.
fn report_oddities(path: &Path, dataset: &Dataset) {
    let both_bad = match dataset.both_bad {
        BothBad::Tie => "with both responses bad: taken for ties",
        BothBad::Drop => "with both responses bad: left out",
    };
    for (n, what) in [
        (dataset.n_unlisted, "of responses that are not listed: left out"),
        (dataset.n_self_comparisons, "of a response with itself: left out of the fit"),
        (dataset.n_both_bad, both_bad),
        (dataset.n_merged, "like another but for the weight: merged, and held out together"),
    ] {
        if n > 0 {
            eprintln!("nlhf: {}: {} {what}", path.display(), render::counted(n, "comparison"));
        }
    }
}

/// What the files of candidates and prompts list, if there are any.
pub(crate) fn catalog(args: &DataArgs) -> anyhow::Result<Option<Catalog>> {
    Ok(match (&args.responses, &args.prompts) {
        (Some(responses), Some(prompts)) => {
            Some(Catalog::from_responses_and_prompts(responses, prompts)?)
        }
        (Some(responses), None) => Some(Catalog::from_responses(responses)?),
        (None, Some(prompts)) => Some(Catalog::from_prompts(prompts)?),
        (None, None) => None,
    })
}

/// What prompts and responses say: from lists of their own, or from the comparisons.
pub(crate) fn texts(args: &DataArgs, dataset: &Dataset) -> anyhow::Result<Texts> {
    let mut texts = dataset.texts.clone().unwrap_or_default();
    if let Some(responses) = &args.responses {
        texts = read_candidate_texts(responses)?;
    }
    if let Some(prompts) = &args.prompts {
        texts.prompts = read_texts(prompts)?;
    }
    ensure!(
        texts.responses.len() == dataset.responses.len(),
        "expected texts of the responses: comparisons with \"chosen\" and \"rejected\" texts, or --responses \
         FILE.jsonl with \"text\"; found comparisons by id"
    );
    Ok(texts)
}

/// Hashed features of responses, and of prompts where their texts are known.
fn text_features(
    args: &DataArgs,
    dataset: &Dataset,
    buckets: usize,
) -> anyhow::Result<(Features, Option<FeatureTable>)> {
    let hashed = TextFeatures::new(buckets, 0).context("--text-features")?;
    let texts = texts(args, dataset)?;
    let mut asked = vec![""; dataset.responses.len()];
    let known = texts.prompts.len() == dataset.prompts.len();
    if known {
        for menu in dataset.menus.iter() {
            for response in menu.responses() {
                asked[response.index()] = &texts.prompts[menu.prompt().index()];
            }
        }
    }
    let table = |matrix: Matrix| FeatureTable::new(matrix.ncols, matrix.values);
    let responses = table(hashed.rows(&texts.responses, Some(&asked)))?;
    let prompts = if known { Some(table(hashed.rows(&texts.prompts, None))?) } else { None };
    Ok((Features::new(responses, None)?, prompts))
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
