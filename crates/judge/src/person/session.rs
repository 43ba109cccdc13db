//! What the person has been asked and has said, as a value: no sockets, no threads.
//!
//! ```text
//! Waiting ──open──▶ Asking: answer, undo, … ──finish──▶ Waiting
//!    └────────────────┴───────────end, close──────────▶ Over
//! ```
//! The last answer of a batch is pending: it can be taken back. The next answer settles it, as do finishing the batch and
//! ending the session. What is settled is handed to the judge, which delivers it, and is final.
//!
//! Every change has its turn, counted from 0. A form carries the turn of the page it stands on and is refused at any other, so
//! that neither a double click nor a page left open answers a question that was not on it.

use crate::{Question, Verdict};
use nlhf_core::Label;

/// What the person says to a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Choice {
    First,
    Second,
    Tie,
    Skip,
}

impl Choice {
    pub(super) fn verdict(self) -> Verdict {
        match self {
            Self::First => Verdict::Preferred(Label::WIN),
            Self::Second => Verdict::Preferred(Label::LOSS),
            Self::Tie => Verdict::Preferred(Label::TIE),
            Self::Skip => Verdict::Skipped,
        }
    }
}

/// What the person does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    Answer(Choice),
    /// Take the pending answer back.
    Undo,
    /// Settle the last answer of a batch.
    Finish,
    /// Stop for good, whatever is asked.
    End,
    /// Turn single keys on or off.
    ToggleKeys,
}

/// The texts of a question. Names are not shown: they may tell who wrote an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Texts {
    pub(super) prompt: String,
    pub(super) first: String,
    pub(super) second: String,
}

impl Texts {
    fn of(question: &Question<'_>) -> Self {
        Self {
            prompt: question.prompt.text.to_string(),
            first: question.first.text.to_string(),
            second: question.second.text.to_string(),
        }
    }
}

/// Questions that are asked together.
#[derive(Debug)]
pub(super) struct Batch {
    questions: Vec<Texts>,
    n_answered: usize,
    /// What was said to the last question that was answered, while it can be taken back.
    pending: Option<Choice>,
}

impl Batch {
    pub(super) fn n_questions(&self) -> usize {
        self.questions.len()
    }

    pub(super) fn n_answered(&self) -> usize {
        self.n_answered
    }

    /// The question to answer; none once all are answered.
    pub(super) fn current(&self) -> Option<&Texts> {
        self.questions.get(self.n_answered)
    }

    /// The number of the question, from 1, whose answer can be taken back, and the answer.
    pub(super) fn pending(&self) -> Option<(usize, Choice)> {
        self.pending.map(|choice| (self.n_answered, choice))
    }
}

/// Why nothing more is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// The learner needs no more answers.
    Finished,
    /// The person ended the session.
    Ended,
    /// The program was told to stop.
    Stopped,
    /// Answers could not be kept.
    NotKept,
}

/// Where a session stands.
#[derive(Debug)]
pub(super) enum Stage {
    Waiting,
    Asking(Batch),
    Over(Ending),
}

/// What the last action did. Questions are numbered from 1 within their batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Note {
    Nothing,
    /// New questions have come.
    Opened,
    Answered(usize, Choice),
    Undone(usize),
    /// All answers of a batch are settled; how many.
    Sent(usize),
    /// The form stood on a page that no longer holds.
    OutOfDate,
    /// Single keys count, or do not.
    Keys(bool),
}

/// The whole session.
#[derive(Debug)]
pub(super) struct Session {
    stage: Stage,
    turn: u64,
    note: Note,
    /// Settled answers, with the places of their questions, that the judge has not taken yet.
    settled: Vec<(usize, Choice)>,
    n_labels: u64,
    n_skipped: u64,
    has_keys: bool,
}

impl Session {
    pub(super) fn new() -> Self {
        Self {
            stage: Stage::Waiting,
            turn: 0,
            note: Note::Nothing,
            settled: Vec::new(),
            n_labels: 0,
            n_skipped: 0,
            has_keys: true,
        }
    }

    pub(super) fn stage(&self) -> &Stage {
        &self.stage
    }

    pub(super) fn turn(&self) -> u64 {
        self.turn
    }

    pub(super) fn note(&self) -> Note {
        self.note
    }

    /// Settled answers that say something.
    pub(super) fn n_labels(&self) -> u64 {
        self.n_labels
    }

    pub(super) fn n_skipped(&self) -> u64 {
        self.n_skipped
    }

    pub(super) fn n_settled(&self) -> u64 {
        self.n_labels + self.n_skipped
    }

    pub(super) fn has_keys(&self) -> bool {
        self.has_keys
    }

    /// Asks further questions, unless the session is over. The batch before must be finished.
    pub(super) fn open(&mut self, questions: &[Question<'_>]) {
        if matches!(self.stage, Stage::Over(_)) {
            return;
        }
        let questions = questions.iter().map(Texts::of).collect();
        self.stage = Stage::Asking(Batch { questions, n_answered: 0, pending: None });
        self.record(Note::Opened);
    }

    /// Does what the form of a page asked for. At another turn than its own only the end is taken.
    pub(super) fn act(&mut self, turn: u64, action: Action) {
        if action == Action::End {
            self.close(Ending::Ended);
        } else {
            let done = if turn == self.turn { self.take(action) } else { None };
            match done {
                Some(note) => self.record(note),
                None => self.note = Note::OutOfDate,
            }
        }
    }

    /// Ends the session and settles what is pending; the first ending holds.
    pub(super) fn close(&mut self, ending: Ending) {
        if !matches!(self.stage, Stage::Over(_)) {
            self.settle();
            self.stage = Stage::Over(ending);
            self.record(Note::Nothing);
        }
    }

    /// Settled answers that were not taken before.
    pub(super) fn take_settled(&mut self) -> Vec<(usize, Choice)> {
        std::mem::take(&mut self.settled)
    }

    /// `None` if the action has no meaning here.
    fn take(&mut self, action: Action) -> Option<Note> {
        if action == Action::ToggleKeys {
            self.has_keys = !self.has_keys;
            return Some(Note::Keys(self.has_keys));
        }
        let Stage::Asking(batch) = &self.stage else { return None };
        match action {
            Action::Answer(choice) => {
                batch.current()?;
                self.settle();
                let batch = self.batch()?;
                batch.pending = Some(choice);
                batch.n_answered += 1;
                Some(Note::Answered(batch.n_answered, choice))
            }
            Action::Undo => {
                let batch = self.batch()?;
                batch.pending.take()?;
                let number = batch.n_answered;
                batch.n_answered -= 1;
                Some(Note::Undone(number))
            }
            Action::Finish if batch.current().is_none() => {
                let n_questions = batch.n_questions();
                self.settle();
                self.stage = Stage::Waiting;
                Some(Note::Sent(n_questions))
            }
            Action::Finish | Action::End | Action::ToggleKeys => None,
        }
    }

    fn batch(&mut self) -> Option<&mut Batch> {
        match &mut self.stage {
            Stage::Asking(batch) => Some(batch),
            Stage::Waiting | Stage::Over(_) => None,
        }
    }

    fn settle(&mut self) {
        let Stage::Asking(batch) = &mut self.stage else { return };
        let Some(choice) = batch.pending.take() else { return };
        self.settled.push((batch.n_answered - 1, choice));
        match choice {
            Choice::Skip => self.n_skipped += 1,
            Choice::First | Choice::Second | Choice::Tie => self.n_labels += 1,
        }
    }

    fn record(&mut self, note: Note) {
        self.note = note;
        self.turn += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Shown;

    fn shown(id: &str) -> Shown<'_> {
        Shown { id, text: id.into() }
    }

    fn session(n_questions: usize) -> Session {
        let question =
            Question { prompt: shown("p"), first: shown("a"), second: shown("b"), repetition: 0 };
        let mut session = Session::new();
        session.open(&vec![question; n_questions]);
        session
    }

    fn act(session: &mut Session, action: Action) -> Note {
        session.act(session.turn(), action);
        session.note()
    }

    #[test]
    fn the_next_answer_settles_the_one_before() {
        let mut session = session(2);
        let note = act(&mut session, Action::Answer(Choice::First));
        assert_eq!(note, Note::Answered(1, Choice::First));
        assert_eq!((session.take_settled(), session.n_settled()), (vec![], 0));
        act(&mut session, Action::Answer(Choice::Skip));
        assert_eq!(session.take_settled(), [(0, Choice::First)]);
        assert_eq!(act(&mut session, Action::Answer(Choice::Tie)), Note::OutOfDate);
        assert_eq!(act(&mut session, Action::Finish), Note::Sent(2));
        assert_eq!(session.take_settled(), [(1, Choice::Skip)]);
        assert_eq!((session.n_labels(), session.n_skipped()), (1, 1));
        assert!(matches!(session.stage(), Stage::Waiting));
    }

    #[test]
    fn only_the_pending_answer_is_taken_back() {
        let mut session = session(3);
        assert_eq!(act(&mut session, Action::Undo), Note::OutOfDate);
        act(&mut session, Action::Answer(Choice::First));
        act(&mut session, Action::Answer(Choice::First));
        assert_eq!(act(&mut session, Action::Undo), Note::Undone(2));
        assert_eq!(act(&mut session, Action::Undo), Note::OutOfDate);
        act(&mut session, Action::Answer(Choice::Second));
        act(&mut session, Action::End);
        assert_eq!(session.take_settled(), [(0, Choice::First), (1, Choice::Second)]);
        assert!(matches!(session.stage(), Stage::Over(Ending::Ended)));
    }

    #[test]
    fn a_form_counts_at_its_own_turn_only() {
        let mut session = session(3);
        let turn = session.turn();
        session.act(turn, Action::Answer(Choice::First));
        session.act(turn, Action::Answer(Choice::First));
        assert_eq!(session.note(), Note::OutOfDate);
        // Undone, the question is the same again, but the form is still the one that was taken back.
        act(&mut session, Action::Undo);
        session.act(turn, Action::Answer(Choice::First));
        assert_eq!(session.note(), Note::OutOfDate);
        assert_eq!(session.turn(), turn + 2);
        session.act(turn, Action::End);
        assert_eq!(session.take_settled(), []);
        assert!(matches!(session.stage(), Stage::Over(Ending::Ended)));
    }

    #[test]
    fn a_batch_ends_only_when_all_is_answered_and_a_session_once() {
        let mut session = session(1);
        assert_eq!(act(&mut session, Action::Finish), Note::OutOfDate);
        assert_eq!(act(&mut session, Action::ToggleKeys), Note::Keys(false));
        session.close(Ending::Stopped);
        session.close(Ending::Finished);
        session.open(&[]);
        assert!(matches!(session.stage(), Stage::Over(Ending::Stopped)));
        assert_eq!(act(&mut session, Action::Answer(Choice::Tie)), Note::OutOfDate);
    }
}
