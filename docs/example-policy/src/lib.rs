//! A policy class of a third party: answers of a learned length that take up the words of the prompt.
//!
//! ```text
//! π(a | x) ∝ exp s(x, a),     s = −sharpness · √(1 + (ℓ(a) − peak)²) + bonus · quoted(x, a)
//! ```
//! `ℓ` is the binary logarithm of an answer's length, `quoted` the share of the prompt's words that the answer repeats. The score bends in
//! `peak`, so that no weighted sum of features is the same, and the features are made of texts, which nlhf never sees: it
//! knows prompts and answers by number. The class has three parts, in this order below:
//!
//! 1. [`Texts`]: what the numbers stand for, and what is measured of them.
//! 2. [`LengthPeak`]: a policy, with its parameters and their gradient.
//! 3. [`LengthPeaks`]: the class, whose projection is the policy moved along that gradient.
//!
//! `tests/laws.rs` holds it to the laws of every policy class, `tests/learning.rs` gives it to both learners.

use nlhf_core::{
    Distribution, Menu, ParametrizedPolicy, Policy, PolicyClass, Projected, ProjectionError,
    PromptId, ResponseId, Target,
};
use nlhf_policy::project_by_gradient;
use std::sync::Arc;

/// The texts of an application, by the numbers of prompts and answers.
#[derive(Debug, Clone, Default)]
pub struct Texts {
    /// The text of each prompt.
    pub prompts: Vec<String>,
    /// The text of each answer.
    pub answers: Vec<String>,
}

impl Texts {
    /// The binary logarithm of one more than an answer's length in characters.
    ///
    /// # Panics
    /// If there is no text of this number, like all that is measured.
    pub fn log_length(&self, answer: ResponseId) -> f64 {
        (1.0 + self.answers[answer.index()].chars().count() as f64).log2()
    }

    /// The share of the prompt's words that the answer repeats, 0 for a prompt without words.
    pub fn quoted(&self, prompt: PromptId, answer: ResponseId) -> f64 {
        let answer = words(&self.answers[answer.index()]);
        let asked = words(&self.prompts[prompt.index()]);
        let n_repeated = asked.iter().filter(|word| answer.contains(word)).count();
        n_repeated as f64 / asked.len().max(1) as f64
    }
}

fn words(text: &str) -> Vec<String> {
    let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_lowercase).collect()
}

/// A policy: three numbers, and the texts that they are about.
#[derive(Debug, Clone)]
pub struct LengthPeak {
    /// Peak, sharpness and bonus.
    parameters: Vec<f64>,
    texts: Arc<Texts>,
}

impl LengthPeak {
    /// Answers of about `2^peak` characters, each doubling or halving `sharpness` nats less likely in the long run, with `bonus`
    /// nats for one that quotes the whole prompt.
    pub fn new(texts: Arc<Texts>, peak: f64, sharpness: f64, bonus: f64) -> Self {
        Self { parameters: vec![peak, sharpness, bonus], texts }
    }

    /// The score of an answer, and its slopes in the parameters.
    fn score(&self, prompt: PromptId, answer: ResponseId) -> (f64, [f64; 3]) {
        let (peak, sharpness, bonus) = (self.parameters[0], self.parameters[1], self.parameters[2]);
        let distance = self.texts.log_length(answer) - peak;
        let (bend, quoted) = (distance.hypot(1.0), self.texts.quoted(prompt, answer));
        (bonus * quoted - sharpness * bend, [sharpness * distance / bend, -bend, quoted])
    }
}

// A policy says how likely each candidate of a menu is, in log-space. It scores whatever menu it is shown: prompts and
// answers that it was never fitted to are nothing special.
impl Policy for LengthPeak {
    fn distribution(&self, menu: Menu<'_>) -> Distribution {
        let score = |answer: &ResponseId| self.score(menu.prompt(), *answer).0;
        let scores = menu.responses().iter().map(score).collect();
        Distribution::from_logits(scores).expect("scores are finite")
    }
}

// With parameters and gradients, whatever works by gradients can move it. Of a softmax,
// Σ_a c_a ∇ log π(a) = Σ_a (c_a − π(a) Σ_b c_b) ∇ s(a).
impl ParametrizedPolicy for LengthPeak {
    fn parameters(&self) -> &[f64] {
        &self.parameters
    }

    fn with_parameters(&self, parameters: Vec<f64>) -> Self {
        assert_eq!(parameters.len(), 3, "peak, sharpness and bonus");
        Self { parameters, texts: Arc::clone(&self.texts) }
    }

    fn add_log_probability_gradient(
        &self,
        menu: Menu<'_>,
        coefficients: &[f64],
        gradient: &mut [f64],
    ) {
        let total: f64 = coefficients.iter().sum();
        let played = self.distribution(menu).probabilities();
        for ((answer, c), p) in menu.responses().iter().zip(coefficients).zip(played) {
            let (_, slopes) = self.score(menu.prompt(), *answer);
            for (g, slope) in gradient.iter_mut().zip(slopes) {
                *g += (c - p * total) * slope;
            }
        }
    }
}

/// All policies of this form over some texts.
#[derive(Debug, Clone)]
pub struct LengthPeaks {
    /// The texts.
    pub texts: Arc<Texts>,
}

// A class finds its member nearest to what the learner would like to play. Going down the gradient finds one that may not be the
// nearest of all, and the projection says so: it states no bound on what is left. Bounds of the learner hold
// all the same, because they are computed from what the class plays in the end.
impl PolicyClass for LengthPeaks {
    type Policy = LengthPeak;

    fn name(&self) -> &'static str {
        "length-peaks"
    }

    fn project(
        &self,
        targets: &[Target<'_>],
        warm: Option<&LengthPeak>,
    ) -> Result<Projected<LengthPeak>, ProjectionError> {
        // Without another start, answers of 2⁷ characters.
        let cold = || LengthPeak::new(Arc::clone(&self.texts), 7.0, 1.0, 0.0);
        let start = warm.cloned().unwrap_or_else(cold);
        project_by_gradient(start, targets, 1e-9, 200)
    }
}
