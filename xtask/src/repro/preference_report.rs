//! The report on preference models: a table over all sets, and one for each.
//!
//! Every figure and every sentence that draws a conclusion is written from what was measured.

use std::fmt::Write;

use serde_json::Value;

use super::preference::Found;
use crate::compare::machine::Machine;

pub(super) fn render(machine: &Machine, found: &[Found]) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write_all(&mut text, machine, found);
    text
}

fn write_all(out: &mut String, machine: &Machine, found: &[Found]) -> std::fmt::Result {
    writeln!(
        out,
        "# Preference models on real data\n\n\
         Written by `cargo xtask repro preference --data FOLDER`, {}; not edited by hand. How fast the fits are: \
         [preference-speed.md](preference-speed.md).\n\n\
         Log-losses are means over comparisons held out in five folds, in nats, with standard errors over what is \
         held out as a whole: comparisons, or prompts. Where responses belong to one prompt, those of a prompt held out \
         are new, and only models of features know anything of them; ln 2 = 0.6931 is a coin's. A matrix has one row \
         for each pair, which is held out as a whole. Models have their default settings, but for a \
         bound of 10 on log-odds. Transitive are \
         Bradley-Terry, Davidson, contextual and linear; the others can hold cycles. The tests for cycles compare the likelihood ratio of all pairs against scores, and the \
         number of cyclic triples, with 199 data sets simulated from the fitted scores: small p-values are \
         evidence beyond noise.\n",
        machine.date
    )?;
    writeln!(
        out,
        "| data, held out | best transitive model | best that can hold cycles | the worse behind the better | seen \
         |\n|---|---|---|---|---|"
    )?;
    for set in found {
        let scores = scores(set);
        let best = |cyclic: bool| scores.iter().position(|score| is_cyclic(score) == cyclic);
        let (Some(transitive), Some(cyclic)) = (best(false), best(true)) else { continue };
        let worse = scores[transitive.max(cyclic)];
        let named = |at: usize| {
            let name = scores[at]["name"].as_str().unwrap_or_default();
            format!("{name} {}", number(&scores[at]["log_loss_nats"], 4))
        };
        writeln!(
            out,
            "| {}, by {} | {} | {} | {} | {} |",
            set.name,
            set.by,
            named(transitive),
            named(cyclic),
            behind(worse),
            verdict(worse, cyclic < transitive)
        )?;
    }
    for set in found {
        write_set(out, set)?;
    }
    Ok(())
}

fn scores(set: &Found) -> Vec<&Value> {
    let scores = set.fit["cross_validation"]["scores"].as_array();
    scores
        .map_or_else(Vec::new, |scores| scores.iter().filter(|s| s["failure"].is_null()).collect())
}

fn number(value: &Value, digits: usize) -> String {
    value.as_f64().map_or("–".to_owned(), |x| format!("{x:.digits$}"))
}

fn behind(score: &Value) -> String {
    format!("{} ± {}", number(&score["behind"], 4), number(&score["behind_standard_error"], 4))
}

/// Whether a model can hold cycles.
fn is_cyclic(score: &Value) -> bool {
    let name = score["name"].as_str().unwrap_or_default();
    !["bradley-terry", "davidson", "contextual", "linear"].iter().any(|kind| name.starts_with(kind))
}

/// A difference that nobody would act on, in nats.
const NEGLIGIBLE: f64 = 5e-4;

/// Whether the worse is so by more than two standard errors, and by something.
fn verdict(worse: &Value, cyclic_is_better: bool) -> &'static str {
    match (worse["behind"].as_f64(), worse["behind_standard_error"].as_f64()) {
        (Some(behind), Some(error)) if behind > (2.0 * error).max(NEGLIGIBLE) => {
            if cyclic_is_better { "cycles gain" } else { "scores gain" }
        }
        _ => "parity",
    }
}

fn write_set(out: &mut String, set: &Found) -> std::fmt::Result {
    writeln!(out, "\n## {}, {}s held out\n\n{}.", set.name, set.by, set.what)?;
    let data = &set.data;
    writeln!(
        out,
        "Comparisons: {}; prompts: {}; responses: {}; ties: {} %.",
        data["n_comparisons"],
        data["n_prompts"],
        data["connectivity"]["n_responses"],
        number(&Value::from(data["share_of_ties"].as_f64().map(|share| 100.0 * share)), 1)
    )?;
    let order = &data["order"];
    if order["n_both_orders"].as_u64().unwrap_or(0) > 0 {
        writeln!(
            out,
            "The response shown first wins {} of decided votes ({} to {}); {} of {} pairs decided in both orders \
             flip with it, hence an order effect of {} in log-odds.",
            number(&order["first_won"], 3),
            number(&order["interval"][0], 3),
            number(&order["interval"][1], 3),
            number(&order["flip_rate"], 3),
            order["n_both_orders"],
            number(&order["log_odds"], 2)
        )?;
    }
    if let Some(alpha) = data["agreement"]["alpha"].as_f64() {
        writeln!(
            out,
            "{} annotators agree on {} of decided votes on the same pair, alpha {alpha:.2}.",
            data["agreement"]["n_annotators"],
            number(&data["agreement"]["raw"], 3)
        )?;
    }
    let cycles = &data["transitivity"];
    if cycles.is_object() {
        writeln!(
            out,
            "Cycles: likelihood ratio {} (noise alone {} ± {}; p = {}); {} cyclic triples of {} (noise alone {} \
             ± {}; p = {}).",
            number(&cycles["likelihood_ratio"]["statistic"], 0),
            number(&cycles["likelihood_ratio"]["null_mean"], 0),
            number(&cycles["likelihood_ratio"]["null_deviation"], 0),
            number(&cycles["likelihood_ratio"]["p_value"], 3),
            number(&cycles["cyclic_triples"]["statistic"], 0),
            cycles["n_triples"],
            number(&cycles["cyclic_triples"]["null_mean"], 0),
            number(&cycles["cyclic_triples"]["null_deviation"], 0),
            number(&cycles["cyclic_triples"]["p_value"], 3)
        )?;
    } else if let Some(why) = data["transitivity_left_out"].as_str() {
        writeln!(out, "Cycles: not tested, {why}.")?;
    }
    writeln!(out, "\n| model | log-loss | behind the best | accuracy |\n|---|---|---|---|")?;
    for score in scores(set) {
        writeln!(
            out,
            "| {} | {} ± {} | {} | {} |",
            score["name"].as_str().unwrap_or_default(),
            number(&score["log_loss_nats"], 4),
            number(&score["standard_error"], 4),
            behind(score),
            number(&score["accuracy"], 3)
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_gain_is_beyond_two_standard_errors() {
        let score = |behind: f64| json!({"behind": behind, "behind_standard_error": 0.01});
        let verdicts = [0.0, 0.019, 0.021].map(|behind| verdict(&score(behind), true));
        assert_eq!(verdicts, ["parity", "parity", "cycles gain"]);
        assert_eq!(verdict(&score(0.03), false), "scores gain");
    }

    #[test]
    fn tables_hold_what_was_found() {
        let score = |name: &str, loss: f64, behind: f64| {
            json!({"name": name, "log_loss_nats": loss, "standard_error": 0.002, "behind": behind,
                   "behind_standard_error": 0.001, "accuracy": 0.7, "failure": null})
        };
        let found = Found {
            name: "set",
            what: "what it is",
            by: "prompt",
            data: json!({"n_comparisons": 5, "n_prompts": 2, "connectivity": {"n_responses": 3}, "share_of_ties": 0.25,
                         "order": {"n_both_orders": 0}, "transitivity": null, "transitivity_left_out": "too few"}),
            fit: json!({"cross_validation": {"scores":
                [score("low-rank", 0.6, 0.0), score("bradley-terry", 0.65, 0.05)]}}),
        };
        let machine = Machine {
            cpu: String::new(),
            cores: 1,
            vectors: String::new(),
            date: "2026-01-01".to_owned(),
        };
        let text = render(&machine, &[found]);
        assert!(
            text.contains(
                "| set, by prompt | bradley-terry 0.6500 | low-rank 0.6000 | 0.0500 ± 0.0010 | cycles gain |"
            ),
            "{text}"
        );
        assert!(text.contains("Comparisons: 5; prompts: 2; responses: 3; ties: 25.0 %."), "{text}");
        assert!(text.contains("Cycles: not tested, too few."), "{text}");
        assert!(
            text.contains("| low-rank | 0.6000 ± 0.0020 | 0.0000 ± 0.0010 | 0.700 |"),
            "{text}"
        );
    }
}
