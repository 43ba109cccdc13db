//! The embedded instances: simulated crowds of three kinds of annotators, whose majority is cyclic.

use crate::input::Problem;
use nlhf::core::{Menus, SeedTree};
use nlhf::data::{BothBad, Dataset, Format, Names};
use nlhf::preference::{Crowd, CrowdConfig};

/// Judgements on each pair of candidates in the embedded offline data.
const LABELS_A_PAIR: u32 = 400;

/// A fixed data set drawn from a crowd, which is then known as the truth.
pub(crate) fn offline_problem(seeds: SeedTree) -> anyhow::Result<Problem> {
    let crowd = Crowd::new(&CrowdConfig::default(), seeds)?;
    let comparisons = crowd.comparisons(LABELS_A_PAIR, seeds);
    Ok(problem(crowd, comparisons))
}

/// A smaller crowd that has not been asked anything yet.
pub(crate) fn online_problem(seeds: SeedTree) -> anyhow::Result<Problem> {
    let mut config = CrowdConfig::default();
    (config.n_prompts, config.n_responses) = (8, 5);
    let crowd = Crowd::new(&config, seeds)?;
    Ok(problem(crowd, Vec::new()))
}

fn problem(crowd: Crowd, comparisons: Vec<nlhf::core::Comparison>) -> Problem {
    let mut menus = Menus::new();
    let (mut prompts, mut responses) = (Names::new(), Names::new());
    for name in crowd.prompt_names() {
        prompts.intern(&name);
    }
    for name in crowd.response_names() {
        responses.intern(&name);
    }
    // The annotators of a crowd are its three kinds.
    let mut annotators = Names::new();
    for kind in ["kind 1", "kind 2", "kind 3"] {
        annotators.intern(kind);
    }
    for menu in crowd.menus().iter() {
        menus.push(menu.prompt(), menu.responses()).expect("the menus of a crowd are menus");
    }
    let dataset = Dataset {
        prompts,
        responses,
        annotators,
        held_out: vec![false; comparisons.len()],
        comparisons,
        has_split: false,
        n_merged: 0,
        n_self_comparisons: 0,
        n_both_bad: 0,
        both_bad: BothBad::default(),
        n_unlisted: 0,
        menus,
        format: Format::Explicit,
        texts: None,
    };
    let features = crowd.features();
    Problem::new(dataset, Some(features), Some(crowd))
}
