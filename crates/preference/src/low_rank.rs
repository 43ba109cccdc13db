//! Low-rank skew preferences: scores and circular planes of items, of features, or of a small network.
//!
//! ```text
//! R(a, b) = s(a) − s(b) + Σ_k [u_k(a) v_k(b) − v_k(a) u_k(b)]     (s, u, v)(x, a) as in `embedding`
//! f = Σ w [log(1 + eᵗ) − y t] + λ‖s‖²/2 + cν (‖u‖² + ‖v‖²)/2,   t = R + γ · order
//! ```
//! Of items r planes alone are a skew matrix of rank 2r; of features they are `φ_a'Θφ_b` with Θ of rank 2r. A
//! ridge on u and v is a penalty on the size of each plane (the nuclear norm), so that planes that the
//! data do not call for vanish. ν is the largest plane that noise alone would call for: the norm of
//! `Σ ±√(w p q) (φ_aφ_b' − φ_bφ_a')` with random signs, p of the scores alone. Hidden units of a network are held the
//! same way, by the norm `√(Σ w p q |φ_a − φ_b|²)` of what noise makes of their slope. f is not convex: the
//! search starts from the fitted scores, adds the planes that lower f fastest one by one, and ends in
//! a stationary point near there. There is no formula for how far off it may be. Sources: Zhang et al., General preference modeling (arXiv 2410.02197); Lee et al.
//! (arXiv 2602.23116); why c = 2 is safe: Negahban and Wainwright, 2011.

use crate::Features;
use crate::candidates::Candidates;
use crate::cells::{CellKey, Cells};
use crate::config::LogisticConfig;
use crate::embedding::Embedding;
use crate::low_rank_loss::{LowRankLoss, Ridges};
use crate::low_rank_model::LowRankModel;
use crate::newton::Minimum;
use crate::planes::{Layout, Rows};
use nalgebra::DVector;
use nlhf_core::{
    Comparison, FitError, FitEvidence, FitPreference, Fitted, OrderEffect, ResponseId, ScalarError,
    SeedTree, Stream, lbfgs,
};
use rand::RngExt;
use rand_distr::{Distribution, StandardNormal};
use std::sync::Arc;

/// Fits planes of circular preference, with or without scores.
#[derive(Debug, Clone)]
pub struct LowRankFit {
    kind: Kind,
    layout: Layout,
    config: LogisticConfig,
    penalty: f64,
}

#[derive(Debug, Clone)]
enum Kind {
    Items,
    Linear(Arc<Features>),
    Network { features: Arc<Features>, hidden: usize, seeds: SeedTree },
}

/// The gradient per unit of weight that is small enough.
const TOLERANCE: f64 = 1e-9;
/// The same for a network, which nobody needs to the last digit.
const NETWORK_TOLERANCE: f64 = 1e-6;
const POWER_ITERATIONS: usize = 50;
/// The relative change of the size of a plane at which it is near enough.
const POWER_TOLERANCE: f64 = 1e-3;
/// The multiple of the noise that a nuclear norm must be held by for its estimate to be near the truth whatever happens.
/// Of features each says something of every pair, and less follows noise: on two public sets 1 was worse than no planes.
const FEATURE_PENALTY: f64 = 2.0;
/// Of items 1 predicted better on win rates of programs and on battles, and still left no plane where noise explains all.
const ITEM_PENALTY: f64 = 1.0;
/// Random signs that ν is the mean of.
const NOISE_DRAWS: u32 = 2;

impl LowRankFit {
    /// Coordinates of their own for response ids, which all prompts share: `planes` of them on top of
    /// Bradley-Terry scores. Of the settings, widths play no part.
    ///
    /// # Errors
    /// [`ScalarError`] if there is no plane, or a setting outside its range.
    pub fn items(planes: usize, config: LogisticConfig) -> Result<Self, ScalarError> {
        Self::new(Kind::Items, planes, config)
    }

    /// Coordinates linear in features: scored are prompts and responses never seen.
    ///
    /// # Errors
    /// Those of [`LowRankFit::items`].
    pub fn features(
        features: Arc<Features>,
        planes: usize,
        config: LogisticConfig,
    ) -> Result<Self, ScalarError> {
        Self::new(Kind::Linear(features), planes, config)
    }

    /// Coordinates from `hidden` units of tanh beside the linear map: scores and planes that bend. The search
    /// starts where that of [`LowRankFit::features`] ends, with units drawn from `seeds`.
    ///
    /// # Errors
    /// Those of [`LowRankFit::items`], and if there is no hidden unit.
    pub fn network(
        features: Arc<Features>,
        planes: usize,
        hidden: usize,
        config: LogisticConfig,
        seeds: SeedTree,
    ) -> Result<Self, ScalarError> {
        at_least_one("the number of hidden units", hidden)?;
        Self::new(Kind::Network { features, hidden, seeds }, planes, config)
    }

    fn new(kind: Kind, planes: usize, config: LogisticConfig) -> Result<Self, ScalarError> {
        at_least_one("the number of planes", planes)?;
        let layout = Layout { scores: true, planes };
        let penalty = match kind {
            Kind::Items => ITEM_PENALTY,
            Kind::Linear(_) | Kind::Network { .. } => FEATURE_PENALTY,
        };
        Ok(Self { kind, layout, config: config.validate()?, penalty })
    }

    /// The same with another penalty c on planes and hidden units, in units of what noise alone calls for;
    /// otherwise 1 for items and 2 for features. More leaves fewer planes, less follows the data more closely.
    ///
    /// # Errors
    /// [`ScalarError`] unless it is positive and finite.
    pub fn with_plane_penalty(self, penalty: f64) -> Result<Self, ScalarError> {
        if penalty > 0.0 && penalty.is_finite() {
            return Ok(Self { penalty, ..self });
        }
        let quantity = "the penalty on planes";
        Err(ScalarError { quantity, required: "positive and finite", given: penalty })
    }

    /// The same without scores: planes alone.
    #[must_use]
    pub fn without_scores(self) -> Self {
        Self { layout: Layout { scores: false, ..self.layout }, ..self }
    }
}

fn at_least_one(quantity: &'static str, given: usize) -> Result<(), ScalarError> {
    if given > 0 {
        return Ok(());
    }
    Err(ScalarError { quantity, required: "at least 1", given: 0.0 })
}

impl FitPreference for LowRankFit {
    type Model = LowRankModel;

    fn name(&self) -> &'static str {
        match self.kind {
            Kind::Items => "low-rank",
            Kind::Linear(_) => "low-rank-features",
            Kind::Network { .. } => "network",
        }
    }

    fn fit(&self, data: &[Comparison]) -> Result<Fitted<LowRankModel>, FitError> {
        let by_prompt = match &self.kind {
            Kind::Items => false,
            Kind::Linear(features) | Kind::Network { features, .. } => features.depends_on_prompt(),
        };
        let key = CellKey { prompt: by_prompt, order: self.config.order_effect };
        let cells = Cells::for_fit(data, key)?;
        let (candidates, ends) = Candidates::of_pairs(cells.pairs());
        let rows = Rows::new(&cells, ends, candidates.len(), self.config.order_effect);
        let embedding = match &self.kind {
            Kind::Items => Embedding::Items(candidates.len()),
            // The network's search starts from the linear map's end.
            Kind::Linear(features) | Kind::Network { features, .. } => {
                Embedding::Linear(candidates.features(features)?)
            }
        };
        let broken = || FitError::Breakdown { model: self.name(), iteration: 0 };
        let (layout, ordered) = (self.layout, self.config.order_effect);
        let enough = TOLERANCE * cells.total_weight();
        let mut loss = LowRankLoss::new(embedding, layout, &rows, ordered);
        loss.hold(Ridges { scores: self.config.ridge, planes: 1.0, hidden: 1.0 });
        let scores = self.scores(&mut loss, enough).ok_or_else(broken)?;
        let residuals = loss.residuals_at(&scores);
        let ridges = self.ridges(&loss.embedding, &rows, &residuals);
        loss.hold(ridges);
        let start = self.with_planes(scores, &mut loss, &rows, ridges.planes);
        let found = search(&mut loss, start, enough);
        let mut minimum = found.ok_or_else(broken)?;
        if let Kind::Network { features, hidden, seeds } = &self.kind {
            let start = self.unfolded(&minimum, features.dim(), *hidden, *seeds);
            let features = candidates.features(features)?;
            let network = Embedding::Network { features, hidden: *hidden };
            loss = LowRankLoss::new(network, layout, &rows, ordered);
            loss.hold(ridges);
            let enough = NETWORK_TOLERANCE * cells.total_weight();
            let found = search(&mut loss, start, enough);
            minimum = found.ok_or_else(broken)?;
        }
        let model = self.model(&minimum, &candidates);
        let evidence = self.evidence(&minimum, &mut loss, &cells);
        Ok(Fitted { model, evidence })
    }
}

const MAX_ITERATIONS: usize = 1000;

/// A minimum of the loss from `start` on; `None` if an iterate is not finite.
fn search(loss: &mut LowRankLoss<'_>, start: DVector<f64>, enough: f64) -> Option<Minimum> {
    let (mut theta, mut gradient) = (start.clone(), start.clone());
    let evaluate = |x: &[f64], g: &mut [f64]| {
        theta.copy_from_slice(x);
        let value = loss.evaluate(&theta, &mut gradient);
        g.copy_from_slice(gradient.as_slice());
        value
    };
    let found = lbfgs::minimize(evaluate, start.data.into(), enough, MAX_ITERATIONS)?;
    Some(Minimum {
        theta: DVector::from_vec(found.point),
        gradient_max: found.gradient_max,
        loss: found.value,
        iterations: found.iterations,
        status: found.status,
        bound_active: false,
    })
}

impl LowRankFit {
    /// The parameters with which scores and order effect fit best without planes.
    fn scores(&self, loss: &mut LowRankLoss<'_>, enough: f64) -> Option<DVector<f64>> {
        let theta = DVector::zeros(loss.n_parameters());
        if !(self.layout.scores || self.config.order_effect) {
            return Some(theta);
        }
        // At u = v = 0 their gradients vanish.
        Some(search(loss, theta, enough)?.theta)
    }

    /// λ, and cν of the residuals that the scores leave.
    fn ridges(&self, embedding: &Embedding, rows: &Rows, residuals: &[f64]) -> Ridges {
        let deviations = rows.deviations(residuals);
        let draw = |draw: u32| {
            let mut rng = SeedTree::new(0).rng(Stream::Start, 1 + draw);
            let signed = deviations.iter().map(|d| if rng.random() { *d } else { -d });
            leading_plane(embedding, rows, &signed.collect::<Vec<f64>>()).size
        };
        let planes = (0..NOISE_DRAWS).map(draw).sum::<f64>() / f64::from(NOISE_DRAWS);
        let hidden = embedding.spread_of(rows.ends(), &deviations);
        let held = |noise: f64| (self.penalty * noise).max(self.config.ridge * 1e-6);
        Ridges { scores: self.config.ridge, planes: held(planes), hidden: held(hidden) }
    }

    /// Adds the planes one by one.
    fn with_planes(
        &self,
        mut theta: DVector<f64>,
        loss: &mut LowRankLoss<'_>,
        rows: &Rows,
        ridge: f64,
    ) -> DVector<f64> {
        let m = self.layout.len();
        for k in 0..self.layout.planes {
            let residuals = loss.residuals_at(&theta);
            let Plane { e, f, .. } = leading_plane(&loss.embedding, rows, &residuals);
            let (on_e, on_f) = (loss.embedding.spread(&e), loss.embedding.spread(&f));
            let size = rows.plane_size(&residuals, &on_f, &on_e, ridge);
            // Never quite zero, which is a stationary point.
            let scale = size.max(1e-4).sqrt();
            let (u, v) = self.layout.plane(k);
            for (place, (e, f)) in e.iter().zip(&f).enumerate() {
                theta[place * m + u] = scale * f;
                theta[place * m + v] = scale * e;
            }
        }
        theta
    }

    /// The parameters of a network that does what the linear map does.
    fn unfolded(
        &self,
        linear: &Minimum,
        dim: usize,
        hidden: usize,
        seeds: SeedTree,
    ) -> DVector<f64> {
        let m = self.layout.len();
        let mut rng = seeds.rng(Stream::Start, 0);
        let mut theta: Vec<f64> = linear.theta.as_slice()[..m * dim].to_vec();
        theta.resize(m * (dim + hidden), 0.0);
        let mut normal = |scale: f64| {
            let x: f64 = StandardNormal.sample(&mut rng);
            scale * x
        };
        let scale = 1.0 / (dim as f64).sqrt();
        theta.extend((0..hidden * dim).map(|_| normal(scale)));
        // With biases, so that the units are not all odd.
        theta.extend((0..hidden).map(|_| normal(1.0)));
        theta.extend(self.config.order_effect.then(|| linear.theta[linear.theta.len() - 1]));
        DVector::from_vec(theta)
    }

    fn model(&self, minimum: &Minimum, candidates: &Candidates) -> LowRankModel {
        let mut theta = minimum.theta.as_slice().to_vec();
        theta.truncate(theta.len() - usize::from(self.config.order_effect));
        let bound = self.config.log_odds_bound;
        match &self.kind {
            Kind::Items => {
                let ids: Vec<ResponseId> = candidates.responses().collect();
                LowRankModel::of_items(self.layout, ids, theta, bound)
            }
            Kind::Linear(features) => {
                LowRankModel::of_features(self.layout, Arc::clone(features), 0, theta, bound)
            }
            Kind::Network { features, hidden, .. } => {
                LowRankModel::of_features(self.layout, Arc::clone(features), *hidden, theta, bound)
            }
        }
    }

    fn evidence(
        &self,
        minimum: &Minimum,
        loss: &mut LowRankLoss<'_>,
        cells: &Cells,
    ) -> FitEvidence {
        let total = cells.total_weight();
        let (unpenalized, largest) = loss.unpenalized(&minimum.theta);
        let order_effect = self.config.order_effect.then(|| OrderEffect {
            log_odds: minimum.theta[minimum.theta.len() - 1],
            standard_error: loss.order_error(&minimum.theta),
        });
        FitEvidence {
            model: self.name().to_owned(),
            n_comparisons: cells.n_comparisons(),
            total_weight: total,
            n_parameters: minimum.theta.len(),
            log_loss_nats: unpenalized / total,
            gradient_max: minimum.gradient_max / total,
            iterations: minimum.iterations,
            status: minimum.status,
            width_multiplier: None,
            parameter_norm: None,
            bound_active: largest > self.config.log_odds_bound,
            order_effect,
            separation: None,
        }
    }
}

/// The plane `size (fe' − ef')`, with unit vectors.
struct Plane {
    e: Vec<f64>,
    f: Vec<f64>,
    size: f64,
}

/// The largest plane of the skew matrix `ΦEΦ'`, E holding the negative residuals of rows, which lowers the loss fastest:
/// power iteration on minus its square.
fn leading_plane(embedding: &Embedding, rows: &Rows, residuals: &[f64]) -> Plane {
    let unexplained: Vec<f64> = residuals.iter().map(|r| -r).collect();
    let turn = |x: &[f64]| embedding.gather(&rows.turn(&unexplained, &embedding.spread(x)));
    let unit = |x: DVector<f64>| {
        let norm = x.norm();
        if norm > 0.0 { x / norm } else { x }
    };
    let n = embedding.n_columns();
    // No two entries alike, so that nothing is orthogonal to it by symmetry.
    let mut e = unit(DVector::from_fn(n, |i, _| 1.0 + (1.0 + i as f64).sqrt().fract()));
    let mut before = 0.0;
    for _ in 0..POWER_ITERATIONS {
        let next = -turn(turn(e.as_slice()).as_slice());
        let size = next.norm().sqrt();
        if size <= f64::MIN_POSITIVE {
            break;
        }
        e = unit(next);
        if (size - before).abs() <= POWER_TOLERANCE * size {
            break;
        }
        before = size;
    }
    let turned = turn(e.as_slice());
    let size = turned.norm();
    Plane { e: e.as_slice().to_vec(), f: unit(turned).as_slice().to_vec(), size }
}

#[cfg(test)]
#[path = "low_rank_tests.rs"]
mod tests;
