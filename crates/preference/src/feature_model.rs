//! Models linear in a skew feature of a pair: what they answer, once fitted.
//!
//! ```text
//! R(x, a, b) = θ'z(x, a, b),   z(x, a, b) = −z(x, b, a),   width = β‖z‖_{V⁻¹} = β|L⁻¹z|,  V = LL'
//! ```
//! Parameters and features are separate values: the same parameters score other prompts and responses.
//! How they are fitted stands in `feature_fit`.

use crate::pair_map::PairMap;
use crate::{FeatureError, Features};
use nalgebra::{DMatrix, DVector};
use nlhf_core::{
    ConfidenceWidth, DenseGame, Distribution, Menu, PreferenceModel, PromptId, ResponseId, Scale,
    pairwise_slopes,
};
use std::sync::Arc;

/// A fitted linear or bilinear model: parameters, and a feature map that can be exchanged.
#[derive(Debug, Clone)]
pub struct FeatureModel {
    pub(crate) features: Arc<Features>,
    pub(crate) map: PairMap,
    pub(crate) parameters: DVector<f64>,
    /// Nothing but the bound is claimed without it.
    pub(crate) ellipsoid: Option<Ellipsoid>,
    pub(crate) log_odds_bound: f64,
}

/// `{θ : (θ − θ̂)'V(θ − θ̂) ≤ β²}`.
#[derive(Debug, Clone)]
pub(crate) struct Ellipsoid {
    /// `L⁻¹` of `V = LL'`.
    pub(crate) whitening: DMatrix<f64>,
    pub(crate) beta: f64,
}

impl FeatureModel {
    /// The parameters θ; of the bilinear model the upper triangle of Θ by rows, the constant first.
    pub fn parameters(&self) -> &[f64] {
        self.parameters.as_slice()
    }

    /// The same parameters over the features of other prompts and responses.
    ///
    /// # Errors
    /// [`FeatureError::Shape`] if the features have another length.
    pub fn with_features(mut self, features: Arc<Features>) -> Result<Self, FeatureError> {
        let (dim, given) = (self.features.dim(), features.dim());
        if dim != given {
            return Err(FeatureError::Shape { dim, given });
        }
        self.features = features;
        Ok(self)
    }

    /// `z` of a pair; zero where features are missing, for which every response is as good as another.
    pub(crate) fn pair(
        &self,
        prompt: PromptId,
        first: ResponseId,
        second: ResponseId,
    ) -> Option<DVector<f64>> {
        let columns = self.features.menu(prompt, &[first, second]).ok()?;
        let mut z = DVector::zeros(self.parameters.len());
        let (a, b) = (columns.column(0), columns.column(1));
        self.map.write(a.as_slice(), b.as_slice(), z.as_mut_slice());
        Some(z)
    }

    /// The half-width `β‖E z‖_{V⁻¹}` of the mean log-odds of one policy against another over several prompts, each a
    /// weight, a menu and two policies over it; in nats. No larger than the weighted sum of
    /// [`ConfidenceWidth::policy_width`], because errors on different prompts are errors of the same parameters. Where a pair that
    /// is played has an estimate that the bound on log-odds cut off, it is that sum.
    ///
    /// # Panics
    /// If a policy does not have one entry a response of its menu.
    pub fn policies_width(&self, plays: &[(f64, Menu<'_>, &Distribution, &Distribution)]) -> f64 {
        let mut mean = DVector::zeros(self.parameters.len());
        let mut apart = 0.0;
        let mut known = self.ellipsoid.is_some();
        for (weight, menu, first, second) in plays {
            let (p, q) = (first.probabilities(), second.probabilities());
            assert!(p.len() == menu.len() && q.len() == menu.len(), "policies over the menu");
            let widths = self.widths(*menu, Scale::LogOdds);
            for (i, j) in pairs(menu.len()) {
                let share = weight * (p[i] * q[j] - p[j] * q[i]);
                apart += share.abs() * widths[i * menu.len() + j];
                let (a, b) = (menu.responses()[i], menu.responses()[j]);
                match self.pair(menu.prompt(), a, b) {
                    // The ellipsoid tells of θ'z alone, and the mean log-odds are of those within B.
                    Some(z) => {
                        known &=
                            share == 0.0 || self.parameters.dot(&z).abs() <= self.log_odds_bound;
                        mean.axpy(share, &z, 1.0);
                    }
                    None => known &= share == 0.0,
                }
            }
        }
        match &self.ellipsoid {
            Some(Ellipsoid { whitening, beta }) if known => {
                (beta * (whitening * mean).norm()).min(apart)
            }
            _ => apart,
        }
    }

    /// The slopes of `β‖E z‖_{V⁻¹}` in the probabilities of `second`; `None` where that is not the policy's width.
    fn ellipsoid_slopes(
        &self,
        menu: Menu<'_>,
        first: &Distribution,
        second: &Distribution,
    ) -> Option<Vec<f64>> {
        let Ellipsoid { whitening, beta } = self.ellipsoid.as_ref()?;
        let columns = self.columns(menu)?;
        let (p, q) = (first.probabilities(), second.probabilities());
        // `L⁻¹ E z(a, b)` over `a` of the first policy, one a column.
        let mut means = DMatrix::zeros(self.parameters.len(), menu.len());
        let mut z = DVector::zeros(self.parameters.len());
        for (b, mut mean) in means.column_iter_mut().enumerate() {
            for (a, share) in p.iter().enumerate() {
                self.map.write(
                    columns.column(a).as_slice(),
                    columns.column(b).as_slice(),
                    z.as_mut_slice(),
                );
                mean.axpy(*share, &z, 1.0);
            }
        }
        let white = whitening * means;
        let along = &white * DVector::from_vec(q);
        let length = along.norm();
        let width = self.policy_width(menu, first, second);
        let is_of_ellipsoid = (width - beta * length).abs() <= 1e-12 * beta * length;
        (is_of_ellipsoid && length > 0.0)
            .then(|| white.column_iter().map(|w| beta * w.dot(&along) / length).collect())
    }

    fn clipped(&self, log_odds: f64) -> f64 {
        log_odds.clamp(-self.log_odds_bound, self.log_odds_bound)
    }

    fn capped(&self, width: f64, log_odds: f64) -> f64 {
        width.min(self.log_odds_bound + log_odds.abs())
    }

    /// `β‖z‖_{V⁻¹}` of a pair, +∞ where features or the ellipsoid are missing.
    fn uncapped(&self, prompt: PromptId, first: ResponseId, second: ResponseId) -> f64 {
        match (&self.ellipsoid, self.pair(prompt, first, second)) {
            (Some(Ellipsoid { whitening, beta }), Some(z)) => beta * (whitening * z).norm(),
            _ => f64::INFINITY,
        }
    }

    /// φ of a menu's responses, one a column; `None` if one is missing, and pairs then go one by one.
    fn columns(&self, menu: Menu<'_>) -> Option<DMatrix<f64>> {
        self.features.menu(menu.prompt(), menu.responses()).ok()
    }

    /// Log-odds of every pair of a menu, upper triangle by rows.
    fn upper(&self, menu: Menu<'_>, columns: Option<&DMatrix<f64>>) -> Vec<f64> {
        let Some(columns) = columns else {
            let (prompt, r) = (menu.prompt(), menu.responses());
            return pairs(menu.len()).map(|(i, j)| self.log_odds(prompt, r[i], r[j])).collect();
        };
        let mut z = DVector::zeros(self.parameters.len());
        let log_odds = |(i, j)| {
            let (a, b) = (columns.column(i), columns.column(j));
            self.map.write(a.as_slice(), b.as_slice(), z.as_mut_slice());
            self.clipped(self.parameters.dot(&z))
        };
        pairs(menu.len()).map(log_odds).collect()
    }

    /// `β‖z‖_{V⁻¹}` of every pair of a menu, upper triangle by rows.
    fn all_uncapped(&self, menu: Menu<'_>, columns: Option<&DMatrix<f64>>) -> Vec<f64> {
        let (Some(columns), Some(Ellipsoid { whitening, beta })) = (columns, &self.ellipsoid)
        else {
            let (prompt, r) = (menu.prompt(), menu.responses());
            let width =
                |(i, j): (usize, usize)| self.uncapped(prompt, r[i].min(r[j]), r[i].max(r[j]));
            return pairs(menu.len()).map(width).collect();
        };
        if self.map == PairMap::Difference {
            // Linear in the responses: n products with L⁻¹ serve all pairs.
            let white = whitening * columns;
            let width = |(i, j)| beta * (white.column(i) - white.column(j)).norm();
            return pairs(menu.len()).map(width).collect();
        }
        let mut all = DMatrix::zeros(self.parameters.len(), pairs(menu.len()).count());
        for ((i, j), mut z) in pairs(menu.len()).zip(all.column_iter_mut()) {
            let (a, b) = (columns.column(i), columns.column(j));
            self.map.write(a.as_slice(), b.as_slice(), z.as_mut_slice());
        }
        (whitening * all).column_iter().map(|white| beta * white.norm()).collect()
    }
}

/// The pairs above the diagonal, by rows.
fn pairs(n: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..n).flat_map(move |i| (i + 1..n).map(move |j| (i, j)))
}

impl PreferenceModel for FeatureModel {
    fn log_odds(&self, prompt: PromptId, first: ResponseId, second: ResponseId) -> f64 {
        self.pair(prompt, first, second).map_or(0.0, |z| self.clipped(self.parameters.dot(&z)))
    }

    fn game(&self, menu: Menu<'_>, scale: Scale) -> DenseGame {
        let mut upper = self.upper(menu, self.columns(menu).as_ref()).into_iter();
        DenseGame::skew_from_upper(menu.len(), |_, _| {
            let log_odds = upper.next().expect("one for each pair");
            scale.payoff(log_odds)
        })
    }
}

impl ConfidenceWidth for FeatureModel {
    fn log_odds_width(&self, prompt: PromptId, first: ResponseId, second: ResponseId) -> f64 {
        if first == second {
            return 0.0;
        }
        let (low, high) = (first.min(second), first.max(second));
        let log_odds = self.log_odds(prompt, low, high);
        self.capped(self.uncapped(prompt, low, high), log_odds)
    }

    fn log_odds_bound(&self) -> f64 {
        self.log_odds_bound
    }

    fn policy_width(&self, menu: Menu<'_>, first: &Distribution, second: &Distribution) -> f64 {
        self.policies_width(&[(1.0, menu, first, second)])
    }

    fn policy_width_slopes(
        &self,
        menu: Menu<'_>,
        first: &Distribution,
        second: &Distribution,
    ) -> Vec<f64> {
        self.ellipsoid_slopes(menu, first, second)
            .unwrap_or_else(|| pairwise_slopes(&self.widths(menu, Scale::LogOdds), first, second))
    }

    fn widths(&self, menu: Menu<'_>, scale: Scale) -> Vec<f64> {
        self.scaled_widths(menu, scale, 1.0)
    }

    fn scaled_widths(&self, menu: Menu<'_>, scale: Scale, factor: f64) -> Vec<f64> {
        let n = menu.len();
        let columns = self.columns(menu);
        let columns = columns.as_ref();
        let each = self.upper(menu, columns).into_iter().zip(self.all_uncapped(menu, columns));
        let mut widths = vec![0.0; n * n];
        for ((i, j), (log_odds, width)) in pairs(n).zip(each) {
            // Of what is not known at all no factor makes more.
            let width = if width.is_finite() { factor * width } else { width };
            let width = scale.width(log_odds, self.capped(width, log_odds));
            (widths[i * n + j], widths[j * n + i]) = (width, width);
        }
        widths
    }
}
