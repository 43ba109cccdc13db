//! Inputs for proptest: ordinary ones, and those at the edges where log-space matters.

use crate::{cyclic_skew, random_general, random_skew};
use nlhf_core::{
    Comparison, DenseGame, Distribution, Eta, Label, Menus, Profile, PromptId, RegularizedGame,
    ResponseId, SeedTree, Stream, Weight, ZeroSumGame,
};
use proptest::collection::{hash_set, vec};
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use std::ops::RangeInclusive;

/// A game, references, η and some profile to look at: everything that a certificate depends on.
#[derive(Debug, Clone)]
pub struct Instance {
    /// The payoffs.
    pub payoff: DenseGame,
    /// The references; the same policy for both players if the payoff is skew.
    pub reference: Profile,
    /// The factor of the payoffs.
    pub eta: Eta,
    /// Any profile, often far from the equilibrium; the same policy for both if the payoff is skew.
    pub profile: Profile,
}

impl Instance {
    /// The regularized game.
    ///
    /// # Panics
    /// If the fields were changed so that they do not fit.
    pub fn game(&self) -> RegularizedGame<'_> {
        RegularizedGame::new(&self.payoff, &self.reference, self.eta)
            .expect("references that fit the payoff")
    }
}

/// Logits near zero, tens of nats below, and so far below that the probability underflows.
fn logit() -> impl Strategy<Value = f64> {
    prop_oneof![6 => -3.0..3.0, 3 => -60.0..0.0, 1 => -1200.0..-600.0]
}

/// A distribution over `n` entries with full support, some of it tiny: down to e⁻¹²⁰⁰.
///
/// # Panics
/// If `n` is zero.
pub fn distribution(n: usize) -> impl Strategy<Value = Distribution> {
    assert!(n > 0, "a distribution needs at least one entry");
    vec(logit(), n).prop_map(from_logits)
}

/// A distribution over `n` entries of which some may be zero.
///
/// # Panics
/// If `n` is zero.
pub fn sparse_distribution(n: usize) -> impl Strategy<Value = Distribution> {
    assert!(n > 0, "a distribution needs at least one entry");
    let entry = prop_oneof![3 => logit(), 1 => Just(f64::NEG_INFINITY)];
    (vec(entry, n), 0..n, logit()).prop_map(|(mut logits, kept, logit)| {
        logits[kept] = logit;
        from_logits(logits)
    })
}

/// η, log-uniform in `range`.
///
/// # Panics
/// If the range is not within the positive finite numbers.
pub fn eta(range: RangeInclusive<f64>) -> impl Strategy<Value = Eta> {
    assert!(*range.start() > 0.0 && range.end().is_finite(), "eta in {range:?}");
    (range.start().ln()..=range.end().ln())
        .prop_map(|log_eta| Eta::new(log_eta.exp()).expect("a positive number"))
}

/// A symmetric game of 1 to `max_n` actions: independent payoffs of up to 4, or circular preferences.
pub fn skew_game(max_n: usize) -> impl Strategy<Value = DenseGame> {
    (1..=max_n, any::<u64>(), any::<bool>()).prop_map(|(n, seed, cyclic)| {
        let rng = &mut SeedTree::new(seed).rng(Stream::Instance, 0);
        if cyclic { cyclic_skew(n, rng) } else { random_skew(n, 4.0, rng) }
    })
}

/// A general game of 1 to `max_n` actions a side, payoffs of up to 4.
pub fn general_game(max_n: usize) -> impl Strategy<Value = DenseGame> {
    (1..=max_n, 1..=max_n, any::<u64>()).prop_map(|(nrows, ncols, seed)| {
        random_general(nrows, ncols, 4.0, &mut SeedTree::new(seed).rng(Stream::Instance, 0))
    })
}

/// A symmetric game with one prior and one policy for both players.
pub fn symmetric_instance(
    max_n: usize,
    etas: RangeInclusive<f64>,
) -> impl Strategy<Value = Instance> {
    (skew_game(max_n), eta(etas)).prop_flat_map(|(payoff, eta)| {
        let n = payoff.entries().len().isqrt();
        (distribution(n), distribution(n)).prop_map(move |(reference, policy)| Instance {
            payoff: payoff.clone(),
            reference: Profile::symmetric(reference),
            eta,
            profile: Profile::symmetric(policy),
        })
    })
}

/// A general game with a reference and a policy for each player.
pub fn general_instance(
    max_n: usize,
    etas: RangeInclusive<f64>,
) -> impl Strategy<Value = Instance> {
    (general_game(max_n), eta(etas)).prop_flat_map(|(payoff, eta)| {
        let profile = |payoff: &DenseGame| {
            (distribution(payoff.nrows()), distribution(payoff.ncols()))
                .prop_map(|(row, column)| Profile { row, column })
        };
        (profile(&payoff), profile(&payoff)).prop_map(move |(reference, profile)| Instance {
            payoff: payoff.clone(),
            reference,
            eta,
            profile,
        })
    })
}

/// Up to `max_comparisons` judgements among the first prompts and responses: won, lost, tied and soft
/// labels, weights of 0, 1 and between, pairs of a response with itself included.
///
/// # Panics
/// If there is no prompt or no response to choose from.
pub fn comparisons(
    n_prompts: u32,
    n_responses: u32,
    max_comparisons: usize,
) -> impl Strategy<Value = Vec<Comparison>> {
    let label = prop_oneof![
        3 => Just(Label::WIN),
        3 => Just(Label::LOSS),
        1 => Just(Label::TIE),
        3 => (0.0..=1.0).prop_map(|y| Label::new(y).expect("a number in [0, 1]")),
    ];
    let weight = prop_oneof![
        6 => Just(Weight::ONE),
        3 => (0.01..10.0).prop_map(|w| Weight::new(w).expect("a positive number")),
        1 => Just(Weight::new(0.0).expect("zero is a weight")),
    ];
    let comparison = (0..n_prompts, 0..n_responses, 0..n_responses, label, weight).prop_map(
        |(prompt, first, second, label, weight)| Comparison {
            weight,
            ..Comparison::new(
                PromptId::new(prompt),
                ResponseId::new(first),
                ResponseId::new(second),
                label,
            )
        },
    );
    vec(comparison, 0..=max_comparisons)
}

/// Menus of up to `max_prompts` prompts with 1 to `max_responses` responses each, ids in any order.
///
/// # Panics
/// If a maximum is zero.
pub fn menus(max_prompts: usize, max_responses: usize) -> impl Strategy<Value = Menus> {
    let responses = hash_set(0..1000_u32, 1..=max_responses);
    vec(responses, 1..=max_prompts).prop_map(|lists| {
        let mut menus = Menus::new();
        for (prompt, list) in lists.into_iter().enumerate() {
            // A set has an order of its own each run: sort, then turn, so that a failure repeats.
            let mut list: Vec<_> = list.into_iter().map(ResponseId::new).collect();
            list.sort_unstable();
            let turn = (7 * prompt) % list.len();
            list.rotate_left(turn);
            menus.push(PromptId::from_index(prompt), &list).expect("distinct responses");
        }
        menus
    })
}

fn from_logits(logits: Vec<f64>) -> Distribution {
    Distribution::from_logits(logits).expect("at least one finite logit")
}
