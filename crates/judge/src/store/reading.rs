//! Reading a store from its first byte to its last, and what is wrong at its end.
//!
//! A write that power cut short leaves a beginning of what was to be written, or zeros where the rest should be. Such an
//! end is torn: it never counted, because no answer counts before its write has reached the disk. Everything else that
//! does not follow from the lines before was changed later, and is an error.

use super::error::StoreError;
use super::line::{FORMAT, Header, KeptAnswer, VERSION, Wrong, read_line};
use crate::Digest;
use crate::quoted::quoted;
use serde::Deserialize;
use std::io::{BufRead, Read};
use std::path::Path;

/// No header is longer; a longer first line is that of another kind of file.
const MAX_HEADER_BYTES: u64 = 1 << 24;

/// What follows the last good line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// Nothing.
    Whole,
    /// The last line is good and lacks only its line feed.
    NoLineFeed,
    /// A line that was not written to its end.
    Torn,
}

/// A store whose lines all follow from each other.
#[derive(Debug)]
pub(super) struct Contents {
    pub(super) identity: String,
    /// The check of the last good line.
    pub(super) check: Digest,
    /// The bytes of the good lines.
    pub(super) n_bytes: u64,
    pub(super) end: End,
}

/// Reads the first line, its line feed included if it has one.
pub(super) fn first_line(path: &Path, reader: &mut impl BufRead) -> Result<Vec<u8>, StoreError> {
    let mut line = Vec::new();
    let read = reader.take(MAX_HEADER_BYTES).read_until(b'\n', &mut line);
    read.map_err(|reason| StoreError::io(path, "read", reason))?;
    Ok(line)
}

/// Reads what follows the given first line, and hands on each answer with the number of its line.
pub(super) fn read(
    path: &Path,
    header: &[u8],
    mut reader: impl BufRead,
    mut keep: impl FnMut(u64, KeptAnswer) -> Result<(), StoreError>,
) -> Result<Contents, StoreError> {
    let (identity, mut check) = read_header(path, header)?;
    let mut n_bytes = header.len() as u64;
    let mut end = if header.ends_with(b"\n") { End::Whole } else { End::NoLineFeed };
    let mut line = Vec::new();
    for number in 2.. {
        line.clear();
        let read = reader.read_until(b'\n', &mut line);
        if read.map_err(|reason| StoreError::io(path, "read", reason))? == 0 {
            break;
        }
        let text = line.strip_suffix(b"\n");
        match read_line(text.unwrap_or(&line), check) {
            Ok((kept, next)) => {
                check = next;
                keep(number, kept)?;
                n_bytes += line.len() as u64;
                end = if text.is_some() { End::Whole } else { End::NoLineFeed };
            }
            Err(_) if text.is_none() => end = End::Torn,
            Err(wrong) => {
                let rest = reader.fill_buf();
                let rest = rest.map_err(|reason| StoreError::io(path, "read", reason))?;
                if !(line.contains(&0) && rest.is_empty()) {
                    return Err(at_line(path, number, wrong));
                }
                end = End::Torn;
            }
        }
    }
    Ok(Contents { identity, check, n_bytes, end })
}

/// The identity, and the check of the line.
fn read_header(path: &Path, header: &[u8]) -> Result<(String, Digest), StoreError> {
    #[derive(Deserialize)]
    struct Format {
        format: String,
        version: u32,
    }
    let format = match serde_json::from_slice::<Format>(header) {
        Ok(format) if format.format == FORMAT => format,
        _ if header.is_empty() => {
            let found = "an empty file".to_owned();
            return Err(StoreError::NoStore { path: path.to_path_buf(), found });
        }
        _ => {
            let found =
                format!("a file that begins with {}", quoted(&String::from_utf8_lossy(header)));
            return Err(StoreError::NoStore { path: path.to_path_buf(), found });
        }
    };
    if format.version != VERSION {
        let expected = format!("version {VERSION} of the format").into();
        let found = format!("version {}", format.version);
        return Err(at_line(path, 1, Wrong { expected, found }));
    }
    let header = header.strip_suffix(b"\n").unwrap_or(header);
    let (header, check): (Header, Digest) =
        read_line(header, Digest::ZERO).map_err(|wrong| at_line(path, 1, wrong))?;
    Ok((header.identity, check))
}

fn at_line(path: &Path, line: u64, wrong: Wrong) -> StoreError {
    let Wrong { expected, found } = wrong;
    StoreError::Line { path: path.to_path_buf(), line, expected, found }
}
