//! What Davidson's model answers, once fitted.
//!
//! ```text
//! P = P(a ≻ b) + P(tie)/2,   R = log (e^{t/2} + ν/2) / (e^{−t/2} + ν/2),   t = r(a) − r(b),   |R| ≤ |t|
//! ∂R/∂t = (w + l)/2,  ∂R/∂ζ = l − w,   w = e^{t/2}/(e^{t/2} + ν/2),  l = e^{−t/2}/(e^{−t/2} + ν/2)
//! width = β √(∇R' H⁻¹ ∇R)                  the delta method, H the Hessian in the scores, ζ and γ
//! ```
//! Ties pull the log-odds towards zero: they are not the difference of scores, as they are under Bradley-Terry, and
//! not additive along a chain of responses, but just as transitive.

use nalgebra::DMatrix;
use nlhf_core::{ConfidenceWidth, PreferenceModel, PromptId, ResponseId};
use serde::{Deserialize, Serialize};

/// How readily judges call it even, `ζ = log ν`.
///
/// If nothing is a tie ν is next to zero, and its logarithm has a standard error of many nats.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct TieParameter {
    /// `ζ`, in nats.
    pub log_nu: f64,
    /// The standard error of ζ, from the inverse of the Hessian.
    pub standard_error: f64,
}

impl TieParameter {
    /// ν.
    pub fn nu(self) -> f64 {
        self.log_nu.exp()
    }

    /// `ν/(2 + ν)`, the probability that equals tie.
    pub fn rate_of_equals(self) -> f64 {
        1.0 / (1.0 + 2.0 * (-self.log_nu).exp())
    }

    /// The standard error of that rate, by the delta method: `rate (1 − rate) se(ζ)`.
    pub fn rate_standard_error(self) -> f64 {
        let rate = self.rate_of_equals();
        rate * (1.0 - rate) * self.standard_error
    }
}

/// Scores and the tie parameter, with what is known of their errors.
#[derive(Debug, Clone, PartialEq)]
pub struct DavidsonModel {
    pub(crate) scores: Vec<f64>,
    /// Of each response, its group and its place in it; `None` if it was never compared.
    pub(crate) places: Vec<Option<(usize, usize)>>,
    pub(crate) groups: Vec<Group>,
    pub(crate) ties: TieParameter,
    pub(crate) beta: f64,
    pub(crate) log_odds_bound: f64,
}

/// The covariance of the scores of one group, and of each with ζ.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Group {
    pub(crate) covariance: DMatrix<f64>,
    pub(crate) with_ties: Vec<f64>,
}

/// `R(t, ν)`, exactly odd in t.
pub(super) fn preference(t: f64, nu: f64) -> f64 {
    let half = 0.5 * t.abs();
    let size = (2.0 * half.sinh() / ((-half).exp() + 0.5 * nu)).ln_1p().min(t.abs());
    if t < 0.0 { -size } else { size }
}

impl DavidsonModel {
    /// The score of a response in nats, 0 if it was never compared.
    pub fn score(&self, response: ResponseId) -> f64 {
        self.scores.get(response.index()).copied().unwrap_or(0.0)
    }

    /// How readily judges call it even.
    pub fn ties(&self) -> TieParameter {
        self.ties
    }

    /// The probability that the two are judged even.
    pub fn tie_probability(&self, first: ResponseId, second: ResponseId) -> f64 {
        let half = 0.5 * (self.score(first) - self.score(second)).abs();
        1.0 / (1.0 + 2.0 * half.cosh() * (-self.ties.log_nu).exp())
    }

    fn place(&self, response: ResponseId) -> Option<(usize, usize)> {
        self.places.get(response.index()).copied().flatten()
    }

    /// The standard error of the log-odds of `low` against `high`; +∞ if they are not tied together.
    fn deviation(&self, low: ResponseId, high: ResponseId) -> f64 {
        let (Some((g, i)), Some((h, j))) = (self.place(low), self.place(high)) else {
            return f64::INFINITY;
        };
        if g != h {
            return f64::INFINITY;
        }
        let Group { covariance, with_ties } = &self.groups[g];
        let (t, nu) = (self.score(low) - self.score(high), self.ties.nu());
        let (up, down) = ((0.5 * t).exp(), (-0.5 * t).exp());
        let (won, lost) = (up / (up + 0.5 * nu), down / (down + 0.5 * nu));
        let (along, across) = (0.5 * (won + lost), lost - won);
        let variance =
            covariance[(i, i)] + covariance[(j, j)] - 2.0 * covariance[(i.min(j), i.max(j))];
        let shared = with_ties[i] - with_ties[j];
        let ties = self.ties.standard_error * self.ties.standard_error;
        let sum = along * along * variance + 2.0 * along * across * shared + across * across * ties;
        sum.max(0.0).sqrt()
    }
}

impl PreferenceModel for DavidsonModel {
    fn log_odds(&self, _: PromptId, first: ResponseId, second: ResponseId) -> f64 {
        preference(self.score(first) - self.score(second), self.ties.nu())
    }
}

impl ConfidenceWidth for DavidsonModel {
    /// `β` standard errors, exact in the limit of many labels only.
    fn log_odds_width(&self, prompt: PromptId, first: ResponseId, second: ResponseId) -> f64 {
        if first == second {
            return 0.0;
        }
        let (low, high) = (first.min(second), first.max(second));
        let most = self.log_odds_bound + self.log_odds(prompt, low, high).abs();
        let deviation = self.deviation(low, high);
        if deviation.is_finite() { (self.beta * deviation).min(most) } else { most }
    }

    fn log_odds_bound(&self) -> f64 {
        self.log_odds_bound
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_odds_are_those_of_a_win_and_half_a_tie() {
        for t in [-3.0, -1e-9, 0.0, 0.4, 12.0_f64] {
            for nu in [1e-12, 0.3, 1.0, 40.0_f64] {
                let (won, lost) = ((0.5 * t).exp(), (-0.5 * t).exp());
                let direct = ((won + 0.5 * nu) / (lost + 0.5 * nu)).ln();
                assert!((preference(t, nu) - direct).abs() < 1e-14, "{t} {nu}");
                assert!(preference(t, nu).to_bits() == (-preference(-t, nu)).to_bits() || t == 0.0);
                assert!(preference(t, nu).abs() <= t.abs());
            }
        }
    }
}
