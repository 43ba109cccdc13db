//! Methods that are compared in one loop: a strategy each, same model, same oracle, same certificate.
//!
//! | name | main agent | asks | source |
//! |---|---|---|---|
//! | `optimistic`, … | equilibrium | main, enhancer | [`crate::Optimistic`] |
//! | `greedy` | equilibrium | main, reference | [`Greedy`] |
//! | `uniform-pairs` | equilibrium | uniform, uniform | [`UniformPairs`] |
//! | `self-play` | equilibrium | main, main | [`SelfPlay`] |
//! | `best-of-n` | equilibrium | main, its best draw | [`BestOfN`] |
//! | `best-against-worst` | equilibrium | best draw, worst draw | [`BestOfN::against_worst`] |
//! | `double-thompson` | equilibrium | two posterior samples | [`DoubleThompson`] |
//! | `greedy-exploration` | equilibrium | main, uniform | [`GreedyExploration`] |
//! | `explore-then-commit` | equilibrium, then frozen | uniform, uniform, then main, main | [`ExploreThenCommit`] |
//! | `optimistic-matrix-game` | equilibrium | main, enhancer, by turns | [`OptimisticMatrixGame`] |
//! | `explicit-exploration` | average of mirror steps | iterate, explorer | [`ExplicitExploration`] |
//! | `online-dpo` | DPO on all labels | main, main | [`OnlineDpo`] |
//! | `xpo` | optimistic DPO | main, reference | [`Xpo`] |
//!
//! All run on the labels of their own queries; [`all`] lists them with the defaults.

mod best_of_n;
mod double_thompson;
mod explicit_exploration;
mod explore_then_commit;
mod greedy;
mod implicit_reward;
mod newton;
mod online_dpo;
mod optimistic_matrix_game;
mod places;
mod self_play;
mod uniform_pairs;
mod xpo;

pub use best_of_n::BestOfN;
pub use double_thompson::DoubleThompson;
pub use explicit_exploration::ExplicitExploration;
pub use explore_then_commit::{Exploration, ExploreThenCommit, GreedyExploration};
pub use greedy::Greedy;
pub use online_dpo::OnlineDpo;
pub use optimistic_matrix_game::OptimisticMatrixGame;
pub use self_play::SelfPlay;
pub use uniform_pairs::UniformPairs;
pub use xpo::Xpo;

use crate::{Enhancer, OnlineError, Optimistic, Strategy};
use nlhf_core::{Distribution, Scale};
use std::sync::Arc;

/// Every strategy that plays the scale, with its defaults, each under a [`Strategy::name`] of its own.
///
/// # Panics
/// Never: the defaults are valid.
pub fn all(scale: Scale) -> Vec<Arc<dyn Strategy>> {
    let optimistic = |enhancer| Optimistic::new(enhancer, 1.0).expect("1 is a valid factor");
    let all: Vec<Arc<dyn Strategy>> = vec![
        Arc::new(optimistic(Enhancer::OptimisticOpponent)),
        Arc::new(optimistic(Enhancer::ConfidenceSet)),
        Arc::new(optimistic(Enhancer::PolicyWidth)),
        Arc::new(Greedy),
        Arc::new(UniformPairs),
        Arc::new(SelfPlay),
        Arc::new(BestOfN::default()),
        Arc::new(BestOfN::default().against_worst()),
        Arc::new(DoubleThompson::default()),
        Arc::new(GreedyExploration),
        Arc::new(ExploreThenCommit::default()),
        Arc::new(OptimisticMatrixGame),
        Arc::new(ExplicitExploration::default()),
        Arc::new(OnlineDpo::default()),
        Arc::new(Xpo::default()),
    ];
    let plays = |strategy: &Arc<dyn Strategy>| scale == Scale::LogOdds || !strategy.log_odds_only();
    all.into_iter().filter(plays).collect()
}

/// The strategy of [`all`] with this name.
pub fn named(name: &str, scale: Scale) -> Option<Arc<dyn Strategy>> {
    all(scale).into_iter().find(|strategy| strategy.name() == name)
}

/// All that the reference plays alike; what it never plays is no competitor either.
fn uniform(reference: &Distribution) -> Distribution {
    let logs = reference.log_probabilities().iter();
    let masses: Vec<f64> = logs.map(|log_p| f64::from(*log_p > f64::NEG_INFINITY)).collect();
    Distribution::from_masses(&masses).expect("a reference plays something")
}

fn non_negative(setting: &'static str, given: f64) -> Result<f64, OnlineError> {
    if (0.0..f64::INFINITY).contains(&given) {
        return Ok(given);
    }
    Err(OnlineError::Config { setting, required: "non-negative and finite", given })
}

fn positive(setting: &'static str, given: f64) -> Result<f64, OnlineError> {
    if given > 0.0 && given.is_finite() {
        return Ok(given);
    }
    Err(OnlineError::Config { setting, required: "positive and finite", given })
}
