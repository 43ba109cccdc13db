//! A small log-linear class for tests: `π(a | x) ∝ base(a | x) exp(θ·φ(x, a))`, projected by damped Newton.

use nlhf_core::{
    Distribution, Menu, ParametrizedPolicy, Policy, PolicyClass, Projected, ProjectionError,
    PromptId, ResponseId, Target,
};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Base log-probabilities and features, a row a response, by prompt; responses are 0, 1, … on every menu.
#[derive(Debug, PartialEq)]
pub(crate) struct Table {
    pub(crate) dim: usize,
    pub(crate) prompts: BTreeMap<PromptId, (Distribution, Vec<Vec<f64>>)>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct LogLinear {
    pub(crate) theta: Vec<f64>,
    pub(crate) table: Arc<Table>,
}

impl LogLinear {
    fn on(&self, menu: Menu<'_>) -> &(Distribution, Vec<Vec<f64>>) {
        &self.table.prompts[&menu.prompt()]
    }
}

impl Policy for LogLinear {
    fn distribution(&self, menu: Menu<'_>) -> Distribution {
        let (base, features) = self.on(menu);
        let logits = base.log_probabilities().iter().zip(features);
        Distribution::from_logits(logits.map(|(l, phi)| l + dot(&self.theta, phi)).collect())
            .unwrap()
    }
}

impl ParametrizedPolicy for LogLinear {
    fn parameters(&self) -> &[f64] {
        &self.theta
    }

    fn with_parameters(&self, theta: Vec<f64>) -> Self {
        assert_eq!(theta.len(), self.theta.len());
        Self { theta, table: Arc::clone(&self.table) }
    }

    fn add_log_probability_gradient(&self, menu: Menu<'_>, c: &[f64], gradient: &mut [f64]) {
        let (_, features) = self.on(menu);
        let total: f64 = c.iter().sum();
        let p = self.distribution(menu).probabilities();
        for ((phi, c), p) in features.iter().zip(c).zip(p) {
            for (g, phi) in gradient.iter_mut().zip(phi) {
                *g += (c - total * p) * phi;
            }
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct LogLinearClass(pub(crate) Arc<Table>);

impl LogLinearClass {
    pub(crate) fn base(&self) -> LogLinear {
        LogLinear { theta: vec![0.0; self.0.dim], table: Arc::clone(&self.0) }
    }

    pub(crate) fn at(&self, theta: &[f64]) -> LogLinear {
        self.base().with_parameters(theta.to_vec())
    }
}

impl PolicyClass for LogLinearClass {
    type Policy = LogLinear;

    fn name(&self) -> &'static str {
        "test-log-linear"
    }

    fn project(
        &self,
        targets: &[Target<'_>],
        warm: Option<&LogLinear>,
    ) -> Result<Projected<LogLinear>, ProjectionError> {
        let d = self.0.dim;
        let mut now = warm.cloned().unwrap_or_else(|| self.base());
        let total: f64 = targets.iter().map(|t| t.weight.get()).sum();
        let loss = |policy: &LogLinear| -> f64 {
            let terms = targets.iter().filter(|t| t.weight.get() > 0.0);
            terms
                .map(|t| {
                    t.weight.get() / total * t.distribution.kl_nats(&policy.distribution(t.menu))
                })
                .sum()
        };
        let mut value = loss(&now);
        for _ in 0..100 {
            let mut gradient = vec![0.0; d];
            let mut hessian = vec![0.0; d * d];
            for target in targets.iter().filter(|t| t.weight.get() > 0.0) {
                let share = target.weight.get() / total;
                let (_, features) = now.on(target.menu);
                let (p, t) = (
                    now.distribution(target.menu).probabilities(),
                    target.distribution.probabilities(),
                );
                let mean: Vec<f64> = (0..d)
                    .map(|i| p.iter().zip(features).map(|(p, phi)| p * phi[i]).sum())
                    .collect();
                for ((p, t), phi) in p.iter().zip(&t).zip(features) {
                    let centered: Vec<f64> = phi.iter().zip(&mean).map(|(f, m)| f - m).collect();
                    for i in 0..d {
                        gradient[i] += share * (p - t) * phi[i];
                        for j in 0..d {
                            hessian[i * d + j] += share * p * centered[i] * centered[j];
                        }
                    }
                }
            }
            let trace: f64 = (0..d).map(|i| hessian[i * d + i]).sum();
            for i in 0..d {
                hessian[i * d + i] += 1e-13 * trace + 1e-300;
            }
            let step = solved(d, hessian, gradient.clone());
            let (mut length, before) = (1.0, now.clone());
            let old = value;
            while length > 1e-6 {
                let theta = before.theta.iter().zip(&step).map(|(t, s)| t - length * s).collect();
                let trial = before.with_parameters(theta);
                let reached = loss(&trial);
                if reached < value {
                    (now, value) = (trial, reached);
                    break;
                }
                length *= 0.5;
            }
            if value >= old || dot(&step, &gradient) < 1e-26 {
                break;
            }
        }
        Ok(Projected { policy: now, excess_nats: None })
    }
}

/// Gauss with partial pivoting.
fn solved(n: usize, mut a: Vec<f64>, mut b: Vec<f64>) -> Vec<f64> {
    for k in 0..n {
        let pivot =
            (k..n).max_by(|i, j| a[i * n + k].abs().total_cmp(&a[j * n + k].abs())).unwrap();
        for j in 0..n {
            a.swap(k * n + j, pivot * n + j);
        }
        b.swap(k, pivot);
        for i in k + 1..n {
            let factor = a[i * n + k] / a[k * n + k];
            for j in k..n {
                a[i * n + j] -= factor * a[k * n + j];
            }
            b[i] -= factor * b[k];
        }
    }
    for k in (0..n).rev() {
        let rest: f64 = (k + 1..n).map(|j| a[k * n + j] * b[j]).sum();
        b[k] = (b[k] - rest) / a[k * n + k];
    }
    b
}

pub(crate) fn dot(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(x, y)| x * y).sum()
}

/// The responses 0, 1, … n − 1.
pub(crate) fn responses(n: usize) -> Vec<ResponseId> {
    (0..n).map(|i| ResponseId::new(u32::try_from(i).unwrap())).collect()
}
