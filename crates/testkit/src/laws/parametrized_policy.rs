//! The laws of [`ParametrizedPolicy`].
//!
//! ```text
//! ∂ log π(a | x) / ∂θ_j ≈ (log π_{θ + h e_j}(a | x) − log π_{θ − h e_j}(a | x)) / 2h,   h = 1e-5 max(1, |θ_j|)
//! ```

use nlhf_core::{Menu, ParametrizedPolicy};

/// Checks the laws of a policy with parameters on the given menus.
///
/// * At its own parameters the policy plays the same to the last bit.
/// * Each response's gradient agrees with central differences, within `tolerance` of the larger of 1 and the largest entry of both.
/// * A response that is never played has no gradient; coefficients of zero add nothing.
/// * What is added does not depend on what is there, and is additive in the coefficients: within `tolerance`, scaled alike.
///
/// Differences have errors of about 1e-9 themselves where third derivatives are of the size of 1; 1e-6 is a usual tolerance. They take two
/// evaluations a parameter and menu: check small policies.
///
/// # Panics
/// If a law is broken, with the numbers that break it.
pub fn check_parametrized_policy<P: ParametrizedPolicy>(
    policy: &P,
    menus: &[Menu<'_>],
    tolerance: f64,
) {
    let parameters = policy.parameters();
    let same = policy.with_parameters(parameters.to_vec());
    assert_eq!(bits(same.parameters()), bits(parameters), "parameters that were set are kept");
    for &menu in menus {
        let at = menu.prompt();
        let (expected, got) = (policy.distribution(menu), same.distribution(menu));
        let logs = expected.log_probabilities();
        assert_eq!(
            bits(got.log_probabilities()),
            bits(logs),
            "at its own parameters the policy plays something else on {at:?}"
        );
        let near = |one: &[f64], other: &[f64], what: &str| {
            let largest = one.iter().chain(other).fold(1.0, |most: f64, g| most.max(g.abs()));
            for (index, (x, y)) in one.iter().zip(other).enumerate() {
                let off = (x - y).abs();
                let fits = off <= tolerance * largest;
                assert!(fits, "{what} on {at:?}: parameter {index} has {x}, expected {y}");
            }
        };
        let differences = differences(policy, menu);
        let mut total = vec![0.0; parameters.len()];
        for (position, log_p) in logs.iter().enumerate() {
            let mut unit = vec![0.0; menu.len()];
            unit[position] = 1.0;
            let got = gradient(policy, menu, &unit);
            if log_p.is_finite() {
                near(&got, &differences[position], "a gradient and its differences");
            } else {
                let silent = got.iter().all(|g| *g == 0.0);
                assert!(silent, "a response that is never played has the gradient {got:?}");
            }
            let coefficient = 1.0 - 0.75 * position as f64;
            for (total, g) in total.iter_mut().zip(&got) {
                *total += coefficient * g;
            }
        }
        let coefficients: Vec<f64> = (0..menu.len()).map(|k| 1.0 - 0.75 * k as f64).collect();
        near(&gradient(policy, menu, &coefficients), &total, "a sum of gradients");
        let before: Vec<f64> = (0..parameters.len()).map(|j| 0.5 - j as f64).collect();
        let mut added = before.clone();
        policy.add_log_probability_gradient(menu, &vec![0.0; menu.len()], &mut added);
        assert_eq!(bits(&added), bits(&before), "coefficients of zero add something on {at:?}");
        policy.add_log_probability_gradient(menu, &coefficients, &mut added);
        let expected: Vec<f64> = before.iter().zip(&total).map(|(b, g)| b + g).collect();
        near(&added, &expected, "a gradient added to what is there");
    }
}

fn gradient<P: ParametrizedPolicy>(policy: &P, menu: Menu<'_>, coefficients: &[f64]) -> Vec<f64> {
    let mut gradient = vec![0.0; policy.parameters().len()];
    policy.add_log_probability_gradient(menu, coefficients, &mut gradient);
    gradient
}

/// A row a response, of one entry a parameter.
fn differences<P: ParametrizedPolicy>(policy: &P, menu: Menu<'_>) -> Vec<Vec<f64>> {
    let parameters = policy.parameters();
    let mut rows = vec![vec![0.0; parameters.len()]; menu.len()];
    for (index, parameter) in parameters.iter().enumerate() {
        let step = 1e-5 * parameter.abs().max(1.0);
        let [above, below] = [parameter + step, parameter - step].map(|moved| {
            let mut moved_parameters = parameters.to_vec();
            moved_parameters[index] = moved;
            (moved, policy.with_parameters(moved_parameters).distribution(menu))
        });
        let logs = above.1.log_probabilities().iter().zip(below.1.log_probabilities());
        for (row, (high, low)) in rows.iter_mut().zip(logs) {
            row[index] = (high - low) / (above.0 - below.0);
        }
    }
    rows
}

fn bits(values: &[f64]) -> Vec<u64> {
    values.iter().map(|value| value.to_bits()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use nlhf_core::{Distribution, Policy, PromptId, ResponseId};

    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum Fault {
        None,
        Rounds,
        ForgetsTheMean,
        Overwrites,
        Squares,
        AddsAlways,
        MovesTheSilent,
    }

    /// `log π ∝ θ₀ k + sin(θ₁ k)` for response `k`; response 9 is never played.
    #[derive(Debug, Clone)]
    struct Wave {
        parameters: Vec<f64>,
        fault: Fault,
    }

    impl Wave {
        fn slopes(&self, response: ResponseId) -> [f64; 2] {
            let k = response.index() as f64;
            [k, k * (self.parameters[1] * k).cos()]
        }
    }

    impl Policy for Wave {
        fn distribution(&self, menu: Menu<'_>) -> Distribution {
            let logit = |response: &ResponseId| {
                let k = response.index() as f64;
                let score = self.parameters[0] * k + (self.parameters[1] * k).sin();
                if response.index() == 9 { f64::NEG_INFINITY } else { score }
            };
            Distribution::from_logits(menu.responses().iter().map(logit).collect()).unwrap()
        }
    }

    impl ParametrizedPolicy for Wave {
        fn parameters(&self) -> &[f64] {
            &self.parameters
        }

        fn with_parameters(&self, parameters: Vec<f64>) -> Self {
            let nudge = if self.fault == Fault::Rounds { 1e-15 } else { 0.0 };
            let parameters = parameters.into_iter().map(|p| p * (1.0 + nudge)).collect();
            Self { parameters, ..*self }
        }

        fn add_log_probability_gradient(
            &self,
            menu: Menu<'_>,
            coefficients: &[f64],
            gradient: &mut [f64],
        ) {
            let probabilities = self.distribution(menu).probabilities();
            let plays = |position: usize| {
                probabilities[position] > 0.0 || self.fault == Fault::MovesTheSilent
            };
            if self.fault == Fault::Overwrites {
                gradient.fill(0.0);
            }
            if self.fault == Fault::AddsAlways {
                gradient[0] += 1e-9;
            }
            let total: f64 = (0..menu.len()).filter(|&k| plays(k)).map(|k| coefficients[k]).sum();
            let total = if self.fault == Fault::ForgetsTheMean { 0.0 } else { total };
            for (position, response) in menu.responses().iter().enumerate() {
                let c = if plays(position) { coefficients[position] } else { 0.0 };
                let c = if self.fault == Fault::Squares { c * c } else { c };
                let slopes = self.slopes(*response);
                for (g, slope) in gradient.iter_mut().zip(slopes) {
                    *g += (c - total * probabilities[position]) * slope;
                }
            }
        }
    }

    #[test]
    fn lawful_gradients_pass_and_each_broken_law_is_named() {
        let responses = [2, 9, 0, 3].map(ResponseId::new);
        let menus = [&responses[..], &responses[2..3], &responses[1..]]
            .map(|responses| Menu::new(PromptId::new(0), responses).unwrap());
        for (fault, named) in [
            (Fault::None, None),
            (Fault::Rounds, Some("parameters that were set")),
            (Fault::ForgetsTheMean, Some("a gradient and its differences")),
            (Fault::Overwrites, Some("coefficients of zero")),
            (Fault::Squares, Some("a sum of gradients")),
            (Fault::AddsAlways, Some("a response that is never played")),
            (Fault::MovesTheSilent, Some("a response that is never played")),
        ] {
            let policy = Wave { parameters: vec![0.3, -1.1], fault };
            let check = || check_parametrized_policy(&policy, &menus, 1e-7);
            let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(check));
            let text = outcome.err().map(|panicked| {
                panicked.downcast_ref::<String>().expect("a formatted message").clone()
            });
            match (named, &text) {
                (None, None) => {}
                (Some(named), Some(text)) => assert!(text.contains(named), "{fault:?}: {text}"),
                other => panic!("{fault:?}: {other:?}"),
            }
        }
    }
}
