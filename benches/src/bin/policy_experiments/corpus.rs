//! Real comparisons with embeddings, divided into folds by prompt.

use crate::prompts::only;
use anyhow::Context;
use nlhf::core::{
    Comparison, Confidence, FitPreference, Menus, PromptId, SeedTree, Stream, Weight,
};
use nlhf::data::{Catalog, Matrix, ReadOptions, read_comparisons, read_embeddings};
use nlhf::preference::{
    FeatureFit, FeatureModel, FeatureTable, Features, LogisticConfig, TabularFit, TabularModel,
};
use rand::seq::SliceRandom;
use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

/// Prompts that somebody judged, with all that is known of them.
pub(crate) struct Corpus {
    pub(crate) menus: Menus,
    pub(crate) data: Vec<Comparison>,
    responses: Matrix,
    prompts: Matrix,
    /// Of each response, log(1 + characters), standardized.
    lengths: Vec<f64>,
}

/// What candidates are described by, before principal components are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Described {
    /// Their embeddings.
    Responses,
    /// And products with the embedding of the prompt.
    WithPrompts,
    /// Their embeddings and the length of the text.
    WithLength,
}

impl Described {
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Responses => "the responses' embeddings",
            Self::WithPrompts => "the responses' embeddings and their products with the prompt's",
            Self::WithLength => "the responses' embeddings and the length of their texts",
        }
    }
}

/// Prompts to learn from and prompts to play on, and no comparison on the latter.
pub(crate) struct Fold {
    pub(crate) training: Menus,
    pub(crate) held_out: Menus,
    data: Vec<Comparison>,
    pub(crate) features: Arc<Features>,
}

impl Corpus {
    pub(crate) fn read(folder: &Path) -> anyhow::Result<Self> {
        let path = |name: &str| folder.join(name);
        let (responses, prompts) = (path("responses.jsonl"), path("prompts.jsonl"));
        let catalog = Catalog::from_responses_and_prompts(&responses, &prompts)?;
        let (n_responses, n_prompts) = (catalog.responses.len(), catalog.prompts.len());
        // Some systems of vicuna have no texts, hence no features.
        let options = ReadOptions {
            skip_unlisted: true,
            allow_single_candidates: true,
            ..ReadOptions::default()
        };
        let read = read_comparisons(&path("comparisons.jsonl"), Some(catalog), options)?;
        let data: Vec<Comparison> =
            read.comparisons.into_iter().filter(|row| row.first != row.second).collect();
        let judged: HashSet<PromptId> = data.iter().map(|row| row.prompt).collect();
        let menus = only(&read.menus, |menu| judged.contains(&menu.prompt()));
        let lengths = lengths(&responses)?;
        let responses = read_embeddings(&path("response_embeddings.npy"), n_responses, &responses)?;
        let prompts = read_embeddings(&path("prompt_embeddings.npy"), n_prompts, &prompts)?;
        Ok(Self { menus, data, responses, prompts, lengths })
    }

    /// So many leading principal components over the candidates of some prompts.
    pub(crate) fn features(
        &self,
        described: Described,
        n_components: usize,
        menus: &Menus,
    ) -> anyhow::Result<Arc<Features>> {
        let table = |matrix: &Matrix| FeatureTable::new(matrix.ncols, matrix.values.clone());
        let features = match described {
            Described::Responses => Features::new(table(&self.responses)?, None)?,
            Described::WithPrompts => {
                Features::new(table(&self.responses)?, Some(table(&self.prompts)?))?
            }
            Described::WithLength => {
                let rows = self.responses.values.chunks_exact(self.responses.ncols);
                let rows = rows.zip(&self.lengths);
                let values = rows.flat_map(|(row, length)| row.iter().copied().chain([*length]));
                let dim = self.responses.ncols + 1;
                Features::new(FeatureTable::new(dim, values.collect())?, None)?
            }
        };
        Ok(Arc::new(features.principal_components(n_components, menus)?))
    }

    /// One fold for each part that is held out; components are those of its training prompts.
    pub(crate) fn folds(
        &self,
        menus: &Menus,
        n_folds: usize,
        (described, n_components): (Described, usize),
    ) -> anyhow::Result<Vec<Fold>> {
        let mut order: Vec<PromptId> = menus.iter().map(|menu| menu.prompt()).collect();
        order.shuffle(&mut SeedTree::new(0).rng(Stream::Split, 0));
        (0..n_folds)
            .map(|fold| {
                let out: HashSet<PromptId> =
                    order.iter().copied().skip(fold).step_by(n_folds).collect();
                let held_out = only(menus, |menu| out.contains(&menu.prompt()));
                let training = only(menus, |menu| !out.contains(&menu.prompt()));
                let data = self.data.iter().copied();
                let data = data.filter(|row| training.position(row.prompt).is_some()).collect();
                let features = self.features(described, n_components, &training)?;
                Ok(Fold { training, held_out, data, features })
            })
            .collect()
    }
}

impl Fold {
    /// The linear model with an effect of the presentation order; comparisons count alike, or prompts do.
    pub(crate) fn linear(&self, ridge: f64, prompts_alike: bool) -> anyhow::Result<FeatureModel> {
        let config = LogisticConfig {
            ridge,
            log_odds_bound: 10.0,
            order_effect: true,
            ..LogisticConfig::default()
        };
        let fit = FeatureFit::linear(Arc::clone(&self.features), config)?.without_widths();
        if !prompts_alike {
            return Ok(fit.fit(&self.data)?.model);
        }
        let mut totals = vec![0.0; self.training.len()];
        let place =
            |row: &Comparison| self.training.position(row.prompt).expect("a training prompt");
        for row in &self.data {
            totals[place(row)] += row.weight.get();
        }
        let mean = totals.iter().sum::<f64>() / totals.len() as f64;
        let alike = |row: &Comparison| -> anyhow::Result<Comparison> {
            let weight = Weight::new(row.weight.get() * mean / totals[place(row)])?;
            Ok(Comparison { weight, ..*row })
        };
        let data: anyhow::Result<Vec<Comparison>> = self.data.iter().map(alike).collect();
        Ok(fit.fit(&data?)?.model)
    }

    /// Pairs by themselves.
    pub(crate) fn tabular(&self) -> anyhow::Result<TabularModel> {
        tabular(&self.training, &self.data)
    }
}

/// log(1 + characters) of each text, to mean zero and variance one.
fn lengths(responses: &Path) -> anyhow::Result<Vec<f64>> {
    #[derive(serde::Deserialize)]
    struct Row {
        text: String,
    }
    let lines = std::fs::read_to_string(responses)?;
    let length = |line| -> anyhow::Result<f64> {
        let row: Row = serde_json::from_str(line)?;
        Ok((row.text.chars().count() as f64).ln_1p())
    };
    let raw: anyhow::Result<Vec<f64>> = lines.lines().map(length).collect();
    let raw = raw?;
    let n = raw.len() as f64;
    let mean = raw.iter().sum::<f64>() / n;
    let deviation = (raw.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / n).sqrt();
    Ok(raw.into_iter().map(|x| (x - mean) / deviation).collect())
}

/// The tabular estimate with an effect of the presentation order.
pub(crate) fn tabular(menus: &Menus, data: &[Comparison]) -> anyhow::Result<TabularModel> {
    let fit = TabularFit::for_menus(menus, Confidence::new(0.95)?).with_order_effect(true);
    fit.fit(data).map(|fitted| fitted.model).context("counting the comparisons")
}
