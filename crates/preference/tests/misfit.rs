//! Misfit by simulation: a class that holds the truth is rejected no more often than stated, one that does not is.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use nlhf_core::logistic::sigmoid;
use nlhf_core::{
    Comparison, Confidence, ConfidenceWidth, FitPreference, Label, PreferenceModel, PromptId,
    ResponseId, SeedTree, Stream, Weight,
};
use nlhf_preference::evidence::{Misfit, misfit};
use nlhf_preference::{
    BradleyTerryFit, FiniteClassFit, LogisticConfig, PairCounts, TabularFit, WidthMultiplier,
};
use rand::{Rng, RngExt};

const X: PromptId = PromptId::new(0);
const ITEMS: usize = 4;

/// A preference, and a class of one.
#[derive(Clone, Copy)]
enum Truth {
    /// Scores 0, s, 2s, …
    Ladder(f64),
    /// Each beats the next one in a circle by these log-odds, and ties with the others.
    Circle(f64),
}

impl PreferenceModel for Truth {
    fn log_odds(&self, _: PromptId, a: ResponseId, b: ResponseId) -> f64 {
        let apart = a.index() as f64 - b.index() as f64;
        match self {
            Self::Ladder(step) => step * apart,
            Self::Circle(odds) => match (ITEMS + a.index() - b.index()) % ITEMS {
                1 => *odds,
                3 => -odds,
                _ => 0.0,
            },
        }
    }
}

impl ConfidenceWidth for Truth {
    fn log_odds_width(&self, _: PromptId, _: ResponseId, _: ResponseId) -> f64 {
        0.0
    }
}

fn pairs() -> impl Iterator<Item = (ResponseId, ResponseId)> {
    let ids = |i, j| (ResponseId::from_index(i), ResponseId::from_index(j));
    (0..ITEMS).flat_map(move |i| (0..i).map(move |j| ids(i, j)))
}

fn vote(truth: Truth, (a, b): (ResponseId, ResponseId), rng: &mut dyn Rng) -> Comparison {
    let won = rng.random::<f64>() < sigmoid(truth.log_odds(X, a, b));
    Comparison::new(X, a, b, if won { Label::WIN } else { Label::LOSS })
}

fn votes(truth: Truth, each: usize, seed: u32) -> Vec<Comparison> {
    let mut rng = SeedTree::new(31).rng(Stream::Oracle, seed);
    (0..each).flat_map(|_| pairs()).map(|pair| vote(truth, pair, &mut rng)).collect()
}

fn level(delta: f64) -> Confidence {
    Confidence::new(1.0 - delta).unwrap()
}

fn found<F: FitPreference>(fit: &F, data: &[Comparison]) -> Misfit
where
    F::Model: ConfidenceWidth,
{
    misfit(&fit.fit(data).unwrap().model, &PairCounts::new(data)).unwrap()
}

/// How often estimate and intervals are rejected.
fn rejections<F: FitPreference>(fit: &F, truth: Truth, each: usize, delta: f64) -> [f64; 2]
where
    F::Model: ConfidenceWidth,
{
    let runs = 300;
    let mut rejected = [0, 0];
    for seed in 0..runs {
        let found = found(fit, &votes(truth, each, seed));
        rejected[0] += u32::from(found.rejects_estimate(level(delta)));
        rejected[1] += u32::from(found.rejects_intervals(level(delta)));
    }
    rejected.map(|n| f64::from(n) / f64::from(runs))
}

fn config(delta: f64) -> LogisticConfig {
    LogisticConfig {
        log_odds_bound: 4.0,
        multiplier: WidthMultiplier::Theory(level(delta)),
        ridge: 1e-3,
        ..LogisticConfig::default()
    }
}

#[test]
fn a_class_that_holds_the_truth_is_seldom_rejected() {
    let delta = 0.1;
    let scores = BradleyTerryFit::new(config(delta)).unwrap();
    let tabular = TabularFit::new(6, level(delta));
    let class = [0.2, 0.5, 0.8].map(Truth::Ladder).to_vec();
    let finite = FiniteClassFit::new(class, level(delta)).unwrap();
    for each in [1, 5, 50, 500] {
        for (name, [estimate, intervals]) in [
            ("scores", rejections(&scores, Truth::Ladder(0.5), each, delta)),
            ("tabular", rejections(&tabular, Truth::Circle(0.8), each, delta)),
            ("finite", rejections(&finite, Truth::Ladder(0.5), each, delta)),
        ] {
            assert!(estimate <= delta && intervals <= delta, "{name}: {estimate}, {intervals}");
        }
    }
}

#[test]
fn the_truth_itself_is_rejected_no_more_often_however_votes_are_asked() {
    // The pair whose votes look least like the truth is asked next, and the strongest evidence of a run counts.
    let (runs, delta) = (300, 0.2);
    let truth = Truth::Circle(0.6);
    let mut rejected = 0;
    let mut mean = 0.0;
    for seed in 0..runs {
        let mut rng = SeedTree::new(32).rng(Stream::Oracle, seed);
        let mut data: Vec<Comparison> = pairs().map(|pair| vote(truth, pair, &mut rng)).collect();
        let mut highest = f64::NEG_INFINITY;
        for _ in 0..100 {
            let known = misfit(&truth, &PairCounts::new(&data)).unwrap();
            highest = highest.max(known.estimate_nats);
            let next = known.pairs.first().map_or_else(
                || pairs().nth(rng.random_range(0..6_u32) as usize).unwrap(),
                |pair| (pair.high, pair.low),
            );
            data.push(vote(truth, next, &mut rng));
        }
        let last = misfit(&truth, &PairCounts::new(&data)).unwrap();
        mean += last.estimate_nats.exp() / f64::from(runs);
        rejected += u32::from(highest >= -f64::ln(delta));
    }
    let rate = f64::from(rejected) / f64::from(runs);
    let slack = 4.0 * (delta * (1.0 - delta) / f64::from(runs)).sqrt();
    assert!(rate <= delta + slack, "{rate}");
    assert!(mean < 1.5, "the mean of an e-value is 1: {mean}");
}

#[test]
fn a_circle_is_no_ladder() {
    let data = votes(Truth::Circle(1.0), 300, 0);
    let fit = BradleyTerryFit::new(config(0.05)).unwrap();
    let found = found(&fit, &data);
    assert!(found.rejects_estimate(level(1e-6)), "{found:?}");
    assert_eq!(found.n_pairs, 6);
    // Those of the circle, not the two ties.
    assert_eq!(found.pairs.len(), 4);
    for pair in &found.pairs {
        let odds = Truth::Circle(1.0).log_odds(X, pair.low, pair.high);
        assert!((pair.observed - sigmoid(odds)).abs() < 0.15 && odds != 0.0);
        assert!(
            (pair.believed - 0.5).abs() < 0.1
                && pair.nats > 5.0
                && (pair.weight - 300.0).abs() < 1e-9
        );
    }
    // Narrow widths are contradicted, those of the theory, for so few votes, not.
    assert!(!found.rejects_intervals(level(0.05)));
    let narrow = LogisticConfig { multiplier: WidthMultiplier::Fixed(0.5), ..config(0.05) };
    let narrow = BradleyTerryFit::new(narrow).unwrap().fit(&data).unwrap().model;
    let found = misfit(&narrow, &PairCounts::new(&data)).unwrap();
    assert!(found.rejects_intervals(level(0.05)) && found.intervals_nats < found.estimate_nats);
    // Tables explain anything.
    let table = TabularFit::new(6, level(0.05)).fit(&data).unwrap().model;
    assert!(misfit(&table, &PairCounts::new(&data)).unwrap().estimate_nats < 0.0);
}

#[test]
fn a_finite_class_without_the_truth_is_rejected_and_one_with_it_is_not() {
    let data = votes(Truth::Ladder(0.5), 200, 3);
    let class = |steps: &[f64]| steps.iter().copied().map(Truth::Ladder).collect::<Vec<_>>();
    let fit = |steps: &[f64]| FiniteClassFit::new(class(steps), level(0.05)).unwrap();
    assert!(!found(&fit(&[0.0, 0.5, 1.0]), &data).rejects_estimate(level(0.05)));
    let without = found(&fit(&[0.0, 1.0, 2.0]), &data);
    assert!(without.rejects_estimate(level(0.001)) && without.rejects_intervals(level(0.05)));
}

#[test]
fn soft_labels_weights_and_no_data() {
    // Judges who give the probability itself: as little noise as there can be.
    let truth = Truth::Ladder(0.5);
    let soft = |label: f64, weight: f64| {
        let weight = Weight::new(weight).unwrap();
        let label = Label::new(label).unwrap();
        pairs().map(move |(a, b)| Comparison { weight, ..Comparison::new(X, a, b, label) })
    };
    let right: Vec<Comparison> = pairs()
        .map(|(a, b)| {
            Comparison::new(X, a, b, Label::new(sigmoid(truth.log_odds(X, a, b))).unwrap())
        })
        .collect();
    let right = (0..100).flat_map(|_| right.clone()).collect::<Vec<_>>();
    assert!(misfit(&truth, &PairCounts::new(&right)).unwrap().estimate_nats < 0.0);
    // The same wins in one label of weight n, or in n: repetitions.
    let heavy: Vec<Comparison> = soft(0.25, 40.0).collect();
    let many: Vec<Comparison> = (0..40).flat_map(|_| soft(0.25, 1.0)).collect();
    let [heavy, many] = [heavy, many].map(|data| misfit(&truth, &PairCounts::new(&data)).unwrap());
    assert!((heavy.estimate_nats - many.estimate_nats).abs() < 1e-9);
    assert!(heavy.rejects_estimate(level(1e-6)));
    assert_eq!(heavy.pairs.len(), 5);
    // Where all labels agree a sure model is right and an even one is not.
    let sure: Vec<Comparison> = soft(1.0, 30.0).collect();
    let sure = PairCounts::new(&sure);
    assert!(misfit(&Truth::Ladder(60.0), &sure).unwrap().estimate_nats < 0.0);
    let even = misfit(&Truth::Ladder(0.0), &sure).unwrap();
    assert!(even.rejects_estimate(level(1e-9)) && even.pairs[0].observed == 0.0);
    assert_eq!(misfit(&truth, &PairCounts::new(&[])), None);
    let text = serde_json::to_string(&even).unwrap();
    assert_eq!(serde_json::from_str::<Misfit>(&text).unwrap(), even);
}
