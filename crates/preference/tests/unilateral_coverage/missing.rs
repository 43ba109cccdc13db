//! What must be compared, and what is named where it was not.

use crate::case::{Given, close, ids, judged, linear, names, one};
use nlhf_core::{Distribution, Menu, PromptId, Weight};
use nlhf_preference::{
    FeatureTable, Features, PairCounts, Play, bradley_terry_coverage, finite_coverage,
    linear_coverage, tabular_coverage,
};
use std::sync::Arc;

#[test]
fn what_is_played_must_be_compared_and_nothing_else() {
    let (responses, policy) =
        (ids(&[0, 1, 2]), Distribution::from_masses(&[1.0, 0.0, 0.0]).unwrap());
    let plays = one(&responses, &policy);
    // π plays 0: the pair of 1 and 2 does not matter.
    let counts = PairCounts::new(&[judged(0, 0, 1, 3.0), judged(0, 2, 0, 1.0)]);
    let found = tabular_coverage(&counts, &plays);
    assert!(close(found.upper, 4.0));
    assert_eq!(found.prompts[0].competitor.index(), 2);
    assert_eq!(names(&found.carriers), [(0, 2)]);
    assert!(close(found.effective_labels(), 1.0));
    // Three more on the pair that carries it, and none elsewhere: 2 is then as well known as 1 must be.
    assert!(close(found.labels_to_halve.unwrap(), 4.0));

    let counts = PairCounts::new(&[judged(0, 0, 1, 3.0), judged(0, 2, 1, 1.0)]);
    let found = tabular_coverage(&counts, &plays);
    assert!(found.lower.is_infinite() && found.upper.is_infinite());
    assert_eq!((found.n_uncovered, found.labels_to_halve), (1, None));
    assert!(close(found.uncovered_share, 1.0));
    assert_eq!(names(&found.missing), [(0, 2)]);
    assert!(found.effective_labels() == 0.0 && found.carriers.is_empty());

    // Scores reach 2 through 1: resistances in series, 1/3 + 1.
    let found = bradley_terry_coverage(&counts, &plays).unwrap();
    assert!(close(found.upper, 4.0 * (1.0 / 3.0 + 1.0)), "{}", found.upper);
    // Two groups: what compares them is missing.
    let counts = PairCounts::new(&[judged(0, 0, 1, 3.0)]);
    let found = bradley_terry_coverage(&counts, &plays).unwrap();
    assert!(found.upper.is_infinite());
    assert_eq!(names(&found.missing), [(0, 2)]);
}

#[test]
fn a_direction_without_data_is_missing_and_named() {
    // Responses 0, 1 differ in the first feature, 2 in the second one too.
    let table = FeatureTable::new(2, vec![0.0, 0.0, 1.0, 0.0, 1.0, 2.0, 0.0, 2.0]).unwrap();
    let features = Arc::new(Features::new(table, None).unwrap());
    let data = [judged(0, 0, 1, 5.0)];
    let (model, counts) = (linear(Arc::clone(&features), &data), PairCounts::new(&data));
    let (two, even) = (ids(&[0, 1]), Distribution::from_masses(&[0.5, 0.5]).unwrap());
    let found = linear_coverage(&model, &counts, &one(&two, &even)).unwrap();
    assert!(close(found.upper, 0.25));
    let (three, policy) = (ids(&[0, 1, 2]), Distribution::from_masses(&[0.5, 0.3, 0.2]).unwrap());
    let found = linear_coverage(&model, &counts, &one(&three, &policy)).unwrap();
    assert!(found.lower.is_infinite() && found.prompts[0].coefficient.is_infinite());
    assert_eq!(found.prompts[0].competitor.index(), 2);
    assert_eq!(names(&found.missing), [(0, 2), (1, 2)]);
    let missing = &found.missing_directions[0];
    assert_eq!((missing.loadings[0].0, found.missing_directions.len()), (1, 1));
    assert!(close(missing.loadings[0].1, 1.0) && close(missing.share, 1.0));
    // One in a thousand is enough to be missed.
    let rare = Distribution::from_masses(&[0.499, 0.5, 0.001]).unwrap();
    let found = linear_coverage(&model, &counts, &one(&three, &rare)).unwrap();
    assert!(found.lower.is_infinite());
    // One label on such a pair, and it is there.
    let data = [judged(0, 0, 1, 5.0), judged(0, 2, 1, 1.0)];
    let found = linear_coverage(&model, &PairCounts::new(&data), &one(&three, &policy)).unwrap();
    assert!(found.upper.is_finite() && found.missing.is_empty());
    assert_eq!(found.directions[0].loadings[0].0, 1);
    // By hand: v against 2 is (−0.5, −1.6), and Σ_D⁺ = diag(6/5, 6/4).
    assert!(close(found.upper, 0.25 * 1.2 + 2.56 * 1.5), "{}", found.upper);
    // A response without features, and one alone, of which nothing is to be known.
    let (unknown, policy) = (ids(&[0, 9]), Distribution::from_masses(&[1.0, 0.0]).unwrap());
    let found = linear_coverage(&model, &counts, &one(&unknown, &policy)).unwrap();
    assert!(found.upper.is_infinite());
    assert_eq!(names(&found.missing), [(0, 9)]);
}

#[test]
fn one_candidate_no_data_and_prompts_that_do_not_count() {
    let (alone, sure) = (ids(&[7]), Distribution::uniform(1));
    let (two, even) = (ids(&[0, 1]), Distribution::uniform(2));
    let menu = |x: usize, responses| Menu::new(PromptId::from_index(x), responses).unwrap();
    let play = |weight: f64, x, responses, policy| Play {
        weight: Weight::new(weight).unwrap(),
        menu: menu(x, responses),
        policy,
    };
    let table = FeatureTable::new(1, vec![0.0, 1.0]).unwrap();
    let features = Arc::new(Features::new(table, None).unwrap());
    let data = [judged(0, 0, 1, 2.0)];
    let (model, counts) = (linear(features, &data), PairCounts::new(&data));
    let class = [Given(vec![0.0; 81]), Given(vec![1.0; 81])];
    let each = |counts: &PairCounts, plays: &[Play<'_>]| {
        [
            tabular_coverage(counts, plays),
            linear_coverage(&model, counts, plays).unwrap(),
            bradley_terry_coverage(counts, plays).unwrap(),
            finite_coverage(&class, counts, plays),
        ]
    };
    // Nothing to choose is nothing to know, with data and without.
    for counts in [&counts, &PairCounts::new(&[])] {
        for found in each(counts, &[play(1.0, 5, &alone, &sure)]) {
            assert!(found.lower == 0.0 && found.upper == 0.0 && found.n_uncovered == 0);
            assert_eq!(found.labels_to_halve, None);
            assert!(found.effective_labels().is_infinite());
        }
        for found in each(counts, &[]) {
            assert!(found.upper == 0.0 && found.prompts.is_empty());
        }
    }
    // No data: everything is missing.
    for found in each(&PairCounts::new(&[]), &[play(1.0, 0, &two, &even)]) {
        assert!(found.lower.is_infinite() && found.total_weight == 0.0);
        assert_eq!(names(&found.missing).len(), 1);
    }
    // A prompt without data of its own: shared parameters tell of it, a table does not.
    let other = [play(1.0, 0, &two, &even), play(1.0, 1, &two, &even)];
    let [table, linear, scores, finite] = each(&counts, &other);
    assert!(table.upper.is_infinite() && close(table.covered_upper, 0.25 * 0.25));
    assert_eq!((table.n_uncovered, table.uncovered_share), (1, 0.5));
    for found in [linear, scores, finite] {
        assert!(close(found.lower, 0.25) && close(found.upper, 0.25), "{}", found.upper);
    }
    // Where it does not count it is told of, and does not matter.
    let other = [play(3.0, 0, &two, &even), play(0.0, 1, &two, &even)];
    let [table, linear, scores, finite] = each(&counts, &other);
    assert!(table.prompts[1].coefficient.is_infinite());
    for found in [table, linear, scores, finite] {
        assert!(close(found.upper, 0.25) && found.n_uncovered == 0 && found.missing.is_empty());
    }
}

#[test]
fn members_that_agree_on_the_data_are_told_apart_by_a_named_pair() {
    let mut table = vec![0.3; 81];
    let one_member = Given(table.clone());
    table[2] = -0.8;
    let class = [one_member, Given(table)];
    let (responses, policy) =
        (ids(&[0, 1, 2]), Distribution::from_masses(&[0.6, 0.4, 0.0]).unwrap());
    let plays = one(&responses, &policy);
    let found = finite_coverage(&class, &PairCounts::new(&[judged(0, 0, 1, 9.0)]), &plays);
    assert!(found.lower.is_infinite() && found.n_uncovered == 1);
    assert_eq!(names(&found.missing), [(0, 2)]);
    // One label on it, of ten: (0.6 · 1.1)² / (1.1²/10).
    let data = [judged(0, 0, 1, 9.0), judged(0, 2, 0, 1.0)];
    let found = finite_coverage(&class, &PairCounts::new(&data), &plays);
    assert!(close(found.upper, 3.6), "{}", found.upper);
    assert_eq!(names(&found.carriers), [(0, 2)]);
    assert!(close(found.labels_to_halve.unwrap(), 3.0));
}
