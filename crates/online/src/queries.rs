//! Which pairs a round asks about: the main agent against the enhancer.
//!
//! A prompt is drawn uniformly, `a ~ π¹`, and `b ~ π²` among the other responses: a response compared
//! with itself would cost a label and teach nothing.

use crate::Agents;
use nlhf_core::{Distribution, Menus, Query, SeedTree, Stream};
use rand::{Rng, RngExt};

/// Draws the queries of a round; prompts with one candidate have nothing to ask.
pub(crate) fn draw(
    menus: &Menus,
    agents: &[Agents],
    n_queries: u32,
    round: u32,
    seeds: SeedTree,
) -> Vec<Query> {
    let askable: Vec<usize> = (0..menus.len()).filter(|&at| menus.get(at).len() > 1).collect();
    let Ok(n_askable) = u32::try_from(askable.len()) else { return Vec::new() };
    if n_askable == 0 {
        return Vec::new();
    }
    let mut prompts = seeds.rng(Stream::Prompts, round);
    let mut responses = seeds.rng(Stream::Responses, round);
    let query = |_| {
        let at = askable[prompts.random_range(0..n_askable) as usize];
        let (menu, agents) = (menus.get(at), &agents[at]);
        let first = agents.main.sample(&mut responses);
        let second = sample_other(&agents.enhancer, first, &mut responses);
        // Which one is shown first must not tell which agent it came from.
        let (first, second) = if responses.random() { (first, second) } else { (second, first) };
        let shown = menu.responses();
        Query { prompt: menu.prompt(), first: shown[first], second: shown[second] }
    };
    (0..n_queries).map(query).collect()
}

/// Draws from `policy` given that it is not `taken`; the others alike if they have no mass.
fn sample_other(policy: &Distribution, taken: usize, rng: &mut dyn Rng) -> usize {
    let mut logits = policy.log_probabilities().to_vec();
    logits[taken] = f64::NEG_INFINITY;
    let others = Distribution::from_logits(logits).unwrap_or_else(|_| {
        let masses: Vec<f64> = (0..policy.len()).map(|i| f64::from(i != taken)).collect();
        Distribution::from_masses(&masses).expect("a menu of two or more has another response")
    });
    others.sample(rng)
}

#[cfg(test)]
mod tests {
    use super::*;
    use nlhf_core::{PromptId, ResponseId, Status};

    fn agents(main: Distribution, enhancer: Distribution) -> Agents {
        let status = Status::Converged;
        Agents { main, enhancer, suboptimality_bound: 0.0, duality_gap: 0.0, status }
    }

    #[test]
    fn no_response_is_asked_against_itself_and_draws_are_stable() {
        let mut menus = Menus::new();
        let responses: Vec<ResponseId> = (0..3).map(ResponseId::new).collect();
        menus.push(PromptId::new(0), &responses[..1]).unwrap();
        menus.push(PromptId::new(1), &responses).unwrap();
        let certain = Distribution::from_masses(&[0.0, 1.0, 0.0]).unwrap();
        let all = [
            agents(Distribution::uniform(1), Distribution::uniform(1)),
            agents(certain.clone(), certain),
        ];
        let queries = draw(&menus, &all, 200, 1, SeedTree::new(3));
        assert_eq!(queries.len(), 200);
        assert!(queries.iter().all(|q| q.first != q.second && q.prompt == PromptId::new(1)));
        let one = ResponseId::new(1);
        assert!(queries.iter().all(|q| (q.first == one) != (q.second == one)));
        let shown_first = queries.iter().filter(|q| q.first == one).count();
        assert!((60..140).contains(&shown_first), "{shown_first} of 200");
        assert_eq!(queries, draw(&menus, &all, 200, 1, SeedTree::new(3)));
        assert!(draw(&menus, &all, 0, 1, SeedTree::new(3)).is_empty());
    }
}
