//! Descent in a class that is known by its projections alone: step, project, evaluate, accept what is better.
//!
//! ```text
//! g_x = gains of each response against the opponent − (log π/π₀)/η        −∂cost_x/∂π, centered: E_π g_x = 0
//! t_x ∝ π φ(u_x),  u_x = α g_x,   φ(u) = 1 + u  for −½ ≤ u ≤ 1,  exponential beyond
//! π⁺ = argmin over C of Σ_x ω_x KL(t_x‖π⁺)
//! ```
//! **Why φ is linear.** The slope at π of what is projected is α times that of the cost, in any parameters of the class:
//!
//! ```text
//! Σ ω_x Σ_a t_a ∇log π_a = α Σ ω_x Σ_a π_a g_a ∇log π_a
//! ```
//! So π⁺ = π exactly where the cost is stationary, whatever α, once no |u| leaves the linear part; to first order
//! π⁺ − π is the natural gradient. The usual multiplicative step `t ∝ π e^{αg} = π^{1−ατ} π₀^{ατ} exp(αMq)` has the same
//! first order, and its fixed points are off by O(α). Beyond the linear part φ grows like `e^{u/2}`, so that what is hardly
//! played, at 1e-300 say, is reached in a few steps, and falls like `e^{2u}`, so that no target is negative.
//!
//! **Why it ends at a stationary point.** Steps are right to first order and wrong by O(α²): one is taken only if the
//! mean cost falls, else α shrinks. Hence the end is never worse than the start.
//!
//! **When it ends.** With the KL term the cost is τ-strongly convex relative to KL in the policy: if `⟨g, π⁺ − π⟩ = α‖∇‖²`, then
//! about `‖∇‖²/2τ` could still be gained near by. An estimate in a class that is not convex, and exact to first order in one that is.

use super::{ClassGame, InClassError, InClassStatus, InClassStep};
use nlhf_core::{Distribution, Observer, Policy, PolicyClass, Target};
use rayon::prelude::*;

/// What is minimized on one prompt.
pub(super) struct Evaluated {
    /// In units of the payoff; +∞ if it is not a number.
    pub(super) cost: f64,
    /// No policy on this prompt costs less by more than this.
    pub(super) excess: f64,
    /// −∂cost/∂π, up to a constant; finite.
    pub(super) gains: Vec<f64>,
}

/// A mean of costs of what is played on each prompt.
pub(super) trait Cost: Sync {
    /// The cost of playing `played` in the game at a position.
    fn evaluate(&self, position: usize, game: &ClassGame<'_>, played: &Distribution) -> Evaluated;
}

/// Limits of a descent.
pub(super) struct Descent {
    pub(super) max_projections: usize,
    pub(super) tolerance: f64,
    pub(super) relative_tolerance: f64,
}

/// Where a descent ended.
pub(super) struct Descended<P> {
    pub(super) policy: P,
    pub(super) played: Vec<Distribution>,
    pub(super) start_mean: f64,
    pub(super) mean: f64,
    pub(super) projections: usize,
    pub(super) status: InClassStatus,
}

/// A step this much shorter than the first is none.
const SHORTEST: f64 = 1e-9;
/// The share of the promised decrease from which on a promise counts as kept, and the next step is longer.
const KEPT: f64 = 0.5;

/// A member of the class with what it costs.
struct Point<P> {
    policy: P,
    played: Vec<Distribution>,
    evaluated: Vec<Evaluated>,
    mean: f64,
}

impl Descent {
    /// Descends from `start`.
    pub(super) fn run<C: PolicyClass>(
        &self,
        class: &C,
        games: &[ClassGame<'_>],
        cost: &impl Cost,
        start: C::Policy,
        observer: &mut dyn Observer<InClassStep>,
    ) -> Result<Descended<C::Policy>, InClassError> {
        let shares = shares(games);
        let evaluate = |policy: C::Policy| {
            let played = play(&policy, games);
            let evaluated: Vec<Evaluated> = (games.par_iter().enumerate().zip(&played))
                .map(|((at, game), played)| cost.evaluate(at, game, played))
                .collect();
            let mean = mean(&shares, evaluated.iter().map(|evaluated| evaluated.cost));
            Point { policy, played, evaluated, mean }
        };
        let mut now = evaluate(start);
        let start_mean = now.mean;
        let tau = least_kl_weight(games);
        let first_step = first_step(games);
        let longest = games.iter().map(|game| game.game.eta().get()).fold(f64::INFINITY, f64::min);
        let (mut alpha, mut projections) = (first_step, 0);
        let status = loop {
            let excess = mean(&shares, now.evaluated.iter().map(|evaluated| evaluated.excess));
            if excess <= self.tolerance {
                break InClassStatus::Converged;
            }
            if alpha < SHORTEST * first_step {
                break InClassStatus::Stalled;
            }
            if projections >= self.max_projections {
                break InClassStatus::Budget;
            }
            let targets: Vec<Target<'_>> = (games.par_iter().zip(&now.played).zip(&now.evaluated))
                .map(|((game, played), evaluated)| Target {
                    menu: game.menu,
                    distribution: stepped(game, played, &evaluated.gains, alpha),
                    weight: game.weight,
                })
                .collect();
            let projected = class.project(&targets, Some(&now.policy))?.policy;
            projections += 1;
            let trial = evaluate(projected);
            let promised = promised(&shares, &now, &trial.played);
            let gained = now.mean - trial.mean;
            let accepted = trial.mean < now.mean;
            // Only a step that keeps its promise is one that the first order describes.
            let (kept, step) = (gained >= KEPT * promised && promised >= 0.0, alpha);
            let left = promised / (2.0 * alpha * tau);
            if accepted {
                now = trial;
            }
            if kept {
                alpha = (2.0 * alpha).min(longest);
            } else {
                // The minimum of the parabola through slope and value; NaN and negative slopes are clamped too.
                let fitted = 0.5 * promised / (promised - gained);
                alpha *= fitted.clamp(0.1, 0.5).max(if accepted { 0.5 } else { 0.1 });
            }
            let event = InClassStep { projections, mean: now.mean, step, accepted };
            if observer.observe(&event).is_break() {
                break InClassStatus::Stopped;
            }
            if kept && left <= self.relative_tolerance * now.mean.abs() {
                break InClassStatus::Stationary;
            }
        };
        let Point { policy, played, mean, .. } = now;
        Ok(Descended { policy, played, start_mean, mean, projections, status })
    }
}

/// What a policy plays on each prompt.
pub(super) fn play(policy: &impl Policy, games: &[ClassGame<'_>]) -> Vec<Distribution> {
    games.par_iter().map(|game| policy.distribution(game.menu)).collect()
}

/// Weights divided by their sum; all zero if that is zero.
pub(super) fn shares(games: &[ClassGame<'_>]) -> Vec<f64> {
    let largest = games.iter().map(|game| game.weight.get()).fold(0.0, f64::max);
    let scaled =
        |game: &ClassGame<'_>| if largest > 0.0 { game.weight.get() / largest } else { 0.0 };
    let total: f64 = games.iter().map(scaled).sum();
    games.iter().map(|game| if total > 0.0 { scaled(game) / total } else { 0.0 }).collect()
}

/// The weighted mean, of what counts.
pub(super) fn mean(shares: &[f64], values: impl Iterator<Item = f64>) -> f64 {
    let counting = shares.iter().zip(values).filter(|(share, _)| **share > 0.0);
    counting.map(|(share, value)| share * value).sum()
}

/// Log-ratio in nats of what is never played to its reference, where a step needs a number.
const LOWEST: f64 = -745.0;

/// The gains of each response against an opponent's policy, less what its log-ratio to the reference costs.
pub(super) fn net_gains(game: &ClassGame<'_>, played: &Distribution, opponent: &[f64]) -> Vec<f64> {
    let mut gains = vec![0.0; played.len()];
    game.game.payoff().apply(opponent, &mut gains);
    let tau = game.game.eta().kl_weight();
    let reference = game.game.reference().row.log_probabilities();
    let logs = played.log_probabilities().iter().zip(reference);
    for (gain, (log_p, log_r)) in gains.iter_mut().zip(logs) {
        // What the reference never plays is never aimed at.
        let ratio = if *log_r == f64::NEG_INFINITY { 0.0 } else { (log_p - log_r).max(LOWEST) };
        *gain -= tau * ratio;
    }
    gains
}

/// The step of length α from the policy: `t ∝ π φ(α(g − E_π g))`.
fn stepped(game: &ClassGame<'_>, played: &Distribution, gains: &[f64], alpha: f64) -> Distribution {
    let middle: f64 = expectation(played, gains);
    let reference = game.game.reference().row.log_probabilities();
    let logs = played.log_probabilities().iter().zip(reference).zip(gains);
    let logits = logs.map(|((log_p, log_r), gain)| {
        if *log_r == f64::NEG_INFINITY {
            return f64::NEG_INFINITY;
        }
        log_p.max(log_r + LOWEST) + log_growth(alpha * (gain - middle))
    });
    Distribution::from_logits(logits.collect()).unwrap_or_else(|_| played.clone())
}

/// `log φ(u)`.
fn log_growth(u: f64) -> f64 {
    if u < -0.5 {
        -std::f64::consts::LN_2 + 2.0 * (u + 0.5)
    } else if u <= 1.0 {
        u.ln_1p()
    } else {
        std::f64::consts::LN_2 + 0.5 * (u - 1.0)
    }
}

fn expectation(played: &Distribution, values: &[f64]) -> f64 {
    let terms = played.log_probabilities().iter().zip(values);
    terms.map(|(log_p, value)| log_p.exp() * value).sum()
}

/// `⟨g, π⁺ − π⟩`: what the mean falls by to first order.
fn promised<P>(shares: &[f64], now: &Point<P>, trial: &[Distribution]) -> f64 {
    let prompts = now.played.iter().zip(&now.evaluated).zip(trial);
    let promised = prompts.map(|((played, evaluated), trial)| {
        let middle = expectation(played, &evaluated.gains);
        let logs = played.log_probabilities().iter().zip(trial.log_probabilities());
        let terms = logs.zip(&evaluated.gains).map(|((log_p, log_t), gain)| {
            let moved = if *log_p == f64::NEG_INFINITY {
                log_t.exp()
            } else {
                log_p.exp() * (log_t - log_p).exp_m1()
            };
            moved * (gain - middle)
        });
        terms.sum()
    });
    mean(shares, promised)
}

/// The smallest τ of the games.
fn least_kl_weight(games: &[ClassGame<'_>]) -> f64 {
    let weights = games.iter().map(|game| game.game.eta().kl_weight());
    weights.fold(f64::INFINITY, f64::min)
}

/// 1/(τ + B) for the largest τ and B.
fn first_step(games: &[ClassGame<'_>]) -> f64 {
    let slopes =
        games.iter().map(|game| game.game.eta().kl_weight() + game.game.payoff().payoff_bound());
    1.0 / slopes.fold(0.0, f64::max)
}
