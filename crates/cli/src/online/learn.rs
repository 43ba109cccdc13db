//! The run: rounds of asking whoever is asked, watched, and stopped when somebody asks for it.

use super::OnlineArgs;
use super::candidates::AskedAbout;
use super::judges::Started;
use crate::model::WithFit;
use crate::policy_class::{WithClass, Written};
use crate::progress::Progress;
use crate::{Global, outputs, reference, render};
use anyhow::anyhow;
use nlhf::core::{
    ConfidenceWidth, Distribution, FitPreference, Menus, Observer, Oracle, OracleError, Policy,
    PolicyClass, UniformPolicy, suboptimality,
};
use nlhf::judge::{Accounting, Asked, LabelStore, StoreError, StoredOracle, read_labels};
use nlhf::online::{OnlineConfig, OnlineError, OnlineLearner, OnlineReport, Round};
use nlhf::policy::PolicyParameters;
use nlhf::preference::{AnyModel, SimulatedOracle};
use serde::Serialize;
use std::cell::RefCell;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// What was learned, whoever was asked and with whichever model.
pub(super) struct Learned {
    pub(super) report: OnlineReport,
    /// What is kept of the policy, if it plays other prompts too.
    pub(super) policy: Option<PolicyParameters>,
    /// What the policy is over.
    pub(super) menus: Menus,
    /// Of each round what the main agent truly loses, where the truth is known.
    pub(super) true_suboptimality: Option<Vec<f64>>,
    /// What the policy that is returned truly loses, where the truth is known.
    pub(super) true_of_returned: Option<f64>,
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
    // What is wrong with the settings is told before a page is opened or a file is made.
    let strategy = args.plan.strategy(config.scale)?;
    let learner = OnlineLearner::new(config.clone())?.with_strategy(strategy)?;
    // A pair that is asked about once has one count; that pairs are chosen by earlier labels still has to be told.
    let most = if config.repeats { config.most_labels() } else { config.most_labels().min(2) };
    let mut started = args.judge.start(asked, global)?;
    let rounds = Rounds { args, asked, config, learner, reference: &reference };
    let learn = Learn { global, rounds, started: &mut started };
    let learned = args.model.with_fit(&asked.problem, most, learn);
    if let Some(started) = &mut started {
        started.finish();
    }
    learned
}

struct Learn<'a> {
    global: &'a Global,
    rounds: Rounds<'a>,
    started: &'a mut Option<Started>,
}

/// The rounds, against any oracle.
struct Rounds<'a> {
    args: &'a OnlineArgs,
    asked: &'a AskedAbout,
    config: OnlineConfig,
    learner: OnlineLearner,
    reference: &'a Arc<dyn Policy>,
}

/// How far the run is, as the bar tells it.
struct Watched {
    bar: Progress,
    /// Labels of the rounds before.
    n_before: u64,
    says: String,
    /// What was spent so far, if prices were told.
    cost: Option<f64>,
}

impl Watched {
    fn show(&mut self, n_of_batch: u64) {
        let cost = self.cost.map_or_else(String::new, |cost| format!(", cost {cost:.2}"));
        self.bar.update(self.n_before + n_of_batch, format!("{}{cost}", self.says));
    }
}

impl WithFit for Learn<'_> {
    type Output = Learned;

    fn call<F>(self, fit: F) -> anyhow::Result<Learned>
    where
        F: FitPreference + 'static,
        F::Model: ConfidenceWidth + Into<AnyModel> + 'static,
    {
        let Rounds { args, asked, ref config, .. } = self.rounds;
        let most = config.most_labels();
        let watched = RefCell::new(Watched {
            bar: Progress::new(self.global, most, "labels"),
            n_before: 0,
            says: "round 1".to_owned(),
            cost: None,
        });
        let Some(started) = self.started else {
            let truth = asked.problem.truth.as_ref().expect("the embedded crowd is asked");
            let mut oracle = SimulatedOracle::new(truth, config.seed);
            let learned = self.rounds.run(&fit, &mut oracle, &watched);
            watched.into_inner().bar.finish();
            return learned;
        };
        let judge = started.judge();
        let name = judge.name().to_owned();
        let n_orders = if args.judge.both_orders { 2 } else { 1 };
        let now = outputs::stop_now();
        let mut oracle = StoredOracle::new(judge, asked)
            .in_both_orders(args.judge.both_orders)
            .with_observer(|batch: &Asked| {
                let mut watched = watched.borrow_mut();
                watched.cost = cost(args, &batch.accounting);
                watched.show(batch.n_answered as u64 / n_orders);
                if now.load(Ordering::Relaxed) {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                }
            });
        let mut n_torn = 0;
        if let Some(path) = args.judge.labels().first() {
            let identity = oracle.identity();
            let store = LabelStore::open(path, &identity).map_err(told_whose_answers)?;
            n_torn = store.n_torn();
            oracle = oracle.with_store(store)?;
        }
        let learned = self.rounds.run(&fit, &mut oracle, &watched);
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

/// The rounds with a fit, for a policy of whichever class it is called with.
struct RoundsWith<'a, 'b, F> {
    rounds: &'a Rounds<'b>,
    fit: &'a F,
    oracle: &'a mut dyn Oracle,
    watched: &'a RefCell<Watched>,
}

impl<F> WithClass for RoundsWith<'_, '_, F>
where
    F: FitPreference,
    F::Model: ConfidenceWidth,
{
    type Output = Learned;

    fn call<C>(self, class: &C) -> anyhow::Result<Learned>
    where
        C: PolicyClass,
        C::Policy: Written,
    {
        self.rounds.of_class(self.fit, class, self.oracle, self.watched)
    }
}

impl Rounds<'_> {
    fn run<F>(
        &self,
        fit: &F,
        oracle: &mut dyn Oracle,
        watched: &RefCell<Watched>,
    ) -> anyhow::Result<Learned>
    where
        F: FitPreference,
        F::Model: ConfidenceWidth,
    {
        let with = RoundsWith { rounds: self, fit, oracle, watched };
        self.args.policy.with_class(&self.asked.problem, self.reference, self.config.seed, with)
    }

    fn of_class<F, C>(
        &self,
        fit: &F,
        class: &C,
        oracle: &mut dyn Oracle,
        watched: &RefCell<Watched>,
    ) -> anyhow::Result<Learned>
    where
        F: FitPreference,
        F::Model: ConfidenceWidth,
        C: PolicyClass,
        C::Policy: Written,
    {
        let Self { args, asked, config, learner, reference } = self;
        let (eta, scale) = (config.eta, config.scale);
        let stop = outputs::stop_gently();
        let truth = asked.problem.truth.as_ref();
        let loses = |menus: &Menus, policies: &mut dyn Iterator<Item = &Distribution>| {
            let of = |(menu, policy): (_, &Distribution)| {
                let reference = UniformPolicy.distribution(menu);
                truth
                    .map_or(0.0, |truth| suboptimality(truth, menu, &reference, eta, scale, policy))
            };
            menus.iter().zip(policies).map(of).sum::<f64>() / menus.len() as f64
        };
        let mut lost = Vec::new();
        let mut watch = |round: &Round<'_>| {
            if truth.is_some() && round.n_labels > 0 {
                lost.push(loses(round.menus, &mut round.agents.iter().map(|agents| &agents.main)));
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
        let (menus, reference) = (&asked.dataset().menus, &***reference);
        let watch: &mut dyn for<'a> Observer<Round<'a>> = &mut watch;
        let result = match args.candidates.growing(menus, config.seed) {
            Some(mut growing) => {
                learner.learn_growing(&mut growing, reference, oracle, fit, class, watch)
            }
            None => learner.learn(menus, reference, oracle, fit, class, watch),
        };
        let result = result.map_err(|error| named(error, asked))?;
        let played = &mut result.report.prompts.iter().map(|prompt| &prompt.policy);
        let true_of_returned = truth.map(|_| loses(&result.menus, played));
        let true_suboptimality = truth.map(|_| lost);
        let policy = result.policy.parameters();
        let (report, menus) = (result.report, result.menus);
        Ok(Learned { report, policy, menus, true_suboptimality, true_of_returned, asked: None })
    }
}

/// What the tokens cost, if both prices that are needed were told.
fn cost(args: &OnlineArgs, accounting: &Accounting) -> Option<f64> {
    let price = |price: Option<f64>, tokens: u64| price.map(|price| price * tokens as f64 / 1e6);
    let read = price(args.judge.price_in, accounting.input_tokens);
    let written = price(args.judge.price_out, accounting.output_tokens);
    // Half of a cost is none.
    let read = read.or((accounting.input_tokens == 0).then_some(0.0))?;
    let written = written.or((accounting.output_tokens == 0).then_some(0.0))?;
    let is_told = args.judge.price_in.is_some() || args.judge.price_out.is_some();
    is_told.then_some(read + written)
}

/// An error with names in place of ids, which says once that the oracle failed.
fn named(error: OnlineError, asked: &AskedAbout) -> anyhow::Error {
    match error {
        OnlineError::Oracle { source: OracleError::Unanswerable { query }, .. } => {
            let dataset = asked.dataset();
            let [first, second] =
                [query.first, query.second].map(|id| dataset.responses.name(id.index()));
            let prompt = dataset.prompts.name(query.prompt.index());
            anyhow!(
                "the oracle cannot judge {first:?} against {second:?} on prompt {prompt:?}: expected a judgement of \
                 every pair of candidates, found none of this one (list only candidates that were compared)"
            )
        }
        OnlineError::Oracle { source: OracleError::Stopped, .. } => {
            anyhow!("stopped before the answers of a first round were there to learn from")
        }
        OnlineError::Oracle { round, source: OracleError::Failed { source } } => {
            anyhow!(source).context(format!("round {round} could not be asked"))
        }
        error => error.into(),
    }
}

/// An error, and what to do where a store holds the answers of another judge.
fn told_whose_answers(error: StoreError) -> anyhow::Error {
    let StoreError::Identity { path, .. } = &error else { return error.into() };
    let is_empty = read_labels(path).is_ok_and(|labels| labels.answers.is_empty());
    let advice = if is_empty {
        "it holds no answers yet and can be deleted"
    } else {
        "another judge needs a --labels file of its own"
    };
    anyhow!("{error}; {advice}")
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
