//! How much of the theory's widths the enhancer should see, and which enhancer.

use crate::contest::{Method, RECOMMENDED, Runs, contest};
use crate::settings::{self, Form, Setting};
use nlhf::online::Enhancer;
use nlhf_benches::experiments::Job;
use nlhf_benches::report::{Effort, Section, Table, listed, short};
use std::path::Path;

const FACTORS: [f64; 6] = [1.0, 0.25, 0.1, RECOMMENDED, 0.02, 0.0];

/// Seeds that are enough to tell factors apart.
const MOST_SEEDS: u64 = 20;

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
    for setting in settings::all(data, effort)? {
        let setting = Setting { n_seeds: setting.n_seeds.min(MOST_SEEDS), ..setting };
        let by_factor = contest(&setting, &by_factor)?;
        let mut others = contest(&setting, &set)?;
        if has_policy_widths(&setting) {
            others.extend(contest(&setting, &width)?);
        }
        found.push(Found { setting, by_factor, others });
    }
    let mut section = Section::new("How boldly to explore");
    section.paragraph(&format!(
        "The enhancer may see the widths with another multiplier than the certificate: factor times β, where a pair of which nothing is known stays \
         unknown at any factor. Geometric means of labels to ε, censored at the budget; in parentheses the runs that reached it, of at most \
         {MOST_SEEDS} seeds. 0 β: what was seen once is taken at its word, and what was never seen is not; for bilinear models, which know a little of \
         all pairs, it is self-play."
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
        "The other enhancers, with the theory's widths and with {RECOMMENDED} of them; the policy's width is one of log-odds, \
         and its search for the worst opponent takes too long for the larger settings."
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
    let all: Vec<String> = FACTORS
        .iter()
        .enumerate()
        .map(|(at, factor)| {
            let (easy, hard) = (regret(at, Form::Easy), regret(at, Form::Hard));
            format!("{factor} β {} and {}", short(easy), short(hard))
        })
        .collect();
    format!(
        "Labels over those of the best factor for the setting, at worst over easy and over hard settings: {}. One factor for all: \
         {RECOMMENDED}. The theory's widths are those of all pairs, rounds and labels at once: for a pair of a table some six standard \
         errors, for a bilinear model ten and more. A fraction of a standard error is enough to ask about, because errors enter what is lost squared; it is \
         not enough to certify.",
        listed(&all)
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
