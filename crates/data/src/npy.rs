//! The `.npy` format, as far as arrays of numbers need it.
//!
//! ```text
//! 93 "NUMPY"   major minor   length: u16 (major 1) or u32 (2, 3), little-endian
//! {'descr': '<f4', 'fortran_order': False, 'shape': (953, 384), }   padded with spaces and a newline
//! entries
//! ```
//! Source: numpy's enhancement proposal 1 and `numpy/lib/format.py`. Written here because a header is
//! input: its sizes are checked before anything is multiplied or reserved, and nothing recurses.

mod entry;

pub(crate) use entry::Entry;

use crate::DataError;
use std::io::{self, ErrorKind, Read};
use std::path::Path;

/// What a header may take; numpy itself refuses more than 10,000 bytes.
const MAX_HEADER_BYTES: usize = 1 << 16;
/// Entries are converted in chunks of so many bytes, a multiple of every entry size.
const CHUNK_BYTES: usize = 1 << 16;

/// The longest text that is read.
const MAX_TEXT_WIDTH: usize = 1 << 10;

/// A two-dimensional array in the order of the file.
pub(crate) struct Array {
    pub(crate) nrows: usize,
    pub(crate) ncols: usize,
    pub(crate) fortran_order: bool,
    pub(crate) values: Vec<f64>,
}

/// Reads an array with at least one row and one column.
pub(crate) fn read(path: &Path) -> Result<Array, DataError> {
    let mut reader = crate::open(path)?;
    let (header, _) = Header::read(&mut reader, path)?;
    let Header { entry, fortran_order, .. } = header;
    let &[nrows, ncols] = header.shape.as_slice() else {
        return Err(header.not_a_matrix(path));
    };
    if nrows == 0 || ncols == 0 {
        return Err(header.not_a_matrix(path));
    }
    let n_values = nrows.checked_mul(ncols);
    let Some(n_values) = n_values.filter(|n| n.checked_mul(8).is_some()) else {
        return Err(DataError::file(path, "a matrix that fits into memory", header.shown_shape()));
    };

    // The capacity is that of the entries which are there, not of those which the header promises.
    let mut values = Vec::new();
    let mut chunk = vec![0; CHUNK_BYTES];
    while values.len() < n_values {
        let n_bytes = CHUNK_BYTES.min((n_values - values.len()).saturating_mul(entry.size()));
        let chunk = &mut chunk[..n_bytes];
        reader.read_exact(chunk).map_err(|error| match error.kind() {
            ErrorKind::UnexpectedEof => {
                let found = format!("the end after at least {}", values.len());
                DataError::file(path, format!("{n_values} entries"), found)
            }
            _ => DataError::io(path, error),
        })?;
        entry.append(chunk, &mut values);
    }
    Ok(Array { nrows, ncols, fortran_order, values })
}

/// The text of a header, and how many bytes there are up to the entries.
fn read_header(reader: &mut dyn Read, path: &Path) -> Result<(String, u64), DataError> {
    let failed = |error: io::Error| match error.kind() {
        ErrorKind::UnexpectedEof => DataError::file(path, "a .npy file", "the end of the file"),
        _ => DataError::io(path, error),
    };
    let mut start = [0; 8];
    reader.read_exact(&mut start).map_err(failed)?;
    if !start.starts_with(b"\x93NUMPY") {
        return Err(DataError::file(path, "a .npy file", "other first bytes"));
    }
    let length = match start[6] {
        1 => {
            let mut length = [0; 2];
            reader.read_exact(&mut length).map_err(failed)?;
            usize::from(u16::from_le_bytes(length))
        }
        2 | 3 => {
            let mut length = [0; 4];
            reader.read_exact(&mut length).map_err(failed)?;
            usize::try_from(u32::from_le_bytes(length)).unwrap_or(usize::MAX)
        }
        version => {
            return Err(DataError::file(path, "version 1, 2 or 3 of .npy", version.to_string()));
        }
    };
    if length > MAX_HEADER_BYTES {
        let expected = format!("a header of at most {MAX_HEADER_BYTES} bytes");
        return Err(DataError::file(path, expected, length.to_string()));
    }
    let mut text = vec![0; length];
    reader.read_exact(&mut text).map_err(failed)?;
    let n_bytes = length as u64 + if start[6] == 1 { 10 } else { 12 };
    Ok((String::from_utf8_lossy(&text).trim().to_owned(), n_bytes))
}

/// Reads an array of one text: numpy's fixed-width `U` (UTF-32) or `S` (bytes).
pub(crate) fn read_text(reader: &mut dyn Read, path: &Path) -> Result<String, DataError> {
    let (header, _) = read_header(reader, path)?;
    let wrong = || DataError::file(path, "one text, as numpy.array(\"text\")", header.clone());
    let descr = value_of(&header, "descr").and_then(|value| value.get(1..)?.split('\'').next());
    let shape = value_of(&header, "shape").ok_or_else(wrong)?;
    let (kind, width) = descr.and_then(|descr| descr.split_at_checked(2)).ok_or_else(wrong)?;
    let width: usize = width.parse().map_err(|_| wrong())?;
    let bytes_each = match kind {
        "<U" => 4,
        "|S" => 1,
        _ => return Err(wrong()),
    };
    if !shape.starts_with("()") || width > MAX_TEXT_WIDTH {
        return Err(wrong());
    }
    let mut bytes = vec![0; width * bytes_each];
    reader.read_exact(&mut bytes).map_err(|reason| DataError::io(path, reason))?;
    let character = |bytes: &[u8]| {
        let mut four = [0; 4];
        four[..bytes.len()].copy_from_slice(bytes);
        char::from_u32(u32::from_le_bytes(four)).unwrap_or(char::REPLACEMENT_CHARACTER)
    };
    let text: String = bytes.chunks_exact(bytes_each).map(character).collect();
    Ok(text.trim_end_matches('\0').to_owned())
}

/// The bytes before the entries of an array in C order, a multiple of 64 as numpy has it.
pub(crate) fn header(descr: &str, shape: &str) -> Vec<u8> {
    let mut text = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}");
    text.extend(std::iter::repeat_n(' ', 63 - (10 + text.len()) % 64));
    text.push('\n');
    let length = u16::try_from(text.len()).unwrap_or(u16::MAX);
    [b"\x93NUMPY\x01\x00", &length.to_le_bytes()[..], text.as_bytes()].concat()
}

/// What a file says about its array.
#[derive(Debug, Clone)]
pub(crate) struct Header {
    pub(crate) entry: Entry,
    pub(crate) fortran_order: bool,
    pub(crate) shape: Vec<usize>,
}

impl Header {
    /// Reads a header, and says how many bytes it has.
    pub(crate) fn read(reader: &mut dyn Read, path: &Path) -> Result<(Self, u64), DataError> {
        let (text, n_bytes) = read_header(reader, path)?;
        Ok((Self::parse(&text, path)?, n_bytes))
    }

    fn parse(text: &str, path: &Path) -> Result<Self, DataError> {
        let value = |key: &str| {
            let found = value_of(text, key);
            found.ok_or_else(|| DataError::file(path, format!("'{key}' in the header"), text))
        };
        let descr = value("descr")?;
        let quoted = descr.strip_prefix(['\'', '"']);
        let descr = quoted.and_then(|rest| rest.split(['\'', '"']).next()).unwrap_or("records");
        let Some(entry) = Entry::of(descr) else {
            return Err(DataError::file(path, "floating-point numbers or integers", descr));
        };
        let order = value("fortran_order")?;
        let shape = value("shape")?;
        let Some(shape) = shape.strip_prefix('(').and_then(|rest| rest.split(')').next()) else {
            return Err(DataError::file(path, "a tuple as 'shape'", text));
        };
        let sizes = shape.split(',').map(str::trim).filter(|size| !size.is_empty());
        let sizes: Option<Vec<usize>> = sizes.map(|size| size.parse().ok()).collect();
        let Some(shape) = sizes else {
            return Err(DataError::file(path, "sizes as 'shape'", format!("({shape})")));
        };
        Ok(Self { entry, fortran_order: order.starts_with("True"), shape })
    }

    /// The shape as Python writes it.
    pub(crate) fn shown_shape(&self) -> String {
        match self.shape.as_slice() {
            [one] => format!("({one},)"),
            sizes => {
                let sizes: Vec<String> = sizes.iter().map(usize::to_string).collect();
                format!("({})", sizes.join(", "))
            }
        }
    }

    fn not_a_matrix(&self, path: &Path) -> DataError {
        let expected = "two dimensions, at least one row and one column";
        DataError::file(path, expected, self.shown_shape())
    }
}

/// What follows a key of a Python dictionary.
fn value_of<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let at = text.find(&format!("'{key}'")).or_else(|| text.find(&format!("\"{key}\"")))?;
    text[at + key.len() + 2..].trim_start().strip_prefix(':').map(str::trim_start)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read_matrix_npy;
    use crate::testing::{gzip, written};

    fn file(descr: &str, fortran: &str, shape: &str, entries: &[u8]) -> Vec<u8> {
        let header =
            format!("{{'descr': {descr}, 'fortran_order': {fortran}, 'shape': {shape}, }}\n");
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend(u16::try_from(header.len()).unwrap().to_le_bytes());
        bytes.extend(header.as_bytes());
        bytes.extend(entries);
        bytes
    }

    fn read_bytes(bytes: &[u8]) -> Result<crate::Matrix, String> {
        let file = written("x.npy", bytes);
        read_matrix_npy(&file.path).map_err(|error| error.to_string())
    }

    #[test]
    fn every_number_type_and_order_is_read() {
        let integers = [1_i16, -2, 3, 4, 0, 6];
        let values = integers.map(f64::from);
        let f8: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        let f4: Vec<u8> = integers.iter().flat_map(|v| f32::from(*v).to_be_bytes()).collect();
        let i2: Vec<u8> = integers.iter().flat_map(|v| v.to_le_bytes()).collect();
        let i8: Vec<u8> = integers.iter().flat_map(|v| i64::from(*v).to_be_bytes()).collect();
        for bytes in [
            file("'<f8'", "False", "(2, 3)", &f8),
            file("\">f4\"", "False", "(2,3)", &f4),
            file("'<i2'", "False", "(2, 3)", &i2),
            gzip(&file("'>i8'", "False", "(2, 3)", &i8)),
        ] {
            let matrix = read_bytes(&bytes).unwrap();
            assert_eq!((matrix.nrows, matrix.ncols), (2, 3));
            assert_eq!(matrix.values, values);
        }
        let matrix = read_bytes(&file("'<f8'", "True", "(2, 3)", &f8)).unwrap();
        assert_eq!(matrix.values, [1.0, 3.0, 0.0, -2.0, 4.0, 6.0]);
        assert_eq!(matrix.row(1), [-2.0, 4.0, 6.0]);
        let matrix = read_bytes(&file("'|b1'", "False", "(1, 2)", &[1, 0])).unwrap();
        assert_eq!(matrix.values, [1.0, 0.0]);
        // 1, −2, the smallest and the largest half.
        let halves = [0x00, 0x3c, 0x00, 0xc0, 0x01, 0x00, 0xff, 0x7b];
        let matrix = read_bytes(&file("'<f2'", "False", "(2, 2)", &halves)).unwrap();
        assert_eq!(matrix.values, [1.0, -2.0, 2f64.powi(-24), 65504.0]);
    }

    #[test]
    fn more_entries_than_a_chunk() {
        let n = CHUNK_BYTES / 4 + 1;
        let entries: Vec<u8> = (0..n).flat_map(|k| (k as f32).to_le_bytes()).collect();
        let matrix = read_bytes(&file("'<f4'", "False", &format!("({n}, 1)"), &entries)).unwrap();
        assert_eq!(matrix.values, (0..n).map(|k| k as f64).collect::<Vec<_>>());
    }

    #[test]
    fn what_is_no_matrix_is_refused() {
        let nan: Vec<u8> = [0.0, f64::NAN].iter().flat_map(|v| v.to_le_bytes()).collect();
        let shape = "expected two dimensions, at least one row and one column, found ";
        let huge = format!("({}, {})", usize::MAX, usize::MAX);
        let cases = [
            (b"".to_vec(), "expected a .npy file, found the end of the file".to_owned()),
            (b"{\"a\": 1}, ".to_vec(), "expected a .npy file, found other first bytes".to_owned()),
            (
                b"\x93NUMPY\x07\x00".to_vec(),
                "expected version 1, 2 or 3 of .npy, found 7".to_owned(),
            ),
            (
                b"\x93NUMPY\x02\x00\xff\xff\xff\xff".to_vec(),
                "65536 bytes, found 4294967295".to_owned(),
            ),
            (file("'<f8'", "False", "(2,)", &nan), format!("{shape}(2,)")),
            (file("'<f8'", "False", "(0, 3)", &[]), format!("{shape}(0, 3)")),
            (
                file("'<f8'", "False", "(-1, 3)", &[]),
                "expected sizes as 'shape', found (-1, 3)".to_owned(),
            ),
            (file("'<f8'", "False", &huge, &[]), huge.clone()),
            (file("'<f8'", "False", "(99, 99999999)", &nan), "the end after at least 0".to_owned()),
            (
                file("'<f8'", "False", "(1, 2)", &nan),
                "finite entries, found NaN in row 1, column 2".to_owned(),
            ),
            (file("'<U3'", "False", "(1, 2)", &nan), "or integers, found <U3".to_owned()),
            (
                file("[('a', '<f8')]", "False", "(1, 2)", &nan),
                "or integers, found records".to_owned(),
            ),
            (file("'é8'", "False", "(1, 2)", &nan), "or integers, found é8".to_owned()),
        ];
        for (bytes, expected) in cases {
            let error = read_bytes(&bytes).unwrap_err();
            assert!(error.contains("x.npy: ") && error.contains(&expected), "{error} / {expected}");
        }
    }

    #[test]
    fn embeddings_must_fit_their_list() {
        let file = written("e.npy", file("'|u1'", "False", "(2, 1)", &[1, 2]));
        assert!(crate::read_embeddings(&file.path, 2, Path::new("r.jsonl")).is_ok());
        let error = crate::read_embeddings(&file.path, 3, Path::new("r.jsonl")).unwrap_err();
        let expected = "e.npy: expected 3 rows, one for each that r.jsonl lists, found 2";
        assert!(error.to_string().ends_with(expected), "{error}");
    }
}
