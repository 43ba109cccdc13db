//! The class under the laws of every class: the suite of nlhf-testkit is called with what is to be checked.

mod common;

use acme_policy::{LengthPeak, LengthPeaks};
use nlhf_core::{Menu, SeedTree, Target, Weight};
use nlhf_testkit::{
    check_parametrized_policy, check_policy_class, check_policy_sampling, random_prior,
};
use std::sync::Arc;

#[test]
fn gradients_and_samples_are_those_of_the_policy() {
    let menus = common::menus();
    let all: Vec<Menu<'_>> = menus.iter().collect();
    let policy = LengthPeak::new(Arc::new(common::texts()), 5.5, 0.8, 2.0);
    check_parametrized_policy(&policy, &all, 1e-7);
    check_policy_sampling(&policy, all[0], SeedTree::new(1));
}

#[test]
fn projections_keep_the_laws() {
    let (menus, texts) = (common::menus(), Arc::new(common::texts()));
    let class = LengthPeaks { texts: Arc::clone(&texts) };
    let rivals = [
        LengthPeak::new(Arc::clone(&texts), 5.0, 2.0, 1.0),
        LengthPeak::new(texts, 9.0, 0.1, -1.0),
    ];
    for seed in 0..4 {
        let rng = &mut SeedTree::new(seed).rng(nlhf_core::Stream::Instance, 0);
        let targets: Vec<_> = menus
            .iter()
            .map(|menu| Target {
                menu,
                distribution: random_prior(menu.len(), 4.0, rng),
                weight: Weight::ONE,
            })
            .collect();
        check_policy_class(&class, &targets, &rivals, 1e-6);
    }
}

#[test]
fn the_guide_quotes_this_crate_as_it_is() {
    let guide = include_str!("../../extending.md");
    let code = include_str!("../src/lib.rs");
    for item in code.split("\n}\n") {
        // What implements a trait, from its first line to its last.
        let first =
            item.lines().position(|line| line.starts_with("impl ") && line.contains(" for "));
        let Some(first) = first else { continue };
        let quoted = item.lines().skip(first).collect::<Vec<_>>().join("\n");
        assert!(guide.contains(&quoted), "docs/extending.md does not quote\n{quoted}");
    }
}
