//! Contextual Bradley-Terry: responses whose score depends on the prompt, as of systems that answer many.
//!
//! ```text
//! R(x, a, b) = s(x, a) − s(x, b),   s(x, a) = r(a) + w(a)'ψ(x)
//! penalty λ‖r‖²/2 + λ_w‖w‖²/2,   fitted as θ(a)'(1, ρψ(x)) with ρ = √(λ/λ_w), w = ρ θ_w, ridge λ
//! Z' diag(v) Z = Σ v (e_a − e_b)(e_a − e_b)' ⊗ ψ̃ψ̃',   ψ̃ = (1, ρψ)
//! ```
//! Convex, and transitive within a prompt, while the order of systems may differ from prompt to
//! prompt. A response id stands for the same system on all prompts. Prompts enter through their features
//! alone, so that new ones are scored as well. Bound, order effect and widths as of the linear model.

use crate::cells::{CellKey, Cells};
use crate::config::LogisticConfig;
use crate::contextual_model::{ContextualModel, ContextualParameters};
use crate::feature_model::Ellipsoid;
use crate::linear_estimate::LinearEstimate;
use crate::newton::Design;
use crate::{FeatureError, FeatureTable, PairCount, Projection};
use nalgebra::{DMatrix, DVector};
use nlhf_core::{Comparison, FitError, FitPreference, Fitted, ResponseId, ScalarError};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The most parameters that are fitted: their information matrix takes 128 MiB.
const PARAMETER_LIMIT: usize = 4096;

/// Fits a score and a vector of tastes for each response, `1 + k` parameters with k prompt features.
///
/// | Name | Default | Purpose | Range |
/// |---|---|---|---|
/// | `prompts` | | ψ of each prompt, row k of prompt k | |
/// | `components` | all | leading principal components of ψ that are kept | ≥ 1 |
/// | `config` | | as of the linear model; its ridge is that of r | |
/// | `context_ridge` | that of r | λ_w in the penalty λ_w‖w‖²/2 | (0, ∞) |
#[derive(Debug, Clone)]
pub struct ContextualFit {
    prompts: Arc<FeatureTable>,
    projection: Option<Arc<Projection>>,
    config: LogisticConfig,
    context_ridge: f64,
}

impl ContextualFit {
    /// Checks the settings.
    ///
    /// # Errors
    /// [`ScalarError`] naming the setting outside its range.
    pub fn new(prompts: Arc<FeatureTable>, config: LogisticConfig) -> Result<Self, ScalarError> {
        let config = config.validate()?;
        Ok(Self { prompts, projection: None, config, context_ridge: config.ridge })
    }

    /// With the `n_components` leading principal components of the prompts' features in place of them; all, if there
    /// are fewer. The model projects what it is given later the same way.
    ///
    /// # Errors
    /// [`FeatureError::Components`] if there is nothing to take components of.
    pub fn with_components(self, n_components: usize) -> Result<Self, FeatureError> {
        let projection = Projection::principal_components(&self.prompts, n_components)?;
        let prompts = Arc::new(projection.apply(&self.prompts)?);
        Ok(Self { prompts, projection: Some(Arc::new(projection)), ..self })
    }

    /// With another ridge on the tastes w than on the scores r.
    ///
    /// # Errors
    /// [`ScalarError`] if it is not positive and finite.
    pub fn with_context_ridge(mut self, ridge: f64) -> Result<Self, ScalarError> {
        LogisticConfig { ridge, ..self.config }.validate()?;
        self.context_ridge = ridge;
        Ok(self)
    }

    /// ρ.
    fn scale(&self) -> f64 {
        (self.config.ridge / self.context_ridge).sqrt()
    }

    fn design(&self, pairs: &[PairCount]) -> Result<(ContextDesign, Vec<ResponseId>), FitError> {
        let ids = pairs.iter().flat_map(|pair| [pair.low, pair.high]);
        let mut places: BTreeMap<ResponseId, usize> = ids.map(|id| (id, 0)).collect();
        for (at, place) in places.values_mut().enumerate() {
            *place = at;
        }
        let width = 1 + self.prompts.dim();
        let (given, limit) = (places.len().saturating_mul(width), PARAMETER_LIMIT);
        if given > limit {
            return Err(FitError::TooLarge { model: self.name(), limit, given });
        }
        let (mut context, mut last) = (Vec::new(), None);
        let mut rows = Vec::with_capacity(pairs.len());
        // Pairs come prompt by prompt.
        for pair in pairs {
            if last != Some(pair.prompt) {
                let (prompt, given) = (pair.prompt, self.prompts.len());
                let missing = FitError::MissingPromptFeatures { prompt, given };
                let psi = self.prompts.row(prompt.index()).ok_or(missing)?;
                context.push(1.0);
                context.extend(psi.iter().map(|x| self.scale() * x));
                last = Some(prompt);
            }
            let prompt = context.len() / width - 1;
            rows.push(ContextRow { prompt, first: places[&pair.low], second: places[&pair.high] });
        }
        let context = DMatrix::from_vec(width, context.len() / width, context);
        let design = ContextDesign { n_responses: places.len(), context, rows };
        Ok((design, places.into_keys().collect()))
    }
}

impl FitPreference for ContextualFit {
    type Model = ContextualModel;

    fn name(&self) -> &'static str {
        "contextual"
    }

    fn fit(&self, data: &[Comparison]) -> Result<Fitted<ContextualModel>, FitError> {
        let key = CellKey { prompt: true, order: self.config.order_effect };
        let cells = Cells::for_fit(data, key)?;
        let (design, responses) = self.design(cells.pairs())?;
        let estimate = LinearEstimate::new(&design, &cells, &self.config, None, true, self.name())?;
        let evidence = estimate.evidence(&cells, self.name());
        // Back to the features as they were given: w = ρ θ_w, and V⁻¹ with it.
        let (width, rho) = (1 + self.prompts.dim(), self.scale());
        let unscale = |at: usize| if at.is_multiple_of(width) { 1.0 } else { rho };
        let n = estimate.parameters.len();
        let Ellipsoid { whitening, beta } = estimate.ellipsoid().expect("widths were asked for");
        let mut covariance = whitening.tr_mul(&whitening);
        for ((i, j), entry) in (0..n).flat_map(|j| (0..n).map(move |i| (i, j))).zip(&mut covariance)
        {
            *entry *= unscale(i) * unscale(j);
        }
        let scaled = estimate.parameters.iter().enumerate().map(|(at, x)| unscale(at) * x);
        let parameters = ContextualParameters {
            dim: self.prompts.dim(),
            projection: self.projection.clone(),
            responses,
            values: scaled.collect(),
            covariance,
            beta,
            log_odds_bound: self.config.log_odds_bound,
        };
        let model = ContextualModel { parameters, prompts: Arc::clone(&self.prompts) };
        Ok(Fitted { model, evidence })
    }
}

/// Rows `(e_a − e_b) ⊗ ψ̃(x)`.
struct ContextDesign {
    n_responses: usize,
    /// ψ̃ of each prompt, one a column.
    context: DMatrix<f64>,
    rows: Vec<ContextRow>,
}

#[derive(Clone, Copy)]
struct ContextRow {
    prompt: usize,
    first: usize,
    second: usize,
}

impl Design for ContextDesign {
    fn dimension(&self) -> usize {
        self.n_responses * self.context.nrows()
    }

    fn predict(&self, theta: &DVector<f64>, t: &mut [f64]) {
        let width = self.context.nrows();
        for (t, row) in t.iter_mut().zip(&self.rows) {
            let psi = self.context.column(row.prompt);
            let score = |at: usize| psi.dot(&theta.rows(at * width, width));
            *t = score(row.first) - score(row.second);
        }
    }

    fn transpose(&self, r: &[f64], out: &mut DVector<f64>) {
        let width = self.context.nrows();
        out.fill(0.0);
        for (r, row) in r.iter().zip(&self.rows) {
            let psi = self.context.column(row.prompt);
            out.rows_mut(row.first * width, width).axpy(*r, &psi, 1.0);
            out.rows_mut(row.second * width, width).axpy(-r, &psi, 1.0);
        }
    }

    fn gram(&self, weights: &[f64], out: &mut DMatrix<f64>) {
        let width = self.context.nrows();
        out.fill(0.0);
        for (weight, row) in weights.iter().zip(&self.rows) {
            let psi = self.context.column(row.prompt);
            let at = (row.first * width, row.second * width);
            out.view_mut(at, (width, width)).ger(-weight, &psi, &psi, 1.0);
        }
        // Each block of a pair is symmetric; mirrored, the blocks of a row add up to zero.
        for first in 0..self.n_responses {
            for second in first + 1..self.n_responses {
                let (i, j) = (first * width, second * width);
                let block = out.view((i, j), (width, width)).into_owned();
                out.view_mut((j, i), (width, width)).copy_from(&block);
                let mut diagonal = out.view_mut((i, i), (width, width));
                diagonal -= &block;
                let mut diagonal = out.view_mut((j, j), (width, width));
                diagonal -= &block;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::newton::DenseDesign;

    #[test]
    fn the_design_is_that_of_its_dense_rows() {
        let context = DMatrix::from_column_slice(2, 3, &[1.0, 0.5, 1.0, -2.0, 1.0, 0.25]);
        let row = |prompt, first, second| ContextRow { prompt, first, second };
        let rows = vec![row(0, 0, 1), row(1, 0, 2), row(2, 1, 2), row(2, 0, 1)];
        let design = ContextDesign { n_responses: 3, context, rows };
        let mut columns = DMatrix::zeros(6, 4);
        for (k, row) in design.rows.iter().enumerate() {
            for f in 0..2 {
                columns[(row.first * 2 + f, k)] = design.context[(f, row.prompt)];
                columns[(row.second * 2 + f, k)] = -design.context[(f, row.prompt)];
            }
        }
        let dense = DenseDesign { columns };
        let theta = DVector::from_vec(vec![0.3, -1.0, 0.7, 2.0, -0.4, 0.1]);
        let (mut ours, mut plain) = ([0.0; 4], [0.0; 4]);
        design.predict(&theta, &mut ours);
        dense.predict(&theta, &mut plain);
        assert!(ours.iter().zip(&plain).all(|(a, b)| (a - b).abs() < 1e-14));
        let (mut ours, mut plain) = (DVector::zeros(6), DVector::zeros(6));
        design.transpose(&[1.0, -0.5, 2.0, 0.25], &mut ours);
        dense.transpose(&[1.0, -0.5, 2.0, 0.25], &mut plain);
        assert!((ours - plain).amax() < 1e-14);
        let (mut ours, mut plain) = (DMatrix::zeros(6, 6), DMatrix::zeros(6, 6));
        design.gram(&[1.0, 0.5, 2.0, 3.0], &mut ours);
        dense.gram(&[1.0, 0.5, 2.0, 3.0], &mut plain);
        assert!((ours - plain).amax() < 1e-13);
    }
}
