//! Double-double arithmetic: an unevaluated sum of two f64, about 32 digits.
//!
//! ```text
//! x = hi + lo,  |lo| ≤ ulp(hi)/2        relative error of +, −, ×, ÷ at most about 2⁻¹⁰²
//! ```
//! Error-free transformations of Dekker (1971) and Knuth (TAOCP 2, 4.2.2); the exponential and
//! logarithm as in Hida, Li and Bailey, "Algorithms for Quad-Double Precision" (2001). The exponent
//! range is that of f64: what underflows there underflows here.

use std::iter::Sum;
use std::ops::{Add, Div, Mul, Neg, Sub};

/// A number of about 32 digits.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct DoubleDouble {
    hi: f64,
    lo: f64,
}

impl DoubleDouble {
    /// Zero.
    pub const ZERO: Self = Self { hi: 0.0, lo: 0.0 };
    /// One.
    pub const ONE: Self = Self { hi: 1.0, lo: 0.0 };
    /// log 2.
    pub const LN_2: Self = Self { hi: std::f64::consts::LN_2, lo: 2.319_046_813_846_299_6e-17 };

    /// The sum `hi + lo`, exactly.
    pub fn new(hi: f64, lo: f64) -> Self {
        let (hi, lo) = two_sum(hi, lo);
        Self { hi, lo }
    }

    /// The nearest f64.
    pub fn to_f64(self) -> f64 {
        self.hi
    }

    /// `exp self`: relative error about `1e-31 + 1e-32·|self|`, 0 or ∞ outside the range of f64.
    #[must_use]
    pub fn exp(self) -> Self {
        if self.hi < -745.0 {
            return Self::ZERO;
        }
        if self.hi > 709.7 {
            return Self { hi: f64::INFINITY, lo: 0.0 };
        }
        // exp x = 2^k (exp r)^512 with |r| ≤ log 2 / 1024, where nine terms reach 1e-34.
        let k = (self.hi / Self::LN_2.hi).round();
        let r = (self - Self::LN_2 * k.into()).scaled(1.0 / 512.0);
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

    /// The natural logarithm of a positive number, absolute error about 1e-32 or one in 1e-31 of it.
    ///
    /// # Panics
    /// If the number is not positive and finite.
    #[must_use]
    pub fn ln(self) -> Self {
        assert!(self.hi > 0.0 && self.hi.is_finite(), "the logarithm of {self:?}");
        // x = 2^k m with m near 1, in two halves as above.
        let k = self.hi.log2().round();
        let half = (0.5 * k).floor();
        let m = self.scaled((-half).exp2()).scaled((half - k).exp2());
        // Newton on exp doubles the digits: y + m e^−y − 1.
        let mut y = Self::from(m.hi.ln());
        for _ in 0..2 {
            y = y + m * (-y).exp() - Self::ONE;
        }
        y + Self::LN_2 * k.into()
    }

    /// The product with a power of two, which is exact.
    fn scaled(self, power: f64) -> Self {
        Self { hi: self.hi * power, lo: self.lo * power }
    }
}

/// `a + b` and its rounding error.
fn two_sum(a: f64, b: f64) -> (f64, f64) {
    let sum = a + b;
    let b_part = sum - a;
    (sum, (a - (sum - b_part)) + (b - b_part))
}

/// `a + b` and its rounding error, for `|a| ≥ |b|`.
fn quick_two_sum(a: f64, b: f64) -> DoubleDouble {
    let hi = a + b;
    DoubleDouble { hi, lo: b - (hi - a) }
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
        let (hi, hi_error) = two_sum(self.hi, other.hi);
        let (lo, lo_error) = two_sum(self.lo, other.lo);
        let sum = quick_two_sum(hi, hi_error + lo);
        quick_two_sum(sum.hi, sum.lo + lo_error)
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
        let rest = self - other * first.into();
        let second = rest.hi / other.hi;
        let rest = rest - other * second.into();
        quick_two_sum(first, second) + (rest.hi / other.hi).into()
    }
}

impl Sum for DoubleDouble {
    fn sum<I: Iterator<Item = Self>>(terms: I) -> Self {
        terms.fold(Self::ZERO, Add::add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dd(x: f64) -> DoubleDouble {
        DoubleDouble::from(x)
    }

    /// Relative, absolute where `expected` is zero.
    fn assert_near(got: DoubleDouble, expected: DoubleDouble, tolerance: f64) {
        let size = if expected.hi == 0.0 { 1.0 } else { expected.hi.abs() };
        let error = (got - expected).hi.abs() / size;
        assert!(error <= tolerance, "{got:?} is not {expected:?}: off by {error:e}");
    }

    #[test]
    fn the_lower_half_holds_what_the_upper_cannot() {
        assert_near(dd(1.0) + dd(1e-25) - dd(1.0), dd(1e-25), 1e-6);
        let third = dd(1.0) / dd(3.0);
        assert_near(third * dd(3.0), dd(1.0), 1e-31);
        // 0.1 as f64 is 0.1 + 5.55e-18.
        assert_near(dd(0.1) - dd(1.0) / dd(10.0), dd(5.551_115_123_125_783e-18), 1e-13);
    }

    #[test]
    fn known_constants_to_thirty_digits() {
        // The pairs are those of the QD library of Hida, Li and Bailey.
        let e = DoubleDouble::new(std::f64::consts::E, 1.445_646_891_729_250_2e-16);
        let ln_10 = DoubleDouble::new(std::f64::consts::LN_10, -2.170_756_223_382_249_4e-16);
        assert_near(dd(1.0).exp(), e, 1e-31);
        assert_near(e.ln(), dd(1.0), 1e-31);
        assert_near(dd(2.0).ln(), DoubleDouble::LN_2, 1e-31);
        assert_near(dd(10.0).ln(), ln_10, 1e-31);
        assert_near(ln_10.exp(), dd(10.0), 1e-30);
    }

    #[test]
    fn exp_and_ln_undo_each_other_over_the_whole_range() {
        for x in [-700.0, -600.5, -40.25, -1.0, -1e-9, 0.0, 1e-20, 0.3, 17.0, 700.0] {
            // Near e⁻⁷⁰⁰ the lower half is subnormal and has few digits left.
            let tolerance = if f64::abs(x) > 600.0 { 1e-18 } else { 1e-29 };
            assert_near(dd(x).exp().ln() - dd(x), dd(0.0), tolerance);
            assert_near(dd(x).exp() * dd(-x).exp(), dd(1.0), tolerance);
        }
        assert!(dd(-1e4).exp() == DoubleDouble::ZERO);
        assert_near(dd(5e-324).ln(), dd(-744.440_071_921_381_2), 1e-15);
    }

    #[test]
    fn the_exponential_turns_sums_into_products() {
        for (x, y) in [(0.1, 0.2), (-3.7, 12.9), (-200.0, 199.5)] {
            assert_near(dd(x).exp() * dd(y).exp(), (dd(x) + dd(y)).exp(), 1e-29);
        }
    }
}
