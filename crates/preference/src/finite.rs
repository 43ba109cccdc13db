//! Finite classes: a list of preferences one of which is the truth.
//!
//! ```text
//! R̂ = argmin_R ℓ(R),  ℓ(R) = Σ w [log(1 + eᵗ) − y t],  t = R(x, a, b)
//! V = {R : ℓ(R) ≤ ℓ(R̂) + log(N/δ)}                                      holds R* with probability 1 − δ
//! Γ(x, a, b) = max_{R₁, R₂} |R₁ − R₂|(x, a, b) / √(λ + Σ w (R₁ − R₂)²),   β = √(λ + 8 log(N/δ)/κ)
//! |R̂ − R*| ≤ max_{R ∈ V} |R̂ − R|,   and ≤ βΓ
//! ```
//! Both widths hold for all pairs at once, also if the pairs were chosen by earlier labels, if the truth is in the
//! class. That of the version space V is the tighter one and needs no κ, the slope of σ at the largest log-odds
//! that the class has on the data. Source: Ye et al. (arXiv 2402.07314), section 3.

use nlhf_core::logistic::log_loss;
use nlhf_core::{
    Comparison, Confidence, ConfidenceWidth, DenseGame, Distribution, FitError, FitEvidence,
    FitPreference, FitStatus, Fitted, Menu, PreferenceModel, PromptId, ResponseId, ScalarError,
    Scale, VersionSpace,
};
use rayon::prelude::*;
use std::sync::Arc;

/// Preferences of a class beyond which its table of squared distances takes more than 512 MiB.
const CLASS_LIMIT: usize = 8192;

/// Which of the two widths a model answers with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FiniteWidth {
    /// `max_{R ∈ V} |R̂ − R|`.
    #[default]
    VersionSpace,
    /// `βΓ`.
    UncertaintyRatio,
}

/// Picks the most likely member of a class.
#[derive(Debug, Clone)]
pub struct FiniteClassFit<M> {
    class: Arc<[M]>,
    confidence: Confidence,
    precision: f64,
    width: FiniteWidth,
}

impl<M: PreferenceModel> FiniteClassFit<M> {
    /// A class of which the truth is taken to be a member, with λ = 1.
    ///
    /// # Errors
    /// [`ScalarError`] if the class has no member, or more than 8192.
    pub fn new(class: Vec<M>, confidence: Confidence) -> Result<Self, ScalarError> {
        if class.is_empty() || class.len() > CLASS_LIMIT {
            let (quantity, required) = ("the number of members of a class", "in 1 to 8192");
            return Err(ScalarError { quantity, required, given: class.len() as f64 });
        }
        let width = FiniteWidth::default();
        Ok(Self { class: class.into(), confidence, precision: 1.0, width })
    }

    /// With the other width, and λ of the uncertainty ratio.
    ///
    /// # Errors
    /// [`ScalarError`] unless λ is positive and finite.
    pub fn with_uncertainty_ratio(self, precision: f64) -> Result<Self, ScalarError> {
        if precision > 0.0 && precision.is_finite() {
            return Ok(Self { precision, width: FiniteWidth::UncertaintyRatio, ..self });
        }
        let quantity = "the precision of the uncertainty ratio";
        Err(ScalarError { quantity, required: "positive and finite", given: precision })
    }
}

/// The most likely member, and what else is likely enough.
#[derive(Debug, Clone)]
pub struct FiniteClassModel<M> {
    class: Arc<[M]>,
    best: usize,
    /// Places in the class, ascending.
    version_space: Vec<usize>,
    losses: Vec<f64>,
    /// `√(λ + Σ w (R_i − R_j)²)`, row-major.
    distances: Vec<f64>,
    beta: f64,
    width: FiniteWidth,
}

impl<M: PreferenceModel> FiniteClassModel<M> {
    /// The members of the class.
    pub fn class(&self) -> &[M] {
        &self.class
    }

    /// The place of the most likely member.
    pub fn best(&self) -> usize {
        self.best
    }

    /// The places of the members that are likely enough, ascending: the truth is among them with the stated confidence.
    pub fn version_space(&self) -> &[usize] {
        &self.version_space
    }

    /// `ℓ` of each member, in nats.
    pub fn losses(&self) -> &[f64] {
        &self.losses
    }

    /// Γ(x, a, b), per unit of weight to the −½.
    pub fn uncertainty_ratio(&self, prompt: PromptId, a: ResponseId, b: ResponseId) -> f64 {
        let odds: Vec<f64> = self.class.iter().map(|m| m.log_odds(prompt, a, b)).collect();
        self.ratio(&odds)
    }

    /// β.
    pub fn beta(&self) -> f64 {
        self.beta
    }

    fn ratio(&self, values: &[f64]) -> f64 {
        let (high, low, factor) = self.widest_ratio(values);
        factor * (values[high] - values[low])
    }

    /// The pair of members with the largest `|v_i − v_j| / √(λ + Σ w (R_i − R_j)²)`, the larger value first, and one over the
    /// root.
    fn widest_ratio(&self, values: &[f64]) -> (usize, usize, f64) {
        let mut widest = (self.best, self.best, 0.0);
        let mut largest = 0.0;
        let rows = values.iter().zip(self.distances.chunks_exact(values.len()));
        for (i, (x, distances)) in rows.enumerate() {
            for (j, (y, distance)) in values[..i].iter().zip(distances).enumerate() {
                let ratio = (x - y).abs() / distance;
                if ratio > largest {
                    largest = ratio;
                    widest = if x > y { (i, j, 1.0 / distance) } else { (j, i, 1.0 / distance) };
                }
            }
        }
        widest
    }

    /// Two members and a factor: the half-width of something linear in R that takes these values in the class is the
    /// factor times their difference.
    fn widest(&self, values: &[f64]) -> (usize, usize, f64) {
        match self.width {
            FiniteWidth::VersionSpace => {
                let apart = |place: &usize| (values[*place] - values[self.best]).abs();
                let farthest = self.version_space.iter().copied();
                let farthest = farthest.max_by(|a, b| apart(a).total_cmp(&apart(b)));
                let farthest = farthest.unwrap_or(self.best);
                if values[farthest] > values[self.best] {
                    (farthest, self.best, 1.0)
                } else {
                    (self.best, farthest, 1.0)
                }
            }
            FiniteWidth::UncertaintyRatio => {
                let (high, low, factor) = self.widest_ratio(values);
                (high, low, self.beta * factor)
            }
        }
    }

    /// The half-width of something linear in R that takes these values in the class.
    fn width_of(&self, values: &[f64]) -> f64 {
        let (high, low, factor) = self.widest(values);
        factor * (values[high] - values[low])
    }

    /// `E R(x, a, b)` over two policies, of each member.
    fn expected(&self, menu: Menu<'_>, first: &Distribution, second: &Distribution) -> Vec<f64> {
        let (p, q) = (first.probabilities(), second.probabilities());
        let responses = menu.responses();
        let expected = |member: &M| -> f64 {
            let pairs = (0..p.len()).flat_map(|i| (0..i).map(move |j| (i, j)));
            let term = |(i, j): (usize, usize)| {
                let odds = member.log_odds(menu.prompt(), responses[i], responses[j]);
                (p[i] * q[j] - p[j] * q[i]) * odds
            };
            pairs.map(term).sum()
        };
        self.class.iter().map(expected).collect()
    }
}

impl<M: PreferenceModel> FitPreference for FiniteClassFit<M> {
    type Model = FiniteClassModel<M>;

    fn name(&self) -> &'static str {
        "finite-class"
    }

    fn fit(&self, data: &[Comparison]) -> Result<Fitted<FiniteClassModel<M>>, FitError> {
        let telling = |c: &&Comparison| c.first != c.second && c.weight.get() > 0.0;
        let data: Vec<Comparison> = data.iter().filter(telling).copied().collect();
        if data.is_empty() {
            return Err(FitError::NoComparisons { given: data.len() });
        }
        let odds_of = |member: &M| -> Vec<f64> {
            data.iter().map(|c| member.log_odds(c.prompt, c.first, c.second)).collect()
        };
        let odds: Vec<Vec<f64>> = self.class.par_iter().map(odds_of).collect();
        let loss = |odds: &Vec<f64>| -> f64 {
            let rows = odds.iter().zip(&data);
            rows.map(|(t, c)| c.weight.get() * log_loss(*t, c.label.get())).sum()
        };
        let losses: Vec<f64> = odds.iter().map(loss).collect();
        let n = losses.len();
        let best = (0..n).min_by(|i, j| losses[*i].total_cmp(&losses[*j])).expect("a member");
        let radius = (n as f64 / self.confidence.failure_probability()).ln();
        let apart = |i: usize| -> Vec<f64> {
            let squares = |j: usize| {
                let rows = odds[i].iter().zip(&odds[j]).zip(&data);
                rows.map(|((x, y), c)| c.weight.get() * (x - y) * (x - y)).sum::<f64>()
            };
            (0..n).map(|j| (self.precision + squares(j)).sqrt()).collect()
        };
        let distances: Vec<Vec<f64>> = (0..n).into_par_iter().map(apart).collect();
        let bound = odds.iter().flatten().fold(0.0, |m: f64, t| m.max(t.abs()));
        let beta = (self.precision + 8.0 * radius / crate::config::curvature(bound)).sqrt();
        let total_weight: f64 = data.iter().map(|c| c.weight.get()).sum();
        let evidence = FitEvidence {
            model: self.name().to_owned(),
            n_comparisons: data.len(),
            total_weight,
            n_parameters: 1,
            log_loss_nats: losses[best] / total_weight,
            gradient_max: 0.0,
            iterations: 0,
            status: FitStatus::Converged,
            width_multiplier: (self.width == FiniteWidth::UncertaintyRatio).then_some(beta),
            parameter_norm: None,
            bound_active: false,
            order_effect: None,
            separation: None,
        };
        let model = FiniteClassModel {
            class: Arc::clone(&self.class),
            best,
            version_space: (0..n).filter(|i| losses[*i] <= losses[best] + radius).collect(),
            losses,
            distances: distances.concat(),
            beta,
            width: self.width,
        };
        Ok(Fitted { model, evidence })
    }
}

impl<M: PreferenceModel> PreferenceModel for FiniteClassModel<M> {
    fn log_odds(&self, prompt: PromptId, first: ResponseId, second: ResponseId) -> f64 {
        self.class[self.best].log_odds(prompt, first, second)
    }
}

impl<M: PreferenceModel> VersionSpace for FiniteClassModel<M> {
    fn n_preferences(&self) -> usize {
        self.version_space.len()
    }

    fn most_likely(&self) -> usize {
        self.version_space.binary_search(&self.best).expect("the most likely is likely enough")
    }

    fn preference_game(&self, preference: usize, menu: Menu<'_>, scale: Scale) -> DenseGame {
        self.class[self.version_space[preference]].game(menu, scale)
    }
}

impl<M: PreferenceModel> ConfidenceWidth for FiniteClassModel<M> {
    fn log_odds_width(&self, prompt: PromptId, first: ResponseId, second: ResponseId) -> f64 {
        let (a, b) = (first.min(second), first.max(second));
        let odds: Vec<f64> = self.class.iter().map(|m| m.log_odds(prompt, a, b)).collect();
        self.width_of(&odds)
    }

    fn policy_width(&self, menu: Menu<'_>, first: &Distribution, second: &Distribution) -> f64 {
        self.width_of(&self.expected(menu, first, second))
    }

    fn policy_width_slopes(
        &self,
        menu: Menu<'_>,
        first: &Distribution,
        second: &Distribution,
    ) -> Vec<f64> {
        let values = self.expected(menu, first, second);
        // The width is a difference of two members, and so are its slopes.
        let (high, low, factor) = self.widest(&values);
        let p = first.probabilities();
        let mean = |member: &M, b: ResponseId| -> f64 {
            let odds = menu.responses().iter().zip(&p);
            odds.map(|(a, p)| p * member.log_odds(menu.prompt(), *a, b)).sum()
        };
        let (high, low) = (&self.class[high], &self.class[low]);
        menu.responses().iter().map(|b| factor * (mean(high, *b) - mean(low, *b))).collect()
    }

    fn version_space(&self) -> Option<&dyn VersionSpace> {
        Some(self)
    }
}
