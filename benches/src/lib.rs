//! Benchmarks: criterion groups with ids `group/method/size`, inputs drawn from fixed seeds.
//!
//! `cargo bench -p nlhf-benches` measures, `cargo bench -p nlhf-benches -- --test` runs each once.
//! Quote ratios of one run: machines are noisy.
