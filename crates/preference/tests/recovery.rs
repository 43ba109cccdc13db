//! Known truths come back from simulated labels, and errors fall like one over the square root of their number.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use nlhf_core::logistic::sigmoid;
use nlhf_core::{
    Comparison, ConfidenceWidth, FitPreference, Label, PreferenceModel, PromptId, ResponseId,
    SeedTree, Stream,
};
use nlhf_preference::{
    ContextualFit, DavidsonFit, FeatureTable, LogisticConfig, Projection, WidthMultiplier,
};
use rand::{Rng, RngExt};
use std::sync::Arc;

/// A ridge so small that it moves nothing, and widths of one standard error.
fn loose() -> LogisticConfig {
    LogisticConfig {
        ridge: 1e-4,
        multiplier: WidthMultiplier::Fixed(1.0),
        order_effect: true,
        ..LogisticConfig::default()
    }
}

const GAMMA: f64 = 0.4;
const NU: f64 = 0.8;
const SCORES: [f64; 6] = [-1.2, -0.5, -0.1, 0.2, 0.6, 1.0];

/// A judgement by Davidson's model with an order effect.
fn davidson_label(t: f64, rng: &mut dyn Rng) -> Label {
    let (won, lost) = ((0.5 * t).exp(), (-0.5 * t).exp());
    let u = rng.random::<f64>() * (won + NU + lost);
    if u < won {
        Label::WIN
    } else if u < won + NU {
        Label::TIE
    } else {
        Label::LOSS
    }
}

fn davidson_data(n: usize, unit: u32) -> Vec<Comparison> {
    let mut rng = SeedTree::new(21).rng(Stream::Oracle, unit);
    let mut data = Vec::with_capacity(n);
    while data.len() < n {
        let [a, b] = [(); 2].map(|()| rng.random_range(0..6_u32));
        let (first, second) = (ResponseId::new(a), ResponseId::new(b));
        let t = SCORES[first.index()] - SCORES[second.index()] + GAMMA;
        if a != b {
            let label = davidson_label(t, &mut rng);
            data.push(Comparison::new(PromptId::new(0), first, second, label));
        }
    }
    data
}

/// The log-odds of a win and half a tie, without an order effect.
fn davidson_truth(a: usize, b: usize) -> f64 {
    let t = SCORES[a] - SCORES[b];
    ((0.5 * t).exp() + 0.5 * NU).ln() - ((-0.5 * t).exp() + 0.5 * NU).ln()
}

#[test]
fn davidson_recovers_scores_ties_and_the_order_effect_with_calibrated_errors() {
    let fit = DavidsonFit::new(loose()).unwrap();
    let (mut ties, mut orders, mut odds) = (Vec::new(), Vec::new(), Vec::new());
    for unit in 0..200 {
        let fitted = fit.fit(&davidson_data(600, unit)).unwrap();
        let (tie, order) = (fitted.model.ties(), fitted.evidence.order_effect.unwrap());
        ties.push((tie.log_nu - NU.ln()) / tie.standard_error);
        orders.push((order.log_odds - GAMMA) / order.standard_error);
        let (x, a, b) = (PromptId::new(0), ResponseId::new(0), ResponseId::new(4));
        let off = fitted.model.log_odds(x, a, b) - davidson_truth(0, 4);
        odds.push(off / fitted.model.log_odds_width(x, a, b));
    }
    for (what, scores) in [("ties", ties), ("order", orders), ("log-odds", odds)] {
        let n = scores.len() as f64;
        let mean = scores.iter().sum::<f64>() / n;
        let deviation = (scores.iter().map(|z| (z - mean).powi(2)).sum::<f64>() / n).sqrt();
        // Five standard errors: of a mean 0.35, of a standard deviation 0.25.
        assert!(mean.abs() < 0.35, "{what}: mean error of {mean} standard errors");
        assert!((deviation - 1.0).abs() < 0.25, "{what}: {deviation} standard errors");
    }
}

/// The root mean square error of `fit` over data sets of each size, times `√n`, is about the same.
fn assert_root_rate(what: &str, sizes: [usize; 3], error: impl Fn(usize, u32) -> f64) {
    let scaled = sizes.map(|n| {
        let squares: f64 = (0..12).map(|unit| error(n, unit).powi(2)).sum();
        (squares / 12.0 * n as f64).sqrt()
    });
    for pair in scaled.windows(2) {
        // Twelve data sets: the ratio of two is within a factor of two, and n grows by sixteen.
        let ratio = pair[1] / pair[0];
        assert!((0.5..2.0).contains(&ratio), "{what}: √n times the error is {scaled:?}");
    }
}

#[test]
fn errors_fall_like_one_over_the_root() {
    let fit = DavidsonFit::new(loose()).unwrap();
    assert_root_rate("davidson", [400, 6400, 102_400], |n, unit| {
        let model = fit.fit(&davidson_data(n, 5000 + unit)).unwrap().model;
        let mut squares = 0.0;
        for a in 0..6 {
            for b in 0..a {
                let (i, j) = (ResponseId::from_index(a), ResponseId::from_index(b));
                let off = model.log_odds(PromptId::new(0), i, j) - davidson_truth(a, b);
                squares += off * off;
            }
        }
        (squares / 15.0_f64).sqrt()
    });
}

/// Features of `n` prompts: two that matter, spread over five columns.
fn prompts(n: u32) -> FeatureTable {
    let mut rng = SeedTree::new(31).rng(Stream::Instance, 0);
    let values = (0..n).flat_map(|_| {
        let [a, b] = [(); 2].map(|()| 2.0 * rng.random::<f64>() - 1.0);
        [1.0 + a, 0.5 * b, a - b, 0.0, -a]
    });
    FeatureTable::new(5, values.collect()).unwrap()
}

/// Of three systems the score: the last is best on one side of the prompts, and worst on the other.
fn contextual_score(table: &[[f64; 2]], prompt: usize, system: usize) -> f64 {
    let [a, b] = table[prompt];
    [0.4, -0.2 + 0.5 * b, 1.5 * a][system]
}

fn contextual_data(table: &[[f64; 2]], n: usize, unit: u32) -> Vec<Comparison> {
    let mut rng = SeedTree::new(32).rng(Stream::Oracle, unit);
    let judge = |_| {
        let prompt = rng.random_range(0..100_u32);
        let first = rng.random_range(0..3_u32);
        let second = (first + rng.random_range(1..3_u32)) % 3;
        let score = |at: u32| contextual_score(table, prompt as usize, at as usize);
        let won = rng.random::<f64>() < sigmoid(score(first) - score(second) + GAMMA);
        let label = if won { Label::WIN } else { Label::LOSS };
        let (first, second) = (ResponseId::new(first), ResponseId::new(second));
        Comparison::new(PromptId::new(prompt), first, second, label)
    };
    (0..n).map(judge).collect()
}

#[test]
fn a_contextual_model_scores_prompts_that_it_never_saw_at_the_rate_of_theory() {
    // A hundred prompts are judged and a hundred more are asked about, projected in the same way.
    let all = prompts(200);
    let mut hidden = Vec::new();
    let seen = {
        let mut rng = SeedTree::new(31).rng(Stream::Instance, 0);
        hidden.extend((0..200).map(|_| [(); 2].map(|()| 2.0 * rng.random::<f64>() - 1.0)));
        prompts(100)
    };
    let projection = Projection::principal_components(&seen, 2).unwrap();
    let judged = Arc::new(projection.apply(&seen).unwrap());
    let asked = Arc::new(projection.apply(&all).unwrap());
    let fit = ContextualFit::new(judged, loose()).unwrap().with_context_ridge(1e-3).unwrap();
    let (mut covered, mut asked_about) = (0, 0);
    for unit in 0..40 {
        let model = fit.fit(&contextual_data(&hidden, 500, 100 + unit)).unwrap().model;
        let model = model.with_prompts(Arc::clone(&asked)).unwrap();
        let (x, a, b) = (PromptId::new(150), ResponseId::new(0), ResponseId::new(2));
        let truth = contextual_score(&hidden, 150, 0) - contextual_score(&hidden, 150, 2);
        // One over the length of z in V⁻¹ counts labels of slope 1 and not of σ': at most 1/4 of that information.
        let off = (model.log_odds(x, a, b) - truth).abs();
        covered += u32::from(off <= 4.0 * model.log_odds_width(x, a, b));
        asked_about += 1;
    }
    assert!(covered >= 32 && asked_about == 40, "{covered} of {asked_about}");
    assert_root_rate("contextual", [1000, 16_000, 256_000], |n, unit| {
        let model = fit.fit(&contextual_data(&hidden, n, 500 + unit)).unwrap().model;
        let model = model.with_prompts(Arc::clone(&asked)).unwrap();
        let mut squares = 0.0;
        for (prompt, id) in (100..200).map(|prompt| (prompt, PromptId::from_index(prompt))) {
            let odds = model.log_odds(id, ResponseId::new(2), ResponseId::new(1));
            let score = |at| contextual_score(&hidden, prompt, at);
            squares += (odds - (score(2) - score(1))).powi(2);
        }
        (squares / 100.0_f64).sqrt()
    });
}
