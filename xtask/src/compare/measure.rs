//! The interleaved run: all candidates of a regime take turns, and medians are kept.

use std::path::Path;

use serde_json::{Value, json};

use super::process::{Process, Programs};
use super::regimes::{Candidate, Effort, Regime};
use crate::TaskResult;

/// One regime at one number of threads.
#[derive(Debug, Clone)]
pub(super) struct Measured {
    pub(super) threads: usize,
    /// In the order of the candidates of the regime.
    pub(super) results: Vec<Outcome>,
}

/// What came of one candidate.
#[derive(Debug, Clone)]
pub(super) enum Outcome {
    Timed(Timed),
    /// The process ended, with what it last said.
    Failed(String),
}

/// Medians over the rounds, in seconds a game (a pass over all games divided by their number).
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Timed {
    pub(super) wall: f64,
    pub(super) cpu: f64,
    /// Of wall times, each divided by that of our candidate in the same round.
    pub(super) ratio: Option<f64>,
    /// The longest over the shortest round.
    pub(super) noise: f64,
    pub(super) rounds: usize,
    pub(super) games: u64,
    /// The fewest in any round.
    pub(super) solved: u64,
    /// The largest in any round; `None` if one was not finite.
    pub(super) gap: Option<f64>,
}

impl Timed {
    pub(super) fn solves_all(&self) -> bool {
        self.solved == self.games
    }
}

/// One timed run.
#[derive(Debug, Clone, PartialEq)]
struct Round {
    wall: f64,
    cpu: f64,
    games: u64,
    solved: u64,
    gap: Option<f64>,
}

struct Turn {
    process: TaskResult<Process>,
    /// `None` for a round that the candidate sat out.
    rounds: Vec<Option<Round>>,
}

/// Measures a regime at each of its numbers of threads.
pub(super) fn measure(
    programs: &Programs,
    regime: &Regime,
    games: &Path,
    rounds: usize,
    effort: &Effort,
) -> TaskResult<Vec<Measured>> {
    let all = regime.threads.iter().map(|&threads| {
        let mut turns: Vec<Turn> = Vec::new();
        for candidate in &regime.candidates {
            let process = programs.start(candidate, regime, games, threads);
            let mut turn = Turn { process, rounds: Vec::new() };
            // The first run compiles and touches memory: it is not kept.
            turn.run(0.0, effort);
            turns.push(turn);
        }
        for index in 0..rounds {
            for turn in &mut turns {
                let sits_out = index > 0 && turn.is_slow(effort.patience);
                let round = if sits_out { None } else { turn.run(effort.seconds, effort) };
                turn.rounds.push(round);
            }
        }
        let results = outcomes(&regime.candidates, turns);
        for (candidate, outcome) in regime.candidates.iter().zip(&results) {
            print_outcome(threads, candidate, outcome);
        }
        Ok(Measured { threads, results })
    });
    all.collect()
}

impl Turn {
    /// Whether a pass of the first round took more than so many seconds.
    fn is_slow(&self, patience: f64) -> bool {
        let first = self.rounds.first().and_then(Option::as_ref);
        first.is_some_and(|round| round.wall * round.games as f64 > patience)
    }

    fn run(&mut self, seconds: f64, effort: &Effort) -> Option<Round> {
        let process = self.process.as_mut().ok()?;
        let request = json!({"command": "run", "seconds": seconds, "limit": effort.limit});
        match process.ask(&request).and_then(|reply| Round::read(&reply)) {
            Ok(round) => Some(round),
            Err(error) => {
                self.process = Err(error);
                None
            }
        }
    }
}

impl Round {
    fn read(reply: &Value) -> TaskResult<Self> {
        let missing = || format!("a reply without all of its numbers: {reply}");
        let number = |name: &str| reply[name].as_f64().ok_or_else(missing);
        let count = |name: &str| reply[name].as_u64().ok_or_else(missing);
        let games = count("games")?;
        Ok(Self {
            wall: number("wall")? / games as f64,
            cpu: number("cpu")? / games as f64,
            games,
            solved: count("solved")?,
            gap: reply["gap"].as_f64(),
        })
    }
}

fn outcomes(candidates: &[Candidate], turns: Vec<Turn>) -> Vec<Outcome> {
    let ours = candidates.iter().position(Candidate::is_yardstick);
    let yardstick: Vec<Option<f64>> = ours.map_or_else(Vec::new, |ours| {
        turns[ours].rounds.iter().map(|round| round.as_ref().map(|round| round.wall)).collect()
    });
    turns
        .into_iter()
        .map(|turn| match turn.process {
            Err(error) => Outcome::Failed(error.to_string()),
            Ok(_) => Outcome::Timed(summary(&turn.rounds, &yardstick)),
        })
        .collect()
}

fn summary(rounds: &[Option<Round>], yardstick: &[Option<f64>]) -> Timed {
    let done: Vec<&Round> = rounds.iter().flatten().collect();
    let walls: Vec<f64> = done.iter().map(|round| round.wall).collect();
    let ratios = rounds.iter().zip(yardstick);
    let ratios: Vec<f64> =
        ratios.filter_map(|(round, ours)| Some(round.as_ref()?.wall / (*ours)?)).collect();
    let longest = walls.iter().copied().fold(0.0, f64::max);
    let shortest = walls.iter().copied().fold(f64::INFINITY, f64::min);
    let gaps: Option<Vec<f64>> = done.iter().map(|round| round.gap).collect();
    Timed {
        cpu: median(done.iter().map(|round| round.cpu).collect()),
        wall: median(walls),
        ratio: (!ratios.is_empty()).then(|| median(ratios)),
        noise: longest / shortest,
        rounds: done.len(),
        games: done.iter().map(|round| round.games).max().unwrap_or(0),
        solved: done.iter().map(|round| round.solved).min().unwrap_or(0),
        gap: gaps.map(|gaps| gaps.into_iter().fold(0.0, f64::max)),
    }
}

pub(super) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let half = values.len() / 2;
    match values.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => values[half],
        _ => f64::midpoint(values[half - 1], values[half]),
    }
}

fn print_outcome(threads: usize, candidate: &Candidate, outcome: &Outcome) {
    let who = format!("    {threads} thread(s), {}", candidate.name);
    match outcome {
        Outcome::Failed(reason) => println!("{who}: failed: {reason}"),
        Outcome::Timed(Timed { wall, solved, games, .. }) => {
            println!("{who}: {wall:.3e} s a game, solved {solved} of {games}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(wall: f64, solved: u64, gap: Option<f64>) -> Round {
        Round { wall, cpu: 2.0 * wall, games: 3, solved, gap }
    }

    #[test]
    fn medians_and_the_worst_of_the_certificates_are_kept() {
        assert!((median(vec![3.0, 1.0, 2.0]) - 2.0).abs() < 1e-15);
        assert!((median(vec![4.0, 1.0]) - 2.5).abs() < 1e-15);
        let rounds =
            [round(4.0, 3, Some(1e-9)), round(8.0, 2, Some(1e-3)), round(6.0, 3, Some(1e-9))];
        let timed = summary(&rounds.map(Some), &[Some(2.0), Some(1.0), Some(3.0)]);
        assert_eq!(
            timed,
            Timed {
                wall: 6.0,
                cpu: 12.0,
                ratio: Some(2.0),
                noise: 2.0,
                rounds: 3,
                games: 3,
                solved: 2,
                gap: Some(1e-3),
            }
        );
    }

    #[test]
    fn a_slow_candidate_is_compared_in_the_round_it_took_part_in() {
        let timed = summary(&[Some(round(9.0, 3, None)), None], &[Some(3.0), Some(1.0)]);
        assert_eq!((timed.ratio, timed.rounds, timed.gap), (Some(3.0), 1, None));
    }

    #[test]
    fn a_reply_must_be_complete() {
        let reply = json!({"wall": 6.0, "cpu": 3.0, "games": 3, "solved": 3, "gap": null});
        let read = Round::read(&reply).unwrap();
        assert_eq!((read.wall, read.cpu, read.gap), (2.0, 1.0, None));
        assert!(Round::read(&json!({"wall": 6.0})).is_err());
    }
}
