//! Nash regression: the losses of pairs, and the fit whose fixed point is the equilibrium inside the class.

use crate::world::{World, rng, total_variation};
use nlhf_core::{Eta, Label, Policy, SeedTree, Weight};
use nlhf_nash::in_class::{
    AdvantagePair, ClassSelfPlay, InClassError, InClassStatus, JudgedPair, NashRegressionFit,
    RegressionPairs, RegressionRound, nash_preference_regression, nash_regression,
};
use std::ops::ControlFlow;

const PRECISE: NashRegressionFit = NashRegressionFit {
    max_rounds: 3000,
    damping: None,
    residual_nats: 1e-9,
    pairs: RegressionPairs::Expected,
};

fn pairs() -> Vec<AdvantagePair> {
    let pair = |log_policy, log_reference, advantages, weight| AdvantagePair {
        log_policy,
        log_reference,
        advantages,
        weight: Weight::new(weight).unwrap(),
    };
    vec![
        pair([-1.0, -2.0], [-1.5, -1.2], [0.2, -0.1], 1.0),
        pair([-3.0, -0.5], [-2.0, -0.7], [0.0, 0.4], 2.5),
        pair([-30.0, -400.5], [-20.0, -700.7], [0.1, 0.4], 0.0),
    ]
}

#[test]
fn losses_are_as_computed_by_hand_and_slopes_are_their_differences() {
    let (eta, pairs) = (Eta::new(2.0).unwrap(), pairs());
    let found = nash_regression(&pairs, eta);
    // h = 0.5 + 0.8 and −1 − 0.2, targets 0.6 and −0.8.
    let wanted = (0.7_f64.powi(2) + 2.5 * 0.4_f64.powi(2)) / 3.5;
    assert!((found.loss - wanted).abs() < 1e-14, "{found:?}");
    let judged = |pairs: &[AdvantagePair]| -> Vec<JudgedPair> {
        let labels = [1.0, 0.25, 0.5].map(|label| Label::new(label).unwrap());
        let pairs = pairs.iter().zip(labels);
        let judged = pairs.map(|(pair, label)| JudgedPair {
            log_policy: pair.log_policy,
            log_reference: pair.log_reference,
            label,
            weight: pair.weight,
        });
        judged.collect()
    };
    let preferred = nash_preference_regression(&judged(&pairs), eta);
    let second = 0.25 * 2.2_f64.powi(2) + 0.75 * 0.2_f64.powi(2);
    assert!((preferred.loss - (0.3_f64.powi(2) + 2.5 * second) / 3.5).abs() < 1e-14);
    for at in 0..3 {
        for (response, sign) in [(0, 1.0), (1, -1.0)] {
            let losses = [1e-5, -1e-5].map(|step| {
                let mut pairs = pairs.clone();
                pairs[at].log_policy[response] += step;
                let direct = nash_regression(&pairs, eta).loss;
                (direct, nash_preference_regression(&judged(&pairs), eta).loss)
            });
            let [(up, up_judged), (down, down_judged)] = losses;
            assert!(((up - down) / 2e-5 - sign * found.slopes[at]).abs() < 1e-8);
            assert!(((up_judged - down_judged) / 2e-5 - sign * preferred.slopes[at]).abs() < 1e-8);
        }
    }
    assert!(nash_regression(&[], eta).loss == 0.0);
    let none: Vec<_> =
        pairs.iter().map(|pair| AdvantagePair { weight: Weight::ZERO, ..*pair }).collect();
    assert_eq!(nash_regression(&none, eta).slopes, [0.0; 3]);
}

#[test]
fn judgements_of_pairs_from_the_policy_have_the_direct_gradient_in_expectation() {
    // All pairs and both labels with their probabilities, at a policy that is far from the opponent that pairs come from.
    let world = World::random(3.0, 1, 4, &mut rng(400));
    let class = world.spanning();
    let opponent = class.at(&[0.5, -0.4, 0.8]).distribution(world.menu(0)).probabilities();
    let logs = class.at(&[-1.0, 0.3, 0.1]).distribution(world.menu(0));
    let (logs, reference) = (logs.log_probabilities(), &world.references[0].row);
    let preference = |a: usize, b: usize| 0.5 + world.payoffs[0].get(a, b);
    let advantage =
        |a: usize| -> f64 { (0..4).map(|b| (preference(a, b) - 0.5) * opponent[b]).sum() };
    let (mut direct, mut judged, mut places) = (Vec::new(), Vec::new(), Vec::new());
    for a in 0..4 {
        for b in 0..4 {
            let weight = Weight::new(opponent[a] * opponent[b]).unwrap();
            let (log_policy, log_reference) = ([logs[a], logs[b]], {
                let reference = reference.log_probabilities();
                [reference[a], reference[b]]
            });
            let advantages = [advantage(a), advantage(b)];
            direct.push(AdvantagePair { log_policy, log_reference, advantages, weight });
            // The mean over labels is the loss of the soft label.
            let label = Label::new(preference(a, b)).unwrap();
            judged.push(JudgedPair { log_policy, log_reference, label, weight });
            places.push([a, b]);
        }
    }
    let by_response = |slopes: &[f64]| {
        let mut gradient = [0.0; 4];
        for ([a, b], slope) in places.iter().zip(slopes) {
            gradient[*a] += slope;
            gradient[*b] -= slope;
        }
        gradient
    };
    let direct = by_response(&nash_regression(&direct, world.eta).slopes);
    let judged = by_response(&nash_preference_regression(&judged, world.eta).slopes);
    for (direct, judged) in direct.iter().zip(judged) {
        assert!((direct - judged).abs() < 1e-14 && direct.abs() > 1e-3, "{direct} {judged}");
    }
}

#[test]
fn features_that_span_the_simplex_give_the_equilibrium() {
    for (unit, eta) in [(0, 0.01), (1, 3.0), (2, 10.0)] {
        let world = World::random(eta, 3, 4, &mut rng(410 + unit));
        let class = world.spanning();
        let found = PRECISE.fit(&world.games(), class.base(), &mut ()).unwrap();
        assert_eq!(found.status, InClassStatus::Stationary, "eta {eta}");
        for (prompt, wanted) in found.prompts.iter().zip(world.equilibria()) {
            assert!(total_variation(&prompt.policy, &wanted) < 1e-8, "eta {eta}");
        }
    }
}

#[test]
fn its_fixed_point_is_the_equilibrium_inside_the_class() {
    let rng = &mut rng(420);
    let mut world = World::random(6.0, 5, 5, rng);
    world.weights[0] = Weight::new(4.0).unwrap();
    world.weights[1] = Weight::ZERO;
    let class = world.shared(3, rng);
    let games = world.games();
    let regressed = PRECISE.fit(&games, class.base(), &mut ()).unwrap();
    let played = ClassSelfPlay { max_iterations: 5000, residual_nats: 1e-10 };
    let played = played.solve_parametrized(&games, class.base(), &mut ()).unwrap();
    assert_eq!(regressed.status, InClassStatus::Stationary);
    for (regressed, played) in regressed.prompts.iter().zip(&played.prompts) {
        assert!(total_variation(&regressed.policy, &played.policy) < 1e-7);
    }
    assert!(regressed.mean_shortfall > 1e-3);
}

#[test]
fn sampled_pairs_come_near_and_are_reproducible() {
    let rng = &mut rng(430);
    let world = World::random(4.0, 20, 5, rng);
    let class = world.shared(2, rng);
    let games = world.games();
    let exact = PRECISE.fit(&games, class.base(), &mut ()).unwrap();
    let pairs = |seed| RegressionPairs::Sampled {
        pairs: 200,
        opponents: Some(200),
        seeds: SeedTree::new(seed),
    };
    let fit = |seed| {
        let fit = NashRegressionFit { max_rounds: 60, damping: Some(0.1), ..PRECISE };
        NashRegressionFit { pairs: pairs(seed), ..fit }.fit(&games, class.base(), &mut ()).unwrap()
    };
    let found = fit(1);
    assert_eq!((found.status, found.iterations), (InClassStatus::Budget, 60));
    assert_eq!(found, fit(1));
    assert_ne!(found.policy, fit(2).policy);
    let far = |theta: &[f64]| {
        let apart = theta.iter().zip(&exact.policy.theta).map(|(x, y)| (x - y) * (x - y));
        apart.sum::<f64>().sqrt()
    };
    assert!(far(&found.policy.theta) < 0.2 * far(&[0.0, 0.0]));
}

#[test]
fn without_damping_it_may_circle_and_it_stops_when_asked() {
    // A strong circle: best responses go round for ever, damped ones do not.
    let world = World::new(
        10.0,
        vec![nlhf_core::DenseGame::skew_from_upper(3, |i, j| if j == i + 1 { 0.4 } else { -0.4 })],
        vec![nlhf_core::Distribution::from_masses(&[0.5, 0.2, 0.3]).unwrap()],
    );
    let class = world.spanning();
    let games = world.games();
    let undamped = NashRegressionFit { damping: Some(1.0), max_rounds: 200, ..PRECISE };
    let found = undamped.fit(&games, class.base(), &mut ()).unwrap();
    assert!(found.status == InClassStatus::Budget && found.residual_nats > 0.1);
    let damped = NashRegressionFit { residual_nats: 1e-3, max_rounds: 9000, ..PRECISE };
    let found = damped.fit(&games, class.base(), &mut ()).unwrap();
    assert_eq!(found.status, InClassStatus::Stationary);

    let mut stop = |_: &RegressionRound| ControlFlow::Break(());
    let found = PRECISE.fit(&games, class.base(), &mut stop).unwrap();
    assert_eq!((found.status, found.iterations), (InClassStatus::Stopped, 1));
}

#[test]
fn weights_of_any_size_count_by_their_shares() {
    let eta = Eta::new(2.0).unwrap();
    let weighing = |factor: f64| {
        let mut pairs = pairs();
        for pair in &mut pairs {
            pair.weight = Weight::new(factor * pair.weight.get()).unwrap();
        }
        nash_regression(&pairs, eta)
    };
    let wanted = weighing(1.0);
    for factor in [7e307, 1e-300] {
        let found = weighing(factor);
        assert!((found.loss - wanted.loss).abs() < 1e-14, "{found:?}");
        assert!((found.slopes[1] - wanted.slopes[1]).abs() < 1e-14, "{found:?}");
    }
    assert!(weighing(0.0).loss.abs() < 1e-300);
}

#[test]
fn settings_out_of_range_are_refused_by_name() {
    let world = World::random(4.0, 1, 3, &mut rng(440));
    let (class, games) = (world.spanning(), world.games());
    let sampled = |pairs, opponents| {
        let pairs = RegressionPairs::Sampled { pairs, opponents, seeds: SeedTree::new(0) };
        NashRegressionFit { pairs, ..PRECISE }
    };
    let damped = |damping| NashRegressionFit { damping: Some(damping), ..PRECISE };
    let until = |residual_nats| NashRegressionFit { residual_nats, ..PRECISE };
    for (fit, named) in [
        (sampled(0, None), "pairs must be at least 1, but is 0"),
        (sampled(1, Some(0)), "opponents must be at least 1, but is 0"),
        (damped(0.0), "damping must be above 0 and at most 1, but is 0"),
        (damped(-0.5), "but is -0.5"),
        (damped(1.5), "but is 1.5"),
        (damped(f64::NAN), "damping must be above 0 and at most 1, but is NaN"),
        (until(-1.0), "residual_nats must be at least 0, but is -1"),
        (until(f64::NAN), "residual_nats must be at least 0, but is NaN"),
    ] {
        let error = fit.fit(&games, class.base(), &mut ()).unwrap_err();
        assert!(matches!(error, InClassError::Setting { .. }), "{error}");
        assert!(error.to_string().contains(named), "{error}");
    }
}
