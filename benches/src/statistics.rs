//! Medians with intervals over seeds, and slopes on logarithmic scales.
//!
//! ```text
//! slope of (n, x) = Σ (log n − mean)(log x − mean) / Σ (log n − mean)²
//! ```
//! An interval of a median is where 90 % of the seeds are; that of a slope holds 95 % of the slopes of the medians of
//! resampled seeds (Efron, 1979).

use nlhf::core::{SeedTree, Stream};
use rand::RngExt;

/// The median over seeds, and where 90 % of them are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    /// Half of the seeds are below.
    pub median: f64,
    /// 5 % are below.
    pub low: f64,
    /// 5 % are above.
    pub high: f64,
}

impl Spread {
    /// Of at least one seed.
    ///
    /// # Panics
    /// If there is no value.
    pub fn of(values: &[f64]) -> Self {
        let mut sorted = values.to_vec();
        sorted.sort_unstable_by(f64::total_cmp);
        let at = |share| quantile(&sorted, share);
        Self { median: at(0.5), low: at(0.05), high: at(0.95) }
    }

    /// Median and interval, written.
    pub fn shown(&self) -> String {
        use crate::report::short;
        format!("{} [{}, {}]", short(self.median), short(self.low), short(self.high))
    }
}

/// Between order statistics, linear.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a place in the list")]
pub(crate) fn quantile(sorted: &[f64], share: f64) -> f64 {
    assert!(!sorted.is_empty(), "a quantile of something");
    let place = share * (sorted.len() - 1) as f64;
    let (below, above) = (place.floor() as usize, place.ceil() as usize);
    if below == above {
        return sorted[below];
    }
    let rest = place - place.floor();
    (1.0 - rest) * sorted[below] + rest * sorted[above]
}

/// A mean and its standard error.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mean {
    /// Over seeds.
    pub mean: f64,
    /// Of the mean; `NaN` of one seed.
    pub standard_error: f64,
}

impl Mean {
    /// Of at least one seed.
    ///
    /// # Panics
    /// If there is no value.
    pub fn of(values: &[f64]) -> Self {
        assert!(!values.is_empty(), "a mean of something");
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let squares: f64 = values.iter().map(|x| (x - mean) * (x - mean)).sum();
        let standard_error = if n > 1.0 { (squares / (n - 1.0) / n).sqrt() } else { f64::NAN };
        Self { mean, standard_error }
    }

    /// Mean and standard error, written; the mean alone if all values are one.
    pub fn shown(&self) -> String {
        use crate::report::short;
        if self.standard_error > 1e-9 * self.mean.abs() {
            format!("{} ± {}", short(self.mean), short(self.standard_error))
        } else {
            short(self.mean)
        }
    }
}

/// Least squares on both logarithms; `NaN` unless two points are positive.
pub fn slope(points: &[(f64, f64)]) -> f64 {
    let logs: Vec<(f64, f64)> = points
        .iter()
        .filter(|(x, y)| *x > 0.0 && *y > 0.0 && y.is_finite())
        .map(|(x, y)| (x.ln(), y.ln()))
        .collect();
    let n = logs.len() as f64;
    let (x, y) = logs.iter().fold((0.0, 0.0), |(a, b), (x, y)| (a + x / n, b + y / n));
    let covariance: f64 = logs.iter().map(|p| (p.0 - x) * (p.1 - y)).sum();
    let variance: f64 = logs.iter().map(|p| (p.0 - x) * (p.0 - x)).sum();
    covariance / variance
}

const RESAMPLES: usize = 400;

/// A slope of medians, and where 95 % of those of resampled seeds are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Slope {
    /// Of the medians of all seeds.
    pub center: f64,
    /// 2.5 % of resampled slopes are below.
    pub low: f64,
    /// 2.5 % of resampled slopes are above.
    pub high: f64,
}

impl Slope {
    /// `runs[k]` are the values of all seeds at `sizes[k]`, in one order.
    ///
    /// # Panics
    /// If a size has no value.
    pub fn of(sizes: &[f64], runs: &[Vec<f64>]) -> Self {
        let medians = |chosen: &dyn Fn(&[f64]) -> Vec<f64>| -> Vec<(f64, f64)> {
            let median = |values: &Vec<f64>| Spread::of(&chosen(values)).median;
            sizes.iter().copied().zip(runs.iter().map(median)).collect()
        };
        let mut rng = SeedTree::new(0).rng(Stream::Bootstrap, 0);
        let n_seeds = runs.first().map_or(1, Vec::len);
        let last = u32::try_from(n_seeds).expect("few seeds");
        let mut resampled: Vec<f64> = (0..RESAMPLES)
            .map(|_| {
                let drawn: Vec<usize> =
                    (0..n_seeds).map(|_| rng.random_range(0..last) as usize).collect();
                slope(&medians(&|values| drawn.iter().map(|at| values[*at]).collect()))
            })
            .collect();
        // Medians of nothing lost have no logarithm.
        resampled.retain(|slope| slope.is_finite());
        resampled.sort_unstable_by(f64::total_cmp);
        let end = |share| if resampled.is_empty() { f64::NAN } else { quantile(&resampled, share) };
        Self { center: slope(&medians(&<[f64]>::to_vec)), low: end(0.025), high: end(0.975) }
    }

    /// The slope and its interval, written.
    pub fn shown(&self) -> String {
        if self.center.is_nan() {
            return "–".to_owned();
        }
        let signed = |x: f64| format!("{x:.2}").replace('-', "−");
        format!("{} [{}, {}]", signed(self.center), signed(self.low), signed(self.high))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_lie_between_order_statistics() {
        let values: Vec<f64> = (0..=20).rev().map(f64::from).collect();
        let spread = Spread::of(&values);
        assert_eq!(spread, Spread { median: 10.0, low: 1.0, high: 19.0 });
        assert_eq!(spread.shown(), "10.0 [1.00, 19.0]");
        assert!((Spread::of(&[3.0, 4.0]).median - 3.5).abs() < 1e-15);
    }

    #[test]
    fn powers_have_their_slopes() {
        let points = [1.0, 10.0, 100.0].map(|n: f64| (n, 3.0 * n.powf(-0.5)));
        assert!((slope(&points) + 0.5).abs() < 1e-12);
        assert!(slope(&points[..1]).is_nan());
        let sizes = points.map(|p| p.0);
        let runs: Vec<Vec<f64>> = points.iter().map(|p| vec![p.1, 2.0 * p.1, 4.0 * p.1]).collect();
        let slope = Slope::of(&sizes, &runs);
        assert!((slope.center + 0.5).abs() < 1e-12);
        assert!((slope.low + 0.5).abs() < 1e-9 && (slope.high + 0.5).abs() < 1e-9);
    }

    #[test]
    fn a_standard_error_is_that_of_the_mean() {
        let mean = Mean::of(&[1.0, 2.0, 3.0]);
        assert!((mean.mean - 2.0).abs() < 1e-15);
        assert!((mean.standard_error - (1.0f64 / 3.0).sqrt()).abs() < 1e-15);
    }
}
