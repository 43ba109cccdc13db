//! Policies of all prompts as one vector: slopes, displacements, their products, and the targets of a step.
//!
//! ```text
//! slope c = ω π∘(g − E_π g)       displacement v = change of log π       ⟨c, v⟩ = what the mean falls by to first order
//! |v|² = Σ_x ω_x Var_π(v)         the Fisher metric: twice the divergence to second order
//! ```
//! A slope is what is left of any parameters' gradient: `∇_θ = Σ_a (c_a/ω_x) ∇_θ log π_a` prompt by prompt.
//! Targets move `π` by `φ`, linear for what is played: see `descent`.

use super::ClassGame;
use nlhf_core::{Distribution, Policy, Target};
use rayon::prelude::*;

/// Log-ratio in nats of what is never played to its reference, where a step needs a number.
const LOWEST: f64 = -745.0;
/// Probability below which a response is hardly played: it may grow by more than slopes tell.
const HARDLY: f64 = 1e-8;
/// The u from which on φ is linear.
const LEAST: f64 = -0.9;
/// The largest u of what is hardly played.
const LARGEST: f64 = 20.0;

/// Games, weights divided by their sum, and where each prompt begins in a vector of all.
pub(super) struct Geometry<'a> {
    pub(super) games: &'a [ClassGame<'a>],
    shares: Vec<f64>,
    offsets: Vec<usize>,
}

impl<'a> Geometry<'a> {
    pub(super) fn new(games: &'a [ClassGame<'a>]) -> Self {
        let largest = games.iter().map(|game| game.weight.get()).fold(0.0, f64::max);
        let scaled = |game: &ClassGame<'_>| game.weight.get() / largest;
        let total: f64 = games.iter().map(scaled).sum();
        let share = |game: &ClassGame<'_>| if largest > 0.0 { scaled(game) / total } else { 0.0 };
        let mut offsets = vec![0];
        for game in games {
            offsets.push(offsets[offsets.len() - 1] + game.menu.len());
        }
        Self { games, shares: games.iter().map(share).collect(), offsets }
    }

    /// Where a prompt stands in a vector of all.
    pub(super) fn range(&self, x: usize) -> std::ops::Range<usize> {
        self.offsets[x]..self.offsets[x + 1]
    }

    /// `ω_x`.
    pub(super) fn share(&self, x: usize) -> f64 {
        self.shares[x]
    }

    /// The smallest τ of the games.
    pub(super) fn least_kl_weight(&self) -> f64 {
        let weights = self.games.iter().map(|game| game.game.eta().kl_weight());
        weights.fold(f64::INFINITY, f64::min)
    }

    /// 1/(τ + B) for the game where it is least.
    pub(super) fn first_step(&self) -> f64 {
        let slopes = self.games.iter().map(|game| {
            let game = &game.game;
            game.eta().kl_weight() + game.payoff().payoff_bound()
        });
        1.0 / slopes.fold(0.0, f64::max)
    }

    /// The smallest η: a whole best response.
    pub(super) fn longest_step(&self) -> f64 {
        let steps = self.games.iter().map(|game| game.game.eta().get());
        steps.fold(f64::INFINITY, f64::min)
    }

    /// The longest step along a slope that leaves φ linear for all that is played: longer ones have fixed points that are off.
    pub(super) fn longest_linear(&self, played: &[Distribution], slope: &[f64]) -> f64 {
        let mut steepest: f64 = 0.0;
        for (x, (played, share)) in played.iter().zip(&self.shares).enumerate() {
            for (log_p, slope) in played.log_probabilities().iter().zip(&slope[self.range(x)]) {
                let p = log_p.exp();
                if p >= HARDLY && *share > 0.0 {
                    steepest = steepest.max(-slope / (share * p));
                }
            }
        }
        if steepest > 0.0 { -LEAST / steepest } else { f64::INFINITY }
    }

    /// What a policy plays on each prompt.
    pub(super) fn play(&self, policy: &impl Policy) -> Vec<Distribution> {
        self.games.par_iter().map(|game| policy.distribution(game.menu)).collect()
    }

    /// `Σ ω_x value_x` over what counts, rounded up by a bound on the rounding of the sum; zero without any weight.
    pub(super) fn mean_up(&self, values: impl Iterator<Item = f64>) -> f64 {
        let (mut mean, mut size) = (0.0, 0.0);
        for (share, value) in self.shares.iter().zip(values).filter(|(share, _)| **share > 0.0) {
            mean += share * value;
            size += share * value.abs();
        }
        mean + 2.0 * (self.shares.len() + 4) as f64 * f64::EPSILON * size
    }

    /// `ω π∘(g − E_π g)`.
    pub(super) fn slope(&self, played: &[Distribution], gains: &[Vec<f64>]) -> Vec<f64> {
        let prompts = played.iter().zip(gains).zip(&self.shares);
        let entries = prompts.flat_map(|((played, gains), share)| {
            let middle = expectation(played, gains);
            let entries = played.log_probabilities().iter().zip(gains);
            entries.map(move |(log_p, gain)| share * log_p.exp() * (gain - middle))
        });
        entries.collect()
    }

    /// `|v|²` at a policy.
    pub(super) fn squared_norm(&self, played: &[Distribution], moved: &[f64]) -> f64 {
        let prompts = played.iter().zip(&self.shares).zip(self.offsets.windows(2));
        let terms = prompts.map(|((played, share), at)| {
            let moved = &moved[at[0]..at[1]];
            let middle = expectation(played, moved);
            let squares: Vec<f64> = moved.iter().map(|v| (v - middle) * (v - middle)).collect();
            share * expectation(played, &squares)
        });
        terms.sum()
    }

    /// The targets of a step from `played` by a displacement, and by a slope times α.
    ///
    /// `gains` stand in for the slope where next to nothing is played, or where nothing counts.
    pub(super) fn targets(
        &self,
        played: &[Distribution],
        gains: &[Vec<f64>],
        step: &Step<'_>,
    ) -> Vec<Target<'a>> {
        let prompts = (0..self.games.len()).into_par_iter();
        let targets = prompts.map(|x| {
            let at = self.range(x);
            let parts = (&step.moved[at.clone()], &step.slope[at]);
            let distribution = self.target(x, &played[x], &gains[x], parts, step.length);
            Target { menu: self.games[x].menu, distribution, weight: self.games[x].weight }
        });
        targets.collect()
    }

    fn target(
        &self,
        x: usize,
        played: &Distribution,
        gains: &[f64],
        (moved, slope): (&[f64], &[f64]),
        length: f64,
    ) -> Distribution {
        let log_reference = self.games[x].game.reference().row.log_probabilities();
        let (middle, share) = (expectation(played, gains), self.shares[x]);
        let probabilities = played.probabilities();
        let hardly = |a: usize| probabilities[a] < HARDLY || share == 0.0;
        let wanted = |a: usize| {
            let gain =
                if hardly(a) { gains[a] - middle } else { slope[a] / (share * probabilities[a]) };
            moved[a] + length * gain
        };
        let wanted: Vec<f64> = (0..played.len()).map(wanted).collect();
        let center = expectation(played, &wanted);
        let logit = |a: usize| {
            if log_reference[a] == f64::NEG_INFINITY {
                return f64::NEG_INFINITY;
            }
            let log_p = played.log_probabilities()[a].max(log_reference[a] + LOWEST);
            log_p + log_growth(wanted[a] - center, hardly(a))
        };
        let target = Distribution::from_logits((0..played.len()).map(logit).collect());
        // Without one finite logit there is no step to make here.
        target.unwrap_or_else(|_| played.clone())
    }
}

/// A displacement, and a slope to follow for a length.
pub(super) struct Step<'a> {
    pub(super) moved: &'a [f64],
    pub(super) slope: &'a [f64],
    pub(super) length: f64,
}

/// Changes of log-probabilities, all prompts in a row; zero for what is not played at one of the ends.
pub(super) fn displacement(from: &[Distribution], to: &[Distribution]) -> Vec<f64> {
    let prompts = from.iter().zip(to);
    let entries = prompts.flat_map(|(from, to)| {
        let entries = from.log_probabilities().iter().zip(to.log_probabilities());
        entries.map(|(from, to)| if (to - from).is_finite() { to - from } else { 0.0 })
    });
    entries.collect()
}

/// The gains of each response against an opponent's policy, less what its log-ratio to the reference costs:
/// `Mq − (log π/π₀)/η`.
pub(super) fn net_gains(game: &ClassGame<'_>, played: &Distribution, opponent: &[f64]) -> Vec<f64> {
    let mut gains = vec![0.0; played.len()];
    game.game.payoff().apply(opponent, &mut gains);
    let tau = game.game.eta().kl_weight();
    let log_reference = game.game.reference().row.log_probabilities();
    let logs = played.log_probabilities().iter().zip(log_reference);
    for (gain, (log_p, log_r)) in gains.iter_mut().zip(logs) {
        // What the reference never plays is never aimed at.
        let ratio = if *log_r == f64::NEG_INFINITY { 0.0 } else { (log_p - log_r).max(LOWEST) };
        *gain -= tau * ratio;
    }
    gains
}

pub(super) fn dot(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(x, y)| x * y).sum()
}

/// `log φ(u)`.
fn log_growth(u: f64, hardly_played: bool) -> f64 {
    if u < LEAST {
        (u - LEAST) / (1.0 + LEAST) + LEAST.ln_1p()
    } else if u > 1.0 && hardly_played {
        std::f64::consts::LN_2 + 0.5 * (u.min(LARGEST) - 1.0)
    } else {
        u.ln_1p()
    }
}

fn expectation(played: &Distribution, values: &[f64]) -> f64 {
    let terms = played.log_probabilities().iter().zip(values);
    terms.map(|(log_p, value)| log_p.exp() * value).sum()
}

#[cfg(test)]
mod tests {
    use super::log_growth;

    #[test]
    fn growth_is_smooth_where_its_pieces_meet() {
        for (u, hardly) in [(-0.9, false), (-0.9, true), (1.0, true)] {
            let (left, right) = (log_growth(u - 1e-7, hardly), log_growth(u + 1e-7, hardly));
            let slope = (right - left) / 2e-7 * log_growth(u, hardly).exp();
            assert!((slope - 1.0).abs() < 1e-6, "{u}: {slope}");
        }
        assert!(log_growth(-1e9, false) < -1e9 && log_growth(1e9, true) < 12.0);
    }
}
