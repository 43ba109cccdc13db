//! GMRES for `(I − K)y = b` with a skew `K`: the linear systems of Newton's method without a matrix.
//!
//! ```text
//! s = √π,  Q = I − ssᵀ for each player,  K = ηQ diag(s) A diag(s) Q
//! δ = −F + ηA(s∘y),  b = −Q(s∘F)          so that F + F'δ = ηA(s∘(b − (I − K)y))
//! ```
//! The eigenvalues of `I − K` are `1 − iμ`: a handful of products suffices where `‖K‖` is moderate. The
//! products `A(s∘v)` are kept, because `δ` is a sum of them. Saad and Schultz (1986).

use super::payoffs::Payoffs;
use std::ops::Range;

/// Room for the basis, kept between solves.
#[derive(Debug, Default)]
pub(super) struct Gmres {
    basis: Vec<Vec<f64>>,
    images: Vec<Vec<f64>>,
    weighted: Vec<f64>,
    /// The triangular factor, a column a step, and the rotated right-hand side.
    columns: Vec<Vec<f64>>,
    rotations: Vec<(f64, f64)>,
    rhs: Vec<f64>,
}

/// The linear system at a point.
#[derive(Debug, Clone, Copy)]
pub(super) struct Point<'a> {
    pub(super) eta: f64,
    pub(super) roots: &'a [f64],
    pub(super) residual: &'a [f64],
    pub(super) sides: &'a [Range<usize>],
}

/// Products after which a solve ends as it is.
const MAX_STEPS: usize = 500;

impl Gmres {
    /// Writes a Newton step `δ` whose linear residual is at most `tolerance` times the first one.
    pub(super) fn newton_step(
        &mut self,
        payoffs: &mut Payoffs<'_>,
        point: Point<'_>,
        tolerance: f64,
        step: &mut [f64],
    ) {
        let n = step.len();
        self.columns.clear();
        self.rotations.clear();
        self.rhs.clear();
        let mut vector = self.room(0, n);
        for ((v, &s), &f) in vector.iter_mut().zip(point.roots).zip(point.residual) {
            *v = -s * f;
        }
        project(&mut vector, point);
        let start = norm(&vector);
        self.basis[0] = vector;
        for (step, &f) in step.iter_mut().zip(point.residual) {
            *step = -f;
        }
        if start == 0.0 {
            return;
        }
        scale(&mut self.basis[0], 1.0 / start);
        self.rhs.push(start);
        let mut steps = 0;
        while steps < MAX_STEPS && self.rhs[steps].abs() > tolerance * start {
            if !self.extend(payoffs, point, steps) {
                break;
            }
            steps += 1;
        }
        // Back substitution, then δ = −F + η Σ y_j A(s∘v_j).
        let mut y = self.rhs[..steps].to_vec();
        for j in (0..steps).rev() {
            y[j] /= self.columns[j][j];
            for i in 0..j {
                y[i] -= self.columns[j][i] * y[j];
            }
        }
        for (y, image) in y.iter().zip(&self.images) {
            add(step, point.eta * y, image);
        }
    }

    /// One more basis vector; `false` if the space is exhausted or a product was not finite.
    fn extend(&mut self, payoffs: &mut Payoffs<'_>, point: Point<'_>, j: usize) -> bool {
        let n = point.roots.len();
        self.weighted.clear();
        self.weighted.extend(point.roots.iter().zip(&self.basis[j]).map(|(s, v)| s * v));
        if self.images.len() <= j {
            self.images.push(vec![0.0; n]);
        }
        payoffs.apply(&self.weighted, &mut self.images[j]);
        let mut next = self.room(j + 1, n);
        for ((next, &s), &image) in next.iter_mut().zip(point.roots).zip(&self.images[j]) {
            *next = point.eta * s * image;
        }
        project(&mut next, point);
        // Kv = Σ h_i v_i + h v_next; the column of I − K is e_j − h.
        let mut column = Vec::with_capacity(j + 2);
        for v in &self.basis[..=j] {
            let h = dot(v, &next);
            add(&mut next, -h, v);
            column.push(-h);
        }
        column[j] += 1.0;
        let size = norm(&next);
        for (i, &(c, s)) in self.rotations.iter().enumerate() {
            let (x, y) = (column[i], column[i + 1]);
            (column[i], column[i + 1]) = (c * x + s * y, c * y - s * x);
        }
        let radius = column[j].hypot(size);
        if !radius.is_finite() || radius == 0.0 {
            return false;
        }
        let (c, s) = (column[j] / radius, -size / radius);
        column[j] = radius;
        self.columns.push(column);
        self.rotations.push((c, s));
        let rest = self.rhs[j];
        self.rhs[j] = c * rest;
        self.rhs.push(-s * rest);
        if size > 0.0 {
            scale(&mut next, 1.0 / size);
        }
        self.basis[j + 1] = next;
        true
    }

    /// A vector of the basis, to be put back.
    fn room(&mut self, at: usize, n: usize) -> Vec<f64> {
        while self.basis.len() <= at {
            self.basis.push(Vec::new());
        }
        let mut vector = std::mem::take(&mut self.basis[at]);
        vector.resize(n, 0.0);
        vector
    }
}

/// Takes the part along `s` off, for each player.
fn project(vector: &mut [f64], point: Point<'_>) {
    for side in point.sides {
        let roots = &point.roots[side.clone()];
        let part = dot(&vector[side.clone()], roots);
        add(&mut vector[side.clone()], -part, roots);
    }
}

fn dot(x: &[f64], y: &[f64]) -> f64 {
    let (x8, x_rest) = x.as_chunks::<8>();
    let (y8, y_rest) = y.as_chunks::<8>();
    let mut sums = [0.0; 8];
    for (x, y) in x8.iter().zip(y8) {
        for (sum, (x, y)) in sums.iter_mut().zip(x.iter().zip(y)) {
            *sum += x * y;
        }
    }
    sums.iter().sum::<f64>() + x_rest.iter().zip(y_rest).map(|(x, y)| x * y).sum::<f64>()
}

fn norm(x: &[f64]) -> f64 {
    dot(x, x).sqrt()
}

fn add(x: &mut [f64], factor: f64, y: &[f64]) {
    for (x, y) in x.iter_mut().zip(y) {
        *x += factor * y;
    }
}

fn scale(x: &mut [f64], factor: f64) {
    for x in x {
        *x *= factor;
    }
}
