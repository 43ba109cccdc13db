//! Coverage with names: what the comparisons tell of what decides, and which to collect next.

use crate::input::Problem;
use crate::render::{count, counted, number};
use nlhf::core::{PromptId, ResponseId};
use nlhf::preference::{Carrier, Coverage, Direction};
use serde::Serialize;
use std::fmt::Write;

/// Pairs that the summary names; the report has more.
const TOLD: usize = 3;
/// Directions of less are not worth a line.
const TELLING: f64 = 0.1;

/// A pair by name.
#[derive(Serialize)]
struct NamedPair<'a> {
    prompt_id: &'a str,
    response_id: &'a str,
    competitor_id: &'a str,
    share: f64,
}

/// [`Coverage`] with names in place of ids.
#[derive(Serialize)]
pub(super) struct NamedCoverage<'a> {
    /// C(π), `None` if it is infinite.
    coefficient_lower: Option<f64>,
    coefficient_upper: Option<f64>,
    covered_lower: f64,
    covered_upper: f64,
    effective_labels: Option<f64>,
    labels_to_halve: Option<f64>,
    n_uncovered: usize,
    uncovered_share: f64,
    carriers: Vec<NamedPair<'a>>,
    missing: Vec<NamedPair<'a>>,
    directions: &'a [Direction],
    missing_directions: &'a [Direction],
    /// C(π) of each prompt by itself, `None` if it is infinite.
    prompt_coefficients: Vec<Option<f64>>,
    prompt_competitors: Vec<&'a str>,
}

/// The coverage as the report holds it.
pub(super) fn named<'a>(problem: &'a Problem, coverage: &'a Coverage) -> NamedCoverage<'a> {
    let pair = |carrier: &Carrier| NamedPair {
        prompt_id: prompt(problem, carrier.prompt),
        response_id: response(problem, carrier.first),
        competitor_id: response(problem, carrier.second),
        share: carrier.share,
    };
    let finite = |x: f64| x.is_finite().then_some(x);
    NamedCoverage {
        coefficient_lower: finite(coverage.lower),
        coefficient_upper: finite(coverage.upper),
        covered_lower: coverage.covered_lower,
        covered_upper: coverage.covered_upper,
        effective_labels: finite(coverage.effective_labels()),
        labels_to_halve: coverage.labels_to_halve,
        n_uncovered: coverage.n_uncovered,
        uncovered_share: coverage.uncovered_share.max(0.0),
        carriers: coverage.carriers.iter().map(pair).collect(),
        missing: coverage.missing.iter().map(pair).collect(),
        directions: &coverage.directions,
        missing_directions: &coverage.missing_directions,
        prompt_coefficients: coverage.prompts.iter().map(|p| finite(p.coefficient)).collect(),
        prompt_competitors: coverage
            .prompts
            .iter()
            .map(|p| response(problem, p.competitor))
            .collect(),
    }
}

/// The lines of the summary about coverage.
pub(super) fn write_line(out: &mut String, coverage: &Coverage) -> std::fmt::Result {
    let n = coverage.prompts.len();
    if coverage.n_uncovered > 0 {
        writeln!(
            out,
            "  coverage      on {} of {} the comparisons leave open something that decides, however many there are of their kind",
            count(coverage.n_uncovered),
            counted(n, "prompt"),
        )?;
        if coverage.n_uncovered == n {
            return Ok(());
        }
    }
    if coverage.covered_upper == 0.0 {
        return writeln!(
            out,
            "  coverage      there is nothing to choose between, hence nothing to cover"
        );
    }
    let (low, high) = (coverage.covered_lower, coverage.covered_upper);
    let exact = high - low <= 1e-9 * high;
    let coefficient =
        if exact { number(high) } else { format!("{} to {}", number(low), number(high)) };
    writeln!(
        out,
        "  coverage      {}the comparisons are worth {}{} of the policy against its worst competitor (C = {coefficient})",
        if coverage.n_uncovered > 0 { "elsewhere " } else { "" },
        if exact { "" } else { "at least " },
        worth(coverage.total_weight / high),
    )
}

fn worth(labels: f64) -> String {
    if labels < 10.0 { format!("{labels:.1}") } else { whole(labels) }
}

/// What to collect next, as steps; how many labels only where there is a bound that they tighten.
pub(super) fn steps(problem: &Problem, coverage: &Coverage, bounded: bool) -> Vec<String> {
    let mut steps = Vec::new();
    let names = |carriers: &[Carrier]| -> String {
        let told = carriers.iter().take(TOLD).map(|carrier| {
            let at = prompt(problem, carrier.prompt);
            let (a, b) = (response(problem, carrier.first), response(problem, carrier.second));
            format!("{a} with {b} on {at}")
        });
        told.collect::<Vec<_>>().join("; ")
    };
    if !coverage.missing.is_empty() {
        steps.push(format!(
            "collect what is missing first, most played first: {}",
            names(&coverage.missing)
        ));
    }
    if let Some(labels) = coverage.labels_to_halve.filter(|_| bounded) {
        steps.push(format!(
            "placed best, about {} further labels bring C a label to a quarter, and to half what the theorem promises, √(C/|D|); the pairs that carry most: {}",
            whole(labels),
            names(&coverage.carriers)
        ));
    }
    for (directions, what) in [
        (&coverage.missing_directions, "no comparison tells of the direction"),
        (&coverage.directions, "comparisons tell least of the direction"),
    ] {
        if let Some(direction) = directions.first().filter(|direction| direction.share >= TELLING) {
            let loadings = direction.loadings.iter().take(TOLD);
            let told: Vec<String> =
                loadings.map(|(at, x)| format!("{x:+.2} of parameter {at}")).collect();
            steps.push(format!(
                "{what} {} ({:.0} % of C): prompts and answers that differ along it are worth most",
                told.join(", "),
                100.0 * direction.share
            ));
            break;
        }
    }
    steps
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of labels")]
pub(super) fn whole(labels: f64) -> String {
    count(labels.round().max(0.0) as usize)
}

fn prompt(problem: &Problem, id: PromptId) -> &str {
    problem.dataset.prompts.name(id.index())
}

fn response(problem: &Problem, id: ResponseId) -> &str {
    problem.dataset.responses.name(id.index())
}
