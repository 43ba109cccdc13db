//! Prompts drawn from a population whose mean preferences are known, and judgements drawn from them.

use nlhf_core::{
    Comparison, Distribution, Label, Menus, PreferenceModel, PromptId, ResponseId, SeedTree,
    Stream, logistic::logit,
};
use nlhf_offline::Entrant;
use rand::RngExt;
use std::collections::HashMap;

/// The probability with which answer 0 beats answer 1, in the mean over the population.
pub(crate) const RATE: f64 = 0.6;

/// Prompts with three answers each, whose preferences differ by up to 0.3 from the mean over the population.
pub(crate) struct Population {
    pub(crate) menus: Menus,
    margins: HashMap<(PromptId, ResponseId, ResponseId), f64>,
}

impl Population {
    pub(crate) fn draw(n_prompts: u32, seed: u64) -> Self {
        let mut rng = SeedTree::new(seed).rng(Stream::Instance, 0);
        let (mut menus, mut margins) = (Menus::new(), HashMap::new());
        for x in 0..n_prompts {
            let prompt = PromptId::new(x);
            let ids = [3 * x, 3 * x + 1, 3 * x + 2].map(ResponseId::new);
            menus.push(prompt, &ids).unwrap();
            for (i, j) in [(0, 1), (0, 2), (1, 2)] {
                let center = if (i, j) == (0, 1) { RATE - 0.5 } else { 0.0 };
                let margin = center + 0.6 * (rng.random::<f64>() - 0.5);
                margins.insert((prompt, ids[i], ids[j]), margin);
            }
        }
        Self { menus, margins }
    }

    pub(crate) fn judgements(&self, per_pair: u32, seed: u64) -> Vec<Comparison> {
        let mut rng = SeedTree::new(seed).rng(Stream::Oracle, 0);
        let mut judged = Vec::new();
        for menu in self.menus.iter() {
            let ids = menu.responses();
            for (i, j) in [(0, 1), (0, 2), (1, 2)] {
                let p = 0.5 + self.margins[&(menu.prompt(), ids[i], ids[j])];
                for _ in 0..per_pair {
                    let won = rng.random::<f64>() < p;
                    let label = if won { Label::WIN } else { Label::LOSS };
                    judged.push(Comparison::new(menu.prompt(), ids[i], ids[j], label));
                }
            }
        }
        judged
    }

    /// Answer 0 always, answer 1 always, and any.
    pub(crate) fn entrants(&self) -> Vec<Entrant> {
        entrants(&self.menus, &[&[1.0, 0.0, 0.0], &[0.0, 1.0, 0.0], &[1.0, 1.0, 1.0]])
    }
}

impl PreferenceModel for Population {
    fn log_odds(&self, prompt: PromptId, first: ResponseId, second: ResponseId) -> f64 {
        let (low, high) = (first.min(second), first.max(second));
        let margin = self.margins.get(&(prompt, low, high)).copied().unwrap_or(0.0);
        let value = logit(0.5 + margin);
        if first <= second { value } else { -value }
    }
}

/// One entrant for each list of masses, which it plays on every menu.
pub(crate) fn entrants(menus: &Menus, masses: &[&[f64]]) -> Vec<Entrant> {
    let entrant = |(k, masses): (usize, &&[f64])| Entrant {
        name: format!("policy {}", k + 1),
        policies: vec![Distribution::from_masses(masses).unwrap(); menus.len()],
    };
    masses.iter().enumerate().map(entrant).collect()
}
