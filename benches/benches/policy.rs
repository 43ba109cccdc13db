//! Projections onto policy classes: `policy_project/class/prompts x candidates x features`.
//!
//! The limit of the log-linear class is about six passes over the features, 410 MB each at the largest size; that of tables is a
//! copy of the targets.

#![allow(missing_docs, reason = "criterion's macros make undocumented functions")]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use nlhf::core::{
    Distribution, Menus, PolicyClass, PromptId, ResponseId, SeedTree, Stream, Target,
    UniformPolicy, Weight,
};
use nlhf::policy::{LogLinearClass, LogLinearConfig, TabularClass};
use nlhf::preference::{FeatureTable, Features};
use rand::RngExt;
use std::hint::black_box;
use std::sync::Arc;

const CANDIDATES: usize = 8;
const DIM: usize = 64;

fn bench<C: PolicyClass>(criterion: &mut Criterion, class: &C, targets: &[Target<'_>]) {
    let mut group = criterion.benchmark_group("policy_project");
    group.throughput(Throughput::Elements(targets.len() as u64)).sample_size(10);
    let size = format!("{}x{CANDIDATES}x{DIM}", targets.len());
    group.bench_function(BenchmarkId::new(class.name(), size), |bencher| {
        bencher.iter(|| class.project(black_box(targets), None));
    });
    group.finish();
}

/// Targets that scores linear in the features, with noise, would play.
fn project(criterion: &mut Criterion) {
    // In test mode the largest size would only draw numbers.
    let is_test = std::env::args().any(|argument| argument == "--test");
    let sizes: &[usize] = if is_test { &[100] } else { &[1000, 100_000] };
    for &n_prompts in sizes {
        let mut rng = SeedTree::new(0).rng(Stream::Instance, 0);
        let values: Vec<f64> =
            (0..n_prompts * CANDIDATES * DIM).map(|_| 3.4 * (rng.random::<f64>() - 0.5)).collect();
        let weights: Vec<f64> = (0..DIM).map(|_| 0.75 * (rng.random::<f64>() - 0.5)).collect();
        let mut menus = Menus::new();
        for prompt in 0..n_prompts {
            let responses =
                (0..CANDIDATES).map(|a| ResponseId::from_index(CANDIDATES * prompt + a));
            let responses: Vec<ResponseId> = responses.collect();
            menus.push(PromptId::from_index(prompt), &responses).expect("distinct responses");
        }
        let targets: Vec<Target<'_>> = menus
            .iter()
            .zip(values.chunks_exact(CANDIDATES * DIM))
            .map(|(menu, rows)| {
                let score =
                    |row: &[f64]| -> f64 { row.iter().zip(&weights).map(|(x, w)| x * w).sum() };
                let noise = || 3.0 * (rng.random::<f64>() - 0.5);
                let noise: Vec<f64> = std::iter::repeat_with(noise).take(CANDIDATES).collect();
                let logits =
                    rows.chunks_exact(DIM).zip(noise).map(|(row, noise)| score(row) + noise);
                let distribution =
                    Distribution::from_logits(logits.collect()).expect("finite logits");
                Target { menu, distribution, weight: Weight::ONE }
            })
            .collect();
        let table = FeatureTable::new(DIM, values.clone()).expect("whole rows");
        let features = Arc::new(Features::new(table, None).expect("no prompts to fit"));
        let config = LogLinearConfig::default();
        let class = LogLinearClass::new(features, Arc::new(UniformPolicy), config);
        bench(criterion, &class.expect("valid settings"), &targets);
        bench(criterion, &TabularClass, &targets);
    }
}

criterion_group!(benches, project);
criterion_main!(benches);
