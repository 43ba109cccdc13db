//! Preference models: from comparisons to `P(a ≻ b | x)`, with confidence.
//!
//! | fit | log-odds R(x, a, b) | cycles | unseen responses |
//! |---|---|---|---|
//! | [`TabularFit`] | logit of (wins + ½) / (n + 1) | yes | no |
//! | [`BradleyTerryFit`] | r(a) − r(b) | no | no |
//! | [`DavidsonFit`] | logit of P(win) + P(tie)/2, a score a response and a tie parameter | no | no |
//! | [`ContextualFit`] | s(x, a) − s(x, b), s(x, a) = r(a) + w(a)'ψ(x) | no | no, but unseen prompts |
//! | [`LowRankFit::items`] | s(a) − s(b) + u(a)'v(b) − v(a)'u(b) | yes | no |
//! | [`FeatureFit::linear`] | θ'(φ(x, a) − φ(x, b)) | no | yes |
//! | [`FeatureFit::bilinear`] | ψ(x, a)'Θψ(x, b), Θ skew | yes | yes |
//! | [`LowRankFit::features`] | as of items, s, u and v linear in φ(x, a) | yes | yes |
//! | [`LowRankFit::network`] | as of items, s, u and v from a small network of φ(x, a) | yes | yes |
//!
//! All are maximum-likelihood estimates for labels in [0, 1] (ties are ½) with weights, held finite by a
//! ridge or a bound, and all know how far off they may be
//! ([`nlhf_core::ConfidenceWidth`]), the low-rank ones no more than their bound. A [`Crowd`] is a
//! known truth to learn from, and a [`SimulatedOracle`] answers queries from any model. [`coverage()`] tells how well data
//! cover a policy, and which comparisons are missing.
//!
//! Formulas: Ye et al. (arXiv 2402.07314), sections 2 and 3.

mod any_model;
mod arrow;
mod bootstrap;
mod bounded;
mod bradley_terry;
mod candidates;
mod cells;
mod config;
mod contextual;
mod contextual_model;
mod counts;
mod coverage;
mod crowd;
mod davidson;
mod embedding;
mod evaluation;
pub mod evidence;
mod fast_hash;
mod feature_fit;
mod feature_model;
mod features;
mod finite;
mod groups;
mod item_scores;
mod linear_estimate;
mod logistic_kernel;
mod low_rank;
mod low_rank_loss;
mod low_rank_model;
mod newton;
mod order;
mod pair_map;
mod planes;
mod projection;
mod quasi_newton;
mod resampling;
mod rows;
mod sandwich;
mod saved;
mod score_design;
mod simulated;
mod tabular;
mod win_table;

pub use any_model::AnyModel;
pub use bootstrap::{BootstrapFit, BootstrapModel};
pub use bradley_terry::{BradleyTerryFit, BradleyTerryModel};
pub use config::{LogisticConfig, WidthMultiplier};
pub use contextual::ContextualFit;
pub use contextual_model::{ContextualModel, ContextualParameters};
pub use counts::{PairCount, PairCounts};
pub use coverage::{
    COVERAGE_LIMIT, Carrier, Coverage, Direction, Play, PromptCoverage, bradley_terry_coverage,
    coverage, finite_coverage, linear_coverage, tabular_coverage,
};
pub use crowd::{Crowd, CrowdConfig};
pub use davidson::{DavidsonFit, DavidsonModel, TieParameter};
pub use evaluation::{Evaluation, evaluate};
pub use feature_fit::{FeatureFit, FeatureFitError};
pub use feature_model::FeatureModel;
pub use features::{FeatureError, FeatureTable, Features};
pub use finite::{FiniteClassFit, FiniteClassModel, FiniteWidth};
pub use low_rank::LowRankFit;
pub use low_rank_model::LowRankModel;
pub use projection::Projection;
pub use resampling::Cluster;
pub use sandwich::{LinearInParameters, RobustErrors};
pub use saved::{FeatureShape, SavedFeatures, SavedModel, SavedModelError, Surroundings};
pub use simulated::SimulatedOracle;
pub use tabular::{TabularFit, TabularModel};
pub use win_table::{ItemBeyondTable, WinTable};
