//! The online learner: rounds of ask, fit, solve, explore.

use crate::queries;
use crate::round::agents;
use crate::{Agents, OnlineConfig, OnlinePromptReport, OnlineReport, Round, RoundReport};
use nlhf_core::{
    Comparison, ConfidenceWidth, FitError, FitPreference, Menus, NashSolver, Observer, Oracle,
    OracleError, Policy, PolicyClass, Profile, ProjectionError, PromptId, RegularizedGame,
    SolveError, Status, Target, Weight,
};
use nlhf_nash::Automatic;
use rayon::prelude::*;
use std::sync::Arc;

/// What stops an online run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OnlineError {
    /// A setting outside its range.
    #[error("{setting} must be {required}, but is {given}")]
    Config {
        /// The setting.
        setting: &'static str,
        /// Its range.
        required: &'static str,
        /// What was given.
        given: f64,
    },
    /// No prompt has two candidates to ask about.
    #[error("online learning needs at least one prompt with two candidates")]
    NothingToAsk,
    /// The reference does not fit a menu.
    #[error(
        "the reference policy of {prompt:?} has {given} entries, but its menu has {required} responses"
    )]
    Reference {
        /// The prompt.
        prompt: PromptId,
        /// The length of the menu.
        required: usize,
        /// The length of the reference.
        given: usize,
    },
    /// The oracle gave no complete batch of answers.
    #[error("the oracle failed in round {round}")]
    Oracle {
        /// The round.
        round: u32,
        /// What went wrong.
        #[source]
        source: OracleError,
    },
    /// The oracle broke its law.
    #[error("the oracle must answer {required} queries in round {round}, but answered {given}")]
    Answers {
        /// The round.
        round: u32,
        /// Queries asked.
        required: usize,
        /// Answers given.
        given: usize,
    },
    /// The preference model cannot be fitted.
    #[error("cannot fit the preference model in round {round}")]
    Fit {
        /// The round.
        round: u32,
        /// Why not.
        #[source]
        source: FitError,
    },
    /// A game cannot be solved.
    #[error("cannot solve the game of {prompt:?} in round {round}")]
    Solve {
        /// The round.
        round: u32,
        /// The prompt.
        prompt: PromptId,
        /// Why not.
        #[source]
        source: SolveError,
    },
    /// The policy class cannot take the equilibria.
    #[error("cannot project the equilibria onto the policy class")]
    Project(#[source] ProjectionError),
}

/// What an online run returns.
#[derive(Debug)]
#[must_use]
pub struct OnlineResult<M, P> {
    /// The preference fitted in the round whose policy is returned.
    pub model: M,
    /// The learned policy, a member of the policy class.
    pub policy: P,
    /// All labels that were paid for, in the order asked.
    pub comparisons: Vec<Comparison>,
    /// The trace of rounds, certificates and bounds.
    pub report: OnlineReport,
}

/// Optimistic equilibrium learning for any confidence-carrying model, any class, any solver.
#[derive(Clone)]
pub struct OnlineLearner {
    config: OnlineConfig,
    solver: Arc<dyn NashSolver>,
}

impl std::fmt::Debug for OnlineLearner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OnlineLearner")
            .field("config", &self.config)
            .field("solver", &self.solver.name())
            .finish()
    }
}

/// The round with the smallest certificate so far.
struct Best<M> {
    round: u32,
    bound: f64,
    model: M,
    agents: Vec<Agents>,
}

impl OnlineLearner {
    /// Checks the settings.
    ///
    /// # Errors
    /// [`OnlineError::Config`] if there is no round or label, or the tolerance is out of range.
    pub fn new(config: OnlineConfig) -> Result<Self, OnlineError> {
        for (setting, given) in
            [("rounds", config.rounds), ("labels_per_round", config.labels_per_round)]
        {
            if given == 0 {
                return Err(OnlineError::Config { setting, required: "at least 1", given: 0.0 });
            }
        }
        if !(0.0..f64::INFINITY).contains(&config.tolerance) {
            let (setting, required) = ("tolerance", "non-negative and finite");
            return Err(OnlineError::Config { setting, required, given: config.tolerance });
        }
        let solver = Arc::new(Automatic { tolerance: config.tolerance });
        Ok(Self { config, solver })
    }

    /// With another solver, which brings a tolerance of its own.
    #[must_use]
    pub fn with_solver(mut self, solver: Arc<dyn NashSolver>) -> Self {
        self.solver = solver;
        self
    }

    /// Runs the rounds and returns the main agent with the smallest certificate.
    ///
    /// An observer that breaks ends the run after its round, with what was learned so far. Prompts are
    /// solved in parallel; the result does not depend on the number of threads.
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
        if menus.n_pairs() == 0 {
            return Err(OnlineError::NothingToAsk);
        }
        let references = references(menus, reference)?;
        let mut present: Vec<Agents> = references.iter().map(unexplored).collect();
        let mut comparisons = Vec::new();
        let mut trace = Vec::new();
        let mut best: Option<Best<F::Model>> = None;
        for round in 1..=self.config.rounds {
            self.ask(round, menus, &present, oracle, &mut comparisons)?;
            let fitted =
                fit.fit(&comparisons).map_err(|source| OnlineError::Fit { round, source })?;
            present = self.agents(round, &fitted.model, menus, &references, &present)?;
            let total: f64 = present.iter().map(|agents| agents.suboptimality_bound).sum();
            let bound = total / present.len() as f64;
            trace.push(RoundReport {
                round,
                n_labels: comparisons.len(),
                suboptimality_bound: bound,
                n_unconverged: present.iter().filter(|a| a.status != Status::Converged).count(),
                max_duality_gap: present.iter().map(|a| a.duality_gap).fold(0.0, f64::max),
                fit: fitted.evidence,
            });
            let event = Round {
                round,
                rounds: self.config.rounds,
                n_labels: comparisons.len(),
                agents: &present,
                suboptimality_bound: bound,
            };
            let flow = observer.observe(&event);
            if best.as_ref().is_none_or(|best| bound < best.bound) {
                best = Some(Best { round, bound, model: fitted.model, agents: present.clone() });
            }
            if flow.is_break() {
                break;
            }
        }
        let best = best.expect("there is at least one round");
        let (policy, prompts) = self.project(&best, menus, &references, class)?;
        let report = OnlineReport {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            config: self.config.clone(),
            policy_class: class.name().to_owned(),
            rounds: trace,
            best_round: best.round,
            prompts,
        };
        Ok(OnlineResult { model: best.model, policy, comparisons, report })
    }

    fn ask(
        &self,
        round: u32,
        menus: &Menus,
        agents: &[Agents],
        oracle: &mut dyn Oracle,
        comparisons: &mut Vec<Comparison>,
    ) -> Result<(), OnlineError> {
        let n_labels = self.config.labels_per_round;
        let queries = queries::draw(menus, agents, n_labels, round, self.config.seed);
        let outcomes =
            oracle.compare(&queries).map_err(|source| OnlineError::Oracle { round, source })?;
        let (required, given) = (queries.len(), outcomes.len());
        if required != given {
            return Err(OnlineError::Answers { round, required, given });
        }
        let answered = queries.iter().zip(&outcomes);
        comparisons.extend(answered.map(|(q, o)| Comparison {
            weight: o.weight,
            ..Comparison::new(q.prompt, q.first, q.second, o.label)
        }));
        Ok(())
    }

    fn agents<M: ConfidenceWidth>(
        &self,
        round: u32,
        model: &M,
        menus: &Menus,
        references: &[Profile],
        previous: &[Agents],
    ) -> Result<Vec<Agents>, OnlineError> {
        let (eta, scale, solver) = (self.config.eta, self.config.scale, self.solver.as_ref());
        let solve = |at: usize| {
            let menu = menus.get(at);
            // The previous equilibrium is near this one: a warm start saves most iterations.
            let start = Profile::symmetric(previous[at].main.clone());
            agents(model, menu, &references[at], &start, eta, scale, solver)
                .map_err(|source| OnlineError::Solve { round, prompt: menu.prompt(), source })
        };
        (0..menus.len()).into_par_iter().map(solve).collect()
    }

    /// Projects the best main agents onto the class, and recomputes the bounds of what it plays.
    fn project<M: ConfidenceWidth, C: PolicyClass>(
        &self,
        best: &Best<M>,
        menus: &Menus,
        references: &[Profile],
        class: &C,
    ) -> Result<(C::Policy, Vec<OnlinePromptReport>), OnlineError> {
        let target = |(menu, agents): (_, &Agents)| Target {
            menu,
            distribution: agents.main.clone(),
            weight: Weight::ONE,
        };
        let targets: Vec<Target<'_>> = menus.iter().zip(&best.agents).map(target).collect();
        let policy = class.project(&targets, None).map_err(OnlineError::Project)?;
        let report = |(menu, reference): (nlhf_core::Menu<'_>, &Profile)| {
            let row = policy.distribution(menu);
            let payoff = best.model.pessimistic_game(menu, self.config.scale);
            let game = RegularizedGame::new(&payoff, reference, self.config.eta)
                .expect("the reference was checked against its menu before the first round");
            let profile = Profile { column: game.best_column_response(&row), row };
            let certificate = game.certify(&profile);
            OnlinePromptReport {
                prompt: menu.prompt(),
                policy: profile.row,
                suboptimality_bound: certificate.worst_shortfall(),
            }
        };
        let reports = menus.iter().zip(references).map(report).collect();
        Ok((policy, reports))
    }
}

/// The reference on every menu, checked once.
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

/// Before the first label: the reference against itself.
fn unexplored(reference: &Profile) -> Agents {
    Agents {
        main: reference.row.clone(),
        enhancer: reference.column.clone(),
        suboptimality_bound: f64::INFINITY,
        duality_gap: 0.0,
        status: Status::Converged,
    }
}
