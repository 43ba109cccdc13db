//! DPO and IPO at their population optimum over the candidates of one prompt: no reward model between comparisons
//! and policy.
//!
//! ```text
//! h_ab = log(π(a)/π₀(a)) − log(π(b)/π₀(b))        what both losses are functions of; weights w, shares P of a over b
//! DPO    min Σ w [−P log σ(βh) − (1 − P) log σ(−βh)]        h = η(r_a − r_b), r the Bradley-Terry MLE,  β = 1/η
//! IPO    min Σ w (h − η(P − ½))²                             h = s_a − s_b, Ls = d, L the Laplacian of w, d_a = Σ w η(P − ½)
//! ```
//! The IPO loss is that of Azar et al. (2023) with both orders of a pair taken together:
//! `P(h − 1/2τ)² + (1 − P)(h + 1/2τ)² = (h − (2P − 1)/2τ)² + const`. If all pairs of n candidates have one weight, then
//! `s_a = η mean_b (P_ab − ½)` over all n, a itself included: the reward is the win rate against the data.
//!
//! Neither depends on the constant of a component of L, which is chosen so that components keep their reference mass.
//! DPO: Rafailov et al. (2023).

use super::pairs::{Pair, PromptPairs};
use nlhf_core::{
    Comparison, Distribution, Eta, FitError, FitPreference, Label, PromptId, ResponseId, Weight,
};
use nlhf_preference::BradleyTerryFit;

/// The policy of DPO, and whether its loss has no finite optimum. `fit` holds the log-odds.
pub(super) fn dpo(
    pairs: &PromptPairs,
    reference: &Distribution,
    eta: Eta,
    fit: &BradleyTerryFit,
) -> Result<(Distribution, bool), FitError> {
    if pairs.pairs.is_empty() {
        return Ok((reference.clone(), false));
    }
    // By places, so that the table of scores is as long as the menu.
    let comparison = |pair: &Pair| Comparison {
        weight: Weight::new(pair.weight).expect("a sum of weights"),
        ..Comparison::new(
            PromptId::new(0),
            ResponseId::from_index(pair.first),
            ResponseId::from_index(pair.second),
            Label::new(pair.share).expect("a share"),
        )
    };
    let fitted = fit.fit(&pairs.pairs.iter().map(comparison).collect::<Vec<_>>())?;
    let tilts = (0..reference.len())
        .map(|place| eta.get() * fitted.model.score(ResponseId::from_index(place)));
    let policy = pairs.tilted(reference, &tilts.collect::<Vec<_>>());
    let separation = fitted.evidence.separation;
    Ok((policy, separation.is_some_and(|separation| !separation.responses.is_empty())))
}

/// The policy of IPO.
pub(super) fn ipo(pairs: &PromptPairs, reference: &Distribution, eta: Eta) -> Distribution {
    let n = reference.len();
    // Only ratios of weights matter; the largest becomes 1, so that no product overflows.
    let largest = pairs.pairs.iter().map(|pair| pair.weight).fold(0.0, f64::max);
    let (mut laplacian, mut demand) = (vec![0.0; n * n], vec![0.0; n]);
    for pair in &pairs.pairs {
        let (a, b, weight) = (pair.first, pair.second, pair.weight / largest);
        laplacian[a * n + b] += weight;
        laplacian[b * n + a] += weight;
        let flow = weight * eta.get() * (pair.share - 0.5);
        demand[a] += flow;
        demand[b] -= flow;
    }
    pairs.tilted(reference, &potentials(laplacian, demand))
}

/// Some s with `Σ_b w_ab (s_a − s_b) = d_a`, where `Σ d = 0` in each component; `weights` is n × n and symmetric.
///
/// Elimination of one candidate after the other, each leaving new weights between those that it was connected with
/// (star to mesh). It adds and multiplies non-negative numbers only, so that weights of any sizes lose no digits.
fn potentials(mut weights: Vec<f64>, mut demand: Vec<f64>) -> Vec<f64> {
    let n = demand.len();
    let mut degree = vec![0.0; n];
    for k in (1..n).rev() {
        degree[k] = (0..k).map(|j| weights[k * n + j]).sum();
        if degree[k] == 0.0 {
            continue;
        }
        for i in 0..k {
            let share = weights[i * n + k] / degree[k];
            demand[i] += share * demand[k];
            for j in (0..k).filter(|&j| j != i) {
                weights[i * n + j] += share * weights[k * n + j];
            }
        }
    }
    let mut s = vec![0.0; n];
    for k in 1..n {
        // The first of a component stands at zero.
        if degree[k] > 0.0 {
            let pull: f64 = (0..k).map(|j| weights[k * n + j] * s[j]).sum();
            s[k] = (demand[k] + pull) / degree[k];
        }
    }
    s
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn potentials_solve_their_equations_whatever_the_weights() {
        // Two components, one of them a circle with a chord, weights over 200 decades.
        let edges =
            [(0, 1, 1e-200), (1, 2, 3.0), (2, 3, 1e-5), (3, 0, 2.0), (1, 3, 0.7), (4, 5, 1e-9)];
        let n = 7;
        let (mut weights, mut demand) = (vec![0.0; n * n], vec![0.0; n]);
        let truth = [0.3, -1.0, 2.0, 0.5, -4.0, 1.0, 0.0];
        for (a, b, w) in edges {
            weights[a * n + b] += w;
            weights[b * n + a] += w;
            let flow = w * (truth[a] - truth[b]);
            demand[a] += flow;
            demand[b] -= flow;
        }
        let s = potentials(weights, demand);
        for (a, b, _) in edges {
            let off = (s[a] - s[b]) - (truth[a] - truth[b]);
            assert!(off.abs() < 1e-10, "{a} {b}: {off}");
        }
        assert!(s[6] == 0.0);
        assert_eq!(potentials(vec![0.0], vec![0.0]), [0.0]);
    }
}
