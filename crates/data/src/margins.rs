//! A policy as preference pairs with margins, from which a trainer of another policy class finds it again.
//!
//! ```text
//! l(a) = ln π(a)/π₀(a)                       log-ratio in nats, −∞ where π is zero
//! m(a, b) = max(l(a), f) − max(l(b), f)      margin of the pair a chosen, b rejected, positive
//! f = max l − M                              the floor, M nats below the best
//! ```
//! A policy π' with ln π'(a)/π₀(a) − ln π'(b)/π₀(b) = m(a, b) on pairs that connect the candidates is proportional to
//! π₀ exp l with l cut at the floor: it is π if nothing lies below, and what does keeps no more than
//! e^−M π₀(floored)/π₀(best) of the mass. Margins stay finite, and differences of one function, which they would not be if
//! each were cut by itself.
//! The regression is that of IPO (Azar et al., 2024) with the margin as its target, and of REBEL (Gao et al., 2024).

use nlhf_core::Distribution;

/// Which pairs of the candidates of a prompt are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum PairChoice {
    /// Every two.
    #[default]
    All,
    /// One fewer than candidates: each with the next in the order of log-ratios.
    Adjacent,
    /// The largest log-ratio with the smallest.
    BestWorst,
}

/// Which pairs are made.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PairRules {
    /// Which pairs are considered.
    pub choice: PairChoice,
    /// Pairs with smaller margins are left out, in nats; a margin of zero always is.
    pub min_margin_nats: f64,
    /// No log-ratio lies further below the largest, in nats.
    pub max_margin_nats: f64,
}

/// A pair of candidates by their places in the menu.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MarginPair {
    /// The candidate with the larger log-ratio.
    pub chosen: usize,
    /// The other.
    pub rejected: usize,
    /// How much larger, in nats; positive and finite.
    pub margin_nats: f64,
}

/// The pairs of a menu.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct MarginPairs {
    /// In the order of log-ratios, largest first, of the chosen candidate.
    pub pairs: Vec<MarginPair>,
    /// How many were considered and have too small a margin.
    pub n_left_out: usize,
    /// How many candidates lie below the floor.
    pub n_floored: usize,
}

/// A policy that plays what its reference never does: no log-ratio is finite.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the reference gives entry {index} no probability, but the policy does")]
pub struct OutsideReference {
    /// The first such entry.
    pub index: usize,
}

/// ln π/π₀ of every entry, in nats; −∞ where π is zero, whether π₀ is or not.
///
/// # Errors
/// [`OutsideReference`] if only π₀ is zero somewhere.
///
/// # Panics
/// If the two have different lengths.
pub fn log_ratios_nats(
    policy: &Distribution,
    reference: &Distribution,
) -> Result<Vec<f64>, OutsideReference> {
    assert_eq!(policy.len(), reference.len(), "distributions over the same set");
    let both = policy.log_probabilities().iter().zip(reference.log_probabilities());
    let ratio = |(index, (log_p, log_q)): (usize, (&f64, &f64))| {
        if *log_p == f64::NEG_INFINITY {
            Ok(f64::NEG_INFINITY)
        } else if *log_q == f64::NEG_INFINITY {
            Err(OutsideReference { index })
        } else {
            Ok(log_p - log_q)
        }
    };
    both.enumerate().map(ratio).collect()
}

/// The pairs of candidates with these log-ratios; what is tied stays in the order of the menu.
///
/// # Panics
/// If no log-ratio is finite, or one is `NaN` or `+∞`.
///
/// # Example
/// ```
/// use nlhf_data::{MarginPair, PairChoice, PairRules, margin_pairs};
///
/// let choice = PairChoice::Adjacent;
/// let rules = PairRules { choice, min_margin_nats: 0.0, max_margin_nats: 20.0 };
/// let pairs = margin_pairs(&[0.5, -1.0, f64::NEG_INFINITY], rules).pairs;
/// assert_eq!(pairs[0], MarginPair { chosen: 0, rejected: 1, margin_nats: 1.5 });
/// assert_eq!(pairs[1], MarginPair { chosen: 1, rejected: 2, margin_nats: 18.5 });
/// ```
pub fn margin_pairs(log_ratios: &[f64], rules: PairRules) -> MarginPairs {
    assert!(log_ratios.iter().all(|l| *l < f64::INFINITY), "log-ratios below infinity");
    let best = log_ratios.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    assert!(best.is_finite(), "a policy plays something");
    let floor = best - rules.max_margin_nats;
    let n_floored = log_ratios.iter().filter(|l| **l < floor).count();
    let mut ranked: Vec<(usize, f64)> =
        log_ratios.iter().map(|l| l.max(floor)).enumerate().collect();
    ranked.sort_by(|a, b| b.1.total_cmp(&a.1));

    let n = ranked.len();
    let margin = |above: usize, below: usize| ranked[above].1 - ranked[below].1;
    let counts = |margin: f64| margin > 0.0 && margin >= rules.min_margin_nats;
    let (wanted, n_considered) = match rules.choice {
        PairChoice::All => {
            let pairs = (0..n).flat_map(|k| (k + 1..n).map(move |j| (k, j)));
            (pairs.filter(|&(k, j)| counts(margin(k, j))).collect(), n * (n - 1) / 2)
        }
        PairChoice::Adjacent => (adjacent(n, |k, j| counts(margin(k, j))), n - 1),
        PairChoice::BestWorst => {
            let pair = [(0, n - 1)].into_iter();
            (pair.filter(|&(k, j)| counts(margin(k, j))).collect(), usize::from(n > 1))
        }
    };
    let pair = |&(above, below): &(usize, usize)| MarginPair {
        chosen: ranked[above].0,
        rejected: ranked[below].0,
        margin_nats: margin(above, below),
    };
    let pairs: Vec<MarginPair> = wanted.iter().map(pair).collect();
    MarginPairs { n_left_out: n_considered - pairs.len(), pairs, n_floored }
}

/// Pairs of ranks that connect all candidates, if not all are tied: each with the nearest rank above that it can be
/// told from, and those that share the first rank, but for the last of them, with the nearest below.
fn adjacent(n: usize, differ: impl Fn(usize, usize) -> bool) -> Vec<(usize, usize)> {
    let n_first = (0..n).take_while(|k| !differ(0, *k)).count();
    let down =
        (0..n_first - 1).filter_map(|k| (n_first..n).find(|j| differ(k, *j)).map(|j| (k, j)));
    let up = (n_first..n).filter_map(|k| (0..k).rfind(|j| differ(*j, k)).map(|j| (j, k)));
    down.chain(up).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const RULES: PairRules =
        PairRules { choice: PairChoice::All, min_margin_nats: 0.0, max_margin_nats: 20.0 };

    fn places(log_ratios: &[f64], rules: PairRules) -> Vec<(usize, usize)> {
        let pairs = margin_pairs(log_ratios, rules).pairs;
        pairs.iter().map(|pair| (pair.chosen, pair.rejected)).collect()
    }

    #[test]
    fn the_larger_ratio_is_chosen_and_not_the_larger_probability() {
        let policy = Distribution::from_masses(&[0.6, 0.4, 0.0]).unwrap();
        let reference = Distribution::from_masses(&[0.8, 0.1, 0.1]).unwrap();
        let ratios = log_ratios_nats(&policy, &reference).unwrap();
        let found = margin_pairs(&ratios, RULES);
        assert_eq!(places(&ratios, RULES), [(1, 0), (1, 2), (0, 2)]);
        assert!((found.pairs[0].margin_nats - (4.0_f64 / 0.75).ln()).abs() < 1e-14);
        // The third is never played: its margins end at the floor and still add up.
        assert!((found.pairs[1].margin_nats - 20.0).abs() < 1e-14);
        let sum = found.pairs[0].margin_nats + found.pairs[2].margin_nats;
        assert!((sum - 20.0).abs() < 1e-13);
        assert_eq!((found.n_left_out, found.n_floored), (0, 1));

        let never = Distribution::from_masses(&[1.0, 0.0, 0.0]).unwrap();
        assert_eq!(log_ratios_nats(&policy, &never), Err(OutsideReference { index: 1 }));
        assert_eq!(log_ratios_nats(&never, &never).unwrap()[1..], [f64::NEG_INFINITY; 2]);
    }

    #[test]
    fn ties_and_small_margins_are_left_out_and_counted() {
        let ratios = [0.0, 1.0, 1.0, 0.0, 0.75];
        let adjacent = PairRules { choice: PairChoice::Adjacent, ..RULES };
        assert_eq!(places(&ratios, adjacent), [(1, 4), (2, 4), (4, 0), (4, 3)]);
        let coarse = PairRules { min_margin_nats: 0.5, ..adjacent };
        assert_eq!(places(&ratios, coarse), [(1, 0), (2, 0), (4, 0), (4, 3)]);
        assert_eq!(margin_pairs(&ratios, RULES).n_left_out, 2);
        let all = PairRules { min_margin_nats: 0.5, ..RULES };
        assert_eq!(margin_pairs(&ratios, all).n_left_out, 4);
        let ends = PairRules { choice: PairChoice::BestWorst, ..RULES };
        assert_eq!(places(&ratios, ends), [(1, 3)]);
        for choice in [PairChoice::All, PairChoice::Adjacent, PairChoice::BestWorst] {
            let rules = PairRules { choice, ..RULES };
            assert_eq!(margin_pairs(&[0.0], rules), MarginPairs::default());
            let tied = margin_pairs(&[0.0, 0.0], rules);
            assert_eq!((tied.pairs.len(), tied.n_left_out), (0, 1));
        }
    }

    proptest! {
        /// What a trainer that meets every margin has learned is the policy, up to the mass below the floor.
        #[test]
        fn margins_give_the_policy_back(
            logits in prop::collection::vec(
                prop_oneof![-40.0..40.0, Just(1.0), Just(f64::NEG_INFINITY)], 1..9),
            prior in prop::collection::vec(-3.0..3.0, 9),
            adjacent: bool,
        ) {
            prop_assume!(logits.iter().any(|l: &f64| l.is_finite()));
            let n = logits.len();
            let policy = Distribution::from_logits(logits).unwrap();
            let reference = Distribution::from_logits(prior[..n].to_vec()).unwrap();
            let ratios = log_ratios_nats(&policy, &reference).unwrap();
            let choice = if adjacent { PairChoice::Adjacent } else { PairChoice::All };
            let found = margin_pairs(&ratios, PairRules { choice, ..RULES });
            prop_assert!(found.pairs.iter().all(|p| 0.0 < p.margin_nats && p.margin_nats <= 20.0 + 1e-9));
            prop_assert!(!adjacent || found.pairs.len() + found.n_left_out == n - 1);
            // From any one candidate along the pairs to all others.
            let mut learned = vec![None; n];
            learned[found.pairs.first().map_or(0, |pair| pair.chosen)] = Some(0.0);
            for _ in 0..n {
                for pair in &found.pairs {
                    match (learned[pair.chosen], learned[pair.rejected]) {
                        (Some(l), None) => learned[pair.rejected] = Some(l - pair.margin_nats),
                        (None, Some(l)) => learned[pair.chosen] = Some(l + pair.margin_nats),
                        (Some(a), Some(b)) => prop_assert!((a - b - pair.margin_nats).abs() < 1e-9),
                        (None, None) => {}
                    }
                }
            }
            // Without a pair all are tied.
            prop_assert!(found.pairs.is_empty() || learned.iter().all(Option::is_some));
            let logs = reference.log_probabilities().iter().zip(&learned);
            let logits = logs.map(|(log_q, l)| log_q + l.unwrap_or(0.0)).collect();
            let again = Distribution::from_logits(logits).unwrap();
            let distance: f64 = again.probabilities().iter().zip(policy.probabilities())
                .map(|(a, b)| (a - b).abs()).sum();
            // The prior spans six nats.
            prop_assert!(distance < 1e-9 + 2.0 * 9.0 * 6.0_f64.exp() * (-20.0_f64).exp(), "{distance}");
        }
    }
}
