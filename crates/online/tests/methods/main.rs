//! Every method in the loop: within its certificate, reproducible, lawful; and in `answers` each with an answer of its own.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod answers;
mod bench;

use bench::{Bench, Given, mixed, settings, tilted_reference};
use nlhf_core::{Confidence, Distribution, Policy, Scale, SeedTree, UniformPolicy, suboptimality};
use nlhf_online::{
    GrowingMenus, OnlineConfig, OnlineLearner, OnlineReport, Round, Strategy, methods,
};
use nlhf_policy::TabularClass;
use nlhf_preference::{Crowd, CrowdConfig, SimulatedOracle, TabularFit};
use std::collections::HashSet;
use std::ops::ControlFlow;
use std::sync::Arc;

/// The laws of [`Strategy`] that one prompt can show.
fn check_strategy(strategy: &dyn Strategy, scale: Scale) {
    let name = strategy.name();
    assert!(name.chars().all(|c| c.is_ascii_lowercase() || c == '-'), "{name}");
    let never = Distribution::from_masses(&[0.5, 0.0, 0.3, 0.2]).unwrap();
    for reference in [tilted_reference(), never, Distribution::uniform(1)] {
        let n = reference.len();
        let model = Given::skew(n, 0.3, mixed);
        let mut bench = Bench::new(strategy, model, reference.clone(), settings(5.0, scale));
        let opening = strategy.opening(&reference);
        assert!(!opening.is_empty());
        assert!(opening.iter().all(|pair| pair.first.len() == n && pair.second.len() == n));
        for round in 1..=4 {
            let plan = bench.step(strategy);
            assert!(!plan.asks.is_empty(), "{name} asks nothing in round {round}");
            let asked = plan.asks.iter().flat_map(|pair| [&pair.first, &pair.second]);
            for policy in asked.chain([&plan.main]) {
                assert_eq!(policy.len(), n, "{name} in round {round}");
                let logs = reference.log_probabilities().iter().zip(policy.log_probabilities());
                for (reference, own) in logs {
                    let plays = *own > f64::NEG_INFINITY;
                    assert!(
                        !plays || *reference > f64::NEG_INFINITY,
                        "{name}: beyond the reference"
                    );
                }
            }
            assert!((0.0..f64::INFINITY).contains(&plan.duality_gap), "{name}");
            bench.label_all_pairs(2.0);
        }
    }
}

#[test]
fn every_method_obeys_the_laws_of_strategies_under_a_name_of_its_own() {
    let mut names = HashSet::new();
    for strategy in methods::all(Scale::LogOdds) {
        assert!(names.insert(strategy.name()), "{} twice", strategy.name());
        check_strategy(&*strategy, Scale::LogOdds);
    }
    for strategy in methods::all(Scale::Probability) {
        assert!(!strategy.log_odds_only());
        check_strategy(&*strategy, Scale::Probability);
        let found = methods::named(strategy.name(), Scale::Probability).unwrap();
        assert_eq!(found.name(), strategy.name());
    }
    assert!(methods::named("none-such", Scale::LogOdds).is_none());
    assert!(methods::named("optimistic-policy-width", Scale::Probability).is_none());
}

fn crowd(seed: u64) -> Crowd {
    let mut config = CrowdConfig::default();
    (config.n_prompts, config.n_responses) = (2, 4);
    Crowd::new(&config, SeedTree::new(seed)).unwrap()
}

/// Runs the loop and checks in every round that the bound holds on every prompt.
fn run(truth: &Crowd, config: OnlineConfig, strategy: Arc<dyn Strategy>) -> OnlineReport {
    let (eta, scale, menus) = (config.eta, config.scale, truth.menus());
    let name = strategy.name();
    let mut watch = |round: &Round<'_>| {
        for (menu, agents) in menus.iter().zip(round.agents) {
            let reference = UniformPolicy.distribution(menu);
            let lost = suboptimality(truth, menu, &reference, eta, scale, &agents.main);
            let (bound, at) = (agents.suboptimality_bound, round.round);
            assert!(lost <= bound, "{name} in round {at}: lost {lost}, bound {bound}");
        }
        ControlFlow::Continue(())
    };
    let fit = TabularFit::for_menus(menus, Confidence::new(0.95).unwrap())
        .with_horizon(config.most_labels());
    let mut oracle = SimulatedOracle::new(truth, config.seed);
    let learner = OnlineLearner::new(config).unwrap().with_strategy(strategy).unwrap();
    learner
        .learn(menus, &UniformPolicy, &mut oracle, &fit, &TabularClass, &mut watch)
        .unwrap()
        .report
}

#[test]
fn every_method_keeps_within_its_certificate_and_is_reproducible() {
    for seed in 0..2 {
        let truth = crowd(seed);
        for scale in [Scale::Probability, Scale::LogOdds] {
            let config = settings(4.0, scale).with_budget(5, 120).with_seed(SeedTree::new(seed));
            for strategy in methods::all(scale) {
                let with_threads = |threads: usize| {
                    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
                    pool.unwrap().install(|| run(&truth, config.clone(), Arc::clone(&strategy)))
                };
                let one = with_threads(1);
                assert_eq!(one.rounds.len(), 5);
                assert_eq!(one.strategy, strategy.name());
                if seed == 0 {
                    assert_eq!(one, with_threads(4), "{}", strategy.name());
                }
            }
        }
    }
}

#[test]
fn every_method_goes_on_when_candidates_are_added_and_pairs_run_out() {
    let truth = crowd(3);
    // Two prompts of four candidates: twelve pairs, of which none is asked about twice.
    let config = settings(4.0, Scale::Probability).with_budget(8, 3).without_repeats();
    for strategy in methods::all(config.scale) {
        let name = strategy.name();
        let mut growing = GrowingMenus::new(truth.menus(), 2, 1, config.seed);
        let mut watch = |round: &Round<'_>| {
            for (menu, agents) in round.menus.iter().zip(round.agents) {
                let reference = UniformPolicy.distribution(menu);
                let (eta, scale) = (config.eta, config.scale);
                let lost = suboptimality(&truth, menu, &reference, eta, scale, &agents.main);
                let (bound, at) = (agents.suboptimality_bound, round.round);
                assert!(lost <= bound, "{name} in round {at}: lost {lost}, bound {bound}");
            }
            ControlFlow::Continue(())
        };
        let fit = TabularFit::for_menus(truth.menus(), Confidence::new(0.95).unwrap())
            .with_horizon(config.most_labels());
        let mut oracle = SimulatedOracle::new(&truth, config.seed);
        let learner = OnlineLearner::new(config.clone()).unwrap().with_strategy(strategy).unwrap();
        let class = &TabularClass;
        let result = learner
            .learn_growing(&mut growing, &UniformPolicy, &mut oracle, &fit, class, &mut watch)
            .unwrap();
        assert_eq!((result.comparisons.len(), result.menus.get(0).len()), (12, 4), "{name}");
    }
}
