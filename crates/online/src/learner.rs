//! The online learner: rounds of ask, fit, plan, certify.

use crate::queries::Queries;
use crate::round::Stage;
use crate::{
    Agents, Candidates, OnlineConfig, OnlineError, OnlinePromptReport, OnlineReport, Optimistic,
    Returned, Round, RoundReport, StopReason, Strategy,
};
use nlhf_core::{
    Comparison, ConfidenceWidth, FitEvidence, FitPreference, Fitted, Menus, NashSolver, Observer,
    Oracle, OracleError, Policy, PolicyClass, Profile, RegularizedGame, Status, Target, Weight,
};
use nlhf_nash::Automatic;
use std::sync::Arc;

/// What an online run returns.
#[derive(Debug)]
#[must_use]
pub struct OnlineResult<M, P> {
    /// The preference fitted in the round whose policy is returned.
    pub model: M,
    /// The learned policy, a member of the policy class.
    pub policy: P,
    /// The menus that the policy was learned on.
    pub menus: Menus,
    /// All labels, in the order asked; those that the oracle skipped have weight zero.
    pub comparisons: Vec<Comparison>,
    /// The trace of rounds, certificates and bounds.
    pub report: OnlineReport,
}

/// Online learning with any strategy, any confidence-carrying model, any class, any solver; by default with an optimistic
/// enhancer.
#[derive(Clone)]
pub struct OnlineLearner {
    config: OnlineConfig,
    strategy: Arc<dyn Strategy>,
    solver: Arc<dyn NashSolver>,
}

impl std::fmt::Debug for OnlineLearner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OnlineLearner")
            .field("config", &self.config)
            .field("strategy", &self.strategy)
            .field("solver", &self.solver.name())
            .finish()
    }
}

impl OnlineLearner {
    /// Checks the settings.
    ///
    /// # Errors
    /// [`OnlineError::Config`] if there is no round or label, or a number is out of range.
    pub fn new(config: OnlineConfig) -> Result<Self, OnlineError> {
        let config = config.validate()?;
        let solver = Arc::new(Automatic { tolerance: config.tolerance });
        Ok(Self { config, strategy: Arc::new(Optimistic::default()), solver })
    }

    /// With another strategy.
    ///
    /// # Errors
    /// [`OnlineError::Scale`] if it does not play the scale of the settings.
    pub fn with_strategy(mut self, strategy: Arc<dyn Strategy>) -> Result<Self, OnlineError> {
        if strategy.log_odds_only() && self.config.scale != nlhf_core::Scale::LogOdds {
            return Err(OnlineError::Scale { strategy: strategy.name() });
        }
        self.strategy = strategy;
        Ok(self)
    }

    /// With another solver, which brings a tolerance of its own.
    #[must_use]
    pub fn with_solver(mut self, solver: Arc<dyn NashSolver>) -> Self {
        self.solver = solver;
        self
    }

    /// Runs the rounds and returns the main agent with the smallest certificate, or that of the last round.
    ///
    /// An observer that breaks ends the run after its round, with what was learned so far; an oracle that was stopped ends it with
    /// what was learned before the round. Prompts are
    /// planned in parallel; the result does not depend on the number of threads. A run is decided by its settings and the answers:
    /// an oracle that gives recorded answers again brings it back to where it was, bit for bit.
    ///
    /// The bounds hold as far as the widths do while pairs are chosen by earlier labels: give
    /// `TabularFit` the label budget as its horizon, and `BradleyTerryFit` the menus.
    ///
    /// # Errors
    /// [`OnlineError`].
    ///
    /// # Panics
    /// If a width or payoff of the model is not finite, against its laws.
    pub fn learn<F, C>(
        &self,
        menus: &Menus,
        reference: &dyn Policy,
        oracle: &mut dyn Oracle,
        fit: &F,
        class: &C,
        observer: &mut dyn for<'a> Observer<Round<'a>>,
    ) -> Result<OnlineResult<F::Model, C::Policy>, OnlineError>
    where
        F: FitPreference,
        F::Model: ConfidenceWidth,
        C: PolicyClass,
    {
        let mut candidates = menus;
        self.learn_growing(&mut candidates, reference, oracle, fit, class, observer)
    }

    /// The same while candidates are added between rounds. A certificate is about the competitors of its round: the
    /// policy returned is the best since candidates were last added.
    ///
    /// # Errors
    /// [`OnlineError`].
    ///
    /// # Panics
    /// As [`OnlineLearner::learn`].
    pub fn learn_growing<F, C>(
        &self,
        candidates: &mut dyn Candidates,
        reference: &dyn Policy,
        oracle: &mut dyn Oracle,
        fit: &F,
        class: &C,
        observer: &mut dyn for<'a> Observer<Round<'a>>,
    ) -> Result<OnlineResult<F::Model, C::Policy>, OnlineError>
    where
        F: FitPreference,
        F::Model: ConfidenceWidth,
        C: PolicyClass,
    {
        let menus = candidates.menus(1).clone();
        let mut run = Run::new(self, menus, reference)?;
        let mut queries = Queries::new(&self.config, run.menus.len());
        let mut latest: Option<Arc<F::Model>> = None;
        let mut best: Option<Best<F::Model>> = None;
        let mut stopped = StopReason::Rounds;
        for round in 1..=self.config.rounds {
            if round > 1 && run.grow(round, candidates.menus(round), reference, &*self.strategy)? {
                best = None;
            }
            match run.ask(round, &mut queries, oracle) {
                Ok(true) => {}
                Ok(false) => stopped = StopReason::NothingLeft,
                Err(OnlineError::Oracle { source: OracleError::Stopped, .. }) if best.is_some() => {
                    stopped = StopReason::Oracle;
                }
                Err(error) => return Err(error),
            }
            if stopped != StopReason::Rounds && best.is_some() {
                break;
            }
            let fitted = match &latest {
                Some(model) => fit.refit(&run.comparisons, model),
                None => fit.fit(&run.comparisons),
            };
            let Fitted { model, evidence } =
                fitted.map_err(|source| OnlineError::Fit { round, source })?;
            let model = Arc::new(model);
            run.agents = run.stage(round).agents(&*model, &run.agents)?;
            let report = run.report(round, evidence);
            let bound = report.suboptimality_bound;
            run.trace.push(report);
            let flow = observer.observe(&run.event(round, bound));
            let last = self.config.returned == Returned::Last;
            if last || best.as_ref().is_none_or(|best| bound < best.bound) {
                let agents = run.agents.clone();
                best = Some(Best { round, bound, model: Arc::clone(&model), agents });
            }
            latest = Some(model);
            if flow.is_break() {
                stopped = StopReason::Observer;
            } else if self.config.target_bound.is_some_and(|target| bound <= target) {
                stopped = StopReason::TargetBound;
            } else if self.config.label_budget.is_some_and(|most| run.n_queries() >= most) {
                stopped = StopReason::LabelBudget;
            }
            if stopped != StopReason::Rounds {
                break;
            }
        }
        let best = best.expect("the last round had a policy");
        let (policy, prompts) = run.project(&best, class)?;
        let report = OnlineReport {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            config: self.config.clone(),
            strategy: self.strategy.name().to_owned(),
            policy_class: class.name().to_owned(),
            rounds: run.trace,
            best_round: best.round,
            stopped,
            prompts,
        };
        let (menus, comparisons) = (run.menus, run.comparisons);
        drop(latest);
        let model = Arc::into_inner(best.model).expect("the best round alone holds its model");
        Ok(OnlineResult { model, policy, menus, comparisons, report })
    }
}

/// The round with the smallest certificate so far.
struct Best<M> {
    round: u32,
    bound: f64,
    model: Arc<M>,
    agents: Vec<Agents>,
}

/// What a run knows.
struct Run<'a> {
    learner: &'a OnlineLearner,
    menus: Menus,
    references: Vec<Profile>,
    agents: Vec<Agents>,
    comparisons: Vec<Comparison>,
    /// The same by prompt.
    by_prompt: Vec<Vec<Comparison>>,
    trace: Vec<RoundReport>,
}

impl<'a> Run<'a> {
    fn new(
        learner: &'a OnlineLearner,
        menus: Menus,
        reference: &dyn Policy,
    ) -> Result<Self, OnlineError> {
        if menus.n_pairs() == 0 {
            return Err(OnlineError::NothingToAsk);
        }
        let references = references(&menus, reference)?;
        let unexplored = |reference| Agents::unexplored(reference, &*learner.strategy);
        let agents = references.iter().map(unexplored).collect();
        let by_prompt = vec![Vec::new(); menus.len()];
        let (comparisons, trace) = (Vec::new(), Vec::new());
        Ok(Self { learner, menus, references, agents, comparisons, by_prompt, trace })
    }

    fn n_queries(&self) -> u64 {
        self.comparisons.len() as u64
    }

    /// Takes the menus of a round over; whether a candidate was added.
    fn grow(
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
        self.menus = menus.clone();
        self.references = references(menus, reference)?;
        for position in &grown {
            let reference = &self.references[*position];
            self.agents[*position] = Agents::unexplored(reference, strategy);
        }
        Ok(true)
    }

    /// Asks the queries of a round; whether there were any.
    fn ask(
        &mut self,
        round: u32,
        queries: &mut Queries<'_>,
        oracle: &mut dyn Oracle,
    ) -> Result<bool, OnlineError> {
        let config = &self.learner.config;
        let left = config.label_budget.map_or(u64::MAX, |most| most - self.n_queries());
        let wanted = usize::try_from(left.min(u64::from(config.labels_per_round)));
        let wanted = wanted.expect("a number of labels a round");
        let queries = queries.draw(&self.menus, &self.agents, wanted, round);
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

    fn stage(&self, round: u32) -> Stage<'_> {
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

    fn report(&self, round: u32, fit: FitEvidence) -> RoundReport {
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

    fn n_labels(&self) -> usize {
        self.comparisons.iter().filter(|c| c.weight.get() > 0.0).count()
    }

    fn event(&self, round: u32, suboptimality_bound: f64) -> Round<'_> {
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

    /// Projects the best main agents onto the class, and recomputes the bounds of what it plays.
    fn project<M: ConfidenceWidth, C: PolicyClass>(
        &self,
        best: &Best<M>,
        class: &C,
    ) -> Result<(C::Policy, Vec<OnlinePromptReport>), OnlineError> {
        let target = |(menu, agents): (_, &Agents)| Target {
            menu,
            distribution: agents.main.clone(),
            weight: Weight::ONE,
        };
        let targets: Vec<Target<'_>> = self.menus.iter().zip(&best.agents).map(target).collect();
        let policy = class.project(&targets, None).map_err(OnlineError::Project)?;
        let config = &self.learner.config;
        let report = |(menu, reference): (nlhf_core::Menu<'_>, &Profile)| {
            let row = policy.distribution(menu);
            let payoff = best.model.pessimistic_game(menu, config.scale);
            let game = RegularizedGame::new(&payoff, reference, config.eta)
                .expect("the reference was checked against its menu before the round");
            let profile = Profile { column: game.best_column_response(&row), row };
            let suboptimality_bound = game.certify(&profile).worst_shortfall();
            let estimate = best.model.game(menu, config.scale);
            let game = RegularizedGame::new(&estimate, reference, config.eta)
                .expect("the reference was checked against its menu before the round");
            let profile = Profile::symmetric(profile.row);
            let duality_gap = game.certify(&profile).duality_gap;
            let (prompt, policy) = (menu.prompt(), profile.row);
            OnlinePromptReport { prompt, policy, duality_gap, suboptimality_bound }
        };
        let reports = self.menus.iter().zip(&self.references).map(report).collect();
        Ok((policy, reports))
    }
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
