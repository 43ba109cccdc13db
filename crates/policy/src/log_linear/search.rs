//! Newton's method over a ball with the Hessian of a sample.
//!
//! ```text
//! θ ← θ + α u,  u minimizes ∇f·u + ½ u'Hu over the ball,  α = 1 or what a cubic through both ends says
//! ```
//! Without a warm start the minimum over the sample is the start: it is as near as the sample tells, and costs no pass over all
//! targets. What a step over all targets tells about the curvature along it goes into H (BFGS), which halves the steps' contraction. H is
//! taken anew where they contract badly all the same, and from more targets where that does not help.

use super::LogLinearError;
use super::ball::{self, dot, norm};
use super::certificate;
use super::curvature::Curvature;
use super::design::{Design, Loss};
use super::sample::Sample;
use nlhf_core::FitStatus;

const MAX_ITERATIONS: usize = 200;
/// Candidates that the sample has for each feature: many for few features, and fewer where each makes the Hessian dearer.
const SAMPLE: [usize; 2] = [400, 50];
/// From this many candidates on it has as few as that.
const SAMPLE_SIZE: usize = 25_600;
/// The minimum over the sample is found to this, in nats: sampling puts it farther from that over all targets.
const SAMPLE_TOLERANCE: f64 = 1e-6;
/// What a step must at least reduce the decrease that the model foresees to, for the Hessian to be kept.
const CONTRACTION: f64 = 0.1;
/// Where the model foresees less than this, in nats, a bad contraction is a fault of the sample and not of the distance.
const NEAR: f64 = 1e-2;
/// Bad contractions of a Hessian just taken after which it is taken from more targets, however far the minimum is.
const PATIENCE: usize = 3;
/// No step leads farther: products with features are finite.
const LARGEST_RADIUS: f64 = 1e300;
/// Weights whose norm is less than the radius by this, relative to it, are on the sphere.
const ON_SPHERE: f64 = 1e-9;
/// The least share of a step: one across the whole ball may have to shrink to one that changes scores by one.
const SHORTEST: f64 = 1e-25;

/// Where the search ended.
pub(super) struct Found {
    pub(super) weights: Vec<f64>,
    /// The loss there.
    pub(super) value: f64,
    /// How much less it could be.
    pub(super) bound: f64,
    pub(super) ball_binds: bool,
    pub(super) iterations: usize,
    pub(super) status: FitStatus,
}

/// From a start, or from what a sample says.
///
/// # Errors
/// [`LogLinearError::Breakdown`] if an iterate was not finite.
pub(super) fn minimize(
    design: &Design,
    radius: f64,
    tolerance: f64,
    start: Option<Vec<f64>>,
) -> Result<Found, LogLinearError> {
    let [many, few] = SAMPLE.map(|each| each * design.dim);
    let mut stride = design.stride(many.min(SAMPLE_SIZE).max(few));
    let all = Sample::all(design);
    // The bounds are over the whole ball, steps stay where scores are finite.
    let reach = radius.min(LARGEST_RADIUS);
    let theta = match start {
        Some(start) => drawn_in(start, reach),
        None if stride > 1 => sample_minimum(design, stride, reach)?,
        None => vec![0.0; design.dim],
    };
    let loss = finite(design.loss(&all, &theta))?;
    let mut point = Point { theta, loss, whole: true };
    let mut kept: Option<Plan<'_>> = None;
    let (mut iterations, mut flat, mut misled, mut least) = (0, 0, 0, f64::INFINITY);
    loop {
        let cheap = certificate::cheap(design, &point.theta, &point.loss, radius);
        // The Hessian of the last step, as long as it does.
        let last = kept.take();
        let foreseen = last.as_ref().map_or(f64::INFINITY, |last| last.foreseen);
        let fresh = last.as_ref().is_some_and(|last| last.fresh);
        let again = last
            .map(|last| Plan::new(design, last.model, &point, reach, false))
            .filter(|again| point.whole && again.foreseen <= CONTRACTION * foreseen);
        let plan = match again {
            Some(plan) => plan,
            None if cheap <= tolerance => {
                return Ok(Found::new(point, cheap, reach, iterations, FitStatus::Converged));
            }
            None => {
                if fresh && point.whole {
                    misled += 1;
                    if foreseen < NEAR || misled == PATIENCE {
                        // The sample knows too little of the rest.
                        stride = (stride / 4).max(1);
                        misled = 0;
                    }
                }
                let model = Curvature::new(design, Sample::of(design, stride), &point.theta);
                Plan::new(design, model, &point, reach, true)
            }
        };
        // What the model foresees is about the least that the bound can be: no need to look at it before.
        let ends = flat >= 3 || iterations == MAX_ITERATIONS;
        let mut bound = cheap;
        if ends || plan.foreseen <= tolerance {
            let Point { theta, loss, .. } = &point;
            bound = bound.min(certificate::excess(design, &plan.model, theta, loss, radius));
        }
        let status = if bound <= tolerance {
            Some(FitStatus::Converged)
        } else if flat >= 3 {
            Some(FitStatus::Stalled)
        } else if ends {
            Some(FitStatus::IterationLimit)
        } else {
            None
        };
        let next = match status {
            None => descend(design, &all, &point, &plan.step, plan.slope),
            Some(_) => None,
        };
        let Some(next) = next else {
            let status = status.unwrap_or(FitStatus::Stalled);
            let Point { theta, loss, .. } = &point;
            bound = bound.min(certificate::excess(design, &plan.model, theta, loss, radius));
            return Ok(Found::new(point, bound, reach, iterations, status));
        };
        iterations += 1;
        let progress = next.loss.value < point.loss.value - slack(point.loss.value);
        flat = if progress || plan.foreseen < 0.5 * least { 0 } else { flat + 1 };
        least = least.min(plan.foreseen);
        let mut plan = plan;
        let gradients = [&point.loss.gradient[..], &next.loss.gradient];
        plan.model.learn(&design.scales, [&point.theta, &next.theta], gradients);
        point = next;
        kept = Some(plan);
    }
}

impl Found {
    fn new(point: Point, bound: f64, radius: f64, iterations: usize, status: FitStatus) -> Self {
        let Point { theta, loss, .. } = point;
        // On the sphere, with a loss that falls outward.
        let ball_binds =
            norm(&theta) >= radius * (1.0 - ON_SPHERE) && dot(&loss.gradient, &theta) < 0.0;
        Self { weights: theta, value: loss.value, bound, ball_binds, iterations, status }
    }
}

/// A step from a point.
struct Plan<'a> {
    model: Curvature<'a>,
    step: Vec<f64>,
    /// ∇f·u.
    slope: f64,
    /// The decrease that the model foresees.
    foreseen: f64,
    /// Whether the model was taken at this point.
    fresh: bool,
}

impl<'a> Plan<'a> {
    fn new(design: &Design, model: Curvature<'a>, point: &Point, radius: f64, fresh: bool) -> Self {
        let gradient = &point.loss.gradient;
        let step = ball::step(&model, &design.scales, &point.theta, gradient, radius);
        let slope = dot(gradient, &step);
        let foreseen = -slope - 0.5 * ball::curve(&model.matrix, &design.scales, &step);
        Self { model, step, slope, foreseen, fresh }
    }
}

/// A start, shortened to the radius if it is longer.
fn drawn_in(mut start: Vec<f64>, radius: f64) -> Vec<f64> {
    let length = norm(&start);
    if length > radius {
        for x in &mut start {
            *x *= radius / length;
        }
    }
    start
}

/// The minimum over the sample, roughly.
fn sample_minimum(design: &Design, stride: usize, radius: f64) -> Result<Vec<f64>, LogLinearError> {
    let sample = Sample::of(design, stride);
    let theta = vec![0.0; design.dim];
    let loss = finite(design.loss(&sample, &theta))?;
    let mut point = Point { theta, loss, whole: true };
    for _ in 0..MAX_ITERATIONS {
        let model = Curvature::new(design, sample.clone(), &point.theta);
        let plan = Plan::new(design, model, &point, radius, true);
        if plan.foreseen <= SAMPLE_TOLERANCE {
            break;
        }
        match descend(design, &sample, &point, &plan.step, plan.slope) {
            Some(next) => point = next,
            None => break,
        }
    }
    Ok(point.theta)
}

/// Rounding of the loss.
fn slack(value: f64) -> f64 {
    1e-15 * (1.0 + value.abs())
}

/// A point on the way.
struct Point {
    theta: Vec<f64>,
    loss: Loss,
    /// Whether the step that led here was taken as a whole.
    whole: bool,
}

/// The point along a step where the loss fell enough; nothing if it falls nowhere.
fn descend(
    design: &Design,
    sample: &Sample<'_>,
    point: &Point,
    step: &[f64],
    slope: f64,
) -> Option<Point> {
    let Point { theta, loss, .. } = point;
    let mut length = 1.0;
    while length > SHORTEST {
        let next: Vec<f64> = theta.iter().zip(step).map(|(x, u)| x + length * u).collect();
        let Ok(reached) = finite(design.loss(sample, &next)) else {
            length *= 0.1;
            continue;
        };
        if reached.value <= loss.value + 1e-4 * length * slope + slack(loss.value) {
            return Some(Point { theta: next, loss: reached, whole: length >= 1.0 });
        }
        // The minimum of the cubic with the values and slopes of both ends.
        let (before, after) = (slope * length, dot(&reached.gradient, step) * length);
        let bend = before + after - 3.0 * (reached.value - loss.value);
        let root = (bend * bend - before * after).max(0.0).sqrt();
        let share = 1.0 - (after + root - bend) / (after - before + 2.0 * root);
        length *= if share.is_finite() { share.clamp(0.05, 0.6) } else { 0.5 };
    }
    None
}

fn finite(loss: Loss) -> Result<Loss, LogLinearError> {
    let sum: f64 = loss.gradient.iter().sum();
    if loss.value.is_finite() && sum.is_finite() {
        Ok(loss)
    } else {
        Err(LogLinearError::Breakdown)
    }
}
