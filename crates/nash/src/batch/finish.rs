//! The f64 end of a batch game: its residual, and the certificate of the policy that is returned.
//!
//! ```text
//! d = ηAπ − log(π/π₀),  x = d − E_π d,  gap ≤ Σ E_π[eˣ − 1 − x] / η  over both players
//! ```
//! The centred form of `nlhf_core::Certificate`; `log(1 + r) ≤ r` leaves out its logarithm. Every entry of
//! `d` is off by at most `δ`, which adds `(δ√(2η gap) + δ²)/η`, so that the gap is never below the true one.

use super::BatchGame;
use super::lanes::Lanes;
use crate::simd::{exp_f64, ln};
use pulp::Simd;
use std::ops::Range;

/// One game padded to `N` places, an equal share for each player; a skew matrix if there is one.
#[derive(Debug, Clone)]
pub(super) struct Padded<const N: usize, const PLAYERS: usize> {
    counts: [usize; PLAYERS],
    eta: f64,
    bound: f64,
    /// 1 where there is an action, 0 elsewhere.
    mask: [f64; N],
    payoff: [[f64; N]; N],
    log_reference: [f64; N],
}

/// What a profile is worth.
#[derive(Debug, Clone, Copy)]
pub(super) struct Certified {
    pub(super) value: f64,
    pub(super) row_regret: f64,
    pub(super) column_regret: f64,
}

/// A profile with its residual `log(π/π₀) − ηAπ`, centred under the policy: the `F` of Newton's method.
#[derive(Debug, Clone)]
pub(super) struct Finished<const N: usize> {
    pub(super) log_policy: [f64; N],
    pub(super) residual: [f64; N],
    /// `None` if the residual is too large for the series of the gap.
    pub(super) certified: Option<Certified>,
}

/// Exponents up to here go through the series; a game with larger ones is not near its equilibrium.
const SERIES_LIMIT: f64 = 1e-2;

impl<const N: usize> Finished<N> {
    pub(super) fn empty() -> Self {
        Self { log_policy: [0.0; N], residual: [0.0; N], certified: None }
    }
}

impl<const N: usize, const PLAYERS: usize> Padded<N, PLAYERS> {
    const PLACES: usize = N / PLAYERS;

    pub(super) fn empty() -> Self {
        let zeros = [0.0; N];
        let (counts, payoff) = ([0; PLAYERS], [zeros; N]);
        Self { counts, eta: 1.0, bound: 0.0, mask: zeros, payoff, log_reference: zeros }
    }

    /// Copies a game.
    #[inline(always)]
    pub(super) fn load(&mut self, game: &BatchGame<'_>) {
        (self.eta, self.bound) = (game.eta(), game.bound());
        for (player, log_reference) in game.references().iter().take(PLAYERS).enumerate() {
            let side = Self::side(player);
            self.counts[player] = log_reference.len();
            let (mask, out) = (&mut self.mask[side.clone()], &mut self.log_reference[side]);
            mask.fill(0.0);
            out.fill(0.0);
            for ((mask, out), &log_r) in mask.iter_mut().zip(out).zip(*log_reference) {
                (*mask, *out) = (1.0, log_r);
            }
        }
        let columns = self.counts[PLAYERS - 1];
        for (out, row) in self.payoff.iter_mut().zip(game.payoff().chunks_exact(columns)) {
            if let Ok(row) = <&[f64; N]>::try_from(row) {
                *out = *row;
            } else {
                out[..columns].copy_from_slice(row);
                out[columns..].fill(0.0);
            }
        }
        if PLAYERS == 1 {
            // The entries above the diagonal decide.
            for i in 0..columns.min(N) {
                self.payoff[i][i] = 0.0;
                for j in 0..i {
                    self.payoff[i][j] = -self.payoff[j][i];
                }
            }
        }
    }

    /// Puts the game into a lane.
    #[inline(always)]
    pub(super) fn load_lane<S: Simd>(&self, lanes: &mut Lanes<S, N, PLAYERS>, at: usize, eta: f32) {
        lanes.load(at, &self.payoff, &self.log_reference, eta);
    }

    /// The actions of both players without the padding.
    pub(super) fn actions(&self, padded: &[f64; N], out: &mut Vec<f64>) {
        out.clear();
        for (player, &count) in self.counts.iter().enumerate() {
            out.extend_from_slice(&padded[player * Self::PLACES..][..count]);
        }
    }

    /// `log π/π₀ − ηAπ` of logits, centred under the policy.
    #[inline(always)]
    pub(super) fn residual<S: Simd>(&self, simd: S, logits: &[f64; N]) -> [f64; N] {
        let mut logits = *logits;
        let mut policy = [0.0; N];
        self.play(simd, &mut logits, &mut policy);
        let gains = self.products(simd, &policy);
        let mut residual = [0.0; N];
        self.centred_residual(simd, &logits, &policy, &gains, &mut residual);
        residual
    }

    /// Normalizes logits, and computes the residual and the certificate of what they play.
    #[inline(always)]
    pub(super) fn finish<S: Simd>(&self, simd: S, logits: &[f64; N]) -> Finished<N> {
        let zero = simd.splat_f64s(0.0);
        let (mut log_policy, mut policy, mut residual) = (*logits, [0.0; N], [0.0; N]);
        let log_totals = self.play(simd, &mut log_policy, &mut policy);
        let gains = self.products(simd, &policy);
        self.centred_residual(simd, &log_policy, &policy, &gains, &mut residual);
        let (mut remainders, mut largest) = ([0.0; PLAYERS], zero);
        for (player, remainder) in remainders.iter_mut().enumerate() {
            let residual = S::as_simd_f64s(&residual[Self::side(player)]).0;
            let policy = S::as_simd_f64s(&policy[Self::side(player)]).0;
            let mut sum = zero;
            for (&f, &p) in residual.iter().zip(policy) {
                let x = simd.sub_f64s(zero, f);
                let mut series = simd.splat_f64s(1.0 / 120.0);
                for c in [1.0 / 24.0, 1.0 / 6.0, 0.5] {
                    series = simd.mul_add_e_f64s(x, series, simd.splat_f64s(c));
                }
                let px = simd.mul_f64s(p, x);
                sum = simd.mul_add_e_f64s(simd.mul_f64s(px, x), series, sum);
                largest = simd.max_f64s(simd.abs_f64s(x), largest);
            }
            *remainder = simd.reduce_sum_f64s(sum);
        }
        let (mut lowest, mut value, mut sizes) = (zero, 0.0, 0.0);
        for (player, &log_total) in log_totals.iter().enumerate() {
            let side = Self::side(player);
            let masks = S::as_simd_f64s(&self.mask[side.clone()]).0;
            let references = S::as_simd_f64s(&self.log_reference[side.clone()]).0;
            let policy = S::as_simd_f64s(&policy[side.clone()]).0;
            let gains = S::as_simd_f64s(&gains[side.clone()]).0;
            let logs = S::as_mut_simd_f64s(&mut log_policy[side]).0;
            let log_total = simd.splat_f64s(log_total);
            // What the player gets: the payoff counts once, with the row player.
            let (mut gain, mut size) = (zero, zero);
            for (i, log_p) in logs.iter_mut().enumerate() {
                *log_p = simd.sub_f64s(*log_p, log_total);
                lowest =
                    simd.min_f64s(lowest, simd.mul_add_e_f64s(masks[i], *log_p, references[i]));
                if PLAYERS == 2 {
                    let theta = simd.mul_f64s(masks[i], simd.sub_f64s(*log_p, references[i]));
                    let cost = simd.mul_f64s(theta, simd.splat_f64s(-1.0 / self.eta));
                    let pay = if player == 0 { simd.add_f64s(gains[i], cost) } else { cost };
                    gain = simd.mul_add_e_f64s(policy[i], pay, gain);
                    let logs = simd.add_f64s(simd.abs_f64s(*log_p), simd.abs_f64s(references[i]));
                    size = simd.mul_add_e_f64s(policy[i], logs, size);
                }
            }
            if PLAYERS == 2 {
                let gain = simd.reduce_sum_f64s(gain);
                value += if player == 0 { gain } else { -gain };
                sizes +=
                    simd.reduce_sum_f64s(size) + simd.reduce_max_f64s(simd.abs_f64s(log_total));
            }
        }
        let products = (N + 8) as f64 * self.eta * self.bound;
        let delta = f64::EPSILON * (products - 4.0 * simd.reduce_min_f64s(lowest) + 8.0);
        let mut near = simd.reduce_max_f64s(largest) <= SERIES_LIMIT;
        for remainder in &mut remainders {
            // What is not a number makes the comparison false.
            near &= *remainder >= 0.0;
            let margin = delta * ((2.0 * *remainder).sqrt() + delta);
            *remainder = (*remainder * (1.0 + 1e-9) + margin) / self.eta;
        }
        if PLAYERS == 2 {
            // Like the gap, the value is stated on the safe side.
            value -= f64::EPSILON * (products + 8.0 * sizes + 8.0) / self.eta;
        }
        let (row_regret, column_regret) = (remainders[0], remainders[PLAYERS - 1]);
        let certified = near.then_some(Certified { value, row_regret, column_regret });
        Finished { log_policy, residual, certified }
    }

    /// Probabilities of logits, and the logarithm of each player's normalizer.
    #[inline(always)]
    fn play<S: Simd>(
        &self,
        simd: S,
        logits: &mut [f64; N],
        policy: &mut [f64; N],
    ) -> [f64; PLAYERS] {
        let mut log_totals = [0.0; PLAYERS];
        for (player, log_total) in log_totals.iter_mut().enumerate() {
            let side = Self::side(player);
            let masks = S::as_simd_f64s(&self.mask[side.clone()]).0;
            let logits = S::as_mut_simd_f64s(&mut logits[side.clone()]).0;
            let policy = S::as_mut_simd_f64s(&mut policy[side]).0;
            let mut max = simd.splat_f64s(f64::NEG_INFINITY);
            for (u, &mask) in logits.iter_mut().zip(masks) {
                // What is no action gets no probability.
                let none = simd.sub_f64s(mask, simd.splat_f64s(1.0));
                let none = simd.mul_f64s(none, simd.splat_f64s(1e6));
                *u = simd.mul_add_e_f64s(mask, *u, none);
                max = simd.max_f64s(max, *u);
            }
            let max = simd.reduce_max_f64s(max);
            let (shift, mut total) = (simd.splat_f64s(max), simd.splat_f64s(0.0));
            for (p, &u) in policy.iter_mut().zip(&*logits) {
                *p = exp_f64(simd, simd.sub_f64s(u, shift));
                total = simd.add_f64s(total, *p);
            }
            let total = simd.reduce_sum_f64s(total);
            let inverse = simd.splat_f64s(1.0 / total);
            for p in policy {
                *p = simd.mul_f64s(*p, inverse);
            }
            *log_total = max + ln::<S>(total);
        }
        log_totals
    }

    #[inline(always)]
    fn centred_residual<S: Simd>(
        &self,
        simd: S,
        logits: &[f64; N],
        policy: &[f64; N],
        gains: &[f64; N],
        out: &mut [f64; N],
    ) {
        let minus_eta = simd.splat_f64s(-self.eta);
        for player in 0..PLAYERS {
            let side = Self::side(player);
            let masks = S::as_simd_f64s(&self.mask[side.clone()]).0;
            let references = S::as_simd_f64s(&self.log_reference[side.clone()]).0;
            let logits = S::as_simd_f64s(&logits[side.clone()]).0;
            let policy = S::as_simd_f64s(&policy[side.clone()]).0;
            let gains = S::as_simd_f64s(&gains[side.clone()]).0;
            let out = S::as_mut_simd_f64s(&mut out[side]).0;
            let mut mean = simd.splat_f64s(0.0);
            for (i, f) in out.iter_mut().enumerate() {
                let theta = simd.mul_f64s(masks[i], simd.sub_f64s(logits[i], references[i]));
                *f = simd.mul_add_e_f64s(minus_eta, gains[i], theta);
                mean = simd.mul_add_e_f64s(policy[i], *f, mean);
            }
            let mean = simd.splat_f64s(simd.reduce_sum_f64s(mean));
            for (f, &mask) in out.iter_mut().zip(masks) {
                *f = simd.mul_f64s(mask, simd.sub_f64s(*f, mean));
            }
        }
    }

    /// The places of a player.
    #[inline(always)]
    fn side(player: usize) -> Range<usize> {
        player * Self::PLACES..(player + 1) * Self::PLACES
    }

    /// `(Aq, −Aᵀp)`; the two are equal in a symmetric game.
    #[inline(always)]
    fn products<S: Simd>(&self, simd: S, policy: &[f64; N]) -> [f64; N] {
        let mut gains = [0.0; N];
        {
            let losses = S::as_mut_simd_f64s(&mut gains[Self::side(PLAYERS - 1)]).0;
            for (&p, row) in policy[Self::side(0)].iter().zip(&self.payoff) {
                let p = simd.splat_f64s(-p);
                for (out, &a) in losses.iter_mut().zip(S::as_simd_f64s(row).0) {
                    *out = simd.mul_add_e_f64s(p, a, *out);
                }
            }
        }
        if PLAYERS == 2 {
            let q = S::as_simd_f64s(&policy[Self::side(1)]).0;
            for (gain, row) in gains[Self::side(0)].iter_mut().zip(&self.payoff) {
                let terms = q.iter().zip(S::as_simd_f64s(row).0);
                let zero = simd.splat_f64s(0.0);
                let sum = terms.fold(zero, |sum, (&q, &a)| simd.mul_add_e_f64s(q, a, sum));
                *gain = simd.reduce_sum_f64s(sum);
            }
        }
        gains
    }
}
