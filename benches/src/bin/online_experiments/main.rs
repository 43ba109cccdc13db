//! The experiments of `cargo xtask repro online`: a JSON object on standard input says what and where
//! ([`nlhf_benches::experiments`]).

mod contest;
mod exploration;
mod growth;
mod instance;
mod methods;
mod settings;
mod trial;

use nlhf_benches::experiments::{self, Experiment};

const EXPERIMENTS: [Experiment; 3] = [
    Experiment::new("methods", methods::run),
    Experiment::new("exploration", exploration::run),
    Experiment::new("growth", growth::run),
];

fn main() -> anyhow::Result<()> {
    experiments::main(&EXPERIMENTS)
}
