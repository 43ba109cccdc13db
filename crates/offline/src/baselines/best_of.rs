//! Best of n: draw n times from the reference and keep the draw with the highest win rate against it.
//!
//! ```text
//! s(a) = P̂(a ≻ π₀),   F(s) = π₀ of all scores up to s
//! π(a) = [F(s)ⁿ − F(s⁻)ⁿ] π₀(a) / [F(s) − F(s⁻)]            s = s(a); ties in score are broken at random
//! ```
//! Exact, in logarithms: a candidate of reference mass 1e-300 keeps its digits. `KL(π‖π₀) ≤ log n − (n − 1)/n`, with
//! near equality where no candidate has much mass (Beirami et al., 2024, arXiv 2401.01879). Source of the method:
//! Stiennon et al. (2020); by win rate it is what ranking draws with a preference model does.

use nlhf_core::{DenseGame, Distribution, ZeroSumGame, log_space::log_sum_exp};
use std::num::NonZeroU32;

/// Scores that are this near to each other are tied: they differ by rounding.
const TIE: f64 = 1e-12;

/// The distribution of the best of `draws`, by the centred win rates `P − ½` of the candidates.
pub(super) fn best_of(
    draws: NonZeroU32,
    payoff: &DenseGame,
    reference: &Distribution,
) -> Distribution {
    let mut scores = vec![0.0; reference.len()];
    payoff.apply(&reference.probabilities(), &mut scores);
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| scores[a].total_cmp(&scores[b]));
    let n = f64::from(draws.get());
    let log_reference = reference.log_probabilities();
    let mut logs = vec![f64::NEG_INFINITY; scores.len()];
    let mut below = f64::NEG_INFINITY;
    for tied in order.chunk_by(|&a, &b| scores[b] - scores[a] <= TIE) {
        let mass = log_sum_exp(&tied.iter().map(|&a| log_reference[a]).collect::<Vec<f64>>());
        let up_to = log_sum_exp(&[below, mass]);
        if mass > f64::NEG_INFINITY {
            // log [1 − (1 − share)ⁿ], the best being among these given that all draws are up to here.
            let log_share = mass - up_to;
            let log_best = if log_share < -40.0 {
                n.ln() + log_share
            } else {
                (-(n * (-log_share.exp().min(1.0)).ln_1p()).exp_m1()).ln()
            };
            for &a in tied {
                logs[a] = n * up_to + log_best + log_reference[a] - mass;
            }
        }
        below = up_to;
    }
    Distribution::from_logits(logs).expect("the best draw is one of the candidates")
}

#[cfg(test)]
mod tests {
    use super::*;
    use nlhf_core::{SeedTree, Stream};

    fn draws(n: u32) -> NonZeroU32 {
        NonZeroU32::new(n).unwrap()
    }

    /// Four candidates in order, the two in the middle even.
    fn ladder() -> DenseGame {
        DenseGame::skew_from_upper(4, |i, j| if (i, j) == (1, 2) { 0.0 } else { 0.3 })
    }

    #[test]
    fn one_draw_is_the_reference_and_many_are_the_best() {
        let reference = Distribution::from_masses(&[0.1, 0.4, 0.3, 0.2]).unwrap();
        let one = best_of(draws(1), &ladder(), &reference);
        assert!(one.kl_nats(&reference) < 1e-30);
        let many = best_of(draws(1000), &ladder(), &reference).probabilities();
        assert!((many[0] - 1.0).abs() < 1e-15);
        let never = Distribution::from_masses(&[0.0, 0.4, 0.6, 0.0]).unwrap();
        let p = best_of(draws(5), &ladder(), &never).probabilities();
        assert!(p[0] == 0.0 && p[3] == 0.0 && (p[1] - 0.4).abs() < 1e-15);
        let tiny = Distribution::from_logits(vec![-700.0, 0.0, 0.0, 0.0]).unwrap();
        let log_p = best_of(draws(16), &ladder(), &tiny).log_probabilities()[0];
        assert!((log_p - (16f64.ln() + tiny.log_probabilities()[0])).abs() < 1e-12);
    }

    #[test]
    fn it_is_what_drawing_gives_and_no_farther_than_known() {
        let reference = Distribution::from_masses(&[0.1, 0.4, 0.3, 0.2]).unwrap();
        let payoff = ladder();
        let mut rng = SeedTree::new(5).rng(Stream::Responses, 0);
        for n in [2, 4, 16] {
            let exact = best_of(draws(n), &payoff, &reference);
            let kl = exact.kl_nats(&reference);
            assert!(kl <= f64::from(n).ln() - f64::from(n - 1) / f64::from(n) + 1e-12, "{n}: {kl}");
            // Rank of each candidate; a tie keeps the first drawn, which is as good as any.
            let rank = [2, 1, 1, 0];
            let mut counts = [0.0; 4];
            let total = 40_000;
            for _ in 0..total {
                let mut best = reference.sample(&mut rng);
                for _ in 1..n {
                    let next = reference.sample(&mut rng);
                    if rank[next] > rank[best] {
                        best = next;
                    }
                }
                counts[best] += 1.0 / f64::from(total);
            }
            for (p, share) in exact.probabilities().iter().zip(counts) {
                // Five standard deviations of a share.
                let room = 5.0 * (p * (1.0 - p) / f64::from(total)).sqrt() + 1e-12;
                assert!((p - share).abs() < room, "best of {n}: {p} and {share}");
            }
        }
    }
}
