//! Nash learning from human feedback: from comparisons to a certified policy that no competitor beats.
//!
//! This crate has no logic of its own. It names the layers, each of which can be used alone:
//! [`core`] (vocabulary and traits), [`preference`] (models with confidence), [`nash`] (solvers),
//! [`policy`] (policy classes), [`offline`] and [`online`] (learners), [`judge`] (oracles that reach outside), [`data`]
//! (files).
//! The README of the workspace has a worked example; `docs/extending.md` shows how to add to it.

pub use nlhf_core as core;
pub use nlhf_data as data;
pub use nlhf_judge as judge;
pub use nlhf_nash as nash;
pub use nlhf_offline as offline;
pub use nlhf_online as online;
pub use nlhf_policy as policy;
pub use nlhf_preference as preference;

pub mod prelude;

#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct ReadmeDoctests;

#[cfg(doctest)]
#[doc = include_str!("../../../docs/extending.md")]
struct ExtendingDoctests;

#[cfg(doctest)]
#[doc = include_str!("../../../docs/online.md")]
struct OnlineDoctests;

#[cfg(doctest)]
#[doc = include_str!("../../../docs/policy.md")]
struct PolicyDoctests;
