//! How much is asked, in which order, and when it is enough.

use super::{OnlineArgs, YesNo};
use anyhow::{Context, ensure};
use clap::{Args, ValueEnum};
use nlhf::core::{Scale, SeedTree};
use nlhf::online::{
    Enhancer, OnlineConfig, Optimistic, PromptSampling, Returned, Strategy, methods,
};
use std::sync::Arc;

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Rounds")]
pub(super) struct PlanArgs {
    /// The most labels to ask for; with --both-orders each is two questions
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    budget: Option<u64>,
    /// How often the agents change at most [default: 15, or as many as the budget makes]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    rounds: Option<u32>,
    /// Labels asked in each round [default: 2000, or what the budget leaves a round]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    labels_per_round: Option<u32>,
    /// Stop as soon as no competitor can gain more than this, in units of the payoff
    #[arg(long, value_name = "X", allow_hyphen_values = true)]
    target_bound: Option<f64>,
    /// Whom to ask about: optimistic, or another method by name (see docs/online.md)
    #[arg(long, value_name = "NAME", default_value = "optimistic")]
    strategy: String,
    /// How boldly the enhancer explores: a factor of the widths that it sees. Bounds hold with any; 0.05 found good policies
    /// with fewer labels in all of our simulations, see docs/results/online.md
    #[arg(long, value_name = "X", default_value_t = 1.0, allow_hyphen_values = true)]
    exploration: f64,
    /// Which prompts to ask about
    #[arg(long, value_enum, default_value = "uniform")]
    prompts_by: PromptsBy,
    /// Which round's policy to return
    #[arg(long = "return", value_enum, default_value = "smallest-bound")]
    returned: ReturnedArg,
    /// Whether a pair may be asked about again [default: no for judges that always say the same and for a person]
    #[arg(long, value_enum, value_name = "YES|NO")]
    ask_again: Option<YesNo>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum PromptsBy {
    /// All alike
    Uniform,
    /// In proportion to their bounds
    Bound,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ReturnedArg {
    /// That with the smallest bound: near the reference while labels are few
    SmallestBound,
    /// That of the last round, which has seen all labels
    Last,
}

const ROUNDS: u32 = 15;
const LABELS_PER_ROUND: u32 = 2000;

impl PlanArgs {
    /// Rounds and labels a round from what was given of them and of the budget.
    fn sizes(&self) -> (u32, u32) {
        let Some(budget) = self.budget else {
            let labels = self.labels_per_round.unwrap_or(LABELS_PER_ROUND);
            return (self.rounds.unwrap_or(ROUNDS), labels);
        };
        let at_most = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
        let share = at_most(budget.div_ceil(u64::from(self.rounds.unwrap_or(ROUNDS))));
        let labels = self.labels_per_round.unwrap_or(share);
        (self.rounds.unwrap_or(at_most(budget.div_ceil(u64::from(labels)))), labels)
    }

    /// The settings of the run.
    pub(super) fn config(&self, args: &OnlineArgs, seed: u64) -> anyhow::Result<OnlineConfig> {
        ensure!(
            self.budget.is_some() || !args.judge.is_paid(),
            "--budget N is needed: the most labels that this oracle is asked for"
        );
        let (rounds, labels) = self.sizes();
        let mut config = OnlineConfig::default()
            .with_eta(args.game.eta)
            .with_scale(args.game.scale.into())
            .with_budget(rounds, labels)
            .with_seed(SeedTree::new(seed));
        if let Some(steps) = args.policy.steps() {
            config = config.with_in_class_projections(steps);
        }
        config.label_budget = self.budget;
        config.target_bound = self.target_bound;
        if self.returned == ReturnedArg::Last {
            config = config.with_returned(Returned::Last);
        }
        if self.prompts_by == PromptsBy::Bound {
            config = config.with_prompts(PromptSampling::ByBound);
        }
        let again = self.ask_again.map_or(args.judge.may_differ(), |again| again == YesNo::Yes);
        Ok(if again { config } else { config.without_repeats() })
    }

    /// Whom to ask about.
    pub(super) fn strategy(&self, scale: Scale) -> anyhow::Result<Arc<dyn Strategy>> {
        let enhancers =
            [Enhancer::OptimisticOpponent, Enhancer::ConfidenceSet, Enhancer::PolicyWidth];
        for enhancer in enhancers {
            let optimistic = Optimistic::new(enhancer, self.exploration)?;
            if optimistic.name() == self.strategy {
                return Ok(Arc::new(optimistic));
            }
        }
        ensure!(
            (self.exploration - 1.0).abs() < f64::EPSILON,
            "--exploration is for the optimistic strategies; drop it for {}",
            self.strategy
        );
        let known = || {
            let names: Vec<&str> = methods::all(Scale::LogOdds).iter().map(|s| s.name()).collect();
            format!("--strategy: expected one of {}, found {:?}", names.join(", "), self.strategy)
        };
        methods::named(&self.strategy, scale).with_context(known)
    }
}
