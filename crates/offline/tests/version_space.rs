//! Pessimism over a version space: bounds that hold, what it costs, and its edges.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::OnlyUniform;
use nlhf_core::{
    Comparison, Confidence, ConfidenceWidth, Distribution, Eta, FitPreference, Label, Menu, Menus,
    NashSolver, Policy, PreferenceModel, Profile, PromptId, RegularizedGame, ResponseId, Scale,
    SeedTree, Status, Stream, UniformPolicy, Weight, ZeroSumGame, suboptimality,
};
use nlhf_nash::Newton;
use nlhf_offline::{
    OfflineConfig, OfflineData, OfflineError, OfflineLearner, OfflineReport, Pessimism,
    coverage_bound, theorem_bound,
};
use nlhf_policy::TabularClass;
use nlhf_preference::{
    BootstrapFit, Cluster, FiniteClassFit, PairCounts, Play, TabularFit, finite_coverage,
};
use rand::RngExt;

const N: usize = 4;

/// Log-odds of all pairs of each prompt.
#[derive(Debug, Clone)]
struct Table(Vec<[[f64; N]; N]>);

impl Table {
    fn random(prompts: usize, spread: f64, rng: &mut dyn rand::Rng) -> Self {
        let mut tables = vec![[[0.0; N]; N]; prompts];
        for table in &mut tables {
            for (i, j) in (0..N).flat_map(|i| (0..i).map(move |j| (i, j))) {
                let r = spread * (2.0 * rng.random::<f64>() - 1.0);
                (table[i][j], table[j][i]) = (r, -r);
            }
        }
        Self(tables)
    }
}

impl PreferenceModel for Table {
    fn log_odds(&self, x: PromptId, a: ResponseId, b: ResponseId) -> f64 {
        self.0[x.index()][a.index()][b.index()]
    }
}

fn menus(prompts: usize) -> Menus {
    let responses: Vec<ResponseId> = (0..4).map(ResponseId::new).collect();
    let mut menus = Menus::new();
    for x in 0..prompts {
        menus.push(PromptId::new(u32::try_from(x).unwrap()), &responses).unwrap();
    }
    menus
}

/// Labels of `truth` on pairs drawn at random.
fn judged(truth: &Table, menus: &Menus, n: usize, rng: &mut dyn rand::Rng) -> Vec<Comparison> {
    let draw = |_| {
        let menu = menus.get(rng.random_range(0..u32::try_from(menus.len()).unwrap()) as usize);
        let i = rng.random_range(0..4_u32) as usize;
        let j = (i + rng.random_range(1..4_u32) as usize) % N;
        let (a, b) = (menu.responses()[i], menu.responses()[j]);
        let won = rng.random::<f64>() < truth.probability(menu.prompt(), a, b);
        Comparison::new(menu.prompt(), a, b, if won { Label::WIN } else { Label::LOSS })
    };
    (0..n).map(draw).collect()
}

fn data<'a>(training: &'a [Comparison], menus: &'a Menus) -> OfflineData<'a> {
    OfflineData { training, held_out: &[], menus, reference: &UniformPolicy }
}

fn config(eta: f64, scale: Scale) -> OfflineConfig {
    let config = OfflineConfig::default().with_pessimism(Pessimism::VersionSpace);
    config.with_eta(Eta::new(eta).unwrap()).with_scale(scale)
}

fn level() -> Confidence {
    Confidence::new(0.95).unwrap()
}

/// The true suboptimality of a report on average over its prompts.
fn lost(truth: &Table, report: &OfflineReport, menus: &Menus) -> f64 {
    let (eta, scale) = (report.config.eta, report.config.scale);
    let each = menus.iter().zip(&report.prompts).map(|(menu, prompt)| {
        let reference = UniformPolicy.distribution(menu);
        suboptimality(truth, menu, &reference, eta, scale, &prompt.policy)
    });
    each.sum::<f64>() / menus.len() as f64
}

fn equilibrium(truth: &Table, menu: Menu<'_>, eta: Eta, scale: Scale) -> Distribution {
    let (payoff, reference) = (truth.game(menu, scale), Profile::uniform(N, N));
    let game = RegularizedGame::new(&payoff, &reference, eta).unwrap();
    Newton::default().solve(&game, &reference, &mut ()).unwrap().profile.row
}

#[test]
fn the_bound_holds_whenever_the_truth_is_in_the_set_and_is_below_the_theorems() {
    let (mut runs, mut outside) = (0, 0);
    for seed in 0..40 {
        let mut rng = SeedTree::new(seed).rng(Stream::Instance, 0);
        let menus = menus(3);
        let class: Vec<Table> = (0..20).map(|_| Table::random(3, 2.0, &mut rng)).collect();
        let truth = class[7].clone();
        for (n, scale, eta) in
            [(20, Scale::Probability, 10.0), (60, Scale::LogOdds, 3.0), (200, Scale::LogOdds, 1.0)]
        {
            let judged = judged(&truth, &menus, n, &mut rng);
            let fit = FiniteClassFit::new(class.clone(), level()).unwrap();
            let config = config(eta, scale);
            let learner = OfflineLearner::new(config.clone()).unwrap();
            let learned = learner.learn(data(&judged, &menus), &fit, &TabularClass, &mut ());
            let learned = learned.unwrap();
            let report = &learned.report;
            let found = report.version_space.as_ref().unwrap();
            assert!(report.prompts.iter().all(|p| p.status == Status::Converged));
            assert!(found.duality_gap <= config.tolerance);
            let bound = report.mean_suboptimality_bound().unwrap();
            let by_prompt = report.prompts.iter().map(|p| p.suboptimality_bound.unwrap());
            assert!(bound <= by_prompt.sum::<f64>() / 3.0 + 1e-12);
            runs += 1;
            if !learned.model.version_space().contains(&7) {
                outside += 1;
                continue;
            }
            // Once the truth is in the set the rest is no matter of chance.
            assert!(lost(&truth, report, &menus) <= bound);
            for (menu, prompt) in menus.iter().zip(&report.prompts) {
                let payoff = truth.game(menu, scale);
                let mut losses = vec![0.0; N];
                payoff.apply_transpose(&prompt.policy.probabilities(), &mut losses);
                let gain = losses.into_iter().fold(0.0, |most, loss| f64::max(most, -loss));
                assert!(gain <= prompt.exploitability_bound.unwrap() + 1e-12);
            }
            below_the_coverage_theorem(&class, &truth, report, &judged, &menus);
            below_the_width_theorem(&truth, config, &fit, &judged, &menus);
        }
    }
    // The set misses the truth with probability 0.05 at most: 14 of 120 with less than 1e-3.
    assert!(outside < 14, "{outside} of {runs}");
}

/// The reported bound is the first step of the theorem's proof; the theorem takes another δ for the class to be near the
/// truth on the data.
fn below_the_coverage_theorem(
    class: &[Table],
    truth: &Table,
    report: &OfflineReport,
    judged: &[Comparison],
    menus: &Menus,
) {
    let (eta, scale) = (report.config.eta, report.config.scale);
    let policies: Vec<Distribution> =
        menus.iter().map(|menu| equilibrium(truth, menu, eta, scale)).collect();
    let plays: Vec<Play<'_>> = menus
        .iter()
        .zip(&policies)
        .map(|(menu, policy)| Play { weight: Weight::ONE, menu, policy })
        .collect();
    let counts = PairCounts::new(judged);
    let members: Vec<OnScale<'_>> = class.iter().map(|table| OnScale { table, scale }).collect();
    let coverage = finite_coverage(&members, &counts, &plays);
    let theorem =
        coverage_bound(coverage.upper, counts.total_weight(), class.len(), level(), scale, 2.0);
    let bound = report.mean_suboptimality_bound().unwrap();
    assert!(bound <= theorem, "{scale:?}: {bound} and {theorem}");
}

/// The bonus form with the version space behind its widths is no looser than its own theorem.
fn below_the_width_theorem(
    truth: &Table,
    config: OfflineConfig,
    fit: &FiniteClassFit<Table>,
    judged: &[Comparison],
    menus: &Menus,
) {
    let (eta, scale) = (config.eta, config.scale);
    let learner = OfflineLearner::new(config.with_pessimism(Pessimism::Bonus)).unwrap();
    let learned = learner.learn(data(judged, menus), fit, &TabularClass, &mut ()).unwrap();
    for (menu, prompt) in menus.iter().zip(&learned.report.prompts) {
        let star = equilibrium(truth, menu, eta, scale);
        let reference = UniformPolicy.distribution(menu);
        let theorem = theorem_bound(&learned.model, menu, &reference, eta, scale, &star);
        let bound = prompt.suboptimality_bound.unwrap();
        assert!(bound <= theorem + 1e-9, "{bound} and {theorem}");
    }
}

/// A table that answers with payoffs of a scale, as coverage on that scale wants it.
struct OnScale<'a> {
    table: &'a Table,
    scale: Scale,
}

impl PreferenceModel for OnScale<'_> {
    fn log_odds(&self, x: PromptId, a: ResponseId, b: ResponseId) -> f64 {
        self.table.payoff(x, a, b, self.scale)
    }
}

#[test]
fn a_space_of_one_is_the_equilibrium_of_the_estimate() {
    let mut rng = SeedTree::new(1).rng(Stream::Instance, 0);
    let (menus, truth) = (menus(2), Table::random(2, 2.0, &mut rng));
    let judged = judged(&truth, &menus, 30, &mut rng);
    let fit = FiniteClassFit::new(vec![truth.clone()], level()).unwrap();
    let learner = OfflineLearner::new(config(5.0, Scale::Probability)).unwrap();
    let learned = learner.learn(data(&judged, &menus), &fit, &TabularClass, &mut ()).unwrap();
    for (menu, prompt) in menus.iter().zip(&learned.report.prompts) {
        let star = equilibrium(&truth, menu, Eta::new(5.0).unwrap(), Scale::Probability);
        let apart = star.probabilities().into_iter().zip(prompt.policy.probabilities());
        assert!(apart.map(|(p, q)| (p - q).abs()).sum::<f64>() < 1e-9);
        assert!(prompt.suboptimality_bound.unwrap() < 1e-10);
    }
}

#[test]
fn ensembles_serve_and_restricted_classes_are_certified_for_what_they_play() {
    let mut rng = SeedTree::new(2).rng(Stream::Instance, 0);
    let (menus, truth) = (menus(3), Table::random(3, 2.0, &mut rng));
    let judged = judged(&truth, &menus, 600, &mut rng);
    let tabular = TabularFit::for_menus(&menus, level());
    let fit = BootstrapFit::new(tabular, 30, Cluster::Comparison, level(), SeedTree::new(0));
    let fit = fit.unwrap();
    let learner = OfflineLearner::new(config(10.0, Scale::Probability)).unwrap();
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| learner.learn(data(&judged, &menus), &fit, &TabularClass, &mut ()).unwrap())
    };
    let free = run(1).report;
    assert_eq!(free, run(3).report);
    let text = serde_json::to_string(&free).unwrap();
    assert_eq!(serde_json::from_str::<OfflineReport>(&text).unwrap(), free);
    assert_eq!(free.version_space.as_ref().unwrap().n_preferences, 31);
    let weights = &free.version_space.as_ref().unwrap().weights;
    assert!(weights.len() > 1 && (weights.iter().map(|w| w.1).sum::<f64>() - 1.0).abs() < 1e-9);

    let held = learner.learn(data(&judged, &menus), &fit, &OnlyUniform, &mut ()).unwrap().report;
    assert!(held.mean_suboptimality_bound() > free.mean_suboptimality_bound());
    assert!(held.version_space.unwrap().duality_gap > 1e-4);
    for prompt in &held.prompts {
        assert_eq!(prompt.policy, Distribution::uniform(N));
    }
}

/// A policy for menus of two.
struct Short;

impl Policy for Short {
    fn distribution(&self, _: Menu<'_>) -> Distribution {
        Distribution::uniform(2)
    }
}

#[test]
fn models_without_a_set_and_references_of_another_shape_are_refused() {
    let mut rng = SeedTree::new(3).rng(Stream::Instance, 0);
    let (menus, truth) = (menus(1), Table::random(1, 2.0, &mut rng));
    let judged = judged(&truth, &menus, 20, &mut rng);
    let learner = OfflineLearner::new(config(10.0, Scale::Probability)).unwrap();
    let tabular = TabularFit::for_menus(&menus, level());
    let error = learner.learn(data(&judged, &menus), &tabular, &TabularClass, &mut ()).unwrap_err();
    assert!(matches!(error, OfflineError::NoVersionSpace { model: "tabular" }), "{error}");
    assert!(tabular.fit(&judged).unwrap().model.version_space().is_none());

    let fit = FiniteClassFit::new(vec![truth], level()).unwrap();
    let data = OfflineData { reference: &Short, ..data(&judged, &menus) };
    let error = learner.learn(data, &fit, &TabularClass, &mut ()).unwrap_err();
    assert!(matches!(error, OfflineError::VersionSpace(_)), "{error}");
}
