//! How near certificates come to the gap from above, as their derivation promises.
//!
//! ```text
//! 0 ≤ Ĝ − G ≤ min(12 δ √(ηG) + 36 δ², 12 δ) / η + r min(G, 2/η)
//! δ = 1.1 η (E + (n/8 + 32) u B) + 1.1 u (ηB + 2s)     an exponent's error
//! r = (4n + 12300) 2⁻⁵³ + (4n + 64) u (1 + ηB + s) + 4δ     what is relative
//! ```
//! `u` is the unit of the arithmetic that exponents are formed in (`2⁻⁵³`, or `2⁻¹⁰³` in twice the digits), `E`
//! the error of a product in it, `s = max |log p/π₀| + |log π₀|`, `n` the larger number of actions.
//! With `V ≤ 8δ²` both the computed divergence and the margin added to it are off by
//! `4δ√K + 4δ²` at most, for each player; see `docs/math.md`.

use crate::exact_gap;
use nlhf_core::{Distribution, Eta, Profile, ZeroSumGame};

/// The constants of the bound for one question.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sharpness {
    /// `δ`, in nats.
    pub exponent_error: f64,
    /// `r`: relative, and absolute in nats beyond one nat.
    pub relative_error: f64,
    eta: f64,
}

impl Sharpness {
    /// Of `RegularizedGame::certify`.
    pub fn of_f64(
        payoff: &dyn ZeroSumGame,
        reference: &Profile,
        eta: Eta,
        profile: &Profile,
    ) -> Self {
        let error = payoff.product_error_bound();
        Self::new(0.5 * f64::EPSILON, error, payoff, reference, eta, profile)
    }

    /// Of `RegularizedGame::certify_precisely`.
    pub fn of_double_double(
        payoff: &dyn ZeroSumGame,
        reference: &Profile,
        eta: Eta,
        profile: &Profile,
    ) -> Self {
        let unit = 2f64.powi(-103);
        // The same terms as in f64, with other units.
        let error = payoff.product_error_bound() / (0.5 * f64::EPSILON) * unit;
        Self::new(unit, error, payoff, reference, eta, profile)
    }

    fn new(
        unit: f64,
        product_error: f64,
        payoff: &dyn ZeroSumGame,
        reference: &Profile,
        eta: Eta,
        profile: &Profile,
    ) -> Self {
        let spread = |policy: &Distribution, reference: &Distribution| {
            let logs = policy.log_probabilities().iter().zip(reference.log_probabilities());
            let ratio = |p: f64, r: f64| if p.is_finite() { (p - r).abs() } else { 0.0 };
            let sizes = logs.filter(|(_, r)| r.is_finite()).map(|(p, r)| ratio(*p, *r) + r.abs());
            sizes.fold(0.0, f64::max)
        };
        let spread =
            spread(&profile.row, &reference.row).max(spread(&profile.column, &reference.column));
        let n = payoff.nrows().max(payoff.ncols()) as f64;
        let (eta, bound) = (eta.get(), payoff.payoff_bound());
        let product = eta * (product_error + (n / 8.0 + 32.0) * unit * bound);
        let half_epsilon = 0.5 * f64::EPSILON;
        let exponent_error = 1.1 * (product + unit * (eta * bound + 2.0 * spread));
        Self {
            exponent_error,
            relative_error: (4.0 * n + 12_300.0) * half_epsilon
                + (4.0 * n + 64.0) * unit * (1.0 + eta * bound + spread)
                + 4.0 * exponent_error,
            eta,
        }
    }

    /// The most that a certificate may lie above the gap `gap`, in units of the payoff.
    pub fn excess_bound(&self, gap: f64) -> f64 {
        let (delta, nats) = (self.exponent_error, self.eta * gap);
        let quadratic = (12.0 * delta * nats.sqrt() + 36.0 * delta * delta).min(12.0 * delta);
        let tiny = 1e-290 * (1.0 + self.eta);
        (quadratic + self.relative_error * nats.min(2.0) + tiny) / self.eta + 1e-14 * gap
    }

    /// The gap, in units of the payoff, from which on a certificate is within 1e-9 of it.
    ///
    /// `12 δ/√x + 36 δ²/x ≤ 6e-10` from `x = (2.1e10 δ)²` nats on, which leaves 4e-10 for `r`.
    pub fn floor(&self) -> f64 {
        let nats = (2.1e10 * self.exponent_error).powi(2).min(2e10 * self.exponent_error);
        let relative = if self.relative_error <= 3e-10 { 0.0 } else { 6e9 * self.relative_error };
        (nats.max(relative) + 1e-280 * (1.0 + self.eta)) / self.eta
    }
}

/// How far `Certificate::duality_gap` may lie above [`exact_gap`]; it never lies below.
pub fn certificate_error_bound(
    payoff: &dyn ZeroSumGame,
    reference: &Profile,
    eta: Eta,
    profile: &Profile,
) -> f64 {
    let gap = exact_gap(payoff, reference, eta, profile).max(0.0);
    Sharpness::of_f64(payoff, reference, eta, profile).excess_bound(gap)
}
