//! A person's judge in a thread of its own, asked one batch after the other, and what became of it.

use nlhf_judge::{
    Answer, Judge, JudgeError, NotKept, PersonConfig, PersonJudge, Question, Shown, Verdict,
};
use std::borrow::Cow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Hard enough to guess for a test.
pub(crate) const TOKEN: &str = "0123456789abcdefXYZ-_";

/// How long the last page may take on a machine under load.
const PATIENCE: Duration = Duration::from_secs(60);

/// A prompt and two answers.
pub(crate) type Texts = [String; 3];

/// Answers with their batch and the place of their question.
pub(crate) type Kept = Arc<Mutex<Vec<(usize, usize, Answer)>>>;

/// How each batch ended.
pub(crate) type Endings = Vec<Result<(), JudgeError>>;

/// A running session.
pub(crate) struct Asked {
    pub(crate) address: String,
    stop: Arc<AtomicBool>,
    pub(crate) kept: Kept,
    batches: Option<Sender<Vec<Texts>>>,
    thread: JoinHandle<Endings>,
}

/// Texts that tell which question they belong to.
pub(crate) fn numbered(n_questions: usize) -> Vec<Texts> {
    let texts = |k| [format!("prompt {k}"), format!("left {k}"), format!("right {k}")];
    (1..=n_questions).map(texts).collect()
}

/// Asks these batches and no more, and keeps all answers.
pub(crate) fn ask(batches: Vec<Vec<Texts>>) -> Asked {
    ask_and_keep(batches, usize::MAX)
}

/// Asks these batches and no more; from the `n_kept`-th answer on nothing can be kept.
pub(crate) fn ask_and_keep(batches: Vec<Vec<Texts>>, n_kept: usize) -> Asked {
    let mut asked = Asked::start(n_kept);
    for texts in batches {
        asked.ask(texts);
    }
    asked.close();
    asked
}

fn question([prompt, first, second]: &Texts) -> Question<'_> {
    let shown = |text: &'static str, said| Shown { id: text, text: Cow::Borrowed(said) };
    Question {
        prompt: shown("name of prompt", prompt),
        first: shown("name of first", first),
        second: shown("name of second", second),
        repetition: 0,
    }
}

impl Asked {
    /// A session that waits for questions.
    pub(crate) fn start(n_kept: usize) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let config = PersonConfig::new(TOKEN).with_rater("Ada <A&B>").with_stop(Arc::clone(&stop));
        let mut judge = PersonJudge::start(config).unwrap();
        let address = judge.address().to_owned();
        let kept = Kept::default();
        let keeper = Arc::clone(&kept);
        let (batches, to_ask) = mpsc::channel::<Vec<Texts>>();
        let thread = thread::spawn(move || {
            let mut endings = Vec::new();
            for (place, texts) in to_ask.iter().enumerate() {
                let mut deliver = |answers: Vec<(usize, Answer)>| {
                    // A disk takes its time: whoever did not wait for it would be seen.
                    thread::sleep(Duration::from_millis(20));
                    let mut kept = keeper.lock().unwrap();
                    for (question, answer) in answers {
                        if kept.len() == n_kept {
                            return Err(NotKept);
                        }
                        kept.push((place, question, answer));
                    }
                    Ok(())
                };
                let questions: Vec<Question<'_>> = texts.iter().map(question).collect();
                endings.push(judge.judge(&questions, &mut deliver));
            }
            judge.finish(PATIENCE);
            endings
        });
        Self { address, stop, kept, batches: Some(batches), thread }
    }

    /// Asks one batch more.
    pub(crate) fn ask(&self, texts: Vec<Texts>) {
        self.batches.as_ref().expect("an open session").send(texts).unwrap();
    }

    /// Lets the session end after what was asked so far.
    pub(crate) fn close(&mut self) {
        self.batches = None;
    }

    /// Batch, place and verdict of everything kept so far: the label, or nothing for what was skipped.
    pub(crate) fn verdicts(&self) -> Vec<(usize, usize, Option<f64>)> {
        let label = |answer: &Answer| match &answer.verdict {
            Verdict::Preferred(label) => Some(label.get()),
            Verdict::Skipped => None,
            Verdict::Unreadable(said) => panic!("a person pressed {said:?}"),
        };
        let kept = self.kept.lock().unwrap();
        kept.iter().map(|(batch, place, answer)| (*batch, *place, label(answer))).collect()
    }

    /// Waits until the last page has been shown, and says how each batch ended.
    pub(crate) fn endings(self) -> Endings {
        self.thread.join().unwrap()
    }

    /// Tells the judge to stop.
    pub(crate) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}
