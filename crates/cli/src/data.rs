//! `nlhf data`: what a file of comparisons holds, and what it can bear.

use crate::fit::Unit;
use crate::input::{self, DataArgs, Problem};
use crate::model::{ModelArgs, ModelKind, grid};
use crate::progress::Progress;
use crate::{Global, Outcome, outputs};
use clap::Args;
use nlhf::core::{Comparison, Label, ResponseId, SeedTree};
use nlhf::data::BothBad;
use nlhf::preference::evidence::{
    Agreement, CrossValidation, OrderStatistics, Transitivity, agreement, connectivity,
    cross_validate, order_statistics, transitivity,
};
use serde::Serialize;
use std::io::Write;
use std::path::{Path, PathBuf};

mod summary;

/// Say what a file of comparisons holds, and which model is worth fitting.
///
/// Without COMPARISONS it looks at the embedded simulated crowd.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct DataCommand {
    #[command(flatten)]
    data: DataArgs,
    /// Simulated data sets behind the test for cycles; 0 leaves it out
    #[arg(long, value_name = "N", default_value_t = 199, help_heading = "Tests")]
    replicates: usize,
    /// Folds of the cross-validation; 0 leaves it out
    #[arg(long, value_name = "N", default_value_t = 5, help_heading = "Tests")]
    folds: usize,
    /// What is held out as a whole: prompts, to see how well models do on new ones, or comparisons
    #[arg(long, value_enum, default_value = "comparison", help_heading = "Tests")]
    by: Unit,
    /// Write the comparisons here by ids, as explicit JSONL
    #[arg(long, value_name = "OUT.jsonl", help_heading = "Output")]
    explicit: Option<PathBuf>,
    /// Write the comparisons here as prompt, chosen and rejected, texts or messages, for trainers; ties are
    /// left out
    #[arg(long, value_name = "OUT.jsonl", requires = "comparisons", help_heading = "Output")]
    pairs: Option<PathBuf>,
    /// Write everything here, with all names
    #[arg(long, value_name = "REPORT.json", help_heading = "Output")]
    report: Option<PathBuf>,
}

const AFTER_HELP: &str = "\
Examples:
  nlhf data comparisons.jsonl
  nlhf data battles.csv --report data.json
  nlhf data hh.jsonl.gz --text-features --by prompt
  nlhf data comparisons.jsonl --responses r.jsonl --prompts p.jsonl --pairs trl.jsonl
  nlhf data comparisons.jsonl --responses responses.jsonl \\
    --response-embeddings responses.npy --by prompt

It tells prompts, responses and comparisons a prompt, ties, how far judges
agree with each other and with themselves when the order of presentation
changes, whether the comparisons connect the responses, whether preferences
are cyclic beyond what noise makes of transitive ones, and the held-out
log-loss of the models that could be fitted. Formats: nlhf offline --help.";

/// Responses of one component beyond which the test for cycles is left out: its tables grow with the square.
const LARGEST_COMPONENT: usize = 2000;
/// How many names a list shows in the report.
const NAMED: usize = 100;

/// Everything that was found, as the report holds it.
#[derive(Debug, Serialize)]
struct Findings {
    n_prompts: usize,
    n_responses: usize,
    n_comparisons: usize,
    /// Rows that were added to others, and are not counted again.
    n_merged: usize,
    n_held_out: usize,
    /// Of the weight of all comparisons.
    share_of_ties: f64,
    n_both_bad: usize,
    both_bad_dropped: bool,
    n_self_comparisons: usize,
    n_unlisted: usize,
    n_annotators: usize,
    /// Of the prompts that have any: fewest, median and most.
    comparisons_a_prompt: [usize; 3],
    candidates_a_prompt: [usize; 3],
    agreement: Option<Agreement>,
    /// `None` if the file does not tell which of two responses was shown first.
    order: Option<OrderStatistics>,
    connectivity: NamedConnectivity,
    transitivity: Option<Transitivity>,
    /// Why there is no test, if there is none.
    transitivity_left_out: Option<String>,
    cross_validation: Option<CrossValidation>,
}

/// The graph of comparisons with names in place of ids.
#[derive(Debug, Serialize)]
struct NamedConnectivity {
    n_responses: usize,
    n_pairs: usize,
    components: Vec<NamedComponent>,
    n_components: usize,
    n_split_prompts: usize,
    never_lost: Vec<String>,
    n_never_lost: usize,
    never_won: Vec<String>,
    n_never_won: usize,
    n_separated: usize,
}

#[derive(Debug, Serialize)]
struct NamedComponent {
    n_responses: usize,
    hub: String,
    some: Vec<String>,
}

pub(crate) fn run(args: &DataCommand, global: &Global) -> anyhow::Result<Outcome> {
    let wanted = [&args.report, &args.explicit, &args.pairs].map(|path| path.as_deref());
    let outputs: Vec<&Path> = wanted.into_iter().flatten().collect();
    outputs::check_distinct(&outputs, &args.data.files())?;
    let open = |path: Option<&Path>| path.map(outputs::open).transpose();
    let [mut report, mut explicit, mut pairs] =
        [open(wanted[0])?, open(wanted[1])?, open(wanted[2])?];
    let problem = Problem::load_with_texts(&args.data, global, args.pairs.is_some())?;
    if let Some(file) = &mut explicit {
        for line in problem.dataset.explicit_lines() {
            file.write_line(&line)?;
        }
    }
    if let (Some(file), Some(path)) = (&mut pairs, &args.data.comparisons) {
        let texts = input::texts(&args.data, &problem.dataset)?;
        for line in problem.dataset.pair_lines(&texts, path)? {
            file.write_line(&line)?;
        }
    }
    let findings = look(args, global, &problem)?;
    if let Some(file) = &mut report {
        serde_json::to_writer_pretty(&mut *file, &findings).map_err(std::io::Error::from)?;
        file.write_all(b"\n")?;
    }
    for file in [report, explicit, pairs].into_iter().flatten() {
        file.commit()?;
    }
    if !global.quiet {
        write!(std::io::stdout(), "{}", summary::render(args, &findings))?;
    }
    Ok(Outcome::Done)
}

fn look(args: &DataCommand, global: &Global, problem: &Problem) -> anyhow::Result<Findings> {
    let (dataset, all) = (&problem.dataset, &problem.dataset.comparisons);
    let mut bar = Progress::new(global, 3, "stages");
    bar.update(0, "counting");
    let graph = connectivity(all);
    let seeds = SeedTree::new(global.seed);
    bar.update(1, "looking for cycles");
    let largest = graph.components.first().map_or(0, |component| component.n_responses);
    let (cycles, left_out) = if args.replicates == 0 {
        (None, Some("--replicates 0".to_owned()))
    } else if largest > LARGEST_COMPONENT {
        let why = format!("{largest} responses hang together, more than {LARGEST_COMPONENT}");
        (None, Some(why))
    } else {
        let found = transitivity(all, args.replicates, seeds);
        let why = found.is_none().then(|| "no three responses were all compared".to_owned());
        (found, why)
    };
    bar.update(2, "cross-validating");
    let choices = grid::kinds(problem, &ModelArgs::of(ModelKind::Tabular), false);
    let contestants: anyhow::Result<Vec<_>> =
        choices.iter().map(|choice| grid::contestant(choice, problem)).collect();
    let cross_validation = cross_validate(&contestants?, all, args.folds, args.by.into(), seeds);
    bar.finish();

    let name = |id: &ResponseId| dataset.responses.name(id.index()).to_owned();
    let names = |ids: &[ResponseId]| ids.iter().take(NAMED).map(name).collect();
    let mut compared = vec![0_usize; dataset.prompts.len()];
    for c in all {
        compared[c.prompt.index()] += 1;
    }
    compared.retain(|n| *n > 0);
    Ok(Findings {
        n_prompts: dataset.menus.len(),
        n_responses: dataset.responses.len(),
        n_comparisons: all.len(),
        n_merged: dataset.n_merged,
        n_held_out: problem.held_out.len(),
        share_of_ties: share_of_ties(all),
        n_both_bad: dataset.n_both_bad,
        both_bad_dropped: dataset.both_bad == BothBad::Drop,
        n_self_comparisons: dataset.n_self_comparisons,
        n_unlisted: dataset.n_unlisted,
        n_annotators: dataset.annotators.len(),
        comparisons_a_prompt: spread(compared),
        candidates_a_prompt: spread(dataset.menus.iter().map(|menu| menu.len()).collect()),
        agreement: agreement(all),
        order: dataset.format.tells_order().then(|| order_statistics(all)),
        connectivity: NamedConnectivity {
            n_responses: graph.n_responses,
            n_pairs: graph.n_pairs,
            components: graph
                .components
                .iter()
                .take(NAMED)
                .map(|c| NamedComponent {
                    n_responses: c.n_responses,
                    hub: name(&c.hub),
                    some: names(&c.some),
                })
                .collect(),
            n_components: graph.components.len(),
            n_split_prompts: graph.n_split_prompts,
            never_lost: names(&graph.never_lost),
            n_never_lost: graph.never_lost.len(),
            never_won: names(&graph.never_won),
            n_never_won: graph.never_won.len(),
            n_separated: graph.separated.len(),
        },
        transitivity: cycles,
        transitivity_left_out: left_out,
        cross_validation,
    })
}

fn share_of_ties(data: &[Comparison]) -> f64 {
    let weight = |c: &Comparison| c.weight.get();
    let ties = data.iter().filter(|c| c.label == Label::TIE && c.first != c.second);
    // A sum of nothing is −0.
    (0.0 + ties.map(weight).sum::<f64>())
        / data.iter().map(weight).sum::<f64>().max(f64::MIN_POSITIVE)
}

/// Fewest, median and most.
fn spread(mut counts: Vec<usize>) -> [usize; 3] {
    counts.sort_unstable();
    match (counts.first(), counts.last()) {
        (Some(first), Some(last)) => [*first, counts[counts.len() / 2], *last],
        _ => [0; 3],
    }
}
