//! What offline learning costs by stage, against prompts and candidates.

use crate::learn::{Done, Form, learn, plays};
use anyhow::Context;
use nlhf::core::{FitPreference, Scale};
use nlhf::offline::{Baseline, Baselines};
use nlhf::preference::{FeatureFit, LogisticConfig, PairCounts, linear_coverage};
use nlhf_benches::figure::{Axis, Curve, Ink, Panel, Point, draw};
use nlhf_benches::report::{Effort, Section, Table, short};
use nlhf_benches::statistics::slope;
use nlhf_benches::workload::{N_FEATURES, PER_PROMPT, Workload, peak_memory, reset_peak_memory};
use nlhf_benches::world::Rules;
use std::hint::black_box;
use std::time::Instant;

const CANDIDATES: usize = 8;
/// A stage is repeated for so long, in CPU seconds.
const REPEATED: f64 = 0.1;

const STAGES: [&str; 9] = [
    "fit",
    "solve, bonus",
    "solve, greedy",
    "coverage",
    "reward-based",
    "DPO",
    "IPO",
    "SPPO, 3 steps",
    "INPO, 3 steps",
];

/// A problem by its sizes.
#[derive(Debug, Clone, Copy)]
struct Size {
    n_prompts: usize,
    n_candidates: usize,
}

/// CPU seconds of every stage, and what all took together.
struct Measured {
    size: Size,
    seconds: Vec<f64>,
    wall: f64,
    peak_bytes: Option<f64>,
}

pub(crate) fn run(effort: Effort) -> anyhow::Result<Section> {
    let prompts = effort.pick(vec![100, 1000, 10_000, 100_000], vec![10, 20]);
    let candidates = effort.pick(vec![4, 8, 16, 32, 64], vec![4, 8]);
    let fixed = effort.pick(500, 10);
    let repeated = effort.pick(REPEATED, 0.0);
    let each = |sizes: Vec<Size>| -> anyhow::Result<Vec<Measured>> {
        sizes.into_iter().map(|size| measure(size, repeated)).collect()
    };
    // The largest last, because memory that was given back may still count.
    let by_candidates =
        each(candidates.into_iter().map(|n| Size { n_prompts: fixed, n_candidates: n }).collect())?;
    let by_prompts = each(
        prompts.into_iter().map(|n| Size { n_prompts: n, n_candidates: CANDIDATES }).collect(),
    )?;
    let mut section = Section::new("Cost against prompts and candidates");
    section.paragraph("How many seconds does each stage take, and how do they grow?");
    section.paragraph(&format!(
        "A linear model of {N_FEATURES} features with its widths, {PER_PROMPT} comparisons a prompt of pairs drawn at random, a uniform \
         reference, P scale, η = 10. Solving includes certificates, bounds and reports. Coverage is that of the learned policy. \
         CPU seconds of all threads; below {REPEATED} s the mean of repeated runs. Slopes of log(seconds) over log(size), by least \
         squares over all sizes. Peak memory includes the data."
    ));
    section.table(&table("prompts", &by_prompts, |size| size.n_prompts));
    section.paragraph(&format!("{fixed} prompts:"));
    section.table(&table("candidates", &by_candidates, |size| size.n_candidates));
    let panels = [
        panel("prompts", &by_prompts, |size| size.n_prompts),
        panel("candidates", &by_candidates, |size| size.n_candidates),
    ];
    section.figure("cost", "CPU seconds by stage", draw(&panels)?);
    conclude(&mut section, &by_prompts, &by_candidates);
    Ok(section)
}

fn measure(size: Size, repeated: f64) -> anyhow::Result<Measured> {
    let wall = Instant::now();
    reset_peak_memory();
    let Workload { features, menus, data } = Workload::draw(size.n_prompts, size.n_candidates)?;
    let mut seconds = Vec::new();
    let fit = FeatureFit::linear(features, LogisticConfig::default())?;
    let fitted = timed(repeated, &mut seconds, || Ok(fit.fit(&data)?))?;
    let done = Done(fitted);
    let rules = Rules::uniform(10.0, Scale::Probability, size.n_candidates);
    let learned =
        timed(repeated, &mut seconds, || learn(&done, Form::Bonus, &rules, &data, &menus))?;
    timed(repeated, &mut seconds, || learn(&done, Form::Greedy, &rules, &data, &menus))?;
    timed(repeated, &mut seconds, || {
        let counts = PairCounts::new(&data);
        let plays = plays(&menus, &learned.policies);
        linear_coverage(&done.0.model, &counts, &plays).context("64 parameters are few")
    })?;
    for baseline in [
        Baseline::RewardBased,
        Baseline::Dpo,
        Baseline::Ipo,
        Baseline::Sppo { steps: 3 },
        Baseline::Inpo { steps: 3 },
    ] {
        timed(repeated, &mut seconds, || {
            let baselines = Baselines::new(&data, &menus, &rules, rules.eta, rules.scale)?;
            Ok(baselines.learn(baseline, &done.0.model)?)
        })?;
    }
    let peak_bytes = peak_memory();
    Ok(Measured { size, seconds, wall: wall.elapsed().as_secs_f64(), peak_bytes })
}

/// The CPU time of a stage, repeated if it is short.
fn timed<T>(
    repeated: f64,
    seconds: &mut Vec<f64>,
    stage: impl Fn() -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let (start, mut n) = (nlhf_benches::experiments::cpu_seconds(), 0_u32);
    loop {
        let result = black_box(stage()?);
        n += 1;
        let spent = nlhf_benches::experiments::cpu_seconds() - start;
        if spent >= repeated {
            seconds.push(spent / f64::from(n));
            return Ok(result);
        }
    }
}

fn stage_slope(all: &[Measured], key: fn(Size) -> usize, stage: usize) -> f64 {
    let points: Vec<(f64, f64)> =
        all.iter().map(|m| (key(m.size) as f64, m.seconds[stage])).collect();
    slope(&points)
}

fn table(name: &str, all: &[Measured], key: fn(Size) -> usize) -> Table {
    let mut heads = vec![name];
    heads.extend(STAGES);
    heads.push("peak memory");
    let mut table = Table::new(&heads);
    for m in all {
        let mut row = vec![key(m.size).to_string()];
        row.extend(m.seconds.iter().map(|x| short(*x)));
        row.push(m.peak_bytes.map_or("–".to_owned(), |x| format!("{} MB", short(x / 1e6))));
        table.row(&row);
    }
    let mut row = vec!["slope".to_owned()];
    row.extend(
        (0..STAGES.len())
            .map(|stage| format!("{:.2}", stage_slope(all, key, stage)).replace('-', "−")),
    );
    row.push(String::new());
    table.row(&row);
    table
}

fn panel(name: &str, all: &[Measured], key: fn(Size) -> usize) -> Panel {
    let curve = |(stage, stage_name): (usize, &&str)| Curve {
        name: (*stage_name).to_owned(),
        ink: if stage < 8 { Ink::solid(stage) } else { Ink::dashed(stage) },
        points: all
            .iter()
            .map(|m| Point { x: key(m.size) as f64, y: m.seconds[stage], band: None })
            .collect(),
    };
    Panel {
        title: format!("by {name}"),
        x: Axis::log(name),
        y: Axis::log("CPU seconds"),
        curves: STAGES.iter().enumerate().map(curve).collect(),
    }
}

fn conclude(section: &mut Section, by_prompts: &[Measured], by_candidates: &[Measured]) {
    let Some(last) = by_prompts.last() else { return };
    let (fit, solve) = (last.seconds[0], last.seconds[1]);
    let core = fit + solve;
    let prompts = |stage| stage_slope(by_prompts, |size| size.n_prompts, stage);
    let candidates = |stage| stage_slope(by_candidates, |size| size.n_candidates, stage);
    section.paragraph(&format!(
        "What it says. {} prompts with {} comparisons take {} CPU seconds to fit and solve, {:.0} % of it for the fit, and coverage {} more; \
         all stages, baselines and the drawing of data together {} s of wall time. In prompts the fit grows with a slope of {:.2}, solving with {:.2}, \
         coverage with {:.2}; in candidates with {:.2}, {:.2} and {:.2}.",
        last.size.n_prompts,
        last.size.n_prompts * PER_PROMPT,
        short(core),
        100.0 * fit / core,
        short(last.seconds[3]),
        short(last.wall),
        prompts(0),
        prompts(1),
        prompts(3),
        candidates(0),
        candidates(1),
        candidates(3),
    ));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_stage_is_measured() {
        let section = run(Effort::Quick).unwrap();
        for stage in STAGES {
            assert!(section.text.contains(stage), "{stage}");
        }
        assert!(section.text.contains("20 prompts with 200 comparisons"), "{}", section.text);
    }
}
