//! Equilibria inside a policy class, against classes whose answers are known.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod competitor;
mod edges;
mod least_shortfall;
mod log_linear;
mod regression;
mod self_play;
mod tabular;
mod world;
