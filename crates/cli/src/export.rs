//! `nlhf export`: a policy as what trainers of language models read.

use crate::{Global, Outcome, outputs, reference};
use anyhow::{Context, bail, ensure};
use clap::{Args, ValueEnum};
use nlhf::core::Distribution;
use nlhf::data::{NamedPolicies, PairChoice, PairRules, log_ratios_nats, read_named_policies};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

mod lines;
mod summary;
mod wording;

use wording::Wording;

/// Write a policy as preference pairs with margins, weighted answers or best answers.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct ExportArgs {
    /// The policy: JSONL as written by --output of other commands, plain, gzip or zstd
    #[arg(value_name = "POLICY")]
    policy: PathBuf,
    /// What to write
    #[arg(long, value_enum, default_value = "trl")]
    format: Format,
    /// The policy that training starts from: a policy file as written by --output of other commands
    /// [default: uniform]
    #[arg(long, value_name = "FILE")]
    reference: Option<PathBuf>,
    /// Write here [default: standard output]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    texts: TextArgs,
    #[command(flatten)]
    pairs: PairArgs,
}

/// Where the texts are.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Texts")]
pub(crate) struct TextArgs {
    /// The comparisons that the policy was learned from, if they are chosen and rejected texts: the same
    /// file, as answers are named after its lines
    #[arg(long, value_name = "FILE")]
    comparisons: Option<PathBuf>,
    /// Answers: JSONL with response_id, prompt_id and text
    #[arg(long, value_name = "FILE")]
    responses: Option<PathBuf>,
    /// Prompts: JSONL with prompt_id and text
    #[arg(long, value_name = "FILE")]
    prompts: Option<PathBuf>,
    /// Write ids without texts
    #[arg(long, conflicts_with_all = ["comparisons", "responses", "prompts"])]
    ids_only: bool,
}

/// Which pairs to write.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Pairs (--format trl)")]
struct PairArgs {
    /// Which pairs of the answers to a prompt [default: all]
    #[arg(long, value_enum)]
    pairs: Option<Pairs>,
    /// Leave out pairs with smaller margins, in nats [default: 1e-6, what rounding makes of ties]
    #[arg(long, value_name = "NATS", value_parser = parse_nats)]
    min_margin: Option<f64>,
    /// Treat answers that lie further below the best of their prompt as if they lay so far below, in nats
    /// [default: 20]
    #[arg(long, value_name = "NATS", value_parser = parse_nats)]
    max_margin: Option<f64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Preference pairs with margins, JSONL, for trainers of the DPO and IPO type
    Trl,
    /// Every answer with its weight, JSONL, for weighted fine-tuning
    Weights,
    /// The most probable answer to each prompt, CSV
    Csv,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Pairs {
    /// Every two
    All,
    /// Each with the next below: one fewer than answers, which is enough to fix the policy
    Adjacent,
    /// The best with the worst
    BestWorst,
}

/// What rounding makes of ties, in nats.
const DEFAULT_MIN_MARGIN: f64 = 1e-6;

const AFTER_HELP: &str = "\
Examples:
  nlhf offline pairs.jsonl --output policy.jsonl
  nlhf export policy.jsonl --comparisons pairs.jsonl --output margins.jsonl
  nlhf export policy.jsonl --format weights --responses responses.jsonl \\
    --prompts prompts.jsonl --output weighted.jsonl
  nlhf export policy.jsonl --format csv

trl, a line a pair:
  prompt, chosen, rejected   as strings, or as lists of messages where the
                             comparisons have messages
  margin                     ln p/p0 of chosen minus that of rejected, in nats:
                             p the policy, p0 its reference
  prompt_id, chosen_id, rejected_id
  Chosen is what the policy favors more than its reference does, which need
  not be the more probable answer. A model whose log-ratios to its reference
  differ by the margin on all these pairs is the policy: regress on it, as IPO
  with the margin in place of 1/(2 beta) does. Plain DPO sees the order alone.
  With a uniform p0, whatever model is trained is tilted by p. To have it end
  at p itself, give its probabilities of the answers as --reference.

weights, a line an answer:
  prompt, completion, weight, probability, prompt_id, response_id
  The weight is p/p0, of mean one under p0: for answers drawn from p0. Where
  answers are not drawn but listed, weigh by the probability.

csv, a row a prompt:
  prompt_id, response_id, probability, log_ratio_nats, n_candidates,
  suboptimality_bound (empty if there is none), and prompt and
  response if texts are given; messages as one text with roles before them";

pub(crate) fn parse_nats(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(nats) if nats >= 0.0 && nats.is_finite() => Ok(nats),
        _ => Err(format!("a margin must be a non-negative number of nats, but is {text:?}")),
    }
}

pub(crate) fn run(args: &ExportArgs, global: &Global) -> anyhow::Result<Outcome> {
    let rules = pair_rules(args)?;
    let texts = &args.texts;
    let files = [&args.reference, &texts.comparisons, &texts.responses, &texts.prompts];
    let inputs: Vec<&Path> =
        files.into_iter().flatten().chain([&args.policy]).map(PathBuf::as_path).collect();
    outputs::check_distinct(&args.output.as_deref().into_iter().collect::<Vec<_>>(), &inputs)?;
    let mut output = args.output.as_deref().map(outputs::open).transpose()?;

    let named = read_named_policies(&args.policy)?;
    let log_ratios = log_ratios(args, &named, global)?;
    let wording = Wording::load(texts, &args.policy, &named.dataset)?;
    ensure!(
        wording.is_some() || texts.ids_only || args.format == Format::Csv,
        "expected texts to train on: --comparisons FILE with \"chosen\" and \"rejected\", or --responses \
         FILE and --prompts FILE with \"text\" (--ids-only does without)"
    );
    let export =
        lines::Export { named: &named, log_ratios: &log_ratios, wording: wording.as_ref() };
    let write = |out: &mut dyn Write| match args.format {
        Format::Trl => export.pairs(rules, out),
        Format::Weights => export.weights(out),
        Format::Csv => export.best_answers(out),
    };
    let written = if let (Some(file), Some(path)) = (&mut output, &args.output) {
        write(file).with_context(|| format!("cannot write {}", path.display()))?
    } else {
        let mut out = BufWriter::new(std::io::stdout().lock());
        let written = write(&mut out)?;
        out.flush()?;
        written
    };
    let summary = summary::render(args, rules, &named, wording.as_ref(), &written);
    match output {
        Some(file) => {
            file.commit()?;
            if !global.quiet {
                write!(std::io::stdout(), "{summary}")?;
            }
        }
        None if !global.quiet => eprint!("{summary}"),
        None => {}
    }
    Ok(Outcome::Done)
}

fn pair_rules(args: &ExportArgs) -> anyhow::Result<PairRules> {
    let PairArgs { pairs, min_margin, max_margin } = args.pairs;
    if args.format != Format::Trl {
        let given = [
            ("--pairs", pairs.is_some()),
            ("--min-margin", min_margin.is_some()),
            ("--max-margin", max_margin.is_some()),
        ];
        if let Some((option, _)) = given.iter().find(|(_, given)| *given) {
            bail!("{option} is about pairs: expected it with --format trl");
        }
    }
    let rules = PairRules {
        choice: match pairs.unwrap_or(Pairs::All) {
            Pairs::All => PairChoice::All,
            Pairs::Adjacent => PairChoice::Adjacent,
            Pairs::BestWorst => PairChoice::BestWorst,
        },
        min_margin_nats: min_margin.unwrap_or(DEFAULT_MIN_MARGIN),
        max_margin_nats: max_margin.unwrap_or(20.0),
    };
    ensure!(
        rules.max_margin_nats > rules.min_margin_nats,
        "--max-margin must be above --min-margin, but is {} and not above {}",
        rules.max_margin_nats,
        rules.min_margin_nats
    );
    Ok(rules)
}

/// ln π/π₀ over each menu.
fn log_ratios(
    args: &ExportArgs,
    named: &NamedPolicies,
    global: &Global,
) -> anyhow::Result<Vec<Vec<f64>>> {
    let NamedPolicies { dataset, policies, .. } = named;
    let mut references = match &args.reference {
        Some(path) => reference::read(path, dataset, global)?,
        None => vec![None; policies.len()],
    };
    let mut all = Vec::with_capacity(policies.len());
    for ((menu, policy), reference) in dataset.menus.iter().zip(policies).zip(&mut references) {
        let reference = reference.take().unwrap_or_else(|| Distribution::uniform(policy.len()));
        let ratios = log_ratios_nats(policy, &reference).map_err(|outside| {
            let response = menu.responses()[outside.index];
            anyhow::anyhow!(
                "{}: expected a reference that may give every answer that {} gives, found none for {:?} to prompt {:?}",
                args.reference.as_deref().unwrap_or(Path::new("uniform")).display(),
                args.policy.display(),
                dataset.responses.name(response.index()),
                dataset.prompts.name(menu.prompt().index())
            )
        })?;
        all.push(ratios);
    }
    Ok(all)
}
