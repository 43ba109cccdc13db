//! A judge from comparisons: the fit, its resampled copies, and the fits to two halves.
//!
//! The halves are of judgements: a comparison of weight w counts as w of them, and how many go to the first half is
//! drawn, each with probability one half, so that the noise of one half says nothing about that of the other. A soft
//! label of weight one or less goes as a whole; a heavier one is w y judgements for one response and w (1 − y)
//! for the other.

use super::Judge;
use nlhf_core::{
    Comparison, Confidence, FitError, FitEvidence, FitPreference, Fitted, Label, PreferenceModel,
    SeedTree, Stream, Weight, WorkspaceRng,
};
use nlhf_preference::{BootstrapFit, Cluster, PairCounts};
use rand::RngExt;
use rand_distr::{Binomial, Distribution};

/// How the noise of a judge is found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct JudgeConfig {
    /// Fits to resampled comparisons, at least 2; 200 by default.
    pub members: u32,
    /// What is resampled as a whole.
    pub cluster: Cluster,
    /// Decides resamples and halves.
    pub seed: SeedTree,
}

impl Default for JudgeConfig {
    fn default() -> Self {
        Self { members: 200, cluster: Cluster::Comparison, seed: SeedTree::new(0) }
    }
}

/// A fitted judge that owns its models.
#[derive(Debug, Clone)]
pub struct FittedJudge<M> {
    estimate: M,
    members: Vec<M>,
    halves: Option<[M; 2]>,
    counts: PairCounts,
    evidence: FitEvidence,
}

/// The unit of [`Stream::Split`] that halves are drawn from; 0 is that of held-out rows.
const HALVES: u32 = 1;

impl<M: PreferenceModel> FittedJudge<M> {
    /// Fits to the comparisons, to resamples and to halves of them.
    ///
    /// # Errors
    /// [`FitError`] if the model cannot be fitted, or there are fewer than two members. A half that nothing can be
    /// fitted to only leaves out the cross-fitted exploitability.
    ///
    /// # Panics
    /// Never: the confidence that it asks of an ensemble is valid.
    pub fn fit<F: FitPreference<Model = M>>(
        fit: F,
        data: &[Comparison],
        config: JudgeConfig,
    ) -> Result<Self, FitError> {
        let [first, second] = halves(data, config.seed);
        let halves = match (fit.fit(&first), fit.fit(&second)) {
            (Ok(first), Ok(second)) => Some([first.model, second.model]),
            _ => None,
        };
        let Fitted { model: estimate, evidence } = fit.fit(data)?;
        // The confidence is that of widths, which are not asked for.
        let confidence = Confidence::new(0.95).expect("a valid confidence");
        let bootstrap =
            BootstrapFit::new(fit, config.members, config.cluster, confidence, config.seed)
                .map_err(|source| FitError::Model { source: Box::new(source) })?;
        let members = bootstrap.fit_members(data)?;
        Ok(Self { estimate, members, halves, counts: PairCounts::new(data), evidence })
    }

    /// How the fit to all comparisons went.
    pub fn evidence(&self) -> &FitEvidence {
        &self.evidence
    }

    /// The fitted preference.
    pub fn estimate(&self) -> &M {
        &self.estimate
    }

    /// The comparisons behind it, counted.
    pub fn counts(&self) -> &PairCounts {
        &self.counts
    }

    /// The judge.
    pub fn judge(&self) -> Judge<'_> {
        let members = self.members.iter().map(|member| member as &dyn PreferenceModel);
        let judge = Judge::known(&self.estimate).with_members(members).with_judged(&self.counts);
        match &self.halves {
            Some([first, second]) => judge.with_halves([first, second]),
            None => judge,
        }
    }
}

/// Two parts of about the same size, whose judgements are independent of each other.
fn halves(data: &[Comparison], seeds: SeedTree) -> [Vec<Comparison>; 2] {
    let mut rng = seeds.rng(Stream::Split, HALVES);
    let mut parts = [Vec::new(), Vec::new()];
    for row in data.iter().filter(|row| row.first != row.second) {
        let (weight, y) = (row.weight.get(), row.label.get());
        let decided = row.label == Label::WIN || row.label == Label::LOSS;
        if weight <= 1.0 || decided || row.label == Label::TIE {
            deal(row, weight, row.label, &mut parts, &mut rng);
        } else {
            deal(row, weight * y, Label::WIN, &mut parts, &mut rng);
            deal(row, weight * (1.0 - y), Label::LOSS, &mut parts, &mut rng);
        }
    }
    parts
}

/// Judgements beyond which halves differ by less than the last digits of their weights.
const MOST: f64 = 1e15;

/// Deals `weight` judgements of one label to two parts, each to either with probability one half.
fn deal(
    row: &Comparison,
    weight: f64,
    label: Label,
    parts: &mut [Vec<Comparison>; 2],
    rng: &mut WorkspaceRng,
) {
    let whole = weight.floor();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most 1e15")]
    let mut first = match Binomial::new(whole.min(MOST) as u64, 0.5) {
        Ok(dealt) if whole < MOST => dealt.sample(rng) as f64,
        _ => 0.5 * whole,
    };
    // What is left of the weight is a judgement that counts less.
    if weight > whole && rng.random::<bool>() {
        first += weight - whole;
    }
    for (part, weight) in parts.iter_mut().zip([first, weight - first]) {
        if weight > 0.0 {
            let weight = Weight::new(weight).expect("a part of a weight");
            part.push(Comparison { label, weight, ..*row });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nlhf_core::{PromptId, ResponseId};

    #[test]
    fn halves_are_a_partition_of_the_judgements() {
        let row = |label: f64, weight: f64| Comparison {
            weight: Weight::new(weight).unwrap(),
            ..Comparison::new(
                PromptId::new(0),
                ResponseId::new(0),
                ResponseId::new(1),
                Label::new(label).unwrap(),
            )
        };
        let data = [row(1.0, 300.0), row(0.5, 301.5), row(0.7, 40.0), row(0.2, 1.0), row(0.9, 1e9)];
        let parts = halves(&data, SeedTree::new(3));
        let total = |rows: &[Comparison], f: fn(&Comparison) -> f64| -> f64 {
            rows.iter().map(|row| row.weight.get() * f(row)).sum()
        };
        for f in [(|_: &Comparison| 1.0) as fn(&Comparison) -> f64, |row| row.label.get()] {
            let (whole, both) = (total(&data, f), total(&parts.concat(), f));
            assert!((whole - both).abs() < 1e-6, "{whole} and {both}");
        }
        // Five standard deviations of half of 300, and of half of 9e8.
        assert!((parts[0][0].weight.get() - 150.0).abs() < 5.0 * 75f64.sqrt());
        let large = parts[0].iter().map(|row| row.weight.get()).fold(0.0, f64::max);
        assert!((large - 4.5e8).abs() < 5.0 * (2.25e8f64).sqrt(), "{large}");
        // A soft label of one judgement is not torn apart.
        let soft =
            |part: &Vec<Comparison>| part.iter().filter(|r| r.label == data[3].label).count();
        assert_eq!(soft(&parts[0]) + soft(&parts[1]), 1);
    }

    #[test]
    fn value_stability() {
        let (prompt, first, second) = (PromptId::new(0), ResponseId::new(0), ResponseId::new(1));
        let one = Comparison::new(prompt, first, second, Label::WIN);
        let parts = halves(&[one; 16], SeedTree::new(1));
        assert_eq!([parts[0].len(), parts[1].len()], [7, 9], "recorded at version 0.1.0");
        let many = Comparison { weight: Weight::new(1e4).unwrap(), ..one };
        let parts = halves(&[many], SeedTree::new(1));
        assert_eq!(parts[0][0].weight, Weight::new(4941.0).unwrap(), "recorded at version 0.1.0");
    }
}
