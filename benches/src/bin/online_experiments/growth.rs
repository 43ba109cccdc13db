//! How what is lost adds up with labels, and what it depends on.
//!
//! ```text
//! L(T) = Σ over T labels of sub(π¹) / sub(π₀),  fitted on T ≥ an eighth of all by a + b log T and by a + b √T
//! ```

use crate::contest::{Method, RECOMMENDED, Run, Runs, SHARE, contest};
use crate::instance::Instance;
use crate::settings::{COMPARISON, Form, Setting, circle, spread};
use nlhf::core::Eta;
use nlhf::online::{Enhancer, methods::GreedyExploration};
use nlhf_benches::experiments::Job;
use nlhf_benches::figure::{Axis, Curve, Ink, Panel, draw};
use nlhf_benches::report::{Effort, Section, Table, short};
use nlhf_benches::statistics::{Mean, Slope, Spread};
use std::sync::Arc;

/// Times at which the sum is looked at, each twice the one before.
const DOUBLINGS: u32 = 6;

pub(crate) fn run(_: &Job, effort: Effort) -> anyhow::Result<Section> {
    let mut section = Section::new("Growth, and what it depends on");
    growth(&mut section, effort)?;
    dependence(&mut section, effort)?;
    batches(&mut section, effort)?;
    Ok(section)
}

fn recommended() -> anyhow::Result<Method> {
    Method::optimistic(Enhancer::OptimisticOpponent, RECOMMENDED)
}

/// A setting without a form that matters.
fn setting(
    name: &'static str,
    n_seeds: u64,
    make: impl Fn(u64) -> anyhow::Result<Instance> + Sync + 'static,
) -> Setting {
    let make = Box::new(make);
    Setting { name, form: Form::Easy, make, first_seed: COMPARISON, n_seeds }
}

fn growth(section: &mut Section, effort: Effort) -> anyhow::Result<()> {
    let budget: u32 = effort.pick(64_000, 1280);
    let (n_seeds, per_round) = (effort.pick(12, 2), budget / 320);
    let settings = [
        setting("circle", n_seeds, move |seed| {
            Ok(Instance { budget, per_round, ..circle(6, None, 5.0, seed)? })
        }),
        setting("bilinear, d = 4", n_seeds, move |seed| {
            Ok(Instance { budget, per_round, ..spread(12, 4, 2.0, seed)? })
        }),
    ];
    let methods = [recommended()?, Method::optimistic(Enhancer::OptimisticOpponent, 1.0)?];
    let times: Vec<f64> =
        (0..=DOUBLINGS).rev().map(|k| f64::from(budget) / 2f64.powi(k.cast_signed())).collect();
    section.paragraph(&format!(
        "Cumulative sub-optimality L(T) over T labels, in labels of the reference, where nothing is rare: the circle of 6 (η = 5, P) \
         and bilinear preferences of 12 responses on a sphere of 4 dimensions (η = 2, log-odds); {n_seeds} seeds, {per_round} labels a \
         round. Logarithmic growth adds as much in every doubling, √T grows by 1.41; both are fitted to the mean over seeds \
         at the {} rounds with T ≥ {}.",
        320 - 320 / 8,
        short(f64::from(budget) / 8.0)
    ));
    let mut heads = vec!["setting".to_owned(), "method".to_owned()];
    heads.extend(times.iter().map(|time| format!("L({})", short(*time))));
    let more = [
        "log-log slope, last half",
        "residual a + b log T",
        "residual a + b √T",
        "log T is better in",
    ];
    heads.extend(more.map(str::to_owned));
    let mut table = Table::new(&heads);
    let (mut panels, mut said) = (Vec::new(), Vec::new());
    for setting in &settings {
        let found = contest(setting, &methods)?;
        let mut curves = Vec::new();
        for (at, runs) in found.iter().enumerate() {
            let sums: Vec<Vec<f64>> = times.iter().map(|time| sums(runs, *time)).collect();
            let mut row = vec![setting.name.to_owned(), runs.name.clone()];
            row.extend(sums.iter().map(|sums| Mean::of(sums).shown()));
            let half = times.len() / 2;
            row.push(Slope::of(&times[half..], &sums[half..]).shown());
            let mean = mean_growth(&runs.runs);
            let [log, root] = residuals(&mean);
            row.extend([short(log), short(root)]);
            let better = |run: &&Run| {
                let [log, root] = residuals(&mean_growth(std::slice::from_ref(*run)));
                log < root
            };
            let better = runs.runs.iter().filter(better).count();
            row.push(format!("{better} of {}", runs.runs.len()));
            table.row(&row);
            let steps =
                sums.windows(2).map(|pair| Mean::of(&pair[1]).mean - Mean::of(&pair[0]).mean);
            let steps: Vec<String> = steps.map(short).collect();
            said.push(format!("{} with {}: {}", setting.name, runs.name, steps.join(", ")));
            curves.push(Curve::means(&runs.name, Ink::solid(at), &times, &sums));
        }
        let (x, y) = (Axis::log("labels"), Axis::linear("cumulative sub-optimality"));
        panels.push(Panel { title: setting.name.to_owned(), x, y, curves });
    }
    section.table(&table);
    section.paragraph(
        "Means ± standard errors over seeds; residuals are root mean squares of the fits to the mean, in the unit of L; the slope \
         is of medians.",
    );
    section.paragraph(&format!(
        "What each doubling adds: {}. √T would multiply it by 1.41 each time.",
        said.join("; ")
    ));
    section.figure("growth", "Cumulative sub-optimality against labels", draw(&panels)?);
    Ok(())
}

/// L at a time, by seed.
fn sums(runs: &Runs, time: f64) -> Vec<f64> {
    runs.runs.iter().map(|run| run.trace.cumulative(time) / run.reference_loss).collect()
}

/// The mean of L over runs at the rounds of the tail.
fn mean_growth(runs: &[Run]) -> Vec<(f64, f64)> {
    let n = runs.len() as f64;
    let mut all: Vec<(f64, f64)> = Vec::new();
    for run in runs {
        let mut sum = 0.0;
        for (at, round) in run.trace.points.windows(2).enumerate() {
            sum += (round[1].labels - round[0].labels) * round[0].lost / run.reference_loss;
            if all.len() <= at {
                all.push((round[1].labels, 0.0));
            }
            all[at].1 += sum / n;
        }
    }
    all.split_off(all.len() / 8)
}

/// Of least squares with log T and with √T.
fn residuals(growth: &[(f64, f64)]) -> [f64; 2] {
    [f64::ln, f64::sqrt].map(|of: fn(f64) -> f64| {
        let n = growth.len() as f64;
        let points = || growth.iter().map(|(time, sum)| (of(*time), *sum));
        let (x, y) = points().fold((0.0, 0.0), |(a, b), (x, y)| (a + x / n, b + y / n));
        let slope = points().map(|p| (p.0 - x) * (p.1 - y)).sum::<f64>()
            / points().map(|p| (p.0 - x) * (p.0 - x)).sum::<f64>();
        let square = |p: (f64, f64)| (p.1 - y - slope * (p.0 - x)).powi(2);
        (points().map(square).sum::<f64>() / n).sqrt()
    })
}

fn dependence(section: &mut Section, effort: Effort) -> anyhow::Result<()> {
    let (n_seeds, budget) = (effort.pick(30, 2), effort.pick(16_000, 800));
    let method = recommended()?;
    section.paragraph(&format!(
        "Dependence on the dimension (bilinear on a sphere, 16 responses, η = 2 on log-odds; d(d − 1)/2 parameters) and on η (circle of \
         8, uniform reference, P), with {}: labels until no more than {} % of what the reference loses is lost, and the \
         cumulative sub-optimality over {budget} labels as it is, in win rates or nats; {n_seeds} seeds.",
        method.name,
        100.0 * SHARE
    ));
    let mut table =
        Table::new(&["", "sub(π₀)", "labels to ε", "reached", "L in labels of π₀", "L"]);
    let mut add = |name: String, setting: &Setting| -> anyhow::Result<()> {
        let found = contest(setting, std::slice::from_ref(&method))?.remove(0);
        let reference: Vec<f64> = found.runs.iter().map(|run| run.reference_loss).collect();
        let sums: Vec<f64> = found.runs.iter().map(|run| run.trace.all()).collect();
        table.row(&[
            name,
            short(Spread::of(&reference).median),
            found.labels_shown(),
            found.reached_shown(),
            found.cumulative_shown(),
            Mean::of(&sums).shown(),
        ]);
        Ok(())
    };
    for dimension in [2, 4, 8] {
        let make = move |seed| Ok(Instance { budget, ..spread(16, dimension, 2.0, seed)? });
        add(format!("d = {dimension}"), &setting("spread", n_seeds, make))?;
    }
    for eta in [1.0, 10.0, 100.0] {
        let make = move |seed| {
            let mut instance = circle(8, None, 5.0, seed)?;
            instance.rules.eta = Eta::new(eta)?;
            Ok(Instance { budget, ..instance })
        };
        add(format!("η = {eta}"), &setting("circle", n_seeds, make))?;
    }
    section.table(&table);
    Ok(())
}

fn batches(section: &mut Section, effort: Effort) -> anyhow::Result<()> {
    let n_seeds = effort.pick(20, 2);
    let methods = [
        recommended()?,
        Method { name: "greedy-exploration".to_owned(), strategy: Arc::new(GreedyExploration) },
    ];
    section.paragraph(&format!(
        "Dependence on the labels between two fits, at the same number of labels; {n_seeds} seeds. Hard: 24 responses, those of the circle with \
         {} of the reference each, η = 60.",
        short(1e-5 / (21.0 + 3e-5))
    ));
    let mut table = Table::new(&[
        "circle",
        "labels a round",
        "method",
        "labels to ε",
        "reached",
        "L in labels of π₀",
    ]);
    for (name, n, mass, eta, budget) in [
        ("easy", 6, None, 5.0, effort.pick(4000, 400)),
        ("hard", 24, Some(1e-5), 60.0, effort.pick(12_000, 400)),
    ] {
        for per_round in effort.pick(vec![10, 100, 1000], vec![10, 100]) {
            let make =
                move |seed| Ok(Instance { budget, per_round, ..circle(n, mass, eta, seed)? });
            for runs in contest(&setting("circle", n_seeds, make), &methods)? {
                table.row(&[
                    name.to_owned(),
                    per_round.to_string(),
                    runs.name.clone(),
                    runs.labels_shown(),
                    runs.reached_shown(),
                    runs.cumulative_shown(),
                ]);
            }
        }
    }
    section.table(&table);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_told_apart_by_how_they_grow() {
        let grown = |of: fn(f64) -> f64| -> Vec<(f64, f64)> {
            (10..80).map(|k| (f64::from(k), 2.0 + 3.0 * of(f64::from(k)))).collect()
        };
        let [log, root] = residuals(&grown(f64::ln));
        assert!(log < 1e-12 && root > 0.01);
        let [log, root] = residuals(&grown(f64::sqrt));
        assert!(root < 1e-12 && log > 0.01);
    }

    #[test]
    fn a_small_run_fills_its_tables() {
        let mut section = Section::new("small");
        dependence(&mut section, Effort::Quick).unwrap();
        batches(&mut section, Effort::Quick).unwrap();
        assert_eq!(
            section.text.matches("| 2 of 2 |").count()
                + section.text.matches("| 1 of 2 |").count()
                + section.text.matches("| 0 of 2 |").count(),
            6 + 8
        );
    }
}
