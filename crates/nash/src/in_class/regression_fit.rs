//! Nash regression of a policy with parameters, round by round, with pairs from the policy itself.
//!
//! ```text
//! θ_a = log π_t(a)/π₀(a),   target = (1 − δ)(θ_a − θ_b) + δη (A(a, π_t) − A(b, π_t)),      a, b ~ π_t
//! π_{t+1} = argmin Σ_x ω_x E [(h(π) − target)²]                 by L-BFGS from π_t, in Fisher's metric
//! ```
//! δ = 1 is best-response iteration. Over all policies this is INPO's step of length δη (Zhang et al., 2024, arXiv 2407.00617), the same as
//! magnetic mirror descent (Sokota et al., 2022, arXiv 2206.05825), which contracts for `δ ≤ 1/(1 + η²B²)`, the default here. Where
//! the policy stays as it is,
//!
//! ```text
//! Σ_x ω_x Cov_π(θ − ηAπ, ∇log π) = 0
//! ```
//! which is the first-order condition of the equilibrium inside the class ([`ClassSelfPlay`](super::ClassSelfPlay)): drawing pairs from the policy
//! itself makes regression and play agree. With pairs from elsewhere they differ unless the class spans all policies.

use super::geometry::{Geometry, displacement};
use super::natural_gradient::{factorized, gradient};
use super::self_play::ClassEquilibrium;
use super::{ClassGame, InClassError, InClassStatus, check_symmetric, self_play};
use crate::cholesky;
use nlhf_core::{
    Distribution, Observer, ParametrizedPolicy, SeedTree, Stream, WorkspaceRng, lbfgs,
};
use rayon::prelude::*;

/// Where the pairs of a round come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RegressionPairs {
    /// All pairs at once, in expectation, with exact advantages.
    Expected,
    /// Fresh draws every round.
    Sampled {
        /// Pairs a prompt, both responses drawn from the policy; at least one.
        pairs: u32,
        /// Opponents a prompt, at least one, drawn from the policy, that advantages are averaged over; exact advantages if `None`.
        opponents: Option<u32>,
        /// The seed: draws are of [`Stream::Responses`].
        seeds: SeedTree,
    },
}

/// Fits a policy to its own advantages, round by round.
///
/// | Name | Default | Purpose | Range |
/// |---|---|---|---|
/// | `max_rounds` | 1000 | rounds | any |
/// | `damping` | `None` | δ; `None` for 1/(1 + η²B²), the largest that surely contracts among all policies | (0, 1] |
/// | `residual_nats` | 1e-6 | residual at which it ends | ≥ 0 |
/// | `pairs` | expected | where pairs come from | |
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NashRegressionFit {
    /// Rounds at most.
    pub max_rounds: usize,
    /// δ.
    pub damping: Option<f64>,
    /// The residual at which it ends, in nats.
    pub residual_nats: f64,
    /// Where pairs come from.
    pub pairs: RegressionPairs,
}

impl Default for NashRegressionFit {
    fn default() -> Self {
        let pairs = RegressionPairs::Expected;
        Self { max_rounds: 1000, damping: None, residual_nats: 1e-6, pairs }
    }
}

/// One round of regression.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RegressionRound {
    /// Counted from one.
    pub round: usize,
    /// The loss that is left after it, in nats².
    pub loss: f64,
    /// How far the policy moved in the Fisher metric, over δ, in nats.
    pub residual_nats: f64,
}

/// The minimizer of a round ends where the gradient has fallen to this share.
const PRECISION: f64 = 1e-5;
/// Steps of the minimizer a round.
const MAX_STEPS: usize = 200;

impl NashRegressionFit {
    /// Fits from `start`, which should play nothing that a reference never does: such responses are left out of the loss, so that the fit
    /// may end as stationary with a mean shortfall of +∞.
    ///
    /// The residual is, to first order, that of [`ClassEquilibrium::residual_nats`]; with sampled pairs it does not fall below
    /// their noise. [`ClassEquilibrium::iterations`] counts rounds.
    ///
    /// # Errors
    /// [`InClassError::Setting`], [`InClassError::NotSymmetric`], and [`InClassError::NotFinite`] if a loss is not finite.
    pub fn fit<P: ParametrizedPolicy>(
        &self,
        games: &[ClassGame<'_>],
        start: P,
        observer: &mut dyn Observer<RegressionRound>,
    ) -> Result<ClassEquilibrium<P>, InClassError> {
        self.check()?;
        check_symmetric(games)?;
        let geometry = Geometry::new(games);
        let strengths =
            games.iter().map(|game| game.game.eta().get() * game.game.payoff().payoff_bound());
        let strongest = strengths.fold(0.0, f64::max);
        let damping = self.damping.unwrap_or(1.0 / (1.0 + strongest * strongest));
        // That of a game beyond the range of squares is none.
        let damping = damping.max(f64::MIN_POSITIVE);
        let mut policy = start;
        let mut played = geometry.play(&policy);
        let (mut round, mut residual_nats) = (0, f64::INFINITY);
        let status = loop {
            if round >= self.max_rounds {
                break InClassStatus::Budget;
            }
            let data = self.data(&geometry, &played, damping, round);
            round += 1;
            let fitted = fitted(&geometry, &policy, &data);
            let (parameters, loss) = fitted.ok_or(InClassError::NotFinite { round })?;
            let next = policy.with_parameters(parameters);
            let next_played = geometry.play(&next);
            let moved = displacement(&played, &next_played);
            residual_nats = geometry.squared_norm(&played, &moved).sqrt() / damping;
            (policy, played) = (next, next_played);
            let event = RegressionRound { round, loss, residual_nats };
            if observer.observe(&event).is_break() {
                break InClassStatus::Stopped;
            }
            if residual_nats <= self.residual_nats {
                break InClassStatus::Stationary;
            }
        };
        Ok(self_play::certified_equilibrium(
            &geometry,
            policy,
            played,
            residual_nats,
            round,
            status,
        ))
    }

    /// # Errors
    /// [`InClassError::Setting`] for the first that is out of its range.
    fn check(&self) -> Result<(), InClassError> {
        let damping = self.damping.unwrap_or(1.0);
        let (pairs, opponents) = match self.pairs {
            RegressionPairs::Expected => (1, 1),
            RegressionPairs::Sampled { pairs, opponents, .. } => (pairs, opponents.unwrap_or(1)),
        };
        let some = "at least 1";
        // What is no number lies in no range.
        let checks = [
            ("damping", "above 0 and at most 1", damping > 0.0 && damping <= 1.0, damping),
            ("residual_nats", "at least 0", self.residual_nats >= 0.0, self.residual_nats),
            ("pairs", some, pairs > 0, f64::from(pairs)),
            ("opponents", some, opponents > 0, f64::from(opponents)),
        ];
        match checks.into_iter().find(|(_, _, valid, _)| !valid) {
            Some((setting, required, _, given)) => {
                Err(InClassError::Setting { setting, required, given })
            }
            None => Ok(()),
        }
    }

    /// The pairs of a round on each prompt.
    fn data(
        &self,
        geometry: &Geometry<'_>,
        played: &[Distribution],
        damping: f64,
        round: usize,
    ) -> Vec<PromptPairs> {
        let prompts = geometry.games.par_iter().zip(played).enumerate();
        let data = prompts.map(|(x, (game, played))| {
            let n = played.len();
            let game = game.game();
            let mut advantages = vec![0.0; n];
            let weights = match self.pairs {
                RegressionPairs::Expected => {
                    game.payoff().apply(&played.probabilities(), &mut advantages);
                    PairWeights::Expected(played.probabilities())
                }
                RegressionPairs::Sampled { pairs, opponents, seeds } => {
                    let unit = round.wrapping_mul(geometry.games.len()).wrapping_add(x);
                    let unit = u32::try_from(unit & 0xFFFF_FFFF).expect("32 bits");
                    let rng = &mut seeds.rng(Stream::Responses, unit);
                    let drawn = (0..pairs).map(|_| [played.sample(rng), played.sample(rng)]);
                    let drawn = drawn.collect();
                    let opponent = opponents.map_or_else(
                        || played.probabilities(),
                        |draws| empirical(played, draws, rng),
                    );
                    game.payoff().apply(&opponent, &mut advantages);
                    PairWeights::Drawn(drawn)
                }
            };
            let reference = game.reference().row.log_probabilities();
            let logs = played.log_probabilities().iter().zip(reference).zip(&advantages);
            let targets = logs.map(|((log_p, log_r), advantage)| {
                let log_ratio = if log_p.is_finite() { log_p - log_r } else { 0.0 };
                // As a value of log π, so that the reference enters once.
                log_r + (1.0 - damping) * log_ratio + damping * game.eta().get() * advantage
            });
            PromptPairs { targets: targets.collect(), weights }
        });
        data.collect()
    }
}

/// Shares of responses drawn from a policy.
fn empirical(played: &Distribution, draws: u32, rng: &mut WorkspaceRng) -> Vec<f64> {
    let mut shares = vec![0.0; played.len()];
    for _ in 0..draws {
        shares[played.sample(rng)] += 1.0 / f64::from(draws);
    }
    shares
}

/// What the log-probabilities on one prompt should be up to a constant, and which differences count.
struct PromptPairs {
    targets: Vec<f64>,
    weights: PairWeights,
}

enum PairWeights {
    /// All pairs with the product of these probabilities.
    Expected(Vec<f64>),
    /// These pairs alike.
    Drawn(Vec<[usize; 2]>),
}

impl PromptPairs {
    /// The loss at these log-probabilities, and its derivatives by them.
    fn loss(&self, logs: &[f64]) -> (f64, Vec<f64>) {
        let error = |a: usize| logs[a] - self.targets[a];
        let mut slopes = vec![0.0; logs.len()];
        let mut loss = 0.0;
        match &self.weights {
            // E (x_a − x_b)² = 2 Var x.
            PairWeights::Expected(probabilities) => {
                let plays = |a: &usize| probabilities[*a] > 0.0 && error(*a).is_finite();
                let total: f64 = (0..logs.len()).filter(plays).map(|a| probabilities[a]).sum();
                let middle = (0..logs.len()).filter(plays).map(|a| probabilities[a] * error(a));
                let middle = middle.sum::<f64>() / total;
                for a in (0..logs.len()).filter(plays) {
                    let off = error(a) - middle;
                    loss += 2.0 * probabilities[a] * off * off;
                    slopes[a] = 4.0 * probabilities[a] * off;
                }
            }
            PairWeights::Drawn(pairs) => {
                let share = 1.0 / pairs.len() as f64;
                for &[a, b] in pairs.iter().filter(|[a, b]| a != b) {
                    let off = error(a) - error(b);
                    loss += share * off * off;
                    slopes[a] += 2.0 * share * off;
                    slopes[b] -= 2.0 * share * off;
                }
            }
        }
        (loss, slopes)
    }
}

/// The parameters that minimize a round's loss, and the loss there.
///
/// The search is in `z`, `θ = θ_t + L⁻ᵀz` with `LL' = F` the Fisher matrix: near the start the loss is a multiple of `|z|²`
/// up to a constant, whatever the scale of parameters.
fn fitted<P: ParametrizedPolicy>(
    geometry: &Geometry<'_>,
    policy: &P,
    data: &[PromptPairs],
) -> Option<(Vec<f64>, f64)> {
    let n = policy.parameters().len();
    let lower = factorized(geometry, policy);
    let parameters = |z: &[f64]| -> Vec<f64> {
        let mut moved = z.to_vec();
        if let Some(lower) = &lower {
            cholesky::solve_upper(n, lower, &mut moved);
        }
        policy.parameters().iter().zip(moved).map(|(theta, moved)| theta + moved).collect()
    };
    let objective = |z: &[f64], out: &mut [f64]| {
        let policy = policy.with_parameters(parameters(z));
        let played = geometry.play(&policy);
        let prompts = played.par_iter().zip(data);
        let losses: Vec<(f64, Vec<f64>)> =
            prompts.map(|(played, pairs)| pairs.loss(played.log_probabilities())).collect();
        let mut slopes = Vec::new();
        let mut total = 0.0;
        for (x, (loss, slope)) in losses.into_iter().enumerate() {
            let share = geometry.share(x);
            // A prompt that does not count may be played impossibly.
            if share > 0.0 {
                total += share * loss;
                slopes.extend(slope.into_iter().map(|slope| share * slope));
            } else {
                slopes.resize(slopes.len() + slope.len(), 0.0);
            }
        }
        out.copy_from_slice(&gradient(geometry, &policy, &slopes));
        if let Some(lower) = &lower {
            cholesky::solve_lower(n, lower, out);
        }
        total
    };
    let mut first = vec![0.0; n];
    objective(&vec![0.0; n], &mut first);
    let steepest = first.iter().fold(0.0, |most: f64, slope| most.max(slope.abs()));
    let found = lbfgs::minimize(objective, vec![0.0; n], PRECISION * steepest, MAX_STEPS)?;
    Some((parameters(&found.point), found.value))
}
