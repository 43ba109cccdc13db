//! Models as values to be written and read: parameters with the names of what they are about.
//!
//! ```text
//! AnyModel + names  ⇄  SavedModel  ⇄  JSON, or whatever else serde knows
//! ```
//! Ids mean something within one data set only; a saved model holds names, and is restored over the ids of
//! another data set by them. What was learned of names that the other does not know is left out. Features are
//! not saved but what they must look like, and the projection that was learned with them: they are given
//! again when the model is restored, for prompts and responses of any names. Restored over the same
//! names, a model answers the same to the last bit.

mod features;
mod items;
mod matrix;

use crate::{AnyModel, BootstrapModel, FeatureError, FeatureTable};
use features::{SavedFeatureModel, SavedLowRank};
use items::{SavedBradleyTerry, SavedContextual, SavedDavidson, SavedTabular};
use nlhf_core::{PromptId, ResponseId};
use serde::{Deserialize, Serialize};

pub use features::{FeatureShape, SavedFeatures};

/// A model with names in place of ids and without features.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SavedModel {
    /// The prompts that the parameters are about, by name; none if they are about all.
    prompts: Vec<String>,
    /// The responses that the parameters are about, by name; none if they are about all.
    responses: Vec<String>,
    #[serde(flatten)]
    parameters: Parameters,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "parameters", rename_all = "kebab-case")]
enum Parameters {
    Tabular(SavedTabular),
    BradleyTerry(SavedBradleyTerry),
    Davidson(SavedDavidson),
    Contextual(SavedContextual),
    Feature(SavedFeatureModel),
    LowRank(SavedLowRank),
    Bootstrap(SavedBootstrap),
}

/// An estimate and its resampled copies.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SavedBootstrap {
    estimate: Box<SavedModel>,
    members: Vec<SavedModel>,
    multiplier: f64,
    /// None if there is no bound.
    log_odds_bound: Option<f64>,
}

impl SavedBootstrap {
    fn restore(
        &self,
        around: Surroundings<'_>,
    ) -> Result<BootstrapModel<AnyModel>, SavedModelError> {
        let members: Result<Vec<_>, _> = self.members.iter().map(|m| m.restore(around)).collect();
        let members = members?;
        if members.is_empty() {
            return Err(inconsistent("members of an ensemble", "none"));
        }
        Ok(BootstrapModel {
            estimate: self.estimate.restore(around)?,
            members,
            multiplier: self.multiplier,
            log_odds_bound: self.log_odds_bound.map_or(Ok(f64::INFINITY), check_bound)?,
        })
    }
}

/// What is needed of another data set to restore a model over it.
#[derive(Clone, Copy)]
pub struct Surroundings<'a> {
    /// The id of a prompt by its name, if there is such a prompt.
    pub prompt: &'a dyn Fn(&str) -> Option<PromptId>,
    /// The id of a response by its name.
    pub response: &'a dyn Fn(&str) -> Option<ResponseId>,
    /// Features of responses, row k of id k.
    pub response_features: Option<&'a FeatureTable>,
    /// Features of prompts, row k of id k.
    pub prompt_features: Option<&'a FeatureTable>,
}

impl std::fmt::Debug for Surroundings<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Surroundings").finish_non_exhaustive()
    }
}

/// A saved model that cannot be restored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SavedModelError {
    /// Parts that do not belong together: the file was changed or cut.
    #[error("expected {expected}, found {found}")]
    Inconsistent {
        /// What was required.
        expected: &'static str,
        /// What it is.
        found: String,
    },
    /// The model needs features that were not given.
    #[error("features of {0} are needed, but there are none")]
    NeedsFeatures(&'static str),
    /// The features have another length.
    #[error("the model needs {expected} features of each of the {what}, found {found}")]
    Columns {
        /// Prompts or responses.
        what: &'static str,
        /// Columns that the model was fitted with.
        expected: usize,
        /// Columns given.
        found: usize,
    },
    /// Features that cannot be what they are given for.
    #[error(transparent)]
    Features(#[from] FeatureError),
}

impl SavedModel {
    /// The parameters of a model, `prompt_name` and `response_name` telling the name of each id.
    pub fn new<'a>(
        model: &AnyModel,
        prompt_name: &dyn Fn(PromptId) -> &'a str,
        response_name: &dyn Fn(ResponseId) -> &'a str,
    ) -> Self {
        let mut names = NamesUsed::default();
        let parameters = match model {
            AnyModel::Tabular(model) => Parameters::Tabular(SavedTabular::new(model, &mut names)),
            AnyModel::BradleyTerry(model) => {
                Parameters::BradleyTerry(SavedBradleyTerry::new(model, &mut names))
            }
            AnyModel::Davidson(model) => {
                Parameters::Davidson(SavedDavidson::new(model, &mut names))
            }
            AnyModel::Contextual(model) => {
                Parameters::Contextual(SavedContextual::new(model, &mut names))
            }
            AnyModel::Feature(model) => Parameters::Feature(SavedFeatureModel::new(model)),
            AnyModel::LowRank(model) => Parameters::LowRank(SavedLowRank::new(model, &mut names)),
            AnyModel::Bootstrap(model) => {
                let save = |member: &AnyModel| Self::new(member, prompt_name, response_name);
                Parameters::Bootstrap(SavedBootstrap {
                    estimate: Box::new(save(&model.estimate)),
                    members: model.members.iter().map(save).collect(),
                    multiplier: model.multiplier,
                    log_odds_bound: model
                        .log_odds_bound
                        .is_finite()
                        .then_some(model.log_odds_bound),
                })
            }
        };
        Self {
            prompts: names.prompts.into_iter().map(|id| prompt_name(id).to_owned()).collect(),
            responses: names.responses.into_iter().map(|id| response_name(id).to_owned()).collect(),
            parameters,
        }
    }

    /// What kind of model it is.
    pub fn kind(&self) -> &'static str {
        match &self.parameters {
            Parameters::Tabular(_) => "tabular",
            Parameters::BradleyTerry(_) => "bradley-terry",
            Parameters::Davidson(_) => "davidson",
            Parameters::Contextual(_) => "contextual",
            Parameters::Feature(model) => model.kind(),
            Parameters::LowRank(model) => model.kind(),
            Parameters::Bootstrap(model) => model.estimate.kind(),
        }
    }

    /// The features of responses and of prompts that the model must be given, if any.
    pub fn features(&self) -> Option<FeatureShape> {
        match &self.parameters {
            Parameters::Feature(model) => Some(model.shape()),
            Parameters::LowRank(model) => model.shape(),
            Parameters::Contextual(model) => Some(model.shape()),
            Parameters::Bootstrap(model) => model.estimate.features(),
            _ => None,
        }
    }

    /// The names that the model knows something of: prompts and responses.
    pub fn names(&self) -> (&[String], &[String]) {
        match &self.parameters {
            Parameters::Bootstrap(model) => model.estimate.names(),
            _ => (&self.prompts, &self.responses),
        }
    }

    /// The model over the ids and features of a data set.
    ///
    /// # Errors
    /// [`SavedModelError`] if features are missing or of other lengths, or the parts do not belong together.
    pub fn restore(&self, around: Surroundings<'_>) -> Result<AnyModel, SavedModelError> {
        let ids = Ids {
            prompts: self.prompts.iter().map(|name| (around.prompt)(name)).collect(),
            responses: self.responses.iter().map(|name| (around.response)(name)).collect(),
        };
        Ok(match &self.parameters {
            Parameters::Tabular(model) => model.restore(&ids)?.into(),
            Parameters::BradleyTerry(model) => model.restore(&ids)?.into(),
            Parameters::Davidson(model) => model.restore(&ids)?.into(),
            Parameters::Contextual(model) => model.restore(&ids, around)?.into(),
            Parameters::Feature(model) => model.restore(around)?.into(),
            Parameters::LowRank(model) => model.restore(&ids, around)?.into(),
            Parameters::Bootstrap(model) => model.restore(around)?.into(),
        })
    }
}

/// The ids that a saved model speaks of, in the order in which it numbers them.
#[derive(Debug, Default)]
struct NamesUsed {
    prompts: Vec<PromptId>,
    responses: Vec<ResponseId>,
}

/// What the names of a saved model are called elsewhere.
struct Ids {
    prompts: Vec<Option<PromptId>>,
    responses: Vec<Option<ResponseId>>,
}

impl Ids {
    fn prompt(&self, number: u32) -> Result<Option<PromptId>, SavedModelError> {
        let id = self.prompts.get(number as usize).copied();
        id.ok_or_else(|| inconsistent("the number of a prompt that is named", number))
    }

    fn response(&self, number: u32) -> Result<Option<ResponseId>, SavedModelError> {
        let id = self.responses.get(number as usize).copied();
        id.ok_or_else(|| inconsistent("the number of a response that is named", number))
    }
}

fn inconsistent(expected: &'static str, found: impl std::fmt::Display) -> SavedModelError {
    SavedModelError::Inconsistent { expected, found: format!("{found}") }
}

/// Refuses a part of another size.
fn check(what: &'static str, expected: usize, found: usize) -> Result<(), SavedModelError> {
    if expected == found {
        Ok(())
    } else {
        Err(inconsistent(what, format!("{found}, not {expected}")))
    }
}

/// Refuses a bound on log-odds out of range.
fn check_bound(bound: f64) -> Result<f64, SavedModelError> {
    crate::config::checked_bound(bound)
        .map_err(|error| inconsistent("a bound on log-odds in (0, 50]", error.given))
}

#[cfg(test)]
mod tests;
