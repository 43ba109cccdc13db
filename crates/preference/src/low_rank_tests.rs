//! Scores and planes: gradients, recovery of known truths, and what noise makes of them.

#![allow(clippy::float_cmp, reason = "exact by construction")]

use super::*;
use crate::FeatureTable;
use nlhf_core::logistic::sigmoid;
use nlhf_core::{FitStatus, Label, PreferenceModel, PromptId, Weight};

/// Every pair with the label that a function of the two gives.
fn table(n: u32, weight: f64, odds: impl Fn(f64, f64) -> f64) -> Vec<Comparison> {
    let pairs = (0..n).flat_map(|i| (0..i).map(move |j| (i, j)));
    let compare = |(i, j): (u32, u32)| Comparison {
        weight: Weight::new(weight).unwrap(),
        ..Comparison::new(
            PromptId::new(0),
            ResponseId::new(i),
            ResponseId::new(j),
            Label::new(sigmoid(odds(f64::from(i), f64::from(j)))).unwrap(),
        )
    };
    pairs.map(compare).collect()
}

fn config(ridge: f64) -> LogisticConfig {
    LogisticConfig { ridge, ..Default::default() }
}

/// The labels are exact: nothing in them is noise.
fn exact(fit: Result<LowRankFit, ScalarError>) -> LowRankFit {
    fit.unwrap().with_plane_penalty(1e-6).unwrap()
}

fn off(fitted: &Fitted<LowRankModel>, data: &[Comparison], odds: impl Fn(f64, f64) -> f64) -> f64 {
    let apart = data.iter().map(|c| {
        let (i, j) = (c.first.index() as f64, c.second.index() as f64);
        (fitted.model.log_odds(c.prompt, c.first, c.second) - odds(i, j)).abs()
    });
    apart.fold(0.0, f64::max)
}

/// A point on the circle, a height, and something else, for each of `n` responses.
fn on_a_circle(n: u32) -> Arc<Features> {
    let row = |i: u32| {
        let angle = 2.0 * std::f64::consts::PI * f64::from(i) / 9.0;
        [angle.cos(), angle.sin(), 0.1 * f64::from(i), (7.0 * f64::from(i)).sin()]
    };
    let values = (0..n).flat_map(row).collect();
    Arc::new(Features::new(FeatureTable::new(4, values).unwrap(), None).unwrap())
}

/// Scores of 0.1 a place, and a circle of nine.
fn circle(i: f64, j: f64) -> f64 {
    (2.0 * std::f64::consts::PI * (i - j) / 9.0).sin() + 0.1 * (i - j)
}

#[test]
fn every_gradient_is_that_of_its_value() {
    let mut data = table(5, 2.0, |i, j| 0.4 * (i - j) + (i * j).sin());
    data[3] = data[3].swapped();
    let cells = Cells::for_fit(&data, CellKey { prompt: false, order: true }).unwrap();
    let (candidates, ends) = Candidates::of_pairs(cells.pairs());
    let rows = Rows::new(&cells, ends, candidates.len(), true);
    let features = candidates.features(&on_a_circle(5)).unwrap();
    for scores in [true, false] {
        for embedding in [
            Embedding::Items(5),
            Embedding::Linear(features.clone()),
            Embedding::Network { features: features.clone(), hidden: 3 },
        ] {
            let layout = Layout { scores, planes: 2 };
            let mut loss = LowRankLoss::new(embedding, layout, &rows, true);
            loss.hold(Ridges { scores: 0.3, planes: 0.7, hidden: 1.1 });
            let theta = DVector::from_fn(loss.n_parameters(), |i, _| (1.7 * i as f64).sin());
            let (mut gradient, mut unused) = (theta.clone(), theta.clone());
            loss.evaluate(&theta, &mut gradient);
            for at in 0..theta.len() {
                let mut value = |step: f64| {
                    let mut moved = theta.clone();
                    moved[at] += step;
                    loss.evaluate(&moved, &mut unused)
                };
                let slope = (value(1e-5) - value(-1e-5)) / 2e-5;
                assert!((slope - gradient[at]).abs() < 1e-7, "{at}: {slope} {}", gradient[at]);
            }
        }
    }
}

#[test]
fn scores_and_circles_of_items_are_told_apart() {
    let data = table(9, 1e6, circle);
    for (fit, found) in [
        (exact(LowRankFit::items(1, config(1e-3))), true),
        (exact(LowRankFit::items(2, config(1e-3))).without_scores(), true),
        (exact(LowRankFit::items(1, config(1e-3))).without_scores(), false),
    ] {
        let fitted = fit.fit(&data).unwrap();
        assert_ne!(fitted.evidence.status, FitStatus::IterationLimit);
        let apart = off(&fitted, &data, circle);
        assert_eq!(apart < 1e-3, found, "{fit:?}: {apart}");
    }
}

#[test]
fn features_carry_planes_to_responses_never_compared() {
    let data = table(9, 1e6, circle);
    let fit = exact(LowRankFit::features(on_a_circle(9), 1, config(1e-3)));
    let fitted = fit.fit(&data).unwrap();
    assert!(off(&fitted, &data, circle) < 1e-3);
    // Twelve responses, of which nine were compared.
    let model = fitted.model.with_features(on_a_circle(12)).unwrap();
    let odds =
        |i: u32, j: u32| model.log_odds(PromptId::new(0), ResponseId::new(i), ResponseId::new(j));
    assert!((odds(11, 2) - circle(11.0, 2.0)).abs() < 1e-3);
    let few = FeatureTable::new(1, vec![0.0; 3]).unwrap();
    let few = Arc::new(Features::new(few, None).unwrap());
    assert!(model.with_features(few).is_err());
}

#[test]
fn a_network_bends_where_a_line_cannot() {
    // A score of |x|, from one feature x.
    let x = |i: f64| (i - 10.0) / 5.0;
    let values = (0..21).map(|i| x(f64::from(i))).collect();
    let features = FeatureTable::new(1, values).unwrap();
    let features = Arc::new(Features::new(features, None).unwrap());
    let odds = |i: f64, j: f64| x(i).abs() - x(j).abs();
    let data = table(21, 100.0, odds);
    let seeds = SeedTree::new(1);
    let network = |config| exact(LowRankFit::network(Arc::clone(&features), 1, 6, config, seeds));
    let bent = network(config(1e-2)).fit(&data).unwrap();
    let line = exact(LowRankFit::features(Arc::clone(&features), 1, config(1e-2)));
    let line = line.fit(&data).unwrap();
    let (bent_off, line_off) = (off(&bent, &data, odds), off(&line, &data, odds));
    assert!(bent_off < 0.2 && line_off > 1.0, "{bent_off} and {line_off}");
    assert!(bent.evidence.log_loss_nats < line.evidence.log_loss_nats);
    let again = network(config(1e-2)).fit(&data).unwrap();
    assert_eq!(off(&again, &data, odds), bent_off);
}

#[test]
fn an_order_effect_is_found_beside_the_planes_with_its_error() {
    let gamma = 0.4;
    let mut data = Vec::new();
    for pair in table(9, 300.0, circle) {
        let (i, j) = (pair.first.index() as f64, pair.second.index() as f64);
        let shown = |odds: f64| Label::new(sigmoid(odds + gamma)).unwrap();
        data.push(Comparison { label: shown(circle(i, j)), ..pair });
        let (first, second) = (pair.second, pair.first);
        data.push(Comparison { first, second, label: shown(circle(j, i)), ..pair });
    }
    let config = LogisticConfig { order_effect: true, ..config(1e-3) };
    let fitted = exact(LowRankFit::items(1, config)).fit(&data).unwrap();
    let effect = fitted.evidence.order_effect.unwrap();
    assert!((effect.log_odds - gamma).abs() < 1e-4, "{effect:?}");
    // Both orders of every pair: γ is orthogonal to the preference, and its information Σ w pq.
    let information = |c: &Comparison| c.weight.get() * c.label.get() * (1.0 - c.label.get());
    let information: f64 = data.iter().map(information).sum();
    let exact = 1.0 / information.sqrt();
    assert!((effect.standard_error / exact - 1.0).abs() < 0.05, "{effect:?} {exact}");
    assert!(off(&fitted, &table(9, 1.0, circle), circle) < 1e-2);
}

#[test]
fn noise_is_not_taken_for_planes_and_circles_beyond_it_are() {
    // Scores alone, then with a circle of nine as large as they are; 40 judgements a pair.
    let mut rng = SeedTree::new(4).rng(Stream::Oracle, 0);
    for (size, found) in [(0.0, false), (1.0, true)] {
        let odds = |i: f64, j: f64| 0.1 * (i - j) + size * (circle(i, j) - 0.1 * (i - j));
        let mut judged = table(9, 1.0, odds).repeat(40);
        for c in &mut judged {
            c.label = if rng.random_bool(c.label.get()) { Label::WIN } else { Label::LOSS };
        }
        let fitted = LowRankFit::items(2, config(1e-2)).unwrap().fit(&judged).unwrap();
        let longest = (0..9).flat_map(|k| {
            let c = fitted.model.coordinates(PromptId::new(0), ResponseId::new(k)).unwrap();
            [c[1].hypot(c[3]), c[2].hypot(c[4])]
        });
        let longest = longest.fold(0.0, f64::max);
        assert_eq!(longest > 0.2, found, "{longest}");
        assert!(found || longest < 1e-4, "{longest}");
    }
    let fit = LowRankFit::items(2, config(1.0)).unwrap();
    assert!(fit.with_plane_penalty(0.0).is_err());
}

#[test]
fn who_always_wins_stays_finite_and_bad_settings_are_refused() {
    let data = table(4, 50.0, |i, j| if i > j { 1e3 } else { -1e3 });
    let fitted = LowRankFit::items(1, config(1.0)).unwrap().fit(&data).unwrap();
    let odds = fitted.model.log_odds(PromptId::new(0), ResponseId::new(3), ResponseId::new(0));
    assert!((1.0..=4.0).contains(&odds), "{odds}");
    assert!(LowRankFit::items(0, config(1.0)).is_err());
    assert!(LowRankFit::items(1, config(0.0)).is_err());
    let features = on_a_circle(4);
    assert!(LowRankFit::network(features, 1, 0, config(1.0), SeedTree::new(0)).is_err());
    assert!(LowRankFit::items(1, config(1.0)).unwrap().fit(&[]).is_err());
}
