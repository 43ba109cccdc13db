//! What stops an online run.

use nlhf_core::{FitError, OracleError, ProjectionError, PromptId, SolveError};
use nlhf_nash::in_class::InClassError;

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
    /// The strategy does not play this scale.
    #[error("the strategy {strategy} plays log-odds only, but the scale is that of probabilities")]
    Scale {
        /// [`crate::Strategy::name`].
        strategy: &'static str,
    },
    /// No prompt has two candidates that the reference plays.
    #[error(
        "online learning needs at least one prompt with two candidates that the reference plays"
    )]
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
    /// Candidates went away or changed places.
    #[error(
        "candidates may only be added at the end of a menu, but menu {position} of round {round} does not begin like that of the round before"
    )]
    Candidates {
        /// The round.
        round: u32,
        /// The position among the menus.
        position: usize,
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
    /// The oracle would not say anything.
    #[error("the oracle was asked {n_queries} queries and judged none of them")]
    NoLabels {
        /// Queries asked.
        n_queries: usize,
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
    /// The policy class cannot be searched for what is best in it.
    #[error("cannot find what is best within the policy class")]
    InClass(#[source] InClassError),
}
