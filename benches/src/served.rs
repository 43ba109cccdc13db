//! Our side of a comparison of fits: a long-lived process, a JSON object a line in, one a line out.
//!
//! ```text
//! {"command": "load", "candidate": "nlhf/newton", "job": {"kind": "scores", "name": …, "folder": …, …}}
//! {"command": "run", "seconds": 0.5}                       repeats the fit, timed
//! ```
//! The protocol, the data and what a loss is are those of the scripts in `benches/python`. The number of threads is
//! that of `RAYON_NUM_THREADS`.

#![allow(clippy::print_stdout, reason = "replies go to standard output")]

use anyhow::{Context, bail};
use rustix::time::{ClockId, clock_gettime};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::io::{self, BufRead, Write};
use std::time::Instant;

#[derive(Debug, Deserialize)]
#[serde(tag = "command", rename_all = "kebab-case")]
enum Request<J> {
    Load { candidate: String, job: J },
    Run { seconds: f64 },
}

/// What a run measured. Times are seconds a fit.
#[derive(Debug, Serialize)]
struct Measured {
    wall: f64,
    cpu: f64,
    loss: Option<f64>,
    memory: Option<u64>,
}

/// A fit, which returns its loss if that is wanted.
pub type Fit = Box<dyn Fn(bool) -> anyhow::Result<Option<f64>>>;

/// Answers requests until the input ends; `prepare` makes the fit of a candidate and a job.
///
/// # Errors
/// Whatever ends a fit, and lines that are no requests.
pub fn serve<J: DeserializeOwned>(
    prepare: impl Fn(&str, &J) -> anyhow::Result<Fit>,
) -> anyhow::Result<()> {
    let mut fit: Option<Fit> = None;
    for line in io::stdin().lock().lines() {
        let line = line?;
        let reply = match serde_json::from_str(&line).with_context(|| format!("in {line}"))? {
            Request::Load { candidate, job } => {
                fit = Some(prepare(&candidate, &job)?);
                "{}".to_owned()
            }
            Request::Run { seconds } => match &fit {
                Some(fit) => serde_json::to_string(&run(fit, seconds)?)?,
                None => bail!("a job must be loaded before it is run"),
            },
        };
        println!("{reply}");
        io::stdout().flush()?;
    }
    Ok(())
}

fn run(fit: &Fit, seconds: f64) -> anyhow::Result<Measured> {
    let (cpu, wall, mut n_passes) = (cpu_seconds(), Instant::now(), 0_u32);
    let spent = loop {
        fit(false)?;
        n_passes += 1;
        let spent = wall.elapsed().as_secs_f64();
        if spent >= seconds {
            break spent;
        }
    };
    let (cpu, memory) = (cpu_seconds() - cpu, peak_memory());
    let n = f64::from(n_passes);
    Ok(Measured { wall: spent / n, cpu: cpu / n, loss: fit(true)?, memory })
}

/// CPU time of all threads of this process.
fn cpu_seconds() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + 1e-9 * time.tv_nsec as f64
}

/// Bytes, where the system tells.
fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(1024 * line.trim().trim_end_matches(" kB").parse::<u64>().ok()?)
}
