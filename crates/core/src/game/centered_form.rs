//! The divergence of a policy from its best response, enclosed between two numbers.
//!
//! ```text
//! KL(p‖BR) = log E_p e^{d − E_p d},   BR ∝ π₀ e^g,  d = g − log p/π₀                          exactly
//!          ≤ log1p(S) + |c| S/(1 + S),   x = d − μ,  S = E_p[eˣ − 1 − x],  c = E_p d − μ       (1)
//!          ≤ K + √(2KV) + e^ē V/2,       V = Σ (BR_i + p_i) ē_i²,  ē_i = δ_i + δ_m             (2)
//! ```
//! (1) allows for a center `μ` that is off by `c`: `eˣ` need not have mean one. (2) allows for exponents
//! that are off by `δ_i` each: `K` is (1) for the exponents that were computed, `BR` their response, and
//! `m`, left out of the sum, the action that is played most, so that a policy near a vertex is enclosed as
//! tightly as its other masses are small. All terms of `S` are non-negative: evaluating it costs a
//! relative error only. `docs/math.md` derives both lines. The other side is that of (2) with a minus,
//! less `c²`.
//!
//! An action that is never played counts in `S` with `π₀ e^{g − μ}`. Exponents are never clamped: where
//! `S` leaves the range of f64, the logarithm of the sum takes over.

use super::arithmetic::Arithmetic;
use crate::log_space::exp_remainder;

/// Half the distance of neighboring f64: a bound on the relative error of one operation.
const UNIT: f64 = <f64 as Arithmetic>::UNIT;
/// Beyond this error of an exponent (2) is of no use, and the divergence is known to twice the error.
const LARGE: f64 = 0.01;

/// A number between two others.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Bracket {
    pub(super) lower: f64,
    pub(super) upper: f64,
}

impl Bracket {
    pub(super) const INFINITE: Self = Self { lower: f64::INFINITY, upper: f64::INFINITY };
}

/// A policy by its masses `e^l`, which need not sum to one: `log p = l − log total`.
#[derive(Debug)]
pub(super) struct Masses<'a, T> {
    pub(super) logs: &'a [f64],
    pub(super) values: Vec<T>,
    pub(super) total: T,
    mode: usize,
}

impl<'a, T: Arithmetic> Masses<'a, T> {
    pub(super) fn new(logs: &'a [f64]) -> Self {
        let values: Vec<T> = logs.iter().map(|log| T::exp(*log)).collect();
        // Eight interleaved sums: an error of n/8 + 9 units rather than n.
        let mut sums = [T::from_f64(0.0); 8];
        for block in values.chunks(8) {
            for (sum, mass) in sums.iter_mut().zip(block) {
                *sum = *sum + *mass;
            }
        }
        let total = sums.into_iter().reduce(|sum, next| sum + next).unwrap_or(sums[0]);
        let mut mode = 0;
        for (at, log) in logs.iter().enumerate() {
            if *log > logs[mode] {
                mode = at;
            }
        }
        Self { logs, values, total, mode }
    }

    /// A bound on the relative error of `values / total`, in units.
    pub(super) fn error_units(&self) -> f64 {
        2.0 * T::EXP_UNITS + (self.values.len() / 8) as f64 + 10.0
    }
}

/// The exponents of one action.
#[derive(Debug, Clone, Copy)]
struct Exponent<T> {
    /// `d`, if the action is played.
    difference: T,
    /// `x = d − μ`, if it is played.
    deviation: f64,
    /// `z = log π₀ + g − μ`, with `p eˣ = e^z`, if it is not or if `x > 1`.
    tilt: f64,
    /// `δ`, the error of `d`.
    error: f64,
}

/// The exponents of a policy against its best response.
#[derive(Debug)]
pub(super) struct Exponents<T> {
    actions: Vec<Exponent<T>>,
    /// A bound on `|E_p d − μ|`.
    off_center: f64,
    /// The largest `|d_i|`.
    reach: f64,
}

impl<T: Arithmetic> Exponents<T> {
    /// Room for policies of `n` actions.
    pub(super) fn new(n: usize) -> Self {
        let difference = T::from_f64(0.0);
        let none = Exponent { difference, deviation: 0.0, tilt: 0.0, error: 0.0 };
        Self { actions: vec![none; n], off_center: 0.0, reach: 0.0 }
    }

    /// `KL(p ‖ BR)` in nats for `BR ∝ reference · exp(gains)`, gains that are off by up to `gain_error`.
    pub(super) fn kl_to_best_response(
        &mut self,
        policy: &Masses<'_, T>,
        log_reference: &[f64],
        gains: &[T],
        gain_error: f64,
    ) -> Bracket {
        if self.form(policy, log_reference, gains, gain_error) {
            self.enclose(policy)
        } else {
            Bracket::INFINITE
        }
    }

    /// Computes all exponents; `false` if the policy plays what the reference never does.
    fn form(
        &mut self,
        policy: &Masses<'_, T>,
        log_reference: &[f64],
        gains: &[T],
        gain_error: f64,
    ) -> bool {
        let (mut mean, mut spread) = (T::from_f64(0.0), 0.0);
        self.reach = 0.0;
        let logs = || policy.logs.iter().copied().zip(log_reference.iter().copied());
        for (i, (action, (log_p, log_r))) in self.actions.iter_mut().zip(logs()).enumerate() {
            if log_p == f64::NEG_INFINITY {
                continue;
            }
            if log_r == f64::NEG_INFINITY {
                return false;
            }
            let ratio = T::from_f64(log_p) - T::from_f64(log_r);
            let (d, p) = (gains[i] - ratio, policy.values[i]);
            let size = d.to_f64().abs();
            mean = mean + p * d;
            spread += p.to_f64() * size;
            self.reach = self.reach.max(size);
            action.difference = d;
            action.error = gain_error + T::UNIT * (ratio.to_f64().abs() + size);
        }
        mean = mean / policy.total;
        let (n, total) = (policy.logs.len() as f64, policy.total.to_f64());
        let underflow = n * f64::MIN_POSITIVE * (1.0 + self.reach);
        self.off_center = 1.01 * (2.0 * n + 32.0) * T::UNIT * spread / total + underflow;
        for (i, (action, (log_p, log_r))) in self.actions.iter_mut().zip(logs()).enumerate() {
            let played = log_p > f64::NEG_INFINITY;
            if played {
                action.deviation = (action.difference - mean).to_f64();
                if action.deviation <= 1.0 {
                    continue;
                }
            }
            if log_r == f64::NEG_INFINITY {
                (action.tilt, action.error) = (f64::NEG_INFINITY, 0.0);
                continue;
            }
            // From here on `d` is `z − log p + μ`: formed without the policy, and off otherwise.
            let tilted = T::from_f64(log_r) + gains[i];
            let error = gain_error + T::UNIT * tilted.to_f64().abs();
            if played {
                let moved = action.error + error;
                self.off_center += 1.01 * policy.values[i].to_f64() / total * moved;
            }
            action.tilt = (tilted - mean).to_f64();
            action.error = error;
        }
        true
    }

    /// (1) and (2) for the exponents at hand.
    fn enclose(&self, policy: &Masses<'_, T>) -> Bracket {
        let mode_error = self.actions[policy.mode].error;
        // V is summed in units of the largest ē², which alone may underflow.
        let errors = self.actions.iter().take(policy.logs.len()).map(|action| action.error);
        let largest = (errors.fold(0.0, f64::max) + mode_error).max(1e-290);
        let scale = 1.0 / largest;
        let (mut sum, mut support, mut steepest) = (0.0, 0.0_f64, 0.0_f64);
        let (mut played_squares, mut response_squares) = (0.0, 0.0);
        let masses = policy.values.iter().map(|p| p.to_f64());
        for (i, ((action, &log_p), p)) in
            self.actions.iter().zip(policy.logs).zip(masses).enumerate()
        {
            let x = action.deviation;
            let played = log_p > f64::NEG_INFINITY;
            let (term, response) = if played && x <= 1.0 {
                // p eˣ lies below its chord.
                (p * exp_remainder(x), p * (1.0 + 1.72 * x.max(0.0)))
            } else {
                // p eˣ from the logarithms: a tiny mass with a huge exponent counts for what it is.
                let tilt = action.tilt;
                if tilt == f64::NEG_INFINITY {
                    continue;
                }
                let response = tilt.exp();
                steepest = steepest.max(tilt.abs());
                let rest = if p > 0.0 { p * (1.0 + (tilt - log_p)) } else { 0.0 };
                (response - rest, response)
            };
            sum += term;
            support += 1.0;
            if i != policy.mode {
                let error = scale * (action.error + mode_error);
                played_squares += p * error * error;
                response_squares += response * error * error;
            }
        }
        if support <= 1.0 {
            return Bracket { lower: 0.0, upper: 0.0 };
        }
        let n = policy.logs.len() as f64;
        let total = policy.total.to_f64();
        sum /= total;
        if !sum.is_finite() {
            return self.enclose_far(policy, 2.0 * largest);
        }
        let nats = sum.ln_1p();
        let ratio = sum / (1.0 + sum);
        // What is relative: the sums, `exp_remainder` (40 units), and e^z, of which less than three
        // quarters is taken away again; beyond e^±745 there is nothing to be wrong about.
        let relative = (2.0 * n + 128.0 + 8.0 * steepest.min(745.0)) * UNIT;
        let underflow = support * f64::MIN_POSITIVE * (4.0 + 2.0 * self.reach);
        let center = (self.off_center + relative) * ratio + 8.0 * UNIT * nats + underflow;
        let known = nats + center;
        let shift = if largest <= LARGE && self.off_center <= LARGE {
            let squares = 1.02 * (played_squares + response_squares / (1.0 + sum)) / total;
            let root = squares.sqrt() * largest;
            (1.01 * (2.0 * known).sqrt() * root + 0.52 * root * root).min(2.0 * largest)
        } else {
            2.0 * largest
        };
        let error = center + shift;
        let squared = self.off_center * self.off_center;
        Bracket {
            lower: (nats - error - squared).max(0.0),
            upper: (nats + error) * (1.0 + 8.0 * UNIT),
        }
    }

    /// The same where `S` is beyond the range of f64: some 700 nats and more, of which log-sum-exp has
    /// all digits.
    fn enclose_far(&self, policy: &Masses<'_, T>, exponent_error: f64) -> Bracket {
        let tilt = |(action, &log_p): (&Exponent<T>, &f64)| {
            let near = log_p > f64::NEG_INFINITY && action.deviation <= 1.0;
            if near { log_p + action.deviation } else { action.tilt }
        };
        let tilts = || self.actions.iter().zip(policy.logs).map(tilt);
        let largest = tilts().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = tilts().map(|tilt| (tilt - largest).exp()).sum();
        let nats = largest + sum.ln() - policy.total.to_f64().ln();
        let n = policy.logs.len() as f64;
        let rounding = UNIT * (2.0 * n + 3000.0 + 8.0 * largest.abs());
        let error = rounding + self.off_center + exponent_error;
        let squared = self.off_center * self.off_center;
        Bracket { lower: (nats - error - squared).max(0.0), upper: nats + error }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::game::double_double::DoubleDouble;
    use proptest::collection::vec;
    use proptest::prelude::any;

    fn kl<T: Arithmetic>(logs: &[f64], log_reference: &[f64], gains: &[f64]) -> Bracket {
        let gains: Vec<T> = gains.iter().map(|gain| T::from_f64(*gain)).collect();
        let mut room = Exponents::new(logs.len());
        room.kl_to_best_response(&Masses::new(logs), log_reference, &gains, 0.0)
    }

    fn logs(masses: &[f64]) -> Vec<f64> {
        masses.iter().map(|p| p.ln()).collect()
    }

    fn assert_near(got: Bracket, expected: f64, tolerance: f64) {
        let near = |x: f64| (x / expected - 1.0).abs() <= tolerance;
        let ordered = got.lower <= got.upper;
        assert!(ordered && near(got.lower) && near(got.upper), "{got:?}, not {expected}");
    }

    #[test]
    fn the_bracket_holds_the_definition() {
        for scale in [0.1_f64, 1.0, 5.0, 40.0] {
            let (p, r, g): ([f64; 3], [f64; 3], [f64; 3]) =
                ([0.2, 0.5, 0.3], [0.6, 0.3, 0.1], [0.0, scale, -0.5 * scale]);
            let weights: Vec<f64> = r.iter().zip(&g).map(|(r, g)| r * g.exp()).collect();
            let total: f64 = weights.iter().sum();
            let direct: f64 = p.iter().zip(&weights).map(|(p, w)| p * (p / (w / total)).ln()).sum();
            assert_near(kl::<f64>(&logs(&p), &logs(&r), &g), direct, 3e-13);
            assert_near(kl::<DoubleDouble>(&logs(&p), &logs(&r), &g), direct, 3e-13);
        }
    }

    #[test]
    fn a_policy_that_never_plays_the_best_action_is_not_certified() {
        // Clamping here once reported 0 where the exploitability was the whole gain.
        let never = kl::<f64>(&logs(&[1.0, 0.0]), &logs(&[0.5, 0.5]), &[0.0, 1000.0]);
        assert_near(never, 1000.0, 1e-12);
        let logs = [0.0, -800.0];
        assert_near(kl::<f64>(&logs, &logs, &[0.0, 1600.0]), 800.0, 1e-12);
        assert_near(kl::<DoubleDouble>(&logs, &logs, &[0.0, 1600.0]), 800.0, 1e-12);
    }

    #[test]
    fn mass_outside_the_reference_is_infinitely_far() {
        let (half, first) = (logs(&[0.5, 0.5]), logs(&[1.0, 0.0]));
        assert!(kl::<f64>(&half, &first, &[0.0, 0.0]) == Bracket::INFINITE);
        let tiny = [0.0, -1e5];
        assert!(kl::<f64>(&tiny, &first, &[0.0, 0.0]) == Bracket::INFINITE);
        assert!(kl::<f64>(&first, &first, &[0.3, 9.0]) == Bracket { lower: 0.0, upper: 0.0 });
    }

    proptest::proptest! {
        /// (2) as a theorem: exponents that are off by any `|h| ≤ δ` stay within the bracket, whether δ
        /// is far below or far above what the policy is off, and with the signs that hurt the most.
        #[test]
        fn wrong_gains_stay_within_the_bracket(
            actions in vec((-4.0..0.0_f64, -4.0..0.0_f64, -1.0..1.0_f64), 1..7),
            size in -6.0..1.0_f64,
            log_delta in -6.0..0.5_f64,
            toward_response in any::<bool>(),
        ) {
            let scaled = |x: f64| x * 10f64.powf(size);
            let logs: Vec<f64> = actions.iter().map(|a| a.0).collect();
            let log_reference: Vec<f64> = actions.iter().map(|a| a.0 + scaled(a.1)).collect();
            let gains: Vec<f64> = actions.iter().map(|a| scaled(a.2)).collect();
            let delta = 10f64.powf(log_delta);
            let mut room = Exponents::new(logs.len());
            let policy = Masses::<f64>::new(&logs);
            let got = room.kl_to_best_response(&policy, &log_reference, &gains, delta);
            // Raise what the response plays more than the policy, or the other way round.
            let moved: Vec<f64> = room
                .actions
                .iter()
                .zip(&gains)
                .map(|(a, g)| g + if (a.deviation > 0.0) == toward_response { delta } else { -delta })
                .collect();
            let truth = kl::<DoubleDouble>(&logs, &log_reference, &moved);
            proptest::prop_assert!(got.lower <= truth.upper && truth.lower <= got.upper,
                "{got:?} does not hold {truth:?}");
        }
    }

    #[test]
    fn what_is_out_of_range_is_not_a_number() {
        let half = logs(&[0.5, 0.5]);
        let got = kl::<f64>(&half, &half, &[f64::INFINITY, 0.0]);
        assert!(got.upper.is_nan(), "{got:?}");
    }
}
