//! What linear and bilinear fits must hold to, on data of a few lines.

#![allow(clippy::float_cmp, reason = "exact by construction")]

use super::*;
use crate::{FeatureTable, WidthMultiplier};
use nlhf_core::{ConfidenceWidth, Label, PreferenceModel, PromptId};

fn features(dim: usize, values: &[f64]) -> Arc<Features> {
    let table = FeatureTable::new(dim, values.to_vec()).unwrap();
    Arc::new(Features::new(table, None).unwrap())
}

fn won(a: u32, b: u32, times: usize) -> Vec<Comparison> {
    let (a, b) = (ResponseId::new(a), ResponseId::new(b));
    vec![Comparison::new(PromptId::new(0), a, b, Label::WIN); times]
}

#[test]
fn the_bound_on_log_odds_holds_and_is_reported() {
    let data = won(0, 1, 100);
    let config = LogisticConfig { ridge: 1e-3, log_odds_bound: 2.0, ..Default::default() };
    let fit = FeatureFit::linear(features(1, &[1.0, -0.5]), config).unwrap();
    let fitted = fit.fit(&data).unwrap();
    assert!(fitted.evidence.bound_active);
    let (x, a, b) = (PromptId::new(0), ResponseId::new(0), ResponseId::new(1));
    let odds = fitted.model.log_odds(x, a, b);
    assert!((1.9..=2.0).contains(&odds), "{odds}");
}

#[test]
fn scaled_widths_are_scaled_before_they_are_cut_off() {
    let mut menus = nlhf_core::Menus::new();
    let ids = [0, 1, 2].map(ResponseId::new);
    menus.push(PromptId::new(0), &ids).unwrap();
    let (menu, scale) = (menus.get(0), nlhf_core::Scale::LogOdds);
    // The third response differs in a feature that no label is about.
    let table = features(2, &[0.0, 0.0, 1.0, 0.0, 0.0, 40.0]);
    let data = [won(0, 1, 400), won(1, 0, 400)].concat();
    let model =
        FeatureFit::linear(table, LogisticConfig::default()).unwrap().fit(&data).unwrap().model;
    assert_eq!(model.scaled_widths(menu, scale, 1.0), model.widths(menu, scale));
    let (tenth, fifth) =
        (model.scaled_widths(menu, scale, 0.1), model.scaled_widths(menu, scale, 0.2));
    assert!((fifth[1] / tenth[1] - 2.0).abs() < 1e-12);
    assert_eq!(tenth[2], 4.0, "as little known as before");
    assert!(model.scaled_widths(menu, scale, 0.0).iter().all(|width| *width == 0.0));
}

#[test]
fn features_of_unlike_lengths_are_covered() {
    // A long feature that says nothing must not hold back a short one that says all: θ* = (0, 3).
    let table = features(2, &[0.0, 0.0, 50.0, 0.0, 0.0, 1.0]);
    let truth = |id: u32| if id == 2 { 3.0 } else { 0.0 };
    for times in [1e2, 1e4, 1e6] {
        let pairs = [(0, 1), (1, 2), (2, 0)];
        let judge = |(a, b): (u32, u32)| Comparison {
            weight: nlhf_core::Weight::new(times).unwrap(),
            ..Comparison::new(
                PromptId::new(0),
                ResponseId::new(a),
                ResponseId::new(b),
                Label::new(nlhf_core::logistic::sigmoid(truth(a) - truth(b))).unwrap(),
            )
        };
        let data = pairs.map(judge);
        let config = LogisticConfig { parameter_norm: Some(3.0), ..Default::default() };
        let model =
            FeatureFit::linear(Arc::clone(&table), config).unwrap().fit(&data).unwrap().model;
        for (a, b) in pairs {
            let (x, a_id, b_id) = (PromptId::new(0), ResponseId::new(a), ResponseId::new(b));
            let off = (model.log_odds(x, a_id, b_id) - (truth(a) - truth(b))).abs();
            let width = model.log_odds_width(x, a_id, b_id);
            assert!(off <= width, "{times} labels, {a} and {b}: {off} off, width {width}");
            // The estimate is consistent: the ridge of 1 alone moves it.
            assert!(off <= 200.0 / times, "{times} labels, {a} and {b}: {off} off");
        }
    }
}

#[test]
fn without_widths_the_estimate_is_the_same_and_nothing_is_claimed() {
    // Three responses and six pairs over two prompts: candidates are fewer than pairs.
    let mut data = [won(0, 1, 3), won(1, 2, 2), won(2, 0, 4), won(0, 2, 1)].concat();
    for comparison in data.clone() {
        data.push(Comparison { prompt: PromptId::new(1), ..comparison });
    }
    let config = LogisticConfig::default();
    let table = features(2, &[1.0, 0.3, -0.5, 0.2, 0.1, -0.9]);
    let fit = FeatureFit::linear(table, config).unwrap();
    let full = fit.fit(&data).unwrap();
    let bare = fit.without_widths().fit(&data).unwrap();
    assert_eq!(full.model.parameters(), bare.model.parameters());
    assert_eq!(bare.evidence.width_multiplier, None);
    let (x, a, b) = (PromptId::new(0), ResponseId::new(0), ResponseId::new(1));
    let odds = bare.model.log_odds(x, a, b);
    assert!((bare.model.log_odds_width(x, a, b) - (4.0 + odds.abs())).abs() < 1e-12);
    assert!(full.model.log_odds_width(x, a, b) <= bare.model.log_odds_width(x, a, b));
    // The gradient of the penalized likelihood, row by row.
    let theta = bare.model.parameters();
    let phi = [[1.0, 0.3], [-0.5, 0.2], [0.1, -0.9]];
    let mut gradient = [theta[0], theta[1]];
    for c in &data {
        let (a, b) = (phi[c.first.index()], phi[c.second.index()]);
        let z = [a[0] - b[0], a[1] - b[1]];
        let t = theta[0] * z[0] + theta[1] * z[1];
        let off = nlhf_core::logistic::sigmoid(t) - c.label.get();
        gradient = [gradient[0] + off * z[0], gradient[1] + off * z[1]];
    }
    assert!(gradient.iter().all(|g| g.abs() < 1e-10), "{gradient:?}");
}

#[test]
fn new_responses_are_scored_through_their_features() {
    let data = [won(0, 1, 30), won(1, 0, 10)].concat();
    let config = LogisticConfig::default();
    let fit = FeatureFit::linear(features(1, &[1.0, 0.0]), config).unwrap();
    let model = fit.fit(&data).unwrap().model;
    let others = features(1, &[0.0, 0.0, 1.0]);
    let model = model.with_features(others).unwrap();
    let odds = |a, b| model.log_odds(PromptId::new(0), ResponseId::new(a), ResponseId::new(b));
    assert!(odds(2, 0) > 0.5 && odds(0, 1) == 0.0);
    // A response beyond the table: nothing is claimed, nothing is sure.
    let stranger = ResponseId::new(7);
    assert!(model.log_odds(PromptId::new(0), stranger, ResponseId::new(0)) == 0.0);
    assert!(model.log_odds_width(PromptId::new(0), stranger, ResponseId::new(0)) == 4.0);
    assert!(fit.fit(&won(0, 5, 1)).is_err());
    assert!(model.with_features(features(2, &[0.0, 1.0])).is_err());
}

#[test]
fn a_bilinear_model_learns_a_circle_and_a_linear_one_cannot() {
    let circle =
        [won(0, 1, 40), won(1, 0, 10), won(1, 2, 40), won(2, 1, 10), won(2, 0, 40), won(0, 2, 10)];
    let data = circle.concat();
    let third = 2.0 * std::f64::consts::PI / 3.0;
    let values: Vec<f64> =
        (0..3).flat_map(|k| [(f64::from(k) * third).cos(), (f64::from(k) * third).sin()]).collect();
    let config = LogisticConfig {
        ridge: 1e-6,
        multiplier: WidthMultiplier::Fixed(1.0),
        ..Default::default()
    };
    let bilinear = FeatureFit::bilinear(features(2, &values), config).unwrap().fit(&data).unwrap();
    let linear = FeatureFit::linear(features(2, &values), config).unwrap().fit(&data).unwrap();
    let odds = |model: &FeatureModel, a, b| {
        model.log_odds(PromptId::new(0), ResponseId::new(a), ResponseId::new(b))
    };
    for (a, b) in [(0, 1), (1, 2), (2, 0)] {
        assert!((odds(&bilinear.model, a, b) - 4f64.ln()).abs() < 1e-4);
        assert!(odds(&linear.model, a, b).abs() < 1e-9);
    }
    assert!(bilinear.evidence.log_loss_nats < linear.evidence.log_loss_nats - 0.1);
}

#[test]
fn where_the_bound_cuts_an_estimate_off_the_ellipsoid_tells_nothing() {
    // φ = (0, −2, 1): the second pair lies beyond B, so that mean log-odds are no longer linear in θ.
    let features = features(1, &[0.0, -2.0, 1.0]);
    let config = LogisticConfig {
        log_odds_bound: 1.0,
        ridge: 1e-3,
        multiplier: WidthMultiplier::Fixed(1.0),
        ..Default::default()
    };
    let data = [won(2, 0, 20), won(0, 2, 60)].concat();
    let model = FeatureFit::linear(features, config).unwrap().fit(&data).unwrap().model;
    let theta = model.parameters()[0];
    assert!(theta.abs() < 1.0 && 2.0 * theta.abs() > 1.0, "{theta}");
    let mut menus = nlhf_core::Menus::new();
    menus.push(PromptId::new(0), &[0, 1, 2].map(ResponseId::new)).unwrap();
    let menu = menus.get(0);
    let p = nlhf_core::Distribution::from_masses(&[1.0, 0.0, 0.0]).unwrap();
    let q = nlhf_core::Distribution::from_masses(&[0.0, 1.0, 2.0]).unwrap();
    let odds = |b| model.log_odds(PromptId::new(0), ResponseId::new(0), ResponseId::new(b));
    let estimate = odds(1) / 3.0 + 2.0 * odds(2) / 3.0;
    // Any θ makes this mean zero before the bound.
    assert!(estimate.abs() > 0.05, "{estimate}");
    let width = model.policy_width(menu, &p, &q);
    let of_pair = |b| {
        let (x, a, b) = (PromptId::new(0), ResponseId::new(0), ResponseId::new(b));
        model.log_odds_width(x, a, b)
    };
    let of_pairs = of_pair(1) / 3.0 + 2.0 * of_pair(2) / 3.0;
    assert!(width > 0.0 && (width - of_pairs).abs() < 1e-12, "{width} and {of_pairs}");
    let slopes = model.policy_width_slopes(menu, &p, &q);
    let along: f64 = slopes.iter().zip(q.probabilities()).map(|(s, q)| s * q).sum();
    assert!((along - width).abs() < 1e-12, "{along} and {width}");
}

#[test]
fn the_length_of_parameters_does_not_depend_on_what_was_compared() {
    // Pairs of lengths 1, 2 and 3: the mean square is 14/3.
    let mut menus = Menus::new();
    menus.push(PromptId::new(0), &[0, 1, 2].map(ResponseId::new)).unwrap();
    let table = features(1, &[0.0, 1.0, 3.0]);
    let fit = FeatureFit::linear(table, LogisticConfig::default()).unwrap();
    let norm = |data: &[Comparison]| {
        let fit = fit.clone().for_menus(&menus).unwrap();
        fit.fit(data).unwrap().evidence.parameter_norm.unwrap()
    };
    let wanted = 4.0 / (14.0_f64 / 3.0).sqrt();
    for data in [won(0, 1, 3), won(0, 2, 1), [won(1, 2, 2), won(0, 1, 1)].concat()] {
        assert!((norm(&data) - wanted).abs() < 1e-12, "{} and {wanted}", norm(&data));
    }
    menus.push(PromptId::new(1), &[7, 8].map(ResponseId::new)).unwrap();
    assert!(fit.for_menus(&menus).is_err());
}

#[test]
fn too_many_wedge_features_are_refused_with_the_way_out() {
    let wide = features(100, &[0.0; 200]);
    let error = FeatureFit::bilinear(wide, LogisticConfig::default()).unwrap_err();
    assert!(error.to_string().contains("100 features have 5050; reduce them"), "{error}");
}
