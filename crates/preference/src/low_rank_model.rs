//! What a low-rank model answers, once fitted.
//!
//! ```text
//! R(a, b) = s(a) − s(b) + Σ_k [u_k(a) v_k(b) − v_k(a) u_k(b)],   within [−B, B]
//!         = c_a'Θc_b,   c = (s, 1, u, v),   before it is clipped
//! ```
//! Parameters and features are separate values, as in `feature_model`.

use crate::embedding::Weights;
use crate::planes::Layout;
use crate::{FeatureError, Features};
use nlhf_core::{
    ConfidenceWidth, DenseGame, LowRankGame, Menu, PreferenceModel, PromptId, ResponseId, Scale,
};
use std::sync::Arc;

/// Scores and planes of responses; a response without coordinates, because it was never compared or has no
/// features, is taken for one with a score of 0 in no plane.
#[derive(Debug, Clone)]
pub struct LowRankModel {
    pub(crate) layout: Layout,
    pub(crate) source: Source,
    pub(crate) parameters: Vec<f64>,
    pub(crate) log_odds_bound: f64,
}

/// Where the coordinates come from.
#[derive(Debug, Clone)]
pub(crate) enum Source {
    /// Items in ascending order with the place of their column.
    Items(Vec<(ResponseId, u32)>),
    Features {
        features: Arc<Features>,
        hidden: usize,
    },
}

impl LowRankModel {
    /// One column of `parameters` an item.
    pub(crate) fn of_items(
        layout: Layout,
        items: Vec<ResponseId>,
        parameters: Vec<f64>,
        log_odds_bound: f64,
    ) -> Self {
        let mut items: Vec<(ResponseId, u32)> = items.into_iter().zip(0..).collect();
        items.sort_unstable();
        Self { layout, source: Source::Items(items), parameters, log_odds_bound }
    }

    /// Parameters as `embedding` lays them out; a linear map has no hidden units.
    pub(crate) fn of_features(
        layout: Layout,
        features: Arc<Features>,
        hidden: usize,
        parameters: Vec<f64>,
        log_odds_bound: f64,
    ) -> Self {
        let source = Source::Features { features, hidden };
        Self { layout, source, parameters, log_odds_bound }
    }

    /// The same parameters over the features of other prompts and responses.
    ///
    /// # Errors
    /// [`FeatureError::Shape`] if the features have another length, or the model has none.
    pub fn with_features(mut self, other: Arc<Features>) -> Result<Self, FeatureError> {
        let given = other.dim();
        match &mut self.source {
            Source::Features { features, .. } if features.dim() == given => *features = other,
            Source::Features { features, .. } => {
                return Err(FeatureError::Shape { dim: features.dim(), given });
            }
            Source::Items(_) => return Err(FeatureError::Shape { dim: 0, given }),
        }
        Ok(self)
    }

    /// Planes r.
    pub fn n_planes(&self) -> usize {
        self.layout.planes
    }

    /// Whether the model has scores beside its planes.
    pub fn has_scores(&self) -> bool {
        self.layout.scores
    }

    /// The coordinates of a candidate: its score if the model has scores, then u of every plane, then v; `None` if
    /// it has none.
    pub fn coordinates(&self, prompt: PromptId, response: ResponseId) -> Option<Vec<f64>> {
        let m = self.layout.len();
        match &self.source {
            Source::Items(items) => {
                let at = items.binary_search_by_key(&response, |(id, _)| *id).ok()?;
                let place = items[at].1 as usize * m;
                Some(self.parameters[place..place + m].to_vec())
            }
            Source::Features { features, hidden } => {
                let phi = features.menu(prompt, &[response]).ok()?;
                let weights = Weights::read(&self.parameters, m, features.dim(), *hidden);
                Some(weights.coordinates(phi.as_view()).as_slice().to_vec())
            }
        }
    }

    fn coordinates_or_zero(&self, prompt: PromptId, response: ResponseId) -> Vec<f64> {
        self.coordinates(prompt, response).unwrap_or_else(|| vec![0.0; self.layout.len()])
    }

    /// Of each response of a menu.
    fn all_coordinates(&self, menu: Menu<'_>) -> Vec<Vec<f64>> {
        let responses = menu.responses().iter();
        responses.map(|response| self.coordinates_or_zero(menu.prompt(), *response)).collect()
    }

    /// The game of a menu on log-odds as factors of `2r + 2` columns, for menus too large for a table. It leaves out the
    /// clip to the bound on log-odds; `None` if a pair could exceed it.
    pub fn low_rank_game(&self, menu: Menu<'_>) -> Option<LowRankGame> {
        let (r, m) = (self.layout.planes, self.layout.len());
        let rank = 2 * r + 2;
        let all = self.all_coordinates(menu);
        let mut columns = Vec::with_capacity(rank * all.len());
        for c in &all {
            columns.extend([if self.layout.scores { c[0] } else { 0.0 }, 1.0]);
            columns.extend(&c[m - 2 * r..]);
        }
        if self.largest(&all) > self.log_odds_bound {
            return None;
        }
        let mut theta = vec![0.0; rank * rank];
        let mut pair = |i: usize, j: usize| {
            theta[i * rank + j] = 1.0;
            theta[j * rank + i] = -1.0;
        };
        pair(0, 1);
        for k in 0..r {
            pair(2 + k, 2 + r + k);
        }
        LowRankGame::skew(rank, columns, &theta).ok()
    }

    /// A bound on `|R|` over all pairs: the spread of scores and the products of the two longest in each plane.
    fn largest(&self, all: &[Vec<f64>]) -> f64 {
        let spread = |values: &mut dyn Iterator<Item = f64>| {
            let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| {
                (low.min(x), high.max(x))
            });
            high - low
        };
        let scores = if self.layout.scores { spread(&mut all.iter().map(|c| c[0])) } else { 0.0 };
        let planes = (0..self.layout.planes).map(|k| {
            let (u, v) = self.layout.plane(k);
            let mut lengths: Vec<f64> = all.iter().map(|c| c[u].hypot(c[v])).collect();
            lengths.sort_unstable_by(|a, b| b.total_cmp(a));
            lengths.iter().take(2).product::<f64>()
        });
        scores + planes.sum::<f64>()
    }
}

impl PreferenceModel for LowRankModel {
    fn log_odds(&self, prompt: PromptId, first: ResponseId, second: ResponseId) -> f64 {
        let (a, b) =
            (self.coordinates_or_zero(prompt, first), self.coordinates_or_zero(prompt, second));
        self.layout.log_odds(&a, &b).clamp(-self.log_odds_bound, self.log_odds_bound)
    }

    fn game(&self, menu: Menu<'_>, scale: Scale) -> DenseGame {
        let all = self.all_coordinates(menu);
        DenseGame::skew_from_upper(menu.len(), |i, j| {
            let log_odds = self.layout.log_odds(&all[i], &all[j]);
            scale.payoff(log_odds.clamp(-self.log_odds_bound, self.log_odds_bound))
        })
    }
}

/// Nothing but the bound is claimed: there is no formula.
impl ConfidenceWidth for LowRankModel {
    fn log_odds_width(&self, prompt: PromptId, first: ResponseId, second: ResponseId) -> f64 {
        if first == second {
            return 0.0;
        }
        self.log_odds_bound + self.log_odds(prompt, first, second).abs()
    }

    fn log_odds_bound(&self) -> f64 {
        self.log_odds_bound
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nlhf_core::{Menus, ZeroSumGame};

    #[test]
    fn the_factors_make_the_game() {
        let ids: Vec<ResponseId> = [5, 1, 4].map(ResponseId::new).into();
        let layout = Layout { scores: true, planes: 2 };
        let parameters: Vec<f64> = (0..15).map(|k| f64::from(k).sin()).collect();
        let model = LowRankModel::of_items(layout, ids.clone(), parameters.clone(), 10.0);
        let mut menus = Menus::new();
        let asked = [ids[2], ResponseId::new(3), ids[0], ids[1]];
        menus.push(PromptId::new(0), &asked).unwrap();
        let dense = model.game(menus.get(0), Scale::LogOdds);
        let mut entries = vec![0.0; 16];
        model.low_rank_game(menus.get(0)).unwrap().write_dense(&mut entries);
        assert!(dense.entries().iter().zip(&entries).all(|(a, b)| (a - b).abs() < 1e-15));
        assert_eq!(model.coordinates(PromptId::new(0), ids[0]).unwrap(), parameters[..5]);
        assert_eq!(model.coordinates(PromptId::new(0), ResponseId::new(3)), None);
        let tight = LowRankModel::of_items(layout, ids, parameters, 0.5);
        assert!(tight.low_rank_game(menus.get(0)).is_none());
    }
}
