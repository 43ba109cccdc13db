//! The offline learner: fit, be pessimistic, solve every prompt, project, certify again.

use crate::evidence::fit_with_evidence;
use crate::{OfflineConfig, OfflineReport, Pessimism, PromptReport};
use nlhf_core::{
    Comparison, ConfidenceWidth, DenseGame, FitError, FitPreference, GameError, Menu, Menus,
    NashSolver, Observer, Policy, PolicyClass, Profile, ProjectionError, PromptId, RegularizedGame,
    Solution, SolveError, Target, Weight,
};
use nlhf_nash::Automatic;
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
    /// The policy class cannot take the equilibria.
    #[error("cannot project the equilibria onto the policy class")]
    Project(#[source] ProjectionError),
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

        let mut solutions = Vec::with_capacity(total);
        while solutions.len() < total {
            let chunk = solutions.len()..total.min(solutions.len() + CHUNK);
            let solved: Result<Vec<_>, _> = chunk
                .into_par_iter()
                .map(|at| self.solve(&fitted.model, data.menus.get(at), data.reference))
                .collect();
            solutions.extend(solved?);
            let done = solutions.len();
            if observer.observe(&OfflineEvent::Solved { done, total }).is_break() && done < total {
                return Err(OfflineError::Stopped { done, total });
            }
        }

        let targets: Vec<Target<'_>> = data
            .menus
            .iter()
            .zip(&solutions)
            .map(|(menu, solution)| Target {
                menu,
                distribution: solution.profile.row.clone(),
                weight: Weight::ONE,
            })
            .collect();
        let policy = class.project(&targets, None).map_err(OfflineError::Project)?;
        let mut n_comparisons = vec![0; total];
        for comparison in data.training {
            if comparison.first == comparison.second || comparison.weight.get() == 0.0 {
                continue;
            }
            if let Some(position) = data.menus.position(comparison.prompt) {
                n_comparisons[position] += 1;
            }
        }
        let prompts: Result<Vec<PromptReport>, OfflineError> = solutions
            .into_par_iter()
            .enumerate()
            .map(|(at, solution)| {
                let menu = data.menus.get(at);
                let played = policy.distribution(menu);
                let report = self.certify(&fitted.model, menu, data.reference, solution, played)?;
                Ok(PromptReport { n_comparisons: n_comparisons[at], ..report })
            })
            .collect();
        let report = OfflineReport {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            config: self.config.clone(),
            fit: fitted.evidence,
            held_out,
            policy_class: class.name().to_owned(),
            prompts: prompts?,
        };
        Ok(OfflineResult { model: fitted.model, policy, report })
    }

    /// The payoffs that are played on a menu.
    fn game(&self, model: &impl ConfidenceWidth, menu: Menu<'_>) -> DenseGame {
        match self.config.pessimism {
            Pessimism::Bonus => model.pessimistic_game(menu, self.config.scale),
            Pessimism::None => model.game(menu, self.config.scale),
        }
    }

    fn solve(
        &self,
        model: &impl ConfidenceWidth,
        menu: Menu<'_>,
        reference: &dyn Policy,
    ) -> Result<Solution, OfflineError> {
        let payoff = self.game(model, menu);
        let reference = Profile::symmetric(reference.distribution(menu));
        let game = regularized(&payoff, &reference, &self.config, menu)?;
        let prompt = menu.prompt();
        let solved = self.solver.solve(&game, &reference, &mut ());
        solved.map_err(|source| OfflineError::Solve { prompt, source })
    }

    /// Certifies what the class plays, which need not be what was solved for; if it is, its certificate
    /// is at hand.
    fn certify(
        &self,
        model: &impl ConfidenceWidth,
        menu: Menu<'_>,
        reference: &dyn Policy,
        solution: Solution,
        played: nlhf_core::Distribution,
    ) -> Result<PromptReport, OfflineError> {
        let reference = Profile::symmetric(reference.distribution(menu));
        let exact = played == solution.profile.row;
        let profile = Profile { row: played, column: solution.profile.column };
        let certificate = if exact {
            solution.certificate
        } else {
            let payoff = self.game(model, menu);
            regularized(&payoff, &reference, &self.config, menu)?.certify(&profile)
        };
        let bound = match self.config.pessimism {
            Pessimism::Bonus => Some(certificate.worst_shortfall()),
            Pessimism::None => None,
        };
        Ok(PromptReport {
            prompt: menu.prompt(),
            kl_nats: profile.row.kl_nats(&reference.row),
            policy: profile.row,
            opponent: profile.column,
            certificate,
            value: certificate.value + self.config.scale.offset(),
            suboptimality_bound: bound,
            n_comparisons: 0,
            status: solution.status,
            method: solution.method.to_owned(),
            iterations: solution.iterations,
        })
    }
}

fn regularized<'a>(
    payoff: &'a DenseGame,
    reference: &'a Profile,
    config: &OfflineConfig,
    menu: Menu<'_>,
) -> Result<RegularizedGame<'a>, OfflineError> {
    RegularizedGame::new(payoff, reference, config.eta)
        .map_err(|source| OfflineError::Reference { prompt: menu.prompt(), source })
}
