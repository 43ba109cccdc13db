//! Every model, saved and restored: over the same names, over others, and from files that were changed.

use super::*;
use crate::{
    BootstrapFit, BradleyTerryFit, Cluster, ContextualFit, DavidsonFit, FeatureFit, Features,
    LogisticConfig, LowRankFit, TabularFit,
};
use nlhf_core::{
    Comparison, Confidence, ConfidenceWidth, FitPreference, Label, Menus, PreferenceModel, SeedTree,
};
use std::sync::Arc;

const NAMES: [&str; 6] = ["zero", "one", "two", "three", "four", "five"];

fn table(rows: usize, at: f64) -> FeatureTable {
    let values = (0..2 * rows).map(|k| (at + 1.3 * k as f64).sin()).collect();
    FeatureTable::new(2, values).unwrap()
}

/// Comparisons of five of six responses to two prompts, with ties.
fn data() -> Vec<Comparison> {
    let labels = [Label::WIN, Label::LOSS, Label::WIN, Label::TIE, Label::WIN];
    let compare = |k: usize| {
        let (a, b) = (k % 5, (k + 1 + k / 5) % 5);
        let id = ResponseId::from_index;
        Comparison::new(PromptId::from_index(k % 2), id(a), id(b), labels[k % labels.len()])
    };
    (0..40).map(compare).collect()
}

fn every_model(order_effect: bool) -> Vec<AnyModel> {
    let data = data();
    let config = LogisticConfig { order_effect, ..Default::default() };
    let confidence = Confidence::new(0.9).unwrap();
    let features = Arc::new(Features::new(table(6, 0.0), Some(table(2, 9.0))).unwrap());
    let mut menus = Menus::new();
    let ids: Vec<ResponseId> = (0..6).map(ResponseId::new).collect();
    menus.push(PromptId::new(0), &ids).unwrap();
    let few = Arc::new(features.principal_components(3, &menus).unwrap());
    let prompts = Arc::new(table(2, 9.0));
    let ensemble = LowRankFit::items(1, config).unwrap();
    let (unit, level) = (Cluster::Comparison, Confidence::new(0.9).unwrap());
    let ensemble = BootstrapFit::new(ensemble, 5, unit, level, SeedTree::new(3)).unwrap();
    let projected = ContextualFit::new(Arc::clone(&prompts), config).unwrap();
    let projected = projected.with_components(1).unwrap();
    let tabular = TabularFit::new(30, confidence).with_order_effect(order_effect);
    let low_rank = LowRankFit::items(2, config).unwrap().with_plane_penalty(0.1).unwrap();
    let seeds = SeedTree::new(1);
    let network = LowRankFit::network(Arc::clone(&features), 1, 2, config, seeds).unwrap();
    vec![
        tabular.fit(&data).unwrap().model.into(),
        BradleyTerryFit::new(config).unwrap().fit(&data).unwrap().model.into(),
        DavidsonFit::new(config).unwrap().fit(&data).unwrap().model.into(),
        ContextualFit::new(Arc::clone(&prompts), config).unwrap().fit(&data).unwrap().model.into(),
        projected.fit(&data).unwrap().model.into(),
        FeatureFit::linear(Arc::clone(&features), config).unwrap().fit(&data).unwrap().model.into(),
        FeatureFit::bilinear(few, config).unwrap().fit(&data).unwrap().model.into(),
        low_rank.fit(&data).unwrap().model.into(),
        network.fit(&data).unwrap().model.into(),
        ensemble.fit(&data).unwrap().model.into(),
    ]
}

fn saved(model: &AnyModel) -> SavedModel {
    SavedModel::new(model, &|x| ["p", "q"][x.index()], &|a| NAMES[a.index()])
}

#[test]
fn what_is_restored_answers_the_same_to_the_last_bit() {
    let prompt = |name: &str| ["p", "q"].iter().position(|p| *p == name).map(PromptId::from_index);
    let response = |name: &str| NAMES.iter().position(|n| *n == name).map(ResponseId::from_index);
    let (responses, prompts) = (table(6, 0.0), table(2, 9.0));
    let around = Surroundings {
        prompt: &prompt,
        response: &response,
        response_features: Some(&responses),
        prompt_features: Some(&prompts),
    };
    for model in every_model(false).into_iter().chain(every_model(true)) {
        let text = serde_json::to_string(&saved(&model)).unwrap();
        let again: SavedModel = serde_json::from_str(&text).unwrap();
        assert_eq!(again, saved(&model));
        let restored = again.restore(around).unwrap();
        for x in (0..2).map(PromptId::from_index) {
            for (a, b) in (0..6).flat_map(|a| (0..6).map(move |b| (a, b))) {
                let (a, b) = (ResponseId::from_index(a), ResponseId::from_index(b));
                let said = |m: &AnyModel| [m.log_odds(x, a, b), m.log_odds_width(x, a, b)];
                assert_eq!(said(&model).map(f64::to_bits), said(&restored).map(f64::to_bits));
            }
        }
    }
}

#[test]
fn other_data_sets_know_the_names_by_other_ids() {
    // The responses the other way round, without "one"; prompt "q" alone. Features follow the names.
    let others = ["five", "four", "three", "two", "new", "zero"];
    let prompt = |name: &str| (name == "q").then_some(PromptId::new(0));
    let response = |name: &str| others.iter().position(|n| *n == name).map(ResponseId::from_index);
    let old = |name: &str| NAMES.iter().position(|n| *n == name);
    let (responses, prompts) = (table(6, 0.0), table(2, 9.0));
    let row =
        |name: &&str| old(name).map_or(vec![0.5, 0.5], |k| responses.row(k).unwrap().to_vec());
    let moved = FeatureTable::new(2, others.iter().flat_map(row).collect()).unwrap();
    let moved_prompts = FeatureTable::new(2, prompts.row(1).unwrap().to_vec()).unwrap();
    let around = Surroundings {
        prompt: &prompt,
        response: &response,
        response_features: Some(&moved),
        prompt_features: Some(&moved_prompts),
    };
    for model in every_model(false).into_iter().chain(every_model(true)) {
        let restored = saved(&model).restore(around).unwrap();
        for a in ["zero", "two", "three", "four", "five"] {
            for b in ["zero", "two", "three", "four", "five"] {
                let before = |name| ResponseId::from_index(old(name).unwrap());
                let was = (PromptId::new(1), before(a), before(b));
                let now = (PromptId::new(0), response(a).unwrap(), response(b).unwrap());
                let said = |m: &AnyModel, (x, a, b): (PromptId, ResponseId, ResponseId)| {
                    [m.log_odds(x, a, b), m.log_odds_width(x, a, b)]
                };
                for (was, now) in said(&model, was).iter().zip(said(&restored, now)) {
                    assert!((was - now).abs() < 1e-12, "{}: {was} {now}", saved(&model).kind());
                }
            }
        }
    }
}

#[test]
fn missing_features_and_broken_parts_are_told() {
    let prompt = |_: &str| None;
    let response = |_: &str| None;
    let bare = Surroundings {
        prompt: &prompt,
        response: &response,
        response_features: None,
        prompt_features: None,
    };
    let wide = FeatureTable::new(3, vec![0.0; 3]).unwrap();
    let prompts = table(2, 0.0);
    let mut refused = 0;
    for model in every_model(true) {
        let saved = saved(&model);
        let Some(shape) = saved.features() else {
            // Nothing is known by these names, and nothing is wrong with that.
            let restored = saved.restore(bare).unwrap();
            let odds = restored.log_odds(PromptId::new(0), ResponseId::new(0), ResponseId::new(1));
            assert!(odds.abs() < 1e-300);
            continue;
        };
        let error = saved.restore(bare).unwrap_err().to_string();
        assert!(error.starts_with("features of "), "{error}");
        if shape.of_responses.is_some() {
            let around = Surroundings {
                response_features: Some(&wide),
                prompt_features: Some(&prompts),
                ..bare
            };
            let error = saved.restore(around).unwrap_err().to_string();
            assert_eq!(error, "the model needs 2 features of each of the responses, found 3");
        }
        refused += 1;
    }
    assert_eq!(refused, 5);
    // One number less, at whatever place, is noticed.
    for model in every_model(false) {
        let text = serde_json::to_string(&saved(&model)).unwrap();
        let mut value: serde_json::Value = serde_json::from_str(&text).unwrap();
        let ensemble = value["kind"] == "bootstrap";
        let mut parameters = &mut value["parameters"];
        if ensemble {
            parameters = &mut parameters["estimate"]["parameters"];
        }
        let parameters = parameters.as_object_mut().unwrap();
        for key in ["pairs", "scores", "values", "parameters"] {
            let Some(mut part) = parameters.get_mut(key) else { continue };
            if part.is_object() {
                part = &mut part["scores"];
            }
            if let Some(list) = part.as_array_mut() {
                list.pop();
                break;
            }
        }
        let changed: SavedModel = serde_json::from_value(value).unwrap();
        let around = Surroundings {
            prompt: &|_| Some(PromptId::new(0)),
            response: &|name| NAMES.iter().position(|n| *n == name).map(ResponseId::from_index),
            response_features: Some(&prompts),
            prompt_features: Some(&prompts),
        };
        let told = changed.restore(around);
        assert!(told.is_err() || changed.kind() == "tabular", "{}", changed.kind());
    }
}
