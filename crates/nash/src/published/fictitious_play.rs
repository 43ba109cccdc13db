//! Smooth fictitious play: a regularized best response to the average of the opponent's past.
//!
//! ```text
//! π_{t+1} ∝ π₀ exp(ηAπ̄_t),      π̄_t = (π_0 + … + π_t)/(t + 1), which is returned
//! ```
//! Fudenberg and Levine, The Theory of Learning in Games, MIT Press, 1998, chapter 4. The average converges to
//! the regularized equilibrium: from the reference, after T iterations,
//!
//! ```text
//! Gap(π̄_T, π̄_T) ≤ 4ηB² (1 + log(T + 1))/(T + 1)
//! ```
//! This follows the leader on losses −p'Aqₜ + τ KL(p‖π₀), whose regret is at most the sum of the t·τ·KL(πₜ‖πₜ₊₁).
//! Both are tilts of π₀, by payoffs whose means differ by a span of 4B/t, so that Hoeffding's lemma bounds
//! term t by 2ηB²/t. One product an iteration and player.

use super::driver::{Method, Update};
use super::play::{Average, Play};
use super::{Limits, Published, Target};

/// Smooth fictitious play; returns the average policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SmoothFictitiousPlay;

impl SmoothFictitiousPlay {
    /// The method as a solver.
    pub fn solver(self, limits: Limits) -> Published {
        Published::new(self, limits)
    }
}

impl Method for SmoothFictitiousPlay {
    fn name(&self) -> &'static str {
        "smooth-fictitious-play"
    }

    fn target(&self) -> Target {
        Target::Regularized
    }

    fn start(&self, play: &Play<'_>) -> Box<dyn Update> {
        let mut average = Average::new(play);
        average.add(&play.start());
        let (gains, mean_gains) = (play.zeros(), play.zeros());
        Box::new(State { logits: play.start(), gains, mean_gains, average, n_policies: 0 })
    }
}

struct State {
    logits: Vec<f64>,
    gains: Vec<f64>,
    mean_gains: Vec<f64>,
    average: Average,
    n_policies: usize,
}

impl Update for State {
    fn advance(&mut self, play: &mut Play<'_>) -> f64 {
        // Products are linear: the mean of the gains is what the mean policy meets, up to a constant.
        play.gains(&mut self.logits, &mut self.gains);
        self.n_policies += 1;
        let share = 1.0 / self.n_policies as f64;
        for ((logit, mean), gain) in
            self.logits.iter_mut().zip(&mut self.mean_gains).zip(&self.gains)
        {
            *mean += share * (gain - *mean);
            *logit = *mean / play.tau;
        }
        play.normalize(&mut self.logits);
        self.average.add(&self.logits);
        share
    }

    fn answer(&self) -> &[f64] {
        self.average.logits()
    }
}
