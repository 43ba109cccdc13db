//! The entries of an array on their way into an archive: a temporary file that has no name.

use crate::npy;
use crate::zip_writer::ZipWriter;
use flate2::Crc;
use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::Path;

/// The entries of an array, their number of bytes and their checksum.
#[derive(Debug)]
pub(super) struct Spool {
    file: File,
    buffer: Vec<u8>,
    n_written: u64,
    crc: Crc,
}

/// What is kept in memory of each array.
const SPOOL_BYTES: usize = 1 << 17;

impl Spool {
    pub(super) fn new(folder: &Path) -> io::Result<Self> {
        let file = tempfile::tempfile_in(folder).or_else(|_| tempfile::tempfile())?;
        Ok(Self { file, buffer: Vec::new(), n_written: 0, crc: Crc::new() })
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= SPOOL_BYTES { self.flush() } else { Ok(()) }
    }

    pub(super) fn write_f64s(&mut self, numbers: &[f64]) -> io::Result<()> {
        self.buffer.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
        self.write(&[])
    }

    pub(super) fn write_nans(&mut self, count: usize) -> io::Result<()> {
        (0..count).try_for_each(|_| self.write(&f64::NAN.to_le_bytes()))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.crc.update(&self.buffer);
        self.file.write_all(&self.buffer)?;
        self.n_written += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    /// A second array that begins with what this one has.
    pub(super) fn copied(&mut self, folder: &Path) -> io::Result<Self> {
        self.flush()?;
        let mut copy = Self::new(folder)?;
        self.file.seek(SeekFrom::Start(0))?;
        copy.n_written = io::copy(&mut self.file, &mut copy.file)?;
        copy.crc.combine(&self.crc);
        Ok(copy)
    }

    pub(super) fn write_to<W: Write>(
        mut self,
        zip: &mut ZipWriter<W>,
        name: &str,
        descr: &str,
        shape: &str,
    ) -> io::Result<()> {
        self.flush()?;
        let header = npy::header(descr, shape);
        let mut crc = Crc::new();
        crc.update(&header);
        crc.combine(&self.crc);
        let size = header.len() as u64 + self.n_written;
        let out = zip.start(&format!("{name}.npy"), size, crc.sum())?;
        out.write_all(&header)?;
        self.file.seek(SeekFrom::Start(0))?;
        io::copy(&mut self.file, out)?;
        Ok(())
    }
}
