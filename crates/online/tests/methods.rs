//! Every method in the loop: within its certificate, reproducible, lawful, and each with an answer of its own.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use nlhf_core::{
    Comparison, Confidence, ConfidenceWidth, DenseGame, Distribution, Eta, Label, Menus, Policy,
    PreferenceModel, Profile, PromptId, ResponseId, Scale, SeedTree, Status, UniformPolicy, Weight,
    suboptimality,
};
use nlhf_nash::Automatic;
use nlhf_online::methods::{self, BestOfN, DoubleThompson, Greedy, SelfPlay, UniformPairs};
use nlhf_online::{
    Agents, OnlineConfig, OnlineLearner, OnlineReport, Plan, PromptRound, Round, Strategy,
};
use nlhf_policy::TabularClass;
use nlhf_preference::{Crowd, CrowdConfig, SimulatedOracle, TabularFit};
use std::collections::HashSet;
use std::ops::ControlFlow;
use std::sync::Arc;

/// Log-odds by place in the menu, row-major, and one width for all pairs.
struct Given {
    n: usize,
    log_odds: Vec<f64>,
    width: f64,
}

impl Given {
    fn skew(n: usize, width: f64, upper: impl FnMut(usize, usize) -> f64) -> Self {
        Self { n, log_odds: DenseGame::skew_from_upper(n, upper).entries().to_vec(), width }
    }
}

impl PreferenceModel for Given {
    fn log_odds(&self, _: PromptId, first: ResponseId, second: ResponseId) -> f64 {
        self.log_odds[first.index() * self.n + second.index()]
    }
}

impl ConfidenceWidth for Given {
    fn log_odds_width(&self, _: PromptId, first: ResponseId, second: ResponseId) -> f64 {
        if first == second { 0.0 } else { self.width }
    }
}

/// One prompt between two rounds, without a learner around it.
struct Bench {
    menus: Menus,
    reference: Profile,
    config: OnlineConfig,
    model: Given,
    comparisons: Vec<Comparison>,
    round: u32,
    previous: Agents,
}

impl Bench {
    fn new(
        strategy: &dyn Strategy,
        model: Given,
        reference: Distribution,
        config: OnlineConfig,
    ) -> Self {
        let mut menus = Menus::new();
        let ids: Vec<ResponseId> = (0..model.n).map(ResponseId::from_index).collect();
        menus.push(PromptId::new(0), &ids).unwrap();
        let previous = Agents {
            main: reference.clone(),
            asks: strategy.opening(&reference),
            suboptimality_bound: f64::INFINITY,
            policy_level_bound: None,
            duality_gap: 0.0,
            status: Status::Converged,
        };
        let reference = Profile::symmetric(reference);
        Self { menus, reference, config, model, comparisons: Vec::new(), round: 1, previous }
    }

    fn plan(&self, strategy: &dyn Strategy) -> Plan {
        let (menu, scale) = (self.menus.get(0), self.config.scale);
        let (estimate, widths) = (self.model.game(menu, scale), self.model.widths(menu, scale));
        let solver = Automatic { tolerance: 1e-12 };
        let prompt = PromptRound {
            round: self.round,
            config: &self.config,
            position: 0,
            menu,
            reference: &self.reference,
            previous: &self.previous,
            model: &self.model,
            estimate: &estimate,
            widths: &widths,
            comparisons: &self.comparisons,
            solver: &solver,
        };
        let plan = strategy.plan(&prompt).unwrap();
        let again = strategy.plan(&prompt).unwrap();
        assert_eq!(plan, again, "{} is decided by what it is shown", strategy.name());
        plan
    }

    /// Plans a round and goes on to the next.
    fn step(&mut self, strategy: &dyn Strategy) -> Plan {
        let plan = self.plan(strategy);
        self.round += 1;
        self.previous.main = plan.main.clone();
        self.previous.asks.clone_from(&plan.asks);
        self.previous.suboptimality_bound = 1.0;
        plan
    }

    /// Adds labels of the weight of `times` that say what the model says.
    fn label(&mut self, first: usize, second: usize, times: f64) {
        let (a, b) = (ResponseId::from_index(first), ResponseId::from_index(second));
        let share = Label::new(self.model.probability(PromptId::new(0), a, b)).unwrap();
        let weight = Weight::new(times).unwrap();
        let comparison = Comparison { weight, ..Comparison::new(PromptId::new(0), a, b, share) };
        self.comparisons.push(comparison);
    }

    fn label_all_pairs(&mut self, times: f64) {
        for i in 0..self.model.n {
            for j in i + 1..self.model.n {
                self.label(i, j, times);
            }
        }
    }

    /// How much a policy loses if the model is the truth.
    fn lost(&self, policy: &Distribution) -> f64 {
        let (menu, reference) = (self.menus.get(0), &self.reference.row);
        let (eta, scale) = (self.config.eta, self.config.scale);
        suboptimality(&self.model, menu, reference, eta, scale, policy)
    }
}

fn settings(eta: f64, scale: Scale) -> OnlineConfig {
    OnlineConfig::default().with_eta(Eta::new(eta).unwrap()).with_scale(scale)
}

fn tilted_reference() -> Distribution {
    Distribution::from_masses(&[0.1, 0.2, 0.3, 0.4]).unwrap()
}

fn mixed(i: usize, j: usize) -> f64 {
    ((3 * i + 5 * j + 1) as f64).sin()
}

fn l1(one: &Distribution, other: &Distribution) -> f64 {
    one.probabilities().iter().zip(other.probabilities()).map(|(p, q)| (p - q).abs()).sum()
}

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
fn the_simple_methods_ask_whom_they_say() {
    let reference = tilted_reference();
    let plan = |strategy: &dyn Strategy| {
        let config = settings(5.0, Scale::Probability);
        Bench::new(strategy, Given::skew(4, 0.3, mixed), reference.clone(), config).plan(strategy)
    };
    let greedy = plan(&Greedy);
    assert_eq!((&greedy.asks[0].first, &greedy.asks[0].second), (&greedy.main, &reference));
    let own = plan(&SelfPlay);
    assert_eq!((&own.asks[0].first, &own.asks[0].second), (&own.main, &own.main));
    let even = plan(&UniformPairs);
    let uniform = Distribution::uniform(4);
    assert_eq!((&even.asks[0].first, &even.asks[0].second), (&uniform, &uniform));
    assert_eq!(UniformPairs.opening(&reference), even.asks);
    for plan in [&greedy, &own, &even] {
        assert!(l1(&plan.main, &greedy.main) == 0.0 && plan.duality_gap <= 1e-12);
    }
    // At the equilibrium, what scores best is what gained most on the reference.
    let best = plan(&BestOfN::new(64).unwrap());
    assert_eq!(best.asks[0].first, best.main);
    let gains: Vec<f64> = best
        .main
        .log_probabilities()
        .iter()
        .zip(reference.log_probabilities())
        .map(|(p, r)| p - r)
        .collect();
    let top = (0..4).max_by(|&a, &b| gains[a].total_cmp(&gains[b])).unwrap();
    let low = (0..4).min_by(|&a, &b| gains[a].total_cmp(&gains[b])).unwrap();
    let share = |at: usize| 1.0 - (1.0 - best.main.probabilities()[at]).powi(64);
    assert!((best.asks[0].second.probabilities()[top] - share(top)).abs() < 1e-12);
    let sides = plan(&BestOfN::new(64).unwrap().against_worst());
    assert_eq!(sides.asks[0].second, best.asks[0].second);
    assert!((sides.asks[0].first.probabilities()[low] - share(low)).abs() < 1e-12);
}

#[test]
fn double_thompson_settles_on_the_condorcet_winner() {
    // 2 beats all others, which go in a circle.
    let log_odds = |i: usize, j: usize| match (i, j) {
        (_, 2) => -1.0,
        (2, _) => 1.0,
        (0, 3) => -0.8,
        _ => 0.8,
    };
    let strategy = DoubleThompson::new(200, 0.51).unwrap();
    let config = settings(5.0, Scale::Probability);
    let mut bench =
        Bench::new(&strategy, Given::skew(4, 0.1, log_odds), tilted_reference(), config);
    let share = |plan: &Plan| {
        let on_winner = plan.asks.iter().filter(|pair| pair.first.probabilities()[2] > 0.5);
        on_winner.count() as f64 / plan.asks.len() as f64
    };
    let before = share(&bench.plan(&strategy));
    assert!((0.1..0.4).contains(&before), "a quarter without labels, not {before}");
    bench.label_all_pairs(200.0);
    let plan = bench.plan(&strategy);
    assert!(share(&plan) > 0.99, "{}", share(&plan));
    assert!(plan.asks.iter().all(|pair| l1(&pair.first, &pair.second) > 1.9));
    assert!(bench.lost(&plan.main) <= 1e-12, "the equilibrium is returned all the same");
    // Other rounds draw other numbers.
    bench.comparisons.clear();
    let first = bench.plan(&strategy).asks;
    bench.round += 1;
    assert_ne!(bench.plan(&strategy).asks, first);
}
