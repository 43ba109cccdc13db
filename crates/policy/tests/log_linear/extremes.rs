//! Bases, weights, features and settings near the ends of what a number can be.

use crate::instances::{By, Fixed, class, drawn, fit, menus, precise, targets};
use nlhf_core::{
    Distribution, FeatureMap, FitStatus, Menu, ParametrizedPolicy, PromptId, ResponseId, Target,
    Weight,
};
use nlhf_policy::{LogLinearClass, LogLinearConfig};
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
