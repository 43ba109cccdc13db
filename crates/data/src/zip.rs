//! Archives in the zip format, as far as arrays need it: entries that are stored or deflated.
//!
//! ```text
//! (local header, data)*   directory entry*   [zip64 end, its locator]   end of the directory
//! ```
//! Source: PKWARE's APPNOTE.TXT 6.3.10, sections 4.3 to 4.5. The directory is read once; every entry is
//! then a stream with a file handle of its own, so that several are read side by side, and its length and
//! checksum are verified when it ends. Sizes are checked against the file before anything is reserved.

use flate2::Crc;
use flate2::bufread::DeflateDecoder;
use std::fs::File;
use std::io::{self, BufReader, ErrorKind, Read, Seek, SeekFrom};
use std::path::Path;

const BUFFER_BYTES: usize = 1 << 17;
/// An end of the directory with the longest comment.
const LONGEST_END: u64 = 22 + 0xffff;
/// A directory for some thousand arrays; ours have five.
const LARGEST_DIRECTORY: u64 = 1 << 20;
const STORED: u16 = 0;
const DEFLATED: u16 = 8;

/// An entry of the directory.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) name: String,
    /// Bytes once they are inflated.
    pub(crate) size: u64,
    method: u16,
    encrypted: bool,
    crc: u32,
    compressed_size: u64,
    header_at: u64,
}

/// Reads the directory of an archive. An error of kind [`ErrorKind::InvalidData`] says in words that end
/// the sentence "found …" what the file is instead.
pub(crate) fn directory(path: &Path) -> io::Result<Vec<Entry>> {
    let mut file = File::open(path)?;
    let file_size = file.metadata()?.len();
    let tail_start = file_size.saturating_sub(LONGEST_END);
    let tail = bytes_at(&mut file, tail_start, file_size - tail_start)?;
    let end_at = tail.windows(4).rposition(|four| four == b"PK\x05\x06");
    let end_at = end_at.filter(|at| tail.len() - at >= 22);
    let end_at = end_at.ok_or_else(|| invalid("a file without one, perhaps cut off"))?;
    let end = Fields(&tail[end_at..]);
    let mut place = (u64::from(end.u16(10)?), end.u32(12)?.into(), end.u32(16)?.into());
    if place.0 == 0xffff || place.1 == 0xffff_ffff || place.2 == 0xffff_ffff {
        place = zip64_place(&mut file, &tail[..end_at])?.unwrap_or(place);
    }
    let (n_entries, size, start) = place;
    if size > LARGEST_DIRECTORY || start.checked_add(size).is_none_or(|end| end > file_size) {
        return Err(invalid(&format!("a directory of {size} bytes at byte {start}")));
    }
    let directory = bytes_at(&mut file, start, size)?;
    let (mut entries, mut at) = (Vec::new(), 0);
    for _ in 0..n_entries {
        let fields = Fields(directory.get(at..).unwrap_or_default());
        let (entry, length) = directory_entry(&fields)?;
        at += length;
        entries.push(entry);
    }
    Ok(entries)
}

/// The number of entries, and the size and start of the directory, if `before_end` names them in 64 bits.
fn zip64_place(file: &mut File, before_end: &[u8]) -> io::Result<Option<(u64, u64, u64)>> {
    let Some(locator) = before_end.len().checked_sub(20).map(|at| Fields(&before_end[at..])) else {
        return Ok(None);
    };
    if !locator.0.starts_with(b"PK\x06\x07") {
        return Ok(None);
    }
    let end = bytes_at(file, locator.u64(8)?, 56)?;
    if !end.starts_with(b"PK\x06\x06") {
        return Err(invalid("a damaged directory"));
    }
    let end = Fields(&end);
    Ok(Some((end.u64(32)?, end.u64(40)?, end.u64(48)?)))
}

fn directory_entry(fields: &Fields<'_>) -> io::Result<(Entry, usize)> {
    if !fields.0.starts_with(b"PK\x01\x02") {
        return Err(invalid("a damaged directory"));
    }
    let sizes = [fields.u16(28)?, fields.u16(30)?, fields.u16(32)?].map(usize::from);
    let [name_size, extra_size, comment_size] = sizes;
    let name = fields.bytes(46, name_size)?;
    let mut entry = Entry {
        name: String::from_utf8_lossy(name).into_owned(),
        size: fields.u32(24)?.into(),
        method: fields.u16(10)?,
        encrypted: fields.u16(8)? & 1 == 1,
        crc: fields.u32(16)?,
        compressed_size: fields.u32(20)?.into(),
        header_at: fields.u32(42)?.into(),
    };
    // Sizes that do not fit into 32 bits stand in an extra field, in this order.
    let mut extra = Fields(fields.bytes(46 + name_size, extra_size)?);
    while extra.0.len() >= 4 {
        let (kind, length) = (extra.u16(0)?, extra.u16(2)?.into());
        let content = Fields(extra.bytes(4, length)?);
        if kind == 1 {
            let mut at = 0;
            for number in [&mut entry.size, &mut entry.compressed_size, &mut entry.header_at] {
                if *number == 0xffff_ffff {
                    *number = content.u64(at)?;
                    at += 8;
                }
            }
        }
        extra = Fields(&extra.0[4 + length..]);
    }
    Ok((entry, 46 + name_size + extra_size + comment_size))
}

/// Little-endian numbers at their places; one that is not there is an error.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn bytes(&self, at: usize, size: usize) -> io::Result<&'a [u8]> {
        self.0.get(at..at + size).ok_or_else(|| invalid("a damaged directory"))
    }

    fn array<const N: usize>(&self, at: usize) -> io::Result<[u8; N]> {
        let mut array = [0; N];
        array.copy_from_slice(self.bytes(at, N)?);
        Ok(array)
    }

    fn u16(&self, at: usize) -> io::Result<u16> {
        self.array(at).map(u16::from_le_bytes)
    }

    fn u32(&self, at: usize) -> io::Result<u32> {
        self.array(at).map(u32::from_le_bytes)
    }

    fn u64(&self, at: usize) -> io::Result<u64> {
        self.array(at).map(u64::from_le_bytes)
    }
}

/// The content of an entry; the last read fails if its length or its checksum is wrong.
pub(crate) struct EntryReader {
    data: Data,
    left: u64,
    crc: Crc,
    expected_crc: u32,
}

enum Data {
    Stored(io::Take<File>),
    Deflated(DeflateDecoder<BufReader<io::Take<File>>>),
}

impl Entry {
    /// Opens the entry of the archive at `path`.
    pub(crate) fn open(&self, path: &Path) -> io::Result<EntryReader> {
        if self.encrypted {
            return Err(invalid("an encrypted entry"));
        }
        let mut file = File::open(path)?;
        let header = bytes_at(&mut file, self.header_at, 30)?;
        let header = Fields(&header);
        if !header.0.starts_with(b"PK\x03\x04") {
            return Err(invalid("a damaged entry"));
        }
        let skipped = 30 + u64::from(header.u16(26)?) + u64::from(header.u16(28)?);
        let start = self.header_at + skipped;
        let end = start.checked_add(self.compressed_size);
        if end.is_none_or(|end| file.metadata().is_ok_and(|file| end > file.len())) {
            return Err(invalid("an entry beyond the end of the file"));
        }
        file.seek(SeekFrom::Start(start))?;
        let raw = file.take(self.compressed_size);
        let data = match self.method {
            STORED if self.size == self.compressed_size => Data::Stored(raw),
            DEFLATED => {
                let buffered = BufReader::with_capacity(BUFFER_BYTES, raw);
                Data::Deflated(DeflateDecoder::new(buffered))
            }
            STORED => return Err(invalid("a damaged directory")),
            other => return Err(invalid(&format!("compression method {other}"))),
        };
        Ok(EntryReader { data, left: self.size, crc: Crc::new(), expected_crc: self.crc })
    }
}

impl Read for EntryReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n_wanted = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        if n_wanted == 0 {
            return Ok(0);
        }
        let buffer = &mut buffer[..n_wanted];
        let n_read = match &mut self.data {
            Data::Stored(file) => file.read(buffer)?,
            Data::Deflated(decoder) => decoder.read(buffer)?,
        };
        if n_read == 0 {
            return Err(invalid("an entry that ends early"));
        }
        self.crc.update(&buffer[..n_read]);
        self.left -= n_read as u64;
        if self.left == 0 && self.crc.sum() != self.expected_crc {
            return Err(invalid("an entry with a wrong checksum"));
        }
        Ok(n_read)
    }
}

fn bytes_at(file: &mut File, start: u64, size: u64) -> io::Result<Vec<u8>> {
    file.seek(SeekFrom::Start(start))?;
    let mut bytes = Vec::new();
    file.take(size).read_to_end(&mut bytes)?;
    if bytes.len() as u64 == size { Ok(bytes) } else { Err(invalid("a file that ends early")) }
}

fn invalid(found: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, found)
}
