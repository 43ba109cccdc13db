//! Which class the policy is taken from, as chosen on the command line.

use crate::input::Problem;
use anyhow::{Context, bail, ensure};
use clap::{Args, ValueEnum};
use file::PolicyFile;
use nlhf::core::{FeatureMap, Policy, PolicyClass, SeedTree};
use nlhf::policy::{
    LogLinearClass, LogLinearConfig, LogLinearPolicy, NeuralClass, NeuralConfig, NeuralPolicy,
    PolicyParameters, TabularClass, TabularPolicy,
};
use nlhf::preference::Features;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

pub(crate) mod file;
pub(crate) mod summary;

/// Options of the policy class.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Policy class")]
pub(crate) struct PolicyArgs {
    /// The class that the policy is taken from
    #[arg(long, value_enum, default_value = "tabular")]
    policy: PolicyKind,
    /// The largest length of the weights of a log-linear policy: a smaller one keeps it nearer to the reference and overfits
    /// less [default: 1000]
    #[arg(long, value_name = "X", allow_hyphen_values = true)]
    policy_norm: Option<f64>,
    /// Hidden units of a neural policy [default: 32]
    #[arg(long, value_name = "H")]
    policy_hidden: Option<usize>,
    /// How strongly the weights of a neural policy are held near zero [default: 0]
    #[arg(long, value_name = "X", allow_hyphen_values = true)]
    policy_decay: Option<f64>,
    /// Steps at most from the projected equilibria to what is best within the class [default: 100]
    #[arg(long, value_name = "N")]
    policy_steps: Option<usize>,
    /// Keep this many principal components of the features for the policy [default: all]
    #[arg(long, value_name = "K")]
    policy_components: Option<usize>,
    /// Write what the policy has learned here, for nlhf act to choose among other candidates with
    #[arg(long, value_name = "POLICY.json", help_heading = "Output")]
    pub(crate) save_policy: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum PolicyKind {
    /// A distribution a prompt: keeps every equilibrium exactly, says nothing of other prompts
    Tabular,
    /// A softmax of a linear score of the features, times the reference: plays prompts and candidates never seen
    LogLinear,
    /// The same with a small neural network for the score
    Neural,
}

impl PolicyKind {
    /// As it is written on the command line.
    fn name(self) -> String {
        self.to_possible_value().expect("no kind is hidden").get_name().to_owned()
    }
}

/// A policy of one of the classes, for what is written of it.
pub(crate) trait Written {
    /// What is kept of it; nothing of a table, which is written prompt by prompt.
    fn parameters(&self) -> Option<PolicyParameters>;
}

impl Written for TabularPolicy {
    fn parameters(&self) -> Option<PolicyParameters> {
        None
    }
}

impl Written for LogLinearPolicy {
    fn parameters(&self) -> Option<PolicyParameters> {
        Some(PolicyParameters::LogLinear(self.log_linear_parameters().clone()))
    }
}

impl Written for NeuralPolicy {
    fn parameters(&self) -> Option<PolicyParameters> {
        Some(PolicyParameters::Neural(self.neural_parameters().clone()))
    }
}

/// What to do with whichever class was chosen.
pub(crate) trait WithClass {
    type Output;
    fn call<C>(self, class: &C) -> anyhow::Result<Self::Output>
    where
        C: PolicyClass,
        C::Policy: Written;
}

impl PolicyArgs {
    /// Refuses options that would do nothing.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        let kind = self.policy;
        let (linear, neural) = (kind == PolicyKind::LogLinear, kind == PolicyKind::Neural);
        for (given, option, used) in [
            (self.policy_norm.is_some(), "--policy-norm", linear),
            (self.policy_hidden.is_some(), "--policy-hidden", neural),
            (self.policy_decay.is_some(), "--policy-decay", neural),
            (self.policy_components.is_some(), "--policy-components", linear || neural),
            (self.policy_steps.is_some(), "--policy-steps", linear || neural),
        ] {
            if given && !used {
                bail!(
                    "{option} does nothing for the {} policy; drop it, or choose another --policy",
                    kind.name()
                );
            }
        }
        ensure!(
            self.save_policy.is_none() || kind != PolicyKind::Tabular,
            "--save-policy is for policies that play other prompts too (--policy log-linear or neural); a table is \
             written by --output"
        );
        Ok(())
    }

    /// Steps at most within a class that cannot play the equilibria; none are given where the learner's default stands.
    pub(crate) fn steps(&self) -> Option<usize> {
        self.policy_steps
    }

    /// Whether it is the table, which plays no other prompts.
    pub(crate) fn is_tabular(&self) -> bool {
        self.policy == PolicyKind::Tabular
    }

    /// Hands the chosen class on. `base` is what the policy is held near.
    pub(crate) fn with_class<W: WithClass>(
        &self,
        problem: &Problem,
        base: &Arc<dyn Policy>,
        seeds: SeedTree,
        with: W,
    ) -> anyhow::Result<W::Output> {
        let base = Arc::clone(base);
        match self.policy {
            PolicyKind::Tabular => with.call(&TabularClass),
            PolicyKind::LogLinear => {
                let mut config = LogLinearConfig::default();
                if let Some(norm) = self.policy_norm {
                    config = config.with_max_norm(norm);
                }
                let features: Arc<dyn FeatureMap> = self.features(problem)?;
                let class = LogLinearClass::new(features, base, config).context("--policy-norm")?;
                with.call(&class)
            }
            PolicyKind::Neural => {
                let mut config = NeuralConfig::default().with_seed(seeds);
                if let Some(hidden) = self.policy_hidden {
                    config = config.with_hidden(hidden);
                }
                if let Some(decay) = self.policy_decay {
                    config = config.with_weight_decay(decay);
                }
                let features: Arc<dyn FeatureMap> = self.features(problem)?;
                let class = NeuralClass::new(features, base, config)
                    .context("--policy-hidden, --policy-decay")?;
                with.call(&class)
            }
        }
    }

    /// Writes what is kept of a policy.
    pub(crate) fn write(
        &self,
        out: &mut dyn Write,
        problem: &Problem,
        over_reference: bool,
        parameters: Option<&PolicyParameters>,
    ) -> anyhow::Result<()> {
        let Some(parameters) = parameters else { return Ok(()) };
        let features = self.features(problem)?;
        let file = PolicyFile::new(problem, &features, over_reference, parameters.clone());
        serde_json::to_writer(&mut *out, &file).map_err(std::io::Error::from)?;
        out.write_all(b"\n")?;
        Ok(())
    }

    fn features(&self, problem: &Problem) -> anyhow::Result<Arc<Features>> {
        let features = problem.features.clone().with_context(|| {
            format!(
                "--policy {} needs features of the candidates: give --response-embeddings FILE.npy (with --responses FILE.jsonl \
                 where comparisons are read), or --text-features",
                self.policy.name()
            )
        })?;
        match self.policy_components {
            Some(0) => bail!("--policy-components must be at least 1, but is 0"),
            Some(k) if k < features.dim() => {
                Ok(Arc::new(features.principal_components(k, &problem.dataset.menus)?))
            }
            _ => Ok(Arc::new(features)),
        }
    }
}
