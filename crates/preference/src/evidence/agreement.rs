//! How far judges agree with each other, and with themselves when the presentation order changes.
//!
//! ```text
//! o_ck = Σ_u (n_uc n_uk − [c = k] n_uc) / (m_u − 1)        unit u: a pair with m_u ≥ 2 votes by several judges
//! α = 1 − (n − 1) Σ_{c≠k} o_ck / Σ_{c≠k} n_c n_k            categories: one wins, tie, the other wins
//! ```
//! Krippendorff's alpha for nominal data (Content Analysis, 1980) is 1 for full agreement and 0 for what chance
//! gives. A label counts for the category that it is nearest to; weights do not count, votes do.

use nlhf_core::{AnnotatorId, Comparison, Label, PromptId, ResponseId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Agreement between judges on pairs that several of them judged.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Agreement {
    /// Annotators.
    pub n_annotators: usize,
    /// Pairs with votes of at least two annotators.
    pub n_pairs: usize,
    /// Of two decided votes on a pair by different annotators, the share that agree; `None` without any.
    pub raw: Option<f64>,
    /// Krippendorff's alpha over wins and ties, at most 1; `None` if all votes are of one category.
    pub alpha: Option<f64>,
}

/// What the presentation order does to verdicts.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct OrderStatistics {
    /// The weight of decided votes, hence their number where each counts once.
    pub decided: f64,
    /// The share of them that the response shown first has won; `None` without any.
    pub first_won: Option<f64>,
    /// Wilson's 95 % interval of that share, as if votes were independent.
    pub interval: Option<(f64, f64)>,
    /// Pairs that one judge decided in both orders.
    pub n_both_orders: usize,
    /// The share of them whose winner changed with the order.
    pub flip_rate: Option<f64>,
    /// γ̂ from pairs decided in both orders: log-odds of the first shown, `½ log(n₁₁/n₀₀)` over the pairs
    /// that the first (n₁₁) or the second (n₀₀) won in both orders; `None` if either is missing.
    pub log_odds: Option<f64>,
}

type Pair = (PromptId, ResponseId, ResponseId);

/// −1, 0 or 1: the higher id wins, a tie, the lower id wins.
fn verdict(comparison: &Comparison) -> i8 {
    let label = comparison.label.get();
    let sign = if comparison.first < comparison.second { 1 } else { -1 };
    if comparison.label == Label::TIE || (0.25..=0.75).contains(&label) {
        0
    } else if label > 0.5 {
        sign
    } else {
        -sign
    }
}

fn pair(comparison: &Comparison) -> Pair {
    let (a, b) = (comparison.first, comparison.second);
    (comparison.prompt, a.min(b), a.max(b))
}

fn votes(data: &[Comparison]) -> impl Iterator<Item = &Comparison> {
    data.iter().filter(|c| c.first != c.second && c.weight.get() > 0.0)
}

/// Agreement between annotators; `None` if no pair was judged by two that are known.
pub fn agreement(data: &[Comparison]) -> Option<Agreement> {
    let mut units: BTreeMap<Pair, Vec<(AnnotatorId, i8)>> = BTreeMap::new();
    let mut annotators: Vec<AnnotatorId> = Vec::new();
    for vote in votes(data) {
        let Some(annotator) = vote.annotator else { continue };
        annotators.push(annotator);
        units.entry(pair(vote)).or_default().push((annotator, verdict(vote)));
    }
    annotators.sort_unstable();
    annotators.dedup();
    let several = |unit: &&Vec<(AnnotatorId, i8)>| unit.iter().any(|vote| vote.0 != unit[0].0);
    let (mut n_pairs, mut same, mut all) = (0, 0.0, 0.0);
    let mut coincidences = [[0.0; 3]; 3];
    for unit in units.values().filter(several) {
        n_pairs += 1;
        for (k, (judge, one)) in unit.iter().enumerate() {
            for (other_judge, other) in &unit[..k] {
                if judge != other_judge && one * other != 0 {
                    all += 1.0;
                    same += f64::from(u8::from(one == other));
                }
            }
        }
        let mut counts = [0.0; 3];
        for (_, vote) in unit {
            counts[usize::from(vote.unsigned_abs()) * if *vote < 0 { 2 } else { 1 }] += 1.0;
        }
        for c in 0..3 {
            for k in 0..3 {
                let own = if c == k { counts[c] } else { 0.0 };
                coincidences[c][k] += (counts[c] * counts[k] - own) / (unit.len() as f64 - 1.0);
            }
        }
    }
    if n_pairs == 0 {
        return None;
    }
    let marginal = coincidences.map(|row| row.iter().sum::<f64>());
    let n: f64 = marginal.iter().sum();
    let (mut observed, mut expected) = (0.0, 0.0);
    for c in 0..3 {
        for k in (0..3).filter(|k| *k != c) {
            observed += coincidences[c][k];
            expected += marginal[c] * marginal[k];
        }
    }
    Some(Agreement {
        n_annotators: annotators.len(),
        n_pairs,
        raw: (all > 0.0).then(|| same / all),
        alpha: (expected > 0.0).then(|| 1.0 - (n - 1.0) * observed / expected),
    })
}

/// What the order of presentation does, over all votes.
pub fn order_statistics(data: &[Comparison]) -> OrderStatistics {
    let (mut decided, mut first_won) = (0.0, 0.0);
    // Of each pair and judge: what was decided with the lower id first, and with the higher id first.
    let mut both: BTreeMap<(Pair, Option<AnnotatorId>), [Option<i8>; 2]> = BTreeMap::new();
    for vote in votes(data) {
        let winner = verdict(vote);
        if winner == 0 {
            continue;
        }
        let low_first = vote.first < vote.second;
        decided += vote.weight.get();
        if (winner > 0) == low_first {
            first_won += vote.weight.get();
        }
        let seen = both.entry((pair(vote), vote.annotator)).or_default();
        seen[usize::from(!low_first)].get_or_insert(winner);
    }
    let (mut n_both_orders, mut flipped, mut for_first) = (0, 0, 0);
    for seen in both.values() {
        if let [Some(low_first), Some(high_first)] = seen {
            n_both_orders += 1;
            flipped += usize::from(low_first != high_first);
            for_first += usize::from(*low_first > 0 && *high_first < 0);
        }
    }
    let share = |k: usize, n: usize| (n > 0).then(|| k as f64 / n as f64);
    let for_second = flipped - for_first;
    OrderStatistics {
        decided,
        first_won: (decided > 0.0).then(|| first_won / decided),
        interval: (decided > 0.0).then(|| wilson(first_won, decided)),
        n_both_orders,
        flip_rate: share(flipped, n_both_orders),
        log_odds: (for_first > 0 && for_second > 0)
            .then(|| 0.5 * (for_first as f64 / for_second as f64).ln()),
    }
}

/// Wilson's score interval of a share, at 95 %.
pub(crate) fn wilson(k: f64, n: f64) -> (f64, f64) {
    const Z: f64 = 1.959_963_984_540_054;
    let (p, z2) = (k / n, Z * Z);
    let centre = (p + z2 / (2.0 * n)) / (1.0 + z2 / n);
    let half = Z / (1.0 + z2 / n) * (p * (1.0 - p) / n + z2 / (4.0 * n * n)).sqrt();
    ((centre - half).max(0.0), (centre + half).min(1.0))
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "exact by construction")]
mod tests {
    use super::*;

    fn vote(prompt: u32, first: u32, second: u32, label: f64, annotator: u32) -> Comparison {
        let (a, b) = (ResponseId::new(first), ResponseId::new(second));
        let label = Label::new(label).unwrap();
        Comparison {
            annotator: Some(AnnotatorId::new(annotator)),
            ..Comparison::new(PromptId::new(prompt), a, b, label)
        }
    }

    #[test]
    fn alpha_is_that_of_a_worked_example() {
        // Two judges, four units: agree on a win twice and on a tie once, differ once.
        let data = [
            vote(0, 0, 1, 1.0, 0),
            vote(0, 1, 0, 0.0, 1),
            vote(1, 0, 1, 1.0, 0),
            vote(1, 0, 1, 1.0, 1),
            vote(2, 0, 1, 0.5, 0),
            vote(2, 0, 1, 0.5, 1),
            vote(3, 0, 1, 1.0, 0),
            vote(3, 0, 1, 0.0, 1),
        ];
        let found = agreement(&data).unwrap();
        assert_eq!((found.n_annotators, found.n_pairs), (2, 4));
        assert_eq!(found.raw, Some(2.0 / 3.0));
        // Coincidences: win-win 4, tie-tie 2, win-loss and loss-win 1 each; n = 8, marginals 5, 2, 1.
        let alpha = 1.0 - 7.0 * 2.0 / (2.0 * (5.0 * 2.0 + 5.0 + 2.0));
        assert!((found.alpha.unwrap() - alpha).abs() < 1e-15);
        assert_eq!(agreement(&data[..1]), None);
    }

    #[test]
    fn flips_and_the_first_shown_are_counted() {
        // One judge always takes the first shown; another always response 0.
        let mut data = Vec::new();
        for prompt in 0..3 {
            for (a, b) in [(0, 1), (1, 0)] {
                data.push(vote(prompt, a, b, 1.0, 0));
                data.push(vote(prompt, a, b, if a == 0 { 1.0 } else { 0.0 }, 1));
            }
        }
        data.push(vote(0, 0, 1, 0.5, 2));
        let found = order_statistics(&data);
        assert_eq!((found.decided, found.first_won), (12.0, Some(0.75)));
        assert_eq!((found.n_both_orders, found.flip_rate), (6, Some(0.5)));
        assert_eq!(found.log_odds, None);
        let (low, high) = found.interval.unwrap();
        assert!(low < 0.75 && 0.75 < high && low > 0.4 && high < 0.95);
        data.extend([vote(7, 0, 1, 0.0, 5), vote(7, 1, 0, 0.0, 5)]);
        assert!((order_statistics(&data).log_odds.unwrap() - 0.5 * 3f64.ln()).abs() < 1e-15);
    }
}
