//! Fitting preferences: `preference_fit/model/labels`, from comparisons to a model with widths.
//!
//! The limit of the tabular and Bradley-Terry fits is one pass over the comparisons (40 bytes each).

#![allow(missing_docs, reason = "criterion's macros make undocumented functions")]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use nlhf::core::logistic::sigmoid;
use nlhf::core::{
    Comparison, Confidence, ConfidenceWidth, FitPreference, Label, PromptId, ResponseId, Scale,
    SeedTree, Stream,
};
use nlhf::preference::{
    BradleyTerryFit, Crowd, CrowdConfig, FeatureFit, FeatureTable, Features, LogisticConfig,
    TabularFit, WinTable,
};
use rand::RngExt;
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

/// 200,000 comparisons of 40,000 responses with 384 features, whose spread falls by e⁻⁸: the limit is about
/// six passes of two products over the features, 123 MB each.
fn large(criterion: &mut Criterion) {
    const DIM: u32 = 384;
    let mut rng = SeedTree::new(0).rng(Stream::Instance, 0);
    let decay = |i: u32| (-8.0 * f64::from(i) / f64::from(DIM)).exp();
    let values: Vec<f64> =
        (0..40_000 * DIM).map(|at| decay(at % DIM) * (rng.random::<f64>() - 0.5)).collect();
    let theta: Vec<f64> = (0..DIM).map(|_| 1.2 * (rng.random::<f64>() - 0.5)).collect();
    let scores: Vec<f64> = values
        .chunks_exact(DIM as usize)
        .map(|phi| phi.iter().zip(&theta).map(|(x, t)| x * t).sum())
        .collect();
    let compare = |k: u32| {
        let (prompt, first) = (k / 40, rng.random_range(0..8_u32));
        let second = (first + rng.random_range(1..8_u32)) % 8;
        let (a, b) = (8 * prompt + first, 8 * prompt + second);
        let won = rng.random::<f64>() < sigmoid(scores[a as usize] - scores[b as usize]);
        let label = if won { Label::WIN } else { Label::LOSS };
        Comparison::new(PromptId::new(prompt), ResponseId::new(a), ResponseId::new(b), label)
    };
    let data: Vec<Comparison> = (0..200_000).map(compare).collect();
    let table = FeatureTable::new(DIM as usize, values).expect("whole rows");
    let features = Arc::new(Features::new(table, None).expect("no prompts to fit"));
    let fit = FeatureFit::linear(features, LogisticConfig::default()).expect("valid settings");
    let mut group = criterion.benchmark_group("logistic_fit");
    group.throughput(Throughput::Elements(data.len() as u64)).sample_size(10);
    group.bench_function(BenchmarkId::new("linear", "200000x384"), |bencher| {
        bencher.iter(|| fit.fit(black_box(&data)));
    });
    let bare = fit.clone().without_widths();
    group.bench_function(BenchmarkId::new("linear_without_widths", "200000x384"), |bencher| {
        bencher.iter(|| bare.fit(black_box(&data)));
    });
    group.finish();
}

/// 1,000,000 battles of 200 items: 8 bytes a battle to read, a counter to raise.
fn battles(criterion: &mut Criterion) {
    let mut rng = SeedTree::new(1).rng(Stream::Instance, 0);
    let scores: Vec<f64> = (0..200).map(|_| 2.0 * (rng.random::<f64>() - 0.5)).collect();
    let (mut winners, mut losers) = (Vec::new(), Vec::new());
    for _ in 0..1_000_000 {
        let (a, b) = (rng.random_range(0..200_u32), rng.random_range(0..200_u32));
        let won = rng.random::<f64>() < sigmoid(scores[a as usize] - scores[b as usize]);
        let (winner, loser) = if won { (a, b) } else { (b, a) };
        winners.push(winner);
        losers.push(loser);
    }
    let fit = BradleyTerryFit::new(LogisticConfig::default()).expect("valid settings");
    let mut group = criterion.benchmark_group("bradley_terry_scores");
    group.throughput(Throughput::Elements(1_000_000));
    let count = || {
        let mut table = WinTable::new(200);
        table.add_battles(black_box(&winners), black_box(&losers)).expect("items of the table");
        table
    };
    group.bench_function(BenchmarkId::new("count", "1000000x200"), |bencher| bencher.iter(count));
    group.bench_function(BenchmarkId::new("count_and_fit", "1000000x200"), |bencher| {
        bencher.iter(|| fit.fit_scores(&count()));
    });
    group.finish();
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

criterion_group!(benches, fit, large, battles, widths);
criterion_main!(benches);
