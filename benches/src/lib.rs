//! Benchmarks: criterion groups with ids `group/method/size`, inputs drawn from fixed seeds.
//!
//! `cargo bench -p nlhf-benches` measures, `cargo bench -p nlhf-benches -- --test` runs each once.
//! Quote ratios of one run: machines are noisy.
//!
//! The library holds what the programs behind `cargo xtask repro` have in common: truths to learn from, statistics over
//! seeds, pictures, and the sections of a page. `served` is what our sides of `cargo xtask compare` have in common.

pub mod experiments;
pub mod figure;
pub mod paired;
pub mod report;
pub mod served;
pub mod statistics;
pub mod workload;
pub mod world;
