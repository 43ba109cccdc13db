//! Preference models on real data: which predicts best, what the order does, and whether cycles are beyond noise.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use serde_json::Value;

use super::{Nlhf, preference_report};
use crate::TaskResult;
use crate::compare::machine;

/// One table: a data set, and what is held out of it.
pub(super) struct Found {
    pub(super) name: &'static str,
    pub(super) what: &'static str,
    /// What is held out as a whole.
    pub(super) by: &'static str,
    pub(super) data: Value,
    pub(super) fit: Value,
}

/// Games of each pair of a matrix that does not say how many there were.
const PRETENDED: f64 = 100.0;

pub(super) fn run(nlhf: &Nlhf, data: &Path, work: &Path) -> TaskResult<String> {
    let data = fs::canonicalize(data).map_err(|error| format!("{}: {error}", data.display()))?;
    let path = |name: &str| data.join(name).display().to_string();
    let prompts = |set: &str| {
        let [list, embeddings] =
            ["prompts.jsonl", "prompt_embeddings.npy"].map(|file| path(&format!("{set}/{file}")));
        ["--prompts".to_owned(), list, "--prompt-embeddings".to_owned(), embeddings]
    };
    let responses = |set: &str| {
        let [list, embeddings] = ["responses.jsonl", "response_embeddings.npy"]
            .map(|file| path(&format!("{set}/{file}")));
        ["--responses".to_owned(), list, "--response-embeddings".to_owned(), embeddings]
    };
    let mut found = Vec::new();
    let mut add = |name, what, by: &'static str, arguments: &[String]| -> TaskResult {
        let report = |kind: &str| work.join(format!("{name}-{by}-{kind}.json"));
        let mut command = vec!["data".to_owned()];
        command.extend_from_slice(arguments);
        command.extend(["--folds".to_owned(), "0".to_owned()]);
        let about = nlhf.report(&command, &report("data"))?;
        let mut command = vec!["fit".to_owned()];
        command.extend_from_slice(arguments);
        // One bound for all, beyond what any judge here is sure of: none gains by being held back less.
        let more = ["--compare", "--by", by, "--log-odds-bound", "10"];
        command.extend(more.map(str::to_owned));
        let fit = nlhf.report(&command, &report("fit"))?;
        found.push(Found { name, what, by, data: about, fit });
        Ok(())
    };
    let oasst: Vec<String> =
        [path("oasst/battles.csv")].into_iter().chain(prompts("oasst")).collect();
    let what = "GPT-4 on 7 systems, 953 prompts, both orders (artidoro/qlora, MIT)";
    add("oasst", what, "comparison", &oasst)?;
    add("oasst", what, "prompt", &oasst)?;
    for (set, what) in [
        (
            "vicuna",
            "GPT-4 on answers of 8 systems to 80 prompts, both orders (artidoro/qlora, MIT)",
        ),
        (
            "people",
            "people on answers to 940 prompts (llmfao, CC BY 4.0; PandaLM, Apache-2.0; LLMBar, MIT)",
        ),
    ] {
        let file = [path(&format!("{set}/comparisons.jsonl"))];
        // The file's own split is not used: all rows are divided into folds.
        let all = work.join(format!("{set}.jsonl"));
        without_split(&file[0], &all)?;
        // Some systems of vicuna have no texts, hence no features.
        let first = [all.display().to_string(), "--skip-unlisted".to_owned()];
        let arguments: Vec<String> = first.into_iter().chain(responses(set)).collect();
        add(set, what, "prompt", &arguments)?;
    }
    for (name, matrix, what) in [
        (
            "rrps",
            "rrps_bots43",
            "43 programs at repeated rock-paper-scissors, each pair counted as 100 games (open_spiel, Apache-2.0)",
        ),
        (
            "pokemon",
            "pokemon_types_battles18",
            "50,000 simulated battles by primary type (Kaggle, Weedle's Cave)",
        ),
        (
            "llmfao-crowd",
            "llmfao_crowd59",
            "a crowd on answers of 59 models (dustalov/llmfao, CC BY 4.0)",
        ),
        ("llmfao-gpt4", "llmfao_gpt4_59", "GPT-4 on the same answers (dustalov/llmfao, CC BY 4.0)"),
    ] {
        let comparisons = work.join(format!("{name}.jsonl"));
        fs::write(&comparisons, of_matrix(&data.join("matrices"), matrix)?)?;
        // A pair is one row: it is held out as a whole.
        add(name, what, "comparison", &[comparisons.display().to_string()])?;
    }
    let battles = work.join("pokemon-battles.jsonl");
    fs::write(&battles, single(&fs::read_to_string(work.join("pokemon.jsonl"))?)?)?;
    let what = "the same battles one by one: every pair is in every fold";
    add("pokemon-battles", what, "comparison", &[battles.display().to_string()])?;
    Ok(preference_report::render(&machine::describe()?, &found))
}

/// A win rate of n battles as n rows.
fn single(pairs: &str) -> TaskResult<String> {
    let mut text = String::new();
    for line in pairs.lines() {
        let mut row: Value = serde_json::from_str(line)?;
        let number = |row: &Value, field: &str| row[field].as_f64().ok_or("a row without numbers");
        let (rate, n) = (number(&row, "label")?, number(&row, "weight")?);
        let wins = (rate * n).round();
        row["weight"] = Value::from(1.0);
        for (label, times) in [(1.0, wins), (0.0, n - wins)] {
            row["label"] = Value::from(label);
            let mut left = times;
            while left > 0.5 {
                writeln!(text, "{row}")?;
                left -= 1.0;
            }
        }
    }
    Ok(text)
}

/// A copy of JSON lines without their field "split".
fn without_split(from: &str, to: &Path) -> TaskResult {
    let mut text = String::new();
    for line in fs::read_to_string(from).map_err(|error| format!("{from}: {error}"))?.lines() {
        let mut row: Value = serde_json::from_str(line)?;
        row.as_object_mut().ok_or("a line that is no object")?.remove("split");
        writeln!(text, "{row}")?;
    }
    fs::write(to, text)?;
    Ok(())
}

/// The pairs of a matrix of win rates as comparisons with their numbers for weights.
fn of_matrix(folder: &Path, name: &str) -> TaskResult<String> {
    let table = |file: String| -> TaskResult<(Vec<String>, Vec<Vec<String>>)> {
        let path = folder.join(file);
        let text = fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        let mut rows = text.lines().map(|line| line.split(',').map(str::to_owned).collect());
        let header: Vec<String> = rows.next().ok_or("a matrix without rows")?;
        Ok((header[1..].to_vec(), rows.map(|row: Vec<String>| row[1..].to_vec()).collect()))
    };
    let (names, rates) = table(format!("{name}.csv"))?;
    let counts = folder.join(format!("{name}_n.npy"));
    let counts = if counts.exists() { Some(npy(&fs::read(counts)?)?) } else { None };
    let mut text = String::new();
    for (i, a) in names.iter().enumerate() {
        for (j, b) in names.iter().enumerate().skip(i + 1) {
            let n = counts.as_ref().map_or(PRETENDED, |counts| counts[i * names.len() + j]);
            let Ok(rate) = rates[i][j].parse::<f64>() else { continue };
            if n > 0.0 && rate.is_finite() {
                let row = serde_json::json!({
                    "prompt_id": "all", "response_a_id": a, "response_b_id": b, "label": rate, "weight": n,
                });
                writeln!(text, "{row}")?;
            }
        }
    }
    Ok(text)
}

/// The numbers of a little-endian file of f64.
fn npy(bytes: &[u8]) -> TaskResult<Vec<f64>> {
    let length = usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    let header = std::str::from_utf8(&bytes[10..10 + length])?;
    if !header.contains("<f8") {
        return Err(format!("an array of f64 was expected, found {header}").into());
    }
    let number = |chunk: &[u8]| f64::from_le_bytes(chunk.try_into().expect("chunks of eight"));
    Ok(bytes[10 + length..].chunks_exact(8).map(number).collect())
}
