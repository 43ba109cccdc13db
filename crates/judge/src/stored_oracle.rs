//! An oracle from a judge: ids become questions, answers are kept before they count, and what is known is not asked.
//!
//! ```text
//! query (prompt, first, second) ─▶ question(s), repetition k = how often its names were asked in this order in this run
//!   in the store ─▶ answer
//!   else: room reserved ─▶ judge ─▶ on disk ─▶ answer
//! ```
//! A run that asks the same queries in the same order therefore finds all answers of an interrupted one, and goes on
//! where that ended. Judging in both orders, the label is the mean of y(first, second) and 1 − y(second, first), and does
//! not know which response was shown first.

mod accounting;
mod keeper;

pub use accounting::Accounting;

use crate::{Answer, Catalog, Digest, Judge, JudgeError, LabelStore, Question, StoreError};
use keeper::{Keeper, Ledger};
use nlhf_core::{Observer, Oracle, OracleError, Outcome, Query};
use std::collections::HashMap;
use std::fmt;

/// How many questions are put to a judge at once; room on the disk is reserved for so many.
const QUESTIONS_AT_ONCE: usize = 4096;

/// How far a batch of queries has come. Observed after each kept batch of answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    /// Questions of the present batch that are answered, those found in the store included.
    pub n_answered: usize,
    /// Questions of the present batch.
    pub n_questions: usize,
    /// What was asked so far: costs to date, results of the batches before this one.
    pub accounting: Accounting,
}

/// Why a batch of queries was not answered: the source of every [`OracleError::Failed`] of a [`StoredOracle`].
///
/// Unless it says otherwise, every answer that the judge handed over is kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AskError {
    /// The judge stopped before all was answered.
    #[error(transparent)]
    Judge(#[from] JudgeError),
    /// The store cannot be used. Nothing was asked that is not kept.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Answers were given, and could not be kept.
    #[error("{n_lost} answers were given and could not be kept")]
    NotKept {
        /// How many.
        n_lost: usize,
        /// Why.
        #[source]
        source: StoreError,
    },
    /// Too many answers could not be understood to go on asking.
    #[error(
        "{judge} gave {n_unreadable} unreadable answers among {n_asked}, at most a quarter is accepted; one is {example}"
    )]
    Unreadable {
        /// [`Judge::name`].
        judge: &'static str,
        /// Unreadable answers of this run.
        n_unreadable: u64,
        /// Answers of this run.
        n_asked: u64,
        /// One of them, quoted and shortened.
        example: String,
    },
    /// A judge that breaks the laws of [`Judge`].
    #[error("{judge} must answer each question once, but gave {found}")]
    Lawless {
        /// [`Judge::name`].
        judge: &'static str,
        /// What it did.
        found: &'static str,
    },
    /// The observer asked to stop.
    #[error("the asking was stopped")]
    Stopped,
}

/// Answers queries by a [`Judge`], and keeps the answers in a [`LabelStore`].
///
/// # Laws
/// * Every answer that the judge handed over is in the store, whatever fails, except for [`AskError::NotKept`].
/// * Outcomes are the same whether answers come from the store or from the judge, and in whatever order they came.
/// * After an error the same batch can be asked again; only what is missing is put to the judge.
///
/// # Example
/// ```
/// # use nlhf_core::{Comparison, Label, Oracle, Outcome, PromptId, Query, ResponseId, SeedTree};
/// # use nlhf_judge::{Catalog, Judge, LabelStore, RecordedJudge, Shown, StoredOracle};
/// struct Names;
/// impl Catalog for Names {
///     fn prompt(&self, _: PromptId) -> Shown<'_> {
///         Shown { id: "sky", text: "Why is the sky blue?".into() }
///     }
///     fn response(&self, id: ResponseId) -> Shown<'_> {
///         let (id, text) = [("a", "Rayleigh scattering."), ("b", "Paint.")][id.index()];
///         Shown { id, text: text.into() }
///     }
/// }
///
/// let [a, b] = [0, 1].map(ResponseId::new);
/// let record = [Comparison::new(PromptId::new(0), a, b, Label::WIN)];
/// let judge = || RecordedJudge::drawn(&record, &Names, SeedTree::new(1));
/// let query = Query { prompt: PromptId::new(0), first: b, second: a };
///
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("labels.jsonl");
/// for n_asked in [1, 0] {
///     let store = LabelStore::open(&path, &judge().identity())?;
///     let mut oracle = StoredOracle::new(judge(), &Names).with_store(store)?;
///     assert_eq!(oracle.compare(&[query])?, [Outcome::new(Label::LOSS)]);
///     assert_eq!(oracle.accounting().n_asked, n_asked, "what is kept is not asked again");
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct StoredOracle<'a, J: Judge> {
    judge: J,
    catalog: &'a dyn Catalog,
    both_orders: bool,
    /// How often names were asked in an order.
    repetitions: HashMap<Digest, u32>,
    ledger: Ledger<'a>,
}

impl<'a, J: Judge> StoredOracle<'a, J> {
    /// An oracle that keeps nothing, for judges that cost nothing.
    pub fn new(judge: J, catalog: &'a dyn Catalog) -> Self {
        let ledger = Ledger {
            store: None,
            accounting: Accounting::default(),
            n_unreadable_asked: 0,
            observer: Box::new(()),
        };
        Self { judge, catalog, both_orders: false, repetitions: HashMap::new(), ledger }
    }

    /// Keeps answers in `store`, and does not ask what is there.
    ///
    /// # Errors
    /// [`StoreError::Identity`] if the store was opened for a judge with another identity.
    pub fn with_store(mut self, store: LabelStore) -> Result<Self, StoreError> {
        let expected = self.judge.identity();
        if store.identity() != expected {
            let (path, found) = (store.path().to_path_buf(), store.identity().to_owned());
            return Err(StoreError::Identity { path, expected, found });
        }
        self.ledger.store = Some(store);
        Ok(self)
    }

    /// Asks each query in both orders, as two questions.
    #[must_use]
    pub fn in_both_orders(mut self, both_orders: bool) -> Self {
        self.both_orders = both_orders;
        self
    }

    /// Tells `observer` after each kept batch of answers how far the batch of queries has come. If it asks to stop, what is under
    /// way is still kept, and [`OracleError::Stopped`] is the end.
    #[must_use]
    pub fn with_observer(mut self, observer: impl Observer<Asked> + 'a) -> Self {
        self.ledger.observer = Box::new(observer);
        self
    }

    /// [`Judge::identity`] of the judge.
    pub fn identity(&self) -> String {
        self.judge.identity()
    }

    /// What was asked so far, and what it cost.
    pub fn accounting(&self) -> &Accounting {
        &self.ledger.accounting
    }

    /// The store, if answers are kept.
    pub fn store(&self) -> Option<&LabelStore> {
        self.ledger.store.as_ref()
    }

    /// The answers to all questions, and how many of them were in the store.
    fn answers(&mut self, questions: Vec<Question<'a>>) -> Result<(Vec<Answer>, u64), AskError> {
        let n_questions = questions.len();
        let mut answers = vec![None; n_questions];
        let (mut places, mut missing) = (Vec::new(), Vec::new());
        for (place, question) in questions.into_iter().enumerate() {
            let known = match &self.ledger.store {
                Some(store) => store.lookup(&question)?,
                None => None,
            };
            if let Some(answer) = known {
                answers[place] = Some(answer.clone());
            } else {
                places.push(place);
                missing.push(question);
            }
        }
        let n_from_store = n_questions - missing.len();
        let accounting = self.ledger.accounting;
        let mut progress = Asked { n_answered: n_from_store, n_questions, accounting };
        let chunks = missing.chunks(QUESTIONS_AT_ONCE).zip(places.chunks(QUESTIONS_AT_ONCE));
        for (questions, places) in chunks {
            if let Some(store) = &mut self.ledger.store {
                store.reserve(questions)?;
            }
            let mut keeper =
                Keeper::new(&mut self.ledger, self.judge.name(), questions, &mut progress);
            let judged = self.judge.judge(questions, &mut |batch| keeper.keep(batch));
            for (&place, answer) in places.iter().zip(keeper.conclude(judged)?) {
                answers[place] = Some(answer);
            }
        }
        let answers = answers.into_iter().flatten().collect();
        Ok((answers, n_from_store as u64))
    }

    /// What the judge cannot answer, as the query that it came from.
    fn failed(&self, error: AskError, queries: &[Query]) -> OracleError {
        if let AskError::Judge(JudgeError::Unanswerable { prompt, first, second, .. }) = &error {
            let names = [first.as_str(), second.as_str()];
            let swapped = [names[1], names[0]];
            let is_named = |query: &&Query| {
                let shown = [query.first, query.second].map(|id| self.catalog.response(id).id);
                self.catalog.prompt(query.prompt).id == prompt
                    && (shown == names || self.both_orders && shown == swapped)
            };
            if let Some(&query) = queries.iter().find(is_named) {
                return OracleError::Unanswerable { query };
            }
        }
        match error {
            AskError::Stopped | AskError::Judge(JudgeError::Stopped { .. }) => OracleError::Stopped,
            error => OracleError::Failed { source: Box::new(error) },
        }
    }
}

impl<J: Judge> Oracle for StoredOracle<'_, J> {
    fn compare(&mut self, queries: &[Query]) -> Result<Vec<Outcome>, OracleError> {
        let n_orders = if self.both_orders { 2 } else { 1 };
        // Counted only when all is answered, so that a batch that failed can be asked again.
        let mut repetitions = HashMap::new();
        let mut questions = Vec::new();
        for query in queries {
            let both = [(query.first, query.second), (query.second, query.first)];
            for &(first, second) in &both[..n_orders] {
                let prompt = self.catalog.prompt(query.prompt);
                let [first, second] = [first, second].map(|id| self.catalog.response(id));
                let names = Digest::of(&[prompt.id, first.id, second.id].map(str::as_bytes));
                let before = || self.repetitions.get(&names).copied().unwrap_or(0);
                let next = repetitions.entry(names).or_insert_with(before);
                questions.push(Question { prompt, first, second, repetition: *next });
                *next += 1;
            }
        }
        let (answers, n_from_store) =
            self.answers(questions).map_err(|error| self.failed(error, queries))?;
        self.repetitions.extend(repetitions);
        let accounting = &mut self.ledger.accounting;
        accounting.n_from_store += n_from_store;
        Ok(answers.chunks(n_orders).map(|answers| accounting.outcome(answers)).collect())
    }
}

impl<J: Judge> fmt::Debug for StoredOracle<'_, J> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredOracle")
            .field("judge", &self.judge.name())
            .field("both_orders", &self.both_orders)
            .field("store", &self.ledger.store.as_ref().map(LabelStore::path))
            .field("accounting", &self.ledger.accounting)
            .finish_non_exhaustive()
    }
}
