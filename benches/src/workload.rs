//! A linear preference over many prompts: what costs are measured on.

use crate::world::menus;
use nlhf::core::logistic::sigmoid;
use nlhf::core::{Comparison, Label, Menus, PromptId, ResponseId, SeedTree, Stream};
use nlhf::preference::{FeatureTable, Features};
use rand::RngExt;
use rand_distr::{Distribution as _, StandardNormal};
use std::fs;
use std::sync::Arc;

/// Features of a candidate.
pub const N_FEATURES: usize = 64;
/// Comparisons of a prompt.
pub const PER_PROMPT: usize = 10;

/// Features of candidates, their menus, and comparisons.
#[derive(Debug)]
pub struct Workload {
    /// [`N_FEATURES`] of each candidate.
    pub features: Arc<Features>,
    /// Of the sizes asked for.
    pub menus: Menus,
    /// [`PER_PROMPT`] a prompt.
    pub data: Vec<Comparison>,
}

impl Workload {
    /// Standard normal features; differences of scores have a variance of 2, and pairs are drawn at random.
    ///
    /// # Errors
    /// If there are more candidates than 32 bits count.
    pub fn draw(n_prompts: usize, n_candidates: usize) -> anyhow::Result<Self> {
        let mut rng = SeedTree::new(0).rng(Stream::Instance, 0);
        let n = n_prompts * n_candidates * N_FEATURES;
        let values: Vec<f64> = (0..n).map(|_| StandardNormal.sample(&mut rng)).collect();
        let normal = rand_distr::Normal::new(0.0, 1.0 / (N_FEATURES as f64).sqrt())?;
        let truth: Vec<f64> = (0..N_FEATURES).map(|_| normal.sample(&mut rng)).collect();
        let score = |response: usize| -> f64 {
            let own = &values[response * N_FEATURES..(response + 1) * N_FEATURES];
            own.iter().zip(&truth).map(|(x, theta)| x * theta).sum()
        };
        let place = u32::try_from(n_candidates)?;
        let mut data = Vec::with_capacity(n_prompts * PER_PROMPT);
        for prompt in 0..n_prompts {
            for _ in 0..PER_PROMPT {
                let first = rng.random_range(0..place);
                let second = (first + rng.random_range(1..place)) % place;
                let id = |at: u32| prompt * n_candidates + at as usize;
                let won = rng.random::<f64>() < sigmoid(score(id(first)) - score(id(second)));
                let (first, second) =
                    (ResponseId::from_index(id(first)), ResponseId::from_index(id(second)));
                let label = if won { Label::WIN } else { Label::LOSS };
                data.push(Comparison::new(PromptId::from_index(prompt), first, second, label));
            }
        }
        let features = Arc::new(Features::new(FeatureTable::new(N_FEATURES, values)?, None)?);
        Ok(Self { features, menus: menus(n_prompts, n_candidates), data })
    }
}

/// Lets the system count the peak from now on, where it can.
pub fn reset_peak_memory() {
    // Elsewhere the peak is that of the whole run.
    let _ = fs::write("/proc/self/clear_refs", "5");
}

/// Bytes, where the system tells.
pub fn peak_memory() -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(1024.0 * line.trim().trim_end_matches(" kB").parse::<f64>().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comparisons_are_of_two_candidates_of_their_prompt() {
        let problem = Workload::draw(3, 4).unwrap();
        assert_eq!(problem.data.len(), 3 * PER_PROMPT);
        for c in &problem.data {
            let menu = problem.menus.get(c.prompt.index());
            assert!(c.first != c.second);
            assert!([c.first, c.second].iter().all(|r| menu.responses().contains(r)));
        }
    }
}
