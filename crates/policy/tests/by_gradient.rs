//! Projection by gradients, with a policy that is none of ours.

mod common;

use common::{consecutive_menus, tasteful};
use nlhf_core::{
    Distribution, Menu, ParametrizedPolicy, Policy, PolicyClass, Projected, ProjectionError,
    Target, Weight,
};
use nlhf_policy::project_by_gradient;
use nlhf_testkit::{check_parametrized_policy, check_policy_class};
use std::error::Error;

/// `log π ∝ θ₀ k + sin(θ₁ k)` for response `k`; a silent one never plays 0.
#[derive(Debug, Clone)]
struct Wave {
    parameters: Vec<f64>,
    silent: bool,
}

impl Policy for Wave {
    fn distribution(&self, menu: Menu<'_>) -> Distribution {
        let logit = |response: &nlhf_core::ResponseId| {
            let k = response.index() as f64;
            let score = self.parameters[0] * k + (self.parameters[1] * k).sin();
            if self.silent && k == 0.0 { f64::NEG_INFINITY } else { score }
        };
        Distribution::from_logits(menu.responses().iter().map(logit).collect())
            .unwrap_or_else(|_| Distribution::uniform(menu.len()))
    }
}

impl ParametrizedPolicy for Wave {
    fn parameters(&self) -> &[f64] {
        &self.parameters
    }

    fn with_parameters(&self, parameters: Vec<f64>) -> Self {
        Self { parameters, ..*self }
    }

    fn add_log_probability_gradient(
        &self,
        menu: Menu<'_>,
        coefficients: &[f64],
        gradient: &mut [f64],
    ) {
        let played = self.distribution(menu).probabilities();
        let c = |position: usize| if played[position] > 0.0 { coefficients[position] } else { 0.0 };
        let total: f64 = (0..menu.len()).map(c).sum();
        for (position, response) in menu.responses().iter().enumerate() {
            let k = response.index() as f64;
            let slope = c(position) - total * played[position];
            gradient[0] += slope * k;
            gradient[1] += slope * k * (self.parameters[1] * k).cos();
        }
    }
}

struct Waves;

impl PolicyClass for Waves {
    type Policy = Wave;

    fn name(&self) -> &'static str {
        "waves"
    }

    fn project(
        &self,
        targets: &[Target<'_>],
        warm: Option<&Wave>,
    ) -> Result<Projected<Wave>, ProjectionError> {
        let start = warm.cloned().unwrap_or(wave(0.0, 0.1));
        project_by_gradient(start, targets, 1e-9, 300)
    }
}

fn wave(slope: f64, frequency: f64) -> Wave {
    Wave { parameters: vec![slope, frequency], silent: false }
}

#[test]
fn a_parametrized_policy_becomes_a_lawful_class() {
    let menus = consecutive_menus(&[3, 1, 4, 2]);
    let all: Vec<_> = menus.iter().collect();
    check_parametrized_policy(&wave(0.3, -0.2), &all, 1e-6);
    let targets = tasteful(&menus, |k| (0.9 * k as f64).cos());
    check_policy_class(&Waves, &targets, &[wave(0.1, 0.4), wave(-0.2, 0.3)], 1e-7);
}

#[test]
fn the_start_is_left_only_for_something_nearer() {
    let menus = consecutive_menus(&[3, 1, 4, 2]);
    let truth = wave(0.2, 0.35);
    let targets: Vec<_> = menus
        .iter()
        .map(|menu| Target { menu, distribution: truth.distribution(menu), weight: Weight::ONE })
        .collect();
    let kept = project_by_gradient(truth.clone(), &targets, 1e-12, 100).unwrap();
    assert_eq!(kept.policy.parameters, truth.parameters);
    assert_eq!(kept.excess_nats, None);
    let found = project_by_gradient(wave(0.0, 0.3), &targets, 1e-10, 300).unwrap().policy;
    for (x, y) in found.parameters.iter().zip(&truth.parameters) {
        assert!((x - y).abs() < 1e-8, "{found:?}");
    }
    let nothing = project_by_gradient(wave(0.7, 0.3), &[], 1e-10, 300).unwrap().policy;
    assert_eq!(nothing.parameters, [0.7, 0.3]);
}

#[test]
fn the_order_of_targets_and_the_threads_leave_no_trace() {
    let menus = consecutive_menus(&[3; 200]);
    let mut targets = tasteful(&menus, |k| (0.9 * k as f64).cos());
    let project = |targets: &[Target<'_>]| {
        project_by_gradient(wave(0.0, 0.3), targets, 1e-9, 20).unwrap().policy.parameters
    };
    let expected = project(&targets);
    targets.reverse();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    assert_eq!(pool.install(|| project(&targets)), expected);
}

#[test]
fn what_the_policy_never_plays_is_refused_and_what_is_not_finite_breaks_down() {
    let menus = consecutive_menus(&[2]);
    let targets = tasteful(&menus, |_| 0.0);
    let reason = |start| {
        let error = project_by_gradient(start, &targets, 1e-9, 20).unwrap_err();
        error.source().expect("a reason").to_string()
    };
    let silent = Wave { silent: true, ..wave(0.0, 0.3) };
    assert!(reason(silent).contains("plays ResponseId(0)"));
    assert!(reason(wave(0.0, f64::INFINITY)).contains("finite gradients"));
    // Without weight, nothing is asked of the policy.
    let weightless = Target { weight: Weight::ZERO, ..targets[0].clone() };
    let silent = Wave { silent: true, ..wave(0.0, 0.3) };
    assert!(project_by_gradient(silent, &[weightless], 1e-9, 20).is_ok());
}
