//! Mirror-prox: two anchored multiplicative steps an iteration, products only.
//!
//! ```text
//! h  ∝ π^(1−ατ) π₀^(ατ) exp(α Aπ)          look ahead
//! π⁺ ∝ π^(1−ατ) π₀^(ατ) exp(α Ah)          step with the payoff met there,   α ≤ 1/(τ + B)
//! KL(π*‖π_t) ≤ (1 − ατ)ᵗ KL(π*‖π₀)
//! ```
//! In logits `θ = log(π/π₀)` both are `(1 − ατ)θ + α(·)`. Known as Nash-MP (Tiapkin et al., 2025), EGPO
//! (Zhou et al., 2025) and the PU method of Cen, Wei and Chi (2021): the three are one algorithm. Its
//! rate is proven without any factorization, which makes it the independent check of Newton's method.

use crate::newton::check_start;
use nlhf_core::log_space::normalize;
use nlhf_core::{
    ASKED_FOR, Distribution, Iteration, NashSolver, Observer, Profile, RegularizedGame, Solution,
    SolveError, Status,
};

/// Mirror-prox with the largest step that the rate is proven for.
///
/// | Name | Default | Purpose | Range |
/// |---|---|---|---|
/// | `tolerance` | 1e-10 | largest duality gap that counts as converged, in payoff units | ≥ 0 |
/// | `max_iterations` | 1 000 000 | iterations of two products a player | ≥ 1 |
///
/// # Complexity
/// About `(1 + ηB) log(ηB / gap)` iterations: use Newton where ηB is large.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MirrorProx {
    /// The largest duality gap that counts as converged, in units of the payoff.
    pub tolerance: f64,
    /// Iterations of two products for each player.
    pub max_iterations: usize,
}

impl Default for MirrorProx {
    fn default() -> Self {
        Self { tolerance: 1e-10, max_iterations: 1_000_000 }
    }
}

/// One player: where it is, where it looks, and what its actions pay.
struct Player<'a> {
    log_reference: &'a [f64],
    logits: Vec<f64>,
    ahead: Vec<f64>,
    probabilities: Vec<f64>,
    payoff: Vec<f64>,
}

impl<'a> Player<'a> {
    fn new(reference: &'a Distribution, start: &Distribution) -> Self {
        let log_reference = reference.log_probabilities();
        // Zero where the reference never plays: that logit is not used.
        let logits: Vec<f64> = start
            .log_probabilities()
            .iter()
            .zip(log_reference)
            .map(|(s, r)| if r.is_finite() { (s - r).max(-700.0) } else { 0.0 })
            .collect();
        let zeros = vec![0.0; logits.len()];
        Self {
            log_reference,
            ahead: zeros.clone(),
            probabilities: zeros.clone(),
            payoff: zeros,
            logits,
        }
    }

    /// The probabilities of the present or of the looked-ahead policy.
    fn play(&mut self, ahead: bool) {
        let logits = if ahead { &self.ahead } else { &self.logits };
        for ((p, r), logit) in self.probabilities.iter_mut().zip(self.log_reference).zip(logits) {
            *p = r + logit;
        }
        normalize(&mut self.probabilities);
        for p in &mut self.probabilities {
            *p = p.exp();
        }
    }

    /// `(1 − ατ)θ + sign·α·payoff`, into the look-ahead or in place.
    fn step(&mut self, keep: f64, gain: f64, in_place: bool) {
        for ((logit, ahead), payoff) in
            self.logits.iter_mut().zip(&mut self.ahead).zip(&self.payoff)
        {
            *ahead = keep * *logit + gain * payoff;
            if in_place {
                *logit = *ahead;
            }
        }
    }

    /// The variance of `η·payoff − θ` under the policy: twice the KL to the best response, near it.
    fn residual(&self, eta: f64) -> f64 {
        let d = |(logit, payoff): (&f64, &f64)| eta * payoff - logit;
        let terms = || self.probabilities.iter().zip(self.logits.iter().zip(&self.payoff).map(d));
        let mean: f64 = terms().map(|(p, d)| p * d).sum();
        terms().map(|(p, d)| p * (d - mean) * (d - mean)).sum()
    }

    fn policy(&self) -> Option<Distribution> {
        let logs = self.log_reference.iter().zip(&self.logits).map(|(r, logit)| r + logit);
        Distribution::from_logits(logs.collect()).ok()
    }
}

impl NashSolver for MirrorProx {
    fn name(&self) -> &'static str {
        "mirror-prox"
    }

    fn solve(
        &self,
        game: &RegularizedGame<'_>,
        start: &Profile,
        observer: &mut dyn Observer<Iteration>,
    ) -> Result<Solution, SolveError> {
        check_start(game, start)?;
        let (eta, payoff) = (game.eta().get(), game.payoff());
        let tau = 1.0 / eta;
        let alpha = 1.0 / (tau + payoff.payoff_bound());
        let keep = 1.0 - alpha * tau;
        let mut row = Player::new(&game.reference().row, &start.row);
        let mut column = Player::new(&game.reference().column, &start.column);
        // A symmetric game from a symmetric start stays symmetric: one player's products serve both.
        let mirrored = game.is_symmetric() && start.row == start.column;
        let players = if mirrored { 1 } else { 2 };

        let mut status = Status::IterationLimit;
        let mut iterations = 0;
        loop {
            row.play(false);
            if mirrored {
                payoff.apply(&row.probabilities, &mut row.payoff);
            } else {
                column.play(false);
                payoff.apply(&column.probabilities, &mut row.payoff);
                payoff.apply_transpose(&row.probabilities, &mut column.payoff);
                for loss in &mut column.payoff {
                    *loss = -*loss;
                }
            }
            let residual =
                row.residual(eta) + if mirrored { row.residual(eta) } else { column.residual(eta) };
            if !residual.is_finite() {
                return Err(SolveError::NotFinite { method: self.name(), iteration: iterations });
            }
            // The gap is residual / 2η to second order; half of the tolerance leaves room for the rest.
            if residual <= eta * self.tolerance || iterations >= self.max_iterations {
                break;
            }
            iterations += 1;
            row.step(keep, alpha, false);
            row.play(true);
            if mirrored {
                payoff.apply(&row.probabilities, &mut row.payoff);
            } else {
                column.step(keep, alpha, false);
                column.play(true);
                payoff.apply(&column.probabilities, &mut row.payoff);
                payoff.apply_transpose(&row.probabilities, &mut column.payoff);
                for loss in &mut column.payoff {
                    *loss = -*loss;
                }
                column.step(keep, alpha, true);
            }
            row.step(keep, alpha, true);
            let products = 2 * players * iterations;
            let event = Iteration { iteration: iterations, products, eta, residual, step: alpha };
            if observer.observe(&event).is_break() {
                status = Status::Stopped;
                break;
            }
        }
        let broken = SolveError::NotFinite { method: self.name(), iteration: iterations };
        let row_policy = row.policy().ok_or(broken)?;
        let column_policy =
            if mirrored { row_policy.clone() } else { column.policy().ok_or(broken)? };
        let profile = Profile { row: row_policy, column: column_policy };
        let certificate = game.certify(&profile);
        if certificate.duality_gap <= self.tolerance {
            status = Status::Converged;
        }
        Ok(Solution {
            profile,
            certificate,
            status,
            iterations,
            method: self.name(),
            reason: ASKED_FOR,
        })
    }
}
