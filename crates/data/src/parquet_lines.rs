//! Parquet files as lines of JSON: row k is line k, and every reader of JSON lines reads them.
//!
//! Rows are decoded one after the other, so that memory goes with a row group's pages and not with the file. Nested lists
//! and structures become arrays and objects, missing values null.

use parquet::file::reader::{ChunkReader, FileReader, SerializedFileReader};
use parquet::record::reader::RowIter;
use std::fs::File;
use std::io::{self, ErrorKind, Read};

/// The rows of a file, if it is Parquet.
///
/// # Errors
/// Of the file, and for one that begins like Parquet and is not whole.
pub(crate) fn open(file: File) -> io::Result<Option<ParquetLines>> {
    if !file.metadata()?.is_file() {
        return Ok(None);
    }
    let mut magic = [0; 4];
    let mut start = file.get_read(0).map_err(io::Error::other)?;
    if start.read_exact(&mut magic).is_err() || magic != *b"PAR1" {
        return Ok(None);
    }
    let reader = SerializedFileReader::new(file).map_err(damaged)?;
    let rows = RowIter::from_file_into(Box::new(reader) as Box<dyn FileReader>);
    Ok(Some(ParquetLines { rows, line: Vec::new(), read: 0 }))
}

/// JSON, a row a line.
pub(crate) struct ParquetLines {
    rows: RowIter<'static>,
    line: Vec<u8>,
    /// Bytes of the line that were read.
    read: usize,
}

impl Read for ParquetLines {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.read == self.line.len() {
            let Some(row) = self.rows.next() else { return Ok(0) };
            self.line.clear();
            self.read = 0;
            serde_json::to_writer(&mut self.line, &row.map_err(damaged)?.to_json_value())?;
            self.line.push(b'\n');
        }
        let n = buffer.len().min(self.line.len() - self.read);
        buffer[..n].copy_from_slice(&self.line[self.read..self.read + n]);
        self.read += n;
        Ok(n)
    }
}

fn damaged(error: impl std::fmt::Display) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, format!("expected a sound Parquet file, found: {error}"))
}
