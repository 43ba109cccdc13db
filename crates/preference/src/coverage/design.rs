//! Labels that bring C/|D| of linear classes down to a quarter.
//!
//! ```text
//! one draw   x ∼ d₀, a ∼ π, b = b(x):   A = Σ_x d₀/D Σ_a π(a) zz',   D = Σ d₀ of the block
//! N = least with v'(M + NA)⁺v ≤ T,   at most D²(1/T − 1/v'M⁺v), since vv' ≤ D²A by Jensen's inequality
//! ```
//! for the highest vertex v of the ascent (`block`) and its competitors b(·); M ← M + NA, and so on until none is above
//! the target T. For one block T is a quarter of the highest `v'M⁺v`; for several `T_k = min(v'M⁺v, tD)`, at which a
//! label takes equally much away everywhere, with t such that they sum to a quarter. Three times the data again do it
//! in any case, M being four times as large then.

use super::assessment::Assessment;
use super::block::{Block, Vertex};
use super::metric::Metric;
use crate::rows;
use nalgebra::{DMatrix, SymmetricEigen};
use rayon::prelude::*;

/// Vertices that are planned against at most; a few are usual.
const STEPS: usize = 100;

/// By how much each further step aims below the target.
const LOWER: f64 = 0.02;

/// Slack for rounding when a vertex is compared with the target.
const SLACK: f64 = 1e-9;

/// Labels after which the squares of the highest vertices sum to a quarter, three times the data if those are fewer.
pub(super) fn labels(parts: &[Assessment<'_>], total_weight: f64) -> f64 {
    let limit = 3.0 * total_weight;
    let planned = parts
        .par_iter()
        .zip(targets(parts))
        .map(|(part, target)| plan(part, target, limit, |_, _| ()));
    planned.collect::<Vec<f64>>().iter().sum::<f64>().min(limit)
}

/// T of each block.
fn targets(parts: &[Assessment<'_>]) -> Vec<f64> {
    let known: Vec<(f64, f64)> =
        parts.iter().map(|part| (part.vertex.square, part.part.block.share())).collect();
    let capped = |level: f64| known.iter().map(move |(square, share)| square.min(level * share));
    let wanted = 0.25 * known.iter().map(|(square, _)| square).sum::<f64>();
    let levels =
        known.iter().filter(|(square, _)| *square > 0.0).map(|(square, share)| square / share);
    let (mut low, mut high) = (0.0, levels.fold(0.0, f64::max));
    for _ in 0..100 {
        let middle = 0.5 * (low + high);
        *(if capped(middle).sum::<f64>() > wanted { &mut high } else { &mut low }) = middle;
    }
    capped(low).collect()
}

/// Gives `more(competitors, draws)` until no vertex is above the target, or more labels are asked than a limit; and how
/// many are, draws of a competitor against itself left out.
pub(super) fn plan(
    part: &Assessment<'_>,
    target: f64,
    limit: f64,
    mut more: impl FnMut(&[usize], f64),
) -> f64 {
    let block = &part.part.block;
    let mut gram = block.gram.clone();
    let mut vertex = part.vertex.clone();
    let mut metric: Option<Metric> = None;
    let mut labels = 0.0;
    for step in 0..STEPS {
        if labels >= limit || vertex.square <= target * (1.0 + SLACK) {
            return labels;
        }
        let (label, asked) = one_draw(block, &vertex.competitors);
        let now = metric.as_ref().unwrap_or(&part.metric);
        // With many vertices of nearly the same height each step leaves some: aim lower every time.
        let aim = target * f64::max(1.0 - LOWER * step as f64, 0.5);
        let n = least(now, &label, &vertex, aim, block.share());
        more(&vertex.competitors, n);
        labels += n * asked;
        gram += label * n;
        let after = Metric::new(&gram, &block.units);
        vertex = block.vertex(&after, &block.worst(&after), part.spread.as_ref());
        metric = Some(after);
    }
    limit
}

/// A, and how often it is a label.
fn one_draw(block: &Block<'_>, competitors: &[usize]) -> (DMatrix<f64>, f64) {
    let played = |at: usize, a: usize| a != competitors[at] && block.stakes[at].policy[a] > 0.0;
    let (rows, share) = (block.rows(played), block.share());
    let weight = |(at, a): (usize, usize)| {
        let stake = &block.stakes[at];
        stake.share / share * stake.policy[a]
    };
    let gram = rows::gram(block.dimension(), rows.len(), |k, left, right| {
        let (at, a) = rows[k];
        block.pair(&block.stakes[at], a, competitors[at], left);
        for (right, z) in right.iter_mut().zip(left) {
            *right = weight(rows[k]) * *z;
        }
    });
    (gram, rows.iter().map(|row| weight(*row)).sum())
}

/// The least N with `v'(M + NA)⁺v ≤ T`: with y and B = W A W' in the metric of M it is `Σ y_k²/(1 + N β_k)`, β and the axes of
/// y those of B.
fn least(metric: &Metric, draw: &DMatrix<f64>, vertex: &Vertex, target: f64, share: f64) -> f64 {
    let white = &metric.whitening * draw * metric.whitening.transpose();
    let eigen = SymmetricEigen::new(white);
    let along = eigen.eigenvectors.tr_mul(&(&metric.whitening * &vertex.slope));
    let square = |n: f64| -> f64 {
        let parts = along.iter().zip(&eigen.eigenvalues);
        parts.map(|(y, beta)| y * y / (1.0 + n * beta.max(0.0))).sum()
    };
    let (mut low, mut high) = (0.0, share * share * (1.0 / target - 1.0 / vertex.square));
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        *(if square(middle) > target { &mut low } else { &mut high }) = middle;
    }
    high
}
