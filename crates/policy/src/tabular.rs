//! The tabular class: a distribution a prompt, kept to the last bit.
//!
//! ```text
//! π(a | x) = the entry of a              on the menu that was stored, in any order
//! π(a | x) ∝ the entry of a, a ∈ menu    on other menus; what was never stored is never played
//! π(· | x) = uniform                     if x, or no response of the menu, was stored with any mass
//! ```
//! Restricting is conditioning: a policy that is asked to choose among fewer candidates keeps their
//! odds. A response that no target ever named got no evidence, so that it has probability zero beside
//! ones that did; where nothing on the menu has any, all are alike.

use nlhf_core::{
    Distribution, Menu, Policy, PolicyClass, Projected, ProjectionError, PromptId, ResponseId,
    Target,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A distribution over the responses of each known prompt; uniform elsewhere.
///
/// Reading one back checks it and keeps every bit.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Entry>", into = "Vec<Entry>")]
pub struct TabularPolicy {
    // Ordered, so that two equal policies are written as the same bytes.
    entries: BTreeMap<PromptId, Stored>,
}

#[derive(Debug, Clone, PartialEq)]
struct Stored {
    /// In the order of the menu that it was stored with, as is `distribution`.
    responses: Vec<ResponseId>,
    distribution: Distribution,
    /// Positions in `responses`, sorted by response id, so that any response is found in O(log n).
    by_id: Vec<usize>,
}

impl TabularPolicy {
    /// A policy that knows no prompt yet: uniform everywhere.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the distribution on a menu, replacing what was known of its prompt.
    ///
    /// # Errors
    /// [`ProjectionError::Shape`] if there is not one entry a response.
    pub fn insert(
        &mut self,
        menu: Menu<'_>,
        distribution: Distribution,
    ) -> Result<(), ProjectionError> {
        let (prompt, required, given) = (menu.prompt(), menu.len(), distribution.len());
        if required != given {
            return Err(ProjectionError::Shape { prompt, required, given });
        }
        self.entries.insert(prompt, Stored::new(menu, distribution));
        Ok(())
    }

    /// How many prompts are known.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether no prompt is known.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// What is stored of a prompt: the responses, and the distribution over them in that order.
    pub fn get(&self, prompt: PromptId) -> Option<(&[ResponseId], &Distribution)> {
        let stored = self.entries.get(&prompt)?;
        Some((&stored.responses, &stored.distribution))
    }

    /// The known prompts, in the order of their ids.
    pub fn prompts(&self) -> impl ExactSizeIterator<Item = PromptId> {
        self.entries.keys().copied()
    }
}

impl Stored {
    fn new(menu: Menu<'_>, distribution: Distribution) -> Self {
        let responses = menu.responses().to_vec();
        let mut by_id: Vec<usize> = (0..responses.len()).collect();
        by_id.sort_unstable_by_key(|&position| responses[position]);
        Self { responses, distribution, by_id }
    }

    fn log_probability(&self, response: ResponseId) -> Option<f64> {
        let found =
            self.by_id.binary_search_by_key(&response, |&position| self.responses[position]);
        found.ok().map(|at| self.distribution.log_probabilities()[self.by_id[at]])
    }

    /// None where the menu has no mass here.
    fn on(&self, menu: Menu<'_>) -> Option<Distribution> {
        if menu.responses() == self.responses {
            return Some(self.distribution.clone());
        }
        let mut n_known = 0;
        let logs: Vec<f64> = menu
            .responses()
            .iter()
            .map(|&response| match self.log_probability(response) {
                Some(log_p) => {
                    n_known += 1;
                    log_p
                }
                None => f64::NEG_INFINITY,
            })
            .collect();
        // With all mass on the menu there is nothing to renormalize, and every bit stays.
        let complete = n_known == self.responses.len();
        let kept = complete.then(|| Distribution::from_log_probabilities(logs.clone()));
        kept.and_then(Result::ok).or_else(|| Distribution::from_logits(logs).ok())
    }
}

impl Policy for TabularPolicy {
    /// # Complexity
    /// O(n) on the stored menu, O(n log n) on any other.
    fn distribution(&self, menu: Menu<'_>) -> Distribution {
        let stored = self.entries.get(&menu.prompt());
        let known = stored.and_then(|stored| stored.on(menu));
        known.unwrap_or_else(|| Distribution::uniform(menu.len()))
    }
}

/// All policies on the prompts and menus of the targets.
///
/// The projection is exact, `KL(target ‖ policy) = 0` on every menu, and each prompt is a problem of its
/// own: neither weights nor a warm start change anything. A prompt that no target names is forgotten,
/// also if the warm start knew it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TabularClass;

impl PolicyClass for TabularClass {
    type Policy = TabularPolicy;

    fn name(&self) -> &'static str {
        "tabular"
    }

    /// # Errors
    /// [`ProjectionError::Shape`] and [`ProjectionError::DuplicatePrompt`].
    fn project(
        &self,
        targets: &[Target<'_>],
        _: Option<&TabularPolicy>,
    ) -> Result<Projected<TabularPolicy>, ProjectionError> {
        let mut policy = TabularPolicy::new();
        for target in targets {
            let prompt = target.menu.prompt();
            if policy.entries.contains_key(&prompt) {
                return Err(ProjectionError::DuplicatePrompt { prompt });
            }
            policy.insert(target.menu, target.distribution.clone())?;
        }
        Ok(Projected { policy, excess_nats: Some(0.0) })
    }
}

/// How a prompt is written.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    prompt: PromptId,
    responses: Vec<ResponseId>,
    log_probabilities: Distribution,
}

impl From<TabularPolicy> for Vec<Entry> {
    fn from(policy: TabularPolicy) -> Self {
        let entries = policy.entries.into_iter();
        entries
            .map(|(prompt, stored)| Entry {
                prompt,
                responses: stored.responses,
                log_probabilities: stored.distribution,
            })
            .collect()
    }
}

impl TryFrom<Vec<Entry>> for TabularPolicy {
    type Error = Box<dyn std::error::Error + Send + Sync>;
    fn try_from(entries: Vec<Entry>) -> Result<Self, Self::Error> {
        let mut policy = Self::new();
        for entry in entries {
            let menu = Menu::new(entry.prompt, &entry.responses)?;
            if policy.entries.contains_key(&entry.prompt) {
                return Err(ProjectionError::DuplicatePrompt { prompt: entry.prompt }.into());
            }
            policy.insert(menu, entry.log_probabilities)?;
        }
        Ok(policy)
    }
}
