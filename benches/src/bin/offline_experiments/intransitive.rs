//! Reward-based learning against Nash policies as preferences turn from scores to a circle.

mod written;

use crate::learn::{Form, learn};
use nlhf::core::{
    Comparison, Confidence, Distribution, FitPreference, Label, Menus, PreferenceModel, ResponseId,
    Scale, SeedTree, Stream, Weight,
};
use nlhf::offline::{Baseline, Baselines, reward_based_policy};
use nlhf::preference::{BradleyTerryFit, LogisticConfig, TabularFit, WidthMultiplier};
use nlhf_benches::figure::draw;
use nlhf_benches::report::{Effort, Section};
use nlhf_benches::world::{Rules, Truth, judge_all, menus, pairs, scale_name};
use rand::RngExt;
use rayon::prelude::*;
use std::f64::consts::TAU;
use written::{Runs, example, introduce};

const N: usize = 8;
const SCALES: [Scale; 2] = [Scale::Probability, Scale::LogOdds];
const ETAS: [f64; 3] = [1.0, 10.0, 100.0];
/// Of pictures and samples.
const SHOWN: usize = 1;
const FAILURE: f64 = 0.05;
/// Within what all log-odds are, which the widths of the bonus may use.
const BOUND: f64 = 2.0;
/// What stands for infinitely many labels on each pair.
const POPULATION: f64 = 1e9;

/// Methods that know the population.
const KNOWING: [&str; 3] = ["reward-based, DPO", "reward-based, best η", "IPO"];
/// The place after these.
const REFERENCE: usize = 3;
/// Methods that learn from a sample.
const LEARNING: [&str; 4] = ["Nash, greedy", "Nash, bonus", "reward-based, DPO", "IPO"];

struct Settings {
    shares: Vec<f64>,
    per_pair: Vec<u64>,
    n_seeds: u64,
}

/// One instance at one share of the circle.
struct Measured {
    share: usize,
    /// By scale, by η: of [`KNOWING`], then the reference.
    population: Vec<Vec<Vec<f64>>>,
    /// By scale, by labels a pair: of [`LEARNING`], at [`SHOWN`].
    sample: Vec<Vec<Vec<f64>>>,
}

pub(crate) fn run(effort: Effort) -> anyhow::Result<Section> {
    let settings = Settings {
        shares: effort.pick((0..=10).map(|k| f64::from(k) / 10.0).collect(), vec![0.0, 0.5, 1.0]),
        per_pair: vec![10, 100],
        n_seeds: effort.pick(40, 2),
    };
    let cells: Vec<(usize, u64)> = (0..settings.shares.len())
        .flat_map(|share| (0..settings.n_seeds).map(move |seed| (share, seed)))
        .collect();
    let found: anyhow::Result<Vec<Measured>> =
        cells.into_par_iter().map(|(share, seed)| measure(&settings, share, seed)).collect();
    let runs = Runs { found: found?, settings };
    let mut section = Section::new("Reward-based learning as preferences turn in circles");
    introduce(&mut section, &runs.settings);
    for (at, scale) in SCALES.into_iter().enumerate() {
        section
            .paragraph(&format!("Population, scale {}: mean sub-optimality.", scale_name(scale)));
        section.table(&runs.population_table(at));
    }
    for (at, scale) in SCALES.into_iter().enumerate() {
        section.paragraph(&format!(
            "From samples, scale {}, η = {}: mean sub-optimality ± standard error over instances.",
            scale_name(scale),
            ETAS[SHOWN]
        ));
        section.table(&runs.sample_table(at));
    }
    section.figure("intransitive", "Sub-optimality against intransitivity", draw(&runs.panels())?);
    runs.conclude(&mut section);
    example(&mut section)?;
    Ok(section)
}

/// Scores in [−1, 1] and places on a circle, mixed on log-odds.
fn truth(share: f64, seed: u64) -> Truth {
    let mut rng = SeedTree::new(seed).rng(Stream::Instance, 0);
    let scores: Vec<f64> = (0..N).map(|_| 2.0 * rng.random::<f64>() - 1.0).collect();
    let turn: Vec<f64> =
        (0..N).map(|at| TAU * (at as f64 + 0.5 * (rng.random::<f64>() - 0.5)) / N as f64).collect();
    Truth::from_log_odds(1, N, |_, a, b| {
        (1.0 - share) * (scores[a] - scores[b]) + share * 2.0 * (turn[b] - turn[a]).sin()
    })
}

/// One row a pair whose label is the probability itself.
fn population(truth: &Truth, menus: &Menus) -> anyhow::Result<Vec<Comparison>> {
    let (menu, mut rows) = (menus.get(0), Vec::new());
    for (a, b) in pairs(menu.len()) {
        let (first, second) = (menu.responses()[a], menu.responses()[b]);
        let label = Label::new(truth.probability(menu.prompt(), first, second))?;
        let weight = Weight::new(POPULATION)?;
        rows.push(Comparison { weight, ..Comparison::new(menu.prompt(), first, second, label) });
    }
    Ok(rows)
}

fn measure(settings: &Settings, share: usize, seed: u64) -> anyhow::Result<Measured> {
    let (menus, truth) = (menus(1, N), truth(settings.shares[share], seed));
    let all = population(&truth, &menus)?;
    let of_scale = |scale: &Scale| -> anyhow::Result<Vec<Vec<f64>>> {
        let of_eta = |eta: &f64| knowing(&truth, &menus, &all, &Rules::uniform(*eta, *scale, N));
        ETAS.iter().map(of_eta).collect()
    };
    let population: anyhow::Result<_> = SCALES.iter().map(of_scale).collect();
    let sampled = |scale: &Scale| -> anyhow::Result<Vec<Vec<f64>>> {
        let rules = Rules::uniform(ETAS[SHOWN], *scale, N);
        let of_size = |(at, per_pair): (usize, &u64)| {
            let mut rng = SeedTree::new(seed).rng(Stream::Oracle, u32::try_from(at)?);
            learning(&truth, &menus, &judge_all(&truth, &menus, *per_pair, &mut rng), &rules)
        };
        settings.per_pair.iter().enumerate().map(of_size).collect()
    };
    let sample: anyhow::Result<_> = SCALES.iter().map(sampled).collect();
    Ok(Measured { share, population: population?, sample: sample? })
}

fn knowing(
    truth: &Truth,
    menus: &Menus,
    data: &[Comparison],
    rules: &Rules,
) -> anyhow::Result<Vec<f64>> {
    let baselines = Baselines::new(data, menus, rules, rules.eta, rules.scale)?;
    let lost = |baseline| -> anyhow::Result<f64> {
        let policies = baselines.learn(baseline, truth)?.policies;
        Ok(rules.suboptimality(truth, menus, &policies))
    };
    Ok(vec![
        lost(Baseline::RewardBased)?,
        best_temperature(truth, menus, data, rules)?,
        lost(Baseline::Ipo)?,
        lost(Baseline::Reference)?,
    ])
}

/// What the reward-based policy loses if it follows its scores at whatever η' is best under the truth.
fn best_temperature(
    truth: &Truth,
    menus: &Menus,
    data: &[Comparison],
    rules: &Rules,
) -> anyhow::Result<f64> {
    let config = LogisticConfig {
        ridge: 0.0,
        log_odds_bound: 10.0,
        multiplier: WidthMultiplier::Fixed(0.0),
        ..LogisticConfig::default()
    };
    let rewards = BradleyTerryFit::new(config)?.fit(data)?.model;
    let at = |eta: f64| -> anyhow::Result<f64> {
        let eta = nlhf::core::Eta::new(eta)?;
        let score = |response: ResponseId| rewards.score(response);
        let policy = reward_based_policy(menus.get(0), &rules.reference, eta, score);
        Ok(rules.suboptimality(truth, menus, &[policy]))
    };
    let tried: anyhow::Result<Vec<f64>> =
        (0..=120).map(|k| at(10f64.powf(f64::from(k) / 20.0 - 3.0))).collect();
    Ok(tried?.into_iter().fold(f64::INFINITY, f64::min))
}

fn learning(
    truth: &Truth,
    menus: &Menus,
    data: &[Comparison],
    rules: &Rules,
) -> anyhow::Result<Vec<f64>> {
    let fit = TabularFit::for_menus(menus, Confidence::new(1.0 - FAILURE)?);
    let fit = fit.with_log_odds_bound(BOUND)?;
    let greedy = learn(&fit, Form::Greedy, rules, data, menus)?;
    let bonus = learn(&fit, Form::Bonus, rules, data, menus)?;
    let baselines = Baselines::new(data, menus, rules, rules.eta, rules.scale)?;
    let lost = |policies: &[Distribution]| rules.suboptimality(truth, menus, policies);
    Ok(vec![
        lost(&greedy.policies),
        lost(&bonus.policies),
        lost(&baselines.learn(Baseline::RewardBased, &greedy.model)?.policies),
        lost(&baselines.learn(Baseline::Ipo, &greedy.model)?.policies),
    ])
}

/// Three candidates in a circle whose scores are all but even.
const EXAMPLE: [[f64; 3]; 3] = [[0.5, 0.2, 0.95], [0.8, 0.5, 0.2], [0.05, 0.8, 0.5]];

/// What the reward-based policy of the example loses.
fn example_loss(eta: f64) -> anyhow::Result<f64> {
    let truth = Truth::from_probabilities(3, |a, b| EXAMPLE[a][b]);
    let menus = menus(1, 3);
    let data = population(&truth, &menus)?;
    let rules = Rules::uniform(eta, Scale::Probability, 3);
    Ok(knowing(&truth, &menus, &data, &rules)?[0])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_loses_what_reference_results_say() {
        // Reference results to 35 digits.
        for (eta, lost) in [(1.0, 0.008_223_300_741_574_9), (10.0, 0.218_658_804_372_184_3)] {
            assert!((example_loss(eta).unwrap() - lost).abs() < 1e-7);
        }
    }

    #[test]
    fn scores_alone_make_the_reward_based_policy_nash_on_log_odds() {
        let section = run(Effort::Quick).unwrap();
        let (menus, truth) = (menus(1, N), truth(0.0, 4));
        let rules = Rules::uniform(3.0, Scale::LogOdds, N);
        let data = population(&truth, &menus).unwrap();
        let lost = knowing(&truth, &menus, &data, &rules).unwrap();
        assert!(lost[0] < 1e-9 && lost[REFERENCE] > 0.01, "{lost:?}");
        let baselines = Baselines::new(&data, &menus, &rules, rules.eta, rules.scale);
        let dpo = baselines.unwrap().learn(Baseline::Dpo, &truth).unwrap().policies;
        assert!(rules.suboptimality(&truth, &menus, &dpo) < 1e-9);
        assert!(section.text.contains("What it says"));
    }
}
