//! The fixed point of one context at fixed weights of the preferences, in logits of the policy and of every opponent.
//!
//! ```text
//! F = u − η(Σ λ_R (R q_R − V_R) + c),   G_R = v_R − η(R p + V_R + c),   p = softmax(u),  q_R = softmax(v_R)
//! V_R = p'R q_R,   c = log π₀ / η*
//! K_R = η√λ_R Q_p diag(√p) R diag(√q_R) Q_R,   Q_p = I − √p√p'
//! [ I     −K₁ … −K_k ] [y₀]   [Q_p(√p∘r)       ]
//! [ K_R'       I     ] [y_R] = [√λ_R Q_R(√q_R∘s_R)]          dp = √p∘y₀,  dq_R = √q_R∘y_R/√λ_R,  dV_R = (dp)'R q_R + p'R dq_R
//! x = r + ηΣ λ_R (R dq_R − dV_R),   x_R = s_R + η(R dp + dV_R)       solves F'x = (r, s)
//! ```
//! Every R is skew: `−R'p = R p`. The stacked matrix is `I` plus a skew one, nonsingular at every point (`matrix`).
//! Opponents keep logits of their own although in the end they respond best: composed into one map, errors in p would
//! be magnified by η twice, and Newton's method lose its way from η = 10³ on; and so does it without the V (see
//! `two_player_system`). Source: the inner problem of the version-space form of Ye et al. (arXiv 2402.07314), section 3.

use super::matrix::{Matrix, Point};
use crate::continuation::System;
use crate::support::{expanded, played, softmax, start_logits};
use nlhf_core::log_space::log_sum_exp;
use nlhf_core::{DenseGame, Distribution, Profile};

/// The game of one context against a weighted set of preferences.
pub(super) struct Mixture<'a> {
    support: Vec<usize>,
    log_prior: Vec<f64>,
    n_actions: usize,
    /// Payoffs on the support, row-major.
    payoffs: Vec<Vec<f64>>,
    weights: &'a [f64],
    target: f64,
    payoff_bound: f64,
    eta: f64,
    products: usize,
    policy: Vec<f64>,
    /// `R p`, what the opponent gains with each action, by preference.
    losses: Vec<Vec<f64>>,
    /// `q_R`.
    responses: Vec<Vec<f64>>,
    /// `R q_R`, what the policy gains with each action.
    gains: Vec<Vec<f64>>,
    /// `V_R`.
    played: Vec<f64>,
    /// Preferences of positive weight: those in the matrix.
    active: Vec<usize>,
    matrix: Matrix,
}

/// What the policy of a context is worth, in units of the payoff.
pub(super) struct Worth {
    /// `min_q J_R(p, q)` of each preference.
    pub(super) values: Vec<f64>,
    /// `Σ λ_R J_R(p', q_R)` at the best p': no policy reaches more at these weights.
    pub(super) upper: f64,
}

impl<'a> Mixture<'a> {
    pub(super) fn new(
        reference: &Distribution,
        games: &[DenseGame],
        weights: &'a [f64],
        eta: f64,
    ) -> Self {
        let (support, log_prior) = played(reference);
        let (n, n_actions) = (support.len(), reference.len());
        let entries = |game: &DenseGame| -> Vec<f64> {
            let all = game.entries();
            let rows = support.iter();
            rows.flat_map(|i| support.iter().map(move |j| all[i * n_actions + j])).collect()
        };
        let payoffs: Vec<Vec<f64>> = games.iter().map(entries).collect();
        let payoff_bound = payoffs.iter().flatten().fold(0.0, |m: f64, r| m.max(r.abs()));
        let each = || vec![vec![0.0; n]; games.len()];
        let active: Vec<usize> = (0..weights.len()).filter(|at| weights[*at] > 0.0).collect();
        Self {
            losses: each(),
            responses: each(),
            gains: each(),
            policy: vec![0.0; n],
            played: vec![0.0; games.len()],
            matrix: Matrix::new(n, active.len(), eta * payoff_bound),
            active,
            target: eta,
            eta: 0.0,
            products: 0,
            support,
            log_prior,
            n_actions,
            payoffs,
            weights,
            payoff_bound,
        }
    }

    /// The actions that can be played at all.
    pub(super) fn support(&self) -> &[usize] {
        &self.support
    }

    /// The logits of all from those of the policy: opponents that respond best.
    pub(super) fn stacked(&mut self, policy: &[f64]) -> Vec<f64> {
        self.respond(policy);
        let opponents = (0..self.payoffs.len()).flat_map(|at| self.best_logits(at));
        policy.iter().copied().chain(opponents).collect()
    }

    /// Moves to a policy and to the opponents that respond best to it, at the η of the game.
    pub(super) fn respond(&mut self, policy: &[f64]) {
        self.eta = self.target;
        softmax(policy, &mut self.policy);
        self.update_losses();
        for at in 0..self.payoffs.len() {
            let logits = self.best_logits(at);
            softmax(&logits, &mut self.responses[at]);
        }
        self.update_gains();
    }

    /// `η(R p + c)` up to a constant.
    fn best_logits(&self, preference: usize) -> Vec<f64> {
        let losses = self.losses[preference].iter().enumerate();
        // Without what they win on average: see the head of the file.
        let level = dot(&self.policy, &self.losses[preference]);
        losses.map(|(action, loss)| self.eta * (loss - level + self.prior_cost(action))).collect()
    }

    /// What the policy of the last [`Mixture::respond`] is worth.
    pub(super) fn worth(&self) -> Worth {
        let (eta, prior) = (self.eta, &self.log_prior);
        let tilted = |gains: &mut dyn Iterator<Item = f64>| {
            let logits: Vec<f64> =
                prior.iter().zip(gains).map(|(l, gain)| l + eta * gain).collect();
            log_sum_exp(&logits) / eta
        };
        let moved: Vec<f64> = self.policy.iter().zip(prior).map(|(p, l)| kl_term(*p, *l)).collect();
        let cost = moved.iter().sum::<f64>() / eta;
        let least: Vec<f64> =
            self.losses.iter().map(|loss| -tilted(&mut loss.iter().copied())).collect();
        let mean = self.mean_gains();
        let weighted: f64 = self.weights.iter().zip(&least).map(|(w, least)| w * least).sum();
        // V_R is off the mean already.
        let upper = tilted(&mut mean.iter().copied()) + weighted;
        Worth { values: least.iter().map(|least| least - cost).collect(), upper }
    }

    /// `Σ_R dg_R/dλ_R'`: how the values move with the weights, after [`System::factorize`]; row-major, symmetric.
    pub(super) fn curvature(&mut self) -> Vec<f64> {
        let (k, n) = (self.gains.len(), self.policy.len());
        let mut curvature = vec![0.0; k * k];
        let mut rhs = vec![0.0; self.dimension()];
        let mut x = rhs.clone();
        for column in 0..k {
            for (rhs, gain) in rhs[..n].iter_mut().zip(&self.gains[column]) {
                *rhs = self.eta * gain;
            }
            self.solve(&rhs, &mut x);
            let mean: f64 = self.policy.iter().zip(&x).map(|(p, x)| p * x).sum();
            for row in 0..k {
                let terms = self.gains[row].iter().zip(&self.policy).zip(&x);
                let slope: f64 = terms.map(|((gain, p), x)| gain * p * (x - mean)).sum();
                curvature[row * k + column] = slope;
            }
        }
        for i in 0..k {
            for j in 0..i {
                let mean = 0.5 * (curvature[i * k + j] + curvature[j * k + i]);
                (curvature[i * k + j], curvature[j * k + i]) = (mean, mean);
            }
        }
        curvature
    }

    /// The opponents of the last point, one a preference, over all actions; `None` if one is not finite.
    pub(super) fn opponents(&self) -> Option<Vec<Distribution>> {
        let each = (0..self.losses.len()).map(|at| self.best_logits(at));
        each.map(|logits| expanded(self.n_actions, &self.support, &logits)).collect()
    }

    fn point(&self) -> Point<'_> {
        Point {
            eta: self.eta,
            policy: &self.policy,
            weights: self.weights,
            active: &self.active,
            payoffs: &self.payoffs,
            responses: &self.responses,
            gains: &self.gains,
            losses: &self.losses,
            played: &self.played,
        }
    }

    fn update_losses(&mut self) {
        for at in 0..self.payoffs.len() {
            let mut product = std::mem::take(&mut self.losses[at]);
            self.product(at, &self.policy, &mut product);
            self.losses[at] = product;
        }
    }

    fn update_gains(&mut self) {
        for at in 0..self.payoffs.len() {
            let mut product = std::mem::take(&mut self.gains[at]);
            self.product(at, &self.responses[at], &mut product);
            self.played[at] = dot(&self.policy, &product);
            self.gains[at] = product;
        }
    }

    /// `Σ λ_R (R q_R − V_R)`.
    fn mean_gains(&self) -> Vec<f64> {
        let mut mean = vec![0.0; self.policy.len()];
        for &at in &self.active {
            for (mean, gain) in mean.iter_mut().zip(&self.gains[at]) {
                *mean += self.weights[at] * (gain - self.played[at]);
            }
        }
        mean
    }

    fn product(&self, preference: usize, vector: &[f64], out: &mut [f64]) {
        let n = vector.len();
        for (out, row) in out.iter_mut().zip(self.payoffs[preference].chunks_exact(n)) {
            *out = dot(row, vector);
        }
    }

    /// `c`, of one action.
    fn prior_cost(&self, action: usize) -> f64 {
        self.log_prior[action] / self.target
    }
}

pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn kl_term(p: f64, log_prior: f64) -> f64 {
    if p == 0.0 { 0.0 } else { p * (p.ln() - log_prior) }
}

impl System for Mixture<'_> {
    fn dimension(&self) -> usize {
        self.policy.len() * (1 + self.payoffs.len())
    }

    fn payoff_bound(&self) -> f64 {
        self.payoff_bound
    }

    fn bound(&self) -> f64 {
        let prior = self.log_prior.iter().fold(0.0, |m: f64, l| m.max(l.abs()));
        self.payoff_bound + prior / self.target
    }

    fn start(&self, start: &Profile) -> Vec<f64> {
        start_logits(&start.row, &self.support)
    }

    fn profile(&self, logits: &[f64]) -> Option<Profile> {
        let policy = &logits[..self.policy.len()];
        Some(Profile::symmetric(expanded(self.n_actions, &self.support, policy)?))
    }

    fn residual(&mut self, eta: f64, logits: &[f64], out: &mut [f64]) {
        self.eta = eta;
        self.products += self.payoffs.len();
        let n = self.policy.len();
        softmax(&logits[..n], &mut self.policy);
        for (response, logits) in self.responses.iter_mut().zip(logits[n..].chunks_exact(n)) {
            softmax(logits, response);
        }
        self.update_losses();
        self.update_gains();
        self.tangent(out);
        for (out, logit) in out.iter_mut().zip(logits) {
            *out = logit - eta * *out;
        }
    }

    fn tangent(&self, out: &mut [f64]) {
        let n = self.policy.len();
        let (policy, opponents) = out.split_at_mut(n);
        for (action, (out, gain)) in policy.iter_mut().zip(self.mean_gains()).enumerate() {
            *out = gain + self.prior_cost(action);
        }
        for (at, out) in opponents.chunks_exact_mut(n).enumerate() {
            for (action, (out, loss)) in out.iter_mut().zip(&self.losses[at]).enumerate() {
                *out = loss + self.played[at] + self.prior_cost(action);
            }
        }
    }

    fn factorize(&mut self) -> bool {
        let mut matrix = std::mem::take(&mut self.matrix);
        let regular = matrix.factorize(&self.point());
        self.matrix = matrix;
        regular
    }

    fn solve(&mut self, rhs: &[f64], out: &mut [f64]) {
        let n = self.policy.len();
        let mut matrix = std::mem::take(&mut self.matrix);
        let (dp, moved) = matrix.displacements(&self.point(), rhs);
        self.matrix = matrix;
        let (policy, opponents) = out.split_at_mut(n);
        policy.copy_from_slice(&rhs[..n]);
        let (mut dq, mut product) = (vec![0.0; n], vec![0.0; n]);
        for (at, out) in opponents.chunks_exact_mut(n).enumerate() {
            let s = &rhs[n * (1 + at)..][..n];
            self.product(at, &dp, &mut product);
            for ((out, s), product) in out.iter_mut().zip(s).zip(&product) {
                *out = s + self.eta * product;
            }
            let (weight, response) = (self.weights[at], &self.responses[at]);
            let block = self.active.iter().position(|active| *active == at);
            if let (Some(block), Some(moved)) = (block, &moved) {
                dq.copy_from_slice(&moved[n * block..][..n]);
            } else {
                let along = dot(response, out);
                for ((dq, x), q) in dq.iter_mut().zip(&*out).zip(response) {
                    *dq = q * (x - along);
                }
            }
            let value = dot(&dp, &self.gains[at]) - dot(&self.losses[at], &dq);
            for out in out.iter_mut() {
                *out += self.eta * value;
            }
            self.product(at, &dq, &mut product);
            for (out, product) in policy.iter_mut().zip(&product) {
                *out += weight * self.eta * (product - value);
            }
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
    use nlhf_core::{SeedTree, Stream};
    use rand::RngExt;

    #[test]
    fn the_newton_matrix_is_the_derivative() {
        let mut rng = SeedTree::new(5).rng(Stream::Instance, 0);
        for n in [1, 2, 5] {
            let mut game = || DenseGame::skew_from_upper(n, |_, _| rng.random::<f64>() - 0.5);
            let games = [game(), game(), game()];
            let masses: Vec<f64> = (0..n).map(|_| rng.random::<f64>() + 0.1).collect();
            let reference = Distribution::from_masses(&masses).unwrap();
            let weights = [0.5, 0.2, 0.3];
            let mut system = Mixture::new(&reference, &games, &weights, 3.0);
            let point: Vec<f64> = (0..4 * n).map(|_| rng.random::<f64>()).collect();
            check_newton_matrix(&mut system, 2.0, &point);
            // The other form of the matrix.
            system.matrix = Matrix::new(n, 3, 1e9);
            check_newton_matrix(&mut system, 2.0, &point);
        }
    }
}
