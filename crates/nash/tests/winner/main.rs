//! The maximal-entropy winner against linear programming, closed forms, and the limit of Newton.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod games;
mod lp;

use games::{GENERAL, SKEW, draw};
use nlhf_core::{
    DenseGame, Distribution, Eta, NashSolver, Profile, RegularizedGame, SeedTree, Status, Stream,
    ZeroSumGame, exploitability,
};
use nlhf_nash::{Face, MaximalEntropyWinner, Newton, Winner};

fn winner(payoff: &DenseGame, reference: &Profile) -> Winner {
    let game = RegularizedGame::new(payoff, reference, Eta::new(1.0).unwrap()).unwrap();
    MaximalEntropyWinner::default().solve(&game).unwrap()
}

/// The checks that need no other solver.
fn assert_proved(payoff: &DenseGame, reference: &Profile, what: &str) -> Winner {
    let found = winner(payoff, reference);
    assert_eq!(found.status, Status::Converged, "{what}: {found:?}");
    let gap = found.exploitability;
    assert!(gap <= 1e-12 * payoff.payoff_bound(), "{what}: {gap:e}");
    for (face, policy, prior) in [
        (&found.row, &found.profile.row, &reference.row),
        (&found.column, &found.profile.column, &reference.column),
    ] {
        let logs = policy.log_probabilities();
        let played: Vec<usize> = (0..logs.len()).filter(|&a| logs[a].is_finite()).collect();
        assert_eq!(played, face.support, "{what}: the support is what is played");
        assert!(played.iter().all(|&a| prior.log_probabilities()[a].is_finite()), "{what}");
        assert!(face.tied.iter().all(|a| !played.contains(a)), "{what}");
    }
    if payoff.is_skew() && reference.row == reference.column {
        assert_eq!(found.profile.row, found.profile.column, "{what}: one policy for both");
        assert!(found.value.abs() <= 1e-12 * payoff.payoff_bound(), "{what}: {}", found.value);
    }
    found
}

#[test]
fn every_family_is_solved_and_proved() {
    for (unit, family) in (0..).zip(SKEW.into_iter().chain(GENERAL)) {
        let mut rng = SeedTree::new(21).rng(Stream::Instance, unit);
        for repeat in 0..60 {
            let (payoff, reference) = draw(family, 14, &mut rng);
            let _ = assert_proved(&payoff, &reference, &format!("{family}, game {repeat}"));
        }
    }
}

/// `Σ (e − p) log(p / π₀) ≥ 0` for every other equilibrium `e`: no way leads nearer to the reference.
fn assert_nearest(policy: &Distribution, prior: &Distribution, other: &[f64], what: &str) {
    let (p, r) = (policy.log_probabilities(), prior.log_probabilities());
    let along: f64 = (0..p.len())
        .filter(|&a| p[a].is_finite())
        .map(|a| (other[a] - p[a].exp()) * (p[a] - r[a]))
        .sum();
    let size: f64 =
        p.iter().zip(r).filter(|(p, _)| p.is_finite()).map(|(p, r)| (p - r).abs()).sum();
    // The programme's points are equilibria to its tolerance of 1e-9 only, times their condition.
    assert!(along >= -1e-5 * (1.0 + size), "{what}: {along:e} of {size:e}");
}

#[test]
fn value_support_and_entropy_are_those_of_linear_programming() {
    let (mut checked, mut many) = (0, 0);
    for (unit, family) in (50..).zip(SKEW.into_iter().chain(GENERAL)) {
        let mut rng = SeedTree::new(22).rng(Stream::Instance, unit);
        for repeat in 0..12_usize {
            let (payoff, _) = draw(family, 7, &mut rng);
            let (n, m) = (payoff.nrows(), payoff.ncols());
            let spread = [1.0, 10.0, 300.0][repeat % 3];
            let prior = |n: usize, shift: f64| {
                let logits = (0..n).map(|a| spread * (a as f64 + shift).sin()).collect();
                Distribution::from_logits(logits).unwrap()
            };
            let shift = repeat as f64;
            let row = prior(n, shift);
            let column = if payoff.is_skew() { row.clone() } else { prior(m, shift + 1.0) };
            let reference = Profile { row, column };
            let what = format!("{family}, game {repeat}");
            let found = assert_proved(&payoff, &reference, &what);
            let [rows, columns] = lp::of(&payoff, n, m);
            assert!((found.value - rows.value).abs() < 1e-8, "{what}: the value");
            assert!((found.value + columns.value).abs() < 1e-8, "{what}: the value");
            for (face, all, policy, prior) in [
                (&found.row, &rows, &found.profile.row, &reference.row),
                (&found.column, &columns, &found.profile.column, &reference.column),
            ] {
                let largest = all.largest();
                let played: Vec<usize> =
                    (0..largest.len()).filter(|&a| largest[a] > 1e-6).collect();
                assert_eq!(played, face.support, "{what}: {largest:?}");
                many += usize::from(all.most.iter().any(|e| {
                    e.iter().zip(&all.most[played[0]]).any(|(x, y)| (x - y).abs() > 1e-3)
                }));
                for &a in &played {
                    assert_nearest(policy, prior, &all.most[a], &what);
                }
                checked += 1;
            }
        }
    }
    assert!(checked > 300 && many > 60, "{many} of {checked} with several equilibria");
}

fn probabilities(winner: &Winner) -> Vec<f64> {
    winner.profile.row.probabilities()
}

fn assert_near(found: &[f64], want: &[f64]) {
    for (p, want) in found.iter().zip(want) {
        assert!((p - want).abs() < 1e-13, "{found:?} and {want:?}");
    }
}

#[test]
fn known_winners() {
    // A Condorcet winner wins alone, whatever the scores.
    let scores = [0.3, 1.1, -0.4, 0.9];
    let transitive = DenseGame::skew_from_upper(4, |i, j| scores[i] - scores[j]);
    let found = winner(&transitive, &Profile::uniform(4, 4));
    assert_eq!(
        (found.row, found.margin.map(|m| (m - 0.2).abs() < 1e-15)),
        (Face { support: vec![1], tied: vec![] }, Some(true))
    );

    // Rock, paper, scissors with stakes a, b, c is played b : c : a; what loses to all is not played.
    let stakes = DenseGame::skew_from_upper(4, |i, j| match (i, j) {
        (0, 1) => -0.1,
        (0, 2) => 0.3,
        (1, 2) => -0.2,
        _ => 0.05,
    });
    let found = winner(&stakes, &Profile::uniform(4, 4));
    assert_near(&probabilities(&found), &[1.0 / 3.0, 0.5, 1.0 / 6.0, 0.0]);
    assert!((found.margin.unwrap() - 0.05).abs() < 1e-14);

    // Ties only: the reference itself. Copies: they share the mass like the reference.
    let prior = Profile::symmetric(Distribution::from_masses(&[0.2, 0.5, 0.3]).unwrap());
    let ties = winner(&DenseGame::skew_from_upper(3, |_, _| 0.0), &prior);
    assert_near(&probabilities(&ties), &[0.2, 0.5, 0.3]);
    assert!(ties.margin.is_none());
    let copies = DenseGame::skew_from_upper(3, |_, j| if j == 2 { 0.4 } else { 0.0 });
    let found = winner(&copies, &prior);
    assert_eq!(found.row.support, [0, 1], "{found:?}");
    assert_near(&probabilities(&found), &[2.0 / 7.0, 5.0 / 7.0, 0.0]);
}

#[test]
fn a_cycle_of_four_keeps_the_products_of_the_reference() {
    // 0 beats 1 beats 2 beats 3 beats 0: every policy with p₀ = p₂ and p₁ = p₃ wins.
    let cycle = DenseGame::skew_from_upper(4, |i, j| match (i, j) {
        (0, 3) => -0.5,
        (0, 2) | (1, 3) => 0.0,
        _ => 0.5,
    });
    let prior = Profile::symmetric(Distribution::from_masses(&[0.1, 0.2, 0.4, 0.3]).unwrap());
    let found = assert_proved(&cycle, &prior, "cycle");
    let (even, odd) = (0.04_f64.sqrt(), 0.06_f64.sqrt());
    let total = 2.0 * (even + odd);
    assert_near(&probabilities(&found), &[even, odd, even, odd].map(|p| p / total));

    // A mass of 1e-300 is a mass: p₀ = p₂ = 10⁻¹⁵⁰ · √π₀(2).
    let prior = Profile::symmetric(Distribution::from_masses(&[1e-300, 0.3, 0.4, 0.3]).unwrap());
    let found = assert_proved(&cycle, &prior, "cycle with a tiny prior");
    assert_near(&probabilities(&found), &[0.0, 0.5, 0.0, 0.5]);
    let logs = found.profile.row.log_probabilities();
    let want = 0.5 * (1e-300_f64.ln() + 0.4_f64.ln()) - 0.3_f64.ln() - 2_f64.ln();
    assert!((logs[0] - want).abs() < 1e-9, "{} and {want}", logs[0]);
    // Without action 0, which the reference excludes, 2 only loses to 1 and beats 3, and 1 and 3 are
    // even: they win together as long as p₁ ≥ p₃, and at the edge of that 2 is tied.
    let prior = Profile::symmetric(Distribution::from_masses(&[0.0, 0.3, 0.4, 0.3]).unwrap());
    let found = assert_proved(&cycle, &prior, "path");
    assert_eq!(found.row, Face { support: vec![1, 3], tied: vec![2] });
    assert_near(&probabilities(&found), &[0.0, 0.5, 0.0, 0.5]);
}

#[test]
fn what_is_tied_without_being_played_is_told() {
    // The column player may mix 0 and 1 freely as long as row 1 earns no more than row 0, which is
    // p = (1, 0)'s value 0. The most even of these, (½, ½), is on the edge: row 1 earns 0 as well.
    let payoff = DenseGame::new(2, 2, vec![0.0, 0.0, 0.5, -0.5]).unwrap();
    let reference = Profile {
        row: Distribution::uniform(2),
        column: Distribution::from_masses(&[0.9, 0.1]).unwrap(),
    };
    let found = assert_proved(&payoff, &reference, "edge");
    assert_eq!(found.row, Face { support: vec![0], tied: vec![1] });
    assert_near(&found.profile.column.probabilities(), &[0.5, 0.5]);
}

#[test]
fn newtons_equilibria_come_as_near_as_one_over_eta() {
    for (unit, family) in (90..).zip(SKEW.into_iter().chain(GENERAL)) {
        let mut rng = SeedTree::new(23).rng(Stream::Instance, unit);
        for repeat in 0..8 {
            let (payoff, _) = draw(family, 8, &mut rng);
            let reference = Profile::uniform(payoff.nrows(), payoff.ncols());
            let limit = assert_proved(&payoff, &reference, family);
            let bound = payoff.payoff_bound().max(1e-3);
            let distance = |factor: f64| {
                let eta = Eta::new(factor / bound).unwrap();
                let game = RegularizedGame::new(&payoff, &reference, eta).unwrap();
                let found = Newton::default().solve(&game, &reference, &mut ()).unwrap().profile;
                let l1 = |p: &Distribution, q: &Distribution| -> f64 {
                    p.probabilities()
                        .iter()
                        .zip(q.probabilities())
                        .map(|(p, q)| (p - q).abs())
                        .sum()
                };
                l1(&found.row, &limit.profile.row) + l1(&found.column, &limit.profile.column)
            };
            // Ties add a logarithm: (log η)/η instead of 1/η.
            let (far, near) = (distance(1e6), distance(1e8));
            assert!(near <= 0.02 * far + 1e-11, "{family} game {repeat}: {far:e} then {near:e}");
        }
    }
}

#[test]
fn the_exploitability_is_the_one_of_the_profile() {
    let mut rng = SeedTree::new(24).rng(Stream::Instance, 0);
    for family in GENERAL {
        let (payoff, _) = draw(family, 9, &mut rng);
        let reference = Profile::uniform(payoff.nrows(), payoff.ncols());
        let found = winner(&payoff, &reference);
        let again = exploitability(&payoff, &found.profile);
        assert!((found.exploitability - again).abs() < 1e-15, "{family}");
    }
}

#[test]
fn what_misses_the_tolerance_is_marked_and_the_scale_does_not_matter() {
    let mut rng = SeedTree::new(25).rng(Stream::Instance, 0);
    let (mut stalled, exact) = (0, MaximalEntropyWinner { tolerance: 0.0 });
    for family in SKEW.into_iter().chain(GENERAL) {
        let (payoff, reference) = draw(family, 9, &mut rng);
        let game = RegularizedGame::new(&payoff, &reference, Eta::new(1.0).unwrap()).unwrap();
        let found = exact.solve(&game).unwrap();
        assert_eq!(found.status == Status::Converged, found.exploitability == 0.0, "{family}");
        assert!(found.exploitability <= 1e-12 * payoff.payoff_bound(), "{family}");
        stalled += usize::from(found.status == Status::Stalled);

        let found = assert_proved(&payoff, &reference, family);
        for scale in [1e-9, 1e9] {
            let scaled = payoff.map_entries(|_, _, a| scale * a).unwrap();
            let again = assert_proved(&scaled, &reference, family);
            assert_eq!((&again.row, &again.column), (&found.row, &found.column), "{family}");
        }
    }
    assert!(stalled > 3, "{stalled}");
}
