//! Which responses hang together by comparisons, and which only ever won or lost.
//!
//! Scores of responses in different components cannot be compared by a model without features, and a
//! response that only won has no finite score without a ridge or bound (Ford, 1957).

use crate::PairCounts;
use crate::groups::{Groups, separated};
use nlhf_core::{Comparison, ResponseId};
use serde::{Deserialize, Serialize};

/// Responses that comparisons connect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Component {
    /// How many there are.
    pub n_responses: usize,
    /// The one that was compared most: to connect components, compare these with each other.
    pub hub: ResponseId,
    /// The lowest ids of it, at most 8.
    pub some: Vec<ResponseId>,
}

/// The graph of comparisons over all prompts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connectivity {
    /// Responses that were compared.
    pub n_responses: usize,
    /// Pairs that were compared.
    pub n_pairs: usize,
    /// The components, largest first.
    pub components: Vec<Component>,
    /// Responses that never lost nor tied although they were compared.
    pub never_lost: Vec<ResponseId>,
    /// Responses that never won nor tied although they were compared.
    pub never_won: Vec<ResponseId>,
    /// All responses outside the largest strongly connected part of their component: those two, and what
    /// hangs on to them in one direction only.
    pub separated: Vec<ResponseId>,
    /// Prompts with comparisons.
    pub n_prompts: usize,
    /// Prompts whose compared responses fall into several components by the comparisons on that
    /// prompt alone.
    pub n_split_prompts: usize,
}

/// How many members a component names.
const SHOWN: usize = 8;

/// The graph of comparisons.
pub fn connectivity(data: &[Comparison]) -> Connectivity {
    let counts = PairCounts::new(data);
    let pairs = counts.pairs();
    let groups = Groups::new(pairs, &[]);
    let n = groups.places().len();
    let (mut weight, mut won, mut lost) = (vec![0.0; n], vec![false; n], vec![false; n]);
    for pair in pairs {
        let (i, j) = (pair.low.index(), pair.high.index());
        weight[i] += pair.weight;
        weight[j] += pair.weight;
        let (low, high) = (pair.wins > 0.0, pair.wins < pair.weight);
        (won[i], lost[j]) = (won[i] || low, lost[j] || low);
        (won[j], lost[i]) = (won[j] || high, lost[i] || high);
    }
    let mut components: Vec<Component> = groups
        .members()
        .iter()
        .map(|members| {
            let heavier = |a: &&ResponseId, b: &&ResponseId| {
                weight[a.index()].total_cmp(&weight[b.index()]).then(b.cmp(a))
            };
            let hub = *members.iter().max_by(heavier).unwrap_or(&members[0]);
            let some = members.iter().copied().take(SHOWN).collect();
            Component { n_responses: members.len(), hub, some }
        })
        .collect();
    components.sort_by_key(|component| std::cmp::Reverse(component.n_responses));
    let compared = || groups.members().iter().flatten().copied();
    let mut n_prompts = 0;
    let mut n_split_prompts = 0;
    for prompt in pairs.chunk_by(|a, b| a.prompt == b.prompt) {
        n_prompts += 1;
        n_split_prompts += usize::from(Groups::new(prompt, &[]).len() > 1);
    }
    let mut never_lost: Vec<ResponseId> = compared().filter(|r| !lost[r.index()]).collect();
    let mut never_won: Vec<ResponseId> = compared().filter(|r| !won[r.index()]).collect();
    never_lost.sort_unstable();
    never_won.sort_unstable();
    let mut edges: Vec<(ResponseId, ResponseId)> = pairs.iter().map(|p| (p.low, p.high)).collect();
    edges.sort_unstable();
    edges.dedup();
    Connectivity {
        n_responses: compared().count(),
        n_pairs: edges.len(),
        components,
        never_lost,
        never_won,
        separated: separated(pairs, &groups),
        n_prompts,
        n_split_prompts,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nlhf_core::{Label, PromptId};

    fn won(prompt: u32, a: u32, b: u32) -> Comparison {
        let (a, b) = (ResponseId::new(a), ResponseId::new(b));
        Comparison::new(PromptId::new(prompt), a, b, Label::WIN)
    }

    #[test]
    fn islands_champions_and_losers_are_named() {
        // 0 beats 1, 2 and 3, which beat each other in a circle; 4 loses to 1; 7 and 9 are an island.
        let data = [
            won(0, 0, 1),
            won(0, 0, 2),
            won(0, 1, 2),
            won(0, 2, 3),
            won(0, 3, 1),
            won(1, 1, 4),
            won(1, 7, 9),
        ];
        let found = connectivity(&data);
        let ids = |ids: &[u32]| ids.iter().map(|k| ResponseId::new(*k)).collect::<Vec<_>>();
        assert_eq!((found.n_responses, found.n_pairs, found.n_prompts), (7, 7, 2));
        assert_eq!(found.components.len(), 2);
        assert_eq!(found.components[0].n_responses, 5);
        assert_eq!(found.components[0].hub, ResponseId::new(1));
        assert_eq!(found.components[1].some, ids(&[7, 9]));
        assert_eq!(found.never_lost, ids(&[0, 7]));
        assert_eq!(found.never_won, ids(&[4, 9]));
        assert_eq!(found.separated, ids(&[0, 4, 9]));
        assert_eq!(found.n_split_prompts, 1);
        assert!(connectivity(&[]).components.is_empty());
    }
}
