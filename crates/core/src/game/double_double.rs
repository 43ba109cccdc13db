//! Double-double arithmetic: an unevaluated sum of two f64, about 31 digits.
//!
//! ```text
//! x = hi + lo,  |lo| ≤ ulp(hi)/2        u = 2⁻⁵³ is the unit roundoff of f64
//! relative error: sum 3u², product 5u², quotient 15u²; exponential 2⁻¹⁰⁰
//! ```
//! Error-free transformations of Dekker (1971) and Knuth (TAOCP 2, 4.2.2), the product by a fused
//! multiply-add; the bounds are those of Joldes, Muller and Popescu, "Tight and rigorous error bounds
//! for basic building blocks of double-word arithmetic" (ACM TOMS 44, 2017), to first order. The
//! exponent range is that of f64: the low half is lost below 1e-292, the high half below 5e-324.

use std::ops::{Add, Div, Mul, Neg, Sub};

/// A number of about 31 digits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct DoubleDouble {
    hi: f64,
    lo: f64,
}

/// log 2 in three parts. The first has 33 bits, so that its product with an exponent is exact.
const LN_2: [f64; 3] =
    [0.693_147_180_369_123_8, 1.908_214_929_270_587_7e-10, 1.161_222_722_936_253_2e-26];

/// `a + b` and its rounding error.
fn two_sum(a: f64, b: f64) -> DoubleDouble {
    let hi = a + b;
    let b_part = hi - a;
    DoubleDouble { hi, lo: (a - (hi - b_part)) + (b - b_part) }
}

/// `a + b` and its rounding error, for `|a| ≥ |b|`.
fn quick_two_sum(a: f64, b: f64) -> DoubleDouble {
    let hi = a + b;
    DoubleDouble { hi, lo: b - (hi - a) }
}

impl DoubleDouble {
    /// Zero.
    pub(super) const ZERO: Self = Self { hi: 0.0, lo: 0.0 };
    /// One.
    const ONE: Self = Self { hi: 1.0, lo: 0.0 };

    /// The nearest f64.
    pub(super) fn to_f64(self) -> f64 {
        self.hi
    }

    /// The product with an f64, relative error 2u².
    pub(super) fn times(self, factor: f64) -> Self {
        let hi = self.hi * factor;
        quick_two_sum(hi, self.lo.mul_add(factor, self.hi.mul_add(factor, -hi)))
    }

    /// The exponential of a logarithm up to 700, within 2⁻¹⁰⁷⁴ where it leaves the normal numbers.
    ///
    /// `s = exp r − 1` is right within 9u² when it is small, each of nine squarings adds 3u² and together
    /// they magnify by 1.5 at most: 60u² of |s| ≤ 0.42, and with the last sum 30u² ≤ 2⁻¹⁰¹ of `1 + s`.
    pub(super) fn exp(log: f64) -> Self {
        if log < -746.0 {
            return Self::ZERO;
        }
        // exp x = 2^k (exp r)^512 with |r| ≤ log 2 / 1024, where nine terms reach 2⁻¹¹⁶.
        let k = (log / std::f64::consts::LN_2).round();
        let rest = two_sum(log, -k * LN_2[0]);
        let r = (rest - Self { hi: LN_2[1], lo: LN_2[2] }.times(k)).scaled(1.0 / 512.0);
        let mut tail = Self::ZERO;
        for term in (2..=9).rev() {
            tail = (tail + Self::ONE) * r / f64::from(term).into();
        }
        // s = exp r − 1 is squared as (1 + s)² − 1 = 2s + s², so that no digit of s is lost to the 1.
        let mut s = (tail + Self::ONE) * r;
        for _ in 0..9 {
            s = s.scaled(2.0) + s * s;
        }
        // In two halves, because 2^k alone may leave the range of f64 where the product does not.
        let half = (0.5 * k).floor();
        (s + Self::ONE).scaled(half.exp2()).scaled((k - half).exp2())
    }

    /// The product with a power of two, which is exact.
    fn scaled(self, power: f64) -> Self {
        Self { hi: self.hi * power, lo: self.lo * power }
    }
}

impl From<f64> for DoubleDouble {
    fn from(hi: f64) -> Self {
        Self { hi, lo: 0.0 }
    }
}

impl Neg for DoubleDouble {
    type Output = Self;
    fn neg(self) -> Self {
        Self { hi: -self.hi, lo: -self.lo }
    }
}

impl Add for DoubleDouble {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        let (high, low) = (two_sum(self.hi, other.hi), two_sum(self.lo, other.lo));
        let sum = quick_two_sum(high.hi, high.lo + low.hi);
        quick_two_sum(sum.hi, sum.lo + low.lo)
    }
}

impl Sub for DoubleDouble {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        self + -other
    }
}

impl Mul for DoubleDouble {
    type Output = Self;
    fn mul(self, other: Self) -> Self {
        let hi = self.hi * other.hi;
        let error = self.hi.mul_add(other.hi, -hi);
        quick_two_sum(hi, error + (self.hi * other.lo + self.lo * other.hi))
    }
}

impl Div for DoubleDouble {
    type Output = Self;
    fn div(self, other: Self) -> Self {
        let first = self.hi / other.hi;
        let rest = self - other.times(first);
        quick_two_sum(first, rest.hi / other.hi)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dd(x: f64) -> DoubleDouble {
        DoubleDouble::from(x)
    }

    /// Relative to `expected`.
    fn assert_near(got: DoubleDouble, expected: DoubleDouble, tolerance: f64) {
        let error = ((got - expected).hi / expected.hi).abs();
        assert!(error <= tolerance, "{got:?} is not {expected:?}: off by {error:e}");
    }

    #[test]
    fn the_lower_half_holds_what_the_upper_cannot() {
        assert_near(dd(1.0) + dd(1e-25) - dd(1.0), dd(1e-25), 1e-6);
        let third = dd(1.0) / dd(3.0);
        assert_near(third.times(3.0), dd(1.0), 1e-31);
        assert_near(third * dd(3.0), dd(1.0), 1e-31);
        // 0.1 as f64 is 0.1 + 5.55e-18.
        assert_near(dd(0.1) - dd(1.0) / dd(10.0), dd(5.551_115_123_125_783e-18), 1e-13);
    }

    #[test]
    fn exponentials_have_thirty_digits() {
        // The pair of e is that of the QD library of Hida, Li and Bailey.
        let e = DoubleDouble { hi: std::f64::consts::E, lo: 1.445_646_891_729_250_2e-16 };
        assert_near(DoubleDouble::exp(1.0), e, 1e-31);
        assert_near(DoubleDouble::exp(-1.0) * e, dd(1.0), 1e-30);
        for x in [-640.5, -40.25, -1e-9, 0.0, 0.3, 17.0, 640.5] {
            assert_near(DoubleDouble::exp(x) * DoubleDouble::exp(-x), dd(1.0), 1e-30);
            let whole = DoubleDouble::exp(x);
            assert_near(DoubleDouble::exp(0.5 * x) * DoubleDouble::exp(0.5 * x), whole, 1e-30);
        }
        assert!(DoubleDouble::exp(-1e4) == DoubleDouble::ZERO);
        assert!(DoubleDouble::exp(f64::NEG_INFINITY) == DoubleDouble::ZERO);
        assert!(DoubleDouble::exp(-745.0).to_f64().to_bits() == 1);
    }
}
