//! One multiplicative step an iteration: what most methods have in common.
//!
//! ```text
//! θ⁺ = keep·θ + gain·gains(θ)       returned: the last θ, or the average of all policies so far
//! ```
//! `keep = 1 − ατ` anchors the step at the reference, `keep = 1` does not, `keep = 0` forgets the past.

use super::driver::Update;
use super::play::{Average, Play};

pub(super) struct Mirror {
    logits: Vec<f64>,
    gains: Vec<f64>,
    keep: f64,
    gain: f64,
    average: Option<Average>,
}

impl Mirror {
    /// Returns the last policy.
    pub(super) fn last(play: &Play<'_>, keep: f64, gain: f64) -> Self {
        Self { logits: play.start(), gains: play.zeros(), keep, gain, average: None }
    }

    /// Returns the average of the policies that were played, the start among them.
    pub(super) fn averaged(play: &Play<'_>, keep: f64, gain: f64) -> Self {
        Self { average: Some(Average::new(play)), ..Self::last(play, keep, gain) }
    }
}

impl Update for Mirror {
    fn advance(&mut self, play: &mut Play<'_>) -> f64 {
        play.gains(&mut self.logits, &mut self.gains);
        if let Some(average) = &mut self.average {
            average.add(&self.logits);
        }
        for (logit, gain) in self.logits.iter_mut().zip(&self.gains) {
            *logit = self.keep * *logit + self.gain * gain;
        }
        self.gain
    }

    fn answer(&self) -> &[f64] {
        self.average.as_ref().map_or(&self.logits, Average::logits)
    }
}
