//! Low-rank payoffs `A = L·Rᵀ`, `L` being `n × k` and `R` `m × k`: O((n + m)k) a product.
//!
//! The log-odds of a bilinear model are `A = ΦΘΦᵀ` with `Θ` skew: only `Φ` and `Θ` are stored. On the
//! scale of probabilities a low-rank model is of full rank: there is no such shortcut.

use super::{GameError, SkewFactors, StoredPayoffs, ZeroSumGame};

/// A payoff matrix given by two thin factors.
#[derive(Debug, Clone, PartialEq)]
pub struct LowRankGame {
    rank: usize,
    factors: Factors,
    bound: f64,
    /// Bounds the sums of absolute terms, `Σ|L||R|` or `Σ|Φ||Θ||Φ|`, behind an entry.
    terms: f64,
}

#[derive(Debug, Clone, PartialEq)]
enum Factors {
    /// `L` and `R`.
    General { left: Vec<f64>, right: Vec<f64> },
    /// `Φ` and the skew `Θ`.
    Skew { features: Vec<f64>, theta: Vec<f64> },
}

impl LowRankGame {
    /// The game `left · rightᵀ`; both factors row-major with `rank` columns.
    ///
    /// # Errors
    /// [`GameError::Shape`], [`GameError::NotFinite`] and [`GameError::Range`].
    pub fn new(rank: usize, left: Vec<f64>, right: Vec<f64>) -> Result<Self, GameError> {
        check_factor("the left factor", rank, &left)?;
        check_factor("the right factor", rank, &right)?;
        // Cauchy and Schwarz: |A| ≤ max‖left row‖ · max‖right row‖, without forming A.
        let bound = above(rank, longest(rank, &left) * longest(rank, &right));
        Ok(Self { rank, factors: Factors::General { left, right }, bound, terms: bound })
    }

    /// The symmetric game `ΦΘΦᵀ`: `features` is `n × rank`, `theta` is `rank × rank`, of which the
    /// skew part `(Θ − Θᵀ)/2` is used.
    ///
    /// # Errors
    /// [`GameError::Shape`], [`GameError::NotFinite`] and [`GameError::Range`].
    pub fn skew(rank: usize, features: Vec<f64>, theta: &[f64]) -> Result<Self, GameError> {
        if theta.len() != rank * rank {
            let given = theta.len();
            return Err(GameError::Shape { what: "theta", nrows: rank, ncols: rank, given });
        }
        check_factor("the features", rank, &features)?;
        if rank > 0 {
            check_factor("theta", rank, theta)?;
        }
        let theta: Vec<f64> = (0..rank * rank)
            .map(|at| 0.5 * (theta[at] - theta[at % rank * rank + at / rank]))
            .collect();
        // |φᵢᵀΘφⱼ| ≤ ‖Θᵀφᵢ‖ · ‖φⱼ‖
        let mut turned = vec![0.0; rank];
        let turned = features.chunks_exact(rank.max(1)).map(|phi| {
            turned.fill(0.0);
            for (row, x) in theta.chunks_exact(rank).zip(phi) {
                for (out, t) in turned.iter_mut().zip(row) {
                    *out += t * x;
                }
            }
            turned.iter().map(|x| x * x).sum::<f64>()
        });
        let longest = longest(rank, &features);
        let bound = above(rank, turned.fold(0.0, f64::max).sqrt() * longest);
        // Frobenius for the absolute values of Θ.
        let size = theta.iter().map(|t| t * t).sum::<f64>().sqrt();
        let terms = above(rank, longest * size * longest);
        Ok(Self { rank, factors: Factors::Skew { features, theta }, bound, terms })
    }
}

/// Between these no product of two factors and their norms leaves the range of f64.
const SMALLEST_FACTOR: f64 = 1e-100;
const LARGEST_FACTOR: f64 = 1e100;

fn check_factor(what: &'static str, rank: usize, factor: &[f64]) -> Result<(), GameError> {
    let given = factor.len();
    if rank == 0 || given == 0 || !given.is_multiple_of(rank) {
        return Err(GameError::Shape {
            what,
            nrows: given.div_ceil(rank.max(1)),
            ncols: rank,
            given,
        });
    }
    if let Some(at) = factor.iter().position(|x| !x.is_finite()) {
        let (row, column) = (at / rank, at % rank);
        return Err(GameError::NotFinite { row, column, given: factor[at] });
    }
    let largest = factor.iter().fold(0.0, |m: f64, x| m.max(x.abs()));
    if largest == 0.0 || (SMALLEST_FACTOR..=LARGEST_FACTOR).contains(&largest) {
        Ok(())
    } else {
        Err(GameError::Range { what, given: largest })
    }
}

/// A product of norms with what its rounding may have taken off.
fn above(rank: usize, product: f64) -> f64 {
    product * (1.0 + (4 * rank + 16) as f64 * f64::EPSILON)
}

/// The largest norm of a row.
fn longest(rank: usize, factor: &[f64]) -> f64 {
    let rows = factor.chunks_exact(rank).map(|row| row.iter().map(|x| x * x).sum::<f64>());
    rows.fold(0.0, f64::max).sqrt()
}

/// `tallᵀ · weights`
fn collect(rank: usize, tall: &[f64], weights: &[f64]) -> Vec<f64> {
    let mut inner = vec![0.0; rank];
    for (weight, row) in weights.iter().zip(tall.chunks_exact(rank)) {
        for (sum, x) in inner.iter_mut().zip(row) {
            *sum += weight * x;
        }
    }
    inner
}

/// `out ← tall · inner`
fn spread(rank: usize, tall: &[f64], inner: &[f64], out: &mut [f64]) {
    for (out, row) in out.iter_mut().zip(tall.chunks_exact(rank)) {
        *out = row.iter().zip(inner).map(|(x, y)| x * y).sum();
    }
}

impl LowRankGame {
    /// `ΦΘx` or, with the other sign, `ΦΘᵀx`, of a skew game for `x = Φᵀπ`.
    fn turn(rank: usize, theta: &[f64], inner: &[f64], sign: f64) -> Vec<f64> {
        let rows = theta.chunks_exact(rank);
        rows.map(|row| sign * row.iter().zip(inner).map(|(t, x)| t * x).sum::<f64>()).collect()
    }
}

impl ZeroSumGame for LowRankGame {
    fn nrows(&self) -> usize {
        match &self.factors {
            Factors::General { left: rows, .. } | Factors::Skew { features: rows, .. } => {
                rows.len() / self.rank
            }
        }
    }

    fn ncols(&self) -> usize {
        match &self.factors {
            Factors::General { right: rows, .. } | Factors::Skew { features: rows, .. } => {
                rows.len() / self.rank
            }
        }
    }

    fn apply(&self, column: &[f64], out: &mut [f64]) {
        assert_eq!((column.len(), out.len()), (self.ncols(), self.nrows()));
        match &self.factors {
            Factors::General { left, right } => {
                spread(self.rank, left, &collect(self.rank, right, column), out);
            }
            Factors::Skew { features, theta } => {
                let inner = collect(self.rank, features, column);
                spread(self.rank, features, &Self::turn(self.rank, theta, &inner, 1.0), out);
            }
        }
    }

    fn apply_transpose(&self, row: &[f64], out: &mut [f64]) {
        assert_eq!((row.len(), out.len()), (self.nrows(), self.ncols()));
        match &self.factors {
            Factors::General { left, right } => {
                spread(self.rank, right, &collect(self.rank, left, row), out);
            }
            Factors::Skew { features, theta } => {
                let inner = collect(self.rank, features, row);
                spread(self.rank, features, &Self::turn(self.rank, theta, &inner, -1.0), out);
            }
        }
    }

    fn payoff_bound(&self) -> f64 {
        self.bound
    }

    /// `(max(n, m) + 2k + 8) ε/2` times a bound on the sum of the absolute terms behind an entry.
    fn product_error_bound(&self) -> f64 {
        let length = self.nrows().max(self.ncols()) + 2 * self.rank + 8;
        0.5 * length as f64 * f64::EPSILON * self.terms
    }

    fn stored(&self) -> Option<StoredPayoffs<'_>> {
        let rank = self.rank;
        Some(match &self.factors {
            Factors::General { left, right } => StoredPayoffs::Factors { rank, left, right },
            Factors::Skew { features, theta } => {
                StoredPayoffs::SkewFactors(SkewFactors { rank, features, theta })
            }
        })
    }

    fn is_skew(&self) -> bool {
        matches!(self.factors, Factors::Skew { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bradley_terry_is_rank_two() {
        // R = r1ᵀ − 1rᵀ with Φ = [r, 1] and Θ = [[0, 1], [−1, 0]].
        let r = [1.5, -0.5, 0.25];
        let features = r.iter().flat_map(|&r| [r, 1.0]).collect();
        let game = LowRankGame::skew(2, features, &[0.0, 1.0, -1.0, 0.0]).unwrap();
        let mut dense = vec![0.0; 9];
        game.write_dense(&mut dense);
        for i in 0..3 {
            for j in 0..3 {
                assert!((dense[i * 3 + j] - (r[i] - r[j])).abs() < 1e-15);
                assert!(game.payoff_bound() >= dense[i * 3 + j].abs());
            }
        }
        assert!(LowRankGame::skew(2, vec![1.0; 5], &[0.0; 4]).is_err());
        assert!(LowRankGame::new(0, vec![], vec![]).is_err());
        assert!(LowRankGame::new(1, vec![1e-318], vec![1e153]).is_err());
        assert!(LowRankGame::new(1, vec![1e-170], vec![1.0]).is_err());
        assert!(LowRankGame::new(1, vec![0.0], vec![1.0]).is_ok());
    }
}
