//! Programs of experiments: a JSON object on standard input says what and where.
//!
//! ```text
//! {"page": PATH, "figures": FOLDER, "data": FOLDER or null, "only": [NAMES], "quick": false}
//! ```
//! Sections go to the page in Markdown, pictures to the folder in SVG, which is taken to lie beside the page. What is drawn
//! depends on fixed seeds alone.

#![allow(clippy::print_stdout, reason = "a measurement says how far it is")]

use crate::report::{Effort, Section};
use anyhow::{Context, bail};
use rustix::time::{ClockId, clock_gettime};
use serde::Deserialize;
use std::fmt::Write;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::time::Instant;

/// What a program is asked for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Job {
    /// Where the sections go.
    pub page: PathBuf,
    /// Where the pictures go.
    pub figures: PathBuf,
    /// Where the folder `matrices` is; what needs public data is left out without it.
    pub data: Option<PathBuf>,
    /// Names of experiments; all if there are none.
    #[serde(default)]
    pub only: Vec<String>,
    /// Whether to compute no more than shows that it runs.
    #[serde(default)]
    pub quick: bool,
}

/// One section of a page.
#[derive(Debug, Clone, Copy)]
pub struct Experiment {
    /// What `only` calls it.
    pub name: &'static str,
    /// What computes it.
    pub run: fn(&Job, Effort) -> anyhow::Result<Section>,
    /// Whether it is left out without public data.
    pub needs_data: bool,
}

impl Experiment {
    /// One that needs no data.
    pub const fn new(name: &'static str, run: fn(&Job, Effort) -> anyhow::Result<Section>) -> Self {
        Self { name, run, needs_data: false }
    }
}

/// Reads the job from standard input, and does it.
///
/// # Errors
/// If the job cannot be read, asks for an experiment that there is not, or cannot be done.
pub fn main(experiments: &[Experiment]) -> anyhow::Result<()> {
    let job: Job = serde_json::from_reader(io::stdin().lock()).context("reading the job")?;
    let effort = if job.quick { Effort::Quick } else { Effort::Full };
    fs::create_dir_all(&job.figures)?;
    let folder = job.figures.file_name().context("the folder of figures has a name")?;
    let folder = folder.to_string_lossy();
    let unknown = job.only.iter().find(|only| experiments.iter().all(|own| own.name != **only));
    if let Some(unknown) = unknown {
        let names: Vec<&str> = experiments.iter().map(|own| own.name).collect();
        bail!("there is no experiment {unknown}; there are {}", names.join(", "));
    }
    let mut page = String::new();
    for (at, Experiment { name, run, needs_data }) in (1..).zip(experiments) {
        let all = job.only.is_empty();
        if !all && !job.only.iter().any(|only| only == name) {
            continue;
        }
        if all && *needs_data && job.data.is_none() {
            println!("repro: {name} is left out: it reads public data");
            continue;
        }
        let (wall, cpu) = (Instant::now(), cpu_seconds());
        let section = run(&job, effort).with_context(|| format!("in the experiment {name}"))?;
        let (wall, cpu) = (wall.elapsed().as_secs_f64(), cpu_seconds() - cpu);
        println!("repro: {name} took {wall:.1} s, {cpu:.1} s of CPU time");
        let mut text = section.text;
        for (file, svg) in section.figures {
            text = text.replace(&format!("]({file})"), &format!("]({folder}/{file})"));
            fs::write(job.figures.join(file), svg)?;
        }
        write!(page, "## {at}. {}\n\n{text}", section.title)?;
        writeln!(page, "Computed in {cpu:.1} s of CPU time.\n")?;
    }
    fs::write(&job.page, page.trim_end().to_owned() + "\n")?;
    Ok(())
}

/// CPU time of all threads of this process, in seconds.
pub fn cpu_seconds() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + 1e-9 * time.tv_nsec as f64
}
