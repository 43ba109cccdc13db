//! What the tests for cycles say of data known to have them, or not.

use super::*;
use nlhf_core::ResponseId;

/// 8 responses, 12 votes a pair in mixed orders, judges who favour the first shown by `gamma`.
fn simulated(seed: u64, cycle: f64, gamma: f64) -> Vec<Comparison> {
    let mut rng = SeedTree::new(seed).rng(Stream::Oracle, 0);
    let mut data = Vec::new();
    for i in 0..8_u32 {
        for j in 0..i {
            for vote in 0..12 {
                let (a, b) = if vote % 3 == 0 { (i, j) } else { (j, i) };
                let turn = if (b + 8 - a) % 8 < 4 { 1.0 } else { -1.0 };
                let odds = 0.2 * (f64::from(a) - f64::from(b)) + cycle * turn + gamma;
                let label = if vote == 5 {
                    Label::TIE
                } else if rng.random::<f64>() < sigmoid(odds) {
                    Label::WIN
                } else {
                    Label::LOSS
                };
                let ids = (ResponseId::new(a), ResponseId::new(b));
                data.push(Comparison::new(PromptId::new(vote), ids.0, ids.1, label));
            }
        }
    }
    data
}

#[test]
fn transitive_judges_are_seldom_called_cyclic() {
    // Under the null p ≤ 0.1 in a tenth of the sets: of 60, 17 or more happen once in 5,000.
    for gamma in [0.0, 0.8] {
        let mut rejected = [0, 0];
        for seed in 0..60 {
            let found = transitivity(&simulated(seed, 0.0, gamma), 39, SeedTree::new(9)).unwrap();
            assert_eq!((found.n_pairs, found.degrees_of_freedom), (28, 21));
            rejected[0] += usize::from(found.likelihood_ratio.p_value <= 0.1);
            rejected[1] += usize::from(found.cyclic_triples.p_value <= 0.1);
        }
        assert!(rejected.iter().all(|k| *k < 17), "{rejected:?} of 60");
    }
}

#[test]
fn a_circle_is_found() {
    let found = transitivity(&simulated(1, 1.5, 0.0), 99, SeedTree::new(9)).unwrap();
    assert!(found.likelihood_ratio.p_value <= 0.011, "{found:?}");
    // A count of triples has less power: 16 of 20 here, where chance gives 5 ± 3.
    assert!(found.cyclic_triples.p_value <= 0.05, "{found:?}");
    assert!(found.likelihood_ratio.statistic > found.likelihood_ratio.null_mean + 50.0);
}

#[test]
fn a_judge_who_answers_in_both_orders_counts_once() {
    let vote = |first: u32, second: u32, label: f64| {
        let ids = (ResponseId::new(first), ResponseId::new(second));
        Comparison::new(PromptId::new(0), ids.0, ids.1, Label::new(label).unwrap())
    };
    // Consistent, flipped, and once more in one order: only the pairs of orders are merged.
    let data =
        [vote(0, 1, 1.0), vote(1, 0, 0.0), vote(2, 3, 1.0), vote(3, 2, 1.0), vote(0, 2, 1.0)];
    let merged: Vec<(f64, bool)> = votes(&data).iter().map(|v| (v.0.label.get(), v.1)).collect();
    assert_eq!(merged, [(1.0, true), (1.0, false), (0.5, true)]);
}

#[test]
fn triples_are_counted() {
    // 0 beats 1 beats 2 beats 0; 3 beats all; 4 ties with all.
    let pairs = [(0, 1), (1, 2), (2, 0), (3, 0), (3, 1), (3, 2)];
    let pairs = pairs.into_iter().map(|(a, b)| (a, b, 1.0, 0.0));
    let ties = (0..4).map(|k| (k, 4, 0.5, 0.5));
    let table = WinTable::from_pairs(5, pairs.chain(ties));
    assert_eq!(count_triples(&table), (1, 4));
}

#[test]
fn a_chain_closes_no_circle_and_threads_do_not_matter() {
    let chain: Vec<Comparison> = simulated(2, 0.0, 0.0)
        .into_iter()
        .filter(|c| c.first.index().abs_diff(c.second.index()) == 1)
        .collect();
    assert_eq!(transitivity(&chain, 9, SeedTree::new(0)), None);
    let data = simulated(3, 0.3, 0.2);
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| transitivity(&data, 19, SeedTree::new(4)))
    };
    assert_eq!(run(1), run(2));
}
