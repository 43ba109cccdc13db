//! Best of n: the enhancer is the main agent's best draw.
//!
//! ```text
//! main = NE(R̂)                                R̂ the estimated payoffs
//! s(a) = (R̂ main)(a)                          mean payoff against the main agent; ties share
//! F(s) = main of all scores up to s
//! best(a)  = [F(s)ⁿ − F(s⁻)ⁿ] main(a) / [F(s) − F(s⁻)],   s = s(a);   worst: the same by −s
//! asks   a ~ main, b ~ best,   or   a ~ best, b ~ worst
//! ```
//! The distribution is exact and in logarithms, so that nothing is drawn at planning time and the rarest response keeps its
//! digits. n is a budget of divergence: `KL(best‖main) ≤ log n − (n − 1)/n`. Source: the practical variants of Ye et al. (2024,
//! arXiv 2402.07314, section 4).

use crate::{OnlineError, Pairing, Plan, PromptRound, Strategy};
use nlhf_core::log_space::log_sum_exp;
use nlhf_core::{Distribution, SolveError, ZeroSumGame};

/// Scores that are this near to each other, relative to the largest payoff, are tied: they differ by rounding.
const TIE: f64 = 1e-12;

/// `log F` of a share from which on `1 − (1 − share)ⁿ` is `n share` to the last digit.
const SMALL_LOG_SHARE: f64 = -40.0;

/// The main agent against the best of its draws.
///
/// | Name | Default | Purpose | Range |
/// |---|---|---|---|
/// | `draws` | 8 | of how many draws the best is kept | ≥ 1 |
/// | against worst | no | whether the best is compared with the worst instead of any draw | |
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BestOfN {
    draws: u32,
    against_worst: bool,
}

impl Default for BestOfN {
    fn default() -> Self {
        Self { draws: 8, against_worst: false }
    }
}

impl BestOfN {
    /// The best of `draws` against any draw.
    ///
    /// # Errors
    /// [`OnlineError::Config`] if `draws` is zero.
    pub fn new(draws: u32) -> Result<Self, OnlineError> {
        if draws == 0 {
            let (setting, required) = ("draws", "at least 1");
            return Err(OnlineError::Config { setting, required, given: 0.0 });
        }
        Ok(Self { draws, against_worst: false })
    }

    /// The same, the best against the worst of as many draws.
    #[must_use]
    pub fn against_worst(self) -> Self {
        Self { against_worst: true, ..self }
    }
}

impl Strategy for BestOfN {
    fn name(&self) -> &'static str {
        if self.against_worst { "best-against-worst" } else { "best-of-n" }
    }

    fn plan(&self, prompt: &PromptRound<'_>) -> Result<Plan, SolveError> {
        let solution = prompt.equilibrium()?;
        let main = &solution.profile.row;
        let mut scores = vec![0.0; main.len()];
        prompt.estimate.apply(&main.probabilities(), &mut scores);
        let tie = TIE * prompt.estimate.payoff_bound();
        let best = best_of(self.draws, &scores, tie, main);
        let first = if self.against_worst {
            let worst_first: Vec<f64> = scores.iter().map(|score| -score).collect();
            best_of(self.draws, &worst_first, tie, main)
        } else {
            main.clone()
        };
        Ok(Plan::of_equilibrium(solution, vec![Pairing { first, second: best }]))
    }
}

/// The distribution of the draw with the highest score among `draws` from `policy`.
fn best_of(draws: u32, scores: &[f64], tie: f64, policy: &Distribution) -> Distribution {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| scores[a].total_cmp(&scores[b]));
    let (n, log_policy) = (f64::from(draws), policy.log_probabilities());
    let mut logs = vec![f64::NEG_INFINITY; scores.len()];
    let mut below = f64::NEG_INFINITY;
    for tied in order.chunk_by(|&a, &b| scores[b] - scores[a] <= tie) {
        let mass = log_sum_exp(&tied.iter().map(|&a| log_policy[a]).collect::<Vec<f64>>());
        let up_to = log_sum_exp(&[below, mass]);
        if mass > f64::NEG_INFINITY {
            // log [1 − (1 − share)ⁿ]: the best is among these, given that no draw is better than they are.
            let log_share = (mass - up_to).min(0.0);
            let log_best = if log_share < SMALL_LOG_SHARE {
                n.ln() + log_share
            } else {
                (-(n * (-log_share.exp()).ln_1p()).exp_m1()).ln()
            };
            for &a in tied {
                logs[a] = n * up_to + log_best + log_policy[a] - mass;
            }
        }
        below = up_to;
    }
    Distribution::from_logits(logs).expect("the best draw is one of the responses")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The best of all kⁿ outcomes of n draws, one by one.
    fn enumerated(draws: u32, scores: &[f64], policy: &[f64]) -> Vec<f64> {
        let k = policy.len();
        let mut masses = vec![0.0; k];
        for code in 0..k.pow(draws) {
            let drawn: Vec<usize> = (0..draws).map(|at| code / k.pow(at) % k).collect();
            let mass: f64 = drawn.iter().map(|&a| policy[a]).product();
            let top = drawn.iter().map(|&a| scores[a]).fold(f64::NEG_INFINITY, f64::max);
            let best: Vec<&usize> =
                drawn.iter().filter(|&&a| scores[a].to_bits() == top.to_bits()).collect();
            for &&a in &best {
                masses[a] += mass / best.len() as f64;
            }
        }
        masses
    }

    #[test]
    fn it_is_what_all_outcomes_of_the_draws_add_up_to() {
        let policy = [0.1, 0.4, 0.0, 0.3, 0.2];
        let scores = [0.3, -0.1, 0.9, -0.1, 0.0];
        let distribution = Distribution::from_masses(&policy).unwrap();
        for draws in 1..=6 {
            for sign in [1.0, -1.0] {
                let scores = scores.map(|score| sign * score);
                let found = best_of(draws, &scores, 1e-12, &distribution).probabilities();
                let wanted = enumerated(draws, &scores, &policy);
                for (p, wanted) in found.iter().zip(&wanted) {
                    assert!((p - wanted).abs() < 1e-14, "best of {draws}: {p} and {wanted}");
                }
            }
        }
    }

    #[test]
    fn the_rarest_response_keeps_its_digits() {
        let tiny = Distribution::from_logits(vec![-700.0, 0.0, 0.0]).unwrap();
        let best = best_of(16, &[1.0, 0.0, -1.0], 1e-12, &tiny);
        let gained = best.log_probabilities()[0] - tiny.log_probabilities()[0];
        assert!((gained - 16f64.ln()).abs() < 1e-12);
        assert!(BestOfN::new(0).is_err());
    }
}
