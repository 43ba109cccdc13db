//! The fixed point of a general game in the logits of both players, and its Newton matrix.
//!
//! ```text
//! F = u − η(Mq − V + c),  G = v + η(M'p − V − d),   p = softmax(u),  q = softmax(v)
//! c = log π₀ / η*,  d = log μ₀ / η*,  V = p'Mq
//! K = ηQ_p diag(√p) M diag(√q) Q_q,   Q_p = I − √p√p'
//! [ I  −K ] [y₁]   [Q_p(√p∘r)]             x₁ = r + η(M(√q∘y₂) − dV)
//! [ K'  I ] [y₂] = [Q_q(√q∘t)]      ⇒      x₂ = t − η(M'(√p∘y₁) − dV)      solves F'x = (r, t)
//!                                          dV = (√q∘y₂)'M'p + (√p∘y₁)'Mq
//! ```
//! The stacked matrix is `I` plus a skew one: nonsingular at every point, every η and every `M`. It is
//! factorized as it stands: eliminating one player would square its condition number. The value V only
//! shifts logits, and `Q` does not see it; but without it the logits of what is played would lie near
//! ηV, whose rounding error the opponent magnifies by η once more.

use crate::continuation::System;
use crate::lu::Lu;
use crate::support::{Support, softmax, start_logits};
use nlhf_core::{DenseGame, Profile, ZeroSumGame};

/// The system of a general game on the supports of both references.
#[derive(Debug)]
pub(crate) struct TwoPlayerSystem {
    support: Support,
    payoff: DenseGame,
    target: f64,
    eta: f64,
    products: usize,
    row: Player,
    column: Player,
    value: f64,
    lu: Lu,
    scratch: Vec<f64>,
}

/// One player's policy, its square root, and the payoff of each action: `Mq` or `M'p`.
#[derive(Debug)]
struct Player {
    policy: Vec<f64>,
    root: Vec<f64>,
    product: Vec<f64>,
    weighted: Vec<f64>,
}

impl Player {
    fn new(n: usize) -> Self {
        let zeros = || vec![0.0; n];
        Self { policy: zeros(), root: zeros(), product: zeros(), weighted: zeros() }
    }

    fn set_root(&mut self) {
        for (root, p) in self.root.iter_mut().zip(&self.policy) {
            *root = p.sqrt();
        }
    }

    /// The payoff of a mixture of this player's actions.
    fn against(&self, mixture: &[f64]) -> f64 {
        mixture.iter().zip(&self.product).map(|(p, payoff)| p * payoff).sum()
    }

    /// `Q(√p∘r)` into `out`.
    fn project(&self, rhs: &[f64], out: &mut [f64]) {
        let along: f64 = self.policy.iter().zip(rhs).map(|(p, r)| p * r).sum();
        for ((out, s), r) in out.iter_mut().zip(&self.root).zip(rhs) {
            *out = s * (r - along);
        }
    }

    /// `√p∘y` into `weighted`.
    fn weigh(&mut self, y: &[f64]) {
        for ((out, s), y) in self.weighted.iter_mut().zip(&self.root).zip(y) {
            *out = s * y;
        }
    }
}

impl TwoPlayerSystem {
    pub(crate) fn new(support: Support, target: f64) -> Self {
        let (n, m) = (support.rows.len(), support.columns.len());
        let low = support.payoff.iter().copied().fold(f64::INFINITY, f64::min);
        let high = support.payoff.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let middle = 0.5 * low + 0.5 * high;
        let centred = support.payoff.iter().map(|payoff| payoff - middle).collect();
        let payoff = DenseGame::new(n, m, centred).expect("a sub-matrix of a valid game is valid");
        Self {
            support,
            payoff,
            target,
            eta: 0.0,
            products: 0,
            row: Player::new(n),
            column: Player::new(m),
            value: 0.0,
            lu: Lu::new(n + m),
            scratch: vec![0.0; n + m],
        }
    }

    fn split(&self) -> usize {
        self.row.policy.len()
    }
}

impl System for TwoPlayerSystem {
    fn dimension(&self) -> usize {
        self.scratch.len()
    }

    fn payoff_bound(&self) -> f64 {
        self.payoff.payoff_bound()
    }

    fn bound(&self) -> f64 {
        self.payoff.payoff_bound() + self.support.prior_bound() / self.target
    }

    fn start(&self, start: &Profile) -> Vec<f64> {
        let mut logits = start_logits(&start.row, &self.support.rows);
        logits.extend(start_logits(&start.column, &self.support.columns));
        logits
    }

    fn profile(&self, logits: &[f64]) -> Option<Profile> {
        let (row, column) = logits.split_at(self.split());
        self.support.profile(row, column)
    }

    fn residual(&mut self, eta: f64, logits: &[f64], out: &mut [f64]) {
        self.eta = eta;
        self.products += 2;
        let n = self.split();
        let (u, v) = logits.split_at(n);
        softmax(u, &mut self.row.policy);
        softmax(v, &mut self.column.policy);
        self.payoff.apply(&self.column.policy, &mut self.row.product);
        self.payoff.apply_transpose(&self.row.policy, &mut self.column.product);
        self.value = self.row.against(&self.row.policy);
        let tilt = eta / self.target;
        let (f, g) = out.split_at_mut(n);
        let gains = self.row.product.iter().zip(&self.support.log_row);
        for ((out, u), (product, log_p)) in f.iter_mut().zip(u).zip(gains) {
            *out = u - eta * (product - self.value) - tilt * log_p;
        }
        let losses = self.column.product.iter().zip(&self.support.log_column);
        for ((out, v), (product, log_p)) in g.iter_mut().zip(v).zip(losses) {
            *out = v + eta * (product - self.value) - tilt * log_p;
        }
    }

    fn tangent(&self, out: &mut [f64]) {
        let (f, g) = out.split_at_mut(self.split());
        for ((out, product), log_p) in
            f.iter_mut().zip(&self.row.product).zip(&self.support.log_row)
        {
            *out = product - self.value + log_p / self.target;
        }
        for ((out, product), log_p) in
            g.iter_mut().zip(&self.column.product).zip(&self.support.log_column)
        {
            *out = log_p / self.target - (product - self.value);
        }
    }

    fn factorize(&mut self) -> bool {
        let (n, size) = (self.split(), self.dimension());
        self.row.set_root();
        self.column.set_root();
        // K_ij = η √p_i √q_j (M_ij − (Mq)_i − (M'p)_j + p'Mq).
        let entries = self.lu.entries_mut();
        entries.fill(0.0);
        for (i, payoff) in self.payoff.entries().chunks_exact(size - n).enumerate() {
            let (root, gain) = (self.eta * self.row.root[i], self.value - self.row.product[i]);
            let columns = self.column.root.iter().zip(&self.column.product);
            for (j, (a, (s, loss))) in payoff.iter().zip(columns).enumerate() {
                let k = root * s * (a + gain - loss);
                entries[i * size + n + j] = -k;
                entries[(n + j) * size + i] = k;
            }
        }
        for i in 0..size {
            entries[i * size + i] = 1.0;
        }
        self.lu.factorize()
    }

    fn solve(&mut self, rhs: &[f64], out: &mut [f64]) {
        self.products += 2;
        let n = self.split();
        let (r, t) = rhs.split_at(n);
        let (y1, y2) = self.scratch.split_at_mut(n);
        self.row.project(r, y1);
        self.column.project(t, y2);
        self.lu.solve(&mut self.scratch);
        let (y1, y2) = self.scratch.split_at(n);
        self.row.weigh(y1);
        self.column.weigh(y2);
        let (x1, x2) = out.split_at_mut(n);
        self.payoff.apply(&self.column.weighted, x1);
        self.payoff.apply_transpose(&self.row.weighted, x2);
        let moved =
            self.row.against(&self.row.weighted) + self.column.against(&self.column.weighted);
        for (x, r) in x1.iter_mut().zip(r) {
            *x = r + self.eta * (*x - moved);
        }
        for (x, t) in x2.iter_mut().zip(t) {
            *x = t - self.eta * (*x - moved);
        }
    }

    fn products(&self) -> usize {
        self.products
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::continuation::check_newton_matrix;
    use nlhf_core::{Distribution, Eta, RegularizedGame};

    #[test]
    fn the_newton_matrix_is_the_derivative() {
        let entries = (0..6).map(|at| (f64::from(at) * 1.7).sin() + 0.4).collect();
        let payoff = DenseGame::new(2, 3, entries).unwrap();
        let reference = Profile {
            row: Distribution::from_masses(&[0.3, 0.7]).unwrap(),
            column: Distribution::from_masses(&[0.5, 0.4, 0.1]).unwrap(),
        };
        let game = RegularizedGame::new(&payoff, &reference, Eta::new(4.0).unwrap()).unwrap();
        let mut system = TwoPlayerSystem::new(Support::new(&game), 4.0);
        check_newton_matrix(&mut system, 4.0, &[0.3, -1.0, 0.5, 0.9, -0.2]);
        check_newton_matrix(&mut system, 0.5, &[-2.0, 0.0, 0.1, 1.0, 0.7]);
    }
}
