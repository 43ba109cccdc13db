//! A fitted model of whichever kind, where the kind is known only when the program runs.

use crate::{
    BootstrapModel, BradleyTerryModel, ContextualModel, DavidsonModel, FeatureModel, LowRankModel,
    TabularModel,
};
use nlhf_core::{
    ConfidenceWidth, DenseGame, Distribution, Menu, PreferenceModel, PromptId, ResponseId, Scale,
    VersionSpace,
};

/// Any model that this crate fits.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum AnyModel {
    /// A win rate for each pair.
    Tabular(TabularModel),
    /// A score for each response.
    BradleyTerry(BradleyTerryModel),
    /// Scores, and ties as outcomes of their own.
    Davidson(DavidsonModel),
    /// Scores that depend on features of the prompt.
    Contextual(ContextualModel),
    /// Linear or bilinear in features.
    Feature(FeatureModel),
    /// Scores and circular planes.
    LowRank(LowRankModel),
    /// An ensemble of one of these.
    Bootstrap(Box<BootstrapModel<AnyModel>>),
}

macro_rules! from {
    ($($model:ident => $kind:ident),*) => {$(
        impl From<$model> for AnyModel {
            fn from(model: $model) -> Self {
                Self::$kind(model)
            }
        }
    )*};
}
from!(
    TabularModel => Tabular, BradleyTerryModel => BradleyTerry, DavidsonModel => Davidson,
    ContextualModel => Contextual, FeatureModel => Feature, LowRankModel => LowRank
);

impl<M: PreferenceModel + Into<AnyModel>> From<BootstrapModel<M>> for AnyModel {
    fn from(model: BootstrapModel<M>) -> Self {
        Self::Bootstrap(Box::new(model.map(Into::into)))
    }
}

impl AnyModel {
    fn inner(&self) -> &dyn ConfidenceWidth {
        match self {
            Self::Tabular(model) => model,
            Self::BradleyTerry(model) => model,
            Self::Davidson(model) => model,
            Self::Contextual(model) => model,
            Self::Feature(model) => model,
            Self::LowRank(model) => model,
            Self::Bootstrap(model) => &**model,
        }
    }
}

impl PreferenceModel for AnyModel {
    fn log_odds(&self, prompt: PromptId, first: ResponseId, second: ResponseId) -> f64 {
        self.inner().log_odds(prompt, first, second)
    }

    fn probability(&self, prompt: PromptId, first: ResponseId, second: ResponseId) -> f64 {
        self.inner().probability(prompt, first, second)
    }

    fn payoff(&self, prompt: PromptId, a: ResponseId, b: ResponseId, scale: Scale) -> f64 {
        self.inner().payoff(prompt, a, b, scale)
    }

    fn game(&self, menu: Menu<'_>, scale: Scale) -> DenseGame {
        self.inner().game(menu, scale)
    }
}

impl ConfidenceWidth for AnyModel {
    fn log_odds_width(&self, prompt: PromptId, first: ResponseId, second: ResponseId) -> f64 {
        self.inner().log_odds_width(prompt, first, second)
    }

    fn log_odds_bound(&self) -> f64 {
        self.inner().log_odds_bound()
    }

    fn width(&self, prompt: PromptId, a: ResponseId, b: ResponseId, scale: Scale) -> f64 {
        self.inner().width(prompt, a, b, scale)
    }

    fn widths(&self, menu: Menu<'_>, scale: Scale) -> Vec<f64> {
        self.inner().widths(menu, scale)
    }

    fn scaled_widths(&self, menu: Menu<'_>, scale: Scale, factor: f64) -> Vec<f64> {
        self.inner().scaled_widths(menu, scale, factor)
    }

    fn policy_width(&self, menu: Menu<'_>, first: &Distribution, second: &Distribution) -> f64 {
        self.inner().policy_width(menu, first, second)
    }

    fn policy_width_slopes(
        &self,
        menu: Menu<'_>,
        first: &Distribution,
        second: &Distribution,
    ) -> Vec<f64> {
        self.inner().policy_width_slopes(menu, first, second)
    }

    fn pessimistic_game(&self, menu: Menu<'_>, scale: Scale) -> DenseGame {
        self.inner().pessimistic_game(menu, scale)
    }

    fn payoff_floor(&self, scale: Scale) -> f64 {
        self.inner().payoff_floor(scale)
    }

    fn version_space(&self) -> Option<&dyn VersionSpace> {
        self.inner().version_space()
    }
}
