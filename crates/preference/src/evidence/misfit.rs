//! Whether data contradict a model: an e-value, valid for every number of labels.
//!
//! ```text
//! KT = B(w + ½, n − w + ½)/B(½, ½)                     a pair with n labels and w wins, of any probability (Krichevsky, Trofimov)
//! log E = Σ_pairs [ln KT − max_t (w ln σ(t) + (n − w) ln σ(−t))],   t the log-odds that the model allows
//!       = Σ_pairs [n KL(w/n ‖ σ(t)) − ½ ln(πn/2) + r(w) + r(n − w) − s(n)]
//! r(a) = ln Γ(a + ½) − a ln a + a − ½ ln 2π,           s(n) = ln Γ(n + 1) − n ln n + n − ½ ln 2πn
//! ```
//! Why: KT is the mean of `Π p^y (1 − p)^(1−y)` over p from the arcsine law. Divided by the likelihood of the truth it is a
//! supermartingale that starts at 1, whichever pair is asked next: `(p/p*)^y ((1 − p)/(1 − p*))^(1−y)` has mean 1 for a
//! win or a loss, and no more for a soft label of mean p*, being convex in y. By Ville's inequality it ever exceeds 1/δ with
//! probability δ at most. If the truth is allowed, E is no larger. Weights count as repetitions, of which the label is
//! the mean; weights below one are safe too. The price, `½ ln(πn/2)` nats a pair, is paid by all pairs: pairs of
//! which each has a vote or two contradict nothing.
//!
//! The second form loses no digits to large n. Sources: Krichevsky and Trofimov (1981); Ville (1939).

use crate::PairCounts;
use nlhf_core::logistic::{log_loss, logit, sigmoid};
use nlhf_core::{Confidence, ConfidenceWidth, PromptId, ResponseId};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::f64::consts::FRAC_PI_2;

/// A pair whose labels a model does not explain.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Contradiction {
    /// The prompt.
    pub prompt: PromptId,
    /// The response with the lower id.
    pub low: ResponseId,
    /// The response with the higher id.
    pub high: ResponseId,
    /// The weight of its labels.
    pub weight: f64,
    /// How often the lower one won, in [0, 1].
    pub observed: f64,
    /// How often the estimate has it win, in (0, 1).
    pub believed: f64,
    /// Its part of [`Misfit::estimate_nats`], positive.
    pub nats: f64,
}

/// How strongly data contradict a model, as logarithms of e-values.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Misfit {
    /// Against the estimate itself. Where that is the likeliest of its class, finite or fitted without a ridge, `ln(1/δ)`
    /// rejects the whole class with confidence 1 − δ: any truth in it would be less likely still. Of an estimate that a
    /// ridge of λ holds it says that this estimate does not explain the data, and rejects the class from
    /// `ln(1/δ) + λ‖θ*‖²/2` on.
    pub estimate_nats: f64,
    /// Against everything within the widths. `ln(1/δ)` says that the intervals that all bounds rest on do not hold: with
    /// intervals of confidence 1 − δ this is wrong with probability 2δ at most.
    pub intervals_nats: f64,
    /// Pairs that were compared.
    pub n_pairs: usize,
    /// The pairs that contradict the estimate most, at most [`Misfit::NAMED`].
    pub pairs: Vec<Contradiction>,
}

impl Misfit {
    /// Pairs that are named at most.
    pub const NAMED: usize = 5;

    /// Whether the data contradict the estimate.
    pub fn rejects_estimate(&self, confidence: Confidence) -> bool {
        self.estimate_nats >= -confidence.failure_probability().ln()
    }

    /// Whether the data contradict the intervals around it.
    pub fn rejects_intervals(&self, confidence: Confidence) -> bool {
        self.intervals_nats >= -confidence.failure_probability().ln()
    }
}

/// The misfit of a model on the data that it was fitted to; `None` without data.
///
/// An effect of the presentation order is no part of it: where one was fitted and each pair was shown in one order only, it
/// may look like a misfit.
pub fn misfit<M: ConfidenceWidth + ?Sized>(model: &M, counts: &PairCounts) -> Option<Misfit> {
    if counts.pairs().is_empty() {
        return None;
    }
    let pairs = counts.pairs().par_iter().map(|pair| {
        let (n, wins) = (pair.weight, pair.wins.clamp(0.0, pair.weight));
        let observed = wins / n;
        let estimate = model.log_odds(pair.prompt, pair.low, pair.high);
        let width = model.log_odds_width(pair.prompt, pair.low, pair.high);
        let price = price(wins, n - wins);
        let against = |t: f64| n * divergence(observed, t) - price;
        let allowed = logit(observed).clamp(estimate - width, estimate + width);
        let contradiction = Contradiction {
            prompt: pair.prompt,
            low: pair.low,
            high: pair.high,
            weight: n,
            observed,
            believed: sigmoid(estimate),
            nats: against(estimate),
        };
        (contradiction, against(allowed))
    });
    let pairs: Vec<(Contradiction, f64)> = pairs.collect();
    let estimate_nats = pairs.iter().map(|(pair, _)| pair.nats).sum();
    let intervals_nats = pairs.iter().map(|(_, nats)| nats).sum();
    let n_pairs = pairs.len();
    let mut named: Vec<Contradiction> =
        pairs.into_iter().map(|(pair, _)| pair).filter(|pair| pair.nats > 0.0).collect();
    named.sort_by(|a, b| b.nats.total_cmp(&a.nats));
    named.truncate(Misfit::NAMED);
    Some(Misfit { estimate_nats, intervals_nats, n_pairs, pairs: named })
}

/// `KL(p ‖ σ(t))`, at t = ±∞ too where p is 0 or 1.
fn divergence(p: f64, t: f64) -> f64 {
    if t.is_infinite() {
        return 0.0;
    }
    let entropy = -(x_ln_x(p) + x_ln_x(1.0 - p));
    (log_loss(t, p) - entropy).max(0.0)
}

fn x_ln_x(x: f64) -> f64 {
    if x > 0.0 { x * x.ln() } else { 0.0 }
}

/// What KT pays for not knowing p: the log-likelihood of the observed rate less ln KT, of wins and losses that sum to more
/// than zero.
fn price(wins: f64, losses: f64) -> f64 {
    let n = wins + losses;
    0.5 * (FRAC_PI_2 * n).ln() - remainder_at_half(wins) - remainder_at_half(losses) + remainder(n)
}

/// Below it Stirling's series, which is asymptotic, is not used.
const LARGE: f64 = 16.0;

/// `ln Γ(a + ½) − a ln a + a − ½ ln 2π`, a ≥ 0.
fn remainder_at_half(mut a: f64) -> f64 {
    let mut sum = 0.0;
    while a < LARGE {
        sum += x_ln_x(a + 1.0) - x_ln_x(a) - 1.0 - (a + 0.5).ln();
        a += 1.0;
    }
    let x = 1.0 / (a * a);
    let series =
        7.0 / 2880.0 - x * (31.0 / 40320.0 - x * (127.0 / 215_040.0 - x * 511.0 / 608_256.0));
    sum + (-1.0 / 24.0 + x * series) / a
}

/// `ln Γ(n + 1) − n ln n + n − ½ ln 2πn`, n > 0.
fn remainder(mut n: f64) -> f64 {
    let mut sum = 0.0;
    while n < LARGE {
        sum += (n + 0.5) * (1.0 / n).ln_1p() - 1.0;
        n += 1.0;
    }
    let x = 1.0 / (n * n);
    let series = 1.0 / 360.0 - x * (1.0 / 1260.0 - x * (1.0 / 1680.0 - x / 1188.0));
    sum + (1.0 / 12.0 - x * series) / n
}

#[cfg(test)]
mod tests {
    use super::*;

    /// ln KT by its product, in exact order: `Π (i − ½) Π (j − ½) / n!`.
    fn exact(wins: u32, losses: u32) -> f64 {
        let mut all: Vec<f64> = (1..=wins).chain(1..=losses).map(|i| f64::from(i) - 0.5).collect();
        all.sort_by(f64::total_cmp);
        let factors = all.iter().zip(1..).map(|(x, k)| (x / f64::from(k)).ln());
        factors.sum()
    }

    fn ln_kt(wins: f64, losses: f64) -> f64 {
        let n = wins + losses;
        x_ln_x(wins) + x_ln_x(losses) - x_ln_x(n) - price(wins, losses)
    }

    #[test]
    fn the_mixture_is_the_product_of_its_predictions() {
        for wins in 0..60 {
            for losses in 0..60 {
                if wins + losses > 0 {
                    let (got, want) = (ln_kt(wins.into(), losses.into()), exact(wins, losses));
                    assert!((got - want).abs() < 1e-13 * (1.0 + want.abs()), "{got} and {want}");
                }
            }
        }
        assert!((ln_kt(4000.0, 1000.0) - exact(4000, 1000)).abs() < 1e-9);
        // Whatever is split off is worth its place: halves as real numbers.
        for (w, l) in [(0.5, 0.5), (1e-3, 2.0), (1e6, 3.25), (15.999_999, 16.000_001)] {
            let step = ln_kt(w + 1.0, l) - ln_kt(w, l);
            assert!((step - ((w + 0.5) / (w + l + 1.0)).ln()).abs() < 1e-8, "{step}");
        }
        // Nothing is lost to large numbers: ½ ln(πn/2), for even odds.
        let n: f64 = 1e15;
        assert!((price(0.5 * n, 0.5 * n) - 0.5 * (FRAC_PI_2 * n).ln()).abs() < 1e-12);
        assert!((price(1e-9, 0.0)).abs() < 1e-8);
    }

    #[test]
    fn an_e_value_has_mean_one() {
        // All outcomes of n votes under the truth p.
        for n in 1..20_u32 {
            for p in [0.1, 0.5, 0.93] {
                let mut binomial = (1.0_f64 - p).powi(n.cast_signed());
                let mut mean = 0.0;
                for wins in 0..=n {
                    let (w, l) = (f64::from(wins), f64::from(n - wins));
                    let nats = f64::from(n) * divergence(w / f64::from(n), logit(p)) - price(w, l);
                    mean += binomial * nats.exp();
                    binomial *= l / (w + 1.0) * p / (1.0 - p);
                }
                assert!((mean - 1.0).abs() < 1e-12, "{mean}");
            }
        }
    }
}
