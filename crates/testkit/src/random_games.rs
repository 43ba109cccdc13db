//! Seeded random games and priors: the same numbers for the same generator.
//!
//! All draw from whatever generator they are given, one number an entry, in row-major order.

use nlhf_core::logistic::centered_sigmoid;
use nlhf_core::{DenseGame, Distribution};
use rand::{Rng, RngExt};

/// A symmetric game with independent payoffs above the diagonal, uniform in `[−bound, bound]`.
///
/// # Panics
/// If `n` is zero.
pub fn random_skew(n: usize, bound: f64, rng: &mut dyn Rng) -> DenseGame {
    DenseGame::skew_from_upper(n, |_, _| uniform(bound, rng))
}

/// A symmetric game on the scale of probabilities: preferences partly transitive, partly circular.
///
/// ```text
/// A[a, b] = σ(r_a − r_b + x_a·Θ x_b) − ½,     Θ = two planes of quarter turns (rank 4)
/// ```
/// Scores `r` are uniform in [−1, 1], features `x` in [−2, 2]⁴: cycles are common, as among people.
///
/// # Panics
/// If `n` is zero.
pub fn cyclic_skew(n: usize, rng: &mut dyn Rng) -> DenseGame {
    let traits: Vec<(f64, [f64; 4])> =
        (0..n).map(|_| (uniform(1.0, rng), std::array::from_fn(|_| uniform(2.0, rng)))).collect();
    DenseGame::skew_from_upper(n, |a, b| {
        let ((r, x), (s, y)) = (&traits[a], &traits[b]);
        let turned = x[0] * y[1] - x[1] * y[0] + x[2] * y[3] - x[3] * y[2];
        centered_sigmoid(r - s + turned)
    })
}

/// A general game with independent payoffs, uniform in `[−bound, bound]`.
///
/// # Panics
/// If a side is zero or `bound` is not finite.
pub fn random_general(nrows: usize, ncols: usize, bound: f64, rng: &mut dyn Rng) -> DenseGame {
    let entries = (0..nrows * ncols).map(|_| uniform(bound, rng)).collect();
    DenseGame::new(nrows, ncols, entries).expect("bounded payoffs with both sides at least 1")
}

/// A prior whose logits are uniform in `[−spread, spread]`.
///
/// # Panics
/// If `n` is zero or `spread` is not finite.
pub fn random_prior(n: usize, spread: f64, rng: &mut dyn Rng) -> Distribution {
    Distribution::from_logits((0..n).map(|_| uniform(spread, rng)).collect())
        .expect("at least one finite logit")
}

/// Uniform in `[−bound, bound)`.
fn uniform(bound: f64, rng: &mut dyn Rng) -> f64 {
    bound * (2.0 * rng.random::<f64>() - 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use nlhf_core::{SeedTree, Stream, ZeroSumGame};

    #[test]
    fn games_are_what_they_say() {
        let rng = &mut SeedTree::new(0).rng(Stream::Instance, 0);
        let skew = random_skew(7, 3.0, rng);
        assert!(skew.is_skew() && skew.payoff_bound() <= 3.0);
        let cyclic = cyclic_skew(7, rng);
        assert!(cyclic.is_skew() && cyclic.payoff_bound() <= 0.5);
        let general = random_general(3, 5, 2.0, rng);
        assert_eq!((general.nrows(), general.ncols()), (3, 5));
        assert!(!general.is_skew() && general.payoff_bound() <= 2.0);
        assert!(random_prior(4, 30.0, rng).log_probabilities().iter().all(|l| *l >= -62.0));
    }

    #[test]
    fn value_stability() {
        let rng = &mut SeedTree::new(5).rng(Stream::Instance, 1);
        let drawn = random_skew(2, 1.0, rng).get(0, 1);
        assert!((drawn + 0.266_429_334_041_865_53).abs() < 1e-16, "recorded at 0.1.0, is {drawn}");
    }
}
