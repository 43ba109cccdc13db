//! The lines that are written: solutions of games, and policies of prompts.
//!
//! ```text
//! {"id": "rps", "status": "converged", "policy": [...], "log_policy": [...], "opponent": [...],
//!  "log_opponent": [...], "value": 0.5, "duality_gap": 1e-14, "iterations": 3, "method": "newton"}
//! {"prompt_id": "p1", "response_ids": [...], "probabilities": [...], "log_probabilities": [...],
//!  "value": 0.5, "duality_gap": 1e-14, "suboptimality_bound": 5e-15}
//! ```
//! Numbers come back bit for bit. JSON has no infinity: the logarithm of a probability of zero is
//! `null`, and so is an infinite gap.

use crate::{GameRecord, GameScale};
use nlhf_core::{Distribution, Solution, Status};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::io::{self, Write};

/// The solution of one game.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SolutionLine {
    /// The name of the game.
    pub id: String,
    /// Why the solver stopped.
    pub status: Status,
    /// The probabilities of the row player, or of both if there is no `opponent`.
    pub policy: Vec<f64>,
    /// Their logarithms.
    pub log_policy: Distribution,
    /// The probabilities of the column player: always for payoffs, and for preferences if the two
    /// references differ.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opponent: Option<Vec<f64>>,
    /// Their logarithms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_opponent: Option<Distribution>,
    /// The regularized value on the scale of the file: ½ for equals on the probability scale.
    pub value: f64,
    /// The duality gap, recomputed from the policies.
    #[serde(with = "nlhf_core::null_is_infinite")]
    pub duality_gap: f64,
    /// Iterations of the solver.
    pub iterations: usize,
    /// The method that found it; empty in files of before it was written.
    #[serde(default)]
    pub method: Cow<'static, str>,
}

impl SolutionLine {
    /// The line of a solved game.
    pub fn new(record: &GameRecord, solution: &Solution) -> Self {
        let profile = &solution.profile;
        let reference = &record.reference;
        let symmetric = record.scale != GameScale::Payoff
            && reference.row == reference.column
            && profile.row == profile.column;
        let opponent = (!symmetric).then_some(&profile.column);
        Self {
            id: record.id.clone(),
            status: solution.status,
            policy: profile.row.probabilities(),
            log_policy: profile.row.clone(),
            opponent: opponent.map(Distribution::probabilities),
            log_opponent: opponent.cloned(),
            value: solution.certificate.value + record.scale.offset(),
            duality_gap: solution.certificate.duality_gap,
            iterations: solution.iterations,
            method: solution.method.into(),
        }
    }
}

/// The policy of one prompt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PolicyLine<'a> {
    /// The prompt.
    pub prompt_id: Cow<'a, str>,
    /// Its candidates.
    pub response_ids: Vec<Cow<'a, str>>,
    /// The probability of each.
    pub probabilities: Vec<f64>,
    /// Their logarithms.
    pub log_probabilities: Distribution,
    /// The regularized value of the game.
    pub value: f64,
    /// The duality gap, recomputed from the policy.
    #[serde(with = "nlhf_core::null_is_infinite")]
    pub duality_gap: f64,
    /// A bound on how much the policy can lose against the equilibrium.
    #[serde(with = "nlhf_core::null_is_infinite")]
    pub suboptimality_bound: f64,
}

/// Writes one value as one line of JSON.
///
/// # Errors
/// Those of `out`, and if `line` is no JSON value, such as a map whose keys are not strings.
pub fn write_jsonl<T: Serialize>(out: &mut dyn Write, line: &T) -> io::Result<()> {
    let mut text = serde_json::to_vec(line)?;
    text.push(b'\n');
    out.write_all(&text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{GameDefaults, parse_game};
    use nlhf_core::{ASKED_FOR, Certificate, Profile};
    use std::path::Path;

    fn round_trip<T: Serialize + serde::de::DeserializeOwned>(line: &T) -> (String, T) {
        let mut text = Vec::new();
        write_jsonl(&mut text, line).unwrap();
        let text = String::from_utf8(text).unwrap();
        assert!(text.ends_with("}\n") && text.matches('\n').count() == 1);
        let back = serde_json::from_str(&text).unwrap();
        (text, back)
    }

    fn bits(values: &[f64]) -> Vec<u64> {
        values.iter().map(|value| value.to_bits()).collect()
    }

    fn awkward() -> Distribution {
        let masses: Vec<f64> = (0..50).map(|k| (f64::from(k) * 0.7).sin().abs() / 3.0).collect();
        Distribution::from_masses(&masses).unwrap()
    }

    #[test]
    fn policies_come_back_bit_for_bit() {
        let policy = awkward();
        assert!(policy.log_probabilities()[0] == f64::NEG_INFINITY);
        let line = PolicyLine {
            prompt_id: "p\"1".into(),
            response_ids: (0..50).map(|k| format!("r{k}").into()).collect(),
            probabilities: policy.probabilities(),
            log_probabilities: policy,
            value: 0.1 + 0.2,
            duality_gap: f64::INFINITY,
            suboptimality_bound: 5e-324,
        };
        let (text, back) = round_trip(&line);
        assert!(text.contains("\"log_probabilities\":[null,"), "{text}");
        assert!(text.contains("\"duality_gap\":null"), "{text}");
        assert_eq!(bits(&back.probabilities), bits(&line.probabilities));
        let logs = |line: &PolicyLine<'_>| bits(line.log_probabilities.log_probabilities());
        assert_eq!(logs(&back), logs(&line));
        assert_eq!(back, line);
    }

    #[test]
    fn solutions_name_the_opponent_only_where_there_is_one() {
        let solved = |text: &str, profile: Profile| {
            let record = parse_game(text, Path::new("g"), 1, &GameDefaults::default()).unwrap();
            let certificate = Certificate {
                value: 0.25,
                duality_gap: 1e-17,
                row_regret: 0.0,
                column_regret: 1e-17,
            };
            let status = Status::IterationLimit;
            let solution = Solution {
                profile,
                certificate,
                status,
                iterations: 7,
                method: "newton",
                reason: ASKED_FOR,
            };
            SolutionLine::new(&record, &solution)
        };
        let skew = r#"{"id":"s","eta":1,"scale":"probability","payoff":[[0.5,0.3],[0.7,0.5]]}"#;
        let policy = Distribution::from_masses(&[0.1, 0.7]).unwrap();
        let line = solved(skew, Profile::symmetric(policy.clone()));
        let (text, back) = round_trip(&line);
        assert!(text.starts_with(r#"{"id":"s","status":"iteration-limit","policy":["#), "{text}");
        assert!(
            text.contains(r#""value":0.75,"duality_gap":1e-17,"iterations":7,"method":"newton"}"#),
            "{text}"
        );
        assert!(!text.contains("opponent"), "{text}");
        assert_eq!(bits(&back.policy), bits(&line.policy));
        assert_eq!(back, line);

        let wide = r#"{"id":"w","eta":1,"scale":"payoff","payoff":[[1,0,-1],[0,1,2]]}"#;
        let line = solved(wide, Profile { row: policy, column: awkward() });
        let (text, back) = round_trip(&line);
        assert!(text.contains(r#""opponent":[0.0,"#), "{text}");
        assert!(text.contains(r#""log_opponent":[null,"#), "{text}");
        assert_eq!(back, line);
    }
}
