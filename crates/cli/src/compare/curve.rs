//! Curves to draw: the gap of one game as measured, or the median over several, at products that are
//! spaced evenly in the logarithm.

use super::contest::{Entrant, Run};
use super::median;
use nlhf::nash::published::Target;

/// The line of one method.
#[derive(Debug)]
pub(super) struct Curve {
    pub(super) name: &'static str,
    pub(super) target: Target,
    /// Its letter in the table and in the text plot.
    pub(super) letter: char,
    /// Products, at least 1, and gap, within the range of the chart.
    pub(super) points: Vec<(f64, f64)>,
}

/// All lines, and the ranges that they span.
#[derive(Debug)]
pub(super) struct Chart {
    pub(super) curves: Vec<Curve>,
    pub(super) products: (f64, f64),
    pub(super) gaps: (f64, f64),
    pub(super) n_games: usize,
}

/// Points a curve.
const RESOLUTION: usize = 240;

impl Chart {
    /// `runs[k]` are those of the entrant `k`; gaps below a tenth of `tolerance` are drawn there.
    pub(super) fn new(
        entrants: &[Entrant],
        runs: &[Vec<&Run>],
        tolerance: f64,
        n_games: usize,
    ) -> Self {
        let most = runs.iter().flatten().map(|run| run.products).max().unwrap_or(1).max(10) as f64;
        let floor = (0.1 * tolerance).max(1e-16);
        let mut highest = 10.0 * floor;
        let mut curves = Vec::new();
        for (at, (entrant, runs)) in entrants.iter().zip(runs).enumerate() {
            let points: Vec<(f64, f64)> = match runs.as_slice() {
                [] => Vec::new(),
                [run] => run.trace.iter().map(|p| (p.products.max(1) as f64, p.gap)).collect(),
                runs => medians(runs, most),
            };
            for (_, gap) in points.iter().filter(|(_, gap)| gap.is_finite()) {
                highest = highest.max(*gap);
            }
            let (name, target, letter) = (entrant.name(), entrant.target(), letter(at));
            curves.push(Curve { name, target, letter, points });
        }
        for (_, gap) in curves.iter_mut().flat_map(|curve| &mut curve.points) {
            *gap = gap.clamp(floor, highest);
        }
        Self { curves, products: (1.0, most), gaps: (floor, highest), n_games }
    }
}

/// The median gap from where all runs are measured to where the last one ends.
fn medians(runs: &[&Run], most: f64) -> Vec<(f64, f64)> {
    let last = runs.iter().map(|run| run.products).max().unwrap_or(0).max(1) as f64;
    let mut points = Vec::new();
    for step in 0..=RESOLUTION {
        let products = most.powf(step as f64 / RESOLUTION as f64).min(last);
        let gaps: Option<Vec<f64>> = runs.iter().map(|run| run.gap_at(products)).collect();
        points.extend(gaps.map(|gaps| (products, median(gaps))));
        if products >= last {
            break;
        }
    }
    points
}

/// The letter of the method in line `at` of the table.
pub(super) fn letter(at: usize) -> char {
    ('a'..='z').chain('A'..='Z').nth(at).unwrap_or('*')
}
