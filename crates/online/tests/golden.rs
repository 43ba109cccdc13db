//! Main agent and enhancers against their golden file, and the policy-level one against a search of its own.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use nlhf_core::{
    Comparison, ConfidenceWidth, Distribution, Eta, FitError, FitEvidence, FitPreference,
    FitStatus, Fitted, Menus, PreferenceModel, PromptId, ResponseId, Scale, SeedTree, Target,
    Weight, suboptimality,
};
use nlhf_online::{Agents, Enhancer, OnlineConfig, OnlineLearner, Optimistic, Round};
use nlhf_policy::TabularClass;
use nlhf_preference::SimulatedOracle;
use serde::Deserialize;
use std::ops::ControlFlow;
use std::sync::Arc;

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
    enh_confset: Vec<f64>,
    Rtrue: Vec<Vec<f64>>,
    subopt_main_true: f64,
    bound_optimistic: f64,
    bound_confset: f64,
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

/// The case as a game, and what one round makes of it.
struct Played {
    menus: Menus,
    prior: Distribution,
    eta: Eta,
    truth: Given,
}

impl Played {
    fn new(case: &Case) -> Self {
        let mut menus = Menus::new();
        let ids: Vec<ResponseId> = (0..case.n).map(ResponseId::from_index).collect();
        menus.push(PromptId::new(0), &ids).unwrap();
        Self {
            menus,
            prior: Distribution::from_masses(&case.prior).unwrap(),
            eta: Eta::new(case.eta).unwrap(),
            truth: Given { log_odds: case.Rtrue.clone(), widths: Vec::new() },
        }
    }

    fn agents<F>(&self, fit: &F, enhancer: Enhancer) -> Agents
    where
        F: FitPreference,
        F::Model: ConfidenceWidth,
    {
        let menu = self.menus.get(0);
        let target = Target { menu, distribution: self.prior.clone(), weight: Weight::ONE };
        let reference =
            nlhf_core::PolicyClass::project(&TabularClass, &[target], None).unwrap().policy;
        let config = OnlineConfig::default().with_budget(1, 1).with_eta(self.eta);
        let config = config.with_scale(Scale::LogOdds);
        let mut oracle = SimulatedOracle::new(&self.truth, SeedTree::new(0));
        let mut seen = Vec::new();
        let mut watch = |round: &Round<'_>| {
            seen.extend(round.agents.iter().cloned());
            ControlFlow::Continue(())
        };
        let learner = OnlineLearner::new(config).unwrap();
        let learner = learner.with_strategy(Arc::new(Optimistic::new(enhancer, 1.0).unwrap()));
        let _ = learner
            .unwrap()
            .learn(&self.menus, &reference, &mut oracle, fit, &TabularClass, &mut watch)
            .unwrap();
        assert_eq!(seen.len(), 1);
        seen.pop().unwrap()
    }
}

fn cases() -> Vec<(Case, Given)> {
    let file: File = serde_json::from_str(include_str!("golden/enhancer.json")).unwrap();
    assert!(!file.cases.is_empty());
    let given = |case: Case| {
        let scaled = |row: &Vec<f64>| row.iter().map(|gamma| case.beta * gamma).collect();
        let widths = case.Gamma.iter().map(scaled).collect();
        let fit = Given { log_odds: case.Rhat.clone(), widths };
        (case, fit)
    };
    file.cases.into_iter().map(given).collect()
}

fn l1(policy: &Distribution, wanted: &[f64]) -> f64 {
    policy.probabilities().iter().zip(wanted).map(|(p, q)| (p - q).abs()).sum()
}

#[test]
fn main_agent_and_enhancers_are_those_of_the_golden_file() {
    for (case, fit) in cases() {
        let played = Played::new(&case);
        for (enhancer, wanted, bound) in [
            (Enhancer::OptimisticOpponent, &case.enh_optimistic, case.bound_optimistic),
            (Enhancer::ConfidenceSet, &case.enh_confset, case.bound_confset),
        ] {
            let agents = played.agents(&fit, enhancer);
            assert!(l1(&agents.main, &case.main) <= 1e-12);
            let off = l1(agents.opponent(), wanted);
            assert!(off <= 1e-12, "{enhancer:?}: L1 {off:e}");
            let (p, q) = (agents.main.probabilities(), agents.opponent().probabilities());
            let pairs = (0..case.n).flat_map(|a| (0..case.n).map(move |b| (a, b)));
            let mean: f64 = pairs.map(|(a, b)| p[a] * q[b] * fit.widths[a][b]).sum();
            assert!((mean / bound - 1.0).abs() <= 1e-10, "{enhancer:?}: {mean}, {bound}");
            let (menu, scale) = (played.menus.get(0), Scale::LogOdds);
            let lost =
                suboptimality(&played.truth, menu, &played.prior, played.eta, scale, &agents.main);
            assert!((lost / case.subopt_main_true - 1.0).abs() <= 1e-10);
            // The value of the optimistic game is tighter than the expected width, and still a bound.
            assert!(agents.suboptimality_bound <= bound * (1.0 + 1e-12));
            assert!(lost <= agents.suboptimality_bound);
        }
    }
}

/// Log-odds as given, and the width of an ellipsoid over response features: of policies `β|E z|`, of pairs `β|z|`.
#[derive(Clone)]
struct Elliptical {
    given: Given,
    features: Vec<[f64; 2]>,
}

impl Elliptical {
    fn mean(&self, p: &Distribution, q: &Distribution) -> [f64; 2] {
        let (p, q) = (p.probabilities(), q.probabilities());
        let along =
            |k: usize| -> f64 { (0..p.len()).map(|i| (p[i] - q[i]) * self.features[i][k]).sum() };
        [along(0), along(1)]
    }
}

impl PreferenceModel for Elliptical {
    fn log_odds(&self, x: PromptId, first: ResponseId, second: ResponseId) -> f64 {
        self.given.log_odds(x, first, second)
    }
}

impl ConfidenceWidth for Elliptical {
    fn log_odds_width(&self, _: PromptId, first: ResponseId, second: ResponseId) -> f64 {
        let (a, b) = (self.features[first.index()], self.features[second.index()]);
        (a[0] - b[0]).hypot(a[1] - b[1])
    }

    fn policy_width(&self, _: nlhf_core::Menu<'_>, p: &Distribution, q: &Distribution) -> f64 {
        let mean = self.mean(p, q);
        mean[0].hypot(mean[1])
    }

    fn policy_width_slopes(
        &self,
        _: nlhf_core::Menu<'_>,
        p: &Distribution,
        q: &Distribution,
    ) -> Vec<f64> {
        let mean = self.mean(p, q);
        let length = mean[0].hypot(mean[1]).max(f64::MIN_POSITIVE);
        // The slope of |E z| in q(b), E z = E_p φ − φ(b) where q is b alone.
        let own = self.mean(p, p);
        let whole = |b: usize| {
            let z = |k: usize| {
                let p = p.probabilities();
                let center: f64 = (0..p.len()).map(|i| p[i] * self.features[i][k]).sum();
                own[k] + center - self.features[b][k]
            };
            (z(0) * mean[0] + z(1) * mean[1]) / length
        };
        (0..p.len()).map(whole).collect()
    }
}

impl FitPreference for Elliptical {
    type Model = Self;
    fn name(&self) -> &'static str {
        "elliptical"
    }
    fn fit(&self, data: &[Comparison]) -> Result<Fitted<Self>, FitError> {
        let evidence = self.given.fit(data)?.evidence;
        Ok(Fitted { model: self.clone(), evidence })
    }
}

#[test]
fn the_policy_level_search_finds_the_worst_opponent_of_a_fine_grid() {
    // Three responses: the simplex in steps of 1/400, 80,000 opponents.
    const STEPS: usize = 400;
    for (seed, eta) in [(0_u32, 1.0), (1, 4.0), (2, 30.0), (3, 4.0), (4, 12.0)] {
        let turn = |k: u32| f64::from(seed * 7 + k * 5).sin();
        let (r01, r02, r12) = (0.4 * turn(1), 0.5 * turn(2), 0.6 * turn(3));
        let log_odds = vec![vec![0.0, r01, r02], vec![-r01, 0.0, r12], vec![-r02, -r12, 0.0]];
        let features = (0..3).map(|i| [turn(10 + i), turn(20 + i)]).collect();
        let given = Given { log_odds: log_odds.clone(), widths: Vec::new() };
        let model = Elliptical { given: given.clone(), features };
        let mut menus = Menus::new();
        menus.push(PromptId::new(0), &[0, 1, 2].map(ResponseId::new)).unwrap();
        let prior = Distribution::from_masses(&[0.5, 0.3, 0.2]).unwrap();
        let eta = Eta::new(eta).unwrap();
        let played = Played { menus, prior, eta, truth: given };
        let agents = played.agents(&model, Enhancer::PolicyWidth);
        let menu = played.menus.get(0);
        let p = agents.main.probabilities();
        let loss = |q: &Distribution| -> f64 {
            let (masses, mut payoff) = (q.probabilities(), 0.0);
            for (i, p) in p.iter().enumerate() {
                for (j, q) in masses.iter().enumerate() {
                    payoff += p * q * log_odds[i][j];
                }
            }
            let costs = agents.main.kl_nats(&played.prior) - q.kl_nats(&played.prior);
            model.policy_width(menu, &agents.main, q) - payoff + costs / eta.get()
        };
        let mut worst = f64::NEG_INFINITY;
        for i in 0..=STEPS {
            for j in 0..=STEPS - i {
                let masses = [i, j, STEPS - i - j].map(|k| k as f64);
                worst = worst.max(loss(&Distribution::from_masses(&masses).unwrap()));
            }
        }
        let found = agents.policy_level_bound.unwrap();
        assert!((loss(agents.opponent()) - found).abs() < 1e-12, "what is said is what is lost");
        assert!(found >= worst, "seed {seed}: {found} found, {worst} on the grid");
        assert!(found <= worst + 1e-3, "seed {seed}: {found} found, {worst} on the grid");
        assert!(found <= agents.suboptimality_bound * (1.0 + 1e-12));
    }
}
