//! CSV, row by row, with the line of each row.
//!
//! Rows may differ in length, cells are trimmed, and blank lines are skipped.

use crate::error::Place;
use crate::{DataError, LineReader};
use csv::{Reader, ReaderBuilder, StringRecord, Terminator};
use std::io::Read;
use std::path::{Path, PathBuf};

/// A CSV file without regard to headers.
pub(crate) struct Table {
    path: PathBuf,
    lines_before: u64,
    reader: Reader<Box<dyn Read>>,
    record: StringRecord,
}

/// The cells of a row, without the white space around them.
#[derive(Clone, Copy)]
pub(crate) struct Cells<'a>(&'a StringRecord);

impl<'a> Cells<'a> {
    pub(crate) fn get(self, column: usize) -> Option<&'a str> {
        self.0.get(column).map(str::trim)
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = &'a str> {
        self.0.iter().map(str::trim)
    }

    pub(crate) fn len(self) -> usize {
        self.0.len()
    }
}

/// One row and where it starts.
pub(crate) struct TableRow<'a> {
    pub(crate) cells: Cells<'a>,
    pub(crate) place: Place<'a>,
}

impl Table {
    /// The rows from the line on that was read last.
    pub(crate) fn from_line(lines: LineReader) -> Self {
        let path = lines.path().to_path_buf();
        let lines_before = lines.line().saturating_sub(1);
        let rest: Box<dyn Read> = Box::new(lines.into_rest());
        let mut builder = ReaderBuilder::new();
        // A row ends at \n alone, and \r goes with the white space: with the default \r\n the position of
        // a row counts the line before it.
        builder.terminator(Terminator::Any(b'\n'));
        let reader = builder.has_headers(false).flexible(true).from_reader(rest);
        Self { path, lines_before, reader, record: StringRecord::new() }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn next_row(&mut self) -> Result<Option<TableRow<'_>>, DataError> {
        let mut more = self.reader.read_record(&mut self.record);
        // A blank line that ends in \r\n is a row of one empty cell.
        while matches!(more, Ok(true)) && self.record.len() == 1 && self.record[0].trim().is_empty()
        {
            more = self.reader.read_record(&mut self.record);
        }
        let path = &self.path;
        let place = |position: Option<&csv::Position>| {
            let line = self.lines_before + position.map_or(1, csv::Position::line);
            Place { path, line }
        };
        match more {
            Ok(true) => {
                let place = place(self.record.position());
                Ok(Some(TableRow { cells: Cells(&self.record), place }))
            }
            Ok(false) => Ok(None),
            Err(error) => Err(match error.kind() {
                csv::ErrorKind::Utf8 { pos, err } => {
                    let found = format!("other bytes in column {}", err.field() + 1);
                    place(pos.as_ref()).error("UTF-8 text", found)
                }
                _ => DataError::io(path, error.into()),
            }),
        }
    }
}
