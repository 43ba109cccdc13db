//! Coverage of the tabular class: a preference of its own for each pair of each prompt.
//!
//! ```text
//! C_x(π) = max_b Σ_{a≠b} π(a)² / w(x, a, b),    C(π) = Σ_x d₀(x)² C_x(π),    w the share of the unordered pair in the data
//! ```
//! By the inequality of Cauchy and Schwarz, which is attained. With n = |D|w labels on a pair now, `Σ d₀² π(a)²/(n + m)` is
//! brought down at the least cost by `n + m = max(n, t d₀ π(a))`: pairs below a level t are filled up to it. The level
//! is that at which C/|D| is a quarter; of competitors that are then below the worst one of their prompt,
//! pairs are filled no further than to draw level with it.

use super::{
    Carrier, Coverage, Found, Play, PromptCoverage, heaviest, largest, probabilities, shares,
};
use crate::PairCounts;
use rayon::prelude::*;

/// The coverage of policies by counted pairs, for preferences of which nothing is assumed.
///
/// [`Coverage::labels_to_halve`] go to the pairs of played responses that have the fewest labels for how often they are
/// played.
///
/// # Panics
/// If a policy does not have one entry a response of its menu.
pub fn tabular_coverage(counts: &PairCounts, plays: &[Play<'_>]) -> Coverage {
    let shares = shares(plays);
    let total = counts.total_weight();
    let tables: Vec<Table> = plays
        .par_iter()
        .zip(&shares)
        .map(|(play, share)| Table::new(counts, play, *share))
        .collect();
    let mut found = Found::default();
    for (play, table) in plays.iter().zip(&tables) {
        let (b, most) = table.worst(0.0);
        let coefficient = if most.is_finite() { total * most } else { most };
        let responses = play.menu.responses();
        found.prompts.push(PromptCoverage { coefficient, competitor: responses[b] });
        let name = |(a, b, share): (usize, usize, f64)| Carrier {
            prompt: play.menu.prompt(),
            first: responses[a],
            second: responses[b],
            share,
        };
        if most.is_infinite() {
            found.missing.extend(table.missing().map(name));
        } else {
            let square = table.share * table.share * total;
            found.lower += square * most;
            let parts = table.others(b).map(|a| (a, b, square * table.term(a, b, 0.0)));
            found.carriers.extend(parts.map(name));
        }
        // Few are named: no need to keep them all.
        for list in [&mut found.carriers, &mut found.missing] {
            if list.len() > 64 * Coverage::NAMED {
                *list = heaviest(std::mem::take(list), |carrier| carrier.share);
            }
        }
    }
    found.upper = found.lower;
    let covered =
        tables.into_iter().filter(|table| table.share > 0.0 && table.worst(0.0).1.is_finite());
    let mut labels = 0.0;
    halve(&covered.collect::<Vec<_>>(), |_, _, _, more| labels += more);
    found.labels = labels;
    found.coverage(total, &shares)
}

/// One prompt: π, d₀ and the labels on each pair, row-major.
pub(super) struct Table {
    share: f64,
    policy: Vec<f64>,
    weights: Vec<f64>,
}

impl Table {
    pub(super) fn new(counts: &PairCounts, play: &Play<'_>, share: f64) -> Self {
        let policy = probabilities(play);
        let (prompt, responses) = (play.menu.prompt(), play.menu.responses());
        let weight = |a: usize, b: usize| {
            counts.get(prompt, responses[a], responses[b]).map_or(0.0, |(weight, _)| weight)
        };
        let n = policy.len();
        let weights = (0..n * n).map(|cell| weight(cell / n, cell % n)).collect();
        Self { share, policy, weights }
    }

    fn weight(&self, a: usize, b: usize) -> f64 {
        self.weights[a * self.policy.len() + b]
    }

    /// The responses that are played against b.
    fn others(&self, b: usize) -> impl Iterator<Item = usize> {
        (0..self.policy.len()).filter(move |a| *a != b && self.policy[*a] > 0.0)
    }

    /// `π(a)²/(n + m)` with the pair filled up to `level π(a)`.
    fn term(&self, a: usize, b: usize, level: f64) -> f64 {
        let p = self.policy[a];
        p * (p / self.weight(a, b).max(level * p))
    }

    fn sum(&self, b: usize, level: f64) -> f64 {
        self.others(b).map(|a| self.term(a, b, level)).sum()
    }

    /// The worst competitor and its sum.
    fn worst(&self, level: f64) -> (usize, f64) {
        largest((0..self.policy.len()).map(|b| self.sum(b, level)))
    }

    /// Played pairs without labels, if the prompt counts, and how often each is played; an unordered one named by the side that is played more.
    fn missing(&self) -> impl Iterator<Item = (usize, usize, f64)> {
        let p = &self.policy;
        let pairs = (0..p.len()).flat_map(move |b| self.others(b).map(move |a| (a, b)));
        let unknown = pairs.filter(|(a, b)| self.weight(*a, *b) == 0.0);
        let named = unknown.filter(|(a, b)| (p[*a], *b) > (p[*b], *a));
        let shares = named.map(|(a, b)| (a, b, self.share * p[a]));
        shares.filter(|(_, _, share)| *share > 0.0)
    }
}

/// Gives `more(table, a, b, labels)`, which together bring C/|D| of the tables down to a quarter.
pub(super) fn halve(tables: &[Table], mut more: impl FnMut(usize, usize, usize, f64)) {
    let sum = |level: f64| -> f64 {
        let part = |table: &Table| table.share * table.share * table.worst(level * table.share).1;
        tables.par_iter().map(part).collect::<Vec<f64>>().iter().sum()
    };
    let now = sum(0.0);
    if now == 0.0 {
        return;
    }
    // Filled pairs make no more than Σ d₀ π/t ≤ 1/t.
    let level = bisect(4.0 / now, |level| sum(level) <= 0.25 * now);
    for (at, table) in tables.iter().enumerate() {
        let n = table.policy.len();
        let target = table.worst(level * table.share).1;
        let mut wanted = vec![0.0_f64; n * n];
        for b in 0..n {
            if table.sum(b, 0.0) <= target {
                continue;
            }
            let level = bisect(level * table.share, |level| table.sum(b, level) <= target);
            for a in table.others(b) {
                let labels = (level * table.policy[a] - table.weight(a, b)).max(0.0);
                let cell = &mut wanted[a.min(b) * n + a.max(b)];
                *cell = cell.max(labels);
            }
        }
        for (cell, labels) in wanted.into_iter().enumerate().filter(|(_, labels)| *labels > 0.0) {
            more(at, cell / n, cell % n, labels);
        }
    }
}

/// The lowest level in `[0, high]` at which a condition holds, up to rounding; it does at `high` and beyond any at which
/// it does.
fn bisect(high: f64, holds: impl Fn(f64) -> bool) -> f64 {
    let (mut low, mut high) = (0.0, high);
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        *(if holds(middle) { &mut high } else { &mut low }) = middle;
    }
    high
}
