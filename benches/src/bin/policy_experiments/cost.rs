//! What learning a class costs by stage, against prompts.

use nlhf::core::{FitError, FitPreference, Fitted, PreferenceModel, UniformPolicy};
use nlhf::offline::{OfflineConfig, OfflineData, OfflineEvent, OfflineLearner, Pessimism};
use nlhf::policy::{LogLinearClass, LogLinearConfig};
use nlhf::preference::{FeatureFit, Features, LogisticConfig};
use nlhf_benches::experiments::{Job, cpu_seconds};
use nlhf_benches::report::{Effort, Section, Table, short};
use nlhf_benches::workload::{N_FEATURES, PER_PROMPT, Workload, peak_memory, reset_peak_memory};
use std::ops::ControlFlow;
use std::sync::Arc;

const CANDIDATES: usize = 8;
/// Projections of the search, enough to know what one costs.
const SEARCHED: usize = 4;

pub(crate) fn run(_: &Job, effort: Effort) -> anyhow::Result<Section> {
    let mut section = Section::new("Cost against prompts");
    section.paragraph(&format!(
        "The offline learner with the log-linear class: {CANDIDATES} candidates a prompt, {N_FEATURES} features, {PER_PROMPT} comparisons a prompt; a linear model without widths, uniform reference, scale P, η = 10, greedy. \
         CPU seconds of all threads, measured once; projecting includes certificates and the report. A step of the search: games, gradient and one projection, warm; mean of {SEARCHED}. \
         Peak memory of the process while it learns, features and comparisons included."
    ));
    let mut table = Table::new(&[
        "prompts",
        "fit",
        "solve",
        "project",
        "a step of the search",
        "price, projected",
        "price, in class",
        "peak memory",
    ]);
    for n_prompts in effort.pick(vec![1000, 10_000, 100_000], vec![10, 20]) {
        table.row(&measure(n_prompts)?);
    }
    section.table(&table);
    section.paragraph(include_str!("cost.md").trim_end());
    Ok(section)
}

fn measure(n_prompts: usize) -> anyhow::Result<Vec<String>> {
    reset_peak_memory();
    let Workload { features, menus, data } = Workload::draw(n_prompts, CANDIDATES)?;
    let fit = FeatureFit::linear(Arc::clone(&features), LogisticConfig::default())?;
    let class = LogLinearClass::new(
        Arc::<Features>::clone(&features),
        Arc::new(UniformPolicy),
        LogLinearConfig::default(),
    )?;
    let learner = |limit| {
        let config = OfflineConfig::default().with_pessimism(Pessimism::None);
        let mut config = config.with_in_class_projections(limit);
        config.held_out_fraction = 0.0;
        OfflineLearner::new(config)
    };
    let data =
        OfflineData { training: &data, held_out: &[], menus: &menus, reference: &UniformPolicy };
    let (start, mut fitted, mut solved) = (cpu_seconds(), 0.0, 0.0);
    let mut watch = |event: &OfflineEvent| {
        match event {
            OfflineEvent::Fitted => fitted = cpu_seconds(),
            OfflineEvent::Solved { .. } => solved = cpu_seconds(),
            OfflineEvent::Restricted { .. } => (),
        }
        ControlFlow::Continue(())
    };
    let first = learner(0)?.learn(data, &fit.without_widths(), &class, &mut watch)?;
    let projected = cpu_seconds() - solved;
    let fit = Done(Fitted { model: first.model, evidence: first.report.fit });
    let mut again = 0.0;
    let mut watch = |event: &OfflineEvent| {
        if matches!(event, OfflineEvent::Solved { .. }) {
            again = cpu_seconds();
        }
        ControlFlow::Continue(())
    };
    let searched = learner(SEARCHED)?.learn(data, &fit, &class, &mut watch)?;
    let total = cpu_seconds() - again;
    let cost = searched.report.restriction;
    let of = |x: Option<f64>| x.map_or("0".to_owned(), short);
    let steps = cost.as_ref().map_or(1, |cost| cost.n_projections.max(1));
    Ok(vec![
        n_prompts.to_string(),
        short(fitted - start),
        short(solved - fitted),
        short(projected),
        short((total - projected) / steps as f64),
        of(cost.as_ref().map(|cost| cost.projected_shortfall)),
        of(cost.as_ref().map(|cost| cost.in_class_shortfall)),
        peak_memory().map_or("–".to_owned(), |x| format!("{} MB", short(x / 1e6))),
    ])
}

/// A fit that is done already.
struct Done<M>(Fitted<M>);

impl<M: PreferenceModel + Clone> FitPreference for Done<M> {
    type Model = M;

    fn name(&self) -> &'static str {
        "done"
    }

    fn fit(&self, _: &[nlhf::core::Comparison]) -> Result<Fitted<M>, FitError> {
        Ok(self.0.clone())
    }
}
