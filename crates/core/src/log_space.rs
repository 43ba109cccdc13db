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
#[inline]
pub fn exp_remainder(x: f64) -> f64 {
    // x²/2 Σ 2x^(k − 2)/k!: what comes after the seventh and the thirteenth term lies below 2⁻⁵³ of the first.
    let horner = |terms: &[f64]| terms.iter().rev().fold(0.0, |tail, term| term + x * tail);
    if x.abs() < 0.01 {
        0.5 * x * x * horner(&TERMS[..7])
    } else if x.abs() < 0.25 {
        0.5 * x * x * horner(&TERMS)
    } else {
        x.exp_m1() - x
    }
}

/// `2/k!` from k = 2 on.
const TERMS: [f64; 13] = {
    let mut terms = [1.0; 13];
    let (mut at, mut factorial) = (1, 2.0);
    while at < terms.len() {
        factorial *= (at + 2) as f64;
        terms[at] = 2.0 / factorial;
        at += 1;
    }
    terms
};

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
    fn remainders_are_right_at_every_size() {
        for k in 1..60 {
            for x in [0.7_f64.powi(k), -0.7_f64.powi(k)] {
                // x²/2 + x³/6 + … in plain sums, which lose nothing for small x.
                let (mut sum, mut term) = (0.0, x);
                for j in 2..40 {
                    term *= x / f64::from(j);
                    sum += term;
                }
                let off = exp_remainder(x) / sum - 1.0;
                assert!(off.abs() < 4e-15, "{off:e} off at {x}");
            }
        }
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
