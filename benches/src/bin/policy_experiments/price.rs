//! What it costs to take the policy from a class, on the prompts it was learned from and on others.

use crate::corpus::{Corpus, Described, tabular};
use crate::prompts::{Learned, Prompts, only, play};
use crate::real::{log_linear, neural};
use nlhf::core::{Menus, Policy, PolicyClass, PreferenceModel, SeedTree, UniformPolicy};
use nlhf::nash::in_class::InClassStatus;
use nlhf::preference::{Crowd, CrowdConfig, Features};
use nlhf_benches::experiments::Job;
use nlhf_benches::report::{Effort, Section, Table, short};
use std::sync::Arc;

const ETAS: [f64; 3] = [1.0, 10.0, 100.0];
const BUDGET: usize = 30;
/// Features of a response of vicuna.
const ALL: usize = 385;

/// A class over a number of components.
#[derive(Clone, Copy)]
enum Kind {
    LogLinear { max_norm: f64 },
    Neural { hidden: usize },
}

const UNBOUNDED: Kind = Kind::LogLinear { max_norm: 1e3 };

pub(crate) fn run(job: &Job, effort: Effort) -> anyhow::Result<Section> {
    let mut section = Section::new("What a class costs");
    section.paragraph(&format!(
        "Mean shortfall against a best competitor, in win probability: of the equilibria themselves (0), of their projection onto the class, and of what is found in the class from \
         there on with at most {BUDGET} projections. Fitted: on the prompts learned from. Held out: on others, under their own games. KL: of equilibria to their projections, in nats. \
         Log-linear: weights of norm ≤ 1000 unless said otherwise; neural: weight decay 1e-4."
    ));
    let n_prompts = effort.pick(200, 5);
    let config = CrowdConfig { n_prompts: 2 * n_prompts, ..CrowdConfig::default() };
    let crowd = Crowd::new(&config, SeedTree::new(0))?;
    let features = Arc::new(crowd.features());
    let halves = [true, false].map(|wanted| {
        only(crowd.menus(), |menu| (menu.prompt().index() < n_prompts as usize) == wanted)
    });
    section.paragraph(&format!(
        "**The crowd's true games, {n_prompts} prompts to learn from and {n_prompts} others (as in section 1), three features:**"
    ));
    let mut table = head();
    for eta in ETAS {
        for (name, kind) in [
            ("log-linear", UNBOUNDED),
            ("neural, 8 hidden", Kind::Neural { hidden: 8 }),
            ("neural, 32 hidden", Kind::Neural { hidden: 32 }),
        ] {
            let parts = [(halves.clone(), Arc::clone(&features))];
            row(&mut table, &crowd, eta, (name, kind), &halves[0], &features, parts)?;
        }
    }
    section.table(&table);
    if let Some(data) = &job.data {
        let corpus = Corpus::read(&data.join("vicuna"))?;
        let estimate = tabular(&corpus.menus, &corpus.data)?;
        section.paragraph(
            "**The tabular estimate of vicuna, 80 full games of 8 candidates (GPT-4's judgements; artidoro/qlora, MIT); held out: five folds by prompt, each learned from the other four. Components of the embeddings and the length of the texts; all of them at η = 10 alone and not held out, for the time it takes:**",
        );
        let mut table = head();
        for eta in ETAS {
            for (name, kind, n) in [
                ("log-linear, 8 components", UNBOUNDED, 8),
                ("log-linear, 32 components", UNBOUNDED, 32),
                ("log-linear, 128 components", UNBOUNDED, 128),
                ("log-linear, 128 components, norm ≤ 3", Kind::LogLinear { max_norm: 3.0 }, 128),
                ("log-linear, all 385", UNBOUNDED, ALL),
                ("neural, 8 hidden, 32 components", Kind::Neural { hidden: 8 }, 32),
                ("neural, 32 hidden, 32 components", Kind::Neural { hidden: 32 }, 32),
            ] {
                // All features take too long for more than a glance.
                let whole = n == ALL;
                if whole && (eta - 10.0).abs() > 0.1 {
                    continue;
                }
                let features = corpus.features(Described::WithLength, n, &corpus.menus)?;
                let n_folds = if whole { 0 } else { 5 };
                let folds = corpus.folds(&corpus.menus, n_folds, (Described::WithLength, n))?;
                let parts = folds.into_iter().map(|f| ([f.training, f.held_out], f.features));
                row(&mut table, &estimate, eta, (name, kind), &corpus.menus, &features, parts)?;
            }
        }
        section.table(&table);
    }
    section.paragraph(include_str!("price.md").trim_end());
    Ok(section)
}

fn head() -> Table {
    Table::new(&[
        "η",
        "class",
        "reference",
        "projected",
        "in class",
        "KL",
        "projections",
        "held out: projected",
        "held out: in class",
    ])
}

/// A row: fitted on some menus, and held out in each of the parts, learned from the first menus and played on the second.
fn row(
    table: &mut Table,
    preference: &dyn PreferenceModel,
    eta: f64,
    (name, kind): (&str, Kind),
    menus: &Menus,
    features: &Arc<Features>,
    parts: impl IntoIterator<Item = ([Menus; 2], Arc<Features>)>,
) -> anyhow::Result<()> {
    let prompts = Prompts::new(preference, menus.clone(), eta)?;
    let reference = prompts.suboptimality(&play(&UniformPolicy, menus));
    let cost = dispatch(&prompts, kind, features)?.1;
    let (mut n, mut sums) = (0, [0.0; 2]);
    for ([training, held_out], features) in parts {
        let learned = dispatch(&Prompts::new(preference, training, eta)?, kind, &features)?.0;
        let other = Prompts::new(preference, held_out, eta)?;
        n += other.menus.len();
        for (sum, policy) in sums.iter_mut().zip(learned) {
            let mean = other.suboptimality(&play(policy.as_ref(), &other.menus));
            *sum += mean * other.menus.len() as f64;
        }
    }
    let [projected, in_class] = sums.map(|sum| short(sum / n as f64));
    table.row(&[
        eta.to_string(),
        name.to_owned(),
        short(reference),
        short(cost.projected_shortfall),
        short(cost.in_class_shortfall),
        short(cost.projection_kl_nats),
        format!("{} ({})", cost.n_projections, cost.status.map_or("none", InClassStatus::name)),
        projected,
        in_class,
    ]);
    Ok(())
}

type Both = ([Box<dyn Policy>; 2], nlhf::nash::in_class::Restriction);

fn dispatch(prompts: &Prompts, kind: Kind, features: &Arc<Features>) -> anyhow::Result<Both> {
    match kind {
        Kind::LogLinear { max_norm } => boxed(prompts, &log_linear(features, max_norm)?),
        Kind::Neural { hidden } => boxed(prompts, &neural(features, hidden, 1e-4)?),
    }
}

fn boxed<C: PolicyClass>(prompts: &Prompts, class: &C) -> anyhow::Result<Both>
where
    C::Policy: Clone + 'static,
{
    let Learned { projected, in_class, restriction } = prompts.learn(class, BUDGET)?;
    Ok(([Box::new(projected), Box::new(in_class)], restriction))
}
