//! The coverage of prompts that share the parameters of a linear class.
//!
//! ```text
//! v_x(b) = Σ_a π(a) z(x, a, b) = z of the mean features against b,    C_x = |D| max_b ‖v_x(b)‖²,  ‖v‖² = v'M⁺v
//! C = |D| max over b(·) of ‖Σ_x d₀ v_x(b(x))‖²
//! lower: ascent, b(x) ← argmax_b g'v_x(b) with g = M⁺ Σ d₀ v_x(b(x)), which never descends, the objective being convex
//! upper: √C ≤ Σ_x d₀ √C_x,   and  √(C/|D|) ≤ ‖c‖ + √(Σd₀ λ_max(M^−½ E M^−½)),
//!        c = Σ d₀ c_x,  c_x = mean_b v_x(b),  E = Σ_x d₀ (1 − 1/n) Σ_b (v_x(b) − c_x)(v_x(b) − c_x)'
//! ```
//! The choices b(·) are exponentially many. The first upper bound is the triangle inequality, exact for one prompt. The
//! second one holds because θ'e ≤ √((1 − 1/n) θ' Σee' θ) for each of n vectors e that sum to zero, and by Jensen's
//! inequality; it is the better one where many prompts have tastes in all directions, that cancel. Prompts are visited in
//! chunks, and none of their slopes is kept: a pass of the ascent costs a product with g each.

use super::metric::Metric;
use crate::pair_map::PairMap;
use crate::rows;
use nalgebra::{DMatrix, DVector, SymmetricEigen};
use nlhf_core::Menu;
use rayon::prelude::*;

/// Prompts that a thread takes at a time.
const CHUNK: usize = 256;

/// Visits to prompts of an ascent at most, but for a few passes that are made in any case: the last of them move
/// few prompts and gain little.
const VISITS: usize = 1 << 17;

/// Prompts from which an ascent starts by themselves; none if there are so many that one does not matter.
const HEAVY: usize = 4;
const FEW: usize = 1024;

/// One prompt with what is played on it.
#[derive(Debug)]
pub(super) struct Stake<'a> {
    /// Its place among all prompts.
    pub(super) at: usize,
    /// d₀.
    pub(super) share: f64,
    pub(super) menu: Menu<'a>,
    pub(super) policy: Vec<f64>,
    /// φ of each response.
    pub(super) phi: Vec<&'a [f64]>,
}

/// Prompts and the information about the parameters that they share.
#[derive(Debug)]
pub(super) struct Block<'a> {
    map: PairMap,
    /// `M = Σ_D w zz'`.
    pub(super) gram: DMatrix<f64>,
    /// Scales of parameters that no data vary.
    pub(super) units: Vec<f64>,
    pub(super) stakes: Vec<Stake<'a>>,
}

/// A choice of competitors and the mean slope against them.
#[derive(Debug, Clone)]
pub(super) struct Vertex {
    /// `‖v‖²`, C/|D|.
    pub(super) square: f64,
    pub(super) slope: DVector<f64>,
    /// The place of the competitor in the menu of each prompt.
    pub(super) competitors: Vec<usize>,
}

/// The centre c and the spread E.
#[derive(Debug)]
pub(super) struct Spread {
    /// `Σ d₀`.
    share: f64,
    center: DVector<f64>,
    outer: DMatrix<f64>,
}

impl Stake<'_> {
    /// `Σ_a p(a) φ(x, a)`.
    fn mean(&self, policy: &[f64]) -> Vec<f64> {
        let mut mean = vec![0.0; self.phi[0].len()];
        for (phi, p) in self.phi.iter().zip(policy) {
            for (mean, x) in mean.iter_mut().zip(*phi) {
                *mean += p * x;
            }
        }
        mean
    }
}

impl<'a> Block<'a> {
    /// The prompts of a class and `M` of data of a total weight.
    pub(super) fn new(
        map: PairMap,
        gram: DMatrix<f64>,
        total_weight: f64,
        stakes: Vec<Stake<'a>>,
    ) -> Self {
        let n = gram.nrows();
        let mut block = Self { map, gram, units: vec![0.0; n], stakes };
        if (0..n).any(|i| block.gram[(i, i)] == 0.0) {
            // As if labels were asked where the policy plays.
            let mut units = DVector::zeros(n);
            for stake in &block.stakes {
                let slopes = block.slopes(stake);
                let square = slopes.component_mul(&slopes).column_mean();
                units.axpy(total_weight / block.stakes.len() as f64, &square, 1.0);
            }
            block.units.copy_from_slice(units.as_slice());
        }
        block
    }

    pub(super) fn dimension(&self) -> usize {
        self.gram.nrows()
    }

    /// `Σ d₀`.
    pub(super) fn share(&self) -> f64 {
        self.stakes.iter().map(|stake| stake.share).sum()
    }

    /// z of two responses of a menu.
    pub(super) fn pair(&self, stake: &Stake<'_>, a: usize, b: usize, out: &mut [f64]) {
        self.map.write(stake.phi[a], stake.phi[b], out);
    }

    /// `v_x(b)`, one a column. What is below the rounding of its sums is zero.
    pub(super) fn slopes(&self, stake: &Stake<'_>) -> DMatrix<f64> {
        let mean = stake.mean(&stake.policy);
        let mut most = vec![0.0_f64; mean.len()];
        for phi in &stake.phi {
            for (most, x) in most.iter_mut().zip(*phi) {
                *most = most.max(x.abs());
            }
        }
        let mut sizes = vec![0.0; self.dimension()];
        self.map.write_sizes(&most, &mut sizes);
        let rounding = (4 + stake.phi.len()) as f64 * f64::EPSILON;
        let mut slopes = DMatrix::zeros(self.dimension(), stake.phi.len());
        for (phi, mut slope) in stake.phi.iter().zip(slopes.column_iter_mut()) {
            self.map.write(&mean, phi, slope.as_mut_slice());
            for (v, size) in slope.iter_mut().zip(&sizes) {
                if v.abs() <= rounding * size {
                    *v = 0.0;
                }
            }
        }
        slopes
    }

    /// Of each prompt its worst competitor, `‖v‖²` against it, +∞ where it is outside of the range.
    pub(super) fn worst(&self, metric: &Metric) -> Vec<(usize, f64)> {
        let of = |stake: &Stake<'_>| {
            let white = &metric.whitening * self.slopes(stake);
            let known = white.column_iter().map(|white| metric.length(white.as_slice()));
            let known: Vec<(f64, bool)> = known.collect();
            // Beyond the range the part that lies outside decides, which is most of the length.
            let uncovered = known.iter().any(|(_, outside)| *outside);
            let counts = |(square, outside): &(f64, bool)| {
                if uncovered && !outside { 0.0 } else { *square }
            };
            let (b, square) = super::largest(known.iter().map(counts));
            (b, if uncovered { f64::INFINITY } else { square })
        };
        self.stakes.par_iter().map(of).collect()
    }

    /// Competitors that `choose` picks for each prompt and mean features, and `Σ d₀ v_x(b(x))` over prompts in their order.
    fn step(
        &self,
        choose: impl Fn(usize, &Stake<'_>, &[f64]) -> usize + Sync,
    ) -> (Vec<usize>, DVector<f64>) {
        let n = self.dimension();
        let chunk = |(start, stakes): (usize, &[Stake<'_>])| {
            let (mut sum, mut z) = (DVector::zeros(n), DVector::zeros(n));
            let mut competitors = Vec::with_capacity(stakes.len());
            for (at, stake) in stakes.iter().enumerate() {
                let mean = stake.mean(&stake.policy);
                let b = choose(start * CHUNK + at, stake, &mean);
                self.map.write(&mean, stake.phi[b], z.as_mut_slice());
                sum.axpy(stake.share, &z, 1.0);
                competitors.push(b);
            }
            (competitors, sum)
        };
        let chunks: Vec<_> = self.stakes.par_chunks(CHUNK).enumerate().map(chunk).collect();
        let (mut competitors, mut total) =
            (Vec::with_capacity(self.stakes.len()), DVector::zeros(n));
        for (chosen, sum) in chunks {
            competitors.extend(chosen);
            total += sum;
        }
        (competitors, total)
    }

    /// The competitors whose slopes go furthest along a direction.
    fn along(&self, direction: &DVector<f64>) -> (Vec<usize>, DVector<f64>) {
        self.step(|_, stake, mean| {
            let mut form = vec![0.0; mean.len()];
            self.map.write_form(mean, direction.as_slice(), &mut form);
            super::largest(stake.phi.iter().map(|phi| rows::dot(phi, &form))).0
        })
    }

    /// A vertex from which no pass leads higher, or the last one of those made.
    fn ascend(&self, metric: &Metric, start: (Vec<usize>, DVector<f64>)) -> Vertex {
        let at = |(competitors, slope): (Vec<usize>, DVector<f64>)| {
            let square = (&metric.whitening * &slope).norm_squared();
            Vertex { square, slope, competitors }
        };
        let mut best = at(start);
        for _ in 0..(VISITS / self.stakes.len().max(1)).clamp(3, 50) {
            let next = at(self.along(&metric.solve(&best.slope)));
            if next.square <= best.square * (1.0 + 1e-12) {
                break;
            }
            best = next;
        }
        best
    }

    /// The highest vertex found from the worst competitor of each prompt, the opposite, the directions of the
    /// spread, and the prompts with the most to lose.
    pub(super) fn vertex(
        &self,
        metric: &Metric,
        worst: &[(usize, f64)],
        spread: Option<&Spread>,
    ) -> Vertex {
        let start = self.step(|at, _, _| worst[at].0);
        let mut best = self.ascend(metric, start);
        let Some(spread) = spread else { return best };
        let (_, along) = spread.largest(metric);
        let mut starts = vec![-metric.solve(&best.slope), metric.whitening.tr_mul(&along)];
        starts.push(-&starts[1]);
        // The prompts with the most to lose, each by itself.
        let length = |at: usize| self.stakes[at].share * worst[at].1.sqrt();
        let mut heavy: Vec<usize> = (0..self.stakes.len()).collect();
        heavy.sort_by(|i, j| length(*j).total_cmp(&length(*i)));
        heavy.truncate(if heavy.len() > FEW { 0 } else { HEAVY });
        for at in heavy {
            let slopes = self.slopes(&self.stakes[at]);
            starts.push(metric.solve(&slopes.column(worst[at].0).into_owned()));
        }
        for start in starts {
            let found = self.ascend(metric, self.along(&start));
            if found.square > best.square {
                best = found;
            }
        }
        best
    }

    /// The centre and the spread; `None` of one prompt, which needs neither.
    pub(super) fn spread(&self) -> Option<Spread> {
        if self.stakes.len() < 2 {
            return None;
        }
        let n = self.dimension();
        let of = |stakes: &[Stake<'_>]| {
            let mut center = DVector::zeros(n);
            for stake in stakes {
                center.axpy(stake.share, &self.slopes(stake).column_mean(), 1.0);
            }
            center
        };
        let centers: Vec<DVector<f64>> = self.stakes.par_chunks(CHUNK).map(of).collect();
        let center = centers.into_iter().fold(DVector::zeros(n), |total, center| total + center);
        let rows = self.rows(|_, _| true);
        let outer = rows::gram(n, rows.len(), |k, left, right| {
            let (at, b) = rows[k];
            let stake = &self.stakes[at];
            // v is affine in φ(b): the mean over b is that against the mean of the features.
            let even = vec![1.0 / stake.phi.len() as f64; stake.phi.len()];
            let (mean, center) = (stake.mean(&stake.policy), stake.mean(&even));
            self.map.write(&mean, stake.phi[b], left);
            self.map.write(&mean, &center, right);
            let weight = stake.share * (1.0 - even[0]);
            for (left, right) in left.iter_mut().zip(right) {
                *left -= *right;
                *right = weight * *left;
            }
        });
        Some(Spread { share: self.share(), center, outer })
    }

    /// Prompts and places in their menus.
    pub(super) fn rows(&self, wanted: impl Fn(usize, usize) -> bool) -> Vec<(usize, usize)> {
        let of = |(at, stake): (usize, &Stake<'_>)| {
            let wanted = &wanted;
            (0..stake.phi.len()).filter(move |k| wanted(at, *k)).map(move |k| (at, k))
        };
        self.stakes.iter().enumerate().flat_map(of).collect()
    }
}

impl Spread {
    /// `λ_max(M^−½ E M^−½)` and the direction that it is of.
    fn largest(&self, metric: &Metric) -> (f64, DVector<f64>) {
        let white = &metric.whitening * &self.outer * metric.whitening.transpose();
        let eigen = SymmetricEigen::new(white);
        let k = eigen.eigenvalues.imax();
        (eigen.eigenvalues[k].max(0.0), eigen.eigenvectors.column(k).into_owned())
    }

    /// No `‖v‖²` of a vertex is larger.
    pub(super) fn bound(&self, metric: &Metric) -> f64 {
        let center = (&metric.whitening * &self.center).norm();
        (center + (self.share * self.largest(metric).0).sqrt()).powi(2)
    }
}
