//! `nlhf export` as a user runs it: margins and weights against the policy file, texts where they belong,
//! and refusals.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{
    COMPARISONS, Room, assert_refused, json_lines, nlhf, nlhf_with_input, read_json_lines, stderr,
    stdout,
};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::fmt::Write;
use std::process::Output;

/// Answers 0 to 3 to two questions, the later ones preferred three times in four.
fn pairs() -> String {
    let mut text = String::new();
    for question in ["Why?", "How\tso?"] {
        for (a, b) in [(0, 1), (1, 2), (2, 3), (0, 2), (1, 3), (0, 3)] {
            for vote in 0..40 {
                let (chosen, rejected) = if vote % 4 == 0 { (a, b) } else { (b, a) };
                let line = json!({
                    "prompt": question,
                    "chosen": format!("\"{chosen}\", since {question}"),
                    "rejected": format!("\"{rejected}\", since {question}"),
                });
                let _ = writeln!(text, "{line}");
            }
        }
    }
    text
}

/// A room with comparisons and the policy learned from them.
fn learned(comparisons: &str) -> (Room, String, String) {
    let room = Room::new();
    let comparisons = room.file("comparisons.jsonl", comparisons);
    let policy = room.path("policy.jsonl").to_str().unwrap().to_owned();
    let output = nlhf(&["offline", &comparisons, "--eta", "20", "--output", &policy]);
    assert!(output.status.success(), "{}", stderr(&output));
    (room, comparisons, policy)
}

fn done(output: &Output) -> String {
    assert!(output.status.success(), "{}", stderr(output));
    stdout(output)
}

/// One number of each prompt and response of a policy file.
fn numbers(path: &str, field: &str) -> HashMap<(String, String), f64> {
    let mut all = HashMap::new();
    for line in read_json_lines(path.as_ref()) {
        let ids = line["response_ids"].as_array().unwrap().iter();
        for (id, number) in ids.zip(line[field].as_array().unwrap()) {
            let key = (text(&line["prompt_id"]), text(id));
            all.insert(key, number.as_f64().unwrap_or(f64::NEG_INFINITY));
        }
    }
    all
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

#[test]
fn margins_are_differences_of_log_ratios_and_the_file_is_read_as_pairs() {
    let (room, comparisons, policy) = learned(&pairs());
    let margins = room.path("margins.jsonl").to_str().unwrap().to_owned();
    let export = ["export", &policy, "--comparisons", &comparisons];
    let summary = done(&nlhf(&[&export[..], &["--output", &margins]].concat()));
    assert!(summary.starts_with("Wrote 12 pairs for 2 prompts to "), "{summary}");

    let logs = numbers(&policy, "log_probabilities");
    let lines = read_json_lines(margins.as_ref());
    assert_eq!(lines.len(), 12);
    for line in &lines {
        let of = |field: &str| logs[&(text(&line["prompt_id"]), text(&line[field]))];
        let margin = line["margin"].as_f64().unwrap();
        // A uniform reference cancels.
        assert!((margin - (of("chosen_id") - of("rejected_id"))).abs() < 1e-12, "{line}");
        assert!(margin > 0.0);
        let (asked, chosen) = (text(&line["prompt"]), text(&line["chosen"]));
        assert!(chosen.ends_with(&format!(", since {asked}")), "{line}");
        assert_ne!(line["chosen"], line["rejected"]);
    }
    // The best answer to each question is the last, and the worst the first.
    assert_eq!(lines[2]["chosen"], "\"3\", since Why?");
    assert_eq!(lines[2]["rejected"], "\"0\", since Why?");
    let found = done(&nlhf(&["data", &margins, "--replicates", "0", "--folds", "0"]));
    assert!(found.contains("12 comparisons of 8 responses to 2 prompts"), "{found}");

    // The pairs next to each other carry all others, and threads change nothing.
    let fewer = nlhf(&[&export[..], &["--pairs", "adjacent", "--quiet"]].concat());
    assert!(fewer.stderr.is_empty());
    let fewer = json_lines(&stdout(&fewer));
    assert_eq!(fewer.len(), 6);
    let sum: f64 = fewer[..3].iter().map(|line| line["margin"].as_f64().unwrap()).sum();
    assert!((sum - lines[2]["margin"].as_f64().unwrap()).abs() < 1e-12);
    let ends = nlhf(&[&export[..], &["--pairs", "best-worst"]].concat());
    assert_eq!(json_lines(&stdout(&ends)), [lines[2].clone(), lines[8].clone()]);
    assert!(stderr(&ends).contains("Wrote 2 pairs for 2 prompts to standard output"));
    for threads in ["1", "2"] {
        let again = done(&nlhf(&[&export[..], &["--threads", threads, "-q"]].concat()));
        assert_eq!(again, std::fs::read_to_string(&margins).unwrap());
    }
}

#[test]
fn conversations_come_out_as_messages() {
    let ask = |text: &str| json!([{"role": "system", "content": "Be brief."}, {"role": "user", "content": text}]);
    let say = |text: &str| json!([{"role": "assistant", "content": text}]);
    let mut content = String::new();
    for _ in 0..200 {
        let line = json!({"prompt": ask("Why?"), "chosen": say("So."), "rejected": say("No.")});
        let _ = writeln!(content, "{line}");
    }
    let (_room, comparisons, policy) = learned(&content);
    let export = ["export", &policy, "--comparisons", &comparisons, "--format"];
    let line = &json_lines(&done(&nlhf(&[&export[..], &["trl"]].concat())))[0];
    assert_eq!(line["prompt"], ask("Why?"));
    assert_eq!((&line["chosen"], &line["rejected"]), (&say("So."), &say("No.")));
    let line = &json_lines(&done(&nlhf(&[&export[..], &["weights"]].concat())))[1];
    assert_eq!((&line["prompt"], &line["completion"]), (&ask("Why?"), &say("No.")));
    let table = done(&nlhf(&[&export[..], &["csv"]].concat()));
    assert!(table.contains(",\"system: Be brief.\n\nuser: Why?\",So.\n"), "{table}");
}

/// A policy over three answers to p and one to q, with `null` for never.
const POLICY: &str = concat!(
    "{\"prompt_id\": \"p\", \"response_ids\": [\"a\", \"b\", \"c\"], \"probabilities\": [0.5, 0.5, 0]}\n",
    "{\"prompt_id\": \"q\", \"response_ids\": [\"d\"], \"log_probabilities\": [0], \"suboptimality_bound\": null}\n",
);
const REFERENCE: &str = "{\"prompt_id\": \"p\", \"response_ids\": [\"c\", \"b\", \"a\"], \"probabilities\": [0.2, 0.7, 0.1]}\n";

#[test]
fn weights_have_mean_one_under_the_reference() {
    let room = Room::new();
    let (policy, reference) = (room.file("p.jsonl", POLICY), room.file("r.jsonl", REFERENCE));
    let export = ["export", "-", "--ids-only", "--format", "weights", "--reference", &reference];
    let output = nlhf_with_input(&export, POLICY);
    let said = stderr(&output);
    assert!(said.contains("r.jsonl has no line for 1 prompt; uniform there"), "{said}");
    assert!(said.contains("5.0000 at most; 1 answer of weight zero"), "{said}");
    let lines = json_lines(&done(&output));
    let masses = numbers(&reference, "probabilities");
    let mut mean = 0.0;
    for line in &lines[..3] {
        let key = (text(&line["prompt_id"]), text(&line["response_id"]));
        let (weight, mass) = (line["weight"].as_f64().unwrap(), masses[&key]);
        assert!((weight - line["probability"].as_f64().unwrap() / mass).abs() < 1e-12, "{line}");
        mean += mass * weight;
    }
    assert!((mean - 1.0).abs() < 1e-12, "{mean}");
    assert_eq!((&lines[2]["weight"], &lines[3]["weight"]), (&json!(0.0), &json!(1.0)));

    // The best answer is the most probable one, and the first of equals.
    let table = done(&nlhf(&["export", &policy, "--format", "csv", "-q"]));
    let expected = concat!(
        "prompt_id,response_id,probability,log_ratio_nats,n_candidates,suboptimality_bound\n",
        "p,a,0.5,0.405465108108164",
    );
    assert!(table.starts_with(expected), "{table}");
    assert!(table.ends_with("\nq,d,1.0,0.0,1,\n"), "{table}");
}

#[test]
fn small_margins_are_left_out_and_infinite_ones_end_at_the_floor() {
    let room = Room::new();
    let (policy, reference) = (room.file("p.jsonl", POLICY), room.file("r.jsonl", REFERENCE));
    let export = |options: &[&str]| {
        let output = nlhf(&[&["export", &policy, "--ids-only"], options].concat());
        (json_lines(&stdout(&output)), stderr(&output))
    };
    // Equal under a uniform reference: only the answer that is never given makes pairs.
    let (lines, said) = export(&[]);
    let pair = |chosen: &str, rejected: &str, margin: f64| json!({"margin": margin, "prompt_id": "p", "chosen_id": chosen, "rejected_id": rejected});
    assert_eq!(lines, [pair("a", "c", 20.0), pair("b", "c", 20.0)]);
    assert!(said.contains("left out   1 pair with margins below 1e-6 nats"), "{said}");
    assert!(said.contains("1 of 2 prompts without a pair"), "{said}");
    assert!(said.contains("1 answer more than 20 nats below the best"), "{said}");
    // a is favored most against this reference, though b is as probable.
    let (lines, _) =
        export(&["--reference", &reference, "--max-margin", "3", "--min-margin", "1.5"]);
    let found: Vec<_> =
        lines.iter().map(|l| (text(&l["chosen_id"]), text(&l["rejected_id"]))).collect();
    assert_eq!(found, [("a", "b"), ("a", "c")].map(|(a, b)| (a.to_owned(), b.to_owned())));
    assert!((lines[0]["margin"].as_f64().unwrap() - 7.0_f64.ln()).abs() < 1e-12);
    assert!((lines[1]["margin"].as_f64().unwrap() - 3.0).abs() < 1e-12);
    let (lines, said) =
        export(&["--min-margin", "19.5", "--pairs", "adjacent", "--max-margin", "19.6"]);
    assert_eq!(lines.len(), 2, "{said}");
    // Nothing is left to say if the policy is the reference.
    let same = nlhf(&["export", &policy, "--ids-only", "--reference", &policy]);
    assert!(stdout(&same).lines().count() == 2, "never against sometimes");
    let single = "{\"prompt_id\": 1, \"response_ids\": [2, 3], \"probabilities\": [0.5, 0.5]}";
    let empty = nlhf_with_input(&["export", "-", "--ids-only"], single);
    assert!(empty.status.success() && empty.stdout.is_empty());
    assert!(stderr(&empty).contains("The policy is its reference"), "{}", stderr(&empty));
}

const RESPONSES: &str = concat!(
    "{\"response_id\": \"a\", \"prompt_id\": \"p\", \"text\": \"A.\"}\n",
    "{\"response_id\": \"b\", \"prompt_id\": \"p\", \"text\": \"B.\"}\n",
    "{\"response_id\": \"c\", \"prompt_id\": \"p\", \"text\": \"C.\"}\n",
    "{\"response_id\": \"d\", \"prompt_id\": \"q\", \"text\": \"\"}\n",
);
const PROMPTS: &str =
    "{\"prompt_id\": \"q\", \"text\": \"How?\"}\n{\"prompt_id\": \"p\", \"text\": \"Why?\"}\n";

#[test]
fn texts_may_come_from_lists() {
    let room = Room::new();
    let policy = room.file("p.jsonl", POLICY);
    let (responses, prompts) = (room.file("a.jsonl", RESPONSES), room.file("q.jsonl", PROMPTS));
    let export = ["export", &policy, "--responses", &responses, "--prompts", &prompts];
    let output = nlhf(&export);
    assert!(stderr(&output).contains("0 prompts and 1 answer say nothing"), "{}", stderr(&output));
    let line = &json_lines(&done(&output))[0];
    assert_eq!((&line["prompt"], &line["chosen"]), (&json!("Why?"), &json!("A.")));
    assert_eq!(line["rejected"], "C.");
    let table = done(&nlhf(&[&export[..], &["--format", "csv"]].concat()));
    assert!(table.lines().nth(1).unwrap().ends_with(",3,,Why?,A."), "{table}");
}

#[test]
fn what_cannot_be_exported_is_refused_and_leaves_nothing() {
    let room = Room::new();
    let policy = room.file("p.jsonl", POLICY);
    let (responses, prompts) = (room.file("a.jsonl", RESPONSES), room.file("q.jsonl", PROMPTS));
    let by_id = room.file("c.jsonl", COMPARISONS);
    let pairs =
        room.file("pairs.jsonl", "{\"prompt\": \"p\", \"chosen\": \"a\", \"rejected\": \"b\"}\n");
    let few = room.file("few.jsonl", &RESPONSES.replace("\"c\"", "\"other\""));
    let strange = room.file("strange.jsonl", &RESPONSES.replace("\"p\"", "\"other\""));
    let mute = room.file("mute.jsonl", &RESPONSES.replace("text", "words"));
    let never = room.file("never.jsonl", &REFERENCE.replace("0.7, 0.1", "0.8, 0.0"));
    let unknown = room.file("unknown.jsonl", &REFERENCE.replace("\"a\"", "\"x\""));
    let short = room.file(
        "short.jsonl",
        &REFERENCE.replace(
            ", \"a\"], \"probabilities\": [0.2, 0.7, 0.1]",
            "], \"probabilities\": [0.2, 0.8]",
        ),
    );
    let output = room.path("out.jsonl").to_str().unwrap().to_owned();
    let before = room.names().len();
    for (options, expected) in [
        (&[][..], "expected texts to train on: --comparisons FILE"),
        (&["--format", "weights"], "--ids-only does without"),
        (&["--responses", &responses], "expected --prompts FILE with \"text\" beside --responses"),
        (&["--prompts", &prompts], "expected --responses FILE with \"text\" beside --prompts"),
        (&["--comparisons", &by_id], "texts, found none (--prompts FILE lists texts"),
        (&["--comparisons", &pairs], "pairs.jsonl: expected the text of prompt \"p\" of "),
        (
            &["--responses", &few, "--prompts", &prompts],
            "few.jsonl: expected the text of answer \"c\" of ",
        ),
        (
            &["--responses", &strange, "--prompts", &prompts],
            "to prompt \"p\", found an answer to \"other\"",
        ),
        (
            &["--responses", &mute, "--prompts", &prompts],
            "mute.jsonl:1: expected \"text\" to be a string",
        ),
        (
            &["--ids-only", "--reference", &never],
            "never.jsonl: expected a reference that may give every answer",
        ),
        (
            &["--ids-only", "--reference", &unknown],
            "unknown.jsonl:1: expected \"response_ids\" to name each candidate",
        ),
        (
            &["--ids-only", "--reference", &short],
            "short.jsonl:1: expected \"response_ids\" to name all 3 candidates, found no \"a\"",
        ),
        (&["--ids-only", "--reference", &by_id], "c.jsonl:1: expected"),
        (&["--ids-only", "--min-margin=-1"], "a margin must be a non-negative number"),
        (&["--ids-only", "--max-margin", "0"], "--max-margin must be above --min-margin"),
        (&["--format", "csv", "--pairs", "all"], "--pairs is about pairs"),
        (&["--ids-only", "--comparisons", &pairs], "cannot be used with"),
        (&["--ids-only", "--format", "parquet"], "invalid value"),
    ] {
        let refused = nlhf(&[&["export", &policy, "--output", &output], options].concat());
        assert_refused(&refused, expected);
        assert_eq!(room.names().len(), before, "nothing half-written");
    }
    let itself = nlhf(&["export", &policy, "--ids-only", "--output", &policy]);
    assert_refused(&itself, "output of its own");
    assert_refused(&nlhf(&["export", &by_id]), "c.jsonl:1: expected \"response_ids\" to be a list");
    assert_refused(&nlhf(&["export", "/no/such/file"]), "/no/such/file");
    assert_refused(&nlhf_with_input(&["export", "-"], ""), "expected one policy a line");
    let twice = POLICY.replace("\"q\"", "\"p\"");
    let twice = nlhf_with_input(&["export", "-", "--ids-only"], &twice);
    assert_refused(&twice, "<stdin>:2: expected each \"prompt_id\" once, found \"p\" again");
}
