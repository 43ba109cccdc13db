//! Degenerate features, targets, bases and settings.

use crate::instances::{
    By, Drawn, Fixed, class, distance, drawn, fit, mean_kl, menus, precise, targets,
};
use nlhf_core::{
    Distribution, FeatureMap, FitError, FitStatus, Menu, ParametrizedPolicy, Policy, PolicyClass,
    ProjectionError, PromptId, ResponseId, Target, UniformPolicy, Weight,
};
use nlhf_policy::{
    LogLinearClass, LogLinearConfig, LogLinearError, LogLinearParameters, LogLinearPolicy,
};
use std::sync::Arc;

#[test]
fn features_that_repeat_or_never_vary_change_nothing() {
    let menus = menus(40, 5);
    let targets = targets(&menus, 1);
    let plain = drawn(2, 5);
    let padded = {
        let plain = Arc::clone(&plain);
        By(6, move |x, a, out: &mut [f64]| {
            let (x, a) = (PromptId::from_index(x), ResponseId::from_index(a));
            plain.write(x, a, &mut out[..2]).expect("features");
            (out[2], out[3], out[4]) = (0.0, 7.0, out[0]);
            out[5] = out[0] - 2.0 * out[1] + x.index() as f64;
        })
    };
    let expected = fit(&class(plain, precise()), &targets);
    let found = fit(&class(Arc::new(padded), LogLinearConfig::default()), &targets);
    assert_eq!(found.status, FitStatus::Converged, "{found:?}");
    assert!(distance(&targets, &found.policy, &expected.policy) < 1e-5, "{found:?}");
    assert!(found.kl_nats >= expected.kl_nats - 1e-14);
}

#[test]
fn separable_targets_end_near_zero_or_at_the_ball() {
    let responses = [ResponseId::new(0), ResponseId::new(1), ResponseId::new(2)];
    let menu = Menu::new(PromptId::new(0), &responses).unwrap();
    let certain = Distribution::from_masses(&[1.0, 0.0, 0.0]).unwrap();
    let targets = [Target { menu, distribution: certain, weight: Weight::ONE }];
    let ladder = || Arc::new(By(1, |_, a, out: &mut [f64]| out[0] = a as f64));
    let found = fit(&class(ladder(), LogLinearConfig::default()), &targets);
    assert_eq!(found.status, FitStatus::Converged, "{found:?}");
    assert!(found.kl_nats <= 1e-10 && found.policy.parameters()[0] < -20.0, "{found:?}");
    let held = fit(&class(ladder(), LogLinearConfig::default().with_max_norm(2.0)), &targets);
    assert!(held.ball_binds && (held.policy.parameters()[0] + 2.0).abs() < 1e-9, "{held:?}");
    assert_eq!(held.status, FitStatus::Converged, "{held:?}");
}

#[test]
fn what_has_no_features_is_never_played_beside_what_has() {
    let features = Arc::new(Drawn { scales: vec![1.0], seed: 0, end: 2 });
    let config = LogLinearConfig::default();
    let class =
        LogLinearClass::new(features, Arc::new(Fixed(vec![0.0, -1.0, 1.0, 2.0])), config).unwrap();
    let ids = |ids: &[u32]| ids.iter().map(|&id| ResponseId::new(id)).collect::<Vec<_>>();
    let (known, unknown) = (ids(&[0, 2, 1]), ids(&[3, 2]));
    let known = Menu::new(PromptId::new(0), &known).unwrap();
    let unknown = Menu::new(PromptId::new(1), &unknown).unwrap();
    let target = |menu, masses: &[f64]| Target {
        menu,
        distribution: Distribution::from_masses(masses).unwrap(),
        weight: Weight::ONE,
    };
    let found = fit(&class, &[target(known, &[0.5, 0.0, 0.5]), target(unknown, &[0.5, 0.5])]);
    let p = found.policy.distribution(known).probabilities();
    assert!((p[0] - 0.5).abs() < 1e-5 && p[1] == 0.0, "{p:?}");
    assert_eq!(found.policy.distribution(unknown), class_base(unknown));
    let off = target(unknown, &[0.5, 0.5]).distribution.kl_nats(&class_base(unknown)) / 2.0;
    assert!((found.kl_nats - off).abs() < 1e-9, "{found:?} {off}");
    let refused = class.fit(&[target(known, &[0.5, 0.1, 0.4])], None).unwrap_err();
    let ProjectionError::Class { source } = refused else { panic!("{refused}") };
    assert!(source.downcast_ref::<FitError>().is_some(), "{source}");
}

fn class_base(menu: Menu<'_>) -> Distribution {
    Fixed(vec![0.0, -1.0, 1.0, 2.0]).distribution(menu)
}

#[test]
fn bases_of_any_size_are_kept() {
    let menus = menus(6, 4);
    let base = || Arc::new(Fixed(vec![0.0, 1e-300_f64.ln(), f64::NEG_INFINITY, -2.0]));
    let class = LogLinearClass::new(drawn(2, 0), base(), precise()).unwrap();
    let mut targets = targets(&menus, 0);
    let error = class.project(&targets, None).unwrap_err();
    let ProjectionError::Class { source } = error else { panic!("{error}") };
    let source = source.downcast_ref::<LogLinearError>();
    assert!(matches!(source, Some(LogLinearError::BeyondBase { .. })), "{source:?}");
    // A weight of zero forgives it.
    for target in &mut targets {
        target.weight = Weight::new(0.0).unwrap();
    }
    assert_eq!(fit(&class, &targets).norm.to_bits(), 0);
    for target in &mut targets {
        target.weight = Weight::ONE;
        target.distribution = Distribution::from_masses(&[0.3, 0.3, 0.0, 0.4]).unwrap();
    }
    let found = fit(&class, &targets);
    assert!(found.excess_nats <= 1e-16, "{found:?}");
    for target in &targets {
        assert!(found.policy.distribution(target.menu).log_probabilities()[2] == f64::NEG_INFINITY);
    }
    assert!((found.kl_nats / mean_kl(&targets, &found.policy) - 1.0).abs() < 1e-13);
}

#[test]
fn nothing_to_fit_is_the_base() {
    let class = class(drawn(3, 0), LogLinearConfig::default());
    let found = fit(&class, &[]);
    assert_eq!(found.policy.parameters(), [0.0; 3]);
    assert!(found.excess_nats == 0.0 && found.kl_nats == 0.0 && !found.ball_binds, "{found:?}");
    assert_eq!(found.status, FitStatus::Converged);
}

#[test]
fn parameters_keep_every_bit_and_are_checked_when_read() {
    let menus = menus(4, 4);
    let found = fit(&class(drawn(3, 1), LogLinearConfig::default()), &targets(&menus, 5));
    let text = serde_json::to_string(found.policy.log_linear_parameters()).unwrap();
    let read: LogLinearParameters = serde_json::from_str(&text).unwrap();
    assert_eq!(&read, found.policy.log_linear_parameters());
    for (text, reason) in [
        (r#"{"weights":[1.0],"temperature":0.0}"#, "temperature must be positive"),
        (r#"{"weights":[1.0],"temperature":1.0,"norm":2}"#, "unknown field"),
        (r#"{"weights":[1e101],"temperature":1.0}"#, "within 1e100"),
        (r#"{"weights":[null],"temperature":1.0}"#, "null"),
    ] {
        let error = serde_json::from_str::<LogLinearParameters>(text).unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }
    assert!(matches!(
        LogLinearPolicy::new(read, drawn(2, 0), Arc::new(UniformPolicy)),
        Err(LogLinearError::Length { required: 2, given: 3 })
    ));
    let settings = serde_json::from_str::<LogLinearConfig>(r#"{"max_norm":2.0}"#).unwrap();
    assert_eq!(settings, LogLinearConfig::default().with_max_norm(2.0));
}

#[test]
fn settings_are_checked() {
    let new = |config| LogLinearClass::new(drawn(1, 0), Arc::new(UniformPolicy), config).err();
    let config = LogLinearConfig::default;
    for bad in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert!(matches!(new(config().with_max_norm(bad)), Some(LogLinearError::MaxNorm { .. })));
        let refused = new(config().with_temperature(bad));
        assert!(matches!(refused, Some(LogLinearError::Temperature { .. })));
    }
    let refused = new(config().with_max_norm(1.1e100));
    assert!(matches!(refused, Some(LogLinearError::MaxNorm { .. })), "{refused:?}");
    let refused = new(config().with_tolerance_nats(-1e-3));
    assert!(matches!(refused, Some(LogLinearError::Tolerance { .. })));
}
