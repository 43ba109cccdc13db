//! E2: the most uncertain opponent among those that may be best responses.
//!
//! ```text
//! Π = {q : Ĵ(π¹, q) ≤ E_{π¹, q} w},   w = R̂ − M      holds the true best response with the confidence of the widths
//! π² = argmax_{q ∈ Π} E_{π¹, q} w
//!    = π₀ exp(η [−R̂'π¹ + c w'π¹]) / Z,   c ≥ 1 as large as Π allows; c may be ∞
//! ```
//! The slack `E w − Ĵ` falls as c rises, because π² at c maximizes it plus `(c − 1) E w`: bisection finds where it is zero.
//! At c = 1 it is the value of the optimistic opponent and not negative. Source: Ye et al. (arXiv 2402.07314), section 4.

use nlhf_core::{DenseGame, Distribution, RegularizedGame, ZeroSumGame};

/// Halvings after which an interval of finite numbers has no inner point.
const BISECTIONS: usize = 200;

/// Doubts closer than this, relative to the largest, are the same.
const ALIKE: f64 = 1e-12;

/// Keeps what is tilted finite at any η.
const LARGEST_FACTOR: f64 = 1e200;

/// Nats of tilt between the most uncertain response and any other that is as good as infinite.
const LARGEST_TILT: f64 = 1e5;

/// The enhancer for a main agent, `feared` the game of M and `estimate` that of R̂.
pub(crate) fn most_uncertain(
    feared: &RegularizedGame<'_>,
    estimate: &DenseGame,
    main: &Distribution,
) -> Distribution {
    let n = main.len();
    let p = main.probabilities();
    let (mut against, mut feared_against) = (vec![0.0; n], vec![0.0; n]);
    estimate.apply_transpose(&p, &mut against);
    feared.payoff().apply_transpose(&p, &mut feared_against);
    let gains: Vec<f64> = against.iter().map(|loss| -loss).collect();
    let doubts: Vec<f64> = against.iter().zip(&feared_against).map(|(r, m)| r - m).collect();
    let reference = &feared.reference().column;
    let eta = feared.eta().get();
    let own_cost = main.kl_nats(&feared.reference().row) / eta;

    let tilted = |c: f64| {
        let logs = reference.log_probabilities().iter().zip(gains.iter().zip(&doubts));
        let logits = logs.map(|(log_r, (gain, doubt))| log_r + eta * (gain + c * doubt)).collect();
        Distribution::from_logits(logits).expect("a reference tilted by finite payoffs")
    };
    let slack = |q: &Distribution| -> f64 {
        let mean: f64 = q
            .probabilities()
            .iter()
            .zip(gains.iter().zip(&doubts))
            .map(|(q, (gain, doubt))| q * (gain + doubt))
            .sum();
        mean + own_cost - q.kl_nats(reference) / eta
    };
    let played = reference.log_probabilities().iter().zip(&doubts);
    let played = played.filter(|(log_r, _)| **log_r > f64::NEG_INFINITY);
    let (least, most) = played.fold((f64::INFINITY, 0.0_f64), |(least, most), (_, doubt)| {
        (least.min(*doubt), most.max(*doubt))
    });
    let at_once = tilted(1.0);
    // Doubts that differ by rounding alone do not.
    if most - least <= ALIKE * most {
        return at_once;
    }
    let (mut low, mut high) =
        (1.0, 1.0 + (LARGEST_TILT / (eta * (most - least))).min(LARGEST_FACTOR));
    let all_the_way = tilted(high);
    if slack(&all_the_way) >= 0.0 {
        return all_the_way;
    }
    let mut inside = at_once;
    for _ in 0..BISECTIONS {
        let middle = 0.5 * (low + high);
        if middle <= low || middle >= high {
            break;
        }
        let trial = tilted(middle);
        if slack(&trial) >= 0.0 {
            (low, inside) = (middle, trial);
        } else {
            high = middle;
        }
    }
    inside
}

#[cfg(test)]
mod tests {
    use super::*;
    use nlhf_core::{Eta, Profile, pessimistic_payoffs};

    #[test]
    fn it_is_in_the_set_and_more_uncertain_than_the_optimistic_opponent() {
        let estimate = DenseGame::skew_from_upper(4, |i, j| 0.3 * (i as f64) - 0.2 * (j as f64));
        let widths: Vec<f64> = (0..16)
            .map(|at| if at % 5 == 0 { 0.0 } else { 0.1 + 0.1 * f64::from(at / 4 + at % 4) })
            .collect();
        let feared = pessimistic_payoffs(&estimate, &widths, -10.0);
        let reference =
            Profile::symmetric(Distribution::from_masses(&[0.5, 0.3, 0.199, 0.001]).unwrap());
        for eta in [0.01, 1.0, 7.0, 1e4] {
            let game = RegularizedGame::new(&feared, &reference, Eta::new(eta).unwrap()).unwrap();
            let main = Distribution::from_masses(&[0.4, 0.3, 0.2, 0.1]).unwrap();
            let opponent = game.best_column_response(&main);
            let enhancer = most_uncertain(&game, &estimate, &main);
            let mean = |q: &Distribution| -> f64 {
                let (p, q) = (main.probabilities(), q.probabilities());
                (0..16).map(|at| p[at / 4] * q[at % 4] * widths[at]).sum()
            };
            assert!(mean(&enhancer) >= mean(&opponent) - 1e-12, "eta {eta}");
            // Ĵ(main, q) ≤ E w, tight unless the tilt is as good as infinite.
            let (p, q) = (main.probabilities(), enhancer.probabilities());
            let payoff: f64 =
                (0..16).map(|at| p[at / 4] * q[at % 4] * estimate.entries()[at]).sum();
            let value = payoff - main.kl_nats(&reference.row) / eta
                + enhancer.kl_nats(&reference.column) / eta;
            assert!(value <= mean(&enhancer) + 1e-9, "eta {eta}: {value} of {}", mean(&enhancer));
            let corner = q.iter().any(|q| *q > 1.0 - 1e-9);
            let tight = (value - mean(&enhancer)).abs() < 1e-9;
            assert!(corner || tight, "eta {eta}: {value} of {}", mean(&enhancer));
        }
    }
}
