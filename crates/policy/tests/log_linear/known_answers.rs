//! Projections whose result is known.

use crate::instances::{
    By, Drawn, class, distance, drawn, fit, mean_kl, menus, played, policy, precise, targets,
};
use nlhf_core::{
    Distribution, FitStatus, ParametrizedPolicy, Policy, Target, UniformPolicy, Weight,
};
use std::sync::Arc;

#[test]
fn one_feature_is_found_by_bisection_too() {
    let menus = menus(5, 4);
    let features = drawn(1, 3);
    let targets = targets(&menus, 4);
    let class = class(Arc::clone(&features) as _, precise());
    let slope = |w: f64| {
        let policy = policy(&features, vec![w]);
        let mut gradient = [0.0];
        for target in &targets {
            let t = target.distribution.probabilities();
            let c: Vec<f64> = t.iter().map(|t| -target.weight.get() * t).collect();
            policy.add_log_probability_gradient(target.menu, &c, &mut gradient);
        }
        gradient[0]
    };
    let (mut low, mut high) = (-50.0, 50.0);
    for _ in 0..100 {
        let middle = 0.5 * (low + high);
        if slope(middle) > 0.0 { high = middle } else { low = middle }
    }
    let found = fit(&class, &targets);
    assert_eq!(found.status, FitStatus::Converged);
    assert!((found.policy.parameters()[0] - low).abs() < 1e-8 * low.abs(), "{found:?} {low}");
    assert!((found.kl_nats - mean_kl(&targets, &found.policy)).abs() < 1e-14);
}

#[test]
fn indicators_of_every_cell_reproduce_the_targets() {
    let menus = menus(3, 4);
    let cells = By(12, |x, a, out: &mut [f64]| {
        out.fill(0.0);
        out[4 * x + a] = 1.0;
    });
    let targets = targets(&menus, 0);
    let found = fit(&class(Arc::new(cells), precise()), &targets);
    // Masses of e^−30 take weights whose scores are rounded to more than the tolerance.
    assert!(found.excess_nats < 1e-11, "{found:?}");
    for target in &targets {
        let kl = target.distribution.kl_nats(&found.policy.distribution(target.menu));
        assert!(kl < 1e-15, "{kl:e}");
    }
}

#[test]
fn what_a_member_plays_is_projected_onto_it() {
    // Over as many prompts as need a sample.
    for (n, scale) in [(3_u32, 1.0), (700, 1.0), (20, 1e6), (20, 1e-6)] {
        let menus = menus(n, 4);
        let features = Arc::new(Drawn { scales: vec![scale; 3], seed: 8, end: 9 });
        let config = precise().with_max_norm(1e3 / scale.min(1.0));
        let class = class(Arc::clone(&features) as _, config);
        let weights = [1.5, -0.7, 3.0].map(|w| w / scale).to_vec();
        let truth = policy(&features, weights);
        let targets = played(&menus, &truth);
        let found = fit(&class, &targets);
        assert_eq!(found.status, FitStatus::Converged, "{scale} {found:?}");
        assert!(distance(&targets, &found.policy, &truth) < 1e-9, "{scale} {found:?}");
        // From itself it does not move.
        let again = class.fit(&played(&menus, &found.policy), Some(&found.policy)).unwrap();
        assert!(distance(&targets, &again.policy, &found.policy) < 1e-15, "{again:?}");
    }
}

#[test]
fn scales_of_features_may_differ_by_twelve_digits() {
    let menus = menus(30, 4);
    let features = Arc::new(Drawn { scales: vec![1e6, 1.0, 1e-6], seed: 8, end: 9 });
    let class = class(Arc::clone(&features) as _, precise().with_max_norm(1e7));
    let truth = policy(&features, vec![1e-6, -1.0, 2e6]);
    let targets = played(&menus, &truth);
    let found = fit(&class, &targets);
    assert!(distance(&targets, &found.policy, &truth) < 1e-8, "{found:?}");
    assert_eq!(found.status, FitStatus::Converged, "{found:?}");
}

#[test]
fn a_small_ball_binds() {
    let menus = menus(30, 4);
    let targets = targets(&menus, 2);
    let free = fit(&class(drawn(4, 1), precise()), &targets);
    assert!(!free.ball_binds && free.norm > 0.5, "{free:?}");
    let held =
        fit(&class(drawn(4, 1), precise().with_tolerance_nats(1e-15).with_max_norm(0.3)), &targets);
    assert!(held.ball_binds && held.norm <= 0.3 && held.norm > 0.3 - 1e-9, "{held:?}");
    assert_eq!(held.status, FitStatus::Converged, "{held:?}");
    assert!(held.kl_nats > free.kl_nats);
    // No member on the sphere near by is nearer.
    for k in 0..4 {
        for turn in [1e-3, -1e-3] {
            let mut weights = held.policy.parameters().to_vec();
            weights[k] += turn;
            let norm = weights.iter().map(|w| w * w).sum::<f64>().sqrt();
            let other = weights.iter().map(|w| 0.3 * w / norm).collect();
            let kl = mean_kl(&targets, &held.policy.with_parameters(other));
            assert!(kl >= held.kl_nats, "{k} {turn}");
        }
    }
}

#[test]
fn several_targets_of_a_prompt_add_up() {
    let menus = menus(1, 3);
    let target = |masses: &[f64], weight: f64| Target {
        menu: menus.get(0),
        distribution: Distribution::from_masses(masses).unwrap(),
        weight: Weight::new(weight).unwrap(),
    };
    let class = class(drawn(1, 2), precise());
    let both = fit(&class, &[target(&[1.0, 0.0, 0.0], 3.0), target(&[0.0, 0.0, 1.0], 1.0)]);
    let mean = fit(&class, &[target(&[0.75, 0.0, 0.25], 1.0)]);
    let (a, b) = (both.policy.parameters()[0], mean.policy.parameters()[0]);
    assert!((a - b).abs() < 1e-8, "{a} {b}");
}

#[test]
fn temperature_is_that_of_the_projection_until_it_is_changed() {
    let menus = menus(10, 4);
    let targets = targets(&menus, 3);
    let cold = fit(&class(drawn(2, 1), precise()), &targets);
    let warm = fit(&class(drawn(2, 1), precise().with_temperature(4.0)), &targets);
    for (c, w) in cold.policy.parameters().iter().zip(warm.policy.parameters()) {
        assert!((4.0 * c - w).abs() < 1e-7, "{cold:?} {warm:?}");
    }
    let replayed = warm.policy.clone().with_temperature(1e6).unwrap();
    let uniform = distance(&targets, &replayed, &UniformPolicy);
    assert!(uniform < 1e-4, "{uniform}");
    assert!(warm.policy.with_temperature(0.0).is_err());
}
