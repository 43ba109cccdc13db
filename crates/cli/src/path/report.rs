//! A path as people read it: the points, the support changes, and what was learned.

use super::player;
use crate::render;
use crate::solve::status_name;
use nlhf::core::{Distribution, Status};
use nlhf::data::GameRecord;
use nlhf::nash::{PathPoint, PathPolicy, SupportChange};
use std::fmt::Write as _;

/// The table of points, and the support changes below it.
pub(super) fn table(
    points: &[PathPoint],
    record: &GameRecord,
    symmetric: bool,
    threshold: f64,
) -> String {
    let mut header =
        vec!["eta", "status", "duality gap", "value", "exploitability", "KL to reference"];
    header.extend(if symmetric { vec!["support"] } else { vec!["row support", "column support"] });
    header.push("most played");
    let mut table = render::Table::new(&header);
    for point in points {
        let both = |of: &dyn Fn(&PathPolicy) -> String| {
            let column = (!symmetric).then(|| of(&point.column));
            [Some(of(&point.row)), column].into_iter().flatten().collect::<Vec<_>>()
        };
        let mut cells = vec![
            point.eta.map_or("inf".to_owned(), |eta| significant(eta.get())),
            status_name(point.status).to_owned(),
            format!("{:.1e}", point.duality_gap),
            render::number(point.value + record.scale.offset()),
            render::number(point.exploitability),
            both(&|policy| render::number(policy.kl_to_reference)).join(" / "),
        ];
        cells.extend(both(&|policy| policy.support.len().to_string()));
        cells.push(most_played(&point.profile.row));
        table.row(cells);
    }
    let mut text = table.to_string();
    let changes: Vec<&SupportChange> = points.iter().flat_map(|point| &point.changes).collect();
    let mass = render::number(threshold);
    if changes.is_empty() {
        let _ = writeln!(text, "\nNo action crosses a probability of {mass}.");
        return text;
    }
    let _ = writeln!(text, "\nActions that cross a probability of {mass}, by eta:");
    let mut table = render::Table::new(&["eta", "change", "action", "player"]);
    for change in changes {
        let eta = significant(change.eta());
        table.row(vec![
            if change.before.is_finite() { eta } else { format!("beyond {eta}") },
            if change.enters { "enters" } else { "leaves" }.to_owned(),
            change.action.to_string(),
            player(change, symmetric).to_owned(),
        ]);
    }
    let _ = write!(text, "{table}");
    text
}

fn most_played(policy: &Distribution) -> String {
    let mut ranked: Vec<(usize, f64)> = policy.probabilities().into_iter().enumerate().collect();
    ranked.sort_by(|a, b| b.1.total_cmp(&a.1));
    let top = ranked.iter().take(3).map(|(action, p)| format!("{action}: {p:.3}"));
    top.collect::<Vec<_>>().join("  ")
}

/// Five digits, as closely as a support change is known.
fn significant(eta: f64) -> String {
    if (1e-3..1e6).contains(&eta) {
        let powers = [1e5, 1e4, 1e3, 1e2, 1e1, 1.0, 1e-1, 1e-2, 1e-3];
        let digits = powers.iter().position(|power| eta >= *power).unwrap_or(8);
        format!("{eta:.*}", digits.saturating_sub(1))
    } else {
        format!("{eta:.4e}")
    }
}

/// What was learned, in a few lines.
pub(super) fn summary(points: &[PathPoint], symmetric: bool) -> String {
    let mut text = String::new();
    let largest = points.iter().map(|point| point.duality_gap).fold(0.0, f64::max);
    let changes: usize = points.iter().map(|point| point.changes.len()).sum();
    let iterations: usize = points.iter().map(|point| point.iterations).sum();
    let _ = writeln!(
        text,
        "{}, largest gap {largest:.1e}, {}; {} in all",
        render::counted(points.len(), "point"),
        render::counted(changes, "support change"),
        render::counted(iterations, "iteration"),
    );
    let unconverged = points.iter().filter(|point| point.status != Status::Converged).count();
    if unconverged > 0 {
        let _ =
            writeln!(text, "{} did not reach the tolerance", render::counted(unconverged, "point"));
    }
    if let Some(limit) = points.last().and_then(|point| point.limit.as_ref()) {
        let faces = if symmetric {
            vec![(&limit.row, "both")]
        } else {
            vec![(&limit.row, "row"), (&limit.column, "column")]
        };
        for (face, player) in faces {
            let played = render::counted(face.support.len(), "action");
            let _ = write!(text, "winner ({player}): {played} played");
            if !face.tied.is_empty() {
                let _ = write!(text, ", {} tied but not played", face.tied.len());
            }
            text.push('\n');
        }
        match (limit.status, limit.margin) {
            (Status::Converged, Some(margin)) => {
                let _ = writeln!(text, "every other action falls short by {margin:.1e} or more");
            }
            (Status::Converged, None) => {}
            _ => text.push_str("the support of the winner could not be proved\n"),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn etas_keep_five_digits() {
        assert_eq!(significant(0.1), "0.10000");
        assert_eq!(significant(123.456_789), "123.46");
        assert_eq!(significant(123_456.7), "123457");
        assert_eq!(significant(2.5e7), "2.5000e7");
    }
}
