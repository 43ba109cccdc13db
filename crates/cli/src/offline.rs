//! `nlhf offline`: from a file of comparisons to a pessimistic, certified Nash policy.

use crate::game::GameArgs;
use crate::input::{DataArgs, Problem};
use crate::model::{ModelArgs, WithFit};
use crate::progress::Progress;
use crate::{Global, Outcome, outputs, reference};
use clap::Args;
use nlhf::core::{
    ConfidenceWidth, Distribution, Eta, FitPreference, NashSolver, Policy, Profile,
    RegularizedGame, Scale, SeedTree, suboptimality,
};
use nlhf::data::PolicyLine;
use nlhf::nash::Automatic;
use nlhf::offline::{
    OfflineConfig, OfflineData, OfflineEvent, OfflineLearner, OfflineReport, PromptReport,
    reward_based_policy,
};
use nlhf::policy::TabularClass;
use nlhf::preference::{AnyModel, BradleyTerryFit, Crowd, LogisticConfig};
use serde::Serialize;
use std::io::Write;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

mod summary;

/// Learn a policy from a fixed set of comparisons, pessimistically.
///
/// Without COMPARISONS it learns from an embedded simulated crowd, whose true preferences are known.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct OfflineArgs {
    #[command(flatten)]
    data: DataArgs,
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    game: GameArgs,
    /// The policy that the KL term is measured from: a policy file as written by --output [default: uniform]
    #[arg(long, value_name = "FILE", requires = "comparisons", help_heading = "Game")]
    reference: Option<PathBuf>,
    /// Write the policy here, one JSON line a prompt
    #[arg(long, short, value_name = "POLICY.jsonl", help_heading = "Output")]
    output: Option<PathBuf>,
    /// Write the whole report here: settings, evidence, certificates
    #[arg(long, value_name = "REPORT.json", help_heading = "Output")]
    report: Option<PathBuf>,
}

const AFTER_HELP: &str = "\
Examples:
  nlhf offline comparisons.jsonl --output policy.jsonl --report report.json
  nlhf offline comparisons.jsonl --responses responses.jsonl \\
    --response-embeddings responses.npy --model linear --output policy.jsonl

Comparisons, one of:
  JSONL  {\"prompt_id\", \"response_a_id\", \"response_b_id\", \"label\",
         \"weight\"?, \"annotator\"?, \"split\"?}; label: the probability that a
         is preferred; 1 won, 0 lost, 0.5 a tie
  TRL    {\"prompt\", \"chosen\", \"rejected\"}; named after the line where the
         texts first stand: \"12\", \"12.chosen\", \"12.rejected\"
  CSV    model_a, model_b, winner (model_a, model_b, tie or both_bad),
         prompt_id?, weight?, annotator?, split?

Rows of a split other than train are evaluated on and never fitted to.
Without splits a tenth is held out to evaluate, and the model is then
fitted to all rows. The tabular model keeps prompts apart; bradley-terry
gives one score to a response id, whichever prompts it answers.

Written to --output, a line a prompt:
  prompt_id, response_ids, probabilities, log_probabilities
  value                of the pessimistic game: what the policy is worth at
                       least, with the stated confidence (1/2 is even on the
                       scale probability, 0 on log-odds)
  duality_gap          distance from the equilibrium of that game; 0 is exact
  suboptimality_bound  the most that a best competitor gains against it";

/// What was learned, whichever model it was learned with.
struct Learned {
    report: OfflineReport,
    /// True suboptimality of several policies, where the truth is known.
    comparison: Vec<PolicyComparison>,
}

/// The true suboptimality of one policy on each prompt.
#[derive(Debug, Clone, Serialize)]
struct PolicyComparison {
    policy: &'static str,
    suboptimality: Vec<f64>,
}

pub(crate) fn run(args: &OfflineArgs, global: &Global) -> anyhow::Result<Outcome> {
    let wanted = [args.output.as_deref(), args.report.as_deref()];
    outputs::check_distinct(&wanted.into_iter().flatten().collect::<Vec<_>>(), &inputs(args))?;
    let mut output = args.output.as_deref().map(outputs::open).transpose()?;
    let mut report = args.report.as_deref().map(outputs::open).transpose()?;
    let problem = Problem::load(&args.data, global)?;
    let reference = reference::load(args.reference.as_deref(), &problem, global)?;
    let learn = Learn { args, global, problem: &problem, reference: reference.as_ref() };
    let learned = args.model.with_fit(&problem, 1, learn)?;

    if let Some(file) = &mut output {
        for prompt in &learned.report.prompts {
            file.write_line(&policy_line(&problem, prompt))?;
        }
    }
    if let Some(file) = &mut report {
        serde_json::to_writer_pretty(&mut *file, &named_report(&problem, &learned))
            .map_err(std::io::Error::from)?;
        file.write_all(b"\n")?;
    }
    for file in [output, report].into_iter().flatten() {
        file.commit()?;
    }
    if !global.quiet {
        write!(std::io::stdout(), "{}", summary::render(args, &problem, &learned))?;
    }
    let converged = learned.report.n_unconverged() == 0;
    Ok(if converged { Outcome::Done } else { Outcome::Marked })
}

/// The files that are read, which no output may replace.
fn inputs(args: &OfflineArgs) -> Vec<&Path> {
    let fitted = args.model.fitted.as_deref();
    args.data.files().into_iter().chain(args.reference.as_deref()).chain(fitted).collect()
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
        let (problem, menus) = (self.problem, &self.problem.dataset.menus);
        let config = OfflineConfig::default()
            .with_eta(self.args.game.eta)
            .with_scale(self.args.game.scale.into())
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
        let result = learner.learn(data, &fit, &TabularClass, &mut watch)?;
        bar.finish();
        let comparison = match &problem.truth {
            Some(truth) => self.compare(truth, &result.model, &result.report)?,
            None => Vec::new(),
        };
        Ok(Learned { report: result.report, comparison })
    }
}

impl Learn<'_> {
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

fn policy_line<'a>(problem: &'a Problem, prompt: &PromptReport) -> PolicyLine<'a> {
    let dataset = &problem.dataset;
    let position = dataset.menus.position(prompt.prompt).expect("a report is about a menu");
    let responses = dataset.menus.get(position).responses().iter();
    PolicyLine {
        prompt_id: dataset.prompts.name(prompt.prompt.index()).into(),
        response_ids: responses.map(|r| dataset.responses.name(r.index()).into()).collect(),
        probabilities: prompt.policy.probabilities(),
        log_probabilities: prompt.policy.clone(),
        value: prompt.value,
        duality_gap: prompt.certificate.duality_gap,
        // A greedy policy is not bounded by anything: infinity is written as null.
        suboptimality_bound: prompt.suboptimality_bound.unwrap_or(f64::INFINITY),
    }
}

/// The report with names in place of ids.
#[derive(Serialize)]
struct NamedReport<'a> {
    #[serde(flatten)]
    report: &'a OfflineReport,
    prompt_ids: Vec<&'a str>,
    response_ids: Vec<Vec<&'a str>>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    true_suboptimality: &'a [PolicyComparison],
}

fn named_report<'a>(problem: &'a Problem, learned: &'a Learned) -> NamedReport<'a> {
    let dataset = &problem.dataset;
    let menus = || dataset.menus.iter();
    let name = |response: &nlhf::core::ResponseId| dataset.responses.name(response.index());
    NamedReport {
        report: &learned.report,
        prompt_ids: menus().map(|menu| dataset.prompts.name(menu.prompt().index())).collect(),
        response_ids: menus().map(|menu| menu.responses().iter().map(name).collect()).collect(),
        true_suboptimality: &learned.comparison,
    }
}
