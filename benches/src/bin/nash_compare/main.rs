//! Our side of `cargo xtask compare`: a long-lived process, a JSON object a line in, one a line out.
//!
//! ```text
//! {"command": "generate", "family": "cyclic", ...}         writes games, seeded, for all candidates
//! {"command": "load", "candidate": "nlhf/batch", "job": {"payoffs": PATH, "eta": 10, "tolerance": 1e-6}}
//! {"command": "run", "seconds": 0.5, "limit": 60}          passes over the games, timed
//! ```
//! The protocol and the reply are those of `benches/python/serve.py`: seconds a pass, of wall and of CPU time
//! of the whole process, certificates included; what counts as solved is certified once more, untimed.
//! The number of threads is that of `RAYON_NUM_THREADS`.

#![allow(clippy::print_stdout, reason = "replies go to standard output")]

use anyhow::{Context, bail};
use games::Request as Generate;
use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};
use solve::{Job, Solve};
use std::io::{self, BufRead, Write};
use std::time::Instant;

mod games;
mod solve;

#[derive(Debug, Deserialize)]
#[serde(tag = "command", rename_all = "kebab-case")]
enum Request {
    Generate(Generate),
    Load {
        candidate: String,
        job: Job,
    },
    Run {
        seconds: f64,
        #[serde(rename = "limit")]
        _limit: f64,
    },
}

/// What a run measured. Times are seconds a pass.
#[derive(Debug, Serialize)]
struct Measured {
    wall: f64,
    cpu: f64,
    games: usize,
    solved: usize,
    /// The largest gap, `None` if one is not finite.
    gap: Option<f64>,
}

fn main() -> anyhow::Result<()> {
    let mut loaded: Option<(Box<dyn Solve>, f64)> = None;
    for line in io::stdin().lock().lines() {
        let line = line?;
        let request = serde_json::from_str(&line).with_context(|| format!("in {line}"))?;
        let reply = match request {
            Request::Generate(request) => {
                games::generate(&request)?;
                "{}".to_owned()
            }
            Request::Load { candidate, job } => {
                loaded = Some((solve::prepare(&candidate, &job)?, job.tolerance));
                "{}".to_owned()
            }
            Request::Run { seconds, .. } => match &mut loaded {
                Some((solve, tolerance)) => {
                    serde_json::to_string(&run(solve.as_mut(), *tolerance, seconds)?)?
                }
                None => bail!("a job must be loaded before it is run"),
            },
        };
        println!("{reply}");
        io::stdout().flush()?;
    }
    Ok(())
}

/// Repeats passes until `seconds` are over.
fn run(solve: &mut dyn Solve, tolerance: f64, seconds: f64) -> anyhow::Result<Measured> {
    let (cpu, wall, mut n_passes) = (cpu_seconds(), Instant::now(), 0_u32);
    let spent = loop {
        solve.pass()?;
        n_passes += 1;
        let spent = wall.elapsed().as_secs_f64();
        if spent >= seconds {
            break spent;
        }
    };
    let cpu = cpu_seconds() - cpu;
    let gaps = solve.gaps();
    let largest =
        gaps.iter().fold(
            0.0,
            |largest: f64, &gap| {
                if gap.is_nan() { f64::INFINITY } else { largest.max(gap) }
            },
        );
    Ok(Measured {
        wall: spent / f64::from(n_passes),
        cpu: cpu / f64::from(n_passes),
        games: gaps.len(),
        solved: gaps.iter().filter(|&&gap| gap <= tolerance).count(),
        gap: largest.is_finite().then_some(largest),
    })
}

/// CPU time of all threads of this process.
fn cpu_seconds() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + 1e-9 * time.tv_nsec as f64
}
