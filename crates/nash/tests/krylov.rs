//! Newton-Krylov against Newton's method and against what is known by construction.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use nlhf_core::{
    DenseGame, Distribution, Eta, Iteration, MatrixFreeGame, NashSolver, Profile, RegularizedGame,
    SeedTree, Status, Stream, ZeroSumGame,
};
use nlhf_nash::{Automatic, Newton, NewtonKrylov};
use nlhf_testkit::{cyclic_skew, random_general, random_prior, random_skew};
use std::ops::ControlFlow;

fn total_variation(p: &Distribution, q: &Distribution) -> f64 {
    let pairs = p.probabilities().into_iter().zip(q.probabilities());
    pairs.map(|(p, q)| (p - q).abs()).sum::<f64>() / 2.0
}

/// Solves with both, and checks that the certificates explain the distance.
fn agrees(payoff: &dyn ZeroSumGame, reference: &Profile, eta: f64, tolerance: f64) {
    let eta = Eta::new(eta).unwrap();
    let game = RegularizedGame::new(payoff, reference, eta).unwrap();
    let solver = NewtonKrylov { tolerance, ..NewtonKrylov::default() };
    let found = solver.solve(&game, reference, &mut ()).unwrap();
    assert_eq!(found.status, Status::Converged, "{game:?}");
    assert!(found.certificate.duality_gap <= tolerance);
    assert_eq!(game.certify(&found.profile), found.certificate);
    let newton = Newton::default().solve(&game, reference, &mut ()).unwrap();
    let apart = total_variation(&found.profile.row, &newton.profile.row)
        .max(total_variation(&found.profile.column, &newton.profile.column));
    let bound = found.certificate.total_variation_bound(eta)
        + newton.certificate.total_variation_bound(eta);
    assert!(apart <= bound + 1e-14, "{apart:e} apart, the certificates allow {bound:e}");
}

#[test]
fn dense_games_of_all_kinds() {
    let mut rng = SeedTree::new(21).rng(Stream::Instance, 0);
    for n in [3, 30, 47, 48, 101, 200] {
        for eta in [1e-3, 1.0, 10.0, 100.0] {
            let prior = Profile::symmetric(random_prior(n, 3.0, &mut rng));
            agrees(&random_skew(n, 0.5, &mut rng), &prior, eta, 1e-10);
            agrees(&cyclic_skew(n, &mut rng), &prior, eta, 1e-10);
            if n < 200 {
                let m = n / 2 + 1;
                let (row, column) =
                    (random_prior(n, 2.0, &mut rng), random_prior(m, 30.0, &mut rng));
                let prior = Profile { row, column };
                agrees(&random_general(n, m, 0.5, &mut rng), &prior, eta, 1e-10);
            }
        }
    }
}

#[test]
fn single_precision_on_the_way_does_not_limit_the_gap() {
    // 300 actions are packed in f32, whose products leave a gap of about 1e-13.
    let mut rng = SeedTree::new(22).rng(Stream::Instance, 0);
    let payoff = cyclic_skew(300, &mut rng);
    for eta in [1.0, 50.0] {
        agrees(&payoff, &Profile::uniform(300, 300), eta, 1e-22);
    }
}

#[test]
fn priors_may_be_tiny_or_exclude_actions() {
    let mut rng = SeedTree::new(23).rng(Stream::Instance, 0);
    let n = 60;
    let mut logs: Vec<f64> = (0..n).map(|i| -10.0 * i as f64).collect();
    logs[7] = f64::NEG_INFINITY;
    logs[n - 1] = -690.0;
    let prior = Distribution::from_logits(logs).unwrap();
    let payoff = random_skew(n, 0.5, &mut rng);
    for eta in [1.0, 30.0] {
        agrees(&payoff, &Profile::symmetric(prior.clone()), eta, 1e-10);
    }
}

#[test]
fn products_are_all_it_needs() {
    let mut rng = SeedTree::new(24).rng(Stream::Instance, 0);
    let (n, m) = (40, 55);
    let dense = random_general(n, m, 0.5, &mut rng);
    let free = MatrixFreeGame::new(
        n,
        m,
        dense.payoff_bound(),
        |q: &[f64], out: &mut [f64]| dense.apply(q, out),
        |p: &[f64], out: &mut [f64]| dense.apply_transpose(p, out),
    );
    agrees(&free, &Profile::uniform(n, m), 20.0, 1e-10);
}

#[test]
fn a_moderate_game_takes_few_products() {
    let mut rng = SeedTree::new(25).rng(Stream::Instance, 0);
    let (payoff, reference) = (cyclic_skew(400, &mut rng), Profile::uniform(400, 400));
    for (eta, limit) in [(1.0, 8), (10.0, 24), (100.0, 115)] {
        let game = RegularizedGame::new(&payoff, &reference, Eta::new(eta).unwrap()).unwrap();
        let mut products = 0;
        let mut count = |event: &Iteration| {
            products = event.products;
            ControlFlow::Continue(())
        };
        let solution = NewtonKrylov::default().solve(&game, &reference, &mut count).unwrap();
        assert_eq!(solution.status, Status::Converged);
        assert!(products <= limit, "{products} products at eta {eta}");
    }
}

#[test]
fn the_automatic_choice_says_why() {
    let mut rng = SeedTree::new(26).rng(Stream::Instance, 0);
    let mut choice = |n: usize, eta: f64| {
        let (payoff, reference) = (random_skew(n, 0.5, &mut rng), Profile::uniform(n, n));
        let game = RegularizedGame::new(&payoff, &reference, Eta::new(eta).unwrap()).unwrap();
        let solution = Automatic::default().solve(&game, &reference, &mut ()).unwrap();
        assert_eq!(solution.status, Status::Converged);
        (solution.method, solution.reason)
    };
    assert_eq!(choice(2, 1.0).0, "closed-form");
    assert_eq!(choice(10, 1.0), ("newton", "few actions: a factorization is cheap"));
    assert_eq!(choice(50, 1.0).0, "newton-krylov");
    assert_eq!(choice(50, 1e5), ("newton", "large eta: its path needs factorizations"));
}

#[test]
fn what_stalls_is_marked() {
    // Far beyond what Krylov steps reach: the status must say so, whatever the gap.
    let payoff =
        DenseGame::skew_from_upper(64, |i, j| ((i * 31 + j * 17) % 23) as f64 / 23.0 - 0.5);
    let reference = Profile::uniform(64, 64);
    let game = RegularizedGame::new(&payoff, &reference, Eta::new(1e7).unwrap()).unwrap();
    let solver = NewtonKrylov { max_products: 200, ..NewtonKrylov::default() };
    let solution = solver.solve(&game, &reference, &mut ()).unwrap();
    assert_eq!(solution.certificate, game.certify(&solution.profile));
    assert_eq!(
        solution.status == Status::Converged,
        solution.certificate.duality_gap <= solver.tolerance
    );
}

#[test]
fn a_tolerance_that_rounding_forbids_ends_as_stalled() {
    let mut rng = SeedTree::new(27).rng(Stream::Instance, 0);
    let zero = |n| DenseGame::skew_from_upper(n, |_, _| 0.0);
    let games = [zero(30), zero(64), cyclic_skew(31, &mut rng)];
    for payoff in &games {
        let n = payoff.nrows();
        let reference = Profile::symmetric(random_prior(n, 2.0, &mut rng));
        for (tolerance, eta) in [(0.0, 1.0), (1e-320, 1.0), (1e-30, 1.0), (1e-10, 1e-308)] {
            let game = RegularizedGame::new(payoff, &reference, Eta::new(eta).unwrap()).unwrap();
            let krylov = NewtonKrylov { tolerance, ..NewtonKrylov::default() };
            let solvers: [&dyn NashSolver; 2] = [&krylov, &Automatic { tolerance }];
            for solver in solvers {
                let solution = solver.solve(&game, &reference, &mut ()).unwrap();
                let converged = solution.certificate.duality_gap <= tolerance;
                assert_eq!(solution.status == Status::Converged, converged, "{solution:?}");
            }
        }
    }
}

#[test]
fn every_product_is_counted() {
    let calls = std::sync::atomic::AtomicUsize::new(0);
    let count = || calls.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let mut rng = SeedTree::new(28).rng(Stream::Instance, 0);
    let dense = random_general(30, 40, 0.5, &mut rng);
    let (forth, back) = (
        |x: &[f64], out: &mut [f64]| {
            count();
            dense.apply(x, out);
        },
        |x: &[f64], out: &mut [f64]| {
            count();
            dense.apply_transpose(x, out);
        },
    );
    let payoff = MatrixFreeGame::new(30, 40, dense.payoff_bound(), forth, back);
    let reference = Profile::uniform(30, 40);
    let game = RegularizedGame::new(&payoff, &reference, Eta::new(10.0).unwrap()).unwrap();
    let mut products = 0;
    let mut last = |event: &Iteration| {
        products = event.products;
        ControlFlow::Continue(())
    };
    let solver = NewtonKrylov::default();
    assert_eq!(solver.solve(&game, &reference, &mut last).unwrap().status, Status::Converged);
    // The two products of the certificate are not the search's.
    assert_eq!(products + 2, calls.load(std::sync::atomic::Ordering::Relaxed));
}
