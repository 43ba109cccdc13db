//! The fixed point of a symmetric game in logits, and its Newton matrix.
//!
//! ```text
//! F(u) = u − η(Aπ + c),   π = softmax(u),   c = log π₀ / η*,   F' = I − ηAS,   S = diag(π) − ππ'
//! s = √π,  Q = I − ss',  B = η diag(s) A diag(s) skew:
//! (I − QBQ) y = Q(s∘r)   ⇒   x = r + ηA(s∘y) solves F'x = r
//! QBQ = B − (Bs)s' + s(Bs)'
//! ```
//! At `η = η*`, the η of the game, `u` is `log π` up to a constant. `I − QBQ` has symmetric part `I`: F' is
//! nonsingular at every point and every η, for every skew `A`.

use crate::continuation::System;
use crate::lu::Lu;
use crate::support::{Support, softmax, start_logits};
use nlhf_core::{DenseGame, Profile, ZeroSumGame};

/// The system of a symmetric game on its support.
#[derive(Debug)]
pub(crate) struct SkewSystem {
    support: Support,
    payoff: DenseGame,
    target: f64,
    eta: f64,
    products: usize,
    policy: Vec<f64>,
    root: Vec<f64>,
    product: Vec<f64>,
    scratch: Vec<f64>,
    lu: Lu,
}

impl SkewSystem {
    pub(crate) fn new(support: Support, target: f64) -> Self {
        let n = support.rows.len();
        let entries = &support.payoff;
        let payoff =
            DenseGame::skew_from_upper(n, |i, j| 0.5 * (entries[i * n + j] - entries[j * n + i]));
        let zeros = || vec![0.0; n];
        Self {
            support,
            payoff,
            target,
            eta: 0.0,
            products: 0,
            policy: zeros(),
            root: zeros(),
            product: zeros(),
            scratch: zeros(),
            lu: Lu::new(n),
        }
    }
}

impl System for SkewSystem {
    fn dimension(&self) -> usize {
        self.policy.len()
    }

    fn payoff_bound(&self) -> f64 {
        self.payoff.payoff_bound()
    }

    fn bound(&self) -> f64 {
        self.payoff.payoff_bound() + self.support.prior_bound() / self.target
    }

    fn start(&self, start: &Profile) -> Vec<f64> {
        start_logits(&start.row, &self.support.rows)
    }

    fn profile(&self, logits: &[f64]) -> Option<Profile> {
        self.support.profile(logits, logits)
    }

    fn residual(&mut self, eta: f64, logits: &[f64], out: &mut [f64]) {
        self.eta = eta;
        self.products += 1;
        softmax(logits, &mut self.policy);
        self.payoff.apply(&self.policy, &mut self.product);
        let tilt = eta / self.target;
        let gains = self.product.iter().zip(&self.support.log_row);
        for ((out, logit), (product, log_p)) in out.iter_mut().zip(logits).zip(gains) {
            *out = logit - eta * product - tilt * log_p;
        }
    }

    fn tangent(&self, out: &mut [f64]) {
        for ((out, product), log_p) in out.iter_mut().zip(&self.product).zip(&self.support.log_row)
        {
            *out = product + log_p / self.target;
        }
    }

    fn factorize(&mut self) -> bool {
        let n = self.policy.len();
        for (root, p) in self.root.iter_mut().zip(&self.policy) {
            *root = p.sqrt();
        }
        // (Bs)_i = η s_i (Aπ)_i, known from the residual.
        let eta = self.eta;
        for ((bs, s), product) in self.scratch.iter_mut().zip(&self.root).zip(&self.product) {
            *bs = eta * s * product;
        }
        let rows =
            self.lu.entries_mut().chunks_exact_mut(n).zip(self.payoff.entries().chunks_exact(n));
        for (i, (out, payoff)) in rows.enumerate() {
            let (s_i, bs_i) = (self.root[i], self.scratch[i]);
            for (((out, a), s), bs) in out.iter_mut().zip(payoff).zip(&self.root).zip(&self.scratch)
            {
                *out = bs_i * s - eta * s_i * s * a - s_i * bs;
            }
            out[i] += 1.0;
        }
        self.lu.factorize()
    }

    fn solve(&mut self, rhs: &[f64], out: &mut [f64]) {
        self.products += 1;
        let y = &mut self.scratch;
        let along: f64 = self.policy.iter().zip(rhs).map(|(p, r)| p * r).sum();
        for ((y, s), r) in y.iter_mut().zip(&self.root).zip(rhs) {
            *y = s * (r - along);
        }
        self.lu.solve(y);
        for (y, s) in y.iter_mut().zip(&self.root) {
            *y *= s;
        }
        self.payoff.apply(y, out);
        for (out, r) in out.iter_mut().zip(rhs) {
            *out = r + self.eta * *out;
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
        let payoff = DenseGame::skew_from_upper(4, |i, j| ((i * 3 + j * 5) as f64).cos());
        let prior = Distribution::from_masses(&[0.1, 0.2, 0.3, 0.4]).unwrap();
        let reference = Profile::symmetric(prior);
        let game = RegularizedGame::new(&payoff, &reference, Eta::new(3.0).unwrap()).unwrap();
        let mut system = SkewSystem::new(Support::new(&game), 3.0);
        check_newton_matrix(&mut system, 3.0, &[0.3, -1.0, 0.5, 0.9]);
        check_newton_matrix(&mut system, 1.5, &[-2.0, 0.0, 0.1, 1.0]);
    }
}
