//! Which judgements belong together, and resampled copies of a data set.
//!
//! ```text
//! a vote          counts Poisson(w) times; a soft label is w y votes for one and w (1 − y) for the other
//! a cluster       counts Poisson(1) times as a whole
//! ```
//! Resampling with replacement is Poisson resampling but for the total, and needs no pass over the rows for each draw
//! (Hanley and `MacGibbon`, 2006). Rows of one prompt or annotator are not independent of each other; whoever takes
//! them for it is too sure.

use nlhf_core::{AnnotatorId, Comparison, Label, PromptId, ResponseId, Weight};
use rand::Rng;
use rand_distr::{Distribution, Poisson};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What is independent of what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cluster {
    /// Every judgement by itself, a comparison of weight w being w of them.
    Comparison,
    /// The judgements on a prompt as a whole.
    Prompt,
    /// The judgements of an annotator as a whole; a comparison without one is by itself.
    Annotator,
}

/// The clusters of comparisons, numbered by prompts or annotators, then by rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Prompt(PromptId),
    Annotator(AnnotatorId),
    Row(usize),
}

impl Cluster {
    /// The number of each comparison's cluster, from zero, and how many there are.
    pub(crate) fn numbers(self, data: &[Comparison]) -> (Vec<usize>, usize) {
        let key = |(row, c): (usize, &Comparison)| match self {
            Self::Comparison => Key::Row(row),
            Self::Prompt => Key::Prompt(c.prompt),
            Self::Annotator => c.annotator.map_or(Key::Row(row), Key::Annotator),
        };
        let keys: Vec<Key> = data.iter().enumerate().map(key).collect();
        let mut numbers: BTreeMap<Key, usize> = keys.iter().map(|key| (*key, 0)).collect();
        for (at, number) in numbers.values_mut().enumerate() {
            *number = at;
        }
        (keys.iter().map(|key| numbers[key]).collect(), numbers.len())
    }
}

/// Judgements that are drawn together: of one cluster, pair and order, seen from the lower id.
#[derive(Debug, Clone, Copy, Default)]
struct Votes {
    wins: f64,
    losses: f64,
    ties: f64,
}

/// The cluster if it is drawn as a whole, the prompt, and both responses.
type VotesKey = (Option<Key>, PromptId, ResponseId, ResponseId);

/// Comparisons counted in a way that does not depend on how they are written, to draw resamples from.
#[derive(Debug)]
pub(crate) struct Resampler {
    /// Where the lower id was shown first, and where the higher was.
    votes: BTreeMap<VotesKey, [Votes; 2]>,
}

impl Resampler {
    pub(crate) fn new(data: &[Comparison], cluster: Cluster) -> Self {
        let mut votes: BTreeMap<VotesKey, [Votes; 2]> = BTreeMap::new();
        for c in data.iter().filter(|c| c.first != c.second && c.weight.get() > 0.0) {
            let whole = match cluster {
                Cluster::Comparison => None,
                Cluster::Prompt => Some(Key::Prompt(c.prompt)),
                Cluster::Annotator => c.annotator.map(Key::Annotator),
            };
            let low_first = c.first < c.second;
            let low = if low_first { *c } else { c.swapped() };
            let own = votes.entry((whole, c.prompt, low.first, low.second)).or_default();
            let own = &mut own[usize::from(!low_first)];
            let (w, y) = (c.weight.get(), low.label.get());
            if c.label == Label::TIE {
                own.ties += w;
            } else {
                own.wins += w * y;
                own.losses += w * (1.0 - y);
            }
        }
        Self { votes }
    }

    /// A data set of about the same size, drawn from this one.
    pub(crate) fn draw(&self, rng: &mut impl Rng) -> Vec<Comparison> {
        let mut drawn = Vec::with_capacity(self.votes.len());
        let mut current = (None, 1.0);
        for (&(whole, prompt, low, high), both) in &self.votes {
            if whole != current.0 {
                current = (whole, times(1.0, rng));
            }
            let mut sides = [(low, high, both[0]), (high, low, both[1])];
            // In an order that turns with the comparisons: if all are swapped, so is what is drawn.
            let size = |votes: &Votes| (votes.wins, votes.losses, votes.ties);
            sides.sort_by(|x, y| size(&x.2).partial_cmp(&size(&y.2)).expect("finite counts"));
            for (first, second, votes) in sides {
                let mut count = |mean: f64| match whole {
                    Some(_) => current.1 * mean,
                    None => times(mean, rng),
                };
                let (won, lost) = if first == low {
                    (Label::WIN, Label::LOSS)
                } else {
                    (Label::LOSS, Label::WIN)
                };
                for (mean, label) in
                    [(votes.wins, won), (votes.losses, lost), (votes.ties, Label::TIE)]
                {
                    let weight = count(mean);
                    if weight > 0.0 {
                        let weight = Weight::new(weight).expect("finite and not negative");
                        let compared = Comparison::new(prompt, first, second, label);
                        drawn.push(Comparison { weight, ..compared });
                    }
                }
            }
        }
        drawn
    }
}

/// A Poisson count; no vote is never drawn.
fn times(mean: f64, rng: &mut impl Rng) -> f64 {
    Poisson::new(mean).map_or(0.0, |poisson| poisson.sample(rng))
}

#[cfg(test)]
mod tests {
    use super::*;
    use nlhf_core::{SeedTree, Stream};

    fn data() -> Vec<Comparison> {
        let compare = |k: u32| Comparison {
            annotator: (!k.is_multiple_of(3)).then(|| AnnotatorId::new(k % 3)),
            weight: Weight::new(f64::from(1 + k % 2)).unwrap(),
            ..Comparison::new(
                PromptId::new(k % 4),
                ResponseId::new(0),
                ResponseId::new(1),
                Label::new([1.0, 0.25, 0.5][k as usize % 3]).unwrap(),
            )
        };
        (0..12).map(compare).collect()
    }

    #[test]
    fn clusters_are_told_apart() {
        let data = data();
        assert_eq!(Cluster::Comparison.numbers(&data).1, 12);
        assert_eq!(Cluster::Prompt.numbers(&data).1, 4);
        // Two annotators, and four rows without one.
        let (numbers, n) = Cluster::Annotator.numbers(&data);
        assert_eq!(n, 6);
        assert_eq!(numbers[1], numbers[4]);
        assert_ne!(numbers[0], numbers[3]);
    }

    #[test]
    fn on_average_a_resample_is_the_data() {
        let data = data();
        let totals = |data: &[Comparison]| {
            let weight: f64 = data.iter().map(|c| c.weight.get()).sum();
            let wins: f64 = data.iter().map(|c| c.weight.get() * c.label.get()).sum();
            (weight, wins)
        };
        let (weight, wins) = totals(&data);
        let mut rng = SeedTree::new(3).rng(Stream::Bootstrap, 0);
        for cluster in [Cluster::Comparison, Cluster::Prompt, Cluster::Annotator] {
            let resampler = Resampler::new(&data, cluster);
            let (mut weights, mut all_wins) = (0.0, 0.0);
            for _ in 0..4000 {
                let (weight, wins) = totals(&resampler.draw(&mut rng));
                (weights, all_wins) = (weights + weight / 4000.0, all_wins + wins / 4000.0);
            }
            assert!((weights / weight - 1.0).abs() < 0.04, "{cluster:?}: {weights} of {weight}");
            assert!((all_wins / wins - 1.0).abs() < 0.04, "{cluster:?}: {all_wins} of {wins}");
        }
    }
}
