//! Damped Newton on a logit fixed point, and continuation in η where a cold start stalls.
//!
//! ```text
//! path        u(η) = η(Aπ + c),  π = softmax(u),  c = log π₀ / η*      from η = 0 to the game's η*
//! corrector   δ = −F'⁻¹F,  accept t ∈ {1, ½, ¼, …} once ‖F(u + tδ)‖₂ ≤ (1 − 10⁻⁴ t)‖F(u)‖₂
//! predictor   u(η + Δη) ≈ u(η) + Δη F'⁻¹(Aπ + c)
//! Δη          first 1/B, then ×4, ×1.5, ×0.7 after few, some, many corrector steps, ×0.3 on failure
//! ```
//! The merit is the fixed 2-norm of the residual, which never stalls on a skew game: F is proper and
//! its Jacobian is nonsingular everywhere, so that every level set leads to the one solution. Weighting
//! it by the policy, or using the gap instead, does stall. The path lowers the temperature 1/η of a game
//! whose payoffs and prior costs `c` stay as they are: with the prior itself fixed instead, a tiny
//! prior makes the path turn so sharply that steps of 1/|log π₀| are needed.

use nlhf_core::{Iteration, Observer, Profile};

/// A logit fixed point `F(u; η) = 0` with a solvable Newton matrix.
pub(crate) trait System {
    /// The number of logits.
    fn dimension(&self) -> usize;
    /// The largest payoff in absolute value, as far as it moves logits.
    fn payoff_bound(&self) -> f64;
    /// The same with the prior costs: `η` times this bounds the logits.
    fn bound(&self) -> f64;
    /// The logits of a start.
    fn start(&self, start: &Profile) -> Vec<f64>;
    /// The profile with the given logits, `None` if one is not finite.
    fn profile(&self, logits: &[f64]) -> Option<Profile>;
    /// Moves to a point and writes `F` there.
    fn residual(&mut self, eta: f64, logits: &[f64], out: &mut [f64]);
    /// Writes `−dF/dη` at the point of the last residual.
    fn tangent(&self, out: &mut [f64]);
    /// Factorizes `F'` at the point of the last residual; `false` if it breaks down.
    fn factorize(&mut self) -> bool;
    /// Solves `F'x = rhs` with the last factorization.
    fn solve(&mut self, rhs: &[f64], out: &mut [f64]);
    /// Products with the payoffs so far.
    fn products(&self) -> usize;
}

/// How a corrector run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// The residual reached its rounding floor.
    Floor,
    /// No step decreases the residual, which is above the floor.
    Stalled,
    /// The budget of iterations is used up.
    Limit,
    /// The observer asked to stop.
    Stopped,
    /// A residual or a factorization was not finite.
    Broken,
}

/// The iterate and all the room that Newton's method needs.
pub(crate) struct Path<'a> {
    system: &'a mut dyn System,
    observer: &'a mut dyn Observer<Iteration>,
    pub(crate) logits: Vec<f64>,
    pub(crate) iterations: usize,
    limit: usize,
    residual: Vec<f64>,
    step: Vec<f64>,
    trial: Vec<f64>,
    trial_residual: Vec<f64>,
}

/// The residual at which a path point counts as reached, per unit of `1 + ηB`.
const FLOOR: f64 = 1e-13;
/// The same on the way, where the next corrector repairs what is left.
const ON_THE_WAY: f64 = 1e-10;
/// Corrector steps after which a path step counts as too long.
const STAGE_LIMIT: usize = 10;
/// Full steps taken beyond the floor as long as they help.
const POLISHING_STEPS: usize = 3;

impl<'a> Path<'a> {
    pub(crate) fn new(
        system: &'a mut dyn System,
        observer: &'a mut dyn Observer<Iteration>,
        logits: Vec<f64>,
        limit: usize,
    ) -> Self {
        let zeros = || vec![0.0; logits.len()];
        let (residual, step, trial, trial_residual) = (zeros(), zeros(), zeros(), zeros());
        Self {
            system,
            observer,
            logits,
            iterations: 0,
            limit,
            residual,
            step,
            trial,
            trial_residual,
        }
    }

    /// Damped Newton at `eta` from the present logits down to the rounding floor.
    pub(crate) fn solve_at(&mut self, eta: f64) -> End {
        let end = self.correct(eta, FLOOR, usize::MAX);
        if end == End::Floor {
            for _ in 0..POLISHING_STEPS {
                if !self.polish(eta) {
                    break;
                }
            }
        }
        end
    }

    /// Follows the path of solutions from a small η, where `u = 0` is near, up to `eta`.
    pub(crate) fn follow_to(&mut self, eta: f64) -> End {
        self.logits.fill(0.0);
        let scale = 1.0 / self.system.bound().max(f64::MIN_POSITIVE);
        let mut at = eta.min(scale);
        let mut increment = 2.0 * at;
        match self.correct(at, ON_THE_WAY, usize::MAX) {
            End::Floor => {}
            end => return end,
        }
        let mut reached = self.logits.clone();
        let mut tangent = vec![0.0; reached.len()];
        while at < eta {
            self.logits.copy_from_slice(&reached);
            self.system.residual(at, &self.logits, &mut self.residual);
            if !self.system.factorize() {
                return End::Broken;
            }
            self.system.tangent(&mut tangent);
            self.system.solve(&tangent, &mut self.step);
            let next = (at + increment).min(eta);
            for (logit, step) in self.logits.iter_mut().zip(&self.step) {
                *logit += (next - at) * step;
            }
            let before = self.iterations;
            match self.correct(next, ON_THE_WAY, STAGE_LIMIT) {
                End::Floor => {
                    at = next;
                    reached.copy_from_slice(&self.logits);
                    increment *= match self.iterations - before {
                        0..=4 => 4.0,
                        5..=8 => 1.5,
                        _ => 0.7,
                    };
                }
                End::Stalled | End::Broken if increment > 1e-9 * at => increment *= 0.3,
                end => return end,
            }
        }
        self.solve_at(eta)
    }

    fn correct(&mut self, eta: f64, tolerance: f64, stage_limit: usize) -> End {
        let stage_end = self.iterations.saturating_add(stage_limit);
        let target = tolerance * (1.0 + eta * self.system.bound());
        self.system.residual(eta, &self.logits, &mut self.residual);
        let mut norm = norm(&self.residual);
        loop {
            if !norm.is_finite() {
                return End::Broken;
            }
            if max_abs(&self.residual) <= target {
                return End::Floor;
            }
            if self.iterations >= self.limit {
                return End::Limit;
            }
            if self.iterations >= stage_end {
                return End::Stalled;
            }
            if !self.newton_direction() {
                return End::Broken;
            }
            self.iterations += 1;
            let mut length = 1.0;
            let reduced = loop {
                let reduced = self.try_step(eta, length);
                if reduced <= (1.0 - 1e-4 * length) * norm {
                    break reduced;
                }
                length *= 0.5;
                if length < 1e-10 {
                    // Back to the last good point, so that the caller certifies that one.
                    self.system.residual(eta, &self.logits, &mut self.residual);
                    return End::Stalled;
                }
            };
            norm = reduced;
            self.accept();
            let event = Iteration {
                iteration: self.iterations,
                products: self.system.products(),
                eta,
                residual: max_abs(&self.residual),
                step: length,
            };
            if self.observer.observe(&event).is_break() {
                return End::Stopped;
            }
        }
    }

    /// One full step if it halves the residual at least; `false` if it does not.
    fn polish(&mut self, eta: f64) -> bool {
        let before = norm(&self.residual);
        if before == 0.0 || !self.newton_direction() {
            return false;
        }
        let better = self.try_step(eta, 1.0) <= 0.5 * before;
        if better {
            self.iterations += 1;
            self.accept();
        } else {
            self.system.residual(eta, &self.logits, &mut self.residual);
        }
        better
    }

    fn newton_direction(&mut self) -> bool {
        if !self.system.factorize() {
            return false;
        }
        self.system.solve(&self.residual, &mut self.step);
        true
    }

    /// The norm of the residual at `logits − length · step`.
    fn try_step(&mut self, eta: f64, length: f64) -> f64 {
        for ((trial, logit), step) in self.trial.iter_mut().zip(&self.logits).zip(&self.step) {
            *trial = logit - length * step;
        }
        self.system.residual(eta, &self.trial, &mut self.trial_residual);
        norm(&self.trial_residual)
    }

    fn accept(&mut self) {
        std::mem::swap(&mut self.logits, &mut self.trial);
        std::mem::swap(&mut self.residual, &mut self.trial_residual);
    }
}

fn norm(x: &[f64]) -> f64 {
    x.iter().map(|x| x * x).sum::<f64>().sqrt()
}

fn max_abs(x: &[f64]) -> f64 {
    x.iter().fold(0.0, |max, x| if x.is_nan() { f64::NAN } else { max.max(x.abs()) })
}

/// Checks `solve` against central differences of `residual`, and `tangent` against those in η.
#[cfg(test)]
pub(crate) fn check_newton_matrix(system: &mut dyn System, eta: f64, point: &[f64]) {
    let n = point.len();
    let mut residual_at = |eta: f64, point: &[f64]| {
        let mut out = vec![0.0; n];
        system.residual(eta, point, &mut out);
        out
    };
    let h = 1e-5;
    let rhs: Vec<f64> = (0..n).map(|i| (1.0 + i as f64).sin()).collect();
    let (up, down) = (residual_at(eta + h, point), residual_at(eta - h, point));
    let slopes: Vec<f64> = up.iter().zip(&down).map(|(u, d)| (d - u) / (2.0 * h)).collect();
    residual_at(eta, point);
    let (mut x, mut tangent) = (vec![0.0; n], vec![0.0; n]);
    system.tangent(&mut tangent);
    assert!(system.factorize());
    system.solve(&rhs, &mut x);
    let moved =
        |sign: f64| -> Vec<f64> { point.iter().zip(&x).map(|(p, x)| p + sign * h * x).collect() };
    let (mut up, mut down) = (vec![0.0; n], vec![0.0; n]);
    system.residual(eta, &moved(1.0), &mut up);
    system.residual(eta, &moved(-1.0), &mut down);
    for i in 0..n {
        let along = (up[i] - down[i]) / (2.0 * h);
        assert!((along - rhs[i]).abs() < 1e-7, "F'x is {along}, not {} at {i}", rhs[i]);
        assert!((slopes[i] - tangent[i]).abs() < 1e-7, "dF/deta is {} at {i}", slopes[i]);
    }
}
