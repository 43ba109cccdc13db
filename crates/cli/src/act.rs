//! `nlhf act`: a saved policy chooses among candidates, also ones that it has never seen.

use crate::input::{BothBadRule, DataArgs, Problem};
use crate::policy_class::file::PolicyFile;
use crate::render::{counted, number};
use crate::{Global, Outcome, outputs, reference};
use anyhow::ensure;
use clap::Args;
use nlhf::core::{Distribution, Menu, Policy, SeedTree, Stream};
use serde::Serialize;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Let a saved policy choose among candidates, also among ones that it has never seen.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct ActArgs {
    /// A policy as written by --save-policy of nlhf offline or nlhf online
    #[arg(value_name = "POLICY.json")]
    policy: PathBuf,
    /// Candidates: JSONL with response_id and prompt_id, or with prompt and responses
    #[arg(value_name = "CANDIDATES")]
    candidates: PathBuf,
    /// Embeddings of the candidates: .npy, row k for the k-th candidate of the file
    #[arg(long, value_name = "FILE", help_heading = "Features")]
    response_embeddings: Option<PathBuf>,
    /// Prompts: JSONL with prompt_id
    #[arg(long, value_name = "FILE", help_heading = "Features")]
    prompts: Option<PathBuf>,
    /// Embeddings of the prompts: .npy, row k for line k of --prompts
    #[arg(long, value_name = "FILE", requires = "prompts", help_heading = "Features")]
    prompt_embeddings: Option<PathBuf>,
    /// Hash the texts of the candidates into features, in place of embeddings: into as many buckets as where the policy was learned
    #[arg(long, value_name = "BUCKETS", num_args = 0..=1, default_missing_value = "256", help_heading = "Features",
          conflicts_with_all = ["response_embeddings", "prompt_embeddings"])]
    text_features: Option<usize>,
    /// The reference of these candidates, if the policy was learned over one: a policy file as written by --output
    #[arg(long, value_name = "FILE")]
    reference: Option<PathBuf>,
    /// Below 1 the policy is sharper than it was learned, above 1 flatter
    #[arg(long, value_name = "T", default_value_t = 1.0, allow_hyphen_values = true)]
    temperature: f64,
    /// Draw so many answers for each prompt
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u32).range(..=MAX_DRAWS))]
    draws: u32,
    /// Write the choices here, one JSON line a prompt [default: standard output]
    #[arg(long, short, value_name = "POLICY.jsonl", help_heading = "Output")]
    output: Option<PathBuf>,
}

/// Answers that may be drawn for a prompt: more tell nothing that probabilities do not.
const MAX_DRAWS: i64 = 1_000_000;

const AFTER_HELP: &str = "\
Examples:
  nlhf offline comparisons.jsonl --responses responses.jsonl \\
    --response-embeddings responses.npy --pessimism none \\
    --policy log-linear --save-policy policy.json
  nlhf act policy.json new.jsonl --response-embeddings new.npy \\
    --draws 4 --output chosen.jsonl

Written, a line a prompt:
  prompt_id, response_ids, probabilities, log_probabilities
  drawn                with --draws: ids of candidates, drawn independently

The lines are a policy file for --reference, nlhf evaluate and nlhf export.
No certificate comes with them: nothing is known here of who would win.
nlhf evaluate judges them by comparisons. A prompt with one candidate is
answered with it. docs/policy.md goes through the whole.";

/// Nats from the reference below which a policy does next to nothing.
const HARDLY: f64 = 2e-3;

/// What is written for a prompt.
#[derive(Serialize)]
struct Line<'a> {
    prompt_id: &'a str,
    response_ids: Vec<&'a str>,
    probabilities: Vec<f64>,
    log_probabilities: &'a Distribution,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    drawn: Vec<&'a str>,
}

pub(crate) fn run(args: &ActArgs, global: &Global) -> anyhow::Result<Outcome> {
    ensure!(
        args.temperature > 0.0 && args.temperature.is_finite(),
        "--temperature must be positive and finite, but is {}",
        args.temperature
    );
    let data = args.data();
    let inputs: Vec<&Path> = [Some(&args.policy), args.reference.as_ref()]
        .into_iter()
        .flatten()
        .map(PathBuf::as_path)
        .chain(data.files())
        .collect();
    outputs::check_distinct(&args.output.as_deref().into_iter().collect::<Vec<_>>(), &inputs)?;
    let mut output = args.output.as_deref().map(outputs::open).transpose()?;
    let file = PolicyFile::read(&args.policy)?;
    let kind = file.kind();
    let problem = Problem::load_candidates(&data)?;
    let base = reference::load(args.reference.as_deref(), &problem, global)?;
    let given = args.reference.is_some().then(|| Arc::clone(&base));
    let policy = file.restore(&args.policy, &problem, given)?;

    let seeds = SeedTree::new(global.seed);
    let menus = &problem.dataset.menus;
    let (mut entropy, mut kl, mut flat) = (0.0, 0.0, 0.0);
    let mut standard = std::io::stdout().lock();
    for (at, menu) in menus.iter().enumerate() {
        let played = args.at_temperature(policy.distribution(menu));
        entropy += played.entropy_nats();
        kl += played.kl_nats(&base.distribution(menu));
        flat += (menu.len() as f64).ln();
        let line = args.line(&problem, menu, &played, at, seeds);
        match &mut output {
            Some(file) => file.write_line(&line)?,
            None => nlhf::data::write_jsonl(&mut standard, &line)?,
        }
    }
    if let Some(file) = output {
        file.commit()?;
    }
    if global.quiet || args.output.is_none() {
        return Ok(Outcome::Done);
    }
    let n = menus.len() as f64;
    let candidates: usize = menus.iter().map(|menu| menu.len()).sum();
    writeln!(
        standard,
        "Asked {} ({kind} policy) about {} with {}.\n",
        args.policy.display(),
        counted(menus.len(), "prompt"),
        counted(candidates, "candidate")
    )?;
    writeln!(
        standard,
        "  entropy       {} nats on average, of {} if all were alike",
        number(entropy / n),
        number(flat / n)
    )?;
    writeln!(
        standard,
        "  policy        {} nats from the reference on average{}",
        number(kl / n),
        if kl / n < HARDLY { ": it hardly differs" } else { "" }
    )?;
    if let Some(path) = &args.output {
        let path = path.display();
        writeln!(standard, "\nNext:\n  - the choices are in {path}")?;
        let candidates = args.candidates.display();
        writeln!(standard, "  - who wins with them: nlhf evaluate {path} --comparisons HELDOUT")?;
        writeln!(
            standard,
            "    (chosen and rejected pairs first through nlhf data HELDOUT --explicit FILE)"
        )?;
        writeln!(standard, "  - pairs for a trainer: nlhf export {path} --responses {candidates}")?;
    }
    Ok(Outcome::Done)
}

impl ActArgs {
    /// The files of the candidates, as those of a data set.
    fn data(&self) -> DataArgs {
        DataArgs {
            comparisons: Some(self.candidates.clone()),
            responses: None,
            response_embeddings: self.response_embeddings.clone(),
            prompts: self.prompts.clone(),
            prompt_embeddings: self.prompt_embeddings.clone(),
            text_features: self.text_features,
            skip_unlisted: false,
            both_bad: BothBadRule::Tie,
            allow_single_candidates: true,
        }
    }

    /// `p^(1/T)`, normalized.
    fn at_temperature(&self, played: Distribution) -> Distribution {
        #[allow(clippy::float_cmp, reason = "the default leaves every bit as it is")]
        if self.temperature == 1.0 {
            return played;
        }
        let logs = played.log_probabilities();
        // Off the most likely first, which then stays finite at any temperature.
        let most = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let logits = logs.iter().map(|log_p| (log_p - most) / self.temperature);
        Distribution::from_logits(logits.collect()).expect("some candidate is played")
    }

    fn line<'a>(
        &self,
        problem: &'a Problem,
        menu: Menu<'_>,
        played: &'a Distribution,
        at: usize,
        seeds: SeedTree,
    ) -> Line<'a> {
        let dataset = &problem.dataset;
        let names: Vec<&str> =
            menu.responses().iter().map(|r| dataset.responses.name(r.index())).collect();
        let unit = u32::try_from(at).expect("fewer prompts than ids");
        let mut rng = seeds.rng(Stream::Responses, unit);
        Line {
            prompt_id: dataset.prompts.name(menu.prompt().index()),
            probabilities: played.probabilities(),
            log_probabilities: played,
            drawn: (0..self.draws).map(|_| names[played.sample(&mut rng)]).collect(),
            response_ids: names,
        }
    }
}
