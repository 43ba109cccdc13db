//! Enclosures against all vertices, random preferences and random opponents.

use crate::case::{
    CANDIDATES, Case, Given, PROMPTS, choices, close, ids, judged, linear, pure, ratio, rng, shares,
};
use nalgebra::{DMatrix, DVector};
use nlhf_core::{
    Distribution, FitPreference, Menus, PreferenceModel, PromptId, ResponseId, Weight, WorkspaceRng,
};
use nlhf_preference::{
    BradleyTerryFit, Coverage, FeatureTable, Features, LinearInParameters, LogisticConfig,
    PairCounts, Play, bradley_terry_coverage, finite_coverage, linear_coverage, tabular_coverage,
};
use rand::RngExt;
use std::sync::Arc;

/// The largest `|D| v'M⁺v` over all vertices, and θ = M⁺v there.
fn by_force(
    model: &impl LinearInParameters,
    counts: &PairCounts,
    plays: &[Play<'_>],
) -> (f64, DVector<f64>, Vec<usize>) {
    let d = model.dimension();
    let mut gram = DMatrix::zeros(d, d);
    for pair in counts.pairs() {
        let z = model.slope(pair.prompt, pair.low, pair.high).unwrap();
        gram.ger(pair.weight, &z, &z, 1.0);
    }
    let inverse = gram.pseudo_inverse(1e-9).unwrap();
    let mut best = (0.0, DVector::zeros(d), Vec::new());
    for choice in choices(plays.len(), plays[0].menu.len()) {
        let mut v = DVector::zeros(d);
        for ((play, share), b) in plays.iter().zip(shares(plays)).zip(&choice) {
            let responses = play.menu.responses();
            for (a, p) in responses.iter().zip(play.policy.probabilities()) {
                let z = model.slope(play.menu.prompt(), *a, responses[*b]).unwrap();
                v.axpy(share * p, &z, 1.0);
            }
        }
        let theta = &inverse * &v;
        let value = counts.total_weight() * v.dot(&theta);
        if value > best.0 {
            best = (value, theta, choice);
        }
    }
    best
}

/// Random preferences and opponents never beat the bound; the best ones reach it.
fn check_linear(model: &impl LinearInParameters, found: &Coverage, case: &Case, seed: u32) -> bool {
    let (counts, plays) = (case.counts(), case.plays());
    let (exact, theta, choice) = by_force(model, &counts, &plays);
    assert!(found.lower <= exact * (1.0 + 1e-9), "{} and {exact}", found.lower);
    assert!(found.upper >= exact * (1.0 - 1e-9), "{} and {exact}", found.upper);
    let along = |theta: &DVector<f64>, x, a, b| theta.dot(&model.slope(x, a, b).unwrap());
    let reached =
        ratio(&counts, &plays, &pure(&choice, CANDIDATES), |x, a, b| along(&theta, x, a, b));
    assert!(close(reached, exact), "{reached} and {exact}");
    let mut rng = rng(1000 + seed);
    for _ in 0..50 {
        let theta = DVector::from_fn(theta.len(), |_, _| rng.random::<f64>() - 0.5);
        let mut opponent = || (0..CANDIDATES).map(|_| rng.random::<f64>()).collect::<Vec<f64>>();
        let opponents: Vec<Vec<f64>> = (0..PROMPTS)
            .map(|_| {
                let masses = opponent();
                masses.iter().map(|m| m / masses.iter().sum::<f64>()).collect()
            })
            .collect();
        let value = ratio(&counts, &plays, &opponents, |x, a, b| along(&theta, x, a, b));
        assert!(value <= exact * (1.0 + 1e-9), "{value} and {exact}");
    }
    // Each prompt by itself is exact.
    for (at, play) in plays.iter().enumerate() {
        let (exact, _, choice) = by_force(model, &counts, &plays[at..=at]);
        assert!(close(found.prompts[at].coefficient, exact));
        assert_eq!(found.prompts[at].competitor, play.menu.responses()[choice[0]]);
    }
    close(found.lower, exact)
}

#[test]
fn linear_classes_are_enclosed_and_most_often_exact() {
    let mut reached = 0;
    for seed in 0..30 {
        let case = Case::new(seed);
        let (counts, plays) = (case.counts(), case.plays());
        for model in [case.linear(), case.projected(), case.bilinear()] {
            let found = linear_coverage(&model, &counts, &plays).unwrap();
            reached += u32::from(check_linear(&model, &found, &case, seed));
        }
        // Scores, each prompt a group of its own: exact.
        let scores = BradleyTerryFit::new(LogisticConfig::default()).unwrap();
        let scores = scores.fit(&case.data).unwrap().model;
        let found = bradley_terry_coverage(&counts, &plays).unwrap();
        assert!(check_linear(&scores, &found, &case, seed));
        assert!(close(found.lower, found.upper));
    }
    // The ascent finds the vertex among 27 nearly always.
    assert!(reached >= 80, "{reached} of 90");
}

#[test]
fn tables_are_exact() {
    for seed in 0..30 {
        let case = Case::new(seed);
        let (counts, plays) = (case.counts(), case.plays());
        let found = tabular_coverage(&counts, &plays);
        assert!(close(found.lower, found.upper));
        let weight = |x: PromptId, a, b| counts.get(x, a, b).map_or(0.0, |(weight, _)| weight);
        let mut highest = 0.0_f64;
        for choice in choices(PROMPTS, CANDIDATES) {
            // By Cauchy and Schwarz the largest for these competitors is at Δ(a, b) = d₀ π(a)/w.
            let best = |x: PromptId, a: ResponseId, b: ResponseId| {
                let at = x.index();
                let responses = plays[at].menu.responses();
                let chosen = responses[choice[at]];
                let p = |r| {
                    let k = responses.iter().position(|other| *other == r).unwrap();
                    shares(&plays)[at] * plays[at].policy.probabilities()[k]
                };
                match (a == chosen, b == chosen) {
                    (false, true) => p(a) / weight(x, a, b),
                    (true, false) => -p(b) / weight(x, a, b),
                    _ => 0.0,
                }
            };
            let value = ratio(&counts, &plays, &pure(&choice, CANDIDATES), best);
            assert!(value <= found.upper * (1.0 + 1e-9));
            highest = highest.max(value);
        }
        assert!(close(highest, found.lower), "{highest} and {}", found.lower);
        // Any table of differences stays below.
        let mut rng = rng(2000 + seed);
        for _ in 0..50 {
            let table: Vec<f64> = (0..100).map(|_| rng.random::<f64>() - 0.5).collect();
            let apart = |_, a: ResponseId, b: ResponseId| {
                let value = table[a.min(b).index() * 10 + a.max(b).index()];
                if a < b { value } else { -value }
            };
            let opponents = pure(&[0, 1, 2], CANDIDATES);
            assert!(ratio(&counts, &plays, &opponents, apart) <= found.upper);
        }
    }
}

fn members(n: usize, rng: &mut WorkspaceRng) -> Vec<Given> {
    (0..n).map(|_| Given((0..81).map(|_| 2.0 * rng.random::<f64>() - 1.0).collect())).collect()
}

#[test]
fn finite_classes_are_exact() {
    for seed in 0..20 {
        let case = Case::new(seed);
        let (counts, plays) = (case.counts(), case.plays());
        let class = members(4, &mut rng(3000 + seed));
        let found = finite_coverage(&class, &counts, &plays);
        let mut highest = 0.0_f64;
        for (i, one) in class.iter().enumerate() {
            for two in &class[..i] {
                for choice in choices(PROMPTS, CANDIDATES) {
                    let apart = |x, a, b| one.log_odds(x, a, b) - two.log_odds(x, a, b);
                    let opponents = pure(&choice, CANDIDATES);
                    highest = highest.max(ratio(&counts, &plays, &opponents, apart));
                }
            }
        }
        assert!(close(found.lower, highest) && close(found.upper, highest));
        // A finite class is no harder to learn than all preferences.
        assert!(found.upper <= tabular_coverage(&counts, &plays).upper);
        // The parts of the mean difference that are positive make all of it, or more.
        let parts: f64 = found.carriers.iter().map(|carrier| carrier.share).sum();
        assert!(parts >= 1.0 - 1e-9);
    }
}

#[test]
fn many_prompts_cancel_and_threads_do_not_matter() {
    // Three hundred prompts of five candidates, and twelve features for the tastes of all.
    let (prompts, candidates, dim) = (300, 5, 12);
    let mut rng = rng(5000);
    let phi: Vec<f64> =
        (0..prompts * candidates * dim).map(|_| rng.random::<f64>() - 0.5).collect();
    let features = FeatureTable::new(dim, phi).unwrap();
    let (mut menus, mut policies, mut data) = (Menus::new(), Vec::new(), Vec::new());
    for x in 0..prompts {
        let own: Vec<usize> = (0..candidates).map(|k| x * candidates + k).collect();
        menus.push(PromptId::from_index(x), &ids(&own)).unwrap();
        let logits = own.iter().map(|_| 3.0 * rng.random::<f64>()).collect();
        policies.push(Distribution::from_logits(logits).unwrap());
        data.push(judged(x, own[0], own[1 + x % 4], 1.0 + f64::from(u8::try_from(x % 7).unwrap())));
    }
    let model = linear(Arc::new(Features::new(features, None).unwrap()), &data);
    let counts = PairCounts::new(&data);
    let each = menus.iter().zip(&policies);
    let plays: Vec<Play<'_>> =
        each.map(|(menu, policy)| Play { weight: Weight::ONE, menu, policy }).collect();
    let found = linear_coverage(&model, &counts, &plays).unwrap();
    let lengths = found.prompts.iter().map(|prompt| prompt.coefficient.sqrt());
    let triangle = (lengths.sum::<f64>() / 300.0).powi(2);
    assert!(found.upper < 0.5 * triangle, "{} and {triangle}", found.upper);
    assert!(found.lower < found.upper && found.upper < 4.0 * found.lower);
    // The best opponents for any one preference stay below.
    let mut highest = 0.0_f64;
    for _ in 0..100 {
        let theta = DVector::from_fn(dim, |_, _| rng.random::<f64>() - 0.5);
        let along = |x, a, b| theta.dot(&model.slope(x, a, b).unwrap());
        let worst = |play: &Play<'_>| {
            let (prompt, responses) = (play.menu.prompt(), play.menu.responses());
            let policy = play.policy.probabilities();
            let against = |b: usize| -> f64 {
                let played = responses.iter().zip(&policy);
                played.map(|(a, p)| p * along(prompt, *a, responses[b])).sum()
            };
            let order = |i: &usize, j: &usize| against(*i).total_cmp(&against(*j));
            (0..responses.len()).max_by(order).unwrap()
        };
        let choice: Vec<usize> = plays.iter().map(worst).collect();
        highest = highest.max(ratio(&counts, &plays, &pure(&choice, candidates), along));
    }
    assert!(highest <= found.lower, "the ascent is no worse than chance: {highest}");
    for threads in [1, 3] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let again = pool.install(|| linear_coverage(&model, &counts, &plays).unwrap());
        assert_eq!(again, found);
    }
}
