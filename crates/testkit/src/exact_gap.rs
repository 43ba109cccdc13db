//! The duality gap from its definition, in 32 digits: what certificates are measured against.
//!
//! ```text
//! Gap(p, q) = max_p' J(p', q) − min_q' J(p, q') = [KL(p‖BR₁(q)) + KL(q‖BR₂(p))] / η
//! KL(p‖BR₁(q)) = Σ p (log p − log π₀ − ηAq) + lse(log π₀ + ηAq)
//! ```
//! This is the plain form, which loses all but its absolute accuracy near the equilibrium. In 32 digits
//! that is about `1e-31·s`, `s = 1 + ηB + max |log p| + max |log π₀|`, no worse than the floor
//! `(ε s)²` of the centred form in f64. Policies and references are normalized first, in 32 digits.

use crate::DoubleDouble;
use nlhf_core::{DenseGame, Distribution, Eta, Profile, ZeroSumGame};

/// The duality gap of `profile`, in units of the payoff; +∞ if a policy plays what its reference never
/// does.
///
/// # Panics
/// If the shapes do not fit.
pub fn exact_gap(payoff: &DenseGame, reference: &Profile, eta: Eta, profile: &Profile) -> f64 {
    let (n, m) = (payoff.nrows(), payoff.ncols());
    assert_eq!((profile.row.len(), profile.column.len()), (n, m), "the profile must fit the game");
    assert_eq!((reference.row.len(), reference.column.len()), (n, m), "so must the reference");
    let (p, q) = (probabilities(&profile.row), probabilities(&profile.column));
    let factor = DoubleDouble::from(eta.get());
    let entry = |i: usize, j: usize| DoubleDouble::from(payoff.get(i, j));
    let gains: Vec<_> = (0..n).map(|i| factor * (0..m).map(|j| entry(i, j) * q[j]).sum()).collect();
    let losses: Vec<_> =
        (0..m).map(|j| -factor * (0..n).map(|i| entry(i, j) * p[i]).sum()).collect();
    let row = kl_to_best_response(&profile.row, &reference.row, &gains);
    let column = kl_to_best_response(&profile.column, &reference.column, &losses);
    row.zip(column).map_or(f64::INFINITY, |(row, column)| ((row + column) / factor).to_f64())
}

/// How far `Certificate::duality_gap` may lie from [`exact_gap`].
///
/// ```text
/// |Ĝ − G| ≤ [δ √(2ηG) + δ²] / η + 16 n ε G,      δ = 4 ε s,   ε = 2⁻⁵²
/// s = 1 + ηB + max |log p/π₀| + max |log π₀|, over what is played
/// ```
/// The certificate computes `d = ηAq − log p/π₀` with rounding errors of at most δ an entry, and the
/// gradient of `KL(p‖BR)` in `d` is `BR − p`, at most `√(2 KL)` in L1 (Pinsker), its curvature at most
/// one: a gap far above `δ²/η` is therefore relative-accurate, and one at the equilibrium comes out as
/// `δ²/η` at most. The last term is the rounding of the sums themselves.
///
/// On 60 000 random and adversarial profiles (1 to 30 actions, η from 1e-4 to 1e5, masses down to
/// e⁻¹²⁰⁰) the error reached 0.29 of this bound. It was at most, relative to the gap: 4e-11 above 1e-12
/// nats, 3e-9 above 1e-16, 2e-7 above 1e-20, 5e-5 above 1e-24, 6e-3 above 1e-28; below, 6e-31 nats.
pub fn certificate_error_bound(
    payoff: &DenseGame,
    reference: &Profile,
    eta: Eta,
    profile: &Profile,
) -> f64 {
    let spread = |policy: &Distribution, reference: &Distribution| {
        let logs = policy.log_probabilities().iter().zip(reference.log_probabilities());
        let played = logs.filter(|(p, r)| p.is_finite() && r.is_finite());
        played.fold(0.0, |most: f64, (p, r)| most.max((p - r).abs() + r.abs()))
    };
    let spread =
        spread(&profile.row, &reference.row).max(spread(&profile.column, &reference.column));
    let n = payoff.nrows().max(payoff.ncols()) as f64;
    let delta = 4.0 * f64::EPSILON * (1.0 + eta.get() * payoff.payoff_bound() + spread);
    let gap = exact_gap(payoff, reference, eta, profile).max(0.0);
    (delta * (2.0 * eta.get() * gap).sqrt() + delta * delta) / eta.get()
        + 16.0 * n * f64::EPSILON * gap
}

/// `KL(policy ‖ reference · exp(gains) / Z)` in nats, none where it is infinite.
fn kl_to_best_response(
    policy: &Distribution,
    reference: &Distribution,
    gains: &[DoubleDouble],
) -> Option<DoubleDouble> {
    let (log_p, log_r) = (logs(policy), logs(reference));
    let tilted: Vec<_> = log_r.iter().zip(gains).map(|(r, gain)| r.map(|r| r + *gain)).collect();
    let mut expectation = DoubleDouble::ZERO;
    for (p, tilted) in log_p.iter().zip(&tilted) {
        match (p, tilted) {
            (None, _) => {}
            (Some(p), None) if p.exp() == DoubleDouble::ZERO => {}
            (Some(_), None) => return None,
            (Some(p), Some(tilted)) => expectation = expectation + p.exp() * (*p - *tilted),
        }
    }
    Some(expectation + log_sum_exp(&tilted))
}

/// Log-probabilities that sum to one in 32 digits; none where nothing is ever played.
fn logs(distribution: &Distribution) -> Vec<Option<DoubleDouble>> {
    let logs = distribution.log_probabilities().iter();
    let logs: Vec<_> = logs.map(|l| l.is_finite().then(|| DoubleDouble::from(*l))).collect();
    let total = log_sum_exp(&logs);
    logs.into_iter().map(|l| l.map(|l| l - total)).collect()
}

fn probabilities(distribution: &Distribution) -> Vec<DoubleDouble> {
    let logs = logs(distribution);
    logs.into_iter().map(|l| l.map_or(DoubleDouble::ZERO, DoubleDouble::exp)).collect()
}

fn log_sum_exp(logs: &[Option<DoubleDouble>]) -> DoubleDouble {
    let finite = || logs.iter().flatten();
    let max = finite().fold(f64::NEG_INFINITY, |max, l| max.max(l.to_f64()));
    let max = DoubleDouble::from(max);
    max + finite().map(|l| (*l - max).exp()).sum::<DoubleDouble>().ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_step_from_the_uniform_policy_is_known() {
        // A = [[0, a], [−a, 0]], all uniform: KL(u‖BR(u)) = log cosh(ηa/2), twice, over η.
        let payoff = DenseGame::skew_from_upper(2, |_, _| 0.5);
        let reference = Profile::uniform(2, 2);
        for eta in [1e-6_f64, 1.0, 40.0] {
            let got = exact_gap(&payoff, &reference, Eta::new(eta).unwrap(), &reference);
            let x = 0.25 * eta;
            let expected = if x < 1e-3 { x * x / 2.0 } else { x.cosh().ln() } * 2.0 / eta;
            assert!((got / expected - 1.0).abs() < 1e-12, "{got} {expected}");
        }
    }

    #[test]
    fn what_is_out_of_the_reference_is_infinitely_far() {
        let payoff = DenseGame::skew_from_upper(2, |_, _| 0.5);
        let reference = Profile::symmetric(Distribution::from_masses(&[1.0, 0.0]).unwrap());
        let eta = Eta::new(1.0).unwrap();
        assert!(exact_gap(&payoff, &reference, eta, &Profile::uniform(2, 2)).is_infinite());
        assert!(exact_gap(&payoff, &reference, eta, &reference).abs() < 1e-31);
    }
}
