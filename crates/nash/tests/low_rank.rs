//! The solver in feature space against Newton's method on the dense game, and closed forms.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use nlhf_core::{
    DenseGame, Distribution, Eta, LowRankGame, NashSolver, Profile, RegularizedGame, SeedTree,
    SolveError, Status, Stream, ZeroSumGame,
};
use nlhf_nash::{Automatic, LowRankNewton, Newton};
use nlhf_testkit::{random_prior, random_skew};
use proptest::prelude::*;
use rand::RngExt;

/// Features and skew parameters drawn from a seed, scaled so that |A| is at most about `size`.
fn game(n: usize, rank: usize, size: f64, seed: u64) -> LowRankGame {
    let mut rng = SeedTree::new(seed).rng(Stream::Instance, 0);
    let features = (0..n * rank).map(|_| rng.random::<f64>() - 0.5).collect();
    let theta: Vec<f64> = (0..rank * rank).map(|_| rng.random::<f64>() - 0.5).collect();
    let unit = LowRankGame::skew(rank, features, &theta).unwrap();
    let factors = unit.stored().unwrap().skew_factors().unwrap();
    let scale = if unit.payoff_bound() > 0.0 { size / unit.payoff_bound() } else { 1.0 };
    let theta: Vec<f64> = factors.theta.iter().map(|t| scale * t).collect();
    LowRankGame::skew(rank, factors.features.to_vec(), &theta).unwrap()
}

fn dense(game: &LowRankGame) -> DenseGame {
    let n = game.nrows();
    let mut entries = vec![0.0; n * n];
    game.write_dense(&mut entries);
    DenseGame::skew_from_upper(n, |i, j| entries[i * n + j])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn dense_and_low_rank_are_one_game(
        n in 2usize..40,
        rank in 1usize..7,
        eta in prop_oneof![Just(1e-3), Just(1.0), Just(30.0), Just(1e3)],
        spread in prop_oneof![Just(0.0), Just(4.0), Just(300.0)],
        seed in any::<u64>(),
    ) {
        let low = game(n, rank, 2.0, seed);
        let full = dense(&low);
        let prior = random_prior(n, spread, &mut SeedTree::new(seed).rng(Stream::Instance, 1));
        let reference = Profile::symmetric(prior);
        let eta = Eta::new(eta).unwrap();
        let asked = RegularizedGame::new(&low, &reference, eta).unwrap();
        let solver = LowRankNewton { tolerance: 1e-9, ..LowRankNewton::default() };
        let found = solver.solve(&asked, &reference, &mut ()).unwrap();
        prop_assert_eq!(asked.certify(&found.profile), found.certificate);
        let converged = found.certificate.duality_gap <= solver.tolerance;
        prop_assert_eq!(found.status == Status::Converged, converged);
        // Where a prior of e^-300 meets a large eta it may stall; the automatic choice then goes on.
        prop_assert!(converged || spread > 100.0);
        let automatic = Automatic { tolerance: 1e-9 }.solve(&asked, &reference, &mut ()).unwrap();
        prop_assert_eq!(automatic.status, Status::Converged);
        let same = RegularizedGame::new(&full, &reference, eta).unwrap();
        let newton = Newton::default().solve(&same, &reference, &mut ()).unwrap();
        let pairs = found.profile.row.probabilities().into_iter().zip(newton.profile.row.probabilities());
        let apart = 0.5 * pairs.map(|(p, q)| (p - q).abs()).sum::<f64>();
        let bound = found.certificate.total_variation_bound(eta)
            + newton.certificate.total_variation_bound(eta);
        prop_assert!(apart <= bound + 1e-11, "{} apart, bound {}", apart, bound);
    }
}

#[test]
fn bradley_terry_gives_the_gibbs_policy() {
    // R = r1' − 1r' ⇒ π* ∝ π₀ e^(ηr), on the log-odds scale only.
    let n = 5000;
    let r: Vec<f64> = (0..n).map(|i| (i as f64 * 0.37).sin()).collect();
    let features = r.iter().flat_map(|&r| [r, 1.0]).collect();
    let payoff = LowRankGame::skew(2, features, &[0.0, 1.0, -1.0, 0.0]).unwrap();
    for eta in [0.1, 1.0, 20.0] {
        let reference = Profile::uniform(n, n);
        let game = RegularizedGame::new(&payoff, &reference, Eta::new(eta).unwrap()).unwrap();
        let solution = Automatic::default().solve(&game, &reference, &mut ()).unwrap();
        assert_eq!((solution.method, solution.status), ("newton-low-rank", Status::Converged));
        let gibbs = Distribution::from_logits(r.iter().map(|r| eta * r).collect()).unwrap();
        let pairs = solution.profile.row.log_probabilities().iter().zip(gibbs.log_probabilities());
        for (found, exact) in pairs {
            assert!((found - exact).abs() < 1e-8 * (1.0 + eta), "{found} for {exact} at eta {eta}");
        }
    }
}

#[test]
fn threads_do_not_change_a_bit() {
    let payoff = game(40_000, 6, 2.0, 5);
    let reference = Profile::uniform(40_000, 40_000);
    let asked = RegularizedGame::new(&payoff, &reference, Eta::new(10.0).unwrap()).unwrap();
    let solve = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| LowRankNewton::default().solve(&asked, &reference, &mut ()).unwrap())
    };
    assert_eq!(solve(1), solve(3));
}

#[test]
fn few_passes_are_enough() {
    let payoff = game(3000, 8, 2.0, 6);
    let reference = Profile::uniform(3000, 3000);
    for (eta, limit) in [(1.0, 4), (5.0, 6), (50.0, 30)] {
        let asked = RegularizedGame::new(&payoff, &reference, Eta::new(eta).unwrap()).unwrap();
        let mut passes = 0;
        let mut count = |event: &nlhf_core::Iteration| {
            passes = event.products;
            std::ops::ControlFlow::Continue(())
        };
        let solution = LowRankNewton::default().solve(&asked, &reference, &mut count).unwrap();
        assert_eq!(solution.status, Status::Converged);
        assert!(passes <= limit, "{passes} passes at eta {eta}");
    }
}

#[test]
fn excluded_and_duplicated_actions_do_no_harm() {
    let base = game(20, 3, 1.0, 7);
    let factors = base.stored().unwrap().skew_factors().unwrap();
    let twice = [factors.features, factors.features].concat();
    let payoff = LowRankGame::skew(3, twice, factors.theta).unwrap();
    let mut masses = vec![1.0; 40];
    masses[3] = 0.0;
    let reference = Profile::symmetric(Distribution::from_masses(&masses).unwrap());
    let asked = RegularizedGame::new(&payoff, &reference, Eta::new(8.0).unwrap()).unwrap();
    let solution = LowRankNewton::default().solve(&asked, &reference, &mut ()).unwrap();
    assert_eq!(solution.status, Status::Converged);
    let p = solution.profile.row.probabilities();
    assert!(p[3] == 0.0 && (p[5] - p[25]).abs() < 1e-15 && p[23] > 0.0);
}

#[test]
fn other_games_are_not_for_it() {
    let mut rng = SeedTree::new(8).rng(Stream::Instance, 0);
    let payoff = random_skew(5, 0.5, &mut rng);
    let reference = Profile::uniform(5, 5);
    let game = RegularizedGame::new(&payoff, &reference, Eta::new(1.0).unwrap()).unwrap();
    let error = LowRankNewton::default().solve(&game, &reference, &mut ()).unwrap_err();
    assert!(matches!(error, SolveError::Unsupported { .. }));
}
