//! Newton's method on the dual of a relative-entropy projection.
//!
//! ```text
//! min_z φ(z) = log Σ π₀ exp(V'z)     over z with z_k ≥ 0 for the last k
//! p = π₀ exp(V'z) / Z,   ∇φ = Vp,   ∇²φ = VΣV',   Σ = diag p − pp'
//! ```
//! Convex and smooth. Bounded coordinates at zero whose gradient is positive are held (the projected
//! Newton method of Bertsekas 1982); the others take a common damped step, cut off at the bound. A
//! ridge makes the Hessian regular where rows depend on each other or only tiny masses see them. Where
//! the start is too far away, the minimizers for `π₀ˢ` are followed from `s = 0`, where all masses are
//! alike, to `s = 1`.

use super::basis::{dot, norm};
use crate::lu::Lu;
use nlhf_core::log_space;

/// The rows `V` and how far down to go.
#[derive(Debug)]
pub(super) struct Dual<'a> {
    /// The rows, each as long as the policy.
    pub(super) rows: Vec<&'a [f64]>,
    /// How many of them, the first ones, have coordinates of either sign.
    pub(super) n_free: usize,
    /// The residual, a sum of probabilities times row entries, that counts as a minimizer.
    pub(super) floor: f64,
    /// Added to the Hessian, relative to its trace.
    pub(super) ridge: f64,
}

/// A point, with everything that is known there.
#[derive(Debug)]
pub(super) struct Point {
    pub(super) z: Vec<f64>,
    pub(super) log_policy: Vec<f64>,
    objective: f64,
    gradient: Vec<f64>,
    /// The norm of what should be zero: the gradient, and `min(z, ∇)` where `z ≥ 0`.
    residual: f64,
}

const NEWTON_LIMIT: usize = 100;
/// The longest first step in nats; the Hessian says little beyond.
const LONGEST_STEP: f64 = 10.0;
/// Bounded coordinates below this count as at their bound.
const AT_BOUND: f64 = 1e-6;
/// What the residual adds to the ridge: far from the minimizer, flat directions are not trusted.
const DAMPING: f64 = 1e-3;
const SHORTEST_STRIDE: f64 = 1e-5;

impl Dual<'_> {
    /// A minimizer for the reference `exp(log_prior)`, tried from `start` first.
    pub(super) fn minimize(&self, log_prior: &[f64], start: Vec<f64>) -> Option<Point> {
        if let Some(found) = self.descend(log_prior, start) {
            return Some(found);
        }
        let power = |s: f64| -> Vec<f64> { log_prior.iter().map(|l| s * l).collect() };
        let mut point = self.descend(&power(0.0), vec![0.0; self.rows.len()])?;
        let (mut at, mut stride) = (0.0, 0.1);
        while at < 1.0 {
            let next = f64::min(at + stride, 1.0);
            let moved = self.predict(&point, log_prior)?;
            let z = self.moved(&point.z, &moved, next - at);
            if let Some(found) = self.descend(&power(next), z) {
                (point, at, stride) = (found, next, 2.0 * stride);
            } else if stride > SHORTEST_STRIDE {
                stride *= 0.3;
            } else {
                return None;
            }
        }
        Some(point)
    }

    /// `V'z`.
    fn combine(&self, z: &[f64], n: usize) -> Vec<f64> {
        let mut sum = vec![0.0; n];
        for (row, z) in self.rows.iter().zip(z) {
            for (sum, v) in sum.iter_mut().zip(*row) {
                *sum += z * v;
            }
        }
        sum
    }

    /// `z + length · step`, cut off at the bounds.
    fn moved(&self, z: &[f64], step: &[f64], length: f64) -> Vec<f64> {
        let sums = z.iter().zip(step).enumerate();
        sums.map(|(at, (z, step))| {
            let z = z + length * step;
            if at < self.n_free { z } else { z.max(0.0) }
        })
        .collect()
    }

    fn point(&self, log_prior: &[f64], z: Vec<f64>) -> Point {
        let mut log_policy = self.combine(&z, log_prior.len());
        for (l, log_p) in log_policy.iter_mut().zip(log_prior) {
            *l += log_p;
        }
        let objective = log_space::log_sum_exp(&log_policy);
        log_space::normalize(&mut log_policy);
        let policy = exp(&log_policy);
        let gradient: Vec<f64> = self.rows.iter().map(|row| dot(row, &policy)).collect();
        let parts: Vec<f64> = gradient
            .iter()
            .zip(&z)
            .enumerate()
            .map(|(at, (g, z))| if at < self.n_free { *g } else { g.min(*z) })
            .collect();
        Point { residual: norm(&parts), z, log_policy, objective, gradient }
    }

    /// Damped Newton down to the rounding floor; `None` if it does not get there.
    fn descend(&self, log_prior: &[f64], start: Vec<f64>) -> Option<Point> {
        let mut point = self.point(log_prior, start);
        for _ in 0..NEWTON_LIMIT {
            if point.residual == 0.0 {
                break;
            }
            if !point.residual.is_finite() {
                return None;
            }
            let mut step: Vec<f64> = point.gradient.iter().map(|g| -g).collect();
            for k in (0..step.len()).filter(|&k| self.holds(&point, k)) {
                step[k] = -point.z[k];
            }
            self.solve(&point, &mut step)?;
            let Some(next) = self.search(log_prior, &point, &step) else { break };
            point = next;
        }
        (point.residual < self.floor).then_some(point)
    }

    /// Whether coordinate `k` belongs at its bound.
    fn holds(&self, point: &Point, k: usize) -> bool {
        k >= self.n_free && point.z[k] <= AT_BOUND && point.gradient[k] > 0.0
    }

    /// The next point along the step, `None` if there is nothing to gain.
    fn search(&self, log_prior: &[f64], point: &Point, step: &[f64]) -> Option<Point> {
        let moved = self.combine(step, log_prior.len());
        let longest = moved.iter().fold(0.0, |max: f64, x| max.max(x.abs()));
        let mut length = (LONGEST_STEP / longest).min(1.0);
        let shortest = 1e-8 * length;
        while length > shortest {
            let trial = self.point(log_prior, self.moved(&point.z, step, length));
            let ways = trial.z.iter().zip(&point.z).zip(&point.gradient);
            let slope: f64 = ways.map(|((trial, z), g)| (trial - z) * g).sum();
            let change = trial.objective - point.objective;
            let descends = change < 1e-4 * slope && slope < 0.0 && point.residual > self.floor;
            // Where the objective shows no more than rounding, the residual decides.
            let level = change <= 1e-14 * (1.0 + point.objective.abs());
            if descends || (level && trial.residual < (1.0 - 0.1 * length) * point.residual) {
                return Some(trial);
            }
            length *= 0.5;
        }
        None
    }

    /// `dz/ds` at the minimizer for `π₀ˢ`: `−(VΣV')⁻¹ VΣ log π₀`.
    fn predict(&self, point: &Point, log_prior: &[f64]) -> Option<Vec<f64>> {
        let weighted = covaried(&exp(&point.log_policy), log_prior);
        let mut moved: Vec<f64> = self.rows.iter().map(|row| -dot(row, &weighted)).collect();
        for k in (0..moved.len()).filter(|&k| self.holds(point, k)) {
            moved[k] = 0.0;
        }
        self.solve(point, &mut moved)?;
        Some(moved)
    }

    /// Solves `(VΣV' + ridge) x = rhs` in place for the coordinates that are not held; `rhs` has what
    /// the held ones move by.
    fn solve(&self, point: &Point, rhs: &mut [f64]) -> Option<()> {
        let (held, moving): (Vec<usize>, Vec<usize>) =
            (0..rhs.len()).partition(|&k| self.holds(point, k));
        let n = moving.len();
        let mut lu = Lu::new(n);
        let policy = exp(&point.log_policy);
        let entries = lu.entries_mut();
        let mut trace = 0.0;
        let mut weighted = vec![0.0; policy.len()];
        for (i, &k) in moving.iter().enumerate() {
            let g = point.gradient[k];
            for ((weighted, v), p) in weighted.iter_mut().zip(self.rows[k]).zip(&policy) {
                *weighted = (v - g) * p;
            }
            for (j, &l) in moving.iter().enumerate().take(i + 1) {
                let entry = dot(&weighted, self.rows[l]);
                entries[i * n + j] = entry;
                entries[j * n + i] = entry;
            }
            trace += entries[i * n + i];
        }
        // Where all mass is on one action the Hessian vanishes, and its trace is no measure.
        let damping = DAMPING * point.residual * trace.max(point.residual);
        let ridge = self.ridge * trace + damping + f64::MIN_POSITIVE;
        for i in 0..n {
            entries[i * n + i] += ridge;
        }
        let mut drift = vec![0.0; policy.len()];
        for &k in &held {
            for (drift, v) in drift.iter_mut().zip(self.rows[k]) {
                *drift += rhs[k] * v;
            }
        }
        let drift = covaried(&policy, &drift);
        let mut part: Vec<f64> =
            moving.iter().map(|&k| rhs[k] - dot(self.rows[k], &drift)).collect();
        lu.factorize().then(|| lu.solve(&mut part))?;
        for (&k, x) in moving.iter().zip(part) {
            rhs[k] = x;
        }
        Some(())
    }
}

/// `Σx = p ∘ (x − p'x)`.
fn covaried(policy: &[f64], x: &[f64]) -> Vec<f64> {
    let mean = dot(policy, x);
    policy.iter().zip(x).map(|(p, x)| p * (x - mean)).collect()
}

pub(super) fn exp(logs: &[f64]) -> Vec<f64> {
    logs.iter().map(|l| l.exp()).collect()
}
