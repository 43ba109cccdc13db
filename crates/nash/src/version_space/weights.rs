//! The Newton step on the weights of preferences: a quadratic model minimized over the simplex.
//!
//! ```text
//! min over x in Δ of  h'(x − λ) + ½ (x − λ)'H(x − λ),    H positive semidefinite
//! ```
//! A primal active-set method: on the free weights the model is minimized with their sum held at one, a step that would
//! make one negative stops there and fixes it at zero, and a fixed one whose multiplier says so is freed again. The
//! weights are few, because preferences enter one by one. Source: Nocedal and Wright (2006), section 16.5.

use crate::cholesky;

/// Of the diagonal of the reduced H: makes the model strictly convex where preferences agree on the policy, or are more
/// than its actions can tell apart. Directions without curvature are then followed until a weight vanishes.
const RIDGE: f64 = 1e-10;

/// The minimizer, from `weights` in the simplex; `hessian` is row-major.
pub(super) fn minimizer(gradient: &[f64], hessian: &[f64], weights: &[f64]) -> Vec<f64> {
    let n = weights.len();
    let mut x = weights.to_vec();
    let mut free: Vec<usize> = (0..n).filter(|i| weights[*i] > 0.0).collect();
    let slope = |x: &[f64], i: usize| {
        let row = &hessian[i * n..(i + 1) * n];
        let moved = row.iter().zip(x).zip(weights);
        gradient[i] + moved.map(|((h, x), w)| h * (x - w)).sum::<f64>()
    };
    // Each pass either lowers the model or changes the set: this many are never needed.
    for _ in 0..20 * (n + 1) {
        let slopes: Vec<f64> = (0..n).map(|i| slope(&x, i)).collect();
        let Some(step) = balanced_step(&slopes, hessian, &free, &x) else { break };
        let mut length = 1.0;
        let mut blocking = None;
        for (at, (&i, s)) in free.iter().zip(&step).enumerate() {
            if *s < 0.0 && -x[i] / s < length {
                (length, blocking) = (-x[i] / s, Some(at));
            }
        }
        for (&i, s) in free.iter().zip(&step) {
            x[i] = (x[i] + length * s).max(0.0);
        }
        if let Some(at) = blocking {
            x[free.remove(at)] = 0.0;
            continue;
        }
        let level = free.iter().map(|i| x[*i] * slope(&x, *i)).sum::<f64>();
        let scale = slopes.iter().fold(0.0, |m: f64, s| m.max((s - level).abs()));
        let fixed = (0..n).filter(|i| !free.contains(i));
        let most = fixed.map(|i| (slope(&x, i) - level, i)).min_by(|a, b| a.0.total_cmp(&b.0));
        match most {
            Some((slope, i)) if slope < -1e-12 * scale => free.push(i),
            _ => break,
        }
    }
    let total: f64 = x.iter().sum();
    x.iter().map(|x| x / total).collect()
}

/// The step on the free weights whose sum is zero, after which they share one slope; `None` if H breaks down.
///
/// The largest weight makes up for the others: with their differences to it as unknowns, H need not be regular in the
/// direction of the sum.
fn balanced_step(slopes: &[f64], hessian: &[f64], free: &[usize], x: &[f64]) -> Option<Vec<f64>> {
    let (n, k) = (slopes.len(), free.len());
    let pivot = *free.iter().max_by(|i, j| x[**i].total_cmp(&x[**j]))?;
    let h = |i: usize, j: usize| hessian[i * n + j];
    let reduced = |i: usize, j: usize| h(i, j) - h(i, pivot) - h(pivot, j) + h(pivot, pivot);
    let mut matrix: Vec<f64> =
        free.iter().flat_map(|i| free.iter().map(|j| reduced(*i, *j))).collect();
    let largest = free.iter().map(|i| reduced(*i, *i)).fold(0.0, f64::max);
    // With no curvature at all the ridge alone decides how far the step goes: all the way to a vertex.
    let ridge = if largest > 0.0 { RIDGE * largest } else { f64::MIN_POSITIVE.sqrt() };
    for i in 0..k {
        matrix[i * k + i] += ridge;
    }
    if !cholesky::factorize(k, &mut matrix) {
        return None;
    }
    let mut step: Vec<f64> = free.iter().map(|i| slopes[pivot] - slopes[*i]).collect();
    cholesky::solve(k, &matrix, &mut step);
    let at = free.iter().position(|i| *i == pivot)?;
    step[at] = 0.0;
    step[at] = -step.iter().sum::<f64>();
    Some(step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_minima() {
        // Separable: x_i = max(0, 1 − g_i − μ)… with H = I around λ: projection of λ − g onto the simplex.
        let identity = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0];
        let weights = [1.0, 0.0, 0.0];
        let x = minimizer(&[0.6, 0.0, 0.5], &identity, &weights);
        // Projection of (0.4, 0, −0.5): (0.7, 0.3, 0).
        for (x, wanted) in x.iter().zip([0.7, 0.3, 0.0]) {
            assert!((x - wanted).abs() < 1e-9, "{x} against {wanted}");
        }
        // No curvature: the vertex of the least slope.
        let x = minimizer(&[0.3, 0.1, 0.2], &[0.0; 9], &[0.2, 0.3, 0.5]);
        assert!((x[1] - 1.0).abs() < 1e-9, "{x:?}");
    }
}
