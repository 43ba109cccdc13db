//! The loss of skew log-odds as a function of coordinates: a score and circular planes for each candidate.
//!
//! ```text
//! c_a = (s, u_1 … u_r, v_1 … v_r)_a                               one column a candidate
//! R(a, b) = s_a − s_b + Σ_k [u_k(a) v_k(b) − v_k(a) u_k(b)]       skew, of rank 2r + 2 at most
//! ∂R/∂c_a = (1, v(b), −u(b)),   ∂R/∂c_b = −(1, v(a), −u(a))
//! f = Σ w [log(1 + eᵗ) − y t],   t = R + γ · order
//! ```
//! Each plane is a disc on which those a quarter turn ahead are preferred. Where the coordinates come
//! from is no matter here. Two passes: residuals row by row, then for each candidate the sum over its
//! rows, so that nothing is written by two threads. Source of the planes: Balduzzi et al. (arXiv
//! 1806.02643); as a preference model Zhang et al. (arXiv 2410.02197).

use crate::cells::Cells;
use crate::logistic_kernel::slopes_and_loss;
use nalgebra::DMatrix;
use rayon::prelude::*;

/// Rows or candidates a block; sums go in the order of the blocks.
const BLOCK: usize = 4096;

/// What a coordinate column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Layout {
    pub(crate) scores: bool,
    pub(crate) planes: usize,
}

impl Layout {
    /// Coordinates of a candidate.
    pub(crate) fn len(self) -> usize {
        self.first_plane() + 2 * self.planes
    }

    fn first_plane(self) -> usize {
        usize::from(self.scores)
    }

    /// Where u and v of plane k stand.
    pub(crate) fn plane(self, k: usize) -> (usize, usize) {
        (self.first_plane() + k, self.first_plane() + self.planes + k)
    }

    /// R of two coordinate columns; turned about it changes its sign and no bit else.
    #[inline]
    pub(crate) fn log_odds(self, a: &[f64], b: &[f64]) -> f64 {
        let scores = if self.scores { a[0] - b[0] } else { 0.0 };
        let start = self.first_plane();
        let (ua, va) = a[start..].split_at(self.planes);
        let (ub, vb) = b[start..].split_at(self.planes);
        let forth: f64 = ua.iter().zip(vb).map(|(u, v)| u * v).sum();
        let back: f64 = va.iter().zip(ub).map(|(v, u)| v * u).sum();
        scores + (forth - back)
    }

    /// `sum += r ∂R(a, b)/∂c_a`, for the other's column b.
    #[inline]
    fn add_slope(self, sum: &mut [f64], r: f64, other: &[f64]) {
        if self.scores {
            sum[0] += r;
        }
        let start = self.first_plane();
        let (su, sv) = sum[start..].split_at_mut(self.planes);
        let (u, v) = other[start..].split_at(self.planes);
        for (s, v) in su.iter_mut().zip(v) {
            *s += r * v;
        }
        for (s, u) in sv.iter_mut().zip(u) {
            *s -= r * u;
        }
    }
}

/// A row seen from one of its candidates.
struct Incident {
    row: u32,
    other: u32,
    /// +1 from the first candidate, −1 from the second.
    sign: f64,
}

/// Counted comparisons between candidates.
pub(crate) struct Rows {
    ends: Vec<(u32, u32)>,
    weights: Vec<f64>,
    wins: Vec<f64>,
    /// Empty without an order effect.
    orders: Vec<f64>,
    /// By candidate, those of k from `starts[k]`.
    incidents: Vec<Incident>,
    starts: Vec<usize>,
}

impl Rows {
    /// The cells, the candidates of each given by their place among `n`.
    pub(crate) fn new(cells: &Cells, ends: Vec<(u32, u32)>, n: usize, order_effect: bool) -> Self {
        let mut starts = vec![0; n + 1];
        for (a, b) in &ends {
            starts[*a as usize + 1] += 1;
            starts[*b as usize + 1] += 1;
        }
        for k in 0..n {
            starts[k + 1] += starts[k];
        }
        let mut next = starts.clone();
        let empty = || Incident { row: 0, other: 0, sign: 0.0 };
        let mut incidents: Vec<Incident> = (0..starts[n]).map(|_| empty()).collect();
        for (row, (a, b)) in (0..).zip(&ends) {
            for (own, other, sign) in [(*a, *b, 1.0), (*b, *a, -1.0)] {
                let at = &mut next[own as usize];
                incidents[*at] = Incident { row, other, sign };
                *at += 1;
            }
        }
        Self {
            ends,
            weights: cells.pairs().iter().map(|pair| pair.weight).collect(),
            wins: cells.pairs().iter().map(|pair| pair.wins).collect(),
            orders: if order_effect { cells.orders().to_vec() } else { Vec::new() },
            incidents,
            starts,
        }
    }

    /// Rows.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The candidates of each row.
    pub(crate) fn ends(&self) -> &[(u32, u32)] {
        &self.ends
    }

    /// Candidates.
    pub(crate) fn n_candidates(&self) -> usize {
        self.starts.len() - 1
    }

    /// The loss at coordinates `c`, writing its slope `w(σ(t) − y)` in each row's t and returning that in γ too.
    pub(crate) fn residuals(
        &self,
        layout: Layout,
        c: &DMatrix<f64>,
        gamma: f64,
        residuals: &mut [f64],
    ) -> (f64, f64) {
        let blocks = residuals.par_chunks_mut(BLOCK).enumerate();
        let sums: Vec<(f64, f64)> = blocks
            .map(|(block, residuals)| {
                let rows = block * BLOCK..block * BLOCK + residuals.len();
                self.log_odds(layout, c, rows.start, residuals);
                let orders = self.orders.get(rows.clone()).unwrap_or(&[]);
                for (t, order) in residuals.iter_mut().zip(orders) {
                    *t += order * gamma;
                }
                let (weights, wins) = (&self.weights[rows.clone()], &self.wins[rows]);
                let loss = slopes_and_loss(residuals, weights, wins);
                (loss, orders.iter().zip(residuals).map(|(order, r)| order * *r).sum())
            })
            .collect();
        sums.iter().fold((0.0, 0.0), |total, sums| (total.0 + sums.0, total.1 + sums.1))
    }

    /// R of rows from `start` on.
    fn log_odds(&self, layout: Layout, c: &DMatrix<f64>, start: usize, out: &mut [f64]) {
        match layout.planes {
            1 => self.log_odds_of::<1>(layout, c, start, out),
            2 => self.log_odds_of::<2>(layout, c, start, out),
            4 => self.log_odds_of::<4>(layout, c, start, out),
            8 => self.log_odds_of::<8>(layout, c, start, out),
            _ => self.log_odds_of::<0>(layout, c, start, out),
        }
    }

    /// The same with a number of planes that the compiler knows; 0 stands for any.
    fn log_odds_of<const K: usize>(
        &self,
        layout: Layout,
        c: &DMatrix<f64>,
        start: usize,
        out: &mut [f64],
    ) {
        let layout = if K > 0 { Layout { planes: K, ..layout } } else { layout };
        let m = layout.len();
        let column = |k: u32| &c.as_slice()[k as usize * m..(k as usize + 1) * m];
        for ((a, b), t) in self.ends[start..].iter().zip(out) {
            *t = layout.log_odds(column(*a), column(*b));
        }
    }

    /// The gradient in the coordinates, one column a candidate, of rows with these slopes.
    pub(crate) fn gradient(
        &self,
        layout: Layout,
        c: &DMatrix<f64>,
        residuals: &[f64],
        out: &mut DMatrix<f64>,
    ) {
        match layout.planes {
            1 => self.gradient_of::<1>(layout, c, residuals, out),
            2 => self.gradient_of::<2>(layout, c, residuals, out),
            4 => self.gradient_of::<4>(layout, c, residuals, out),
            8 => self.gradient_of::<8>(layout, c, residuals, out),
            _ => self.gradient_of::<0>(layout, c, residuals, out),
        }
    }

    fn gradient_of<const K: usize>(
        &self,
        layout: Layout,
        c: &DMatrix<f64>,
        residuals: &[f64],
        out: &mut DMatrix<f64>,
    ) {
        let layout = if K > 0 { Layout { planes: K, ..layout } } else { layout };
        let m = layout.len();
        let columns = out.as_mut_slice().par_chunks_mut(m).with_min_len(64);
        columns.enumerate().for_each(|(own, sum)| {
            sum.fill(0.0);
            for incident in &self.incidents[self.starts[own]..self.starts[own + 1]] {
                let other = incident.other as usize * m;
                let r = incident.sign * residuals[incident.row as usize];
                layout.add_slope(sum, r, &c.as_slice()[other..other + m]);
            }
        });
    }

    /// The largest `|R|` of a row.
    pub(crate) fn largest(&self, layout: Layout, c: &DMatrix<f64>) -> f64 {
        let m = layout.len();
        let column = |k: u32| &c.as_slice()[k as usize * m..(k as usize + 1) * m];
        let sizes = self.ends.iter().map(|(a, b)| layout.log_odds(column(*a), column(*b)).abs());
        sizes.fold(0.0, f64::max)
    }

    /// `Ex` of the skew matrix E that has these values in its rows.
    pub(crate) fn turn(&self, values: &[f64], x: &[f64]) -> Vec<f64> {
        let sum = |own: usize| {
            let incidents = &self.incidents[self.starts[own]..self.starts[own + 1]];
            let term = |i: &Incident| i.sign * values[i.row as usize] * x[i.other as usize];
            incidents.iter().map(term).sum()
        };
        (0..self.n_candidates()).into_par_iter().with_min_len(64).map(sum).collect()
    }

    /// The size c of a plane `c (u(a) v(b) − v(a) u(b))` that a Newton step from `c = 0` gives it.
    pub(crate) fn plane_size(&self, residuals: &[f64], u: &[f64], v: &[f64], ridge: f64) -> f64 {
        let (mut slope, mut curvature) = (ridge, 0.0);
        for (row, (a, b)) in self.ends.iter().enumerate() {
            let (a, b) = (*a as usize, *b as usize);
            let q = u[a] * v[b] - v[a] * u[b];
            slope += residuals[row] * q;
            curvature += self.variance(row, residuals[row]) * q * q;
        }
        if curvature > 0.0 { -slope / curvature } else { 0.0 }
    }

    /// `w p (1 − p)`, the variance of a row's slope if the model is true.
    fn variance(&self, row: usize, residual: f64) -> f64 {
        let weight = self.weights[row];
        let p = ((residual + self.wins[row]) / weight).clamp(0.0, 1.0);
        weight * p * (1.0 - p)
    }

    /// The standard deviation of each row's slope if the model is true.
    pub(crate) fn deviations(&self, residuals: &[f64]) -> Vec<f64> {
        residuals.iter().enumerate().map(|(row, r)| self.variance(row, *r).sqrt()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coordinates_turned_about_turn_the_sign_alone() {
        let layout = Layout { scores: true, planes: 2 };
        let (a, b) = ([0.3, 0.1, -0.7, 1.3, 0.9], [-1.1, 0.77, 0.2, -0.4, 0.6]);
        let (forth, back) = (layout.log_odds(&a, &b), layout.log_odds(&b, &a));
        assert_eq!(forth.to_bits(), (-back).to_bits());
        let by_hand = 1.4 + 0.1 * -0.4 + -0.7 * 0.6 - 1.3 * 0.77 - 0.9 * 0.2;
        assert!((forth - by_hand).abs() < 1e-15);
    }
}
