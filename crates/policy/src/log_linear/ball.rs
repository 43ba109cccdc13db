//! A quadratic model minimized over a ball.
//!
//! ```text
//! min over ‖θ + u‖ ≤ R of g·u + ½ u'Hu:   (H + λI) u = −g − λθ,   λ ≥ 0,  λ = 0 or ‖θ + u‖ = R
//! ```
//! λ by Newton's method on `1/‖θ + u(λ)‖ − 1/R`, which is nearly linear in λ, within a bracket: λ ≤ ‖Hθ − g‖/R. Source: Moré and
//! Sorensen (1983).

use super::curvature::Curvature;
use nalgebra::{Cholesky, DMatrix, DVector};

/// Where H is flat, u stays short: that much is added to its diagonal, relative to the mean of that.
const SMALLEST_RIDGE: f64 = 1e-13;
/// Where nothing is known but that λ is less than a number, that much of it is taken for the least that it may be.
const DIGITS: f64 = 1e-16;
/// Solutions in search of λ.
const MAX_ITERATIONS: usize = 100;
/// After as many of Newton's steps the bracket of λ is halved, in digits.
const HALVED_AFTER: usize = 4;

/// The step u. Where numbers leave f64 it leads down the gradient to the sphere.
pub(super) fn step(
    curvature: &Curvature<'_>,
    scales: &[f64],
    theta: &[f64],
    gradient: &[f64],
    radius: f64,
) -> Vec<f64> {
    let steepest = norm(gradient);
    if steepest == 0.0 {
        return vec![0.0; theta.len()];
    }
    let mut end = solve(curvature, scales, theta, gradient, radius);
    if !norm(&end).is_finite() {
        end = gradient.iter().map(|g| -g / steepest * radius).collect();
    }
    let length = norm(&end);
    if length > radius {
        for x in &mut end {
            *x *= radius / length * (1.0 - f64::EPSILON);
        }
    }
    end.iter().zip(theta).map(|(to, from)| to - from).collect()
}

/// θ + u, which may be outside by rounding, and not finite.
fn solve(
    curvature: &Curvature<'_>,
    scales: &[f64],
    theta: &[f64],
    gradient: &[f64],
    radius: f64,
) -> Vec<f64> {
    let scales = DVector::from_column_slice(scales);
    let theta = DVector::from_column_slice(theta);
    let gradient = DVector::from_column_slice(gradient);
    let dim = theta.len();
    // The penalty λ/2 ‖θ + u‖² in scaled coordinates.
    let metric = scales.map(|s| 1.0 / (s * s));
    let mean = (curvature.matrix.trace() / dim as f64).max(f64::MIN_POSITIVE);
    let mut ridge = SMALLEST_RIDGE * mean;
    // θ + u at a λ, and the factor that gave it.
    let mut reach = |multiplier: f64| {
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
                return None;
            }
        };
        let pulled = &gradient + &theta * multiplier;
        let step = factor.solve(&pulled.component_div(&scales));
        Some((&theta - step.component_div(&scales), factor))
    };
    let Some((mut end, mut factor)) = reach(0.0) else {
        return vec![f64::NAN; dim];
    };
    let mut multiplier = 0.0;
    // (H + λI)(θ + u) = Hθ − g, so that ‖θ + u‖ ≤ ‖Hθ − g‖/λ.
    let flow = &curvature.matrix * theta.component_mul(&scales);
    let flow = flow.component_mul(&scales) - &gradient;
    let (mut low, mut high) = (0.0, norm(flow.as_slice()) / radius * (1.0 + 1e-9));
    for iteration in 1..=MAX_ITERATIONS {
        let length = norm(end.as_slice());
        let outside = length / radius - 1.0;
        if outside <= 0.0 {
            high = multiplier;
        } else {
            low = multiplier;
        }
        if multiplier == 0.0 && outside <= 0.0
            || outside.abs() <= 1e-12
            || high - low <= 1e-15 * high
        {
            break;
        }
        // d‖end‖²/dλ = −2 end'M(H + λM)⁻¹M end in scaled coordinates.
        let pull = (&end / length).component_div(&scales);
        let mut next = multiplier + outside / pull.dot(&factor.solve(&pull));
        if !(next > low && next < high) || iteration % HALVED_AFTER == 0 {
            next = low.max(DIGITS * high).sqrt() * high.sqrt();
        }
        let Some(reached) = reach(next) else { break };
        multiplier = next;
        (end, factor) = reached;
    }
    end.as_slice().to_vec()
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
