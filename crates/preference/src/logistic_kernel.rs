//! Logistic losses and their slopes of many rows at once, compiled to whatever vectors the machine has.
//!
//! ```text
//! e = exp(−|t|):   σ(t) = 1/(1 + e) or e/(1 + e),   log(1 + eᵗ) = max(t, 0) + 2 artanh(e/(2 + e))
//! eˣ = 2ᵏ e^r,  k = round(x / ln 2),  |r| ≤ 0.35                 Cody and Waite (1980); artanh by its series
//! ```
//! Relative errors of the exponential and of `log(1 + e)` are below 1e-15. Below −708 the exponential is that of −708,
//! 3e-308.

#![allow(
    clippy::inline_always,
    reason = "code that is not inlined into the dispatched function is compiled without its instructions"
)]

use pulp::{Arch, Simd, WithSimd};

/// Writes `w σ(t) − v` in place of t and returns `Σ [w log(1 + eᵗ) − v t]`, w being weights and v wins.
pub(crate) fn slopes_and_loss(t: &mut [f64], weights: &[f64], wins: &[f64]) -> f64 {
    Arch::new().dispatch(Kernel { t, weights, wins })
}

struct Kernel<'a> {
    t: &'a mut [f64],
    weights: &'a [f64],
    wins: &'a [f64],
}

/// Rows at a time: two of the widest registers.
const LANES: usize = 16;

impl WithSimd for Kernel<'_> {
    type Output = f64;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> f64 {
        let n = self.t.len();
        let (weights, wins) = (&self.weights[..n], &self.wins[..n]);
        let mut sums = [0.0; LANES];
        let whole = n / LANES * LANES;
        let mut at = 0;
        while at < whole {
            let t: &mut [f64; LANES] = (&mut self.t[at..at + LANES]).try_into().expect("whole");
            let w: &[f64; LANES] = weights[at..at + LANES].try_into().expect("whole");
            let v: &[f64; LANES] = wins[at..at + LANES].try_into().expect("whole");
            for k in 0..LANES {
                let (slope, loss) = row::<S>(t[k], w[k], v[k]);
                t[k] = slope;
                sums[k] += loss;
            }
            at += LANES;
        }
        for k in whole..n {
            let (slope, loss) = row::<S>(self.t[k], weights[k], wins[k]);
            self.t[k] = slope;
            sums[0] += loss;
        }
        sums.iter().sum()
    }
}

#[inline(always)]
fn row<S: Simd>(t: f64, weight: f64, wins: f64) -> (f64, f64) {
    let size = t.abs();
    let e = exp_of_negative::<S>(-size);
    let share = 1.0 / (1.0 + e);
    let positive = t > 0.0;
    // Parts that are not negative, so that a certain label costs e^−|t| and not a rounding error.
    let p = if positive { share } else { e * share };
    let lost = if positive { weight - wins } else { wins };
    (weight * p - wins, lost * size + weight * log_one_plus::<S>(e))
}

#[inline(always)]
fn mul_add<S: Simd>(a: f64, b: f64, c: f64) -> f64 {
    if S::IS_SCALAR { a * b + c } else { a.mul_add(b, c) }
}

#[inline(always)]
fn exp_of_negative<S: Simd>(x: f64) -> f64 {
    // Adding 1.5 · 2⁵² rounds to an integer, which is then in the low bits.
    const MAGIC: f64 = 6_755_399_441_055_744.0;
    let x = x.max(-708.0);
    let shifted = mul_add::<S>(x, std::f64::consts::LOG2_E, MAGIC);
    let k = shifted - MAGIC;
    let r = mul_add::<S>(-k, 6.931_457_519_531_25e-1, x);
    let r = mul_add::<S>(-k, 1.428_606_820_309_417_2e-6, r);
    let mut y = 1.0 / 6_227_020_800.0;
    for c in [
        1.0 / 479_001_600.0,
        1.0 / 39_916_800.0,
        1.0 / 3_628_800.0,
        1.0 / 362_880.0,
        1.0 / 40_320.0,
        1.0 / 5_040.0,
        1.0 / 720.0,
        1.0 / 120.0,
        1.0 / 24.0,
        1.0 / 6.0,
        0.5,
        1.0,
        1.0,
    ] {
        y = mul_add::<S>(y, r, c);
    }
    f64::from_bits(y.to_bits().wrapping_add(shifted.to_bits() << 52))
}

/// `log(1 + e)` for `e` in [0, 1].
#[inline(always)]
fn log_one_plus<S: Simd>(e: f64) -> f64 {
    let s = e / (2.0 + e);
    let q = s * s;
    // s ≤ 1/3: the next term is below 3^−36.
    let mut y = 1.0 / 35.0;
    for odd in
        [33.0, 31.0, 29.0, 27.0, 25.0, 23.0, 21.0, 19.0, 17.0, 15.0, 13.0, 11.0, 9.0, 7.0, 5.0, 3.0]
    {
        y = mul_add::<S>(y, q, 1.0 / odd);
    }
    2.0 * mul_add::<S>(s * q, y, s)
}

#[cfg(test)]
mod tests {
    use super::*;
    use nlhf_core::logistic::{log_loss, sigmoid};

    #[test]
    fn rows_are_those_of_the_library() {
        let points: Vec<f64> = (0..4001_i32).map(|k| f64::from(k - 2000) * 0.019).collect();
        let extremes = [0.0, -0.0, 1e-300, -1e-20, 700.0, -700.0, 1e9, -1e9];
        let t: Vec<f64> = points.into_iter().chain(extremes).collect();
        for (weight, share) in [(1.0, 0.0), (1.0, 1.0), (3.5, 0.25)] {
            for x in &t {
                let (mut slope, wins) = ([*x], weight * share);
                let loss = slopes_and_loss(&mut slope, &[weight], &[wins]);
                let expected = weight * log_loss(*x, share);
                let near = |a: f64, b: f64| (a - b).abs() <= 2e-15 * b.abs() + 1e-306;
                assert!(near(loss, expected), "{x}: {loss} and {expected}");
                let expected = weight * sigmoid(*x) - wins;
                assert!(
                    (slope[0] - expected).abs() <= 1e-15 * weight,
                    "{x}: {} {expected}",
                    slope[0]
                );
            }
        }
        // Whole blocks and the rest are the same.
        let (w, v) = (vec![2.0; t.len()], vec![0.5; t.len()]);
        let mut together = t.clone();
        let loss = slopes_and_loss(&mut together, &w, &v);
        let mut sum = 0.0;
        for (x, slope) in t.iter().zip(&together) {
            let mut one = [*x];
            sum += slopes_and_loss(&mut one, &[2.0], &[0.5]);
            assert_eq!(one[0].to_bits(), slope.to_bits());
        }
        assert!((loss / sum - 1.0).abs() < 1e-13);
    }
}
