//! Baselines: what other published methods make of the same comparisons, one policy a menu.
//!
//! | [`Baseline`] | policy | learned from | scale | source |
//! |---|---|---|---|---|
//! | greedy Nash | π = NE of P̂ | model | of the run | Ye et al. 2024, without pessimism |
//! | reward-based | π₀ exp(ηr), r the scores of all prompts | comparisons | log-odds | Christiano et al. 2017 |
//! | DPO | π₀ exp(ηrₓ), rₓ the scores of one prompt | comparisons | log-odds | Rafailov et al. 2023 |
//! | IPO | π₀ exp(s), s from differences η(P − ½) | comparisons | probability | Azar et al. 2023 |
//! | SPPO | π⁺ ∝ π exp(αAπ), α = η | model | of the run | Wu et al. 2024 |
//! | INPO | π⁺ ∝ π^(1−ατ) π₀^(ατ) exp(αAπ), α = η/3 | model | of the run | Zhang et al. 2024 |
//! | best of n | the best of n draws from π₀ by win rate against π₀ | model | neither | Stiennon et al. 2020 |
//! | reference | π₀ | | | |
//!
//! τ = 1/η is the KL weight, which DPO calls β and IPO τ; A is the payoff of the fitted preference P̂, `P̂ − ½` or its
//! log-odds. Every method is at the optimum of its own loss over all policies of the candidates: what is compared are the
//! methods, not how well a network is trained. How each optimum comes about:
//!
//! * **Scales.** Scores r are nats of log-odds whatever the run plays, so that at one η the reward-based policy and DPO
//!   move up to four times as far as what is played on the scale of probabilities: `R ≈ 4(P − ½)` where preferences are
//!   weak. IPO is on the scale of probabilities whatever the run plays. η is not converted; methods are given the one KL
//!   weight that was asked for. Best of n knows no η.
//! * **Reward-based.** Scores of responses over all prompts, by maximum likelihood with a ridge of 1.
//! * **DPO** is the same with the scores of one prompt at a time and no ridge ([`direct`]). Where one response always won
//!   its loss has no finite optimum, and it runs away; here until log-odds of `B`, and such prompts are counted.
//! * **DPO and IPO where data are missing.** Candidates that no chain of comparisons connects keep the reference mass of
//!   their component, because neither loss depends on it; so does all of a prompt without comparisons.
//! * **SPPO and INPO** play the fitted preference against themselves from π₀, by [`nlhf_nash::published`]. SPPO takes
//!   each step with a KL weight of τ to the policy before, so that its first step is the best response to π₀. INPO's
//!   step is a third of the one that forgets the policy before. Both papers train for three iterations.
//! * **Best of n** is the exact distribution, no simulation; ties are broken at random ([`best_of`]).
//!
//! On the scale of log-odds greedy Nash is the reward-based policy if P̂ is a Bradley-Terry model of the same scores
//! (`docs/math.md`, "Reward-based learning as a special case").

mod best_of;
mod direct;
mod pairs;

use crate::reward_based_policy;
use best_of::best_of;
use nlhf_core::{
    Comparison, Distribution, Eta, FitError, FitPreference, GameError, Menu, Menus, NashSolver,
    Policy, PreferenceModel, Profile, PromptId, RegularizedGame, ScalarError, Scale, SolveError,
    Status,
};
use nlhf_nash::Automatic;
use nlhf_nash::published::{Inpo, Limits, Sppo};
use nlhf_preference::{BradleyTerryFit, LogisticConfig, WidthMultiplier};
use pairs::PromptPairs;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::num::NonZeroU32;

/// A published method, or what it is measured against. Scales and choices: see [`Baselines`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Baseline {
    /// The equilibrium `π ∝ π₀ exp(ηAπ)` of the fitted preference taken at its word.
    GreedyNash,
    /// `π₀ exp(ηr)`: a reward model r of all prompts, and the policy that follows it.
    RewardBased,
    /// `π₀ exp(ηrₓ)`, direct preference optimization: the scores rₓ of a prompt from its comparisons alone.
    Dpo,
    /// `π₀ exp(s)`, identity preference optimization: s from the differences η(P − ½) of compared pairs.
    Ipo,
    /// `π⁺ ∝ π exp(ηAπ)`, self-play preference optimization.
    Sppo {
        /// Iterations.
        steps: u32,
    },
    /// `π⁺ ∝ π^(2/3) π₀^(1/3) exp(ηAπ/3)`, iterative Nash policy optimization.
    Inpo {
        /// Iterations.
        steps: u32,
    },
    /// The best of several draws from the reference, by win rate against it.
    BestOf {
        /// Draws.
        draws: NonZeroU32,
    },
    /// The reference π₀ itself.
    Reference,
}

impl Baseline {
    /// One of each, several steps and draws where there are any.
    pub const ALL: [Self; 11] = [
        Self::GreedyNash,
        Self::RewardBased,
        Self::Dpo,
        Self::Ipo,
        Self::Sppo { steps: 1 },
        Self::Sppo { steps: 3 },
        Self::Inpo { steps: 1 },
        Self::Inpo { steps: 3 },
        Self::BestOf { draws: NonZeroU32::new(4).expect("not zero") },
        Self::BestOf { draws: NonZeroU32::new(16).expect("not zero") },
        Self::Reference,
    ];

    /// The name in tables.
    pub fn name(self) -> String {
        let steps = |name: &str, steps: u32| match steps {
            1 => format!("{name}, 1 step"),
            steps => format!("{name}, {steps} steps"),
        };
        match self {
            Self::GreedyNash => "greedy Nash".to_owned(),
            Self::RewardBased => "reward-based".to_owned(),
            Self::Dpo => "DPO".to_owned(),
            Self::Ipo => "IPO".to_owned(),
            Self::Sppo { steps: n } => steps("SPPO", n),
            Self::Inpo { steps: n } => steps("INPO", n),
            Self::BestOf { draws } => format!("best of {draws}"),
            Self::Reference => "reference".to_owned(),
        }
    }

    /// Authors and year, with the number of the paper.
    pub const fn source(self) -> &'static str {
        match self {
            Self::GreedyNash => "Ye et al. 2024, arXiv 2402.07314",
            Self::RewardBased => "Christiano et al. 2017, arXiv 1706.03741",
            Self::Dpo => "Rafailov et al. 2023, arXiv 2305.18290",
            Self::Ipo => "Azar et al. 2023, arXiv 2310.12036",
            Self::Sppo { .. } => "Wu et al. 2024, arXiv 2405.00675",
            Self::Inpo { .. } => "Zhang et al. 2024, arXiv 2407.00617",
            Self::BestOf { .. } => "Stiennon et al. 2020, arXiv 2009.01325",
            Self::Reference => "-",
        }
    }
}

/// The policies of one baseline.
#[derive(Debug, Clone, PartialEq)]
pub struct BaselinePolicies {
    /// The baseline.
    pub baseline: Baseline,
    /// A distribution over each menu, in the order of the menus.
    pub policies: Vec<Distribution>,
    /// Prompts on which its loss has no finite optimum, so that only the bound on log-odds holds it: DPO where some
    /// response never lost, or never won.
    pub n_unbounded: usize,
    /// Prompts whose game was not solved to 1e-10.
    pub n_unconverged: usize,
}

/// What stops a baseline.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BaselineError {
    /// The reference does not fit a menu.
    #[error("the reference policy does not fit the menu of {prompt:?}")]
    Reference {
        /// The prompt.
        prompt: PromptId,
        /// How it does not fit.
        #[source]
        source: GameError,
    },
    /// The scores of all prompts cannot be fitted.
    #[error("cannot fit the rewards of all prompts")]
    Rewards(#[source] FitError),
    /// The scores of one prompt cannot be fitted.
    #[error("cannot fit the scores of {prompt:?} on its own")]
    Scores {
        /// The prompt.
        prompt: PromptId,
        /// Why not.
        #[source]
        source: FitError,
    },
    /// A game cannot be solved or played.
    #[error("cannot play the game of {prompt:?}")]
    Play {
        /// The prompt.
        prompt: PromptId,
        /// Why not.
        #[source]
        source: SolveError,
    },
}

/// A data set that any baseline can be learned from.
///
/// Every method is at the optimum of its own loss over all policies of the candidates, with the one η that was asked for:
/// A is the payoff of the fitted preference on the scale of the run, scores r are nats of log-odds and P is a
/// probability on either.
#[derive(Debug, Clone)]
pub struct Baselines<'a> {
    comparisons: &'a [Comparison],
    menus: &'a Menus,
    eta: Eta,
    scale: Scale,
    scores_of_one: BradleyTerryFit,
    references: Vec<Distribution>,
    pairs: Vec<PromptPairs>,
}

/// One prompt, as a policy of it sees it.
#[derive(Debug, Clone, Copy)]
struct Prompt<'a> {
    menu: Menu<'a>,
    reference: &'a Distribution,
    pairs: &'a PromptPairs,
}

/// A policy, and what is to be said of it.
struct Found {
    policy: Distribution,
    unbounded: bool,
    unconverged: bool,
}

impl From<Distribution> for Found {
    fn from(policy: Distribution) -> Self {
        Self { policy, unbounded: false, unconverged: false }
    }
}

/// Where DPO stops running away, in nats: odds of 22,000 to 1.
const LOG_ODDS_BOUND: f64 = 10.0;

impl<'a> Baselines<'a> {
    /// Counts the comparisons of each menu; those of other prompts or responses are left out, except for the
    /// rewards of all prompts.
    ///
    /// # Errors
    /// [`BaselineError::Reference`] if the reference does not have one entry a response.
    ///
    /// # Panics
    /// Never: the default bound is valid.
    pub fn new(
        comparisons: &'a [Comparison],
        menus: &'a Menus,
        reference: &dyn Policy,
        eta: Eta,
        scale: Scale,
    ) -> Result<Self, BaselineError> {
        let references: Vec<Distribution> =
            menus.iter().map(|menu| reference.distribution(menu)).collect();
        let wrong = menus.iter().zip(&references).find(|(menu, own)| menu.len() != own.len());
        if let Some((menu, own)) = wrong {
            let (required, given) = (menu.len(), own.len());
            let source = GameError::Reference { player: "row", required, given };
            return Err(BaselineError::Reference { prompt: menu.prompt(), source });
        }
        let pairs = PromptPairs::of_menus(comparisons, menus);
        let scores_of_one = unpenalized(LOG_ODDS_BOUND).expect("the default bound is valid");
        Ok(Self { comparisons, menus, eta, scale, scores_of_one, references, pairs })
    }

    /// With another bound B on the log-odds of DPO, 10 nats by default.
    ///
    /// # Errors
    /// [`ScalarError`] if it is not in (0, 50].
    pub fn with_log_odds_bound(self, log_odds_bound: f64) -> Result<Self, ScalarError> {
        Ok(Self { scores_of_one: unpenalized(log_odds_bound)?, ..self })
    }

    /// All of [`Baseline::ALL`].
    ///
    /// # Errors
    /// Those of [`Baselines::learn`].
    pub fn learn_all<M: PreferenceModel>(
        &self,
        model: &M,
    ) -> Result<Vec<BaselinePolicies>, BaselineError> {
        Baseline::ALL.iter().map(|&baseline| self.learn(baseline, model)).collect()
    }

    /// The policies of one baseline. `model` is the preference fitted to the comparisons, for the methods that
    /// use one. Prompts are taken in parallel; the result does not depend on the number of threads.
    ///
    /// # Errors
    /// [`BaselineError`] if scores cannot be fitted or a game cannot be solved.
    ///
    /// # Panics
    /// Never: the settings of its own fits are valid.
    pub fn learn<M: PreferenceModel>(
        &self,
        baseline: Baseline,
        model: &M,
    ) -> Result<BaselinePolicies, BaselineError> {
        let found = match baseline {
            Baseline::RewardBased => {
                let fit = BradleyTerryFit::new(LogisticConfig::default())
                    .expect("the default settings are valid");
                let rewards = fit.fit(self.comparisons).map_err(BaselineError::Rewards)?.model;
                self.each(|x| {
                    let score = |response| rewards.score(response);
                    Ok(reward_based_policy(x.menu, x.reference, self.eta, score).into())
                })
            }
            Baseline::Dpo => self.each(|x| self.dpo(x)),
            Baseline::Ipo => self.each(|x| Ok(direct::ipo(x.pairs, x.reference, self.eta).into())),
            Baseline::GreedyNash => self.each(|x| self.play(&Automatic::default(), model, x)),
            Baseline::Sppo { steps } => {
                let solver = Sppo { step: Some(self.eta.get()) }.solver(exactly(steps));
                self.each(|x| self.play(&solver, model, x))
            }
            Baseline::Inpo { steps } => {
                let solver = Inpo { step: Some(self.eta.get() / 3.0) }.solver(exactly(steps));
                self.each(|x| self.play(&solver, model, x))
            }
            Baseline::BestOf { draws } => self.each(|x| {
                let payoff = model.game(x.menu, Scale::Probability);
                Ok(best_of(draws, &payoff, x.reference).into())
            }),
            Baseline::Reference => self.each(|x| Ok(x.reference.clone().into())),
        }?;
        let n_unbounded = found.iter().filter(|found| found.unbounded).count();
        // Those that take a given number of steps were not asked to arrive.
        let solves = baseline == Baseline::GreedyNash;
        let n_unconverged = found.iter().filter(|found| solves && found.unconverged).count();
        let policies = found.into_iter().map(|found| found.policy).collect();
        Ok(BaselinePolicies { baseline, policies, n_unbounded, n_unconverged })
    }

    fn each(
        &self,
        learn: impl Fn(Prompt<'_>) -> Result<Found, BaselineError> + Sync,
    ) -> Result<Vec<Found>, BaselineError> {
        let prompt = |at: usize| Prompt {
            menu: self.menus.get(at),
            reference: &self.references[at],
            pairs: &self.pairs[at],
        };
        (0..self.menus.len()).into_par_iter().map(|at| learn(prompt(at))).collect()
    }

    fn dpo(&self, x: Prompt<'_>) -> Result<Found, BaselineError> {
        let prompt = x.menu.prompt();
        let (policy, unbounded) = direct::dpo(x.pairs, x.reference, self.eta, &self.scores_of_one)
            .map_err(|source| BaselineError::Scores { prompt, source })?;
        Ok(Found { policy, unbounded, unconverged: false })
    }

    /// Lets a method play the fitted preference against itself, from the reference.
    fn play<M: PreferenceModel>(
        &self,
        solver: &dyn NashSolver,
        model: &M,
        x: Prompt<'_>,
    ) -> Result<Found, BaselineError> {
        let prompt = x.menu.prompt();
        let payoff = model.game(x.menu, self.scale);
        let reference = Profile::symmetric(x.reference.clone());
        let game = RegularizedGame::new(&payoff, &reference, self.eta)
            .map_err(|source| BaselineError::Reference { prompt, source })?;
        let solved = solver.solve(&game, &reference, &mut ());
        let solution = solved.map_err(|source| BaselineError::Play { prompt, source })?;
        let unconverged = solution.status != Status::Converged;
        Ok(Found { policy: solution.profile.row, unbounded: false, unconverged })
    }
}

/// The likelihood of DPO: no ridge, and no widths.
fn unpenalized(log_odds_bound: f64) -> Result<BradleyTerryFit, ScalarError> {
    BradleyTerryFit::new(LogisticConfig {
        ridge: 0.0,
        log_odds_bound,
        multiplier: WidthMultiplier::Fixed(0.0),
        ..LogisticConfig::default()
    })
}

/// So many iterations of one product each, however near to the end.
fn exactly(steps: u32) -> Limits {
    Limits { tolerance: 0.0, max_products: steps as usize }
}
