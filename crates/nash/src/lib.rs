//! Certified equilibria of KL-regularized two-player zero-sum games.
//!
//! ```text
//! max_p min_q  p'Aq − KL(p‖π₀)/η + KL(q‖μ₀)/η
//! ```
//! Every method takes a [`RegularizedGame`] and returns a [`Solution`]: the profile, and the
//! certificate recomputed from that very profile. Not converging is a [`Status`], never silent.
//!
//! | solver | games | cost |
//! |---|---|---|
//! | [`ClosedForm`] | symmetric, one or two actions | O(1) |
//! | [`Newton`] | any whose entries fit in memory | 2 to 40 factorizations |
//! | [`NewtonKrylov`] | large, also matrix-free, moderate η | 5 to 100 products |
//! | [`LowRankNewton`] | symmetric of low rank, to 10⁶ actions | 3 to 20 passes over the features |
//! | [`Batch`] | 10³ to 10⁷ small ones at once | a fraction of a microsecond each at 8 actions |
//! | [`MirrorProx`] | any, also matrix-free | (1 + ηB) log(1/gap) pairs of products |
//! | [`Automatic`] | picks among them, and falls back | |
//!
//! [`published`] has the first-order methods of the literature, to compare with.
//! [`MaximalEntropyWinner`] finds what equilibria converge to as η → ∞: the unregularized equilibrium
//! that is nearest to the references, with its support proved. [`VersionSpaceGame`] finds the policies
//! that hold against every preference of a set. [`EquilibriumPath`] follows the
//! equilibrium in η and reports where the support changes. [`in_class`] looks for the best policies that a policy class can
//! play.
//!
//! ```
//! use nlhf_core::{DenseGame, Eta, NashSolver, Profile, RegularizedGame, Status};
//! use nlhf_nash::Automatic;
//!
//! // Rock, paper, scissors with unequal stakes: no single answer wins, so reward models fail here.
//! let preference = [0.5, 0.2, 0.95, 0.8, 0.5, 0.2, 0.05, 0.8, 0.5];
//! let payoff = DenseGame::from_probabilities(3, &preference)?;
//! let reference = Profile::uniform(3, 3);
//! let game = RegularizedGame::new(&payoff, &reference, Eta::new(10.0)?)?;
//! let solution = Automatic::default().solve(&game, &reference, &mut ())?;
//! assert_eq!(solution.status, Status::Converged);
//! assert!(solution.certificate.duality_gap < 1e-12);
//! let policy = solution.profile.row.probabilities();
//! assert!((policy[1] - 0.40838).abs() < 1e-5);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`RegularizedGame`]: nlhf_core::RegularizedGame
//! [`Solution`]: nlhf_core::Solution
//! [`Status`]: nlhf_core::Status

mod automatic;
mod batch;
mod cholesky;
mod closed_form;
mod continuation;
pub mod in_class;
mod krylov;
mod low_rank;
mod lu;
mod mirror_prox;
mod newton;
mod path;
pub mod published;
mod simd;
mod skew_system;
mod slopes;
mod support;
mod two_player_system;
mod version_space;
mod winner;

pub use automatic::Automatic;
pub use batch::{Batch, BatchGame, BatchOutcome, BatchSolution, BatchSolutions};
pub use closed_form::ClosedForm;
pub use krylov::NewtonKrylov;
pub use low_rank::LowRankNewton;
pub use mirror_prox::MirrorProx;
pub use newton::Newton;
pub use path::{
    EquilibriumPath, PathEnd, PathError, PathPoint, PathPolicy, PathSettings, Side, SupportChange,
};
pub use version_space::{
    Context, Shortfalls, VersionSpaceCertificate, VersionSpaceError, VersionSpaceGame,
    VersionSpaceSolution,
};
pub use winner::{Face, MaximalEntropyWinner, Winner};
