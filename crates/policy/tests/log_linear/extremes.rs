//! Bases, weights, features and settings near the ends of what a number can be.

use crate::instances::{By, Drawn, Fixed, class, drawn, fit, mean_kl, menus, precise, targets};
use nlhf_core::{
    Distribution, FeatureMap, FitStatus, Menu, ParametrizedPolicy, Policy, ProjectionError,
    PromptId, ResponseId, Target, UniformPolicy, Weight,
};
use nlhf_policy::{
    LogLinearClass, LogLinearConfig, LogLinearError, LogLinearParameters, LogLinearPolicy,
};
use std::sync::Arc;

/// The number of the response, times a scale.
fn ladder(scale: f64) -> Arc<dyn FeatureMap> {
    Arc::new(By(1, move |_, a, out: &mut [f64]| out[0] = scale * a as f64))
}

#[test]
fn where_the_base_is_saturated_the_search_moves_all_the_same() {
    let responses = [ResponseId::new(0), ResponseId::new(1)];
    let menu = Menu::new(PromptId::new(0), &responses).unwrap();
    let distribution = Distribution::from_masses(&[0.4, 0.6]).unwrap();
    let target = [Target { menu, distribution, weight: Weight::ONE }];
    for (log_odds, scale) in [(400.0, 1.0), (690.0, 1.0), (-690.0, 1e3), (690.0, 1e-2)] {
        let base = Arc::new(Fixed(vec![0.0, -log_odds]));
        let config = LogLinearConfig::default().with_max_norm(1e5);
        let found = fit(&LogLinearClass::new(ladder(scale), base, config).unwrap(), &target);
        assert_eq!(found.status, FitStatus::Converged, "{log_odds} {scale} {found:?}");
        assert!(found.kl_nats <= 1e-10 && found.iterations < 30, "{log_odds} {scale} {found:?}");
    }
}

#[test]
fn weights_may_span_all_numbers() {
    let menus = menus(512, 8);
    let mut targets = targets(&menus, 3);
    let class = class(drawn(1, 5), precise());
    for target in &mut targets {
        target.weight = Weight::new(1e300).unwrap();
    }
    let heavy = fit(&class, &targets[256..]);
    for light in [1e-300, 1e-8] {
        for target in &mut targets[..256] {
            target.weight = Weight::new(light).unwrap();
        }
        let found = fit(&class, &targets);
        assert_eq!(found.status, FitStatus::Converged, "{light} {found:?}");
        let (a, b) = (found.policy.parameters()[0], heavy.policy.parameters()[0]);
        assert!((a - b).abs() < 1e-8, "{light} {a} {b}");
    }
}

#[test]
fn a_few_targets_that_carry_most_of_the_weight_are_seen() {
    let menus = menus(4000, 8);
    let mut targets = targets(&menus, 3);
    let class = class(drawn(16, 5), LogLinearConfig::default());
    for weight in [1e3, 1e5, 1e8] {
        targets[2000].weight = Weight::new(weight).unwrap();
        let found = fit(&class, &targets);
        assert_eq!(found.status, FitStatus::Converged, "{weight} {found:?}");
        assert!(found.iterations <= 5, "{weight} {found:?}");
    }
}

#[test]
fn far_from_the_origin_what_is_certified_is_what_is_played() {
    let menus = menus(20, 4);
    let targets = targets(&menus, 3);
    let shifted = |by: f64| {
        By(1, move |x, a, out: &mut [f64]| {
            out[0] = by + (8.0 * ((3 * x + 5 * a) as f64).sin()).round();
        })
    };
    for by in [0.0, 1e9, 1e14] {
        let found = fit(&class(Arc::new(shifted(by)), LogLinearConfig::default()), &targets);
        let played = mean_kl(&targets, &found.policy);
        assert!((found.kl_nats - played).abs() < 1e-14, "{by} {played} {found:?}");
        // Slopes neither lose digits.
        let mut gradient = [0.0];
        for target in &targets {
            let c: Vec<f64> = target.distribution.probabilities();
            let c: Vec<f64> = c.iter().map(|t| t * target.weight.get()).collect();
            found.policy.add_log_probability_gradient(target.menu, &c, &mut gradient);
        }
        assert!(gradient[0].abs() < 1e-3, "{by} {gradient:?}");
    }
}

#[test]
fn scores_beyond_numbers_keep_their_order() {
    let menus = menus(1, 3);
    let play = |temperature: f64, weight: f64, scale: f64| {
        let parameters = LogLinearParameters::new(vec![weight], temperature).unwrap();
        let policy =
            LogLinearPolicy::new(parameters, ladder(scale), Arc::new(UniformPolicy)).unwrap();
        policy.distribution(menus.get(0)).probabilities()
    };
    for temperature in [1e-290, 1e-305, 1e-320] {
        assert_eq!(play(temperature, 1.0, 1.0), [0.0, 0.0, 1.0]);
        assert_eq!(play(temperature, -1e100, 1e300), [1.0, 0.0, 0.0]);
    }
    let read = |weight: f64| LogLinearParameters::new(vec![weight], 1.0);
    for weight in [1e101, -1e308, f64::NAN] {
        assert!(matches!(read(weight), Err(LogLinearError::Weight { index: 0, .. })), "{weight}");
    }
    let policy =
        LogLinearPolicy::new(read(0.0).unwrap(), ladder(1.0), Arc::new(UniformPolicy)).unwrap();
    assert_eq!(policy.with_parameters(vec![f64::INFINITY]).parameters(), [1e100]);
}

#[test]
fn a_warm_start_beyond_numbers_is_none() {
    let menus = menus(4, 3);
    let targets = targets(&menus, 1);
    let class = class(ladder(1.0), LogLinearConfig::default());
    let parameters = LogLinearParameters::new(vec![1.0], 1e-320).unwrap();
    let warm = LogLinearPolicy::new(parameters, ladder(1.0), Arc::new(UniformPolicy)).unwrap();
    let found = class.fit(&targets, Some(&warm)).unwrap();
    assert_eq!(found.policy.parameters(), fit(&class, &targets).policy.parameters());
    // Where nothing is wanted all members are as near.
    let mild = warm.with_temperature(2.0).unwrap();
    let found = class.fit(&[], Some(&mild)).unwrap();
    assert_eq!(found.policy.parameters(), [0.5]);
}

#[test]
fn a_ball_that_binds_is_said_to_from_the_first_step_on() {
    let menus = menus(20, 4);
    let targets = targets(&menus, 2);
    let class = class(drawn(1, 1), LogLinearConfig::default().with_max_norm(0.1));
    let cold = fit(&class, &targets);
    let warm = class.fit(&targets, Some(&cold.policy)).unwrap();
    assert!(cold.ball_binds && warm.ball_binds && warm.iterations == 0, "{cold:?} {warm:?}");
}

#[test]
fn features_may_be_of_any_size() {
    let menus = menus(20, 4);
    let targets = targets(&menus, 2);
    let fitted = |scale: f64, radius: f64| {
        let features = By(2, move |x, a, out: &mut [f64]| {
            let angle = (1 + 5 * x + a) as f64;
            (out[0], out[1]) = (scale * angle.sin(), (2.0 * angle).sin());
        });
        let config = LogLinearConfig::default().with_max_norm(radius);
        fit(&class(Arc::new(features), config), &targets)
    };
    let (both, second) = (fitted(1.0, 1e3).kl_nats, fitted(0.0, 1e3).kl_nats);
    for scale in [1e-170, 1e-160, 1e-155, 1e-100, 1e-10, 1e10, 1e100, 1e153, 5e153] {
        for radius in [1e3, 1e100] {
            let found = fitted(scale, radius);
            assert_eq!(found.status, FitStatus::Converged, "{scale} {radius} {found:?}");
            // Small features matter where weights may be large.
            let known = if scale * radius < 0.5 { second } else { both };
            assert!((found.kl_nats - known).abs() < 1e-6, "{scale} {radius} {known} {found:?}");
        }
    }
    let features = By(1, |_, a, out: &mut [f64]| out[0] = 1e201 * a as f64);
    let refused = class(Arc::new(features), LogLinearConfig::default()).fit(&targets, None);
    let Err(ProjectionError::Class { source }) = refused else { panic!("{refused:?}") };
    assert!(source.to_string().contains("within 1e200"), "{source}");
}

#[test]
fn a_ball_that_binds_is_certified_whatever_the_scales() {
    let menus = menus(3, 5);
    let base = Arc::new(Fixed(vec![0.0, -690.0, 0.0, 0.0, -30.0]));
    for seed in 0..40 {
        let targets = targets(&menus, seed);
        for (scales, radius) in
            [([7e3, 1e-3, 0.2], 1e4), ([1.0, 1e-3, 90.0], 30.0), ([1e-3, 1e-4, 0.2], 1e5)]
        {
            let features = Arc::new(Drawn { scales: scales.to_vec(), seed, end: 9 });
            let config = LogLinearConfig::default().with_max_norm(radius);
            let class = LogLinearClass::new(features, Arc::clone(&base) as _, config).unwrap();
            let found = fit(&class, &targets);
            assert!(found.excess_nats <= 1e-9, "{seed} {scales:?} {found:?}");
        }
    }
}
