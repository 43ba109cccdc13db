//! Distributions over a finite set, stored as log-probabilities.
//!
//! ```text
//! H(p) = −Σ p log p        KL(p‖q) = Σ p log(p / q)        in nats, 0 log 0 = 0
//! ```
//! An entry may be −∞ (an action that is never played); the others sum to one. Reading one back checks
//! this and does not renormalize, so that every bit survives a round trip; −∞ is `null` in JSON.

use crate::log_space::{exp_remainder, log_sum_exp, normalize};
use rand::{Rng, RngExt};
use serde::{Deserialize, Serialize};

/// How far `log Σ p` may be from zero in log-probabilities that are taken as they are.
pub const NORMALIZATION_TOLERANCE: f64 = 1e-9;

/// A probability distribution with at least one entry, in log-space.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Option<f64>>", into = "Vec<Option<f64>>")]
pub struct Distribution {
    log_probs: Vec<f64>,
}

/// Numbers that are no distribution.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum DistributionError {
    /// There is no entry.
    #[error("a distribution needs at least one entry")]
    Empty,
    /// A logit or log-probability that is `NaN` or `+∞`.
    #[error("a log-probability must be below infinity, but entry {index} is {given}")]
    LogProbability {
        /// Which entry.
        index: usize,
        /// Its value.
        given: f64,
    },
    /// A probability that is negative, infinite or not a number.
    #[error("a probability must be non-negative and finite, but entry {index} is {given}")]
    Probability {
        /// Which entry.
        index: usize,
        /// Its value.
        given: f64,
    },
    /// Every entry is zero.
    #[error("at least one of the {n} probabilities must be positive")]
    NoMass {
        /// How many entries there are.
        n: usize,
    },
    /// Log-probabilities that do not sum to one.
    #[error("the probabilities must sum to 1 within 1e-9, but sum to {sum}")]
    Sum {
        /// The sum of the probabilities.
        sum: f64,
    },
}

impl Distribution {
    /// All `n` entries alike.
    ///
    /// # Panics
    /// If `n` is zero.
    pub fn uniform(n: usize) -> Self {
        assert!(n > 0, "a distribution needs at least one entry");
        Self { log_probs: vec![-(n as f64).ln(); n] }
    }

    /// The softmax of `logits`: adding a constant to all of them changes nothing.
    ///
    /// # Errors
    /// If there is no logit, one is `NaN` or `+∞`, or all are −∞.
    pub fn from_logits(mut logits: Vec<f64>) -> Result<Self, DistributionError> {
        check_logs(&logits)?;
        normalize(&mut logits);
        Ok(Self { log_probs: logits })
    }

    /// Divides non-negative masses by their sum.
    ///
    /// # Errors
    /// If there is no mass, or one is negative, infinite or not a number.
    pub fn from_masses(masses: &[f64]) -> Result<Self, DistributionError> {
        if masses.is_empty() {
            return Err(DistributionError::Empty);
        }
        if let Some(index) = masses.iter().position(|p| !(*p >= 0.0 && p.is_finite())) {
            return Err(DistributionError::Probability { index, given: masses[index] });
        }
        Self::from_logits(masses.iter().map(|p| p.ln()).collect())
    }

    /// Takes log-probabilities as they are.
    ///
    /// # Errors
    /// Like [`Distribution::from_logits`], and if they do not sum to one within 1e-9.
    pub fn from_log_probabilities(log_probs: Vec<f64>) -> Result<Self, DistributionError> {
        check_logs(&log_probs)?;
        let total = log_sum_exp(&log_probs);
        if total.abs() <= NORMALIZATION_TOLERANCE {
            Ok(Self { log_probs })
        } else {
            Err(DistributionError::Sum { sum: total.exp() })
        }
    }

    /// How many entries there are, at least one.
    #[expect(clippy::len_without_is_empty, reason = "a distribution is never empty")]
    pub fn len(&self) -> usize {
        self.log_probs.len()
    }

    /// The log-probabilities, in nats; −∞ for what is never played.
    pub fn log_probabilities(&self) -> &[f64] {
        &self.log_probs
    }

    /// The probabilities; entries below e⁻⁷⁴⁵ round to zero here and only here.
    pub fn probabilities(&self) -> Vec<f64> {
        self.log_probs.iter().map(|l| l.exp()).collect()
    }

    /// The entropy, in nats.
    pub fn entropy_nats(&self) -> f64 {
        let terms = self.log_probs.iter().filter(|l| l.is_finite()).map(|l| -l.exp() * l);
        terms.sum::<f64>().max(0.0)
    }

    /// `KL(self ‖ other)` in nats, +∞ if `self` plays what `other` never does.
    ///
    /// Summed as `Σ p (e^y − 1 − y)`, `y = log(q / p)`, whose terms are non-negative: a tiny
    /// divergence keeps its digits.
    ///
    /// # Panics
    /// If the two have different lengths.
    pub fn kl_nats(&self, other: &Self) -> f64 {
        assert_eq!(self.len(), other.len(), "distributions over the same set");
        let mut kl = 0.0;
        for (&log_p, &log_q) in self.log_probs.iter().zip(&other.log_probs) {
            let (p, y) = (log_p.exp(), log_q - log_p);
            kl += if log_p == f64::NEG_INFINITY {
                log_q.exp()
            } else if log_q == f64::NEG_INFINITY {
                return f64::INFINITY;
            } else if y < 1.0 {
                p * exp_remainder(y)
            } else {
                log_q.exp() - p - p * y
            };
        }
        kl
    }

    /// Draws the index of an entry, from one 53-bit number.
    pub fn sample(&self, rng: &mut dyn Rng) -> usize {
        let mut left: f64 = rng.random();
        let mut last = 0;
        for (index, log_p) in self.log_probs.iter().enumerate() {
            let p = log_p.exp();
            if p > 0.0 {
                last = index;
                left -= p;
                if left < 0.0 {
                    break;
                }
            }
        }
        last
    }
}

fn check_logs(logs: &[f64]) -> Result<(), DistributionError> {
    if logs.is_empty() {
        return Err(DistributionError::Empty);
    }
    if let Some(index) = logs.iter().position(|l| l.is_nan() || *l == f64::INFINITY) {
        return Err(DistributionError::LogProbability { index, given: logs[index] });
    }
    if logs.iter().all(|l| *l == f64::NEG_INFINITY) {
        return Err(DistributionError::NoMass { n: logs.len() });
    }
    Ok(())
}

impl TryFrom<Vec<Option<f64>>> for Distribution {
    type Error = DistributionError;
    fn try_from(logs: Vec<Option<f64>>) -> Result<Self, DistributionError> {
        let logs = logs.into_iter().map(|l| l.unwrap_or(f64::NEG_INFINITY)).collect();
        Self::from_log_probabilities(logs)
    }
}

impl From<Distribution> for Vec<Option<f64>> {
    fn from(distribution: Distribution) -> Self {
        distribution.log_probs.into_iter().map(|l| l.is_finite().then_some(l)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{SeedTree, Stream};

    #[test]
    fn masses_down_to_the_smallest_survive() {
        let d = Distribution::from_masses(&[1.0, 1e-300]).unwrap();
        assert!((d.log_probabilities()[1] - 1e-300f64.ln()).abs() < 1e-12);
        let far = Distribution::from_logits(vec![0.0, -1e4]).unwrap();
        assert!((far.log_probabilities()[1] + 1e4).abs() < 1e-9);
        assert!((far.kl_nats(&Distribution::uniform(2)) - 2f64.ln()).abs() < 1e-15);
    }

    #[test]
    fn what_is_no_distribution_is_refused() {
        use DistributionError as E;
        assert_eq!(Distribution::from_masses(&[]), Err(E::Empty));
        assert_eq!(Distribution::from_masses(&[0.0, 0.0]), Err(E::NoMass { n: 2 }));
        let negative = Distribution::from_masses(&[1.0, -0.5]);
        assert_eq!(negative, Err(E::Probability { index: 1, given: -0.5 }));
        assert!(Distribution::from_masses(&[f64::NAN]).is_err());
        assert!(Distribution::from_logits(vec![f64::NAN]).is_err());
        assert!(Distribution::from_logits(vec![f64::INFINITY]).is_err());
        assert!(Distribution::from_log_probabilities(vec![-0.1]).is_err());
    }

    #[test]
    fn kl_of_a_tiny_difference_keeps_its_digits() {
        let p = Distribution::from_logits(vec![0.0, 0.0]).unwrap();
        let q = Distribution::from_logits(vec![1e-9, -1e-9]).unwrap();
        // KL = log cosh(1e-9) = ½·1e-18 to 18 digits.
        assert!((p.kl_nats(&q) / 5e-19 - 1.0).abs() < 1e-6);
        let never = Distribution::from_masses(&[1.0, 0.0]).unwrap();
        assert!(p.kl_nats(&never).is_infinite());
        assert!((never.kl_nats(&p) - 2f64.ln()).abs() < 1e-15);
    }

    #[test]
    fn a_round_trip_through_json_keeps_every_bit() {
        let d = Distribution::from_masses(&[0.3, 0.0, 0.1, 1e-310]).unwrap();
        let text = serde_json::to_string(&d).unwrap();
        assert!(text.contains("null"));
        assert_eq!(serde_json::from_str::<Distribution>(&text).unwrap(), d);
        assert!(serde_json::from_str::<Distribution>("[0.0, 0.0]").is_err());
    }

    #[test]
    fn value_stability_of_samples() {
        let d = Distribution::from_masses(&[0.2, 0.0, 0.5, 0.3]).unwrap();
        let mut rng = SeedTree::new(1).rng(Stream::Responses, 0);
        let drawn: Vec<usize> = (0..12).map(|_| d.sample(&mut rng)).collect();
        assert_eq!(drawn, [2, 2, 0, 2, 3, 3, 2, 3, 3, 3, 2, 0], "recorded at version 0.1.0");
    }
}
