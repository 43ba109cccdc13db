//! Which preference model is fitted, as chosen on the command line.

use crate::input::Problem;
use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use nlhf::core::{Confidence, ConfidenceWidth, FitPreference, Menus};
use nlhf::preference::{
    BradleyTerryFit, DavidsonFit, FeatureFit, Features, LogisticConfig, TabularFit, WidthMultiplier,
};
use std::sync::Arc;

/// Options of the preference model.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Preference model")]
pub(crate) struct ModelArgs {
    /// The model to fit [default: linear if there are embeddings, else tabular]
    #[arg(long, value_enum)]
    pub(crate) model: Option<ModelKind>,
    /// The probability with which all confidence intervals hold at once
    #[arg(long, default_value_t = 0.95, value_name = "LEVEL", allow_hyphen_values = true)]
    pub(crate) confidence: f64,
    /// Multiplier of the elliptical widths in place of the theory's, which is safe but large; 4 to 6
    /// make about two standard errors, without a guarantee (not for the tabular model)
    #[arg(long, value_name = "X", allow_hyphen_values = true)]
    pub(crate) beta: Option<f64>,
    /// Ridge penalty of the likelihood (not for the tabular model) [default: 1 for bradley-terry and davidson, 20
    /// for linear and bilinear]
    #[arg(long, value_name = "X", allow_hyphen_values = true)]
    pub(crate) ridge: Option<f64>,
    /// Bound on log-odds: estimates are held within it, and the truth is taken to lie there
    /// [default: 4; 10 for tabular]
    #[arg(long, value_name = "B", allow_hyphen_values = true)]
    pub(crate) log_odds_bound: Option<f64>,
    /// Fit an effect of the presentation order beside the preference: judges who favour the first shown
    #[arg(long)]
    pub(crate) order_effect: bool,
    /// Keep this many principal components of the features [default: all; 16 for bilinear]
    #[arg(long, value_name = "K")]
    pub(crate) components: Option<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ModelKind {
    /// A win rate for each pair: assumes nothing, learns nothing across pairs
    Tabular,
    /// A score for each response id, shared by all prompts that it answers: transitive
    BradleyTerry,
    /// The same with ties as outcomes of their own, after Davidson
    Davidson,
    /// A score linear in the features: transitive, scores responses never compared
    Linear,
    /// A full skew form in the features: cycles, and responses never compared
    Bilinear,
}

/// Circular planes of a low-rank model, of which those remain that the data call for.
pub(crate) const PLANES: usize = 2;

/// What to do with a fit of whichever model was chosen.
pub(crate) trait WithFit {
    type Output;
    fn call<F>(self, fit: &F) -> anyhow::Result<Self::Output>
    where
        F: FitPreference,
        F::Model: ConfidenceWidth;
}

/// A pair of responses counts for about one more tie.
pub(crate) const BRADLEY_TERRY_RIDGE: f64 = 1.0;

/// For embeddings of unit length and thousands of labels: of 3, 10, 30, 100 and 300 the two in the middle
/// predicted best on two public sets of sentence embeddings.
pub(crate) const FEATURE_RIDGE: f64 = 20.0;

/// Principal components that keep a bilinear model small enough to fit: 136 wedge features.
const BILINEAR_COMPONENTS: usize = 16;

/// Features that a bilinear model can be fitted with: their leading principal components.
pub(crate) fn bilinear_features(
    features: &Features,
    menus: &Menus,
) -> anyhow::Result<Arc<Features>> {
    let reduced = features.principal_components(BILINEAR_COMPONENTS, menus)?;
    Ok(Arc::new(reduced))
}

impl ModelArgs {
    /// Builds the fit that was asked for and hands it on. `label_budget` is how many labels an
    /// adaptive learner may ask, 1 for a fixed data set.
    pub(crate) fn with_fit<W: WithFit>(
        &self,
        problem: &Problem,
        label_budget: u64,
        with: W,
    ) -> anyhow::Result<W::Output> {
        let confidence = Confidence::new(self.confidence)?;
        match self.kind(problem) {
            ModelKind::Tabular => {
                for (given, option) in [
                    (self.beta.is_some(), "--beta"),
                    (self.ridge.is_some(), "--ridge"),
                    (self.components.is_some(), "--components"),
                ] {
                    if given {
                        bail!(
                            "{option} does nothing for the tabular model; drop it, or choose another --model"
                        );
                    }
                }
                let mut fit = TabularFit::for_menus(&problem.dataset.menus, confidence);
                if let Some(bound) = self.log_odds_bound {
                    fit = fit.with_log_odds_bound(bound)?;
                }
                let fit = fit.with_order_effect(self.order_effect);
                with.call(&fit.with_horizon(label_budget))
            }
            ModelKind::BradleyTerry => {
                if self.components.is_some() {
                    bail!(
                        "--components does nothing for the bradley-terry model, which uses no features"
                    );
                }
                let menus = &problem.dataset.menus;
                with.call(&BradleyTerryFit::for_menus(
                    menus,
                    self.logistic(confidence, BRADLEY_TERRY_RIDGE),
                )?)
            }
            ModelKind::Davidson => {
                if self.components.is_some() {
                    bail!(
                        "--components does nothing for the davidson model, which uses no features"
                    );
                }
                with.call(&DavidsonFit::new(self.logistic(confidence, BRADLEY_TERRY_RIDGE))?)
            }
            ModelKind::Linear => {
                let features = self.features(problem, None)?;
                with.call(&FeatureFit::linear(features, self.logistic(confidence, FEATURE_RIDGE))?)
            }
            ModelKind::Bilinear => {
                let features = self.features(problem, Some(BILINEAR_COMPONENTS))?;
                with.call(&FeatureFit::bilinear(
                    features,
                    self.logistic(confidence, FEATURE_RIDGE),
                )?)
            }
        }
    }

    /// What is said before a bound: how sure it is, and what must hold for it.
    pub(crate) fn proviso(&self, problem: &Problem) -> String {
        let name = match self.kind(problem) {
            ModelKind::Tabular => return format!("with {} % confidence", 100.0 * self.confidence),
            ModelKind::BradleyTerry => "Bradley-Terry",
            ModelKind::Davidson => "Davidson",
            ModelKind::Linear => "linear",
            ModelKind::Bilinear => "bilinear",
        };
        if self.beta.is_some() {
            return format!("if the {name} widths hold");
        }
        let sure = 100.0 * self.confidence;
        let bound = self.log_odds_bound.unwrap_or(LogisticConfig::default().log_odds_bound);
        format!("with {sure} % confidence, if preferences are {name} with log-odds up to {bound},")
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
            "this model needs features: give --responses FILE.jsonl and --response-embeddings FILE.npy",
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
