//! Rounds of online learning: `online_round/model/prompts`, each element one round of asking, fitting, planning and certifying.
//!
//! The limit of a round is one game a prompt: payoffs, widths, a solution and a certificate.

#![allow(missing_docs, reason = "criterion's macros make undocumented functions")]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use nlhf::core::{Confidence, ConfidenceWidth, FitPreference, SeedTree, UniformPolicy};
use nlhf::online::{OnlineConfig, OnlineLearner};
use nlhf::policy::TabularClass;
use nlhf::preference::{
    Crowd, CrowdConfig, FeatureFit, LogisticConfig, SimulatedOracle, TabularFit,
};
use std::sync::Arc;

const ROUNDS: u32 = 5;
const LABELS_PER_ROUND: u32 = 1000;

fn rounds<F>(criterion: &mut Criterion, crowd: &Crowd, fit: &F)
where
    F: FitPreference,
    F::Model: ConfidenceWidth,
{
    let config = OnlineConfig::default().with_budget(ROUNDS, LABELS_PER_ROUND);
    let learner = OnlineLearner::new(config).expect("valid settings");
    let menus = crowd.menus();
    let mut group = criterion.benchmark_group("online_round");
    group.throughput(Throughput::Elements(u64::from(ROUNDS))).sample_size(10);
    group.bench_function(BenchmarkId::new(fit.name(), menus.len()), |bencher| {
        bencher.iter(|| {
            let mut oracle = SimulatedOracle::new(crowd, SeedTree::new(1));
            learner.learn(menus, &UniformPolicy, &mut oracle, fit, &TabularClass, &mut ())
        });
    });
    group.finish();
}

fn online(criterion: &mut Criterion) {
    for n_prompts in [1000, 10_000, 100_000] {
        let config = CrowdConfig { n_prompts, n_responses: 8, ..Default::default() };
        let crowd = Crowd::new(&config, SeedTree::new(0)).expect("a valid crowd");
        let confidence = Confidence::new(0.95).expect("a valid level");
        let tabular = TabularFit::for_menus(crowd.menus(), confidence).with_horizon(5000);
        rounds(criterion, &crowd, &tabular);
        let features = Arc::new(crowd.features());
        let linear = FeatureFit::linear(features, LogisticConfig::default());
        rounds(criterion, &crowd, &linear.expect("valid settings"));
    }
}

criterion_group!(benches, online);
criterion_main!(benches);
