//! The solutions of a batch in flat vectors, and how they are written.
//!
//! A game without a solution keeps its place: one that could not be read is written as "invalid", one
//! whose solver broke down as "failed", and neither has a policy.
//!
//! ```text
//! {"id": "17", "status": "invalid", "line": 17, "reason": "expected \"eta\" positive and finite, found 0"}
//! {"id": "17", "status": "invalid", "index": 17, "reason": …}      of an archive
//! ```

use crate::{BadGame, GameBatch, GamePlace, GameRef};
use nlhf_core::{Solution, Status};
use serde::Serialize;
use serde::ser::{SerializeSeq, Serializer};
use std::io;

/// What came of the games of a batch, in their order.
#[derive(Debug, Clone, Default)]
pub struct SolutionBatch {
    heads: Vec<Head>,
    log_policies: Vec<f64>,
    log_opponents: Vec<f64>,
    failures: Vec<(usize, String)>,
}

#[derive(Debug, Clone, Copy)]
struct Head {
    status: Option<Status>,
    value: f64,
    duality_gap: f64,
    iterations: usize,
    method: &'static str,
    reason: &'static str,
    policy_end: usize,
    opponent_end: usize,
}

/// One solution of a batch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SolutionRef<'a> {
    /// Why the solver stopped.
    pub status: Status,
    /// The log-probabilities of the row player.
    pub log_policy: &'a [f64],
    /// Those of the column player, if they may differ.
    pub log_opponent: Option<&'a [f64]>,
    /// The regularized value on the scale of the file: ½ for equals on the probability scale.
    pub value: f64,
    /// The duality gap, recomputed from the policies.
    pub duality_gap: f64,
    /// Iterations of the solver.
    pub iterations: usize,
    /// The method that found it.
    pub method: &'static str,
    /// Why this method.
    pub reason: &'static str,
}

/// What came of a game, good or bad.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Outcome<'a> {
    /// It has a solution.
    Solved(SolutionRef<'a>),
    /// The solver broke down; the text says how.
    Failed(&'a str),
    /// It is no game.
    Invalid(&'a BadGame),
}

impl SolutionBatch {
    /// Takes everything out and keeps the memory.
    pub fn clear(&mut self) {
        self.heads.clear();
        self.log_policies.clear();
        self.log_opponents.clear();
        self.failures.clear();
    }

    /// How many games have been answered.
    pub fn len(&self) -> usize {
        self.heads.len()
    }

    /// Whether none has.
    pub fn is_empty(&self) -> bool {
        self.heads.is_empty()
    }

    /// Appends a solution of the next game.
    pub fn push(&mut self, solution: SolutionRef<'_>) {
        self.log_policies.extend_from_slice(solution.log_policy);
        self.log_opponents.extend_from_slice(solution.log_opponent.unwrap_or_default());
        self.heads.push(Head {
            status: Some(solution.status),
            value: solution.value,
            duality_gap: solution.duality_gap,
            iterations: solution.iterations,
            method: solution.method,
            reason: solution.reason,
            policy_end: self.log_policies.len(),
            opponent_end: self.log_opponents.len(),
        });
    }

    /// Appends what a solver returned for the next game.
    pub fn push_solution(&mut self, game: &GameRef<'_>, solution: &Solution) {
        let profile = &solution.profile;
        let symmetric = game.scale != crate::GameScale::Payoff
            && game.column_reference.is_none()
            && profile.row == profile.column;
        self.push(SolutionRef {
            status: solution.status,
            log_policy: profile.row.log_probabilities(),
            log_opponent: (!symmetric).then(|| profile.column.log_probabilities()),
            value: solution.certificate.value + game.scale.offset(),
            duality_gap: solution.certificate.duality_gap,
            iterations: solution.iterations,
            method: solution.method,
            reason: solution.reason,
        });
    }

    /// Says that the next game has no solution because the solver broke down.
    pub fn push_failure(&mut self, reason: String) {
        self.failures.push((self.len(), reason));
        self.heads.push(Head {
            status: None,
            value: f64::NAN,
            duality_gap: f64::INFINITY,
            iterations: 0,
            method: "",
            reason: "",
            policy_end: self.log_policies.len(),
            opponent_end: self.log_opponents.len(),
        });
    }

    /// What came of the game at a position below [`SolutionBatch::len`].
    ///
    /// # Panics
    /// If there is none.
    pub fn outcome(&self, at: usize) -> Outcome<'_> {
        let Head {
            value,
            duality_gap,
            iterations,
            method,
            reason,
            policy_end,
            opponent_end,
            status,
        } = self.heads[at];
        let Some(status) = status else {
            let reason = self.failures.iter().find(|(failed, _)| *failed == at);
            return Outcome::Failed(reason.map_or("", |(_, reason)| reason.as_str()));
        };
        let (policy_start, opponent_start) = match at.checked_sub(1).map(|at| self.heads[at]) {
            Some(before) => (before.policy_end, before.opponent_end),
            None => (0, 0),
        };
        let log_opponent = &self.log_opponents[opponent_start..opponent_end];
        Outcome::Solved(SolutionRef {
            status,
            log_policy: &self.log_policies[policy_start..policy_end],
            log_opponent: (!log_opponent.is_empty()).then_some(log_opponent),
            value,
            duality_gap,
            iterations,
            method,
            reason,
        })
    }

    /// Everything that came of `games`, the bad ones among the others in the order of the file; the
    /// game is missing where there is none.
    ///
    /// # Panics
    /// If not every game has been answered.
    pub fn outcomes<'a>(
        &'a self,
        games: &'a GameBatch,
    ) -> impl Iterator<Item = (Option<GameRef<'a>>, Outcome<'a>)> {
        assert_eq!(self.len(), games.len(), "one outcome a game");
        let mut bad = games.bad().iter().peekable();
        let mut at = 0;
        std::iter::from_fn(move || {
            if let Some(bad) = bad.next_if(|bad| bad.games_before <= at) {
                return Some((None, Outcome::Invalid(bad)));
            }
            if at == games.len() {
                return None;
            }
            at += 1;
            Some((Some(games.game(at - 1)), self.outcome(at - 1)))
        })
    }

    /// Appends a line of JSON for each of [`SolutionBatch::outcomes`]: a [`crate::SolutionLine`], or one
    /// of a game without a solution.
    ///
    /// # Errors
    /// None that is known: memory takes every line.
    pub fn write_lines(&self, games: &GameBatch, out: &mut Vec<u8>) -> io::Result<()> {
        for (game, outcome) in self.outcomes(games) {
            let id = game.map(|game| game.id()).unwrap_or_default();
            match outcome {
                Outcome::Solved(solution) => {
                    serde_json::to_writer(&mut *out, &Line::new(&id, &solution))?;
                }
                Outcome::Failed(reason) => {
                    let place = game.map_or(GamePlace::Line(0), |game| game.place);
                    serde_json::to_writer(&mut *out, &Unsolved::new(&id, "failed", place, reason))?;
                }
                Outcome::Invalid(BadGame { id, place, reason, .. }) => {
                    serde_json::to_writer(
                        &mut *out,
                        &Unsolved::new(id, "invalid", *place, reason),
                    )?;
                }
            }
            out.push(b'\n');
        }
        Ok(())
    }
}

/// A [`crate::SolutionLine`] written from where its numbers are.
#[derive(Serialize)]
struct Line<'a> {
    id: &'a str,
    status: Status,
    policy: Probabilities<'a>,
    log_policy: Logarithms<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    opponent: Option<Probabilities<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    log_opponent: Option<Logarithms<'a>>,
    value: f64,
    duality_gap: f64,
    iterations: usize,
    method: &'a str,
}

impl<'a> Line<'a> {
    fn new(id: &'a str, solution: &SolutionRef<'a>) -> Self {
        Self {
            id,
            status: solution.status,
            policy: Probabilities(solution.log_policy),
            log_policy: Logarithms(solution.log_policy),
            opponent: solution.log_opponent.map(Probabilities),
            log_opponent: solution.log_opponent.map(Logarithms),
            value: solution.value,
            // JSON has no infinity: it is written as null.
            duality_gap: solution.duality_gap,
            iterations: solution.iterations,
            method: solution.method,
        }
    }
}

struct Probabilities<'a>(&'a [f64]);
struct Logarithms<'a>(&'a [f64]);

impl Serialize for Probabilities<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut seq = serializer.serialize_seq(Some(self.0.len()))?;
        for log in self.0 {
            seq.serialize_element(&log.exp())?;
        }
        seq.end()
    }
}

impl Serialize for Logarithms<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Minus infinity is written as null.
        self.0.serialize(serializer)
    }
}

/// A game that has no solution.
#[derive(Serialize)]
struct Unsolved<'a> {
    id: &'a str,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<u64>,
    reason: &'a str,
}

impl<'a> Unsolved<'a> {
    fn new(id: &'a str, status: &'static str, place: GamePlace, reason: &'a str) -> Self {
        let (line, index) = match place {
            GamePlace::Line(line) => (Some(line), None),
            GamePlace::Index(index) => (None, Some(index)),
        };
        Self { id, status, line, index, reason }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::written;
    use crate::{GameBlock, GameDefaults, GameFile, SolutionLine, parse_game};
    use nlhf_core::{ASKED_FOR, Certificate, Distribution, Profile};
    use std::path::Path;

    const LINES: [&str; 4] = [
        r#"{"id":"s\"","eta":1,"scale":"probability","payoff":[[0.5,0.3],[0.7,0.5]]}"#,
        r#"{"id":"bad","eta":0,"scale":"payoff","payoff":[[1]]}"#,
        r#"{"eta":1,"scale":"payoff","payoff":[[1,0,-1],[0,1,2]]}"#,
        r#"{"eta":1,"scale":"log-odds","payoff":[[0,1],[-1,0]],"opponent_prior":[1,2]}"#,
    ];

    fn solution(n: usize, m: usize) -> Solution {
        let masses = |n: usize| (0..n).map(|k| k as f64 / 7.0).collect::<Vec<_>>();
        let policy = |n: usize| Distribution::from_masses(&masses(n)).unwrap();
        Solution {
            profile: Profile { row: policy(n), column: policy(m) },
            certificate: Certificate {
                value: 0.1,
                duality_gap: f64::INFINITY,
                row_regret: 0.0,
                column_regret: f64::INFINITY,
            },
            status: Status::Stalled,
            iterations: 7,
            method: "newton",
            reason: ASKED_FOR,
        }
    }

    #[test]
    fn lines_are_those_of_single_games_and_the_bad_ones_are_marked() {
        let file = written("g.jsonl", LINES.join("\n") + "\n");
        let mut games = GameBatch::default();
        let mut block = GameBlock::default();
        let mut reader = GameFile::open(&file.path, GameDefaults::default()).unwrap();
        assert!(reader.read(&mut block).unwrap());
        block.parse(0, &mut games);
        let mut solutions = SolutionBatch::default();
        solutions.push_failure("left over".to_owned());
        solutions.clear();
        for at in 0..2 {
            let game = games.game(at);
            solutions.push_solution(&game, &solution(game.nrows, game.ncols));
        }
        solutions.push_failure("newton left the finite numbers".to_owned());
        let mut text = Vec::new();
        solutions.write_lines(&games, &mut text).unwrap();
        let text = String::from_utf8(text).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        for (at, (line, n, m)) in [(0, (LINES[0], 2, 2)), (2, (LINES[2], 2, 3))] {
            let defaults = GameDefaults::default();
            let record = parse_game(line, Path::new("g"), at as u64 + 1, &defaults).unwrap();
            let expected = SolutionLine::new(&record, &solution(n, m));
            assert_eq!(lines[at], serde_json::to_string(&expected).unwrap());
        }
        let reason = r#"expected \"eta\" positive and finite, found 0"#;
        let invalid = format!(r#"{{"id":"bad","status":"invalid","line":2,"reason":"{reason}"}}"#);
        assert_eq!(lines[1], invalid);
        let reason = "newton left the finite numbers";
        let failed = format!(r#"{{"id":"4","status":"failed","line":4,"reason":"{reason}"}}"#);
        assert_eq!(lines[3..], [failed]);
    }

    #[test]
    fn an_opponent_of_its_own_is_kept() {
        let own = parse_game(LINES[3], Path::new("g"), 1, &GameDefaults::default()).unwrap();
        let mut games = GameBatch::default();
        games.push_record(&own, GamePlace::Line(1));
        let mut solutions = SolutionBatch::default();
        solutions.push_solution(&games.game(0), &solution(2, 2));
        let Outcome::Solved(solved) = solutions.outcome(0) else { panic!("a solution") };
        assert_eq!(solved.log_opponent, Some(solved.log_policy));
        assert!(!games.game(0).is_symmetric());
    }
}
