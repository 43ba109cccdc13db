//! Coverage of a finite class.
//!
//! ```text
//! C(π) = max over members i, j of max(Σ_x d₀ max_b u_x(b), −Σ_x d₀ min_b u_x(b))² / E_D (R_i − R_j)²
//! u_x(b) = r_i(x, b) − r_j(x, b),   r_i(x, b) = Σ_a π(a) R_i(x, a, b)
//! ```
//! Where two members agree on all data and not on what decides, C is infinite. A label on a pair adds the square of
//! their difference there to the distance of every two members.

use super::{
    Carrier, Coverage, Found, Play, PromptCoverage, heaviest, largest, probabilities, shares,
};
use crate::PairCounts;
use nlhf_core::PreferenceModel;
use rayon::prelude::*;

/// The coverage of policies by counted pairs, for a truth that is one of `members`.
///
/// [`Coverage::labels_to_halve`] go to the played pair where the two members that are least told apart differ most, and so on
/// until all are far enough apart. Memory is `O(N² + N · (pairs + candidates))`.
///
/// # Panics
/// If a policy does not have one entry a response of its menu.
pub fn finite_coverage<M: PreferenceModel>(
    members: &[M],
    counts: &PairCounts,
    plays: &[Play<'_>],
) -> Coverage {
    let shares = shares(plays);
    let class = Class::new(members, counts, plays, &shares);
    let total = counts.total_weight();
    let mut found = Found::default();
    let known: Vec<(PromptCoverage, Option<Carrier>)> =
        (0..plays.len()).into_par_iter().map(|at| class.prompt(at, total)).collect();
    for (prompt, missing) in known {
        found.prompts.push(prompt);
        found.missing.extend(missing);
    }
    found.missing = heaviest(found.missing, |carrier| carrier.share);
    let covered = |at: &usize| shares[*at] > 0.0 && found.prompts[*at].coefficient.is_finite();
    let covered: Vec<usize> = (0..plays.len()).filter(covered).collect();
    let apart = class.apart(&covered);
    let (worst, square) = largest(apart.iter().map(Apart::square));
    if square > 0.0 {
        found.lower = total * square;
        found.upper = found.lower;
        found.carriers = class.carriers(&apart[worst], found.lower, &covered);
        let labels = class.separate(apart, 0.25 * square, &covered, |_, _| ());
        found.labels = labels.min(3.0 * total);
    }
    found.coverage(total, &shares)
}

/// Members, data and prompts.
pub(super) struct Class<'a, M> {
    members: &'a [M],
    plays: &'a [Play<'a>],
    shares: &'a [f64],
    policies: Vec<Vec<f64>>,
    /// `r_i(x, b)` of each member, prompt by prompt.
    means: Vec<Vec<f64>>,
    /// Where a prompt begins there.
    starts: Vec<usize>,
    /// `Σ_D w (R_i − R_j)²` for j < i, row by row.
    distances: Vec<f64>,
    /// Differences up to here are taken for rounding.
    rounding: f64,
}

/// Two members and how far they are apart where they are to be told from one another.
#[derive(Debug, Clone, Copy)]
pub(super) struct Apart {
    members: (usize, usize),
    /// `Σ_D w (R_i − R_j)²`, positive.
    distance: f64,
    /// `Σ d₀ max_b u_x(b)` and `−Σ d₀ min_b u_x(b)`.
    up: f64,
    down: f64,
}

impl Apart {
    /// The mean difference against the worst competitors, ≥ 0.
    fn mean(&self) -> f64 {
        self.up.max(self.down).max(0.0)
    }

    /// C/|D| of these two.
    pub(super) fn square(&self) -> f64 {
        self.mean().powi(2) / self.distance
    }
}

/// What rounding may add to a difference, relative to the largest log-odds of the class.
const ROUNDING: f64 = 256.0 * f64::EPSILON;

/// Additional labels are planned one pair at a time, so many times at most.
const STEPS: usize = 1000;

/// `x − y`, zero where it is no more than rounding.
fn apart(x: f64, y: f64, rounding: f64) -> f64 {
    if (x - y).abs() <= rounding { 0.0 } else { x - y }
}

impl<'a, M: PreferenceModel> Class<'a, M> {
    pub(super) fn new(
        members: &'a [M],
        counts: &PairCounts,
        plays: &'a [Play<'a>],
        shares: &'a [f64],
    ) -> Self {
        let policies: Vec<Vec<f64>> = plays.iter().map(probabilities).collect();
        let odds = |member: &M| -> Vec<f64> {
            let pairs = counts.pairs().iter();
            pairs.map(|pair| member.log_odds(pair.prompt, pair.low, pair.high)).collect()
        };
        let odds: Vec<Vec<f64>> = members.par_iter().map(odds).collect();
        let means = |member: &M| -> Vec<f64> {
            let prompts = plays.iter().zip(&policies);
            let of = |(play, policy): (&Play<'_>, &Vec<f64>)| {
                let (prompt, responses) = (play.menu.prompt(), play.menu.responses());
                let against = |b: usize| -> f64 {
                    let played = policy.iter().zip(responses);
                    played.map(|(p, a)| p * member.log_odds(prompt, *a, responses[b])).sum()
                };
                (0..responses.len()).map(against).collect::<Vec<f64>>()
            };
            prompts.flat_map(of).collect()
        };
        let means: Vec<Vec<f64>> = members.par_iter().map(means).collect();
        let size =
            |table: &[Vec<f64>]| table.iter().flatten().fold(0.0, |m: f64, x| m.max(x.abs()));
        let rounding = ROUNDING * size(&odds).max(size(&means));
        let distances = (0..members.len()).into_par_iter().map(|i| {
            let distance = |j: usize| -> f64 {
                let rows = counts.pairs().iter().zip(odds[i].iter().zip(&odds[j]));
                rows.map(|(pair, (x, y))| pair.weight * apart(*x, *y, rounding).powi(2)).sum()
            };
            (0..i).map(distance).collect::<Vec<f64>>()
        });
        let distances = distances.collect::<Vec<_>>().concat();
        let starts = plays.iter().scan(0, |next, play| {
            *next += play.menu.len();
            Some(*next - play.menu.len())
        });
        let starts = starts.collect();
        Self { members, plays, shares, policies, means, starts, distances, rounding }
    }

    /// Members i > j and their distance on the data.
    fn pairs(&self) -> impl Iterator<Item = ((usize, usize), f64)> {
        let pairs = (0..self.members.len()).flat_map(|i| (0..i).map(move |j| (i, j)));
        pairs.zip(self.distances.iter().copied())
    }

    /// The largest and the lowest `u_x(b)` with their places.
    fn extremes(&self, (i, j): (usize, usize), at: usize) -> [(usize, f64); 2] {
        let here = self.starts[at]..self.starts[at] + self.policies[at].len();
        let rows = self.means[i][here.clone()].iter().zip(&self.means[j][here]);
        let (mut high, mut low) = ((0, f64::NEG_INFINITY), (0, f64::INFINITY));
        for (b, (x, y)) in rows.enumerate() {
            let u = apart(*x, *y, self.rounding);
            if u > high.1 {
                high = (b, u);
            }
            if u < low.1 {
                low = (b, u);
            }
        }
        [high, low]
    }

    /// The coverage of a prompt, and where it is infinite and counts a pair that would tell.
    fn prompt(&self, at: usize, total: f64) -> (PromptCoverage, Option<Carrier>) {
        let responses = self.plays[at].menu.responses();
        let mut known = PromptCoverage { coefficient: 0.0, competitor: responses[0] };
        let mut untold: Option<((usize, usize), usize, f64)> = None;
        for (members, distance) in self.pairs() {
            let [high, low] = self.extremes(members, at);
            let (b, u) = if high.1 >= -low.1 { high } else { (low.0, -low.1) };
            if u > 0.0 && distance == 0.0 {
                if untold.is_none_or(|(_, _, most)| u > most) {
                    untold = Some((members, b, u));
                }
            } else if u > 0.0 && total * u * u / distance > known.coefficient {
                let coefficient = total * u * u / distance;
                known = PromptCoverage { coefficient, competitor: responses[b] };
            }
        }
        let Some((members, b, _)) = untold else { return (known, None) };
        let known = PromptCoverage { coefficient: f64::INFINITY, competitor: responses[b] };
        let p = &self.policies[at];
        let (a, _) = largest((0..p.len()).map(|a| p[a] * self.difference(members, at, a, b).abs()));
        let named = self.carrier(at, a, b, self.shares[at] * p[a]);
        (known, (named.share > 0.0).then_some(named))
    }

    /// `R_i − R_j` of a pair.
    fn difference(&self, (i, j): (usize, usize), at: usize, a: usize, b: usize) -> f64 {
        let (prompt, responses) = (self.plays[at].menu.prompt(), self.plays[at].menu.responses());
        let odds = |k: usize| self.members[k].log_odds(prompt, responses[a], responses[b]);
        apart(odds(i), odds(j), self.rounding)
    }

    fn carrier(&self, at: usize, a: usize, b: usize, share: f64) -> Carrier {
        let (prompt, responses) = (self.plays[at].menu.prompt(), self.plays[at].menu.responses());
        Carrier { prompt, first: responses[a], second: responses[b], share }
    }

    /// All members that data tell apart, on the prompts that are covered.
    pub(super) fn apart(&self, covered: &[usize]) -> Vec<Apart> {
        let pairs: Vec<_> = self.pairs().filter(|(_, distance)| *distance > 0.0).collect();
        let of = |(members, distance): ((usize, usize), f64)| {
            let (mut up, mut down) = (0.0, 0.0);
            for &at in covered {
                let [high, low] = self.extremes(members, at);
                up += self.shares[at] * high.1;
                down -= self.shares[at] * low.1;
            }
            Apart { members, distance, up, down }
        };
        pairs.into_par_iter().map(of).collect()
    }

    /// The pairs that make the mean difference of two members, in units of C.
    fn carriers(&self, worst: &Apart, coefficient: f64, covered: &[usize]) -> Vec<Carrier> {
        let mut carriers = Vec::new();
        for &at in covered {
            let [high, low] = self.extremes(worst.members, at);
            let (b, sign) = if worst.up >= worst.down { (high.0, 1.0) } else { (low.0, -1.0) };
            for (a, p) in self.policies[at].iter().enumerate() {
                let mean = sign * self.shares[at] * p * self.difference(worst.members, at, a, b);
                if mean > 0.0 {
                    carriers.push(self.carrier(at, a, b, coefficient * mean / worst.mean()));
                }
            }
        }
        heaviest(carriers, |carrier| carrier.share)
    }

    /// Gives `more(prompt, a, b, labels)` until C/|D| of no two members is above a target, and their sum; +∞ if it does not
    /// come to an end.
    pub(super) fn separate(
        &self,
        mut all: Vec<Apart>,
        target: f64,
        covered: &[usize],
        mut more: impl FnMut((usize, usize, usize), f64),
    ) -> f64 {
        let played = |at: usize| {
            let p = &self.policies[at];
            let ends = (0..p.len()).flat_map(move |b| (0..p.len()).map(move |a| (a, b)));
            ends.filter(move |(a, b)| a != b && p[*a] > 0.0).map(move |(a, b)| (at, a, b))
        };
        let places: Vec<_> = covered.iter().flat_map(|at| played(*at)).collect();
        let mut labels = 0.0;
        for _ in 0..STEPS {
            let (worst, square) = largest(all.iter().map(Apart::square));
            if square <= target {
                return labels;
            }
            let two = all[worst];
            let squares =
                places.iter().map(|&(at, a, b)| self.difference(two.members, at, a, b).powi(2));
            let (place, square) = largest(squares);
            let (at, a, b) = places[place];
            // A little more, so that rounding does not bring it up again.
            let n = (1.0 + 1e-12) * (two.mean().powi(2) / target - two.distance) / square;
            labels += n;
            more(places[place], n);
            for apart in &mut all {
                apart.distance += n * self.difference(apart.members, at, a, b).powi(2);
            }
        }
        f64::INFINITY
    }
}
