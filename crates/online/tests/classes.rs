//! Policies of features learned online: what the class costs, and bounds of what it plays.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::float_cmp, reason = "the same computation twice")]

use nlhf_core::{Confidence, FeatureMap, Policy, SeedTree, UniformPolicy, suboptimality};
use nlhf_online::{OnlineConfig, OnlineLearner, OnlineResult};
use nlhf_policy::{LogLinearClass, LogLinearConfig, LogLinearPolicy, TabularClass};
use nlhf_preference::{Crowd, CrowdConfig, SimulatedOracle, TabularFit, TabularModel};
use std::sync::Arc;

fn crowd() -> Crowd {
    let mut config = CrowdConfig::default();
    (config.n_prompts, config.n_responses) = (5, 4);
    Crowd::new(&config, SeedTree::new(2)).unwrap()
}

fn config() -> OnlineConfig {
    OnlineConfig::default().with_budget(4, 20_000).with_seed(SeedTree::new(3))
}

fn fit(truth: &Crowd) -> TabularFit {
    let fit = TabularFit::for_menus(truth.menus(), Confidence::new(0.95).unwrap());
    fit.with_horizon(config().most_labels())
}

fn learn(truth: &Crowd, config: OnlineConfig) -> OnlineResult<TabularModel, LogLinearPolicy> {
    let features: Arc<dyn FeatureMap> = Arc::new(truth.features());
    let settings = LogLinearConfig::default();
    let class = LogLinearClass::new(features, Arc::new(UniformPolicy), settings).unwrap();
    let mut oracle = SimulatedOracle::new(truth, config.seed);
    let learner = OnlineLearner::new(config).unwrap();
    learner.learn(truth.menus(), &UniformPolicy, &mut oracle, &fit(truth), &class, &mut ()).unwrap()
}

#[test]
fn what_the_class_plays_is_certified_and_priced() {
    let truth = crowd();
    let learned = learn(&truth, config());
    let (eta, scale) = (config().eta, config().scale);
    for (menu, prompt) in truth.menus().iter().zip(&learned.report.prompts) {
        assert_eq!(prompt.policy, learned.policy.distribution(menu));
        let reference = UniformPolicy.distribution(menu);
        let lost = suboptimality(&truth, menu, &reference, eta, scale, &prompt.policy);
        assert!(lost <= prompt.suboptimality_bound, "{lost} above {}", prompt.suboptimality_bound);
    }
    let costs = learned.report.restriction.unwrap();
    assert!(costs.free_shortfall < costs.in_class_shortfall);
    assert!(costs.in_class_shortfall <= costs.projected_shortfall);
    // The gap of the estimate is twice what one of two equal players loses.
    let gaps = learned.report.prompts.iter().map(|prompt| prompt.duality_gap);
    let mean = gaps.sum::<f64>() / learned.report.prompts.len() as f64;
    assert!((0.5 * mean / costs.in_class_shortfall - 1.0).abs() < 1e-6, "{mean}, {costs:?}");
}

#[test]
fn the_class_changes_nothing_of_what_is_asked() {
    let truth = crowd();
    let learned = learn(&truth, config());
    let mut oracle = SimulatedOracle::new(&truth, config().seed);
    let learner = OnlineLearner::new(config()).unwrap();
    let table = learner
        .learn(truth.menus(), &UniformPolicy, &mut oracle, &fit(&truth), &TabularClass, &mut ())
        .unwrap();
    assert_eq!(table.comparisons, learned.comparisons);
    assert_eq!(table.report.rounds, learned.report.rounds);
    assert_eq!(table.report.restriction, None);
    let only_projected = learn(&truth, config().with_in_class_projections(0)).report.restriction;
    let (only_projected, costs) = (only_projected.unwrap(), learned.report.restriction.unwrap());
    assert_eq!(only_projected.n_projections, 0);
    assert_eq!(only_projected.in_class_shortfall, only_projected.projected_shortfall);
    assert_eq!(only_projected.projected_shortfall, costs.projected_shortfall);
}
