//! Truths to ask about, each where its equilibrium is easily met and where it is hard to meet.
//!
//! ```text
//! circle       3 responses in a circle (P in [0.65, 0.8]) that beat all others (P in [0.7, 0.95]); the others anyhow (P in [0.2, 0.8])
//! bilinear     R = 1.5 (m_a − m_b) + s (ξ_a − ξ_b) + 1.2 (u_a v_b − v_a u_b),   features φ = (u, v, m, ξ) and a constant
//!              3 responses around the circle of (u, v) with m = 1, the others near its middle with m = 0; ξ anyhow
//! contextual   the same R on several prompts, each with candidates of its own
//! rrps         43 programs at repeated rock-paper-scissors
//! spread       R = φ_a'Θφ_b, φ on the sphere, Θ Gaussian, |R| ≤ 2 nats: nothing is rare, in any dimension
//! ```
//! The hard form differs in the reference, which gives some responses next to nothing, in η, and in how many others there are. Rare
//! are the three of a circle, and of the programs those that the equilibrium under a uniform reference gives more than 0.02.

use crate::instance::{Instance, Knowledge};
use anyhow::ensure;
use nlhf::core::{Distribution, Eta, Scale, SeedTree, Stream};
use nlhf::data::read_matrix_npy;
use nlhf::preference::{FeatureTable, Features};
use nlhf_benches::report::Effort;
use nlhf_benches::world::{Rules, Truth, menus};
use rand::{Rng, RngExt};
use rand_distr::{Distribution as _, StandardNormal};
use std::f64::consts::TAU;
use std::path::Path;
use std::sync::Arc;

/// How the equilibrium is met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Easy,
    Hard,
}

impl Form {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Easy => "easy",
            Self::Hard => "hard",
        }
    }
}

/// The first seed of what the factor of widths is chosen by.
pub(crate) const CHOICE: u64 = 0;

/// The first seed of what is compared, far from those of the choice.
pub(crate) const COMPARISON: u64 = 1000;

/// Labels, and labels between two fits, where nothing else is said.
const DEFAULT: (u32, u32) = (4000, 50);

type Make = Box<dyn Fn(u64) -> anyhow::Result<Instance> + Sync>;

/// A family of instances, one a seed.
pub(crate) struct Setting {
    pub(crate) name: &'static str,
    pub(crate) form: Form,
    pub(crate) make: Make,
    pub(crate) first_seed: u64,
    pub(crate) n_seeds: u64,
}

impl Setting {
    pub(crate) fn title(&self) -> String {
        format!("{}, {}", self.name, self.form.name())
    }

    pub(crate) fn seeds(&self) -> std::ops::Range<u64> {
        self.first_seed..self.first_seed + self.n_seeds
    }
}

/// All settings with seeds from a first one on; the table of win rates only where there are data.
pub(crate) fn all(
    data: Option<&Path>,
    effort: Effort,
    first_seed: u64,
) -> anyhow::Result<Vec<Setting>> {
    let budget = |full: u32| effort.pick(full, full / 20);
    let seeds = |full: u64| effort.pick(full, 2);
    let setting = |name, form, n_seeds, make| {
        let n_seeds = seeds(n_seeds);
        Setting { name, form, make, first_seed, n_seeds }
    };
    let few = budget(4000);
    let mut all = vec![
        setting("circle", Form::Easy, 40, make(few, 50, |seed| circle(6, None, 5.0, seed))),
        setting(
            "circle",
            Form::Hard,
            20,
            make(budget(24_000), 80, |seed| circle(36, Some(1e-5), 60.0, seed)),
        ),
        setting("bilinear", Form::Easy, 40, make(few, 50, |seed| bilinear(1, 8, None, 2.0, seed))),
        setting(
            "bilinear",
            Form::Hard,
            24,
            make(budget(12_000), 60, |seed| bilinear(1, 32, Some(1e-6), 12.0, seed)),
        ),
        setting(
            "contextual",
            Form::Easy,
            40,
            make(few, 50, |seed| bilinear(4, 6, None, 2.0, seed)),
        ),
        setting(
            "contextual",
            Form::Hard,
            24,
            make(budget(12_000), 80, |seed| bilinear(4, 14, Some(1e-6), 12.0, seed)),
        ),
    ];
    if let Some(folder) = data {
        let (easy, hard) = (rrps(folder, None, 10.0)?, rrps(folder, Some(1e-5), 100.0)?);
        all.push(setting(
            "rrps",
            Form::Easy,
            20,
            make(budget(30_000), 300, move |_| Ok(easy.clone())),
        ));
        all.push(setting(
            "rrps",
            Form::Hard,
            20,
            make(budget(60_000), 400, move |_| Ok(hard.clone())),
        ));
    }
    Ok(all)
}

/// Instances with a number of labels, and of those between two fits.
fn make(
    budget: u32,
    per_round: u32,
    instance: impl Fn(u64) -> anyhow::Result<Instance> + Sync + 'static,
) -> Make {
    Box::new(move |seed| Ok(Instance { budget, per_round, ..instance(seed)? }))
}

fn uniform(low: f64, high: f64, rng: &mut dyn Rng) -> f64 {
    low + (high - low) * rng.random::<f64>()
}

/// Some responses with so much mass each, where each of the rest has 1, before they are normalized; all alike without a mass.
fn reference(n: usize, rare: &[usize], mass: Option<f64>) -> anyhow::Result<Distribution> {
    let Some(mass) = mass else { return Ok(Distribution::uniform(n)) };
    let masses: Vec<f64> = (0..n).map(|at| if rare.contains(&at) { mass } else { 1.0 }).collect();
    Ok(Distribution::from_masses(&masses)?)
}

/// Three responses in a circle, and others that lose to them.
pub(crate) fn circle(n: usize, mass: Option<f64>, eta: f64, seed: u64) -> anyhow::Result<Instance> {
    let mut rng = SeedTree::new(seed).rng(Stream::Instance, 0);
    let truth = Truth::from_probabilities(n, |a, b| match (a, b) {
        (0, 2) => 1.0 - uniform(0.65, 0.8, &mut rng),
        (0..3, 0..3) => uniform(0.65, 0.8, &mut rng),
        (0..3, _) => uniform(0.7, 0.95, &mut rng),
        _ => uniform(0.2, 0.8, &mut rng),
    });
    let (eta, reference) = (Eta::new(eta)?, reference(n, &[0, 1, 2], mass)?);
    let rules = Rules { eta, scale: Scale::Probability, reference };
    let knowledge = Knowledge::Table;
    Ok(Instance {
        truth,
        menus: menus(1, n),
        rules,
        knowledge,
        budget: DEFAULT.0,
        per_round: DEFAULT.1,
    })
}

/// ξ of a response.
const OTHERS: usize = 2;
const DIMENSION: usize = 3 + OTHERS;

/// Three responses in a circle of features that no other response has.
fn bilinear(
    n_prompts: usize,
    n: usize,
    mass: Option<f64>,
    eta: f64,
    seed: u64,
) -> anyhow::Result<Instance> {
    let mut rng = SeedTree::new(seed).rng(Stream::Instance, 0);
    let scores: Vec<f64> = (0..OTHERS).map(|_| uniform(-0.3, 0.3, &mut rng)).collect();
    let mut values: Vec<[f64; DIMENSION]> = Vec::with_capacity(n_prompts * n);
    for at in (0..n_prompts).flat_map(|_| 0..n) {
        let (turn, radius, mark) =
            if at < 3 { (at as f64 / 3.0, 1.0, 1.0) } else { (rng.random(), 0.2, 0.0) };
        let angle = TAU * (turn + uniform(-0.05, 0.05, &mut rng));
        let [x, y] = [0; OTHERS].map(|_| uniform(-1.0, 1.0, &mut rng));
        values.push([radius * angle.cos(), radius * angle.sin(), mark, x, y]);
    }
    let truth = Truth::from_log_odds(n_prompts, n, |x, a, b| {
        let (a, b) = (&values[x * n + a], &values[x * n + b]);
        let others = scores.iter().zip(a[3..].iter().zip(&b[3..]));
        let others: f64 = others.map(|(score, (a, b))| score * (a - b)).sum();
        1.5 * (a[2] - b[2]) + others + 1.2 * (a[0] * b[1] - a[1] * b[0])
    });
    let features = Features::new(FeatureTable::new(DIMENSION, values.concat())?, None)?;
    let (eta, reference) = (Eta::new(eta)?, reference(n, &[0, 1, 2], mass)?);
    let rules = Rules { eta, scale: Scale::LogOdds, reference };
    let knowledge = Knowledge::Bilinear(Arc::new(features));
    Ok(Instance {
        truth,
        menus: menus(n_prompts, n),
        rules,
        knowledge,
        budget: DEFAULT.0,
        per_round: DEFAULT.1,
    })
}

/// Programs at rock-paper-scissors; those that the equilibrium under a uniform reference plays are rare.
fn rrps(folder: &Path, mass: Option<f64>, eta: f64) -> anyhow::Result<Instance> {
    let matrix = read_matrix_npy(&folder.join("matrices/rrps_bots43.npy"))?;
    let n = matrix.ncols;
    ensure!(matrix.nrows == n, "win rates must be square, but are {} x {n}", matrix.nrows);
    let truth = Truth::from_probabilities(n, |a, b| matrix.row(a)[b]);
    let menus = menus(1, n);
    let mut rules = Rules::uniform(eta, Scale::Probability, n);
    let star = rules.equilibria(&truth, &menus).remove(0).probabilities();
    let rare: Vec<usize> = (0..n).filter(|at| star[*at] > 0.02).collect();
    rules.reference = reference(n, &rare, mass)?;
    Ok(Instance {
        truth,
        menus,
        rules,
        knowledge: Knowledge::Table,
        budget: DEFAULT.0,
        per_round: DEFAULT.1,
    })
}

/// Features without any order, for the dependence on their number.
pub(crate) fn spread(n: usize, dimension: usize, eta: f64, seed: u64) -> anyhow::Result<Instance> {
    let mut rng = SeedTree::new(seed).rng(Stream::Instance, 0);
    let mut values: Vec<Vec<f64>> = Vec::with_capacity(n);
    for _ in 0..n {
        let row: Vec<f64> = (0..dimension).map(|_| StandardNormal.sample(&mut rng)).collect();
        let length = row.iter().map(|x| x * x).sum::<f64>().sqrt();
        values.push(row.iter().map(|x| x / length).collect());
    }
    let theta: Vec<f64> =
        (0..dimension * dimension).map(|_| StandardNormal.sample(&mut rng)).collect();
    let form = |a: usize, b: usize| -> f64 {
        let cells = (0..dimension).flat_map(|i| (0..i).map(move |j| (i, j)));
        let (a, b) = (&values[a], &values[b]);
        cells.map(|(i, j)| theta[i * dimension + j] * (a[i] * b[j] - a[j] * b[i])).sum()
    };
    let largest = (0..n).flat_map(|a| (0..n).map(move |b| (a, b)));
    let largest = largest.map(|(a, b)| form(a, b).abs()).fold(0.0, f64::max);
    let truth = Truth::from_log_odds(1, n, |_, a, b| 2.0 * form(a, b) / largest);
    let features = Features::new(FeatureTable::new(dimension, values.concat())?, None)?;
    let rules = Rules::uniform(eta, Scale::LogOdds, n);
    let knowledge = Knowledge::BilinearWithoutConstant(Arc::new(features));
    Ok(Instance {
        truth,
        menus: menus(1, n),
        rules,
        knowledge,
        budget: DEFAULT.0,
        per_round: DEFAULT.1,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::instance::BOUND;
    use nlhf::core::PreferenceModel;

    #[test]
    fn truths_keep_the_bound_of_their_models() {
        for seed in 0..5 {
            for instance in
                [bilinear(3, 9, Some(1e-5), 12.0, seed).unwrap(), spread(9, 4, 2.0, seed).unwrap()]
            {
                for menu in instance.menus.iter() {
                    let game = instance.truth.game(menu, Scale::LogOdds);
                    assert!(game.entries().iter().all(|odds| odds.abs() <= BOUND));
                }
            }
        }
    }

    #[test]
    fn the_hard_form_is_hard_for_pairs_of_the_reference() {
        let easy = circle(6, None, 5.0, 1).unwrap().hardness().unwrap();
        let hard = circle(12, Some(1e-5), 60.0, 1).unwrap().hardness().unwrap();
        assert!((easy.reference - easy.uniform).abs() < 1e-9 * easy.uniform);
        assert!(hard.reference > 1e3 * hard.uniform && hard.uniform > easy.uniform);
        let (easy, hard) =
            (circle(6, None, 5.0, 1).unwrap(), circle(12, Some(1e-5), 60.0, 1).unwrap());
        assert_eq!((easy.rare().len(), hard.rare()), (6, vec![0, 1, 2]));
        assert!((easy.played_of_rare() - 1.0).abs() < 1e-9);
        assert!((0.5..1.0).contains(&hard.played_of_rare()), "{}", hard.played_of_rare());
    }
}
