//! Fitting and learning with whichever model was asked for.

use super::{OfflineArgs, PessimismArg};
use crate::Global;
use crate::input::Problem;
use crate::model::WithFit;
use crate::model::file::AlreadyFitted;
use crate::progress::Progress;
use nlhf::core::{
    Confidence, ConfidenceWidth, Distribution, Eta, FitPreference, NashSolver, Policy, Profile,
    RegularizedGame, Scale, SeedTree, Weight, suboptimality,
};
use nlhf::nash::Automatic;
use nlhf::offline::{
    OfflineConfig, OfflineData, OfflineEvent, OfflineLearner, OfflineReport, reward_based_policy,
};
use nlhf::policy::TabularClass;
use nlhf::preference::{
    AnyModel, BradleyTerryFit, Coverage, Crowd, FiniteClassFit, LogisticConfig, PairCounts, Play,
    coverage, finite_coverage,
};
use serde::Serialize;
use std::ops::ControlFlow;
use std::path::PathBuf;

/// What was learned, whichever model it was learned with.
pub(super) struct Learned {
    pub(super) report: OfflineReport,
    /// How well the comparisons cover the policy, for classes of preferences that have a formula.
    pub(super) coverage: Option<Coverage>,
    /// True suboptimality of several policies, where the truth is known.
    pub(super) comparison: Vec<PolicyComparison>,
}

/// The true suboptimality of one policy on each prompt.
#[derive(Debug, Clone, Serialize)]
pub(super) struct PolicyComparison {
    pub(super) policy: &'static str,
    pub(super) suboptimality: Vec<f64>,
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
        let comparison = match &problem.truth {
            Some(truth) => self.compare(truth, &result.model, &result.report)?,
            None => Vec::new(),
        };
        // The comparisons of a saved model are not known.
        let coverage = if self.args.apply.is_some() || self.args.model.fitted.is_some() {
            None
        } else {
            let counts = PairCounts::new(problem.training());
            let plays = menus.iter().zip(&result.report.prompts).map(|(menu, prompt)| Play {
                weight: Weight::ONE,
                menu,
                policy: &prompt.policy,
            });
            cover(result.model, &counts, &plays.collect::<Vec<_>>())
        };
        Ok(Learned { report: result.report, coverage, comparison })
    }
    /// The pessimistic policy beside what else could be learned from the same comparisons.
    fn compare<M: ConfidenceWidth>(
        &self,
        truth: &Crowd,
        model: &M,
        report: &OfflineReport,
    ) -> anyhow::Result<Vec<PolicyComparison>> {
        let (eta, scale) = (self.args.game.eta, self.args.game.scale.into());
        let scores =
            BradleyTerryFit::new(LogisticConfig::default())?.fit(self.problem.training())?.model;
        let names = ["pessimistic Nash (this run)", "greedy Nash", "reward-based", "reference"];
        let mut all = names.map(|policy| PolicyComparison { policy, suboptimality: Vec::new() });
        for (menu, prompt) in self.problem.dataset.menus.iter().zip(&report.prompts) {
            let reference = self.reference.distribution(menu);
            let policies: [Distribution; 4] = [
                prompt.policy.clone(),
                greedy(model, menu, &reference, eta, scale)?,
                reward_based_policy(menu, &reference, eta, |response| scores.score(response)),
                reference.clone(),
            ];
            for (compared, policy) in all.iter_mut().zip(&policies) {
                let lost = suboptimality(truth, menu, &reference, eta, scale, policy);
                compared.suboptimality.push(lost);
            }
        }
        Ok(all.into())
    }
}

/// The equilibrium of the estimate taken at its word.
fn greedy<M: ConfidenceWidth>(
    model: &M,
    menu: nlhf::core::Menu<'_>,
    reference: &Distribution,
    eta: Eta,
    scale: Scale,
) -> anyhow::Result<Distribution> {
    let payoff = model.game(menu, scale);
    let reference = Profile::symmetric(reference.clone());
    let game = RegularizedGame::new(&payoff, &reference, eta)?;
    Ok(Automatic::default().solve(&game, &reference, &mut ())?.profile.row)
}
