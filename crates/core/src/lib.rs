//! The vocabulary of Nash learning from human feedback.
//!
//! Everything that two crates of the workspace must agree on stands here, and nothing else:
//!
//! * ids and menus: [`PromptId`], [`ResponseId`], [`AnnotatorId`], [`Menu`], [`Menus`];
//! * validated scalars: [`Eta`], [`Label`], [`Weight`], [`Confidence`], and the [`Scale`] of payoffs;
//! * log-space [`Distribution`]s and [`Comparison`]s with soft labels and weights;
//! * games: [`ZeroSumGame`] and its dense, low-rank and matrix-free forms, [`RegularizedGame`] and
//!   the [`Certificate`] recomputed from whatever [`Profile`] it is shown;
//! * the extension traits: [`PreferenceModel`], [`ConfidenceWidth`], [`VersionSpace`], [`FitPreference`],
//!   [`FeatureMap`], [`Policy`], [`ParametrizedPolicy`], [`PolicyClass`], [`NashSolver`], [`Oracle`], [`Observer`];
//! * [`lbfgs`], for fits that are not convex;
//! * [`SeedTree`]: one seed, an own random stream for each purpose and unit.
//!
//! ```text
//! J(p, q) = p'Aq − KL(p‖π₀)/η + KL(q‖μ₀)/η        row player maximizes, column player minimizes
//! ```
//!
//! The source of the formulas is Ye, Xiong, Zhang, Jiang and Zhang, "A Theoretical Analysis of Nash
//! Learning from Human Feedback under General KL-Regularized Preference" (arXiv 2402.07314, 2024).

mod comparison;
mod distribution;
mod feature_map;
mod fit;
mod game;
mod ids;
pub mod lbfgs;
pub mod log_space;
pub mod logistic;
mod menu;
pub mod null_is_infinite;
mod observer;
mod oracle;
mod parametrized_policy;
mod policy;
mod preference;
mod scalar;
mod seed;
mod solver;
mod version_space;

pub use comparison::Comparison;
pub use distribution::{Distribution, DistributionError, NORMALIZATION_TOLERANCE};
pub use feature_map::FeatureMap;
pub use fit::{FitError, FitEvidence, FitPreference, FitStatus, Fitted, OrderEffect, Separation};
pub use game::{
    Certificate, DenseGame, GameError, LowRankGame, MatrixFreeGame, Profile, RegularizedGame,
    SkewFactors, StoredPayoffs, ZeroSumGame, exploitability,
};
pub use ids::{AnnotatorId, PromptId, ResponseId};
pub use menu::{Menu, MenuError, Menus};
pub use observer::Observer;
pub use oracle::{Oracle, OracleError, Outcome, Query};
pub use parametrized_policy::ParametrizedPolicy;
pub use policy::{Policy, PolicyClass, Projected, ProjectionError, Target, UniformPolicy};
pub use preference::{
    ConfidenceWidth, PreferenceModel, pairwise_slopes, pessimistic_payoffs, suboptimality,
};
pub use scalar::{Confidence, Eta, Label, ScalarError, Scale, Weight};
pub use seed::{SeedTree, Stream, WorkspaceRng};
pub use solver::{ASKED_FOR, Iteration, NashSolver, Solution, SolveError, Status};
pub use version_space::VersionSpace;
