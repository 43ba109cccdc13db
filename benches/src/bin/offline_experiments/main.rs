//! The experiments of `cargo xtask repro offline`: a JSON object on standard input says what and where
//! ([`nlhf_benches::experiments`]).

mod cost;
mod impossible;
mod intransitive;
mod learn;
mod rate;
mod resampled;
mod unilateral;

use nlhf_benches::experiments::{self, Experiment};

const EXPERIMENTS: [Experiment; 6] = [
    Experiment::new("rate", |_, effort| rate::run(effort)),
    Experiment::new("unilateral", |_, effort| unilateral::run(effort)),
    Experiment::new("impossible", |_, effort| impossible::run(effort)),
    Experiment::new("intransitive", |_, effort| intransitive::run(effort)),
    Experiment {
        needs_data: true,
        ..Experiment::new("resampled", |job, effort| resampled::run(job.data.as_deref(), effort))
    },
    Experiment::new("cost", |_, effort| cost::run(effort)),
];

fn main() -> anyhow::Result<()> {
    experiments::main(&EXPERIMENTS)
}
