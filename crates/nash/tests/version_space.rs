//! Equilibria against a set of preferences: golden cases, laws, and the edges.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use nlhf_core::{
    DenseGame, Distribution, Eta, NashSolver, Profile, RegularizedGame, SeedTree, Status, Stream,
};
use nlhf_nash::{Context, Newton, VersionSpaceError, VersionSpaceGame, VersionSpaceSolution};
use nlhf_testkit::{random_prior, random_skew};
use rand::{Rng, RngExt};
use serde::Deserialize;

#[derive(Deserialize)]
struct File {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    n: usize,
    eta: f64,
    prior: Vec<f64>,
    #[serde(rename = "Rs")]
    preferences: Vec<Vec<Vec<f64>>>,
    pi: Vec<f64>,
    value: f64,
    lam: Vec<f64>,
}

fn one(reference: Distribution) -> Vec<Context> {
    vec![Context { weight: 1.0, reference }]
}

fn solved(contexts: &[Context], games: &[Vec<DenseGame>], eta: f64) -> VersionSpaceSolution {
    let payoff = |context: usize, preference: usize| games[context][preference].clone();
    let eta = Eta::new(eta).unwrap();
    let game = VersionSpaceGame::new(contexts, games[0].len(), &payoff, eta).unwrap();
    game.solve(0, 1e-10).unwrap()
}

/// `min_R Σ w min_q J_R(π, q)`, by certificates in twice the digits.
fn worth(
    contexts: &[Context],
    games: &[Vec<DenseGame>],
    eta: f64,
    policies: &[Distribution],
) -> f64 {
    let of = |r: usize| -> f64 {
        let each = contexts.iter().zip(games).zip(policies).map(|((context, games), policy)| {
            let reference = Profile::symmetric(context.reference.clone());
            let game = RegularizedGame::new(&games[r], &reference, Eta::new(eta).unwrap()).unwrap();
            let lost = game.certify_precisely(&Profile::symmetric(policy.clone())).column_regret;
            context.weight * lost
        });
        each.sum()
    };
    -(0..games[0].len()).map(of).fold(0.0, f64::max)
}

fn random_case(
    n: usize,
    members: usize,
    contexts: usize,
    rng: &mut dyn Rng,
) -> (Vec<Context>, Vec<Vec<DenseGame>>) {
    let known = |rng: &mut dyn Rng| Context {
        weight: 0.1 + rng.random::<f64>(),
        reference: random_prior(n, 2.0, rng),
    };
    let contexts: Vec<Context> = (0..contexts).map(|_| known(rng)).collect();
    let each = |rng: &mut dyn Rng| -> Vec<DenseGame> {
        let centre = random_skew(n, 1.0, rng);
        let near = |rng: &mut dyn Rng| {
            let noise = random_skew(n, 0.7, rng);
            DenseGame::skew_from_upper(n, |i, j| centre.get(i, j) + noise.get(i, j))
        };
        (0..members).map(|_| near(rng)).collect()
    };
    let games = contexts.iter().map(|_| each(rng)).collect();
    (contexts, games)
}

#[test]
fn golden_cases() {
    let file: File = serde_json::from_str(include_str!("golden/version_space.json")).unwrap();
    assert_eq!(file.cases.len(), 3);
    for case in file.cases {
        let game = |r: &Vec<Vec<f64>>| DenseGame::from_log_odds(case.n, &r.concat()).unwrap();
        let games = vec![case.preferences.iter().map(game).collect()];
        let contexts = one(Distribution::from_masses(&case.prior).unwrap());
        let found = solved(&contexts, &games, case.eta);
        assert_eq!(found.status, Status::Converged);
        assert!(found.certificate.duality_gap < 1e-10);
        assert!(
            (found.certificate.value - case.value).abs() < 1e-8,
            "{} and {}",
            found.certificate.value,
            case.value
        );
        for (got, want) in found.policies[0].probabilities().iter().zip(&case.pi) {
            assert!((got - want).abs() < 1e-8, "{got} and {want}");
        }
        for (got, want) in found.weights.iter().zip(&case.lam) {
            assert!((got - want).abs() < 1e-6, "{got} and {want}");
        }
    }
}

#[test]
fn the_two_sides_enclose_whatever_else_is_tried() {
    let mut rng = SeedTree::new(3).rng(Stream::Instance, 0);
    for round in 0..60 {
        let n = 2 + round % 5;
        let eta = [0.5, 3.0, 10.0, 40.0][round % 4];
        let (contexts, games) = random_case(n, 1 + round % 7, 1 + round % 3, &mut rng);
        let found = solved(&contexts, &games, eta);
        assert_eq!(
            found.status,
            Status::Converged,
            "round {round}: {:e}",
            found.certificate.duality_gap
        );
        let exact = worth(&contexts, &games, eta, &found.policies);
        assert!(
            found.certificate.value <= exact && exact <= found.certificate.value + 1e-9,
            "{} {exact}",
            found.certificate.value
        );
        for _ in 0..30 {
            let spread = 10f64.powf(-3.0 * rng.random::<f64>());
            let near = |policy: &Distribution, rng: &mut dyn Rng| {
                let logs = policy.log_probabilities().iter();
                let moved = logs.map(|log| log + spread * (rng.random::<f64>() - 0.5)).collect();
                Distribution::from_logits(moved).unwrap()
            };
            let others: Vec<Distribution> =
                found.policies.iter().map(|policy| near(policy, &mut rng)).collect();
            let other = worth(&contexts, &games, eta, &others);
            assert!(
                other <= found.certificate.value + found.certificate.duality_gap,
                "{other} beats {}",
                found.certificate.value
            );
        }
    }
}

#[test]
fn one_preference_is_its_own_equilibrium() {
    let mut rng = SeedTree::new(4).rng(Stream::Instance, 0);
    for eta in [1e-3, 1.0, 50.0, 1e4] {
        let (contexts, games) = random_case(6, 1, 2, &mut rng);
        let found = solved(&contexts, &games, eta);
        for ((context, games), policy) in contexts.iter().zip(&games).zip(&found.policies) {
            let reference = Profile::symmetric(context.reference.clone());
            let game = RegularizedGame::new(&games[0], &reference, Eta::new(eta).unwrap()).unwrap();
            let alone = Newton::default().solve(&game, &reference, &mut ()).unwrap().profile.row;
            let apart = policy.probabilities().into_iter().zip(alone.probabilities());
            let apart = apart.map(|(p, q)| (p - q).abs()).sum::<f64>();
            assert!(apart < 1e-9, "eta {eta}: {apart:e}");
        }
        assert_eq!(found.weights, [1.0]);
        assert!(found.certificate.value > -1e-10);
    }
}

#[test]
fn order_and_copies_do_not_matter_and_more_preferences_cost() {
    let mut rng = SeedTree::new(5).rng(Stream::Instance, 0);
    let (contexts, games) = random_case(5, 6, 2, &mut rng);
    let plain = solved(&contexts, &games, 8.0);
    let each =
        |f: &dyn Fn(&Vec<DenseGame>) -> Vec<DenseGame>| games.iter().map(f).collect::<Vec<_>>();
    let same = |games: &[Vec<DenseGame>]| {
        let other = solved(&contexts, games, 8.0);
        assert!((other.certificate.value - plain.certificate.value).abs() < 1e-9);
        for (one, two) in other.policies.iter().zip(&plain.policies) {
            let apart = one.probabilities().into_iter().zip(two.probabilities());
            assert!(apart.map(|(p, q)| (p - q).abs()).sum::<f64>() < 1e-6);
        }
    };
    same(&each(&|games| games.iter().rev().cloned().collect()));
    same(&each(&|games| games.iter().chain(games).cloned().collect()));
    let fewer = solved(&contexts, &each(&|games| games[..3].to_vec()), 8.0);
    assert!(fewer.certificate.value >= plain.certificate.value - 1e-10);
    // One preference holds everywhere, so that contexts by themselves fear more.
    let apart: f64 = (0..2)
        .map(|at| {
            let found = solved(&contexts[at..=at], &games[at..=at], 8.0);
            found.certificate.value
        })
        .sum();
    assert!(apart <= plain.certificate.value + 1e-9, "{apart} and {}", plain.certificate.value);
    let by_context: f64 = contexts
        .iter()
        .zip(plain.certificate.shortfalls.by_context())
        .map(|(context, lost)| context.weight * lost)
        .sum();
    assert!(plain.certificate.shortfalls.mean() <= by_context + 1e-12);
}

#[test]
fn edges() {
    let mut rng = SeedTree::new(6).rng(Stream::Instance, 0);
    // Extremes of eta, of priors, of sizes.
    for (eta, tolerance) in [(1e-3, 1e-9), (1e3, 1e-9), (1e5, 1e-8), (1e7, 1e-6)] {
        for members in [2, 9] {
            let (contexts, games) = random_case(5, members, 1, &mut rng);
            let found = solved(&contexts, &games, eta);
            assert!(
                found.certificate.duality_gap <= tolerance,
                "eta {eta}: {:e}",
                found.certificate.duality_gap
            );
        }
    }
    let (_, games) = random_case(4, 5, 1, &mut rng);
    let tiny = Distribution::from_log_probabilities(vec![0.0, -690.0, -50.0, f64::NEG_INFINITY]);
    for eta in [1.0, 100.0] {
        let found = solved(&one(tiny.clone().unwrap()), &games, eta);
        assert!(found.certificate.duality_gap < 1e-9, "{:e}", found.certificate.duality_gap);
        assert!(found.policies[0].log_probabilities()[3] == f64::NEG_INFINITY);
    }
    // Beyond the support of the reference, and a context that does not count.
    let contexts = [
        Context { weight: 0.0, reference: tiny.clone().unwrap() },
        Context { weight: 1.0, reference: Distribution::uniform(4) },
    ];
    let payoff = |_: usize, r: usize| games[0][r].clone();
    let game = VersionSpaceGame::new(&contexts, 5, &payoff, Eta::new(2.0).unwrap()).unwrap();
    let even = Distribution::uniform(4);
    let certified = game.certify(&[0.2; 5], &[even.clone(), even.clone()]).unwrap();
    assert!(certified.duality_gap.is_finite() && certified.by_context[0].duality_gap.is_infinite());
    let turned = [contexts[1].clone(), Context { weight: 1.0, ..contexts[0].clone() }];
    let game = VersionSpaceGame::new(&turned, 5, &payoff, Eta::new(2.0).unwrap()).unwrap();
    let certified = game.certify(&[0.2; 5], &[even.clone(), even]).unwrap();
    assert!(certified.duality_gap.is_infinite() && certified.value == f64::NEG_INFINITY);
    let (contexts, games) = random_case(1, 3, 2, &mut rng);
    let alone = solved(&contexts, &games, 10.0);
    assert!(alone.certificate.value == 0.0 && alone.status == Status::Converged);

    let game = |_, _| games[0][0].clone();
    let none = VersionSpaceGame::new(&[], 1, &game, Eta::new(1.0).unwrap());
    assert_eq!(none.err().unwrap(), VersionSpaceError::Empty { contexts: 0, preferences: 1 });
    let wrong = Context { weight: f64::NAN, reference: Distribution::uniform(1) };
    let wrong = [wrong];
    let nan = VersionSpaceGame::new(&wrong, 1, &game, Eta::new(1.0).unwrap());
    assert!(matches!(nan.err().unwrap(), VersionSpaceError::Weight { context: 0, .. }));
    let two = [Context { weight: 1.0, reference: Distribution::uniform(2) }];
    let shape = VersionSpaceGame::new(&two, 1, &game, Eta::new(1.0).unwrap());
    let shape = shape.unwrap().solve(0, 1e-10).unwrap_err();
    assert_eq!(shape, VersionSpaceError::Shape { context: 0, required: 2, nrows: 1, ncols: 1 });
}
