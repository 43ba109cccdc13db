//! One judgement: on a prompt, how probable is it that the first response beats the second?

use crate::{AnnotatorId, Label, PromptId, ResponseId, Weight};
use serde::{Deserialize, Serialize};

/// A judged pair. Law: swapping the responses and the label changes no likelihood of a skew model.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// What was asked.
    pub prompt: PromptId,
    /// The response that was shown first.
    pub first: ResponseId,
    /// The response that was shown second.
    pub second: ResponseId,
    /// The probability that the first is preferred; ½ is a tie, what lies between is a soft label.
    pub label: Label,
    /// How many times the judgement counts.
    pub weight: Weight,
    /// Who judged, where it is known.
    pub annotator: Option<AnnotatorId>,
}

impl Comparison {
    /// A comparison of weight one by an unknown annotator.
    pub fn new(prompt: PromptId, first: ResponseId, second: ResponseId, label: Label) -> Self {
        Self { prompt, first, second, label, weight: Weight::ONE, annotator: None }
    }

    /// The same judgement with the responses in the other order.
    #[must_use]
    pub fn swapped(self) -> Self {
        Self { first: self.second, second: self.first, label: self.label.swapped(), ..self }
    }
}
