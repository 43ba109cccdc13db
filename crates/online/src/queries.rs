//! Which pairs a round asks about.
//!
//! A prompt is drawn, one of the pairings of its agents, `a` of the first policy, and `b` of the second among the other
//! responses: a response compared with itself would cost a label and teach nothing, and one that the reference never plays is
//! nobody's competitor. Where pairs may not be asked about again, `(a, b)` is drawn in one step among those that are left.

use crate::{Agents, OnlineConfig, Pairing, PromptSampling};
use nlhf_core::{Distribution, Menus, Profile, Query, Stream};
use rand::{Rng, RngExt};
use std::collections::HashSet;

/// The pairs that a run may still ask about, and how it draws them.
pub(crate) struct Queries<'a> {
    config: &'a OnlineConfig,
    /// Of each prompt the pairs asked about, places in the menu, the lower first; only where pairs are not repeated.
    asked: Vec<HashSet<(usize, usize)>>,
}

impl<'a> Queries<'a> {
    pub(crate) fn new(config: &'a OnlineConfig, n_prompts: usize) -> Self {
        let n = if config.repeats { 0 } else { n_prompts };
        Self { config, asked: vec![HashSet::new(); n] }
    }

    fn n_left(&self, position: usize, reference: &Profile) -> usize {
        let n = (0..reference.row.len()).filter(|place| is_played(reference, *place)).count();
        n * n.saturating_sub(1) / 2 - self.asked.get(position).map_or(0, HashSet::len)
    }

    /// Whether there is anything to ask about on some prompt.
    pub(crate) fn is_any_left(&self, references: &[Profile]) -> bool {
        references.iter().enumerate().any(|(at, reference)| self.n_left(at, reference) > 0)
    }

    /// Draws the queries of a round; fewer than wanted if no more pairs are left.
    pub(crate) fn draw(
        &mut self,
        menus: &Menus,
        references: &[Profile],
        agents: &[Agents],
        n_queries: usize,
        round: u32,
    ) -> Vec<Query> {
        let askable = |at: &usize| self.n_left(*at, &references[*at]) > 0;
        let askable: Vec<usize> = (0..menus.len()).filter(askable).collect();
        let weights: Vec<f64> = askable.iter().map(|at| self.weight(&agents[*at])).collect();
        let mut prompts = Wheel::new(askable, &weights);
        let mut of_prompts = self.config.seed.rng(Stream::Prompts, round);
        let mut of_responses = self.config.seed.rng(Stream::Responses, round);
        let mut queries = Vec::with_capacity(n_queries);
        while queries.len() < n_queries {
            let Some(slot) = prompts.spin(&mut of_prompts) else { break };
            let at = prompts.prompts[slot];
            let menu = menus.get(at);
            let reference = &references[at];
            let (first, second) = self.pair(at, reference, &agents[at].asks, &mut of_responses);
            if !self.config.repeats && self.n_left(at, reference) == 0 {
                prompts.remove(slot);
            }
            // Which one is shown first must not tell which agent it came from.
            let turned = of_responses.random::<bool>();
            let (first, second) = if turned { (first, second) } else { (second, first) };
            let shown = menu.responses();
            let (first, second) = (shown[first], shown[second]);
            queries.push(Query { prompt: menu.prompt(), first, second });
        }
        queries
    }

    fn weight(&self, agents: &Agents) -> f64 {
        match self.config.prompts {
            PromptSampling::Uniform => 1.0,
            // Before the first round nothing is known of any.
            PromptSampling::ByBound => agents.suboptimality_bound.clamp(0.0, f64::MAX / 1e12),
        }
    }

    /// Two different places of a menu, the pair marked as asked about.
    fn pair(
        &mut self,
        at: usize,
        reference: &Profile,
        asks: &[Pairing],
        rng: &mut dyn Rng,
    ) -> (usize, usize) {
        let n_asks = u32::try_from(asks.len()).expect("fewer pairings than ids");
        let which = if n_asks > 1 { rng.random_range(0..n_asks) as usize } else { 0 };
        let Pairing { first, second } = &asks[which];
        let Some(asked) = self.asked.get_mut(at) else {
            let a = first.sample(rng);
            return (a, sample_other(second, a, reference, rng));
        };
        let n = reference.row.len();
        let (p, q) = (first.probabilities(), second.probabilities());
        let left = (0..n).flat_map(|i| (i + 1..n).map(move |j| (i, j)));
        let competes = |pair: &(usize, usize)| {
            is_played(reference, pair.0) && is_played(reference, pair.1) && !asked.contains(pair)
        };
        let left: Vec<(usize, usize)> = left.filter(competes).collect();
        let masses: Vec<f64> = left.iter().map(|&(i, j)| p[i] * q[j] + p[j] * q[i]).collect();
        // Pairs that neither policy would draw are as good as one another.
        let among = Distribution::from_masses(&masses)
            .unwrap_or_else(|_| Distribution::uniform(left.len()));
        let pair = left[among.sample(rng)];
        asked.insert(pair);
        pair
    }
}

/// Whether the reference plays a response at all.
fn is_played(reference: &Profile, place: usize) -> bool {
    reference.row.log_probabilities()[place] > f64::NEG_INFINITY
}

/// Draws from `policy` given that it is not `taken`; the others that the reference plays alike if they have no mass.
fn sample_other(
    policy: &Distribution,
    taken: usize,
    reference: &Profile,
    rng: &mut dyn Rng,
) -> usize {
    let mut logits = policy.log_probabilities().to_vec();
    logits[taken] = f64::NEG_INFINITY;
    let others = Distribution::from_logits(logits).unwrap_or_else(|_| {
        let other = |i: usize| f64::from(i != taken && is_played(reference, i));
        let masses: Vec<f64> = (0..policy.len()).map(other).collect();
        Distribution::from_masses(&masses).expect("another response is played, or nothing is asked")
    });
    others.sample(rng)
}

/// Draws prompts in proportion to their weights, all alike if none has any.
struct Wheel {
    prompts: Vec<usize>,
    weights: Vec<f64>,
    /// Sums of the weights up to and with each; empty if all are alike.
    sums: Vec<f64>,
}

impl Wheel {
    fn new(prompts: Vec<usize>, weights: &[f64]) -> Self {
        let mut wheel = Self { prompts, weights: weights.to_vec(), sums: Vec::new() };
        wheel.add_up();
        wheel
    }

    fn add_up(&mut self) {
        self.sums.clear();
        let alike = self.weights.windows(2).all(|pair| pair[0].to_bits() == pair[1].to_bits());
        if !alike {
            let mut sum = 0.0;
            self.sums.extend(self.weights.iter().map(|weight| {
                sum += weight;
                sum
            }));
        }
    }

    /// The slot drawn; `None` if there is none.
    fn spin(&self, rng: &mut dyn Rng) -> Option<usize> {
        let n = u32::try_from(self.prompts.len()).expect("ids fit into 32 bits");
        let last = self.prompts.len().checked_sub(1)?;
        let Some(total) = self.sums.last() else { return Some(rng.random_range(0..n) as usize) };
        let mark = rng.random::<f64>() * total;
        Some(self.sums.partition_point(|sum| *sum <= mark).min(last))
    }

    fn remove(&mut self, slot: usize) {
        self.prompts.remove(slot);
        self.weights.remove(slot);
        self.add_up();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nlhf_core::{PromptId, ResponseId, SeedTree, Status};

    fn agents(first: Distribution, second: Distribution, suboptimality_bound: f64) -> Agents {
        Agents {
            main: first.clone(),
            asks: vec![Pairing { first, second }],
            suboptimality_bound,
            policy_level_bound: None,
            duality_gap: 0.0,
            status: Status::Converged,
        }
    }

    fn menus(sizes: &[u32]) -> Menus {
        let mut menus = Menus::new();
        for (prompt, n) in (0..).zip(sizes) {
            let responses: Vec<ResponseId> = (0..*n).map(ResponseId::new).collect();
            menus.push(PromptId::new(prompt), &responses).unwrap();
        }
        menus
    }

    fn even(menus: &Menus) -> Vec<Profile> {
        menus.iter().map(|menu| Profile::symmetric(Distribution::uniform(menu.len()))).collect()
    }

    fn config() -> OnlineConfig {
        OnlineConfig::default().with_seed(SeedTree::new(3))
    }

    #[test]
    fn no_response_is_asked_against_itself_and_draws_are_stable() {
        let menus = menus(&[1, 3]);
        let certain = Distribution::from_masses(&[0.0, 1.0, 0.0]).unwrap();
        let alone = Distribution::uniform(1);
        let all = [agents(alone.clone(), alone, 0.0), agents(certain.clone(), certain, 0.0)];
        let config = config();
        let draw = |n| Queries::new(&config, 2).draw(&menus, &even(&menus), &all, n, 1);
        let queries = draw(200);
        assert_eq!(queries.len(), 200);
        assert!(queries.iter().all(|q| q.first != q.second && q.prompt == PromptId::new(1)));
        let one = ResponseId::new(1);
        assert!(queries.iter().all(|q| (q.first == one) != (q.second == one)));
        let shown_first = queries.iter().filter(|q| q.first == one).count();
        assert!((60..140).contains(&shown_first), "{shown_first} of 200");
        assert_eq!(queries, draw(200));
        assert!(draw(0).is_empty());
    }

    #[test]
    fn without_repeats_every_pair_is_asked_once_and_then_none_is_left() {
        let menus = menus(&[3, 4]);
        let peaked = Distribution::from_masses(&[1.0, 0.0, 0.0]).unwrap();
        let even = Distribution::uniform(4);
        let all = [agents(peaked.clone(), peaked, 0.0), agents(even.clone(), even, 0.0)];
        let config = config().without_repeats();
        let mut queries = Queries::new(&config, 2);
        let mut seen = HashSet::new();
        let references = self::even(&menus);
        for (round, n) in [(1, 5), (2, 4), (3, 0)] {
            let drawn = queries.draw(&menus, &references, &all, 5, round);
            assert_eq!(drawn.len(), n);
            for q in drawn {
                assert!(seen.insert((q.prompt, q.first.min(q.second), q.first.max(q.second))));
            }
        }
        assert_eq!(seen.len(), 9);
    }

    #[test]
    fn prompts_are_drawn_in_proportion_to_their_bounds() {
        let menus = menus(&[2, 2, 2]);
        let even = Distribution::uniform(2);
        let all = [0.0, 0.1, 0.3].map(|bound| agents(even.clone(), even.clone(), bound));
        let config = config().with_prompts(PromptSampling::ByBound);
        let drawn = Queries::new(&config, 3).draw(&menus, &self::even(&menus), &all, 4000, 1);
        let of = |prompt| drawn.iter().filter(|q| q.prompt == PromptId::new(prompt)).count();
        assert_eq!(of(0), 0);
        // A quarter of 4000; five standard deviations are 137.
        assert!(of(1).abs_diff(1000) < 137, "{} of 4000", of(1));
    }

    #[test]
    fn what_the_reference_never_plays_is_not_asked_about() {
        let menus = menus(&[4, 2]);
        let half = Distribution::from_masses(&[0.5, 0.5, 0.0, 0.0]).unwrap();
        let certain = Distribution::from_masses(&[1.0, 0.0]).unwrap();
        let all = [
            agents(half.clone(), half.clone(), 0.0),
            agents(certain.clone(), certain.clone(), 0.0),
        ];
        let references = [Profile::symmetric(half), Profile::symmetric(certain)];
        for config in [config(), config().without_repeats()] {
            let mut queries = Queries::new(&config, 2);
            let drawn = queries.draw(&menus, &references, &all, 30, 1);
            assert_eq!(drawn.len(), if config.repeats { 30 } else { 1 });
            assert!(drawn.iter().all(|q| q.first.index() + q.second.index() == 1));
            assert_eq!(queries.is_any_left(&references), config.repeats);
        }
    }
}
