//! What is asked about: candidates from a file, those of a record, or the embedded crowd's.

use super::OnlineArgs;
use super::judges::OracleKind;
use crate::input::{self, BothBadRule, DataArgs, Problem};
use crate::{Global, crowd};
use clap::Args;
use nlhf::core::{Menus, PromptId, ResponseId, SeedTree};
use nlhf::data::{Dataset, Texts};
use nlhf::judge::{Catalog, Shown};
use nlhf::online::GrowingMenus;
use std::borrow::Cow;
use std::path::{Path, PathBuf};

/// The candidates and what is known of them.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Candidates")]
pub(super) struct CandidateArgs {
    /// Candidates: JSONL with prompt and responses, or with response_id and prompt_id
    #[arg(long, value_name = "FILE")]
    pub(super) candidates: Option<PathBuf>,
    /// Prompts: JSONL with prompt_id, and text or prompt
    #[arg(long, value_name = "FILE", requires = "candidates")]
    prompts: Option<PathBuf>,
    /// Embeddings of the candidates: .npy, row k for the k-th candidate of the file
    #[arg(long, value_name = "FILE", requires = "candidates")]
    response_embeddings: Option<PathBuf>,
    /// Embeddings of the prompts: .npy, row k for line k of --prompts
    #[arg(long, value_name = "FILE", requires = "prompts")]
    prompt_embeddings: Option<PathBuf>,
    /// Hash the texts of the candidates into so many features, in place of embeddings
    #[arg(long, value_name = "BUCKETS", num_args = 0..=1, default_missing_value = "256", requires = "candidates",
          conflicts_with_all = ["response_embeddings", "prompt_embeddings"])]
    text_features: Option<usize>,
    /// Keep prompts with one candidate, about which nothing can be asked; without it they are errors
    #[arg(long)]
    allow_single_candidates: bool,
    /// Begin with so many candidates a prompt, drawn at random, and let the others join later
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(2..))]
    menu_size: Option<u32>,
    /// How many candidates join each menu in every round
    #[arg(long, value_name = "N", requires = "menu_size", default_value_t = 1)]
    menu_growth: u32,
}

impl CandidateArgs {
    /// The files that are read.
    pub(super) fn files(&self) -> Vec<&Path> {
        let files =
            [&self.candidates, &self.prompts, &self.response_embeddings, &self.prompt_embeddings];
        files.into_iter().filter_map(|file| file.as_deref()).collect()
    }

    /// Menus that grow, if they are to.
    pub(super) fn growing(&self, menus: &Menus, seeds: SeedTree) -> Option<GrowingMenus> {
        let size = self.menu_size?;
        Some(GrowingMenus::new(menus, size as usize, self.menu_growth as usize, seeds))
    }

    /// As arguments of a data set whose first file is `comparisons`.
    pub(super) fn data(&self, comparisons: Option<PathBuf>) -> DataArgs {
        DataArgs {
            comparisons,
            responses: self.candidates.clone(),
            response_embeddings: self.response_embeddings.clone(),
            prompts: self.prompts.clone(),
            prompt_embeddings: self.prompt_embeddings.clone(),
            text_features: self.text_features,
            skip_unlisted: self.candidates.is_some(),
            both_bad: BothBadRule::Tie,
            allow_single_candidates: self.allow_single_candidates,
        }
    }
}

/// Candidates ready to be asked about.
pub(super) struct AskedAbout {
    pub(super) problem: Problem,
    /// What prompts and candidates say, where it is known.
    texts: Option<Texts>,
}

/// Reads what is asked about.
pub(super) fn load(args: &OnlineArgs, global: &Global) -> anyhow::Result<AskedAbout> {
    let candidates = &args.candidates;
    if let Some(OracleKind::Recorded(record)) = args.judge.oracle() {
        let data = candidates.data(Some(record.clone()));
        let problem = Problem::load_any(&data, global)?;
        return Ok(AskedAbout { problem, texts: None });
    }
    let Some(file) = &candidates.candidates else {
        let problem = crowd::online_problem(SeedTree::new(global.seed))?;
        return Ok(AskedAbout { problem, texts: None });
    };
    let data = candidates.data(Some(file.clone()));
    let problem = Problem::load_candidates(&data)?;
    let texts = if args.judge.reads_texts() {
        Some(input::texts(&data, &problem.dataset)?)
    } else {
        input::texts(&data, &problem.dataset).ok()
    };
    if let Some(texts) = texts.as_ref().filter(|_| args.judge.reads_texts()) {
        anyhow::ensure!(
            texts.prompts.len() == problem.dataset.prompts.len(),
            "{}: expected what each prompt says, for the judge to read: \"prompt\" beside \"responses\", or --prompts FILE \
             with \"text\"; found responses alone",
            file.display()
        );
    }
    Ok(AskedAbout { problem, texts })
}

impl AskedAbout {
    pub(super) fn dataset(&self) -> &Dataset {
        &self.problem.dataset
    }
}

impl Catalog for AskedAbout {
    fn prompt(&self, id: PromptId) -> Shown<'_> {
        let name = self.dataset().prompts.name(id.index());
        let text = self.texts.as_ref().and_then(|texts| texts.prompts.get(id.index()));
        Shown { id: name, text: Cow::Borrowed(text.map_or(name, String::as_str)) }
    }

    fn response(&self, id: ResponseId) -> Shown<'_> {
        let name = self.dataset().responses.name(id.index());
        let text = self.texts.as_ref().and_then(|texts| texts.responses.get(id.index()));
        Shown { id: name, text: Cow::Borrowed(text.map_or(name, String::as_str)) }
    }
}
