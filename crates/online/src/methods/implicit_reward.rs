//! The reward that a policy implies, fitted to the labels of one prompt: what DPO and XPO minimize.
//!
//! ```text
//! π = π₀ exp(ηr) / Z,   r = log(π/π₀)/η + const              implicit reward, in nats of log-odds
//! L(r) = −Σ [w_ab log σ(r_a − r_b)] + λ‖r‖²/2                w_ab = labels that prefer a to b
//!        + κ E_{π₀}[log π]                                   optimism, κ ≥ 0: mass that π₀ has is given away
//! E_{π₀}[log π] = −KL(π₀‖π) − H(π₀),   slope in r: η(π₀ − π),   curvature: −η²(diag π − ππ')
//! ```
//! The loss of DPO depends on the policy through r alone, so that over all policies on a menu it is the Bradley-Terry
//! likelihood of r. The ridge λ keeps r finite where a response never lost, and centred where nothing is known. The optimistic
//! term is concave in r: a local minimum is sought from the reward of DPO on.
//!
//! **Which η.** r are log-odds. A run in log-odds has `π = π₀ exp(ηr)`, its equilibrium if the labels follow a Bradley-Terry
//! model. On the scale of probabilities payoffs are a quarter of log-odds where preferences are weak, `P − ½ ≈ R/4`, and so is
//! this η: `π₀ exp(ηr/4)`, the equilibrium to first order. With η itself the policy would be held against a game with four
//! times the KL weight that it was made for.

use super::newton::{Local, minimize};
use super::places::PairTable;
use crate::PromptRound;
use nalgebra::{DMatrix, DVector};
use nlhf_core::logistic::{sigmoid, softplus};
use nlhf_core::{Distribution, Scale};

/// The factor η of rewards in nats that goes with the game of the run.
fn reward_eta(prompt: &PromptRound<'_>) -> f64 {
    let eta = prompt.config.eta.get();
    match prompt.config.scale {
        Scale::LogOdds => eta,
        Scale::Probability => 0.25 * eta,
    }
}

/// The policy at the minimum of L, with `κ = optimism √(labels) / η`: slopes of `optimism √(labels)` at most, whatever η.
pub(super) fn fitted_policy(prompt: &PromptRound<'_>, ridge: f64, optimism: f64) -> Distribution {
    let table = PairTable::new(prompt.menu, prompt.comparisons);
    let eta = reward_eta(prompt);
    let loss = Loss {
        eta,
        ridge,
        optimism: optimism * table.total().sqrt() / eta,
        reference: &prompt.reference.row,
        reference_masses: prompt.reference.row.probabilities(),
        table,
    };
    let rewards = loss.minimize();
    tilted(&prompt.reference.row, eta, &rewards)
}

/// `π₀ exp(ηr) / Z`.
fn tilted(reference: &Distribution, eta: f64, rewards: &DVector<f64>) -> Distribution {
    let logs = reference.log_probabilities().iter().zip(rewards.iter());
    Distribution::from_logits(logs.map(|(log_p, r)| log_p + eta * r).collect())
        .expect("a reference tilted by finite rewards")
}

/// L of one prompt.
struct Loss<'a> {
    eta: f64,
    ridge: f64,
    /// κ.
    optimism: f64,
    reference: &'a Distribution,
    reference_masses: Vec<f64>,
    table: PairTable,
}

impl Loss<'_> {
    /// The reward of DPO, and from there on that with optimism.
    fn minimize(&self) -> DVector<f64> {
        let scale = self.table.total().max(self.ridge);
        let start = DVector::zeros(self.reference.len());
        let plain = minimize(&start, scale, |rewards| self.around(rewards, 0.0));
        if self.optimism == 0.0 {
            return plain;
        }
        minimize(&plain, scale, |rewards| self.around(rewards, self.optimism))
    }

    fn around(&self, rewards: &DVector<f64>, optimism: f64) -> Local {
        let n = rewards.len();
        let mut value = 0.5 * self.ridge * rewards.norm_squared();
        let mut gradient = self.ridge * rewards;
        let mut curvature = DMatrix::from_diagonal_element(n, n, self.ridge);
        for a in 0..n {
            for b in a + 1..n {
                let (won, lost) = (self.table.wins(a, b), self.table.wins(b, a));
                if won + lost == 0.0 {
                    continue;
                }
                let apart = rewards[a] - rewards[b];
                value += won * softplus(-apart) + lost * softplus(apart);
                let slope = lost * sigmoid(apart) - won * sigmoid(-apart);
                gradient[a] += slope;
                gradient[b] -= slope;
                let bend = (won + lost) * sigmoid(apart) * sigmoid(-apart);
                curvature[(a, a)] += bend;
                curvature[(b, b)] += bend;
                curvature[(a, b)] -= bend;
                curvature[(b, a)] -= bend;
            }
        }
        if optimism == 0.0 {
            return Local { value, gradient, curvature, convex_part: None };
        }
        let convex_part = curvature.clone();
        let policy = tilted(self.reference, self.eta, rewards);
        // π₀ is fixed, so that −KL(π₀‖π) is E[log π] up to a constant.
        value -= optimism * self.reference.kl_nats(&policy);
        let masses = policy.probabilities();
        for a in 0..n {
            gradient[a] += optimism * self.eta * (self.reference_masses[a] - masses[a]);
            for b in 0..n {
                let own = if a == b { masses[a] } else { 0.0 };
                curvature[(a, b)] -= optimism * self.eta * self.eta * (own - masses[a] * masses[b]);
            }
        }
        Local { value, gradient, curvature, convex_part: Some(convex_part) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nlhf_core::{Comparison, Label, Menu, PromptId, ResponseId, Weight};

    fn table(counts: &[(u32, u32, f64)]) -> PairTable {
        let ids: Vec<ResponseId> = (0..4).map(ResponseId::new).collect();
        let menu = Menu::new(PromptId::new(0), &ids).unwrap();
        let label = |&(winner, loser, times): &(u32, u32, f64)| Comparison {
            weight: Weight::new(times).unwrap(),
            ..Comparison::new(menu.prompt(), ids[winner as usize], ids[loser as usize], Label::WIN)
        };
        PairTable::new(menu, &counts.iter().map(label).collect::<Vec<_>>())
    }

    fn loss(reference: &Distribution, optimism: f64) -> Loss<'_> {
        let table = table(&[(0, 1, 5.0), (1, 0, 2.0), (2, 1, 3.0), (0, 2, 1.5)]);
        let reference_masses = reference.probabilities();
        Loss { eta: 2.5, ridge: 0.1, optimism, reference, reference_masses, table }
    }

    #[test]
    fn slopes_and_curvatures_are_those_of_the_loss() {
        let reference = Distribution::from_masses(&[0.1, 0.2, 0.3, 0.4]).unwrap();
        let loss = loss(&reference, 0.7);
        let at = DVector::from_vec(vec![0.4, -0.3, 0.8, -0.1]);
        let here = loss.around(&at, 0.7);
        for k in 0..4 {
            let moved = |by: f64| {
                let mut x = at.clone();
                x[k] += by;
                loss.around(&x, 0.7)
            };
            let (up, down) = (moved(1e-5), moved(-1e-5));
            assert!(((up.value - down.value) / 2e-5 - here.gradient[k]).abs() < 1e-8);
            let bend = (up.gradient - down.gradient) / 2e-5;
            for j in 0..4 {
                assert!((bend[j] - here.curvature[(j, k)]).abs() < 1e-8, "{j} {k}");
            }
        }
    }

    #[test]
    fn the_minimum_is_stationary_and_optimism_takes_mass_off_the_reference() {
        let reference = Distribution::from_masses(&[0.1, 0.2, 0.3, 0.4]).unwrap();
        let mut before = 0.0;
        for optimism in [0.0, 0.05, 0.5, 5.0] {
            let loss = loss(&reference, optimism);
            let rewards = loss.minimize();
            let slope = loss.around(&rewards, optimism).gradient.amax();
            assert!(slope < 1e-9, "optimism {optimism}: slope {slope:e}");
            let away = reference.kl_nats(&tilted(&reference, loss.eta, &rewards));
            assert!(away > before, "optimism {optimism}: {away} nats after {before}");
            before = away;
        }
        // A response without labels keeps the mean reward without optimism.
        let rewards = loss(&reference, 0.0).minimize();
        assert!(rewards[3].abs() < 1e-12 && rewards.sum().abs() < 1e-10);
    }
}
