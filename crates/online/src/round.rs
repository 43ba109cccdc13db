//! The agents of a round, what observers see of it, and how they come about.

use crate::{OnlineConfig, OnlineError, Pairing, PromptRound, Strategy};
use nlhf_core::{
    Comparison, ConfidenceWidth, Distribution, Menus, NashSolver, Profile, RegularizedGame, Status,
    pessimistic_payoffs,
};
use rayon::prelude::*;

/// What a strategy plays on one prompt, with its certificate.
#[derive(Debug, Clone, PartialEq)]
pub struct Agents {
    /// What would be returned: of most strategies the equilibrium of the estimated game.
    pub main: Distribution,
    /// Whom the next round asks about, each pairing alike.
    pub asks: Vec<Pairing>,
    /// `−min_q J_M(main, q)`: with the confidence of the widths, the main agent loses no more than
    /// this against any competitor, in units of the payoff.
    pub suboptimality_bound: f64,
    /// [`crate::Plan::policy_level_bound`].
    pub policy_level_bound: Option<f64>,
    /// The duality gap of the main agent in the estimated game.
    pub duality_gap: f64,
    /// Why the solver stopped.
    pub status: Status,
}

impl Agents {
    /// Before the first label: the reference, of which nothing is known.
    pub(crate) fn unexplored(reference: &Profile, strategy: &dyn Strategy) -> Self {
        Self {
            main: reference.row.clone(),
            asks: strategy.opening(&reference.row),
            suboptimality_bound: f64::INFINITY,
            policy_level_bound: None,
            duality_gap: 0.0,
            status: Status::Converged,
        }
    }

    /// The policy that the main agent is compared with next: the enhancer, of an optimistic strategy.
    pub fn opponent(&self) -> &Distribution {
        &self.asks[0].second
    }
}

/// One round, as observers see it.
#[derive(Debug, Clone, Copy)]
pub struct Round<'a> {
    /// Counted from one.
    pub round: u32,
    /// All rounds planned.
    pub rounds: u32,
    /// Labels asked so far, those that the oracle skipped included.
    pub n_queries: usize,
    /// Labels that count.
    pub n_labels: usize,
    /// The menus of this round.
    pub menus: &'a Menus,
    /// The agents on each prompt, in the order of the menus.
    pub agents: &'a [Agents],
    /// The mean of the bounds over the prompts: the certificate of the round.
    pub suboptimality_bound: f64,
}

/// What all prompts of a round have in common.
pub(crate) struct Stage<'a> {
    pub(crate) round: u32,
    pub(crate) config: &'a OnlineConfig,
    pub(crate) strategy: &'a dyn Strategy,
    pub(crate) solver: &'a dyn NashSolver,
    pub(crate) menus: &'a Menus,
    pub(crate) references: &'a [Profile],
    /// The labels of each prompt.
    pub(crate) comparisons: &'a [Vec<Comparison>],
}

impl Stage<'_> {
    /// Plans and certifies every prompt, in parallel.
    pub(crate) fn agents(
        &self,
        model: &dyn ConfidenceWidth,
        previous: &[Agents],
    ) -> Result<Vec<Agents>, OnlineError> {
        let all = (0..self.menus.len()).into_par_iter();
        all.map(|position| self.prompt(position, model, &previous[position])).collect()
    }

    fn prompt(
        &self,
        position: usize,
        model: &dyn ConfidenceWidth,
        previous: &Agents,
    ) -> Result<Agents, OnlineError> {
        let (menu, scale) = (self.menus.get(position), self.config.scale);
        let (estimate, widths) = (model.game(menu, scale), model.widths(menu, scale));
        let feared = pessimistic_payoffs(&estimate, &widths, model.payoff_floor(scale));
        let prompt = PromptRound {
            round: self.round,
            config: self.config,
            position,
            menu,
            reference: &self.references[position],
            previous,
            model,
            estimate: &estimate,
            widths: &widths,
            feared: &feared,
            comparisons: &self.comparisons[position],
            solver: self.solver,
        };
        let planned = self.strategy.plan(&prompt).map_err(|source| OnlineError::Solve {
            round: self.round,
            prompt: menu.prompt(),
            source,
        });
        let plan = planned?;
        let (main, suboptimality_bound) = certified(&prompt.regularized(&feared), plan.main);
        Ok(Agents {
            main,
            asks: plan.asks,
            suboptimality_bound,
            // Floors of single payoffs may be what binds.
            policy_level_bound: plan.policy_level_bound.map(|b| b.min(suboptimality_bound)),
            duality_gap: plan.duality_gap,
            status: plan.status,
        })
    }
}

/// A policy and `−min_q J_M(policy, q)`, for the game of M.
pub(crate) fn certified(feared: &RegularizedGame<'_>, policy: Distribution) -> (Distribution, f64) {
    let profile = Profile { column: feared.best_column_response(&policy), row: policy };
    let bound = feared.certify(&profile).worst_shortfall();
    (profile.row, bound)
}
