//! Equilibria inside a policy class: what is best among the policies that a class can play.
//!
//! A projection of the equilibrium is the nearest member of the class, and nearest is not best: where prompts share parameters
//! it gives up what costs little likelihood and much payoff. The methods here go on from there.
//!
//! ```text
//! J_x(p, q) = p'M_x q − KL(p‖π₀)/η + KL(q‖μ₀)/η       one game a prompt,  ω_x its weight,  Σ ω_x = 1 below
//! least shortfall      min over π in C of Σ_x ω_x max_q −J_x(π, q)              the opponent plays anything
//! in-class equilibrium π in C with Σ_x ω_x J_x(π', π) ≤ 0 for every π' in C     the opponent is in C too
//! ```
//! **Two notions.** The least shortfall is what learners report: the suboptimality against every policy, and under pessimism the
//! bound on it. The in-class equilibrium is what self-play within the class leads to; no member of C beats it, others may by
//! more than they beat the first. They agree where C holds the equilibrium of every game, and in general only there.
//!
//! Prompts are coupled by the class alone. Every certificate is recomputed from what the class plays and holds against all policies.

mod competitor;
mod descent;
mod geometry;
mod least_shortfall;
mod memory;
mod natural_gradient;
mod regression;
mod regression_fit;
mod restriction;
mod self_play;

pub use competitor::{ClassCompetitor, Competitor};
pub use least_shortfall::{LeastShortfall, LeastShortfallSolution, PlayedPrompt};
pub use regression::{
    AdvantagePair, JudgedPair, RegressionLoss, nash_preference_regression, nash_regression,
};
pub use regression_fit::{NashRegressionFit, RegressionPairs, RegressionRound};
pub use restriction::{Restriction, restricted};
pub use self_play::{ClassEquilibrium, ClassSelfPlay, SelfPlayStep};

use nlhf_core::{Menu, ProjectionError, PromptId, RegularizedGame, Weight};
use serde::{Deserialize, Serialize};

/// The game of one prompt, and how much it counts.
#[derive(Debug, Clone, Copy)]
pub struct ClassGame<'a> {
    menu: Menu<'a>,
    game: RegularizedGame<'a>,
    weight: Weight,
}

impl<'a> ClassGame<'a> {
    /// Puts the game of a menu together: rows are the responses of the menu, in its order.
    ///
    /// # Errors
    /// [`InClassError::Shape`] if the game has another number of rows than the menu has responses.
    pub fn new(
        menu: Menu<'a>,
        game: RegularizedGame<'a>,
        weight: Weight,
    ) -> Result<Self, InClassError> {
        let (prompt, required, given) = (menu.prompt(), menu.len(), game.payoff().nrows());
        if required != given {
            return Err(InClassError::Shape { prompt, required, given });
        }
        Ok(Self { menu, game, weight })
    }

    /// The menu.
    pub fn menu(&self) -> Menu<'a> {
        self.menu
    }

    /// The game, whose row player is the class.
    pub fn game(&self) -> &RegularizedGame<'a> {
        &self.game
    }

    /// How much it counts against the others.
    pub fn weight(&self) -> Weight {
        self.weight
    }
}

/// Why a search in a class ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InClassStatus {
    /// No policy, in the class or not, does better by more than the absolute tolerance: proved by certificates.
    Converged,
    /// To first order no member of the class near by does better by more than the relative tolerance.
    ///
    /// Self-play and regression look at finite gains only: from a start that plays what a reference never does, which costs without
    /// bound, they may end so with a mean shortfall of +∞.
    Stationary,
    /// No step was found that does better, however short: rounding, or a class that projects too loosely.
    Stalled,
    /// The projections or iterations asked for were used up first.
    Budget,
    /// An observer asked to stop.
    Stopped,
}

impl InClassStatus {
    /// The name as reports write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Converged => "converged",
            Self::Stationary => "stationary",
            Self::Stalled => "stalled",
            Self::Budget => "budget",
            Self::Stopped => "stopped",
        }
    }
}

/// One step of a search in a class, taken or not.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct InClassStep {
    /// Projections so far.
    pub projections: usize,
    /// The mean that is minimized, after the step; of the best policy so far. In units of the payoff.
    pub mean: f64,
    /// The length α of the step in nats a unit of payoff.
    pub step: f64,
    /// Whether it was taken.
    pub accepted: bool,
}

/// What stops a search in a class.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InClassError {
    /// A game that is not that of its menu.
    #[error("the game of {prompt:?} must have {required} rows like its menu, but has {given}")]
    Shape {
        /// The prompt.
        prompt: PromptId,
        /// Responses of the menu.
        required: usize,
        /// Rows of the game.
        given: usize,
    },
    /// A game that has no single equilibrium policy.
    #[error(
        "an equilibrium inside a class needs skew payoffs and one reference for both players, but the game of {prompt:?} has not"
    )]
    NotSymmetric {
        /// The prompt.
        prompt: PromptId,
    },
    /// A setting outside its range.
    #[error("{setting} must be {required}, but is {given}")]
    Setting {
        /// The setting.
        setting: &'static str,
        /// Its range.
        required: &'static str,
        /// What was given.
        given: f64,
    },
    /// Payoffs times η, or what a policy plays, are beyond the range of f64.
    #[error("the loss of round {round} is not finite")]
    NotFinite {
        /// The round, counted from one.
        round: usize,
    },
    /// A step that the class cannot be fitted to.
    #[error("cannot project a step onto the policy class")]
    Project(#[from] ProjectionError),
}

/// # Errors
/// [`InClassError::NotSymmetric`] for the first game that is not.
fn check_symmetric(games: &[ClassGame<'_>]) -> Result<(), InClassError> {
    match games.iter().find(|game| !game.game.is_symmetric()) {
        Some(game) => Err(InClassError::NotSymmetric { prompt: game.menu.prompt() }),
        None => Ok(()),
    }
}
