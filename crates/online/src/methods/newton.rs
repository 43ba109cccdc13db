//! Damped Newton for the small losses of the methods here: a handful of parameters, curvature at hand.
//!
//! ```text
//! x ← x − tH⁻¹g,   t = 1, ½, ¼, … until the loss falls by 10⁻⁴ t g'H⁻¹g  (Armijo)
//! ```
//! H is the curvature where that is positive definite, and elsewhere that of the convex part of the loss, so that the loss falls in
//! every step. Not converging is no error: where rounding ends the search, the best point found is returned.

use nalgebra::{Cholesky, DMatrix, DVector};

const MAX_ITERATIONS: usize = 200;

/// The largest slope, per unit of scale, that counts as zero.
const TOLERANCE: f64 = 1e-12;

/// How far the loss may rise by rounding, relative to its size.
const ROUNDING: f64 = 1e-13;

/// A loss around a point.
pub(super) struct Local {
    pub(super) value: f64,
    pub(super) gradient: DVector<f64>,
    pub(super) curvature: DMatrix<f64>,
    /// The curvature of the convex part, positive definite; `None` if that is all of it.
    pub(super) convex_part: Option<DMatrix<f64>>,
}

/// A local minimum below `start`, `scale` the size of slopes that matter.
pub(super) fn minimize(
    start: &DVector<f64>,
    scale: f64,
    mut loss: impl FnMut(&DVector<f64>) -> Local,
) -> DVector<f64> {
    let (mut x, mut here) = (start.clone(), loss(start));
    for _ in 0..MAX_ITERATIONS {
        if here.gradient.amax() <= TOLERANCE * scale {
            break;
        }
        let factor = Cholesky::new(here.curvature.clone())
            .or_else(|| here.convex_part.clone().and_then(Cholesky::new));
        let Some(factor) = factor else { break };
        let step = factor.solve(&here.gradient);
        let promised = here.gradient.dot(&step);
        let mut length = 1.0;
        let next = loop {
            let trial = &x - length * &step;
            let there = loss(&trial);
            let falls = there.value <= here.value - 1e-4 * length * promised;
            // Near the minimum the loss is flat within rounding, and the slope tells.
            let flat = there.value <= here.value + ROUNDING * (1.0 + here.value.abs())
                && there.gradient.amax() <= 0.5 * here.gradient.amax();
            if falls || flat {
                break Some((trial, there));
            }
            length *= 0.5;
            if length < f64::EPSILON {
                break None;
            }
        };
        let Some(next) = next else { break };
        (x, here) = next;
    }
    x
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_valley_with_a_concave_part_is_descended_to_its_bottom() {
        // x²/2 + cosh x − 4 log cosh x: a minimum on both sides of a ridge at 0.
        let loss = |x: &DVector<f64>| {
            let t = x[0];
            let concave = -4.0 * t.cosh().ln();
            let convex = 0.5 * t * t + t.cosh();
            let slope = t + t.sinh() - 4.0 * t.tanh();
            let convex_curvature = 1.0 + t.cosh();
            Local {
                value: convex + concave,
                gradient: DVector::from_element(1, slope),
                curvature: DMatrix::from_element(1, 1, convex_curvature - 4.0 / t.cosh().powi(2)),
                convex_part: Some(DMatrix::from_element(1, 1, convex_curvature)),
            }
        };
        for start in [0.1, -0.1, 5.0, 40.0] {
            let x = minimize(&DVector::from_element(1, start), 1.0, loss);
            let there = loss(&x);
            assert!(there.gradient.amax() < 1e-10, "from {start}: {}", there.gradient);
            assert!(there.curvature[(0, 0)] > 0.0 && x[0] * start > 0.0);
        }
    }
}
