//! One data set, learned from in every form: what is lost, and what each bound says of it.
//!
//! ```text
//! reported     −min_q J_M(π̂, q), or −min over V of it      bonus, version space
//! theorem      2 E[width] over π* and its competitor       bonus
//! coverage     √(12 C(π*) log(N/δ) / (κ|D|)), √(3 C(π*) log(N/δ) / |D|) on probabilities        version space
//! error        η c(M) E_{π̂×π̂}[E²],  E = R* − R̂,  M = η‖Eπ̂‖∞,  c(M) = (e^M − 1 − M)/M²             greedy
//! worst of V   max over V of what π̂ loses there                                                   greedy, finite class
//! ```

use super::instance::{BOUND, Instance, NORM};
use crate::learn::{Form, learn, plays};
use nlhf::core::{
    Comparison, Confidence, ConfidenceWidth, Distribution, FitPreference, Menu, PreferenceModel,
    PromptId, ResponseId, Scale, VersionSpace,
};
use nlhf::nash::{Context, VersionSpaceGame};
use nlhf::offline::{coverage_bound, theorem_bound};
use nlhf::preference::{
    FeatureFit, FiniteClassFit, LogisticConfig, PairCounts, TabularFit, WidthMultiplier,
    finite_coverage,
};
use nlhf_benches::world::{Rules, Truth, mean};
use std::sync::Arc;

/// What is known of the truth beforehand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Model {
    Finite,
    Bilinear,
    Tabular,
}

impl Model {
    pub(super) const ALL: [Self; 3] = [Self::Finite, Self::Bilinear, Self::Tabular];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Finite => "finite class",
            Self::Bilinear => "bilinear",
            Self::Tabular => "tabular",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bound {
    Reported,
    Theorem,
    Coverage,
    Error,
    WorstOfSpace,
}

impl Bound {
    pub(super) const ALL: [Self; 5] =
        [Self::Reported, Self::Theorem, Self::Coverage, Self::Error, Self::WorstOfSpace];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Reported => "reported",
            Self::Theorem => "2 E[width]",
            Self::Coverage => "coverage",
            Self::Error => "η c E[E²]",
            Self::WorstOfSpace => "worst of V",
        }
    }
}

/// What one run lost, and what bounds it.
#[derive(Debug, Clone)]
pub(super) struct Measured {
    pub(super) model: Model,
    pub(super) form: Form,
    pub(super) lost: f64,
    pub(super) bounds: Vec<(Bound, f64)>,
}

/// One data set with what is known of its truth.
pub(super) struct Case<'a> {
    pub(super) instance: &'a Instance,
    pub(super) rules: &'a Rules,
    pub(super) data: &'a [Comparison],
    pub(super) equilibria: &'a [Distribution],
    /// C(π*) of the finite class.
    pub(super) coverage: f64,
    pub(super) confidence: Confidence,
}

impl Case<'_> {
    /// Every model in every form that it has.
    pub(super) fn measure(&self) -> anyhow::Result<Vec<Measured>> {
        let (confidence, mut all) = (self.confidence, Vec::new());
        let finite = FiniteClassFit::new(self.instance.class.clone(), confidence)?;
        for form in Form::ALL {
            all.push(self.learn(Model::Finite, form, &finite)?);
        }
        let config = LogisticConfig {
            log_odds_bound: BOUND,
            multiplier: WidthMultiplier::Theory(confidence),
            parameter_norm: Some(NORM),
            ..LogisticConfig::default()
        };
        let bilinear = FeatureFit::bilinear(Arc::clone(&self.instance.features), config)?;
        let tabular = TabularFit::for_menus(&self.instance.menus, confidence);
        let tabular = tabular.with_log_odds_bound(BOUND)?;
        for form in [Form::Greedy, Form::Bonus] {
            all.push(self.learn(Model::Bilinear, form, &bilinear)?);
            all.push(self.learn(Model::Tabular, form, &tabular)?);
        }
        Ok(all)
    }

    fn learn<F>(&self, model: Model, form: Form, fit: &F) -> anyhow::Result<Measured>
    where
        F: FitPreference,
        F::Model: ConfidenceWidth,
    {
        let (instance, rules) = (self.instance, self.rules);
        let learned = learn(fit, form, rules, self.data, &instance.menus)?;
        let policies = &learned.policies;
        let lost = rules.suboptimality(&instance.truth, &instance.menus, policies);
        let mut bounds = Vec::new();
        if let Some(reported) = learned.bound {
            bounds.push((Bound::Reported, reported));
        }
        match form {
            Form::Greedy => {
                bounds.push((Bound::Error, self.error_bound(&learned.model, policies)));
                if let Some(space) = learned.model.version_space() {
                    bounds.push((Bound::WorstOfSpace, self.worst(space, policies)?));
                }
            }
            Form::Bonus => bounds.push((Bound::Theorem, self.theorem(&learned.model))),
            Form::VersionSpace => {
                let total = self.data.iter().map(|c| c.weight.get()).sum();
                let n = instance.class.len();
                let (scale, confidence) = (rules.scale, self.confidence);
                let bound = coverage_bound(self.coverage, total, n, confidence, scale, BOUND);
                bounds.push((Bound::Coverage, bound));
            }
        }
        Ok(Measured { model, form, lost, bounds })
    }

    fn theorem<M: ConfidenceWidth>(&self, model: &M) -> f64 {
        let Rules { eta, scale, reference } = self.rules;
        let both = self.instance.menus.iter().zip(self.equilibria);
        mean(both.map(|(menu, star)| theorem_bound(model, menu, reference, *eta, *scale, star)))
    }

    fn error_bound<M: PreferenceModel>(&self, model: &M, policies: &[Distribution]) -> f64 {
        let (eta, scale) = (self.rules.eta.get(), self.rules.scale);
        let bound = |(menu, policy): (Menu<'_>, &Distribution)| {
            let (truth, estimate) =
                (self.instance.truth.game(menu, scale), model.game(menu, scale));
            let entries = truth.entries().iter().zip(estimate.entries());
            let error: Vec<f64> = entries.map(|(truth, estimate)| truth - estimate).collect();
            let (p, n) = (policy.probabilities(), menu.len());
            let (mut largest, mut square): (f64, f64) = (0.0, 0.0);
            for (p_a, row) in p.iter().zip(error.chunks_exact(n)) {
                let z: f64 = row.iter().zip(&p).map(|(e, p_b)| e * p_b).sum();
                largest = largest.max(z.abs());
                square += p_a * row.iter().zip(&p).map(|(e, p_b)| e * e * p_b).sum::<f64>();
            }
            eta * remainder_factor(eta * largest) * square
        };
        mean(self.instance.menus.iter().zip(policies).map(bound))
    }

    fn worst(&self, space: &dyn VersionSpace, policies: &[Distribution]) -> anyhow::Result<f64> {
        let menus = &self.instance.menus;
        let weight = 1.0 / menus.len() as f64;
        let contexts: Vec<Context> = menus
            .iter()
            .map(|_| Context { weight, reference: self.rules.reference.clone() })
            .collect();
        let payoff = |context: usize, preference: usize| {
            space.preference_game(preference, menus.get(context), self.rules.scale)
        };
        let game =
            VersionSpaceGame::new(&contexts, space.n_preferences(), &payoff, self.rules.eta)?;
        Ok(game.shortfalls(policies)?.mean())
    }
}

/// `c(M) = (e^M − 1 − M)/M²`, ½ at zero.
fn remainder_factor(m: f64) -> f64 {
    if m < 1e-3 { 0.5 + m / 6.0 } else { (m.exp_m1() - m) / (m * m) }
}

/// A truth as the payoff that a scale plays, so that C is that of the scale.
struct Played<'a>(&'a Truth, Scale);

impl PreferenceModel for Played<'_> {
    fn log_odds(&self, prompt: PromptId, first: ResponseId, second: ResponseId) -> f64 {
        self.0.payoff(prompt, first, second, self.1)
    }
}

/// C(π*) of the finite class, on the scale of the game.
pub(super) fn class_coverage(
    instance: &Instance,
    rules: &Rules,
    data: &[Comparison],
    equilibria: &[Distribution],
) -> f64 {
    let members: Vec<Played<'_>> =
        instance.class.iter().map(|member| Played(member, rules.scale)).collect();
    let plays = plays(&instance.menus, equilibria);
    finite_coverage(&members, &PairCounts::new(data), &plays).upper
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_factor_is_continuous_where_its_formula_changes() {
        assert!((remainder_factor(0.0) - 0.5).abs() < 1e-15);
        assert!((remainder_factor(1e-3 - 1e-12) - remainder_factor(1e-3 + 1e-12)).abs() < 1e-6);
        assert!((remainder_factor(1.0) - (1f64.exp() - 2.0)).abs() < 1e-15);
    }
}
