//! The labels that halve the bound, added: it is halved, and the sum is what was said.

use super::assessment::{Assessment, Part};
use super::block::{Block, Stake};
use super::*;
use crate::pair_map::PairMap;
use crate::rows;
use nalgebra::DMatrix;
use nlhf_core::{Comparison, Label, Menus, PreferenceModel, SeedTree, Stream, WorkspaceRng};
use rand::RngExt;

const CANDIDATES: usize = 4;

/// Prompts with four candidates each, all their own.
struct Case {
    menus: Menus,
    policies: Vec<Distribution>,
    weights: Vec<Weight>,
    data: Vec<Comparison>,
}

fn judged(prompt: PromptId, a: ResponseId, b: ResponseId, weight: f64) -> Comparison {
    Comparison { weight: Weight::new(weight).unwrap(), ..Comparison::new(prompt, a, b, Label::TIE) }
}

impl Case {
    /// All pairs compared, some a hundred times as often as others.
    fn new(prompts: usize, rng: &mut WorkspaceRng) -> Self {
        let (mut menus, mut data) = (Menus::new(), Vec::new());
        let (mut policies, mut weights) = (Vec::new(), Vec::new());
        for x in 0..prompts {
            let ids = (0..CANDIDATES).map(|k| ResponseId::from_index(x * CANDIDATES + k));
            let ids: Vec<ResponseId> = ids.collect();
            let prompt = PromptId::from_index(x);
            menus.push(prompt, &ids).unwrap();
            let masses: Vec<f64> = ids.iter().map(|_| rng.random::<f64>().powi(3)).collect();
            policies.push(Distribution::from_masses(&masses).unwrap());
            weights.push(Weight::new(0.1 + rng.random::<f64>()).unwrap());
            for i in 0..CANDIDATES {
                for j in 0..i {
                    data.push(judged(prompt, ids[i], ids[j], 100f64.powf(rng.random())));
                }
            }
        }
        Self { menus, policies, weights, data }
    }

    fn plays(&self) -> Vec<Play<'_>> {
        let all = self.menus.iter().zip(&self.policies).zip(&self.weights);
        all.map(|((menu, policy), weight)| Play { weight: *weight, menu, policy }).collect()
    }

    /// The comparison of two candidates of a prompt by their places.
    fn label(&self, (at, a, b): (usize, usize, usize), weight: f64) -> Comparison {
        let menu = self.menus.get(at);
        judged(menu.prompt(), menu.responses()[a], menu.responses()[b], weight)
    }
}

fn rng(unit: u32) -> WorkspaceRng {
    SeedTree::new(8).rng(Stream::Instance, unit)
}

/// The labels added bring C/|D| to a quarter, and are as many as were said.
fn check(before: &Coverage, after: &Coverage, added: &[Comparison]) {
    let per_label = |found: &Coverage| found.covered_lower / found.total_weight;
    let left = per_label(after) / per_label(before);
    assert!(left <= 0.25 * (1.0 + 1e-8), "{left} is left");
    let labels: f64 = added.iter().map(|c| c.weight.get()).sum();
    let said = before.labels_to_halve.unwrap();
    assert!(labels <= said * (1.0 + 1e-8) && said < labels + 1.0 + 1e-6, "{labels} of {said}");
    assert!(said <= 3.0 * before.total_weight + 1.0);
}

#[test]
fn tables() {
    for unit in 0..20 {
        let case = Case::new(1 + unit as usize % 5, &mut rng(unit));
        let (counts, plays) = (PairCounts::new(&case.data), case.plays());
        let found = tabular_coverage(&counts, &plays);
        let tables = plays.iter().zip(shares(&plays));
        let tables = tables.map(|(play, share)| tabular::Table::new(&counts, play, share));
        let mut added = Vec::new();
        tabular::halve(&tables.collect::<Vec<_>>(), |at, a, b, n| {
            added.push(case.label((at, a, b), n));
        });
        let data = [case.data.clone(), added.clone()].concat();
        let after = tabular_coverage(&PairCounts::new(&data), &plays);
        check(&found, &after, &added);
        // Not one too many.
        assert!(after.upper / after.total_weight > 0.2499 * found.upper / found.total_weight);
        // Far fewer than the same again three times.
        assert!(found.labels_to_halve.unwrap() < 1.5 * found.total_weight);
    }
}

/// Log-odds given by a table, row by row.
struct Given(Vec<f64>, usize);

impl PreferenceModel for Given {
    fn log_odds(&self, _: PromptId, a: ResponseId, b: ResponseId) -> f64 {
        self.0[a.index() * self.1 + b.index()] - self.0[b.index() * self.1 + a.index()]
    }
}

#[test]
fn finite_classes() {
    for unit in 0..20 {
        let mut rng = rng(100 + unit);
        let case = Case::new(1 + unit as usize % 3, &mut rng);
        let (counts, plays) = (PairCounts::new(&case.data), case.plays());
        let n = plays.len() * CANDIDATES;
        let mut member = || Given((0..n * n).map(|_| rng.random()).collect(), n);
        let class: Vec<Given> = (0..6).map(|_| member()).collect();
        let found = finite_coverage(&class, &counts, &plays);
        let shares = shares(&plays);
        let inner = finite::Class::new(&class, &counts, &plays, &shares);
        let covered: Vec<usize> = (0..plays.len()).collect();
        let target = found.upper / found.total_weight / 4.0;
        let mut added = Vec::new();
        inner.separate(inner.apart(&covered), target, &covered, |pair, n| {
            added.push(case.label(pair, n));
        });
        let data = [case.data.clone(), added.clone()].concat();
        check(&found, &finite_coverage(&class, &PairCounts::new(&data), &plays), &added);
    }
}

/// The block of a class on counted pairs, φ of each response given.
fn block<'a>(map: PairMap, counts: &PairCounts, case: &'a Case, phi: &'a DMatrix<f64>) -> Part<'a> {
    let d = phi.nrows();
    let of = |r: ResponseId| &phi.as_slice()[r.index() * d..(r.index() + 1) * d];
    let gram = rows::gram(map.dimension(d), counts.pairs().len(), |k, left, right| {
        let pair = &counts.pairs()[k];
        map.write(of(pair.low), of(pair.high), left);
        for (right, z) in right.iter_mut().zip(left) {
            *right = pair.weight * *z;
        }
    });
    let plays = case.plays();
    let stakes = plays.iter().zip(shares(&plays)).enumerate().map(|(at, (play, share))| Stake {
        at,
        share,
        menu: case.menus.get(at),
        policy: probabilities(play),
        phi: play.menu.responses().iter().map(|r| of(*r)).collect(),
    });
    let block = Block::new(map, gram, counts.total_weight(), stakes.collect());
    Part { block, names: None }
}

#[test]
fn linear_classes() {
    for unit in 0..20 {
        let mut rng = rng(200 + unit);
        let prompts = [1, 2, 3, 7, 40][unit as usize % 5];
        let case = Case::new(prompts, &mut rng);
        let map = if unit < 10 { PairMap::Difference } else { PairMap::Wedge { constant: true } };
        let phi = DMatrix::from_fn(3, prompts * CANDIDATES, |_, _| rng.random::<f64>() - 0.5);
        let find = |counts: &PairCounts| {
            let assessment = Assessment::new(block(map, counts, &case, &phi));
            let plays = case.plays();
            let nothing = PromptCoverage { coefficient: 0.0, competitor: ResponseId::new(0) };
            let mut found = Found { prompts: vec![nothing; plays.len()], ..Found::default() };
            assessment.tell(counts.total_weight(), &mut found);
            let mut added = Vec::new();
            let target = assessment.vertex.square / 4.0;
            let labels = design::plan(&assessment, target, f64::INFINITY, |competitors, draws| {
                for (at, b) in competitors.iter().enumerate() {
                    let stake = &assessment.part.block.stakes[at];
                    for (a, p) in stake.policy.iter().enumerate().filter(|(a, _)| a != b) {
                        added.push(case.label((at, a, *b), draws * stake.share * p));
                    }
                }
            });
            found.labels = labels;
            (found.coverage(counts.total_weight(), &shares(&plays)), added)
        };
        let (before, added) = find(&PairCounts::new(&case.data));
        let data = [case.data.clone(), added.clone()].concat();
        let (after, _) = find(&PairCounts::new(&data));
        check(&before, &after, &added);
    }
}
