//! Solves many random games of every family over the whole range of η, and counts what is not solved.
//!
//! `cargo run --release -p nlhf-benches --bin nash_stress -- [GAMES [FAMILY]]`: games a family, 100,000 unless
//! given. What fails is named on standard error.
//! Every game goes through the automatic solver alone and through a batch; a game counts as a failure
//! unless both end certified to 1e-10 and agree as far as their certificates promise.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program that reports")]

use nlhf::core::{
    DenseGame, Eta, NashSolver, Profile, RegularizedGame, SeedTree, Status, Stream, ZeroSumGame,
};
use nlhf::nash::{Automatic, Batch, BatchGame};
use nlhf_testkit::{FAMILIES, random_family_game};
use rayon::prelude::*;
use std::time::Instant;

/// Games drawn from one generator.
const UNIT: usize = 1024;

fn main() {
    let games: usize =
        std::env::args().nth(1).map_or(100_000, |text| text.parse().expect("a number of games"));
    let only = std::env::args().nth(2);
    println!("| family | games | failures alone | failures in a batch | largest gap | seconds |");
    println!("|---|---|---|---|---|---|");
    for pessimistic in [false, true] {
        for (number, family) in (0..).zip(FAMILIES) {
            if only.as_deref().is_some_and(|only| only != family) {
                continue;
            }
            let started = Instant::now();
            let units: Vec<u32> = (0..).take(games.div_ceil(UNIT)).collect();
            let counts: Vec<(usize, usize, f64)> = units
                .par_iter()
                .map(|unit| run(family, pessimistic, 1000 * number + unit))
                .collect();
            let (mut alone, mut batch, mut gap) = (0, 0, 0.0_f64);
            for (a, b, g) in &counts {
                (alone, batch, gap) = (alone + a, batch + b, gap.max(*g));
            }
            let name =
                if pessimistic { format!("pessimistic {family}") } else { family.to_owned() };
            let seconds = started.elapsed().as_secs_f64();
            let total = counts.len() * UNIT;
            println!("| {name} | {total} | {alone} | {batch} | {gap:.1e} | {seconds:.1} |");
        }
    }
}

/// Failures alone, failures in a batch, and the largest gap of one unit of games.
fn run(family: &str, pessimistic: bool, unit: u32) -> (usize, usize, f64) {
    let stream = unit + if pessimistic { 1 << 20 } else { 0 };
    let mut rng = SeedTree::new(3).rng(Stream::Instance, stream);
    let games: Vec<(DenseGame, Profile, Eta)> = (0..UNIT)
        .map(|at| {
            let (payoff, reference) = random_family_game(family, pessimistic, &mut rng);
            // Powers of ten from 1e-3 to 1e7, and what lies between them.
            let exponent = -3.0 + 10.0 * at as f64 / (UNIT - 1) as f64;
            (payoff, reference, Eta::new(10f64.powf(exponent)).expect("positive"))
        })
        .collect();
    let borrowed: Vec<BatchGame<'_>> = games.iter().map(borrow).collect();
    let together = Batch::default().solve(&borrowed);
    let (mut alone, mut batch, mut largest) = (0, 0, 0.0_f64);
    for ((payoff, reference, eta), in_batch) in games.iter().zip(together.iter()) {
        let game = RegularizedGame::new(payoff, reference, *eta).expect("shapes fit");
        let solved = Automatic::default().solve(&game, reference, &mut ());
        let Ok(solution) = solved else {
            alone += 1;
            continue;
        };
        if solution.status != Status::Converged {
            alone += 1;
            let (gap, method) = (solution.certificate.duality_gap, solution.method);
            let (n, eta) = (payoff.nrows(), eta.get());
            eprintln!("{family} n {n} eta {eta:e}: {:?} by {method}, gap {gap:e}", solution.status);
        }
        largest = largest.max(solution.certificate.duality_gap);
        let agrees = in_batch.outcome.is_ok_and(|outcome| {
            let bound = solution.certificate.total_variation_bound(*eta)
                + outcome.certificate.total_variation_bound(*eta);
            let policy = solution.profile.row.log_probabilities().iter().zip(in_batch.log_row);
            let apart: f64 = policy.map(|(p, q)| (p.exp() - q.exp()).abs()).sum();
            outcome.status == Status::Converged && apart <= 2.0 * bound + 1e-12
        });
        batch += usize::from(!agrees);
    }
    (alone, batch, largest)
}

fn borrow((payoff, reference, eta): &(DenseGame, Profile, Eta)) -> BatchGame<'_> {
    let (entries, row) = (payoff.entries(), reference.row.log_probabilities());
    let game = if payoff.is_skew() && reference.row == reference.column {
        BatchGame::symmetric(entries, row, *eta)
    } else {
        BatchGame::two_player(entries, row, reference.column.log_probabilities(), *eta)
    };
    game.expect("a game of a family")
}
