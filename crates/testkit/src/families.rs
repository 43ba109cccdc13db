//! Families of games that are hard in different ways, for solvers that must solve all of them.
//!
//! Ties, duplicated actions and cycles make the unregularized equilibrium degenerate; tiny priors make
//! actions enter late; pessimistic games are rectangular and have a value.

use nlhf_core::logistic::centered_sigmoid;
use nlhf_core::{DenseGame, Distribution, Profile};
use rand::{Rng, RngExt};

/// The families of [`family_game`].
pub const FAMILIES: [&str; 6] =
    ["probability", "log-odds", "ties", "duplicates", "cycle", "rotation"];

/// A symmetric game of `n` actions.
///
/// | family | payoffs above the diagonal |
/// |---|---|
/// | probability, log-odds | uniform in [−½, ½], in [−4, 4] |
/// | ties | −½, 0 or ½ |
/// | duplicates | two copies of each action |
/// | cycle | each action beats the next half of the others by 0.4 |
/// | rotation | sigmoids of scores and turning styles |
///
/// # Panics
/// If the family has no such name or `n` is zero.
pub fn family_game(family: &str, n: usize, rng: &mut dyn Rng) -> DenseGame {
    let mut symmetric = |size: f64| size * (2.0 * rng.random::<f64>() - 1.0);
    match family {
        "probability" => DenseGame::skew_from_upper(n, |_, _| symmetric(0.5)),
        "log-odds" => DenseGame::skew_from_upper(n, |_, _| symmetric(4.0)),
        "ties" => DenseGame::skew_from_upper(n, |_, _| 0.5 * symmetric(1.5).round()),
        "duplicates" => {
            let half = n.div_ceil(2);
            let base = DenseGame::skew_from_upper(half, |_, _| symmetric(0.5));
            DenseGame::skew_from_upper(n, |i, j| base.get(i % half, j % half))
        }
        "cycle" => DenseGame::skew_from_upper(n, |i, j| match (2 * (j - i)).cmp(&n) {
            std::cmp::Ordering::Less => 0.4,
            std::cmp::Ordering::Equal => 0.0,
            std::cmp::Ordering::Greater => -0.4,
        }),
        "rotation" => {
            let score: Vec<f64> = (0..n).map(|_| symmetric(1.5)).collect();
            let style: Vec<[f64; 2]> = (0..n).map(|_| [symmetric(2.0), symmetric(2.0)]).collect();
            DenseGame::skew_from_upper(n, |i, j| {
                let rotation = style[i][0] * style[j][1] - style[i][1] * style[j][0];
                centered_sigmoid(score[i] - score[j] + rotation)
            })
        }
        _ => panic!("there is no family {family:?}"),
    }
}

/// A pessimistic game of a family: `n × m`, every payoff lowered by up to 0.3.
///
/// # Panics
/// If the family has no such name, a side is zero, or `m > n`.
pub fn pessimistic_family_game(family: &str, n: usize, m: usize, rng: &mut dyn Rng) -> DenseGame {
    assert!(m <= n, "at most as many columns as rows");
    let skew = family_game(family, n, rng);
    let entry = |at: usize| skew.get(at / m, at % m) - 0.3 * rng.random::<f64>();
    DenseGame::new(n, m, (0..n * m).map(entry).collect()).expect("both sides are at least 1")
}

/// A prior with logits spread over 0, 3 or 600 nats: uniform, usual, or down to 1e-260.
///
/// # Panics
/// If `n` is zero.
pub fn family_prior(n: usize, rng: &mut dyn Rng) -> Distribution {
    let spread = [0.0, 3.0, 600.0][rng.random_range(0..3u32) as usize];
    Distribution::from_logits((0..n).map(|_| -spread * rng.random::<f64>()).collect())
        .expect("finite logits")
}

/// A game of a family with its references: 2 to 25 actions, symmetric or pessimistic and rectangular.
///
/// # Panics
/// If the family has no such name.
pub fn random_family_game(
    family: &str,
    pessimistic: bool,
    rng: &mut dyn Rng,
) -> (DenseGame, Profile) {
    let n = 2 + rng.random_range(0..24u32) as usize;
    if pessimistic {
        let m = 1 + rng.random_range(0..24u32) as usize % n;
        let payoff = pessimistic_family_game(family, n, m, rng);
        let reference = Profile { row: family_prior(n, rng), column: family_prior(m, rng) };
        (payoff, reference)
    } else {
        let payoff = family_game(family, n, rng);
        (payoff, Profile::symmetric(family_prior(n, rng)))
    }
}
