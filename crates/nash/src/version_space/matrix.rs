//! The Newton matrix of a mixture, in whichever of two forms is cheap enough and exact enough.
//!
//! ```text
//! condensed   (I + η² Q D C D Q) y = Q(√p∘(r + η Σ λ_R R S_R s_R)),   C = Σ λ_R R S_R R',  D = diag(√p)      n × n, Cholesky
//! stacked     see `mixture`                                                                 n(1 + k) squared, LU
//! ```
//! Eliminating the opponents costs `k n³` in place of `(kn)³`, and squares the condition number, `1 + (ηB)²` at most. Up to
//! ηB = 300 that leaves ten digits and more to a step; beyond, the matrix is factorized as it stands.

use super::mixture::dot;
use crate::cholesky;
use crate::lu::Lu;

/// Where a mixture is: see its fields of the same names.
pub(super) struct Point<'a> {
    pub(super) eta: f64,
    pub(super) policy: &'a [f64],
    pub(super) weights: &'a [f64],
    pub(super) active: &'a [usize],
    pub(super) payoffs: &'a [Vec<f64>],
    pub(super) responses: &'a [Vec<f64>],
    pub(super) gains: &'a [Vec<f64>],
    pub(super) losses: &'a [Vec<f64>],
    pub(super) played: &'a [f64],
}

/// A factorization.
pub(super) enum Matrix {
    /// The opponents eliminated: the lower triangle of the Cholesky factor.
    Condensed(Vec<f64>),
    /// All blocks.
    Stacked(Lu),
}

impl Default for Matrix {
    fn default() -> Self {
        Self::Condensed(Vec::new())
    }
}

/// ηB up to which opponents are eliminated.
const CONDENSED_LIMIT: f64 = 300.0;

impl Matrix {
    /// Room for `active` preferences over `n` actions, `strength` being ηB.
    pub(super) fn new(n: usize, active: usize, strength: f64) -> Self {
        if strength <= CONDENSED_LIMIT {
            Self::Condensed(vec![0.0; n * n])
        } else {
            Self::Stacked(Lu::new(n * (1 + active)))
        }
    }

    /// Factorizes it at a point; `false` if it breaks down.
    pub(super) fn factorize(&mut self, point: &Point<'_>) -> bool {
        match self {
            Self::Condensed(lower) => {
                condense(point, lower);
                cholesky::factorize(point.policy.len(), lower)
            }
            Self::Stacked(lu) => {
                stack(point, lu.entries_mut());
                lu.factorize()
            }
        }
    }

    /// How the policy moves, and how each active opponent does if the matrix knows it better than it follows from
    /// that.
    pub(super) fn displacements(
        &mut self,
        point: &Point<'_>,
        rhs: &[f64],
    ) -> (Vec<f64>, Option<Vec<f64>>) {
        let n = point.policy.len();
        match self {
            Self::Condensed(lower) => {
                let mut condensed = rhs[..n].to_vec();
                for &at in point.active {
                    let (s, response) = (&rhs[n * (1 + at)..][..n], &point.responses[at]);
                    let along = dot(response, s);
                    let moved: Vec<f64> =
                        response.iter().zip(s).map(|(q, s)| q * (s - along)).collect();
                    let rows = point.payoffs[at].chunks_exact(n);
                    for (sum, row) in condensed.iter_mut().zip(rows) {
                        *sum += point.eta * point.weights[at] * dot(row, &moved);
                    }
                }
                let mut y = vec![0.0; n];
                project(point.policy, &condensed, 1.0, &mut y);
                cholesky::solve(n, lower, &mut y);
                (weighed(&y, point.policy, 1.0), None)
            }
            Self::Stacked(lu) => {
                let mut y = vec![0.0; n * (1 + point.active.len())];
                let (first, others) = y.split_at_mut(n);
                project(point.policy, &rhs[..n], 1.0, first);
                for (&at, y) in point.active.iter().zip(others.chunks_exact_mut(n)) {
                    let s = &rhs[n * (1 + at)..][..n];
                    project(&point.responses[at], s, point.weights[at].sqrt(), y);
                }
                lu.solve(&mut y);
                let (first, others) = y.split_at(n);
                let each = point.active.iter().zip(others.chunks_exact(n));
                let moved = each.flat_map(|(&at, y)| {
                    weighed(y, &point.responses[at], 1.0 / point.weights[at].sqrt())
                });
                (weighed(first, point.policy, 1.0), Some(moved.collect()))
            }
        }
    }
}

/// `factor · Q(√p∘r)`.
fn project(p: &[f64], rhs: &[f64], factor: f64, out: &mut [f64]) {
    let along = dot(p, rhs);
    for ((out, p), r) in out.iter_mut().zip(p).zip(rhs) {
        *out = factor * p.sqrt() * (r - along);
    }
}

/// `factor · √p∘y`.
fn weighed(y: &[f64], p: &[f64], factor: f64) -> Vec<f64> {
    y.iter().zip(p).map(|(y, p)| factor * y * p.sqrt()).collect()
}

/// The lower triangle of `I + η² Q D C D Q`.
fn condense(point: &Point<'_>, lower: &mut [f64]) {
    let n = point.policy.len();
    lower.fill(0.0);
    let mut row = vec![0.0; n];
    // C first: its rows are centred by R q_R, so that S_R need not be formed.
    for &at in point.active {
        let (payoff, gains) = (&point.payoffs[at], &point.gains[at]);
        let responses = &point.responses[at];
        for i in 0..n {
            let own = &payoff[i * n..][..n];
            for ((row, q), r) in row.iter_mut().zip(responses).zip(own) {
                *row = point.weights[at] * q * (r - gains[i]);
            }
            for j in 0..=i {
                // Σ_b q_b (R_ib − gain_i) gain_j = 0.
                lower[i * n + j] += dot(&row, &payoff[j * n..][..n]);
            }
        }
    }
    // G = D C D, then Q G Q = G − w(Gw)' − (Gw)w' + (w'Gw) ww', w = √p.
    let root: Vec<f64> = point.policy.iter().map(|p| p.sqrt()).collect();
    let squared = point.eta * point.eta;
    let entry = |lower: &[f64], i: usize, j: usize| lower[i.max(j) * n + i.min(j)];
    let along: Vec<f64> = (0..n)
        .map(|i| {
            let terms = (0..n).map(|j| entry(lower, i, j) * point.policy[j]);
            squared * root[i] * terms.sum::<f64>()
        })
        .collect();
    let twice = dot(&along, &root);
    for i in 0..n {
        for j in 0..=i {
            let scaled = squared * root[i] * lower[i * n + j] * root[j];
            lower[i * n + j] =
                scaled - root[i] * along[j] - along[i] * root[j] + twice * root[i] * root[j];
        }
        lower[i * n + i] += 1.0;
    }
}

/// All blocks, those of weight zero left out.
fn stack(point: &Point<'_>, entries: &mut [f64]) {
    let n = point.policy.len();
    let size = n * (1 + point.active.len());
    entries.fill(0.0);
    for (block, &at) in point.active.iter().enumerate() {
        let factor = point.eta * point.weights[at].sqrt();
        let (payoff, gains, losses) = (&point.payoffs[at], &point.gains[at], &point.losses[at]);
        for i in 0..n {
            let (root, gain) = (factor * point.policy[i].sqrt(), point.played[at] - gains[i]);
            for b in 0..n {
                let centred = payoff[i * n + b] + gain + losses[b];
                let k = root * point.responses[at][b].sqrt() * centred;
                let column = n * (1 + block) + b;
                entries[i * size + column] = -k;
                entries[column * size + i] = k;
            }
        }
    }
    for i in 0..size {
        entries[i * size + i] = 1.0;
    }
}
