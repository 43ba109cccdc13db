//! Policy files: what `--save-policy` writes and `nlhf act` takes.
//!
//! ```text
//! {"format": "nlhf-policy", "version": 1, "written_by": "nlhf 0.1.0", "over_reference": false, "features": {…}, "policy": {…}}
//! ```
//! One JSON object, versioned (`versioned.rs`). Features are not in it: they are given again for the candidates to choose among.

use crate::input::Problem;
use crate::versioned::Kind;
use anyhow::Context;
use nlhf::core::{FeatureMap, Policy};
use nlhf::policy::PolicyParameters;
use nlhf::preference::{Features, SavedFeatures, Surroundings};
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::sync::Arc;

const KIND: Kind =
    Kind { format: "nlhf-policy", version: 1, what: "policy file", written_by: "--save-policy" };

/// The content of a policy file.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct PolicyFile {
    format: String,
    version: u32,
    written_by: String,
    /// Whether it is held near a reference of its own, to be given again, and not near the uniform policy.
    over_reference: bool,
    /// Buckets of hashed text features, if the features are those.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    text_features: Option<usize>,
    /// Whether those are of prompts too.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    prompt_texts: Option<bool>,
    features: SavedFeatures,
    policy: PolicyParameters,
}

impl PolicyFile {
    pub(super) fn new(
        problem: &Problem,
        features: &Features,
        over_reference: bool,
        policy: PolicyParameters,
    ) -> Self {
        Self {
            format: KIND.format.to_owned(),
            version: KIND.version,
            written_by: concat!("nlhf ", env!("CARGO_PKG_VERSION")).to_owned(),
            over_reference,
            text_features: problem.text_features,
            prompt_texts: problem.hashes_prompts(),
            features: SavedFeatures::new(features),
            policy,
        }
    }

    pub(crate) fn read(path: &Path) -> anyhow::Result<Self> {
        KIND.read(path)
    }

    /// The class that it is of.
    pub(crate) fn kind(&self) -> &'static str {
        self.policy.kind()
    }

    /// The policy over the features of a problem. `reference` is the one that was given for it.
    pub(crate) fn restore(
        self,
        path: &Path,
        problem: &Problem,
        reference: Option<Arc<dyn Policy>>,
    ) -> anyhow::Result<Box<dyn Policy>> {
        let shown = path.display();
        let texts = problem.check_texts("policy", self.text_features, self.prompt_texts);
        texts.with_context(|| shown.to_string())?;
        let base = match (self.over_reference, reference) {
            (true, None) => anyhow::bail!(
                "{shown}: this policy was learned over a reference: expected --reference FILE with that of these candidates"
            ),
            (false, Some(_)) => anyhow::bail!(
                "{shown}: this policy was learned over the uniform reference: drop --reference"
            ),
            (true, Some(reference)) => reference,
            (false, None) => Arc::new(nlhf::core::UniformPolicy),
        };
        let around = Surroundings {
            prompt: &|_| None,
            response: &|_| None,
            response_features: problem.features.as_ref().map(Features::responses),
            prompt_features: problem.prompt_features.as_ref(),
        };
        let features = self.features.restore(around).with_context(|| {
            format!(
                "{shown}: expected features like those that the policy was learned with (--response-embeddings; of prompts \
                 --prompts and --prompt-embeddings)"
            )
        })?;
        let features: Arc<dyn FeatureMap> = features;
        self.policy.over(features, base).with_context(|| shown.to_string())
    }
}
