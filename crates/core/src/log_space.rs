//! Arithmetic on logarithms of probabilities.
//!
//! ```text
//! lse(x)  = log Σ exp xᵢ                     log-sum-exp, shifted by max x
//! g(x)    = exp x − 1 − x  ≥ 0               the second-order remainder, accurate near 0
//! ```
//! A policy far from its reference has log-probabilities of −10⁴ and below, so nothing here ever
//! leaves the logarithm before it must.

/// `log Σ exp xᵢ`; −∞ for an empty slice or one that holds only −∞.
pub fn log_sum_exp(values: &[f64]) -> f64 {
    let max = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if max.is_infinite() {
        return max;
    }
    max + values.iter().map(|x| (x - max).exp()).sum::<f64>().ln()
}

/// Subtracts log-sum-exp in place, so that the exponentials sum to one.
///
/// The maximum goes first: logits of 10⁵ with their sum taken off in one step would be left with the
/// rounding error of 10⁵, and the exponentials with a sum of 1 + 10⁻¹¹.
pub fn normalize(values: &mut [f64]) {
    let max = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if max.is_infinite() {
        return;
    }
    for value in &mut *values {
        *value -= max;
    }
    let total = values.iter().map(|x| x.exp()).sum::<f64>().ln();
    for value in values {
        *value -= total;
    }
}

/// `exp x − 1 − x`, non-negative, with full relative accuracy at every `x`.
pub fn exp_remainder(x: f64) -> f64 {
    if x.abs() < 0.25 {
        // x²/2 (1 + x/3 (1 + x/4 (…))): the terms after 14 lie below 2⁻⁵³ for |x| < ¼.
        let mut tail = 1.0;
        for k in (3..=14).rev() {
            tail = 1.0 + tail * x / f64::from(k);
        }
        0.5 * x * x * tail
    } else {
        x.exp_m1() - x
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_sum_exp_survives_both_ends() {
        assert!((log_sum_exp(&[-1e4, -1e4]) - (-1e4 + 2f64.ln())).abs() < 1e-11);
        assert!((log_sum_exp(&[1e4, 0.0]) - 1e4).abs() < 1e-11);
        assert!(log_sum_exp(&[f64::NEG_INFINITY]) == f64::NEG_INFINITY);
        assert!(log_sum_exp(&[]) == f64::NEG_INFINITY);
    }

    #[test]
    fn large_logits_are_normalized_to_the_last_digits() {
        let mut logits = [249_311.5, 249_311.5 - 9f64.ln(), -5e5];
        normalize(&mut logits);
        assert!((logits.iter().map(|l| l.exp()).sum::<f64>() - 1.0).abs() < 4e-16);
    }

    #[test]
    fn remainder_is_relative_accurate_on_both_sides_of_the_switch() {
        for x in [1e-150_f64, 1e-8, -1e-8] {
            assert!((exp_remainder(x) / (0.5 * x * x) - 1.0).abs() < 1e-8);
        }
        for x in [0.249_999_f64, -0.249_999, 0.250_001, -0.250_001] {
            let direct = x.exp_m1() - x;
            assert!((exp_remainder(x) / direct - 1.0).abs() < 1e-14);
        }
        assert!(exp_remainder(-700.0) > 698.0);
    }
}
