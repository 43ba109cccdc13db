//! Reward-based learning against Nash policies as preferences turn from scores to a circle.

use crate::figure::{Axis, Curve, Ink, Panel, draw};
use crate::learn::{Form, learn};
use crate::report::{Effort, Section, Table, short};
use crate::statistics::{Mean, Spread};
use crate::world::{Rules, Truth, judge_all, menus, pairs, scale_name};
use nlhf::core::{
    Comparison, Confidence, Distribution, FitPreference, Label, Menus, PreferenceModel, PromptId,
    ResponseId, Scale, SeedTree, Stream, Weight,
};
use nlhf::offline::{Baseline, Baselines, reward_based_policy};
use nlhf::preference::{BradleyTerryFit, LogisticConfig, TabularFit, WidthMultiplier};
use rand::RngExt;
use rayon::prelude::*;
use std::f64::consts::TAU;

const N: usize = 8;
const SCALES: [Scale; 2] = [Scale::Probability, Scale::LogOdds];
const ETAS: [f64; 3] = [1.0, 10.0, 100.0];
/// Of pictures and samples.
const SHOWN: usize = 1;
const FAILURE: f64 = 0.05;
/// What stands for infinitely many labels on each pair.
const POPULATION: f64 = 1e9;

/// Methods that know the population.
const KNOWING: [&str; 4] = ["reward-based", "reward-based, best η", "DPO", "IPO"];
/// Methods that learn from a sample.
const LEARNING: [&str; 4] = ["Nash, greedy", "Nash, bonus", "reward-based", "IPO"];

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
    /// By labels a pair: of [`LEARNING`], at [`SHOWN`] on the scale of probabilities.
    sample: Vec<Vec<f64>>,
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
    section.paragraph(&format!(
        "From samples, scale P, η = {}: mean sub-optimality ± standard error over instances.",
        ETAS[SHOWN]
    ));
    section.table(&runs.sample_table());
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
    let rules = Rules::uniform(ETAS[SHOWN], Scale::Probability, N);
    let of_size = |(at, per_pair): (usize, &u64)| {
        let mut rng = SeedTree::new(seed).rng(Stream::Oracle, u32::try_from(at)?);
        learning(&truth, &menus, &judge_all(&truth, &menus, *per_pair, &mut rng), &rules)
    };
    let sample: anyhow::Result<_> = settings.per_pair.iter().enumerate().map(of_size).collect();
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
        lost(Baseline::Dpo)?,
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

fn introduce(section: &mut Section, settings: &Settings) {
    section.paragraph(
        "What does following a reward cost as preferences are less and less described by one?",
    );
    section.paragraph(&format!(
        "One prompt with {N} candidates, log-odds mixed from scores and a circle, {} instances each; the reference is uniform. The \
         methods know the population (every pair judged infinitely often, alike) or {} labels a pair. Reward-based: Bradley-Terry \
         by maximum likelihood, then π₀ exp(ηr), on log-odds whatever the scale; with the best η' it may choose η' \
         for each instance by its true loss. DPO and IPO at the optimum of their losses. The Nash policy of the \
         population loses nothing by definition.",
        settings.n_seeds,
        crate::report::listed(&settings.per_pair.iter().map(ToString::to_string).collect::<Vec<_>>()),
    ));
    section.formula(
        "R_s(a, b) = (1 − s)(r_a − r_b) + s · 2 sin(φ_b − φ_a),   r uniform in [−1, 1],  φ around the circle",
    );
}

struct Runs {
    settings: Settings,
    found: Vec<Measured>,
}

impl Runs {
    fn of(&self, share: usize, value: impl Fn(&Measured) -> f64) -> Vec<f64> {
        self.found.iter().filter(|m| m.share == share).map(value).collect()
    }

    fn known(&self, share: usize, scale: usize, eta: usize, method: usize) -> Vec<f64> {
        self.of(share, |m| m.population[scale][eta][method])
    }

    fn learned(&self, share: usize, size: usize, method: usize) -> Vec<f64> {
        self.of(share, |m| m.sample[size][method])
    }

    fn population_table(&self, scale: usize) -> Table {
        let mut heads = vec!["s".to_owned()];
        for eta in ETAS {
            heads.extend(KNOWING.map(|name| format!("{name}, η = {eta}")));
        }
        let mut table = Table::new(&heads.iter().map(String::as_str).collect::<Vec<_>>());
        for (share, s) in self.settings.shares.iter().enumerate() {
            let mut row = vec![s.to_string()];
            for eta in 0..ETAS.len() {
                let mean = |method| short(Mean::of(&self.known(share, scale, eta, method)).mean);
                row.extend((0..KNOWING.len()).map(mean));
            }
            table.row(&row);
        }
        table
    }

    fn sample_table(&self) -> Table {
        let mut heads = vec!["s".to_owned()];
        for n in &self.settings.per_pair {
            heads.extend(LEARNING.map(|name| format!("{name}, {n} a pair")));
        }
        let mut table = Table::new(&heads.iter().map(String::as_str).collect::<Vec<_>>());
        for (share, s) in self.settings.shares.iter().enumerate() {
            let mut row = vec![s.to_string()];
            for size in 0..self.settings.per_pair.len() {
                row.extend((0..LEARNING.len()).map(|method| {
                    let Mean { mean, standard_error } =
                        Mean::of(&self.learned(share, size, method));
                    format!("{} ± {}", short(mean), short(standard_error))
                }));
            }
            table.row(&row);
        }
        table
    }

    fn panels(&self) -> Vec<Panel> {
        let shares = &self.settings.shares;
        let y = || Axis::log("sub-optimality").within(1e-4, 4.0);
        let runs = |value: &dyn Fn(usize) -> Vec<f64>| -> Vec<Vec<f64>> {
            (0..shares.len()).map(value).collect()
        };
        let known = |scale: usize| Panel {
            title: format!("population, {}, η = {}", scale_name(SCALES[scale]), ETAS[SHOWN]),
            x: Axis::linear("s, the share of the circle"),
            y: y(),
            curves: [
                (0, "reward-based, DPO", 1),
                (1, "reward-based, best η", 5),
                (3, "IPO", 3),
                (4, "reference", 7),
            ]
            .into_iter()
            .map(|(method, name, color)| {
                let values = runs(&|share| self.known(share, scale, SHOWN, method));
                Curve::medians(name, Ink::solid(color), shares, &values)
            })
            .collect(),
        };
        let learned = |size: usize| Panel {
            title: format!(
                "{} labels a pair, P, η = {}",
                self.settings.per_pair[size], ETAS[SHOWN]
            ),
            x: Axis::linear("s, the share of the circle"),
            y: y(),
            curves: [
                (0, "Nash, greedy", 0),
                (1, "Nash, bonus", 2),
                (2, "reward-based, DPO", 1),
                (3, "IPO", 3),
            ]
            .into_iter()
            .map(|(method, name, color)| {
                let values = runs(&|share| self.learned(share, size, method));
                Curve::medians(name, Ink::solid(color), shares, &values)
            })
            .collect(),
        };
        vec![known(0), known(1), learned(0), learned(1)]
    }

    /// The smallest share at which the first has the larger mean.
    fn from_share(&self, larger: impl Fn(usize) -> (f64, f64)) -> String {
        let at = (0..self.settings.shares.len()).find(|share| {
            let (first, second) = larger(*share);
            first > second
        });
        at.map_or("at no s".to_owned(), |at| format!("from s = {}", self.settings.shares[at]))
    }

    fn conclude(&self, section: &mut Section) {
        let mean = |values: &[f64]| Mean::of(values).mean;
        let last = self.settings.shares.len() - 1;
        let worse_than_reference = |scale: usize, eta: usize| {
            let from = self.from_share(|share| {
                let of = |method| mean(&self.known(share, scale, eta, method));
                (of(0), of(4))
            });
            format!("{from} at η = {} on {}", ETAS[eta], scale_name(SCALES[scale]))
        };
        let everywhere: Vec<String> = (0..SCALES.len())
            .flat_map(|scale| (0..ETAS.len()).map(move |eta| (scale, eta)))
            .map(|(scale, eta)| worse_than_reference(scale, eta))
            .collect();
        let overtakes: Vec<String> = (0..self.settings.per_pair.len())
            .map(|size| {
                let from = self.from_share(|share| {
                    let of = |method| mean(&self.learned(share, size, method));
                    (of(2), of(0))
                });
                format!("with {} labels a pair {from}", self.settings.per_pair[size])
            })
            .collect();
        let bonus: Vec<String> = (0..self.settings.per_pair.len())
            .map(|size| {
                let ratio = |share| {
                    let of = |method| mean(&self.learned(share, size, method));
                    of(1) / of(0)
                };
                let n = self.settings.per_pair[size];
                format!("{} to {} times with {n}", short(ratio(0)), short(ratio(last)))
            })
            .collect();
        let exact = Spread::of(&self.known(0, 1, SHOWN, 0)).high;
        section.paragraph(&format!(
            "What it says. On log-odds at s = 0 the reward-based policy is the Nash policy (95 % of instances below {}); on P it is not even \
             then. It is worse than the reference: {}. At s = 1, η = {} on P, it loses {}, IPO {}, the reward with the best η' {} and the \
             reference {}. From samples greedy Nash loses less than the reward-based policy: {}. The bonus loses, relative to greedy at s = 0 and s = 1, {}.",
            short(exact),
            everywhere.join(", "),
            ETAS[SHOWN],
            short(mean(&self.known(last, 0, SHOWN, 0))),
            short(mean(&self.known(last, 0, SHOWN, 3))),
            short(mean(&self.known(last, 0, SHOWN, 1))),
            short(mean(&self.known(last, 0, SHOWN, 4))),
            overtakes.join(", "),
            bonus.join(" and "),
        ));
    }
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

fn example(section: &mut Section) -> anyhow::Result<()> {
    let etas = [1.0, 5.0, 10.0, 20.0, 50.0, 100.0];
    let mut heads = vec!["η".to_owned()];
    heads.extend(etas.map(|eta| eta.to_string()));
    let mut table = Table::new(&heads.iter().map(String::as_str).collect::<Vec<_>>());
    let mut row = vec!["sub of reward-based, P".to_owned()];
    for eta in etas {
        row.push(short(example_loss(eta)?));
    }
    table.row(&row);
    section.paragraph(
        "The smallest example, P(a ≻ b) = 0.2, P(b ≻ c) = 0.2, P(a ≻ c) = 0.95, whose Bradley-Terry scores are 0.202, 0 and −0.202: \
         the larger η, the more of the policy goes to a, which b beats with 0.8.",
    );
    section.table(&table);
    Ok(())
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
        let lost = knowing(&truth, &menus, &population(&truth, &menus).unwrap(), &rules).unwrap();
        assert!(lost[0] < 1e-9 && lost[2] < 1e-9 && lost[4] > 0.01, "{lost:?}");
        assert!(section.text.contains("What it says"));
        let (prompt, a) = (PromptId::new(0), ResponseId::new(0));
        assert!(truth.log_odds(prompt, a, a).abs() < 1e-15);
    }
}
