//! The KL projection of a reference onto one player's set of unregularized equilibria.
//!
//! ```text
//! min KL(p‖π₀)   over p on S with   (G_k − ḡ)'p = 0 for k ∈ T,   (G_k − ḡ)'p ≥ 0 for k ∉ T
//! p ∝ π₀ exp(E'y),   E an orthonormal basis of the binding rows   ⇐   min_y log Σ π₀ exp(E'y)
//! ```
//! `G_k` holds what the player's actions earn against the opponent's action `k`, `S` and `T` are the
//! supports of the two, and `ḡ` is the mean of `G_k` over `T`: against an equilibrium the opponent is
//! indifferent within `T` and not better off outside of it. The dual is smooth and convex, without
//! constraints, and its minimizer lies in the right exponential family whatever its digits, so that
//! only feasibility is left to converge; a basis of the rows makes their rank irrelevant. First the dual
//! with multipliers `≥ 0` outside of `T` tells which of those rows bind; then these are held as well.

use super::basis::{Basis, dot, norm};
use super::dual::{Dual, exp};

/// What one player's equilibria must satisfy.
#[derive(Debug)]
pub(super) struct Polytope {
    /// `G_k − ḡ` for every action `k` of the opponent, over the support of the player.
    rows: Vec<Vec<f64>>,
    /// Whether `k ∈ T`.
    equal: Vec<bool>,
    /// The span of the rows in `T`.
    basis: Basis,
    /// Differences of payoffs below this are rounding.
    rounding: f64,
}

/// A projected policy.
#[derive(Debug, Clone)]
pub(super) struct Projected {
    /// Log-probabilities on the support.
    pub(super) log_policy: Vec<f64>,
    /// `(G_k − ḡ)'p` for every action `k` of the opponent: what `k` costs the opponent.
    pub(super) slack: Vec<f64>,
}

/// Rows that join late because their multiplier is too small to show.
const EXCHANGES: usize = 10;
/// A multiplier above this makes a row binding, in nats.
const MULTIPLIER: f64 = 1e-7;
/// Probabilities of the two solutions, with multipliers bounded and with rows held, agree to this.
const SAME: f64 = 1e-5;

impl Polytope {
    /// `gains[k]` is `G_k` over the support of the player; `equal[k]` says whether `k ∈ T`.
    pub(super) fn new(gains: Vec<Vec<f64>>, equal: Vec<bool>, rounding: f64) -> Self {
        let n = gains[0].len();
        let chosen = || gains.iter().zip(&equal).filter(|(_, equal)| **equal).map(|(row, _)| row);
        let mut mean = vec![0.0; n];
        let share = 1.0 / chosen().count() as f64;
        for row in chosen() {
            for (mean, gain) in mean.iter_mut().zip(row) {
                *mean += share * gain;
            }
        }
        let mut rows = gains;
        for row in &mut rows {
            for (gain, mean) in row.iter_mut().zip(&mean) {
                *gain -= mean;
            }
        }
        let within = rows.iter().zip(&equal).filter(|(_, equal)| **equal);
        let within = within.map(|(row, _)| row.clone()).collect();
        let basis = Basis::spanning(n, within, rounding * (n as f64).sqrt());
        Self { rows, equal, basis, rounding }
    }

    /// Takes off `direction` what leads out of the hyperplanes of `T` and of the simplex.
    pub(super) fn along(&self, direction: &mut [f64]) {
        let mut basis = self.basis.clone();
        basis.push(&vec![1.0; direction.len()], 0.0);
        basis.project_out(direction);
        basis.project_out(direction);
    }

    /// `(G_k − ḡ)'x` for every `k`.
    pub(super) fn slack(&self, x: &[f64]) -> Vec<f64> {
        self.rows.iter().map(|row| dot(row, x)).collect()
    }

    /// The projection, `None` if it is not found: the supports are then not those of an equilibrium.
    pub(super) fn project(&self, log_prior: &[f64], start: &[f64]) -> Option<Projected> {
        if self.basis.len() == log_prior.len() {
            return None;
        }
        let (mut binding, near) = self.binding(log_prior, start)?;
        for _ in 0..EXCHANGES {
            let mut basis = self.basis.clone();
            for &k in &binding {
                basis.push(&self.rows[k], self.rounding);
            }
            let log_policy = on_hyperplanes(&basis, log_prior, &near)?;
            let slack = self.slack(&exp(&log_policy));
            let outside = (0..slack.len()).filter(|k| !self.equal[*k] && !binding.contains(k));
            match outside.min_by(|&k, &l| slack[k].total_cmp(&slack[l])) {
                Some(worst) if slack[worst] < -self.rounding => binding.push(worst),
                _ => {
                    let moved = log_policy.iter().zip(&near);
                    let moved =
                        moved.fold(0.0, |max: f64, (l, n)| max.max((l.exp() - n.exp()).abs()));
                    return (moved < SAME).then_some(Projected { log_policy, slack });
                }
            }
        }
        None
    }

    /// Which rows outside `T` have a positive multiplier, the largest first, and nearly the projection.
    fn binding(&self, log_prior: &[f64], start: &[f64]) -> Option<(Vec<usize>, Vec<f64>)> {
        let mut rows: Vec<(usize, Vec<f64>)> = Vec::new();
        for k in (0..self.rows.len()).filter(|&k| !self.equal[k]) {
            let mut row = self.rows[k].clone();
            self.basis.project_out(&mut row);
            let length = norm(&row);
            if length > self.rounding {
                for x in &mut row {
                    *x /= length;
                }
                rows.push((k, row));
            }
        }
        let free = nearest(&self.basis, log_prior, start);
        let n_free = free.len();
        let all = self.basis.iter().chain(rows.iter().map(|(_, row)| &row[..])).collect();
        let dual = Dual { rows: all, n_free, floor: 1e-10, ridge: 1e-13 };
        let found = dual.minimize(log_prior, [free, vec![0.0; rows.len()]].concat())?;
        let multipliers = &found.z[n_free..];
        let mut binding: Vec<usize> =
            (0..rows.len()).filter(|&at| multipliers[at] > MULTIPLIER).collect();
        binding.sort_by(|&i, &j| multipliers[j].total_cmp(&multipliers[i]));
        Some((binding.into_iter().map(|at| rows[at].0).collect(), found.log_policy))
    }
}

/// The projection onto `E'p = 0`, to the last digits.
fn on_hyperplanes(basis: &Basis, log_prior: &[f64], near: &[f64]) -> Option<Vec<f64>> {
    let rows: Vec<&[f64]> = basis.iter().collect();
    let dual = Dual { n_free: rows.len(), rows, floor: 1e-12, ridge: 1e-15 };
    Some(dual.minimize(log_prior, nearest(basis, log_prior, near))?.log_policy)
}

/// The `y` with `π₀ exp(E'y)` nearest to a policy, in squares of logarithms up to a constant.
fn nearest(basis: &Basis, log_prior: &[f64], log_policy: &[f64]) -> Vec<f64> {
    let tilt: Vec<f64> = log_policy.iter().zip(log_prior).map(|(l, r)| l - r).collect();
    let mut ones = vec![1.0; tilt.len()];
    basis.project_out(&mut ones);
    let length = dot(&ones, &ones);
    let constant = if length > 1e-12 { dot(&ones, &tilt) / length } else { 0.0 };
    let shifted: Vec<f64> = tilt.iter().map(|t| t - constant).collect();
    basis.iter().map(|direction| dot(direction, &shifted)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_equations_with_a_known_answer() {
        // p₁ = p₂ and p₃ = p₄: the projection takes geometric means, p ∝ (√(ab), √(ab), √(cd), √(cd)).
        let gains = vec![vec![1.0, -1.0, 0.0, 0.0], vec![0.0, 0.0, 2.0, -2.0], vec![0.0; 4]];
        let polytope = Polytope::new(gains, vec![true; 3], 1e-12);
        let prior = [0.1_f64, 0.4, 0.2, 0.3].map(f64::ln);
        let found = polytope.project(&prior, &prior).unwrap();
        let (near, far) = (0.04_f64.sqrt(), 0.06_f64.sqrt());
        let total = 2.0 * (near + far);
        for (l, want) in found.log_policy.iter().zip([near, near, far, far]) {
            assert!((l.exp() - want / total).abs() < 1e-15);
        }
    }

    #[test]
    fn a_violated_inequality_joins_and_one_that_holds_does_not() {
        // Of all policies those with p₁ ≥ 0.6; the other row, p₂ ≤ 0.5, holds by itself.
        let gains = vec![vec![0.0; 3], vec![0.4, -0.6, -0.6], vec![0.5, -0.5, 0.5]];
        let polytope = Polytope::new(gains, vec![true, false, false], 1e-13);
        let prior = [0.2_f64, 0.2, 0.6].map(f64::ln);
        let found = polytope.project(&prior, &prior).unwrap();
        for (l, want) in found.log_policy.iter().zip([0.6, 0.1, 0.3]) {
            assert!((l.exp() - want).abs() < 1e-14, "{found:?}");
        }
        assert!(found.slack[1].abs() < 1e-15 && found.slack[2] > 0.3);
    }

    #[test]
    fn what_no_policy_satisfies_is_refused() {
        // The second action always earns more, so that the opponent cannot be indifferent.
        let gains = vec![vec![1.0, 2.0], vec![0.0, 0.5]];
        let polytope = Polytope::new(gains, vec![true, true], 1e-13);
        let prior = [0.5_f64.ln(); 2];
        assert!(polytope.project(&prior, &prior).is_none());
    }
}
