//! What `nlhf online` says at the end: the trace, what is known, what it took, what to do next.

use super::OnlineArgs;
use super::candidates::AskedAbout;
use super::learn::{Learned, Spent};
use crate::policy_class::summary::{next_step, write_restriction};
use crate::render::{self, count, counted, number};
use nlhf::core::Scale;
use nlhf::online::{Returned, RoundReport, StopReason};
use std::fmt::Write;
use std::path::Path;

/// Rounds that are shown at most; of more, evenly spaced ones.
const SHOWN: usize = 15;

/// The whole summary.
pub(super) fn render(args: &OnlineArgs, asked: &AskedAbout, learned: &Learned) -> String {
    let mut out = String::new();
    // Writing to a string does not fail.
    let _ = write(&mut out, args, asked, learned);
    out
}

fn write(
    out: &mut String,
    args: &OnlineArgs,
    asked: &AskedAbout,
    learned: &Learned,
) -> std::fmt::Result {
    let menus = &learned.menus;
    let n_candidates: usize = menus.iter().map(|menu| menu.len()).sum();
    let judge = learned.asked.as_ref().map_or("a simulated crowd", |asked| &asked.judge);
    writeln!(
        out,
        "Asked {judge} about {} with {}, strategy {}.\n",
        counted(menus.len(), "prompt"),
        counted(n_candidates, "candidate"),
        learned.report.strategy
    )?;
    write!(out, "{}", trace(learned))?;
    returned(out, args, asked, learned)?;
    if let Some(restriction) = &learned.report.restriction {
        writeln!(out)?;
        let unit = render::unit(args.game.scale.into());
        write_restriction(out, &learned.report.policy_class, restriction, unit)?;
    }
    if let Some(spent) = &learned.asked {
        writeln!(out)?;
        what_it_took(out, args, spent)?;
    }
    next(out, args, asked, learned)
}

/// The rounds, with the truth beside the bound where it is known.
fn trace(learned: &Learned) -> render::Table {
    let rounds = &learned.report.rounds;
    let mut header = vec!["round", "labels", "bound"];
    if rounds.iter().any(|round| round.policy_level_bound.is_some()) {
        header.push("policy-level");
    }
    if learned.true_suboptimality.is_some() {
        header.push("true suboptimality");
    }
    let mut table = render::Table::new(&header);
    let every = rounds.len().div_ceil(SHOWN);
    for (at, round) in rounds.iter().enumerate() {
        let last = at + 1 == rounds.len();
        if !last && !(at + 1).is_multiple_of(every) {
            continue;
        }
        let mut cells =
            vec![round.round.to_string(), count(round.n_labels), number(round.suboptimality_bound)];
        cells.extend(round.policy_level_bound.map(number));
        cells.extend(learned.true_suboptimality.as_ref().map(|lost| number(lost[at])));
        table.row(cells);
    }
    table
}

fn returned(
    out: &mut String,
    args: &OnlineArgs,
    asked: &AskedAbout,
    learned: &Learned,
) -> std::fmt::Result {
    let report = &learned.report;
    let scale: Scale = args.game.scale.into();
    // Rounds in which nothing had been said yet are not in the trace.
    let at = report.rounds.iter().position(|round| round.round == report.best_round);
    let best = at.expect("the round that is returned is in the trace");
    let round: &RoundReport = &report.rounds[best];
    // A class that cannot play the main agent has a bound of its own.
    let bounds = report.prompts.iter().map(|prompt| prompt.suboptimality_bound);
    let bound = match &report.restriction {
        None => round.suboptimality_bound,
        Some(_) => bounds.sum::<f64>() / report.prompts.len() as f64,
    };
    let ended = match report.stopped {
        StopReason::Rounds => "after all rounds",
        StopReason::LabelBudget => "at its budget",
        StopReason::TargetBound => "because the bound reached its target",
        StopReason::Observer => "because you stopped it, after the round",
        StopReason::Oracle => {
            "because the oracle was stopped; the answers of the last round are kept"
        }
        StopReason::NothingLeft => "because every pair was asked about",
    };
    writeln!(
        out,
        "\nThe run ended {ended}.\nReturned: {} of round {}, {}. After {}, {} no\n\
         competitor gains more than {} ({}) against it on average{}.",
        match &report.restriction {
            None => "the main agent".to_owned(),
            Some(_) => format!("the {} policy in place of the main agent", report.policy_class),
        },
        round.round,
        if report.config.returned == Returned::Last { "the last" } else { "the smallest bound" },
        counted(round.n_labels, "label"),
        args.model.proviso(&asked.problem),
        number(bound),
        render::unit(scale),
        match learned.true_of_returned {
            Some(lost) => format!("; in truth it is {}", number(lost)),
            None => String::new(),
        }
    )?;
    let on_menus: usize = learned.menus.iter().map(|menu| menu.len()).sum();
    let all: usize = asked.dataset().menus.iter().map(|menu| menu.len()).sum();
    if on_menus < all {
        writeln!(
            out,
            "{} never joined: the policy and its bound know nothing of them.",
            counted(all - on_menus, "candidate")
        )?;
    }
    if scale == Scale::Probability && bound >= 0.5 {
        writeln!(out, "That is as much as anyone can gain: so far the bound says nothing.")?;
    }
    let smallest = report.config.returned == Returned::SmallestBound;
    if smallest && best + 1 < report.rounds.len() && learned.true_suboptimality.is_none() {
        writeln!(
            out,
            "Later rounds have seen more and stray further than their labels can vouch for: --return last takes the last."
        )?;
    }
    let failed = learned.true_suboptimality.iter().flatten().zip(&report.rounds);
    let failed = failed.filter(|(lost, round)| **lost > round.suboptimality_bound).count();
    if failed > 0 {
        writeln!(
            out,
            "\nThe bound failed in {}: these widths are too narrow, or the model cannot hold the truth.",
            counted(failed, "round")
        )?;
    }
    Ok(())
}

fn what_it_took(out: &mut String, args: &OnlineArgs, spent: &Spent) -> std::fmt::Result {
    let size = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
    let told = |n: u64, noun: &str| counted(size(n), noun);
    let a = &spent.accounting;
    write!(out, "Asked {} in this run", told(a.n_asked, "question"))?;
    if a.n_from_store > 0 {
        let were = if a.n_from_store == 1 { "was" } else { "were" };
        write!(out, ", {} {were} known already", told(a.n_from_store, "answer"))?;
    }
    if a.input_tokens + a.output_tokens > 0 {
        write!(
            out,
            ", {} and {} written",
            told(a.input_tokens, "token") + " read",
            count(size(a.output_tokens))
        )?;
    }
    if let Some(cost) = spent.cost {
        write!(out, ", cost {cost:.4}")?;
    }
    writeln!(out, ".")?;
    if let Some(path) = args.judge.labels().first() {
        writeln!(out, "All answers are kept in {}.", path.display())?;
    }
    if spent.n_torn > 0 {
        writeln!(out, "Its last line was torn and is gone: one answer that never counted.")?;
    }
    if a.n_skipped + a.n_unreadable > 0 {
        writeln!(
            out,
            "{} skipped and {} could not be read: they are kept and count for nothing.",
            told(a.n_skipped, "answer"),
            a.n_unreadable
        )?;
    }
    if a.n_both_orders > 0 {
        let share = 100.0 * a.n_flipped as f64 / a.n_both_orders as f64;
        writeln!(
            out,
            "Turned around, {} of {} pairs were judged the other way ({share:.0} %): {}.",
            a.n_flipped,
            a.n_both_orders,
            if share > 20.0 {
                "this judge goes by the order; its labels say little"
            } else {
                "the order matters little to this judge"
            }
        )?;
    }
    Ok(())
}

fn next(
    out: &mut String,
    args: &OnlineArgs,
    asked: &AskedAbout,
    learned: &Learned,
) -> std::fmt::Result {
    writeln!(out, "\nNext:")?;
    match learned.report.stopped {
        StopReason::NothingLeft => {
            writeln!(out, "  - more candidates, or --ask-again yes if answers may differ")?;
        }
        StopReason::Observer | StopReason::Oracle if learned.asked.is_some() => {
            writeln!(out, "  - go on where this run ended: the same command")?;
        }
        _ => {
            // Rounds of the same size ask the same again.
            let how = if learned.asked.is_some() {
                let labels = learned.report.config.labels_per_round;
                format!("a larger --budget with --labels-per-round {labels}")
            } else {
                "--rounds and --labels-per-round".to_owned()
            };
            writeln!(out, "  - more labels: {how}; a bound halves with about four times as many")?;
        }
    }
    let file = |path: &Path| path.display().to_string();
    if let Some(labels) = args.judge.labels().first() {
        writeln!(out, "  - see what was answered: nlhf labels {}", file(labels))?;
    }
    if let Some(step) = next_step(&args.policy, &asked.problem) {
        writeln!(out, "  - {step}")?;
    }
    match (&args.output, &args.candidates.candidates) {
        (Some(policy), Some(candidates)) => writeln!(
            out,
            "  - pairs for a trainer: nlhf export {} --responses {}",
            file(policy),
            file(candidates)
        ),
        (None, Some(_)) => writeln!(out, "  - keep the policy: --output policy.jsonl"),
        _ => writeln!(out, "  - learn from labels that you already have: nlhf offline FILE"),
    }
}
