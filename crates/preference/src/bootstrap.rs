//! Bootstrap ensembles: how far off any model may be, where no formula says so.
//!
//! ```text
//! R_b = the same fit to the b-th resample,   s(x, a, b)² = mean_b (R_b − R̂)²
//! c = the level-quantile over b of max over the compared pairs |R_b − R̂| / s,   width = c s
//! ```
//! The quantile of the largest deviation makes the intervals hold for all compared pairs at once. That is true in the
//! limit of many comparisons and no guarantee before, other than the theory's widths. A pair on which all
//! resamples agree to the last bit is one that no comparison tells of: its width is all that the bound on log-odds allows.
//! A ridge biases every member alike, which the widths do not see. Resampling as in [`Cluster`]. Source: Efron (1979); for the largest deviation Romano and
//! Wolf (2005).

use crate::Cluster;
use crate::resampling::Resampler;
use nlhf_core::{
    Comparison, Confidence, ConfidenceWidth, DenseGame, FitError, FitPreference, Fitted, Menu,
    PreferenceModel, PromptId, ResponseId, ScalarError, Scale, SeedTree, Stream, VersionSpace,
};
use rayon::prelude::*;
use std::collections::BTreeSet;

/// Fits a model to the data and to resamples of them.
#[derive(Debug, Clone, Copy)]
pub struct BootstrapFit<F> {
    inner: F,
    replicates: u32,
    cluster: Cluster,
    confidence: Confidence,
    log_odds_bound: f64,
    seeds: SeedTree,
}

impl<F: FitPreference> BootstrapFit<F> {
    /// An ensemble of `replicates` fits, whose widths are to hold for all compared pairs with this confidence.
    ///
    /// # Errors
    /// [`ScalarError`] if there are fewer than two replicates.
    pub fn new(
        inner: F,
        replicates: u32,
        cluster: Cluster,
        confidence: Confidence,
        seeds: SeedTree,
    ) -> Result<Self, ScalarError> {
        if replicates < 2 {
            let quantity = "the number of bootstrap replicates";
            let given = f64::from(replicates);
            return Err(ScalarError { quantity, required: "at least 2", given });
        }
        let log_odds_bound = f64::INFINITY;
        Ok(Self { inner, replicates, cluster, confidence, log_odds_bound, seeds })
    }

    /// With the bound B that the inner model holds its log-odds within; widths are then no larger than what B allows.
    #[must_use]
    pub fn with_log_odds_bound(self, log_odds_bound: f64) -> Self {
        Self { log_odds_bound, ..self }
    }
}

/// What stands for a bound on log-odds where none is stated: certainty on the scale of probabilities.
const UNBOUNDED: f64 = 50.0;

/// A model and its resampled copies.
#[derive(Debug, Clone)]
pub struct BootstrapModel<M> {
    pub(crate) estimate: M,
    pub(crate) members: Vec<M>,
    pub(crate) multiplier: f64,
    pub(crate) log_odds_bound: f64,
}

impl<M: PreferenceModel> BootstrapModel<M> {
    /// The model fitted to the data themselves.
    pub fn estimate(&self) -> &M {
        &self.estimate
    }

    /// The models fitted to resamples: an ensemble to be pessimistic over.
    pub fn members(&self) -> &[M] {
        &self.members
    }

    /// c, the widths in units of standard errors.
    pub fn multiplier(&self) -> f64 {
        self.multiplier
    }

    /// The root mean square of the members' deviations from the estimate, in nats.
    pub fn standard_error(&self, prompt: PromptId, a: ResponseId, b: ResponseId) -> f64 {
        let (low, high) = (a.min(b), a.max(b));
        let estimate = self.estimate.log_odds(prompt, low, high);
        let members = self.members.iter().map(|m| m.log_odds(prompt, low, high) - estimate);
        (members.map(|x| x * x).sum::<f64>() / self.members.len() as f64).sqrt()
    }

    fn capped(&self, error: f64, log_odds: f64) -> f64 {
        let most = self.log_odds_bound.min(UNBOUNDED) + log_odds.abs();
        if error == 0.0 { most } else { (self.multiplier * error).min(most) }
    }

    /// The same model with its members seen in another way.
    pub(crate) fn map<N>(self, f: impl Fn(M) -> N) -> BootstrapModel<N> {
        BootstrapModel {
            estimate: f(self.estimate),
            members: self.members.into_iter().map(f).collect(),
            multiplier: self.multiplier,
            log_odds_bound: self.log_odds_bound,
        }
    }
}

impl<F: FitPreference> FitPreference for BootstrapFit<F> {
    type Model = BootstrapModel<F::Model>;

    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn fit(&self, data: &[Comparison]) -> Result<Fitted<Self::Model>, FitError> {
        let Fitted { model: estimate, mut evidence } = self.inner.fit(data)?;
        let members = self.fit_members(data)?;
        let log_odds_bound = self.log_odds_bound;
        let mut model = BootstrapModel { estimate, members, multiplier: 1.0, log_odds_bound };
        model.multiplier = self.multiplier(&model, data);
        evidence.width_multiplier = Some(model.multiplier);
        Ok(Fitted { model, evidence })
    }

    fn predict(
        &self,
        data: &[Comparison],
        view: &mut dyn FnMut(&dyn PreferenceModel),
    ) -> Result<(), FitError> {
        self.inner.predict(data, view)
    }
}

impl<F: FitPreference> BootstrapFit<F> {
    /// The models fitted to resamples, without the widths, which take a pass over all pairs for each member.
    ///
    /// # Errors
    /// Those of the inner fit.
    pub fn fit_members(&self, data: &[Comparison]) -> Result<Vec<F::Model>, FitError> {
        let resampler = Resampler::new(data, self.cluster);
        let member = |replicate: u32| {
            let mut rng = self.seeds.rng(Stream::Bootstrap, replicate);
            match self.inner.fit(&resampler.draw(&mut rng)) {
                Ok(fitted) => Ok(Some(fitted.model)),
                // A draw of few clusters may leave nothing to fit to: it says nothing.
                Err(FitError::NoComparisons { .. }) => Ok(None),
                Err(error) => Err(error),
            }
        };
        let members: Result<Vec<Option<F::Model>>, FitError> =
            (0..self.replicates).into_par_iter().map(member).collect();
        let members: Vec<F::Model> = members?.into_iter().flatten().collect();
        if members.is_empty() {
            return Err(FitError::NoComparisons { given: data.len() });
        }
        Ok(members)
    }

    /// c: the quantile over members of their largest deviation in standard errors.
    fn multiplier(&self, model: &BootstrapModel<F::Model>, data: &[Comparison]) -> f64 {
        let pair = |c: &Comparison| (c.prompt, c.first.min(c.second), c.first.max(c.second));
        let telling = data.iter().filter(|c| c.first != c.second && c.weight.get() > 0.0);
        let pairs: BTreeSet<_> = telling.map(pair).collect();
        let pairs: Vec<_> = pairs.into_iter().collect();
        let known = |&(x, a, b): &(PromptId, ResponseId, ResponseId)| {
            (model.estimate.log_odds(x, a, b), model.standard_error(x, a, b))
        };
        let known: Vec<(f64, f64)> = pairs.par_iter().map(known).collect();
        let largest = |member: &F::Model| {
            let apart = pairs.iter().zip(&known).filter(|(_, (_, error))| *error > 0.0);
            let apart = apart.map(|(&(x, a, b), (estimate, error))| {
                (member.log_odds(x, a, b) - estimate).abs() / error
            });
            apart.fold(0.0, f64::max)
        };
        let mut largest: Vec<f64> = model.members.par_iter().map(largest).collect();
        largest.sort_unstable_by(f64::total_cmp);
        let share = 1.0 - self.confidence.failure_probability();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "at most their number"
        )]
        let rank = (share * (largest.len() + 1) as f64).ceil() as usize;
        largest[rank.clamp(1, largest.len()) - 1]
    }
}

impl<M: PreferenceModel> PreferenceModel for BootstrapModel<M> {
    fn log_odds(&self, prompt: PromptId, first: ResponseId, second: ResponseId) -> f64 {
        self.estimate.log_odds(prompt, first, second)
    }

    fn probability(&self, prompt: PromptId, first: ResponseId, second: ResponseId) -> f64 {
        self.estimate.probability(prompt, first, second)
    }

    fn payoff(&self, prompt: PromptId, a: ResponseId, b: ResponseId, scale: Scale) -> f64 {
        self.estimate.payoff(prompt, a, b, scale)
    }

    fn game(&self, menu: Menu<'_>, scale: Scale) -> DenseGame {
        self.estimate.game(menu, scale)
    }
}

/// The estimate, then the members: pessimism over an ensemble guards against what resampling shows, without a guarantee
/// that the truth is among them.
impl<M: PreferenceModel> VersionSpace for BootstrapModel<M> {
    fn n_preferences(&self) -> usize {
        1 + self.members.len()
    }

    fn most_likely(&self) -> usize {
        0
    }

    fn preference_game(&self, preference: usize, menu: Menu<'_>, scale: Scale) -> DenseGame {
        let model =
            preference.checked_sub(1).map_or(&self.estimate, |member| &self.members[member]);
        model.game(menu, scale)
    }
}

impl<M: PreferenceModel> ConfidenceWidth for BootstrapModel<M> {
    fn log_odds_width(&self, prompt: PromptId, first: ResponseId, second: ResponseId) -> f64 {
        if first == second {
            return 0.0;
        }
        let error = self.standard_error(prompt, first, second);
        self.capped(error, self.log_odds(prompt, first, second))
    }

    fn log_odds_bound(&self) -> f64 {
        self.log_odds_bound
    }

    fn widths(&self, menu: Menu<'_>, scale: Scale) -> Vec<f64> {
        let n = menu.len();
        let estimate = self.estimate.game(menu, Scale::LogOdds);
        let mut squares = vec![0.0; n * n];
        for member in &self.members {
            let game = member.game(menu, Scale::LogOdds);
            let apart = game.entries().iter().zip(estimate.entries());
            for (square, (member, estimate)) in squares.iter_mut().zip(apart) {
                *square += (member - estimate) * (member - estimate);
            }
        }
        for (width, log_odds) in squares.iter_mut().zip(estimate.entries()) {
            let error = (*width / self.members.len() as f64).sqrt();
            *width = scale.width(*log_odds, self.capped(error, *log_odds));
        }
        for i in 0..n {
            squares[i * n + i] = 0.0;
            for j in 0..i {
                squares[i * n + j] = squares[j * n + i];
            }
        }
        squares
    }

    fn version_space(&self) -> Option<&dyn VersionSpace> {
        Some(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{LogisticConfig, LowRankFit};
    use nlhf_core::{Label, Weight};

    #[test]
    fn errors_of_one_pair_are_those_of_a_share() {
        // 400 votes of which 300 won: the standard error of a logit is 1/√(n p q).
        let (x, a, b) = (PromptId::new(0), ResponseId::new(0), ResponseId::new(1));
        let vote = |label, weight| Comparison {
            weight: Weight::new(weight).unwrap(),
            ..Comparison::new(x, a, b, label)
        };
        let config = LogisticConfig { ridge: 1e-6, ..Default::default() };
        let fit = crate::BradleyTerryFit::new(config).unwrap();
        let level = Confidence::new(0.95).unwrap();
        for data in [
            vec![vote(Label::WIN, 300.0), vote(Label::LOSS, 100.0)],
            vec![vote(Label::new(0.75).unwrap(), 400.0)],
        ] {
            let fit =
                BootstrapFit::new(fit.clone(), 400, Cluster::Comparison, level, SeedTree::new(1));
            let model = fit.unwrap().fit(&data).unwrap().model;
            let exact = 1.0 / (400.0_f64 * 0.75 * 0.25).sqrt();
            let error = model.standard_error(x, a, b);
            assert!((error / exact - 1.0).abs() < 0.1, "{error} and {exact}");
            // One pair: the quantile is that of a normal distribution.
            assert!((model.multiplier() - 1.96).abs() < 0.25, "{}", model.multiplier());
        }
        let one = BootstrapFit::new(fit, 1, Cluster::Comparison, level, SeedTree::new(1));
        assert!(one.is_err());
    }

    #[test]
    fn whole_annotators_are_drawn_where_they_differ() {
        // Each annotator has an opinion and repeats it: ten annotators say as much as ten votes.
        let (x, a, b) = (PromptId::new(0), ResponseId::new(0), ResponseId::new(1));
        let mut data = Vec::new();
        for annotator in 0..20 {
            let label = if annotator < 14 { Label::WIN } else { Label::LOSS };
            let annotator = Some(nlhf_core::AnnotatorId::new(annotator));
            data.extend(vec![Comparison { annotator, ..Comparison::new(x, a, b, label) }; 10]);
        }
        let config = LogisticConfig { ridge: 1e-6, ..Default::default() };
        let error = |cluster| {
            let fit = LowRankFit::items(1, config).unwrap();
            let level = Confidence::new(0.9).unwrap();
            let fit = BootstrapFit::new(fit, 300, cluster, level, SeedTree::new(2)).unwrap();
            fit.fit(&data).unwrap().model.standard_error(x, a, b)
        };
        let (alone, together) = (error(Cluster::Comparison), error(Cluster::Annotator));
        let ratio = together / alone / 10f64.sqrt();
        assert!((0.8..1.3).contains(&ratio), "{alone} and {together}");
    }
}
