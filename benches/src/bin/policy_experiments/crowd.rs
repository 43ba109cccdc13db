//! What is learned on prompts and played on others, where the truth is known: the simulated crowd.

use crate::prompts::{Prompts, only, play};
use crate::real::log_linear;
use nlhf::core::{
    Comparison, Confidence, Distribution, FitPreference, Menus, Policy, PromptId, SeedTree,
    UniformPolicy,
};
use nlhf::policy::{MixturePolicy, NeuralClass, NeuralConfig};
use nlhf::preference::{
    Crowd, CrowdConfig, FeatureFit, FeatureTable, Features, LogisticConfig, TabularFit,
};
use nlhf_benches::experiments::Job;
use nlhf_benches::report::{Effort, Section, Table};
use nlhf_benches::statistics::Mean;
use std::sync::Arc;

const ETA: f64 = 10.0;
const HIDDEN: usize = 16;
const CANDIDATES: u32 = 6;

/// A crowd by the shares of its kinds.
struct Setting {
    name: &'static str,
    shares: [f64; 3],
}

const SETTINGS: [Setting; 2] = [
    Setting { name: "circle, shares 0.4, 0.35, 0.25", shares: [0.4, 0.35, 0.25] },
    Setting { name: "majority, shares 0.8, 0.1, 0.1", shares: [0.8, 0.1, 0.1] },
];

/// One method's figures of one seed.
struct Figures {
    name: &'static str,
    suboptimality: f64,
    against_reference: f64,
    against_model: f64,
    kl_nats: f64,
}

pub(crate) fn run(_: &Job, effort: Effort) -> anyhow::Result<Section> {
    let (n_seeds, n_prompts) = (effort.pick(10, 2), effort.pick(200, 10));
    let mut section = Section::new("Held-out prompts of a crowd whose truth is known");
    section.paragraph(&format!(
        "The simulated crowd: {n_prompts} prompts to learn from and {n_prompts} that nobody has judged, {CANDIDATES} candidates each, η = {ETA}, scale P. \
         Three features: style (two) and quality; over squares: and all products of two; with menu: the mean of the menu's features multiplied in, so that a policy \
         sees who else is on the menu. Models are fitted to the comparisons of the training prompts and solved on the held-out menus, taken at \
         their word (no pessimism). Classes are fitted to equilibria of the training prompts, those of the tabular estimate unless said \
         otherwise, and then play the held-out menus: log-linear, or neural with {HIDDEN} hidden units (weight decay 1e-4). In class: \
         searched on from the projection, with 30 projections, neural with 10. Mean over {n_seeds} seeds with 95 % t intervals. Win rates are true ones, without the KL \
         term, against the reference and against the last model, bilinear over squares."
    ));
    for setting in &SETTINGS {
        for per_pair in [20, 200] {
            let seeds: anyhow::Result<Vec<Vec<Figures>>> =
                (0..n_seeds).map(|seed| one(setting, per_pair, n_prompts, seed)).collect();
            let seeds = seeds?;
            section.paragraph(&format!("**{}; {per_pair} labels a pair:**", setting.name));
            let mut table = Table::new(&[
                "method",
                "sub, held out",
                "against reference",
                "against the last model",
                "KL, nats",
            ]);
            for (at, first) in seeds[0].iter().enumerate() {
                let over = |of: fn(&Figures) -> f64| {
                    interval(&seeds.iter().map(|seed| of(&seed[at])).collect::<Vec<_>>())
                };
                table.row(&[
                    first.name.to_owned(),
                    over(|f| f.suboptimality),
                    over(|f| f.against_reference),
                    over(|f| f.against_model),
                    over(|f| f.kl_nats),
                ]);
            }
            section.table(&table);
        }
    }
    section.paragraph(include_str!("crowd.md").trim_end());
    Ok(section)
}

/// Student's 97.5 % quantiles for 1 to 10 degrees of freedom.
const STUDENT: [f64; 10] = [12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228];

/// Mean ± half of the 95 % t interval.
fn interval(values: &[f64]) -> String {
    let Mean { mean, standard_error } = Mean::of(values);
    let half = STUDENT[values.len() - 2] * standard_error;
    format!("{mean:.4} ± {half:.4}").replace('-', "−")
}

fn one(
    setting: &Setting,
    per_pair: u32,
    n_prompts: u32,
    seed: u64,
) -> anyhow::Result<Vec<Figures>> {
    let config = CrowdConfig {
        n_prompts: 2 * n_prompts,
        n_responses: CANDIDATES,
        shares: setting.shares,
        ..CrowdConfig::default()
    };
    let crowd = Crowd::new(&config, SeedTree::new(seed))?;
    let seen = |prompt: PromptId| prompt.index() < n_prompts as usize;
    let mut data: Vec<Comparison> = crowd.comparisons(per_pair, SeedTree::new(seed));
    data.retain(|comparison| seen(comparison.prompt));
    let training = || only(crowd.menus(), |menu| seen(menu.prompt()));
    let held_out = || only(crowd.menus(), |menu| !seen(menu.prompt()));

    let features = Arc::new(crowd.features());
    let with_menu = Arc::new(with_menu(&features, crowd.menus())?);
    let squares = Arc::new(with_squares(&features, crowd.menus())?);
    let logistic = LogisticConfig { log_odds_bound: 10.0, ..LogisticConfig::default() };
    let linear = FeatureFit::linear(Arc::clone(&features), logistic)?.fit(&data)?.model;
    let bilinear = FeatureFit::bilinear(Arc::clone(&features), logistic)?.fit(&data)?.model;
    let rich = FeatureFit::bilinear(Arc::clone(&squares), logistic)?.fit(&data)?.model;
    let tabular = TabularFit::for_menus(&training(), Confidence::new(0.95)?).fit(&data)?.model;

    let truth = Prompts::new(&crowd, held_out(), ETA)?;
    let of_tabular = Prompts::new(&tabular, training(), ETA)?;
    let of_rich = Prompts::new(&rich, training(), ETA)?;
    let of_truth = Prompts::new(&crowd, training(), ETA)?;
    let by_model = Prompts::new(&rich, held_out(), ETA)?.equilibria;

    let mut all = Vec::new();
    let mut add = |name, policies: &[Distribution]| {
        all.push(Figures {
            name,
            suboptimality: truth.suboptimality(policies),
            against_reference: truth.win_rate(policies, &play(&UniformPolicy, &truth.menus)),
            against_model: truth.win_rate(policies, &by_model),
            kl_nats: policies
                .iter()
                .map(Distribution::entropy_nats)
                .map(|h| f64::from(CANDIDATES).ln() - h)
                .sum::<f64>()
                / policies.len() as f64,
        });
    };
    let mut played = |name, policy: &dyn Policy| add(name, &play(policy, &truth.menus));

    played("reference", &UniformPolicy);
    for (features, names) in [
        (&features, ["log-linear, projected", "log-linear, in class"]),
        (&squares, ["log-linear over squares, projected", "log-linear over squares, in class"]),
    ] {
        let learned = of_tabular.learn(&log_linear(features, 1e3)?, 30)?;
        played(names[0], &learned.projected);
        played(names[1], &learned.in_class);
    }
    let neural = |features: &Arc<Features>, seed| {
        let config = NeuralConfig::default().with_hidden(HIDDEN).with_weight_decay(1e-4);
        let config = config.with_seed(SeedTree::new(seed)).with_effort(100, 1e-6);
        NeuralClass::new(Arc::<Features>::clone(features), Arc::new(UniformPolicy), config)
    };
    let learned = of_tabular.learn(&neural(&features, 0)?, 10)?;
    played("neural, projected", &learned.projected);
    played("neural, in class", &learned.in_class);
    let first = of_tabular.project(&neural(&with_menu, 0)?)?.policy;
    played("neural with menu, projected", &first);
    let mut members: Vec<Arc<dyn Policy>> = vec![Arc::new(first)];
    for seed in 1..5 {
        members.push(Arc::new(of_tabular.project(&neural(&with_menu, seed)?)?.policy));
    }
    played("neural with menu, average of 5", &MixturePolicy::average(members)?);
    played(
        "neural with menu, from the last model's equilibria",
        &of_rich.project(&neural(&with_menu, 0)?)?.policy,
    );
    played(
        "neural with menu, from the true equilibria",
        &of_truth.project(&neural(&with_menu, 0)?)?.policy,
    );
    add("linear model, solved", &Prompts::new(&linear, held_out(), ETA)?.equilibria);
    add("bilinear model, solved", &Prompts::new(&bilinear, held_out(), ETA)?.equilibria);
    add("bilinear model over squares, solved", &by_model);
    add("truth, solved", &truth.equilibria);
    Ok(all)
}

/// Features and all products of two of them.
fn with_squares(features: &Features, menus: &Menus) -> anyhow::Result<Features> {
    let (dim, mut values) = (features.dim(), Vec::new());
    let mut row = vec![0.0; dim];
    for menu in menus.iter() {
        for response in menu.responses() {
            features.write(menu.prompt(), *response, &mut row)?;
            values.extend_from_slice(&row);
            values.extend(
                (0..dim).flat_map(|i| (i..dim).map(move |j| (i, j))).map(|(i, j)| row[i] * row[j]),
            );
        }
    }
    Ok(Features::new(FeatureTable::new(dim + dim * (dim + 1) / 2, values)?, None)?)
}

/// The mean features of a menu as features of its prompt, multiplied in.
fn with_menu(features: &Features, menus: &Menus) -> anyhow::Result<Features> {
    let (dim, mut means, mut values) = (features.dim(), Vec::new(), Vec::new());
    let mut row = vec![0.0; dim];
    for menu in menus.iter() {
        let mut mean = vec![0.0; dim];
        for response in menu.responses() {
            features.write(menu.prompt(), *response, &mut row)?;
            for (mean, x) in mean.iter_mut().zip(&row) {
                *mean += x / menu.len() as f64;
            }
            values.extend_from_slice(&row);
        }
        means.extend(mean);
    }
    Ok(Features::new(FeatureTable::new(dim, values)?, Some(FeatureTable::new(dim, means)?))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_beats_the_truth_and_the_intervals_are_students() {
        let figures = one(&SETTINGS[0], 20, 10, 0).unwrap();
        let truth = figures.last().unwrap();
        assert!(truth.suboptimality < 1e-8);
        assert!(figures.iter().all(|f| f.suboptimality >= truth.suboptimality));
        assert!((figures[0].against_reference - 0.5).abs() < 1e-12);
        assert_eq!(interval(&[1.0, 2.0, 3.0]), "2.0000 ± 2.4843");
    }
}
