//! Newton's method over families of games, the whole range of η, and priors down to 1e-260.
//!
//! Structured games are the hard ones: ties, duplicated actions and cycles make the unregularized
//! equilibrium degenerate, and tiny priors make actions enter late. Every game must end certified. The same
//! games in greater number: `cargo run --release -p nlhf-benches --bin nash_stress`.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use nlhf_core::{
    DenseGame, Distribution, Eta, NashSolver, Profile, RegularizedGame, SeedTree, Status, Stream,
};
use nlhf_nash::Newton;
use nlhf_testkit::{FAMILIES, family_game, random_family_game};

fn assert_certified(payoff: &DenseGame, reference: &Profile, eta: f64, what: &str) {
    let game = RegularizedGame::new(payoff, reference, Eta::new(eta).unwrap()).unwrap();
    let solution = Newton::default().solve(&game, reference, &mut ()).unwrap();
    let (certificate, iterations) = (solution.certificate, solution.iterations);
    assert_eq!(solution.status, Status::Converged, "{what}: {certificate:?} after {iterations}");
    assert_eq!(certificate, game.certify(&solution.profile), "{what}: recomputed");
}

#[test]
fn symmetric_games_of_every_family_at_every_eta() {
    for (unit, family) in (0..).zip(FAMILIES) {
        let mut rng = SeedTree::new(1).rng(Stream::Instance, unit);
        for exponent in -3..=7 {
            for repeat in 0..12 {
                let (payoff, reference) = random_family_game(family, false, &mut rng);
                let what = format!("{family} eta 1e{exponent} game {repeat}");
                assert_certified(&payoff, &reference, 10f64.powi(exponent), &what);
            }
        }
    }
}

#[test]
fn pessimistic_rectangular_games_of_every_family_at_every_eta() {
    for (unit, family) in (100..).zip(FAMILIES) {
        let mut rng = SeedTree::new(1).rng(Stream::Instance, unit);
        for exponent in -3..=7 {
            for repeat in 0..8 {
                let (payoff, reference) = random_family_game(family, true, &mut rng);
                let what = format!("pessimistic {family} eta 1e{exponent} game {repeat}");
                assert_certified(&payoff, &reference, 10f64.powi(exponent), &what);
            }
        }
    }
}

#[test]
fn actions_without_prior_are_never_played() {
    let mut rng = SeedTree::new(2).rng(Stream::Instance, 0);
    let payoff = family_game("probability", 6, &mut rng);
    let masses = [0.2, 0.0, 0.3, 0.0, 0.4, 0.1];
    let reference = Profile::symmetric(Distribution::from_masses(&masses).unwrap());
    let game = RegularizedGame::new(&payoff, &reference, Eta::new(20.0).unwrap()).unwrap();
    let solution = Newton::default().solve(&game, &reference, &mut ()).unwrap();
    assert_eq!(solution.status, Status::Converged);
    let policy = solution.profile.row.probabilities();
    assert!(policy[1] == 0.0 && policy[3] == 0.0);

    // The same game without them.
    let kept = [0, 2, 4, 5];
    let small = DenseGame::skew_from_upper(4, |i, j| payoff.get(kept[i], kept[j]));
    let reference = Profile::symmetric(Distribution::from_masses(&[0.2, 0.3, 0.4, 0.1]).unwrap());
    let game = RegularizedGame::new(&small, &reference, Eta::new(20.0).unwrap()).unwrap();
    let alone = Newton::default().solve(&game, &reference, &mut ()).unwrap();
    for (at, p) in kept.iter().zip(alone.profile.row.probabilities()) {
        assert!((policy[*at] - p).abs() < 1e-14);
    }
}

#[test]
fn an_observer_can_stop_and_a_limit_is_a_status() {
    let mut rng = SeedTree::new(3).rng(Stream::Instance, 0);
    let payoff = family_game("rotation", 12, &mut rng);
    let reference = Profile::uniform(12, 12);
    let game = RegularizedGame::new(&payoff, &reference, Eta::new(1e3).unwrap()).unwrap();
    let mut seen = 0;
    let mut stop = |_: &nlhf_core::Iteration| {
        seen += 1;
        std::ops::ControlFlow::Break(())
    };
    let stopped = Newton::default().solve(&game, &reference, &mut stop).unwrap();
    assert_eq!((stopped.status, seen), (Status::Stopped, 1));
    assert_eq!(stopped.certificate, game.certify(&stopped.profile));
    let limited = Newton { max_iterations: 2, ..Newton::default() };
    let limited = limited.solve(&game, &reference, &mut ()).unwrap();
    assert_eq!(limited.status, Status::IterationLimit);
    assert!(limited.certificate.duality_gap > 1e-10);
    assert!(Newton::default().solve(&game, &Profile::uniform(3, 12), &mut ()).is_err());
}
