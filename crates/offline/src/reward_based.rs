//! The reward-based baseline: fit a score to each response, then follow it.
//!
//! ```text
//! π(a) ∝ π₀(a) exp(η r(a))
//! ```
//! This is what preference learning with a reward model and a KL term converges to. On the scale of
//! log-odds it is the Nash policy exactly if the preference is a Bradley-Terry model; with cyclic
//! preferences it is beaten (Ye et al., arXiv 2402.07314, section 2).

use nlhf_core::{Distribution, Eta, Menu, ResponseId};

/// The Gibbs policy of scores in nats over a menu.
///
/// `reference` has one entry a response of the menu.
///
/// # Panics
/// If a score is not finite.
pub fn reward_based_policy(
    menu: Menu<'_>,
    reference: &Distribution,
    eta: Eta,
    score: impl Fn(ResponseId) -> f64,
) -> Distribution {
    let logs = menu.responses().iter().zip(reference.log_probabilities());
    let logits = logs.map(|(&response, log_p)| log_p + eta.get() * score(response)).collect();
    Distribution::from_logits(logits).expect("scores are finite")
}

#[cfg(test)]
mod tests {
    use super::*;
    use nlhf_core::PromptId;

    #[test]
    fn scores_tilt_the_reference() {
        let responses = [ResponseId::new(0), ResponseId::new(1)];
        let menu = Menu::new(PromptId::new(0), &responses).unwrap();
        let reference = Distribution::from_masses(&[0.25, 0.75]).unwrap();
        let eta = Eta::new(2.0).unwrap();
        let policy = reward_based_policy(menu, &reference, eta, |r| {
            if r.index() == 0 { 3f64.ln() / 2.0 } else { 0.0 }
        });
        assert!((policy.probabilities()[0] - 0.5).abs() < 1e-15);
    }
}
