//! Models and settings that are worth comparing on a data set.

use super::{ModelArgs, ModelKind, WithFit};
use crate::input::Problem;
use nlhf::core::{ConfidenceWidth, FitPreference, Label};
use nlhf::preference::AnyModel;
use nlhf::preference::evidence::Contestant;

/// One choice of a model and its settings, with the name that tells it from the others.
#[derive(Debug, Clone)]
pub(crate) struct Choice {
    pub(crate) name: String,
    pub(crate) args: ModelArgs,
}

/// Ridges around the default, a factor of about 3 apart.
const RIDGES: [f64; 6] = [0.1, 0.3, 1.0, 3.0, 10.0, 30.0];
/// Around the default.
const PENALTIES: [f64; 3] = [0.5, 1.0, 2.0];
const PLANES: [usize; 2] = [1, 4];
const COMPONENTS: [usize; 3] = [8, 16, 32];

/// Every kind of model that the data allow, with the settings given; with ties Davidson's too, and Bradley-Terry also with
/// an effect of the order. The network only if `all`: it takes long.
pub(crate) fn kinds(problem: &Problem, given: &ModelArgs, all: bool) -> Vec<Choice> {
    let ties = problem.training().iter().any(|c| c.label == Label::TIE && c.first != c.second);
    let mut kinds = vec![ModelKind::Tabular, ModelKind::BradleyTerry];
    kinds.extend(ties.then_some(ModelKind::Davidson));
    kinds.push(ModelKind::LowRank);
    kinds.extend(problem.prompt_features.is_some().then_some(ModelKind::Contextual));
    if problem.features.is_some() {
        kinds.extend([ModelKind::Linear, ModelKind::Bilinear, ModelKind::LowRankFeatures]);
        kinds.extend(all.then_some(ModelKind::Network));
    }
    let choice = |kind: ModelKind| Choice { name: kind.name(), args: given.for_kind(kind) };
    let mut choices: Vec<Choice> = kinds.into_iter().map(choice).collect();
    if !given.order_effect && problem.dataset.format.tells_order() {
        let args = ModelArgs { order_effect: true, ..given.for_kind(ModelKind::BradleyTerry) };
        choices.push(Choice { name: "bradley-terry, order effect".to_owned(), args });
    }
    choices
}

/// The settings of a model that cross-validation chooses among: those that were not given.
pub(crate) fn settings(problem: &Problem, choice: &Choice) -> Vec<Choice> {
    let kind = choice.args.kind(problem);
    let base = if kind.of_features() { super::FEATURE_RIDGE } else { super::ITEM_RIDGE };
    let planes = matches!(kind, ModelKind::LowRank | ModelKind::LowRankFeatures);
    let mut choices = vec![choice.clone()];
    if kind == ModelKind::Tabular {
        return choices;
    }
    if matches!(kind, ModelKind::Bilinear | ModelKind::Contextual)
        && choice.args.components.is_none()
    {
        choices = vary(&choices, &COMPONENTS, "components", |args, k| args.components = Some(k));
    }
    if planes && choice.args.planes.is_none() {
        choices = vary(&choices, &PLANES, "planes", |args, k| args.planes = Some(k));
    }
    if (planes || kind == ModelKind::Network) && choice.args.plane_penalty.is_none() {
        let default = if kind == ModelKind::LowRank { 1.0 } else { 2.0 };
        let penalties = PENALTIES.map(|factor| factor * default);
        choices = vary(&choices, &penalties, "penalty", |args, c| args.plane_penalty = Some(c));
    }
    if choice.args.ridge.is_none() {
        // The penalty on planes is the more important of the two.
        let ridges: &[f64] =
            if planes || kind == ModelKind::Network { &RIDGES[1..4] } else { &RIDGES };
        let ridges: Vec<f64> = ridges.iter().map(|factor| factor * base).collect();
        choices = vary(&choices, &ridges, "ridge", |args, ridge| args.ridge = Some(ridge));
    }
    choices
}

fn vary<T: Copy + std::fmt::Display>(
    choices: &[Choice],
    values: &[T],
    name: &str,
    set: impl Fn(&mut ModelArgs, T),
) -> Vec<Choice> {
    let with = |choice: &Choice, value: T| {
        let mut args = choice.args.clone();
        set(&mut args, value);
        Choice { name: format!("{}, {name} {value}", choice.name), args }
    };
    choices.iter().flat_map(|choice| values.iter().map(|v| with(choice, *v))).collect()
}

/// A contestant for cross-validation, which needs no widths.
pub(crate) fn contestant(
    choice: &Choice,
    problem: &Problem,
) -> anyhow::Result<Contestant<'static>> {
    let args = ModelArgs { widths: false, ..choice.args.clone() };
    args.with_fit(problem, 1, Enter { name: choice.name.clone() })
}

struct Enter {
    name: String,
}

impl WithFit for Enter {
    type Output = Contestant<'static>;

    fn call<F>(self, fit: F) -> anyhow::Result<Contestant<'static>>
    where
        F: FitPreference + 'static,
        F::Model: ConfidenceWidth + Into<AnyModel> + 'static,
    {
        Ok(Contestant::new(self.name, fit))
    }
}
