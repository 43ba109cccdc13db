//! Our side of `cargo xtask compare preference`. The other side, the data and what a loss is: `benches/python/preference.py`.

use anyhow::{bail, ensure};
use nlhf::core::{Comparison, FitPreference, Label, PreferenceModel, PromptId, ResponseId};
use nlhf::data::{Matrix, ReadOptions, read_comparisons, read_matrix_npy};
use nlhf::preference::{
    BradleyTerryFit, FeatureFit, FeatureTable, Features, LogisticConfig, LowRankFit,
    WidthMultiplier, WinTable, evaluate,
};
use nlhf_benches::served::{Fit, serve};
use serde::Deserialize;
use std::path::PathBuf;
use std::sync::Arc;

#[derive(Debug, Clone, Deserialize)]
struct Job {
    kind: String,
    name: String,
    folder: PathBuf,
    #[serde(default)]
    items: u32,
    #[serde(default)]
    planes: usize,
}

fn main() -> anyhow::Result<()> {
    serve(prepare)
}

/// The ridge of the baselines, and a bound that nothing reaches.
fn config() -> LogisticConfig {
    LogisticConfig {
        ridge: 1.0,
        log_odds_bound: 50.0,
        multiplier: WidthMultiplier::Fixed(1.0),
        ..LogisticConfig::default()
    }
}

fn prepare(candidate: &str, job: &Job) -> anyhow::Result<Fit> {
    let npy = |what: &str| -> anyhow::Result<Matrix> {
        Ok(read_matrix_npy(&job.folder.join(format!("{}-{what}.npy", job.name)))?)
    };
    match (job.kind.as_str(), candidate) {
        ("scores", "nlhf/arrays") => {
            let battles = npy("battles")?;
            let column =
                |k: usize| battles.values.iter().skip(k).step_by(2).map(|x| id(*x)).collect();
            let (winners, losers): (Vec<u32>, Vec<u32>) = (column(0), column(1));
            let (fit, items) = (BradleyTerryFit::new(config())?, job.items as usize);
            Ok(Box::new(move |loss| {
                let mut table = WinTable::new(items);
                table.add_battles(&winners, &losers)?;
                let fitted = fit.fit_scores(&table)?;
                Ok(loss.then_some(fitted.evidence.log_loss_nats))
            }))
        }
        ("scores", "nlhf/comparisons") => {
            let battles = npy("battles")?;
            let data: Vec<Comparison> = battles
                .values
                .chunks_exact(2)
                .map(|row| compared(id(row[0]), id(row[1]), Label::WIN))
                .collect();
            let fit = BradleyTerryFit::new(config())?;
            Ok(Box::new(move |loss| {
                let fitted = fit.fit(&data)?;
                Ok(loss.then_some(fitted.evidence.log_loss_nats))
            }))
        }
        ("linear", "nlhf/scoring" | "nlhf/widths") => {
            let (features, data) = (npy("features")?, rows(&npy("battles")?)?);
            let table = FeatureTable::new(features.ncols, features.values)?;
            let fit = FeatureFit::linear(Arc::new(Features::new(table, None)?), config())?;
            let fit = if candidate == "nlhf/scoring" { fit.without_widths() } else { fit };
            Ok(Box::new(move |loss| {
                let fitted = fit.fit(&data)?;
                Ok(loss.then_some(fitted.evidence.log_loss_nats))
            }))
        }
        ("planes", "nlhf/planes") => {
            let (data, held_out) = (rows(&npy("battles")?)?, rows(&npy("held-out")?)?);
            let fit = LowRankFit::items(job.planes, config())?.without_scores();
            Ok(Box::new(move |loss| {
                let model = fit.fit(&data)?.model;
                Ok(if loss { evaluate(&model, &held_out).map(|e| e.log_loss_nats) } else { None })
            }))
        }
        ("read", "nlhf/jsonl" | "nlhf/csv") => {
            let kind = candidate.trim_start_matches("nlhf/");
            let path = job.folder.join(format!("{}-rows.{kind}", job.name));
            let fit = BradleyTerryFit::new(config())?;
            Ok(Box::new(move |_| {
                let dataset = read_comparisons(&path, None, ReadOptions::default())?;
                let model = fit.fit(&dataset.comparisons)?.model;
                let odds = model.log_odds(PromptId::new(0), ResponseId::new(0), ResponseId::new(1));
                ensure!(odds.is_finite(), "a fitted model has finite log-odds");
                Ok(None)
            }))
        }
        (kind, candidate) => bail!("there is no candidate {candidate} for {kind}"),
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "ids, written as floats"
)]
fn id(x: f64) -> u32 {
    x as u32
}

fn compared(first: u32, second: u32, label: Label) -> Comparison {
    Comparison::new(PromptId::new(0), ResponseId::new(first), ResponseId::new(second), label)
}

/// Rows of two ids and a label.
fn rows(matrix: &Matrix) -> anyhow::Result<Vec<Comparison>> {
    let row = |row: &[f64]| Ok(compared(id(row[0]), id(row[1]), Label::new(row[2])?));
    matrix.values.chunks_exact(3).map(row).collect()
}
