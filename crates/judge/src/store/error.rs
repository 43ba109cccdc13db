//! What can be wrong with a label store, said so that it can be found and repaired.

use crate::Question;
use crate::quoted::quoted;
use std::borrow::Cow;
use std::io;
use std::path::{Path, PathBuf};

/// A store that cannot be used, or answers that could not be kept.
///
/// [`std::fmt::Display`] is the whole message; there is no [`std::error::Error::source`] to append.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The operating system refused.
    #[error("{}: cannot {action}: {reason}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What was to be done.
        action: &'static str,
        /// Why not.
        reason: io::Error,
    },
    /// Two runs may not write one store.
    #[error("{}: another run is using this label store", path.display())]
    Locked {
        /// The file.
        path: PathBuf,
    },
    /// The file holds something else. It was not touched.
    #[error("{}: expected a label store, found {found}", path.display())]
    NoStore {
        /// The file.
        path: PathBuf,
        /// What it is.
        found: String,
    },
    /// A line was changed, removed or put elsewhere. The file was not touched.
    #[error("{}:{line}: expected {expected}, found {found}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, from one.
        line: u64,
        /// What was required.
        expected: Cow<'static, str>,
        /// What stands there, shortened.
        found: String,
    },
    /// The answers are those of another judge. The file was not touched.
    #[error("{}: expected answers of {expected}, found answers of {found}", path.display())]
    Identity {
        /// The file.
        path: PathBuf,
        /// The identity of the judge that is to be asked.
        expected: String,
        /// The identity of the judge that was asked.
        found: String,
    },
    /// The answer is known, but was given to other texts under the same names.
    #[error(
        "{}: expected the texts that were judged, found other texts of prompt {prompt} with {first} before {second}",
        path.display()
    )]
    Texts {
        /// The file.
        path: PathBuf,
        /// The name of the prompt, quoted and shortened.
        prompt: String,
        /// The name of the response shown first, likewise.
        first: String,
        /// The name of the response shown second, likewise.
        second: String,
    },
    /// A question that has an answer was answered again.
    #[error(
        "{}: expected one answer to repetition {repetition} of prompt {prompt} with {first} before {second}, found another",
        path.display()
    )]
    Twice {
        /// The file.
        path: PathBuf,
        /// The name of the prompt, quoted and shortened.
        prompt: String,
        /// The name of the response shown first, likewise.
        first: String,
        /// The name of the response shown second, likewise.
        second: String,
        /// The repetition, from zero.
        repetition: u32,
    },
    /// An earlier write failed; what the disk holds since is not certain, so that nothing more is written.
    #[error("{}: nothing more is written since a write failed: {reason}", path.display())]
    Poisoned {
        /// The file.
        path: PathBuf,
        /// Why the write failed.
        reason: String,
    },
}

impl StoreError {
    pub(crate) fn io(path: &Path, action: &'static str, reason: io::Error) -> Self {
        Self::Io { path: path.to_path_buf(), action, reason }
    }

    pub(crate) fn texts(path: &Path, question: &Question<'_>) -> Self {
        Self::Texts {
            path: path.to_path_buf(),
            prompt: quoted(question.prompt.id),
            first: quoted(question.first.id),
            second: quoted(question.second.id),
        }
    }

    pub(crate) fn twice(path: &Path, question: &Question<'_>) -> Self {
        Self::Twice {
            path: path.to_path_buf(),
            prompt: quoted(question.prompt.id),
            first: quoted(question.first.id),
            second: quoted(question.second.id),
            repetition: question.repetition,
        }
    }
}
