//! The certificate: how much either player could still gain, recomputed from what is returned.
//!
//! ```text
//! Gap(p, q) = max_p' J(p', q) − min_q' J(p, q') = [KL(p‖BR₁(q)) + KL(q‖BR₂(p))] / η
//! BR₁(q) ∝ π₀ exp(+ηAq)        BR₂(p) ∝ μ₀ exp(−ηAᵀp)
//!
//! θ = log p − log π₀,  d = ηAq − θ,  x = d − E_p d:
//! KL(p‖BR₁(q)) = log1p(E_p[eˣ − 1 − x])           centered form
//! ```
//! Every term of the centered form is non-negative, so that a tiny gap is not lost among rounding
//! errors of order one. To what is computed a bound on all its rounding errors is added: with exponents `d_i`
//! off by up to `δ_i`, `m` the action played most,
//!
//! ```text
//! Gap(p, q) ≤ Σ over players [K + √(2KV) + e^ē V/2] / η,    V = Σ_{i≠m} (BR_i + p_i)(δ_i + δ_m)²
//! δ ≈ η (E + (m/8 + 22) u B) + u |log p/π₀|,    u = 2⁻⁵³,    E the error of a product
//! ```
//! A gap is within 1e-9 of the true one from `(2·10¹⁰ δ)²` nats on, 1e-8 nats where `ηB ≈ 1`; at the
//! equilibrium it is some `δ²`, 1e-28 nats. `docs/math.md` derives this. In the symmetric game `sub(π) =
//! Gap(π, π)/2` is the one-sided suboptimality that the theorems of Ye et al. (arXiv 2402.07314) bound.

use crate::Eta;
use serde::{Deserialize, Serialize};

/// How far a profile is from the equilibrium, in units of the payoff: never farther than stated.
///
/// Gap and regrets are rounded up, the value down; none of them is a number if payoffs times η exceed
/// the range of f64.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[must_use = "a certificate says whether a profile is an equilibrium"]
pub struct Certificate {
    /// The regularized value `J(p, q)` of the profile, rounded down by at most
    /// `(2n + 128) ε (B + (1 + s)/η) + 2E`, `s = max |log p/π₀| + |log π₀|`, `n` the larger number of actions,
    /// `E` the error of a product; zero if one policy plays a symmetric game with itself. Add
    /// [`crate::Scale::offset`] to report it.
    pub value: f64,
    /// `max_p' J(p', q) − min_q' J(p, q')`, zero at the equilibrium only; +∞ if a policy plays what
    /// its reference never does. The sum of the two regrets.
    pub duality_gap: f64,
    /// What the row player could gain against this column policy: `max_p' J(p', q) − J(p, q)`.
    pub row_regret: f64,
    /// What the column player could gain against this row policy: `J(p, q) − min_q' J(p, q')`.
    pub column_regret: f64,
}

impl Certificate {
    /// `max(0, −min_q J(p, q))`: the most that the row policy falls short of even, whoever its opponent.
    /// Never below the true number, because the value is rounded down and the regret up.
    ///
    /// In a pessimistic game it bounds the suboptimality under the truth, whose value is even. +∞ if
    /// the certificate is not a number.
    pub fn worst_shortfall(&self) -> f64 {
        let shortfall = self.column_regret - self.value;
        if shortfall.is_nan() { f64::INFINITY } else { shortfall.max(0.0) }
    }

    /// A bound on the total-variation distance of either policy to the equilibrium's:
    /// `KL(p‖p*) + KL(q‖q*) ≤ η·Gap` and Pinsker's inequality.
    pub fn total_variation_bound(&self, eta: Eta) -> f64 {
        (0.5 * eta.get() * self.duality_gap).sqrt().min(1.0)
    }
}
