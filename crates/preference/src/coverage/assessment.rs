//! What the data tell of the prompts of one block: which they cover, by how much, and what carries it.
//!
//! Pairs and directions at the vertex v that was found: a direction k makes `y_k²` of `v'M⁺v`, and labels without end on
//! a pair of slope z would take `(z'M⁺v)²/z'M⁺z` of it away. Directions that are missing are those of what the slopes of
//! uncovered prompts have outside of the range, by how much of its mean square they make.

use super::block::{Block, Spread, Stake, Vertex};
use super::metric::Metric;
use super::{Carrier, Coverage, Direction, Found, PromptCoverage, heaviest};
use crate::rows;
use nalgebra::{DMatrix, DVector, SymmetricEigen};
use nlhf_core::ResponseId;
use rayon::prelude::*;

/// Prompts of which the heaviest pairs are kept.
const CHUNK: usize = 256;

/// A block, and the responses that its parameters are of if each is of one.
pub(super) struct Part<'a> {
    pub(super) block: Block<'a>,
    pub(super) names: Option<&'a [ResponseId]>,
}

/// A part of which the block holds no more than the prompts that are covered and count.
pub(super) struct Assessment<'a> {
    pub(super) part: Part<'a>,
    pub(super) metric: Metric,
    /// The highest vertex found.
    pub(super) vertex: Vertex,
    pub(super) spread: Option<Spread>,
    /// No vertex has a larger square.
    upper: f64,
    /// The place, the worst competitor and the square of each prompt.
    prompts: Vec<(usize, ResponseId, f64)>,
    /// Prompts that count and are not covered, and the place of the competitor.
    uncovered: Vec<(Stake<'a>, usize)>,
}

impl<'a> Assessment<'a> {
    pub(super) fn new(mut part: Part<'a>) -> Self {
        let metric = Metric::new(&part.block.gram, &part.block.units);
        let worst = part.block.worst(&metric);
        let (mut prompts, mut uncovered) = (Vec::with_capacity(worst.len()), Vec::new());
        let (mut covered, mut kept) = (Vec::new(), Vec::new());
        for (stake, (b, square)) in part.block.stakes.into_iter().zip(worst) {
            prompts.push((stake.at, stake.menu.responses()[b], square));
            if stake.share > 0.0 && square.is_finite() {
                covered.push((b, square));
                kept.push(stake);
            } else if stake.share > 0.0 {
                uncovered.push((stake, b));
            }
        }
        part.block.stakes = kept;
        let block = &part.block;
        let spread = block.spread();
        let vertex = block.vertex(&metric, &covered, spread.as_ref());
        let lengths = block.stakes.iter().zip(&covered);
        let triangle = lengths.map(|(stake, (_, square))| stake.share * square.sqrt()).sum::<f64>();
        let upper = match &spread {
            Some(spread) => spread.bound(&metric).min(triangle * triangle).max(vertex.square),
            None => vertex.square,
        };
        Self { part, metric, vertex, spread, upper, prompts, uncovered }
    }

    /// Adds what was found to what was found of other parts.
    pub(super) fn tell(&self, total_weight: f64, found: &mut Found) {
        for &(at, competitor, square) in &self.prompts {
            let coefficient =
                if square.is_finite() { total_weight * square } else { f64::INFINITY };
            found.prompts[at] = PromptCoverage { coefficient, competitor };
        }
        found.lower += total_weight * self.vertex.square;
        found.upper += total_weight * self.upper;
        found.carriers.extend(self.carriers(total_weight));
        found.missing.extend(self.missing());
        found.directions.extend(self.directions(total_weight));
        found.missing_directions.extend(self.missing_directions());
        for list in [&mut found.carriers, &mut found.missing] {
            if list.len() > 64 * Coverage::NAMED {
                *list = heaviest(std::mem::take(list), |carrier| carrier.share);
            }
        }
        if found.directions.len() > 64 * Coverage::NAMED {
            found.directions = heaviest(std::mem::take(&mut found.directions), |d| d.share);
        }
    }

    fn carriers(&self, total_weight: f64) -> Vec<Carrier> {
        let block = &self.part.block;
        let along = self.metric.solve(&self.vertex.slope);
        let of = |(stake, &b): (&Stake<'_>, &usize)| {
            let played = (0..stake.policy.len()).filter(|a| *a != b && stake.policy[*a] > 0.0);
            let played: Vec<usize> = played.collect();
            let mut slopes = DMatrix::zeros(block.dimension(), played.len());
            for (a, mut slope) in played.iter().zip(slopes.column_iter_mut()) {
                block.pair(stake, *a, b, slope.as_mut_slice());
            }
            let white = &self.metric.whitening * &slopes;
            let name = |k: usize| {
                let square = white.column(k).norm_squared();
                let taken = slopes.column(k).dot(&along).powi(2) / square.max(f64::MIN_POSITIVE);
                Carrier {
                    prompt: stake.menu.prompt(),
                    first: stake.menu.responses()[played[k]],
                    second: stake.menu.responses()[b],
                    share: total_weight * taken,
                }
            };
            (0..played.len()).map(name).collect::<Vec<Carrier>>()
        };
        let chunks = block.stakes.par_chunks(CHUNK).zip(self.vertex.competitors.par_chunks(CHUNK));
        let heaviest_of = |(stakes, competitors): (&[Stake<'_>], &[usize])| {
            let all = stakes.iter().zip(competitors).flat_map(of).collect();
            heaviest(all, |carrier: &Carrier| carrier.share)
        };
        chunks.map(heaviest_of).collect::<Vec<_>>().concat()
    }

    /// The played pairs whose slopes are outside of the range, of the prompts that are played most.
    fn missing(&self) -> Vec<Carrier> {
        let block = &self.part.block;
        let most =
            |stake: &Stake<'_>| stake.share * stake.policy.iter().copied().fold(0.0, f64::max);
        let mut stakes: Vec<&Stake<'_>> = self.uncovered.iter().map(|(stake, _)| stake).collect();
        stakes.sort_by(|a, b| most(b).total_cmp(&most(a)));
        let mut named: Vec<Carrier> = Vec::new();
        for stake in stakes {
            if named.len() == Coverage::NAMED && named[Coverage::NAMED - 1].share >= most(stake) {
                break;
            }
            let (p, responses) = (&stake.policy, stake.menu.responses());
            let mut z = DVector::zeros(block.dimension());
            for a in 0..p.len() {
                // An unordered pair is named by its side that is played more.
                for b in (0..p.len()).filter(|b| (p[a], *b) > (p[*b], a)) {
                    block.pair(stake, a, b, z.as_mut_slice());
                    let white = &self.metric.whitening * &z;
                    if self.metric.length(white.as_slice()).1 {
                        let (first, second) = (responses[a], responses[b]);
                        let share = stake.share * p[a];
                        named.push(Carrier { prompt: stake.menu.prompt(), first, second, share });
                    }
                }
            }
            named = heaviest(named, |carrier| carrier.share);
        }
        named
    }

    fn directions(&self, total_weight: f64) -> Vec<Direction> {
        let white = &self.metric.whitening * &self.vertex.slope;
        let mut of: Vec<(usize, f64)> = white.iter().map(|y| y * y).enumerate().collect();
        of.retain(|(_, square)| *square > 0.0);
        let name = |(k, square): (usize, f64)| Direction {
            share: total_weight * square,
            information: self.metric.information[k],
            loadings: self.loadings(&self.metric.direction(k)),
        };
        heaviest(of, |(_, square)| *square).into_iter().map(name).collect()
    }

    fn missing_directions(&self) -> Vec<Direction> {
        let n = self.metric.n_missing;
        if n == 0 || self.uncovered.is_empty() {
            return Vec::new();
        }
        let block = &self.part.block;
        let outer = rows::gram(n, self.uncovered.len(), |k, left, right| {
            let (stake, b) = &self.uncovered[k];
            let outside = self.metric.missing(&block.slopes(stake).column(*b).into_owned());
            left.copy_from_slice(outside.as_slice());
            right.copy_from_slice((outside * stake.share).as_slice());
        });
        let total = outer.trace();
        let eigen = SymmetricEigen::new(outer);
        let name = |k: usize| {
            let of: DVector<f64> = eigen.eigenvectors.column(k).into_owned();
            let parts = (0..n).map(|j| self.metric.direction(j) * of[j]);
            let direction = parts.fold(DVector::zeros(block.dimension()), |sum, part| sum + part);
            let share = eigen.eigenvalues[k] / total;
            Direction { share, information: 0.0, loadings: self.loadings(&direction) }
        };
        // The others are of what rounding leaves.
        let telling = (0..n).filter(|k| eigen.eigenvalues[*k] > 1e-9 * total);
        heaviest(telling.map(name).collect(), |direction| direction.share)
    }

    fn loadings(&self, direction: &DVector<f64>) -> Vec<(usize, f64)> {
        let sign = if direction[direction.iamax()] < 0.0 { -1.0 } else { 1.0 };
        let name = |k: usize| self.part.names.map_or(k, |names| names[k].index());
        let mut loadings: Vec<(usize, f64)> =
            direction.iter().enumerate().map(|(k, x)| (name(k), sign * x)).collect();
        loadings.sort_by(|a, b| b.1.abs().total_cmp(&a.1.abs()));
        loadings.truncate(Direction::NAMED);
        loadings
    }
}
