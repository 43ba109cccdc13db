//! Paths in η: every point against a cold solve, every support change against solves on both sides.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use nlhf_core::{
    DenseGame, Distribution, Eta, NashSolver, Profile, RegularizedGame, SeedTree, Status, Stream,
    ZeroSumGame,
};
use nlhf_nash::{
    EquilibriumPath, MaximalEntropyWinner, Newton, PathEnd, PathError, PathPoint, PathSettings,
    Side, SupportChange,
};
use nlhf_testkit::{cyclic_skew, random_general, random_prior};

fn eta(eta: f64) -> Eta {
    Eta::new(eta).unwrap()
}

fn settings(from: f64, to: f64) -> PathSettings {
    PathSettings::new(eta(from), PathEnd::At(eta(to)))
}

fn followed(payoff: &DenseGame, reference: &Profile, settings: &PathSettings) -> Vec<PathPoint> {
    let path = EquilibriumPath::new(payoff, reference, settings).unwrap();
    path.map(|point| point.unwrap()).collect()
}

fn cold(payoff: &DenseGame, reference: &Profile, at: f64) -> Profile {
    let game = RegularizedGame::new(payoff, reference, eta(at)).unwrap();
    Newton::default().solve(&game, reference, &mut ()).unwrap().profile
}

fn games() -> Vec<(DenseGame, Profile)> {
    let mut rng = SeedTree::new(31).rng(Stream::Instance, 0);
    let mut games = Vec::new();
    for n in [3, 6, 10, 14] {
        let skew = cyclic_skew(n, &mut rng);
        games.push((skew.clone(), Profile::uniform(n, n)));
        games.push((skew.clone(), Profile::symmetric(random_prior(n, 4.0, &mut rng))));
        let row = random_prior(n, 4.0, &mut rng);
        games.push((skew, Profile { row, column: Distribution::uniform(n) }));
        let reference = Profile { row: Distribution::uniform(n), column: Distribution::uniform(5) };
        games.push((random_general(n, 5, 0.7, &mut rng), reference));
    }
    games
}

fn log_of(profile: &Profile, change: &SupportChange) -> f64 {
    let policy = if change.side == Side::Row { &profile.row } else { &profile.column };
    policy.log_probabilities()[change.action]
}

#[test]
fn every_point_is_the_equilibrium_and_every_change_has_two_sides() {
    let mut changes = 0;
    for (payoff, reference) in games() {
        let points = followed(&payoff, &reference, &settings(0.1, 1e5));
        assert_eq!(points.len(), 31);
        for (before, point) in [None].into_iter().chain(points.iter().map(Some)).zip(&points) {
            let at = point.eta.unwrap();
            let game = RegularizedGame::new(&payoff, &reference, at).unwrap();
            let certificate = game.certify(&point.profile);
            assert_eq!(point.status, Status::Converged);
            assert!(point.duality_gap.to_bits() == certificate.duality_gap.to_bits());
            assert!(point.value.to_bits() == certificate.value.to_bits());
            let direct = cold(&payoff, &reference, at.get());
            for (p, q) in
                [(&point.profile.row, &direct.row), (&point.profile.column, &direct.column)]
            {
                for (p, q) in p.probabilities().iter().zip(q.probabilities()) {
                    assert!((p - q).abs() < 1e-9, "eta {at:?}");
                }
            }
            // The changes lead from one support to the next, and solves from cold agree with each.
            let Some(before) = before else {
                assert!(point.changes.is_empty());
                continue;
            };
            let mut supports = [before.row.support.clone(), before.column.support.clone()];
            for change in &point.changes {
                assert!(change.after >= before.eta.unwrap().get() && change.before <= at.get());
                assert!(change.before / change.after - 1.0 <= 1.001e-4, "{change:?}");
                assert!(change.after <= change.eta() && change.eta() <= change.before);
                let [low, high] = [change.after, change.before]
                    .map(|eta| log_of(&cold(&payoff, &reference, eta), change) > 1e-3_f64.ln());
                assert_eq!((low, high), (!change.enters, change.enters), "{change:?}");
                let support = &mut supports[usize::from(change.side == Side::Column)];
                if change.enters {
                    support.push(change.action);
                } else {
                    support.retain(|action| *action != change.action);
                }
                support.sort_unstable();
                changes += 1;
            }
            assert_eq!(supports[0], point.row.support);
            if !game.is_symmetric() {
                assert_eq!(supports[1], point.column.support);
            }
        }
    }
    assert!(changes > 60, "{changes} changes");
}

#[test]
fn a_change_is_where_the_closed_form_has_it() {
    // log p₁ − log p₂ = log π₁ − log π₂ + ηA₁₂, so that p₂ = θ at one η.
    let payoff = DenseGame::skew_from_upper(2, |_, _| 0.3);
    let reference = Profile::symmetric(Distribution::from_masses(&[1e-8, 1.0]).unwrap());
    let points = followed(&payoff, &reference, &settings(1.0, 1e3));
    let changes: Vec<SupportChange> = points.into_iter().flat_map(|point| point.changes).collect();
    let odds = (0.001_f64 / 0.999).ln();
    let enters = (odds - 1e-8_f64.ln()) / 0.3;
    let leaves = (-odds - 1e-8_f64.ln()) / 0.3;
    assert_eq!(changes.len(), 2, "{changes:?}");
    for (change, (action, want)) in changes.iter().zip([(0, enters), (1, leaves)]) {
        assert_eq!((change.action, change.enters), (action, action == 0));
        assert!(change.after < want && want < change.before, "{change:?} and {want}");
    }
}

#[test]
fn a_bracket_as_wide_as_the_accuracy_ends_the_search() {
    // p₂ = 0.1 at η = 2 log 9, between two points that are about as near as a change is told.
    let payoff = DenseGame::skew_from_upper(2, |_, _| 0.5);
    let reference = Profile::uniform(2, 2);
    let at = 2.0 * 9f64.ln();
    for (accuracy, width) in [
        (0.1, 0.098_f64),
        (0.1, 0.0954),
        (0.1, 0.12),
        (0.01, 0.00996),
        (1e-4, 9.9997e-5),
        (1e-4, 1e-4),
    ] {
        let (from, to) = (at * (-0.5 * width).exp(), at * (0.5 * width).exp());
        let settings =
            PathSettings { threshold: 0.1, accuracy, points: Some(2), ..settings(from, to) };
        let points = followed(&payoff, &reference, &settings);
        let changes: Vec<SupportChange> = points.into_iter().flat_map(|p| p.changes).collect();
        assert_eq!(changes.len(), 1);
        assert!(changes[0].before <= changes[0].after * (1.0 + accuracy) * (1.0 + 1e-12));
    }
    // As far apart as f64 goes.
    let far = settings(1e-300, 1e300);
    assert!(EquilibriumPath::new(&payoff, &reference, &far).is_ok());
}

#[test]
fn a_coarse_path_misses_nothing_that_a_fine_one_sees() {
    let (mut seen, mut missed) = (0, 0);
    for (payoff, reference) in games() {
        let changes = |points: usize| -> Vec<SupportChange> {
            let settings = PathSettings { points: Some(points), ..settings(0.1, 1e5) };
            let points = followed(&payoff, &reference, &settings);
            points.into_iter().flat_map(|point| point.changes).collect()
        };
        let (coarse, fine) = (changes(13), changes(601));
        for change in &fine {
            let same = |other: &&SupportChange| {
                other.action == change.action
                    && other.side == change.side
                    && other.enters == change.enters
                    && (other.eta() / change.eta() - 1.0).abs() < 3e-4
            };
            missed += usize::from(coarse.iter().find(same).is_none());
            seen += 1;
        }
        assert!(coarse.len() <= fine.len(), "nothing is made up");
    }
    assert!(seen > 60 && missed == 0, "{missed} of {seen} missed at two points a decade");
}

#[test]
fn an_endless_path_ends_in_the_winner() {
    for (payoff, reference) in games() {
        let path = PathSettings::new(eta(1.0), PathEnd::Infinity);
        let points = followed(&payoff, &reference, &path);
        let (end, before) = (points.last().unwrap(), &points[points.len() - 2]);
        let game = RegularizedGame::new(&payoff, &reference, eta(1.0)).unwrap();
        let winner = MaximalEntropyWinner::default().solve(&game).unwrap();
        assert_eq!(end.limit.as_ref().unwrap(), &winner);
        assert!(end.eta.is_none() && points[..points.len() - 1].iter().all(|p| p.eta.is_some()));
        assert_eq!((end.status, &end.profile), (Status::Converged, &winner.profile));
        assert!(end.duality_gap <= 1e-12 * payoff.payoff_bound());
        let near = before.profile.row.probabilities();
        for (p, q) in near.iter().zip(end.profile.row.probabilities()) {
            assert!((p - q).abs() < 1e-4, "{p} before {q}");
        }
        // Without the KL terms, what is nearly the winner can gain nearly nothing.
        assert!(before.exploitability < 1e-3 && before.exploitability >= 0.0);
    }
    // All payoffs equal: the reference at every η, and nothing ever changes.
    let reference = Profile::uniform(2, 3);
    let flat = DenseGame::new(2, 3, vec![0.7; 6]).unwrap();
    let path = PathSettings::new(eta(1.0), PathEnd::Infinity);
    let points = followed(&flat, &reference, &path);
    assert!(points.iter().all(|point| point.changes.is_empty() && point.row.support == [0, 1]));
    assert!((points.last().unwrap().value - 0.7).abs() < 1e-15);
}

#[test]
fn settings_out_of_range_are_named() {
    let payoff = DenseGame::skew_from_upper(3, |_, _| 0.1);
    let reference = Profile::uniform(3, 3);
    let refused = |settings: PathSettings| {
        EquilibriumPath::new(&payoff, &reference, &settings).unwrap_err().to_string()
    };
    assert!(refused(settings(2.0, 2.0)).contains("from 2 to 2"));
    let base = settings(1.0, 2.0);
    assert!(refused(PathSettings { points: Some(1), ..base }).contains("at least 2"));
    for threshold in [0.0, 1.0, f64::NAN] {
        assert!(refused(PathSettings { threshold, ..base }).contains("threshold"));
    }
    assert!(refused(PathSettings { accuracy: 0.5, ..base }).contains("accuracy"));
    assert!(refused(PathSettings { tolerance: f64::NAN, ..base }).contains("tolerance"));
    let wrong = Profile::uniform(2, 3);
    let refused = EquilibriumPath::new(&payoff, &wrong, &base);
    assert!(matches!(refused, Err(PathError::Game(_))));
}
