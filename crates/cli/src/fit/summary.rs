//! What `nlhf fit` says: how the fit went, how well it predicts, and what to do next.

use super::{Findings, FitArgs, Unit};
use crate::input::Problem;
use crate::render::{self, counted};
use std::fmt::{Result, Write};

/// The log-loss of a coin.
const CHANCE_NATS: f64 = std::f64::consts::LN_2;
/// Contestants that the table shows.
const SHOWN: usize = 15;

pub(super) fn render(args: &FitArgs, problem: &Problem, findings: &Findings) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write_all(&mut text, args, problem, findings);
    text
}

fn write_all(out: &mut String, args: &FitArgs, problem: &Problem, f: &Findings) -> Result {
    if let Some(found) = &f.cross_validation {
        let unit = match args.by {
            Unit::Prompt => "prompt",
            Unit::Comparison => "comparison",
        };
        if found.scores.len() > 1 {
            writeln!(
                out,
                "{} over {}, log-loss in nats (a coin has {CHANCE_NATS:.4}):\n",
                counted(found.n_folds, "fold"),
                counted(found.n_units, unit)
            )?;
            writeln!(out, "{}", render::scores(&found.scores[..found.scores.len().min(SHOWN)]))?;
            if found.scores.len() > SHOWN {
                writeln!(out, "  and {} more, in --report\n", found.scores.len() - SHOWN)?;
            }
        }
    }
    let fit = &f.evidence;
    if f.taken_from_file {
        writeln!(
            out,
            "A {} model, fitted before to {}.\n",
            fit.model,
            counted(fit.n_comparisons, "comparison")
        )?;
    } else {
        writeln!(out, "Fitted {} to {}.\n", f.model, counted(fit.n_comparisons, "comparison"))?;
    }
    write!(
        out,
        "  fit           log-loss {:.4} nats on its own data, {}",
        fit.log_loss_nats,
        counted(fit.n_parameters, "parameter")
    )?;
    writeln!(out, "{}", render::ending(fit))?;
    if let Some(order) = fit.order_effect {
        writeln!(
            out,
            "  order         {:+.3} ± {:.3} nats for the first shown, no part of the preference",
            order.log_odds, order.standard_error
        )?;
    }
    let best = f.cross_validation.as_ref().and_then(|cv| cv.scores.first());
    if let Some(score) = best.filter(|score| score.failure.is_none()) {
        let unit = if args.by == Unit::Prompt { "prompts" } else { "comparisons" };
        writeln!(
            out,
            "  expect        log-loss {:.4} ± {:.4} on other {unit}{}, by cross-validation",
            score.log_loss_nats,
            score.standard_error,
            accuracy(score.accuracy)
        )?;
    }
    if let Some(held_out) = &f.held_out {
        writeln!(
            out,
            "  {}log-loss {:.4}{} on {}",
            if f.taken_from_file { "on these      " } else { "held out      " },
            held_out.log_loss_nats,
            accuracy(held_out.accuracy),
            counted(held_out.n_comparisons, "comparison")
        )?;
    }
    if let Some(calibration) = &f.calibration {
        let slope = calibration.slope.map_or_else(String::new, |slope| {
            let verdict = match slope {
                s if s < 0.8 => "overconfident",
                s if s > 1.25 => "too cautious",
                _ => "calibrated",
            };
            format!("; slope {slope:.2}: {verdict}")
        });
        writeln!(
            out,
            "  calibration   probabilities off by {:.3} on average there{slope}",
            calibration.expected_error
        )?;
    }
    write_next(out, args, problem, f)
}

/// The ridge or penalty of the best of a search, if nothing was tried beyond it on one side.
fn at_the_edge(best: &str, f: &Findings) -> Option<&'static str> {
    let value = |name: &str, what: &str| -> Option<f64> {
        name.split(", ").find_map(|part| part.strip_prefix(what)?.trim().parse().ok())
    };
    let kind = |name: &str| name.split(", ").next().map(str::to_owned);
    let all = &f.cross_validation.as_ref()?.scores;
    let tried = |what: &str| {
        let same = all.iter().filter(|score| kind(&score.name) == kind(best));
        let mut values: Vec<f64> = same.filter_map(|score| value(&score.name, what)).collect();
        values.sort_by(f64::total_cmp);
        values
    };
    [("ridge", "ridge"), ("penalty", "plane-penalty")].into_iter().find_map(|(what, option)| {
        let (chosen, tried) = (value(best, what)?, tried(what));
        let ends = [tried.first()?, tried.last()?];
        (ends[0] < ends[1] && ends.contains(&&chosen)).then_some(option)
    })
}

fn accuracy(accuracy: Option<f64>) -> String {
    accuracy.map_or_else(String::new, |a| format!(", accuracy {:.1} %", 100.0 * a))
}

fn write_next(out: &mut String, args: &FitArgs, problem: &Problem, f: &Findings) -> Result {
    let mut steps = Vec::new();
    let expected = f.cross_validation.as_ref().and_then(|cv| cv.scores.first());
    if expected.is_some_and(|score| score.log_loss_nats >= CHANCE_NATS - 1e-9) {
        steps.push(
            "it predicts no better than a coin: a model with features, or more comparisons a pair"
                .to_owned(),
        );
    }
    let best = expected.filter(|score| args.cv && score.failure.is_none());
    if let Some(edge) = best.and_then(|best| at_the_edge(&best.name, f)) {
        steps
            .push(format!("the best {edge} is at the edge of those tried: try --{edge} beyond it"));
    }
    if f.evidence.bound_active {
        steps.push(
            "the bound on log-odds holds the estimate back: raise --log-odds-bound if preferences can be that sure"
                .to_owned(),
        );
    }
    if !args.cv && !args.compare && !f.taken_from_file {
        steps.push("--compare shows how other models do, --cv chooses ridge and rank".to_owned());
    }
    match &args.output {
        Some(path) => {
            let data = args.data.comparisons.as_ref();
            let data = data.map_or_else(|| "FILE".to_owned(), |path| path.display().to_string());
            let (more, features) = match (problem.text_features, &problem.features) {
                (Some(_), _) => (" --text-features", " --text-features"),
                (None, Some(_)) => {
                    (" --responses … --response-embeddings …", " --response-embeddings …")
                }
                (None, None) => ("", ""),
            };
            let model = path.display();
            steps.push(format!(
                "use it: nlhf offline {data}{more} --fitted {model} --output policy.jsonl"
            ));
            if problem.features.is_some() {
                steps.push(format!(
                    "and for candidates never compared: nlhf offline --apply {model} candidates.jsonl{features}"
                ));
            }
        }
        None if f.taken_from_file => {}
        None => steps.push("add --output model.json to write the model".to_owned()),
    }
    if steps.is_empty() {
        return Ok(());
    }
    writeln!(out, "\nNext:")?;
    for step in steps {
        writeln!(out, "  - {step}")?;
    }
    Ok(())
}
