//! Policies of features learned offline: what the class costs, and bounds of what it plays.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use nlhf_core::{
    Confidence, FeatureMap, Policy, PolicyClass, Scale, SeedTree, UniformPolicy, suboptimality,
};
use nlhf_nash::in_class::InClassStatus;
use nlhf_offline::{OfflineConfig, OfflineData, OfflineEvent, OfflineLearner, Pessimism};
use nlhf_policy::{LogLinearClass, LogLinearConfig, NeuralClass, NeuralConfig, TabularClass};
use nlhf_preference::{Crowd, CrowdConfig, TabularFit};
use std::ops::ControlFlow;
use std::sync::Arc;

fn crowd(seed: u64) -> Crowd {
    let mut config = CrowdConfig::default();
    (config.n_prompts, config.n_responses) = (6, 5);
    Crowd::new(&config, SeedTree::new(seed)).unwrap()
}

fn log_linear(truth: &Crowd) -> LogLinearClass {
    let features: Arc<dyn FeatureMap> = Arc::new(truth.features());
    LogLinearClass::new(features, Arc::new(UniformPolicy), LogLinearConfig::default()).unwrap()
}

/// Learns, and checks what holds for every class.
fn learn<C: PolicyClass>(truth: &Crowd, class: &C, pessimism: Pessimism, eta: f64) -> [f64; 3] {
    let (menus, seeds) = (truth.menus(), SeedTree::new(1));
    let judged = truth.comparisons(400, seeds);
    let fit = TabularFit::for_menus(menus, Confidence::new(0.95).unwrap());
    let config = OfflineConfig::default().with_eta(nlhf_core::Eta::new(eta).unwrap());
    let learner = OfflineLearner::new(config.with_pessimism(pessimism)).unwrap();
    let data = OfflineData { training: &judged, held_out: &[], menus, reference: &UniformPolicy };
    let mut n_projections = 0;
    let mut watch = |event: &OfflineEvent| {
        if let OfflineEvent::Restricted { projections, limit } = event {
            assert!(projections <= limit);
            n_projections = *projections;
        }
        ControlFlow::Continue(())
    };
    let learned = learner.learn(data, &fit, class, &mut watch).unwrap();
    let report = learned.report;
    let (mut shortfall, n) = (0.0, menus.len() as f64);
    for (menu, prompt) in menus.iter().zip(&report.prompts) {
        assert_eq!(prompt.policy, learned.policy.distribution(menu));
        shortfall += prompt.certificate.worst_shortfall() / n;
        if let Some(bound) = prompt.suboptimality_bound {
            let reference = UniformPolicy.distribution(menu);
            let (eta, scale) = (nlhf_core::Eta::new(eta).unwrap(), Scale::Probability);
            let lost = suboptimality(truth, menu, &reference, eta, scale, &prompt.policy);
            assert!(lost <= bound, "lost {lost}, bound {bound}");
        }
    }
    let costs = report.restriction.expect("a class that cannot play the equilibria");
    assert_eq!(costs.n_projections, n_projections);
    // Rounding is told with the opponent, which is another there.
    let apart = (costs.in_class_shortfall - shortfall).abs();
    assert!(apart <= 1e-9 * shortfall + 1e-13, "{costs:?}: {shortfall}");
    [costs.free_shortfall, costs.in_class_shortfall, costs.projected_shortfall]
}

#[test]
fn what_is_returned_lies_between_the_equilibria_and_their_projection() {
    let mut gained = 0;
    for seed in 0..4 {
        let truth = crowd(seed);
        for pessimism in [Pessimism::None, Pessimism::Bonus] {
            for eta in [1.0, 30.0] {
                let [free, in_class, projected] =
                    learn(&truth, &log_linear(&truth), pessimism, eta);
                assert!(free < in_class && in_class <= projected);
                gained += usize::from(in_class < 0.999 * projected);
            }
        }
    }
    assert!(gained > 0, "the nearest member was the best one of 16 times");
}

#[test]
fn a_network_plays_more_of_the_equilibria_than_a_linear_score() {
    let truth = crowd(7);
    let features: Arc<dyn FeatureMap> = Arc::new(truth.features());
    let config = NeuralConfig::default().with_hidden(8);
    let neural = NeuralClass::new(features, Arc::new(UniformPolicy), config).unwrap();
    let [free, deep, _] = learn(&truth, &neural, Pessimism::None, 10.0);
    let [_, linear, _] = learn(&truth, &log_linear(&truth), Pessimism::None, 10.0);
    assert!(free <= deep && deep < 0.5 * linear, "free {free}, neural {deep}, linear {linear}");
}

#[test]
fn a_table_costs_nothing() {
    let truth = crowd(0);
    let judged = truth.comparisons(20, SeedTree::new(0));
    let fit = TabularFit::for_menus(truth.menus(), Confidence::new(0.95).unwrap());
    let learner = OfflineLearner::new(OfflineConfig::default()).unwrap();
    let (menus, reference) = (truth.menus(), &UniformPolicy);
    let data = OfflineData { training: &judged, held_out: &[], menus, reference };
    let learned = learner.learn(data, &fit, &TabularClass, &mut ()).unwrap();
    assert_eq!(learned.report.restriction, None);
}

#[test]
fn stopping_within_the_class_leaves_what_was_found() {
    let truth = crowd(3);
    let judged = truth.comparisons(400, SeedTree::new(0));
    let fit = TabularFit::for_menus(truth.menus(), Confidence::new(0.95).unwrap());
    let config = OfflineConfig::default().with_eta(nlhf_core::Eta::new(100.0).unwrap());
    let learner = OfflineLearner::new(config.with_pessimism(Pessimism::None)).unwrap();
    let (menus, reference) = (truth.menus(), &UniformPolicy);
    let data = OfflineData { training: &judged, held_out: &[], menus, reference };
    let mut stop = |event: &OfflineEvent| match event {
        OfflineEvent::Restricted { projections: 1.., .. } => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    };
    let learned = learner.learn(data, &fit, &log_linear(&truth), &mut stop).unwrap();
    let costs = learned.report.restriction.unwrap();
    assert_eq!((costs.n_projections, costs.status), (1, Some(InClassStatus::Stopped)));
    assert!(costs.in_class_shortfall <= costs.projected_shortfall);
}
