//! Truths to ask about, each where its equilibrium is easily met and where it is hard to meet.
//!
//! ```text
//! circle       3 responses in a circle (P from 0.65 to 0.8) that beat all others (0.7 to 0.95); win rates of pairs
//! bilinear     R = φ_a'Θφ_b, Θ skew with 1.3 nats between circles of unit features; log-odds
//! contextual   the same Θ on 6 prompts with candidates of their own
//! rrps         43 programs at repeated rock-paper-scissors
//! ```
//! The hard form differs in the reference, in η, and in how many responses nobody needs.

use anyhow::ensure;
use nlhf::core::{
    Comparison, Confidence, Distribution, Eta, FitPreference, Menus, Scale, SeedTree, Stream,
    Weight,
};
use nlhf::data::read_matrix_npy;
use nlhf::preference::{
    FeatureFit, FeatureTable, Features, LogisticConfig, PairCounts, Play, TabularFit,
    linear_coverage, tabular_coverage,
};
use nlhf_benches::world::{Rules, Truth, menus, pairs};
use rand::{Rng, RngExt};
use std::f64::consts::TAU;
use std::path::Path;
use std::sync::Arc;

/// δ of all widths.
pub(crate) const FAILURE: f64 = 0.05;

/// What is known of the truth beforehand.
#[derive(Debug, Clone)]
pub(crate) enum Knowledge {
    /// Nothing.
    Table,
    /// That it is bilinear in these.
    Bilinear(Arc<Features>),
}

/// A truth, the game played on it, and what may be asked.
#[derive(Debug, Clone)]
pub(crate) struct Instance {
    pub(crate) truth: Truth,
    pub(crate) menus: Menus,
    pub(crate) rules: Rules,
    pub(crate) knowledge: Knowledge,
    pub(crate) budget: u32,
    pub(crate) per_round: u32,
}

/// How well the equilibrium is covered by labels that are asked without looking.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hardness {
    /// C(π*) of pairs drawn from the reference.
    pub(crate) reference: f64,
    /// C(π*) of all pairs alike.
    pub(crate) uniform: f64,
}

fn uniform(low: f64, high: f64, rng: &mut dyn Rng) -> f64 {
    low + (high - low) * rng.random::<f64>()
}

/// Some responses with so much mass each, the rest alike.
pub(crate) fn reference(n: usize, rare: &[usize], mass: f64) -> Distribution {
    let rest = (1.0 - mass * rare.len() as f64) / (n - rare.len()) as f64;
    let masses: Vec<f64> = (0..n).map(|at| if rare.contains(&at) { mass } else { rest }).collect();
    Distribution::from_masses(&masses).expect("positive masses")
}

impl Instance {
    /// Three responses in a circle, and others that lose to them.
    pub(crate) fn circle(n: usize, mass: f64, eta: f64, budget: u32, seed: u64) -> anyhow::Result<Self> {
        let mut rng = SeedTree::new(seed).rng(Stream::Instance, 0);
        let truth = Truth::from_probabilities(n, |a, b| match (a, b) {
            (0, 2) => 1.0 - uniform(0.65, 0.8, &mut rng),
            (0..3, 0..3) => uniform(0.65, 0.8, &mut rng),
            (0..3, _) => uniform(0.7, 0.95, &mut rng),
            _ => uniform(0.2, 0.8, &mut rng),
        });
        let rules = Rules {
            eta: Eta::new(eta)?,
            scale: Scale::Probability,
            reference: reference(n, &[0, 1, 2], mass),
        };
        Ok(Self {
            truth,
            menus: menus(1, n),
            rules,
            knowledge: Knowledge::Table,
            budget,
            per_round: 50,
        })
    }

    /// Responses on circles in planes of features: those of the first plane beat all others.
    pub(crate) fn bilinear(
        n_prompts: usize,
        n: usize,
        dimension: usize,
        mass: f64,
        eta: f64,
        seed: u64,
    ) -> anyhow::Result<Self> {
        let mut rng = SeedTree::new(seed).rng(Stream::Instance, 0);
        let scores: Vec<f64> = (3..dimension).map(|_| uniform(-0.3, 0.3, &mut rng)).collect();
        let mut values = Vec::with_capacity(n_prompts * n * dimension);
        for _ in 0..n_prompts {
            for at in 0..n {
                let (turn, radius, mark) = if at < 3 { (at as f64 / 3.0, 1.0, 1.0) } else { (rng.random::<f64>(), 0.2, 0.0) };
                let angle = TAU * (turn + uniform(-0.05, 0.05, &mut rng));
                values.extend([radius * angle.cos(), radius * angle.sin(), mark]);
                values.extend((3..dimension).map(|_| uniform(-1.0, 1.0, &mut rng)));
            }
        }
        let phi = |x: usize, a: usize| &values[(x * n + a) * dimension..(x * n + a + 1) * dimension];
        let truth = Truth::from_log_odds(n_prompts, n, |x, a, b| {
            let (p, q) = (phi(x, a), phi(x, b));
            let others: f64 = scores.iter().enumerate().map(|(k, s)| s * (p[3 + k] - q[3 + k])).sum();
            p[2] - q[2] + others + 1.2 * (p[0] * q[1] - p[1] * q[0])
        });
        let features = Features::new(FeatureTable::new(dimension, values.clone())?, None)?;
        let rules = Rules {
            eta: Eta::new(eta)?,
            scale: Scale::LogOdds,
            reference: reference(n, &[0, 1, 2], mass),
        };
        Ok(Self {
            truth,
            menus: menus(n_prompts, n),
            rules,
            knowledge: Knowledge::Bilinear(Arc::new(features)),
            budget: 4000,
            per_round: 50,
        })
    }

    /// A table of win rates; responses that its equilibrium under a uniform reference plays are rare.
    pub(crate) fn table(folder: &Path, mass: Option<f64>, eta: f64) -> anyhow::Result<Self> {
        let matrix = read_matrix_npy(&folder.join("matrices/rrps_bots43.npy"))?;
        let n = matrix.ncols;
        ensure!(matrix.nrows == n, "a square table");
        let truth = Truth::from_probabilities(n, |a, b| matrix.row(a)[b]);
        let menus = menus(1, n);
        let mut rules = Rules::uniform(eta, Scale::Probability, n);
        if let Some(mass) = mass {
            let star = rules.equilibria(&truth, &menus).remove(0);
            let rare: Vec<usize> = (0..n).filter(|at| star.probabilities()[*at] > 0.02).collect();
            rules.reference = reference(n, &rare, mass);
        }
        Ok(Self { truth, menus, rules, knowledge: Knowledge::Table, budget: 40_000, per_round: 200 })
    }

    pub(crate) fn confidence() -> Confidence {
        Confidence::new(1.0 - FAILURE).expect("a probability")
    }

    pub(crate) fn tabular_fit(&self) -> TabularFit {
        TabularFit::for_menus(&self.menus, Self::confidence()).with_horizon(u64::from(self.budget))
    }

    pub(crate) fn feature_fit(features: &Arc<Features>) -> anyhow::Result<FeatureFit> {
        Ok(FeatureFit::bilinear(
            Arc::clone(features),
            LogisticConfig { log_odds_bound: 3.0, ..LogisticConfig::default() },
        )?)
    }

    /// C(π*) of labels asked without looking, as far as it is bounded.
    pub(crate) fn hardness(&self) -> anyhow::Result<Hardness> {
        let stars = self.rules.equilibria(&self.truth, &self.menus);
        let reference = self.rules.reference.probabilities();
        let of = |weight: &dyn Fn(usize, usize) -> f64| -> anyhow::Result<f64> {
            let mut data = Vec::new();
            for menu in self.menus.iter() {
                for (a, b) in pairs(menu.len()) {
                    let (first, second) = (menu.responses()[a], menu.responses()[b]);
                    let weight = Weight::new(weight(a, b))?;
                    data.push(Comparison {
                        weight,
                        ..Comparison::new(menu.prompt(), first, second, nlhf::core::Label::WIN)
                    });
                }
            }
            let both = self.menus.iter().zip(&stars);
            let plays: Vec<Play<'_>> =
                both.map(|(menu, policy)| Play { weight: Weight::ONE, menu, policy }).collect();
            let counts = PairCounts::new(&data);
            let coverage = match &self.knowledge {
                Knowledge::Table => Some(tabular_coverage(&counts, &plays)),
                Knowledge::Bilinear(features) => linear_coverage(
                    &Self::feature_fit(features)?.fit(&data)?.model,
                    &counts,
                    &plays,
                ),
            };
            Ok(coverage.map_or(f64::NAN, |c| c.upper))
        };
        Ok(Hardness {
            reference: of(&|a, b| reference[a] * reference[b])?,
            uniform: of(&|_, _| 1.0)?,
        })
    }

    /// What the reference loses.
    pub(crate) fn reference_loss(&self) -> f64 {
        let all = vec![self.rules.reference.clone(); self.menus.len()];
        self.rules.suboptimality(&self.truth, &self.menus, &all)
    }
}
