//! A contest: how policies do against each other under one judging preference, and how sure that is.
//!
//! ```text
//! w(π, q)            = mean over prompts of ½ + π'Aq,  A = P − ½        win rate; w(π, q) + w(q, π) = 1
//! exploitability(π)  = mean over prompts of max_b (Aπ)_b                what a best competitor wins beyond even
//! sub(π)             = mean over prompts of J* − min_q J(π, q)          the same with the KL terms, on the scale of the run
//! KL(π‖π₀)           = mean over prompts, in nats
//! judged(π, q)       = mean over prompts of Σ π(a) q(b) 1[a = b, or the pair was compared]
//! ```
//! The judge is a truth where that is known, or a model fitted to comparisons that no policy has learned from
//! ([`Judge`], [`FittedJudge`]). A pair that was never compared counts as even for a judge that keeps pairs apart;
//! `judged` says how much of a win rate rests on such pairs.
//!
//! **What a fitted judge does to maxima.** The best of several noisy competitors is overrated: exploitability and
//! suboptimality under an unbiased judge, as raw shares are on the scale of probabilities ([`WinShareFit`]), are biased upwards,
//! the more the fewer comparisons a pair has. Beside each stands a cross-fitted value: the best competitor is chosen
//! under a model of one half of the comparisons and judged under that of the other, both ways, and averaged. That competitor
//! need not be the best: the value is biased downwards. The truth lies between the two, up to noise. A judge that a ridge or
//! added halves hold is biased towards even beside that, in whole and in halves. Log-odds of shares are biased away from even:
//! on that scale no interval of the suboptimality is stated.
//!
//! **Intervals** come from replicates with two sources of noise ([`intervals`]): which prompts there are, and what the
//! judges happened to say. Each holds for itself; `beyond_noise` is about all pairs of policies at once.

mod fitted;
mod intervals;
mod judge;
mod statistics;
mod win_shares;

pub use fitted::{FittedJudge, JudgeConfig};
pub use judge::Judge;
pub use win_shares::{WinShareFit, WinShares};

use crate::BaselinePolicies;
use intervals::Replicates;
use nlhf_core::{
    Confidence, Distribution, Eta, Menus, Observer, Policy, PromptId, Scale, SeedTree,
};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use statistics::Statistics;

/// A policy that takes part.
#[derive(Debug, Clone, PartialEq)]
pub struct Entrant {
    /// Its name in tables.
    pub name: String,
    /// A distribution over each menu, in the order of the menus.
    pub policies: Vec<Distribution>,
}

impl From<BaselinePolicies> for Entrant {
    fn from(learned: BaselinePolicies) -> Self {
        Self { name: learned.baseline.name(), policies: learned.policies }
    }
}

/// Who plays where.
#[derive(Clone, Copy)]
pub struct ContestData<'a> {
    /// The candidates of each prompt; all prompts count alike.
    pub menus: &'a Menus,
    /// The policy that KL terms are measured from.
    pub reference: &'a dyn Policy,
    /// The policies.
    pub entrants: &'a [Entrant],
}

impl std::fmt::Debug for ContestData<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<&str> = self.entrants.iter().map(|entrant| entrant.name.as_str()).collect();
        f.debug_struct("ContestData")
            .field("menus", &self.menus.len())
            .field("entrants", &names)
            .finish_non_exhaustive()
    }
}

/// The settings of a contest.
///
/// | Name | Default | Purpose | Range |
/// |---|---|---|---|
/// | `eta` | 10 | the factor of the payoffs against the KL term in `sub` | (0, ∞) |
/// | `scale` | probability | the game of `sub`; win rates are probabilities on either | |
/// | `confidence` | 0.95 | how often an interval holds | (0, 1) |
/// | `replicates` | 400 | draws of prompts and judges behind the intervals; 0 for none | |
/// | `seed` | 0 | decides those draws | |
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ContestConfig {
    /// The factor of the payoffs against the KL term.
    pub eta: Eta,
    /// The game of the suboptimality.
    pub scale: Scale,
    /// How often an interval holds.
    pub confidence: Confidence,
    /// Draws behind the intervals.
    pub replicates: u32,
    /// Decides the draws.
    pub seed: SeedTree,
}

impl Default for ContestConfig {
    fn default() -> Self {
        Self {
            eta: Eta::new(10.0).expect("10 is a valid eta"),
            scale: Scale::Probability,
            confidence: Confidence::new(0.95).expect("0.95 is a valid confidence"),
            replicates: 400,
            seed: SeedTree::new(0),
        }
    }
}

/// Where a contest is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContestEvent {
    /// Judges that have judged all prompts.
    pub done: usize,
    /// All judges: the estimate and its resampled copies.
    pub total: usize,
}

/// What stops a contest.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ContestError {
    /// Nobody plays, or nowhere.
    #[error(
        "a contest needs a policy and a prompt at least, but has {n_entrants} policies and {n_prompts} prompts"
    )]
    Empty {
        /// Policies.
        n_entrants: usize,
        /// Prompts.
        n_prompts: usize,
    },
    /// An entrant without a policy for every menu.
    #[error("{name} must have {required} policies, one a prompt, but has {given}")]
    Policies {
        /// Whose.
        name: String,
        /// Prompts.
        required: usize,
        /// Policies.
        given: usize,
    },
    /// A policy that does not fit its menu.
    #[error("{name} must have {required} probabilities for {prompt:?}, but has {given}")]
    Menu {
        /// Whose.
        name: String,
        /// The prompt.
        prompt: PromptId,
        /// Candidates.
        required: usize,
        /// Probabilities.
        given: usize,
    },
    /// The observer asked to stop.
    #[error("stopped after {done} of {total} judges")]
    Stopped {
        /// Judges done.
        done: usize,
        /// All judges.
        total: usize,
    },
}

/// Where a quantity lies, with the confidence of the contest.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Its lower end.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
}

impl Interval {
    /// Half of its length.
    pub fn half_width(self) -> f64 {
        0.5 * (self.high - self.low)
    }

    /// Whether a number lies in it.
    pub fn contains(self, value: f64) -> bool {
        (self.low..=self.high).contains(&value)
    }
}

/// A mean over prompts.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// Under the judge.
    pub value: f64,
    /// `None` without replicates.
    pub interval: Option<Interval>,
}

/// A mean over prompts of what a best competitor wins.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Maximum {
    /// Under the judge: biased upwards if that is fitted.
    pub value: f64,
    /// With the competitor chosen on one half of the comparisons and judged on the other: biased downwards, below zero
    /// at times; `None` without halves.
    pub cross_fitted: Option<f64>,
    /// From the lower end of the cross-fitted value to the upper end of the plain one; `None` without replicates.
    pub interval: Option<Interval>,
}

/// How one policy does against another.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct WinRate {
    /// The probability that its answer is preferred, in [0, 1].
    pub rate: f64,
    /// `None` without replicates.
    pub interval: Option<Interval>,
    /// Whether the rate differs from even by more than noise, for all pairs of policies at once.
    pub beyond_noise: bool,
    /// The share of pairs of answers that the judge has comparisons of, in [0, 1]; 1 for a truth.
    pub judged: f64,
}

/// How one policy does by itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Standing {
    /// The policy.
    pub name: String,
    /// Its win rate against the reference.
    pub against_reference: WinRate,
    /// What a best competitor wins beyond even, in win probability.
    pub exploitability: Maximum,
    /// What a best competitor gains in the regularized game, in units of the payoff; `None` if it is infinite.
    pub suboptimality: Option<Maximum>,
    /// The divergence from the reference, in nats; `None` if it is infinite: the policy plays what the reference
    /// never does.
    pub kl_nats: Option<Estimate>,
}

/// What came out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Contest {
    /// The settings.
    pub config: ContestConfig,
    /// Prompts that were played on.
    pub n_prompts: usize,
    /// Comparisons behind the judge; `None` for a truth.
    pub n_comparisons: Option<usize>,
    /// Resampled copies of the judge.
    pub n_members: usize,
    /// The policies, in the order in which they entered.
    pub standings: Vec<Standing>,
    /// Win rates of the policy of the row against that of the column, in the same order.
    pub win_rates: Vec<Vec<WinRate>>,
}

impl Contest {
    /// Lets every policy play every other on every prompt.
    ///
    /// # Complexity
    /// For K policies on menus of n, O(K n² + K² n) for each prompt and each judge: the estimate and its members.
    /// Members judge in parallel; the result does not depend on the number of threads.
    ///
    /// # Errors
    /// [`ContestError`] if a policy does not fit the menus, or the observer asks to stop.
    pub fn hold(
        data: ContestData<'_>,
        judge: &Judge<'_>,
        config: &ContestConfig,
        observer: &mut dyn Observer<ContestEvent>,
    ) -> Result<Self, ContestError> {
        let references = check(data)?;
        let statistics = Statistics::new(data, &references, config);
        let n = data.menus.len();
        let of_prompts: Vec<Vec<f64>> =
            (0..n).into_par_iter().map(|at| statistics.of_prompt(at, judge)).collect();
        let replicates = Replicates::draw(&statistics, &of_prompts, judge, observer)?;
        let judged = mean((0..n).into_par_iter().map(|at| statistics.judged(at, judge)).collect());
        let means = mean(of_prompts);
        Ok(Self {
            config: *config,
            n_prompts: n,
            n_comparisons: judge.judged.map(nlhf_preference::PairCounts::n_comparisons),
            n_members: judge.members.len(),
            standings: statistics.standings(&means, &replicates, &judged),
            win_rates: statistics.win_rates(&means, &replicates, &judged),
        })
    }
}

/// The reference of every menu, if all policies fit.
fn check(data: ContestData<'_>) -> Result<Vec<Distribution>, ContestError> {
    let required = data.menus.len();
    if data.entrants.is_empty() || required == 0 {
        let n_entrants = data.entrants.len();
        return Err(ContestError::Empty { n_entrants, n_prompts: required });
    }
    let references: Vec<Distribution> =
        data.menus.iter().map(|menu| data.reference.distribution(menu)).collect();
    let entrants = data.entrants.iter().map(|e| (e.name.as_str(), &e.policies));
    for (name, policies) in entrants.chain([("the reference", &references)]) {
        let name = || name.to_owned();
        let given = policies.len();
        if given != required {
            return Err(ContestError::Policies { name: name(), required, given });
        }
        let both = data.menus.iter().zip(policies);
        if let Some((menu, policy)) = both.into_iter().find(|(menu, p)| menu.len() != p.len()) {
            let (prompt, required, given) = (menu.prompt(), menu.len(), policy.len());
            return Err(ContestError::Menu { name: name(), prompt, required, given });
        }
    }
    Ok(references)
}

/// The mean of each entry, summed in order.
fn mean(rows: Vec<Vec<f64>>) -> Vec<f64> {
    let n = rows.len() as f64;
    let mut sums = vec![0.0; rows.first().map_or(0, Vec::len)];
    for row in rows {
        for (sum, value) in sums.iter_mut().zip(row) {
            *sum += value;
        }
    }
    sums.into_iter().map(|sum| sum / n).collect()
}
