//! How much of the theory's widths the enhancer should see, and which enhancer.

use crate::contest::{Method, RECOMMENDED, Runs, contest};
use crate::settings::{self, CHOICE, COMPARISON, Form, Setting};
use nlhf::online::Enhancer;
use nlhf_benches::experiments::Job;
use nlhf_benches::report::{Effort, Section, Table, listed, short};
use std::path::Path;

const FACTORS: [f64; 5] = [1.0, 0.1, RECOMMENDED, 0.02, 0.0];

/// Seeds that are enough to tell factors apart.
const MOST_SEEDS: u64 = 20;

/// Seeds of the other enhancers, which nothing is chosen by.
const SEEDS_OF_OTHERS: u64 = 8;

/// A setting, and labels to ε by method.
struct Found {
    setting: Setting,
    by_factor: Vec<Runs>,
    /// Other enhancers, with the theory's widths and with the recommended factor.
    others: Vec<Runs>,
}

pub(crate) fn run(job: &Job, effort: Effort) -> anyhow::Result<Section> {
    experiment(job.data.as_deref(), effort)
}

fn experiment(data: Option<&Path>, effort: Effort) -> anyhow::Result<Section> {
    let optimistic = |enhancer, factors: &[f64]| -> anyhow::Result<Vec<Method>> {
        factors.iter().map(|factor| Method::optimistic(enhancer, *factor)).collect()
    };
    let by_factor = optimistic(Enhancer::OptimisticOpponent, &FACTORS)?;
    let set = optimistic(Enhancer::ConfidenceSet, &[1.0, RECOMMENDED])?;
    let width = optimistic(Enhancer::PolicyWidth, &[1.0, RECOMMENDED])?;
    let mut found = Vec::new();
    for setting in settings::all(data, effort, CHOICE)? {
        let setting = Setting { n_seeds: setting.n_seeds.min(MOST_SEEDS), ..setting };
        let by_factor = contest(&setting, &by_factor)?;
        let setting = Setting { n_seeds: setting.n_seeds.min(SEEDS_OF_OTHERS), ..setting };
        let mut others = contest(&setting, &set)?;
        if has_policy_widths(&setting) {
            others.extend(contest(&setting, &width)?);
        }
        found.push(Found { setting, by_factor, others });
    }
    let mut section = Section::new("How boldly to explore");
    section.paragraph(&format!(
        "The enhancer may see the widths with another multiplier than the certificate: factor times β. A pair of a table without a label keeps its \
         whole width with any factor, 0 included, and one with labels the little by which the estimate is drawn to ½; bilinear models start from \
         a prior that makes all their widths finite, so that all shrink with the factor, and 0 β is self-play. Geometric means of labels to ε, all labels where \
         it was not reached; in parentheses the runs that reached it, of {MOST_SEEDS} seeds from {CHOICE} on; section 1 uses others, from {COMPARISON} on."
    ));
    let mut heads = vec!["setting".to_owned()];
    heads.extend(FACTORS.map(|factor| format!("{factor} β")));
    let mut table = Table::new(&heads);
    for own in &found {
        let mut row = vec![own.setting.title()];
        row.extend(own.by_factor.iter().map(shown));
        table.row(&row);
    }
    section.table(&table);
    section.paragraph(&trade_off(&found));
    section.paragraph(&format!(
        "The other enhancers, with the theory's widths and with {RECOMMENDED} of them, on {SEEDS_OF_OTHERS} seeds; the policy's width is one of log-odds, \
         and was run on the bilinear easy setting alone, to save time."
    ));
    let methods: Vec<String> = set.iter().chain(&width).map(|method| method.name.clone()).collect();
    let mut heads = vec!["setting".to_owned()];
    heads.extend(methods.iter().cloned());
    let mut table = Table::new(&heads);
    for own in &found {
        let mut row = vec![own.setting.title()];
        let cell = |at| own.others.get(at).map_or("–".to_owned(), shown);
        row.extend((0..methods.len()).map(cell));
        table.row(&row);
    }
    section.table(&table);
    Ok(section)
}

fn has_policy_widths(setting: &Setting) -> bool {
    setting.name == "bilinear" && setting.form == Form::Easy
}

fn shown(runs: &Runs) -> String {
    format!("{} ({})", short(runs.typical()), runs.reached_shown())
}

/// How much worse each factor is than the best for its setting, at worst.
fn trade_off(found: &[Found]) -> String {
    let regret = |at: usize, form: Form| {
        let own = found.iter().filter(|own| own.setting.form == form);
        let ratio = |own: &Found| {
            let best = own.by_factor.iter().map(Runs::typical).fold(f64::INFINITY, f64::min);
            own.by_factor[at].typical() / best
        };
        own.map(ratio).fold(1.0, f64::max)
    };
    let regrets = FACTORS.map(|factor| {
        let at = FACTORS.iter().position(|other| other.to_bits() == factor.to_bits());
        let at = at.expect("one of the factors");
        (factor, regret(at, Form::Easy), regret(at, Form::Hard))
    });
    let shown = regrets
        .map(|(factor, easy, hard)| format!("{factor} β {} and {}", short(easy), short(hard)));
    let least = regrets.into_iter().min_by(|a, b| a.1.max(a.2).total_cmp(&b.1.max(b.2)));
    let least = least.map_or(RECOMMENDED, |(factor, ..)| factor);
    format!(
        "Labels over those of the best factor for the setting, at worst over easy and over hard settings: {}. The least of the worst is \
         that of {least} β; section 1 compares with {RECOMMENDED} β.",
        listed(&shown)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_run_fills_its_tables() {
        let section = experiment(None, Effort::Quick).unwrap();
        assert_eq!(section.text.matches("| circle, hard | ").count(), 2);
        assert_eq!(section.text.matches("| – |").count(), 5, "{}", section.text);
    }
}
