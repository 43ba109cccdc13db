//! Writes archives in the zip format: stored entries, one after the other, without going back.
//!
//! Sizes and checksums are known beforehand, so nothing is patched and a pipe will do. Every size is
//! written in 64 bits, as numpy does, whether it needs them or not: one form, and always tested. Source:
//! PKWARE's APPNOTE.TXT 6.3.10, sections 4.3 to 4.5.

use std::io::{self, Write};

/// The version that reads sizes of 64 bits.
const VERSION: u16 = 45;
/// The first of January 1980, the zero of the format: the same content is the same file.
const DATE: u16 = 1 << 5 | 1;
/// "See the extra field".
const IN_EXTRA: u32 = u32::MAX;

/// An archive that is being written.
pub(crate) struct ZipWriter<W> {
    out: W,
    n_written: u64,
    directory: Vec<u8>,
    n_entries: u64,
}

impl<W: Write> ZipWriter<W> {
    pub(crate) fn new(out: W) -> Self {
        Self { out, n_written: 0, directory: Vec::new(), n_entries: 0 }
    }

    /// Starts an entry, whose `size` bytes with checksum `crc` are then written to the result.
    pub(crate) fn start(&mut self, name: &str, size: u64, crc: u32) -> io::Result<&mut W> {
        let name_size = u16::try_from(name.len()).map_err(io::Error::other)?;
        let header_at = self.n_written;
        let mut local = Vec::new();
        local.extend(b"PK\x03\x04");
        append_common(&mut local, crc, name_size, 20);
        local.extend(name.as_bytes());
        append_u16s(&mut local, &[1, 16]);
        append_u64s(&mut local, &[size, size]);
        self.out.write_all(&local)?;
        self.n_written += local.len() as u64 + size;

        let directory = &mut self.directory;
        directory.extend(b"PK\x01\x02");
        append_u16s(directory, &[VERSION]);
        append_common(directory, crc, name_size, 28);
        append_u16s(directory, &[0, 0, 0]);
        directory.extend(0_u32.to_le_bytes());
        directory.extend(IN_EXTRA.to_le_bytes());
        directory.extend(name.as_bytes());
        append_u16s(directory, &[1, 24]);
        append_u64s(directory, &[size, size, header_at]);
        self.n_entries += 1;
        Ok(&mut self.out)
    }

    /// Writes the directory.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        let (start, size) = (self.n_written, self.directory.len() as u64);
        let mut end = self.directory;
        end.extend(b"PK\x06\x06");
        append_u64s(&mut end, &[44]);
        append_u16s(&mut end, &[VERSION, VERSION, 0, 0, 0, 0]);
        append_u64s(&mut end, &[self.n_entries, self.n_entries, size, start]);
        end.extend(b"PK\x06\x07");
        end.extend(0_u32.to_le_bytes());
        append_u64s(&mut end, &[start + size]);
        end.extend(1_u32.to_le_bytes());
        end.extend(b"PK\x05\x06");
        append_u16s(&mut end, &[0, 0, u16::MAX, u16::MAX]);
        end.extend(IN_EXTRA.to_le_bytes());
        end.extend(IN_EXTRA.to_le_bytes());
        append_u16s(&mut end, &[0]);
        self.out.write_all(&end)
    }
}

/// What the local header and the directory say alike.
fn append_common(out: &mut Vec<u8>, crc: u32, name_size: u16, extra_size: u16) {
    let (stored, utf8_name, midnight) = (0, 1 << 11, 0);
    append_u16s(out, &[VERSION, utf8_name, stored, midnight, DATE]);
    for number in [crc, IN_EXTRA, IN_EXTRA] {
        out.extend(number.to_le_bytes());
    }
    append_u16s(out, &[name_size, extra_size]);
}

fn append_u16s(out: &mut Vec<u8>, numbers: &[u16]) {
    out.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
}

fn append_u64s(out: &mut Vec<u8>, numbers: &[u64]) {
    out.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
}
