//! Bases, weights, features and settings near the ends of what a number can be.

use crate::instances::{By, Fixed, fit};
use nlhf_core::{Distribution, FeatureMap, FitStatus, Menu, PromptId, ResponseId, Target, Weight};
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
