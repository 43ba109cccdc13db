//! Coverage of policies by data: against brute force, under symmetries, and where something is missing.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod brute_force;
mod case;
mod missing;
mod symmetries;
