//! Fitting preferences: `preference_fit/model/labels`, from comparisons to a model with widths.
//!
//! The limit of the tabular and Bradley-Terry fits is one pass over the comparisons (40 bytes each).

#![allow(missing_docs, reason = "criterion's macros make undocumented functions")]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use nlhf::core::{Comparison, Confidence, ConfidenceWidth, FitPreference, Scale, SeedTree};
use nlhf::preference::{
    BradleyTerryFit, Crowd, CrowdConfig, FeatureFit, LogisticConfig, TabularFit,
};
use std::hint::black_box;
use std::sync::Arc;

fn crowd(labels: u32) -> (Crowd, Vec<Comparison>) {
    let seeds = SeedTree::new(0);
    let crowd = Crowd::new(&CrowdConfig::default(), seeds).expect("the default crowd is valid");
    let pairs = u32::try_from(crowd.menus().n_pairs()).expect("a small crowd");
    let comparisons = crowd.comparisons(labels / pairs, seeds);
    (crowd, comparisons)
}

fn bench_fit<F: FitPreference>(criterion: &mut Criterion, fit: &F, data: &[Comparison]) {
    let mut group = criterion.benchmark_group("preference_fit");
    group.throughput(Throughput::Elements(data.len() as u64)).sample_size(20);
    group.bench_function(BenchmarkId::new(fit.name(), data.len()), |bencher| {
        bencher.iter(|| fit.fit(black_box(data)));
    });
    group.finish();
}

fn fit(criterion: &mut Criterion) {
    for labels in [3_600, 144_000] {
        let (crowd, data) = crowd(labels);
        let confidence = Confidence::new(0.95).expect("a valid level");
        bench_fit(criterion, &TabularFit::for_menus(crowd.menus(), confidence), &data);
        let config = LogisticConfig::default();
        bench_fit(criterion, &BradleyTerryFit::new(config).expect("valid settings"), &data);
        let features = Arc::new(crowd.features());
        let linear = FeatureFit::linear(Arc::clone(&features), config).expect("valid settings");
        bench_fit(criterion, &linear, &data);
        let bilinear = FeatureFit::bilinear(features, config).expect("valid settings");
        bench_fit(criterion, &bilinear, &data);
    }
}

fn widths(criterion: &mut Criterion) {
    let (crowd, data) = crowd(3_600);
    let features = Arc::new(crowd.features());
    let fit = FeatureFit::bilinear(features, LogisticConfig::default()).expect("valid settings");
    let model = fit.fit(&data).expect("there are comparisons").model;
    let menu = crowd.menus().get(0);
    let mut group = criterion.benchmark_group("pessimistic_game");
    group.bench_function(BenchmarkId::new(fit.name(), menu.len()), |bencher| {
        bencher.iter(|| model.pessimistic_game(black_box(menu), Scale::Probability));
    });
    group.finish();
}

criterion_group!(benches, fit, widths);
criterion_main!(benches);
