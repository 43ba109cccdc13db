//! Model files: what `nlhf fit --output` writes and `--fitted` takes.
//!
//! ```text
//! {"format": "nlhf-model", "version": 1, "written_by": "nlhf 0.1.0", "evidence": {…}, "model": {…}}
//! ```
//! One JSON object, versioned (`versioned.rs`).

use crate::input::Problem;
use crate::versioned::Kind;
use anyhow::Context;
use nlhf::core::{Comparison, FitError, FitEvidence, FitPreference, Fitted, PromptId, ResponseId};
use nlhf::preference::evidence::Score;
use nlhf::preference::{AnyModel, Evaluation, Features, SavedModel, Surroundings};
use serde::{Deserialize, Serialize};
use std::path::Path;

const KIND: Kind =
    Kind { format: "nlhf-model", version: 1, what: "model file", written_by: "nlhf fit --output" };

/// The content of a model file.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ModelFile {
    format: String,
    version: u32,
    written_by: String,
    /// How the fit went, and what it was fitted to.
    pub(crate) evidence: FitEvidence,
    /// How well it predicted comparisons that it was not fitted to.
    pub(crate) held_out: Option<Evaluation>,
    /// How well fits to parts of the comparisons predicted the rest.
    pub(crate) cross_validation: Option<Score>,
    /// Buckets of hashed text features, if the features are those.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    text_features: Option<usize>,
    /// Whether those are of prompts too.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    prompt_texts: Option<bool>,
    model: SavedModel,
}

impl ModelFile {
    pub(crate) fn new(
        fitted: &Fitted<AnyModel>,
        problem: &Problem,
        held_out: Option<Evaluation>,
        cross_validation: Option<Score>,
        text_features: Option<usize>,
    ) -> Self {
        let dataset = &problem.dataset;
        let model = SavedModel::new(&fitted.model, &|x| dataset.prompts.name(x.index()), &|a| {
            dataset.responses.name(a.index())
        });
        // Its ids mean nothing elsewhere.
        let evidence = FitEvidence { separation: None, ..fitted.evidence.clone() };
        let written_by = concat!("nlhf ", env!("CARGO_PKG_VERSION")).to_owned();
        let (format, version) = (KIND.format.to_owned(), KIND.version);
        Self {
            format,
            version,
            written_by,
            evidence,
            held_out,
            cross_validation,
            text_features: text_features.filter(|_| model.features().is_some()),
            prompt_texts: problem.hashes_prompts().filter(|_| model.features().is_some()),
            model,
        }
    }
}

/// A model that was fitted before, over the names and features of a data set.
pub(crate) struct AlreadyFitted {
    fitted: Fitted<AnyModel>,
    kind: &'static str,
}

impl AlreadyFitted {
    pub(crate) fn read(path: &Path, problem: &Problem) -> anyhow::Result<Self> {
        let file: ModelFile = KIND.read(path)?;
        if file.model.features().is_some() {
            problem
                .check_texts("model", file.text_features, file.prompt_texts)
                .with_context(|| path.display().to_string())?;
        }
        let dataset = &problem.dataset;
        let around = Surroundings {
            prompt: &|name| dataset.prompts.get(name).map(PromptId::new),
            response: &|name| dataset.responses.get(name).map(ResponseId::new),
            response_features: problem.features.as_ref().map(Features::responses),
            prompt_features: problem.prompt_features.as_ref(),
        };
        let model = file.model.restore(around).with_context(|| path.display().to_string())?;
        let (evidence, kind) = (file.evidence, file.model.kind());
        Ok(Self { fitted: Fitted { model, evidence }, kind })
    }

    pub(crate) fn into_fitted(self) -> Fitted<AnyModel> {
        self.fitted
    }
}

impl FitPreference for AlreadyFitted {
    type Model = AnyModel;

    fn name(&self) -> &'static str {
        self.kind
    }

    fn fit(&self, _: &[Comparison]) -> Result<Fitted<AnyModel>, FitError> {
        Ok(self.fitted.clone())
    }
}
