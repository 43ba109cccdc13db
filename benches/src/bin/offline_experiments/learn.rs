//! The learner in each of its forms, and what is asked of its result.

use nlhf::core::{
    Comparison, ConfidenceWidth, Distribution, FitError, FitPreference, Fitted, Menus,
    PreferenceModel, Weight,
};
use nlhf::offline::{OfflineConfig, OfflineData, OfflineLearner, Pessimism};
use nlhf::policy::TabularClass;
use nlhf::preference::Play;
use nlhf_benches::world::Rules;

/// How what is not known enters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Greedy,
    Bonus,
    VersionSpace,
}

impl Form {
    pub(crate) const ALL: [Self; 3] = [Self::Greedy, Self::Bonus, Self::VersionSpace];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Greedy => "greedy",
            Self::Bonus => "bonus",
            Self::VersionSpace => "version space",
        }
    }
}

/// What was learned from a data set.
#[derive(Debug)]
pub(crate) struct Learned<M> {
    pub(crate) model: M,
    /// One a prompt.
    pub(crate) policies: Vec<Distribution>,
    /// The bound of the report on the mean over prompts; none without pessimism.
    pub(crate) bound: Option<f64>,
}

/// Learns from all of the data, nothing held out.
pub(crate) fn learn<F>(
    fit: &F,
    form: Form,
    rules: &Rules,
    data: &[Comparison],
    menus: &Menus,
) -> anyhow::Result<Learned<F::Model>>
where
    F: FitPreference,
    F::Model: ConfidenceWidth,
{
    let pessimism = match form {
        Form::Greedy => Pessimism::None,
        Form::Bonus => Pessimism::Bonus,
        Form::VersionSpace => Pessimism::VersionSpace,
    };
    let config = OfflineConfig::default().with_eta(rules.eta).with_scale(rules.scale);
    let mut config = config.with_pessimism(pessimism);
    config.held_out_fraction = 0.0;
    let learner = OfflineLearner::new(config)?;
    let data = OfflineData { training: data, held_out: &[], menus, reference: rules };
    let result = learner.learn(data, fit, &TabularClass, &mut ())?;
    let bound = result.report.mean_suboptimality_bound();
    let policies = result.report.prompts.into_iter().map(|prompt| prompt.policy).collect();
    Ok(Learned { model: result.model, policies, bound })
}

/// Policies as coverage asks for them, all prompts alike.
pub(crate) fn plays<'a>(menus: &'a Menus, policies: &'a [Distribution]) -> Vec<Play<'a>> {
    let both = menus.iter().zip(policies);
    both.map(|(menu, policy)| Play { weight: Weight::ONE, menu, policy }).collect()
}

/// A fit that is done already, to be learned from under several rules.
#[derive(Debug)]
pub(crate) struct Done<M>(pub(crate) Fitted<M>);

impl<M: PreferenceModel + Clone> FitPreference for Done<M> {
    type Model = M;

    fn name(&self) -> &'static str {
        "done"
    }

    fn fit(&self, _: &[Comparison]) -> Result<Fitted<M>, FitError> {
        Ok(self.0.clone())
    }
}
