//! The law suite of the testkit for every solver, and laws of single methods.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use nlhf_core::{
    DenseGame, Distribution, Eta, LowRankGame, MatrixFreeGame, NashSolver, Profile,
    RegularizedGame, SeedTree, SolveError, Status, Stream, ZeroSumGame,
};
use nlhf_nash::{Automatic, ClosedForm, MirrorProx, Newton, NewtonKrylov};
use nlhf_testkit::{
    check_closed_form, check_solver, closed_forms, cyclic_skew, random_general, random_prior,
    random_skew, strategies,
};
use proptest::prelude::*;

/// Payoffs and references on which mirror-prox, too, converges in little time.
fn moderate_games() -> Vec<(DenseGame, Profile)> {
    let mut rng = SeedTree::new(11).rng(Stream::Instance, 0);
    let mut games = Vec::new();
    for n in [1, 2, 3, 7] {
        games.push((cyclic_skew(n, &mut rng), Profile::symmetric(random_prior(n, 2.0, &mut rng))));
        games.push((random_skew(n, 0.5, &mut rng), Profile::uniform(n, n)));
        let reference = Profile {
            row: random_prior(n, 2.0, &mut rng),
            column: random_prior(n + 1, 9.0, &mut rng),
        };
        games.push((random_general(n, n + 1, 0.7, &mut rng), reference));
    }
    games
}

#[test]
fn every_solver_obeys_the_laws() {
    let games = moderate_games();
    for eta in [1e-3, 1.0, 30.0] {
        let eta = Eta::new(eta).unwrap();
        let games: Vec<RegularizedGame<'_>> =
            games.iter().map(|(a, r)| RegularizedGame::new(a, r, eta).unwrap()).collect();
        check_solver(&Newton::default(), 1e-10, &games);
        check_solver(&MirrorProx::default(), 1e-10, &games);
        check_solver(&NewtonKrylov::default(), 1e-10, &games);
        check_solver(&ClosedForm::default(), 1e-10, &games);
        check_solver(&Automatic::default(), 1e-10, &games);
    }
}

#[test]
fn newton_finds_every_closed_form() {
    // η from 1e-3 to 1e6, priors down to 1e-300, one action, copies, additive and planted games.
    for form in closed_forms() {
        for solver in [&Newton::default() as &dyn NashSolver, &Automatic::default()] {
            let solution = check_closed_form(solver, 1e-10, &form).unwrap();
            assert_eq!(solution.status, Status::Converged, "{} at eta {:?}", form.name, form.eta);
        }
    }
}

#[test]
fn mirror_prox_finds_the_closed_forms_of_moderate_eta() {
    let solver = MirrorProx { tolerance: 1e-10, max_iterations: 200_000 };
    let mut n_solved = 0;
    for form in closed_forms().iter().filter(|form| form.eta.get() <= 10.0) {
        let solution = check_closed_form(&solver, 1e-10, form).unwrap();
        assert_eq!(solution.status, Status::Converged, "{} at eta {:?}", form.name, form.eta);
        n_solved += 1;
    }
    assert!(n_solved > 50, "{n_solved}");
}

#[test]
fn dense_low_rank_and_matrix_free_payoffs_have_one_equilibrium() {
    let mut rng = SeedTree::new(12).rng(Stream::Instance, 0);
    let (n, rank) = (9, 4);
    let features = random_general(n, rank, 1.0, &mut rng).entries().to_vec();
    let theta = random_skew(rank, 1.0, &mut rng).entries().to_vec();
    let low_rank = LowRankGame::skew(rank, features, &theta).unwrap();
    let mut entries = vec![0.0; n * n];
    low_rank.write_dense(&mut entries);
    let dense = DenseGame::from_log_odds(n, &entries).unwrap();
    let matrix_free = MatrixFreeGame::new(
        n,
        n,
        dense.payoff_bound(),
        |q: &[f64], out: &mut [f64]| dense.apply(q, out),
        |p: &[f64], out: &mut [f64]| dense.apply_transpose(p, out),
    );
    let reference = Profile::symmetric(random_prior(n, 1.0, &mut rng));
    let eta = Eta::new(5.0).unwrap();
    let solve = |payoff: &dyn ZeroSumGame| {
        let game = RegularizedGame::new(payoff, &reference, eta).unwrap();
        let by_newton = Newton::default().solve(&game, &reference, &mut ()).unwrap();
        let exact = MirrorProx { tolerance: 1e-24, ..MirrorProx::default() };
        let by_products = exact.solve(&game, &reference, &mut ()).unwrap();
        assert_eq!(by_newton.status, Status::Converged);
        assert_eq!(by_products.status, Status::Converged);
        [by_newton.profile, by_products.profile]
    };
    let want = &solve(&dense)[0];
    for got in [solve(&dense), solve(&low_rank), solve(&matrix_free)].concat() {
        for (p, q) in got.row.probabilities().iter().zip(want.row.probabilities()) {
            assert!((p - q).abs() < 1e-11, "{p} and {q}");
        }
    }
}

#[test]
fn closed_form_refuses_what_it_cannot_solve() {
    let payoff = DenseGame::skew_from_upper(3, |_, _| 0.1);
    let reference = Profile::uniform(3, 3);
    let game = RegularizedGame::new(&payoff, &reference, Eta::new(1.0).unwrap()).unwrap();
    let refused = ClosedForm::default().solve(&game, &reference, &mut ());
    assert!(matches!(refused, Err(SolveError::Unsupported { method: "closed-form", .. })));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Newton and mirror-prox share no code; both are certified, so both must be near the one answer.
    #[test]
    fn newton_and_mirror_prox_agree(instance in strategies::general_instance(6, 1e-2..=20.0)) {
        let game = instance.game();
        let start = game.reference();
        let newton = Newton::default().solve(&game, start, &mut ()).unwrap();
        let slow = MirrorProx { tolerance: 1e-16, ..MirrorProx::default() };
        let slow = slow.solve(&game, start, &mut ()).unwrap();
        prop_assert_eq!(newton.status, Status::Converged);
        let near = slow.certificate.total_variation_bound(game.eta())
            + newton.certificate.total_variation_bound(game.eta()) + 1e-12;
        let distance = |p: &Distribution, q: &Distribution| -> f64 {
            p.probabilities().iter().zip(q.probabilities()).map(|(p, q)| 0.5 * (p - q).abs()).sum()
        };
        prop_assert!(distance(&newton.profile.row, &slow.profile.row) <= near);
        prop_assert!(distance(&newton.profile.column, &slow.profile.column) <= near);
    }

    /// A start anywhere leads to the same equilibrium.
    #[test]
    fn the_start_does_not_matter(
        instance in strategies::symmetric_instance(8, 1e-3..=1e6),
        seed in 0u64..1000,
    ) {
        let game = instance.game();
        let n = game.payoff().nrows();
        let mut rng = SeedTree::new(seed).rng(Stream::Start, 0);
        let start = Profile::symmetric(random_prior(n, 20.0, &mut rng));
        let cold = Newton::default().solve(&game, game.reference(), &mut ()).unwrap();
        let warm = Newton::default().solve(&game, &start, &mut ()).unwrap();
        prop_assert_eq!(cold.status, Status::Converged);
        prop_assert_eq!(warm.status, Status::Converged);
        let near = cold.certificate.total_variation_bound(game.eta())
            + warm.certificate.total_variation_bound(game.eta()) + 1e-11;
        let (p, q) = (cold.profile.row.probabilities(), warm.profile.row.probabilities());
        let distance: f64 = p.iter().zip(&q).map(|(p, q)| 0.5 * (p - q).abs()).sum();
        prop_assert!(distance <= near, "{} apart, {} certified", distance, near);
    }
}

#[test]
fn a_value_far_from_zero_costs_no_digits() {
    // Two games that differ in their value only as far as rounding goes: logits near ηV would lose it.
    let reference = Profile::uniform(2, 2);
    for eta in [1e6, 1e7, 1e8] {
        let eta = Eta::new(eta).unwrap();
        for last in [15.0, 35.0] {
            let payoff = DenseGame::new(2, 2, vec![50.0, -50.0, -15.0, last]).unwrap();
            let game = RegularizedGame::new(&payoff, &reference, eta).unwrap();
            let solution = Newton::default().solve(&game, &reference, &mut ()).unwrap();
            assert_eq!(solution.status, Status::Converged, "eta {eta:?} last {last}");
            // At these logits of 5e9 a certificate in f64 sees no further than that.
            let nats = eta.get() * game.certify_precisely(&solution.profile).duality_gap;
            assert!(nats < 1e-9, "eta {eta:?} last {last}: {nats:e} nats");
        }
    }
}
