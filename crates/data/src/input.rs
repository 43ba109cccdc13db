//! Input: plain, gzip, zstd or, with the feature `parquet`, Parquet files and standard input, line by line.
//!
//! gzip is told by its magic bytes `1f 8b`, zstd by `28 b5 2f fd`, not by the name. One buffer is reused for all lines, so
//! that memory does not grow with the file. A UTF-8 byte order mark, `\r` at the end of a line, and
//! blank lines are skipped; line numbers count all lines.

use crate::DataError;
use crate::error::Place;
use flate2::bufread::MultiGzDecoder;
use ruzstd::decoding::{FrameDecoder, StreamingDecoder};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, ErrorKind, Read};
use std::path::{Path, PathBuf};

const BUFFER_BYTES: usize = 1 << 16;

/// Opens a plain, gzip or zstd file; "-" is standard input.
///
/// # Errors
/// [`DataError::Io`] if it cannot be opened or its first bytes cannot be read.
pub fn open(path: &Path) -> Result<Box<dyn BufRead + Send>, DataError> {
    let failed = |reason| DataError::io(path, reason);
    if path.as_os_str() == "-" {
        return decoded(io::stdin()).map_err(failed);
    }
    #[cfg(feature = "parquet")]
    if let Some(lines) = File::open(path).and_then(crate::parquet_lines::open).map_err(failed)? {
        return Ok(Box::new(BufReader::with_capacity(BUFFER_BYTES, lines)));
    }
    File::open(path).and_then(decoded).map_err(failed)
}

/// Reads the non-blank lines of a file, one at a time.
pub struct LineReader {
    path: PathBuf,
    reader: Box<dyn BufRead + Send>,
    buffer: Vec<u8>,
    line: u64,
    unread: bool,
}

/// One line: its number and its text without the line break.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line<'a> {
    /// The number, from one.
    pub number: u64,
    /// The text; never blank.
    pub text: &'a str,
}

impl LineReader {
    /// Opens a file like [`open`].
    ///
    /// # Errors
    /// Those of [`open`].
    pub fn open(path: &Path) -> Result<Self, DataError> {
        let (reader, path) = (open(path)?, path.to_path_buf());
        Ok(Self { path, reader, buffer: Vec::new(), line: 0, unread: false })
    }

    /// The path that was given, "-" for standard input.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The number of the line read last, from one; zero before the first.
    pub fn line(&self) -> u64 {
        self.line
    }

    /// The next line that is not blank, or nothing at the end.
    ///
    /// # Errors
    /// [`DataError::Io`], and [`DataError::Line`] for a line that is not UTF-8.
    pub fn next_line(&mut self) -> Result<Option<Line<'_>>, DataError> {
        while !std::mem::take(&mut self.unread) {
            self.buffer.clear();
            let read = self.reader.read_until(b'\n', &mut self.buffer);
            if read.map_err(|reason| DataError::io(&self.path, reason))? == 0 {
                return Ok(None);
            }
            self.line += 1;
            if self.line == 1 && self.buffer.starts_with(b"\xef\xbb\xbf") {
                self.buffer.drain(..3);
            }
            if !self.buffer.trim_ascii().is_empty() {
                break;
            }
        }
        let text = text_of(&self.buffer, &self.path, self.line)?;
        let text = text.strip_suffix('\n').unwrap_or(text);
        let text = text.strip_suffix('\r').unwrap_or(text);
        Ok(Some(Line { number: self.line, text }))
    }

    /// Lets [`LineReader::next_line`] return the same line once more.
    pub(crate) fn unread(&mut self) {
        self.unread = true;
    }

    /// Everything from the line read last on, as it stands in the file, for a reader of other
    /// records than lines.
    pub(crate) fn into_rest(self) -> impl Read {
        Cursor::new(self.buffer).chain(self.reader)
    }
}

impl std::fmt::Debug for LineReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { path, line, .. } = self;
        f.debug_struct("LineReader").field("path", path).field("line", line).finish_non_exhaustive()
    }
}

/// The text of a line, if it is UTF-8.
pub(crate) fn text_of<'a>(line: &'a [u8], path: &Path, line_no: u64) -> Result<&'a str, DataError> {
    str::from_utf8(line).map_err(|error| {
        let at = error.valid_up_to();
        let found = format!("byte 0x{:02x} at column {}", line[at], at + 1);
        Place { path, line: line_no }.error("UTF-8 text", found)
    })
}

/// Looks at the first four bytes and puts them back.
fn decoded(mut raw: impl Read + Send + 'static) -> io::Result<Box<dyn BufRead + Send>> {
    let mut magic = [0; 4];
    let mut n_read = 0;
    while n_read < magic.len() {
        match raw.read(&mut magic[n_read..]) {
            Ok(0) => break,
            Ok(n) => n_read += n,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    let start = Cursor::new(magic).take(n_read as u64);
    let whole = BufReader::with_capacity(BUFFER_BYTES, start.chain(raw));
    let unpacked: Box<dyn Read + Send> = match magic {
        [0x1f, 0x8b, ..] => Box::new(Whole { inner: MultiGzDecoder::new(whole), packed: "gzip" }),
        [0x28, 0xb5, 0x2f, 0xfd] => {
            Box::new(Whole { inner: ZstdFrames::new(whole)?, packed: "zstd" })
        }
        [b'P', b'A', b'R', b'1'] => {
            let text = if cfg!(feature = "parquet") {
                "expected text, found a Parquet file: name the file, it cannot be read from a pipe"
            } else {
                "expected text, found a Parquet file: write it as JSONL or CSV first, or build with \
                 --features parquet"
            };
            return Err(io::Error::new(ErrorKind::InvalidData, text));
        }
        _ => return Ok(Box::new(whole)),
    };
    Ok(Box::new(BufReader::with_capacity(BUFFER_BYTES, unpacked)))
}

/// Says of a packed stream that ends too soon or is damaged what it is.
struct Whole<R> {
    inner: R,
    packed: &'static str,
}

impl<R: Read> Read for Whole<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.inner.read(buffer).map_err(|error| match error.kind() {
            ErrorKind::Interrupted => error,
            ErrorKind::UnexpectedEof => {
                let text =
                    format!("expected a whole {} stream, found one that is cut off", self.packed);
                io::Error::new(ErrorKind::UnexpectedEof, text)
            }
            kind => io::Error::new(
                kind,
                format!("expected a sound {} stream, found: {error}", self.packed),
            ),
        })
    }
}

/// All frames of a zstd stream, one after the other.
struct ZstdFrames<R: Read> {
    decoder: Option<StreamingDecoder<R, FrameDecoder>>,
}

impl<R: BufRead> ZstdFrames<R> {
    fn new(source: R) -> io::Result<Self> {
        Ok(Self { decoder: Some(StreamingDecoder::new(source).map_err(damaged)?) })
    }
}

fn damaged(error: impl std::fmt::Display) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, error.to_string())
}

impl<R: BufRead> Read for ZstdFrames<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let Some(decoder) = &mut self.decoder else { return Ok(0) };
            let n = decoder.read(buffer)?;
            if n > 0 || buffer.is_empty() {
                return Ok(n);
            }
            let mut source = self.decoder.take().expect("it is there").into_inner();
            if source.fill_buf()?.is_empty() {
                return Ok(0);
            }
            self.decoder = Some(StreamingDecoder::new(source).map_err(damaged)?);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{gzip, written};

    fn lines(content: &[u8]) -> Result<Vec<(u64, String)>, String> {
        let file = written("lines.txt", content);
        let mut reader = LineReader::open(&file.path).map_err(|e| e.to_string())?;
        let mut lines = Vec::new();
        while let Some(line) = reader.next_line().map_err(|e| e.to_string())? {
            lines.push((line.number, line.text.to_owned()));
        }
        Ok(lines)
    }

    #[test]
    fn blank_lines_marks_and_carriage_returns_are_skipped_but_counted() {
        let content = "\u{feff}a\r\n\n  \t\n b \nc".as_bytes();
        let expected = [(1, "a"), (4, " b "), (5, "c")].map(|(n, text)| (n, text.to_owned()));
        assert_eq!(lines(content).unwrap(), expected);
        assert_eq!(lines(&gzip(content)).unwrap(), expected);
        // Two gzip members after each other are one file.
        let twice = [gzip(b"a\n"), gzip(b"b\n")].concat();
        assert_eq!(lines(&twice).unwrap().len(), 2);
    }

    #[test]
    fn short_files_are_no_gzip() {
        assert_eq!(lines(b"").unwrap(), []);
        assert_eq!(lines(b"x").unwrap(), [(1, "x".to_owned())]);
    }

    #[test]
    fn what_is_not_text_is_named() {
        let error = lines(b"fine\nba\xffd\n").unwrap_err();
        assert!(error.ends_with("lines.txt:2: expected UTF-8 text, found byte 0xff at column 3"));
        let error = lines(&gzip(&[b'a'; 10_000])[..30]).unwrap_err();
        assert!(error.contains("lines.txt: "), "{error}");
        let error = LineReader::open(Path::new("/no/such/file")).unwrap_err().to_string();
        assert!(error.starts_with("/no/such/file: No such file"), "{error}");
    }
}
