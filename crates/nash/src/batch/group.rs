//! Two vector registers that are always worked on together.
//!
//! Elimination and softmax are chains of dependent operations: with one register the machine waits for
//! each of them, with two it works on one while it waits for the other.

use crate::simd::exp_f32;
use pulp::{Simd, bytemuck};

/// Registers in a group.
const REGISTERS: usize = 2;

/// Numbers of as many lanes as two registers have.
pub(super) type Vector<S> = [<S as Simd>::f32s; REGISTERS];

/// A yes or no for each lane.
pub(super) type Mask<S> = [<S as Simd>::m32s; REGISTERS];

/// The instructions on a group.
#[derive(Debug, Clone, Copy)]
pub(super) struct Group<S>(pub(super) S);

impl<S: Simd> Group<S> {
    /// Lanes of a vector.
    pub(super) const LANES: usize = REGISTERS * S::F32_LANES;

    #[inline(always)]
    pub(super) fn splat(self, x: f32) -> Vector<S> {
        [self.0.splat_f32s(x); REGISTERS]
    }

    #[inline(always)]
    pub(super) fn add(self, x: Vector<S>, y: Vector<S>) -> Vector<S> {
        [self.0.add_f32s(x[0], y[0]), self.0.add_f32s(x[1], y[1])]
    }

    #[inline(always)]
    pub(super) fn sub(self, x: Vector<S>, y: Vector<S>) -> Vector<S> {
        [self.0.sub_f32s(x[0], y[0]), self.0.sub_f32s(x[1], y[1])]
    }

    #[inline(always)]
    pub(super) fn mul(self, x: Vector<S>, y: Vector<S>) -> Vector<S> {
        [self.0.mul_f32s(x[0], y[0]), self.0.mul_f32s(x[1], y[1])]
    }

    #[inline(always)]
    pub(super) fn div(self, x: Vector<S>, y: Vector<S>) -> Vector<S> {
        [self.0.div_f32s(x[0], y[0]), self.0.div_f32s(x[1], y[1])]
    }

    #[inline(always)]
    pub(super) fn max(self, x: Vector<S>, y: Vector<S>) -> Vector<S> {
        [self.0.max_f32s(x[0], y[0]), self.0.max_f32s(x[1], y[1])]
    }

    #[inline(always)]
    pub(super) fn neg(self, x: Vector<S>) -> Vector<S> {
        self.sub(self.splat(0.0), x)
    }

    /// `xy + z`
    #[inline(always)]
    pub(super) fn mul_add(self, x: Vector<S>, y: Vector<S>, z: Vector<S>) -> Vector<S> {
        [self.0.mul_add_e_f32s(x[0], y[0], z[0]), self.0.mul_add_e_f32s(x[1], y[1], z[1])]
    }

    /// `z − xy`
    #[inline(always)]
    pub(super) fn minus_mul(self, x: Vector<S>, y: Vector<S>, z: Vector<S>) -> Vector<S> {
        [
            self.0.negate_mul_add_e_f32s(x[0], y[0], z[0]),
            self.0.negate_mul_add_e_f32s(x[1], y[1], z[1]),
        ]
    }

    /// `x ≤ y`; false if either is not a number.
    #[inline(always)]
    pub(super) fn at_most(self, x: Vector<S>, y: Vector<S>) -> Mask<S> {
        [self.0.less_than_or_equal_f32s(x[0], y[0]), self.0.less_than_or_equal_f32s(x[1], y[1])]
    }

    #[inline(always)]
    pub(super) fn equal(self, x: Vector<S>, y: Vector<S>) -> Mask<S> {
        [self.0.equal_f32s(x[0], y[0]), self.0.equal_f32s(x[1], y[1])]
    }

    #[inline(always)]
    pub(super) fn select(self, mask: Mask<S>, yes: Vector<S>, no: Vector<S>) -> Vector<S> {
        [self.0.select_f32s(mask[0], yes[0], no[0]), self.0.select_f32s(mask[1], yes[1], no[1])]
    }

    /// `eˣ` for `x ≤ 0`, relative error below 3e-7; below −87 it is e^−87 ≈ 2e-38.
    #[inline(always)]
    pub(super) fn exp(self, x: Vector<S>) -> Vector<S> {
        [exp_f32(self.0, x[0]), exp_f32(self.0, x[1])]
    }

    /// The numbers of all lanes.
    #[inline(always)]
    pub(super) fn lanes(vector: &Vector<S>) -> &[f32] {
        bytemuck::cast_slice(vector.as_slice())
    }

    #[inline(always)]
    pub(super) fn set_lane(vector: &mut Vector<S>, at: usize, value: f32) {
        bytemuck::cast_slice_mut::<S::f32s, f32>(vector.as_mut_slice())[at] = value;
    }
}
