//! The effect of the presentation order: its laws, its recovery and its standard error, in every fit that offers it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use nlhf_core::logistic::sigmoid;
use nlhf_core::{
    Comparison, Confidence, ConfidenceWidth, FitEvidence, FitPreference, Label, Menus,
    PreferenceModel, PromptId, ResponseId, SeedTree, Stream,
};
use nlhf_preference::{
    BradleyTerryFit, ContextualFit, DavidsonFit, FeatureFit, FeatureTable, Features,
    LogisticConfig, TabularFit, WidthMultiplier,
};
use nlhf_testkit::{check_confidence_width, strategies};
use proptest::prelude::*;
use rand::RngExt;
use std::sync::Arc;

const PROMPTS: u32 = 3;
const RESPONSES: u32 = 5;

fn menus() -> Menus {
    let ids: Vec<ResponseId> = (0..RESPONSES).map(ResponseId::new).collect();
    let mut menus = Menus::new();
    for prompt in 0..PROMPTS {
        menus.push(PromptId::new(prompt), &ids).unwrap();
    }
    menus
}

/// Scores of the responses, which are also their only feature.
const SCORES: [f64; RESPONSES as usize] = [-0.9, -0.4, 0.0, 0.5, 0.8];

fn truth(a: ResponseId, b: ResponseId) -> f64 {
    SCORES[a.index()] - SCORES[b.index()]
}

fn features() -> Arc<Features> {
    Arc::new(Features::new(FeatureTable::new(1, SCORES.to_vec()).unwrap(), None).unwrap())
}

/// Two features a response, so that there is something to wedge.
fn plane() -> Arc<Features> {
    let values = (0..RESPONSES).flat_map(|k| [f64::from(k).cos(), SCORES[k as usize]]).collect();
    Arc::new(Features::new(FeatureTable::new(2, values).unwrap(), None).unwrap())
}

/// Something to do with every fit that takes an order effect.
trait WithFit {
    fn call<F>(&mut self, fit: &F, plain: &F)
    where
        F: FitPreference,
        F::Model: ConfidenceWidth;
}

fn with_every_fit(config: LogisticConfig, with: &mut impl WithFit) {
    let on = LogisticConfig { order_effect: true, ..config };
    let tabular = TabularFit::for_menus(&menus(), Confidence::new(0.9).unwrap());
    with.call(&tabular.with_order_effect(true), &tabular);
    with.call(&BradleyTerryFit::new(on).unwrap(), &BradleyTerryFit::new(config).unwrap());
    with.call(&DavidsonFit::new(on).unwrap(), &DavidsonFit::new(config).unwrap());
    let prompts = Arc::new(FeatureTable::new(1, vec![0.5, -1.0, 0.25]).unwrap());
    with.call(
        &ContextualFit::new(Arc::clone(&prompts), on).unwrap(),
        &ContextualFit::new(prompts, config).unwrap(),
    );
    with.call(
        &FeatureFit::linear(features(), on).unwrap(),
        &FeatureFit::linear(features(), config).unwrap(),
    );
    with.call(
        &FeatureFit::bilinear(plane(), on).unwrap(),
        &FeatureFit::bilinear(plane(), config).unwrap(),
    );
}

fn effect(evidence: &FitEvidence) -> (f64, f64) {
    let effect = evidence.order_effect.unwrap();
    (effect.log_odds, effect.standard_error)
}

/// All log-odds and widths of the menus.
fn answers<M: ConfidenceWidth>(model: &M) -> Vec<f64> {
    let mut answers = Vec::new();
    for menu in menus().iter() {
        for &a in menu.responses() {
            for &b in menu.responses() {
                answers.push(model.log_odds(menu.prompt(), a, b));
                answers.push(model.log_odds_width(menu.prompt(), a, b));
            }
        }
    }
    answers
}

fn assert_near(name: &str, left: &[f64], right: &[f64], tolerance: f64) {
    for (x, y) in left.iter().zip(right) {
        assert!((x - y).abs() <= tolerance * (1.0 + x.abs()), "{name}: {x} and {y}");
    }
}

/// The laws of models, and what becomes of them when all is seen in a mirror.
struct Mirrored<'a>(&'a [Comparison]);

impl WithFit for Mirrored<'_> {
    fn call<F>(&mut self, fit: &F, plain: &F)
    where
        F: FitPreference,
        F::Model: ConfidenceWidth,
    {
        let Ok(fitted) = fit.fit(self.0) else {
            assert!(plain.fit(self.0).is_err(), "{} refused data", fit.name());
            return;
        };
        assert_eq!(plain.fit(self.0).unwrap().evidence.order_effect, None);
        check_confidence_width(&fitted.model, &menus());
        // Who was shown first is data: swapping it everywhere turns the effect round and nothing else.
        let swapped: Vec<Comparison> = self.0.iter().map(|c| c.swapped()).collect();
        let mirrored = fit.fit(&swapped).unwrap();
        let ((gamma, se), (mirrored_gamma, mirrored_se)) =
            (effect(&fitted.evidence), effect(&mirrored.evidence));
        assert!(gamma.is_finite() && se > 0.0 && se.is_finite());
        assert_near(fit.name(), &[gamma, se], &[-mirrored_gamma, mirrored_se], 1e-5);
        assert_near(fit.name(), &answers(&fitted.model), &answers(&mirrored.model), 1e-5);
        // Each judgement in both orders: no effect, and the preference of a fit without one.
        let both: Vec<Comparison> = self.0.iter().chain(&swapped).copied().collect();
        let (fair, without) = (fit.fit(&both).unwrap(), plain.fit(&both).unwrap());
        assert!(effect(&fair.evidence).0.abs() < 1e-8, "{:?}", fair.evidence);
        for menu in menus().iter() {
            for &a in menu.responses() {
                for &b in menu.responses() {
                    let with = fair.model.log_odds(menu.prompt(), a, b);
                    let without = without.model.log_odds(menu.prompt(), a, b);
                    assert_near(fit.name(), &[with], &[without], 1e-7);
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn a_mirror_turns_the_effect_round_and_leaves_the_preference(
        data in strategies::comparisons(PROMPTS, RESPONSES, 50),
    ) {
        with_every_fit(LogisticConfig::default(), &mut Mirrored(&data));
    }
}

/// `per_pair` labels of each pair of each prompt, the lower id shown first two times of three.
fn judged(gamma: f64, per_pair: usize, unit: u32) -> Vec<Comparison> {
    let mut rng = SeedTree::new(11).rng(Stream::Oracle, unit);
    let mut data = Vec::new();
    for menu in menus().iter() {
        let r = menu.responses();
        for (i, &low) in r.iter().enumerate() {
            for &high in &r[i + 1..] {
                for k in 0..per_pair {
                    let (first, second) = if k % 3 < 2 { (low, high) } else { (high, low) };
                    let won = rng.random::<f64>() < sigmoid(truth(first, second) + gamma);
                    let label = if won { Label::WIN } else { Label::LOSS };
                    data.push(Comparison::new(menu.prompt(), first, second, label));
                }
            }
        }
    }
    data
}

/// A ridge so small that it moves nothing.
fn loose() -> LogisticConfig {
    LogisticConfig {
        ridge: 1e-4,
        multiplier: WidthMultiplier::Fixed(1.0),
        ..LogisticConfig::default()
    }
}

/// Fits 150 data sets with a known effect and collects errors in units of standard errors.
struct Calibrated;

const GAMMA: f64 = 0.7;
const DATA_SETS: u32 = 150;

impl WithFit for Calibrated {
    fn call<F>(&mut self, fit: &F, plain: &F)
    where
        F: FitPreference,
        F::Model: ConfidenceWidth,
    {
        let (x, a, b) = (PromptId::new(1), ResponseId::new(0), ResponseId::new(4));
        let (mut scores, mut off, mut biased) = (Vec::new(), 0.0, 0.0);
        for unit in 0..DATA_SETS {
            let data = judged(GAMMA, 30, unit);
            let fitted = fit.fit(&data).unwrap();
            let (gamma, se) = effect(&fitted.evidence);
            scores.push((gamma - GAMMA) / se);
            off += fitted.model.log_odds(x, a, b) - truth(a, b);
            biased += plain.fit(&data).unwrap().model.log_odds(x, a, b) - truth(a, b);
        }
        let n = f64::from(DATA_SETS);
        let mean = scores.iter().sum::<f64>() / n;
        let deviation = (scores.iter().map(|z| (z - mean).powi(2)).sum::<f64>() / n).sqrt();
        // Five standard errors: of a mean 0.41, of a standard deviation 0.29.
        assert!(mean.abs() < 0.41, "{}: mean error {mean} standard errors", fit.name());
        assert!((deviation - 1.0).abs() < 0.29, "{}: deviation {deviation}", fit.name());
        // The order effect biases a fit that does not know of it, and not one that does.
        let (off, biased) = (off / n, biased / n);
        assert!(off.abs() < 0.3 * biased, "{}: {off} off with, {biased} without", fit.name());
    }
}

#[test]
fn a_known_effect_is_recovered_and_its_standard_error_is_calibrated() {
    with_every_fit(loose(), &mut Calibrated);
}

/// How often the interval of the preference covers the truth, at 2 standard errors.
struct Covering;

impl WithFit for Covering {
    fn call<F>(&mut self, fit: &F, _: &F)
    where
        F: FitPreference,
        F::Model: ConfidenceWidth,
    {
        let mut covered = 0;
        for unit in 0..60 {
            let model = fit.fit(&judged(GAMMA, 12, 1000 + unit)).unwrap().model;
            let menus = menus();
            let all = menus.iter().all(|menu| {
                let pairs = menu
                    .responses()
                    .iter()
                    .flat_map(|a| menu.responses().iter().map(move |b| (*a, *b)));
                pairs.into_iter().all(|(a, b)| {
                    let off = (model.log_odds(menu.prompt(), a, b) - truth(a, b)).abs();
                    off <= model.log_odds_width(menu.prompt(), a, b) + 1e-12
                })
            });
            covered += u32::from(all);
        }
        assert!(covered >= 54, "{}: {covered} of 60", fit.name());
    }
}

#[test]
fn intervals_cover_the_preference_although_the_effect_is_estimated() {
    let multiplier = WidthMultiplier::Theory(Confidence::new(0.9).unwrap());
    let config = LogisticConfig { log_odds_bound: 3.0, multiplier, ..LogisticConfig::default() };
    with_every_fit(config, &mut Covering);
}

/// Only ever the first response wins: no finite effect but for the ridge on it.
struct Separated;

impl WithFit for Separated {
    fn call<F>(&mut self, fit: &F, _: &F)
    where
        F: FitPreference,
        F::Model: ConfidenceWidth,
    {
        let data: Vec<Comparison> =
            judged(0.0, 6, 0).into_iter().map(|c| Comparison { label: Label::WIN, ..c }).collect();
        let fitted = fit.fit(&data).unwrap();
        let (gamma, se) = effect(&fitted.evidence);
        assert!((8.0..60.0).contains(&gamma) && se > 10.0, "{}: {gamma} ± {se}", fit.name());
        check_confidence_width(&fitted.model, &menus());
    }
}

#[test]
fn an_effect_that_explains_all_stays_finite_and_is_not_sure_of_itself() {
    with_every_fit(LogisticConfig::default(), &mut Separated);
}
