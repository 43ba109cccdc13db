//! What can be wrong with a file, said so that it can be found and repaired.
//!
//! ```text
//! people.jsonl:17: expected "label" in [0, 1], found 1.5
//! ```
//! Lines are counted from one, blank lines included; so are the rows and columns of a matrix. Standard
//! input is called `<stdin>`.

use std::borrow::Cow;
use std::io;
use std::path::{Path, PathBuf};

/// How many characters of a piece of text are quoted in an error.
const QUOTED_CHARS: usize = 60;

/// A file that cannot be read, cannot be written, or does not say what it should.
///
/// [`std::fmt::Display`] is the whole message; there is no [`std::error::Error::source`] to append.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// The operating system, or a damaged gzip stream, refused.
    #[error("{}: {reason}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: io::Error,
    },
    /// There is nothing in the file.
    #[error("{}: expected {expected}, found an empty file", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
        /// What it should hold.
        expected: &'static str,
    },
    /// One line of a file is wrong.
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
    /// A line names a prompt or response that the file listing them does not.
    #[error(
        "{}:{line}: expected a \"{field}\" listed in {}, found {found}",
        path.display(), listed_in.display()
    )]
    Unlisted {
        /// The file.
        path: PathBuf,
        /// The line, from one.
        line: u64,
        /// The field that names it.
        field: String,
        /// The file that lists prompts or responses.
        listed_in: PathBuf,
        /// What stands there, shortened.
        found: String,
    },
    /// A prompt has one candidate, which leaves nothing to compare or to choose.
    #[error("{}:{line}: expected two candidates or more for prompt {prompt}, found one", path.display())]
    SingleCandidate {
        /// The file that gives the prompt its candidates.
        path: PathBuf,
        /// The line of the candidate, or of the prompt's first comparison.
        line: u64,
        /// The prompt, shortened.
        prompt: String,
    },
    /// A line is not JSON, or names a field twice or one that is not known.
    #[error("{}:{line}: expected {}", path.display(), instead(reason))]
    Json {
        /// The file.
        path: PathBuf,
        /// The line, from one.
        line: u64,
        /// What the parser says.
        reason: serde_json::Error,
    },
    /// A file as a whole is wrong.
    #[error("{}: expected {expected}, found {found}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What was required.
        expected: Cow<'static, str>,
        /// What it is.
        found: String,
    },
    /// An embedding file has another number of rows than the file that lists what they belong to.
    #[error(
        "{}: expected {expected} rows, one for each that {} lists, found {found}",
        path.display(), listed_in.display()
    )]
    Rows {
        /// The embedding file.
        path: PathBuf,
        /// The file whose lines the rows belong to.
        listed_in: PathBuf,
        /// How many lines that file has.
        expected: usize,
        /// How many rows there are.
        found: usize,
    },
}

impl DataError {
    pub(crate) fn io(path: &Path, reason: io::Error) -> Self {
        Self::Io { path: shown(path), reason }
    }

    /// The message without the file and the line that it begins with.
    pub(crate) fn without_place(&self) -> String {
        let text = self.to_string();
        let place = match self {
            Self::Line { path, line, .. }
            | Self::Json { path, line, .. }
            | Self::Unlisted { path, line, .. }
            | Self::SingleCandidate { path, line, .. } => format!("{}:{line}: ", path.display()),
            Self::Io { path, .. }
            | Self::Empty { path, .. }
            | Self::File { path, .. }
            | Self::Rows { path, .. } => format!("{}: ", path.display()),
        };
        text.strip_prefix(&place).map(str::to_owned).unwrap_or(text)
    }

    pub(crate) fn empty(path: &Path, expected: &'static str) -> Self {
        Self::Empty { path: shown(path), expected }
    }

    pub(crate) fn file(
        path: &Path,
        expected: impl Into<Cow<'static, str>>,
        found: impl Into<String>,
    ) -> Self {
        Self::File { path: shown(path), expected: expected.into(), found: found.into() }
    }
}

/// A line of a file, to say where an error is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) path: &'a Path,
    pub(crate) line: u64,
}

impl Place<'_> {
    #[cold]
    pub(crate) fn error(
        self,
        expected: impl Into<Cow<'static, str>>,
        found: impl Into<String>,
    ) -> DataError {
        DataError::Line {
            path: shown(self.path),
            line: self.line,
            expected: expected.into(),
            found: found.into(),
        }
    }

    #[cold]
    pub(crate) fn unlisted(self, field: &str, listed_in: &Path, name: &str) -> DataError {
        DataError::Unlisted {
            path: shown(self.path),
            line: self.line,
            field: field.to_owned(),
            listed_in: listed_in.to_path_buf(),
            found: quoted(name),
        }
    }

    #[cold]
    pub(crate) fn json(self, reason: serde_json::Error) -> DataError {
        DataError::Json { path: shown(self.path), line: self.line, reason }
    }
}

/// Text in quotes, its control characters escaped, shortened to what fits into a message.
pub(crate) fn quoted(text: &str) -> String {
    match text.char_indices().nth(QUOTED_CHARS) {
        Some((end, _)) => format!("{:?}...", &text[..end]),
        None => format!("{text:?}"),
    }
}

fn shown(path: &Path) -> PathBuf {
    if path.as_os_str() == "-" { PathBuf::from("<stdin>") } else { path.to_path_buf() }
}

/// What was expected of JSON, and what was found where.
fn instead(reason: &serde_json::Error) -> String {
    let expected = match reason.classify() {
        serde_json::error::Category::Data => "a valid line",
        _ => "well-formed JSON",
    };
    format!("{expected}, found at column {}: {}", reason.column(), without_position(reason))
}

/// The parser counts lines within one line of the file; the column has been told already.
fn without_position(reason: &serde_json::Error) -> String {
    let text = reason.to_string();
    match text.rfind(" at line ") {
        Some(end) => text[..end].to_owned(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_says_where_what_and_what_instead() {
        let place = Place { path: Path::new("people.jsonl"), line: 17 };
        let error = place.error("\"label\" in [0, 1]", "1.5");
        assert_eq!(error.to_string(), "people.jsonl:17: expected \"label\" in [0, 1], found 1.5");
        let reason = serde_json::from_str::<f64>("1x").unwrap_err();
        let error = Place { path: Path::new("-"), line: 3 }.json(reason);
        assert!(
            error
                .to_string()
                .starts_with("<stdin>:3: expected well-formed JSON, found at column 2: trailing")
        );
        assert!(!error.to_string().contains("line 1"), "{error}");
        assert!(error.without_place().starts_with("expected well-formed JSON"), "{error}");
        let error = DataError::file(Path::new("a: b"), "x", "y");
        assert_eq!(error.without_place(), "expected x, found y");
    }

    #[test]
    fn long_text_is_cut_between_characters() {
        assert_eq!(quoted("a\"b"), r#""a\"b""#);
        let long = quoted(&"ü".repeat(100));
        assert_eq!(long.chars().count(), QUOTED_CHARS + 5);
    }
}
