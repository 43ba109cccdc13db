//! Greedy and pessimistic learning where only the comparisons of π* are covered.
//!
//! One safe response, a few gambles and their counter. The safe one is judged often against all, gambles and counter
//! hardly ever against each other: some gamble wins its only comparison, and greedy plays it.

mod written;

use crate::learn::{Form, Learned, learn, plays};
use nlhf::core::{
    Comparison, Confidence, ConfidenceWidth, Distribution, Eta, FitPreference, Menus,
    PreferenceModel, Scale, SeedTree, Stream,
};
use nlhf::preference::{
    BootstrapFit, Cluster, FiniteClassFit, PairCounts, TabularFit, tabular_coverage,
};
use nlhf_benches::figure::draw;
use nlhf_benches::report::{Effort, Section};
use nlhf_benches::world::{Rules, Truth, judge, menus, pairs};
use rayon::prelude::*;
use written::{Runs, introduce};

const N_GAMBLES: usize = 3;
const N: usize = N_GAMBLES + 2;
const COUNTER: usize = N - 1;
/// By what a gamble loses to the counter.
const LOSS: f64 = 0.25;
const FAILURE: f64 = 0.05;
const REPLICATES: u32 = 30;
/// A loss that counts as a failure.
const FAILED: f64 = 0.1;

/// How instances change with the number of comparisons.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    /// One label on each pair of gambles and counter, η and 1/margin growing like √n.
    Falling,
    /// η = 100, and a thousandth of the labels on each of those pairs.
    Fixed,
}

impl Family {
    const ALL: [Self; 2] = [Self::Falling, Self::Fixed];

    fn name(self) -> &'static str {
        match self {
            Self::Falling => "A: η = 10√n",
            Self::Fixed => "B: η = 100",
        }
    }

    fn eta(self, n: u64) -> f64 {
        match self {
            Self::Falling => 10.0 * (n as f64).sqrt(),
            Self::Fixed => 100.0,
        }
    }

    /// By what the counter loses to the safe response.
    fn margin(self, n: u64) -> f64 {
        match self {
            Self::Falling => 1.5 / (n as f64).sqrt(),
            Self::Fixed => 0.02,
        }
    }

    /// Labels on each pair without the safe response.
    fn hard(self, n: u64) -> u64 {
        match self {
            Self::Falling => 1,
            Self::Fixed => (n / 1000).max(1),
        }
    }

    fn truth(self, n: u64) -> Truth {
        Truth::from_probabilities(N, |a, b| match (a, b) {
            (0, COUNTER) => 0.5 + self.margin(n),
            (0, _) => 0.5,
            (_, COUNTER) => 0.5 - LOSS,
            _ => 0.5,
        })
    }

    /// All preferences that agree with the truth on the safe response, gambles against the counter at odds of 3 to 1 one
    /// way or the other, and gambles against each other so or even.
    fn class(self, n: u64) -> Vec<Truth> {
        let hard: Vec<(usize, usize)> = pairs(N).filter(|(a, _)| *a > 0).collect();
        let choices = |pair: &(usize, usize)| match pair.1 {
            COUNTER => vec![0.5 - LOSS, 0.5 + LOSS],
            _ => vec![0.5 - LOSS, 0.5, 0.5 + LOSS],
        };
        let mut all = vec![Vec::new()];
        for pair in &hard {
            let longer = |known: &Vec<f64>| {
                choices(pair).into_iter().map(|p| [&known[..], &[p]].concat()).collect::<Vec<_>>()
            };
            all = all.iter().flat_map(longer).collect();
        }
        let member = |values: &Vec<f64>| {
            Truth::from_probabilities(N, |a, b| {
                match hard.iter().position(|pair| *pair == (a, b)) {
                    Some(at) => values[at],
                    None if b == COUNTER => 0.5 + self.margin(n),
                    None => 0.5,
                }
            })
        };
        all.iter().map(member).collect()
    }

    fn data(self, truth: &Truth, menus: &Menus, n: u64, seed: u64) -> Vec<Comparison> {
        let mut rng = SeedTree::new(seed).rng(Stream::Oracle, 0);
        let n_safe = (N - 1) as u64;
        let n_hard = (N * (N - 1) / 2) as u64 - n_safe;
        let hard = self.hard(n);
        let easy = (n - n_hard * hard) / n_safe;
        let count = |(a, _): (usize, usize)| if a == 0 { easy } else { hard };
        let judged = |pair| judge(truth, menus.get(0), pair, count(pair), &mut rng);
        pairs(N).flat_map(judged).collect()
    }
}

/// A fit in a form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Method {
    TableGreedy,
    TableBonus,
    TableBootstrap,
    ClassGreedy,
    ClassVersionSpace,
}

impl Method {
    const ALL: [Self; 5] = [
        Self::TableGreedy,
        Self::TableBonus,
        Self::TableBootstrap,
        Self::ClassGreedy,
        Self::ClassVersionSpace,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::TableGreedy => "table, greedy",
            Self::TableBonus => "table, bonus",
            Self::TableBootstrap => "table, bootstrap ensemble",
            Self::ClassGreedy => "class, greedy",
            Self::ClassVersionSpace => "class, version space",
        }
    }
}

/// One data set.
#[derive(Debug, Clone)]
struct Measured {
    family: Family,
    at: usize,
    /// By method, in their order.
    lost: Vec<f64>,
    star_coverage: f64,
    greedy_coverage: f64,
    /// `ηu²(1 + η²/8)` of the greedy policy of the table.
    greedy_bound: f64,
}

struct Settings {
    sizes: Vec<u64>,
    n_seeds: u64,
}

pub(crate) fn run(effort: Effort) -> anyhow::Result<Section> {
    let settings = Settings {
        sizes: effort
            .pick(vec![100, 316, 1000, 3162, 10_000, 100_000, 1_000_000], vec![100, 10_000]),
        n_seeds: effort.pick(200, 4),
    };
    let mut runs = Vec::new();
    for family in Family::ALL {
        for (at, n) in settings.sizes.iter().enumerate() {
            let measured: anyhow::Result<Vec<Measured>> =
                (0..settings.n_seeds).into_par_iter().map(|s| measure(family, at, *n, s)).collect();
            runs.extend(measured?);
        }
    }
    let runs = Runs { sizes: settings.sizes.clone(), found: runs };
    let mut section = Section::new("Unilateral coverage: greedy and pessimism");
    introduce(&mut section, &settings);
    section.table(&runs.table());
    section.figure("unilateral", "Mean sub-optimality and coverage", draw(&runs.panels())?);
    runs.conclude(&mut section);
    Ok(section)
}

fn measure(family: Family, at: usize, n: u64, seed: u64) -> anyhow::Result<Measured> {
    let (menus, truth) = (menus(1, N), family.truth(n));
    let rules = rules(family, n)?;
    let star = rules.equilibria(&truth, &menus);
    let data = family.data(&truth, &menus, n, seed);
    let confidence = Confidence::new(1.0 - FAILURE)?;
    let tabular = TabularFit::for_menus(&menus, confidence);
    let seeds = SeedTree::new(seed);
    let bootstrap = BootstrapFit::new(tabular, REPLICATES, Cluster::Comparison, confidence, seeds)?;
    let class = FiniteClassFit::new(family.class(n), confidence)?;
    let greedy = learn(&tabular, Form::Greedy, &rules, &data, &menus)?;
    let case = Case { rules: &rules, data: &data, menus: &menus, truth: &truth };
    let lost = vec![
        rules.suboptimality(&truth, &menus, &greedy.policies),
        case.lost(&tabular, Form::Bonus)?,
        case.lost(&bootstrap, Form::VersionSpace)?,
        case.lost(&class, Form::Greedy)?,
        case.lost(&class, Form::VersionSpace)?,
    ];
    let counts = PairCounts::new(&data);
    let coverage = |policies: &[Distribution]| tabular_coverage(&counts, &plays(&menus, policies));
    let u = unilateral_error(&truth, &greedy, &menus, &star[0]);
    let eta = rules.eta.get();
    Ok(Measured {
        family,
        at,
        lost,
        star_coverage: coverage(&star).upper,
        greedy_coverage: coverage(&greedy.policies).upper,
        greedy_bound: eta * u * u * (1.0 + eta * eta / 8.0),
    })
}

/// The reference prefers the gambles.
fn rules(family: Family, n: u64) -> anyhow::Result<Rules> {
    let mut masses = vec![0.8 / N_GAMBLES as f64; N];
    (masses[0], masses[COUNTER]) = (0.1, 0.1);
    let reference = Distribution::from_masses(&masses)?;
    Ok(Rules { eta: Eta::new(family.eta(n))?, scale: Scale::Probability, reference })
}

struct Case<'a> {
    rules: &'a Rules,
    data: &'a [Comparison],
    menus: &'a Menus,
    truth: &'a Truth,
}

impl Case<'_> {
    fn lost<F>(&self, fit: &F, form: Form) -> anyhow::Result<f64>
    where
        F: FitPreference,
        F::Model: ConfidenceWidth,
    {
        let learned = learn(fit, form, self.rules, self.data, self.menus)?;
        Ok(self.rules.suboptimality(self.truth, self.menus, &learned.policies))
    }
}

/// `u = ‖(R* − R̂)'π*‖∞`: how far off the comparisons of π* are.
fn unilateral_error<M: PreferenceModel>(
    truth: &Truth,
    greedy: &Learned<M>,
    menus: &Menus,
    star: &Distribution,
) -> f64 {
    let menu = menus.get(0);
    let (own, other) =
        (truth.game(menu, Scale::Probability), greedy.model.game(menu, Scale::Probability));
    let p = star.probabilities();
    let column = |b: usize| {
        let term = |(a, p): (usize, &f64)| p * (own.get(a, b) - other.get(a, b));
        p.iter().enumerate().map(term).sum::<f64>().abs()
    };
    (0..N).map(column).fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_directions_of_kl_are_eta_times_the_unilateral_error() {
        for (seed, family) in [(1, Family::Falling), (2, Family::Fixed), (3, Family::Falling)] {
            let n = 400;
            let (menus, truth) = (menus(1, N), family.truth(n));
            let rules = rules(family, n).unwrap();
            let star = &rules.equilibria(&truth, &menus)[0];
            let data = family.data(&truth, &menus, n, seed);
            let fit = TabularFit::for_menus(&menus, Confidence::new(0.95).unwrap());
            let greedy = learn(&fit, Form::Greedy, &rules, &data, &menus).unwrap();
            let found = &greedy.policies[0];
            let menu = menus.get(0);
            let own = truth.game(menu, Scale::Probability);
            let other = greedy.model.game(menu, Scale::Probability);
            let (p, q) = (star.probabilities(), found.probabilities());
            let places = (0..N).flat_map(|a| (0..N).map(move |b| (a, b)));
            let error: f64 =
                places.map(|(a, b)| p[a] * q[b] * (own.get(a, b) - other.get(a, b))).sum();
            let both = star.kl_nats(found) + found.kl_nats(star);
            assert!((both - rules.eta.get() * error).abs() < 1e-6 * both, "{both} {error}");
            let u = unilateral_error(&truth, &greedy, &menus, star);
            assert!(both <= (rules.eta.get() * u).powi(2));
        }
    }

    #[test]
    fn a_small_run_fills_its_table() {
        let section = run(Effort::Quick).unwrap();
        assert_eq!(section.text.matches("| A: η = 10√n |").count(), 2);
        assert_eq!(section.text.matches("| B: η = 100 |").count(), 2);
        assert!(section.text.contains("violated in 0 of 16 runs"), "{}", section.text);
    }
}
