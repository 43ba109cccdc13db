//! Coverage: whether the data tell of the comparisons that decide, a policy's against any competitor.
//!
//! ```text
//! C(π) = max over π₂ of sup over R₁, R₂ of (E_x E_{a∼π, b∼π₂}[R₁ − R₂])² / E_D (R₁ − R₂)²,   E_x Σ d₀(x)
//! ```
//! Only one side deviates: comparisons of two bad responses are not needed, those of π's responses with whatever
//! might beat them are. `C = 1` are data drawn from π against its worst competitor, so that |D| labels are worth
//! `|D|/C` of those; ∞ means that a preference that decides cannot be told from the data, however many there
//! are of their kind. The bounds of offline learning grow with `√(C/|D|)`. The numerator is convex in π₂, and largest
//! where π₂ plays one response a prompt. Source: Ye et al. (arXiv 2402.07314), section 3, unilateral coverage.

mod assessment;
mod block;
mod design;
mod finite;
mod linear;
mod metric;
mod tabular;

use crate::{AnyModel, PairCounts};
use nlhf_core::{Distribution, Menu, PromptId, ResponseId, Weight};
use serde::{Deserialize, Serialize};

pub use finite::finite_coverage;
pub use linear::{COVERAGE_LIMIT, bradley_terry_coverage, linear_coverage};
pub use tabular::tabular_coverage;

/// A policy on a menu, and how much its prompt counts.
#[derive(Debug, Clone, Copy)]
pub struct Play<'a> {
    /// d₀(x), but for a factor that all prompts share.
    pub weight: Weight,
    /// The prompt and its candidates.
    pub menu: Menu<'a>,
    /// π, over the menu's responses.
    pub policy: &'a Distribution,
}

/// The coverage of one prompt by all data, as if it were the only one that counts.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PromptCoverage {
    /// C(π) of this prompt, ≥ 0; +∞ if something that decides is missing.
    #[serde(with = "nlhf_core::null_is_infinite")]
    pub coefficient: f64,
    /// The response whose comparisons with π the data tell least of.
    pub competitor: ResponseId,
}

/// A pair of responses by name.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Carrier {
    /// The prompt.
    pub prompt: PromptId,
    /// The response that the policy plays.
    pub first: ResponseId,
    /// The competitor.
    pub second: ResponseId,
    /// Of [`Coverage::carriers`] the part of C, at its competitors, that any number of labels on this pair alone would
    /// take away; of a finite class the part of the mean difference that the pair makes. Of
    /// [`Coverage::missing`] how often it is played, d₀(x)π(a). In [0, 1].
    pub share: f64,
}

/// A direction in the parameters of a linear class, each in units of its root mean square slope over the data.
///
/// An eigenvector of the correlations of the slopes: the same whatever units features come in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Direction {
    /// The part of C that it makes, in [0, 1].
    pub share: f64,
    /// The mean square over the data of the slope along it, 1 on average over directions; 0 where it is missing.
    pub information: f64,
    /// Its largest entries, at most [`Direction::NAMED`]: parameters, of Bradley-Terry response ids, and entries in
    /// [−1, 1], largest first.
    pub loadings: Vec<(usize, f64)>,
}

impl Direction {
    /// Entries that are named at most.
    pub const NAMED: usize = 5;
}

/// How well data cover a policy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Coverage {
    /// C(π) of all prompts together is no smaller.
    #[serde(with = "nlhf_core::null_is_infinite")]
    pub lower: f64,
    /// C(π) of all prompts together is no larger; equal to `lower` where it is known exactly.
    #[serde(with = "nlhf_core::null_is_infinite")]
    pub upper: f64,
    /// The same of the prompts where C is finite, as if there were nothing to lose on the others.
    pub covered_lower: f64,
    /// The upper end for these.
    pub covered_upper: f64,
    /// Prompts that count and where C is infinite.
    pub n_uncovered: usize,
    /// Their part of d₀, in [0, 1].
    pub uncovered_share: f64,
    /// The prompts, in their order.
    pub prompts: Vec<PromptCoverage>,
    /// |D|, the weight of the data.
    pub total_weight: f64,
    /// The pairs that carry C most, heaviest first, at most [`Coverage::NAMED`]; of prompts where it is finite.
    pub carriers: Vec<Carrier>,
    /// Pairs that decide and that the data say nothing of, most played first, at most [`Coverage::NAMED`].
    pub missing: Vec<Carrier>,
    /// The directions that carry C most, at most [`Coverage::NAMED`]; of linear classes only.
    pub directions: Vec<Direction>,
    /// The directions that decide on uncovered prompts and that the data say nothing of; of linear classes only.
    pub missing_directions: Vec<Direction>,
    /// Further labels after which `covered_lower / |D|` is a quarter, and the theorem's `√(C/|D|)` half as far as the
    /// ascent found it: so many suffice, if they go where each class says. What intervals of single pairs bound is
    /// another mean of the same prompts, and need not fall by as much. `None` if nothing is covered, or nothing left to learn.
    pub labels_to_halve: Option<f64>,
}

impl Coverage {
    /// Pairs and directions that are named at most.
    pub const NAMED: usize = 10;

    /// `|D|/C`: what the data are worth in labels drawn from the policy against its worst competitor; 0 if something is
    /// missing, +∞ if there is nothing to learn.
    pub fn effective_labels(&self) -> f64 {
        if self.upper > 0.0 { self.total_weight / self.upper } else { f64::INFINITY }
    }
}

/// The coverage of policies by the data that a model was fitted to, for the class of preferences that the model is of.
///
/// Exact for tabular models; for Bradley-Terry, linear and bilinear ones exact on each prompt, and enclosed over
/// many. A bootstrap model is of the class of its estimate. `None` for Davidson, contextual and low-rank models, and for
/// more than [`COVERAGE_LIMIT`] parameters that hang together.
///
/// # Panics
/// If a policy does not have one entry a response of its menu.
pub fn coverage(model: &AnyModel, counts: &PairCounts, plays: &[Play<'_>]) -> Option<Coverage> {
    match model {
        AnyModel::Tabular(_) => Some(tabular_coverage(counts, plays)),
        AnyModel::BradleyTerry(_) => bradley_terry_coverage(counts, plays),
        AnyModel::Feature(model) => linear_coverage(model, counts, plays),
        AnyModel::Bootstrap(model) => coverage(model.estimate(), counts, plays),
        AnyModel::Davidson(_) | AnyModel::Contextual(_) | AnyModel::LowRank(_) => None,
    }
}

/// What a class finds, shares in units of C.
#[derive(Debug, Default)]
struct Found {
    prompts: Vec<PromptCoverage>,
    lower: f64,
    upper: f64,
    carriers: Vec<Carrier>,
    missing: Vec<Carrier>,
    directions: Vec<Direction>,
    missing_directions: Vec<Direction>,
    labels: f64,
}

impl Found {
    fn coverage(mut self, total_weight: f64, shares: &[f64]) -> Coverage {
        let uncovered = |(share, known): &(&f64, &PromptCoverage)| {
            **share > 0.0 && known.coefficient.is_infinite()
        };
        let uncovered: Vec<f64> =
            shares.iter().zip(&self.prompts).filter(uncovered).map(|(share, _)| *share).collect();
        let all = |covered: f64| if uncovered.is_empty() { covered } else { f64::INFINITY };
        let unit = self.lower.max(f64::MIN_POSITIVE);
        for carrier in &mut self.carriers {
            carrier.share /= unit;
        }
        for direction in &mut self.directions {
            direction.share /= unit;
        }
        Coverage {
            lower: all(self.lower),
            upper: all(self.upper),
            covered_lower: self.lower,
            covered_upper: self.upper,
            n_uncovered: uncovered.len(),
            uncovered_share: uncovered.iter().sum(),
            prompts: self.prompts,
            total_weight,
            carriers: heaviest(self.carriers, |carrier| carrier.share),
            missing: heaviest(self.missing, |carrier| carrier.share),
            directions: heaviest(self.directions, |direction| direction.share),
            missing_directions: heaviest(self.missing_directions, |direction| direction.share),
            labels_to_halve: (self.lower > 0.0).then(|| whole(self.labels)),
        }
    }
}

/// Up to whole labels, but for what rounding adds.
fn whole(labels: f64) -> f64 {
    (labels * (1.0 - 1e-9)).ceil()
}

/// d₀ of each prompt; all zero if none counts.
fn shares(plays: &[Play<'_>]) -> Vec<f64> {
    let total: f64 = plays.iter().map(|play| play.weight.get()).sum();
    plays.iter().map(|play| play.weight.get() / total.max(f64::MIN_POSITIVE)).collect()
}

/// π over a menu.
fn probabilities(play: &Play<'_>) -> Vec<f64> {
    let policy = play.policy.probabilities();
    assert_eq!(policy.len(), play.menu.len(), "a policy over the responses of the menu");
    policy
}

/// The heaviest of a list, as many as are named, the first of equals first.
fn heaviest<T>(mut list: Vec<T>, share: impl Fn(&T) -> f64) -> Vec<T> {
    list.sort_by(|a, b| share(b).total_cmp(&share(a)));
    list.truncate(Coverage::NAMED);
    list
}

/// The place of the largest value, the first of equals.
fn largest(values: impl Iterator<Item = f64>) -> (usize, f64) {
    let mut best = (0, f64::NEG_INFINITY);
    for (at, value) in values.enumerate() {
        if value > best.1 {
            best = (at, value);
        }
    }
    best
}

#[cfg(test)]
mod tests;
