//! Exponentials and logarithms that compile to vector code.
//!
//! ```text
//! eˣ = 2ᵏ e^r,   k = round(x / ln 2),  r = x − k ln 2 ∈ [−0.35, 0.35]      Cody and Waite (1980)
//! log x = e ln 2 + 2 artanh((m − 1)/(m + 1)),  x = 2ᵉ m,  m ∈ [√½, √2]
//! ```
//! `ln 2` is split in two so that `r` is exact to the last bit; `e^r` and `artanh` are Taylor polynomials whose
//! first omitted term is below half a unit of rounding. `2ᵏ` is added to the exponent bits. Arguments of
//! the exponentials are never positive here: they are logits less their maximum. Everything is
//! free of branches and calls.

#![allow(
    clippy::inline_always,
    reason = "code that is not inlined into the dispatched function is compiled without its instructions"
)]

use pulp::Simd;

/// `eˣ` for `x ≤ 0` in f32, relative error below 3e-7; below −87 it is e^−87 ≈ 2e-38.
#[inline(always)]
pub(crate) fn exp_f32<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    // Adding 1.5 · 2²³ rounds to an integer, which is then in the low bits.
    let magic = simd.splat_f32s(12_582_912.0);
    let x = simd.max_f32s(x, simd.splat_f32s(-87.0));
    let shifted = simd.mul_add_e_f32s(x, simd.splat_f32s(std::f32::consts::LOG2_E), magic);
    let k = simd.sub_f32s(shifted, magic);
    let r = simd.negate_mul_add_e_f32s(k, simd.splat_f32s(0.693_359_4), x);
    let r = simd.negate_mul_add_e_f32s(k, simd.splat_f32s(-2.121_944_4e-4), r);
    let mut y = simd.splat_f32s(1.0 / 720.0);
    for c in [1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0] {
        y = simd.mul_add_e_f32s(y, r, simd.splat_f32s(c));
    }
    let power = simd.wrapping_dyn_shl_u32s(simd.transmute_u32s_f32s(shifted), simd.splat_u32s(23));
    simd.transmute_f32s_u32s(simd.add_u32s(simd.transmute_u32s_f32s(y), power))
}

/// `ab + c`, fused where the machine does that in one instruction.
#[inline(always)]
pub(crate) fn mul_add<S: Simd>(a: f64, b: f64, c: f64) -> f64 {
    if S::IS_SCALAR { a * b + c } else { a.mul_add(b, c) }
}

/// `eˣ` for `x ≤ 0`, relative error below 4e-16; below −708 it is e^−708 ≈ 3e-308.
#[inline(always)]
pub(crate) fn exp_f64<S: Simd>(simd: S, x: S::f64s) -> S::f64s {
    let magic = simd.splat_f64s(6_755_399_441_055_744.0); // 1.5 · 2⁵²
    let x = simd.max_f64s(x, simd.splat_f64s(-708.0));
    let shifted = simd.mul_add_e_f64s(x, simd.splat_f64s(std::f64::consts::LOG2_E), magic);
    let k = simd.sub_f64s(shifted, magic);
    let r = simd.negate_mul_add_e_f64s(k, simd.splat_f64s(6.931_457_519_531_25e-1), x);
    let r = simd.negate_mul_add_e_f64s(k, simd.splat_f64s(1.428_606_820_309_417_2e-6), r);
    let mut y = simd.splat_f64s(1.0 / 6_227_020_800.0);
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
        y = simd.mul_add_e_f64s(y, r, simd.splat_f64s(c));
    }
    // Multiplying by 2⁵² shifts the integer into the exponent.
    let power = simd.mul_u64s(simd.transmute_u64s_f64s(shifted), simd.splat_u64s(1 << 52));
    simd.transmute_f64s_u64s(simd.add_u64s(simd.transmute_u64s_f64s(y), power))
}

/// `log x` for normal positive `x`, relative error below 4e-16 away from 1 and absolute there.
#[inline(always)]
pub(crate) fn ln<S: Simd>(x: f64) -> f64 {
    // The exponent of x / √½, so that m lies in [√½, √2].
    let offset = x.to_bits().wrapping_sub(std::f64::consts::FRAC_1_SQRT_2.to_bits());
    let e = (offset.cast_signed() >> 52) as f64;
    let m = f64::from_bits(x.to_bits().wrapping_sub(offset & 0xfff0_0000_0000_0000));
    let t = (m - 1.0) / (m + 1.0);
    let t2 = t * t;
    let mut y = 1.0 / 21.0;
    for c in [
        1.0 / 19.0,
        1.0 / 17.0,
        1.0 / 15.0,
        1.0 / 13.0,
        1.0 / 11.0,
        1.0 / 9.0,
        1.0 / 7.0,
        1.0 / 5.0,
        1.0 / 3.0,
    ] {
        y = mul_add::<S>(y, t2, c);
    }
    let log_m = mul_add::<S>(2.0 * t * t2, y, 2.0 * t);
    mul_add::<S>(e, std::f64::consts::LN_2, log_m)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::cast_possible_truncation, reason = "single precision is under test")]

    use super::*;
    use pulp::{Arch, WithSimd, bytemuck};

    /// The largest relative errors of the three functions.
    struct Errors;

    impl WithSimd for Errors {
        type Output = [f64; 3];

        fn with_simd<S: Simd>(self, simd: S) -> [f64; 3] {
            let mut errors = [0.0_f64; 3];
            for i in 0..20_000 {
                let x = -f64::from(i) * 0.0043;
                let y = exp_f32(simd, simd.splat_f32s(x as f32));
                let y = f64::from(bytemuck::cast_slice::<_, f32>(&[y])[0]);
                errors[0] = errors[0].max((y / f64::from(x as f32).exp() - 1.0).abs());
                let x = 8.2 * x;
                let y = exp_f64(simd, simd.splat_f64s(x));
                let y = bytemuck::cast_slice::<_, f64>(&[y])[0];
                errors[1] = errors[1].max((y / x.exp() - 1.0).abs());
                let x = 1.0 + f64::from(i) * 0.01;
                errors[2] = errors[2].max((ln::<S>(x) - x.ln()).abs() / x.ln().max(1.0));
            }
            errors
        }
    }

    #[test]
    fn errors_are_a_unit_of_rounding_on_every_instruction_set() {
        for errors in [Arch::new().dispatch(Errors), Errors.with_simd(pulp::Scalar)] {
            assert!(errors[0] < 3e-7 && errors[1] < 5e-16 && errors[2] < 5e-16, "{errors:?}");
        }
    }

    #[test]
    fn far_arguments_stay_finite() {
        let smallest = exp_f64(pulp::Scalar, -1e300);
        assert!((smallest / 3.307_553_003_638_408e-308 - 1.0).abs() < 1e-12, "{smallest:e}");
        assert_eq!(exp_f64(pulp::Scalar, 0.0).to_bits(), 1f64.to_bits());
        assert_eq!(ln::<pulp::Scalar>(1.0).to_bits(), 0f64.to_bits());
    }
}
