//! What a run knows: menus, labels, the agents of the present round, and the trace.

use crate::queries::Queries;
use crate::round::{Stage, certified};
use crate::{Agents, OnlineError, OnlineLearner, OnlinePromptReport, Round, RoundReport, Strategy};
use nlhf_core::{
    Comparison, ConfidenceWidth, DenseGame, Eta, FitEvidence, Menu, Menus, Oracle, Policy,
    PolicyClass, Profile, Projected, RegularizedGame, Status, Target, Weight,
};
use nlhf_nash::in_class::{ClassGame, LeastShortfall, Restriction, restricted};
use rayon::prelude::*;
use std::sync::Arc;

/// The round with the smallest certificate so far.
pub(crate) struct Best<M> {
    pub(crate) round: u32,
    pub(crate) bound: f64,
    pub(crate) model: Arc<M>,
    pub(crate) agents: Vec<Agents>,
    /// What it was learned on.
    pub(crate) menus: Arc<Menus>,
    pub(crate) references: Arc<Vec<Profile>>,
    /// Whether candidates were added since.
    pub(crate) is_outgrown: bool,
}

/// What a run knows.
pub(crate) struct Run<'a> {
    learner: &'a OnlineLearner,
    pub(crate) menus: Arc<Menus>,
    pub(crate) references: Arc<Vec<Profile>>,
    pub(crate) agents: Vec<Agents>,
    pub(crate) comparisons: Vec<Comparison>,
    /// The same by prompt.
    by_prompt: Vec<Vec<Comparison>>,
    pub(crate) trace: Vec<RoundReport>,
}

impl<'a> Run<'a> {
    pub(crate) fn new(
        learner: &'a OnlineLearner,
        menus: Menus,
        reference: &dyn Policy,
    ) -> Result<Self, OnlineError> {
        if menus.n_pairs() == 0 {
            return Err(OnlineError::NothingToAsk);
        }
        let references = Arc::new(references(&menus, reference)?);
        let menus = Arc::new(menus);
        let unexplored = |reference| Agents::unexplored(reference, &*learner.strategy);
        let agents = references.iter().map(unexplored).collect();
        let by_prompt = vec![Vec::new(); menus.len()];
        let (comparisons, trace) = (Vec::new(), Vec::new());
        Ok(Self { learner, menus, references, agents, comparisons, by_prompt, trace })
    }

    pub(crate) fn n_queries(&self) -> u64 {
        self.comparisons.len() as u64
    }

    /// Takes the menus of a round over; whether a candidate was added.
    pub(crate) fn grow(
        &mut self,
        round: u32,
        menus: &Menus,
        reference: &dyn Policy,
        strategy: &dyn Strategy,
    ) -> Result<bool, OnlineError> {
        let mut grown = Vec::new();
        for (position, before) in self.menus.iter().enumerate() {
            let now = (position < menus.len()).then(|| menus.get(position));
            let begins_alike = now.is_some_and(|now| {
                now.prompt() == before.prompt() && now.responses().starts_with(before.responses())
            });
            if !begins_alike || menus.len() != self.menus.len() {
                return Err(OnlineError::Candidates { round, position });
            }
            if now.is_some_and(|now| now.len() > before.len()) {
                grown.push(position);
            }
        }
        if grown.is_empty() {
            return Ok(false);
        }
        self.menus = Arc::new(menus.clone());
        self.references = Arc::new(references(menus, reference)?);
        for position in &grown {
            let reference = &self.references[*position];
            self.agents[*position] = Agents::unexplored(reference, strategy);
        }
        Ok(true)
    }

    /// Asks the queries of a round; whether there were any.
    pub(crate) fn ask(
        &mut self,
        round: u32,
        queries: &mut Queries<'_>,
        oracle: &mut dyn Oracle,
    ) -> Result<bool, OnlineError> {
        let config = &self.learner.config;
        let left = config.label_budget.map_or(u64::MAX, |most| most - self.n_queries());
        let wanted = usize::try_from(left.min(u64::from(config.labels_per_round)));
        let wanted = wanted.expect("a number of labels a round");
        let queries = queries.draw(&self.menus, &self.references, &self.agents, wanted, round);
        if queries.is_empty() {
            return Ok(false);
        }
        let outcomes =
            oracle.compare(&queries).map_err(|source| OnlineError::Oracle { round, source })?;
        let (required, given) = (queries.len(), outcomes.len());
        if required != given {
            return Err(OnlineError::Answers { round, required, given });
        }
        for (query, outcome) in queries.iter().zip(&outcomes) {
            let comparison = Comparison {
                weight: outcome.weight,
                ..Comparison::new(query.prompt, query.first, query.second, outcome.label)
            };
            self.comparisons.push(comparison);
            let position = self.menus.position(query.prompt).expect("a prompt of the menus");
            self.by_prompt[position].push(comparison);
        }
        Ok(true)
    }

    pub(crate) fn stage(&self, round: u32) -> Stage<'_> {
        Stage {
            round,
            config: &self.learner.config,
            strategy: &*self.learner.strategy,
            solver: &*self.learner.solver,
            menus: &self.menus,
            references: &self.references,
            comparisons: &self.by_prompt,
        }
    }

    pub(crate) fn report(&self, round: u32, fit: FitEvidence) -> RoundReport {
        let n = self.agents.len() as f64;
        let total: f64 = self.agents.iter().map(|agents| agents.suboptimality_bound).sum();
        let policy_level: Option<f64> = self.agents.iter().map(|a| a.policy_level_bound).sum();
        let unconverged = self.agents.iter().filter(|a| a.status != Status::Converged);
        RoundReport {
            round,
            n_queries: self.comparisons.len(),
            n_labels: self.n_labels(),
            n_candidates: self.menus.iter().map(|menu| menu.len()).sum(),
            suboptimality_bound: total / n,
            policy_level_bound: policy_level.map(|total| total / n),
            n_unconverged: unconverged.count(),
            max_duality_gap: self.agents.iter().map(|a| a.duality_gap).fold(0.0, f64::max),
            fit,
        }
    }

    /// The agents of the present round as the best so far.
    pub(crate) fn best<M>(&self, round: u32, bound: f64, model: Arc<M>) -> Best<M> {
        Best {
            round,
            bound,
            model,
            agents: self.agents.clone(),
            menus: Arc::clone(&self.menus),
            references: Arc::clone(&self.references),
            is_outgrown: false,
        }
    }

    pub(crate) fn n_labels(&self) -> usize {
        self.comparisons.iter().filter(|c| c.weight.get() > 0.0).count()
    }

    pub(crate) fn event(&self, round: u32, suboptimality_bound: f64) -> Round<'_> {
        Round {
            round,
            rounds: self.learner.config.rounds,
            n_queries: self.comparisons.len(),
            n_labels: self.n_labels(),
            menus: &self.menus,
            agents: &self.agents,
            suboptimality_bound,
        }
    }

    /// Projects the best main agents onto the class, goes on to what is best within it if it cannot play them, and recomputes
    /// the bounds of what it plays.
    pub(crate) fn project<M: ConfidenceWidth, C: PolicyClass>(
        &self,
        best: &Best<M>,
        class: &C,
    ) -> Result<Returning<C::Policy>, OnlineError> {
        let config = &self.learner.config;
        let menus: Vec<Menu<'_>> = best.menus.iter().collect();
        let target = |(menu, agents): (_, &Agents)| Target {
            menu,
            distribution: agents.main.clone(),
            weight: Weight::ONE,
        };
        let targets: Vec<Target<'_>> =
            menus.iter().copied().zip(&best.agents).map(target).collect();
        let projected = class.project(&targets, None).map_err(OnlineError::Project)?;
        let estimates: Vec<DenseGame> =
            menus.par_iter().map(|menu| best.model.game(*menu, config.scale)).collect();
        let (mut policy, mut restriction) = (projected.policy, None);
        let mut all = menus.iter().zip(&best.agents);
        if !all.all(|(menu, agents)| policy.distribution(*menu) == agents.main) {
            let games = menus.iter().zip(estimates.iter().zip(best.references.iter()));
            let games: Result<Vec<ClassGame<'_>>, _> = games
                .map(|(menu, (payoff, reference))| {
                    let game = regularized(payoff, reference, config.eta);
                    ClassGame::new(*menu, game, Weight::ONE)
                })
                .collect();
            let games = games.map_err(OnlineError::InClass)?;
            let mains: Vec<_> = best.agents.iter().map(|agents| agents.main.clone()).collect();
            let projected = Projected { policy, excess_nats: projected.excess_nats };
            let limit = config.in_class_projections;
            let search = LeastShortfall { max_projections: limit, ..LeastShortfall::default() };
            let found = restricted(&search, class, &games, &mains, projected, &mut ());
            let (found, costs) = found.map_err(OnlineError::InClass)?;
            (policy, restriction) = (found, Some(costs));
        }
        let report = |((menu, reference), estimate): ((&Menu<'_>, &Profile), &DenseGame)| {
            let feared = best.model.pessimistic_game(*menu, config.scale);
            let feared = regularized(&feared, reference, config.eta);
            let (row, suboptimality_bound) = certified(&feared, policy.distribution(*menu));
            let profile = Profile::symmetric(row);
            let estimate = regularized(estimate, reference, config.eta);
            let duality_gap = estimate.certify(&profile).duality_gap;
            let (prompt, policy) = (menu.prompt(), profile.row);
            OnlinePromptReport { prompt, policy, duality_gap, suboptimality_bound }
        };
        let prompts = menus.par_iter().zip(best.references.par_iter()).zip(&estimates);
        let reports = prompts.map(report).collect();
        Ok((policy, restriction, reports))
    }
}

/// The policy, what its class costs, and what each prompt's bound is.
type Returning<P> = (P, Option<Restriction>, Vec<OnlinePromptReport>);

fn regularized<'a>(payoff: &'a DenseGame, reference: &'a Profile, eta: Eta) -> RegularizedGame<'a> {
    RegularizedGame::new(payoff, reference, eta)
        .expect("the reference was checked against its menu before the round")
}

/// The reference on every menu, checked.
fn references(menus: &Menus, reference: &dyn Policy) -> Result<Vec<Profile>, OnlineError> {
    let checked = menus.iter().map(|menu| {
        let distribution = reference.distribution(menu);
        let (prompt, required, given) = (menu.prompt(), menu.len(), distribution.len());
        if required == given {
            Ok(Profile::symmetric(distribution))
        } else {
            Err(OnlineError::Reference { prompt, required, given })
        }
    });
    checked.collect()
}
