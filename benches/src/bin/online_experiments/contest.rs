//! Several strategies on one setting, seed by seed.
//!
//! ```text
//! ε       a share of what the reference loses
//! labels  from which on no more than ε is lost; all of them, censored, where that was not seen
//! ratio   labels of one method over those of another on the same instance, geometric mean over seeds
//! ```

use crate::settings::Setting;
use crate::trial::Trace;
use nlhf::online::{Enhancer, Optimistic, Strategy};
use nlhf_benches::paired::Ratio;
use nlhf_benches::report::short;
use nlhf_benches::statistics::{Mean, Spread};
use rayon::prelude::*;
use std::sync::Arc;

/// ε over what the reference loses.
pub(crate) const SHARE: f64 = 0.05;

/// The factor of widths that was chosen on the seeds of `exploration`.
pub(crate) const RECOMMENDED: f64 = 0.05;

/// A strategy under the name that tables show.
#[derive(Debug, Clone)]
pub(crate) struct Method {
    pub(crate) name: String,
    pub(crate) strategy: Arc<dyn Strategy>,
}

impl Method {
    /// An enhancer that sees so many times the widths of the theory.
    pub(crate) fn optimistic(enhancer: Enhancer, factor: f64) -> anyhow::Result<Self> {
        let strategy = Optimistic::new(enhancer, factor)?;
        let name = format!("{}, {factor} β", strategy.name());
        Ok(Self { name, strategy: Arc::new(strategy) })
    }
}

/// One run, with what it is measured by.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    pub(crate) trace: Trace,
    pub(crate) reference_loss: f64,
    pub(crate) budget: f64,
}

/// All seeds of a method.
#[derive(Debug, Clone)]
pub(crate) struct Runs {
    pub(crate) name: String,
    pub(crate) runs: Vec<Run>,
}

/// Runs every method with every seed; instance, labels and queries are those of the seed.
pub(crate) fn contest(setting: &Setting, methods: &[Method]) -> anyhow::Result<Vec<Runs>> {
    let cells: Vec<(usize, u64)> =
        (0..methods.len()).flat_map(|m| setting.seeds().map(move |seed| (m, seed))).collect();
    let run = |(method, seed): (usize, u64)| -> anyhow::Result<Run> {
        let instance = (setting.make)(seed)?;
        let trace = instance.run(&methods[method].strategy, seed)?;
        let reference_loss = instance.reference_loss();
        Ok(Run { trace, reference_loss, budget: f64::from(instance.budget) })
    };
    let found: anyhow::Result<Vec<Run>> = cells.into_par_iter().map(run).collect();
    let mut found = found?.into_iter();
    let of = |method: &Method| Runs {
        name: method.name.clone(),
        runs: found.by_ref().take(usize::try_from(setting.n_seeds).unwrap_or(usize::MAX)).collect(),
    };
    Ok(methods.iter().map(of).collect())
}

impl Runs {
    /// The labels to ε by seed, the budget where it was not reached.
    pub(crate) fn labels(&self) -> Vec<f64> {
        let labels = |run: &Run| run.trace.labels_to(SHARE * run.reference_loss);
        self.runs.iter().map(|run| labels(run).unwrap_or(run.budget)).collect()
    }

    /// Seeds on which ε was not reached.
    pub(crate) fn n_censored(&self) -> usize {
        let missed = |run: &&Run| run.trace.labels_to(SHARE * run.reference_loss).is_none();
        self.runs.iter().filter(missed).count()
    }

    /// The geometric mean of labels to ε, the budget where it was not reached.
    pub(crate) fn typical(&self) -> f64 {
        let labels = self.labels();
        (labels.iter().map(|x| x.ln()).sum::<f64>() / labels.len() as f64).exp()
    }

    /// Labels of these over those of others.
    pub(crate) fn over(&self, others: &Runs) -> Ratio {
        Ratio::of(&self.labels(), &others.labels())
    }

    /// Cumulative sub-optimality in labels of the reference.
    pub(crate) fn cumulative(&self) -> Vec<f64> {
        self.runs.iter().map(|run| run.trace.all() / run.reference_loss).collect()
    }

    /// Median and spread of the labels, written.
    pub(crate) fn labels_shown(&self) -> String {
        Spread::of(&self.labels()).shown()
    }

    /// How often ε was reached, written.
    pub(crate) fn reached_shown(&self) -> String {
        format!("{} of {}", self.runs.len() - self.n_censored(), self.runs.len())
    }

    /// Mean and standard error of the cumulative sub-optimality, written.
    pub(crate) fn cumulative_shown(&self) -> String {
        Mean::of(&self.cumulative()).shown()
    }

    /// The median certificate over what was lost, written.
    pub(crate) fn looseness_shown(&self) -> String {
        let all: Vec<f64> = self.runs.iter().flat_map(|run| run.trace.looseness()).collect();
        short(Spread::of(&all).median)
    }

    /// Certificates that were violated, and all.
    pub(crate) fn violated(&self) -> (usize, usize) {
        let add = |(bad, all): (usize, usize), run: &Run| {
            (bad + run.trace.n_violated, all + run.trace.n_certificates)
        };
        self.runs.iter().fold((0, 0), add)
    }
}
