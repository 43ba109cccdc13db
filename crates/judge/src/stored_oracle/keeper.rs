//! Takes the answers of one call to a judge: on disk first, then counted, then told.

use super::{Accounting, AskError, Asked};
use crate::quoted::quoted;
use crate::{Answer, JudgeError, LabelStore, NotKept, Question, StoreError, Verdict};
use nlhf_core::Observer;

/// Fewer answers say nothing about how many are unreadable.
const MIN_ANSWERS: u64 = 20;
/// Beyond this share of unreadable answers the judge is not asked any more.
const MAX_UNREADABLE_SHARE: f64 = 0.25;

/// What all calls to a judge have in common.
pub(super) struct Ledger<'a> {
    pub(super) store: Option<LabelStore>,
    pub(super) accounting: Accounting,
    /// Of the answers asked for in this run.
    pub(super) n_unreadable_asked: u64,
    pub(super) observer: Box<dyn Observer<Asked> + 'a>,
}

/// The answers to `questions`, as they come.
pub(super) struct Keeper<'k, 'a> {
    ledger: &'k mut Ledger<'a>,
    judge: &'static str,
    questions: &'k [Question<'a>],
    answers: Vec<Option<Answer>>,
    progress: &'k mut Asked,
    /// The first thing that went wrong.
    failure: Option<AskError>,
}

impl<'k, 'a> Keeper<'k, 'a> {
    pub(super) fn new(
        ledger: &'k mut Ledger<'a>,
        judge: &'static str,
        questions: &'k [Question<'a>],
        progress: &'k mut Asked,
    ) -> Self {
        let answers = vec![None; questions.len()];
        Self { ledger, judge, questions, answers, progress, failure: None }
    }

    /// Keeps what was delivered, also after something went wrong: it was paid for.
    pub(super) fn keep(&mut self, batch: Vec<(usize, Answer)>) -> Result<(), NotKept> {
        let mut places = Vec::with_capacity(batch.len());
        for (place, answer) in batch {
            match self.answers.get_mut(place) {
                Some(slot @ None) => {
                    *slot = Some(answer);
                    places.push(place);
                }
                slot => {
                    let found = match slot {
                        None => "an answer to a question that was not asked",
                        Some(_) => "a second answer to a question",
                    };
                    self.fail(AskError::Lawless { judge: self.judge, found });
                }
            }
        }
        self.store(&places);
        if self.failure.is_none() { Ok(()) } else { Err(NotKept) }
    }

    fn store(&mut self, places: &[usize]) {
        if places.is_empty() {
            return;
        }
        let at = |&place: &usize| (&self.questions[place], self.answers[place].as_ref());
        let batch: Vec<(&Question<'_>, &Answer)> = places
            .iter()
            .map(at)
            .filter_map(|(question, answer)| Some((question, answer?)))
            .collect();
        let kept = self.ledger.store.as_mut().map_or(Ok(()), |store| store.append(&batch));
        if let Err(source) = kept {
            return self.lose(batch.len(), source);
        }
        for (_, answer) in batch {
            self.ledger.accounting.count_asked(answer);
            if let Verdict::Unreadable(text) = &answer.verdict {
                self.ledger.n_unreadable_asked += 1;
                let (n_unreadable, n_asked) =
                    (self.ledger.n_unreadable_asked, self.ledger.accounting.n_asked);
                let too_many = n_unreadable as f64 > MAX_UNREADABLE_SHARE * n_asked as f64;
                if n_asked >= MIN_ANSWERS && too_many && self.failure.is_none() {
                    let (judge, example) = (self.judge, quoted(text));
                    self.failure =
                        Some(AskError::Unreadable { judge, n_unreadable, n_asked, example });
                }
            }
        }
        self.progress.n_answered += places.len();
        self.progress.accounting = self.ledger.accounting;
        if self.ledger.observer.observe(self.progress).is_break() {
            self.fail(AskError::Stopped);
        }
    }

    /// Answers that were paid for are gone.
    fn lose(&mut self, n_more: usize, source: StoreError) {
        match &mut self.failure {
            Some(AskError::NotKept { n_lost, .. }) => *n_lost += n_more,
            // Lost answers are worse than whatever happened before.
            failure => *failure = Some(AskError::NotKept { n_lost: n_more, source }),
        }
    }

    fn fail(&mut self, failure: AskError) {
        self.failure.get_or_insert(failure);
    }

    /// All answers, or why there are not all.
    pub(super) fn conclude(self, judged: Result<(), JudgeError>) -> Result<Vec<Answer>, AskError> {
        if let Some(failure) = self.failure {
            return Err(failure);
        }
        judged?;
        let answers: Option<Vec<Answer>> = self.answers.into_iter().collect();
        let found = "no answer to a question";
        answers.ok_or(AskError::Lawless { judge: self.judge, found })
    }
}
