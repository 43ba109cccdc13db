//! All methods label by label.

use crate::contest::{Method, RECOMMENDED, contest};
use crate::settings;
use nlhf::core::Scale;
use nlhf::online::{Enhancer, methods};
use nlhf_benches::experiments::Job;
use nlhf_benches::report::{Effort, Section, Table};

pub(crate) fn run(job: &Job, effort: Effort) -> anyhow::Result<Section> {
    let settings = settings::all(job.data.as_deref(), effort)?;
    let mut section = Section::new("Methods");
    for setting in &settings {
        let mut all = vec![Method::optimistic(Enhancer::OptimisticOpponent, RECOMMENDED)?];
        for strategy in methods::all(Scale::Probability) {
            all.push(Method { name: strategy.name().to_owned(), strategy });
        }
        let start = std::time::Instant::now();
        let runs = contest(setting, &all)?;
        let h = (setting.make)(1)?.hardness()?;
        section.paragraph(&format!(
            "{} {:?} {:.1}s",
            setting.title(),
            h,
            start.elapsed().as_secs_f64()
        ));
        let mut table =
            Table::new(&["m", "labels", "reached", "ratio", "p", "cum", "loose", "viol"]);
        for r in &runs {
            let ratio = r.over(&runs[0]);
            table.row(&[
                r.name.clone(),
                r.labels_shown(),
                r.reached_shown(),
                ratio.shown(),
                format!("{:.4}", ratio.p_value),
                r.cumulative_shown(),
                r.looseness_shown(),
                format!("{:?}", r.violated()),
            ]);
        }
        section.table(&table);
    }
    Ok(section)
}
