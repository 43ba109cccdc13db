//! Cross-validation: which model predicts comparisons that it has not seen, and by how much.
//!
//! ```text
//! loss = Σ_u L_u / Σ_u W_u over units u,   s.e. = √(U/(U − 1) Σ_u (L_u − loss · W_u)²) / Σ_u W_u
//! ```
//! Units are prompts or single comparisons, each in one fold as a whole; `L_u` is the weighted log-loss of a
//! unit under the model fitted to the other folds. Differences are paired: the units are the same.

use nlhf_core::logistic::log_loss;
use nlhf_core::{Comparison, FitError, FitPreference, Label, PreferenceModel, SeedTree, Stream};
use rand::RngExt;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// What is held out as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FoldBy {
    /// Prompts: how well does a model do on new ones?
    Prompt,
    /// Single comparisons: how well does it do on more of the same?
    Comparison,
}

type Fit<'a> =
    Box<dyn Fn(&[Comparison]) -> Result<Box<dyn PreferenceModel>, FitError> + Send + Sync + 'a>;

/// A fit that takes part, by name.
pub struct Contestant<'a> {
    name: String,
    fit: Fit<'a>,
}

impl fmt::Debug for Contestant<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Contestant").field("name", &self.name).finish_non_exhaustive()
    }
}

impl<'a> Contestant<'a> {
    /// A fit under a name of your choice.
    pub fn new<F>(name: impl Into<String>, fit: F) -> Self
    where
        F: FitPreference + 'a,
        F::Model: 'static,
    {
        let fit = move |data: &[Comparison]| {
            let fitted = fit.fit(data)?;
            Ok(Box::new(fitted.model) as Box<dyn PreferenceModel>)
        };
        Self { name: name.into(), fit: Box::new(fit) }
    }
}

/// How one contestant did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// Its name.
    pub name: String,
    /// Mean log-loss on comparisons not fitted to, in nats.
    pub log_loss_nats: f64,
    /// Its standard error over units.
    pub standard_error: f64,
    /// Share of decided judgements predicted; `None` if none was decided.
    pub accuracy: Option<f64>,
    /// How much higher its loss is than that of the best; 0 for the best.
    pub behind: f64,
    /// The standard error of that difference.
    pub behind_standard_error: f64,
    /// Why it could not be fitted to some fold, in which case it has no score.
    pub failure: Option<String>,
}

/// The scores of all contestants, best first; those that failed last.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CrossValidation {
    /// The scores.
    pub scores: Vec<Score>,
    /// Folds.
    pub n_folds: usize,
    /// Units that were held out.
    pub n_units: usize,
    /// What a unit is.
    pub by: FoldBy,
}

/// Losses of one contestant on the units of one fold.
#[derive(Debug, Clone, Default)]
struct Losses {
    /// Of each unit its number, loss and weight.
    units: Vec<(usize, f64, f64)>,
    decided: f64,
    right: f64,
}

/// Fits every contestant to all folds but one and scores it on that one. `None` if there are fewer units
/// than two, or fewer folds.
pub fn cross_validate(
    contestants: &[Contestant<'_>],
    data: &[Comparison],
    n_folds: usize,
    by: FoldBy,
    seeds: SeedTree,
) -> Option<CrossValidation> {
    let used = data.iter().filter(|c| c.first != c.second && c.weight.get() > 0.0);
    let used: Vec<Comparison> = used.copied().collect();
    let mut numbers = BTreeMap::new();
    let unit_of: Vec<usize> = used
        .iter()
        .enumerate()
        .map(|(row, c)| match by {
            FoldBy::Comparison => row,
            FoldBy::Prompt => {
                let next = numbers.len();
                *numbers.entry(c.prompt).or_insert(next)
            }
        })
        .collect();
    let n_units = unit_of.iter().max().map_or(0, |most| most + 1);
    let n_folds = n_folds.min(n_units);
    if n_folds < 2 {
        return None;
    }
    let fold_of = folds(n_units, n_folds, seeds);
    let split = |fold: usize, inside: bool| {
        let fold_of = &fold_of;
        used.iter().zip(&unit_of).filter(move |(_, unit)| (fold_of[**unit] == fold) == inside)
    };
    let run = |contestant: &Contestant<'_>, fold: usize| -> Result<Losses, FitError> {
        let training: Vec<Comparison> = split(fold, false).map(|(c, _)| *c).collect();
        let model = (contestant.fit)(&training)?;
        let mut losses = Losses::default();
        for (c, &unit) in split(fold, true) {
            losses.add(c, unit, model.log_odds(c.prompt, c.first, c.second));
        }
        Ok(losses)
    };
    let jobs: Vec<(usize, usize)> =
        (0..contestants.len()).flat_map(|k| (0..n_folds).map(move |fold| (k, fold))).collect();
    let results: Vec<Result<Losses, FitError>> =
        jobs.par_iter().map(|&(k, fold)| run(&contestants[k], fold)).collect();
    let mut totals: Vec<Result<Totals, String>> = Vec::new();
    for of_one in results.chunks(n_folds) {
        totals.push(Totals::of(of_one, n_units));
    }
    let scores = ranked(contestants, &totals);
    Some(CrossValidation { scores, n_folds, n_units, by })
}

/// A fold for each unit: a random order, dealt out in turn.
fn folds(n_units: usize, n_folds: usize, seeds: SeedTree) -> Vec<usize> {
    let mut rng = seeds.rng(Stream::Split, 0);
    let mut order: Vec<usize> = (0..n_units).collect();
    for last in (1..n_units).rev() {
        order.swap(last, rng.random_range(0..=last));
    }
    let mut folds = vec![0; n_units];
    for (turn, unit) in order.into_iter().enumerate() {
        folds[unit] = turn % n_folds;
    }
    folds
}

impl Losses {
    fn add(&mut self, c: &Comparison, unit: usize, t: f64) {
        let (w, y) = (c.weight.get(), c.label.get());
        self.units.push((unit, w * log_loss(t, y), w));
        if c.label != Label::TIE {
            self.decided += w;
            self.right += w * if t == 0.0 { 0.5 } else { f64::from((t > 0.0) == (y > 0.5)) };
        }
    }
}

/// Losses over all folds, summed by unit.
struct Totals {
    losses: Vec<f64>,
    weights: Vec<f64>,
    decided: f64,
    right: f64,
}

impl Totals {
    fn of(folds: &[Result<Losses, FitError>], n_units: usize) -> Result<Self, String> {
        let (losses, weights) = (vec![0.0; n_units], vec![0.0; n_units]);
        let mut totals = Self { losses, weights, decided: 0.0, right: 0.0 };
        for fold in folds {
            let fold = fold.as_ref().map_err(ToString::to_string)?;
            for &(unit, loss, weight) in &fold.units {
                totals.losses[unit] += loss;
                totals.weights[unit] += weight;
            }
            totals.decided += fold.decided;
            totals.right += fold.right;
        }
        Ok(totals)
    }

    /// Mean and standard error of the loss, less that of another on the same units.
    fn mean(&self, less: Option<&Self>) -> (f64, f64) {
        let weight: f64 = self.weights.iter().sum();
        let loss = |unit: usize| self.losses[unit] - less.map_or(0.0, |other| other.losses[unit]);
        let units = || 0..self.losses.len();
        let mean = units().map(loss).sum::<f64>() / weight;
        let squares = units().map(|unit| (loss(unit) - mean * self.weights[unit]).powi(2));
        let n = self.losses.len() as f64;
        (mean, (n / (n - 1.0) * squares.sum::<f64>()).sqrt() / weight)
    }
}

fn ranked(contestants: &[Contestant<'_>], totals: &[Result<Totals, String>]) -> Vec<Score> {
    let fitted = || totals.iter().filter_map(|total| total.as_ref().ok());
    let best = fitted().min_by(|a, b| a.mean(None).0.total_cmp(&b.mean(None).0));
    let mut scores: Vec<Score> = contestants
        .iter()
        .zip(totals)
        .map(|(contestant, total)| {
            let name = contestant.name.clone();
            match total {
                Err(failure) => Score {
                    name,
                    log_loss_nats: f64::NAN,
                    standard_error: f64::NAN,
                    accuracy: None,
                    behind: f64::NAN,
                    behind_standard_error: f64::NAN,
                    failure: Some(failure.clone()),
                },
                Ok(total) => {
                    let (log_loss_nats, standard_error) = total.mean(None);
                    let (behind, behind_standard_error) = total.mean(best);
                    let accuracy = (total.decided > 0.0).then(|| total.right / total.decided);
                    Score {
                        name,
                        log_loss_nats,
                        standard_error,
                        accuracy,
                        behind,
                        behind_standard_error,
                        failure: None,
                    }
                }
            }
        })
        .collect();
    // NaN sorts last.
    scores.sort_by(|a, b| a.log_loss_nats.total_cmp(&b.log_loss_nats));
    scores
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BradleyTerryFit, LogisticConfig, TabularFit, WidthMultiplier};
    use nlhf_core::logistic::sigmoid;
    use nlhf_core::{PromptId, ResponseId};

    fn simulated(cyclic: bool) -> Vec<Comparison> {
        let mut rng = SeedTree::new(3).rng(Stream::Oracle, 0);
        (0..1500)
            .map(|k| {
                let (a, b) = (k % 3, (k + 1) % 3);
                let odds = if cyclic { 1.5 } else { 0.9 * (f64::from(b) - f64::from(a)) };
                let label = if rng.random::<f64>() < sigmoid(odds) { 1.0 } else { 0.0 };
                let (a, b) = (ResponseId::new(a), ResponseId::new(b));
                Comparison::new(PromptId::new(k / 50), a, b, Label::new(label).unwrap())
            })
            .collect()
    }

    fn contestants() -> Vec<Contestant<'static>> {
        let multiplier = WidthMultiplier::Fixed(1.0);
        let config = |ridge| LogisticConfig { ridge, multiplier, ..Default::default() };
        let scores = |ridge| BradleyTerryFit::new(config(ridge)).unwrap();
        vec![
            Contestant::new("none", scores(1e9)),
            Contestant::new("scores", scores(0.1)),
            Contestant::new(
                "pairs",
                Shared(TabularFit::new(3, nlhf_core::Confidence::new(0.9).unwrap())),
            ),
            Contestant::new("broken", Broken),
        ]
    }

    /// Pairs pooled over prompts, so that they say something of new ones.
    struct Shared(TabularFit);

    impl FitPreference for Shared {
        type Model = Pooled;
        fn name(&self) -> &'static str {
            "shared"
        }
        fn fit(&self, data: &[Comparison]) -> Result<nlhf_core::Fitted<Pooled>, FitError> {
            let zero = PromptId::new(0);
            let data: Vec<Comparison> =
                data.iter().map(|c| Comparison { prompt: zero, ..*c }).collect();
            let fitted = self.0.fit(&data)?;
            Ok(nlhf_core::Fitted { model: Pooled(fitted.model), evidence: fitted.evidence })
        }
    }

    struct Pooled(crate::TabularModel);

    impl PreferenceModel for Pooled {
        fn log_odds(&self, _: PromptId, a: ResponseId, b: ResponseId) -> f64 {
            self.0.log_odds(PromptId::new(0), a, b)
        }
    }

    struct Broken;

    impl FitPreference for Broken {
        type Model = Pooled;
        fn name(&self) -> &'static str {
            "broken"
        }
        fn fit(&self, data: &[Comparison]) -> Result<nlhf_core::Fitted<Pooled>, FitError> {
            Err(FitError::NoComparisons { given: data.len() })
        }
    }

    #[test]
    fn the_model_of_the_truth_wins_and_differences_are_paired() {
        for (cyclic, winner) in [(false, "scores"), (true, "pairs")] {
            let data = simulated(cyclic);
            for by in [FoldBy::Prompt, FoldBy::Comparison] {
                let found = cross_validate(&contestants(), &data, 5, by, SeedTree::new(1)).unwrap();
                let names: Vec<&str> = found.scores.iter().map(|s| s.name.as_str()).collect();
                let behind = |name: &str| found.scores.iter().find(|s| s.name == name).unwrap();
                assert!(behind(winner).behind < 2.0 * behind(winner).behind_standard_error + 1e-12);
                assert_eq!(names[3], "broken");
                assert!(found.scores[3].failure.is_some());
                let none = behind("none");
                assert!((none.log_loss_nats - 2f64.ln()).abs() < 1e-6);
                assert!(none.behind > 4.0 * none.behind_standard_error);
            }
        }
        let again = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let data = simulated(true);
            pool.install(|| {
                let found =
                    cross_validate(&contestants()[..3], &data, 4, FoldBy::Prompt, SeedTree::new(1));
                found.unwrap()
            })
        };
        assert_eq!(again(1), again(2));
        assert!(cross_validate(&contestants(), &[], 5, FoldBy::Prompt, SeedTree::new(1)).is_none());
    }
}
