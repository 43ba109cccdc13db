//! Are preferences transitive? Two statistics against their null distribution, so that noise is not sold
//! as cycles.
//!
//! ```text
//! Λ = 2 (ℓ_pairs − ℓ_BT)          every pair its own win rate, against Bradley-Terry scores
//! T = number of triples with majorities a over b over c over a; ties leave a triple out
//! p = (1 + #{k : statistic_k ≥ statistic}) / (1 + K)         over K data sets simulated under Bradley-Terry
//! ```
//! Λ tells whether scores describe the pairs, T whether preferences go round in circles: the first may be
//! large without a single cycle. Votes count as independent, but for two of one judge on one pair of one
//! prompt, one in each order, which count as one: their mean.
//!
//! A parametric bootstrap: each simulated set has the pairs, counts, ties and presentation orders of the data, wins drawn
//! from the fitted scores and the fitted effect of the order. The χ² limit of Λ does not hold for pairs
//! that are compared a few times each; the bootstrap does not need it. Source: Davison and Hinkley,
//! Bootstrap Methods and their Application (1997), chapter 4.

use crate::PairCounts;
use crate::WinTable;
use crate::groups::Groups;
use crate::item_scores::item_scores;
use nlhf_core::logistic::sigmoid;
use nlhf_core::{Comparison, Label, PromptId, SeedTree, Stream, Weight, WorkspaceRng};
use rand::RngExt;
use rand_distr::{Binomial, Distribution};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A statistic beside what Bradley-Terry would give.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct TransitivityTest {
    /// The statistic of the data.
    pub statistic: f64,
    /// Its mean over the simulated data sets.
    pub null_mean: f64,
    /// Its standard deviation over them.
    pub null_deviation: f64,
    /// The share of sets, the data included, in which it is at least as large.
    pub p_value: f64,
}

/// What the data say about cycles.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Transitivity {
    /// Pairs that were compared, whatever the prompt.
    pub n_pairs: usize,
    /// How many numbers pairs have that scores do not: pairs − responses + components.
    pub degrees_of_freedom: usize,
    /// Triples with three majorities.
    pub n_triples: u64,
    /// Simulated data sets K.
    pub replicates: usize,
    /// Twice the difference of the log-likelihoods.
    pub likelihood_ratio: TransitivityTest,
    /// Cyclic triples.
    pub cyclic_triples: TransitivityTest,
}

/// So small a ridge that it matters only where a score would be infinite.
const RIDGE: f64 = 0.01;

/// What the order of presentation adds in each place of [`Cell::decided`], in units of γ.
const SIGNS: [f64; 3] = [1.0, -1.0, 0.0];

/// One pair of a component, all prompts together.
#[derive(Debug, Clone, Copy)]
struct Cell {
    low: usize,
    high: usize,
    /// The weight of ties.
    ties: f64,
    /// The decided weight with the lower one shown first, with the higher one, and in both orders.
    decided: [f64; 3],
    /// The wins of the lower one among them, soft labels in parts.
    wins: [f64; 3],
}

/// A component of the graph of comparisons with its fitted scores.
struct Component {
    n_items: usize,
    cells: Vec<Cell>,
    scores: Vec<f64>,
}

/// The tests; `None` if comparisons close no circle, so that nothing could be cyclic.
///
/// Responses are taken to be the same for all prompts that they answer. `replicates` simulated sets cost as
/// many Bradley-Terry fits; 199 tell p-values of 0.005.
///
/// # Panics
/// If there are 2³² replicates or more, or a component of more than 8192 responses.
pub fn transitivity(
    data: &[Comparison],
    replicates: usize,
    seeds: SeedTree,
) -> Option<Transitivity> {
    let mut components = components(data);
    let n_pairs: usize = components.iter().map(|c| c.cells.len()).sum();
    let free = |c: &Component| c.cells.len() + 1 - c.n_items;
    let degrees_of_freedom: usize = components.iter().map(free).sum();
    components.retain(|c| free(c) > 0);
    if degrees_of_freedom == 0 {
        return None;
    }
    let (mut ratio, mut cycles, mut triples) = (0.0, 0, 0);
    for component in &mut components {
        let table = component.table(|cell| cell.wins.iter().sum());
        let (lambda, scores) = likelihood_ratio(&table)?;
        component.scores = scores;
        ratio += lambda;
        let (cyclic, all) = count_triples(&table);
        cycles += cyclic;
        triples += all;
    }
    let gamma = order_effect(&components);
    let unit = |k: usize| u32::try_from(k).expect("fewer replicates than streams");
    let null: Vec<Option<(f64, f64)>> = (0..replicates)
        .into_par_iter()
        .map(|k| {
            let mut rng = seeds.rng(Stream::Bootstrap, unit(k));
            let (mut ratio, mut cycles) = (0.0, 0);
            for component in &components {
                let table = component.simulate(gamma, &mut rng);
                ratio += likelihood_ratio(&table)?.0;
                cycles += count_triples(&table).0;
            }
            Some((ratio, cycles as f64))
        })
        .collect();
    let null: Vec<(f64, f64)> = null.into_iter().collect::<Option<_>>()?;
    Some(Transitivity {
        n_pairs,
        degrees_of_freedom,
        n_triples: triples,
        replicates,
        likelihood_ratio: test(ratio, &null.iter().map(|x| x.0).collect::<Vec<_>>()),
        cyclic_triples: test(cycles as f64, &null.iter().map(|x| x.1).collect::<Vec<_>>()),
    })
}

fn test(statistic: f64, null: &[f64]) -> TransitivityTest {
    let n = null.len() as f64;
    let null_mean = null.iter().sum::<f64>() / n.max(1.0);
    let squares = null.iter().map(|x| (x - null_mean).powi(2)).sum::<f64>();
    // Rounding must not make equals unequal.
    let slack = 1e-9 * (1.0 + statistic.abs());
    let reached = null.iter().filter(|x| **x >= statistic - slack).count() as f64;
    TransitivityTest {
        statistic,
        null_mean,
        null_deviation: (squares / (n - 1.0).max(1.0)).sqrt(),
        p_value: (1.0 + reached) / (1.0 + n),
    }
}

/// The components with at least three responses.
fn components(data: &[Comparison]) -> Vec<Component> {
    let votes = votes(data);
    let everywhere = |(c, _): &(Comparison, bool)| Comparison { prompt: PromptId::new(0), ..*c };
    let pooled: Vec<Comparison> = votes.iter().map(everywhere).collect();
    let counts = PairCounts::new(&pooled);
    let groups = Groups::new(counts.pairs(), &[]);
    let mut cells: BTreeMap<(usize, usize, usize), Cell> = BTreeMap::new();
    for (c, both_orders) in &votes {
        let (low, high) = (c.first.min(c.second), c.first.max(c.second));
        let place = |response| groups.place(response).expect("a compared response");
        let ((group, low), (_, high)) = (place(low), place(high));
        let cell = cells.entry((group, low, high)).or_insert(Cell {
            low,
            high,
            ties: 0.0,
            decided: [0.0; 3],
            wins: [0.0; 3],
        });
        let (weight, low_first) = (c.weight.get(), c.first < c.second);
        if c.label == Label::TIE {
            cell.ties += weight;
        } else {
            let order = if *both_orders { 2 } else { usize::from(!low_first) };
            cell.decided[order] += weight;
            let label = if low_first { c.label.get() } else { 1.0 - c.label.get() };
            cell.wins[order] += weight * label;
        }
    }
    let mut components: Vec<Component> = groups
        .members()
        .iter()
        .map(|members| Component { n_items: members.len(), cells: Vec::new(), scores: Vec::new() })
        .collect();
    for ((group, _, _), cell) in cells {
        components[group].cells.push(cell);
    }
    components.retain(|component| component.n_items > 2);
    components
}

/// The votes, and whether each is the mean of two by one judge in both orders.
fn votes(data: &[Comparison]) -> Vec<(Comparison, bool)> {
    let mut of_judges: BTreeMap<_, Vec<Comparison>> = BTreeMap::new();
    for c in data.iter().filter(|c| c.first != c.second && c.weight.get() > 0.0) {
        let key = (c.prompt, c.first.min(c.second), c.first.max(c.second), c.annotator);
        of_judges.entry(key).or_default().push(*c);
    }
    let mut votes = Vec::with_capacity(data.len());
    for given in of_judges.into_values() {
        if let [one, other] = given[..]
            && one.first == other.second
        {
            let (w, v) = (one.weight.get(), other.weight.get());
            let mean = (w * one.label.get() + v * (1.0 - other.label.get())) / (w + v);
            if let (Ok(label), Ok(weight)) = (Label::new(mean), Weight::new(0.5 * (w + v))) {
                votes.push((Comparison { label, weight, ..one }, true));
                continue;
            }
        }
        votes.extend(given.into_iter().map(|vote| (vote, false)));
    }
    votes
}

impl Component {
    /// The win table with the decided wins that a function gives to the lower one of each pair.
    fn table(&self, mut wins: impl FnMut(&Cell) -> f64) -> WinTable {
        let pairs = self.cells.iter().map(|cell| {
            let won = wins(cell) + 0.5 * cell.ties;
            let weight = cell.decided.iter().sum::<f64>() + cell.ties;
            (cell.low, cell.high, won, weight - won)
        });
        WinTable::from_pairs(self.n_items, pairs)
    }

    /// A table drawn under the scores, with the ties of the data.
    fn simulate(&self, gamma: f64, rng: &mut WorkspaceRng) -> WinTable {
        self.table(|cell| {
            let odds = self.scores[cell.low] - self.scores[cell.high];
            let draw = |(weight, sign): (&f64, f64)| {
                let p = among_decided(sigmoid(odds + sign * gamma), cell);
                weighted_draw(*weight, p, rng)
            };
            cell.decided.iter().zip(SIGNS).map(draw).sum()
        })
    }
}

/// The probability of a win among decided verdicts, so that ties included it is `p`.
fn among_decided(p: f64, cell: &Cell) -> f64 {
    let decided = cell.decided.iter().sum::<f64>();
    if decided > 0.0 {
        ((p * (decided + cell.ties) - 0.5 * cell.ties) / decided).clamp(0.0, 1.0)
    } else {
        0.5
    }
}

/// Wins of `weight` judgements; a rest that is no whole judgement is one of that weight.
fn weighted_draw(weight: f64, p: f64, rng: &mut WorkspaceRng) -> f64 {
    let whole = weight.floor();
    let rest = weight - whole;
    let mut wins = 0.0;
    if whole > 0.0 {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count")]
        let binomial = Binomial::new(whole as u64, p).expect("a probability in [0, 1]");
        wins += binomial.sample(rng) as f64;
    }
    if rest > 0.0 && rng.random::<f64>() < p {
        wins += rest;
    }
    wins
}

/// Λ and the scores of a table.
fn likelihood_ratio(table: &WinTable) -> Option<(f64, Vec<f64>)> {
    let found = item_scores(table, RIDGE)?;
    let n = table.n_items();
    let mut entropy = 0.0;
    for i in 0..n {
        for j in 0..i {
            let (won, lost) = (table.row(i)[j], table.row(j)[i]);
            let term = |part: f64| if part > 0.0 { part * ((won + lost) / part).ln() } else { 0.0 };
            entropy += term(won) + term(lost);
        }
    }
    Some((2.0 * (found.loss - entropy), found.scores))
}

/// Cyclic triples, and triples with three majorities.
fn count_triples(table: &WinTable) -> (u64, u64) {
    let n = table.n_items();
    let words = n.div_ceil(64);
    // Whom each beats, and who beats each, as bits.
    let (mut beats, mut beaten_by) = (vec![0_u64; n * words], vec![0_u64; n * words]);
    for i in 0..n {
        for j in 0..n {
            if table.row(i)[j] > table.row(j)[i] {
                beats[i * words + j / 64] |= 1 << (j % 64);
                beaten_by[j * words + i / 64] |= 1 << (i % 64);
            }
        }
    }
    let row = |bits: &[u64], i: usize| bits[i * words..(i + 1) * words].to_vec();
    let common = |x: &[u64], y: &[u64]| -> u64 {
        x.iter().zip(y).map(|(x, y)| u64::from((x & y).count_ones())).sum()
    };
    let (mut cyclic, mut transitive) = (0, 0);
    for i in 0..n {
        let (out, into) = (row(&beats, i), row(&beaten_by, i));
        for j in (0..n).filter(|j| out[j / 64] >> (j % 64) & 1 == 1) {
            // i beats j: a third that j beats and that beats i closes a circle; one that both beat does not.
            cyclic += common(&beats[j * words..(j + 1) * words], &into);
            transitive += common(&beats[j * words..(j + 1) * words], &out);
        }
    }
    (cyclic / 3, cyclic / 3 + transitive)
}

/// γ by maximum likelihood with the scores held fixed.
fn order_effect(components: &[Component]) -> f64 {
    let gradient = |gamma: f64| -> f64 {
        let mut sum = 0.0;
        for component in components {
            for cell in &component.cells {
                let odds = component.scores[cell.low] - component.scores[cell.high];
                for (order, sign) in SIGNS.into_iter().enumerate() {
                    let p = among_decided(sigmoid(odds + sign * gamma), cell);
                    sum += sign * (cell.decided[order] * p - cell.wins[order]);
                }
            }
        }
        sum
    };
    let (mut low, mut high) = (-10.0, 10.0);
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        *(if gradient(middle) < 0.0 { &mut low } else { &mut high }) = middle;
    }
    0.5 * (low + high)
}

#[cfg(test)]
mod tests;
