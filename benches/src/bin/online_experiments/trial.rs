//! One run: what the main agent loses after each round, and what its certificate says.

use crate::instance::{Fit, Instance};
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
    /// The certificate, on average over prompts; none before the first round.
    pub(crate) bound: f64,
}

/// All rounds of a run.
#[derive(Debug, Clone, Default)]
pub(crate) struct Trace {
    pub(crate) points: Vec<Point>,
    /// Rounds and prompts.
    pub(crate) n_certificates: usize,
    /// Those where more was lost than the certificate says.
    pub(crate) n_violated: usize,
}

impl Instance {
    /// A run of a strategy, with labels and queries of a seed.
    pub(crate) fn run(&self, strategy: &Arc<dyn Strategy>, seed: u64) -> anyhow::Result<Trace> {
        match self.fit()? {
            Fit::Table(fit) => self.run_with(strategy, seed, &fit),
            Fit::Features(fit) => self.run_with(strategy, seed, &fit),
        }
    }

    fn run_with<F>(&self, strategy: &Arc<dyn Strategy>, seed: u64, fit: &F) -> anyhow::Result<Trace>
    where
        F: FitPreference,
        F::Model: ConfidenceWidth,
    {
        let (truth, rules, seeds) = (&self.truth, &self.rules, SeedTree::new(seed));
        let config = OnlineConfig::default()
            .with_eta(rules.eta)
            .with_scale(rules.scale)
            .with_budget(self.budget.div_ceil(self.per_round), self.per_round)
            .with_label_budget(u64::from(self.budget))
            .with_seed(seeds);
        let opening = Point { labels: 0.0, lost: self.reference_loss(), bound: f64::INFINITY };
        let mut trace = Trace { points: vec![opening], ..Trace::default() };
        let mut watch = |round: &Round<'_>| {
            let mut total = 0.0;
            for (menu, agents) in round.menus.iter().zip(round.agents) {
                let (reference, main) = (&rules.reference, &agents.main);
                let lost = suboptimality(truth, menu, reference, rules.eta, rules.scale, main);
                // What is lost is rounded, so that an exact zero is not.
                let violated = lost > agents.suboptimality_bound * (1.0 + 1e-9) + 1e-12;
                trace.n_violated += usize::from(violated);
                total += lost;
            }
            trace.n_certificates += round.agents.len();
            trace.points.push(Point {
                labels: round.n_queries as f64,
                lost: total / round.agents.len() as f64,
                bound: round.suboptimality_bound,
            });
            ControlFlow::Continue(())
        };
        let mut oracle = SimulatedOracle::new(truth, seeds);
        let learner = OnlineLearner::new(config)?.with_strategy(Arc::clone(strategy))?;
        let _ = learner.learn(&self.menus, rules, &mut oracle, fit, &TabularClass, &mut watch)?;
        Ok(trace)
    }
}

impl Trace {
    /// The labels from which on no more than ε is lost; `None` if that was not seen.
    pub(crate) fn labels_to(&self, epsilon: f64) -> Option<f64> {
        let last = self.points.iter().rposition(|point| point.lost > epsilon);
        self.points.get(last.map_or(0, |at| at + 1)).map(|point| point.labels)
    }

    /// What was lost label by label up to `labels`, each with the main agent that it was asked with.
    pub(crate) fn cumulative(&self, labels: f64) -> f64 {
        let rounds = self.points.windows(2).take_while(|round| round[1].labels <= labels);
        rounds.map(|round| (round[1].labels - round[0].labels) * round[0].lost).sum()
    }

    /// What all labels lost.
    pub(crate) fn all(&self) -> f64 {
        self.cumulative(f64::INFINITY)
    }

    /// Certificates over what was lost, round by round.
    pub(crate) fn looseness(&self) -> impl Iterator<Item = f64> {
        self.points[1..].iter().map(|point| point.bound / point.lost.max(1e-300))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_counted_to_where_it_stays_below() {
        let point = |labels, lost| Point { labels, lost, bound: 1.0 };
        let lost = [1.0, 0.5, 0.1, 0.3, 0.1];
        let points = (0..).zip(lost).map(|(k, lost)| point(10.0 * f64::from(k), lost)).collect();
        let trace = Trace { points, ..Trace::default() };
        assert_eq!(trace.labels_to(0.2), Some(40.0));
        assert_eq!(trace.labels_to(0.6), Some(10.0));
        assert_eq!(trace.labels_to(0.05), None);
        assert!((trace.all() - 19.0).abs() < 1e-12);
        assert!((trace.cumulative(20.0) - 15.0).abs() < 1e-12);
        assert!((trace.looseness().last().unwrap() - 10.0).abs() < 1e-12);
    }
}
