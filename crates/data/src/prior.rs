//! Reference policies as files give them: non-negative masses, not always summing to one.

use crate::{GameNote, Player};
use nlhf_core::Distribution;
use nlhf_core::log_space::normalize;

/// How far the sum of a prior may be from one without a note.
const SUM_TOLERANCE: f64 = 1e-6;

/// Normalizes a prior over `n_actions`; the error is what was expected and what was found.
pub(crate) fn normalized(
    masses: &[f64],
    n_actions: usize,
    player: Player,
    notes: &mut Vec<GameNote>,
) -> Result<Distribution, (String, String)> {
    let field = player.field();
    if masses.len() != n_actions {
        let expected = format!("\"{field}\" to have {n_actions} entries, one an action");
        return Err((expected, masses.len().to_string()));
    }
    if let Some(at) = masses.iter().position(|mass| !(*mass >= 0.0 && mass.is_finite())) {
        let expected = format!("\"{field}\" to be non-negative and finite");
        return Err((expected, format!("{} as entry {}", masses[at], at + 1)));
    }
    let sum: f64 = masses.iter().sum();
    if !sum.is_finite() {
        return Err((format!("\"{field}\" to have a finite sum"), sum.to_string()));
    }
    let Ok(distribution) = Distribution::from_masses(masses) else {
        let expected = format!("\"{field}\" to have a positive entry");
        return Err((expected, "zeros only".to_owned()));
    };
    if (sum - 1.0).abs() > SUM_TOLERANCE {
        notes.push(GameNote::Normalized { player, sum });
    }
    let count = masses.iter().filter(|mass| **mass <= 0.0).count();
    if count > 0 {
        notes.push(GameNote::NeverPlayed { player, count });
    }
    Ok(distribution)
}

/// Appends the logarithms of a prior, with the bits of [`normalized`]; nothing if it is no prior.
pub(crate) fn append_logs(
    logs: &mut Vec<f64>,
    masses: &[f64],
    n_actions: usize,
    player: Player,
    note: &mut impl FnMut(GameNote),
) -> Option<()> {
    let sum: f64 = masses.iter().sum();
    let usual = masses.iter().all(|mass| *mass > 0.0) && (sum - 1.0).abs() <= SUM_TOLERANCE;
    if usual && masses.len() == n_actions {
        let start = logs.len();
        logs.extend(masses.iter().map(|mass| mass.ln()));
        normalize(&mut logs[start..]);
    } else {
        let mut notes = Vec::new();
        let distribution = normalized(masses, n_actions, player, &mut notes).ok()?;
        logs.extend_from_slice(distribution.log_probabilities());
        notes.into_iter().for_each(note);
    }
    Some(())
}

/// Appends the logarithms of [`Distribution::uniform`].
pub(crate) fn append_uniform(logs: &mut Vec<f64>, n_actions: usize) {
    logs.resize(logs.len() + n_actions, -(n_actions as f64).ln());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn appended_logarithms_have_the_bits_of_a_distribution() {
        let bits = |logs: &[f64]| logs.iter().map(|log| log.to_bits()).collect::<Vec<_>>();
        for masses in [vec![0.3, 0.7], vec![3.0, 0.0, 1.0], vec![0.1; 10], vec![1e-300, 1.0]] {
            let (mut logs, mut noted, mut notes) = (vec![-1.0], Vec::new(), Vec::new());
            let n = masses.len();
            append_logs(&mut logs, &masses, n, Player::Row, &mut |note| noted.push(note)).unwrap();
            let distribution = normalized(&masses, n, Player::Row, &mut notes).unwrap();
            assert_eq!(bits(&logs[1..]), bits(distribution.log_probabilities()));
            assert_eq!(noted, notes);
        }
        for (masses, n) in [(vec![0.5, 0.5], 3), (vec![-1.0, 2.0], 2), (vec![f64::NAN, 1.0], 2)] {
            let mut logs = Vec::new();
            assert!(append_logs(&mut logs, &masses, n, Player::Row, &mut |_| ()).is_none());
            assert!(logs.is_empty());
        }
        let mut logs = Vec::new();
        append_uniform(&mut logs, 3);
        assert_eq!(bits(&logs), bits(Distribution::uniform(3).log_probabilities()));
    }

    #[test]
    fn notes_are_sentences() {
        let mut notes = Vec::new();
        let prior = normalized(&[3.0, 0.0, 1.0], 3, Player::Row, &mut notes).unwrap();
        assert!((prior.probabilities()[0] - 0.75).abs() < 1e-15);
        assert_eq!(notes[0].to_string(), "\"prior\" sums to 4 and was normalized");
        assert_eq!(notes[1].to_string(), "\"prior\" is 0 for 1 action, which is never played");
        notes.clear();
        normalized(&[0.1; 10], 10, Player::Column, &mut notes).unwrap();
        assert_eq!(notes, []);
    }

    #[test]
    fn what_is_no_prior_is_refused() {
        for (masses, expected, found) in [
            (vec![1.0], "\"prior\" to have 2 entries, one an action", "1"),
            (vec![0.5, -0.5], "\"prior\" to be non-negative and finite", "-0.5 as entry 2"),
            (vec![f64::NAN, 1.0], "\"prior\" to be non-negative and finite", "NaN as entry 1"),
            (vec![f64::MAX, f64::MAX], "\"prior\" to have a finite sum", "inf"),
            (vec![0.0, 0.0], "\"prior\" to have a positive entry", "zeros only"),
        ] {
            let error = normalized(&masses, 2, Player::Row, &mut Vec::new()).unwrap_err();
            assert_eq!(error, (expected.to_owned(), found.to_owned()));
        }
    }
}
