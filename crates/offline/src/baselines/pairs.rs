//! The comparisons of each menu, by the places of its candidates, and which candidates they connect.

use nlhf_core::log_space::{log_sum_exp, normalize};
use nlhf_core::{Comparison, Distribution, Menu, Menus, ResponseId};
use nlhf_preference::{PairCount, PairCounts};

/// One compared pair of a menu.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Pair {
    /// The place of one candidate in the menu.
    pub(super) first: usize,
    /// The place of the other.
    pub(super) second: usize,
    /// The weight of their comparisons, positive.
    pub(super) weight: f64,
    /// The share of it that preferred the first, in [0, 1].
    pub(super) share: f64,
}

/// All compared pairs of one menu.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct PromptPairs {
    /// Each pair once.
    pub(super) pairs: Vec<Pair>,
    /// Of each candidate, the lowest place in its component: of what a chain of comparisons connects with it.
    pub(super) component: Vec<usize>,
}

impl PromptPairs {
    /// The pairs of every menu, in the order of the menus.
    pub(super) fn of_menus(comparisons: &[Comparison], menus: &Menus) -> Vec<Self> {
        let counts = PairCounts::new(comparisons);
        let all = counts.pairs();
        let of_menu = |menu: Menu<'_>| {
            let start = all.partition_point(|pair| pair.prompt < menu.prompt());
            let end = start + all[start..].partition_point(|pair| pair.prompt == menu.prompt());
            Self::of_menu(&all[start..end], menu.responses())
        };
        menus.iter().map(of_menu).collect()
    }

    fn of_menu(counted: &[PairCount], responses: &[ResponseId]) -> Self {
        let mut places: Vec<(ResponseId, usize)> =
            responses.iter().enumerate().map(|(place, response)| (*response, place)).collect();
        places.sort_unstable();
        let place = |response: ResponseId| {
            let at = places.binary_search_by_key(&response, |(response, _)| *response).ok();
            at.map(|at| places[at].1)
        };
        let pair = |count: &PairCount| {
            let (first, second) = (place(count.low)?, place(count.high)?);
            let share = count.wins / count.weight;
            Some(Pair { first, second, weight: count.weight, share })
        };
        let pairs: Vec<Pair> = counted.iter().filter_map(pair).collect();
        let component = components(responses.len(), &pairs);
        Self { pairs, component }
    }

    /// `π₀ exp(tilt)` within each component, and every component with the mass that the reference gives it.
    ///
    /// # Panics
    /// If a tilt is not finite.
    pub(super) fn tilted(&self, reference: &Distribution, tilt: &[f64]) -> Distribution {
        let logs = reference.log_probabilities();
        let mut tilted: Vec<f64> =
            logs.iter().zip(tilt).map(|(log_p, tilt)| log_p + tilt).collect();
        for root in 0..tilted.len() {
            let members: Vec<usize> =
                (root..tilted.len()).filter(|&k| self.component[k] == root).collect();
            let kept: Vec<f64> = members.iter().map(|&k| logs[k]).collect();
            let kept = log_sum_exp(&kept);
            let mut own: Vec<f64> = members.iter().map(|&k| tilted[k]).collect();
            // What the reference never plays stays at −∞.
            normalize(&mut own);
            for (&k, log_p) in members.iter().zip(own) {
                tilted[k] = log_p + kept;
            }
        }
        Distribution::from_logits(tilted).expect("a reference with finite tilts")
    }
}

/// Of each of `n` candidates, the lowest that is connected with it.
fn components(n: usize, pairs: &[Pair]) -> Vec<usize> {
    let mut component: Vec<usize> = (0..n).collect();
    for pair in pairs {
        let (a, b) = (component[pair.first], component[pair.second]);
        let (low, high) = (a.min(b), a.max(b));
        for own in component.iter_mut().filter(|own| **own == high) {
            *own = low;
        }
    }
    component
}

#[cfg(test)]
mod tests {
    use super::*;
    use nlhf_core::{Label, PromptId};

    #[test]
    fn pairs_are_counted_in_places_and_strangers_left_out() {
        let id = ResponseId::new;
        let (x, y) = (PromptId::new(3), PromptId::new(1));
        let mut menus = Menus::new();
        menus.push(x, &[id(9), id(2), id(5), id(7)]).unwrap();
        menus.push(y, &[id(0)]).unwrap();
        let data = [
            Comparison::new(x, id(9), id(5), Label::WIN),
            Comparison::new(x, id(5), id(9), Label::TIE),
            Comparison::new(x, id(5), id(8), Label::WIN),
            Comparison::new(y, id(2), id(7), Label::WIN),
        ];
        let found = PromptPairs::of_menus(&data, &menus);
        // Seen from the lower id, which is in place 2: half a win of two.
        let pair = Pair { first: 2, second: 0, weight: 2.0, share: 0.25 };
        assert_eq!(found[0].pairs, [pair]);
        assert_eq!(found[0].component, [0, 1, 0, 3]);
        assert_eq!(found[1], PromptPairs { pairs: vec![], component: vec![0] });
    }

    #[test]
    fn components_keep_their_mass() {
        let pair = |first, second| Pair { first, second, weight: 1.0, share: 0.5 };
        let pairs = vec![pair(3, 1), pair(1, 4), pair(0, 2)];
        let component = components(6, &pairs);
        assert_eq!(component, [0, 1, 0, 1, 1, 5]);
        let pairs = PromptPairs { pairs, component };
        let reference = Distribution::from_masses(&[1.0, 2.0, 3.0, 4.0, 0.0, 5.0]).unwrap();
        let tilt = [1e6, 0.0, -1e6, 2f64.ln(), 50.0, 3.0];
        let p = pairs.tilted(&reference, &tilt).probabilities();
        let expected = [4.0, 6.0 / 5.0, 0.0, 24.0 / 5.0, 0.0, 5.0].map(|mass| mass / 15.0);
        for (p, expected) in p.iter().zip(expected) {
            assert!((p - expected).abs() < 1e-15, "{p} and {expected}");
        }
    }
}
