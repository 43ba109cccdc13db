//! Saved models of features: parameters, the shape of the features, and what they are projected on.

use super::matrix::SavedMatrix;
use super::{Ids, NamesUsed, SavedModelError, Surroundings, check, check_bound};
use crate::embedding::Weights;
use crate::feature_model::{Ellipsoid, FeatureModel};
use crate::low_rank_model::{LowRankModel, Source};
use crate::pair_map::PairMap;
use crate::planes::Layout;
use crate::{Features, Projection};
use nalgebra::DVector;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The features that a model must be given, one row an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeatureShape {
    /// Columns of the features of responses, if the model has any.
    pub of_responses: Option<usize>,
    /// Columns of the features of prompts, if the model has any.
    pub of_prompts: Option<usize>,
}

impl FeatureShape {
    /// Refuses features that are missing or of another length.
    pub(super) fn check(self, around: Surroundings<'_>) -> Result<(), SavedModelError> {
        for (what, expected, given) in [
            ("responses", self.of_responses, around.response_features),
            ("prompts", self.of_prompts, around.prompt_features),
        ] {
            let Some(expected) = expected else { continue };
            let found = given.ok_or(SavedModelError::NeedsFeatures(what))?.dim();
            if found != expected {
                return Err(SavedModelError::Columns { what, expected, found });
            }
        }
        Ok(())
    }
}

/// The mean that is taken off, and the directions that are kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SavedProjection {
    mean: Vec<f64>,
    directions: SavedMatrix,
}

impl SavedProjection {
    pub(super) fn new(projection: &Projection) -> Self {
        let directions = SavedMatrix::new(projection.directions());
        Self { mean: projection.mean().to_vec(), directions }
    }

    /// What it projects.
    pub(super) fn dim(&self) -> usize {
        self.mean.len()
    }

    pub(super) fn n_components(&self) -> usize {
        self.directions.columns()
    }

    pub(super) fn restore(&self) -> Result<Projection, SavedModelError> {
        check("a direction of each feature", self.mean.len(), self.directions.rows())?;
        Ok(Projection::restored(self.mean.clone(), self.directions.restore()?))
    }
}

/// A feature map without the features: their shape, and the projection that was learned with them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SavedFeatures {
    shape: FeatureShape,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    projection: Option<SavedProjection>,
}

impl SavedFeatures {
    /// What must be known of features beside their tables.
    pub fn new(features: &Features) -> Self {
        let columns = features.responses().dim();
        let of_prompts = features.depends_on_prompt().then_some(columns);
        let projection = features.projection().map(SavedProjection::new);
        Self { shape: FeatureShape { of_responses: Some(columns), of_prompts }, projection }
    }

    /// The features that must be given to restore the map.
    pub fn shape(&self) -> FeatureShape {
        self.shape
    }

    /// The same map over the features of another data set.
    ///
    /// # Errors
    /// [`SavedModelError`] if features are missing or of other lengths, or the parts do not belong together.
    pub fn restore(&self, around: Surroundings<'_>) -> Result<Arc<Features>, SavedModelError> {
        self.shape.check(around)?;
        let responses =
            around.response_features.ok_or(SavedModelError::NeedsFeatures("responses"))?;
        let prompts = around.prompt_features.filter(|_| self.shape.of_prompts.is_some());
        let features = Features::new(responses.clone(), prompts.cloned())?;
        let Some(projection) = &self.projection else { return Ok(Arc::new(features)) };
        check("a projection of the features", features.dim(), projection.dim())?;
        Ok(Arc::new(features.projected(projection.restore()?)))
    }

    /// Features after the projection.
    fn dim(&self) -> usize {
        let columns = self.shape.of_responses.unwrap_or(0);
        let raw = columns * if self.shape.of_prompts.is_some() { 2 } else { 1 };
        self.projection.as_ref().map_or(raw, SavedProjection::n_components)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum SavedPairMap {
    Linear,
    Bilinear,
    BilinearWithoutConstant,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SavedFeatureModel {
    form: SavedPairMap,
    features: SavedFeatures,
    parameters: Vec<f64>,
    /// `L⁻¹` of `V = LL'`, and β.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    ellipsoid: Option<(SavedMatrix, f64)>,
    log_odds_bound: f64,
}

impl SavedFeatureModel {
    pub(super) fn new(model: &FeatureModel) -> Self {
        let form = match model.map {
            PairMap::Difference => SavedPairMap::Linear,
            PairMap::Wedge { constant: true } => SavedPairMap::Bilinear,
            PairMap::Wedge { constant: false } => SavedPairMap::BilinearWithoutConstant,
        };
        let ellipsoid = model.ellipsoid.as_ref();
        Self {
            form,
            features: SavedFeatures::new(&model.features),
            parameters: model.parameters.as_slice().to_vec(),
            ellipsoid: ellipsoid.map(|e| (SavedMatrix::new(&e.whitening), e.beta)),
            log_odds_bound: model.log_odds_bound,
        }
    }

    fn map(&self) -> PairMap {
        match self.form {
            SavedPairMap::Linear => PairMap::Difference,
            SavedPairMap::Bilinear => PairMap::Wedge { constant: true },
            SavedPairMap::BilinearWithoutConstant => PairMap::Wedge { constant: false },
        }
    }

    pub(super) fn kind(&self) -> &'static str {
        self.map().name()
    }

    pub(super) fn shape(&self) -> FeatureShape {
        self.features.shape
    }

    pub(super) fn restore(
        &self,
        around: Surroundings<'_>,
    ) -> Result<FeatureModel, SavedModelError> {
        let n = self.parameters.len();
        check("a parameter of each feature", self.map().dimension(self.features.dim()), n)?;
        let ellipsoid = match &self.ellipsoid {
            Some((whitening, beta)) => {
                Some(Ellipsoid { whitening: whitening.restore_square(n)?, beta: *beta })
            }
            None => None,
        };
        Ok(FeatureModel {
            features: self.features.restore(around)?,
            map: self.map(),
            parameters: DVector::from_column_slice(&self.parameters),
            ellipsoid,
            log_odds_bound: check_bound(self.log_odds_bound)?,
        })
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SavedLowRank {
    scores: bool,
    planes: usize,
    /// Absent if each named response has coordinates of its own.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    features: Option<SavedFeatures>,
    hidden_units: usize,
    parameters: Vec<f64>,
    log_odds_bound: f64,
}

impl SavedLowRank {
    pub(super) fn new(model: &LowRankModel, names: &mut NamesUsed) -> Self {
        let Layout { scores, planes } = model.layout;
        let (features, hidden_units, parameters) = match &model.source {
            Source::Items(items) => {
                // The columns in the order of the names.
                let m = model.layout.len();
                names.responses.extend(items.iter().map(|(id, _)| *id));
                let column = |(_, place): &(_, u32)| {
                    let start = *place as usize * m;
                    model.parameters[start..start + m].iter().copied()
                };
                (None, 0, items.iter().flat_map(column).collect())
            }
            Source::Features { features, hidden } => {
                (Some(SavedFeatures::new(features)), *hidden, model.parameters.clone())
            }
        };
        let log_odds_bound = model.log_odds_bound;
        Self { scores, planes, features, hidden_units, parameters, log_odds_bound }
    }

    pub(super) fn kind(&self) -> &'static str {
        match (&self.features, self.hidden_units) {
            (None, _) => "low-rank",
            (Some(_), 0) => "low-rank-features",
            (Some(_), _) => "network",
        }
    }

    pub(super) fn shape(&self) -> Option<FeatureShape> {
        self.features.as_ref().map(|features| features.shape)
    }

    pub(super) fn restore(
        &self,
        ids: &Ids,
        around: Surroundings<'_>,
    ) -> Result<LowRankModel, SavedModelError> {
        let layout = Layout { scores: self.scores, planes: self.planes };
        let bound = check_bound(self.log_odds_bound)?;
        let m = layout.len();
        if let Some(features) = &self.features {
            let expected = Weights::count(m, features.dim(), self.hidden_units);
            check("a parameter of each weight", expected, self.parameters.len())?;
            let (features, parameters) = (features.restore(around)?, self.parameters.clone());
            return Ok(LowRankModel::of_features(
                layout,
                features,
                self.hidden_units,
                parameters,
                bound,
            ));
        }
        check("coordinates of each response", ids.responses.len() * m, self.parameters.len())?;
        let mut known = Vec::new();
        let mut parameters = Vec::new();
        for (id, column) in ids.responses.iter().zip(self.parameters.chunks_exact(m)) {
            if let Some(id) = id {
                known.push(*id);
                parameters.extend_from_slice(column);
            }
        }
        Ok(LowRankModel::of_items(layout, known, parameters, bound))
    }
}
