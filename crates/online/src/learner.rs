//! The online learner: rounds of ask, fit, plan, certify.

use crate::queries::Queries;
use crate::run::{Best, Run};
use crate::{
    Candidates, OnlineConfig, OnlineError, OnlineReport, Optimistic, Returned, Round, StopReason,
    Strategy,
};
use nlhf_core::{
    Comparison, ConfidenceWidth, FitPreference, Fitted, Menus, NashSolver, Observer, Oracle,
    OracleError, Policy, PolicyClass,
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
    pub(crate) config: OnlineConfig,
    pub(crate) strategy: Arc<dyn Strategy>,
    pub(crate) solver: Arc<dyn NashSolver>,
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
    /// policy returned is the best since candidates were last added, or before that if nothing was learned since. Widths must be made
    /// for all candidates that may join: give `TabularFit` and `BradleyTerryFit` the menus of the last round.
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
        if !queries.is_any_left(&run.references) {
            return Err(OnlineError::NothingToAsk);
        }
        let mut latest: Option<Arc<F::Model>> = None;
        let mut best: Option<Best<F::Model>> = None;
        let mut stopped = StopReason::Rounds;
        for round in 1..=self.config.rounds {
            if round > 1 && run.grow(round, candidates.menus(round), reference, &*self.strategy)? {
                best = best.map(|best| Best { is_outgrown: true, ..best });
            }
            match run.ask(round, &mut queries, oracle) {
                Ok(true) => {}
                Ok(false) if !candidates.is_complete(round) => continue,
                Ok(false) => {
                    stopped = StopReason::NothingLeft;
                    break;
                }
                Err(OnlineError::Oracle { source: OracleError::Stopped, .. }) if best.is_some() => {
                    stopped = StopReason::Oracle;
                    break;
                }
                Err(error) => return Err(error),
            }
            let mut bound = f64::INFINITY;
            // As long as the oracle has said nothing there is nothing to learn from.
            if run.n_labels() > 0 {
                let fitted = match &latest {
                    Some(model) => fit.refit(&run.comparisons, model),
                    None => fit.fit(&run.comparisons),
                };
                let Fitted { model, evidence } =
                    fitted.map_err(|source| OnlineError::Fit { round, source })?;
                let model = Arc::new(model);
                run.agents = run.stage(round).agents(&*model, &run.agents)?;
                let report = run.report(round, evidence);
                bound = report.suboptimality_bound;
                run.trace.push(report);
                let last = self.config.returned == Returned::Last;
                let is_better = |best: &Best<_>| best.is_outgrown || bound < best.bound;
                if last || best.as_ref().is_none_or(is_better) {
                    best = Some(run.best(round, bound, Arc::clone(&model)));
                }
                latest = Some(model);
            }
            let flow = observer.observe(&run.event(round, bound));
            let is_complete = candidates.is_complete(round);
            if flow.is_break() {
                stopped = StopReason::Observer;
            } else if is_complete && self.config.target_bound.is_some_and(|most| bound <= most) {
                stopped = StopReason::TargetBound;
            } else if self.config.label_budget.is_some_and(|most| run.n_queries() >= most) {
                stopped = StopReason::LabelBudget;
            }
            if stopped != StopReason::Rounds {
                break;
            }
        }
        let Some(best) = best else {
            return Err(OnlineError::NoLabels { n_queries: run.comparisons.len() });
        };
        let (policy, restriction, prompts) = run.project(&best, class)?;
        let report = OnlineReport {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            config: self.config.clone(),
            strategy: self.strategy.name().to_owned(),
            policy_class: class.name().to_owned(),
            rounds: run.trace,
            best_round: best.round,
            restriction,
            stopped,
            prompts,
        };
        let (menus, comparisons) = ((*best.menus).clone(), run.comparisons);
        drop(latest);
        let model = Arc::into_inner(best.model).expect("the best round alone holds its model");
        Ok(OnlineResult { model, policy, menus, comparisons, report })
    }
}
