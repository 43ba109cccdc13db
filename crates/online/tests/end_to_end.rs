//! The loop against a crowd whose truth is known, and the enhancer against its golden file.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use nlhf_core::{
    Comparison, Confidence, ConfidenceWidth, Distribution, Eta, FitError, FitEvidence,
    FitPreference, FitStatus, Fitted, Label, Menus, Oracle, OracleError, Outcome, Policy,
    PreferenceModel, PromptId, Query, ResponseId, Scale, SeedTree, Target, UniformPolicy, Weight,
    suboptimality,
};
use nlhf_online::{OnlineConfig, OnlineError, OnlineLearner, OnlineReport, Round};
use nlhf_policy::{TabularClass, TabularPolicy};
use nlhf_preference::{
    Crowd, CrowdConfig, FeatureFit, LogisticConfig, SimulatedOracle, TabularFit,
};
use serde::Deserialize;
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
        .with_horizon(config.label_budget())
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

#[derive(Deserialize)]
struct File {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
#[allow(non_snake_case, reason = "the names of the file")]
struct Case {
    n: usize,
    eta: f64,
    prior: Vec<f64>,
    Rhat: Vec<Vec<f64>>,
    Gamma: Vec<Vec<f64>>,
    beta: f64,
    main: Vec<f64>,
    enh_optimistic: Vec<f64>,
    Rtrue: Vec<Vec<f64>>,
    subopt_main_true: f64,
    bound_optimistic: f64,
}

/// A model with given log-odds and widths; its own fit, whatever the comparisons.
#[derive(Clone)]
struct Given {
    log_odds: Vec<Vec<f64>>,
    widths: Vec<Vec<f64>>,
}

impl PreferenceModel for Given {
    fn log_odds(&self, _: PromptId, first: ResponseId, second: ResponseId) -> f64 {
        self.log_odds[first.index()][second.index()]
    }
}

impl ConfidenceWidth for Given {
    fn log_odds_width(&self, _: PromptId, first: ResponseId, second: ResponseId) -> f64 {
        self.widths[first.index()][second.index()]
    }
}

impl FitPreference for Given {
    type Model = Self;
    fn name(&self) -> &'static str {
        "given"
    }
    fn fit(&self, data: &[Comparison]) -> Result<Fitted<Self>, FitError> {
        let evidence = FitEvidence {
            model: "given".to_owned(),
            n_comparisons: data.len(),
            total_weight: data.len() as f64,
            n_parameters: 0,
            log_loss_nats: 0.0,
            gradient_max: 0.0,
            iterations: 0,
            status: FitStatus::Converged,
            width_multiplier: None,
            parameter_norm: None,
            bound_active: false,
            order_effect: None,
            separation: None,
        };
        Ok(Fitted { model: self.clone(), evidence })
    }
}

#[test]
fn main_agent_and_enhancer_are_those_of_the_golden_file() {
    let file: File = serde_json::from_str(include_str!("golden/enhancer.json")).unwrap();
    assert!(!file.cases.is_empty());
    for case in file.cases {
        let scaled = |row: &Vec<f64>| row.iter().map(|gamma| case.beta * gamma).collect();
        let widths = case.Gamma.iter().map(scaled).collect();
        let fit = Given { log_odds: case.Rhat.clone(), widths };
        let truth = Given { log_odds: case.Rtrue.clone(), widths: Vec::new() };
        let mut menus = Menus::new();
        let ids: Vec<ResponseId> = (0..case.n).map(ResponseId::from_index).collect();
        menus.push(PromptId::new(0), &ids).unwrap();
        let prior = Distribution::from_masses(&case.prior).unwrap();
        let target =
            Target { menu: menus.get(0), distribution: prior.clone(), weight: Weight::ONE };
        let reference = nlhf_core::PolicyClass::project(&TabularClass, &[target], None).unwrap();
        let eta = Eta::new(case.eta).unwrap();
        let config = config(1, 1, 0).with_eta(eta).with_scale(Scale::LogOdds);
        let mut oracle = SimulatedOracle::new(&truth, SeedTree::new(0));
        let mut seen = 0;
        let mut watch = |round: &Round<'_>| {
            let agents = &round.agents[0];
            for (got, want) in
                [(&agents.main, &case.main), (&agents.enhancer, &case.enh_optimistic)]
            {
                let l1: f64 =
                    got.probabilities().iter().zip(want).map(|(p, q)| (p - q).abs()).sum();
                assert!(l1 <= 1e-12, "L1 {l1:e}");
            }
            let lost =
                suboptimality(&truth, menus.get(0), &prior, eta, Scale::LogOdds, &agents.main);
            assert!((lost / case.subopt_main_true - 1.0).abs() <= 1e-10);
            // The value of the optimistic game is tighter than the expected width, and still a bound.
            assert!(agents.suboptimality_bound <= case.bound_optimistic * (1.0 + 1e-12));
            assert!(lost <= agents.suboptimality_bound);
            seen += 1;
            ControlFlow::Continue(())
        };
        let learner = OnlineLearner::new(config).unwrap();
        let run = learner.learn(&menus, &reference, &mut oracle, &fit, &TabularClass, &mut watch);
        let _ = run.unwrap();
        assert_eq!(seen, 1);
    }
}
