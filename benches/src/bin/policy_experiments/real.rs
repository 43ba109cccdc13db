//! What is learned on prompts and played on others, judged by people or by a model: five folds by prompt.
//!
//! ```text
//! setting of a fold = argmax over a grid of  mean over inner prompts of  π'Âπ₀ − KL(π‖π₀)/η,   Â shares of wins
//! ```
//! Settings are chosen on an inner fold of the training prompts: one quarter of them, which then is learned from too.

use crate::corpus::{Corpus, Described, Fold};
use crate::prompts::{Prompts, play, value};
use anyhow::Context;
use nlhf::core::{Distribution, Eta, Menus, Policy, PreferenceModel, Scale, UniformPolicy};
use nlhf::offline::{
    Contest, ContestConfig, ContestData, Entrant, FittedJudge, Interval, JudgeConfig, WinRate,
    WinShareFit, WinShares,
};
use nlhf::policy::{LogLinearClass, LogLinearConfig, NeuralClass, NeuralConfig};
use nlhf::preference::Features;
use nlhf_benches::experiments::Job;
use nlhf_benches::report::{Effort, Section, Table, short};
use std::sync::Arc;

const N_FOLDS: usize = 5;
const HIDDEN: usize = 8;
const RIDGES: [f64; 6] = [1.0, 3.0, 10.0, 30.0, 100.0, 300.0];
const NORMS: [f64; 5] = [1.0, 3.0, 10.0, 30.0, 100.0];
const DECAYS: [f64; 3] = [1e-3, 1e-2, 1e-1];

/// What is varied between tables: η, features, components.
const VARIANTS: [(f64, Described, usize); 4] = [
    (10.0, Described::Responses, 64),
    (10.0, Described::WithPrompts, 64),
    (10.0, Described::WithLength, 64),
    (30.0, Described::WithLength, 64),
];

pub(crate) fn people(job: &Job, effort: Effort) -> anyhow::Result<Section> {
    let mut section = Section::new("Held-out prompts judged by people");
    section.paragraph(
        "Human votes on answers to 940 prompts (llmfao: D. Ustalov, CC BY 4.0; PandaLM, Apache-2.0; LLMBar, MIT); embeddings all-MiniLM-L6-v2.",
    );
    contests(&mut section, "people", job, effort)?;
    section.paragraph(include_str!("people.md").trim_end());
    Ok(section)
}

pub(crate) fn vicuna(job: &Job, effort: Effort) -> anyhow::Result<Section> {
    let mut section = Section::new("Held-out prompts judged by GPT-4");
    section.paragraph(
        "GPT-4 on answers of 8 systems to 80 prompts, every pair in both orders (artidoro/qlora, MIT); embeddings all-MiniLM-L6-v2. The judge \
         averages both orders.",
    );
    contests(&mut section, "vicuna", job, effort)?;
    section.paragraph(include_str!("vicuna.md").trim_end());
    Ok(section)
}

fn contests(section: &mut Section, set: &str, job: &Job, effort: Effort) -> anyhow::Result<()> {
    let corpus = Corpus::read(&job.data.as_ref().context("--data FOLDER is required")?.join(set))?;
    section.paragraph(&format!(
        "{N_FOLDS} folds by prompt; nothing sees a comparison on a prompt that it is judged on. Features: leading principal components of the training \
         candidates' embeddings. Model, solved: a linear model with an order effect, fitted so that prompts count alike as they do in the judgement (and, for comparison, comparisons alike), its equilibria on the held-out menus, taken at its word. Classes learn from \
         equilibria of the training prompts: the model's own, or those of the tabular estimate. Ridge ({}), largest norm ({}) and weight decay ({}; {HIDDEN} hidden units) are \
         chosen on an inner fold by win rate against uniform less KL/η; the last column says which, fold by fold. Judged by the shares of wins of all {} comparisons on {} prompts; \
         95 % bootstrap intervals over prompts and judgements; * beyond noise for all pairs of a table at once. Exploitability: [cross-fitted, plain], biased down and up.",
        list(&RIDGES),
        list(&NORMS),
        list(&DECAYS),
        corpus.data.len(),
        corpus.menus.len()
    ));
    let config = JudgeConfig { members: effort.pick(200, 3), ..JudgeConfig::default() };
    let judge = FittedJudge::fit(WinShareFit, &corpus.data, config)?;
    for (eta, described, n_components) in VARIANTS {
        let entered = entrants(&corpus, judge.estimate(), eta, (described, n_components))?;
        let (entrants, settings): (Vec<Entrant>, Vec<String>) = entered.into_iter().unzip();
        let data =
            ContestData { menus: &corpus.menus, reference: &UniformPolicy, entrants: &entrants };
        let config = ContestConfig {
            eta: Eta::new(eta)?,
            replicates: effort.pick(400, 5),
            ..ContestConfig::default()
        };
        let contest = Contest::hold(data, &judge.judge(), &config, &mut ())?;
        section.paragraph(&format!(
            "**η = {eta}; {n_components} components of {}:**",
            described.words()
        ));
        section.table(&table(&contest, &settings));
    }
    Ok(())
}

fn list(values: &[f64]) -> String {
    values.iter().map(f64::to_string).collect::<Vec<_>>().join(", ")
}

fn table(contest: &Contest, settings: &[String]) -> Table {
    let mut table = Table::new(&[
        "policy",
        "against uniform",
        "against model, solved",
        "KL, nats",
        "exploitability",
        "settings",
    ]);
    for (at, standing) in contest.standings.iter().enumerate() {
        let exploited = &standing.exploitability;
        table.row(&[
            standing.name.clone(),
            rate(&standing.against_reference),
            if at == 0 { "–".to_owned() } else { rate(&contest.win_rates[at][0]) },
            standing.kl_nats.as_ref().map_or("∞".to_owned(), |kl| short(kl.value)),
            format!(
                "[{}, {}]",
                short(exploited.cross_fitted.unwrap_or(f64::NAN)),
                short(exploited.value)
            ),
            settings[at].clone(),
        ]);
    }
    table
}

fn rate(rate: &WinRate) -> String {
    let beyond = if rate.beyond_noise { " *" } else { "" };
    let interval = |Interval { low, high }: Interval| format!(" [{low:.3}, {high:.3}]");
    format!("{:.3}{}{beyond}", rate.rate, rate.interval.map(interval).unwrap_or_default())
}

/// A way to learn a class from equilibria: its name, its grid, and what it plays on the held-out menus of a fold.
struct Method {
    name: &'static str,
    grid: &'static [f64],
    play: fn(&Prompts, &Fold, f64) -> anyhow::Result<Vec<Distribution>>,
    /// Another way with the same settings, if there is one.
    also: Option<Also>,
}

type Also = (&'static str, fn(&Prompts, &Fold, f64) -> anyhow::Result<Vec<Distribution>>);

const METHODS: [Method; 2] = [
    Method {
        name: "log-linear, projected",
        grid: &NORMS,
        play: |prompts, fold, norm| {
            let policy = prompts.project(&log_linear(&fold.features, norm)?)?.policy;
            Ok(play(&policy, &fold.held_out))
        },
        also: Some(("log-linear, in class", |prompts, fold, norm| {
            let learned = prompts.learn(&log_linear(&fold.features, norm)?, 30)?;
            Ok(play(&learned.in_class, &fold.held_out))
        })),
    },
    Method {
        name: "neural, projected",
        grid: &DECAYS,
        play: |prompts, fold, decay| {
            let policy = prompts.project(&neural(&fold.features, HIDDEN, decay)?)?.policy;
            Ok(play(&policy, &fold.held_out))
        },
        also: None,
    },
];

pub(crate) fn log_linear(
    features: &Arc<Features>,
    max_norm: f64,
) -> anyhow::Result<LogLinearClass> {
    let config = LogLinearConfig::default().with_max_norm(max_norm).with_tolerance_nats(1e-8);
    Ok(LogLinearClass::new(Arc::<Features>::clone(features), Arc::new(UniformPolicy), config)?)
}

pub(crate) fn neural(
    features: &Arc<Features>,
    hidden: usize,
    weight_decay: f64,
) -> anyhow::Result<NeuralClass> {
    let config = NeuralConfig::default().with_hidden(hidden).with_weight_decay(weight_decay);
    let config = config.with_effort(100, 1e-6);
    Ok(NeuralClass::new(Arc::<Features>::clone(features), Arc::new(UniformPolicy), config)?)
}

/// Everybody with the policies of all folds put together in the order of the menus, and the settings chosen; the model first.
fn entrants(
    corpus: &Corpus,
    shares: &WinShares,
    eta: f64,
    features: (Described, usize),
) -> anyhow::Result<Vec<(Entrant, String)>> {
    let mut all: Vec<(String, Vec<Option<Distribution>>, Vec<f64>)> = Vec::new();
    for fold in corpus.folds(&corpus.menus, N_FOLDS, features)? {
        let inner = corpus.folds(&fold.training, N_FOLDS - 1, features)?.swap_remove(0);
        let score = |policies: &[Distribution]| worth(shares, &inner.held_out, policies, eta);
        let mut at = 0;
        let mut enter = |name: String, setting: f64, policies: Vec<Distribution>| {
            if all.len() == at {
                all.push((name, vec![None; corpus.menus.len()], Vec::new()));
            }
            all[at].2.push(setting);
            for (menu, policy) in fold.held_out.iter().zip(policies) {
                let place = corpus.menus.position(menu.prompt()).expect("one of its prompts");
                all[at].1[place] = Some(policy);
            }
            at += 1;
        };
        let solved = |fold: &Fold, (ridge, alike), menus: &Menus| {
            Prompts::new(&fold.linear(ridge, alike)?, menus.clone(), eta)
        };
        let mut model = None;
        for (alike, name) in
            [(true, "linear model, solved"), (false, "the same, comparisons alike")]
        {
            let ridge = chosen(&RIDGES, |ridge| {
                Ok(score(&solved(&inner, (ridge, alike), &inner.held_out)?.equilibria))
            })?;
            let played = solved(&fold, (ridge, alike), &fold.held_out)?.equilibria;
            enter(name.to_owned(), ridge, played);
            model = model.or(Some((ridge, alike)));
        }
        let model = model.context("two models")?;
        let of_tabular = |fold: &Fold| Prompts::new(&fold.tabular()?, fold.training.clone(), eta);
        for (source, outer, inside) in [
            (
                "model",
                solved(&fold, model, &fold.training)?,
                solved(&inner, model, &inner.training)?,
            ),
            ("tabular", of_tabular(&fold)?, of_tabular(&inner)?),
        ] {
            for method in &METHODS {
                let setting = chosen(method.grid, |setting| {
                    Ok(score(&(method.play)(&inside, &inner, setting)?))
                })?;
                let also = method.also.iter().copied();
                for (name, play) in [(method.name, method.play)].into_iter().chain(also) {
                    enter(format!("{name}, from {source}"), setting, play(&outer, &fold, setting)?);
                }
            }
        }
    }
    let entrants = all.into_iter().map(|(name, policies, settings)| {
        let policies: Option<Vec<Distribution>> = policies.into_iter().collect();
        let policies = policies.context("every prompt is held out in one fold")?;
        Ok((Entrant { name, policies }, list(&settings)))
    });
    entrants.collect()
}

/// The setting of the largest score, the first of equals.
fn chosen(grid: &[f64], mut score: impl FnMut(f64) -> anyhow::Result<f64>) -> anyhow::Result<f64> {
    let mut best = (grid[0], f64::NEG_INFINITY);
    for &setting in grid {
        let score = score(setting)?;
        if score > best.1 {
            best = (setting, score);
        }
    }
    Ok(best.0)
}

/// Mean of `π'Âπ₀ − KL(π‖π₀)/η`.
fn worth(shares: &WinShares, menus: &Menus, policies: &[Distribution], eta: f64) -> f64 {
    let each = menus.iter().zip(policies).map(|(menu, policy)| {
        let uniform = UniformPolicy.distribution(menu);
        let payoff = shares.game(menu, Scale::Probability);
        value(&payoff, policy, &uniform) - policy.kl_nats(&uniform) / eta
    });
    each.sum::<f64>() / policies.len() as f64
}
