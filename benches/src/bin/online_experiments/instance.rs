//! A truth, the game played on it, what is known of it, and how hard it is to cover.

use nlhf::core::{Comparison, Confidence, Distribution, FitPreference, Label, Menus, Weight};
use nlhf::preference::{
    FeatureFit, Features, LogisticConfig, PairCounts, Play, TabularFit, linear_coverage,
    tabular_coverage,
};
use nlhf_benches::world::{Rules, Truth, pairs};
use std::sync::Arc;

/// δ of all widths.
pub(crate) const FAILURE: f64 = 0.05;

/// B of bilinear models, which their truths keep.
pub(crate) const BOUND: f64 = 3.0;

/// What is known of the truth beforehand.
#[derive(Debug, Clone)]
pub(crate) enum Knowledge {
    /// Nothing.
    Table,
    /// That it is bilinear in these and a constant.
    Bilinear(Arc<Features>),
    /// That it is bilinear in these.
    BilinearWithoutConstant(Arc<Features>),
}

/// A fit that any strategy may run with.
pub(crate) enum Fit {
    Table(TabularFit),
    Features(FeatureFit),
}

/// A truth, and what may be asked about it.
#[derive(Debug, Clone)]
pub(crate) struct Instance {
    pub(crate) truth: Truth,
    pub(crate) menus: Menus,
    pub(crate) rules: Rules,
    pub(crate) knowledge: Knowledge,
    /// All labels.
    pub(crate) budget: u32,
    /// Labels between two fits.
    pub(crate) per_round: u32,
}

/// C(π*) of labels that are asked without looking.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hardness {
    /// Of pairs drawn from the reference.
    pub(crate) reference: f64,
    /// Of all pairs alike.
    pub(crate) uniform: f64,
}

impl Instance {
    /// The fit of all strategies.
    pub(crate) fn fit(&self) -> anyhow::Result<Fit> {
        let confidence = Confidence::new(1.0 - FAILURE)?;
        let config = LogisticConfig { log_odds_bound: BOUND, ..LogisticConfig::default() };
        Ok(match &self.knowledge {
            Knowledge::Table => Fit::Table(
                TabularFit::for_menus(&self.menus, confidence).with_horizon(u64::from(self.budget)),
            ),
            Knowledge::Bilinear(features) => {
                Fit::Features(FeatureFit::bilinear(Arc::clone(features), config)?)
            }
            Knowledge::BilinearWithoutConstant(features) => {
                Fit::Features(FeatureFit::bilinear_without_constant(Arc::clone(features), config)?)
            }
        })
    }

    /// How well labels asked without looking cover the equilibrium, an upper bound where it is enclosed.
    pub(crate) fn hardness(&self) -> anyhow::Result<Hardness> {
        let reference = self.rules.reference.probabilities();
        Ok(Hardness {
            reference: self.coverage(&|a, b| reference[a] * reference[b])?,
            uniform: self.coverage(&|_, _| 1.0)?,
        })
    }

    /// C(π*) where pairs are asked in proportion to weights, on all prompts alike.
    fn coverage(&self, weight: &dyn Fn(usize, usize) -> f64) -> anyhow::Result<f64> {
        let mut data = Vec::new();
        for menu in self.menus.iter() {
            for (a, b) in pairs(menu.len()) {
                let (first, second) = (menu.responses()[a], menu.responses()[b]);
                let row = Comparison::new(menu.prompt(), first, second, Label::WIN);
                data.push(Comparison { weight: Weight::new(weight(a, b))?, ..row });
            }
        }
        let stars = self.rules.equilibria(&self.truth, &self.menus);
        let both = self.menus.iter().zip(&stars);
        let plays: Vec<Play<'_>> =
            both.map(|(menu, policy)| Play { weight: Weight::ONE, menu, policy }).collect();
        let counts = PairCounts::new(&data);
        let coverage = match self.fit()? {
            Fit::Table(_) => Some(tabular_coverage(&counts, &plays)),
            Fit::Features(fit) => linear_coverage(&fit.fit(&data)?.model, &counts, &plays),
        };
        Ok(coverage.map_or(f64::NAN, |coverage| coverage.upper))
    }

    /// The places of the least mass of the reference.
    pub(crate) fn rare(&self) -> Vec<usize> {
        let masses = self.rules.reference.probabilities();
        let least = masses.iter().copied().fold(f64::INFINITY, f64::min);
        (0..masses.len()).filter(|at| masses[*at] <= least * (1.0 + 1e-9)).collect()
    }

    /// How much the equilibrium plays of what is rare, on average over prompts.
    pub(crate) fn played_of_rare(&self) -> f64 {
        let (stars, rare) = (self.rules.equilibria(&self.truth, &self.menus), self.rare());
        let masses: Vec<Vec<f64>> = stars.iter().map(Distribution::probabilities).collect();
        let played = masses.iter().flat_map(|masses| rare.iter().map(move |at| masses[*at]));
        played.sum::<f64>() / stars.len() as f64
    }

    /// What the reference loses, on average over prompts.
    pub(crate) fn reference_loss(&self) -> f64 {
        let all = vec![self.rules.reference.clone(); self.menus.len()];
        self.rules.suboptimality(&self.truth, &self.menus, &all)
    }
}
