//! Nash regression on pairs: the loss of language models, from nothing but log-probabilities.
//!
//! ```text
//! h = log π(a)/π₀(a) − log π(b)/π₀(b)                                     a, b drawn from anything
//! direct       L = Σ w (h − η (A(a, π) − A(b, π)))² / Σ w               A(a, π) = P(a ≻ π) − ½, or log-odds
//! preference   L = Σ w [y (h − η/2)² + (1 − y)(h + η/2)²] / Σ w         y = 1 if a was preferred to b
//! ```
//! The equilibrium has `log π/π₀ = ηAπ + const`, hence `h = η (A(a, π) − A(b, π))` for every pair.
//!
//! **Why the second target is η/2.** Given a and b the mean over labels is `h² − 2ηh (P(a ≻ b) − ½) + const`. Write `h = θ_a − θ_b`. If a and
//! b are drawn alike from the opponent π, then with P(a ≻ b) + P(b ≻ a) = 1
//!
//! ```text
//! E h (P(a ≻ b) − ½) = E θ_a (P(a ≻ b) − ½) + E θ_b (P(b ≻ a) − ½) = 2 E θ_a A(a, π) = E h (A(a, π) − A(b, π))
//! ```
//! so that both losses differ by a constant: same gradient in any class, no estimate of P(a ≻ π) needed. For h/η the target is ½, as in
//! INPO (Zhang et al., 2024, arXiv 2407.00617) and IPO. It does **not** hold for pairs drawn otherwise, nor on the scale of log-odds;
//! the direct form holds for any pairs and any scale.
//!
//! Minimized exactly with the opponent frozen, either is best-response iteration and may diverge beyond ηB = 1 (Calandriello et
//! al., 2024, arXiv 2403.08635): take gradient steps with fresh pairs, or damp, as [`NashRegressionFit`](super::NashRegressionFit) does.

use nlhf_core::{Eta, Label, Weight};

/// A pair of responses with what is estimated of each against the policy.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdvantagePair {
    /// `log π` of the two responses, in nats; finite.
    pub log_policy: [f64; 2],
    /// `log π₀` of the two, in nats; finite.
    pub log_reference: [f64; 2],
    /// `P(· ≻ π) − ½` of the two or its log-odds, up to a common constant; in units of the payoff.
    pub advantages: [f64; 2],
    /// How much the pair counts.
    pub weight: Weight,
}

/// A pair of responses that was judged.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct JudgedPair {
    /// `log π` of the two responses, in nats; finite.
    pub log_policy: [f64; 2],
    /// `log π₀` of the two, in nats; finite.
    pub log_reference: [f64; 2],
    /// 1 if the first was preferred.
    pub label: Label,
    /// How much the pair counts.
    pub weight: Weight,
}

/// A loss over pairs, and its slopes.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub struct RegressionLoss {
    /// The weighted mean of squares, in nats²; zero without any weight.
    pub loss: f64,
    /// `∂L/∂h` of each pair, in nats: the derivative by `log π(first)`, and minus that by `log π(second)`.
    pub slopes: Vec<f64>,
}

/// The loss of log-ratios against advantages: `h` against `η (A(a, π) − A(b, π))`.
///
/// # Example
/// ```
/// use nlhf_core::{Eta, Weight};
/// use nlhf_nash::in_class::{AdvantagePair, nash_regression};
///
/// // The policy still is the reference; the first response beats it in 70 % of cases, the second in 40 %.
/// let pair = AdvantagePair {
///     log_policy: [-42.0, -37.5],
///     log_reference: [-42.0, -37.5],
///     advantages: [0.2, -0.1],
///     weight: Weight::ONE,
/// };
/// let found = nash_regression(&[pair], Eta::new(10.0)?);
/// // The log-ratio should rise by 10 · 0.3 nats.
/// assert!((found.loss - 9.0).abs() < 1e-12 && (found.slopes[0] + 6.0).abs() < 1e-12);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn nash_regression(pairs: &[AdvantagePair], eta: Eta) -> RegressionLoss {
    weighted(pairs.iter().map(|pair| {
        let target = eta.get() * (pair.advantages[0] - pair.advantages[1]);
        let error = log_ratio(pair.log_policy, pair.log_reference) - target;
        (pair.weight, error * error, 2.0 * error)
    }))
}

/// The loss of log-ratios against judgements: `h` against `±η/2`, for pairs that are both drawn from the policy.
pub fn nash_preference_regression(pairs: &[JudgedPair], eta: Eta) -> RegressionLoss {
    let target = 0.5 * eta.get();
    weighted(pairs.iter().map(|pair| {
        let h = log_ratio(pair.log_policy, pair.log_reference);
        let (y, won, lost) = (pair.label.get(), h - target, h + target);
        let loss = y * won * won + (1.0 - y) * lost * lost;
        (pair.weight, loss, 2.0 * (y * won + (1.0 - y) * lost))
    }))
}

fn log_ratio(log_policy: [f64; 2], log_reference: [f64; 2]) -> f64 {
    (log_policy[0] - log_reference[0]) - (log_policy[1] - log_reference[1])
}

fn weighted(terms: impl Iterator<Item = (Weight, f64, f64)> + Clone) -> RegressionLoss {
    // Relative to the largest, so that no sum of weights overflows.
    let largest = terms.clone().map(|(weight, ..)| weight.get()).fold(0.0, f64::max);
    let part = |weight: Weight| if largest > 0.0 { weight.get() / largest } else { 0.0 };
    let total = terms.clone().map(|(weight, ..)| part(weight)).sum::<f64>().max(1.0);
    let share = |weight: Weight| part(weight) / total;
    let loss = terms.clone().map(|(weight, loss, _)| share(weight) * loss).sum();
    RegressionLoss { loss, slopes: terms.map(|(weight, _, slope)| share(weight) * slope).collect() }
}
