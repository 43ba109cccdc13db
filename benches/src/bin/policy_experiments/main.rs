//! The experiments of `cargo xtask repro policy`: a JSON object on standard input says what and where
//! ([`nlhf_benches::experiments`]).

mod closed;
mod corpus;
mod cost;
mod crowd;
mod price;
mod prompts;
mod real;

use nlhf_benches::experiments::{self, Experiment};

const EXPERIMENTS: [Experiment; 6] = [
    Experiment::new("crowd", crowd::run),
    Experiment { name: "people", run: real::people, needs_data: true },
    Experiment { name: "vicuna", run: real::vicuna, needs_data: true },
    Experiment::new("price", price::run),
    Experiment::new("closed", closed::run),
    Experiment::new("cost", cost::run),
];

fn main() -> anyhow::Result<()> {
    experiments::main(&EXPERIMENTS)
}
