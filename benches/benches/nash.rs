//! Solving one game: `nash_solve_eta_H/method/n`, on the cyclic family, which stays hard as `n` grows.
//!
//! Also `nash_general_eta_10/method/n` for pessimistic games, and `certify/dense/n` for the certificate
//! alone, whose limit is one read of the payoffs (8n² bytes), and `certify/precise/n` in twice the digits.

#![allow(missing_docs, reason = "criterion's macros make undocumented functions")]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use nlhf::core::{
    DenseGame, Eta, NashSolver, Profile, RegularizedGame, SeedTree, Stream, ZeroSumGame,
};
use nlhf::nash::{MirrorProx, Newton};
use nlhf_testkit::{cyclic_skew, random_general};
use std::hint::black_box;

fn cyclic(n: usize) -> (DenseGame, Profile) {
    let unit = u32::try_from(n).expect("a small size");
    (cyclic_skew(n, &mut SeedTree::new(0).rng(Stream::Instance, unit)), Profile::uniform(n, n))
}

fn solve(criterion: &mut Criterion) {
    for eta in [1.0, 10.0, 100.0] {
        let mut group = criterion.benchmark_group(format!("nash_solve_eta_{eta}"));
        for n in [8, 64, 256] {
            let (payoff, reference) = cyclic(n);
            let eta = Eta::new(eta).expect("positive");
            let game = RegularizedGame::new(&payoff, &reference, eta).expect("shapes fit");
            // Mirror-prox takes time linear in eta: where that is seconds, it is left out.
            let newton = &Newton::default() as &dyn NashSolver;
            let mirror_prox = &MirrorProx::default();
            let solvers: &[&dyn NashSolver] =
                if eta.get() * n as f64 <= 640.0 { &[newton, mirror_prox] } else { &[newton] };
            for solver in solvers {
                group.bench_function(BenchmarkId::new(solver.name(), n), |bencher| {
                    bencher.iter(|| solver.solve(black_box(&game), &reference, &mut ()));
                });
            }
        }
        group.finish();
    }
}

fn general(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("nash_general_eta_10");
    for n in [8, 64, 128] {
        let unit = u32::try_from(n).expect("a small size");
        let mut rng = SeedTree::new(1).rng(Stream::Instance, unit);
        let (payoff, reference) = (random_general(n, n, 0.5, &mut rng), Profile::uniform(n, n));
        let game = RegularizedGame::new(&payoff, &reference, Eta::new(10.0).expect("positive"))
            .expect("shapes fit");
        let solver = Newton::default();
        group.bench_function(BenchmarkId::new(solver.name(), n), |bencher| {
            bencher.iter(|| solver.solve(black_box(&game), &reference, &mut ()));
        });
    }
    group.finish();
}

fn certify(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("certify");
    for n in [8, 64, 512] {
        let (payoff, reference) = cyclic(n);
        let game = RegularizedGame::new(&payoff, &reference, Eta::new(10.0).expect("positive"))
            .expect("shapes fit");
        let bytes = 8 * payoff.nrows() * payoff.ncols();
        group.throughput(Throughput::Bytes(bytes as u64));
        group.bench_function(BenchmarkId::new("dense", n), |bencher| {
            bencher.iter(|| game.certify(black_box(&reference)));
        });
        group.bench_function(BenchmarkId::new("precise", n), |bencher| {
            bencher.iter(|| game.certify_precisely(black_box(&reference)));
        });
    }
    group.finish();
}

criterion_group!(benches, solve, general, certify);
criterion_main!(benches);
