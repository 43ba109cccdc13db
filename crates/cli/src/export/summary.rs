//! What is said about an export once it is written.

use super::DEFAULT_MIN_MARGIN;
use super::ExportArgs;
use super::lines::{PairFigures, WeightFigures, Written};
use super::wording::Wording;
use crate::render::{count, counted, number};
use nlhf::data::{NamedPolicies, PairRules};
use std::fmt::Write;

pub(super) fn render(
    args: &ExportArgs,
    rules: PairRules,
    named: &NamedPolicies,
    wording: Option<&Wording>,
    written: &Written,
) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write_summary(&mut text, args, rules, named, written);
    if let Some(wording) = wording {
        let _ = write_texts(&mut text, wording);
    }
    text
}

fn write_summary(
    out: &mut String,
    args: &ExportArgs,
    rules: PairRules,
    named: &NamedPolicies,
    written: &Written,
) -> std::fmt::Result {
    let n = named.policies.len();
    let place =
        args.output.as_deref().map_or("standard output".into(), |path| path.to_string_lossy());
    match written {
        Written::Pairs(pairs) => {
            let with = counted(n - pairs.n_prompts_without, "prompt");
            writeln!(out, "Wrote {} for {with} to {place}.\n", counted(pairs.n_pairs, "pair"))?;
            write_pairs(out, rules, n, pairs)
        }
        Written::Weights(weights) => {
            let answers = counted(weights.n_answers, "weighted answer");
            writeln!(out, "Wrote {answers} to {} to {place}.\n", counted(n, "prompt"))?;
            write_weights(out, weights)
        }
        Written::BestAnswers { mean_probability, n_decided } => {
            let each = if n == 1 { "answer" } else { "answers" };
            writeln!(out, "Wrote the best {each} to {} to {place}.\n", counted(n, "prompt"))?;
            writeln!(
                out,
                "  given      with probability {mean_probability:.3} on average; nearly decided (> 0.9) on {} of {}",
                count(*n_decided),
                counted(n, "prompt")
            )
        }
    }
}

fn write_pairs(
    out: &mut String,
    rules: PairRules,
    n_prompts: usize,
    pairs: &PairFigures,
) -> std::fmt::Result {
    if pairs.n_pairs > 0 {
        writeln!(
            out,
            "  margins    {} nats on average, {} at most",
            number(pairs.sum_nats / pairs.n_pairs as f64),
            number(pairs.largest_nats)
        )?;
    }
    if pairs.n_left_out > 0 {
        let left_out = counted(pairs.n_left_out, "pair");
        writeln!(
            out,
            "  left out   {left_out} with margins below {:?} nats",
            rules.min_margin_nats
        )?;
    }
    if pairs.n_prompts_without > 0 && pairs.n_pairs > 0 {
        let without = count(pairs.n_prompts_without);
        writeln!(out, "  without    {without} of {} without a pair", counted(n_prompts, "prompt"))?;
    }
    if pairs.n_floored > 0 {
        writeln!(
            out,
            "  floored    {} more than {} nats below the best of the prompt: written as {1} below",
            counted(pairs.n_floored, "answer"),
            rules.max_margin_nats
        )?;
    }
    if pairs.n_pairs == 0 {
        writeln!(
            out,
            "  {}",
            if rules.min_margin_nats > DEFAULT_MIN_MARGIN {
                "No margin is as large as --min-margin: there is nothing left to train on."
            } else {
                "The policy is its reference: there is nothing to train on. nlhf offline says why."
            }
        )?;
    }
    Ok(())
}

fn write_weights(out: &mut String, weights: &WeightFigures) -> std::fmt::Result {
    write!(out, "  weights    of mean 1 under the reference, {} at most", number(weights.largest))?;
    if weights.n_zero > 0 {
        write!(out, "; {} of weight zero", counted(weights.n_zero, "answer"))?;
    }
    writeln!(
        out,
        "\n  worth      100 answers drawn from the reference count like {:.1} of equal weight",
        100.0 * weights.effective_share
    )
}

fn write_texts(out: &mut String, wording: &Wording) -> std::fmt::Result {
    if wording.n_other_prompts > 0 {
        let others = counted(wording.n_other_prompts, "prompt");
        writeln!(out, "  texts      {others} of the comparisons without a policy")?;
    }
    match wording.n_empty() {
        (0, 0) => Ok(()),
        (prompts, answers) => writeln!(
            out,
            "  empty      {} and {} say nothing",
            counted(prompts, "prompt"),
            counted(answers, "answer")
        ),
    }
}
