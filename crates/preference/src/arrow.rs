//! Damped Newton where many separate blocks of parameters share a few: the Hessian is an arrow.
//!
//! ```text
//! f(r, u) = Σ ℓ_k(d_k, u) + λ‖r‖²/2 + μ‖u‖²/2,   d_k = r_i − r_j or r_i,   |rᵢ| ≤ h
//! ∇²f = [H_g  B_g; B_g'  C],   S = C − Σ_g B_g'H_g⁻¹B_g       (Schur complement of the shared parameters)
//! δu = S⁻¹(g_u − Σ B_g'H_g⁻¹g_g),   δr_g = H_g⁻¹(g_g − B_g δu)
//! ```
//! A step costs a factorization of each block, as if nothing were shared. Coordinates that press
//! against the box are held and steps are halved until f falls, as in `newton`. `S⁻¹` is the covariance of
//! the shared parameters, and `H_g⁻¹ + H_g⁻¹B_g S⁻¹ B_g'H_g⁻¹` that of a block with the shared ones unknown.

use nalgebra::{Cholesky, DMatrix, DVector, Dyn};
use nlhf_core::FitStatus;

/// Where the blocks of a comparison's parameters lie.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row {
    pub(crate) block: usize,
    /// `i`, counted within the block.
    pub(crate) first: usize,
    /// `j`, counted within the block; without one `d = r_i`.
    pub(crate) second: Option<usize>,
}

/// First and second derivatives of a row's loss in `d` and the shared parameters.
pub(crate) struct Bend<const M: usize> {
    pub(crate) slope: f64,
    pub(crate) curvature: f64,
    pub(crate) shared_slope: [f64; M],
    pub(crate) mixed: [f64; M],
    pub(crate) shared: [[f64; M]; M],
}

/// The loss of each row, convex in `(d, u)` together.
pub(crate) trait RowLoss<const M: usize> {
    fn value(&self, row: usize, d: f64, shared: &[f64; M]) -> f64;
    fn bend(&self, row: usize, d: f64, shared: &[f64; M]) -> Bend<M>;
}

/// A penalized likelihood in blocks.
pub(crate) struct Arrow<'a, L, const M: usize> {
    /// Parameters of each block.
    pub(crate) sizes: &'a [usize],
    pub(crate) rows: &'a [Row],
    pub(crate) loss: &'a L,
    /// λ. Without it the Hessian does not see a shift of a block, and is pinned there.
    pub(crate) ridge: f64,
    /// μ of each shared parameter.
    pub(crate) shared_ridge: f64,
    /// `|rᵢ|` at most this; +∞ for none.
    pub(crate) box_size: f64,
    /// What gradients are measured by: the total weight.
    pub(crate) total_weight: f64,
}

/// Where Newton's method ended.
#[derive(Debug)]
pub(crate) struct ArrowMinimum<const M: usize> {
    /// The parameters of all blocks, one after the other.
    pub(crate) theta: Vec<f64>,
    pub(crate) shared: [f64; M],
    /// `S⁻¹` with the held coordinates fixed: the covariance of the shared parameters.
    pub(crate) shared_covariance: DMatrix<f64>,
    /// `Σ ℓ`, without the penalties.
    pub(crate) loss: f64,
    /// The largest entry of the projected gradient, per unit of weight.
    pub(crate) gradient_max: f64,
    pub(crate) iterations: usize,
    pub(crate) status: FitStatus,
    pub(crate) bound_active: bool,
}

/// The Hessian in factors.
pub(crate) struct Factors {
    blocks: Vec<Cholesky<f64, Dyn>>,
    /// `H_g⁻¹B_g`.
    leans: Vec<DMatrix<f64>>,
    schur: Cholesky<f64, Dyn>,
}

const MAX_ITERATIONS: usize = 100;
const GRADIENT_TOLERANCE: f64 = 1e-12;

/// Gradient and Hessian at a point, blocks apart.
struct Local {
    gradients: Vec<DVector<f64>>,
    hessians: Vec<DMatrix<f64>>,
    borders: Vec<DMatrix<f64>>,
    shared_gradient: DVector<f64>,
    corner: DMatrix<f64>,
}

impl<'a, L: RowLoss<M>, const M: usize> Arrow<'a, L, M> {
    /// The same rows under another loss and other ridges.
    pub(crate) fn with_loss<N>(
        &self,
        loss: &'a N,
        ridge: f64,
        shared_ridge: f64,
    ) -> Arrow<'a, N, M> {
        let Self { sizes, rows, box_size, total_weight, .. } = *self;
        Arrow { sizes, rows, loss, ridge, shared_ridge, box_size, total_weight }
    }

    fn starts(&self) -> Vec<usize> {
        let mut next = 0;
        let start = |size: &usize| {
            next += size;
            next - size
        };
        self.sizes.iter().map(start).collect()
    }

    fn difference(row: &Row, starts: &[usize], theta: &[f64]) -> f64 {
        let block = &theta[starts[row.block]..];
        block[row.first] - row.second.map_or(0.0, |j| block[j])
    }

    fn loss(&self, starts: &[usize], theta: &[f64], shared: &[f64; M]) -> f64 {
        let of = |(k, row)| self.loss.value(k, Self::difference(row, starts, theta), shared);
        self.rows.iter().enumerate().map(of).sum()
    }

    fn objective(&self, starts: &[usize], theta: &[f64], shared: &[f64; M]) -> f64 {
        let squares = |x: &[f64]| x.iter().map(|x| x * x).sum::<f64>();
        let penalty = self.ridge * squares(theta) + self.shared_ridge * squares(shared);
        self.loss(starts, theta, shared) + 0.5 * penalty
    }

    fn local(&self, starts: &[usize], theta: &[f64], shared: &[f64; M]) -> Local {
        let square = |n: &usize| {
            let mut hessian = DMatrix::zeros(*n, *n);
            hessian.fill_diagonal(self.ridge);
            hessian
        };
        let slopes = |(n, &start): (&usize, &usize)| {
            DVector::from_column_slice(&theta[start..start + n]) * self.ridge
        };
        let mut local = Local {
            gradients: self.sizes.iter().zip(starts).map(slopes).collect(),
            hessians: self.sizes.iter().map(square).collect(),
            borders: self.sizes.iter().map(|&n| DMatrix::zeros(n, M)).collect(),
            shared_gradient: DVector::from_column_slice(shared) * self.shared_ridge,
            corner: DMatrix::identity(M, M) * self.shared_ridge,
        };
        let mut pins = vec![0.0; self.sizes.len()];
        for (k, row) in self.rows.iter().enumerate() {
            let bend = self.loss.bend(k, Self::difference(row, starts, theta), shared);
            let (g, i) = (row.block, row.first);
            let (gradient, hessian) = (&mut local.gradients[g], &mut local.hessians[g]);
            let border = &mut local.borders[g];
            gradient[i] += bend.slope;
            hessian[(i, i)] += bend.curvature;
            if let Some(j) = row.second {
                gradient[j] -= bend.slope;
                hessian[(j, j)] += bend.curvature;
                hessian[(i, j)] -= bend.curvature;
                hessian[(j, i)] -= bend.curvature;
                pins[g] += bend.curvature;
            }
            for a in 0..M {
                border[(i, a)] += bend.mixed[a];
                if let Some(j) = row.second {
                    border[(j, a)] -= bend.mixed[a];
                }
                local.shared_gradient[a] += bend.shared_slope[a];
                for b in 0..M {
                    local.corner[(a, b)] += bend.shared[a][b];
                }
            }
        }
        if self.ridge == 0.0 {
            for ((hessian, pin), n) in local.hessians.iter_mut().zip(pins).zip(self.sizes) {
                // Times 11'/n: no difference of scores sees it.
                hessian.add_scalar_mut(pin / (*n as f64 * *n as f64));
            }
        }
        local
    }

    /// Minimizes from zero and the given shared parameters; `None` if an iterate is not finite or a factorization fails.
    pub(crate) fn minimize(&self, shared: [f64; M]) -> Option<ArrowMinimum<M>> {
        let starts = self.starts();
        let size = self.box_size;
        let (mut theta, mut shared) = (vec![0.0; self.sizes.iter().sum()], shared);
        let mut objective = self.objective(&starts, &theta, &shared);
        // The gradient before the last step, and whether that step left the objective within rounding.
        let (mut previous, mut flat) = (f64::INFINITY, false);
        for iterations in 0.. {
            let mut local = self.local(&starts, &theta, &shared);
            let mut bound_active = false;
            let mut largest = local.shared_gradient.amax();
            for (g, &start) in starts.iter().enumerate() {
                for i in 0..self.sizes[g] {
                    let (x, slope) = (theta[start + i], local.gradients[g][i]);
                    if x.abs() >= size && x * slope < 0.0 {
                        bound_active = true;
                        local.hold(g, i);
                    } else {
                        largest = largest.max(slope.abs());
                    }
                }
            }
            largest /= self.total_weight;
            if !largest.is_finite() || !objective.is_finite() {
                return None;
            }
            let status = if largest <= GRADIENT_TOLERANCE {
                Some(FitStatus::Converged)
            } else if iterations == MAX_ITERATIONS {
                Some(FitStatus::IterationLimit)
            } else if flat && largest > 0.9 * previous {
                Some(FitStatus::Stalled)
            } else {
                None
            };
            if let Some(status) = status {
                let gradient_max = largest;
                return Some(ArrowMinimum {
                    shared_covariance: local.factors()?.shared_covariance(),
                    loss: self.loss(&starts, &theta, &shared),
                    theta,
                    shared,
                    gradient_max,
                    iterations,
                    status,
                    bound_active,
                });
            }
            previous = largest;

            let (step, shared_step, slope) = local.step()?;
            let mut length = 1.0;
            loop {
                let moved = |(x, step): (&f64, &f64)| (x - length * step).clamp(-size, size);
                let trial: Vec<f64> = theta.iter().zip(&step).map(moved).collect();
                let trial_shared = std::array::from_fn(|a| shared[a] - length * shared_step[a]);
                let value = self.objective(&starts, &trial, &trial_shared);
                // Near the minimum the decrease drowns in rounding: that much slack lets the step through.
                let slack =
                    4.0 * f64::EPSILON * (4.0 + self.rows.len() as f64).sqrt() * objective.abs();
                if value <= objective - 1e-4 * length * slope + slack || length < 1e-12 {
                    flat = value >= objective - slack;
                    (theta, shared, objective) = (trial, trial_shared, value);
                    break;
                }
                length *= 0.5;
            }
        }
        None
    }

    /// The Hessian at a point, all coordinates free; `None` if it is not positive definite.
    pub(crate) fn factors(&self, theta: &[f64], shared: &[f64; M]) -> Option<Factors> {
        self.local(&self.starts(), theta, shared).factors()
    }
}

impl Local {
    /// Takes a coordinate out of the step.
    fn hold(&mut self, block: usize, i: usize) {
        self.gradients[block][i] = 0.0;
        self.borders[block].row_mut(i).fill(0.0);
        let hessian = &mut self.hessians[block];
        hessian.row_mut(i).fill(0.0);
        hessian.column_mut(i).fill(0.0);
        hessian[(i, i)] = 1.0;
    }

    fn factors(self) -> Option<Factors> {
        let (mut blocks, mut leans, mut schur) = (Vec::new(), Vec::new(), self.corner);
        for (hessian, border) in self.hessians.into_iter().zip(self.borders) {
            let block = Cholesky::new(hessian)?;
            let lean = block.solve(&border);
            schur -= border.tr_mul(&lean);
            blocks.push(block);
            leans.push(lean);
        }
        Some(Factors { blocks, leans, schur: Cholesky::new(schur)? })
    }

    /// The Newton step in all blocks and the shared parameters, and how fast f falls along it.
    fn step(self) -> Option<(Vec<f64>, DVector<f64>, f64)> {
        let gradients = self.gradients.clone();
        let mut shared_step = self.shared_gradient.clone();
        let shared_gradient = self.shared_gradient.clone();
        let factors = self.factors()?;
        for (lean, gradient) in factors.leans.iter().zip(&gradients) {
            shared_step -= lean.tr_mul(gradient);
        }
        factors.schur.solve_mut(&mut shared_step);
        let mut slope = shared_gradient.dot(&shared_step);
        let mut step = Vec::new();
        for ((block, lean), gradient) in factors.blocks.iter().zip(&factors.leans).zip(gradients) {
            let own = block.solve(&gradient) - lean * &shared_step;
            slope += gradient.dot(&own);
            step.extend_from_slice(own.as_slice());
        }
        Some((step, shared_step, slope))
    }
}

impl Factors {
    /// The covariance of the shared parameters.
    pub(crate) fn shared_covariance(&self) -> DMatrix<f64> {
        self.schur.inverse()
    }

    /// The covariance of a block, the shared parameters being estimated too.
    pub(crate) fn covariance(&self, block: usize) -> DMatrix<f64> {
        let lean = &self.leans[block];
        self.blocks[block].inverse() + lean * self.schur.solve(&lean.transpose())
    }

    /// The covariance of a block with the shared parameters, one column for each of these.
    pub(crate) fn cross_covariance(&self, block: usize) -> DMatrix<f64> {
        -self.schur.solve(&self.leans[block].transpose()).transpose()
    }

    /// `log det` of the whole Hessian.
    pub(crate) fn log_det(&self) -> f64 {
        let of = |factor: &Cholesky<f64, Dyn>| -> f64 {
            factor.l_dirty().diagonal().iter().map(|d| 2.0 * d.ln()).sum()
        };
        self.blocks.iter().map(of).sum::<f64>() + of(&self.schur)
    }
}
