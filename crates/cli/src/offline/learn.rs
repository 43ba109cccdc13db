//! Fitting and learning with whichever model was asked for.

use super::{OfflineArgs, PessimismArg};
use crate::Global;
use crate::input::Problem;
use crate::model::WithFit;
use crate::model::file::AlreadyFitted;
use crate::policy_class::{WithClass, Written};
use crate::progress::Progress;
use crate::render::counted;
use anyhow::{bail, ensure};
use nlhf::core::{
    Confidence, ConfidenceWidth, FitPreference, Menus, Policy, PolicyClass, PreferenceModel,
    SeedTree, Weight,
};
use nlhf::offline::{
    Baselines, Contest, ContestConfig, ContestData, ContestEvent, Entrant, FittedJudge, Judge,
    JudgeConfig, OfflineConfig, OfflineData, OfflineError, OfflineEvent, OfflineLearner,
    OfflineReport, WinShareFit,
};
use nlhf::policy::PolicyParameters;
use nlhf::preference::evidence::{Misfit, misfit};
use nlhf::preference::{
    AnyModel, Coverage, FiniteClassFit, PairCounts, Play, coverage, evaluate, finite_coverage,
};
use std::f64::consts::LN_2;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What was learned, whichever model it was learned with.
pub(super) struct Learned {
    pub(super) report: OfflineReport,
    /// What is kept of the policy, if it plays other prompts too.
    pub(super) policy: Option<PolicyParameters>,
    /// How well the comparisons cover the policy, for classes of preferences that have a formula.
    pub(super) coverage: Option<Coverage>,
    /// How many times the comparisons there are would halve the bound, where few prompts let it be tried.
    pub(super) times_to_halve: Option<f64>,
    /// Whether the comparisons contradict the model.
    pub(super) misfit: Option<Misfit>,
    /// The policy beside what other methods learn from the same comparisons.
    pub(super) contest: Option<Contest>,
}

/// Resampled fits that make a version space where nothing else does.
const ENSEMBLE: u32 = 50;

/// Learns as the command line says.
pub(super) fn learn(
    args: &OfflineArgs,
    global: &Global,
    problem: &Problem,
    reference: &Arc<dyn Policy>,
) -> anyhow::Result<Learned> {
    let learn = Learn { args, global, problem, reference };
    if let Some(path) = &args.apply {
        return learn.call(AlreadyFitted::read(path, problem)?);
    }
    if !args.class.is_empty() {
        let read = |path: &PathBuf| class_member(path, problem);
        let members: anyhow::Result<Vec<AnyModel>> = args.class.iter().map(read).collect();
        let confidence = Confidence::new(args.model.confidence)?;
        let fit = FiniteClassFit::new(members?, confidence)?;
        return learn
            .run(&fit, |model, counts, plays| Some(finite_coverage(model.class(), counts, plays)));
    }
    let mut model = args.model.clone();
    let ensemble = model.fitted.is_none() && !model.kind(problem).of_planes();
    if args.pessimism == PessimismArg::VersionSpace && ensemble {
        model.bootstrap.get_or_insert(ENSEMBLE);
    }
    model.with_fit(problem, args.label_budget, learn)
}

/// Candidates up to which it is tried how many labels would halve the bound.
const TRIED: usize = 4096;
/// Log-losses of one model on one data set are no further apart, whatever the order of the sum.
const SAME_NATS: f64 = 1e-9;

/// A member of a class, if it can be the truth of these comparisons and was chosen without them.
fn class_member(path: &Path, problem: &Problem) -> anyhow::Result<AnyModel> {
    let fitted = AlreadyFitted::read(path, problem)?.into_fitted();
    let shown = path.display();
    let (model, evidence) = (fitted.model, fitted.evidence);
    if let Some(seen) = evaluate(&model, problem.training()) {
        // A model that takes everything for even has the loss of a coin on all.
        let same = (seen.log_loss_nats - evidence.log_loss_nats).abs() <= SAME_NATS
            && seen.log_loss_nats < LN_2 - SAME_NATS
            && seen.n_comparisons == evidence.n_comparisons;
        ensure!(
            !same,
            "{shown}: a member of a class must be chosen without these comparisons, but this model was fitted to them, \
             and is likelier than the truth: fit it to others, or give it to --fitted"
        );
        let even = problem
            .training()
            .iter()
            .all(|c| c.first == c.second || model.log_odds(c.prompt, c.first, c.second) == 0.0);
        ensure!(
            !even || evidence.log_loss_nats >= LN_2 - SAME_NATS,
            "{shown}: expected a model of these responses, found one that knows none of those that were compared"
        );
    }
    Ok(model)
}

/// Fits and learns with whichever fit it is called with.
struct Learn<'a> {
    args: &'a OfflineArgs,
    global: &'a Global,
    problem: &'a Problem,
    reference: &'a Arc<dyn Policy>,
}

impl WithFit for Learn<'_> {
    type Output = Learned;

    fn call<F>(self, fit: F) -> anyhow::Result<Learned>
    where
        F: FitPreference + 'static,
        F::Model: ConfidenceWidth + Into<AnyModel> + 'static,
    {
        self.run(&fit, |model, counts, plays| coverage(&model.into(), counts, plays))
    }
}

/// Learns a policy of whichever class it is called with.
struct LearnWith<'a, 'b, F, G> {
    learn: &'a Learn<'b>,
    fit: &'a F,
    /// How well the comparisons cover the policy.
    cover: G,
}

impl<F, G> WithClass for LearnWith<'_, '_, F, G>
where
    F: FitPreference,
    F::Model: ConfidenceWidth,
    G: FnOnce(F::Model, &PairCounts, &[Play<'_>]) -> Option<Coverage>,
{
    type Output = Learned;

    fn call<C>(self, class: &C) -> anyhow::Result<Learned>
    where
        C: PolicyClass,
        C::Policy: Written,
    {
        self.learn.of_class(self.fit, class, self.cover)
    }
}

impl Learn<'_> {
    /// Learns; `cover` says how well the comparisons cover the policy.
    fn run<F>(
        &self,
        fit: &F,
        cover: impl FnOnce(F::Model, &PairCounts, &[Play<'_>]) -> Option<Coverage>,
    ) -> anyhow::Result<Learned>
    where
        F: FitPreference,
        F::Model: ConfidenceWidth,
    {
        let (problem, seeds) = (self.problem, SeedTree::new(self.global.seed));
        let with = LearnWith { learn: self, fit, cover };
        self.args.policy.with_class(problem, self.reference, seeds, with)
    }

    fn of_class<F, C>(
        &self,
        fit: &F,
        class: &C,
        cover: impl FnOnce(F::Model, &PairCounts, &[Play<'_>]) -> Option<Coverage>,
    ) -> anyhow::Result<Learned>
    where
        F: FitPreference,
        F::Model: ConfidenceWidth,
        C: PolicyClass,
        C::Policy: Written,
    {
        let (problem, menus) = (self.problem, &self.problem.dataset.menus);
        let mut config = OfflineConfig::default()
            .with_eta(self.args.game.eta)
            .with_scale(self.args.game.scale.into())
            .with_pessimism(self.args.pessimism.into())
            .with_seed(SeedTree::new(self.global.seed));
        if let Some(steps) = self.args.policy.steps() {
            config = config.with_in_class_projections(steps);
        }
        let total = menus.len() as u64;
        let mut bar = Progress::new(self.global, total, "prompts");
        let mut class_bar = Progress::new(self.global, config.in_class_projections as u64, "steps");
        let mut watch = |event: &OfflineEvent| {
            match event {
                OfflineEvent::Fitted => bar.update(0, "solving"),
                OfflineEvent::Solved { done, .. } if *done as u64 == total => {
                    bar.update(total, "putting the equilibria into the policy");
                }
                OfflineEvent::Solved { done, .. } => bar.update(*done as u64, "solving"),
                OfflineEvent::Restricted { projections, .. } => {
                    bar.hide();
                    class_bar.update(*projections as u64, "within the policy class");
                }
            }
            ControlFlow::Continue(())
        };
        let data = OfflineData {
            training: problem.training(),
            held_out: &problem.held_out,
            menus,
            reference: &**self.reference,
        };
        let learner = OfflineLearner::new(config)?;
        let result = match learner.learn(data, fit, class, &mut watch) {
            Err(error @ OfflineError::NoVersionSpace { .. }) => {
                bail!("{error} (--bootstrap N makes an ensemble, --class MODEL.json names a class)")
            }
            learned => learned?,
        };
        bar.finish();
        class_bar.finish();
        let contest = self.contest(&result.model, &result.report)?;
        let counts = PairCounts::new(problem.training());
        let misfit = misfit(&result.model, &counts);
        let candidates: usize = menus.iter().map(|menu| menu.len()).sum();
        let times_to_halve = if self.may_try(candidates) {
            learner.repetitions_to_halve(data, fit, class, &result.report)?
        } else {
            None
        };
        // The comparisons of a saved model are not known.
        let coverage = if self.args.takes_models() && self.args.class.is_empty() {
            None
        } else {
            let plays = menus.iter().zip(&result.report.prompts).map(|(menu, prompt)| Play {
                weight: Weight::ONE,
                menu,
                policy: &prompt.policy,
            });
            cover(result.model, &counts, &plays.collect::<Vec<_>>())
        };
        let policy = result.policy.parameters();
        Ok(Learned { report: result.report, policy, coverage, times_to_halve, misfit, contest })
    }

    /// Whether fitting again is cheap, and a bound follows from the comparisons.
    fn may_try(&self, candidates: usize) -> bool {
        let args = self.args;
        let resampled = args.model.replicates(args.model.kind(self.problem)) > 0;
        candidates <= TRIED && args.trusts_intervals() && !args.takes_models() && !resampled
    }

    /// The policy against the baselines, judged by the truth where that is known, else by held-out comparisons.
    fn contest<M: ConfidenceWidth>(
        &self,
        model: &M,
        report: &OfflineReport,
    ) -> anyhow::Result<Option<Contest>> {
        let problem = self.problem;
        if problem.truth.is_none() && !self.args.baselines {
            return Ok(None);
        }
        let (eta, scale) = (report.config.eta, report.config.scale);
        let menus = &problem.dataset.menus;
        let baselines = Baselines::new(problem.training(), menus, &**self.reference, eta, scale)?;
        let policies = report.prompts.iter().map(|prompt| prompt.policy.clone()).collect();
        let mut entrants = vec![Entrant { name: "this run".to_owned(), policies }];
        entrants.extend(baselines.learn_all(model)?.into_iter().map(Entrant::from));
        // Where nobody judges there is nothing to compare.
        let judged = Judged::new(problem);
        for entrant in &mut entrants {
            let policies = std::mem::take(&mut entrant.policies).into_iter().enumerate();
            entrant.policies =
                policies.filter(|(at, _)| judged.kept[*at]).map(|(_, p)| p).collect();
        }
        ensure!(
            !judged.menus.is_empty(),
            "--baselines needs held-out comparisons of the candidates to judge by, but found none of {}",
            counted(problem.held_out.len(), "row")
        );
        let reference = &**self.reference;
        let data = ContestData { menus: &judged.menus, reference, entrants: &entrants };
        let config = ContestConfig {
            eta,
            scale,
            confidence: Confidence::new(self.args.model.confidence)?,
            seed: SeedTree::new(self.global.seed),
            ..ContestConfig::default()
        };
        let mut bar = Progress::new(self.global, 0, "judges");
        let mut watch = |event: &ContestEvent| {
            bar.update(event.done as u64, "comparing policies");
            ControlFlow::Continue(())
        };
        let contest = if let Some(truth) = &problem.truth {
            // Prompts are no sample here, and the truth has no noise.
            let config = ContestConfig { replicates: 0, ..config };
            Contest::hold(data, &Judge::known(truth), &config, &mut watch)?
        } else {
            let seed = SeedTree::new(self.global.seed);
            let settings = JudgeConfig { seed, ..JudgeConfig::default() };
            let judge = FittedJudge::fit(WinShareFit, &problem.held_out, settings)?;
            Contest::hold(data, &judge.judge(), &config, &mut watch)?
        };
        bar.finish();
        Ok(Some(contest))
    }
}

/// The prompts that somebody judges.
struct Judged {
    kept: Vec<bool>,
    menus: Menus,
}

impl Judged {
    fn new(problem: &Problem) -> Self {
        let all = &problem.dataset.menus;
        let mut kept = vec![problem.truth.is_some(); all.len()];
        for comparison in problem.held_out.iter().filter(|c| c.first != c.second) {
            if let Some(at) = all.position(comparison.prompt) {
                kept[at] = true;
            }
        }
        let mut menus = Menus::new();
        for menu in all.iter().zip(&kept).filter(|(_, kept)| **kept).map(|(menu, _)| menu) {
            menus.push(menu.prompt(), menu.responses()).expect("a menu of menus");
        }
        Self { kept, menus }
    }
}
