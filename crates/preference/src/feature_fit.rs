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
    Comparison, FitError, FitPreference, Fitted, Menus, PreferenceModel, ResponseId, ScalarError,
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

    /// The same with the length S that the true parameters are taken not to exceed set by all pairs of the menus (65,536 of them, evenly
    /// spaced, if there are more) in place of those compared, unless the settings name one. Where pairs are chosen by earlier labels S must
    /// not be.
    ///
    /// # Errors
    /// [`FitError::MissingResponseFeatures`] and [`FitError::MissingPromptFeatures`].
    pub fn for_menus(mut self, menus: &Menus) -> Result<Self, FitError> {
        const MOST: usize = 1 << 16;
        let (dim, n) = (self.features.dim(), self.map.dimension(self.features.dim()));
        let (mut a, mut b, mut z) = (vec![0.0; dim], vec![0.0; dim], vec![0.0; n]);
        let (mut squares, mut n_pairs) = (0.0, 0.0_f64);
        let pairs = menus.iter().flat_map(|menu| {
            let places =
                (0..menu.len()).flat_map(move |i| (i + 1..menu.len()).map(move |j| (i, j)));
            places.map(move |(i, j)| (menu.prompt(), menu.responses()[i], menu.responses()[j]))
        });
        for (prompt, first, second) in pairs.step_by(menus.n_pairs().div_ceil(MOST).max(1)) {
            self.features.write(prompt, first, &mut a)?;
            self.features.write(prompt, second, &mut b)?;
            self.map.write(&a, &b, &mut z);
            squares += z.iter().map(|z| z * z).sum::<f64>();
            n_pairs += 1.0;
        }
        let length = (squares / n_pairs.max(1.0)).sqrt();
        if self.config.parameter_norm.is_none() && length > 0.0 {
            self.config.parameter_norm =
                Some(self.config.log_odds_bound * (n as f64).sqrt() / length);
        }
        Ok(self)
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
mod tests;
