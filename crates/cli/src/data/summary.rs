//! What `nlhf data` says: counts, tests in words, and what to do next.

use super::{DataCommand, Findings, Unit};
use crate::render::{self, count, counted};
use nlhf::preference::evidence::{Transitivity, TransitivityTest};
use std::fmt::{Result, Write};

pub(super) fn render(args: &DataCommand, findings: &Findings) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write_all(&mut text, args, findings);
    text
}

fn write_all(out: &mut String, args: &DataCommand, f: &Findings) -> Result {
    let source = match &args.data.comparisons {
        Some(path) => path.display().to_string(),
        None => "The embedded crowd".to_owned(),
    };
    writeln!(
        out,
        "{source}: {} of {} to {}.\n",
        counted(f.n_comparisons, "comparison"),
        counted(f.n_responses, "response"),
        counted(f.n_prompts, "prompt")
    )?;
    let range = |[low, median, high]: [usize; 3]| format!("{median} ({low} to {high})");
    writeln!(
        out,
        "  a prompt      {} candidates and {} comparisons, median (and range)",
        range(f.candidates_a_prompt),
        range(f.comparisons_a_prompt)
    )?;
    writeln!(out, "  labels        {:.1} % ties{}", 100.0 * f.share_of_ties, oddities(f))?;
    if f.n_held_out > 0 {
        writeln!(
            out,
            "  splits        {} to fit on, {} held out",
            count(f.n_comparisons - f.n_held_out),
            count(f.n_held_out)
        )?;
    }
    write_judges(out, f)?;
    write_order(out, f)?;
    write_graph(out, f)?;
    match (&f.transitivity, &f.transitivity_left_out) {
        (Some(found), _) => write_cycles(out, found)?,
        (None, Some(why)) => writeln!(out, "  cycles        not tested: {why}")?,
        (None, None) => {}
    }
    write_models(out, args, f)?;
    write_next(out, args, f)
}

fn oddities(f: &Findings) -> String {
    let mut text = String::new();
    for (n, what) in [
        (
            f.n_both_bad,
            if f.both_bad_dropped { "both bad, left out" } else { "both bad, taken for ties" },
        ),
        (f.n_self_comparisons, "of a response with itself, left out"),
        (f.n_unlisted, "of unlisted responses, left out"),
        (f.n_merged, "more that differ from these in nothing but weight, added to them"),
    ] {
        if n > 0 {
            let _ = write!(text, "; {} {what}", count(n));
        }
    }
    text
}

fn write_judges(out: &mut String, f: &Findings) -> Result {
    let Some(found) = &f.agreement else {
        return match f.n_annotators {
            0 => writeln!(out, "  judges        not named"),
            n => {
                writeln!(out, "  judges        {}, no pair judged by two", counted(n, "annotator"))
            }
        };
    };
    write!(out, "  judges        {}", counted(found.n_annotators, "annotator"))?;
    if let Some(raw) = found.raw {
        write!(out, ", agree on {:.1} % of decided votes on the same pair", 100.0 * raw)?;
    }
    if let Some(alpha) = found.alpha {
        write!(out, "; Krippendorff's alpha {alpha:.2}")?;
    }
    writeln!(out, " ({})", counted(found.n_pairs, "pair"))
}

fn write_order(out: &mut String, f: &Findings) -> Result {
    let Some(order) = &f.order else {
        return writeln!(
            out,
            "  order         not told: chosen and rejected pairs do not say which was shown first"
        );
    };
    if let (Some(first), Some((low, high))) = (order.first_won, order.interval) {
        write!(
            out,
            "  order         the first shown wins {:.1} % of decided votes ({:.1} to {:.1})",
            100.0 * first,
            100.0 * low,
            100.0 * high
        )?;
        if let Some(rate) = order.flip_rate {
            let pairs = count(order.n_both_orders);
            write!(out, "; swapping flips {:.1} % of {pairs} verdicts", 100.0 * rate)?;
        }
        writeln!(out)?;
    }
    Ok(())
}

fn write_graph(out: &mut String, f: &Findings) -> Result {
    let graph = &f.connectivity;
    write!(out, "  connected     {} compared", counted(graph.n_pairs, "pair"))?;
    match graph.n_components {
        1 => writeln!(out, ", which connect all {}", counted(graph.n_responses, "response"))?,
        n => writeln!(
            out,
            " in {n} components of {} to {} responses",
            graph.components.last().map_or(0, |c| c.n_responses),
            graph.components[0].n_responses
        )?,
    }
    for (n, names, what) in [
        (graph.n_never_lost, &graph.never_lost, "never lost nor tied"),
        (graph.n_never_won, &graph.never_won, "never won nor tied"),
    ] {
        if n > 0 {
            let shown: Vec<&str> = names.iter().take(5).map(String::as_str).collect();
            let more = if n > shown.len() { ", …" } else { "" };
            writeln!(
                out,
                "                {} {what}: {}{more}",
                counted(n, "response"),
                shown.join(", ")
            )?;
        }
    }
    Ok(())
}

fn write_cycles(out: &mut String, found: &Transitivity) -> Result {
    let Transitivity { likelihood_ratio, cyclic_triples, replicates, .. } = found;
    let verdict = match (cyclic_triples.p_value, likelihood_ratio.p_value) {
        (cycles, _) if cycles <= 0.01 => {
            "more cycles than noise makes of transitive preferences: no score explains them"
        }
        (cycles, ratio) if cycles.min(ratio) <= 0.01 => {
            "no more cycles than noise makes of transitive preferences, but scores miss something"
        }
        (cycles, _) if cycles <= 0.05 => "some sign of cycles",
        _ => "no more cycles than noise makes of transitive preferences",
    };
    writeln!(out, "  cycles        {verdict}")?;
    let line = |out: &mut String, what: String, test: &TransitivityTest| {
        writeln!(
            out,
            "                {what}; transitive: {:.1} ± {:.1}, p = {:.3}",
            test.null_mean, test.null_deviation, test.p_value
        )
    };
    let cyclic = format!("{} of {} triples are cyclic", cyclic_triples.statistic, found.n_triples);
    line(out, cyclic, cyclic_triples)?;
    let ratio = format!("likelihood ratio {:.1}", likelihood_ratio.statistic);
    line(out, ratio, likelihood_ratio)?;
    writeln!(
        out,
        "                against {} drawn from Bradley-Terry scores with the same pairs and orders",
        counted(*replicates, "data set")
    )
}

fn write_models(out: &mut String, args: &DataCommand, f: &Findings) -> Result {
    let Some(found) = &f.cross_validation else { return Ok(()) };
    let unit = match args.by {
        Unit::Prompt => "prompt",
        Unit::Comparison => "comparison",
    };
    writeln!(
        out,
        "\nWhich model predicts best: {} folds over {}, log-loss in nats (a coin has 0.6931)\n",
        found.n_folds,
        counted(found.n_units, unit)
    )?;
    write!(out, "{}", render::scores(&found.scores))
}

fn write_next(out: &mut String, args: &DataCommand, f: &Findings) -> Result {
    let mut steps = Vec::new();
    let graph = &f.connectivity;
    let shared = graph.n_responses > 0 && f.n_prompts > 1 && graph.n_components < f.n_prompts;
    if graph.n_components > 1 && (shared || f.n_prompts == 1) {
        let hubs: Vec<&str> = graph.components.iter().take(4).map(|c| c.hub.as_str()).collect();
        steps.push(format!(
            "scores of different components cannot be compared: compare {} with each other, or use a model \
             with features",
            hubs.join(", ")
        ));
    }
    if graph.n_split_prompts > 0 {
        steps.push(format!(
            "on {} the compared candidates fall apart: more pairs there, or a model that learns across prompts",
            counted(graph.n_split_prompts, "prompt")
        ));
    }
    if graph.n_separated > 0 {
        steps.push(format!(
            "{} only won or only lost against the others: without a ridge their scores would be infinite",
            counted(graph.n_separated, "response")
        ));
    }
    let interval = f.order.as_ref().and_then(|order| order.interval);
    if interval.is_some_and(|(low, high)| low > 0.52 || high < 0.48) {
        steps.push(
            "judges favour a position: --order-effect fits that beside the preference".to_owned(),
        );
    }
    let file =
        args.data.comparisons.as_ref().map_or("FILE".into(), |path| path.display().to_string());
    let best = f.cross_validation.as_ref().and_then(|cv| cv.scores.first());
    let best = best.filter(|score| score.failure.is_none()).map(|score| score.name.as_str());
    let model = match best {
        Some("bradley-terry, order effect") => " --model bradley-terry --order-effect".to_owned(),
        Some(of_features @ ("linear" | "bilinear" | "low-rank-features")) => {
            format!(" --responses … --response-embeddings … --model {of_features}")
        }
        Some("contextual") => " --prompts … --prompt-embeddings … --model contextual".to_owned(),
        Some(model) => format!(" --model {model}"),
        None => String::new(),
    };
    steps.push(format!("keep a model: nlhf fit {file}{model} --output model.json"));
    steps.push(format!("learn a policy: nlhf offline {file}{model} --output policy.jsonl"));
    writeln!(out, "\nNext:")?;
    for step in steps {
        writeln!(out, "  - {step}")?;
    }
    Ok(())
}
