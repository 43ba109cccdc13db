//! Mixtures: their laws, optima in the inside and at the border, and components that are nearly or entirely alike.

mod common;

use common::{consecutive_menus, mean_kl, rng};
use nlhf_core::{
    Distribution, Menu, Menus, Policy, PolicyClass, ProjectionError, PromptId, ResponseId,
    SeedTree, Target, UniformPolicy, Weight,
};
use nlhf_policy::{MixtureClass, MixtureError, MixturePolicy, TabularPolicy};
use nlhf_testkit::{
    check_policy_class, check_policy_class_at_extremes, check_policy_sampling, drawn_positions,
    random_prior, strategies,
};
use proptest::prelude::*;
use rand::Rng;
use std::sync::Arc;

fn table(menus: &Menus, mut play: impl FnMut(Menu<'_>) -> Distribution) -> Arc<dyn Policy> {
    let mut policy = TabularPolicy::new();
    for menu in menus.iter() {
        policy.insert(menu, play(menu)).expect("one entry a response");
    }
    Arc::new(policy)
}

/// `n` policies with log-probabilities that range over about `spread` nats.
fn random_tables(menus: &Menus, n: usize, spread: f64, rng: &mut dyn Rng) -> Vec<Arc<dyn Policy>> {
    (0..n).map(|_| table(menus, |menu| random_prior(menu.len(), spread, rng))).collect()
}

fn played_by<'a>(menus: &'a Menus, policy: &dyn Policy) -> Vec<Target<'a>> {
    let target =
        |menu| Target { menu, distribution: policy.distribution(menu), weight: Weight::ONE };
    menus.iter().map(target).collect()
}

fn excess(class: &MixtureClass, targets: &[Target<'_>]) -> (Vec<f64>, f64) {
    let projected = class.project(targets, None).expect("playable targets");
    let weights = projected.policy.weights().probabilities();
    (weights, projected.excess_nats.expect("a bound is known"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn the_class_keeps_the_laws(
        menus in strategies::menus(4, 5),
        seed in any::<u64>(),
        n in 1_usize..6,
        spread in prop::sample::select(vec![1e-7, 1.0, 30.0]),
    ) {
        let rng = &mut rng(seed);
        let components = random_tables(&menus, n, spread, rng);
        let rivals = [
            MixturePolicy::average(components.clone()).unwrap(),
            MixturePolicy::new(components.clone(), random_prior(n, 3.0, rng)).unwrap(),
        ];
        let wanted = table(&menus, |menu| random_prior(menu.len(), 3.0, rng));
        let targets = played_by(&menus, &wanted);
        let class = MixtureClass::new(components).unwrap();
        // Mixtures that differ by 1e-5 in total variation can be within 1e-10 nats of one another.
        check_policy_class(&class, &targets, &rivals, 1e-5);
        check_policy_class_at_extremes(&class, &targets, &rivals, 1e-9);
        let (_, excess) = excess(&class, &targets);
        prop_assert!(excess <= 1e-9, "{:e}", excess);
    }
}

#[test]
fn known_weights_are_found_inside_and_at_the_border() {
    let menus = consecutive_menus(&[4; 30]);
    let components = random_tables(&menus, 5, 3.0, &mut rng(1));
    for weights in
        [[0.1, 0.2, 0.3, 0.15, 0.25], [0.6, 0.0, 0.4, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0, 0.0]]
    {
        let truth =
            MixturePolicy::new(components.clone(), Distribution::from_masses(&weights).unwrap())
                .unwrap();
        let class = MixtureClass::new(components.clone()).unwrap();
        let (found, excess) = excess(&class, &played_by(&menus, &truth));
        assert!(excess <= 1e-10, "{excess:e}");
        for (found, expected) in found.iter().zip(weights) {
            assert!((found - expected).abs() < 1e-4, "{found} is not {expected}");
        }
    }
}

#[test]
fn a_coin_between_two_sure_answers_has_the_weights_of_the_target() {
    let menus = consecutive_menus(&[2]);
    let sure = |first: f64| {
        table(&menus, move |_| Distribution::from_masses(&[first, 1.0 - first]).unwrap())
    };
    let class = MixtureClass::new(vec![sure(1.0), sure(0.0)]).unwrap();
    for p in [0.3, 1e-3, 1e-12, 0.0] {
        let wanted = sure(p);
        let (weights, excess) = excess(&class, &played_by(&menus, &wanted));
        assert!(excess <= 1e-10 && (weights[0] - p).abs() < 1e-5 * p.max(1e-5), "{p}: {weights:?}");
    }
}

#[test]
fn components_that_are_nearly_alike_are_told_apart_as_far_as_it_matters() {
    let menus = consecutive_menus(&[4; 20]);
    let one =
        table(&menus, |menu| random_prior(menu.len(), 3.0, &mut rng(menu.prompt().index() as u64)));
    let near = |size: f64| {
        table(&menus, |menu| {
            let logs = one.distribution(menu).log_probabilities().to_vec();
            let moved = logs.iter().enumerate().map(|(k, l)| l + size * (k as f64).sin()).collect();
            Distribution::from_logits(moved).unwrap()
        })
    };
    let wanted = near(0.5);
    let targets = played_by(&menus, &wanted);
    for size in [1e-1, 1e-4, 1e-8, 1e-13, 0.0] {
        let class = MixtureClass::new(vec![one.clone(), near(size), one.clone()]).unwrap();
        let (_, excess) = excess(&class, &targets);
        assert!(excess <= 1e-10, "{size}: {excess:e}");
    }
}

#[test]
fn many_components_and_tiny_probabilities_reach_the_bound() {
    let menus = consecutive_menus(&[5; 60]);
    let rng = &mut rng(4);
    for spread in [1.0, 30.0, 600.0] {
        let components = random_tables(&menus, 60, spread, rng);
        let wanted = table(&menus, |menu| random_prior(menu.len(), spread, rng));
        let targets = played_by(&menus, &wanted);
        let class = MixtureClass::new(components.clone()).unwrap();
        let projected = class.project(&targets, None).unwrap();
        assert!(projected.excess_nats.unwrap() <= 1e-9, "{spread}: {projected:?}");
        let used = projected.policy.weights().log_probabilities().iter().filter(|w| w.is_finite());
        assert!(used.count() < 60, "{spread}: what is worth nothing gets weight 0");
        let average = MixturePolicy::average(components).unwrap();
        assert!(mean_kl(&targets, &projected.policy) <= mean_kl(&targets, &average));
    }
}

#[test]
fn what_is_hardly_wanted_but_never_played_is_infinitely_far() {
    let menus = consecutive_menus(&[2, 2]);
    let of = |plays: [[f64; 2]; 2]| {
        table(&menus, move |menu| Distribution::from_masses(&plays[menu.prompt().index()]).unwrap())
    };
    let class =
        MixtureClass::new(vec![of([[0.5, 0.5], [1.0, 0.0]]), of([[0.99, 0.01], [0.0, 1.0]])])
            .unwrap();
    let first = Distribution::from_masses(&[1.0, 0.0]).unwrap();
    let warm =
        MixturePolicy::new(vec![Arc::new(UniformPolicy), Arc::new(UniformPolicy)], first).unwrap();
    let sure = |log_p| Distribution::from_logits(vec![0.0, log_p]).unwrap();
    for (wanted, weights) in [
        (Distribution::uniform(2), [1e300, 1e-300]),
        (Distribution::uniform(2), [1e300, 1e-5]),
        (sure(-744.0), [1.0, 0.01]),
        (sure(-800.0), [1.0, 1.0]),
    ] {
        let near = Distribution::from_masses(&[0.99, 0.01]).unwrap();
        let wanted = [near, wanted];
        let targets: Vec<Target<'_>> = menus
            .iter()
            .zip(wanted)
            .zip(weights)
            .map(|((menu, distribution), weight)| Target {
                menu,
                distribution,
                weight: Weight::new(weight).unwrap(),
            })
            .collect();
        let found = class.project(&targets, Some(&warm)).unwrap();
        let cold = class.project(&targets, None).unwrap();
        for found in [found, cold] {
            let plays = found.policy.weights().probabilities();
            assert!(plays[1] > 0.0 && found.excess_nats.unwrap() < 1e-9, "{plays:?}");
            let far = found.policy.distribution(menus.get(0)).kl_nats(&targets[0].distribution);
            assert!(far < 1e-9 || weights[1] > 1e-3, "{far}");
        }
    }
}

#[test]
fn one_component_is_played_bit_for_bit_and_what_none_plays_is_refused() {
    let menus = consecutive_menus(&[2]);
    let only = table(&menus, |_| Distribution::from_masses(&[1.0, 0.0]).unwrap());
    let class = MixtureClass::new(vec![only.clone()]).unwrap();
    let fits = played_by(&menus, &only);
    let projected = class.project(&fits, None).unwrap();
    assert_eq!(projected.excess_nats, Some(0.0));
    assert_eq!(projected.policy.distribution(menus.get(0)), fits[0].distribution);
    let error = class.project(&played_by(&menus, &UniformPolicy), None).unwrap_err();
    let ProjectionError::Class { source } = error else { panic!("{error:?}") };
    assert!(source.to_string().contains("plays ResponseId(1)"), "{source}");
    let two = MixturePolicy::average(vec![only.clone(), only.clone()]).unwrap();
    assert!(matches!(class.project(&fits, Some(&two)), Err(ProjectionError::Class { .. })));
    assert_eq!(MixturePolicy::average(vec![]).unwrap_err(), MixtureError::Empty);
    assert_eq!(MixtureClass::new(vec![]).unwrap_err(), MixtureError::Empty);
    let wrong = MixturePolicy::new(vec![only], Distribution::uniform(2)).unwrap_err();
    assert_eq!(wrong, MixtureError::Weights { required: 1, given: 2 });
}

#[test]
fn samples_follow_the_mixture_and_weights_are_read_back() {
    let menus = consecutive_menus(&[4]);
    let components = random_tables(&menus, 3, 3.0, &mut rng(5));
    let weights = Distribution::from_masses(&[0.5, 0.0, 0.5]).unwrap();
    let policy = MixturePolicy::new(components.clone(), weights).unwrap();
    let menu = menus.get(0);
    let expected: Vec<f64> = (0..4)
        .map(|a| {
            [0, 2].map(|k| 0.5 * components[k].distribution(menu).probabilities()[a]).iter().sum()
        })
        .collect();
    for (got, expected) in policy.distribution(menu).probabilities().iter().zip(expected) {
        assert!((got - expected).abs() < 1e-15);
    }
    check_policy_sampling(&policy, menu, SeedTree::new(3));
    let text = serde_json::to_string(policy.weights()).unwrap();
    let read = MixturePolicy::new(components, serde_json::from_str(&text).unwrap()).unwrap();
    assert_eq!(read.distribution(menu), policy.distribution(menu));
    let drawn = drawn_positions(&read, menu, SeedTree::new(1), 12);
    assert_eq!(drawn, [2, 3, 2, 2, 2, 0, 1, 2, 3, 3, 2, 1], "recorded at version 0.1.0");
    let other = [ResponseId::new(77)];
    let elsewhere = Menu::new(PromptId::new(9), &other).unwrap();
    assert_eq!(policy.distribution(elsewhere).probabilities(), [1.0]);
}

#[test]
fn threads_and_the_order_of_targets_do_not_matter_to_the_last_bit() {
    let menus = consecutive_menus(&[4; 300]);
    let rng = &mut rng(6);
    let class = MixtureClass::new(random_tables(&menus, 4, 3.0, rng)).unwrap();
    let wanted = table(&menus, |menu| random_prior(menu.len(), 3.0, rng));
    let mut targets = played_by(&menus, &wanted);
    let expected = excess(&class, &targets);
    targets.reverse();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    assert_eq!(pool.install(|| excess(&class, &targets)), expected);
}
