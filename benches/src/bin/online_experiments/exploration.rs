//! How much of the theory's widths the enhancer should see, and which enhancer.

use crate::contest::{Method, RECOMMENDED, Runs, SHARE, contest};
use crate::settings::{self, Setting};
use nlhf::online::Enhancer;
use nlhf_benches::experiments::Job;
use nlhf_benches::report::{Effort, Section, Table, short};

const FACTORS: [f64; 8] = [1.0, 0.5, 0.25, 0.1, 0.05, 0.02, 0.01, 0.0];

pub(crate) fn run(job: &Job, effort: Effort) -> anyhow::Result<Section> {
    let settings = settings::all(job.data.as_deref(), effort)?;
    let mut section = Section::new("How boldly to explore");
    section.paragraph("scratch");
    let mut methods: Vec<Method> = Vec::new();
    for factor in FACTORS {
        methods.push(Method::optimistic(Enhancer::OptimisticOpponent, factor)?);
    }
    for factor in [1.0, RECOMMENDED] {
        methods.push(Method::optimistic(Enhancer::ConfidenceSet, factor)?);
    }
    let mut all: Vec<(&Setting, Vec<Runs>)> = Vec::new();
    for setting in &settings {
        all.push((setting, contest(setting, &methods)?));
    }
    let mut heads = vec!["setting".to_owned()];
    heads.extend(methods.iter().map(|m| m.name.clone()));
    let mut table = Table::new(&heads);
    for (setting, runs) in &all {
        let mut row = vec![setting.title()];
        row.extend(runs.iter().map(|r| format!("{} ({})", short(r.typical()), r.reached_shown())));
        table.row(&row);
    }
    section.table(&table);
    let _ = SHARE;
    Ok(section)
}
