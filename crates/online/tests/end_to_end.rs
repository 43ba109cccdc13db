//! The loop against a crowd whose truth is known.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use nlhf_core::{
    Confidence, ConfidenceWidth, Eta, FitPreference, Label, Menus, Oracle, OracleError, Outcome,
    Policy, PromptId, Query, ResponseId, Scale, SeedTree, UniformPolicy, suboptimality,
};
use nlhf_online::{
    Candidates, Enhancer, GrowingMenus, OnlineConfig, OnlineError, OnlineLearner, OnlineReport,
    Optimistic, Returned, Round, StopReason,
};
use nlhf_policy::{TabularClass, TabularPolicy};
use nlhf_preference::{
    Crowd, CrowdConfig, FeatureFit, LogisticConfig, SimulatedOracle, TabularFit,
};
use std::ops::ControlFlow;
use std::sync::Arc;

fn crowd(seed: u64) -> Crowd {
    let mut config = CrowdConfig::default();
    (config.n_prompts, config.n_responses) = (3, 4);
    Crowd::new(&config, SeedTree::new(seed)).unwrap()
}

fn config(rounds: u32, labels: u32, seed: u64) -> OnlineConfig {
    OnlineConfig::default().with_budget(rounds, labels).with_seed(SeedTree::new(seed))
}

fn tabular(truth: &Crowd, config: &OnlineConfig) -> TabularFit {
    TabularFit::for_menus(truth.menus(), Confidence::new(0.95).unwrap())
        .with_horizon(config.most_labels())
}

/// Runs the loop and checks in every round that the bound holds on every prompt.
fn run<F>(truth: &Crowd, config: OnlineConfig, fit: &F) -> OnlineReport
where
    F: FitPreference,
    F::Model: ConfidenceWidth,
{
    let (eta, scale, seed) = (config.eta, config.scale, config.seed);
    let menus = truth.menus();
    let mut watch = |round: &Round<'_>| {
        for (menu, agents) in menus.iter().zip(round.agents) {
            let reference = UniformPolicy.distribution(menu);
            let lost = suboptimality(truth, menu, &reference, eta, scale, &agents.main);
            let (bound, at) = (agents.suboptimality_bound, round.round);
            assert!(lost <= bound, "round {at} {scale:?}: lost {lost}, bound {bound}");
            assert!(agents.duality_gap <= 1e-10);
        }
        ControlFlow::Continue(())
    };
    let mut oracle = SimulatedOracle::new(truth, seed);
    let learner = OnlineLearner::new(config).unwrap();
    learner
        .learn(menus, &UniformPolicy, &mut oracle, fit, &TabularClass, &mut watch)
        .unwrap()
        .report
}

#[test]
fn the_bound_holds_in_every_round_although_queries_depend_on_labels() {
    for seed in 0..6 {
        let truth = crowd(seed);
        for scale in [Scale::Probability, Scale::LogOdds] {
            let config = config(8, 150, seed).with_scale(scale);
            let fit = tabular(&truth, &config);
            let report = run(&truth, config, &fit);
            // The returned round is the one with the smallest bound, and its labels were used.
            let bounds = report.rounds.iter().map(|round| round.suboptimality_bound);
            let smallest = bounds.fold(f64::INFINITY, f64::min);
            let best = &report.rounds[report.best_round as usize - 1];
            assert!(best.suboptimality_bound <= smallest);
            assert_eq!(report.rounds.last().unwrap().n_labels, 8 * 150);
            let mean = report.prompts.iter().map(|p| p.suboptimality_bound).sum::<f64>()
                / report.prompts.len() as f64;
            assert!((mean - smallest).abs() < 1e-12, "recomputed from the projected policy");
        }
    }
}

#[test]
fn the_bound_shrinks_like_one_over_the_root_of_the_labels() {
    // Sixteen times the labels: a bound made of widths 1/√n must fall to about a quarter; a half is
    // asked, because exploration spreads labels unevenly.
    let truth = crowd(1);
    let bound = |labels: u32| {
        let config = config(6, labels, 1);
        let fit = tabular(&truth, &config);
        let rounds = run(&truth, config, &fit).rounds;
        rounds.iter().map(|round| round.suboptimality_bound).fold(f64::INFINITY, f64::min)
    };
    let (few, many) = (bound(400), bound(6400));
    assert!(many < 0.5 * few, "{few} with few labels, {many} with many");
}

#[test]
fn any_confidence_carrying_model_will_do() {
    let truth = crowd(2);
    let fit = FeatureFit::bilinear(Arc::new(truth.features()), LogisticConfig::default()).unwrap();
    let report = run(&truth, config(3, 200, 2), &fit);
    assert_eq!(report.rounds.len(), 3);
}

#[test]
fn runs_are_reproducible_whatever_the_number_of_threads() {
    let truth = crowd(3);
    let with_threads = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let config = config(3, 100, 3);
        let fit = tabular(&truth, &config);
        pool.install(|| run(&truth, config, &fit))
    };
    let one = with_threads(1);
    assert_eq!(one, with_threads(4));
    let text = serde_json::to_string(&one).unwrap();
    assert_eq!(serde_json::from_str::<OnlineReport>(&text).unwrap(), one);
}

#[test]
fn an_observer_ends_the_run_after_its_round() {
    let truth = crowd(4);
    let config = config(10, 50, 4);
    let fit = tabular(&truth, &config);
    let mut oracle = SimulatedOracle::new(&truth, config.seed);
    let mut stop = |round: &Round<'_>| {
        if round.round == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let learner = OnlineLearner::new(config).unwrap();
    let result = learner
        .learn(truth.menus(), &UniformPolicy, &mut oracle, &fit, &TabularClass, &mut stop)
        .unwrap();
    assert_eq!(result.report.rounds.len(), 2);
    assert_eq!(result.comparisons.len(), 100);
    let _: TabularPolicy = result.policy;
}

/// Answers one query too few.
struct Short;

impl Oracle for Short {
    fn compare(&mut self, queries: &[Query]) -> Result<Vec<Outcome>, OracleError> {
        Ok(queries[1..].iter().map(|_| Outcome::new(Label::TIE)).collect())
    }
}

#[test]
fn what_cannot_be_learned_from_is_refused() {
    let truth = crowd(0);
    let learner = OnlineLearner::new(config(2, 5, 0)).unwrap();
    let fit = tabular(&truth, &config(2, 5, 0));
    let short =
        learner.learn(truth.menus(), &UniformPolicy, &mut Short, &fit, &TabularClass, &mut ());
    let error = short.unwrap_err();
    assert!(matches!(error, OnlineError::Answers { round: 1, required: 5, given: 4 }), "{error}");
    assert!(OnlineLearner::new(config(0, 5, 0)).is_err());
    let mut alone = Menus::new();
    alone.push(PromptId::new(0), &[ResponseId::new(0)]).unwrap();
    let error = learner
        .learn(&alone, &UniformPolicy, &mut Short, &fit, &TabularClass, &mut ())
        .unwrap_err();
    assert!(matches!(error, OnlineError::NothingToAsk));
}

/// Never says anything.
struct Silent;

impl Oracle for Silent {
    fn compare(&mut self, queries: &[Query]) -> Result<Vec<Outcome>, OracleError> {
        Ok(queries
            .iter()
            .enumerate()
            .map(|(at, _)| if at == 0 { Outcome::new(Label::WIN) } else { Outcome::SKIPPED })
            .collect())
    }
}

#[test]
fn runs_end_at_their_budget_their_bound_or_when_nothing_is_left() {
    let truth = crowd(5);
    let learn = |config: OnlineConfig| {
        let fit = tabular(&truth, &config);
        let mut oracle = SimulatedOracle::new(&truth, config.seed);
        let learner = OnlineLearner::new(config).unwrap();
        learner
            .learn(truth.menus(), &UniformPolicy, &mut oracle, &fit, &TabularClass, &mut ())
            .unwrap()
    };
    // Three prompts of four candidates: 18 pairs.
    let budget = learn(config(10, 40, 5).with_label_budget(90));
    assert_eq!(budget.report.stopped, StopReason::LabelBudget);
    assert_eq!((budget.comparisons.len(), budget.report.rounds.len()), (90, 3));
    let bound = budget.report.rounds[1].suboptimality_bound;
    let reached = learn(config(10, 40, 5).with_target_bound(bound));
    assert_eq!(reached.report.stopped, StopReason::TargetBound);
    assert!(reached.report.rounds.last().unwrap().suboptimality_bound <= bound);
    let all = learn(config(10, 5, 5).without_repeats());
    assert_eq!(all.report.stopped, StopReason::NothingLeft);
    let mut pairs: Vec<_> = all
        .comparisons
        .iter()
        .map(|c| (c.prompt, c.first.min(c.second), c.first.max(c.second)))
        .collect();
    pairs.sort();
    pairs.dedup();
    assert_eq!((pairs.len(), all.comparisons.len()), (18, 18));
    assert_eq!(learn(config(2, 5, 5)).report.stopped, StopReason::Rounds);
    // With a handful of labels the reference is the safest, and the last round has moved away from it.
    let few = learn(config(3, 5, 5)).report;
    let last = learn(config(3, 5, 5).with_returned(Returned::Last)).report;
    assert_eq!(few.rounds, last.rounds);
    assert!(few.best_round < 3 && last.best_round == 3, "round {}", few.best_round);
}

/// Is told to stop in the second round.
struct Stopping(u32);

impl Oracle for Stopping {
    fn compare(&mut self, queries: &[Query]) -> Result<Vec<Outcome>, OracleError> {
        self.0 += 1;
        if self.0 == 2 { Err(OracleError::Stopped) } else { Silent.compare(queries) }
    }
}

#[test]
fn an_oracle_that_stops_leaves_what_was_learned_before() {
    let truth = crowd(6);
    let config = config(5, 10, 6);
    let fit = tabular(&truth, &config);
    let learner = OnlineLearner::new(config).unwrap();
    let menus = truth.menus();
    let learn = |oracle: &mut Stopping| {
        learner.learn(menus, &UniformPolicy, oracle, &fit, &TabularClass, &mut ())
    };
    let result = learn(&mut Stopping(0)).unwrap();
    assert_eq!(result.report.stopped, StopReason::Oracle);
    assert_eq!((result.report.rounds.len(), result.comparisons.len()), (1, 10));
    assert!(matches!(learn(&mut Stopping(1)), Err(OnlineError::Oracle { round: 1, .. })));
}

#[test]
fn what_the_oracle_skips_counts_as_asked_and_not_as_a_label() {
    let truth = crowd(6);
    let config = config(2, 10, 6);
    let fit = tabular(&truth, &config);
    let learner = OnlineLearner::new(config).unwrap();
    let result = learner
        .learn(truth.menus(), &UniformPolicy, &mut Silent, &fit, &TabularClass, &mut ())
        .unwrap();
    let last = result.report.rounds.last().unwrap();
    assert_eq!((last.n_queries, last.n_labels), (20, 2));
    assert!((last.fit.total_weight - 2.0).abs() < 1e-12);
}

/// Takes a candidate away.
struct Shrinking(Menus);
impl Candidates for Shrinking {
    fn menus(&mut self, round: u32) -> &Menus {
        if round == 2 {
            let mut fewer = Menus::new();
            for menu in self.0.iter() {
                fewer.push(menu.prompt(), &menu.responses()[1..]).unwrap();
            }
            self.0 = fewer;
        }
        &self.0
    }
}

#[test]
fn certificates_are_about_the_candidates_of_their_round() {
    let truth = crowd(7);
    let config = config(5, 60, 7);
    let fit = tabular(&truth, &config);
    let mut growing = GrowingMenus::new(truth.menus(), 2, 1, config.seed);
    let mut oracle = SimulatedOracle::new(&truth, config.seed);
    let mut sizes = Vec::new();
    let mut watch = |round: &Round<'_>| {
        sizes.push(round.menus.get(0).len());
        for (menu, agents) in round.menus.iter().zip(round.agents) {
            let reference = UniformPolicy.distribution(menu);
            let (eta, scale) = (Eta::new(10.0).unwrap(), Scale::Probability);
            let lost = suboptimality(&truth, menu, &reference, eta, scale, &agents.main);
            assert!(lost <= agents.suboptimality_bound);
        }
        ControlFlow::Continue(())
    };
    let learner = OnlineLearner::new(config).unwrap();
    let result = learner
        .learn_growing(&mut growing, &UniformPolicy, &mut oracle, &fit, &TabularClass, &mut watch)
        .unwrap();
    assert_eq!(sizes, [2, 3, 4, 4, 4]);
    assert_eq!(result.menus.get(0).len(), 4);
    // With two candidates less is to be lost, but that says nothing about four.
    assert!(result.report.best_round >= 3, "round {}", result.report.best_round);

    let mut shrinking = Shrinking(truth.menus().clone());
    let error = learner
        .learn_growing(&mut shrinking, &UniformPolicy, &mut oracle, &fit, &TabularClass, &mut ())
        .unwrap_err();
    assert!(matches!(error, OnlineError::Candidates { round: 2, position: 0 }), "{error}");
}

#[test]
fn every_enhancer_learns_within_its_bounds() {
    let truth = crowd(8);
    for (enhancer, scale) in [
        (Enhancer::OptimisticOpponent, Scale::Probability),
        (Enhancer::ConfidenceSet, Scale::Probability),
        (Enhancer::ConfidenceSet, Scale::LogOdds),
        (Enhancer::PolicyWidth, Scale::LogOdds),
    ] {
        let config = config(6, 150, 8).with_scale(scale).with_eta(Eta::new(3.0).unwrap());
        let fit = tabular(&truth, &config);
        let mut oracle = SimulatedOracle::new(&truth, config.seed);
        let strategy = Arc::new(Optimistic::new(enhancer, 1.0).unwrap());
        let (eta, learner) = (config.eta, OnlineLearner::new(config).unwrap());
        let learner = learner.with_strategy(strategy).unwrap();
        let mut watch = |round: &Round<'_>| {
            for (menu, agents) in round.menus.iter().zip(round.agents) {
                let reference = UniformPolicy.distribution(menu);
                let lost = suboptimality(&truth, menu, &reference, eta, scale, &agents.main);
                let bound = agents.suboptimality_bound;
                assert!(lost <= bound, "{enhancer:?}: {lost}, {bound}");
                // What a better-informed width allows is no more than what widths of pairs do.
                let policy_level = agents.policy_level_bound.unwrap_or(bound);
                assert!(policy_level <= bound * (1.0 + 1e-9), "{policy_level} of {bound}");
                assert_eq!(agents.policy_level_bound.is_some(), enhancer == Enhancer::PolicyWidth);
            }
            ControlFlow::Continue(())
        };
        let _ = learner
            .learn(truth.menus(), &UniformPolicy, &mut oracle, &fit, &TabularClass, &mut watch)
            .unwrap();
    }
    let learner = OnlineLearner::new(config(1, 1, 0)).unwrap();
    let strategy = Arc::new(Optimistic::new(Enhancer::PolicyWidth, 1.0).unwrap());
    assert!(matches!(learner.with_strategy(strategy), Err(OnlineError::Scale { .. })));
    assert!(Optimistic::new(Enhancer::ConfidenceSet, f64::NAN).is_err());
}
