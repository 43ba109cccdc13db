//! Public tables of win rates as truths: comparisons drawn from them, and what each method makes of those.

mod written;

use crate::learn::{Done, Form, learn};
use anyhow::{Context, ensure};
use nlhf::core::{
    Confidence, Distribution, FitPreference, Menus, PreferenceModel, Profile, Scale, SeedTree,
    Stream, exploitability,
};
use nlhf::data::read_matrix_npy;
use nlhf::offline::{Baseline, Baselines};
use nlhf::preference::{
    BootstrapFit, BradleyTerryFit, Cluster, LogisticConfig, LowRankFit, TabularFit,
};
use nlhf_benches::figure::draw;
use nlhf_benches::report::{Effort, Section};
use nlhf_benches::world::{Rules, Truth, judge_all, menus};
use rayon::prelude::*;
use std::path::Path;
use written::{Runs, introduce};

const ETAS: [f64; 2] = [10.0, 100.0];
const FAILURE: f64 = 0.05;
const PLANES: usize = 4;
const REPLICATES: u32 = 20;

const METHODS: [&str; 8] = [
    "table, greedy",
    "table, bonus",
    "low-rank, greedy",
    "low-rank, bootstrap ensemble",
    "Bradley-Terry, greedy",
    "reward-based",
    "IPO",
    "reference",
];

/// A table of win rates.
struct Source {
    name: &'static str,
    what: &'static str,
    truth: Truth,
    menus: Menus,
}

impl Source {
    fn read(folder: &Path, name: &'static str, what: &'static str) -> anyhow::Result<Self> {
        let matrix = read_matrix_npy(&folder.join("matrices").join(format!("{name}.npy")))?;
        let n = matrix.ncols;
        ensure!(matrix.nrows == n, "{name} must be square, but is {} x {n}", matrix.nrows);
        let rates = || matrix.values.iter();
        ensure!(rates().all(|p| (0.0..=1.0).contains(p)), "{name} must hold probabilities");
        Ok(Self::new(name, what, n, |a, b| matrix.row(a)[b]))
    }

    fn new(
        name: &'static str,
        what: &'static str,
        n: usize,
        rate: impl FnMut(usize, usize) -> f64,
    ) -> Self {
        Self { name, what, truth: Truth::from_probabilities(n, rate), menus: menus(1, n) }
    }

    /// Whether some candidate beats all others, so that no mixture is needed.
    fn winner(&self) -> String {
        let payoff = self.truth.game(self.menus.get(0), Scale::Probability);
        let n = self.menus.get(0).len();
        let beats = |a: &usize| (0..n).all(|b| b == *a || payoff.get(*a, b) > 0.0);
        let found = if (0..n).any(|a| beats(&a)) { "one candidate beats" } else { "none beats" };
        format!("In `{}` {found} all others.", self.name)
    }

    /// What a policy loses, what its best competitor gains without KL terms, and how far it moved.
    fn judge(&self, rules: &Rules, policy: &Distribution) -> [f64; 3] {
        let policies = [policy.clone()];
        let lost = rules.suboptimality(&self.truth, &self.menus, &policies);
        let payoff = self.truth.game(self.menus.get(0), Scale::Probability);
        let both = exploitability(&payoff, &Profile::symmetric(policy.clone()));
        [lost, 0.5 * both, policy.kl_nats(&rules.reference)]
    }
}

struct Settings {
    per_pair: Vec<u64>,
    n_seeds: u64,
}

/// One data set: by η and by method loss, exploitability and KL.
struct Measured {
    source: usize,
    size: usize,
    found: Vec<Vec<[f64; 3]>>,
}

pub(crate) fn run(data: Option<&Path>, effort: Effort) -> anyhow::Result<Section> {
    let folder = data.context("the folder of public data is not given")?;
    let sources = vec![
        Source::read(
            folder,
            "rrps_bots43",
            "43 programs at repeated rock-paper-scissors: P = ½ + payoff/2000 over 1000 throws (open_spiel, \
             arXiv 2303.03196, Apache-2.0)",
        )?,
        Source::read(
            folder,
            "pokemon_types_battles18",
            "50,000 simulated battles by the 18 primary types (Kaggle, Pokemon - Weedle's Cave)",
        )?,
    ];
    experiment(sources, effort)
}

fn experiment(sources: Vec<Source>, effort: Effort) -> anyhow::Result<Section> {
    let settings = Settings {
        per_pair: effort.pick(vec![1, 3, 10, 30, 100, 300], vec![3, 30]),
        n_seeds: effort.pick(20, 2),
    };
    let mut cells = Vec::new();
    for source in 0..sources.len() {
        for size in 0..settings.per_pair.len() {
            cells.extend((0..settings.n_seeds).map(|seed| (source, size, seed)));
        }
    }
    let measured = |(source, size, seed): (usize, usize, u64)| -> anyhow::Result<Measured> {
        let found = measure(&sources[source], settings.per_pair[size], seed)?;
        Ok(Measured { source, size, found })
    };
    let found: anyhow::Result<Vec<Measured>> = cells.into_par_iter().map(measured).collect();
    let runs = Runs { sources, settings, found: found? };
    let mut section = Section::new("Public tables by resampling");
    introduce(&mut section, &runs);
    for (at, eta) in ETAS.iter().enumerate() {
        section.paragraph(&format!("Mean sub-optimality ± standard error at η = {eta}:"));
        section.table(&runs.losses(at));
    }
    section.paragraph(&format!(
        "With {} labels a pair: sub-optimality, what the best competitor gains without KL terms (exploitability: \
         max_b P(b ≻ π) − ½), and KL(π‖π₀) in nats, means over seeds:",
        runs.settings.per_pair[runs.middle()]
    ));
    section.table(&runs.details());
    section.figure("resampled", "Sub-optimality under public tables", draw(&runs.panels())?);
    runs.conclude(&mut section);
    Ok(section)
}

fn measure(source: &Source, per_pair: u64, seed: u64) -> anyhow::Result<Vec<Vec<[f64; 3]>>> {
    let (menus, seeds) = (&source.menus, SeedTree::new(seed));
    let mut rng = seeds.rng(Stream::Oracle, 0);
    let data = judge_all(&source.truth, menus, per_pair, &mut rng);
    let confidence = Confidence::new(1.0 - FAILURE)?;
    let table = Done(TabularFit::for_menus(menus, confidence).fit(&data)?);
    // Beyond what any pair of these tables is sure of.
    let config = LogisticConfig { log_odds_bound: 10.0, ..LogisticConfig::default() };
    let low_rank = LowRankFit::items(PLANES, config)?;
    let ensemble =
        BootstrapFit::new(low_rank.clone(), REPLICATES, Cluster::Comparison, confidence, seeds)?;
    let ensemble = Done(ensemble.fit(&data)?);
    let scores = Done(BradleyTerryFit::for_menus(menus, config)?.fit(&data)?);
    let of_eta = |eta: &f64| -> anyhow::Result<Vec<[f64; 3]>> {
        let rules = Rules::uniform(*eta, Scale::Probability, menus.get(0).len());
        let baselines = Baselines::new(&data, menus, &rules, rules.eta, rules.scale)?;
        let baseline = |kind| baselines.learn(kind, &table.0.model).map(|found| found.policies);
        let all = [
            learn(&table, Form::Greedy, &rules, &data, menus)?.policies,
            learn(&table, Form::Bonus, &rules, &data, menus)?.policies,
            learn(&ensemble, Form::Greedy, &rules, &data, menus)?.policies,
            learn(&ensemble, Form::VersionSpace, &rules, &data, menus)?.policies,
            learn(&scores, Form::Greedy, &rules, &data, menus)?.policies,
            baseline(Baseline::RewardBased)?,
            baseline(Baseline::Ipo)?,
            baseline(Baseline::Reference)?,
        ];
        Ok(all.iter().map(|policies| source.judge(&rules, &policies[0])).collect())
    };
    ETAS.iter().map(of_eta).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A weighted circle of seven.
    fn circle(name: &'static str) -> Source {
        Source::new(name, "a circle", 7, |a, b| {
            let ahead = (b + 7 - a) % 7 <= 3;
            if ahead { 0.7 + 0.02 * a as f64 } else { 0.3 }
        })
    }

    #[test]
    fn a_small_run_fills_its_tables() {
        let section = experiment(vec![circle("one"), circle("two")], Effort::Quick).unwrap();
        // Two sizes in each of two tables.
        assert_eq!(section.text.matches("| one | ").count(), 2 * 2 + METHODS.len() + 1);
        assert!(section.text.contains("| one | Nash of the table |"), "{}", section.text);
        assert!(run(None, Effort::Quick).is_err());
    }

    #[test]
    fn the_reference_moves_nowhere_and_the_equilibrium_loses_nothing() {
        let (source, rules) = (circle("one"), Rules::uniform(10.0, Scale::Probability, 7));
        let [lost, gained, kl] = source.judge(&rules, &rules.reference);
        assert!(lost > 0.0 && gained > 0.0 && kl.abs() < 1e-15);
        let star = rules.equilibria(&source.truth, &source.menus);
        assert!(source.judge(&rules, &star[0])[0] < 1e-12);
    }
}
