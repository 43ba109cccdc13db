//! The closing words of `nlhf evaluate`: who judged, what came out, and what to do next.

use super::{EvaluateArgs, Judged};
use crate::contest;
use crate::input::Problem;
use crate::render::{count, counted};
use std::fmt::Write;

/// Log-loss of a coin, in nats.
const CHANCE_NATS: f64 = std::f64::consts::LN_2;
/// Prompts below which replicates vary too little.
const FEW_PROMPTS: usize = 10;
/// The share of judged pairs of answers below which more comparisons are worth asking for.
const JUDGED: f64 = 0.9;
/// Times the prompts beyond which two policies are better called alike.
const ALIKE: f64 = 30.0;

pub(super) fn render(args: &EvaluateArgs, problem: &Problem, judged: &Judged) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write_all(&mut text, args, problem, judged);
    text
}

fn write_all(
    out: &mut String,
    args: &EvaluateArgs,
    problem: &Problem,
    judged: &Judged,
) -> std::fmt::Result {
    let (contest, judge) = (&judged.contest, &judged.judge);
    writeln!(
        out,
        "{} on {}, judged by {} ({}).\n",
        match contest.standings.len() {
            1 => "1 policy".to_owned(),
            n => format!("{} policies", count(n)),
        },
        counted(contest.n_prompts, "prompt"),
        counted(judge.n_comparisons, "comparison"),
        match (&args.model.fitted, by_pairs(args, problem)) {
            (Some(_), _) => format!("{} model fitted before", judge.model),
            (None, true) => "each pair by its share of wins".to_owned(),
            (None, false) => format!("{} model", judge.model),
        },
    )?;
    if let Some(on_these) = &judge.on_these {
        writeln!(
            out,
            "  judge         log-loss {:.4} nats on these comparisons (a coin has {CHANCE_NATS:.4})",
            on_these.log_loss_nats
        )?;
    }
    let n_train = problem.dataset.comparisons.len() - problem.held_out.len();
    if problem.dataset.has_split && !args.rows.all_rows {
        writeln!(out, "  left out      {} of split train", counted(n_train, "comparison"))?;
    }
    for (n, why) in [
        (judged.n_unjudged_prompts, "without a comparison to judge by"),
        (judged.n_unanswered_prompts, "that some policy does not answer"),
    ] {
        if n > 0 {
            writeln!(out, "  left out      {} {why}", counted(n, "prompt"))?;
        }
    }
    let (least, _) = least_judged(judged);
    writeln!(
        out,
        "  judged        {:.0} % of the pairs of answers at least: they were compared, or are the same\n",
        100.0 * least
    )?;
    write!(out, "{}", contest::render(contest))?;
    for (heading, sentences) in
        [("Found", contest::findings(contest)), ("Next", next_steps(args, problem, judged))]
    {
        if !sentences.is_empty() {
            writeln!(out, "\n{heading}:")?;
        }
        for sentence in sentences {
            writeln!(out, "  - {sentence}")?;
        }
    }
    Ok(())
}

/// Whether the default judge was taken, which knows each pair by itself.
fn by_pairs(args: &EvaluateArgs, problem: &Problem) -> bool {
    args.model.model.is_none() && args.model.fitted.is_none() && problem.features.is_none()
}

/// The smallest share of pairs of answers that were compared, and of which two policies.
fn least_judged(judged: &Judged) -> (f64, [&str; 2]) {
    let standings = &judged.contest.standings;
    let mut least = (1.0, ["", ""]);
    for (own, row) in standings.iter().zip(&judged.contest.win_rates) {
        for (other, rate) in standings.iter().zip(row) {
            if rate.judged < least.0 {
                least = (rate.judged, [own.name.as_str(), other.name.as_str()]);
            }
        }
    }
    if standings.len() == 1 { (standings[0].against_reference.judged, least.1) } else { least }
}

fn next_steps(args: &EvaluateArgs, problem: &Problem, judged: &Judged) -> Vec<String> {
    let contest = &judged.contest;
    let mut steps = Vec::new();
    if args.rows.all_rows && problem.dataset.has_split {
        steps.push(
            "rows of split train judge too: a policy that learned from them is judged by what it knows"
                .to_owned(),
        );
    } else if !problem.dataset.has_split && args.model.fitted.is_none() {
        steps.push(
            "no row names a split: if a policy learned from these comparisons, it is judged by what it knows. \
             Keep some rows apart (\"split\": \"test\")"
                .to_owned(),
        );
    }
    if contest.n_prompts < FEW_PROMPTS && contest.n_prompts > 1 {
        steps.push(format!(
            "{} are few: intervals are too short, and say little of others",
            counted(contest.n_prompts, "prompt")
        ));
    } else if contest.n_prompts == 1 {
        steps.push("there is one prompt: intervals are about it alone".to_owned());
    }
    let (least, [own, other]) = least_judged(judged);
    let pairs_apart = by_pairs(args, problem) || judged.judge.model == "tabular";
    if least < JUDGED && !own.is_empty() {
        steps.push(format!(
            "{:.0} % of what {own} and {other} answer was never compared{}. Have those pairs judged{}",
            100.0 * (1.0 - least),
            if pairs_apart { " and counts as even" } else { "" },
            if pairs_apart {
                ", or take a judge that shares strength between pairs: --model bradley-terry, or linear with embeddings"
            } else {
                ""
            }
        ));
    }
    match contest::nearly_told_apart(contest) {
        Some((own, other, times)) if times < ALIKE => steps.push(format!(
            "to tell {own} from {other} takes about {:.1} times the prompts",
            times.max(1.1)
        )),
        Some((own, other, _)) => steps.push(format!(
            "{own} and {other} win alike: choose by exploitability and KL rather than by more comparisons"
        )),
        None => {}
    }
    if args.report.is_none() {
        steps.push("add --report report.json for all figures".to_owned());
    }
    steps
}
