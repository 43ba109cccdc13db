//! E3: the opponent that is worst within the width of the two policies, which is less than the mean width of pairs.
//!
//! ```text
//! π² = argmin_q Ĵ(π¹, q) − w(π¹, q),   w(π¹, q) = β‖E_{a ~ π¹, b ~ q} z(a, b)‖_{V⁻¹} of a linear model
//! q ← π₀ exp(η [−R̂'π¹ + ∇_q w(π¹, q)]) / Z       w replaced by its tangent: where w is convex the loss never falls
//! ```
//! A difference of convex functions has several minima. The procedure (convex-concave: Yuille and Rangarajan, 2003) starts from the
//! reference, from the optimistic opponent and from the tangents at single responses, ends a descent at the first step that does not
//! raise the loss, and takes the worst opponent found: what the main agent loses to it is a lower bound of the true worst, and the bound that is guaranteed stays that of
//! pairs. Source: Ye et al. (arXiv 2402.07314), section 4.

use super::optimistic_opponent;
use crate::PromptRound;
use nlhf_core::{Distribution, ZeroSumGame};

/// Single responses whose tangents are starts.
const STARTS: usize = 16;
const MAX_ITERATIONS: usize = 200;
/// Relative progress that ends a descent.
const PROGRESS: f64 = 1e-13;

/// The worst opponent found, and what the main agent loses to it.
pub(crate) struct Worst {
    pub(crate) policy: Distribution,
    pub(crate) loss: f64,
}

/// Searches for the opponent with `exploration` times the width.
pub(crate) fn worst_opponent(
    prompt: &PromptRound<'_>,
    main: &Distribution,
    exploration: f64,
) -> Worst {
    let n = main.len();
    let (menu, reference) = (prompt.menu, &prompt.reference.column);
    let eta = prompt.config.eta.get();
    let mut gains = vec![0.0; n];
    prompt.estimate.apply_transpose(&main.probabilities(), &mut gains);
    for gain in &mut gains {
        *gain = -*gain;
    }
    let own_cost = main.kl_nats(&prompt.reference.row) / eta;
    let loss = |q: &Distribution| -> f64 {
        let gain: f64 = q.probabilities().iter().zip(&gains).map(|(q, gain)| q * gain).sum();
        let width = exploration * prompt.model.policy_width(menu, main, q);
        gain + width + own_cost - q.kl_nats(reference) / eta
    };
    let answer = |tangent_at: &Distribution| -> Distribution {
        let slopes = prompt.model.policy_width_slopes(menu, main, tangent_at);
        let logs = reference.log_probabilities().iter().zip(gains.iter().zip(&slopes));
        let logits = logs.map(|(log_r, (gain, slope))| log_r + eta * (gain + exploration * slope));
        Distribution::from_logits(logits.collect()).expect("a reference tilted by finite payoffs")
    };
    let descend = |start: Distribution| -> Worst {
        let mut worst = Worst { loss: loss(&start), policy: start };
        for _ in 0..MAX_ITERATIONS {
            let policy = answer(&worst.policy);
            let next = Worst { loss: loss(&policy), policy };
            let progress = next.loss - worst.loss;
            if progress <= PROGRESS * (1.0 + worst.loss.abs()) {
                break;
            }
            worst = next;
        }
        worst
    };

    let mut widest: Vec<usize> = (0..n).collect();
    let p = main.probabilities();
    let doubt = |b: usize| -> f64 {
        gains[b] + exploration * (0..n).map(|a| p[a] * prompt.widths[a * n + b]).sum::<f64>()
    };
    widest.sort_by(|a, b| doubt(*b).total_cmp(&doubt(*a)));
    let tangents = widest.iter().take(STARTS).map(|b| {
        let masses: Vec<f64> = (0..n).map(|i| f64::from(u8::from(i == *b))).collect();
        answer(&Distribution::from_masses(&masses).expect("one positive mass"))
    });
    let optimistic = optimistic_opponent(&prompt.regularized(prompt.feared), main);
    let mut worst = descend(reference.clone());
    for start in tangents.chain([optimistic]) {
        let found = descend(start);
        if found.loss > worst.loss {
            worst = found;
        }
    }
    worst
}
