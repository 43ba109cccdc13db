//! The neural class: its laws, what it fits that no log-linear policy can, and what it makes of the unseen.

mod common;

use common::{Rows, consecutive_menus, mean_kl, rng, tasteful};
use nlhf_core::{
    Distribution, Menu, Menus, ParametrizedPolicy, Policy, PolicyClass, ProjectionError, PromptId,
    ResponseId, SeedTree, Target, UniformPolicy, Weight,
};
use nlhf_policy::{
    NeuralClass, NeuralConfig, NeuralError, NeuralParameters, NeuralPolicy, project_by_gradient,
};
use nlhf_testkit::{
    check_feature_map, check_parametrized_policy, check_policy_class,
    check_policy_class_at_extremes, check_policy_sampling, drawn_positions,
};
use rand::RngExt;
use std::sync::Arc;

/// Responses with these ids are never played.
#[derive(Debug)]
struct Avoids(Vec<usize>);

impl Policy for Avoids {
    fn distribution(&self, menu: Menu<'_>) -> Distribution {
        let logit = |response: &ResponseId| {
            let k = response.index();
            if self.0.contains(&k) { f64::NEG_INFINITY } else { -0.3 * (k % 5) as f64 }
        };
        Distribution::from_logits(menu.responses().iter().map(logit).collect())
            .unwrap_or_else(|_| Distribution::uniform(menu.len()))
    }
}

fn class(features: Rows, config: NeuralConfig) -> NeuralClass {
    NeuralClass::new(Arc::new(features), Arc::new(UniformPolicy), config).expect("valid settings")
}

fn small() -> NeuralConfig {
    NeuralConfig::default().with_hidden(4).with_effort(100, 1e-7)
}

/// A policy with random parameters of the size of 1.
fn random_policy(features: Arc<Rows>, base: Arc<dyn Policy>, seed: u64) -> NeuralPolicy {
    let (d, h, rng) = (features.dim, 3, &mut rng(seed));
    let values = (0..d + h * (d + 2)).map(|_| rng.random_range(-1.0..1.0)).collect();
    let parameters =
        NeuralParameters::new(h, vec![0.1; d], vec![0.7; d], values).expect("they fit");
    NeuralPolicy::new(parameters, features, base).expect("they fit")
}

#[test]
fn the_class_keeps_the_laws() {
    let menus = consecutive_menus(&[4, 1, 3, 6, 2]);
    for (seed, base) in
        [(0, Arc::new(UniformPolicy) as Arc<dyn Policy>), (1, Arc::new(Avoids(vec![2, 6, 14, 15])))]
    {
        // The last two responses, all that prompt 4 has, are without features.
        let features = Arc::new(Rows::random(14, 3, 1.0, 0.0, &mut rng(seed)));
        let class =
            NeuralClass::new(features.clone(), base.clone(), small().with_hidden(3)).unwrap();
        let rival = random_policy(features, base.clone(), seed);
        let mut targets = tasteful(&menus, |response| (1.7 * response as f64).sin());
        for (target, weight) in targets.iter_mut().zip([1.0, 2.0, 0.5, 1e-3, 1.0]) {
            // What the base avoids, no target plays.
            let of_base = base.distribution(target.menu);
            let logs = target.distribution.log_probabilities().iter();
            let tilted = logs.zip(of_base.log_probabilities()).map(|(t, b)| t + b).collect();
            target.distribution = Distribution::from_logits(tilted).unwrap();
            target.weight = Weight::new(weight).unwrap();
        }
        let rivals = [rival];
        check_policy_class(&class, &targets, &rivals, 1e-6);
        check_policy_class_at_extremes(&class, &targets, &rivals, 1e-6);
    }
}

#[test]
fn gradients_are_those_of_the_policy_also_where_little_can_be_played() {
    let menus = consecutive_menus(&[4, 1, 3, 6, 2]);
    let features = Arc::new(Rows::random(12, 3, 1.0, 0.5, &mut rng(3)));
    let all: Vec<Menu<'_>> = menus.iter().collect();
    check_feature_map(features.as_ref(), &all);
    for base in [Avoids(vec![]), Avoids(vec![1, 8, 9, 10, 11])] {
        let policy = random_policy(features.clone(), Arc::new(base), 5);
        check_parametrized_policy(&policy, &all, 1e-7);
        check_policy_sampling(&policy, all[3], SeedTree::new(2));
    }
}

#[test]
fn an_offset_of_all_features_does_not_matter() {
    let menus = consecutive_menus(&[4; 5]);
    let counts = [3.0, -5.0, 5.0, 0.0, -2.0, 4.0, 1.0, -1.0, 2.0, -4.0].repeat(2);
    let targets = tasteful(&menus, |response| 0.3 * counts[response]);
    for offset in [0.0, 1e9, 1e12] {
        let values = counts.iter().map(|count| offset + count).collect();
        let fitted = class(Rows { dim: 1, values }, small()).project(&targets, None).unwrap();
        let reached = mean_kl(&targets, &fitted.policy);
        assert!(reached < 1e-6, "{offset}: {reached}");
    }
}

#[test]
fn a_taste_that_no_weighted_sum_of_features_has_is_fitted() {
    // One of two marks is liked, both or none are not.
    let features = Rows { dim: 2, values: vec![0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0] };
    let menus = consecutive_menus(&[4]);
    let targets = tasteful(&menus, |response| if matches!(response, 1 | 2) { 2.0 } else { -2.0 });
    let fitted = class(features, small()).project(&targets, None).unwrap().policy;
    // Symmetry makes the uniform policy the nearest log-linear one: log 2 − H(σ(4)) away.
    let linear = targets[0].distribution.kl_nats(&Distribution::uniform(4));
    assert!(linear > 0.6, "{linear}");
    let reached = mean_kl(&targets, &fitted);
    assert!(reached < 1e-9, "{reached}");
}

#[test]
fn what_was_never_seen_is_scored_in_any_units() {
    let taste = |row: &[f64]| 3.0 * row[0] * row[1] + row[0];
    let unit = Rows::random(500, 2, 1.0, 0.0, &mut rng(7));
    let menus = consecutive_menus(&[5; 100]);
    let targets = tasteful(&menus, |response| taste(unit.row(response)));
    let (seen, unseen) = targets.split_at(60);
    for (scale, shift) in [(1.0, 0.0), (1e6, 1e9), (1e-200, 0.0)] {
        let values = unit.values.iter().map(|x| shift + scale * x).collect();
        let config = NeuralConfig::default().with_hidden(8).with_effort(150, 1e-7);
        let class = class(Rows { dim: 2, values }, config);
        let policy = class.project(seen, None).unwrap().policy;
        let (fit, reach) = (mean_kl(seen, &policy), mean_kl(unseen, &policy));
        let nobody = mean_kl(unseen, &UniformPolicy);
        assert!(nobody > 0.3 && fit < 2e-4 && reach < 1e-3, "{scale}: {fit} {reach} of {nobody}");
    }
}

#[test]
fn a_start_is_never_left_for_worse_and_a_linear_fit_never_missed() {
    let features = Rows::random(40, 3, 1.0, 0.0, &mut rng(11));
    let menus = consecutive_menus(&[4; 10]);
    let linear = tasteful(&menus, |k| features.row(k)[0] - 2.0 * features.row(k)[2]);
    let class = class(features, small());
    let policy = class.project(&linear, None).unwrap().policy;
    assert!(mean_kl(&linear, &policy) < 1e-12);
    // What is already played is returned to the last bit.
    let again = class.project(&linear, Some(&policy)).unwrap().policy;
    assert_eq!(again.parameters(), policy.parameters());
}

#[test]
fn no_log_linear_policy_is_nearer() {
    for seed in 0..5 {
        let features = Rows::random(120, 3, 1.0, 0.0, &mut rng(seed));
        let menus = consecutive_menus(&[4; 30]);
        let targets = tasteful(&menus, |k| (5.0 * features.row(k)[0]).sin() + features.row(k)[1]);
        // With W = 0 hidden units are silent, and no gradient wakes them: the search stays among log-linear policies.
        let zeros = NeuralParameters::new(1, vec![0.0; 3], vec![1.0; 3], vec![0.0; 8]).unwrap();
        let linear =
            NeuralPolicy::new(zeros, Arc::new(features.clone()), Arc::new(UniformPolicy)).unwrap();
        let linear = project_by_gradient(linear, &targets, 1e-9, 500).unwrap().policy;
        assert!(linear.parameters()[3..].iter().all(|x| *x == 0.0));
        let limit = mean_kl(&targets, &linear);
        let config = NeuralConfig::default().with_hidden(8).with_effort(60, 1e-7);
        let policy = class(features, config).project(&targets, None).unwrap().policy;
        let reached = mean_kl(&targets, &policy);
        assert!(reached < 0.5 * limit, "{seed}: {reached} of {limit}");
    }
}

#[test]
fn weight_decay_holds_back() {
    let features = Rows::random(40, 3, 1.0, 0.0, &mut rng(13));
    let menus = consecutive_menus(&[4; 10]);
    let targets = tasteful(&menus, |k| 3.0 * features.row(k)[0]);
    let [free, held] = [0.0, 0.1].map(|decay| {
        let config = small().with_weight_decay(decay);
        let policy = class(features.clone(), config).project(&targets, None).unwrap().policy;
        (policy.parameters()[0].abs(), mean_kl(&targets, &policy))
    });
    assert!(held.0 < 0.7 * free.0 && held.1 > free.1 + 0.01, "{held:?} {free:?}");
}

#[test]
fn what_cannot_be_played_is_refused_by_name() {
    let features = Arc::new(Rows::random(3, 1, 1.0, 0.0, &mut rng(1)));
    let class = NeuralClass::new(features.clone(), Arc::new(Avoids(vec![0])), small()).unwrap();
    let project = |responses: &[u32], masses: &[f64]| {
        let responses: Vec<_> = responses.iter().map(|&k| ResponseId::new(k)).collect();
        let menu = Menu::new(PromptId::new(0), &responses).unwrap();
        let distribution = Distribution::from_masses(masses).unwrap();
        let target = Target { menu, distribution, weight: Weight::ONE };
        let projected = class.project(&[target], None)?;
        Ok(projected.policy.distribution(menu).probabilities())
    };
    let refused = |outcome: Result<Vec<f64>, ProjectionError>| {
        let Err(ProjectionError::Class { source }) = outcome else { panic!("{outcome:?}") };
        source.to_string()
    };
    assert!(refused(project(&[0, 1], &[0.1, 0.9])).contains("plays ResponseId(0)"));
    // Response 7 has no features, and is played only where none has any.
    assert!(refused(project(&[1, 7], &[0.1, 0.9])).contains("plays ResponseId(7)"));
    assert_eq!(project(&[1, 7], &[1.0, 0.0]).unwrap(), [1.0, 0.0]);
    assert_eq!(project(&[0, 7], &[0.0, 1.0]).unwrap(), [0.0, 1.0]);
    let base = project(&[10, 7], &[0.3, 0.7]).unwrap();
    assert!((base[0] / base[1] - 0.6_f64.exp()).abs() < 1e-12, "{base:?}");
}

#[test]
fn settings_and_sizes_are_checked() {
    let features = Arc::new(Rows::random(3, 2, 1.0, 0.0, &mut rng(1)));
    let base: Arc<dyn Policy> = Arc::new(UniformPolicy);
    for (config, setting) in [
        (small().with_hidden(0), "hidden"),
        (small().with_weight_decay(f64::NAN), "weight_decay"),
        (small().with_effort(1, -1.0), "tolerance"),
    ] {
        let error = NeuralClass::new(features.clone(), base.clone(), config).unwrap_err();
        assert!(error.to_string().starts_with(setting), "{error}");
    }
    let three = random_policy(Arc::new(Rows::random(3, 3, 1.0, 0.0, &mut rng(1))), base.clone(), 1);
    let parameters = three.neural_parameters().clone();
    let error = NeuralPolicy::new(parameters, features.clone(), base.clone()).unwrap_err();
    assert_eq!(error, NeuralError::Features { required: 3, given: 2 });
    let class = NeuralClass::new(features.clone(), base.clone(), small()).unwrap();
    for other in [three, random_policy(features, base, 1)] {
        assert!(matches!(class.project(&[], Some(&other)), Err(ProjectionError::Class { .. })));
    }
}

#[test]
fn a_policy_is_its_parameters_read_back() {
    let features = Arc::new(Rows::random(6, 2, 1.0, 0.0, &mut rng(1)));
    let policy = random_policy(features.clone(), Arc::new(UniformPolicy), 4);
    let text = serde_json::to_string(policy.neural_parameters()).unwrap();
    let parameters = serde_json::from_str(&text).unwrap();
    let read = NeuralPolicy::new(parameters, features, Arc::new(UniformPolicy)).unwrap();
    let menus: Menus = consecutive_menus(&[6]);
    assert_eq!(read.distribution(menus.get(0)), policy.distribution(menus.get(0)));
    let drawn = drawn_positions(&read, menus.get(0), SeedTree::new(1), 12);
    assert_eq!(drawn, [4, 4, 1, 3, 5, 5, 2, 4, 4, 4, 2, 0], "recorded at version 0.1.0");
}

#[test]
fn threads_and_the_order_of_targets_do_not_matter_to_the_last_bit() {
    let features = Rows::random(900, 2, 1.0, 0.0, &mut rng(17));
    let menus = consecutive_menus(&[3; 300]);
    let mut targets = tasteful(&menus, |k| (3.0 * features.row(k)[0]).sin());
    let class = class(features, small().with_effort(15, 1e-7));
    let expected = class.project(&targets, None).unwrap().policy;
    targets.reverse();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let alone = pool.install(|| class.project(&targets, None)).unwrap().policy;
    assert_eq!(alone.parameters(), expected.parameters());
}
