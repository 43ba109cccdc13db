//! Two truths that no data of this kind tell apart: what every method loses on one of them at least.
//!
//! ```text
//! max_R E sub_R(π̂) ≥ max_R sub_R(E π̂) ≥ c = min_p max_R sub_R(p) = −max_p min_R min_q J_R(p, q)
//! ```
//! sub is convex, the data have one distribution under both, and the last problem is that of version-space pessimism.

use crate::learn::{Form, learn, plays};
use nlhf::core::{
    Comparison, Confidence, Distribution, Menus, PreferenceModel, Scale, SeedTree, Stream,
};
use nlhf::nash::{Context, VersionSpaceGame};
use nlhf::offline::{Baseline, Baselines};
use nlhf::preference::{
    BootstrapFit, Cluster, FiniteClassFit, PairCounts, TabularFit, tabular_coverage,
};
use nlhf_benches::figure::{Axis, Curve, Ink, Panel, Point, draw};
use nlhf_benches::report::{Effort, Section, Table, listed, short};
use nlhf_benches::statistics::Mean;
use nlhf_benches::world::{Rules, Truth, judge, menus, pairs};
use rayon::prelude::*;
use std::num::NonZeroU32;

const N: usize = 3;
const FAILURE: f64 = 0.05;
const ETAS: [f64; 3] = [1.0, 10.0, 100.0];
/// Of the picture.
const SHOWN: usize = 1;
/// The share of the pair that tells the truths apart: none, or one label in a hundred.
const SHARES: [f64; 2] = [0.0, 0.01];
const REPLICATES: u32 = 30;

const BASELINES: [Baseline; 7] = [
    Baseline::RewardBased,
    Baseline::Dpo,
    Baseline::Ipo,
    Baseline::Sppo { steps: 3 },
    Baseline::Inpo { steps: 3 },
    Baseline::BestOf { draws: NonZeroU32::new(4).expect("not zero") },
    Baseline::Reference,
];

const OURS: [&str; 5] = [
    "table, greedy",
    "table, bonus",
    "table, bootstrap ensemble",
    "class of both, greedy",
    "class of both, version space",
];

/// Which of the first two candidates wins is open.
fn truth(first_wins: bool) -> Truth {
    Truth::from_probabilities(N, |a, b| match (a, b) {
        (0, 1) if first_wins => 0.9,
        (0, 1) => 0.1,
        (0, _) => 0.8,
        _ => 0.6,
    })
}

fn names() -> Vec<String> {
    let ours = OURS.iter().map(|name| (*name).to_owned());
    ours.chain(BASELINES.map(Baseline::name)).collect()
}

struct Settings {
    sizes: Vec<u64>,
    n_seeds: u64,
}

/// The mean loss of each method under each truth.
struct Cell {
    share: usize,
    eta: usize,
    at: usize,
    /// By method, then by truth.
    lost: Vec<[Mean; 2]>,
}

pub(crate) fn run(effort: Effort) -> anyhow::Result<Section> {
    let settings = Settings {
        sizes: effort.pick(vec![30, 100, 300, 1000, 3000, 10_000, 100_000], vec![30, 1000]),
        n_seeds: effort.pick(40, 3),
    };
    let mut cells = Vec::new();
    for (share, part) in SHARES.into_iter().enumerate() {
        for (eta, factor) in ETAS.into_iter().enumerate() {
            for at in 0..settings.sizes.len() {
                let lost = losses(part, factor, settings.sizes[at], &settings)?;
                cells.push(Cell { share, eta, at, lost });
            }
        }
    }
    let bounds: anyhow::Result<Vec<f64>> = ETAS.iter().map(|eta| lower_bound(*eta)).collect();
    let runs = Runs { sizes: settings.sizes.clone(), cells, bounds: bounds? };
    let mut section = Section::new("Where the unilateral condition is broken");
    introduce(&mut section, &settings, &runs);
    section.table(&runs.table());
    section.figure("impossible", "The worse loss of both truths", draw(&runs.panels())?);
    runs.conclude(&mut section);
    Ok(section)
}

/// Labels of one truth: the two open candidates get a share, the other two pairs the rest.
fn data(truth: &Truth, menus: &Menus, share: f64, n: u64, seed: u64) -> Vec<Comparison> {
    let mut rng = SeedTree::new(seed).rng(Stream::Oracle, 0);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count")]
    let open = (share * n as f64).round() as u64;
    let count = |pair| if pair == (0, 1) { open } else { (n - open) / 2 };
    pairs(N).flat_map(|pair| judge(truth, menus.get(0), pair, count(pair), &mut rng)).collect()
}

fn losses(share: f64, eta: f64, n: u64, settings: &Settings) -> anyhow::Result<Vec<[Mean; 2]>> {
    let rules = Rules::uniform(eta, Scale::Probability, N);
    let menus = menus(1, N);
    let of_truth = |first_wins: bool| -> anyhow::Result<Vec<Mean>> {
        let truth = truth(first_wins);
        let seed = |seed: u64| -> anyhow::Result<Vec<f64>> {
            let data = data(&truth, &menus, share, n, seed);
            let policies = policies(&rules, &data, &menus, seed)?;
            Ok(policies.iter().map(|p| rules.suboptimality(&truth, &menus, p)).collect())
        };
        let all: anyhow::Result<Vec<Vec<f64>>> =
            (0..settings.n_seeds).into_par_iter().map(seed).collect();
        let all = all?;
        let method = |at: usize| Mean::of(&all.iter().map(|lost| lost[at]).collect::<Vec<f64>>());
        Ok((0..all[0].len()).map(method).collect())
    };
    let (first, second) = (of_truth(true)?, of_truth(false)?);
    Ok(first.into_iter().zip(second).map(|(first, second)| [first, second]).collect())
}

/// What every method makes of the data, in the order of [`names`].
fn policies(
    rules: &Rules,
    data: &[Comparison],
    menus: &Menus,
    seed: u64,
) -> anyhow::Result<Vec<Vec<Distribution>>> {
    let confidence = Confidence::new(1.0 - FAILURE)?;
    let table = TabularFit::for_menus(menus, confidence);
    let seeds = SeedTree::new(seed);
    let bootstrap = BootstrapFit::new(table, REPLICATES, Cluster::Comparison, confidence, seeds)?;
    let class = FiniteClassFit::new(vec![truth(true), truth(false)], confidence)?;
    let greedy = learn(&table, Form::Greedy, rules, data, menus)?;
    let baselines = Baselines::new(data, menus, rules, rules.eta, rules.scale)?;
    let mut policies = vec![
        greedy.policies,
        learn(&table, Form::Bonus, rules, data, menus)?.policies,
        learn(&bootstrap, Form::VersionSpace, rules, data, menus)?.policies,
        learn(&class, Form::Greedy, rules, data, menus)?.policies,
        learn(&class, Form::VersionSpace, rules, data, menus)?.policies,
    ];
    for baseline in BASELINES {
        policies.push(baselines.learn(baseline, &greedy.model)?.policies);
    }
    Ok(policies)
}

/// c: no policy does better on the worse of both, not even one that is drawn.
fn lower_bound(eta: f64) -> anyhow::Result<f64> {
    let rules = Rules::uniform(eta, Scale::Probability, N);
    let contexts = [Context { weight: 1.0, reference: rules.reference.clone() }];
    let (menus, truths) = (menus(1, N), [truth(true), truth(false)]);
    let payoff = |_: usize, at: usize| truths[at].game(menus.get(0), rules.scale);
    let game = VersionSpaceGame::new(&contexts, truths.len(), &payoff, rules.eta)?;
    let certificate = game.solve(0, 1e-12)?.certificate;
    Ok(-(certificate.value + certificate.duality_gap))
}

fn introduce(section: &mut Section, settings: &Settings, runs: &Runs) {
    section.paragraph(
        "What can be learned where a pair (π*, b) is never judged, by any method and with any number of labels?",
    );
    let coverage = |share: f64| {
        let (menus, truth) = (menus(1, N), truth(true));
        let rules = Rules::uniform(ETAS[SHOWN], Scale::Probability, N);
        let counts = PairCounts::new(&data(&truth, &menus, share, 100_000, 0));
        let star = rules.equilibria(&truth, &menus);
        tabular_coverage(&counts, &plays(&menus, &star)).upper
    };
    section.paragraph(&format!(
        "One prompt, P scale, candidates a, b, c. The pairs (a, c) and (b, c) are judged equally often, (a, b) never: C(π*) = {}. \
         Two truths agree on what is judged and have opposite equilibria. The data are the same under both; {} seeds. In the second half \
         one label in a hundred is on (a, b): C(π*) = {} at η = {}.",
        short(coverage(SHARES[0])),
        settings.n_seeds,
        short(coverage(SHARES[1])),
        ETAS[SHOWN],
    ));
    section.formula(
        "P(a ≻ c) = 0.8,   P(b ≻ c) = 0.6,   P(a ≻ b) = 0.9 in the first truth, 0.1 in the second\n\
         max_R E sub_R(π̂) ≥ max_R sub_R(E π̂) ≥ c = min_p max_R sub_R(p) = −max_p min_R min_q J_R(p, q)",
    );
    let bounds: Vec<String> = ETAS
        .iter()
        .zip(&runs.bounds)
        .map(|(eta, c)| format!("{} at η = {eta}", short(*c)))
        .collect();
    section.paragraph(&format!(
        "The first step is Jensen's inequality (sub is convex), the second uses that the data do not depend on R; c is exact, the \
         certified value of the version-space game over the two truths: {}.",
        listed(&bounds)
    ));
}

struct Runs {
    sizes: Vec<u64>,
    cells: Vec<Cell>,
    /// By η.
    bounds: Vec<f64>,
}

impl Runs {
    /// The worse of both means.
    fn worse(&self, share: usize, eta: usize, at: usize, method: usize) -> Mean {
        let asked = |cell: &&Cell| (cell.share, cell.eta, cell.at) == (share, eta, at);
        let [first, second] = self.cells.iter().find(asked).expect("all were run").lost[method];
        if first.mean >= second.mean { first } else { second }
    }

    fn table(&self) -> Table {
        let last = self.sizes.len() - 1;
        let mut heads = vec!["method".to_owned()];
        for share in SHARES {
            let judged = if share == 0.0 { "never" } else { "1 %" };
            heads.extend(ETAS.map(|eta| format!("(a, b) {judged}, η = {eta}")));
        }
        let mut table = Table::new(&heads.iter().map(String::as_str).collect::<Vec<_>>());
        let mut row = vec!["c: no method below".to_owned()];
        row.extend(self.bounds.iter().map(|c| short(*c)));
        row.extend(ETAS.map(|_| "0".to_owned()));
        table.row(&row);
        for (method, name) in names().into_iter().enumerate() {
            let mut row = vec![name];
            for share in 0..SHARES.len() {
                for eta in 0..ETAS.len() {
                    row.push(short(self.worse(share, eta, last, method).mean));
                }
            }
            table.row(&row);
        }
        table
    }

    fn panels(&self) -> Vec<Panel> {
        // Enough to see; the others are in the table.
        let shown = [0, 1, 2, 4, 5, 6, 7, 11];
        let panel = |(share, title): (usize, &str)| {
            let all = names();
            let curve = |(color, method): (usize, usize)| {
                let point = |(at, n): (usize, &u64)| {
                    let y = self.worse(share, SHOWN, at, method).mean;
                    Point { x: *n as f64, y, band: None }
                };
                let points = self.sizes.iter().enumerate().map(point).collect();
                let ink = if color == 7 { Ink::dashed(color) } else { Ink::solid(color) };
                Curve { name: all[method].clone(), ink, points }
            };
            let mut curves: Vec<Curve> = shown.into_iter().enumerate().map(curve).collect();
            if share == 0 {
                let point = |n: &u64| Point { x: *n as f64, y: self.bounds[SHOWN], band: None };
                let points = self.sizes.iter().map(point).collect();
                curves.push(Curve {
                    name: "c: no method below".to_owned(),
                    ink: Ink::dashed(6),
                    points,
                });
            }
            Panel {
                title: format!("{title}, η = {}", ETAS[SHOWN]),
                x: Axis::log("comparisons"),
                y: Axis::linear("worse mean sub-optimality").within(0.0, 0.42),
                curves,
            }
        };
        [(0, "(a, b) never judged"), (1, "(a, b) one in a hundred")].map(panel).to_vec()
    }

    fn conclude(&self, section: &mut Section) {
        let last = self.sizes.len() - 1;
        let all = names();
        let mut below = 0;
        let mut excess: Vec<f64> = Vec::new();
        for (eta, bound) in self.bounds.iter().enumerate() {
            for method in 0..all.len() {
                for at in 0..self.sizes.len() {
                    let worse = self.worse(0, eta, at, method).mean;
                    below += usize::from(worse < bound - 1e-12);
                    if at == last {
                        excess.push(worse - bound);
                    }
                }
            }
        }
        let least = excess.iter().copied().fold(f64::INFINITY, f64::min);
        let most = excess.iter().copied().fold(0.0, f64::max);
        let space = OURS.len() - 1;
        let version: Vec<String> = (0..ETAS.len())
            .map(|eta| short(self.worse(0, eta, last, space).mean - self.bounds[eta]))
            .collect();
        let at_one: Vec<String> = (0..OURS.len())
            .map(|method| {
                format!("{} {}", OURS[method], short(self.worse(1, SHOWN, last, method).mean))
            })
            .collect();
        section.paragraph(&format!(
            "Each number is the worse of the two mean losses over seeds, in the table at n = {}. What it says. More labels of the same kind do not help: of {} means \
             at all sizes and η, {below} are below c. At the largest n methods lose between {} and {} more than c; the version space of both \
             truths {} more at η = {}, since it solves the problem whose value is c. With one label in a hundred on (a, b) and η = {} the worse losses \
             at n = {} are: {}.",
            short(self.sizes[last] as f64),
            all.len() * self.sizes.len() * ETAS.len(),
            short(least.max(0.0)),
            short(most),
            listed(&version),
            listed(&ETAS.map(|eta| eta.to_string())),
            ETAS[SHOWN],
            short(self.sizes[last] as f64),
            at_one.join("; "),
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lower_bound_is_that_of_the_best_mixture() {
        // η → ∞: the opponent gains 0.4 (1 − p) or 0.4 p.
        let c = lower_bound(1e5).unwrap();
        assert!((c - 0.2).abs() < 1e-3, "{c}");
        // On a grid of mixtures nothing is better.
        let (menus, rules) = (menus(1, N), Rules::uniform(10.0, Scale::Probability, N));
        let c = lower_bound(10.0).unwrap();
        for (a, b) in (1..40).flat_map(|a| (1..40 - a).map(move |b| (a, b))) {
            let masses = [f64::from(a), f64::from(b), f64::from(40 - a - b)];
            let policy = [Distribution::from_masses(&masses).unwrap()];
            let lost = |first| rules.suboptimality(&truth(first), &menus, &policy);
            assert!(lost(true).max(lost(false)) >= c - 1e-12);
        }
    }

    #[test]
    fn data_that_never_ask_are_the_same_under_both_truths() {
        let menus = menus(1, N);
        let drawn = |first| data(&truth(first), &menus, 0.0, 1000, 5);
        assert_eq!(drawn(true), drawn(false));
        let section = run(Effort::Quick).unwrap();
        assert!(section.text.contains("0 are below c"), "{}", section.text);
        assert!(section.text.contains("C(π*) = ∞"));
    }
}
