//! The run: rounds of asking whoever is asked, watched, and stopped when somebody asks for it.

use super::OnlineArgs;
use super::candidates::AskedAbout;
use super::judges::Started;
use crate::model::WithFit;
use crate::progress::Progress;
use crate::{Global, outputs, reference, render};
use anyhow::anyhow;
use nlhf::core::{
    ConfidenceWidth, Distribution, FitPreference, Menus, Observer, Oracle, OracleError, Policy,
    UniformPolicy, suboptimality,
};
use nlhf::judge::{Accounting, Asked, LabelStore, StoredOracle};
use nlhf::online::{OnlineConfig, OnlineError, OnlineLearner, OnlineReport, Round};
use nlhf::policy::TabularClass;
use nlhf::preference::{AnyModel, SimulatedOracle};
use serde::Serialize;
use std::cell::RefCell;
use std::ops::ControlFlow;
use std::sync::atomic::Ordering;

/// What was learned, whoever was asked and with whichever model.
pub(super) struct Learned {
    pub(super) report: OnlineReport,
    /// What the policy is over.
    pub(super) menus: Menus,
    /// Of each round what the main agent truly loses, where the truth is known.
    pub(super) true_suboptimality: Option<Vec<f64>>,
    /// What was asked; nothing of the embedded crowd.
    pub(super) asked: Option<Spent>,
}

/// What was asked of a judge.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Spent {
    pub(super) judge: String,
    #[serde(flatten)]
    pub(super) accounting: Accounting,
    /// What the tokens of this run cost, if prices were told.
    pub(super) cost: Option<f64>,
    /// Lines of the store that were torn and mended.
    pub(super) n_torn: usize,
}

/// Learns as the command line says.
pub(super) fn learn(
    args: &OnlineArgs,
    global: &Global,
    asked: &AskedAbout,
) -> anyhow::Result<Learned> {
    let config = args.plan.config(args, global.seed)?;
    let reference = reference::load(args.reference.as_deref(), &asked.problem, global)?;
    let most = config.most_labels();
    let mut started = args.judge.start(asked, global)?;
    let learn =
        Learn { args, global, asked, config, reference: &*reference, started: &mut started };
    let learned = args.model.with_fit(&asked.problem, most, learn);
    if let Some(started) = &mut started {
        started.finish();
    }
    learned
}

struct Learn<'a> {
    args: &'a OnlineArgs,
    global: &'a Global,
    asked: &'a AskedAbout,
    config: OnlineConfig,
    reference: &'a dyn Policy,
    started: &'a mut Option<Started>,
}

/// How far the run is, as the bar tells it.
struct Watched {
    bar: Progress,
    /// Labels of the rounds before.
    n_before: u64,
    says: String,
}

impl Watched {
    fn show(&mut self, n_of_batch: u64) {
        self.bar.update(self.n_before + n_of_batch, self.says.clone());
    }
}

impl WithFit for Learn<'_> {
    type Output = Learned;

    fn call<F>(self, fit: F) -> anyhow::Result<Learned>
    where
        F: FitPreference + 'static,
        F::Model: ConfidenceWidth + Into<AnyModel> + 'static,
    {
        let (args, asked) = (self.args, self.asked);
        let most = self.config.most_labels();
        let watched = RefCell::new(Watched {
            bar: Progress::new(self.global, most, "labels"),
            n_before: 0,
            says: "round 1".to_owned(),
        });
        let Some(started) = self.started else {
            let truth = asked.problem.truth.as_ref().expect("the embedded crowd is asked");
            let mut oracle = SimulatedOracle::new(truth, self.config.seed);
            let learned =
                run(&self.config, args, asked, self.reference, &fit, &mut oracle, &watched);
            watched.into_inner().bar.finish();
            return learned;
        };
        let judge = started.judge();
        let name = judge.name().to_owned();
        let n_orders = if args.judge.both_orders { 2 } else { 1 };
        let mut oracle = StoredOracle::new(judge, asked)
            .in_both_orders(args.judge.both_orders)
            .with_observer(|batch: &Asked| {
                watched.borrow_mut().show(batch.n_answered as u64 / n_orders);
                ControlFlow::Continue(())
            });
        let mut n_torn = 0;
        if let Some(path) = args.judge.labels().first() {
            let identity = oracle.identity();
            let store = LabelStore::open(path, &identity)?;
            n_torn = store.n_torn();
            oracle = oracle.with_store(store)?;
        }
        let learned = run(&self.config, args, asked, self.reference, &fit, &mut oracle, &watched);
        let accounting = *oracle.accounting();
        drop(oracle);
        watched.into_inner().bar.finish();
        let spent = Spent { judge: name, accounting, cost: cost(args, &accounting), n_torn };
        match learned {
            Ok(learned) => Ok(Learned { asked: Some(spent), ..learned }),
            Err(error) => Err(told_what_is_kept(error, args, &spent)),
        }
    }
}

/// The rounds, against any oracle.
fn run<F>(
    config: &OnlineConfig,
    args: &OnlineArgs,
    asked: &AskedAbout,
    reference: &dyn Policy,
    fit: &F,
    oracle: &mut dyn Oracle,
    watched: &RefCell<Watched>,
) -> anyhow::Result<Learned>
where
    F: FitPreference,
    F::Model: ConfidenceWidth,
{
    let (eta, scale) = (config.eta, config.scale);
    let stop = outputs::stop_gently();
    let truth = asked.problem.truth.as_ref();
    let mut lost = Vec::new();
    let mut watch = |round: &Round<'_>| {
        if let Some(truth) = truth {
            let loses = |(menu, policy): (_, &Distribution)| {
                suboptimality(truth, menu, &UniformPolicy.distribution(menu), eta, scale, policy)
            };
            let mains = round.agents.iter().map(|agents| &agents.main);
            let total: f64 = round.menus.iter().zip(mains).map(loses).sum();
            lost.push(total / round.menus.len() as f64);
        }
        let mut watched = watched.borrow_mut();
        watched.n_before = round.n_queries as u64;
        watched.says = format!(
            "round {}, bound {}",
            round.round + 1,
            render::number(round.suboptimality_bound)
        );
        watched.show(0);
        if stop.load(Ordering::Relaxed) {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    };
    let learner = OnlineLearner::new(config.clone())?.with_strategy(args.plan.strategy(scale)?)?;
    let menus = &asked.dataset().menus;
    let watch: &mut dyn for<'a> Observer<Round<'a>> = &mut watch;
    let result = match args.candidates.growing(menus, config.seed) {
        Some(mut growing) => {
            learner.learn_growing(&mut growing, reference, oracle, fit, &TabularClass, watch)
        }
        None => learner.learn(menus, reference, oracle, fit, &TabularClass, watch),
    };
    let result = result.map_err(|error| named(error, asked))?;
    let true_suboptimality = truth.map(|_| lost);
    let (report, menus) = (result.report, result.menus);
    Ok(Learned { report, menus, true_suboptimality, asked: None })
}

/// What the tokens cost, if both prices that are needed were told.
fn cost(args: &OnlineArgs, accounting: &Accounting) -> Option<f64> {
    let price = |price: Option<f64>, tokens: u64| price.map(|price| price * tokens as f64 / 1e6);
    let read = price(args.judge.price_in, accounting.input_tokens);
    let written = price(args.judge.price_out, accounting.output_tokens);
    match (read, written) {
        (None, None) => None,
        (read, written) => Some(read.unwrap_or(0.0) + written.unwrap_or(0.0)),
    }
}

/// An error with names in place of ids.
fn named(error: OnlineError, asked: &AskedAbout) -> anyhow::Error {
    if let OnlineError::Oracle { source: OracleError::Unanswerable { query }, .. } = &error {
        let dataset = asked.dataset();
        let [first, second] =
            [query.first, query.second].map(|id| dataset.responses.name(id.index()));
        let prompt = dataset.prompts.name(query.prompt.index());
        return anyhow!(
            "the oracle cannot judge {first:?} against {second:?} on prompt {prompt:?}: expected a judgement of every \
             pair of candidates, found none of this one (list only candidates that were compared)"
        );
    }
    error.into()
}

/// An error, and what it did not take along.
fn told_what_is_kept(error: anyhow::Error, args: &OnlineArgs, spent: &Spent) -> anyhow::Error {
    let n_kept = spent.accounting.n_asked;
    match args.judge.labels().first() {
        Some(path) if n_kept > 0 => {
            let kept = render::counted(usize::try_from(n_kept).unwrap_or(usize::MAX), "answer");
            anyhow!(
                "{} ({kept} of this run kept in {}; the same command goes on from there)",
                render::error_chain(&error),
                path.display()
            )
        }
        _ => error,
    }
}
