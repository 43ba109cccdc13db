//! The offline learner: fit, be pessimistic, solve every prompt, project, certify again.

use crate::evidence::fit_with_evidence;
use crate::solving::{Found, PromptGame};
use crate::version_space::Ensemble;
use crate::{OfflineConfig, OfflineReport, Pessimism, PromptReport};
use nlhf_core::{
    Comparison, ConfidenceWidth, Distribution, FitError, FitPreference, GameError, Menu, Menus,
    NashSolver, Observer, Policy, PolicyClass, Projected, ProjectionError, PromptId, SolveError,
    Target, Weight,
};
use nlhf_nash::in_class::{InClassError, Restriction};
use nlhf_nash::{Automatic, VersionSpaceError};
use rayon::prelude::*;
use std::sync::Arc;

/// What an offline run learns from.
#[derive(Clone, Copy)]
pub struct OfflineData<'a> {
    /// Comparisons that may be fitted to.
    pub training: &'a [Comparison],
    /// Comparisons that the data set names as held out: used for evidence, never fitted to. If empty,
    /// a share of the training rows is held out for the evidence and then fitted to as well.
    pub held_out: &'a [Comparison],
    /// The candidates of each prompt.
    pub menus: &'a Menus,
    /// The policy that the KL term is measured from.
    pub reference: &'a dyn Policy,
}

impl std::fmt::Debug for OfflineData<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OfflineData")
            .field("training", &self.training.len())
            .field("held_out", &self.held_out.len())
            .field("menus", &self.menus.len())
            .finish_non_exhaustive()
    }
}

/// Where a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OfflineEvent {
    /// The preference model is fitted.
    Fitted,
    /// So many prompts are solved, of so many.
    Solved {
        /// Solved so far.
        done: usize,
        /// All prompts.
        total: usize,
    },
    /// So many projections were spent within the policy class, of so many at most.
    Restricted {
        /// Spent so far.
        projections: usize,
        /// The limit.
        limit: usize,
    },
}

/// What stops an offline run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OfflineError {
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
    /// There is no prompt to find a policy for.
    #[error("offline learning needs at least one prompt with candidates")]
    NoPrompts,
    /// The preference model cannot be fitted.
    #[error("cannot fit the preference model")]
    Fit(#[source] FitError),
    /// The reference does not fit a menu.
    #[error("the reference policy does not fit the menu of {prompt:?}")]
    Reference {
        /// The prompt.
        prompt: PromptId,
        /// How it does not fit.
        #[source]
        source: GameError,
    },
    /// A game cannot be solved.
    #[error("cannot solve the game of {prompt:?}")]
    Solve {
        /// The prompt.
        prompt: PromptId,
        /// Why not.
        #[source]
        source: SolveError,
    },
    /// A model that knows no finite set of preferences.
    #[error(
        "pessimism over a version space needs a model that is a finite class or an ensemble, but {model} is neither"
    )]
    NoVersionSpace {
        /// [`FitPreference::name`] of the model.
        model: &'static str,
    },
    /// The game over the version space cannot be solved.
    #[error("cannot solve the game over the version space")]
    VersionSpace(#[source] VersionSpaceError),
    /// The policy class cannot take the equilibria.
    #[error("cannot project the equilibria onto the policy class")]
    Project(#[source] ProjectionError),
    /// The policy class cannot be searched for what is best in it.
    #[error("cannot find what is best within the policy class")]
    InClass(#[source] InClassError),
    /// The observer asked to stop.
    #[error("stopped after {done} of {total} prompts")]
    Stopped {
        /// Prompts solved.
        done: usize,
        /// All prompts.
        total: usize,
    },
}

/// What an offline run returns.
#[derive(Debug)]
#[must_use]
pub struct OfflineResult<M, P> {
    /// The fitted preference.
    pub model: M,
    /// The learned policy, a member of the policy class.
    pub policy: P,
    /// Evidence, certificates and bounds.
    pub report: OfflineReport,
}

/// Pessimistic equilibrium learning for any confidence-carrying model, any policy class and any solver.
#[derive(Clone)]
pub struct OfflineLearner {
    config: OfflineConfig,
    solver: Arc<dyn NashSolver>,
}

impl std::fmt::Debug for OfflineLearner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OfflineLearner")
            .field("config", &self.config)
            .field("solver", &self.solver.name())
            .finish()
    }
}

/// Prompts between two events: enough work to keep every thread busy.
const CHUNK: usize = 512;

impl OfflineLearner {
    /// Checks the settings.
    ///
    /// # Errors
    /// [`OfflineError::Config`] if the tolerance or the held-out share is outside its range.
    pub fn new(config: OfflineConfig) -> Result<Self, OfflineError> {
        let share = config.held_out_fraction;
        if !(0.0..1.0).contains(&share) {
            let (setting, required) = ("held_out_fraction", "in [0, 1)");
            return Err(OfflineError::Config { setting, required, given: share });
        }
        if !(0.0..f64::INFINITY).contains(&config.tolerance) {
            let (setting, required) = ("tolerance", "non-negative and finite");
            return Err(OfflineError::Config { setting, required, given: config.tolerance });
        }
        let solver = Arc::new(Automatic { tolerance: config.tolerance });
        Ok(Self { config, solver })
    }

    /// The settings.
    pub fn config(&self) -> &OfflineConfig {
        &self.config
    }

    /// With another solver, which brings a tolerance of its own.
    #[must_use]
    pub fn with_solver(mut self, solver: Arc<dyn NashSolver>) -> Self {
        self.solver = solver;
        self
    }

    /// Fits the preference, solves the game of every prompt, and projects onto the class.
    ///
    /// Prompts are solved in parallel; the result does not depend on the number of threads.
    ///
    /// # Errors
    /// [`OfflineError`]. A game that does not converge is no error: its report says so.
    pub fn learn<F, C>(
        &self,
        data: OfflineData<'_>,
        fit: &F,
        class: &C,
        observer: &mut dyn Observer<OfflineEvent>,
    ) -> Result<OfflineResult<F::Model, C::Policy>, OfflineError>
    where
        F: FitPreference,
        F::Model: ConfidenceWidth,
        C: PolicyClass,
    {
        let total = data.menus.len();
        if total == 0 {
            return Err(OfflineError::NoPrompts);
        }
        let (fitted, held_out) = fit_with_evidence(fit, data.training, data.held_out, &self.config)
            .map_err(OfflineError::Fit)?;
        if observer.observe(&OfflineEvent::Fitted).is_break() {
            return Err(OfflineError::Stopped { done: 0, total });
        }

        let model = &fitted.model;
        let (policy, found, version_space, restriction) = match self.config.pessimism {
            Pessimism::VersionSpace => {
                let space = model.version_space();
                let space = space.ok_or(OfflineError::NoVersionSpace { model: fit.name() })?;
                let ensemble =
                    Ensemble::new(data.menus, model, space, data.reference, &self.config);
                let mut together = ensemble.solve()?;
                let Projected { policy, excess_nats } =
                    project(class, data.menus, &together.prompts)?;
                let played: Vec<Distribution> =
                    data.menus.iter().map(|menu| policy.distribution(menu)).collect();
                let both = || played.iter().zip(&together.prompts);
                let mut restriction = None;
                if both().any(|(played, found)| *played != found.policy) {
                    let nats = both().map(|(played, found)| found.policy.kl_nats(played));
                    let kl_nats = nats.sum::<f64>() / total as f64;
                    let free = together.report.suboptimality_bound;
                    together = ensemble.certify(together, played)?;
                    let projected = together.report.suboptimality_bound;
                    restriction =
                        Some(Restriction::of_projection(free, projected, kl_nats, excess_nats));
                }
                // All prompts are one game: there is nothing to report before, and nothing left to stop.
                let _ = observer.observe(&OfflineEvent::Solved { done: total, total });
                (policy, together.prompts, Some(together.report), restriction)
            }
            Pessimism::Bonus | Pessimism::None => {
                let found = self.solve(model, data, observer)?;
                let projected = project(class, data.menus, &found)?;
                let (policy, restriction) =
                    self.restrict(model, data, class, &found, projected, observer)?;
                let found: Result<Vec<Found>, OfflineError> = found
                    .into_par_iter()
                    .enumerate()
                    .map(|(at, found)| {
                        // What the class plays need not be what was solved for; if it is, its certificate is at hand.
                        let menu = data.menus.get(at);
                        let played = policy.distribution(menu);
                        if played == found.policy {
                            return Ok(found);
                        }
                        self.prompt(model, menu, data.reference).certify(found, played)
                    })
                    .collect();
                (policy, found?, None, restriction)
            }
        };
        let mut n_comparisons = vec![0; total];
        for comparison in data.training {
            if comparison.first == comparison.second || comparison.weight.get() == 0.0 {
                continue;
            }
            if let Some(position) = data.menus.position(comparison.prompt) {
                n_comparisons[position] += 1;
            }
        }
        let prompts = data.menus.iter().zip(found).zip(n_comparisons);
        // Widths of zero are no confidence.
        let claimed = fitted.evidence.width_multiplier != Some(0.0) || version_space.is_some();
        let prompts = prompts.map(|((menu, found), n)| {
            let report = self.report(menu, data.reference, found, n);
            if claimed {
                return report;
            }
            PromptReport { suboptimality_bound: None, exploitability_bound: None, ..report }
        });
        let report = OfflineReport {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            config: self.config.clone(),
            fit: fitted.evidence,
            held_out,
            policy_class: class.name().to_owned(),
            version_space,
            restriction,
            prompts: prompts.collect(),
        };
        Ok(OfflineResult { model: fitted.model, policy, report })
    }

    /// Solves every prompt by itself.
    fn solve<M: ConfidenceWidth>(
        &self,
        model: &M,
        data: OfflineData<'_>,
        observer: &mut dyn Observer<OfflineEvent>,
    ) -> Result<Vec<Found>, OfflineError> {
        let total = data.menus.len();
        let mut all = Vec::with_capacity(total);
        while all.len() < total {
            let chunk = all.len()..total.min(all.len() + CHUNK);
            let solve = |at| {
                self.prompt(model, data.menus.get(at), data.reference).solve(self.solver.as_ref())
            };
            let solved: Result<Vec<Found>, OfflineError> =
                chunk.into_par_iter().map(solve).collect();
            all.extend(solved?);
            let done = all.len();
            if observer.observe(&OfflineEvent::Solved { done, total }).is_break() && done < total {
                return Err(OfflineError::Stopped { done, total });
            }
        }
        Ok(all)
    }

    pub(crate) fn prompt<'a, M>(
        &'a self,
        model: &'a M,
        menu: Menu<'a>,
        reference: &'a dyn Policy,
    ) -> PromptGame<'a, M> {
        PromptGame { config: &self.config, model, menu, reference }
    }

    fn report(
        &self,
        menu: Menu<'_>,
        reference: &dyn Policy,
        found: Found,
        n_comparisons: usize,
    ) -> PromptReport {
        PromptReport {
            prompt: menu.prompt(),
            kl_nats: found.policy.kl_nats(&reference.distribution(menu)),
            policy: found.policy,
            opponent: found.opponent,
            certificate: found.certificate,
            value: self.config.scale.offset()
                - found.suboptimality_bound.unwrap_or_else(|| found.certificate.worst_shortfall()),
            suboptimality_bound: found.suboptimality_bound,
            exploitability_bound: found.exploitability_bound,
            expected_width: found.expected_width,
            n_comparisons,
            status: found.status,
            method: found.method.to_owned(),
            iterations: found.iterations,
        }
    }
}

/// The member of a class nearest to what was found.
fn project<C: PolicyClass>(
    class: &C,
    menus: &Menus,
    found: &[Found],
) -> Result<Projected<C::Policy>, OfflineError> {
    let target = |(menu, found): (_, &Found)| {
        let distribution = found.policy.clone();
        Target { menu, distribution, weight: Weight::ONE }
    };
    let targets: Vec<Target<'_>> = menus.iter().zip(found).map(target).collect();
    class.project(&targets, None).map_err(OfflineError::Project)
}
