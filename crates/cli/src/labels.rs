//! `nlhf labels`: what a label store holds, and its answers as comparisons.

use crate::render::{count, counted};
use crate::{Global, Outcome, outputs, render};
use clap::Args;
use nlhf::judge::{KeptAnswer, Labels, Verdict, read_labels};
use serde::Serialize;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Write as _;
use std::io::Write;
use std::path::PathBuf;

/// See what answers a run has kept, and write them as comparisons.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct LabelsArgs {
    /// The answers that nlhf online keeps in --labels; also while it is running
    #[arg(value_name = "LABELS.jsonl")]
    labels: PathBuf,
    /// Write the labels here as comparisons by id: JSONL that nlhf offline, fit, data and evaluate read
    #[arg(long, short, value_name = "COMPARISONS.jsonl")]
    output: Option<PathBuf>,
}

const AFTER_HELP: &str = "\
Example:
  nlhf labels labels.jsonl --output comparisons.jsonl
  nlhf offline comparisons.jsonl --responses candidates.jsonl";

/// A label as a comparison.
#[derive(Debug, Serialize)]
struct Line<'a> {
    prompt_id: &'a str,
    response_a_id: &'a str,
    response_b_id: &'a str,
    label: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    annotator: Option<&'a str>,
}

impl<'a> Line<'a> {
    /// The comparison of an answer, if it says anything.
    fn of(kept: &'a KeptAnswer) -> Option<Self> {
        let Verdict::Preferred(label) = kept.answer.verdict else { return None };
        Some(Self {
            prompt_id: &kept.prompt_id,
            response_a_id: &kept.first_id,
            response_b_id: &kept.second_id,
            label: label.get(),
            annotator: kept.answer.annotator.as_deref(),
        })
    }
}

pub(crate) fn run(args: &LabelsArgs, global: &Global) -> anyhow::Result<Outcome> {
    let wanted: Vec<_> = args.output.as_deref().into_iter().collect();
    outputs::check_distinct(&wanted, &[&args.labels])?;
    let mut output = args.output.as_deref().map(outputs::open).transpose()?;
    let labels = read_labels(&args.labels)?;
    if let Some(file) = &mut output {
        for line in labels.answers.iter().filter_map(Line::of) {
            file.write_line(&line)?;
        }
    }
    if let Some(file) = output {
        file.commit()?;
    }
    if !global.quiet {
        write!(std::io::stdout(), "{}", summary(args, &labels))?;
    }
    Ok(Outcome::Done)
}

/// How the answers fall out.
#[derive(Default)]
struct Tally {
    n_first: usize,
    n_second: usize,
    n_ties: usize,
    n_skipped: usize,
    n_unreadable: usize,
    input_tokens: u64,
    output_tokens: u64,
}

impl Tally {
    fn of(answers: &[KeptAnswer]) -> Self {
        let mut tally = Self::default();
        for kept in answers {
            match &kept.answer.verdict {
                Verdict::Preferred(label) if label.get() > 0.5 => tally.n_first += 1,
                Verdict::Preferred(label) if label.get() < 0.5 => tally.n_second += 1,
                Verdict::Preferred(_) => tally.n_ties += 1,
                Verdict::Skipped => tally.n_skipped += 1,
                Verdict::Unreadable(_) => tally.n_unreadable += 1,
            }
            tally.input_tokens += kept.answer.input_tokens.unwrap_or(0);
            tally.output_tokens += kept.answer.output_tokens.unwrap_or(0);
        }
        tally
    }
}

fn summary(args: &LabelsArgs, labels: &Labels) -> String {
    let mut out = String::new();
    // Writing to a string does not fail.
    let _ = write_summary(&mut out, args, labels);
    out
}

fn write_summary(out: &mut String, args: &LabelsArgs, labels: &Labels) -> std::fmt::Result {
    let answers = &labels.answers;
    let prompts: HashSet<&str> = answers.iter().map(|kept| &*kept.prompt_id).collect();
    let tally = Tally::of(answers);
    writeln!(
        out,
        "{}: {} on {}, all checks in order.\nJudge: {}\n",
        args.labels.display(),
        counted(answers.len(), "answer"),
        counted(prompts.len(), "prompt"),
        labels.identity
    )?;
    let mut table = render::Table::new(&["verdict", "answers"]);
    for (verdict, n) in [
        ("first preferred", tally.n_first),
        ("second preferred", tally.n_second),
        ("tie", tally.n_ties),
        ("skipped", tally.n_skipped),
        ("unreadable", tally.n_unreadable),
    ] {
        table.row(vec![verdict.to_owned(), count(n)]);
    }
    write!(out, "{table}")?;
    let (n_both, n_flipped) = flips(answers);
    if n_both > 0 {
        writeln!(
            out,
            "\nJudged in both orders: {}, {} of them the other way ({:.0} %).",
            counted(n_both, "pair"),
            count(n_flipped),
            100.0 * n_flipped as f64 / n_both as f64
        )?;
    }
    if tally.input_tokens + tally.output_tokens > 0 {
        writeln!(out, "\nTokens: {} read, {} written.", tally.input_tokens, tally.output_tokens)?;
    }
    let mut annotators: BTreeMap<&str, usize> = BTreeMap::new();
    for name in answers.iter().filter_map(|kept| kept.answer.annotator.as_deref()) {
        *annotators.entry(name).or_default() += 1;
    }
    for (name, n) in annotators.iter().take(20) {
        writeln!(out, "By {name}: {}", counted(*n, "answer"))?;
    }
    if labels.n_torn > 0 {
        writeln!(out, "\nThe last line is torn or still being written; the next run mends it.")?;
    }
    if args.output.is_none() {
        writeln!(out, "\nNext: nlhf labels {} --output comparisons.jsonl", args.labels.display())?;
    }
    Ok(())
}

/// Pairs judged in both orders at the same repetition, and those of them whose verdicts contradict each other.
fn flips(answers: &[KeptAnswer]) -> (usize, usize) {
    let mut seen: HashMap<(&str, &str, &str, u32), f64> = HashMap::new();
    let (mut n_both, mut n_flipped) = (0, 0);
    for kept in answers {
        let Verdict::Preferred(label) = kept.answer.verdict else { continue };
        let lean = label.get() - 0.5;
        let (prompt, first, second) = (&*kept.prompt_id, &*kept.first_id, &*kept.second_id);
        if let Some(other) = seen.get(&(prompt, second, first, kept.repetition)) {
            n_both += 1;
            n_flipped += usize::from(lean * other > 0.0);
        }
        seen.insert((prompt, first, second, kept.repetition), lean);
    }
    (n_both, n_flipped)
}
