//! What coverage does not depend on, and which class it is of.

use crate::case::{CANDIDATES, Case, DIM, PROMPTS, close, ids, judged, linear, one};
use nlhf_core::{
    Comparison, Distribution, FitPreference, Label, Menus, ResponseId, SeedTree, Weight,
};
use nlhf_preference::{
    AnyModel, BootstrapFit, BradleyTerryFit, Cluster, Coverage, DavidsonFit, FeatureTable,
    Features, LogisticConfig, PairCounts, TabularFit, bradley_terry_coverage, coverage,
    linear_coverage, tabular_coverage,
};
use proptest::prelude::*;
use std::sync::Arc;

/// The coverages of a case by each class.
fn all(case: &Case) -> Vec<Coverage> {
    let (counts, plays) = (case.counts(), case.plays());
    vec![
        tabular_coverage(&counts, &plays),
        linear_coverage(&case.linear(), &counts, &plays).unwrap(),
        linear_coverage(&case.bilinear(), &counts, &plays).unwrap(),
        bradley_terry_coverage(&counts, &plays).unwrap(),
    ]
}

fn same(one: &[Coverage], two: &[Coverage]) {
    for (one, two) in one.iter().zip(two) {
        assert!(close(one.lower, two.lower), "{} and {}", one.lower, two.lower);
        assert!(close(one.upper, two.upper), "{} and {}", one.upper, two.upper);
        for (x, y) in one.prompts.iter().zip(&two.prompts) {
            assert!(close(x.coefficient, y.coefficient));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn nothing_depends_on_names_orders_or_units(seed in 0_u32..10_000, factor in 1e-3_f64..1e3) {
        let case = Case::new(seed);
        let known = all(&case);

        // Which of two is shown first.
        let data: Vec<Comparison> = case.data.iter().map(|c| c.swapped()).collect();
        same(&known, &all(&Case { data, ..Case::new(seed) }));

        // The unit of weights, of data and of prompts.
        let mut other = Case::new(seed);
        for c in &mut other.data {
            c.weight = Weight::new(factor * c.weight.get()).unwrap();
        }
        for weight in &mut other.weights {
            *weight = Weight::new(factor * weight.get()).unwrap();
        }
        same(&known, &all(&other));

        // Labels.
        for (k, c) in other.data.iter_mut().enumerate() {
            c.label = if k % 2 == 0 { Label::TIE } else { Label::LOSS };
        }
        same(&known, &all(&other));

        // The ids of responses: reversed.
        let last = PROMPTS * CANDIDATES - 1;
        let renamed = |r: ResponseId| ResponseId::from_index(last - r.index());
        let mut other = Case::new(seed);
        let mut menus = Menus::new();
        for menu in other.menus.iter() {
            let ids: Vec<ResponseId> = menu.responses().iter().map(|r| renamed(*r)).collect();
            menus.push(menu.prompt(), &ids).unwrap();
        }
        other.menus = menus;
        for c in &mut other.data {
            (c.first, c.second) = (renamed(c.first), renamed(c.second));
        }
        other.phi = case.phi.chunks(DIM).rev().flatten().copied().collect();
        same(&known, &all(&other));
    }

    #[test]
    fn units_and_copies_of_features_change_nothing(seed in 0_u32..10_000, log_unit in -6.0_f64..6.0) {
        let case = Case::new(seed);
        let (counts, plays) = (case.counts(), case.plays());
        let known = linear_coverage(&case.linear(), &counts, &plays).unwrap();
        // Other units, a copy, a sum, and a constant: the same class in five parameters of rank two.
        let rows = case.phi.chunks(DIM).flat_map(|phi| {
            [phi[0] * 10f64.powf(log_unit), phi[1], phi[1], phi[0] + phi[1], 1.0]
        });
        let table = FeatureTable::new(5, rows.collect()).unwrap();
        let model = linear(Arc::new(Features::new(table, None).unwrap()), &case.data);
        let found = linear_coverage(&model, &counts, &plays).unwrap();
        same(&[known], &[found]);
    }
}

#[test]
fn the_class_is_that_of_the_model() {
    let case = Case::new(3);
    let (counts, plays) = (case.counts(), case.plays());
    let config = LogisticConfig::default();
    let level = nlhf_core::Confidence::new(0.9).unwrap();
    let tabular = TabularFit::new(9, level).fit(&case.data).unwrap().model;
    let scores = BradleyTerryFit::new(config).unwrap();
    let ensemble =
        BootstrapFit::new(scores.clone(), 5, Cluster::Comparison, level, SeedTree::new(1));
    let ensemble = ensemble.unwrap().fit(&case.data).unwrap().model;
    let found: Vec<Coverage> = [
        AnyModel::from(tabular),
        case.linear().into(),
        case.bilinear().into(),
        scores.fit(&case.data).unwrap().model.into(),
    ]
    .iter()
    .map(|model| coverage(model, &counts, &plays).unwrap())
    .collect();
    assert_eq!(found, all(&case));
    assert_eq!(coverage(&ensemble.into(), &counts, &plays).as_ref(), Some(&found[3]));
    let davidson = DavidsonFit::new(config).unwrap().fit(&case.data).unwrap().model;
    assert_eq!(coverage(&davidson.into(), &counts, &plays), None);
}

#[test]
fn infinity_survives_json() {
    let (responses, policy) = (ids(&[0, 1, 2]), Distribution::uniform(3));
    let plays = one(&responses, &policy);
    for data in [vec![], vec![judged(0, 0, 1, 2.0)], Case::new(0).data] {
        let counts = PairCounts::new(&data);
        for found in
            [tabular_coverage(&counts, &plays), bradley_terry_coverage(&counts, &plays).unwrap()]
        {
            let text = serde_json::to_string(&found).unwrap();
            assert_eq!(serde_json::from_str::<Coverage>(&text).unwrap(), found, "{text}");
        }
    }
}
