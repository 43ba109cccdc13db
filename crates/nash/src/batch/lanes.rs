//! Damped Newton on many small games at once, one game a lane of the vector registers, in f32.
//!
//! ```text
//! F(u) = u − log π₀ − ηAπ,  π = softmax(u)          centred: the constant part of u is free
//! M = I − ηA diag(π),  δ = −(M⁻¹F − q M⁻¹1),  q chosen so that πᵀδ = 0
//! ```
//! `M` is similar to `I + skew`, so that elimination without pivoting is safe, and `πᵀδ = 0` removes the rank-one
//! part of the Jacobian `I − ηA(diag(π) − ππᵀ)`. A two-player game is the skew game `[[0, A], [−Aᵀ, 0]]`
//! with a softmax and a free constant for each player; the identity in the corner of its `M` makes the
//! elimination of the row player free. Lanes never mix: what is computed in one does not depend on
//! the others. The elimination itself is in `eliminate`.

use super::eliminate::eliminate;
use super::group::{Group, Vector};
use pulp::Simd;
use std::ops::Range;

/// Residuals are at most some 10⁴ nats.
const BEYOND_NORMS: f32 = 1e30;

/// Games of one shape, a lane each, of up to `N` actions over all players; row player first.
pub(super) struct Lanes<S: Simd, const N: usize, const PLAYERS: usize> {
    simd: Group<S>,
    /// Actions of each player.
    counts: [usize; PLAYERS],
    /// The entries above the diagonal of the skew matrix.
    payoff: [[Vector<S>; N]; N],
    log_reference: [Vector<S>; N],
    logits: [Vector<S>; N],
    step: [Vector<S>; N],
    residual: [Vector<S>; N],
    gains: [Vector<S>; N],
    policy: [Vector<S>; N],
    factor: [[Vector<S>; N]; N],
    eta: Vector<S>,
    length: Vector<S>,
    norm2: Vector<S>,
}

impl<S: Simd, const N: usize, const PLAYERS: usize> Lanes<S, N, PLAYERS> {
    /// Places for the actions of one player.
    const PLACES: usize = N / PLAYERS;

    /// All lanes idle; `columns` counts in a two-player game only.
    #[inline(always)]
    pub(super) fn new(simd: Group<S>, rows: usize, columns: usize) -> Self {
        let zero = simd.splat(0.0);
        let vector = [zero; N];
        Self {
            simd,
            counts: std::array::from_fn(|player| if player == 0 { rows } else { columns }),
            payoff: [vector; N],
            log_reference: vector,
            logits: vector,
            step: vector,
            residual: vector,
            gains: vector,
            policy: vector,
            factor: [vector; N],
            eta: zero,
            length: zero,
            norm2: zero,
        }
    }

    pub(super) const fn count() -> usize {
        Group::<S>::LANES
    }

    /// The places of each player's actions.
    #[inline(always)]
    fn sides(&self) -> [Range<usize>; PLAYERS] {
        std::array::from_fn(|player| {
            let start = player * Self::PLACES;
            start..start + self.counts[player].min(Self::PLACES)
        })
    }

    /// Puts a padded game into a lane.
    #[inline(always)]
    pub(super) fn load(
        &mut self,
        at: usize,
        payoff: &[[f64; N]; N],
        references: &[f64; N],
        eta: f32,
    ) {
        let [columns, start] = [self.counts[PLAYERS - 1], (PLAYERS - 1) * Self::PLACES];
        for i in 0..self.counts[0].min(Self::PLACES) {
            let skipped = if PLAYERS == 1 { i + 1 } else { 0 };
            for j in skipped..columns.min(Self::PLACES) {
                Group::<S>::set_lane(&mut self.payoff[i][start + j], at, payoff[i][j] as f32);
            }
        }
        for i in 0..N {
            Group::<S>::set_lane(&mut self.log_reference[i], at, references[i] as f32);
            Group::<S>::set_lane(&mut self.logits[i], at, references[i] as f32);
        }
        Group::<S>::set_lane(&mut self.eta, at, eta);
        self.forget_step(at);
    }

    /// Has the logits of a lane evaluated as they are, and any residual accepted.
    #[inline(always)]
    fn forget_step(&mut self, at: usize) {
        // A step is finite, and of no effect at length zero.
        Group::<S>::set_lane(&mut self.length, at, 0.0);
        Group::<S>::set_lane(&mut self.norm2, at, f32::INFINITY);
    }

    /// Leaves a lane without a game: all its payoffs are zero.
    pub(super) fn idle(&mut self, at: usize) {
        for a in self.payoff.as_flattened_mut() {
            Group::<S>::set_lane(a, at, 0.0);
        }
        for i in 0..N {
            Group::<S>::set_lane(&mut self.log_reference[i], at, 0.0);
            Group::<S>::set_lane(&mut self.logits[i], at, 0.0);
            Group::<S>::set_lane(&mut self.step[i], at, 0.0);
        }
        self.forget_step(at);
    }

    /// Starts a lane again from better logits.
    #[inline(always)]
    pub(super) fn restart(&mut self, at: usize, logits: &[f64; N]) {
        for (out, &logit) in self.logits.iter_mut().zip(logits) {
            Group::<S>::set_lane(out, at, logit as f32);
        }
        for step in &mut self.step {
            Group::<S>::set_lane(step, at, 0.0);
        }
        self.forget_step(at);
    }

    #[inline(always)]
    pub(super) fn logits(&self, at: usize) -> [f64; N] {
        let mut logits = [0.0; N];
        for (out, logit) in logits.iter_mut().zip(&self.logits) {
            *out = f64::from(Group::<S>::lanes(logit)[at]);
        }
        logits
    }

    #[inline(always)]
    pub(super) fn add_step(&self, at: usize, logits: &mut [f64; N]) {
        for (logit, step) in logits.iter_mut().zip(&self.step) {
            *logit += f64::from(Group::<S>::lanes(step)[at]);
        }
    }

    #[inline(always)]
    pub(super) fn set_residual(&mut self, at: usize, residual: &[f64; N]) {
        for (out, &f) in self.residual.iter_mut().zip(residual) {
            Group::<S>::set_lane(out, at, f as f32);
        }
    }

    #[inline(always)]
    pub(super) fn eta(&self, at: usize) -> f32 {
        Group::<S>::lanes(&self.eta)[at]
    }

    /// The lengths of the line search, a lane each.
    #[inline(always)]
    pub(super) fn lengths(&self) -> &[f32] {
        Group::<S>::lanes(&self.length)
    }

    /// The squared norms of the residuals, a lane each.
    #[inline(always)]
    pub(super) fn norms2(&self) -> &[f32] {
        Group::<S>::lanes(&self.norm2)
    }

    /// Raises η of a lane whose point was just accepted; its residual follows without a new product.
    pub(super) fn raise_eta(&mut self, at: usize, eta: f32) {
        Group::<S>::set_lane(&mut self.eta, at, eta);
        let mut norm2 = 0.0;
        for side in self.sides() {
            let (mut sum, count) = (0.0, side.len() as f32);
            for i in side.clone() {
                let gain = eta * Group::<S>::lanes(&self.gains[i])[at];
                let f = Group::<S>::lanes(&self.logits[i])[at]
                    - Group::<S>::lanes(&self.log_reference[i])[at]
                    - gain;
                Group::<S>::set_lane(&mut self.residual[i], at, f);
                sum += f;
            }
            for f in &mut self.residual[side] {
                let centred = Group::<S>::lanes(f)[at] - sum / count;
                Group::<S>::set_lane(f, at, centred);
                norm2 += centred * centred;
            }
        }
        Group::<S>::set_lane(&mut self.norm2, at, norm2);
    }

    /// Evaluates all lanes at `logits + length · step` and accepts where the residual fell enough;
    /// elsewhere the length is halved. An accepted lane has length zero until it gets its next step.
    #[inline(always)]
    pub(super) fn try_steps(&mut self) {
        let simd = self.simd;
        let zero = simd.splat(0.0);
        let mut trial = [zero; N];
        for i in 0..N {
            trial[i] = simd.mul_add(self.length, self.step[i], self.logits[i]);
        }
        for side in self.sides() {
            softmax(simd, &trial[side.clone()], &mut self.policy[side]);
        }
        self.products();
        let (mut residual, mut norm2) = ([zero; N], zero);
        for side in self.sides() {
            let (mut sum, scale) = (zero, 1.0 / side.len() as f32);
            for i in side.clone() {
                let f = simd.sub(trial[i], self.log_reference[i]);
                residual[i] = simd.minus_mul(self.eta, self.gains[i], f);
                sum = simd.add(sum, residual[i]);
            }
            let mean = simd.mul(sum, simd.splat(scale));
            for f in &mut residual[side] {
                *f = simd.sub(*f, mean);
                norm2 = simd.mul_add(*f, *f, norm2);
            }
        }
        // (1 − 10⁻⁴ t)² to first order. A lane at length zero waits and keeps what it has, if it has been
        // evaluated: infinity less what no norm reaches is infinity, and anything else below zero.
        let decrease = simd.mul_add(self.length, simd.splat(-2e-4), simd.splat(1.0));
        let limit = simd.mul(self.norm2, decrease);
        let unevaluated = simd.sub(self.norm2, simd.splat(BEYOND_NORMS));
        let limit = simd.select(simd.equal(self.length, zero), unevaluated, limit);
        let accept = simd.at_most(norm2, limit);
        for i in 0..N {
            self.logits[i] = simd.select(accept, trial[i], self.logits[i]);
            self.residual[i] = simd.select(accept, residual[i], self.residual[i]);
        }
        self.norm2 = simd.select(accept, norm2, self.norm2);
        let halved = simd.mul(self.length, simd.splat(0.5));
        self.length = simd.select(accept, zero, halved);
    }

    /// `gains ← Aπ` from the entries above the diagonal.
    #[inline(always)]
    fn products(&mut self) {
        let simd = self.simd;
        self.gains = [simd.splat(0.0); N];
        let sides = self.sides();
        for i in sides[0].clone() {
            let first = if PLAYERS == 1 { i + 1 } else { Self::PLACES };
            let p = self.policy[i];
            let mut gain = self.gains[i];
            for j in first..sides[PLAYERS - 1].end {
                let a = self.payoff[i][j];
                gain = simd.mul_add(a, self.policy[j], gain);
                self.gains[j] = simd.minus_mul(a, p, self.gains[j]);
            }
            self.gains[i] = gain;
        }
    }

    /// The Newton step of every lane that waits for one; the others keep theirs.
    #[inline(always)]
    pub(super) fn newton_steps(&mut self) {
        let simd = self.simd;
        let zero = simd.splat(0.0);
        let mut weights = self.policy;
        for weight in &mut weights {
            *weight = simd.mul(self.eta, *weight);
        }
        let sides = self.sides();
        let (solution, borders) = eliminate::<S, N, PLAYERS>(
            simd,
            &sides,
            &self.payoff,
            &weights,
            &self.residual,
            &mut self.factor,
        );
        // πᵀδ = 0 for each player: a division, or a 2 × 2 system.
        let mut shares = [zero; PLAYERS];
        if PLAYERS == 1 {
            shares[0] = simd.div(
                dot(simd, &self.policy, &solution, &sides[0]),
                dot(simd, &self.policy, &borders[0], &sides[0]),
            );
        } else {
            let (a, b) = (
                dot(simd, &self.policy, &borders[0], &sides[0]),
                dot(simd, &self.policy, &borders[1], &sides[0]),
            );
            let (c, d) = (
                dot(simd, &self.policy, &borders[0], &sides[1]),
                dot(simd, &self.policy, &borders[1], &sides[1]),
            );
            let (x, y) = (
                dot(simd, &self.policy, &solution, &sides[0]),
                dot(simd, &self.policy, &solution, &sides[1]),
            );
            let determinant = simd.minus_mul(b, c, simd.mul(a, d));
            shares[0] = simd.div(simd.minus_mul(b, y, simd.mul(d, x)), determinant);
            shares[1] = simd.div(simd.minus_mul(c, x, simd.mul(a, y)), determinant);
        }
        let waiting = simd.equal(self.length, zero);
        for i in 0..N {
            let mut step = simd.neg(solution[i]);
            for (&share, border) in shares.iter().zip(&borders) {
                step = simd.mul_add(share, border[i], step);
            }
            self.step[i] = simd.select(waiting, step, self.step[i]);
        }
        self.length = simd.select(waiting, simd.splat(1.0), self.length);
    }
}

/// The inner product over some places.
#[inline(always)]
fn dot<S: Simd, const N: usize>(
    simd: Group<S>,
    x: &[Vector<S>; N],
    y: &[Vector<S>; N],
    side: &Range<usize>,
) -> Vector<S> {
    let mut sum = simd.splat(0.0);
    for i in side.clone() {
        sum = simd.mul_add(x[i], y[i], sum);
    }
    sum
}

/// Probabilities of logits.
#[inline(always)]
fn softmax<S: Simd>(simd: Group<S>, logits: &[Vector<S>], policy: &mut [Vector<S>]) {
    let mut max = logits[0];
    for &u in &logits[1..] {
        max = simd.max(max, u);
    }
    let mut sum = simd.splat(0.0);
    for (p, &u) in policy.iter_mut().zip(logits) {
        *p = simd.exp(simd.sub(u, max));
        sum = simd.add(sum, *p);
    }
    let inverse = simd.div(simd.splat(1.0), sum);
    for p in policy {
        *p = simd.mul(*p, inverse);
    }
}
