//! Confidence sets by simulation: they hold the truth as often as stated, for all pairs at once.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use nlhf_core::logistic::sigmoid;
use nlhf_core::{
    AnnotatorId, Comparison, Confidence, ConfidenceWidth, FitPreference, Label, PreferenceModel,
    PromptId, ResponseId, SeedTree, Stream,
};
use nlhf_preference::{
    BootstrapFit, BradleyTerryFit, Cluster, FeatureFit, FeatureTable, Features, FiniteClassFit,
    LogisticConfig, RobustErrors, TabularFit, WidthMultiplier,
};
use rand::{Rng, RngExt};
use rand_distr::{Distribution, StandardNormal};
use std::sync::Arc;

const ITEMS: u32 = 5;
const X: PromptId = PromptId::new(0);
/// Two features of each item.
const PHI: [[f64; 2]; ITEMS as usize] =
    [[1.0, 0.2], [0.3, -0.9], [-0.8, 0.4], [0.1, 1.0], [-0.6, -0.7]];

fn pairs() -> impl Iterator<Item = (usize, usize)> {
    (0..ITEMS as usize).flat_map(|i| (0..i).map(move |j| (i, j)))
}

fn ids((i, j): (usize, usize)) -> (ResponseId, ResponseId) {
    (ResponseId::from_index(i), ResponseId::from_index(j))
}

fn features() -> Arc<Features> {
    let table = FeatureTable::new(2, PHI.concat()).unwrap();
    Arc::new(Features::new(table, None).unwrap())
}

fn ask(truth: impl Fn(usize, usize) -> f64, pair: (usize, usize), rng: &mut dyn Rng) -> Comparison {
    let (a, b) = ids(pair);
    let won = rng.random::<f64>() < sigmoid(truth(pair.0, pair.1));
    Comparison::new(X, a, b, if won { Label::WIN } else { Label::LOSS })
}

/// Of `runs` data sets the share in which some pair's truth is outside its width, and the mean over pairs of
/// |error| / width.
fn failures<F>(
    fit: &F,
    truth: impl Fn(usize, usize) -> f64 + Copy,
    votes: usize,
    adaptive: bool,
    runs: u32,
) -> (f64, f64)
where
    F: FitPreference,
    F::Model: ConfidenceWidth,
{
    let (mut failed, mut ratios, mut n_ratios) = (0, 0.0, 0.0);
    for run in 0..runs {
        let mut rng = SeedTree::new(77).rng(Stream::Oracle, run);
        let mut data: Vec<Comparison> = pairs().map(|pair| ask(truth, pair, &mut rng)).collect();
        if adaptive {
            // The pair that looks most even is asked again: who is asked depends on earlier answers.
            for _ in 1..votes {
                let model = fit.fit(&data).unwrap().model;
                let even = |pair: &(usize, usize)| {
                    let (a, b) = ids(*pair);
                    model.log_odds(X, a, b).abs()
                };
                let next = pairs().min_by(|p, q| even(p).total_cmp(&even(q))).unwrap();
                data.extend((0..10).map(|_| ask(truth, next, &mut rng)));
            }
        } else {
            for _ in 1..votes {
                data.extend(pairs().map(|pair| ask(truth, pair, &mut rng)));
            }
        }
        let model = fit.fit(&data).unwrap().model;
        let mut outside = false;
        for pair in pairs() {
            let (a, b) = ids(pair);
            let error = (model.log_odds(X, a, b) - truth(pair.0, pair.1)).abs();
            let width = model.log_odds_width(X, a, b);
            outside |= error > width;
            if width > 0.0 {
                (ratios, n_ratios) = (ratios + error / width, n_ratios + 1.0);
            }
        }
        failed += u32::from(outside);
    }
    (f64::from(failed) / f64::from(runs), ratios / n_ratios)
}

/// The most failures of `runs` at a rate of δ, but for bad luck of 4 standard deviations.
fn most(delta: f64, runs: u32) -> f64 {
    delta + 4.0 * (delta * (1.0 - delta) / f64::from(runs)).sqrt()
}

fn linear(i: usize, j: usize) -> f64 {
    let score = |k: usize| 0.9 * PHI[k][0] - 0.6 * PHI[k][1];
    score(i) - score(j)
}

fn circular(i: usize, j: usize) -> f64 {
    linear(i, j) + 1.2 * (PHI[i][0] * PHI[j][1] - PHI[i][1] * PHI[j][0])
}

#[test]
fn the_theory_holds_at_least_as_often_as_it_says() {
    let (runs, delta) = (500, 0.2);
    let level = Confidence::new(1.0 - delta).unwrap();
    let config = LogisticConfig {
        log_odds_bound: 3.0,
        multiplier: WidthMultiplier::Theory(level),
        ..LogisticConfig::default()
    };
    let tabular = TabularFit::new(10, level).with_log_odds_bound(3.0).unwrap();
    let scores = BradleyTerryFit::new(config).unwrap();
    let of_features = FeatureFit::linear(features(), config).unwrap();
    let bilinear = FeatureFit::bilinear(features(), config).unwrap();
    for votes in [3, 30] {
        for (name, (rate, ratio)) in [
            ("tabular", failures(&tabular, circular, votes, false, runs)),
            ("bradley-terry", failures(&scores, linear, votes, false, runs)),
            ("linear", failures(&of_features, linear, votes, false, runs)),
            ("bilinear", failures(&bilinear, circular, votes, false, runs)),
        ] {
            assert!(rate <= most(delta, runs), "{name}, {votes} votes: {rate}");
            // Safe, and not so wide as to say nothing.
            assert!((0.01..1.0).contains(&ratio), "{name}, {votes} votes: {ratio}");
        }
    }
    let adaptive = TabularFit::new(10, level).with_horizon(300);
    for (name, (rate, _)) in [
        ("tabular", failures(&adaptive, circular, 10, true, 100)),
        ("linear", failures(&of_features, linear, 10, true, 100)),
    ] {
        assert!(rate <= most(delta, 100), "{name}, adaptive: {rate}");
    }
}

/// A member of a class of nine.
struct Member(f64, f64);

impl PreferenceModel for Member {
    fn log_odds(&self, _: PromptId, a: ResponseId, b: ResponseId) -> f64 {
        let (i, j) = (a.index(), b.index());
        self.0 * linear(i, j) + self.1 * (circular(i, j) - linear(i, j))
    }
}

#[test]
fn a_class_that_holds_the_truth_keeps_it_in_its_version_space() {
    let (runs, delta) = (500, 0.2);
    let level = Confidence::new(1.0 - delta).unwrap();
    let strengths = [0.0, 0.5, 1.0];
    let class = || {
        let members = strengths.iter().flat_map(|s| strengths.iter().map(|c| Member(*s, *c)));
        members.collect::<Vec<_>>()
    };
    let truth = |i, j| Member(0.5, 1.0).log_odds(X, ids((i, j)).0, ids((i, j)).1);
    for votes in [1, 10] {
        for adaptive in [false, true] {
            let fit = FiniteClassFit::new(class(), level).unwrap();
            let (rate, _) = failures(&fit, truth, votes, adaptive, runs);
            assert!(rate <= most(delta, runs), "version space: {rate}");
            let fit = fit.with_uncertainty_ratio(1.0).unwrap();
            let (rate, ratio) = failures(&fit, truth, votes, adaptive, runs);
            assert!(rate <= most(delta, runs) && ratio < 1.0, "ratio: {rate}, {ratio}");
        }
    }
    // With many votes nothing else is left, and the width says so.
    let mut rng = SeedTree::new(5).rng(Stream::Oracle, 0);
    let data: Vec<Comparison> =
        (0..2000).flat_map(|_| pairs()).map(|pair| ask(truth, pair, &mut rng)).collect();
    let model = FiniteClassFit::new(class(), level).unwrap().fit(&data).unwrap().model;
    assert_eq!(model.version_space(), [model.best()]);
    assert_eq!(model.best(), 5);
    assert!(model.log_odds_width(X, ResponseId::new(0), ResponseId::new(1)) == 0.0);
}

#[test]
fn a_bootstrap_holds_about_as_often_as_it_says_with_many_votes() {
    let level = Confidence::new(0.9).unwrap();
    let config = LogisticConfig { ridge: 1e-3, ..LogisticConfig::default() };
    let inner = BradleyTerryFit::new(config).unwrap();
    let fit = BootstrapFit::new(inner, 150, Cluster::Comparison, level, SeedTree::new(9)).unwrap();
    let runs = 200;
    let (rate, _) = failures(&fit, linear, 60, false, runs);
    let off = 4.0 * (0.1_f64 * 0.9 / f64::from(runs)).sqrt();
    assert!((rate - 0.1).abs() <= off + 0.03, "{rate} outside, of 0.1");
}

/// Votes of annotators who each have a taste of their own beside the common one.
fn tastes(annotators: u32, run: u32) -> Vec<Comparison> {
    let mut rng = SeedTree::new(13).rng(Stream::Oracle, run);
    let mut data = Vec::new();
    for annotator in 0..annotators {
        let own: [f64; 2] = [(); 2].map(|()| StandardNormal.sample(&mut rng));
        let taste = |i: usize, j: usize| {
            let along = |k: usize| PHI[k][0] * own[0] + PHI[k][1] * own[1];
            0.8 * (along(i) - along(j))
        };
        for _ in 0..2 {
            for pair in pairs() {
                let c = ask(taste, pair, &mut rng);
                data.push(Comparison { annotator: Some(AnnotatorId::new(annotator)), ..c });
            }
        }
    }
    data
}

#[test]
fn annotators_who_differ_are_accounted_for_by_clusters_and_not_without() {
    // No preference on average: by symmetry the population's log-odds are 0 for every pair.
    let config = LogisticConfig { ridge: 1e-3, ..LogisticConfig::default() };
    let linear = FeatureFit::linear(features(), config).unwrap();
    let scores = BradleyTerryFit::new(config).unwrap();
    let runs = 300;
    let mut covered = [[0; 2]; 2];
    for run in 0..runs {
        let data = tastes(60, run);
        let fits = (linear.fit(&data).unwrap(), scores.fit(&data).unwrap());
        let (a, b) = ids((0, 2));
        for (at, cluster) in [Cluster::Comparison, Cluster::Annotator].into_iter().enumerate() {
            let errors = RobustErrors::new(&fits.0, &config, &data, cluster).unwrap();
            let error = errors.log_odds(&fits.0.model, X, a, b).unwrap();
            covered[0][at] += u32::from(fits.0.model.log_odds(X, a, b).abs() <= 1.96 * error);
            let errors = RobustErrors::new(&fits.1, &config, &data, cluster).unwrap();
            let error = errors.log_odds(&fits.1.model, X, a, b).unwrap();
            covered[1][at] += u32::from(fits.1.model.log_odds(X, a, b).abs() <= 1.96 * error);
        }
    }
    for [alone, together] in covered.map(|c| c.map(|n| f64::from(n) / f64::from(runs))) {
        assert!(alone < 0.85, "judgements for independent: {alone}");
        assert!((0.90..0.985).contains(&together), "whole annotators: {together}");
    }
}

#[test]
fn errors_of_the_order_effect_and_of_unknown_pairs() {
    let config = LogisticConfig { ridge: 1e-3, order_effect: true, ..LogisticConfig::default() };
    let fit = FeatureFit::linear(features(), config).unwrap();
    let data = tastes(40, 0);
    let fitted = fit.fit(&data).unwrap();
    let errors = RobustErrors::new(&fitted, &config, &data, Cluster::Comparison).unwrap();
    // With independent judgements and a true model both are the inverse of the Hessian.
    let (robust, model) =
        (errors.order_effect().unwrap(), fitted.evidence.order_effect.unwrap().standard_error);
    assert!((robust / model - 1.0).abs() < 0.1, "{robust} and {model}");
    assert_eq!(errors.n_clusters(), data.len());
    let stranger = ResponseId::new(99);
    assert!(errors.log_odds(&fitted.model, X, stranger, ResponseId::new(0)).is_none());
    assert!(RobustErrors::new(&fitted, &config, &data[..1], Cluster::Prompt).is_err());
}
