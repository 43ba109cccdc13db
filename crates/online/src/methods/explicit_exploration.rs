//! ENPO: an iterate that never solves a game, and an explorer that runs ahead of it.
//!
//! ```text
//! u     = (1 − ατ) log π_t + ατ log π₀ + αR̂π_t              the mirror step (INPO), α ≤ τ/(τ² + B²), τ = 1/η
//! π_t+1 = argmin_π Σ_ab W_ab (d_a − d_b)² − c E_{π_t}[log π],   d = log π − u,   W: a ~ π_t, b ~ explorer of t
//! explorer of t+1 = π_t (π_t+1/π_t)^s / Z
//! asks   a ~ π_t+1, b ~ explorer
//! main   = (π_1 + … + π_t+1) / (t + 1),   π_1 = π₀
//! ```
//! The squared loss is that of INPO, `E[(h − α(I(a) − I(b)))²]` with `h = Δlog π − ατ Δlog π₀ − (1 − ατ) Δlog π_t`: over all
//! policies on a menu and in expectation its target is u. The second term is the proximal one, of the kind of supervised
//! fine-tuning: it holds the step back where W has no pairs, and vanishes at the equilibrium, which is a fixed point.
//!
//! **What the estimate stands for.** The paper regresses on `I(y) = [y preferred to z]` with fresh `z ~ π_t`, no
//! preference being modelled. Here `E I(y) − ½` is `(R̂π_t)(y)` of the run's model, fitted to the same labels as that of every
//! method, and on the scale of log-odds their mean. A round has many labels, so that several steps fit into it, all with this
//! estimate; the pairs of W are those of the round, for its iterate. The explorer is the paper's practical one: its
//! theoretical form maximizes an elliptical ratio over policies.
//!
//! Where candidates are added, iterate and average begin anew at the reference, which then has the weight of the rounds before.
//! Source: Nan et al. (2026, arXiv 2606.01382); the step: Zhang et al. (2024, arXiv 2407.00617).

use super::newton::{Local, minimize};
use super::{non_negative, positive};
use crate::{OnlineError, Pairing, Plan, PromptRound, Strategy};
use nalgebra::{DMatrix, DVector};
use nlhf_core::log_space::log_sum_exp;
use nlhf_core::{Distribution, SolveError, ZeroSumGame};

/// Keeps d where it is of pairs that are never drawn, relative to the weight of all pairs.
const LEVELLING: f64 = 1e-9;

/// Nash preference optimization with explicit exploration.
///
/// | Name | Default | Purpose | Range |
/// |---|---|---|---|
/// | `steps` | 10 | steps a round; the paper's is 1 | ≥ 1 |
/// | `proximal` | 0.01 | c, against a squared loss of weight one | ≥ 0 |
/// | `step` | τ/(τ² + B²), B the largest estimated payoff | α: by default the iterate contracts, ever more slowly as ηB grows | > 0, cut to η |
/// | `extrapolation` | 2 | s: 1 explores with the iterate, more runs ahead | ≥ 0 |
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ExplicitExploration {
    steps: u32,
    proximal: f64,
    step: Option<f64>,
    extrapolation: f64,
}

impl Default for ExplicitExploration {
    fn default() -> Self {
        Self { steps: 10, proximal: 0.01, step: None, extrapolation: 2.0 }
    }
}

impl ExplicitExploration {
    /// Checks the settings.
    ///
    /// # Errors
    /// [`OnlineError::Config`] naming the setting outside its range.
    pub fn new(steps: u32, proximal: f64, extrapolation: f64) -> Result<Self, OnlineError> {
        let _ = positive("steps", f64::from(steps))?;
        Ok(Self {
            steps,
            proximal: non_negative("proximal", proximal)?,
            step: None,
            extrapolation: non_negative("extrapolation", extrapolation)?,
        })
    }

    /// The same with another α: beyond the default the iterate may turn in circles, and the average need not.
    ///
    /// # Errors
    /// [`OnlineError::Config`] unless it is positive and finite.
    pub fn with_step(self, step: f64) -> Result<Self, OnlineError> {
        Ok(Self { step: Some(positive("step", step)?), ..self })
    }

    /// One step from an iterate.
    fn next(
        &self,
        prompt: &PromptRound<'_>,
        iterate: &Distribution,
        pairs: &DMatrix<f64>,
    ) -> Distribution {
        let tau = prompt.config.eta.kl_weight();
        let bound = prompt.estimate.payoff_bound();
        // At α = η nothing is left of the iterate.
        let step = self.step.unwrap_or(tau / (tau * tau + bound * bound)).min(1.0 / tau);
        let mut gains = vec![0.0; iterate.len()];
        prompt.estimate.apply(&iterate.probabilities(), &mut gains);
        let logs = iterate.log_probabilities().iter().zip(prompt.reference.row.log_probabilities());
        let target = logs.zip(&gains).map(|((own, reference), gain)| {
            // What the reference never plays stays at −∞, which times zero is no number.
            if *reference == f64::NEG_INFINITY {
                return f64::NEG_INFINITY;
            }
            own + step * (tau * (reference - own) + gain)
        });
        let target: Vec<f64> = target.collect();
        if self.proximal == 0.0 {
            return Distribution::from_logits(target).expect("an iterate tilted by finite payoffs");
        }
        let masses = DVector::from_vec(iterate.probabilities());
        let start = DVector::zeros(target.len());
        let moved =
            minimize(&start, 1.0, |d| proximal_loss(d, &target, pairs, &masses, self.proximal));
        shifted(&target, &moved)
    }
}

impl Strategy for ExplicitExploration {
    fn name(&self) -> &'static str {
        "explicit-exploration"
    }

    fn plan(&self, prompt: &PromptRound<'_>) -> Result<Plan, SolveError> {
        let Pairing { first: before, second: explorer } = &prompt.previous.asks[0];
        let pairs = pair_weights(before, explorer);
        let mut iterate = before.clone();
        for _ in 0..self.steps {
            iterate = self.next(prompt, &iterate, &pairs);
        }
        let ahead = before.log_probabilities().iter().zip(iterate.log_probabilities());
        let ahead = ahead.map(|(before, now)| {
            if *before == f64::NEG_INFINITY {
                *before
            } else {
                before + self.extrapolation * (now - before)
            }
        });
        let explorer = Distribution::from_logits(ahead.collect()).expect("iterates play the same");
        let main = averaged(&prompt.previous.main, &iterate, prompt.round);
        Ok(Plan::of_policy(main, vec![Pairing { first: iterate, second: explorer }]))
    }
}

/// `(n · average + next) / (n + 1)`, in logarithms.
fn averaged(average: &Distribution, next: &Distribution, n: u32) -> Distribution {
    let weights = [f64::from(n).ln(), 0.0];
    let logs = average.log_probabilities().iter().zip(next.log_probabilities());
    let logs = logs.map(|(a, b)| log_sum_exp(&[a + weights[0], b + weights[1]]));
    Distribution::from_logits(logs.collect()).expect("a mixture of distributions")
}

/// `W`, symmetric: the probability of each unordered pair, half on either side.
fn pair_weights(first: &Distribution, second: &Distribution) -> DMatrix<f64> {
    let (p, q) = (first.probabilities(), second.probabilities());
    DMatrix::from_fn(p.len(), p.len(), |a, b| 0.5 * (p[a] * q[b] + p[b] * q[a]))
}

/// `softmax(u + d)`.
fn shifted(target: &[f64], d: &DVector<f64>) -> Distribution {
    let logits = target.iter().zip(d.iter()).map(|(u, d)| u + d).collect();
    Distribution::from_logits(logits).expect("a target moved by finite amounts")
}

/// The loss of a step at `d = log π − u`, up to a constant.
fn proximal_loss(
    d: &DVector<f64>,
    target: &[f64],
    pairs: &DMatrix<f64>,
    iterate: &DVector<f64>,
    proximal: f64,
) -> Local {
    let n = d.len();
    let logits: Vec<f64> = target.iter().zip(d.iter()).map(|(u, d)| u + d).collect();
    let masses = shifted(target, d).probabilities();
    let mut value = 0.5 * LEVELLING * d.norm_squared() + proximal * log_sum_exp(&logits);
    let mut gradient = LEVELLING * d;
    let mut curvature = DMatrix::from_diagonal_element(n, n, LEVELLING);
    for a in 0..n {
        if iterate[a] > 0.0 {
            value -= proximal * iterate[a] * logits[a];
        }
        gradient[a] += proximal * (masses[a] - iterate[a]);
        for b in 0..n {
            let own = if a == b { masses[a] } else { 0.0 };
            curvature[(a, b)] += proximal * (own - masses[a] * masses[b]);
            let (weight, apart) = (pairs[(a, b)], d[a] - d[b]);
            // Each pair is met from both sides.
            value += weight * apart * apart;
            gradient[a] += 4.0 * weight * apart;
            curvature[(a, a)] += 4.0 * weight;
            curvature[(a, b)] -= 4.0 * weight;
        }
    }
    Local { value, gradient, curvature, convex_part: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slopes_and_curvatures_are_those_of_the_loss() {
        let iterate = Distribution::from_masses(&[0.1, 0.2, 0.3, 0.4]).unwrap();
        let pairs = pair_weights(&iterate, &Distribution::uniform(4));
        assert!((pairs.sum() - 1.0).abs() < 1e-15);
        let (target, masses) = ([0.3, -0.2, 0.1, 0.0], DVector::from_vec(iterate.probabilities()));
        let loss = |d: &DVector<f64>| proximal_loss(d, &target, &pairs, &masses, 0.3);
        let at = DVector::from_vec(vec![0.4, -0.3, 0.8, -0.1]);
        let here = loss(&at);
        for k in 0..4 {
            let moved = |by: f64| {
                let mut x = at.clone();
                x[k] += by;
                loss(&x)
            };
            let (up, down) = (moved(1e-5), moved(-1e-5));
            assert!(((up.value - down.value) / 2e-5 - here.gradient[k]).abs() < 1e-9);
            let bend = (up.gradient - down.gradient) / 2e-5;
            for j in 0..4 {
                assert!((bend[j] - here.curvature[(j, k)]).abs() < 1e-9, "{j} {k}");
            }
        }
    }

    #[test]
    fn averages_count_the_start_once() {
        let [a, b, c] = [[1.0, 0.0, 1.0], [0.0, 1.0, 1.0], [1.0, 1.0, 4.0]]
            .map(|masses| Distribution::from_masses(&masses).unwrap());
        let found = averaged(&averaged(&a, &b, 1), &c, 2).probabilities();
        for (p, wanted) in found.iter().zip([2.0, 2.0, 5.0]) {
            assert!((p - wanted / 9.0).abs() < 1e-15);
        }
        assert!(ExplicitExploration::new(0, 0.1, 1.0).is_err());
        assert!(ExplicitExploration::new(1, -0.1, 1.0).is_err());
        assert!(ExplicitExploration::new(1, 0.1, f64::INFINITY).is_err());
    }
}
