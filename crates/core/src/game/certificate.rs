//! The certificate: how much either player could still gain, recomputed from what is returned.
//!
//! ```text
//! Gap(p, q) = max_p' J(p', q) − min_q' J(p, q') = [KL(p‖BR₁(q)) + KL(q‖BR₂(p))] / η
//! BR₁(q) ∝ π₀ exp(+ηAq)        BR₂(p) ∝ μ₀ exp(−ηAᵀp)
//!
//! θ = log p − log π₀,  d = ηAq − θ,  x = d − E_p d:
//! KL(p‖BR₁(q)) = log1p(E_p[eˣ − 1 − x])           centred form
//! ```
//! Every term of the centred form is non-negative, so that a tiny gap is not lost among rounding
//! errors of order one. Entries of `d` are off by `δ ≈ 4ε(1 + ηB + max |log p|)`, `ε = 2⁻⁵²`, hence the
//! gap by `(δ√(2η Gap) + δ²)/η` at most: relative-accurate far above the floor `δ²/η`, and never
//! negative. The laws in `tests/laws.rs` hold it to that bound against 32-digit arithmetic. Where the expectation leaves the range of f64, log-sum-exp takes over: no
//! exponent is ever clamped. In the symmetric game `sub(π) = Gap(π, π)/2` is the one-sided suboptimality that
//! the theorems of Ye et al. (arXiv 2402.07314) bound.

use crate::Eta;
use crate::log_space::{exp_remainder, log_sum_exp};
use serde::{Deserialize, Serialize};

/// How far a profile is from the equilibrium, in units of the payoff.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[must_use = "a certificate says whether a profile is an equilibrium"]
pub struct Certificate {
    /// The regularized value `J(p, q)` of the profile; add [`crate::Scale::offset`] to report it.
    pub value: f64,
    /// `max_p' J(p', q) − min_q' J(p, q')`, zero at the equilibrium only; +∞ if a policy plays what
    /// its reference never does.
    pub duality_gap: f64,
    /// What the row player could gain against this column policy: `max_p' J(p', q) − J(p, q)`.
    pub row_regret: f64,
    /// What the column player could gain against this row policy: `J(p, q) − min_q' J(p, q')`.
    pub column_regret: f64,
}

impl Certificate {
    /// `max(0, −min_q J(p, q))`: the most that the row policy falls short of even, whoever its opponent.
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

/// `KL(p ‖ BR)` in nats for the best response `BR ∝ reference · exp(gains)`.
///
/// `scratch` is overwritten; all slices have the same length.
pub(super) fn kl_to_best_response(
    log_policy: &[f64],
    log_reference: &[f64],
    gains: &[f64],
    scratch: &mut [f64],
) -> f64 {
    // d = gains − θ on the support; what the policy never plays counts only in the normalizer.
    let (mut mass, mut mean) = (0.0, 0.0);
    for (((d, &log_p), &log_r), &gain) in
        scratch.iter_mut().zip(log_policy).zip(log_reference).zip(gains)
    {
        *d = gain - (log_p - log_r);
        let p = log_p.exp();
        if p > 0.0 {
            if log_r == f64::NEG_INFINITY {
                return f64::INFINITY;
            }
            mass += p;
            mean += p * *d;
        }
    }
    mean /= mass;
    // E_p[eˣ − 1 − x], term by term non-negative; p eˣ is taken from the logarithms where x is large, so
    // that a tiny mass with a huge exponent counts for what it is.
    let mut remainder = 0.0;
    for (((d, &log_p), &log_r), &gain) in
        scratch.iter().zip(log_policy).zip(log_reference).zip(gains)
    {
        if log_r == f64::NEG_INFINITY {
            continue;
        }
        let (p, x) = (log_p.exp(), d - mean);
        remainder += if x <= 1.0 {
            p * exp_remainder(x)
        } else {
            (log_r + gain - mean).exp() - if p > 0.0 { p * (1.0 + x) } else { 0.0 }
        };
    }
    if remainder.is_finite() {
        return (remainder / mass).ln_1p();
    }
    // Beyond the range of f64 the answer is so large that log-sum-exp has all digits.
    for ((d, &log_r), &gain) in scratch.iter_mut().zip(log_reference).zip(gains) {
        *d = log_r + gain - mean;
    }
    log_sum_exp(scratch) - mass.ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kl(policy: &[f64], reference: &[f64], gains: &[f64]) -> f64 {
        let logs = |p: &[f64]| p.iter().map(|x| x.ln()).collect::<Vec<_>>();
        kl_to_best_response(&logs(policy), &logs(reference), gains, &mut vec![0.0; gains.len()])
    }

    #[test]
    fn both_forms_agree_with_the_definition() {
        for scale in [0.1_f64, 1.0, 5.0, 40.0] {
            let (p, r, g): ([f64; 3], [f64; 3], [f64; 3]) =
                ([0.2, 0.5, 0.3], [0.6, 0.3, 0.1], [0.0, scale, -0.5 * scale]);
            let weights: Vec<f64> = r.iter().zip(&g).map(|(r, g)| r * g.exp()).collect();
            let total: f64 = weights.iter().sum();
            let direct: f64 = p.iter().zip(&weights).map(|(p, w)| p * (p / (w / total)).ln()).sum();
            assert!((kl(&p, &r, &g) / direct - 1.0).abs() < 1e-13, "scale {scale}");
        }
    }

    #[test]
    fn a_policy_that_never_plays_the_best_action_is_not_certified() {
        // Clamping here once reported 0 where the exploitability was the whole gain.
        let gap = kl(&[1.0, 0.0], &[0.5, 0.5], &[0.0, 1000.0]);
        assert!((gap - (1000.0)).abs() < 1e-9, "{gap}");
        let tiny =
            kl_to_best_response(&[0.0, -800.0], &[0.0, -800.0], &[0.0, 1600.0], &mut [0.0; 2]);
        assert!((tiny - 800.0).abs() < 1e-9, "{tiny}");
    }

    #[test]
    fn mass_outside_the_reference_is_infinitely_far() {
        assert!(kl(&[0.5, 0.5], &[1.0, 0.0], &[0.0, 0.0]).is_infinite());
        assert!(kl(&[1.0, 0.0], &[1.0, 0.0], &[0.3, 9.0]) == 0.0);
    }
}
