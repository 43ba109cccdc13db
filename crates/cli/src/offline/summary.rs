//! The closing words of `nlhf offline`: what was learned, how sure that is, and what to do next.

use super::coverage;
use super::learn::Learned;
use super::{OfflineArgs, PessimismArg};
use crate::contest;
use crate::input::Problem;
use crate::model::ModelKind;
use crate::policy_class::summary::{next_step, write_restriction};
use crate::render::{self, Table, count, counted, number, unit};
use nlhf::core::{Confidence, ResponseId, Scale};
use nlhf::offline::Contest;
use nlhf::preference::evidence::Misfit;
use std::fmt::Write;

/// Log-loss of a coin, in nats.
const CHANCE_NATS: f64 = std::f64::consts::LN_2;

pub(super) fn render(args: &OfflineArgs, problem: &Problem, learned: &Learned) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write_summary(&mut text, args, problem, learned);
    text
}

fn write_summary(
    out: &mut String,
    args: &OfflineArgs,
    problem: &Problem,
    learned: &Learned,
) -> std::fmt::Result {
    let (report, dataset) = (&learned.report, &problem.dataset);
    let (prompts, n) = (&report.prompts, report.prompts.len());
    let scale: Scale = args.game.scale.into();
    if problem.truth.is_some() {
        writeln!(
            out,
            "No file given: learning from an embedded crowd of three kinds of annotators,"
        )?;
        writeln!(out, "whose majority prefers in circles.\n")?;
    }
    let candidates: usize = dataset.menus.iter().map(|menu| menu.len()).sum();
    let what = format!("{} with {}", counted(n, "prompt"), counted(candidates, "candidate"));
    let from = counted(report.fit.n_comparisons, "comparison");
    let model = &report.fit.model;
    match &args.apply {
        None => writeln!(out, "Learned a policy for {what} from {from} ({model} model).\n")?,
        Some(path) => {
            let path = path.display();
            writeln!(out, "Applied {path} ({model} model of {from}) to {what}.\n")?;
        }
    }
    write_evidence(out, args, learned)?;

    let mean_kl = prompts.iter().map(|p| p.kl_nats).sum::<f64>() / n as f64;
    let concentrated = prompts.iter().filter(|p| p.policy.probabilities().iter().any(|&q| q > 0.9));
    writeln!(
        out,
        "  policy        moved {} nats from the reference on average; nearly decided (> 0.9) on {} of {}",
        if mean_kl < 5e-5 { "less than 0.0001".to_owned() } else { number(mean_kl) },
        count(concentrated.count()),
        counted(n, "prompt")
    )?;
    if let Some(restriction) = &report.restriction {
        write_restriction(out, &report.policy_class, restriction, unit(scale))?;
    }
    writeln!(
        out,
        "  certificate   every duality gap at most {:.1e}{}; {} of {} {}converged",
        report.max_duality_gap(),
        if report.restriction.is_some() { " as the class plays" } else { "" },
        count(n - report.n_unconverged()),
        count(n),
        if report.restriction.is_some() { "equilibria " } else { "" }
    )?;
    if args.pessimism == PessimismArg::Bonus && !args.trusts_intervals() {
        writeln!(out, "  bound         none: --beta 0 takes the estimate at its word")?;
    } else if let (Some(mean), Some(free)) =
        (report.mean_suboptimality_bound(), report.mean_exploitability_bound())
    {
        let worst = prompts.iter().filter_map(|p| p.suboptimality_bound).fold(0.0, f64::max);
        writeln!(
            out,
            "  bound         {} a best competitor that pays for KL like the policy gains at most {} ({}) on average, {} at worst; one that pays nothing, {}",
            proviso(args, problem),
            number(mean),
            unit(scale),
            number(worst),
            number(free)
        )?;
    }
    if let Some(found) = report.version_space.as_ref().filter(|found| found.n_untold > 0) {
        writeln!(
            out,
            "                nothing is known on {} of {}, where all preferences agree because no comparison tells",
            count(found.n_untold),
            counted(n, "prompt")
        )?;
    }
    if let Some(found) = &report.version_space {
        writeln!(
            out,
            "  held against  {} of {}; no policy exceeds its value by more than {:.1e}",
            count(found.weights.len()),
            counted(found.n_preferences, "preference"),
            found.duality_gap
        )?;
    }
    if let Some(known) = &learned.coverage {
        coverage::write_line(out, known)?;
    }
    if let Some(misfit) = &learned.misfit {
        write_misfit(out, args, problem, misfit)?;
    }
    if let Some(contest) = &learned.contest {
        let bounded = report.mean_suboptimality_bound().is_some();
        write_contest(out, problem, contest, scale, bounded)?;
    }
    write_next_steps(out, args, problem, learned)
}

/// What is said before a bound: how sure it is, and what must hold for it.
fn proviso(args: &OfflineArgs, problem: &Problem) -> String {
    let sure = 100.0 * args.model.confidence;
    if !args.class.is_empty() {
        return format!("with {sure} % confidence, if one of the models is the truth,");
    }
    if args.apply.is_some() {
        return "if the saved model's widths hold".to_owned();
    }
    if args.pessimism == PessimismArg::VersionSpace {
        return "if the truth is among the resampled fits, for which nothing vouches,".to_owned();
    }
    args.model.proviso(problem)
}

fn write_evidence(out: &mut String, args: &OfflineArgs, learned: &Learned) -> std::fmt::Result {
    let (fit, held_out) = (&learned.report.fit, &learned.report.held_out);
    match &held_out.evaluation {
        Some(evaluation) => {
            let accuracy = evaluation.accuracy.map_or_else(
                || "no decided judgement".to_owned(),
                |accuracy| format!("accuracy {:.1} %", 100.0 * accuracy),
            );
            writeln!(
                out,
                "  {}log-loss {:.4} nats (a coin has {CHANCE_NATS:.4}), {accuracy}, on {}",
                // Whether it has seen them is not known of a model from a file.
                if args.model.fitted.is_some() { "judgements    " } else { "held out      " },
                evaluation.log_loss_nats,
                counted(evaluation.n_comparisons, "judgement"),
            )?;
        }
        None if args.apply.is_some() => {}
        None => writeln!(out, "  held out      nothing: too few comparisons to set any aside")?,
    }
    write!(
        out,
        "  fit           log-loss {:.4} nats on its own data, {}",
        fit.log_loss_nats,
        counted(fit.n_parameters, "parameter")
    )?;
    if let Some(order) = fit.order_effect {
        write!(
            out,
            "; order effect {:+.3} ± {:.3} nats for the first shown",
            order.log_odds, order.standard_error
        )?;
    }
    writeln!(out, "{}", render::ending(fit))
}

/// How the policy does beside others: the truth known, or judged by held-out comparisons.
fn write_contest(
    out: &mut String,
    problem: &Problem,
    contest: &Contest,
    scale: Scale,
    bounded: bool,
) -> std::fmt::Result {
    if problem.truth.is_none() {
        writeln!(
            out,
            "\nBeside what other methods learn from the same comparisons, judged by {} held out, on {} of {}:\n",
            counted(contest.n_comparisons.unwrap_or(0), "comparison"),
            count(contest.n_prompts),
            counted(problem.dataset.menus.len(), "prompt")
        )?;
        write!(out, "{}", contest::render(contest))?;
        writeln!(out, "\nFound:")?;
        for finding in contest::findings(contest) {
            writeln!(out, "  - {finding}")?;
        }
        return Ok(());
    }
    writeln!(
        out,
        "\nThe crowd's true preferences are known here. What a best competitor that pays for KL gains"
    )?;
    writeln!(out, "against each policy, in {} (0: nothing, the Nash policy):\n", unit(scale))?;
    let mut table = Table::new(&["policy", "gains", "against the reference", "KL, nats"]);
    for standing in &contest.standings {
        let gains = standing.suboptimality.as_ref();
        table.row(vec![
            standing.name.clone(),
            gains.map_or_else(|| "infinite".to_owned(), |gains| format!("{:.4}", gains.value)),
            format!("{} %", contest::percent(&standing.against_reference)),
            standing.kl_nats.map_or_else(|| "infinite".to_owned(), |kl| format!("{:.3}", kl.value)),
        ]);
    }
    write!(out, "{table}")?;
    if !bounded {
        return Ok(());
    }
    writeln!(
        out,
        "\nOnly the first carries the bound above, computed without knowing the truth. The price of"
    )?;
    writeln!(
        out,
        "that caution is small here, where every pair was judged often. Methods that follow a score"
    )?;
    writeln!(out, "do what they were made for; but no score describes this crowd.")
}

/// Whether the comparisons contradict the model, said where its bound is said.
fn write_misfit(
    out: &mut String,
    args: &OfflineArgs,
    problem: &Problem,
    misfit: &Misfit,
) -> std::fmt::Result {
    let Ok(confidence) = Confidence::new(args.model.confidence) else { return Ok(()) };
    let (nats, what) = if args.trusts_intervals() && misfit.rejects_intervals(confidence) {
        (misfit.intervals_nats, "the intervals that the bound rests on: it does not hold")
    } else if misfit.rejects_estimate(confidence) {
        (misfit.estimate_nats, "the estimate: the model may not be able to hold them")
    } else {
        return Ok(());
    };
    writeln!(
        out,
        "  MISFIT        the comparisons contradict {what}; odds of e^{nats:.0} to 1, if weights count independent judgements"
    )?;
    for pair in misfit.pairs.iter().take(2) {
        let name = |id: ResponseId| problem.dataset.responses.name(id.index());
        writeln!(
            out,
            "                {} beat {} in {:.0} % of {} on {}, and is believed to in {:.0} %",
            name(pair.low),
            name(pair.high),
            100.0 * pair.observed,
            number(pair.weight).trim_end_matches(".0000"),
            problem.dataset.prompts.name(pair.prompt.index()),
            100.0 * pair.believed
        )?;
    }
    Ok(())
}

fn write_next_steps(
    out: &mut String,
    args: &OfflineArgs,
    problem: &Problem,
    learned: &Learned,
) -> std::fmt::Result {
    let report = &learned.report;
    let mut steps = Vec::new();
    if report.n_unconverged() > 0 {
        steps.push(format!(
            "{} did not converge, their gap in the policy file is above 1e-10: a less extreme --eta is easier",
            counted(report.n_unconverged(), "prompt")
        ));
    }
    let vacuous = match args.game.scale.into() {
        Scale::Probability => 0.25,
        Scale::LogOdds => 1.0,
    };
    let wide = report.mean_suboptimality_bound().is_some_and(|bound| bound > vacuous);
    let mean_kl =
        report.prompts.iter().map(|p| p.kl_nats).sum::<f64>() / report.prompts.len() as f64;
    let kind = args.model.kind(problem);
    let saved = args.takes_models();
    if wide && mean_kl < 2e-3 {
        steps.push(
            match kind {
                ModelKind::Tabular if !saved => "the policy is the reference: at this confidence there are too few labels a \
                     pair to prefer anything. A model that shares strength between pairs (bradley-terry, or \
                     linear with embeddings) needs fewer",
                _ => "the policy is the reference: at this confidence there are too few labels to prefer anything",
            }
            .to_owned(),
        );
    }
    let bare = report.prompts.iter().filter(|p| p.n_comparisons == 0).count();
    if bare > 0
        && !saved
        && matches!(kind, ModelKind::Tabular | ModelKind::BradleyTerry | ModelKind::LowRank)
    {
        steps.push(format!(
            "{} without training comparisons: only a model with features (linear, bilinear) says anything there",
            counted(bare, "prompt")
        ));
    }
    if let Some(separation) = report.fit.separation.as_ref().filter(|s| !s.responses.is_empty()) {
        steps.push(format!(
            "{} always or never won: their scores rest on the ridge alone",
            counted(separation.responses.len(), "response")
        ));
    }
    let evaluation = report.held_out.evaluation.as_ref();
    if evaluation.is_some_and(|e| e.log_loss_nats >= CHANCE_NATS - 1e-9) {
        let unseen =
            evaluation.is_some_and(|e| e.accuracy == Some(0.5)) && !report.held_out.drawn_at_random;
        steps.push(if unseen {
            "the held-out judgements are about responses that this model has never seen, so it guesses: \
             --model linear or bilinear, with embeddings, can do better"
                .to_owned()
        } else {
            "on held-out judgements the model is no better than a coin: try another --model, or more data"
                .to_owned()
        });
    }
    if wide {
        steps.push(
            "the bound is wide: it is the confidence intervals that hold the policy back"
                .to_owned(),
        );
        if kind != ModelKind::Tabular && args.model.beta.is_none() && !saved {
            steps.push(
                "the theory's widths are safe under the worst case; --beta 4 is about two standard errors, without a guarantee"
                    .to_owned(),
            );
        }
    }
    if let Some(times) = learned.times_to_halve {
        let more = (times - 1.0) * report.fit.total_weight;
        steps.push(format!(
            "the same pairs judged {times:.1} times as often, {} further labels, would halve the bound",
            coverage::whole(more)
        ));
    }
    if let Some(known) = &learned.coverage {
        let bounded = report.mean_suboptimality_bound().is_some();
        steps.extend(coverage::steps(problem, known, bounded));
    }
    match &args.output {
        Some(path) => steps.push(format!("the policy is in {}", path.display())),
        None => steps.push(
            "add --output policy.jsonl to write the policy, --report report.json for all figures"
                .to_owned(),
        ),
    }
    steps.extend(next_step(&args.policy, problem));
    if problem.truth.is_some() {
        steps.push(
            "use your own comparisons: nlhf offline FILE (nlhf offline --help shows the format)"
                .to_owned(),
        );
    }
    writeln!(out, "\nNext:")?;
    for step in steps {
        writeln!(out, "  - {step}")?;
    }
    Ok(())
}
