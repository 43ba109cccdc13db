//! What holds for all targets.

use crate::instances::{Drawn, Fixed, class, drawn, fit, mean_kl, menus, precise, targets};
use nlhf_core::{ParametrizedPolicy, Policy, SeedTree, Stream};
use nlhf_policy::{LogLinearConfig, LogLinearFit, LogLinearParameters, LogLinearPolicy};
use nlhf_testkit::{check_policy_class, check_policy_sampling};
use proptest::prelude::*;
use rand::RngExt;
use rayon::ThreadPoolBuilder;
use std::sync::Arc;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_class_keeps_the_laws(seed in any::<u64>(), n in 1_u32..6, k in 1_u32..5, dim in 1_usize..4) {
        let menus = menus(n, k);
        let class = class(drawn(dim, seed), precise());
        check_policy_class(&class, &targets(&menus, seed), &[], 1e-6);
    }

    #[test]
    fn no_member_is_nearer_than_the_bound_allows(
        seed in any::<u64>(),
        n in 1_u32..8,
        k in 2_u32..5,
        dim in 1_usize..5,
        radius in prop::sample::select(vec![0.05, 0.5, 3.0, 1e3]),
        tolerance in prop::sample::select(vec![1e-2, 1e-5, 1e-10]),
    ) {
        let menus = menus(n, k);
        let targets = targets(&menus, seed);
        let config = LogLinearConfig::default().with_max_norm(radius);
        let rough = fit(&class(drawn(dim, seed), config.with_tolerance_nats(tolerance)), &targets);
        let best = fit(&class(drawn(dim, seed), config.with_tolerance_nats(0.0)), &targets);
        // Both means are rounded themselves.
        let rounding = 4.0 * f64::EPSILON * (1.0 + rough.kl_nats);
        prop_assert!(best.kl_nats >= rough.kl_nats - rough.excess_nats - rounding, "{:?} {:?}", rough, best);
        prop_assert!(best.excess_nats >= 0.0 && rough.excess_nats >= 0.0);
        prop_assert!(rough.norm <= radius && best.excess_nats < 1e-9, "{:?}", best);
        prop_assert!((rough.kl_nats - mean_kl(&targets, &rough.policy)).abs() < 1e-12);
    }

    #[test]
    fn gradients_of_log_probabilities_are_differences(seed in any::<u64>(), dim in 1_usize..4) {
        let menus = menus(1, 5);
        let menu = menus.get(0);
        let features = Arc::new(Drawn { scales: vec![1.0; dim], seed, end: 4 });
        let base = Arc::new(Fixed(vec![0.0, -1.0, f64::NEG_INFINITY, 0.5, 0.0]));
        let mut rng = SeedTree::new(seed).rng(Stream::Instance, u32::MAX);
        let weights: Vec<f64> = (0..dim).map(|_| 4.0 * rng.random::<f64>() - 2.0).collect();
        let parameters = LogLinearParameters::new(weights.clone(), 0.7).unwrap();
        let policy = LogLinearPolicy::new(parameters, features, base).unwrap();
        prop_assert_eq!(
            policy.with_parameters(weights.clone()).distribution(menu),
            policy.distribution(menu)
        );
        let c = [0.3, -1.0, 0.0, 2.0, 0.0];
        let value = |weights: &[f64]| -> f64 {
            let played = policy.with_parameters(weights.to_vec()).distribution(menu);
            let logs = played.log_probabilities().iter();
            logs.zip(&c).filter(|(log, _)| log.is_finite()).map(|(log, c)| c * log).sum()
        };
        let mut gradient = vec![0.0; dim];
        policy.add_log_probability_gradient(menu, &c, &mut gradient);
        for at in 0..dim {
            let moved = |by: f64| {
                let mut weights = weights.clone();
                weights[at] += by;
                value(&weights)
            };
            let difference = (moved(1e-5) - moved(-1e-5)) / 2e-5;
            prop_assert!((gradient[at] - difference).abs() < 1e-8, "{} {}", gradient[at], difference);
        }
    }
}

#[test]
fn results_do_not_depend_on_threads_or_order() {
    let menus = menus(1500, 3);
    let targets = targets(&menus, 7);
    let class = class(drawn(2, 6), LogLinearConfig::default());
    let bits = |fit: &LogLinearFit| {
        let mut bits: Vec<u64> = fit.policy.parameters().iter().map(|w| w.to_bits()).collect();
        bits.extend([fit.kl_nats.to_bits(), fit.excess_nats.to_bits()]);
        bits
    };
    let in_pool = |threads| {
        let pool = ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| bits(&fit(&class, &targets)))
    };
    let one = in_pool(1);
    assert_eq!(one, in_pool(2));
    let reversed: Vec<_> = targets.iter().rev().cloned().collect();
    assert_eq!(one, bits(&fit(&class, &reversed)));
}

#[test]
fn samples_follow_the_distribution() {
    let menus = menus(3, 6);
    let class = class(drawn(2, 1), LogLinearConfig::default());
    let found = fit(&class, &targets(&menus, 5));
    for (seed, menu) in menus.iter().enumerate() {
        check_policy_sampling(&found.policy, menu, SeedTree::new(seed as u64));
    }
}
