//! The regimes of the equilibrium solver, each over its range of sizes.
//!
//! * `nash_batch_eta_H/newton-lanes/n`: 2048 games of `n` actions, throughput in games;
//! * `nash_batch_games/newton-lanes/N`: `N` games of 8 actions, three decades;
//! * `nash_batch_general/newton-lanes/n`: two-player games;
//! * `nash_large_eta_H/newton-krylov/n`: one dense cyclic game, beside `product/n`, one f64 product of it;
//! * `nash_low_rank/newton-low-rank/n` and `nash_low_rank_width/newton-low-rank/k`: features of a million
//!   actions at most, throughput in bytes of one pass.

#![allow(missing_docs, reason = "criterion's macros make undocumented functions")]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use nlhf::core::{
    DenseGame, Eta, LowRankGame, NashSolver, Profile, RegularizedGame, SeedTree, Stream,
    ZeroSumGame,
};
use nlhf::nash::{Batch, BatchGame, LowRankNewton, NewtonKrylov};
use nlhf_testkit::{cyclic_skew, random_general, random_skew};
use rand::RngExt;
use std::hint::black_box;

fn eta(eta: f64) -> Eta {
    Eta::new(eta).expect("positive")
}

fn batches(criterion: &mut Criterion) {
    for target in [1.0, 10.0, 100.0] {
        let mut group = criterion.benchmark_group(format!("nash_batch_eta_{target}"));
        for n in [2, 4, 8, 16, 32, 64] {
            let count = if n > 16 { 256 } else { 2048 };
            let mut rng = SeedTree::new(2).rng(Stream::Instance, 0);
            let payoffs: Vec<DenseGame> =
                (0..count).map(|_| random_skew(n, 0.5, &mut rng)).collect();
            solve_batch(&mut group, &payoffs, target, n);
        }
        group.finish();
    }
    let mut group = criterion.benchmark_group("nash_batch_general");
    for n in [4, 8, 16] {
        let mut rng = SeedTree::new(2).rng(Stream::Instance, 1);
        let payoffs: Vec<DenseGame> =
            (0..2048).map(|_| random_general(n, n, 0.5, &mut rng)).collect();
        solve_batch(&mut group, &payoffs, 10.0, n);
    }
    group.finish();
    let mut group = criterion.benchmark_group("nash_batch_games");
    let mut rng = SeedTree::new(2).rng(Stream::Instance, 2);
    let payoffs: Vec<DenseGame> = (0..100_000).map(|_| random_skew(8, 0.5, &mut rng)).collect();
    for count in [1000, 10_000, 100_000] {
        solve_batch(&mut group, &payoffs[..count], 10.0, count);
    }
    // A million games are the hundred thousand ten times, 51 MB that no cache holds.
    group.sample_size(10);
    let reference = vec![-(8.0_f64).ln(); 8];
    let games = payoffs.iter().cycle().take(1_000_000);
    let games: Vec<BatchGame<'_>> = games
        .map(|payoff| BatchGame::symmetric(payoff.entries(), &reference, eta(10.0)))
        .collect::<Result<_, _>>()
        .expect("square games");
    group.throughput(Throughput::Elements(games.len() as u64));
    group.bench_function(BenchmarkId::new("newton-lanes", games.len()), |bencher| {
        bencher.iter(|| Batch { tolerance: 1e-12 }.solve(black_box(&games)));
    });
    group.finish();
}

type Group<'a> = criterion::BenchmarkGroup<'a, criterion::measurement::WallTime>;

fn solve_batch(group: &mut Group<'_>, payoffs: &[DenseGame], target: f64, size: usize) {
    let n = payoffs[0].nrows();
    let reference = vec![-(n as f64).ln(); n];
    let games: Vec<BatchGame<'_>> = payoffs
        .iter()
        .map(|payoff| {
            if payoff.is_skew() {
                BatchGame::symmetric(payoff.entries(), &reference, eta(target))
            } else {
                BatchGame::two_player(payoff.entries(), &reference, &reference, eta(target))
            }
        })
        .collect::<Result<_, _>>()
        .expect("square games");
    group.throughput(Throughput::Elements(games.len() as u64));
    group.bench_function(BenchmarkId::new("newton-lanes", size), |bencher| {
        bencher.iter(|| Batch { tolerance: 1e-12 }.solve(black_box(&games)));
    });
}

fn large(criterion: &mut Criterion) {
    for n in [8, 64, 512, 4096] {
        let mut rng = SeedTree::new(3).rng(Stream::Instance, 0);
        let (payoff, reference) = (cyclic_skew(n, &mut rng), Profile::uniform(n, n));
        for target in [1.0, 10.0, 100.0] {
            let mut group = criterion.benchmark_group(format!("nash_large_eta_{target}"));
            group.sample_size(10);
            let game = RegularizedGame::new(&payoff, &reference, eta(target)).expect("shapes fit");
            let solver = NewtonKrylov { tolerance: 1e-8, ..NewtonKrylov::default() };
            group.bench_function(BenchmarkId::new(solver.name(), n), |bencher| {
                bencher.iter(|| solver.solve(black_box(&game), &reference, &mut ()));
            });
            let (policy, mut out) = (reference.row.probabilities(), vec![0.0; n]);
            group.bench_function(BenchmarkId::new("product", n), |bencher| {
                bencher.iter(|| payoff.apply(black_box(&policy), &mut out));
            });
            group.finish();
        }
    }
}

fn low_rank_game(n: usize, rank: usize) -> LowRankGame {
    let mut rng = SeedTree::new(4).rng(Stream::Instance, 0);
    let features = (0..n * rank).map(|_| rng.random::<f64>() - 0.5).collect();
    let theta: Vec<f64> = (0..rank * rank).map(|_| rng.random::<f64>() - 0.5).collect();
    LowRankGame::skew(rank, features, &theta).expect("finite factors")
}

fn low_rank(criterion: &mut Criterion) {
    let sizes = [1000, 10_000, 100_000, 1_000_000].map(|n| ("nash_low_rank", n, n, 8));
    let widths = [2, 8, 32, 128, 512].map(|rank| ("nash_low_rank_width", rank, 5000, rank));
    for (name, size, n, rank) in sizes.into_iter().chain(widths) {
        let mut group = criterion.benchmark_group(name);
        group.sample_size(10);
        let (payoff, reference) = (low_rank_game(n, rank), Profile::uniform(n, n));
        let game = RegularizedGame::new(&payoff, &reference, eta(10.0)).expect("shapes fit");
        group.throughput(Throughput::Bytes(8 * (n * rank) as u64));
        let solver = LowRankNewton { tolerance: 1e-8, ..LowRankNewton::default() };
        group.bench_function(BenchmarkId::new(solver.name(), size), |bencher| {
            bencher.iter(|| solver.solve(black_box(&game), &reference, &mut ()));
        });
        group.finish();
    }
}

criterion_group!(benches, batches, large, low_rank);
criterion_main!(benches);
