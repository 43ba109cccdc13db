//! What theorems say of the published methods, tested as bounds; and where they do not converge.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use nlhf_core::{
    DenseGame, Distribution, Eta, Iteration, NashSolver, Profile, RegularizedGame, SeedTree,
    Status, Stream, ZeroSumGame, exploitability,
};
use nlhf_nash::Newton;
use nlhf_nash::published::{
    BestResponse, Comal, Dno, Egpo, Inpo, Limits, METHODS, Mmd, Mpo, NashMd, NashMp, OnlineIpo,
    Onpo, Published, RegularizedOmwu, Schedule, SmoothFictitiousPlay, Spo, Sppo, Target,
};
use nlhf_testkit::{cyclic_skew, random_general, random_prior, strategies};
use proptest::prelude::*;
use std::ops::ControlFlow;

/// Stopped by products or by an observer, and not by a gap.
fn products(max_products: usize) -> Limits {
    Limits { tolerance: -1.0, max_products }
}

fn solve(solver: &Published, game: &RegularizedGame<'_>) -> Profile {
    solver.solve(game, game.reference(), &mut ()).unwrap().profile
}

/// The profile after so many iterations, at most 16.
fn after(solver: &Published, game: &RegularizedGame<'_>, iterations: usize) -> Profile {
    let mut stop = |event: &Iteration| {
        if event.iteration >= iterations {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    };
    let solution = solver.solve(game, game.reference(), &mut stop).unwrap();
    assert_eq!(solution.iterations, iterations);
    solution.profile
}

fn kl(p: &Profile, q: &Profile) -> f64 {
    p.row.kl_nats(&q.row) + p.column.kl_nats(&q.column)
}

fn equilibrium(game: &RegularizedGame<'_>) -> Profile {
    let solution = Newton::default().solve(game, game.reference(), &mut ()).unwrap();
    assert_eq!(solution.status, Status::Converged);
    solution.profile
}

/// A mixed equilibrium known in closed form: rock, paper, scissors with stakes, `(c, b, a)/(a + b + c)`.
fn stakes(a: f64, b: f64, c: f64) -> (DenseGame, Profile) {
    let payoff = DenseGame::skew_from_upper(3, |i, j| match (i, j) {
        (0, 1) => -a,
        (0, 2) => b,
        _ => -c,
    });
    (payoff, Profile::symmetric(Distribution::from_masses(&[c, b, a]).unwrap()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    /// KL(π*‖π_t) ≤ factorᵗ KL(π*‖π_0), summed over the players, at the largest proven steps.
    #[test]
    fn linear_rates_hold(
        instance in strategies::general_instance(6, 1e-2..=100.0),
        iterations in 1usize..=16,
    ) {
        let game = instance.game();
        let (eta, tau, bound) = (game.eta(), game.eta().kl_weight(), game.payoff().payoff_bound());
        let exact = equilibrium(&game);
        let before = kl(&exact, game.reference());
        let rounding = 1e-11 * (1.0 + before + eta.get() * bound);
        let limits = products(usize::MAX);
        let [mmd, inpo] = [Mmd::proven_step(eta, bound), Inpo::proven_step(eta, bound)];
        let [egpo, mp] = [Egpo::proven_step(eta, bound), NashMp::proven_step(eta, bound)];
        let omwu = RegularizedOmwu::proven_step(eta, bound);
        for (solver, factor) in [
            (Mmd { step: Some(mmd) }.solver(limits), 1.0 / (1.0 + mmd * tau)),
            (Inpo { step: Some(inpo) }.solver(limits), 1.0 - inpo * tau),
            (Egpo { step: Some(egpo) }.solver(limits), 1.0 - egpo * tau),
            (NashMp { step: Some(mp) }.solver(limits), 1.0 / (1.0 + mp * tau)),
            (RegularizedOmwu { step: Some(omwu) }.solver(limits), 1.0 - omwu * tau),
        ] {
            let power = i32::try_from(iterations).unwrap();
            let allowed = factor.powi(power) * before;
            let found = kl(&exact, &after(&solver, &game, iterations));
            prop_assert!(found <= allowed + rounding, "{}: {found:e} > {allowed:e}", solver.name());
        }
    }

    /// KL(π*‖π_T) ≤ 8 (2B)²/(τ²(T + 1)) for the decaying steps of Nash-MD.
    #[test]
    fn nash_md_decays_as_proven(
        instance in strategies::symmetric_instance(6, 1e-1..=30.0),
        iterations in 1usize..300,
    ) {
        let game = instance.game();
        let scale = 2.0 * game.eta().get() * game.payoff().payoff_bound();
        let allowed = 8.0 * scale * scale / (iterations as f64 + 1.0);
        let found = solve(&NashMd::default().solver(products(iterations)), &game);
        let found = equilibrium(&game).row.kl_nats(&found.row);
        prop_assert!(found <= allowed + 1e-11 * (1.0 + scale), "{found:e} > {allowed:e}");
    }

    /// Gap ≤ 4ηB²(1 + log(T + 1))/(T + 1) for the average of smooth fictitious play.
    #[test]
    fn fictitious_play_averages_as_proven(
        instance in strategies::general_instance(6, 1e-1..=30.0),
        iterations in 1usize..300,
    ) {
        let game = instance.game();
        let bound = game.payoff().payoff_bound();
        let rounds = iterations as f64 + 1.0;
        let allowed = 4.0 * game.eta().get() * bound * bound * (1.0 + rounds.ln()) / rounds;
        let found = solve(&SmoothFictitiousPlay.solver(products(2 * iterations)), &game);
        let found = game.certify(&found).duality_gap;
        prop_assert!(found <= allowed + 1e-12 * bound, "{found:e} > {allowed:e}");
    }

    /// From uniform policies: 4B√(log(n)/2T) for the average of SPO, 2 log(n)/(αT) for that of ONPO.
    #[test]
    fn averages_without_an_anchor_are_as_exploitable_as_proven(
        payoff in strategies::general_game(7),
        iterations in 1usize..300,
    ) {
        let reference = Profile::uniform(payoff.nrows(), payoff.ncols());
        let game = RegularizedGame::new(&payoff, &reference, Eta::new(1.0).unwrap()).unwrap();
        // A 1 x 1 game counts as symmetric only if its payoff is zero.
        let players = if game.is_symmetric() { 1 } else { 2 };
        let bound = payoff.payoff_bound();
        let log_n = (payoff.nrows().max(payoff.ncols()) as f64).ln();
        let rounds = iterations as f64;
        let spo = solve(&Spo::default().solver(products(players * iterations)), &game);
        let (found, allowed) =
            (exploitability(&payoff, &spo), 4.0 * bound * (log_n / (2.0 * rounds)).sqrt());
        prop_assert!(found <= allowed + 1e-13 * bound, "spo: {found:e} > {allowed:e}");
        let onpo = Onpo::default().solver(products(players * (iterations + 1)));
        let found = exploitability(&payoff, &solve(&onpo, &game));
        let step = Onpo::proven_step(game.eta(), bound);
        let allowed = 2.0 * log_n / (step * rounds);
        prop_assert!(found <= allowed + 1e-13 * bound, "onpo: {found:e} > {allowed:e}");
    }

    /// Proximal steps come nearer to the equilibrium of the game without KL terms, each of them.
    #[test]
    fn proximal_steps_never_go_back(
        (a, b, c) in (0.2..1.0f64, 0.2..1.0f64, 0.2..1.0f64),
        prior in strategies::distribution(3),
        eta in 0.5..20.0f64,
    ) {
        let (payoff, exact) = stakes(a, b, c);
        let reference = Profile::symmetric(prior);
        let game = RegularizedGame::new(&payoff, &reference, Eta::new(eta).unwrap()).unwrap();
        let mut before = kl(&exact, &reference);
        for iterations in 1..8 {
            let comal = Comal::default().solver(products(usize::MAX));
            let now = kl(&exact, &after(&comal, &game, iterations));
            prop_assert!(now <= before * (1.0 + 1e-9) + 1e-7, "{now} after {before}");
            before = now;
        }
    }

    /// Best responses in turn are a contraction for ηB < 1.
    #[test]
    fn best_responses_contract_while_eta_is_small(instance in strategies::general_instance(6, 1e-3..=0.2)) {
        let game = instance.game();
        prop_assume!(game.eta().get() * game.payoff().payoff_bound() < 0.9);
        let solver = BestResponse.solver(Limits { tolerance: 1e-13, max_products: 2000 });
        let solution = solver.solve(&game, game.reference(), &mut ()).unwrap();
        prop_assert_eq!(solution.status, Status::Converged);
    }
}

#[test]
fn anchored_methods_reach_the_equilibrium_that_newton_finds() {
    let mut rng = SeedTree::new(31).rng(Stream::Instance, 0);
    let symmetric = cyclic_skew(5, &mut rng);
    let general = random_general(3, 4, 0.5, &mut rng);
    let priors =
        Profile { row: random_prior(3, 1.0, &mut rng), column: random_prior(4, 1.0, &mut rng) };
    let mut n_solved = 0;
    for (payoff, reference) in [(&symmetric, Profile::uniform(5, 5)), (&general, priors)] {
        let game = RegularizedGame::new(payoff, &reference, Eta::new(4.0).unwrap()).unwrap();
        let exact = equilibrium(&game);
        for method in METHODS.iter().filter(|method| method.target == Target::Regularized) {
            let limits = Limits { tolerance: 1e-14, max_products: 40_000 };
            let Ok(solution) = method.solver(limits).solve(&game, &reference, &mut ()) else {
                assert!(method.name == "online-ipo" && !game.is_symmetric());
                continue;
            };
            let apart = kl(&exact, &solution.profile);
            let slow = ["nash-md", "smooth-fictitious-play"].contains(&method.name);
            assert_eq!(solution.status == Status::Converged, !slow, "{}", method.name);
            assert!(apart <= if slow { 1e-6 } else { 1e-12 }, "{}: {apart:e}", method.name);
            n_solved += 1;
        }
    }
    assert_eq!(n_solved, 19);
}

#[test]
fn methods_without_an_anchor_reach_the_winner_or_circle_around_it() {
    let (payoff, exact) = stakes(0.3, 0.45, 0.4);
    let reference = Profile::symmetric(Distribution::from_masses(&[0.5, 0.3, 0.2]).unwrap());
    let game = RegularizedGame::new(&payoff, &reference, Eta::new(5.0).unwrap()).unwrap();
    let at_first = exploitability(&payoff, &reference);
    for (solver, allowed) in [
        (Spo::default().solver(products(10_000)), 2e-2),
        (Onpo::default().solver(products(10_000)), 1e-3),
        (Onpo { last: true, ..Onpo::default() }.solver(products(10_000)), 1e-10),
        (Mpo::default().solver(products(10_000)), 1e-10),
        (Comal::default().solver(products(10_000)), 1e-10),
    ] {
        let profile = solve(&solver, &game);
        let found = exploitability(&payoff, &profile);
        assert!(found <= allowed && found < at_first, "{}: {found:e}", solver.name());
        let far = kl(&exact, &profile) <= 1e-3;
        assert!(far, "{}: {:e} nats from the winner", solver.name(), kl(&exact, &profile));
        // The regularized gap stays: it is another game.
        assert!(game.certify(&profile).duality_gap > 1e-4);
    }
    // The last policies of multiplicative weights move outward, however small the step.
    for solver in [
        Dno::default().solver(products(2000)),
        Sppo::default().solver(products(2000)),
        Sppo { step: Some(0.01) }.solver(products(2000)),
    ] {
        let outward = kl(&exact, &solve(&solver, &game)) - kl(&exact, &reference);
        assert!(outward > 1e-4, "{}: {outward:e}", solver.name());
    }
}

#[test]
fn reaching_another_target_is_not_called_converged() {
    let (payoff, _) = stakes(0.3, 0.45, 0.4);
    let reference = Profile::symmetric(Distribution::from_masses(&[0.5, 0.3, 0.2]).unwrap());
    let game = RegularizedGame::new(&payoff, &reference, Eta::new(5.0).unwrap()).unwrap();
    let limits = Limits { tolerance: 1e-8, max_products: 100_000 };
    let solution = Comal::default().solver(limits).solve(&game, &reference, &mut ()).unwrap();
    assert_eq!(solution.status, Status::Stalled);
    assert!(exploitability(&payoff, &solution.profile) <= 1e-8);
    assert!(solution.certificate.duality_gap > 1e-4);
    // From uniform stakes the two equilibria are one.
    let (even, _) = stakes(0.4, 0.4, 0.4);
    let uniform = Profile::uniform(3, 3);
    let skewed = Profile::symmetric(Distribution::from_masses(&[0.5, 0.3, 0.2]).unwrap());
    let game = RegularizedGame::new(&even, &uniform, Eta::new(5.0).unwrap()).unwrap();
    let solution = Comal::default().solver(limits).solve(&game, &skewed, &mut ()).unwrap();
    assert_eq!(solution.status, Status::Converged);
}

#[test]
fn mixing_the_reference_in_leaves_a_bias_of_the_square_of_the_step() {
    let (payoff, _) = stakes(0.3, 0.45, 0.3);
    let reference = Profile::uniform(3, 3);
    let game = RegularizedGame::new(&payoff, &reference, Eta::new(10.0).unwrap()).unwrap();
    let exact = equilibrium(&game);
    let bias_of = |solver: Published| exact.row.kl_nats(&solve(&solver, &game).row);
    let bias = |step| {
        let schedule = Schedule::Constant(Some(step));
        bias_of(NashMd { schedule }.solver(products(60_000)))
    };
    let ratio = bias(0.1) / bias(0.01);
    assert!((80.0..120.0).contains(&ratio), "{ratio}");
    assert!(bias(0.1) > 1e-6);
    let biased = bias_of(OnlineIpo { step: None, mixing: 0.1 }.solver(products(60_000)));
    let unbiased = bias_of(OnlineIpo::default().solver(products(60_000)));
    assert!(biased > 1e-5 && unbiased < 1e-12, "{biased:e} and {unbiased:e}");
}

#[test]
fn best_responses_cycle_where_eta_is_large() {
    let (payoff, _) = stakes(0.3, 0.45, 0.4);
    let reference = Profile::uniform(3, 3);
    let game = RegularizedGame::new(&payoff, &reference, Eta::new(20.0).unwrap()).unwrap();
    let solver = BestResponse.solver(Limits { tolerance: 1e-6, max_products: 5000 });
    let solution = solver.solve(&game, &reference, &mut ()).unwrap();
    assert_eq!(solution.status, Status::IterationLimit);
    assert!(solution.certificate.duality_gap > 0.1);
    let anchored = Egpo::default().solver(Limits { tolerance: 1e-6, max_products: 5000 });
    let solution = anchored.solve(&game, &reference, &mut ()).unwrap();
    assert_eq!(solution.status, Status::Converged);
}
