//! A quadratic model minimized over a ball.
//!
//! ```text
//! min over ‖θ + u‖ ≤ R of g·u + ½ u'Hu:   (H + λI) u = −g − λθ,   λ ≥ 0,  λ = 0 or ‖θ + u‖ = R
//! ```
//! λ by Newton's method on `1/‖θ + u(λ)‖ − 1/R`, which is nearly linear in λ. Source: Moré and Sorensen (1983).

use super::LogLinearError;
use super::curvature::Curvature;
use nalgebra::{Cholesky, DMatrix, DVector};

/// The step u and the multiplier λ of the ball.
pub(super) struct Step {
    pub(super) step: Vec<f64>,
    pub(super) multiplier: f64,
}

/// Where H is flat, u stays short: that much is added to its diagonal, relative to the mean of that.
const SMALLEST_RIDGE: f64 = 1e-13;
/// Newton steps for λ.
const MAX_ITERATIONS: usize = 50;

/// # Errors
/// [`LogLinearError::Breakdown`] if the matrix is not finite.
pub(super) fn step(
    curvature: &Curvature<'_>,
    scales: &[f64],
    theta: &[f64],
    gradient: &[f64],
    radius: f64,
) -> Result<Step, LogLinearError> {
    let dim = theta.len();
    let scales = DVector::from_column_slice(scales);
    let scaled = |x: &[f64]| DVector::from_column_slice(x);
    let gradient = scaled(gradient).component_div(&scales);
    let theta = scaled(theta);
    // The penalty λ/2 ‖θ + u‖² in scaled coordinates.
    let metric = scales.map(|s| 1.0 / (s * s));
    let mean = (curvature.matrix.trace() / dim as f64).max(f64::MIN_POSITIVE);
    let mut ridge = SMALLEST_RIDGE * mean;
    // u in scaled coordinates at a λ, and the factor that gave it.
    let mut solve = |multiplier: f64| {
        let factor = loop {
            let mut matrix = curvature.matrix.clone();
            for k in 0..dim {
                matrix[(k, k)] += multiplier * metric[k] + ridge;
            }
            if let Some(factor) = Cholesky::new(matrix) {
                break factor;
            }
            ridge *= 100.0;
            if !ridge.is_finite() {
                return Err(LogLinearError::Breakdown);
            }
        };
        let pull = theta.component_div(&scales) * multiplier;
        let step: DVector<f64> = -factor.solve(&(&gradient + pull));
        Ok((step, factor))
    };
    let reached = |u: &DVector<f64>| &theta + u.component_div(&scales);
    let (mut u, mut factor) = solve(0.0)?;
    let mut multiplier = 0.0;
    if reached(&u).norm() > radius {
        let (mut low, mut high) = (0.0, f64::INFINITY);
        for _ in 0..MAX_ITERATIONS {
            let end = reached(&u);
            let norm = end.norm();
            if norm > radius {
                low = multiplier;
            } else {
                high = multiplier;
            }
            let pinned = high.is_finite() && high - low <= 1e-15 * high;
            if (norm / radius - 1.0).abs() <= 1e-12 || pinned {
                break;
            }
            // d‖end‖²/dλ = −2 end'M(H + λM)⁻¹M end in scaled coordinates.
            let pull = end.component_div(&scales);
            let slope = pull.dot(&factor.solve(&pull));
            let mut next = multiplier + norm * norm / slope * (norm / radius - 1.0);
            if !(next > low && next < high) {
                next = if high.is_finite() { 0.5 * (low + high) } else { 2.0 * low + mean };
            }
            multiplier = next;
            (u, factor) = solve(multiplier)?;
        }
    }
    let mut end = reached(&u);
    let norm = end.norm();
    if norm > radius {
        end *= radius / norm * (1.0 - f64::EPSILON);
    }
    let step: Vec<f64> = (end - theta).iter().copied().collect();
    if step.iter().all(|x| x.is_finite()) {
        Ok(Step { step, multiplier })
    } else {
        Err(LogLinearError::Breakdown)
    }
}

/// `H u` in unscaled coordinates.
pub(super) fn curve(matrix: &DMatrix<f64>, scales: &[f64], u: &[f64]) -> f64 {
    let u = DVector::from_iterator(u.len(), u.iter().zip(scales).map(|(u, s)| u * s));
    u.dot(&(matrix * &u))
}

pub(super) fn norm(x: &[f64]) -> f64 {
    let largest = x.iter().fold(0.0, |most: f64, x| most.max(x.abs()));
    if largest == 0.0 || !largest.is_finite() {
        return largest;
    }
    largest * x.iter().map(|x| (x / largest).powi(2)).sum::<f64>().sqrt()
}

pub(super) fn dot(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(x, y)| x * y).sum()
}
