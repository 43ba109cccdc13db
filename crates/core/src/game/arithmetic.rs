//! The two arithmetics that certificates are computed in: f64, and twice its digits.
//!
//! Error bounds are derived once, with the [`Arithmetic::UNIT`] of the arithmetic as their only constant.

use super::double_double::DoubleDouble;
use std::ops::{Add, Div, Mul, Sub};

/// Numbers whose rounding errors are bounded.
pub(super) trait Arithmetic:
    Copy + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> + Div<Output = Self>
{
    /// A bound on the relative error of a sum, difference or product, and on half that of a quotient.
    const UNIT: f64;
    /// A bound on the relative error of [`Arithmetic::exp`], in units; results below the normal
    /// numbers are right within 2⁻¹⁰⁷⁴.
    const EXP_UNITS: f64;

    /// The number itself.
    fn from_f64(x: f64) -> Self;
    /// Rounded to nearest.
    fn to_f64(self) -> f64;
    /// The exponential of a logarithm up to 700, zero for −∞.
    fn exp(log: f64) -> Self;
}

impl Arithmetic for f64 {
    const UNIT: f64 = 0.5 * f64::EPSILON;
    /// Two units in the last place, which no mathematical library in use exceeds.
    const EXP_UNITS: f64 = 4.0;

    fn from_f64(x: f64) -> f64 {
        x
    }

    fn to_f64(self) -> f64 {
        self
    }

    fn exp(log: f64) -> f64 {
        log.exp()
    }
}

impl Arithmetic for DoubleDouble {
    /// 2⁻¹⁰³.
    const UNIT: f64 = 2.0 * f64::EPSILON * f64::EPSILON;
    /// 2⁻¹⁰⁰.
    const EXP_UNITS: f64 = 8.0;

    fn from_f64(x: f64) -> Self {
        x.into()
    }

    fn to_f64(self) -> f64 {
        self.to_f64()
    }

    fn exp(log: f64) -> Self {
        Self::exp(log)
    }
}
