//! What the theorems promise, where the truth is known: to compare with what happened.
//!
//! ```text
//! bonus           sub(π̂) ≤ 2 E_{a∼π*, b∼π̃}[width(a, b)],   π̃ = argmin_q J_M(π*, q),  M = R̂ − width
//! version space   sub(π̂) ≤ √(12 C(π*) log(N/δ) / (κ |D|))  on log-odds,   √(3 C_P(π*) log(N/δ) / |D|)  on probabilities
//! ```
//! π* is the equilibrium of the truth, C the unilateral coverage coefficient, N the members of the class, κ = σ(B)σ(−B).
//! Both are looser than the bound in a report, which needs none of them: the first step of their proofs is that
//! bound. Source: Ye et al. (arXiv 2402.07314), section 3, with the constants of `docs/math.md`.

use nlhf_core::logistic::sigmoid;
use nlhf_core::{Confidence, ConfidenceWidth, Distribution, Eta, Menu, Scale, ZeroSumGame};

/// `2 E[width]` over the true equilibrium and the competitor that the pessimistic game sets against it, in units
/// of the payoff.
///
/// `equilibrium` and `reference` are over the menu's responses.
///
/// # Panics
/// If a distribution does not have one entry a response.
pub fn theorem_bound<M: ConfidenceWidth + ?Sized>(
    model: &M,
    menu: Menu<'_>,
    reference: &Distribution,
    eta: Eta,
    scale: Scale,
    equilibrium: &Distribution,
) -> f64 {
    let payoff = model.pessimistic_game(menu, scale);
    let mut losses = vec![0.0; menu.len()];
    payoff.apply_transpose(&equilibrium.probabilities(), &mut losses);
    let tilted = reference.log_probabilities().iter().zip(&losses);
    let logits = tilted.map(|(log, loss)| log - eta.get() * loss).collect();
    let competitor = Distribution::from_logits(logits).expect("payoffs are finite");
    let widths = model.widths(menu, scale);
    let (p, q) = (equilibrium.probabilities(), competitor.probabilities());
    let rows = p.iter().zip(widths.chunks_exact(q.len()));
    let row = |(p, widths): (&f64, &[f64])| {
        p * widths.iter().zip(&q).map(|(width, q)| width * q).sum::<f64>()
    };
    2.0 * rows.map(row).sum::<f64>()
}

/// The version-space theorem, in units of the payoff: `coverage` is C(π*) of the whole class, `total_weight` is |D|. It holds
/// with probability 1 − 2δ, once δ for the set to hold the truth and once for its members to be near it on the data.
///
/// On the scale of probabilities C is that of differences of P, of a class whose members answer with `P − ½`.
/// `log_odds_bound` is B ≥ |R| over the class; it matters on log-odds only.
pub fn coverage_bound(
    coverage: f64,
    total_weight: f64,
    n_preferences: usize,
    confidence: Confidence,
    scale: Scale,
    log_odds_bound: f64,
) -> f64 {
    let radius = (n_preferences as f64 / confidence.failure_probability()).ln();
    let factor = match scale {
        Scale::Probability => 3.0,
        Scale::LogOdds => 12.0 / (sigmoid(log_odds_bound) * sigmoid(-log_odds_bound)),
    };
    (factor * coverage * radius / total_weight).sqrt()
}
