//! Replicates of a contest: other prompts, other judgements.
//!
//! ```text
//! v_x, v̄             a statistic of prompt x under the judge, and its mean over X prompts
//! prompts   D_r = √((X + 1)/(X − 1)) (Σ_x e_xr v_x / Σ_x e_xr − v̄),   e_xr ~ Exp(1)
//! judges    δ_xm = what member m of the ensemble says less v_x,  δ̄_m its mean over prompts,  b = mean_m δ̄_m
//! replicate v̄ + D_r + c (δ̄_m − b),   m = r mod M
//! c² = max(0, 1 − Q/V),   V = var_m δ̄_m,   Q = mean_m Σ_x (δ_xm − δ̄_m)² / (X (X − 1))
//! ```
//! D is the Bayesian bootstrap (Rubin, 1981), with the variance of a mean of X independent prompts also where X is small:
//! the plain one has (X − 1)/(X + 1) of it. The ensemble stands for the noise of the labels. Noise that prompts do not
//! share, as under a judge that keeps prompts apart, is in these values already: D has it, in expectation Q. Adding all
//! of V would count it twice, and what is added has the variance V − Q. Noise that all prompts share, as of one score a
//! system, has Q near 0 and is added whole. With one prompt D and Q are 0, and the interval is about that prompt.
//!
//! Intervals are percentile intervals of the replicates. That of a maximum reaches from the lower end of the
//! cross-fitted value, which is biased downwards, to the upper end of the plain one, which is biased upwards: between
//! them lies the truth however few comparisons there are, and with few they are far apart. Resamples of one or two
//! judgements a pair cannot tell that bias, so that taking it off would not do.
//!
//! A margin is beyond noise if it exceeds q standard deviations of its replicates, q the quantile over replicates of the
//! largest such deviation of all margins (Romano and Wolf, 2005): all statements hold at once.
//!
//! Where labels are unanimous, or prompts fewer than about ten, replicates vary too little and intervals are too
//! short; a fitted judge's margin that does not vary at all is never beyond noise.

use super::statistics::Statistics;
use super::{ContestError, ContestEvent, Interval, Judge};
use nlhf_core::{Confidence, Observer, PreferenceModel, Stream};
use rand::RngExt;
use rayon::prelude::*;

/// What the replicates of every statistic deviate from it.
#[derive(Debug)]
pub(super) struct Replicates {
    /// Of each statistic its replicates less the estimate; none if there are no replicates.
    deviations: Vec<Vec<f64>>,
    /// q, in standard deviations.
    largest: f64,
    confidence: Confidence,
    /// Whether the judge is taken at its word.
    known: bool,
}

/// What one member makes of one statistic: the mean of δ, and the variance that its spread over prompts would give it.
#[derive(Debug, Clone, Copy, Default)]
struct Shift {
    mean: f64,
    variance: f64,
}

/// Members that judge between two events.
const CHUNK: usize = 32;

impl Replicates {
    /// Draws them; the result does not depend on the number of threads.
    pub(super) fn draw(
        statistics: &Statistics<'_>,
        of_prompts: &[Vec<f64>],
        judge: &Judge<'_>,
        observer: &mut dyn Observer<ContestEvent>,
    ) -> Result<Self, ContestError> {
        let config = statistics.config;
        let mut replicates = Self {
            deviations: Vec::new(),
            largest: f64::INFINITY,
            confidence: config.confidence,
            known: judge.members.is_empty(),
        };
        if config.replicates == 0 {
            return Ok(replicates);
        }
        let shifts = shifts(statistics, of_prompts, &judge.members, observer)?;
        let draw = |replicate: u32| prompt_deviations(of_prompts, config.seed, replicate);
        let drawn: Vec<Vec<f64>> = (0..config.replicates).into_par_iter().map(draw).collect();
        for at in 0..of_prompts[0].len() {
            let of_member = |of_member: &Vec<Shift>| {
                statistics.source(at).map_or_else(Shift::default, |source| of_member[source])
            };
            let labels = labels_alone(&shifts.iter().map(of_member).collect::<Vec<Shift>>());
            let own = drawn.iter().enumerate().map(|(replicate, drawn)| {
                drawn[at] + labels.get(replicate % labels.len().max(1)).copied().unwrap_or(0.0)
            });
            replicates.deviations.push(own.collect());
        }
        replicates.largest = replicates.largest_deviation(statistics.n_margins());
        Ok(replicates)
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.deviations.is_empty()
    }

    /// The interval of one statistic; `None` without replicates.
    pub(super) fn interval(&self, at: usize, estimate: f64) -> Option<Interval> {
        let mut sorted = self.deviations.get(at)?.clone();
        sorted.sort_unstable_by(f64::total_cmp);
        let tail = 0.5 * self.confidence.failure_probability();
        let (low, high) = (quantile(&sorted, tail), quantile(&sorted, 1.0 - tail));
        Some(Interval { low: estimate + low, high: estimate + high })
    }

    /// Whether the judge is taken at its word, so that its maxima are not biased.
    pub(super) fn is_known(&self) -> bool {
        self.known
    }

    /// Whether a margin differs from zero by more than noise, all margins considered.
    pub(super) fn beyond_noise(&self, at: usize, estimate: f64) -> bool {
        let Some(deviations) = self.deviations.get(at) else { return false };
        let error = deviation(deviations);
        if error > ROUNDING {
            estimate.abs() > self.largest * error
        } else {
            self.known && estimate.abs() > ROUNDING
        }
    }

    /// q: the quantile over replicates of the largest deviation of a margin in its standard deviations.
    fn largest_deviation(&self, n_margins: usize) -> f64 {
        let margins: Vec<(&Vec<f64>, f64)> = self.deviations[..n_margins]
            .iter()
            .map(|own| (own, deviation(own)))
            .filter(|(_, error)| *error > ROUNDING)
            .collect();
        let of_replicate = |replicate: usize| {
            margins.iter().map(|(own, error)| own[replicate].abs() / error).fold(0.0, f64::max)
        };
        let n_replicates = self.deviations.first().map_or(0, Vec::len);
        let mut largest: Vec<f64> = (0..n_replicates).map(of_replicate).collect();
        largest.sort_unstable_by(f64::total_cmp);
        quantile(&largest, 1.0 - self.confidence.failure_probability())
    }
}

/// Deviations and margins below this are rounding errors of numbers of order one.
const ROUNDING: f64 = 1e-12;

/// What each member says less the estimate, one statistic after the other.
fn shifts(
    statistics: &Statistics<'_>,
    of_prompts: &[Vec<f64>],
    members: &[&dyn PreferenceModel],
    observer: &mut dyn Observer<ContestEvent>,
) -> Result<Vec<Vec<Shift>>, ContestError> {
    let total = 1 + members.len();
    let mut shifts = Vec::with_capacity(members.len());
    let mut tell = |done: usize| {
        let stop = observer.observe(&ContestEvent { done, total }).is_break() && done < total;
        if stop { Err(ContestError::Stopped { done, total }) } else { Ok(()) }
    };
    tell(1)?;
    for chunk in members.chunks(CHUNK) {
        let of_member = |member: &&dyn PreferenceModel| shift(statistics, of_prompts, *member);
        shifts.extend(chunk.par_iter().map(of_member).collect::<Vec<_>>());
        tell(1 + shifts.len())?;
    }
    Ok(shifts)
}

/// The shifts of one member.
fn shift(
    statistics: &Statistics<'_>,
    of_prompts: &[Vec<f64>],
    member: &dyn PreferenceModel,
) -> Vec<Shift> {
    let n = of_prompts.len() as f64;
    let mut sums = vec![(0.0, 0.0); statistics.n_judged()];
    for (at, estimates) in of_prompts.iter().enumerate() {
        let judged = statistics.judged_of_prompt(at, member);
        for ((sum, squares), (value, estimate)) in sums.iter_mut().zip(judged.iter().zip(estimates))
        {
            let shift = value - estimate;
            *sum += shift;
            *squares += shift * shift;
        }
    }
    let of_statistic = |(sum, squares): (f64, f64)| {
        let mean = sum / n;
        // With one prompt nothing is known of a spread, and none is counted twice.
        let variance =
            if n > 1.0 { (squares - n * mean * mean).max(0.0) / (n * (n - 1.0)) } else { 0.0 };
        Shift { mean, variance }
    };
    sums.into_iter().map(of_statistic).collect()
}

/// `c (δ̄_m − b)` of each member.
fn labels_alone(shifts: &[Shift]) -> Vec<f64> {
    let n = shifts.len().max(1) as f64;
    let bias = shifts.iter().map(|shift| shift.mean).sum::<f64>() / n;
    let total =
        shifts.iter().map(|shift| (shift.mean - bias) * (shift.mean - bias)).sum::<f64>() / n;
    let counted = shifts.iter().map(|shift| shift.variance).sum::<f64>() / n;
    let share = if total > 0.0 { (1.0 - counted / total).max(0.0).sqrt() } else { 0.0 };
    shifts.iter().map(|shift| share * (shift.mean - bias)).collect()
}

/// D of one replicate: one number a prompt, in their order.
fn prompt_deviations(
    of_prompts: &[Vec<f64>],
    seeds: nlhf_core::SeedTree,
    replicate: u32,
) -> Vec<f64> {
    let mut rng = seeds.rng(Stream::Prompts, replicate);
    let n = of_prompts.len() as f64;
    let stretch = if n > 1.0 { ((n + 1.0) / (n - 1.0)).sqrt() } else { 0.0 };
    let mut total = 0.0;
    let mut sums = vec![0.0; of_prompts[0].len()];
    let mut plain = vec![0.0; of_prompts[0].len()];
    for values in of_prompts {
        let weight = -(-rng.random::<f64>()).ln_1p();
        total += weight;
        for ((sum, plain), value) in sums.iter_mut().zip(&mut plain).zip(values) {
            *sum += weight * value;
            *plain += value;
        }
    }
    sums.iter().zip(plain).map(|(sum, plain)| stretch * (sum / total - plain / n)).collect()
}

/// The root mean square.
fn deviation(deviations: &[f64]) -> f64 {
    let squares: f64 = deviations.iter().map(|x| x * x).sum();
    (squares / deviations.len() as f64).sqrt()
}

/// The quantile of sorted numbers at `share`, the k-th of n standing at k/(n + 1); between two, a mean of both.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let place = (share * (sorted.len() + 1) as f64 - 1.0).clamp(0.0, (sorted.len() - 1) as f64);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within the slice")]
    let below = place.floor() as usize;
    let part = place - place.floor();
    match sorted.get(below + 1) {
        Some(above) if part > 0.0 => sorted[below] + part * (above - sorted[below]),
        _ => sorted[below],
    }
}

#[cfg(test)]
mod tests {
    use super::super::mean;
    use super::*;
    use nlhf_core::SeedTree;

    #[test]
    fn quantiles_are_those_of_order_statistics() {
        let sorted: Vec<f64> = (1..=39).map(f64::from).collect();
        assert!((quantile(&sorted, 0.025) - 1.0).abs() < 1e-12);
        assert!((quantile(&sorted, 0.975) - 39.0).abs() < 1e-12);
        assert!((quantile(&sorted, 0.5) - 20.0).abs() < 1e-12);
        assert!((quantile(&sorted, 0.51) - 20.4).abs() < 1e-12);
        assert!((quantile(&[7.0], 0.999) - 7.0).abs() < 1e-15);
    }

    #[test]
    fn prompts_deviate_as_a_mean_of_them_does() {
        for n in [2, 3, 10, 100] {
            let values: Vec<Vec<f64>> = (0..n).map(|x| vec![f64::from(x % 5), 1.0]).collect();
            let average = mean(values.clone())[0];
            let spread: f64 = values.iter().map(|v| (v[0] - average) * (v[0] - average)).sum();
            let expected = spread / f64::from(n * (n - 1));
            let drawn: Vec<Vec<f64>> =
                (0..20_000).map(|r| prompt_deviations(&values, SeedTree::new(8), r)).collect();
            let found: f64 = drawn.iter().map(|d| d[0] * d[0]).sum::<f64>() / 20_000.0;
            // Heavy tails for few prompts: 6 % are several standard errors.
            assert!((found / expected - 1.0).abs() < 0.06, "{n}: {found} and {expected}");
            assert!(drawn.iter().all(|d| d[1].abs() < 1e-15));
        }
        assert_eq!(prompt_deviations(&[vec![3.0]], SeedTree::new(8), 0), [0.0]);
    }

    #[test]
    fn noise_that_prompts_show_is_not_added_again() {
        let shift = |mean: f64, variance: f64| Shift { mean, variance };
        // All shared: whole. All their own: nothing. Half: the root of a half.
        for (variance, share) in [(0.0, 1.0), (1.0, 0.0), (2.0, 0.0), (0.5, 0.5f64.sqrt())] {
            let labels = labels_alone(&[shift(4.0, variance), shift(2.0, variance)]);
            assert!((labels[0] - share).abs() < 1e-15 && (labels[1] + share).abs() < 1e-15);
        }
        assert_eq!(labels_alone(&[]), []);
    }
}
