//! The built-in classes under the laws that every policy class must keep.

use nlhf_core::{
    Distribution, Menu, Menus, Policy, PolicyClass, ProjectionError, PromptId, ResponseId,
    SeedTree, Stream, Target, Weight,
};
use nlhf_policy::{TabularClass, TabularPolicy};
use nlhf_testkit::{
    check_policy_class, check_policy_class_at_extremes, check_policy_sampling, drawn_positions,
    random_prior, strategies,
};
use proptest::prelude::*;

fn ids(indices: &[u32]) -> Vec<ResponseId> {
    indices.iter().map(|&i| ResponseId::new(i)).collect()
}

fn targets(menus: &Menus, seed: u64) -> Vec<Target<'_>> {
    let rng = &mut SeedTree::new(seed).rng(Stream::Instance, 0);
    menus
        .iter()
        .map(|menu| Target {
            menu,
            distribution: random_prior(menu.len(), 30.0, rng),
            weight: Weight::ONE,
        })
        .collect()
}

/// A policy that plays `masses` on responses 10, 20, 30, … of prompt 0.
fn policy(masses: &[f64]) -> TabularPolicy {
    let responses: Vec<_> = (1..=masses.len()).map(|i| ResponseId::from_index(10 * i)).collect();
    let mut policy = TabularPolicy::new();
    let menu = Menu::new(PromptId::new(0), &responses).expect("distinct responses");
    let distribution = Distribution::from_masses(masses).expect("some mass");
    policy.insert(menu, distribution).expect("one mass a response");
    policy
}

fn play(policy: &TabularPolicy, prompt: u32, responses: &[u32]) -> Vec<f64> {
    let responses = ids(responses);
    let menu = Menu::new(PromptId::new(prompt), &responses).expect("distinct responses");
    policy.distribution(menu).probabilities()
}

fn assert_near(got: &[f64], expected: &[f64]) {
    assert_eq!(got.len(), expected.len());
    let near = got.iter().zip(expected).all(|(x, y)| (x - y).abs() < 1e-15);
    assert!(near, "{got:?} is not {expected:?}");
}

proptest! {
    #[test]
    fn the_tabular_class_keeps_the_laws(menus in strategies::menus(5, 6), seed in any::<u64>()) {
        let rival = TabularClass.project(&targets(&menus, !seed), None).unwrap().policy;
        let rivals = [rival];
        check_policy_class(&TabularClass, &targets(&menus, seed), &rivals, 0.0);
        check_policy_class_at_extremes(&TabularClass, &targets(&menus, seed), &rivals, 0.0);
    }

    #[test]
    fn projection_onto_tables_keeps_every_bit(
        menus in strategies::menus(4, 6),
        seed in any::<u64>(),
    ) {
        let targets = targets(&menus, seed);
        let policy = TabularClass.project(&targets, None).unwrap().policy;
        for target in &targets {
            prop_assert_eq!(&policy.distribution(target.menu), &target.distribution);
        }
    }

    #[test]
    fn the_order_of_a_menu_orders_the_entries(
        menus in strategies::menus(3, 8),
        seed in any::<u64>(),
        turn in 0_usize..8,
    ) {
        let targets = targets(&menus, seed);
        let policy = TabularClass.project(&targets, None).unwrap().policy;
        for target in &targets {
            let (mut responses, turn) = (target.menu.responses().to_vec(), turn % target.menu.len());
            responses.rotate_left(turn);
            let got = policy.distribution(Menu::new(target.menu.prompt(), &responses).unwrap());
            let mut expected = target.distribution.log_probabilities().to_vec();
            expected.rotate_left(turn);
            prop_assert_eq!(got.log_probabilities(), expected);
        }
    }

    #[test]
    fn policies_keep_every_bit_through_json(menus in strategies::menus(4, 6), seed in any::<u64>()) {
        let policy = TabularClass.project(&targets(&menus, seed), None).unwrap().policy;
        let text = serde_json::to_string(&policy).unwrap();
        prop_assert_eq!(serde_json::from_str::<TabularPolicy>(&text).unwrap(), policy);
    }
}

#[test]
fn a_part_of_the_menu_keeps_its_odds() {
    let policy = policy(&[0.5, 0.3, 0.2]);
    assert_near(&play(&policy, 0, &[30, 10]), &[0.2 / 0.7, 0.5 / 0.7]);
    assert_near(&play(&policy, 0, &[20]), &[1.0]);
}

#[test]
fn what_was_never_stored_is_played_only_where_nothing_else_can_be() {
    let known = policy(&[0.75, 0.25]);
    assert_near(&play(&known, 0, &[7, 20, 10]), &[0.0, 0.25, 0.75]);
    assert_near(&play(&known, 0, &[7, 20]), &[0.0, 1.0]);
    assert_near(&play(&known, 0, &[7, 8]), &[0.5, 0.5]);
    assert_near(&play(&known, 9, &[10, 20]), &[0.5, 0.5]);
    let certain = policy(&[1.0, 0.0]);
    assert_near(&play(&certain, 0, &[20, 7]), &[0.5, 0.5]);
}

#[test]
fn targets_that_contradict_one_another_are_refused() {
    let responses = ids(&[0, 1]);
    let menu = Menu::new(PromptId::new(3), &responses).unwrap();
    let target = Target { menu, distribution: Distribution::uniform(2), weight: Weight::ONE };
    let error = TabularClass.project(&[target.clone(), target], None).unwrap_err();
    assert!(matches!(error, ProjectionError::DuplicatePrompt { prompt } if prompt.index() == 3));
}

#[test]
fn what_is_read_is_checked() {
    for (text, reason) in [
        (
            r#"[{"prompt":0,"responses":[1,1],"log_probabilities":[0.0,null]}]"#,
            "each response once",
        ),
        (r#"[{"prompt":0,"responses":[1,2],"log_probabilities":[0.0]}]"#, "has 1 entries"),
        (r#"[{"prompt":0,"responses":[1],"log_probabilities":[0.5]}]"#, "must sum to 1"),
        (
            r#"[{"prompt":0,"responses":[1],"log_probabilities":[0.0]},
                {"prompt":0,"responses":[2],"log_probabilities":[0.0]}]"#,
            "two targets",
        ),
    ] {
        let error = serde_json::from_str::<TabularPolicy>(text).unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }
}

#[test]
fn samples_follow_the_distribution() {
    let policy = policy(&[0.5, 1e-9, 0.0, 0.3, 0.199_999_999]);
    for (seed, menu) in
        [&[10, 20, 30, 40, 50][..], &[50, 7, 10], &[30, 7], &[20]].iter().enumerate()
    {
        let responses = ids(menu);
        let menu = Menu::new(PromptId::new(0), &responses).unwrap();
        check_policy_sampling(&policy, menu, SeedTree::new(seed as u64));
    }
}

#[test]
fn value_stability() {
    let policy = policy(&[0.2, 0.5, 0.3]);
    let responses = ids(&[30, 10, 20]);
    let menu = Menu::new(PromptId::new(0), &responses).unwrap();
    let drawn = drawn_positions(&policy, menu, SeedTree::new(1), 10);
    assert_eq!(drawn, [2, 2, 0, 2, 2, 2, 2, 2, 2, 2], "recorded at version 0.1.0");
}
