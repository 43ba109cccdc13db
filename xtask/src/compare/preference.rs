//! Preference fits: the data of each job, who fits to them, and the interleaved run.
//!
//! Both sides speak one protocol; the Python side (benches/python/preference.py) draws the data of both. The jobs of `policy` are
//! run the same way.

use std::path::Path;

use serde_json::{Value, json};

use super::measure::median;
use super::process::{Process, Programs};
use super::regimes::Effort;
use crate::TaskResult;

/// One table of the report.
#[derive(Debug, Clone)]
pub(super) struct Job {
    pub(super) name: &'static str,
    pub(super) title: String,
    /// What the loss is of, if there is one.
    pub(super) loss: Option<&'static str>,
    pub(super) candidates: Vec<Candidate>,
    /// The other side.
    pub(super) script: &'static str,
    pub(super) threads: usize,
    /// What is drawn, for both programs.
    pub(super) data: Value,
}

/// One who fits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Candidate {
    /// As the table calls it.
    pub(super) name: &'static str,
    /// As the processes call it.
    pub(super) id: &'static str,
}

impl Candidate {
    pub(super) fn is_ours(&self) -> bool {
        self.id.starts_with("nlhf/")
    }
}

/// Medians over the rounds, in seconds a fit.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Timed {
    pub(super) wall: f64,
    pub(super) cpu: f64,
    /// Of wall times, each divided by that of the first candidate in the same round.
    pub(super) ratio: f64,
    /// The longest over the shortest round.
    pub(super) noise: f64,
    /// In nats.
    pub(super) loss: Option<f64>,
    /// The most bytes that the process ever held, the data in memory included.
    pub(super) memory: Option<u64>,
}

/// What came of one candidate, or what it last said.
pub(super) type Outcome = Result<Timed, String>;

/// One job, as all candidates did it.
#[derive(Debug, Clone)]
pub(super) struct Measured {
    pub(super) threads: usize,
    /// In the order of the candidates.
    pub(super) outcomes: Vec<Outcome>,
}

/// The threads of all candidates: what a laptop has to spare.
const THREADS: usize = 2;

/// All jobs; smaller ones if `quick`.
pub(super) fn all(quick: bool) -> Vec<Job> {
    let rows = if quick { 20_000_u64 } else { 1_000_000 };
    let pairs = if quick { 5_000_u64 } else { 200_000 };
    let (features, candidates) = if quick { (64, 2_000) } else { (384, 40_000) };
    let candidate = |&(name, id): &(&'static str, &'static str)| Candidate { name, id };
    let linear = |name: &'static str, spectrum: &str, how: &str| Job {
        name,
        title: format!(
            "A logistic score of {features} features from {pairs} pairs, gradient 1e-6 a pair, {how}"
        ),
        loss: Some("mean log-loss on the pairs"),
        candidates: [
            ("nlhf, scoring only", "nlhf/scoring"),
            ("nlhf, with widths", "nlhf/widths"),
            ("scipy L-BFGS-B", "scipy/scipy"),
            ("scikit-learn lbfgs", "sklearn/sklearn-lbfgs"),
            ("scikit-learn newton-cholesky", "sklearn/sklearn-newton"),
            ("torch L-BFGS", "torch/torch"),
        ]
        .iter()
        .map(candidate)
        .collect(),
        script: SCRIPT,
        threads: THREADS,
        data: json!({
            "kind": "linear", "spectrum": spectrum, "features": features,
            "candidates": candidates, "rows": pairs,
        }),
    };
    vec![
        Job {
            name: "scores",
            title: format!("Bradley-Terry scores of 200 items from {rows} battles"),
            loss: Some("mean log-loss on the battles"),
            candidates: [
                ("nlhf, from arrays", "nlhf/arrays"),
                ("nlhf, from comparisons", "nlhf/comparisons"),
                ("numpy, Newton on a table", "numpy/newton"),
                ("choix, I-LSR on a table", "choix/choix-table"),
                ("choix, I-LSR on lists", "choix/choix-lists"),
                ("evalica", "evalica/evalica"),
                ("scikit-learn, sparse rows", "sklearn/sklearn"),
            ]
            .iter()
            .map(candidate)
            .collect(),
            script: SCRIPT,
            threads: THREADS,
            data: json!({"kind": "scores", "items": 200, "rows": rows}),
        },
        linear("linear-even", "even", "all directions of one size"),
        linear("linear-steep", "steep", "directions falling by 1e4 as those of embeddings do"),
        Job {
            name: "planes",
            title: format!("Four circular planes (rank 8) of 500 items from {rows} battles"),
            loss: Some("mean log-loss on battles held out"),
            candidates: [
                ("nlhf", "nlhf/planes"),
                ("torch L-BFGS, counted pairs", "torch/torch"),
                ("torch L-BFGS, rows", "torch/torch-rows"),
            ]
            .iter()
            .map(candidate)
            .collect(),
            script: SCRIPT,
            threads: THREADS,
            data: json!({"kind": "planes", "items": 500, "planes": 4, "rows": rows}),
        },
        Job {
            name: "read",
            title: format!("A file of {rows} rows: ours to fitted scores, Python's only read"),
            loss: None,
            candidates: [
                ("nlhf, JSONL to scores", "nlhf/jsonl"),
                ("nlhf, CSV to scores", "nlhf/csv"),
                ("Python, json.loads a line", "python/json"),
                ("Python, csv.reader", "python/csv"),
            ]
            .iter()
            .map(candidate)
            .collect(),
            script: SCRIPT,
            threads: THREADS,
            data: json!({"kind": "read", "items": 500, "rows": rows}),
        },
    ]
}

/// Draws the data of a job if they are not there, and lets all candidates take turns.
pub(super) fn measure(
    programs: &Programs,
    job: &Job,
    folder: &Path,
    rounds: usize,
    effort: &Effort,
) -> TaskResult<Measured> {
    let mut data = job.data.clone();
    data["name"] = json!(job.name);
    data["folder"] = json!(folder);
    programs
        .start_program(false, job.script, job.threads, job.threads)?
        .ask(&json!({"command": "generate", "job": data}))?;
    let mut turns: Vec<Turn> = Vec::new();
    for candidate in &job.candidates {
        let mut turn = Turn::start(programs, job, candidate, &data);
        // The first run compiles and touches memory: it is not kept.
        turn.run(0.0);
        turn.rounds.clear();
        turns.push(turn);
    }
    for _ in 0..rounds {
        for turn in &mut turns {
            turn.run(effort.seconds);
        }
    }
    let yardstick: Vec<f64> = turns[0].rounds.iter().map(|round| round.wall).collect();
    let outcomes: Vec<Outcome> = turns.into_iter().map(|turn| turn.outcome(&yardstick)).collect();
    for (candidate, outcome) in job.candidates.iter().zip(&outcomes) {
        match outcome {
            Ok(timed) => println!("    {}: {:.3e} s a fit", candidate.name, timed.wall),
            Err(reason) => println!("    {}: failed: {reason}", candidate.name),
        }
    }
    Ok(Measured { threads: job.threads, outcomes })
}

const SCRIPT: &str = "preference.py";

struct Turn {
    process: TaskResult<Process>,
    rounds: Vec<Round>,
}

/// One timed run.
struct Round {
    wall: f64,
    cpu: f64,
    loss: Option<f64>,
    memory: Option<u64>,
}

impl Turn {
    fn start(programs: &Programs, job: &Job, candidate: &Candidate, data: &Value) -> Self {
        let process = programs
            .start_program(candidate.is_ours(), job.script, job.threads, job.threads)
            .and_then(|mut process| {
                let load = json!({"command": "load", "candidate": candidate.id, "job": data});
                process.ask(&load)?;
                Ok(process)
            });
        Self { process, rounds: Vec::new() }
    }

    fn run(&mut self, seconds: f64) {
        let Ok(process) = &mut self.process else { return };
        match process.ask(&json!({"command": "run", "seconds": seconds})).and_then(|r| read(&r)) {
            Ok(round) => self.rounds.push(round),
            Err(error) => self.process = Err(error),
        }
    }

    fn outcome(self, yardstick: &[f64]) -> Outcome {
        self.process.map_err(|error| error.to_string())?;
        Ok(summary(&self.rounds, yardstick))
    }
}

fn read(reply: &Value) -> TaskResult<Round> {
    let number = |name: &str| {
        reply[name].as_f64().ok_or_else(|| format!("a reply without all of its numbers: {reply}"))
    };
    Ok(Round {
        wall: number("wall")?,
        cpu: number("cpu")?,
        loss: reply["loss"].as_f64(),
        memory: reply["memory"].as_u64(),
    })
}

fn summary(rounds: &[Round], yardstick: &[f64]) -> Timed {
    let walls: Vec<f64> = rounds.iter().map(|round| round.wall).collect();
    let longest = walls.iter().copied().fold(0.0, f64::max);
    let shortest = walls.iter().copied().fold(f64::INFINITY, f64::min);
    Timed {
        ratio: median(walls.iter().zip(yardstick).map(|(wall, ours)| wall / ours).collect()),
        wall: median(walls),
        cpu: median(rounds.iter().map(|round| round.cpu).collect()),
        noise: longest / shortest,
        loss: rounds.last().and_then(|round| round.loss),
        memory: rounds.iter().filter_map(|round| round.memory).max(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_those_within_a_round() {
        let round = |wall| Round { wall, cpu: 2.0 * wall, loss: Some(0.5), memory: Some(7) };
        let timed = summary(&[round(4.0), round(8.0), round(6.0)], &[2.0, 1.0, 3.0]);
        let expected = Timed {
            wall: 6.0,
            cpu: 12.0,
            ratio: 2.0,
            noise: 2.0,
            loss: Some(0.5),
            memory: Some(7),
        };
        assert_eq!(timed, expected);
    }

    #[test]
    fn ours_come_first_in_every_job() {
        for job in all(false) {
            assert!(job.candidates[0].is_ours(), "{}", job.name);
            assert!(job.candidates.iter().any(|candidate| !candidate.is_ours()), "{}", job.name);
        }
        assert!(read(&json!({"wall": 1.0})).is_err());
    }
}
