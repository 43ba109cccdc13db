//! One run: what the main agent loses after each round, and what its certificate says.

use crate::instance::{Instance, Knowledge};
use nlhf::core::{ConfidenceWidth, FitPreference, SeedTree, suboptimality};
use nlhf::online::{OnlineConfig, OnlineLearner, Round, Strategy};
use nlhf::policy::TabularClass;
use nlhf::preference::SimulatedOracle;
use std::ops::ControlFlow;
use std::sync::Arc;

/// A round as it was.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Point {
    /// Labels asked so far.
    pub(crate) labels: f64,
    /// What the main agent loses, on average over prompts.
    pub(crate) lost: f64,
    /// The certificate, on average over prompts.
    pub(crate) bound: f64,
}

/// All rounds of a run.
#[derive(Debug, Clone)]
pub(crate) struct Trace {
    pub(crate) points: Vec<Point>,
    /// Prompts and rounds where more was lost than certified, and all of them.
    pub(crate) violations: (usize, usize),
}

/// What a run of a strategy on an instance brings.
pub(crate) fn run(
    instance: &Instance,
    strategy: Arc<dyn Strategy>,
    seed: u64,
) -> anyhow::Result<Trace> {
    match &instance.knowledge {
        Knowledge::Table => run_with(instance, strategy, seed, &instance.tabular_fit()),
        Knowledge::Bilinear(features) => {
            run_with(instance, strategy, seed, &Instance::feature_fit(features)?)
        }
    }
}

fn run_with<F>(
    instance: &Instance,
    strategy: Arc<dyn Strategy>,
    seed: u64,
    fit: &F,
) -> anyhow::Result<Trace>
where
    F: FitPreference,
    F::Model: ConfidenceWidth,
{
    let Instance { truth, menus, rules, budget, per_round, .. } = instance;
    let seeds = SeedTree::new(seed);
    let config = OnlineConfig::default()
        .with_eta(rules.eta)
        .with_scale(rules.scale)
        .with_budget(budget.div_ceil(*per_round), *per_round)
        .with_seed(seeds);
    let mut trace = Trace { points: Vec::new(), violations: (0, 0) };
    let mut watch = |round: &Round<'_>| {
        let mut total = 0.0;
        for (menu, agents) in menus.iter().zip(round.agents) {
            let lost =
                suboptimality(truth, menu, &rules.reference, rules.eta, rules.scale, &agents.main);
            total += lost;
            trace.violations.0 +=
                usize::from(lost > agents.suboptimality_bound * (1.0 + 1e-9) + 1e-12);
            trace.violations.1 += 1;
        }
        let (lost, bound) = (total / menus.len() as f64, round.suboptimality_bound);
        trace.points.push(Point { labels: round.n_queries as f64, lost, bound });
        ControlFlow::Continue(())
    };
    let mut oracle = SimulatedOracle::new(truth, seeds);
    let learner = OnlineLearner::new(config)?.with_strategy(strategy)?;
    let _ = learner.learn(menus, rules, &mut oracle, fit, &TabularClass, &mut watch)?;
    Ok(trace)
}

impl Trace {
    /// The labels from which on no more than ε is lost; `None` if that was not seen.
    pub(crate) fn labels_to(&self, epsilon: f64) -> Option<f64> {
        let after =
            self.points.iter().rposition(|point| point.lost > epsilon).map_or(0, |at| at + 1);
        self.points.get(after).map(|point| point.labels)
    }

    /// Σ over labels of what was lost while they were asked.
    pub(crate) fn cumulative(&self) -> f64 {
        let mut before = 0.0;
        let mut total = 0.0;
        for point in &self.points {
            total += (point.labels - before) * point.lost;
            before = point.labels;
        }
        total
    }
}
