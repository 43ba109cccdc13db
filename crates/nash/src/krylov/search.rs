//! The iterate of Newton-Krylov, its residual, and the line search.

use super::gmres::{Gmres, Point};
use super::payoffs::Payoffs;
use nlhf_core::log_space::normalize;
use nlhf_core::{Distribution, Profile, RegularizedGame};
use std::ops::Range;

/// A point on the way; both players' actions in a row, or one player's if they share a policy.
pub(super) struct Search<'a> {
    payoffs: Payoffs<'a>,
    sides: Vec<Range<usize>>,
    eta: f64,
    /// `log π₀`, minus infinity where the reference never plays.
    log_reference: Vec<f64>,
    logits: Vec<f64>,
    gains: Vec<f64>,
    residual: Vec<f64>,
    policy: Vec<f64>,
    trial: Vec<f64>,
    step: Vec<f64>,
    roots: Vec<f64>,
    gmres: Gmres,
    /// Whether residuals are computed in f64 throughout.
    exact: bool,
    /// The 2-norm of the residual, centred for each player.
    pub(super) norm: f64,
    /// The variance of the residual under the policies, summed over both players.
    pub(super) variance: f64,
    pub(super) iterations: usize,
    /// Whether no step made the residual smaller.
    pub(super) stuck: bool,
}

/// The shortest step of the line search.
const SHORTEST: f64 = 1e-3;
/// The root mean square of a residual that f32 products cannot lower, per unit of ηB.
const ROUGH_FLOOR: f64 = 2e-8;

impl<'a> Search<'a> {
    pub(super) fn new(game: &RegularizedGame<'a>, start: &Profile) -> Self {
        let payoffs = Payoffs::new(game);
        let sides = payoffs.sides();
        let (mut log_reference, mut logits) = (Vec::new(), Vec::new());
        let reference = game.reference();
        let players = [(&reference.row, &start.row), (&reference.column, &start.column)];
        for (reference, start) in players.into_iter().take(sides.len()) {
            let pairs = reference.log_probabilities().iter().zip(start.log_probabilities());
            for (&log_r, &log_s) in pairs {
                log_reference.push(log_r);
                // What the reference plays and the start does not is rare, not impossible.
                logits.push(if log_s.is_finite() { log_s } else { log_r - 700.0 });
            }
        }
        let n = payoffs.size();
        let zeros = || vec![0.0; n];
        Self {
            payoffs,
            sides,
            eta: game.eta().get(),
            log_reference,
            logits,
            gains: zeros(),
            residual: zeros(),
            policy: zeros(),
            trial: zeros(),
            step: zeros(),
            roots: zeros(),
            gmres: Gmres::default(),
            exact: false,
            norm: f64::INFINITY,
            variance: f64::INFINITY,
            iterations: 0,
            stuck: false,
        }
    }

    pub(super) fn products(&self) -> usize {
        self.payoffs.products
    }

    /// The largest residual in nats.
    pub(super) fn largest(&self) -> f64 {
        self.residual.iter().fold(0.0, |largest, f| largest.max(f.abs()))
    }

    /// Computes the residual at the logits for a stage.
    pub(super) fn evaluate(&mut self, stage: f64) {
        self.trial.copy_from_slice(&self.logits);
        self.play_trial();
        self.change_eta(stage);
    }

    /// Switches to f64 residuals; `false` if they are already.
    pub(super) fn use_exact_products(&mut self, stage: f64) -> bool {
        if self.exact || !self.payoffs.is_rough() {
            return false;
        }
        self.exact = true;
        self.evaluate(stage);
        true
    }

    /// Moves to another stage: the gains stay as they are.
    pub(super) fn change_eta(&mut self, stage: f64) {
        self.trial.copy_from_slice(&self.logits);
        (self.norm, self.variance) = self.trial_residual(stage);
        self.stuck = false;
    }

    /// The policies and gains of the trial logits.
    fn play_trial(&mut self) {
        self.policy.copy_from_slice(&self.trial);
        for side in &self.sides {
            normalize(&mut self.policy[side.clone()]);
        }
        for p in &mut self.policy {
            *p = p.exp();
        }
        if self.exact {
            self.payoffs.apply_exactly(&self.policy, &mut self.gains);
        } else {
            self.payoffs.apply(&self.policy, &mut self.gains);
        }
    }

    /// The residual of the trial logits, and its norm and variance.
    fn trial_residual(&mut self, stage: f64) -> (f64, f64) {
        let (mut norm2, mut variance) = (0.0, 0.0);
        // The cost of leaving the reference is fixed, and grows with η like the payoffs.
        let share = stage / self.eta;
        for side in &self.sides {
            let (mut sum, mut mean, mut count) = (0.0, 0.0, 0.0);
            for i in side.clone() {
                let log_r = self.log_reference[i];
                if log_r == f64::NEG_INFINITY {
                    continue;
                }
                let f = self.trial[i] - (stage * self.gains[i] + share * log_r);
                self.residual[i] = f;
                sum += f;
                mean += self.policy[i] * f;
                count += 1.0;
            }
            let centre = sum / count;
            for i in side.clone() {
                if self.log_reference[i] == f64::NEG_INFINITY {
                    self.residual[i] = 0.0;
                    continue;
                }
                let x = self.residual[i] - mean;
                variance += self.policy[i] * x * x;
                self.residual[i] -= centre;
                norm2 += self.residual[i] * self.residual[i];
            }
        }
        // A player who plays both roles counts for both.
        let roles = if self.sides.len() == 1 { 2.0 } else { 1.0 };
        (norm2.sqrt(), roles * variance)
    }

    /// One inexact Newton step with line search; its length, or 0 if there was none.
    pub(super) fn newton_step(&mut self, stage: f64, inner_tolerance: f64) -> f64 {
        let scale = stage * self.payoffs.bound();
        let rms = self.norm / (self.residual.len() as f64).sqrt();
        if self.payoffs.is_rough() && !self.exact && rms <= ROUGH_FLOOR * scale {
            self.stuck = true;
            return 0.0;
        }
        for (root, p) in self.roots.iter_mut().zip(&self.policy) {
            *root = p.sqrt();
        }
        let (roots, residual, sides) = (&self.roots[..], &self.residual[..], &self.sides[..]);
        let point = Point { eta: stage, roots, residual, sides };
        self.gmres.newton_step(&mut self.payoffs, point, inner_tolerance, &mut self.step);
        self.iterations += 1;
        let (norm, variance) = (self.norm, self.variance);
        let mut length = 1.0;
        loop {
            for (i, trial) in self.trial.iter_mut().enumerate() {
                *trial = self.logits[i] + length * self.step[i];
            }
            for side in &self.sides {
                centre(&mut self.trial[side.clone()]);
            }
            for (trial, log_r) in self.trial.iter_mut().zip(&self.log_reference) {
                if *log_r == f64::NEG_INFINITY {
                    *trial = f64::NEG_INFINITY;
                }
            }
            self.play_trial();
            let (reduced, reduced_variance) = self.trial_residual(stage);
            if reduced <= (1.0 - 1e-4 * length) * norm {
                std::mem::swap(&mut self.logits, &mut self.trial);
                (self.norm, self.variance) = (reduced, reduced_variance);
                return length;
            }
            length *= 0.5;
            if length < SHORTEST {
                self.evaluate(stage);
                (self.norm, self.variance, self.stuck) = (norm, variance, true);
                return 0.0;
            }
        }
    }

    /// The policies, `None` if a logit is not finite.
    pub(super) fn profile(&self) -> Option<Profile> {
        let policy = |side: &Range<usize>| {
            let logits = self.logits[side.clone()].iter().zip(&self.log_reference[side.clone()]);
            let logits = logits.map(|(&u, &log_r)| if log_r.is_finite() { u } else { log_r });
            Distribution::from_logits(logits.collect()).ok()
        };
        let row = policy(&self.sides[0])?;
        match self.sides.get(1) {
            None => Some(Profile::symmetric(row)),
            Some(side) => Some(Profile { row, column: policy(side)? }),
        }
    }
}

/// Takes the largest logit off: what is free in logits must not grow.
fn centre(logits: &mut [f64]) {
    let largest = logits.iter().fold(f64::NEG_INFINITY, |largest, &u| largest.max(u));
    for u in logits {
        *u -= largest;
    }
}
