//! MPO and COMAL: solve the regularized game, make its equilibrium the reference, and again.
//!
//! ```text
//! ρₖ₊₁ = NE(A, ρₖ, η)          a proximal point step;  ρ₀ the start
//! ```
//! With exact steps KL(π*‖ρₖ) does not increase for any equilibrium π* of the game without KL terms, and
//! ρₖ itself, not an average, converges to one.
//!
//! **MPO** (Wang et al., 2024, arXiv 2410.16714) approaches each step by magnetic mirror descent,
//! θ⁺ = (θ + αAπ + ατ log(ρ/π₀))/(1 + ατ), and moves the magnet ρ to the present policy every so many
//! steps. One product an iteration and player; an iteration is a step.
//!
//! **COMAL** (Liu et al., 2024, arXiv 2410.23223) asks for each step to be solved; here by extragradient
//! from ρₖ until KL(π‖BR(π)) ≤ `inner_tolerance` in the game with the reference ρₖ. An iteration is a proximal
//! step, of about 2(1 + ηB) log(1/inner tolerance) products a player.

use super::driver::{Method, Update};
use super::play::Play;
use super::{Limits, Published, Target};

/// Magnetic preference optimization.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Mpo {
    /// α > 0 in nats a unit of payoff; τ/B², the proven step of magnetic mirror descent, if `None`.
    pub step: Option<f64>,
    /// Steps at one magnet, at least 1; as many as contract the KL to its equilibrium by 8 if `None`.
    pub refresh: Option<usize>,
}

impl Mpo {
    /// The method as a solver.
    pub fn solver(self, limits: Limits) -> Published {
        Published::new(self, limits)
    }
}

impl Method for Mpo {
    fn name(&self) -> &'static str {
        "mpo"
    }

    fn target(&self) -> Target {
        Target::Unregularized
    }

    fn start(&self, play: &Play<'_>) -> Box<dyn Update> {
        let alpha = self.step.unwrap_or_else(|| play.tau / (play.bound * play.bound));
        let contracting = (8f64.ln() / (alpha * play.tau).ln_1p()).ceil().max(1.0);
        let refresh = self.refresh.map_or(contracting, |n| n.max(1) as f64);
        let (logits, magnet, gains) = (play.start(), play.start(), play.zeros());
        Box::new(Magnetic { logits, magnet, gains, alpha, refresh, n_steps: 0 })
    }
}

struct Magnetic {
    logits: Vec<f64>,
    magnet: Vec<f64>,
    gains: Vec<f64>,
    alpha: f64,
    /// A whole number that may be beyond the range of integers.
    refresh: f64,
    n_steps: u64,
}

impl Update for Magnetic {
    fn advance(&mut self, play: &mut Play<'_>) -> f64 {
        play.gains(&mut self.logits, &mut self.gains);
        let pull = self.alpha * play.tau;
        let shrink = 1.0 / (1.0 + pull);
        for ((logit, magnet), gain) in self.logits.iter_mut().zip(&self.magnet).zip(&self.gains) {
            *logit = shrink * (*logit + self.alpha * gain + pull * magnet);
        }
        self.n_steps += 1;
        if self.n_steps as f64 >= self.refresh {
            self.n_steps = 0;
            self.magnet.copy_from_slice(&self.logits);
        }
        self.alpha
    }

    fn answer(&self) -> &[f64] {
        &self.logits
    }
}

/// The convergent meta-algorithm: proximal steps, each solved.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Comal {
    /// The KL to the best response, in nats and over both players, at which a step counts as solved.
    pub inner_tolerance: f64,
}

impl Default for Comal {
    fn default() -> Self {
        Self { inner_tolerance: 1e-12 }
    }
}

impl Comal {
    /// The method as a solver.
    pub fn solver(self, limits: Limits) -> Published {
        Published::new(self, limits)
    }
}

impl Method for Comal {
    fn name(&self) -> &'static str {
        "comal"
    }

    fn target(&self) -> Target {
        Target::Unregularized
    }

    fn start(&self, play: &Play<'_>) -> Box<dyn Update> {
        let (logits, ahead) = (play.start(), play.zeros());
        let (reference, gains) = (play.start(), play.zeros());
        let tolerance = self.inner_tolerance;
        Box::new(Proximal { logits, ahead, reference, gains, tolerance })
    }
}

struct Proximal {
    logits: Vec<f64>,
    ahead: Vec<f64>,
    reference: Vec<f64>,
    gains: Vec<f64>,
    tolerance: f64,
}

impl Update for Proximal {
    fn advance(&mut self, play: &mut Play<'_>) -> f64 {
        self.reference.copy_from_slice(&self.logits);
        let alpha = 1.0 / (play.tau + play.bound);
        let pull = alpha * play.tau;
        // At least one step, so that what moves little still moves.
        let mut is_solved = false;
        while !is_solved && !play.is_over() {
            play.gains(&mut self.logits, &mut self.gains);
            for (((ahead, logit), reference), gain) in
                self.ahead.iter_mut().zip(&self.logits).zip(&self.reference).zip(&self.gains)
            {
                *ahead = gain / play.tau - (logit - reference);
            }
            is_solved = play.response_kl(&self.ahead) <= self.tolerance;
            for (((ahead, logit), reference), gain) in
                self.ahead.iter_mut().zip(&self.logits).zip(&self.reference).zip(&self.gains)
            {
                *ahead = logit + pull * (reference - logit) + alpha * gain;
            }
            play.gains(&mut self.ahead, &mut self.gains);
            for ((logit, reference), gain) in
                self.logits.iter_mut().zip(&self.reference).zip(&self.gains)
            {
                *logit += pull * (reference - *logit) + alpha * gain;
            }
        }
        1.0 / play.tau
    }

    fn answer(&self) -> &[f64] {
        &self.logits
    }
}
