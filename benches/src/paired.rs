//! Comparisons seed by seed: ratios with intervals, and Wilcoxon's signed-rank test.
//!
//! ```text
//! ratio   exp(mean of log y/x over seeds); 95 % of those of resampled seeds (Efron, 1979)
//! W       Σ of the ranks of |log y/x| where it is positive; equal sizes share their mean rank, zeros are left out
//! p       2 min(P(W ≤ w), P(W ≥ w)) over all 2ⁿ signs: exact whatever the ties (Wilcoxon, 1945)
//! Holm    p_(i) (k − i + 1) from the smallest on, never falling (Holm, 1979)
//! ```

use crate::report::short;
use crate::statistics::quantile;
use nlhf::core::{SeedTree, Stream};
use rand::RngExt;

/// How many times larger the second values are, seed by seed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ratio {
    /// The geometric mean.
    pub center: f64,
    /// 2.5 % of resampled means are below.
    pub low: f64,
    /// 2.5 % of resampled means are above.
    pub high: f64,
    /// Wilcoxon's, two-sided.
    pub p_value: f64,
}

const RESAMPLES: usize = 2000;

impl Ratio {
    /// Of `numerators[k] / denominators[k]`, all positive.
    ///
    /// # Panics
    /// If there is no pair, or one value without another.
    pub fn of(numerators: &[f64], denominators: &[f64]) -> Self {
        assert!(!numerators.is_empty() && numerators.len() == denominators.len(), "pairs");
        let both = numerators.iter().zip(denominators);
        let logs: Vec<f64> = both.map(|(y, x)| (y / x).ln()).collect();
        let n = u32::try_from(logs.len()).expect("few seeds");
        let mut rng = SeedTree::new(0).rng(Stream::Bootstrap, 1);
        let mut means: Vec<f64> = (0..RESAMPLES)
            .map(|_| {
                let drawn = (0..n).map(|_| logs[rng.random_range(0..n) as usize]);
                drawn.sum::<f64>() / f64::from(n)
            })
            .collect();
        means.sort_unstable_by(f64::total_cmp);
        Self {
            center: (logs.iter().sum::<f64>() / f64::from(n)).exp(),
            low: quantile(&means, 0.025).exp(),
            high: quantile(&means, 0.975).exp(),
            p_value: signed_rank(&logs),
        }
    }

    /// The ratio and its interval, written.
    pub fn shown(&self) -> String {
        format!("{} [{}, {}]", short(self.center), short(self.low), short(self.high))
    }
}

/// Wilcoxon's two-sided p-value of differences; 1 if all are zero.
pub fn signed_rank(differences: &[f64]) -> f64 {
    let mut sorted: Vec<f64> = differences.iter().copied().filter(|d| *d != 0.0).collect();
    sorted.sort_unstable_by(|a, b| a.abs().total_cmp(&b.abs()));
    // Twice the mean ranks, which are whole.
    let mut ranks = vec![0; sorted.len()];
    let mut from = 0;
    while from < sorted.len() {
        let alike = |d: &f64| d.abs() - sorted[from].abs() <= 1e-12 * sorted[from].abs();
        let to = from + sorted[from..].iter().take_while(|d| alike(d)).count();
        ranks[from..to].fill(from + 1 + to);
        from = to;
    }
    let total: usize = ranks.iter().sum();
    let positive = sorted.iter().zip(&ranks).filter(|(d, _)| **d > 0.0);
    let observed: usize = positive.map(|(_, rank)| rank).sum();
    // The probability of each sum over all signs.
    let mut chances = vec![0.0; total + 1];
    chances[0] = 1.0;
    for rank in ranks {
        for sum in (0..=total).rev() {
            let with = if sum >= rank { chances[sum - rank] } else { 0.0 };
            chances[sum] = 0.5 * (chances[sum] + with);
        }
    }
    let below: f64 = chances[..=observed].iter().sum();
    let above: f64 = chances[observed..].iter().sum();
    (2.0 * below.min(above)).min(1.0)
}

/// Holm's correction of p-values that were looked at together.
pub fn holm(p_values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_unstable_by(|a, b| p_values[*a].total_cmp(&p_values[*b]));
    let mut corrected = vec![0.0; p_values.len()];
    let mut largest = 0.0_f64;
    for (at, which) in order.into_iter().enumerate() {
        largest = largest.max(p_values[which] * (p_values.len() - at) as f64).min(1.0);
        corrected[which] = largest;
    }
    corrected
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signed_ranks_have_their_known_p_values() {
        // All of n signs alike: 2 / 2ⁿ, with and without ties.
        assert!((signed_rank(&[1.0, 2.0, 3.0, 4.0, 5.0]) - 0.0625).abs() < 1e-15);
        assert!((signed_rank(&[-1.0; 5]) - 0.0625).abs() < 1e-15);
        // Ranks 1, 2, 3 with W = 3 (1 + 2): P(W ≤ 3) = 5/8 and P(W ≥ 3) = 5/8.
        assert!((signed_rank(&[1.0, 2.0, -3.0, 0.0]) - 1.0).abs() < 1e-15);
        // Ranks 1 to 4, W = 9: P(W ≥ 9) = 2/16.
        assert!((signed_rank(&[-1.0, 2.0, 3.0, 4.0]) - 0.25).abs() < 1e-15);
        assert!((signed_rank(&[0.0, 0.0]) - 1.0).abs() < 1e-15);
    }

    #[test]
    fn ratios_are_geometric_and_know_their_spread() {
        let ratio = Ratio::of(&[2.0, 8.0, 4.0], &[1.0, 1.0, 1.0]);
        assert!((ratio.center - 4.0).abs() < 1e-12);
        assert!(ratio.low >= 2.0 - 1e-12 && ratio.high <= 8.0 + 1e-12 && ratio.low < ratio.high);
        assert!((ratio.p_value - 0.25).abs() < 1e-15);
    }

    #[test]
    fn holm_multiplies_and_never_falls() {
        let found = holm(&[0.04, 0.01, 0.03, 0.9]);
        for (p, wanted) in found.iter().zip([0.09, 0.04, 0.09, 0.9]) {
            assert!((p - wanted).abs() < 1e-15, "{found:?}");
        }
    }
}
