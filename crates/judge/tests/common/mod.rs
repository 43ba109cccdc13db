//! A catalog, and a judge whose answers and failures are decided beforehand.
#![allow(dead_code, reason = "each test file uses a part")]

use nlhf_core::{Label, PromptId, Query, ResponseId};
use nlhf_judge::{
    Answer, Catalog, Deliver, Digest, Judge, JudgeError, LabelStore, Question, Shown, Verdict,
};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::Path;

pub(crate) const IDENTITY: &str = "a judge of tests";

/// Prompt `i` is `p<i>`, response `i` is `r<i>`.
pub(crate) struct Names {
    prompts: Vec<String>,
    responses: Vec<String>,
    /// What stands after the name in each text.
    pub(crate) says: &'static str,
}

impl Names {
    pub(crate) fn new(n_prompts: usize, n_responses: usize) -> Self {
        let names = |letter, n| (0..n).map(|i| format!("{letter}{i}")).collect();
        Self { prompts: names('p', n_prompts), responses: names('r', n_responses), says: " says" }
    }
}

impl Catalog for Names {
    fn prompt(&self, id: PromptId) -> Shown<'_> {
        let id = &self.prompts[id.index()];
        Shown { id, text: format!("{id}{}", self.says).into() }
    }

    fn response(&self, id: ResponseId) -> Shown<'_> {
        let id = &self.responses[id.index()];
        Shown { id, text: format!("{id}{}", self.says).into() }
    }
}

pub(crate) fn query(prompt: u32, first: u32, second: u32) -> Query {
    let [first, second] = [first, second].map(ResponseId::new);
    Query { prompt: PromptId::new(prompt), first, second }
}

pub(crate) fn question(names: [&str; 3], repetition: u32) -> Question<'_> {
    let [prompt, first, second] = names.map(|id| Shown { id, text: format!("{id} says").into() });
    Question { prompt, first, second, repetition }
}

/// Prompt, first, second, repetition.
pub(crate) type Key = (String, String, String, u32);

pub(crate) fn key(question: &Question<'_>) -> Key {
    let name = |shown: &Shown<'_>| shown.id.to_owned();
    (name(&question.prompt), name(&question.first), name(&question.second), question.repetition)
}

/// The keys of all answers on disk, each once.
pub(crate) fn kept(path: &Path) -> BTreeSet<Key> {
    let labels = nlhf_judge::read_labels(path).unwrap();
    let n = labels.answers.len();
    let keys = labels.answers.into_iter();
    let keys: BTreeSet<Key> =
        keys.map(|a| (a.prompt_id, a.first_id, a.second_id, a.repetition)).collect();
    assert_eq!(keys.len(), n, "an answer stands in the store twice");
    keys
}

/// An answer that the question alone decides: mostly a label, sometimes none.
pub(crate) fn answer_to(question: &Question<'_>) -> Answer {
    let (prompt, first, second, repetition) = key(question);
    let names = [&prompt, &first, &second].map(String::as_bytes);
    let digest = Digest::of(&[names[0], names[1], names[2], &repetition.to_le_bytes()]);
    let verdict = match digest.bytes()[0] {
        0..20 => Verdict::Skipped,
        20..28 => Verdict::Unreadable("\"so\u{0}\n so\"".to_owned()),
        _ => Verdict::Preferred(Label::new(f64::from(digest.bytes()[1]) / 255.0).unwrap()),
    };
    let input_tokens = Some(u64::from(digest.bytes()[2]));
    Answer { verdict, annotator: Some("ü".to_owned()), input_tokens, output_tokens: Some(1) }
}

/// In which order, in which company, and how far a judge answers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    /// Answers come in an order that this number decides.
    pub(crate) shuffle: u64,
    /// So many are delivered together.
    pub(crate) batch: usize,
    /// After so many answers the judge fails.
    pub(crate) fails_after: usize,
}

impl Plan {
    pub(crate) const SMOOTH: Self = Self { shuffle: 0, batch: usize::MAX, fails_after: usize::MAX };
}

/// Follows a plan, and notes every answer for which it would have been paid.
pub(crate) struct Planned<'p> {
    pub(crate) plan: Plan,
    pub(crate) paid: &'p RefCell<Vec<Key>>,
    pub(crate) answer: fn(&Question<'_>) -> Answer,
}

impl<'p> Planned<'p> {
    pub(crate) fn new(plan: Plan, paid: &'p RefCell<Vec<Key>>) -> Self {
        Self { plan, paid, answer: answer_to }
    }
}

impl Judge for Planned<'_> {
    fn name(&self) -> &'static str {
        "the plan"
    }

    fn identity(&self) -> String {
        IDENTITY.to_owned()
    }

    fn judge(
        &mut self,
        questions: &[Question<'_>],
        deliver: &mut Deliver<'_>,
    ) -> Result<(), JudgeError> {
        let Plan { shuffle, batch, fails_after } = self.plan;
        let mut places: Vec<usize> = (0..questions.len()).collect();
        if shuffle > 0 {
            let rank = |place: &usize| {
                let digest = Digest::of(&[&shuffle.to_le_bytes(), &place.to_le_bytes()]);
                digest.to_string()
            };
            places.sort_by_key(rank);
        }
        places.truncate(fails_after);
        for places in places.chunks(batch.clamp(1, questions.len())) {
            let answers = places.iter().map(|&place| (place, (self.answer)(&questions[place])));
            let answers = answers.collect();
            self.paid.borrow_mut().extend(places.iter().map(|&place| key(&questions[place])));
            deliver(answers)?;
        }
        if questions.len() > fails_after {
            let source = "no more money".into();
            return Err(JudgeError::Failed { judge: self.name(), source });
        }
        Ok(())
    }
}

pub(crate) fn open(path: &Path) -> LabelStore {
    LabelStore::open(path, IDENTITY).unwrap()
}

/// An error with all its sources.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    match error.source() {
        None => error.to_string(),
        Some(source) => format!("{error}: {}", chain(source)),
    }
}
