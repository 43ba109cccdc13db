//! How much nearer to the targets another member of the class could be, at most.
//!
//! ```text
//! f(θ) − f(v) ≤ f(θ)                                                         KL ≥ 0
//! f(θ) − f(v) ≤ ∇f·θ + R‖∇f‖                                                 Frank and Wolfe: f is convex, ‖v‖ ≤ R
//! f(θ) − f(v) ≤ λ(R² − ‖θ‖²)/2 + [τ + (1 − τ) log(1 − τ)]/κ²,   τ = κν < 1
//!     ν² = r'B⁻¹r,  r = ∇f + λθ,  κ = 2 max ‖B^(−½)φ‖,   any λ ≥ 0
//! ```
//! The last is what makes few passes enough: it is quadratic in the gradient, about ν²/2. Along `θ + tu` the third derivative of f
//! is at most D(u) times the second, D(u) being the largest range of u·φ within a menu (the third moment of a variable is at most its
//! range times its variance). Hence `f(θ + u) ≥ f(θ) + ∇f·u + u'Hu (e^−D − 1 + D)/D²` (Bach, 2010), to which the ball's
//! `λ/2 (R² − ‖θ + u‖²) ≥ 0` adds. B is at most H + λI, and `D(u) ≤ 2 max |u·φ| ≤ κ √(u'Bu)`; minimized over the
//! length of u that is the line above. H may be that of a part of the targets, taken at a point θ₀ from which no score of the
//! part has moved by more than D₀, times e^−D₀.
//!
//! Directions in which H is flat to rounding (features that are constant, or sums of others) are left out, for
//! 2Rρ₂ times the mean of `Σ_a |π_a − t_a|`, which bounds the gradient along them, and e^−2Rρ₂ times B, ρ₂ being the range of features along them.

use super::ball::{dot, norm};
use super::curvature::{Curvature, Spectrum};
use super::design::{Design, Loss, UNIT};
use super::sample::Sample;
use nalgebra::{DMatrix, DVector, SymmetricEigen};
use rayon::prelude::*;

/// Eigenvalues below this, relative to the largest, are those of flat directions.
const FLAT: f64 = 1e-11;
/// What rounding of H and of its eigenvalues may have added to them, relative to the largest.
const OFF: f64 = 1e-13;

/// The least of the bounds, with what rounding may have done to it; never negative.
pub(super) fn excess(
    design: &Design,
    curvature: &Curvature<'_>,
    theta: &[f64],
    loss: &Loss,
    radius: f64,
) -> f64 {
    let bound = cheap(design, theta, loss, radius);
    let gradient = &loss.gradient;
    // The multiplier that is nearest to turning the gradient into zero.
    let length = norm(theta);
    let pull = if length > 0.0 { -(dot(gradient, theta) / length) / length } else { 0.0 };
    let moved: Vec<f64> = theta.iter().zip(&curvature.at).map(|(x, y)| x - y).collect();
    let moved = range(&curvature.sample, &moved);
    let mut bound = bound.min(curved(design, curvature, theta, loss, radius, 0.0, moved));
    if pull > 0.0 && room(pull, theta, radius) < bound {
        bound = bound.min(curved(design, curvature, theta, loss, radius, pull, moved));
    }
    bound
}

/// The bounds that need no curvature.
pub(super) fn cheap(design: &Design, theta: &[f64], loss: &Loss, radius: f64) -> f64 {
    let slack: f64 = design.gradient_rounding(theta, loss).iter().sum();
    let frank_wolfe = dot(&loss.gradient, theta)
        + radius * norm(&loss.gradient)
        + 2.0 * radius * norm(&design.largest) * slack;
    let value = loss.value + design.score_rounding(theta) * UNIT;
    frank_wolfe.min(value).max(0.0)
}

fn range(sample: &Sample<'_>, direction: &[f64]) -> f64 {
    let ranges: Vec<f64> =
        sample.blocks.par_iter().map(|(block, _)| block.range(direction)).collect();
    ranges.into_iter().fold(0.0, f64::max)
}

/// `λ(R² − ‖θ‖²)/2`.
fn room(multiplier: f64, theta: &[f64], radius: f64) -> f64 {
    if multiplier == 0.0 {
        // Whatever the radius.
        return 0.0;
    }
    let length = norm(theta);
    let room = (radius - length) * (radius + length) + 8.0 * UNIT * radius * radius;
    0.5 * multiplier * room.max(0.0)
}

/// The third bound at a λ; infinite where it says nothing.
fn curved(
    design: &Design,
    curvature: &Curvature<'_>,
    theta: &[f64],
    loss: &Loss,
    radius: f64,
    multiplier: f64,
    moved: f64,
) -> f64 {
    let fade = (-moved).exp() / curvature.sample.most();
    let Some(Lower { scales, values, vectors }) = lower(design, curvature, fade, multiplier) else {
        return f64::INFINITY;
    };
    let [summing, scoring] = design.gradient_rounding(theta, loss);
    let rest = loss.gradient.iter().zip(theta).map(|(g, x)| g + multiplier * x);
    let rest = DVector::from_iterator(theta.len(), rest);
    let most = values.max();
    if most <= 0.0 {
        return f64::INFINITY;
    }
    let flat: Vec<usize> = (0..theta.len()).filter(|&k| values[k] <= FLAT * most).collect();
    let (mut bound, mut faded) = (room(multiplier, theta, radius), 1.0);
    if !flat.is_empty() {
        let basis =
            DMatrix::from_columns(&flat.iter().map(|&k| vectors.column(k)).collect::<Vec<_>>());
        // Back in unscaled coordinates a length is at most so much longer.
        let range = 2.0 * scales.max() * design.longest(&unscaled(basis.transpose(), &scales));
        // Along them the gradient is at most what the features allow, whatever rounding made of it.
        let pull = DVector::from_column_slice(theta).component_div(&scales);
        let pull = (&basis * basis.tr_mul(&pull)).component_mul(&scales).norm();
        bound += 2.0 * radius * (range * loss.spread + multiplier * pull);
        faded = (-2.0 * radius * range).exp();
    }
    if flat.len() == theta.len() {
        return bound;
    }
    // B to the power of −1/2, in unscaled coordinates.
    let mut root = vectors.transpose();
    for (k, mut row) in root.row_iter_mut().enumerate() {
        if flat.binary_search(&k).is_ok() {
            row.fill(0.0);
        } else {
            row /= (faded * (values[k] - OFF * most)).sqrt();
        }
    }
    let root = unscaled(root, &scales);
    let longest = (root.abs() * DVector::from_column_slice(&design.largest)).norm();
    let decrement = (&root * rest).norm() + longest * (summing + scoring);
    let mut tau = 2.0 * longest * decrement;
    if tau >= 1.0 {
        // Worth a look at each row.
        tau = 2.0 * design.longest(&root) * decrement;
    }
    if tau < 1.0 { bound + decrement * decrement * half_square(tau) } else { f64::INFINITY }
}

/// The spectrum of a lower bound of H + λI in coordinates that are scaled.
struct Lower {
    scales: DVector<f64>,
    values: DVector<f64>,
    vectors: DMatrix<f64>,
}

/// `fade H + λI`; nothing where that is beyond numbers.
fn lower(design: &Design, curvature: &Curvature<'_>, fade: f64, multiplier: f64) -> Option<Lower> {
    let scales = DVector::from_column_slice(&design.scales);
    if multiplier == 0.0 {
        let Spectrum { values, vectors } = curvature.spectrum();
        return Some(Lower { scales, values: values * fade, vectors: vectors.clone() });
    }
    let mut matrix = curvature.sampled() * fade;
    for (k, scale) in scales.iter().enumerate() {
        matrix[(k, k)] += multiplier / scale / scale;
    }
    // Scaled anew, so that rounding is small beside each diagonal entry: λ may be far more than H for some features.
    let sizes = matrix.diagonal().map(f64::sqrt);
    if !sizes.iter().all(|size| *size > 0.0 && size.is_finite()) {
        return None;
    }
    for (k, mut column) in matrix.column_iter_mut().enumerate() {
        column.component_div_assign(&sizes);
        column /= sizes[k];
    }
    let SymmetricEigen { eigenvalues, eigenvectors } = matrix.symmetric_eigen();
    let scales = scales.component_mul(&sizes);
    Some(Lower { scales, values: eigenvalues, vectors: eigenvectors })
}

/// Columns divided by scales.
fn unscaled(mut across: DMatrix<f64>, scales: &DVector<f64>) -> DMatrix<f64> {
    for (k, mut column) in across.column_iter_mut().enumerate() {
        column /= scales[k];
    }
    across
}

/// `[τ + (1 − τ) log(1 − τ)]/τ²`, from 1/2 at zero to 1 at one.
fn half_square(tau: f64) -> f64 {
    if tau < 1e-3 {
        // Σ τᵏ/((k + 1)(k + 2)), rounded up.
        return 0.5 + tau / 6.0 + tau * tau / 11.0;
    }
    (tau + (1.0 - tau) * (-tau).ln_1p()) / (tau * tau)
}
