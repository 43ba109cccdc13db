//! Saved models whose parameters belong to named responses.

use super::features::{FeatureShape, SavedProjection};
use super::matrix::SavedMatrix;
use super::{Ids, NamesUsed, SavedModelError, Surroundings, check, check_bound, inconsistent};
use crate::bradley_terry::{BradleyTerryModel, Ellipsoid};
use crate::contextual_model::{ContextualModel, ContextualParameters};
use crate::davidson::{DavidsonModel, Group, TieParameter};
use crate::tabular::{Adjusted, TabularModel};
use crate::{LogisticConfig, PairCount, PairCounts};
use nlhf_core::ResponseId;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

/// Numbers ids in the order in which they come.
struct Numbers<T>(HashMap<T, u32>);

impl<T: Copy + Eq + Hash> Numbers<T> {
    fn of(&mut self, list: &mut Vec<T>, id: T) -> u32 {
        *self.0.entry(id).or_insert_with(|| {
            list.push(id);
            u32::try_from(list.len() - 1).expect("ids are 32 bits")
        })
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SavedTabular {
    /// Prompt, two responses, weight, and wins of the first of them.
    pairs: Vec<(u32, u32, u32, f64, f64)>,
    /// With an order effect, of each pair its log-odds and half-width.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    adjusted: Option<Vec<(f64, f64)>>,
    log_term: f64,
    log_odds_bound: f64,
}

impl SavedTabular {
    pub(super) fn new(model: &TabularModel, names: &mut NamesUsed) -> Self {
        let (mut prompts, mut responses) = (Numbers(HashMap::new()), Numbers(HashMap::new()));
        let pairs = model.counts.pairs().iter().map(|pair| {
            let prompt = prompts.of(&mut names.prompts, pair.prompt);
            let low = responses.of(&mut names.responses, pair.low);
            (prompt, low, responses.of(&mut names.responses, pair.high), pair.weight, pair.wins)
        });
        let pairs = pairs.collect();
        let of_pair = |adjusted: &Adjusted| (adjusted.log_odds, adjusted.width);
        let adjusted = model.adjusted.as_ref().map(|pairs| pairs.iter().map(of_pair).collect());
        let (log_term, log_odds_bound) = (model.log_term, model.log_odds_bound);
        Self { pairs, adjusted, log_term, log_odds_bound }
    }

    pub(super) fn restore(&self, ids: &Ids) -> Result<TabularModel, SavedModelError> {
        if let Some(adjusted) = &self.adjusted {
            check("an estimate of each pair", self.pairs.len(), adjusted.len())?;
        }
        let mut known: Vec<(PairCount, Option<Adjusted>)> = Vec::new();
        for (at, &(prompt, first, second, weight, wins)) in self.pairs.iter().enumerate() {
            if !(weight > 0.0 && (0.0..=weight * (1.0 + 1e-12)).contains(&wins)) {
                return Err(inconsistent("wins within a positive weight", wins));
            }
            let (Some(prompt), Some(a), Some(b)) =
                (ids.prompt(prompt)?, ids.response(first)?, ids.response(second)?)
            else {
                continue;
            };
            let adjusted = self.adjusted.as_ref().map(|adjusted| adjusted[at]);
            let (low, high, wins, sign) =
                if a < b { (a, b, wins, 1.0) } else { (b, a, weight - wins, -1.0) };
            let adjusted = adjusted.map(|(odds, width)| Adjusted { log_odds: sign * odds, width });
            known.push((PairCount { prompt, low, high, weight, wins }, adjusted));
        }
        known.sort_unstable_by_key(|(pair, _)| (pair.prompt, pair.low, pair.high));
        let same = |w: &[(PairCount, Option<Adjusted>)]| {
            let key = |k: usize| (w[k].0.prompt, w[k].0.low, w[k].0.high);
            key(0) == key(1)
        };
        if known.windows(2).any(same) {
            return Err(inconsistent("each pair once", "one that stands there twice"));
        }
        let adjusted = known.iter().map(|(_, adjusted)| *adjusted).collect();
        Ok(TabularModel {
            counts: PairCounts::of_pairs(known.into_iter().map(|(pair, _)| pair).collect()),
            log_term: self.log_term,
            log_odds_bound: check_bound(self.log_odds_bound)?,
            adjusted: if self.adjusted.is_some() { adjusted } else { None },
        })
    }
}

/// Scores with their groups, as Bradley-Terry and Davidson have them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SavedScores {
    /// Of each named response: its score, and its group and place there if it was compared.
    scores: Vec<(f64, Option<(usize, usize)>)>,
}

type Places = Vec<Option<(usize, usize)>>;

impl SavedScores {
    fn new(scores: &[f64], places: &Places, names: &mut NamesUsed) -> Self {
        let mut saved = Vec::new();
        for (id, (score, place)) in scores.iter().zip(places).enumerate() {
            if place.is_some() || *score != 0.0 {
                names.responses.push(ResponseId::from_index(id));
                saved.push((*score, *place));
            }
        }
        Self { scores: saved }
    }

    fn restore(&self, ids: &Ids, sizes: &[usize]) -> Result<(Vec<f64>, Places), SavedModelError> {
        check("a score of each response", ids.responses.len(), self.scores.len())?;
        let known = || ids.responses.iter().flatten();
        let n = known().map(|id| id.index() + 1).max().unwrap_or(0);
        let (mut scores, mut places) = (vec![0.0; n], vec![None; n]);
        for (id, (score, place)) in ids.responses.iter().zip(&self.scores) {
            let inside = |(group, at): &(usize, usize)| sizes.get(*group).is_some_and(|n| at < n);
            if !place.as_ref().is_none_or(inside) {
                return Err(inconsistent("a place in a group", format!("{place:?}")));
            }
            if let Some(id) = id {
                (scores[id.index()], places[id.index()]) = (*score, *place);
            }
        }
        Ok((scores, places))
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SavedBradleyTerry {
    scores: SavedScores,
    /// Of each group, the covariance of its scores and β.
    groups: Vec<(SavedMatrix, f64)>,
    settings: LogisticConfig,
}

impl SavedBradleyTerry {
    pub(super) fn new(model: &BradleyTerryModel, names: &mut NamesUsed) -> Self {
        let group = |group: &Ellipsoid| (SavedMatrix::new(&group.covariance), group.beta);
        Self {
            scores: SavedScores::new(&model.scores, &model.places, names),
            groups: model.groups.iter().map(group).collect(),
            settings: model.config,
        }
    }

    pub(super) fn restore(&self, ids: &Ids) -> Result<BradleyTerryModel, SavedModelError> {
        let sizes: Vec<usize> = self.groups.iter().map(|(matrix, _)| matrix.rows()).collect();
        let (scores, places) = self.scores.restore(ids, &sizes)?;
        let group = |(covariance, beta): &(SavedMatrix, f64)| {
            let covariance = covariance.restore_square(covariance.rows())?;
            Ok(Ellipsoid { covariance, beta: *beta })
        };
        let groups: Result<_, SavedModelError> = self.groups.iter().map(group).collect();
        check_bound(self.settings.log_odds_bound)?;
        Ok(BradleyTerryModel { scores, places, groups: groups?, config: self.settings })
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SavedDavidson {
    scores: SavedScores,
    /// Of each group, the covariance of its scores, and of each score with log ν.
    groups: Vec<(SavedMatrix, Vec<f64>)>,
    ties: TieParameter,
    beta: f64,
    log_odds_bound: f64,
}

impl SavedDavidson {
    pub(super) fn new(model: &DavidsonModel, names: &mut NamesUsed) -> Self {
        let group = |group: &Group| (SavedMatrix::new(&group.covariance), group.with_ties.clone());
        Self {
            scores: SavedScores::new(&model.scores, &model.places, names),
            groups: model.groups.iter().map(group).collect(),
            ties: model.ties,
            beta: model.beta,
            log_odds_bound: model.log_odds_bound,
        }
    }

    pub(super) fn restore(&self, ids: &Ids) -> Result<DavidsonModel, SavedModelError> {
        let sizes: Vec<usize> = self.groups.iter().map(|(matrix, _)| matrix.rows()).collect();
        let (scores, places) = self.scores.restore(ids, &sizes)?;
        let mut groups = Vec::new();
        for (covariance, with_ties) in &self.groups {
            let covariance = covariance.restore_square(with_ties.len())?;
            groups.push(Group { covariance, with_ties: with_ties.clone() });
        }
        let (ties, beta) = (self.ties, self.beta);
        let log_odds_bound = check_bound(self.log_odds_bound)?;
        Ok(DavidsonModel { scores, places, groups, ties, beta, log_odds_bound })
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SavedContextual {
    /// Features of a prompt, projected.
    features: usize,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    projection: Option<SavedProjection>,
    /// Of each response its base score and tastes.
    values: Vec<f64>,
    covariance: SavedMatrix,
    beta: f64,
    log_odds_bound: f64,
}

impl SavedContextual {
    pub(super) fn new(model: &ContextualModel, names: &mut NamesUsed) -> Self {
        let parameters = model.parameters();
        names.responses.extend(&parameters.responses);
        Self {
            features: parameters.dim,
            projection: parameters.projection.as_deref().map(SavedProjection::new),
            values: parameters.values.clone(),
            covariance: SavedMatrix::new(&parameters.covariance),
            beta: parameters.beta,
            log_odds_bound: parameters.log_odds_bound,
        }
    }

    pub(super) fn shape(&self) -> FeatureShape {
        let columns = self.projection.as_ref().map_or(self.features, SavedProjection::dim);
        FeatureShape { of_responses: None, of_prompts: Some(columns) }
    }

    /// Responses may be renamed in any order: their values and the blocks of the covariance move with them.
    pub(super) fn restore(
        &self,
        ids: &Ids,
        around: Surroundings<'_>,
    ) -> Result<ContextualModel, SavedModelError> {
        let width = 1 + self.features;
        check("values of each response", ids.responses.len() * width, self.values.len())?;
        let covariance = self.covariance.restore_square(self.values.len())?;
        let known = ids.responses.iter().enumerate();
        let mut known: Vec<(ResponseId, usize)> =
            known.filter_map(|(place, id)| Some(((*id)?, place))).collect();
        known.sort_unstable();
        let rows: Vec<usize> =
            known.iter().flat_map(|(_, place)| place * width..(place + 1) * width).collect();
        let projection = match &self.projection {
            Some(projection) => {
                check("a component of each feature", self.features, projection.n_components())?;
                Some(Arc::new(projection.restore()?))
            }
            None => None,
        };
        let parameters = ContextualParameters {
            dim: self.features,
            projection,
            responses: known.iter().map(|(id, _)| *id).collect(),
            values: rows.iter().map(|row| self.values[*row]).collect(),
            covariance: covariance.select_rows(&rows).select_columns(&rows),
            beta: self.beta,
            log_odds_bound: check_bound(self.log_odds_bound)?,
        };
        let prompts = around.prompt_features.ok_or(SavedModelError::NeedsFeatures("prompts"))?;
        self.shape().check(around)?;
        Ok(parameters.with_prompts(Arc::new(prompts.clone()))?)
    }
}
