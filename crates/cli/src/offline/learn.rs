//! Fitting and learning with whichever model was asked for.

use super::{OfflineArgs, PessimismArg};
use crate::Global;
use crate::input::Problem;
use crate::model::WithFit;
use crate::model::file::AlreadyFitted;
use crate::progress::Progress;
use nlhf::core::{Confidence, ConfidenceWidth, FitPreference, Policy, SeedTree, Weight};
use nlhf::offline::{
    Baselines, Contest, ContestConfig, ContestData, ContestEvent, Entrant, FittedJudge, Judge,
    JudgeConfig, OfflineConfig, OfflineData, OfflineEvent, OfflineLearner, OfflineReport,
    WinShareFit,
};
use nlhf::policy::TabularClass;
use nlhf::preference::evidence::{Misfit, misfit};
use nlhf::preference::{
    AnyModel, Coverage, FiniteClassFit, PairCounts, Play, coverage, finite_coverage,
};
use std::ops::ControlFlow;
use std::path::PathBuf;

/// What was learned, whichever model it was learned with.
pub(super) struct Learned {
    pub(super) report: OfflineReport,
    /// How well the comparisons cover the policy, for classes of preferences that have a formula.
    pub(super) coverage: Option<Coverage>,
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
    reference: &dyn Policy,
) -> anyhow::Result<Learned> {
    let learn = Learn { args, global, problem, reference };
    if let Some(path) = &args.apply {
        return learn.call(AlreadyFitted::read(path, problem)?);
    }
    if !args.class.is_empty() {
        let read = |path: &PathBuf| Ok(AlreadyFitted::read(path, problem)?.into_model());
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
    model.with_fit(problem, 1, learn)
}

/// Fits and learns with whichever fit it is called with.
struct Learn<'a> {
    args: &'a OfflineArgs,
    global: &'a Global,
    problem: &'a Problem,
    reference: &'a dyn Policy,
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
        let (problem, menus) = (self.problem, &self.problem.dataset.menus);
        let config = OfflineConfig::default()
            .with_eta(self.args.game.eta)
            .with_scale(self.args.game.scale.into())
            .with_pessimism(self.args.pessimism.into())
            .with_seed(SeedTree::new(self.global.seed));
        let mut bar = Progress::new(self.global, menus.len() as u64, "prompts");
        let mut watch = |event: &OfflineEvent| {
            let done = match event {
                OfflineEvent::Fitted => 0,
                OfflineEvent::Solved { done, .. } => *done as u64,
            };
            bar.update(done, "solving");
            ControlFlow::Continue(())
        };
        let data = OfflineData {
            training: problem.training(),
            held_out: &problem.held_out,
            menus,
            reference: self.reference,
        };
        let learner = OfflineLearner::new(config.clone())?;
        let result = learner.learn(data, fit, &TabularClass, &mut watch)?;
        bar.finish();
        let contest = self.contest(&result.model, &result.report)?;
        let counts = PairCounts::new(problem.training());
        let misfit = misfit(&result.model, &counts);
        // The comparisons of a saved model are not known.
        let coverage = if self.args.apply.is_some() || self.args.model.fitted.is_some() {
            None
        } else {
            let plays = menus.iter().zip(&result.report.prompts).map(|(menu, prompt)| Play {
                weight: Weight::ONE,
                menu,
                policy: &prompt.policy,
            });
            cover(result.model, &counts, &plays.collect::<Vec<_>>())
        };
        Ok(Learned { report: result.report, coverage, misfit, contest })
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
        let baselines = Baselines::new(problem.training(), menus, self.reference, eta, scale)?;
        let policies = report.prompts.iter().map(|prompt| prompt.policy.clone()).collect();
        let mut entrants = vec![Entrant { name: "this run".to_owned(), policies }];
        entrants.extend(baselines.learn_all(model)?.into_iter().map(Entrant::from));
        let data = ContestData { menus, reference: self.reference, entrants: &entrants };
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
