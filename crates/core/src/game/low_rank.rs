//! Low-rank payoffs `A = L·Rᵀ`, `L` being `n × k` and `R` `m × k`: O((n + m)k) a product.
//!
//! The log-odds of a bilinear model are `A = ΦΘΦᵀ` with `Θ` skew, hence `L = ΦΘ`, `R = Φ`. On the
//! scale of probabilities a low-rank model is of full rank: there is no such shortcut.
//!
//! `ΦΘ` is rounded, so that `L·Rᵀ` is skew only nearly: the game is the exact `(L·Rᵀ − R·Lᵀ)/2`, and its
//! distance from `L·Rᵀ` belongs to the error of a product.

use super::{ExactPayoffs, GameError, ZeroSumGame};

/// A payoff matrix given by two thin factors.
#[derive(Debug, Clone, PartialEq)]
pub struct LowRankGame {
    rank: usize,
    left: Vec<f64>,
    right: Vec<f64>,
    bound: f64,
    /// How far an entry of `left · rightᵀ` may be from the game's.
    defect: f64,
    skew: bool,
}

impl LowRankGame {
    /// The game `left · rightᵀ`; both factors row-major with `rank` columns.
    ///
    /// # Errors
    /// [`GameError::Shape`] and [`GameError::NotFinite`].
    pub fn new(rank: usize, left: Vec<f64>, right: Vec<f64>) -> Result<Self, GameError> {
        Self::assemble(rank, left, right, None)
    }

    /// The symmetric game `ΦΘΦᵀ`: `features` is `n × rank`, `theta` is `rank × rank`, of which the
    /// skew part `(Θ − Θᵀ)/2` is used.
    ///
    /// # Errors
    /// [`GameError::Shape`] and [`GameError::NotFinite`].
    pub fn skew(rank: usize, features: Vec<f64>, theta: &[f64]) -> Result<Self, GameError> {
        if theta.len() != rank * rank {
            let given = theta.len();
            return Err(GameError::Shape { what: "theta", nrows: rank, ncols: rank, given });
        }
        let mut left = vec![0.0; features.len()];
        if rank > 0 {
            for (left, phi) in left.chunks_exact_mut(rank).zip(features.chunks_exact(rank)) {
                for (j, out) in left.iter_mut().enumerate() {
                    let column =
                        (0..rank).map(|i| 0.5 * (theta[i * rank + j] - theta[j * rank + i]));
                    *out = column.zip(phi).map(|(t, f)| t * f).sum();
                }
            }
        }
        Self::assemble(rank, left, features, Some(theta))
    }

    fn assemble(
        rank: usize,
        left: Vec<f64>,
        right: Vec<f64>,
        theta: Option<&[f64]>,
    ) -> Result<Self, GameError> {
        for (what, factor) in [("the left factor", &left), ("the right factor", &right)] {
            let given = factor.len();
            if rank == 0 || given == 0 || given % rank != 0 {
                let nrows = given.div_ceil(rank.max(1));
                return Err(GameError::Shape { what, nrows, ncols: rank, given });
            }
            if let Some(at) = factor.iter().position(|x| !x.is_finite()) {
                let (row, column) = (at / rank, at % rank);
                return Err(GameError::NotFinite { row, column, given: factor[at] });
            }
        }
        // Cauchy and Schwarz: |A| ≤ max‖left row‖ · max‖right row‖, without forming A.
        let longest = |factor: &[f64]| {
            let rows = factor.chunks_exact(rank).map(|row| row.iter().map(|x| x * x).sum::<f64>());
            rows.fold(0.0, f64::max).sqrt()
        };
        let bound = longest(&left) * longest(&right);
        // Entries of fl(Φ(Θ − Θᵀ)/2) are off by (k + 1)ε/2 Σ|Φ||Θ − Θᵀ|/2, those of the product by as much
        // times |Φ|.
        let defect = theta.map_or(0.0, |theta| {
            let pairs = (0..rank * rank).map(|at| (at, at % rank * rank + at / rank));
            let squares = pairs.map(|(at, mirrored)| (0.5 * (theta[at] - theta[mirrored])).powi(2));
            let size = squares.sum::<f64>().sqrt();
            (rank + 2) as f64 * f64::EPSILON * longest(&right).powi(2) * size
        });
        Ok(Self { rank, left, right, bound, defect, skew: theta.is_some() })
    }
}

/// `out ← tall · (wideᵀ · weights)`, both factors row-major with `rank` columns.
fn product(rank: usize, tall: &[f64], wide: &[f64], weights: &[f64], out: &mut [f64]) {
    let mut inner = vec![0.0; rank];
    for (weight, row) in weights.iter().zip(wide.chunks_exact(rank)) {
        for (sum, x) in inner.iter_mut().zip(row) {
            *sum += weight * x;
        }
    }
    for (out, row) in out.iter_mut().zip(tall.chunks_exact(rank)) {
        *out = row.iter().zip(&inner).map(|(x, y)| x * y).sum();
    }
}

impl ZeroSumGame for LowRankGame {
    fn nrows(&self) -> usize {
        self.left.len() / self.rank
    }

    fn ncols(&self) -> usize {
        self.right.len() / self.rank
    }

    fn apply(&self, column: &[f64], out: &mut [f64]) {
        assert_eq!((column.len(), out.len()), (self.ncols(), self.nrows()));
        product(self.rank, &self.left, &self.right, column, out);
    }

    fn apply_transpose(&self, row: &[f64], out: &mut [f64]) {
        assert_eq!((row.len(), out.len()), (self.nrows(), self.ncols()));
        product(self.rank, &self.right, &self.left, row, out);
    }

    fn payoff_bound(&self) -> f64 {
        self.bound
    }

    /// `(max(n, m) + k + 4) ε/2 · B`, `B` being a bound on `Σ |L||R|` too, and what the factors of a
    /// skew game are off.
    fn product_error_bound(&self) -> f64 {
        let terms = self.nrows().max(self.ncols()) + self.rank + 4;
        0.5 * terms as f64 * f64::EPSILON * self.bound + self.defect
    }

    fn exact_payoffs(&self) -> Option<ExactPayoffs<'_>> {
        Some(ExactPayoffs::Factors { rank: self.rank, left: &self.left, right: &self.right })
    }

    fn is_skew(&self) -> bool {
        self.skew
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
    }
}
