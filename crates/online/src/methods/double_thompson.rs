//! Double Thompson sampling: a duelling bandit that looks for a Copeland winner, per prompt.
//!
//! ```text
//! W_ij = wins of i over j,  N_ij = W_ij + W_ji,  N = labels on the prompt,  c = √(a log N / N_ij)
//! u_ij = W_ij/N_ij + c,   l_ij = W_ij/N_ij − c,   u_ij = 2 and l_ij = 0 where N_ij = 0
//! C    = the i that win most often by u:  max Σ_j [u_ij > ½]
//! first  = argmax_{i ∈ C} Σ_j [θ_ij > ½],     θ_ij ~ Beta(W_ij + 1, W_ji + 1), θ_ji = 1 − θ_ij
//! second = argmax_{i: l_i,first ≤ ½} θ'_i,first,   θ' drawn anew
//! main   = NE(R̂)
//! ```
//! What is asked about next knows nothing of η, the reference or the equilibrium: it is for a winner in most duels, and what is
//! returned is the equilibrium of the same estimate as of every other method. Source: Wu and Liu (2016, arXiv 1604.07101),
//! algorithm 1, with three changes. A round has many labels, and the counts change after all of them: it is a mixture of as
//! many pairs as are drawn at planning time. A response is never asked against itself, which a bandit may do without regret:
//! `second` is another response, any if all are confidently better than `first`. What the reference never plays is no
//! competitor and is left out.

use super::places::PairTable;
use super::{non_negative, uniform};
use crate::{OnlineError, Pairing, Plan, PromptRound, Strategy};
use nlhf_core::{Distribution, SolveError};
use rand::{Rng, RngExt};
use rand_distr::{Beta, Distribution as _};

/// Two posterior samples, one for each side of a duel.
///
/// | Name | Default | Purpose | Range |
/// |---|---|---|---|
/// | `pairs` | 32 | pairs drawn at planning time, which the labels of a round are spread over | ≥ 1 |
/// | `exploration` | 0.51 | a: factor of log N in the confidence bounds | > ½ for the theory, ≥ 0 |
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DoubleThompson {
    pairs: u32,
    exploration: f64,
}

impl Default for DoubleThompson {
    fn default() -> Self {
        Self { pairs: 32, exploration: 0.51 }
    }
}

impl DoubleThompson {
    /// Checks the settings.
    ///
    /// # Errors
    /// [`OnlineError::Config`] if there is no pair, or `exploration` is negative or not finite.
    pub fn new(pairs: u32, exploration: f64) -> Result<Self, OnlineError> {
        if pairs == 0 {
            let (setting, required) = ("pairs", "at least 1");
            return Err(OnlineError::Config { setting, required, given: 0.0 });
        }
        Ok(Self { pairs, exploration: non_negative("exploration", exploration)? })
    }
}

impl Strategy for DoubleThompson {
    fn name(&self) -> &'static str {
        "double-thompson"
    }

    fn plan(&self, prompt: &PromptRound<'_>) -> Result<Plan, SolveError> {
        let solution = prompt.equilibrium()?;
        let reference = &prompt.reference.row;
        let logs = reference.log_probabilities();
        let arms = (0..reference.len()).filter(|&arm| logs[arm] > f64::NEG_INFINITY);
        let table = PairTable::new(prompt.menu, prompt.comparisons);
        let duel = Duel::new(arms.collect(), table, self.exploration);
        if duel.arms.len() < 2 {
            return Ok(Plan::of_equilibrium(solution, self.opening(reference)));
        }
        let mut rng = prompt.rng();
        let point = |arm: usize| {
            let masses: Vec<f64> = (0..reference.len()).map(|at| f64::from(at == arm)).collect();
            Distribution::from_masses(&masses).expect("one response has mass")
        };
        let asks = (0..self.pairs).map(|_| {
            let (first, second) = duel.draw(&mut rng);
            Pairing { first: point(first), second: point(second) }
        });
        let asks = asks.collect();
        Ok(Plan::of_equilibrium(solution, asks))
    }

    fn opening(&self, reference: &Distribution) -> Vec<Pairing> {
        vec![Pairing { first: uniform(reference), second: uniform(reference) }]
    }
}

/// What is known of the duels of one prompt.
struct Duel {
    /// Places in the menu, at least two.
    arms: Vec<usize>,
    table: PairTable,
    exploration: f64,
    /// C, of each arm in turn whether it may win most often.
    hopeful: Vec<bool>,
}

impl Duel {
    fn new(arms: Vec<usize>, table: PairTable, exploration: f64) -> Self {
        let mut duel = Self { arms, table, exploration, hopeful: Vec::new() };
        let wins_at_best =
            |&i: &usize| duel.arms.iter().filter(|&&j| i != j && duel.bounds(i, j).1 > 0.5).count();
        let hopes: Vec<usize> = duel.arms.iter().map(wins_at_best).collect();
        let most = hopes.iter().max().copied();
        duel.hopeful = hopes.iter().map(|hope| Some(*hope) == most).collect();
        duel
    }

    /// `(l_ij, u_ij)`.
    fn bounds(&self, i: usize, j: usize) -> (f64, f64) {
        let (wins, n) = (self.table.wins(i, j), self.table.weight(i, j));
        if n == 0.0 {
            return (0.0, 2.0);
        }
        let radius = (self.exploration * self.table.total().max(1.0).ln() / n).sqrt();
        (wins / n - radius, wins / n + radius)
    }

    fn sample(&self, i: usize, j: usize, rng: &mut dyn Rng) -> f64 {
        let (wins, losses) = (self.table.wins(i, j), self.table.wins(j, i));
        Beta::new(wins + 1.0, losses + 1.0).expect("counts are not negative").sample(rng)
    }

    /// One pair of different arms.
    fn draw(&self, rng: &mut dyn Rng) -> (usize, usize) {
        let k = self.arms.len();
        let mut won = vec![0_u32; k];
        for i in 0..k {
            // Duels among those who cannot be first decide nothing.
            for j in (i + 1..k).filter(|&j| self.hopeful[i] || self.hopeful[j]) {
                let beaten = self.sample(self.arms[i], self.arms[j], rng) > 0.5;
                won[if beaten { i } else { j }] += 1;
            }
        }
        let hopeful = || (0..k).filter(|&at| self.hopeful[at]);
        let top = hopeful().map(|at| won[at]).max();
        let tied: Vec<usize> = hopeful().filter(|&at| Some(won[at]) == top).collect();
        let n_tied = u32::try_from(tied.len()).expect("ids fit into 32 bits");
        let first = self.arms[tied[rng.random_range(0..n_tied) as usize]];

        let others = || self.arms.iter().copied().filter(|&arm| arm != first);
        let mut rivals: Vec<usize> =
            others().filter(|&arm| self.bounds(arm, first).0 <= 0.5).collect();
        if rivals.is_empty() {
            rivals = others().collect();
        }
        let sampled = rivals.iter().map(|&arm| (self.sample(arm, first, rng), arm));
        let (_, second) = sampled
            .max_by(|(theta, _), (other, _)| theta.total_cmp(other))
            .expect("there are two arms");
        (first, second)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nlhf_core::{Comparison, Label, Menu, PromptId, ResponseId, SeedTree, Stream};

    fn duel(labels: &[(u32, u32, u32)]) -> Duel {
        let ids: Vec<ResponseId> = (0..4).map(ResponseId::new).collect();
        let menu = Menu::new(PromptId::new(0), &ids).unwrap();
        let mut data = Vec::new();
        for &(winner, loser, times) in labels {
            let (a, b) = (ResponseId::new(winner), ResponseId::new(loser));
            data.extend((0..times).map(|_| Comparison::new(menu.prompt(), a, b, Label::WIN)));
        }
        Duel::new((0..4).collect(), PairTable::new(menu, &data), 0.51)
    }

    fn drawn(duel: &Duel, n: usize) -> Vec<(usize, usize)> {
        let mut rng = SeedTree::new(4).rng(Stream::Strategy, 0);
        (0..n).map(|_| duel.draw(&mut rng)).collect()
    }

    #[test]
    fn value_stability_of_draws() {
        let pairs = drawn(&duel(&[(0, 1, 3), (1, 2, 2), (2, 0, 1)]), 6);
        let wanted = [(3, 2), (0, 3), (0, 2), (3, 1), (3, 2), (0, 2)];
        assert_eq!(pairs, wanted, "recorded at version 0.1.0");
    }

    #[test]
    fn without_labels_all_pairs_are_alike() {
        let mut counts = [0_u32; 16];
        for (a, b) in drawn(&duel(&[]), 6000) {
            assert_ne!(a, b);
            counts[a * 4 + b] += 1;
        }
        // A twelfth of 6000; five standard deviations are 107.
        for (at, count) in counts.iter().enumerate().filter(|(at, _)| at % 5 != 0) {
            assert!(count.abs_diff(500) < 107, "{count} of pair {at}");
        }
    }

    #[test]
    fn the_first_is_the_condorcet_winner_and_the_second_its_strongest_rival() {
        // 3 beats all others, 0 by the least.
        let labels = [(3, 0, 130), (0, 3, 70), (3, 1, 180), (1, 3, 20), (3, 2, 190), (2, 3, 10)];
        let others = [(0, 1, 150), (1, 0, 50), (1, 2, 150), (2, 1, 50), (2, 0, 150), (0, 2, 50)];
        let pairs = drawn(&duel(&[&labels[..], &others].concat()), 200);
        let firsts = pairs.iter().filter(|(first, _)| *first == 3).count();
        let rivals = pairs.iter().filter(|pair| **pair == (3, 0)).count();
        assert!(firsts >= 198 && rivals >= 195, "{firsts} and {rivals} of 200");
    }

    #[test]
    fn while_all_may_still_be_first_posterior_samples_decide() {
        // Twice 0 won against each of the others, which is sure of nothing.
        let duel = duel(&[(0, 1, 2), (0, 2, 2), (0, 3, 2)]);
        assert_eq!(duel.hopeful, [true; 4]);
        let firsts = drawn(&duel, 1000).iter().filter(|(first, _)| *first == 0).count();
        // θ > ½ has probability 7/8 in each duel of 0, all three 0.67; another is first only if 0 loses one.
        assert!((670..990).contains(&firsts), "{firsts} of 1000");
    }

    #[test]
    fn whoever_is_confidently_better_is_no_rival() {
        // 0 to 2 go in a circle; 3 loses to 0 and 1 and beats 2: 0 and 1 win two duels of three, 2 and 3 one.
        let duel = duel(&[(0, 1, 99), (1, 2, 99), (2, 0, 99), (0, 3, 99), (1, 3, 99), (3, 2, 99)]);
        assert_eq!(duel.hopeful, [true, true, false, false]);
        for (first, second) in drawn(&duel, 300) {
            assert!(first < 2, "{first} wins two duels of three");
            // 2 beats 0 and 0 beats 1 for sure.
            assert_ne!((first, second), (0, 2));
            assert_ne!((first, second), (1, 0));
        }
        assert!(DoubleThompson::new(0, 0.6).is_err());
        assert!(DoubleThompson::new(3, f64::NAN).is_err());
    }
}
