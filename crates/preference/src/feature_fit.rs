//! Models linear in a skew feature of a pair: linear and bilinear (full skew).
//!
//! ```text
//! R(x, a, b) = θ'z(x, a, b),   z(x, a, b) = −z(x, b, a)
//! linear     z = φ(x, a) − φ(x, b)
//! bilinear   z_ij = ψ_i(x, a) ψ_j(x, b) − ψ_j(x, a) ψ_i(x, b), i < j;   R = ψ_a'Θψ_b, Θ skew
//! V = λ₀I + Σ w zz',   |R̂ − R*| ≤ β‖z‖_{V⁻¹},   β = (1/2κ)√(2 log(1/δ) + log det(V/λ₀)) + S√λ₀
//! ```
//! with ψ = (1, φ), so that the bilinear model contains the linear one. Log-odds of the data are held
//! within B by raising the ridge where it does not do so itself. An effect of the presentation order
//! (`order`) is a parameter more, which that bound does not hold. Sources: Ye et al. (arXiv 2402.07314),
//! section 3; for the widths the self-normalized bound of Abbasi-Yadkori, Pál and Szepesvári (2011).

use crate::candidates::Candidates;
use crate::cells::{CellKey, Cells};
use crate::config::LogisticConfig;
use crate::linear_estimate::LinearEstimate;
use crate::newton::{DenseDesign, Design};
use crate::pair_map::PairMap;
use crate::score_design::ScoreDesign;
use crate::{FeatureError, FeatureModel, Features, PairCount};
use nalgebra::{DMatrix, DVector};
use nlhf_core::{
    Comparison, FitError, FitPreference, Fitted, PreferenceModel, ResponseId, ScalarError,
};
use std::sync::Arc;

/// The most wedge features that are fitted: their information matrix takes 128 MiB.
const WEDGE_LIMIT: usize = 4096;

/// The most features of all pairs together: 8 GiB.
const ENTRY_LIMIT: usize = 1 << 30;

/// Fits a model linear in the features of a pair; [`FeatureFit::linear`] or [`FeatureFit::bilinear`].
#[derive(Debug, Clone)]
pub struct FeatureFit {
    features: Arc<Features>,
    map: PairMap,
    config: LogisticConfig,
    widths: bool,
}

/// What can be wrong with the settings of a [`FeatureFit`].
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum FeatureFitError {
    /// A number outside its range.
    #[error(transparent)]
    Setting(#[from] ScalarError),
    /// Features that the model cannot take.
    #[error(transparent)]
    Features(#[from] FeatureError),
}

impl FeatureFit {
    /// A score linear in the features: transitive, and defined for responses never compared.
    ///
    /// # Errors
    /// If a setting is outside its range.
    pub fn linear(
        features: Arc<Features>,
        config: LogisticConfig,
    ) -> Result<Self, FeatureFitError> {
        Ok(Self { features, map: PairMap::Difference, config: config.validate()?, widths: true })
    }

    /// A full skew form in the features and a constant: cycles included, the linear model too.
    ///
    /// # Errors
    /// If a setting is outside its range, or there are too many features.
    pub fn bilinear(
        features: Arc<Features>,
        config: LogisticConfig,
    ) -> Result<Self, FeatureFitError> {
        Self::wedge(features, config, true)
    }

    /// The bilinear model without the constant: `R = φ_a'Θφ_b`.
    ///
    /// # Errors
    /// Like [`FeatureFit::bilinear`]; one feature alone has no skew form.
    pub fn bilinear_without_constant(
        features: Arc<Features>,
        config: LogisticConfig,
    ) -> Result<Self, FeatureFitError> {
        Self::wedge(features, config, false)
    }

    fn wedge(
        features: Arc<Features>,
        config: LogisticConfig,
        constant: bool,
    ) -> Result<Self, FeatureFitError> {
        let map = PairMap::Wedge { constant };
        let (dim, limit) = (features.dim(), WEDGE_LIMIT);
        let wedges = map.dimension(dim);
        if wedges == 0 || wedges > limit {
            return Err(FeatureError::Wedges { limit, dim, wedges }.into());
        }
        Ok(Self { features, map, config: config.validate()?, widths: true })
    }

    /// The same estimate without its information matrix: several times faster where there are many features,
    /// and nothing but the bound on log-odds is claimed of how far it may be off. For
    /// cross-validation, and for scoring alone.
    #[must_use]
    pub fn without_widths(self) -> Self {
        Self { widths: false, ..self }
    }
}

impl FeatureFit {
    /// One row a cell, as candidates and pairs of them where that is smaller.
    fn design(&self, pairs: &[PairCount]) -> Result<Box<dyn Design + '_>, FitError> {
        let dimension = self.map.dimension(self.features.dim());
        if let Some(design) = self.design_in_place(pairs) {
            return Ok(Box::new(design));
        }
        let (candidates, places) = Candidates::of_pairs(pairs);
        let of_scores = self.map == PairMap::Difference && candidates.len() < pairs.len();
        let n_rows = if of_scores { candidates.len() } else { pairs.len() };
        if dimension.saturating_mul(n_rows) > ENTRY_LIMIT {
            let (model, limit) = (self.name(), ENTRY_LIMIT / n_rows);
            return Err(FitError::TooLarge { model, limit, given: dimension });
        }
        if of_scores {
            let features = candidates.features(&self.features)?;
            let features: Vec<f64> = features.data.into();
            return Ok(Box::new(ScoreDesign::new(features.into(), dimension, places)));
        }
        let mut columns = DMatrix::zeros(dimension, n_rows);
        let (mut a, mut b) = (vec![0.0; self.features.dim()], vec![0.0; self.features.dim()]);
        for (pair, mut z) in pairs.iter().zip(columns.column_iter_mut()) {
            self.features.write(pair.prompt, pair.low, &mut a)?;
            self.features.write(pair.prompt, pair.high, &mut b)?;
            self.map.write(&a, &b, z.as_mut_slice());
        }
        Ok(Box::new(DenseDesign { columns }))
    }
}

impl FeatureFit {
    /// The table of features as it stands, where it is no larger than the pairs and holds all that they name.
    fn design_in_place(&self, pairs: &[PairCount]) -> Option<ScoreDesign<'_>> {
        let table = self.features.as_table().filter(|_| self.map == PairMap::Difference)?;
        let known = |pair: &PairCount| pair.low.max(pair.high).index() < table.len();
        if table.len() >= pairs.len() || !pairs.iter().all(known) {
            return None;
        }
        let place = |id: ResponseId| u32::try_from(id.index()).expect("an id fits into 32 bits");
        let places = pairs.iter().map(|pair| (place(pair.low), place(pair.high))).collect();
        Some(ScoreDesign::new(table.values().into(), table.dim(), places))
    }
}

impl FeatureFit {
    /// The estimate, searched from `start`.
    fn fit_from(
        &self,
        start: Option<&DVector<f64>>,
        data: &[Comparison],
    ) -> Result<Fitted<FeatureModel>, FitError> {
        // Without features of prompts a pair is the same everywhere.
        let by_prompt = self.features.depends_on_prompt();
        let key = CellKey { prompt: by_prompt, order: self.config.order_effect };
        let cells = Cells::for_fit(data, key)?;
        let design = self.design(cells.pairs())?;
        let estimate =
            LinearEstimate::new(&*design, &cells, &self.config, start, self.widths, self.name())?;
        let evidence = estimate.evidence(&cells, self.name());
        let model = FeatureModel {
            features: Arc::clone(&self.features),
            map: self.map,
            ellipsoid: estimate.ellipsoid(),
            parameters: estimate.parameters,
            log_odds_bound: self.config.log_odds_bound,
        };
        Ok(Fitted { model, evidence })
    }
}

impl FitPreference for FeatureFit {
    type Model = FeatureModel;

    fn name(&self) -> &'static str {
        self.map.name()
    }

    fn fit(&self, data: &[Comparison]) -> Result<Fitted<FeatureModel>, FitError> {
        self.fit_from(None, data)
    }

    fn refit(
        &self,
        data: &[Comparison],
        previous: &FeatureModel,
    ) -> Result<Fitted<FeatureModel>, FitError> {
        let alike = previous.parameters.len() == self.map.dimension(self.features.dim());
        self.fit_from(alike.then_some(&previous.parameters), data)
    }

    fn predict(
        &self,
        data: &[Comparison],
        view: &mut dyn FnMut(&dyn PreferenceModel),
    ) -> Result<(), FitError> {
        view(&self.clone().without_widths().fit(data)?.model);
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "exact by construction")]
mod tests {
    use super::*;
    use crate::{FeatureTable, WidthMultiplier};
    use nlhf_core::{ConfidenceWidth, Label, PreferenceModel, PromptId};

    fn features(dim: usize, values: &[f64]) -> Arc<Features> {
        let table = FeatureTable::new(dim, values.to_vec()).unwrap();
        Arc::new(Features::new(table, None).unwrap())
    }

    fn won(a: u32, b: u32, times: usize) -> Vec<Comparison> {
        let (a, b) = (ResponseId::new(a), ResponseId::new(b));
        vec![Comparison::new(PromptId::new(0), a, b, Label::WIN); times]
    }

    #[test]
    fn the_bound_on_log_odds_holds_and_is_reported() {
        let data = won(0, 1, 100);
        let config = LogisticConfig { ridge: 1e-3, log_odds_bound: 2.0, ..Default::default() };
        let fit = FeatureFit::linear(features(1, &[1.0, -0.5]), config).unwrap();
        let fitted = fit.fit(&data).unwrap();
        assert!(fitted.evidence.bound_active);
        let (x, a, b) = (PromptId::new(0), ResponseId::new(0), ResponseId::new(1));
        let odds = fitted.model.log_odds(x, a, b);
        assert!((1.9..=2.0).contains(&odds), "{odds}");
    }

    #[test]
    fn scaled_widths_are_scaled_before_they_are_cut_off() {
        let mut menus = nlhf_core::Menus::new();
        let ids = [0, 1, 2].map(ResponseId::new);
        menus.push(PromptId::new(0), &ids).unwrap();
        let (menu, scale) = (menus.get(0), nlhf_core::Scale::LogOdds);
        // The third response differs in a feature that no label is about.
        let table = features(2, &[0.0, 0.0, 1.0, 0.0, 0.0, 40.0]);
        let data = [won(0, 1, 400), won(1, 0, 400)].concat();
        let model =
            FeatureFit::linear(table, LogisticConfig::default()).unwrap().fit(&data).unwrap().model;
        assert_eq!(model.scaled_widths(menu, scale, 1.0), model.widths(menu, scale));
        let (tenth, fifth) =
            (model.scaled_widths(menu, scale, 0.1), model.scaled_widths(menu, scale, 0.2));
        assert!((fifth[1] / tenth[1] - 2.0).abs() < 1e-12);
        assert_eq!(tenth[2], 4.0, "as little known as before");
        assert!(model.scaled_widths(menu, scale, 0.0).iter().all(|width| *width == 0.0));
    }

    #[test]
    fn features_of_unlike_lengths_are_covered() {
        // A long feature that says nothing must not hold back a short one that says all: θ* = (0, 3).
        let table = features(2, &[0.0, 0.0, 50.0, 0.0, 0.0, 1.0]);
        let truth = |id: u32| if id == 2 { 3.0 } else { 0.0 };
        for times in [1e2, 1e4, 1e6] {
            let pairs = [(0, 1), (1, 2), (2, 0)];
            let judge = |(a, b): (u32, u32)| Comparison {
                weight: nlhf_core::Weight::new(times).unwrap(),
                ..Comparison::new(
                    PromptId::new(0),
                    ResponseId::new(a),
                    ResponseId::new(b),
                    Label::new(nlhf_core::logistic::sigmoid(truth(a) - truth(b))).unwrap(),
                )
            };
            let data = pairs.map(judge);
            let config = LogisticConfig { parameter_norm: Some(3.0), ..Default::default() };
            let model =
                FeatureFit::linear(Arc::clone(&table), config).unwrap().fit(&data).unwrap().model;
            for (a, b) in pairs {
                let (x, a_id, b_id) = (PromptId::new(0), ResponseId::new(a), ResponseId::new(b));
                let off = (model.log_odds(x, a_id, b_id) - (truth(a) - truth(b))).abs();
                let width = model.log_odds_width(x, a_id, b_id);
                assert!(off <= width, "{times} labels, {a} and {b}: {off} off, width {width}");
                // The estimate is consistent: the ridge of 1 alone moves it.
                assert!(off <= 200.0 / times, "{times} labels, {a} and {b}: {off} off");
            }
        }
    }

    #[test]
    fn without_widths_the_estimate_is_the_same_and_nothing_is_claimed() {
        // Three responses and six pairs over two prompts: candidates are fewer than pairs.
        let mut data = [won(0, 1, 3), won(1, 2, 2), won(2, 0, 4), won(0, 2, 1)].concat();
        for comparison in data.clone() {
            data.push(Comparison { prompt: PromptId::new(1), ..comparison });
        }
        let config = LogisticConfig::default();
        let table = features(2, &[1.0, 0.3, -0.5, 0.2, 0.1, -0.9]);
        let fit = FeatureFit::linear(table, config).unwrap();
        let full = fit.fit(&data).unwrap();
        let bare = fit.without_widths().fit(&data).unwrap();
        assert_eq!(full.model.parameters(), bare.model.parameters());
        assert_eq!(bare.evidence.width_multiplier, None);
        let (x, a, b) = (PromptId::new(0), ResponseId::new(0), ResponseId::new(1));
        let odds = bare.model.log_odds(x, a, b);
        assert!((bare.model.log_odds_width(x, a, b) - (4.0 + odds.abs())).abs() < 1e-12);
        assert!(full.model.log_odds_width(x, a, b) <= bare.model.log_odds_width(x, a, b));
        // The gradient of the penalized likelihood, row by row.
        let theta = bare.model.parameters();
        let phi = [[1.0, 0.3], [-0.5, 0.2], [0.1, -0.9]];
        let mut gradient = [theta[0], theta[1]];
        for c in &data {
            let (a, b) = (phi[c.first.index()], phi[c.second.index()]);
            let z = [a[0] - b[0], a[1] - b[1]];
            let t = theta[0] * z[0] + theta[1] * z[1];
            let off = nlhf_core::logistic::sigmoid(t) - c.label.get();
            gradient = [gradient[0] + off * z[0], gradient[1] + off * z[1]];
        }
        assert!(gradient.iter().all(|g| g.abs() < 1e-10), "{gradient:?}");
    }

    #[test]
    fn new_responses_are_scored_through_their_features() {
        let data = [won(0, 1, 30), won(1, 0, 10)].concat();
        let config = LogisticConfig::default();
        let fit = FeatureFit::linear(features(1, &[1.0, 0.0]), config).unwrap();
        let model = fit.fit(&data).unwrap().model;
        let others = features(1, &[0.0, 0.0, 1.0]);
        let model = model.with_features(others).unwrap();
        let odds = |a, b| model.log_odds(PromptId::new(0), ResponseId::new(a), ResponseId::new(b));
        assert!(odds(2, 0) > 0.5 && odds(0, 1) == 0.0);
        // A response beyond the table: nothing is claimed, nothing is sure.
        let stranger = ResponseId::new(7);
        assert!(model.log_odds(PromptId::new(0), stranger, ResponseId::new(0)) == 0.0);
        assert!(model.log_odds_width(PromptId::new(0), stranger, ResponseId::new(0)) == 4.0);
        assert!(fit.fit(&won(0, 5, 1)).is_err());
        assert!(model.with_features(features(2, &[0.0, 1.0])).is_err());
    }

    #[test]
    fn a_bilinear_model_learns_a_circle_and_a_linear_one_cannot() {
        let circle = [
            won(0, 1, 40),
            won(1, 0, 10),
            won(1, 2, 40),
            won(2, 1, 10),
            won(2, 0, 40),
            won(0, 2, 10),
        ];
        let data = circle.concat();
        let third = 2.0 * std::f64::consts::PI / 3.0;
        let values: Vec<f64> = (0..3)
            .flat_map(|k| [(f64::from(k) * third).cos(), (f64::from(k) * third).sin()])
            .collect();
        let config = LogisticConfig {
            ridge: 1e-6,
            multiplier: WidthMultiplier::Fixed(1.0),
            ..Default::default()
        };
        let bilinear =
            FeatureFit::bilinear(features(2, &values), config).unwrap().fit(&data).unwrap();
        let linear = FeatureFit::linear(features(2, &values), config).unwrap().fit(&data).unwrap();
        let odds = |model: &FeatureModel, a, b| {
            model.log_odds(PromptId::new(0), ResponseId::new(a), ResponseId::new(b))
        };
        for (a, b) in [(0, 1), (1, 2), (2, 0)] {
            assert!((odds(&bilinear.model, a, b) - 4f64.ln()).abs() < 1e-4);
            assert!(odds(&linear.model, a, b).abs() < 1e-9);
        }
        assert!(bilinear.evidence.log_loss_nats < linear.evidence.log_loss_nats - 0.1);
    }

    #[test]
    fn too_many_wedge_features_are_refused_with_the_way_out() {
        let wide = features(100, &[0.0; 200]);
        let error = FeatureFit::bilinear(wide, LogisticConfig::default()).unwrap_err();
        assert!(error.to_string().contains("100 features have 5050; reduce them"), "{error}");
    }
}
