//! The experiments of `cargo xtask repro offline`: a JSON object on standard input says what and where.
//!
//! ```text
//! {"page": PATH, "figures": FOLDER, "data": FOLDER or null, "only": [NAMES], "quick": false}
//! ```
//! Sections go to the page in Markdown, pictures to the folder in SVG. What is drawn depends on fixed seeds alone.

#![allow(clippy::print_stdout, reason = "a measurement says how far it is")]

mod cost;
mod figure;
mod impossible;
mod intransitive;
mod learn;
mod rate;
mod report;
mod resampled;
mod statistics;
mod unilateral;
mod world;

use anyhow::{Context, bail};
use report::{Effort, Section};
use rustix::time::{ClockId, clock_gettime};
use serde::Deserialize;
use std::fmt::Write;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::time::Instant;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Job {
    page: PathBuf,
    figures: PathBuf,
    /// Where the folder `matrices` is; experiments on public data are left out without it.
    data: Option<PathBuf>,
    /// Names of experiments; all if there are none.
    #[serde(default)]
    only: Vec<String>,
    #[serde(default)]
    quick: bool,
}

struct Experiment {
    name: &'static str,
    run: fn(&Job, Effort) -> anyhow::Result<Section>,
    needs_data: bool,
}

const fn experiment(
    name: &'static str,
    run: fn(&Job, Effort) -> anyhow::Result<Section>,
) -> Experiment {
    Experiment { name, run, needs_data: false }
}

const EXPERIMENTS: [Experiment; 6] = [
    experiment("rate", |_, effort| rate::run(effort)),
    experiment("unilateral", |_, effort| unilateral::run(effort)),
    experiment("impossible", |_, effort| impossible::run(effort)),
    experiment("intransitive", |_, effort| intransitive::run(effort)),
    Experiment {
        needs_data: true,
        ..experiment("resampled", |job, effort| resampled::run(job.data.as_deref(), effort))
    },
    experiment("cost", |_, effort| cost::run(effort)),
];

fn main() -> anyhow::Result<()> {
    let job: Job = serde_json::from_reader(io::stdin().lock()).context("reading the job")?;
    let effort = if job.quick { Effort::Quick } else { Effort::Full };
    fs::create_dir_all(&job.figures)?;
    let unknown = job.only.iter().find(|only| EXPERIMENTS.iter().all(|own| own.name != **only));
    if let Some(unknown) = unknown {
        let names = EXPERIMENTS.map(|own| own.name).join(", ");
        bail!("there is no experiment {unknown}; there are {names}");
    }
    let mut page = String::new();
    for (at, Experiment { name, run, needs_data }) in (1..).zip(EXPERIMENTS) {
        let all = job.only.is_empty();
        if !all && !job.only.iter().any(|only| only == name) {
            continue;
        }
        if all && needs_data && job.data.is_none() {
            println!("repro: {name} is left out: it reads public data");
            continue;
        }
        let (wall, cpu) = (Instant::now(), cpu_seconds());
        let section = run(&job, effort).with_context(|| format!("in the experiment {name}"))?;
        let (wall, cpu) = (wall.elapsed().as_secs_f64(), cpu_seconds() - cpu);
        println!("repro: {name} took {wall:.1} s, {cpu:.1} s of CPU time");
        write!(page, "## {at}. {}\n\n{}", section.title, section.text)?;
        writeln!(page, "Computed in {cpu:.1} s of CPU time.\n")?;
        for (file, svg) in section.figures {
            fs::write(job.figures.join(file), svg)?;
        }
    }
    fs::write(&job.page, page.trim_end().to_owned() + "\n")?;
    Ok(())
}

/// CPU time of all threads of this process.
fn cpu_seconds() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + 1e-9 * time.tv_nsec as f64
}
