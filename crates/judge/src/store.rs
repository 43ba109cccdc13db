//! The label store: every answer that was paid for, on disk before it counts.
//!
//! One file of JSON lines that is only added to. A header names the format and the judge; each further line is one
//! answer; each line ends with a check that chains it to the line before (`store/line.rs`), so that a line that was
//! changed, removed or put elsewhere is found when the store is opened. What was cut off together with everything after
//! it cannot be found: the answers that stood there will be asked for again.
//!
//! A write that failed or a machine that stopped leaves at most a torn end, which never counted (`store/reading.rs`).

mod durable;
mod error;
mod line;
mod reading;

pub use error::StoreError;
pub use line::KeptAnswer;

use crate::{Answer, Digest, Question};
use durable::DurableFile;
use line::{FORMAT, Header, VERSION, key, push_line, shown};
use reading::{Contents, End};
use std::collections::HashMap;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

/// Room reserved for an answer besides twice the bytes of its names, which escaping may double: 270 bytes are always
/// written, the rest is for annotators, tokens and the beginning of what could not be read.
const ROOM_PER_ANSWER: u64 = 1024;

/// Answers of one judge, durable and found by question.
///
/// # Laws
/// * An answer that [`LabelStore::lookup`] finds is on the disk.
/// * While a store is open no other process can open it to write.
#[derive(Debug)]
pub struct LabelStore {
    file: DurableFile,
    identity: String,
    check: Digest,
    answers: HashMap<Digest, Kept>,
    n_torn: usize,
}

#[derive(Debug)]
struct Kept {
    shown: Digest,
    answer: Answer,
}

impl LabelStore {
    /// Opens the store at `path`, or begins one if there is no file or an empty one.
    ///
    /// A torn last line is cut off; a last line that lacks only its line feed gets it.
    ///
    /// # Errors
    /// [`StoreError`] if the store is being written by someone else, holds answers of a judge with another
    /// [`identity`](crate::Judge::identity), was changed, is no store, or cannot be read or written. The file is then as before.
    pub fn open(path: impl AsRef<Path>, identity: &str) -> Result<Self, StoreError> {
        let path = path.as_ref();
        let file = DurableFile::open(path)?;
        let mut header = Vec::new();
        let identity = identity.to_owned();
        let value = Header { format: FORMAT.to_owned(), version: VERSION, identity };
        let check = push_line(&mut header, &value, Digest::ZERO);
        let answers = HashMap::new();
        let mut store = Self { file, identity: value.identity, check, answers, n_torn: 0 };

        let mut reader = BufReader::new(store.file.file());
        let found = reading::first_line(path, &mut reader)?;
        if !found.ends_with(b"\n") && header.starts_with(&found) {
            // No header yet, or a torn one.
            store.file.keep_first(0)?;
            store.file.append(&header)?;
            return Ok(store);
        }
        let mut answers = HashMap::new();
        let contents = reading::read(path, &found, reader, |line, kept| {
            let KeptAnswer { shown, ref answer, .. } = kept;
            let answer = Kept { shown, answer: answer.clone() };
            match answers.insert(kept.key(), answer) {
                None => Ok(()),
                Some(_) => Err(StoreError::Line {
                    path: path.to_path_buf(),
                    line,
                    expected: "each question once".into(),
                    found: "one that was answered before".to_owned(),
                }),
            }
        })?;
        store.answers = answers;
        store.take_up(contents)?;
        Ok(store)
    }

    /// Checks whose answers these are, and mends the end.
    fn take_up(&mut self, contents: Contents) -> Result<(), StoreError> {
        if contents.identity != self.identity {
            return Err(StoreError::Identity {
                path: self.path().to_path_buf(),
                expected: self.identity.clone(),
                found: contents.identity,
            });
        }
        self.check = contents.check;
        self.file.keep_first(contents.n_bytes)?;
        match contents.end {
            End::Whole => {}
            End::NoLineFeed => self.file.append(b"\n")?,
            End::Torn => self.n_torn = 1,
        }
        Ok(())
    }

    /// The file.
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// [`Judge::identity`](crate::Judge::identity) of the judge whose answers these are.
    pub fn identity(&self) -> &str {
        &self.identity
    }

    /// How many answers there are.
    pub fn len(&self) -> usize {
        self.answers.len()
    }

    /// Whether there is no answer.
    pub fn is_empty(&self) -> bool {
        self.answers.is_empty()
    }

    /// How many torn lines were cut off when the store was opened: none or one.
    pub fn n_torn(&self) -> usize {
        self.n_torn
    }

    /// The answer to a question, if there is one.
    ///
    /// # Errors
    /// [`StoreError::Texts`] if the answer was given to other texts under the same names.
    pub fn lookup(&self, question: &Question<'_>) -> Result<Option<&Answer>, StoreError> {
        match self.answers.get(&key_of(question)) {
            None => Ok(None),
            Some(kept) if kept.shown == shown(question) => Ok(Some(&kept.answer)),
            Some(_) => Err(StoreError::texts(self.path(), question)),
        }
    }

    /// Makes certain, before anyone is paid, that the answers to these questions can be kept: the store accepts writes, and
    /// the disk has 1024 bytes for each and twice the bytes of the names.
    ///
    /// Room is reserved on Linux; elsewhere a full disk is found when writing. It is given back when the store is dropped.
    ///
    /// # Errors
    /// [`StoreError`] if there is no room, or an earlier write failed.
    pub fn reserve(&mut self, questions: &[Question<'_>]) -> Result<(), StoreError> {
        let room = |question: &Question<'_>| {
            let n_bytes: usize = names(question).map(str::len).iter().sum();
            ROOM_PER_ANSWER + 2 * n_bytes as u64
        };
        self.file.reserve(questions.iter().map(room).sum())
    }

    /// Keeps answers: one write, and only when it has reached the disk are they there.
    ///
    /// # Errors
    /// [`StoreError`] if a question has an answer already, and then nothing is changed; or if writing fails, and then none of the
    /// answers is kept and nothing will be written any more.
    pub fn append(&mut self, batch: &[(&Question<'_>, &Answer)]) -> Result<(), StoreError> {
        let mut lines = Vec::new();
        let mut check = self.check;
        let mut added = HashMap::with_capacity(batch.len());
        for &(question, answer) in batch {
            let line = KeptAnswer::new(question, answer);
            check = push_line(&mut lines, &line, check);
            let kept = Kept { shown: line.shown, answer: line.answer.clone() };
            let key = line.key();
            if self.answers.contains_key(&key) || added.insert(key, kept).is_some() {
                return Err(StoreError::twice(self.path(), question));
            }
        }
        self.file.append(&lines)?;
        self.check = check;
        self.answers.extend(added);
        Ok(())
    }
}

/// All that a store holds, as it stands on disk.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Labels {
    /// [`Judge::identity`](crate::Judge::identity) of the judge whose answers these are.
    pub identity: String,
    /// The answers in the order in which they were kept.
    pub answers: Vec<KeptAnswer>,
    /// How many lines at the end are torn, or still being written: none or one.
    pub n_torn: usize,
}

/// Reads a store without locking or changing it, also while a run is writing.
///
/// # Errors
/// [`StoreError`] if the file cannot be read, is no store, or was changed.
pub fn read_labels(path: impl AsRef<Path>) -> Result<Labels, StoreError> {
    let path = path.as_ref();
    let file = File::open(path).map_err(|reason| StoreError::io(path, "open", reason))?;
    let mut reader = BufReader::new(file);
    let header = reading::first_line(path, &mut reader)?;
    let mut answers = Vec::new();
    let contents = reading::read(path, &header, reader, |_, kept| {
        answers.push(kept);
        Ok(())
    })?;
    let n_torn = usize::from(contents.end == End::Torn);
    Ok(Labels { identity: contents.identity, answers, n_torn })
}

fn names<'q>(question: &'q Question<'_>) -> [&'q str; 3] {
    [question.prompt.id, question.first.id, question.second.id]
}

fn key_of(question: &Question<'_>) -> Digest {
    key(names(question), question.repetition)
}
