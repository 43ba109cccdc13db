//! Random prompts with data, and what coverage means, spelled out.

use nlhf_core::{
    Comparison, Distribution, FitPreference, Label, Menu, Menus, PreferenceModel, PromptId,
    ResponseId, SeedTree, Stream, Weight, WorkspaceRng,
};
use nlhf_preference::{
    FeatureFit, FeatureModel, FeatureTable, Features, LogisticConfig, PairCounts, Play,
};
use rand::RngExt;
use std::sync::Arc;

pub(crate) const PROMPTS: usize = 3;
pub(crate) const CANDIDATES: usize = 3;
pub(crate) const DIM: usize = 2;

/// Three prompts with three candidates each, all their own, with policies and features.
pub(crate) struct Case {
    pub(crate) menus: Menus,
    pub(crate) weights: Vec<Weight>,
    pub(crate) policies: Vec<Distribution>,
    pub(crate) phi: Vec<f64>,
    pub(crate) data: Vec<Comparison>,
}

pub(crate) fn judged(x: usize, first: usize, second: usize, weight: f64) -> Comparison {
    let (first, second) = (ResponseId::from_index(first), ResponseId::from_index(second));
    let weight = Weight::new(weight).unwrap();
    Comparison { weight, ..Comparison::new(PromptId::from_index(x), first, second, Label::WIN) }
}

pub(crate) fn rng(seed: u32) -> WorkspaceRng {
    SeedTree::new(41).rng(Stream::Instance, seed)
}

impl Case {
    /// All pairs of all prompts compared one to five times.
    pub(crate) fn new(seed: u32) -> Self {
        let mut rng = rng(seed);
        let mut case = Self {
            menus: Menus::new(),
            weights: Vec::new(),
            policies: Vec::new(),
            phi: (0..PROMPTS * CANDIDATES * DIM).map(|_| rng.random::<f64>() - 0.5).collect(),
            data: Vec::new(),
        };
        for x in 0..PROMPTS {
            let own: Vec<usize> = (0..CANDIDATES).map(|k| x * CANDIDATES + k).collect();
            let ids: Vec<ResponseId> = own.iter().map(|k| ResponseId::from_index(*k)).collect();
            case.menus.push(PromptId::from_index(x), &ids).unwrap();
            case.weights.push(Weight::new(0.2 + rng.random::<f64>()).unwrap());
            let masses: Vec<f64> = own.iter().map(|_| rng.random::<f64>().powi(2)).collect();
            case.policies.push(Distribution::from_masses(&masses).unwrap());
            for i in 0..CANDIDATES {
                for j in 0..i {
                    let n = f64::from(rng.random_range(1..6_u32));
                    let (a, b) = if rng.random() { (own[i], own[j]) } else { (own[j], own[i]) };
                    case.data.push(judged(x, a, b, n));
                }
            }
        }
        case
    }

    pub(crate) fn plays(&self) -> Vec<Play<'_>> {
        let all = self.menus.iter().zip(&self.policies).zip(&self.weights);
        all.map(|((menu, policy), weight)| Play { weight: *weight, menu, policy }).collect()
    }

    pub(crate) fn counts(&self) -> PairCounts {
        PairCounts::new(&self.data)
    }

    pub(crate) fn features(&self) -> Arc<Features> {
        let table = FeatureTable::new(DIM, self.phi.clone()).unwrap();
        Arc::new(Features::new(table, None).unwrap())
    }

    pub(crate) fn linear(&self) -> FeatureModel {
        linear(self.features(), &self.data)
    }

    /// Tastes that depend on the prompt, seen through three components.
    pub(crate) fn projected(&self) -> FeatureModel {
        let prompts = FeatureTable::new(DIM, self.phi[..PROMPTS * DIM].to_vec()).unwrap();
        let responses = FeatureTable::new(DIM, self.phi.clone()).unwrap();
        let features = Features::new(responses, Some(prompts)).unwrap();
        let features = features.principal_components(3, &self.menus).unwrap();
        linear(Arc::new(features), &self.data)
    }

    pub(crate) fn bilinear(&self) -> FeatureModel {
        let fit = FeatureFit::bilinear(self.features(), LogisticConfig::default()).unwrap();
        fit.fit(&self.data).unwrap().model
    }
}

pub(crate) fn linear(features: Arc<Features>, data: &[Comparison]) -> FeatureModel {
    FeatureFit::linear(features, LogisticConfig::default()).unwrap().fit(data).unwrap().model
}

/// d₀ of each prompt.
pub(crate) fn shares(plays: &[Play<'_>]) -> Vec<f64> {
    let total: f64 = plays.iter().map(|play| play.weight.get()).sum();
    plays.iter().map(|play| play.weight.get() / total).collect()
}

/// `(E_{x, π, π₂} Δ)² / E_D Δ²`.
pub(crate) fn ratio(
    counts: &PairCounts,
    plays: &[Play<'_>],
    opponents: &[Vec<f64>],
    apart: impl Fn(PromptId, ResponseId, ResponseId) -> f64,
) -> f64 {
    let mut mean = 0.0;
    for ((play, share), opponent) in plays.iter().zip(shares(plays)).zip(opponents) {
        let responses = play.menu.responses();
        for (a, p) in responses.iter().zip(play.policy.probabilities()) {
            for (b, q) in responses.iter().zip(opponent) {
                mean += share * p * q * apart(play.menu.prompt(), *a, *b);
            }
        }
    }
    let squares = counts.pairs().iter().map(|pair| {
        pair.weight * apart(pair.prompt, pair.low, pair.high).powi(2) / counts.total_weight()
    });
    mean * mean / squares.sum::<f64>()
}

/// All choices of a competitor on each of so many prompts.
pub(crate) fn choices(prompts: usize, candidates: usize) -> Vec<Vec<usize>> {
    let n = candidates.pow(u32::try_from(prompts).unwrap());
    let digit = |k: usize, x: usize| k / candidates.pow(u32::try_from(x).unwrap()) % candidates;
    (0..n).map(|k| (0..prompts).map(|x| digit(k, x)).collect()).collect()
}

pub(crate) fn pure(choice: &[usize], candidates: usize) -> Vec<Vec<f64>> {
    let one = |b: &usize| (0..candidates).map(|k| f64::from(u8::from(k == *b))).collect();
    choice.iter().map(one).collect()
}

pub(crate) fn close(got: f64, want: f64) -> bool {
    (got - want).abs() <= 1e-9 * want.abs()
}

/// Log-odds given by a table over nine responses.
pub(crate) struct Given(pub(crate) Vec<f64>);

impl PreferenceModel for Given {
    fn log_odds(&self, _: PromptId, a: ResponseId, b: ResponseId) -> f64 {
        let value = self.0[a.min(b).index() * 9 + a.max(b).index()];
        match a.cmp(&b) {
            std::cmp::Ordering::Less => value,
            std::cmp::Ordering::Equal => 0.0,
            std::cmp::Ordering::Greater => -value,
        }
    }
}

const X: PromptId = PromptId::new(0);

pub(crate) fn ids(indices: &[usize]) -> Vec<ResponseId> {
    indices.iter().map(|k| ResponseId::from_index(*k)).collect()
}

pub(crate) fn names(carriers: &[nlhf_preference::Carrier]) -> Vec<(usize, usize)> {
    carriers.iter().map(|c| (c.first.index(), c.second.index())).collect()
}

pub(crate) fn one<'a>(responses: &'a [ResponseId], policy: &'a Distribution) -> [Play<'a>; 1] {
    [Play { weight: Weight::ONE, menu: Menu::new(X, responses).unwrap(), policy }]
}
