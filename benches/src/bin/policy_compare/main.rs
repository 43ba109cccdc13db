//! Our side of `cargo xtask compare policy`: projections onto log-linear policies. The other side, the data and what a
//! loss is: `benches/python/policy.py`.
//!
//! ```text
//! candidates   φ(x, a) = the row of the candidate
//! classes      φ(x, a) = e_a ⊗ p(x), one menu for all prompts
//! ```

use anyhow::{bail, ensure};
use nlhf::core::{
    Distribution, FeatureMap, FitError, FitStatus, Menus, PromptId, ResponseId, Target,
    UniformPolicy, Weight,
};
use nlhf::data::read_matrix_npy;
use nlhf::policy::{LogLinearClass, LogLinearConfig};
use nlhf::preference::{FeatureTable, Features};
use nlhf_benches::served::{Fit, serve};
use serde::Deserialize;
use std::path::PathBuf;
use std::sync::Arc;

#[derive(Debug, Clone, Deserialize)]
struct Job {
    kind: String,
    name: String,
    folder: PathBuf,
}

/// The features of a prompt, at the place of the class.
#[derive(Debug)]
struct Crossed {
    prompts: Vec<f64>,
    dim: usize,
    n_classes: usize,
}

impl FeatureMap for Crossed {
    fn dim(&self) -> usize {
        self.dim * self.n_classes
    }

    fn write(
        &self,
        prompt: PromptId,
        response: ResponseId,
        out: &mut [f64],
    ) -> Result<(), FitError> {
        let place = self.dim * response.index();
        out.fill(0.0);
        out[place..place + self.dim]
            .copy_from_slice(&self.prompts[self.dim * prompt.index()..][..self.dim]);
        Ok(())
    }
}

fn main() -> anyhow::Result<()> {
    serve(prepare)
}

fn prepare(candidate: &str, job: &Job) -> anyhow::Result<Fit> {
    ensure!(candidate == "nlhf/log-linear", "there is no candidate {candidate}");
    let npy = |what: &str| read_matrix_npy(&job.folder.join(format!("{}-{what}.npy", job.name)));
    let (features, wanted) = (npy("features")?, npy("targets")?);
    let n_candidates = wanted.ncols;
    let (map, own): (Arc<dyn FeatureMap>, bool) = match job.kind.as_str() {
        "candidates" => {
            let table = FeatureTable::new(features.ncols, features.values)?;
            (Arc::new(Features::new(table, None)?), true)
        }
        "classes" => {
            let (prompts, dim) = (features.values, features.ncols);
            (Arc::new(Crossed { prompts, dim, n_classes: n_candidates }), false)
        }
        kind => bail!("there is no kind {kind}"),
    };
    let mut menus = Menus::new();
    let mut wishes = Vec::new();
    for (prompt, masses) in wanted.values.chunks_exact(n_candidates).enumerate() {
        let first = if own { n_candidates * prompt } else { 0 };
        let responses: Vec<_> =
            (0..n_candidates).map(|a| ResponseId::from_index(first + a)).collect();
        menus.push(PromptId::from_index(prompt), &responses)?;
        wishes.push(Distribution::from_masses(masses)?);
    }
    let class = LogLinearClass::new(map, Arc::new(UniformPolicy), LogLinearConfig::default())?;
    Ok(Box::new(move |loss| {
        let target = |(menu, distribution): (_, &Distribution)| Target {
            menu,
            distribution: distribution.clone(),
            weight: Weight::ONE,
        };
        let targets: Vec<Target<'_>> = menus.iter().zip(&wishes).map(target).collect();
        let fit = class.fit(&targets, None)?;
        ensure!(fit.status == FitStatus::Converged, "the projection ended with {:?}", fit.status);
        Ok(loss.then_some(fit.kl_nats))
    }))
}
