//! Families of games and priors whose unregularized equilibria are easy, many, or on an edge.

use nlhf_core::logistic::centered_sigmoid;
use nlhf_core::{DenseGame, Distribution, Profile, ZeroSumGame};
use rand::{Rng, RngExt};

pub(crate) const SKEW: [&str; 11] = [
    "probability",
    "log-odds",
    "ties",
    "decimals",
    "duplicates",
    "cycle",
    "rotation",
    "blocks",
    "dominated",
    "bradley-terry",
    "zero",
];

pub(crate) const GENERAL: [&str; 7] =
    ["uniform", "integers", "tenths", "copies", "direct sum", "pessimistic", "low rank"];

fn uniform(size: f64, rng: &mut dyn Rng) -> f64 {
    size * (2.0 * rng.random::<f64>() - 1.0)
}

pub(crate) fn skew(family: &str, n: usize, rng: &mut dyn Rng) -> DenseGame {
    match family {
        "probability" => DenseGame::skew_from_upper(n, |_, _| uniform(0.5, rng)),
        "log-odds" => DenseGame::skew_from_upper(n, |_, _| uniform(4.0, rng)),
        "ties" => DenseGame::skew_from_upper(n, |_, _| 0.5 * uniform(1.5, rng).round()),
        // Like ties, but equal only up to rounding.
        "decimals" => {
            let mut p = vec![0.5; n * n];
            for i in 0..n {
                for j in i + 1..n {
                    p[i * n + j] = 0.1 * (5.0 + uniform(3.49, rng).round());
                    p[j * n + i] = 1.0 - p[i * n + j];
                }
            }
            DenseGame::from_probabilities(n, &p).unwrap()
        }
        "duplicates" => {
            let half = n.div_ceil(2);
            let base = DenseGame::skew_from_upper(half, |_, _| uniform(0.5, rng));
            DenseGame::skew_from_upper(n, |i, j| base.get(i % half, j % half))
        }
        "cycle" => DenseGame::skew_from_upper(n, |i, j| match (2 * (j - i)).cmp(&n) {
            std::cmp::Ordering::Less => 0.4,
            std::cmp::Ordering::Equal => 0.0,
            std::cmp::Ordering::Greater => -0.4,
        }),
        "rotation" => {
            let score: Vec<f64> = (0..n).map(|_| uniform(1.5, rng)).collect();
            let style: Vec<[f64; 2]> =
                (0..n).map(|_| [uniform(2.0, rng), uniform(2.0, rng)]).collect();
            DenseGame::skew_from_upper(n, |i, j| {
                let rotation = style[i][0] * style[j][1] - style[i][1] * style[j][0];
                centered_sigmoid(score[i] - score[j] + rotation)
            })
        }
        // Games that do not meet: mass may move from one to another freely.
        "blocks" => {
            let half = n.div_ceil(2);
            DenseGame::skew_from_upper(n, |i, j| {
                if (i < half) == (j < half) { uniform(0.5, rng) } else { 0.0 }
            })
        }
        // Rock, paper, scissors, and actions that lose to each of the three.
        "dominated" => DenseGame::skew_from_upper(n, |i, j| match (i, j) {
            (0, 1) | (1, 2) => -0.3,
            (0, 2) => 0.3,
            (0..=2, _) => 0.05 + 0.4 * rng.random::<f64>(),
            _ => uniform(0.5, rng),
        }),
        "bradley-terry" => {
            let score: Vec<f64> = (0..n).map(|_| uniform(2.0, rng)).collect();
            DenseGame::skew_from_upper(n, |i, j| centered_sigmoid(score[i] - score[j]))
        }
        "zero" => DenseGame::skew_from_upper(n, |_, _| 0.0),
        other => panic!("no family {other}"),
    }
}

pub(crate) fn general(family: &str, n: usize, m: usize, rng: &mut dyn Rng) -> DenseGame {
    let entries: Vec<f64> = match family {
        "uniform" => (0..n * m).map(|_| 3.0 + uniform(2.0, rng)).collect(),
        "integers" => (0..n * m).map(|_| uniform(1.5, rng).round()).collect(),
        "tenths" => (0..n * m).map(|_| 0.3 + 0.1 * uniform(2.49, rng).round()).collect(),
        "copies" => {
            let (half, third) = (n.div_ceil(2), m.div_ceil(3));
            let base: Vec<f64> = (0..half * third).map(|_| uniform(1.0, rng)).collect();
            (0..n * m).map(|at| base[(at / m % half) * third + at % m % third]).collect()
        }
        "direct sum" => (0..n * m)
            .map(|at| {
                let met = (at / m < n.div_ceil(2)) == (at % m < m.div_ceil(2));
                if met { uniform(1.0, rng) } else { 0.0 }
            })
            .collect(),
        "pessimistic" => {
            let family = SKEW[rng.random_range(0..6u32) as usize];
            let base = skew(family, n.max(m), rng);
            (0..n * m).map(|at| base.get(at / m, at % m) - 0.3 * rng.random::<f64>()).collect()
        }
        "low rank" => {
            let left: Vec<[f64; 2]> =
                (0..n).map(|_| [uniform(1.0, rng), uniform(1.0, rng)]).collect();
            let right: Vec<[f64; 2]> =
                (0..m).map(|_| [uniform(1.0, rng), uniform(1.0, rng)]).collect();
            let product = |i: usize, j: usize| left[i][0] * right[j][0] + left[i][1] * right[j][1];
            (0..n * m).map(|at| product(at / m, at % m)).collect()
        }
        other => panic!("no family {other}"),
    };
    DenseGame::new(n, m, entries).unwrap()
}

/// Priors from uniform ones to masses of e⁻⁶⁰⁰; one in four excludes some actions.
pub(crate) fn prior(n: usize, rng: &mut dyn Rng) -> Distribution {
    let spread = [0.0, 3.0, 30.0, 600.0][rng.random_range(0..4u32) as usize];
    let mut logits: Vec<f64> = (0..n).map(|_| -spread * rng.random::<f64>()).collect();
    if rng.random_range(0..4u32) == 0 {
        for logit in &mut logits[1..] {
            if rng.random_range(0..5u32) == 0 {
                *logit = f64::NEG_INFINITY;
            }
        }
    }
    Distribution::from_logits(logits).unwrap()
}

/// A game of the family with references; skew ones have one reference for both.
pub(crate) fn draw(family: &str, largest: u32, rng: &mut dyn Rng) -> (DenseGame, Profile) {
    let size = |rng: &mut dyn Rng| 2 + rng.random_range(0..largest - 1) as usize;
    let n = size(rng);
    if SKEW.contains(&family) {
        let payoff = skew(family, n, rng);
        assert!(payoff.is_skew());
        (payoff, Profile::symmetric(prior(n, rng)))
    } else {
        let m = size(rng);
        let payoff = general(family, n, m, rng);
        (payoff, Profile { row: prior(n, rng), column: prior(m, rng) })
    }
}
