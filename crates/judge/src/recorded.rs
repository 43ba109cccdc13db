//! A judge that replays judgements that exist.
//!
//! ```text
//! record of a pair:   (yᵢ, wᵢ), turned so that all speak of the same response; W = Σ wᵢ
//! drawn:   y = yᵢ with probability wᵢ / W
//! share:   y = Σ wᵢ yᵢ / W
//! ```
//! What is drawn is decided by the seed, the names in the order in which they are shown, and the repetition: not by when or
//! in which company a question is asked. The two orders of a pair are two draws.

use crate::{Answer, Catalog, Deliver, Digest, Judge, JudgeError, Question, Verdict};
use nlhf_core::{Comparison, Label, SeedTree, Stream};
use rand::RngExt;
use std::collections::HashMap;

/// Answers with recorded judgements of the same pair.
#[derive(Debug, Clone)]
pub struct RecordedJudge {
    record: HashMap<Digest, Vec<Judgement>>,
    /// The digest of all judgements, in their order.
    fingerprint: Digest,
    replay: Replay,
}

/// About the pair whose names are in order.
#[derive(Debug, Clone, Copy)]
struct Judgement {
    label: Label,
    /// The weights of this judgement and of those before.
    weight_until: f64,
}

#[derive(Debug, Clone, Copy)]
enum Replay {
    Drawn(SeedTree),
    Share,
}

impl RecordedJudge {
    /// Each answer is one of the judgements of the pair, drawn with probability proportional to its weight.
    ///
    /// Judgements of weight zero are none.
    ///
    /// # Panics
    /// If a comparison has an id that is not one of the catalog's.
    pub fn drawn(comparisons: &[Comparison], catalog: &dyn Catalog, seeds: SeedTree) -> Self {
        Self::new(comparisons, catalog, Replay::Drawn(seeds))
    }

    /// Each answer is the weighted mean of the labels of the pair: the same to every repetition.
    ///
    /// # Panics
    /// As [`RecordedJudge::drawn`].
    pub fn share(comparisons: &[Comparison], catalog: &dyn Catalog) -> Self {
        Self::new(comparisons, catalog, Replay::Share)
    }

    fn new(comparisons: &[Comparison], catalog: &dyn Catalog, replay: Replay) -> Self {
        let mut record: HashMap<Digest, Vec<Judgement>> = HashMap::new();
        let mut fingerprint = Digest::ZERO;
        for comparison in comparisons.iter().filter(|comparison| comparison.weight.get() > 0.0) {
            let prompt = catalog.prompt(comparison.prompt);
            let [first, second] =
                [comparison.first, comparison.second].map(|id| catalog.response(id));
            let (pair, is_turned) = pair_of([prompt.id, first.id, second.id]);
            let label = if is_turned { comparison.label.swapped() } else { comparison.label };
            let judgements = record.entry(pair).or_default();
            let before = judgements.last().map_or(0.0, |last| last.weight_until);
            let weight = comparison.weight.get();
            judgements.push(Judgement { label, weight_until: before + weight });
            let numbers = [label.get().to_le_bytes(), weight.to_le_bytes()];
            fingerprint =
                Digest::of(&[fingerprint.bytes(), pair.bytes(), &numbers[0], &numbers[1]]);
        }
        Self { record, fingerprint, replay }
    }

    /// The label of the one shown first, if the pair was ever judged.
    fn label(&self, question: &Question<'_>) -> Option<Label> {
        let names = [question.prompt.id, question.first.id, question.second.id];
        let (pair, is_turned) = pair_of(names);
        let judgements = self.record.get(&pair)?;
        let label = match self.replay {
            Replay::Drawn(seeds) => draw(judgements, unit(names, question.repetition), seeds)?,
            Replay::Share => share(judgements)?,
        };
        Some(if is_turned { label.swapped() } else { label })
    }
}

impl Judge for RecordedJudge {
    fn name(&self) -> &'static str {
        "the record"
    }

    fn identity(&self) -> String {
        match self.replay {
            Replay::Drawn(seeds) => {
                format!("record {}, drawn with seed {}", self.fingerprint, seeds.seed())
            }
            Replay::Share => format!("record {}, its shares", self.fingerprint),
        }
    }

    fn judge(
        &mut self,
        questions: &[Question<'_>],
        deliver: &mut Deliver<'_>,
    ) -> Result<(), JudgeError> {
        let mut answers = Vec::with_capacity(questions.len());
        let mut unanswered = None;
        for (place, question) in questions.iter().enumerate() {
            match self.label(question) {
                Some(label) => answers.push((place, Answer::new(Verdict::Preferred(label)))),
                None => unanswered = unanswered.or(Some(question)),
            }
        }
        deliver(answers)?;
        match unanswered {
            None => Ok(()),
            Some(Question { prompt, first, second, .. }) => Err(JudgeError::Unanswerable {
                judge: self.name(),
                prompt: prompt.id.to_owned(),
                first: first.id.to_owned(),
                second: second.id.to_owned(),
            }),
        }
    }
}

/// A pair without its order, and whether the order given is the other one than that of the names.
fn pair_of([prompt, first, second]: [&str; 3]) -> (Digest, bool) {
    let is_turned = first > second;
    let [low, high] = if is_turned { [second, first] } else { [first, second] };
    (Digest::of(&[prompt, low, high].map(str::as_bytes)), is_turned)
}

/// The unit of randomness of a question.
fn unit([prompt, first, second]: [&str; 3], repetition: u32) -> u32 {
    let [prompt, first, second] = [prompt, first, second].map(str::as_bytes);
    let digest = Digest::of(&[prompt, first, second, &repetition.to_le_bytes()]);
    let [a, b, c, d, ..] = *digest.bytes();
    u32::from_le_bytes([a, b, c, d])
}

fn draw(judgements: &[Judgement], unit: u32, seeds: SeedTree) -> Option<Label> {
    let last = judgements.last()?;
    let at = seeds.rng(Stream::Oracle, unit).random::<f64>() * last.weight_until;
    let drawn = judgements.partition_point(|judgement| judgement.weight_until <= at);
    Some(judgements.get(drawn).unwrap_or(last).label)
}

fn share(judgements: &[Judgement]) -> Option<Label> {
    let (mut mean, mut before) = (0.0_f64, 0.0);
    for &Judgement { label, weight_until } in judgements {
        mean += (label.get() - mean) * ((weight_until - before) / weight_until);
        before = weight_until;
    }
    // Rounding may lead out of the interval by a bit.
    Label::new(mean.clamp(0.0, 1.0)).ok()
}
