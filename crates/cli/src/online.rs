//! `nlhf online`: ask a simulated crowd in batches, and watch bound and truth go down.

use crate::game::GameArgs;
use crate::input::Problem;
use crate::model::{ModelArgs, WithFit};
use crate::progress::Progress;
use crate::{Global, Outcome, crowd, outputs, render};
use clap::Args;
use nlhf::core::{
    ConfidenceWidth, Distribution, FitPreference, Policy, Scale, SeedTree, UniformPolicy,
    suboptimality,
};
use nlhf::online::{OnlineConfig, OnlineLearner, OnlineReport, Round};
use nlhf::policy::TabularClass;
use nlhf::preference::{AnyModel, Crowd, SimulatedOracle};
use serde::Serialize;
use std::io::Write;
use std::ops::ControlFlow;
use std::path::PathBuf;

/// Learn by asking: a main agent at the equilibrium, an enhancer that explores.
///
/// It asks an embedded simulated crowd, whose true preferences are known.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct OnlineArgs {
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    game: GameArgs,
    /// How often the agents change
    #[arg(long, default_value_t = 15, value_name = "N", value_parser = clap::value_parser!(u32).range(1..), help_heading = "Rounds")]
    rounds: u32,
    /// Labels asked in each round
    #[arg(long, default_value_t = 2000, value_name = "N", value_parser = clap::value_parser!(u32).range(1..), help_heading = "Rounds")]
    labels_per_round: u32,
    /// Write the whole report here: settings, rounds, bounds, policies
    #[arg(long, value_name = "REPORT.json", help_heading = "Output")]
    report: Option<PathBuf>,
}

const AFTER_HELP: &str = "\
Example:
  nlhf online --rounds 20 --labels-per-round 5000 --report online.json
  nlhf online --scale log-odds --eta 3";

/// One row of the trace, with the truth beside the bound.
#[derive(Debug, Clone, Serialize)]
struct Row {
    round: u32,
    n_labels: usize,
    suboptimality_bound: f64,
    true_suboptimality: f64,
}

struct Learned {
    report: OnlineReport,
    rows: Vec<Row>,
}

pub(crate) fn run(args: &OnlineArgs, global: &Global) -> anyhow::Result<Outcome> {
    let problem = crowd::online_problem(SeedTree::new(global.seed))?;
    let truth = problem.truth.as_ref().expect("the embedded crowd is its own truth");
    let config = OnlineConfig::default()
        .with_eta(args.game.eta)
        .with_scale(args.game.scale.into())
        .with_budget(args.rounds, args.labels_per_round)
        .with_seed(SeedTree::new(global.seed));
    let budget = config.most_labels();
    let mut file = args.report.as_deref().map(outputs::open).transpose()?;
    let learn = Learn { config, global, problem: &problem, truth };
    let learned = args.model.with_fit(&problem, budget, learn)?;
    if let Some(file) = &mut file {
        #[derive(Serialize)]
        struct WithTruth<'a> {
            #[serde(flatten)]
            report: &'a OnlineReport,
            trace: &'a [Row],
        }
        let report = WithTruth { report: &learned.report, trace: &learned.rows };
        serde_json::to_writer_pretty(&mut *file, &report).map_err(std::io::Error::from)?;
        file.write_all(b"\n")?;
    }
    if let Some(file) = file {
        file.commit()?;
    }
    if !global.quiet {
        write_summary(&mut std::io::stdout().lock(), args, &problem, &learned)?;
    }
    let unconverged = learned.report.rounds.iter().any(|round| round.n_unconverged > 0);
    Ok(if unconverged { Outcome::Marked } else { Outcome::Done })
}

struct Learn<'a> {
    config: OnlineConfig,
    global: &'a Global,
    problem: &'a Problem,
    truth: &'a Crowd,
}

impl WithFit for Learn<'_> {
    type Output = Learned;

    fn call<F>(self, fit: F) -> anyhow::Result<Learned>
    where
        F: FitPreference + 'static,
        F::Model: ConfidenceWidth + Into<AnyModel> + 'static,
    {
        let menus = &self.problem.dataset.menus;
        let (eta, scale) = (self.config.eta, self.config.scale);
        let mean_lost = |policies: &mut dyn Iterator<Item = &Distribution>| {
            let lost = menus.iter().zip(policies).map(|(menu, policy)| {
                let reference = UniformPolicy.distribution(menu);
                suboptimality(self.truth, menu, &reference, eta, scale, policy)
            });
            lost.sum::<f64>() / menus.len() as f64
        };
        let mut rows = Vec::new();
        let mut bar = Progress::new(self.global, u64::from(self.config.rounds), "rounds");
        let mut watch = |round: &Round<'_>| {
            rows.push(Row {
                round: round.round,
                n_labels: round.n_labels,
                suboptimality_bound: round.suboptimality_bound,
                true_suboptimality: mean_lost(&mut round.agents.iter().map(|agents| &agents.main)),
            });
            bar.update(u64::from(round.round), "asking");
            ControlFlow::Continue(())
        };
        let mut oracle = SimulatedOracle::new(self.truth, self.config.seed);
        let learner = OnlineLearner::new(self.config.clone())?;
        let result =
            learner.learn(menus, &UniformPolicy, &mut oracle, &fit, &TabularClass, &mut watch)?;
        bar.finish();
        Ok(Learned { report: result.report, rows })
    }
}

fn write_summary(
    out: &mut impl Write,
    args: &OnlineArgs,
    problem: &Problem,
    learned: &Learned,
) -> std::io::Result<()> {
    let scale: Scale = args.game.scale.into();
    let menus = &problem.dataset.menus;
    writeln!(
        out,
        "Asked a simulated crowd about {} with {} candidates each.\n",
        render::counted(menus.len(), "prompt"),
        menus.get(0).len()
    )?;
    let mut table = render::Table::new(&["round", "labels", "bound", "true suboptimality"]);
    for row in &learned.rows {
        table.row(vec![
            row.round.to_string(),
            render::count(row.n_labels),
            render::number(row.suboptimality_bound),
            render::number(row.true_suboptimality),
        ]);
    }
    write!(out, "{table}")?;
    let best = learned.report.best_round;
    let Some(row) = learned.rows.iter().find(|row| row.round == best) else { return Ok(()) };
    let sure = args.model.proviso(problem);
    writeln!(
        out,
        "\nReturned: the main agent of round {best}, the smallest bound. After {} labels, {sure} no\n\
         competitor gains more than {} ({}) against it on average; in truth it is {}.",
        render::count(row.n_labels),
        render::number(row.suboptimality_bound),
        render::unit(scale),
        render::number(row.true_suboptimality)
    )?;
    let failed =
        learned.rows.iter().filter(|r| r.true_suboptimality > r.suboptimality_bound).count();
    if failed > 0 {
        writeln!(
            out,
            "\nThe bound failed in {}: these widths are too narrow, or the model cannot hold the truth.",
            render::counted(failed, "round")
        )?;
    }
    writeln!(out, "\nNext:")?;
    writeln!(
        out,
        "  - more labels: --rounds and --labels-per-round; a bound halves with about four times as many"
    )?;
    writeln!(out, "  - learn from labels that you already have: nlhf offline FILE")?;
    Ok(())
}
