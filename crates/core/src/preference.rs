//! Preference models: what is believed about `P(first ≻ second | prompt)`, and how surely.
//!
//! ```text
//! R(x, a, b) = log-odds of a ≻ b,   R(x, a, b) = −R(x, b, a)
//! |R̂ − R*|(x, a, b) ≤ width(x, a, b)   for all pairs at once, with the stated confidence
//! ```
//! Source: Ye et al. (arXiv 2402.07314), sections 2 and 3.

use crate::game::{DenseGame, Profile, RegularizedGame, ZeroSumGame};
use crate::logistic::sigmoid;
use crate::{Distribution, Eta, Menu, PromptId, ResponseId, Scale, VersionSpace};

/// A preference between responses. One method to write; all others are built on it.
///
/// # Laws
/// * `log_odds(x, a, b)` is finite and equals `−log_odds(x, b, a)` to the last bit.
/// * `payoff` is skew to the last bit on both scales.
pub trait PreferenceModel: Send + Sync {
    /// The log-odds that `first` is preferred to `second`, in nats.
    fn log_odds(&self, prompt: PromptId, first: ResponseId, second: ResponseId) -> f64;

    /// The probability that `first` is preferred to `second`.
    fn probability(&self, prompt: PromptId, first: ResponseId, second: ResponseId) -> f64 {
        sigmoid(self.log_odds(prompt, first, second))
    }

    /// The centred payoff of `first` against `second`: `P − ½`, or the log-odds.
    ///
    /// Override it where `P` is known without a detour through bounded log-odds.
    fn payoff(&self, prompt: PromptId, first: ResponseId, second: ResponseId, scale: Scale) -> f64 {
        let log_odds = self.log_odds(prompt, first, second);
        scale.payoff(log_odds)
    }

    /// The symmetric game that this preference is on a menu. Override it for a faster batch.
    fn game(&self, menu: Menu<'_>, scale: Scale) -> DenseGame {
        let responses = menu.responses();
        DenseGame::skew_from_upper(menu.len(), |i, j| {
            self.payoff(menu.prompt(), responses[i], responses[j], scale)
        })
    }
}

impl<M: PreferenceModel + ?Sized> PreferenceModel for &M {
    fn log_odds(&self, prompt: PromptId, first: ResponseId, second: ResponseId) -> f64 {
        (**self).log_odds(prompt, first, second)
    }
    fn probability(&self, prompt: PromptId, first: ResponseId, second: ResponseId) -> f64 {
        (**self).probability(prompt, first, second)
    }
    fn payoff(&self, prompt: PromptId, a: ResponseId, b: ResponseId, scale: Scale) -> f64 {
        (**self).payoff(prompt, a, b, scale)
    }
    fn game(&self, menu: Menu<'_>, scale: Scale) -> DenseGame {
        (**self).game(menu, scale)
    }
}

/// How much a policy loses against its best competitor under a known preference, in units of the
/// payoff: `sub(π) = J* − min_q J(π, q)`, zero for the Nash policy only.
///
/// `policy` and `reference` are over the menu's responses.
///
/// # Panics
/// If a distribution does not have one entry a response.
pub fn suboptimality<M: PreferenceModel + ?Sized>(
    preference: &M,
    menu: Menu<'_>,
    reference: &Distribution,
    eta: Eta,
    scale: Scale,
    policy: &Distribution,
) -> f64 {
    let payoff = preference.game(menu, scale);
    let reference = Profile::symmetric(reference.clone());
    let game = RegularizedGame::new(&payoff, &reference, eta)
        .expect("the reference has one entry a response");
    game.certify(&Profile::symmetric(policy.clone())).column_regret
}

/// `max(A − width, floor)` of each pair, `widths` row-major like the payoffs.
///
/// # Panics
/// If there is not one width a payoff, or one is not finite.
pub fn pessimistic_payoffs(estimate: &DenseGame, widths: &[f64], floor: f64) -> DenseGame {
    assert_eq!(widths.len(), estimate.entries().len(), "one width a payoff");
    let ncols = estimate.ncols();
    let lowered = estimate.map_entries(|i, j, payoff| (payoff - widths[i * ncols + j]).max(floor));
    lowered.expect("payoffs and widths are finite")
}

/// The slopes of `Σ_{a < b} |p_a q_b − p_b q_a| width(a, b)` in q, one a response, with `widths` row-major: what
/// [`ConfidenceWidth::policy_width_slopes`] is where errors of different pairs do not hang together.
///
/// # Panics
/// If the policies do not have as many entries as there are rows of widths.
pub fn pairwise_slopes(widths: &[f64], first: &Distribution, second: &Distribution) -> Vec<f64> {
    let (p, q) = (first.probabilities(), second.probabilities());
    let n = p.len();
    assert!(q.len() == n && widths.len() == n * n, "policies over the responses of the menu");
    let slope = |j: usize| -> f64 {
        let term = |i: usize| {
            let apart = p[i] * q[j] - p[j] * q[i];
            let sign = if apart == 0.0 { 0.0 } else { apart.signum() };
            sign * p[i] * widths[i * n + j]
        };
        (0..n).map(term).sum()
    };
    (0..n).map(slope).collect()
}

/// A preference model that knows how far off it may be. One method to write.
///
/// # Laws
/// * A width is finite, non-negative, symmetric in the two responses, and zero where they are the same.
/// * `|log_odds| ≤ log_odds_bound`.
pub trait ConfidenceWidth: PreferenceModel {
    /// The half-width `βΓ(x, a, b)` of the confidence interval of the log-odds, in nats.
    fn log_odds_width(&self, prompt: PromptId, first: ResponseId, second: ResponseId) -> f64;

    /// The bound `B ≥ |R*|` that the widths assume, +∞ if they assume none: no lower confidence bound
    /// needs to lie below `−B`.
    fn log_odds_bound(&self) -> f64 {
        f64::INFINITY
    }

    /// The half-width on either scale, by default [`Scale::width`] of that of the log-odds.
    fn width(&self, prompt: PromptId, first: ResponseId, second: ResponseId, scale: Scale) -> f64 {
        let width = self.log_odds_width(prompt, first, second);
        scale.width(self.log_odds(prompt, first, second), width)
    }

    /// The half-widths of all pairs of a menu, `n × n` row-major. Override it for a faster batch.
    fn widths(&self, menu: Menu<'_>, scale: Scale) -> Vec<f64> {
        let (n, responses) = (menu.len(), menu.responses());
        let mut widths = vec![0.0; n * n];
        for i in 0..n {
            for j in i + 1..n {
                let width = self.width(menu.prompt(), responses[i], responses[j], scale);
                widths[i * n + j] = width;
                widths[j * n + i] = width;
            }
        }
        widths
    }

    /// The half-widths of all pairs were the confidence multiplier `factor ≥ 0` times what it is: with 1 those of
    /// [`ConfidenceWidth::widths`], with less intervals of less confidence, for exploring and not for bounds.
    ///
    /// Override it where widths are cut off at what log-odds can be, to scale before that: a pair of which nothing is known
    /// then stays unknown. This one scales what is left of them.
    fn scaled_widths(&self, menu: Menu<'_>, scale: Scale, factor: f64) -> Vec<f64> {
        let mut widths = self.widths(menu, scale);
        for width in &mut widths {
            *width *= factor;
        }
        widths
    }

    /// The half-width of `E R(x, a, b)` over `a` of one policy and `b` of another, in nats.
    ///
    /// ```text
    /// E R = Σ_{a < b} (p_a q_b − p_b q_a) R(a, b),   width ≤ Σ_{a < b} |p_a q_b − p_b q_a| width(a, b)
    /// ```
    /// At most the mean of the widths of single pairs, and zero for a policy against itself, whose mean preference is
    /// known. Override it where errors of different pairs hang together. The policies are over the menu's responses.
    ///
    /// # Panics
    /// If a policy does not have one entry a response.
    fn policy_width(&self, menu: Menu<'_>, first: &Distribution, second: &Distribution) -> f64 {
        let (n, widths) = (menu.len(), self.widths(menu, Scale::LogOdds));
        let (p, q) = (first.probabilities(), second.probabilities());
        assert!(p.len() == n && q.len() == n, "policies over the responses of the menu");
        let pairs = (0..n).flat_map(|i| (0..i).map(move |j| (i, j)));
        pairs.map(|(i, j)| (p[i] * q[j] - p[j] * q[i]).abs() * widths[i * n + j]).sum()
    }

    /// The slopes of [`ConfidenceWidth::policy_width`] in the probabilities of `second`, one a response, in nats: where it
    /// has a kink, some slope between those of its sides. The width is homogeneous, so that it is the mean of its slopes
    /// under `second`. Override it with `policy_width`.
    ///
    /// # Panics
    /// If a policy does not have one entry a response.
    fn policy_width_slopes(
        &self,
        menu: Menu<'_>,
        first: &Distribution,
        second: &Distribution,
    ) -> Vec<f64> {
        pairwise_slopes(&self.widths(menu, Scale::LogOdds), first, second)
    }

    /// The payoffs `M = max(R̂ − width, −B)`, no larger than the truth with the stated confidence.
    ///
    /// The widths are symmetric, so that `M` is not skew: what is feared of `a` against `b` and of `b`
    /// against `a` do not cancel. With it `−min_q J_M(π, q)` bounds the suboptimality of any `π`,
    /// because the value of the true game is zero (Ye et al., arXiv 2402.07314, section 3).
    ///
    /// # Panics
    /// If a width is not finite, against the law of this trait.
    fn pessimistic_game(&self, menu: Menu<'_>, scale: Scale) -> DenseGame {
        let floor = self.payoff_floor(scale);
        pessimistic_payoffs(&self.game(menu, scale), &self.widths(menu, scale), floor)
    }

    /// What no true payoff lies below: −½ for probabilities, −B for log-odds.
    fn payoff_floor(&self, scale: Scale) -> f64 {
        match scale {
            Scale::Probability => -0.5,
            Scale::LogOdds => -self.log_odds_bound(),
        }
    }

    /// The finite set of preferences that this model takes the truth to be one of, if it knows one.
    fn version_space(&self) -> Option<&dyn VersionSpace> {
        None
    }
}

impl<M: ConfidenceWidth + ?Sized> ConfidenceWidth for &M {
    fn log_odds_width(&self, prompt: PromptId, first: ResponseId, second: ResponseId) -> f64 {
        (**self).log_odds_width(prompt, first, second)
    }
    fn log_odds_bound(&self) -> f64 {
        (**self).log_odds_bound()
    }
    fn width(&self, prompt: PromptId, a: ResponseId, b: ResponseId, scale: Scale) -> f64 {
        (**self).width(prompt, a, b, scale)
    }
    fn widths(&self, menu: Menu<'_>, scale: Scale) -> Vec<f64> {
        (**self).widths(menu, scale)
    }
    fn scaled_widths(&self, menu: Menu<'_>, scale: Scale, factor: f64) -> Vec<f64> {
        (**self).scaled_widths(menu, scale, factor)
    }
    fn policy_width(&self, menu: Menu<'_>, first: &Distribution, second: &Distribution) -> f64 {
        (**self).policy_width(menu, first, second)
    }
    fn policy_width_slopes(
        &self,
        menu: Menu<'_>,
        first: &Distribution,
        second: &Distribution,
    ) -> Vec<f64> {
        (**self).policy_width_slopes(menu, first, second)
    }
    fn pessimistic_game(&self, menu: Menu<'_>, scale: Scale) -> DenseGame {
        (**self).pessimistic_game(menu, scale)
    }
    fn payoff_floor(&self, scale: Scale) -> f64 {
        (**self).payoff_floor(scale)
    }
    fn version_space(&self) -> Option<&dyn VersionSpace> {
        (**self).version_space()
    }
}
