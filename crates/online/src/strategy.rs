//! Strategies: whom a round asks about, and what it would return.
//!
//! The loop of asking, fitting and certifying is the same for all methods; they differ in what a strategy makes of one prompt.
//! A strategy keeps nothing between rounds: what it needs of the past is in the comparisons and in the agents of
//! the round before, so that a run is decided by its labels.

use crate::{Agents, OnlineConfig};
use nlhf_core::{
    Comparison, ConfidenceWidth, DenseGame, Distribution, Menu, NashSolver, Profile,
    RegularizedGame, Solution, SolveError, Status, Stream, WorkspaceRng, ZeroSumGame,
};
use std::fmt::Debug;

/// Two policies whose responses are compared.
#[derive(Debug, Clone, PartialEq)]
pub struct Pairing {
    /// Whence one response is drawn.
    pub first: Distribution,
    /// Whence the other is drawn, given that it is not the first.
    pub second: Distribution,
}

/// What a strategy makes of one prompt.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// What it would return now.
    pub main: Distribution,
    /// Whom the next round asks about, each pairing alike; at least one.
    pub asks: Vec<Pairing>,
    /// The duality gap of `main` in the estimated game, where it is meant to be the equilibrium; 0 elsewhere.
    pub duality_gap: f64,
    /// Why the solver stopped.
    pub status: Status,
    /// What `main` loses at most if the widths of policies hold and the worst opponent was found, in payoff units.
    pub policy_level_bound: Option<f64>,
}

impl Plan {
    /// The equilibrium of an estimate, and who plays whom next.
    pub fn of_equilibrium(solution: Solution, asks: Vec<Pairing>) -> Self {
        Self {
            main: solution.profile.row,
            asks,
            duality_gap: solution.certificate.duality_gap,
            status: solution.status,
            policy_level_bound: None,
        }
    }

    /// A policy that is no equilibrium and is not meant to be one.
    pub fn of_policy(main: Distribution, asks: Vec<Pairing>) -> Self {
        let (duality_gap, status, policy_level_bound) = (0.0, Status::Converged, None);
        Self { main, asks, duality_gap, status, policy_level_bound }
    }
}

/// What is known of one prompt after a fit.
#[derive(Clone, Copy)]
pub struct PromptRound<'a> {
    /// Counted from one.
    pub round: u32,
    /// The settings of the run.
    pub config: &'a OnlineConfig,
    /// The position of the prompt among the menus.
    pub position: usize,
    /// The prompt and its candidates.
    pub menu: Menu<'a>,
    /// The reference of both players.
    pub reference: &'a Profile,
    /// The agents of the round before; the reference against itself before the first. Where candidates were added they do
    /// not fit the menu and are those of the reference again.
    pub previous: &'a Agents,
    /// The preference fitted to all labels.
    pub model: &'a dyn ConfidenceWidth,
    /// Its payoffs on this menu.
    pub estimate: &'a DenseGame,
    /// The half-widths of these payoffs, row-major.
    pub widths: &'a [f64],
    /// These payoffs less their widths, as bad for the row player as they may be.
    pub feared: &'a DenseGame,
    /// The labels on this prompt, in the order asked.
    pub comparisons: &'a [Comparison],
    /// Solves games.
    pub solver: &'a dyn NashSolver,
}

impl Debug for PromptRound<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PromptRound")
            .field("round", &self.round)
            .field("menu", &self.menu)
            .finish_non_exhaustive()
    }
}

impl<'a> PromptRound<'a> {
    /// The game of other payoffs on this menu.
    ///
    /// # Panics
    /// If the payoffs do not fit the menu.
    pub fn regularized(&self, payoff: &'a dyn ZeroSumGame) -> RegularizedGame<'a> {
        RegularizedGame::new(payoff, self.reference, self.config.eta)
            .expect("the reference was checked against its menu, and payoffs fit it")
    }

    /// The equilibrium of the estimate, searched from the main agent of the round before.
    ///
    /// # Errors
    /// [`SolveError`] if the solver breaks down.
    pub fn equilibrium(&self) -> Result<Solution, SolveError> {
        let start = Profile::symmetric(self.previous.main.clone());
        self.solver.solve(&self.regularized(self.estimate), &start, &mut ())
    }

    /// Random numbers for this prompt and round alone.
    pub fn rng(&self) -> WorkspaceRng {
        let unit = u32::try_from(self.position).unwrap_or(u32::MAX);
        let mut rng = self.config.seed.rng(Stream::Strategy, unit);
        rng.set_word_pos(u128::from(self.round) << 32);
        rng
    }
}

/// Decides, prompt by prompt, what to ask next. Two methods to write.
///
/// # Laws
/// * A plan has a pairing, and all its policies have one entry a response of the menu.
/// * It is decided by the [`PromptRound`], its random numbers included.
pub trait Strategy: Send + Sync + Debug {
    /// A short name in lower case, as shown in reports.
    fn name(&self) -> &'static str;

    /// The plan for one prompt after a fit.
    ///
    /// # Errors
    /// [`SolveError`] if a game cannot be solved.
    fn plan(&self, prompt: &PromptRound<'_>) -> Result<Plan, SolveError>;

    /// Whom the first round asks about, before anything is known; the reference against itself unless told otherwise.
    fn opening(&self, reference: &Distribution) -> Vec<Pairing> {
        vec![Pairing { first: reference.clone(), second: reference.clone() }]
    }

    /// Whether it plays log-odds only.
    fn log_odds_only(&self) -> bool {
        false
    }
}
