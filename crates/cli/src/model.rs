//! Which preference model is fitted, as chosen on the command line.

use crate::input::Problem;
use anyhow::{Context, bail, ensure};
use clap::{Args, ValueEnum};
use file::AlreadyFitted;
use nlhf::core::{Confidence, ConfidenceWidth, FitPreference, SeedTree};
use nlhf::preference::{
    AnyModel, BootstrapFit, BradleyTerryFit, Cluster, ContextualFit, DavidsonFit, FeatureFit,
    Features, LogisticConfig, LowRankFit, TabularFit, WidthMultiplier,
};
use std::path::PathBuf;
use std::sync::Arc;

pub(crate) mod file;
pub(crate) mod grid;
mod proviso;

/// Options of the preference model.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Preference model")]
pub(crate) struct ModelArgs {
    /// The model to fit [default: linear if there are embeddings, else tabular]
    #[arg(long, value_enum)]
    pub(crate) model: Option<ModelKind>,
    /// Take this model, as written by nlhf fit --output, in place of fitting one
    #[arg(long, value_name = "MODEL.json", conflicts_with_all = [
        "model", "beta", "ridge", "log_odds_bound", "order_effect", "components", "planes", "plane_penalty", "hidden",
        "bootstrap",
    ])]
    pub(crate) fitted: Option<PathBuf>,
    /// The probability with which all confidence intervals hold at once
    #[arg(long, default_value_t = 0.95, value_name = "LEVEL", allow_hyphen_values = true)]
    pub(crate) confidence: f64,
    /// Multiplier of the elliptical widths in place of the theory's, which is safe but large; 4 to 6
    /// make about two standard errors, without a guarantee (not for the tabular model)
    #[arg(long, value_name = "X", allow_hyphen_values = true)]
    pub(crate) beta: Option<f64>,
    /// Ridge penalty of the likelihood (not for the tabular model) [default: 1; 20 for models of features]
    #[arg(long, value_name = "X", allow_hyphen_values = true)]
    pub(crate) ridge: Option<f64>,
    /// Bound on log-odds: estimates are held within it, and the truth is taken to lie there
    /// [default: 4; 10 for tabular]
    #[arg(long, value_name = "B", allow_hyphen_values = true)]
    pub(crate) log_odds_bound: Option<f64>,
    /// Fit an effect of the presentation order beside the preference: judges who favour the first shown
    #[arg(long)]
    pub(crate) order_effect: bool,
    /// Keep this many principal components of the features [default: all; 16 for bilinear and contextual]
    #[arg(long, value_name = "K")]
    pub(crate) components: Option<usize>,
    /// The most circular planes of a low-rank model or network; those that the data do not call for
    /// vanish [default: 2]
    #[arg(long, value_name = "R")]
    pub(crate) planes: Option<usize>,
    /// How strongly planes and hidden units are held, in units of what noise alone calls for [default: 1 for
    /// low-rank, 2 for models of features]
    #[arg(long, value_name = "X", allow_hyphen_values = true)]
    pub(crate) plane_penalty: Option<f64>,
    /// Hidden units of the network [default: 16]
    #[arg(long, value_name = "H")]
    pub(crate) hidden: Option<usize>,
    /// Widths from so many resampled fits in place of a formula; about right with many comparisons, no
    /// guarantee [default: 0; 100 for low-rank models and networks, which have no formula]
    #[arg(long, value_name = "N")]
    pub(crate) bootstrap: Option<u32>,
    /// What is resampled as a whole, because its judgements hang together
    #[arg(long, value_enum, default_value = "comparison")]
    pub(crate) bootstrap_by: ClusterKind,
    /// Whether widths are wanted: without them linear models fit several times faster.
    #[arg(skip = true)]
    pub(crate) widths: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ClusterKind {
    /// Every judgement by itself
    Comparison,
    /// All judgements on a prompt
    Prompt,
    /// All judgements of an annotator
    Annotator,
}

impl From<ClusterKind> for Cluster {
    fn from(kind: ClusterKind) -> Self {
        match kind {
            ClusterKind::Comparison => Self::Comparison,
            ClusterKind::Prompt => Self::Prompt,
            ClusterKind::Annotator => Self::Annotator,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ModelKind {
    /// A win rate for each pair: assumes nothing, learns nothing across pairs
    Tabular,
    /// A score for each response id, shared by all prompts that it answers: transitive
    BradleyTerry,
    /// The same with ties as outcomes of their own, after Davidson
    Davidson,
    /// A score for each response id that depends on the prompt through its embedding
    Contextual,
    /// A score linear in the features: transitive, scores responses never compared
    Linear,
    /// A full skew form in the features: cycles, and responses never compared
    Bilinear,
    /// A score and circular planes for each response id: cycles, as far as the data call for them
    LowRank,
    /// The same, linear in the features: cycles, and responses never compared
    LowRankFeatures,
    /// The same from a small network of the features
    Network,
}

impl ModelKind {
    /// As it is written on the command line.
    pub(crate) fn name(self) -> String {
        self.to_possible_value().expect("no kind is hidden").get_name().to_owned()
    }

    /// Whether it is a model of features, which it needs and scores new responses by.
    pub(crate) fn of_features(self) -> bool {
        matches!(self, Self::Linear | Self::Bilinear | Self::LowRankFeatures | Self::Network)
    }

    /// Whether its widths come from resampling alone.
    pub(crate) fn of_planes(self) -> bool {
        matches!(self, Self::LowRank | Self::LowRankFeatures | Self::Network)
    }
}

/// What to do with a fit of whichever model was chosen.
pub(crate) trait WithFit {
    type Output;
    fn call<F>(self, fit: F) -> anyhow::Result<Self::Output>
    where
        F: FitPreference + 'static,
        F::Model: ConfidenceWidth + Into<AnyModel> + 'static;
}

/// Hands a fit on, as an ensemble of resampled fits if its widths are to come from there.
struct Ensemble<'a, W> {
    args: &'a ModelArgs,
    kind: ModelKind,
    confidence: Confidence,
    bound: f64,
    with: W,
}

impl<W: WithFit> Ensemble<'_, W> {
    fn call<F>(self, fit: F) -> anyhow::Result<W::Output>
    where
        F: FitPreference + 'static,
        F::Model: ConfidenceWidth + Into<AnyModel> + 'static,
    {
        let replicates = self.args.replicates(self.kind);
        if replicates == 0 {
            return self.with.call(fit);
        }
        let (cluster, seeds) = (self.args.bootstrap_by.into(), SeedTree::new(0));
        let fit = BootstrapFit::new(fit, replicates, cluster, self.confidence, seeds)?;
        // The tabular model's own bound may be larger; the widths need none.
        let tabular = self.kind == ModelKind::Tabular;
        self.with.call(if tabular { fit } else { fit.with_log_odds_bound(self.bound) })
    }
}

/// A pair of responses counts for about one more tie.
pub(crate) const ITEM_RIDGE: f64 = 1.0;

/// For embeddings of unit length and thousands of labels: of 3, 10, 30, 100 and 300 the two in the middle
/// predicted best on two public sets of sentence embeddings.
pub(crate) const FEATURE_RIDGE: f64 = 20.0;

/// Principal components that keep a bilinear model small enough to fit: 136 wedge features.
pub(crate) const COMPONENTS: usize = 16;

/// Circular planes of a low-rank model, of which those remain that the data call for.
const PLANES: usize = 2;

const HIDDEN: usize = 16;

/// Resampled fits behind the widths of models without a formula.
const REPLICATES: u32 = 100;

impl ModelArgs {
    /// A model of this kind with the default settings.
    pub(crate) fn of(kind: ModelKind) -> Self {
        Self {
            model: Some(kind),
            fitted: None,
            confidence: 0.95,
            beta: None,
            ridge: None,
            log_odds_bound: None,
            order_effect: false,
            components: None,
            planes: None,
            plane_penalty: None,
            hidden: None,
            bootstrap: None,
            bootstrap_by: ClusterKind::Comparison,
            widths: true,
        }
    }

    /// The same settings for another kind of model, without those that would do nothing there.
    pub(crate) fn for_kind(&self, kind: ModelKind) -> Self {
        let mut args = Self { model: Some(kind), ..self.clone() };
        if kind == ModelKind::Tabular {
            (args.beta, args.ridge) = (None, None);
        }
        if !(kind.of_features() || kind == ModelKind::Contextual) {
            args.components = None;
        }
        if kind.of_planes() {
            args.beta = None;
        } else {
            (args.planes, args.plane_penalty) = (None, None);
        }
        if kind != ModelKind::Network {
            args.hidden = None;
        }
        args
    }

    /// Builds the fit that was asked for and hands it on. `label_budget` is how many labels an
    /// adaptive learner may ask, 1 for a fixed data set.
    pub(crate) fn with_fit<W: WithFit>(
        &self,
        problem: &Problem,
        label_budget: u64,
        with: W,
    ) -> anyhow::Result<W::Output> {
        if let Some(path) = &self.fitted {
            return with.call(AlreadyFitted::read(path, problem)?);
        }
        let confidence = Confidence::new(self.confidence)?;
        let kind = self.kind(problem);
        self.refuse_idle_options(kind)?;
        ensure!(
            !self.order_effect || problem.dataset.format.tells_order(),
            "--order-effect needs to know which response was shown first, and chosen and rejected pairs do not tell; drop it"
        );
        let menus = &problem.dataset.menus;
        let ridge = if kind.of_features() { FEATURE_RIDGE } else { ITEM_RIDGE };
        let config = self.logistic(confidence, ridge);
        let planes = self.planes.unwrap_or(PLANES);
        // An ensemble makes widths of its own.
        let own_widths = self.widths && self.replicates(kind) == 0;
        let with = Ensemble { args: self, kind, confidence, bound: config.log_odds_bound, with };
        match kind {
            ModelKind::Tabular => {
                let mut fit = TabularFit::for_menus(menus, confidence);
                if let Some(bound) = self.log_odds_bound {
                    fit = fit.with_log_odds_bound(bound)?;
                }
                let fit = fit.with_order_effect(self.order_effect);
                with.call(fit.with_horizon(label_budget))
            }
            ModelKind::BradleyTerry if own_widths => {
                with.call(BradleyTerryFit::for_menus(menus, config)?)
            }
            ModelKind::BradleyTerry => with.call(BradleyTerryFit::new(config)?),
            ModelKind::Davidson => with.call(DavidsonFit::new(config)?),
            ModelKind::Contextual => {
                let prompts = problem.prompt_features.clone().context(
                    "this model needs features of prompts: give --prompts FILE.jsonl and --prompt-embeddings FILE.npy",
                )?;
                let components = self.components.unwrap_or(COMPONENTS);
                ensure!(components > 0, "--components must be at least 1, but is 0");
                let fit = ContextualFit::new(Arc::new(prompts), config)?;
                with.call(fit.with_components(components)?)
            }
            ModelKind::Linear => {
                let fit = FeatureFit::linear(self.features(problem, None)?, config)?;
                let fit = if label_budget > 1 { fit.for_menus(menus)? } else { fit };
                with.call(if own_widths { fit } else { fit.without_widths() })
            }
            ModelKind::Bilinear => {
                let features = self.features(problem, Some(COMPONENTS))?;
                let fit = FeatureFit::bilinear(features, config)?;
                let fit = if label_budget > 1 { fit.for_menus(menus)? } else { fit };
                with.call(if own_widths { fit } else { fit.without_widths() })
            }
            ModelKind::LowRank => with.call(self.held(LowRankFit::items(planes, config)?)?),
            ModelKind::LowRankFeatures => {
                let features = self.features(problem, None)?;
                with.call(self.held(LowRankFit::features(features, planes, config)?)?)
            }
            ModelKind::Network => {
                let features = self.features(problem, None)?;
                let (hidden, seeds) = (self.hidden.unwrap_or(HIDDEN), SeedTree::new(0));
                let fit = LowRankFit::network(features, planes, hidden, config, seeds)?;
                with.call(self.held(fit)?)
            }
        }
    }

    /// Resampled fits behind the widths; 0 for those of a formula.
    pub(crate) fn replicates(&self, kind: ModelKind) -> u32 {
        let default = if kind.of_planes() { REPLICATES } else { 0 };
        if self.widths { self.bootstrap.unwrap_or(default) } else { 0 }
    }

    fn held(&self, fit: LowRankFit) -> anyhow::Result<LowRankFit> {
        Ok(match self.plane_penalty {
            Some(penalty) => fit.with_plane_penalty(penalty)?,
            None => fit,
        })
    }

    /// Refuses options that would do nothing.
    fn refuse_idle_options(&self, kind: ModelKind) -> anyhow::Result<()> {
        let tabular = kind == ModelKind::Tabular;
        let projected = kind.of_features() || kind == ModelKind::Contextual;
        let planes = kind.of_planes();
        for (given, option, used) in [
            (self.beta.is_some(), "--beta", !tabular && !planes),
            (self.ridge.is_some(), "--ridge", !tabular),
            (self.components.is_some(), "--components", projected),
            (self.planes.is_some(), "--planes", planes),
            (self.plane_penalty.is_some(), "--plane-penalty", planes),
            (self.hidden.is_some(), "--hidden", kind == ModelKind::Network),
        ] {
            if given && !used {
                bail!(
                    "{option} does nothing for the {} model; drop it, or choose another --model",
                    kind.name()
                );
            }
        }
        Ok(())
    }

    pub(crate) fn kind(&self, problem: &Problem) -> ModelKind {
        let embedded = problem.truth.is_some();
        self.model.unwrap_or(if problem.features.is_some() && !embedded {
            ModelKind::Linear
        } else {
            ModelKind::Tabular
        })
    }

    fn logistic(&self, confidence: Confidence, ridge: f64) -> LogisticConfig {
        let theory = WidthMultiplier::Theory(confidence);
        let default = LogisticConfig::default();
        LogisticConfig {
            ridge: self.ridge.unwrap_or(ridge),
            log_odds_bound: self.log_odds_bound.unwrap_or(default.log_odds_bound),
            multiplier: self.beta.map_or(theory, WidthMultiplier::Fixed),
            parameter_norm: None,
            order_effect: self.order_effect,
        }
    }

    fn features(&self, problem: &Problem, default: Option<usize>) -> anyhow::Result<Arc<Features>> {
        let features = problem.features.clone().context(
            "this model needs features: give --responses FILE.jsonl and --response-embeddings FILE.npy, or \
             --text-features",
        )?;
        match self.components.or(default) {
            Some(0) => bail!("--components must be at least 1, but is 0"),
            Some(k) if k < features.dim() => {
                Ok(Arc::new(features.principal_components(k, &problem.dataset.menus)?))
            }
            _ => Ok(Arc::new(features)),
        }
    }
}
