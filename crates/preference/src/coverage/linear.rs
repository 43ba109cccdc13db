//! Coverage of linear classes: linear and bilinear in features, and Bradley-Terry.
//!
//! ```text
//! C_x(π) = max_b v_x(b)' Σ_D⁺ v_x(b),   v_x(b) = Σ_a π(a) z(x, a, b),   Σ_D = E_D zz' = M/|D|
//! C_x(π) = ∞ where some v_x(b) is not in the range of Σ_D
//! ```
//! Prompts share parameters, so that C of all together is less than the mean of the `C_x`: it is enclosed (`block`).
//! Bradley-Terry is linear with a feature a response. Its groups of responses that hang together have nothing to
//! do with one another: C is the sum of theirs, and whatever compares two groups is missing.
//!
//! **Pairs.** Labels m on a pair of slope z make `v'(M + mzz')⁺v = v'M⁺v − m(z'M⁺v)²/(1 + mz'M⁺z)`, so that without end
//! they take away `(z'M⁺v)²/z'M⁺z`. **Directions**: with y as in `metric`, `v'M⁺v = Σ y_k²`. **Labels** as in `design`.

use super::assessment::{Assessment, Part};
use super::block::{Block, Stake};
use super::{
    Carrier, Coverage, Found, Play, PromptCoverage, design, heaviest, probabilities, shares,
};
use crate::candidates::Candidates;
use crate::groups::Groups;
use crate::pair_map::PairMap;
use crate::{FeatureModel, FeatureTable, Features, PairCount, PairCounts, rows};
use nalgebra::DMatrix;
use nlhf_core::{PromptId, ResponseId};
use rayon::prelude::*;

/// Parameters that hang together beyond which their information is not decomposed: some seconds.
pub const COVERAGE_LIMIT: usize = 1024;

/// The coverage of policies by counted pairs, for preferences that are linear or bilinear in features.
///
/// Pairs without features tell nothing, and prompts with a response that has none are not covered. An effect of the
/// presentation order is taken for known. `None` if there are more than [`COVERAGE_LIMIT`] parameters.
///
/// [`Coverage::labels_to_halve`] are asked on pairs of π with its worst competitor on each prompt, drawn in proportion
/// to d₀ and π; once these are known well enough, with the worst that is left, and so on.
///
/// # Panics
/// If a policy does not have one entry a response of its menu.
pub fn linear_coverage(
    model: &FeatureModel,
    counts: &PairCounts,
    plays: &[Play<'_>],
) -> Option<Coverage> {
    let dimension = model.parameters.len();
    if dimension > COVERAGE_LIMIT {
        return None;
    }
    let known = Known::new(&model.features, counts.pairs(), plays);
    let gram = rows::gram(dimension, counts.pairs().len(), |k, left, right| {
        let pair = &counts.pairs()[k];
        if let (Some(low), Some(high)) =
            (known.phi(pair.prompt, pair.low), known.phi(pair.prompt, pair.high))
        {
            model.map.write(low, high, left);
            for (right, z) in right.iter_mut().zip(left) {
                *right = pair.weight * *z;
            }
        }
    });
    let shares = shares(plays);
    let mut all = Survey::new(plays, &shares);
    let mut stakes = Vec::with_capacity(plays.len());
    for (at, play) in plays.iter().enumerate() {
        let (prompt, responses) = (play.menu.prompt(), play.menu.responses());
        let phi: Vec<Option<&[f64]>> = responses.iter().map(|r| known.phi(prompt, *r)).collect();
        match phi.iter().copied().collect::<Option<Vec<&[f64]>>>() {
            Some(phi) => stakes.push(all.stake(at, phi)),
            None => all.unknown(at, |a, b| phi[a].is_none() || phi[b].is_none()),
        }
    }
    let block = Block::new(model.map, gram, counts.total_weight(), stakes);
    Some(all.coverage(vec![Part { block, names: None }], counts.total_weight()))
}

/// The coverage of policies by counted pairs, for scores of responses that all prompts share.
///
/// Labels to halve as in [`linear_coverage`]. `None` if more than [`COVERAGE_LIMIT`] responses hang together.
///
/// # Panics
/// If a policy does not have one entry a response of its menu.
pub fn bradley_terry_coverage(counts: &PairCounts, plays: &[Play<'_>]) -> Option<Coverage> {
    let groups = Groups::new(counts.pairs(), &[]);
    let largest = groups.members().iter().map(Vec::len).max().unwrap_or(0);
    if largest > COVERAGE_LIMIT {
        return None;
    }
    let shares = shares(plays);
    let mut all = Survey::new(plays, &shares);
    let mut stakes: Vec<Vec<Stake<'_>>> = groups.members().iter().map(|_| Vec::new()).collect();
    // Each response of a group has a feature of its own: the start of a row of the identity.
    let identity = DMatrix::<f64>::identity(largest, largest);
    for (at, play) in plays.iter().enumerate() {
        let places: Vec<_> = play.menu.responses().iter().map(|r| groups.place(*r)).collect();
        match places[0] {
            Some((group, _)) if places.iter().all(|p| p.is_some_and(|(g, _)| g == group)) => {
                let size = groups.members()[group].len();
                let rows = identity.as_slice();
                let unit = |(_, k): &(usize, usize)| &rows[k * largest..k * largest + size];
                stakes[group].push(all.stake(at, places.iter().flatten().map(unit).collect()));
            }
            _ => all.unknown(at, |a, b| match (places[a], places[b]) {
                (Some((g, _)), Some((h, _))) => g != h,
                _ => true,
            }),
        }
    }
    let of_groups = groups.split(counts.pairs()).into_iter().zip(stakes).zip(groups.members());
    let parts = of_groups.filter(|((_, stakes), _)| !stakes.is_empty());
    let parts = parts.map(|((pairs, stakes), members)| {
        let gram = laplacian(&groups, members.len(), &pairs);
        let block = Block::new(PairMap::Difference, gram, counts.total_weight(), stakes);
        Part { block, names: Some(members.as_slice()) }
    });
    let parts = parts.collect();
    Some(all.coverage(parts, counts.total_weight()))
}

/// `Σ w (e_a − e_b)(e_a − e_b)'` of a group.
fn laplacian(groups: &Groups, n: usize, pairs: &[PairCount]) -> DMatrix<f64> {
    let mut gram = DMatrix::zeros(n, n);
    for pair in pairs {
        let place = |response| groups.place(response).expect("a compared response has a group").1;
        let (i, j) = (place(pair.low), place(pair.high));
        gram[(i, i)] += pair.weight;
        gram[(j, j)] += pair.weight;
        gram[(i, j)] -= pair.weight;
        gram[(j, i)] -= pair.weight;
    }
    gram
}

/// φ of the candidates of data and menus: where they stand if they stand somewhere, else each computed once.
enum Known<'a> {
    Table(&'a FeatureTable),
    Computed { candidates: Candidates, columns: DMatrix<f64> },
}

impl<'a> Known<'a> {
    fn new(features: &'a Features, pairs: &[PairCount], plays: &[Play<'_>]) -> Self {
        if let Some(table) = features.as_table() {
            return Self::Table(table);
        }
        let of_pairs =
            pairs.iter().flat_map(|pair| [pair.low, pair.high].map(|r| (pair.prompt, r)));
        let menus = plays.iter().map(|play| play.menu);
        let of_menus =
            menus.flat_map(|menu| menu.responses().iter().map(move |r| (menu.prompt(), *r)));
        let all =
            of_pairs.chain(of_menus).filter(|(prompt, response)| features.has(*prompt, *response));
        let candidates = Candidates::of(all);
        let columns = candidates.features(features).expect("candidates with features");
        Self::Computed { candidates, columns }
    }

    fn phi(&self, prompt: PromptId, response: ResponseId) -> Option<&[f64]> {
        match self {
            Self::Table(table) => table.row(response.index()),
            Self::Computed { candidates, columns } => {
                let (at, d) = (candidates.find(prompt, response)?, columns.nrows());
                Some(&columns.as_slice()[at * d..(at + 1) * d])
            }
        }
    }
}

/// What is known of the prompts before their parts are looked at.
struct Survey<'a> {
    plays: &'a [Play<'a>],
    shares: &'a [f64],
    prompts: Vec<PromptCoverage>,
    missing: Vec<Carrier>,
}

impl<'a> Survey<'a> {
    fn new(plays: &'a [Play<'a>], shares: &'a [f64]) -> Self {
        let nothing = |play: &Play<'_>| PromptCoverage {
            coefficient: 0.0,
            competitor: play.menu.responses()[0],
        };
        Self { plays, shares, prompts: plays.iter().map(nothing).collect(), missing: Vec::new() }
    }

    fn stake<'b>(&self, at: usize, phi: Vec<&'b [f64]>) -> Stake<'b>
    where
        'a: 'b,
    {
        let play = &self.plays[at];
        Stake { at, share: self.shares[at], menu: play.menu, policy: probabilities(play), phi }
    }

    /// A prompt where the class cannot compare some candidates.
    fn unknown(&mut self, at: usize, is_missing: impl Fn(usize, usize) -> bool) {
        let (play, share) = (&self.plays[at], self.shares[at]);
        let (prompt, responses) = (play.menu.prompt(), play.menu.responses());
        let p = probabilities(play);
        let n = responses.len();
        let pairs = (0..n).flat_map(|b| (0..n).map(move |a| (a, b)));
        let named = pairs.filter(|(a, b)| p[*a] > 0.0 && (p[*a], *b) > (p[*b], *a));
        for (a, b) in named.filter(|(a, b)| is_missing(*a, *b)) {
            let (first, second) = (responses[a], responses[b]);
            self.prompts[at] = PromptCoverage { coefficient: f64::INFINITY, competitor: second };
            self.missing.push(Carrier { prompt, first, second, share: share * p[a] });
        }
        if self.missing.len() > 64 * Coverage::NAMED {
            self.missing = heaviest(std::mem::take(&mut self.missing), |carrier| carrier.share);
        }
    }

    fn coverage(self, parts: Vec<Part<'_>>, total_weight: f64) -> Coverage {
        let parts: Vec<Assessment<'_>> = parts.into_par_iter().map(Assessment::new).collect();
        let mut found = Found { prompts: self.prompts, missing: self.missing, ..Found::default() };
        for part in &parts {
            part.tell(total_weight, &mut found);
        }
        found.labels = design::labels(&parts, total_weight);
        found.missing.retain(|carrier| carrier.share > 0.0);
        found.coverage(total_weight, self.shares)
    }
}
