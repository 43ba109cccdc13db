//! Features, bases and targets to try the class on.

use nlhf_core::{
    Distribution, FeatureMap, FitError, Menu, Menus, Policy, PromptId, ResponseId, SeedTree,
    Stream, Target, UniformPolicy, Weight,
};
use nlhf_policy::{
    LogLinearClass, LogLinearConfig, LogLinearFit, LogLinearParameters, LogLinearPolicy,
};
use nlhf_testkit::random_prior;
use rand::RngExt;
use std::sync::Arc;

/// Features drawn for each prompt and response, times a scale a column; the responses from `end` on have none.
#[derive(Debug, Clone)]
pub(crate) struct Drawn {
    pub(crate) scales: Vec<f64>,
    pub(crate) seed: u64,
    pub(crate) end: usize,
}

impl FeatureMap for Drawn {
    fn dim(&self) -> usize {
        self.scales.len()
    }

    fn write(
        &self,
        prompt: PromptId,
        response: ResponseId,
        out: &mut [f64],
    ) -> Result<(), FitError> {
        assert_eq!(out.len(), self.scales.len());
        if response.index() >= self.end {
            return Err(FitError::MissingResponseFeatures { response, given: self.end });
        }
        let unit = u32::try_from(1000 * prompt.index() + response.index()).expect("few");
        let mut rng = SeedTree::new(self.seed).rng(Stream::Instance, unit);
        for (out, scale) in out.iter_mut().zip(&self.scales) {
            *out = scale * (2.0 * rng.random::<f64>() - 1.0);
        }
        Ok(())
    }
}

/// A function of prompt and response.
pub(crate) struct By<F>(pub(crate) usize, pub(crate) F);

impl<F> std::fmt::Debug for By<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("By")
    }
}

impl<F: Fn(usize, usize, &mut [f64]) + Send + Sync> FeatureMap for By<F> {
    fn dim(&self) -> usize {
        self.0
    }

    fn write(
        &self,
        prompt: PromptId,
        response: ResponseId,
        out: &mut [f64],
    ) -> Result<(), FitError> {
        (self.1)(prompt.index(), response.index(), out);
        Ok(())
    }
}

/// Log-probabilities of responses, the same at each prompt, conditioned on the menu.
pub(crate) struct Fixed(pub(crate) Vec<f64>);

impl Policy for Fixed {
    fn distribution(&self, menu: Menu<'_>) -> Distribution {
        let logits = menu.responses().iter().map(|r| self.0[r.index()]).collect();
        Distribution::from_logits(logits).expect("some mass")
    }
}

pub(crate) fn drawn(dim: usize, seed: u64) -> Arc<Drawn> {
    Arc::new(Drawn { scales: vec![1.0; dim], seed, end: usize::MAX })
}

pub(crate) fn class(features: Arc<dyn FeatureMap>, config: LogLinearConfig) -> LogLinearClass {
    LogLinearClass::new(features, Arc::new(UniformPolicy), config).expect("valid settings")
}

pub(crate) fn precise() -> LogLinearConfig {
    LogLinearConfig::default().with_tolerance_nats(1e-18)
}

pub(crate) fn menus(n_prompts: u32, n_responses: u32) -> Menus {
    let mut menus = Menus::new();
    for prompt in 0..n_prompts {
        let responses: Vec<_> = (0..n_responses).map(ResponseId::new).collect();
        menus.push(PromptId::new(prompt), &responses).expect("a menu");
    }
    menus
}

pub(crate) fn targets(menus: &Menus, seed: u64) -> Vec<Target<'_>> {
    let rng = &mut SeedTree::new(seed).rng(Stream::Instance, u32::MAX);
    menus
        .iter()
        .map(|menu| Target {
            menu,
            distribution: random_prior(menu.len(), 30.0, rng),
            weight: Weight::new(0.5 + rng.random::<f64>()).expect("positive"),
        })
        .collect()
}

pub(crate) fn played<'a>(menus: &'a Menus, policy: &impl Policy) -> Vec<Target<'a>> {
    let target =
        |menu| Target { menu, distribution: policy.distribution(menu), weight: Weight::ONE };
    menus.iter().map(target).collect()
}

pub(crate) fn fit(class: &LogLinearClass, targets: &[Target<'_>]) -> LogLinearFit {
    class.fit(targets, None).expect("targets of the right shape")
}

pub(crate) fn mean_kl(targets: &[Target<'_>], policy: &impl Policy) -> f64 {
    let total: f64 = targets.iter().map(|target| target.weight.get()).sum();
    let kl = |target: &Target<'_>| {
        target.weight.get() * target.distribution.kl_nats(&policy.distribution(target.menu))
    };
    targets.iter().map(kl).sum::<f64>() / total
}

pub(crate) fn distance(targets: &[Target<'_>], a: &impl Policy, b: &impl Policy) -> f64 {
    let distance = |target: &Target<'_>| {
        let (p, q) = (a.distribution(target.menu), b.distribution(target.menu));
        let pairs = p.probabilities().into_iter().zip(q.probabilities());
        0.5 * pairs.map(|(p, q)| (p - q).abs()).sum::<f64>()
    };
    targets.iter().map(distance).fold(0.0, f64::max)
}

pub(crate) fn policy(features: &Arc<Drawn>, weights: Vec<f64>) -> LogLinearPolicy {
    let parameters = LogLinearParameters::new(weights, 1.0).expect("finite weights");
    let features: Arc<dyn FeatureMap> = Arc::clone(features) as _;
    LogLinearPolicy::new(parameters, features, Arc::new(UniformPolicy)).expect("a weight a feature")
}
