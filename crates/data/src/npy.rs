//! The `.npy` format, as far as matrices of numbers need it.
//!
//! ```text
//! 93 "NUMPY"   major minor   length: u16 (major 1) or u32 (2, 3), little-endian
//! {'descr': '<f4', 'fortran_order': False, 'shape': (953, 384), }   padded with spaces and a newline
//! entries
//! ```
//! Source: numpy's enhancement proposal 1 and `numpy/lib/format.py`. Written here because a header is
//! input: its sizes are checked before anything is multiplied or reserved, and nothing recurses.

use crate::DataError;
use std::io::{self, ErrorKind, Read};
use std::path::Path;

/// What a header may take; numpy itself refuses more than 10,000 bytes.
const MAX_HEADER_BYTES: usize = 1 << 16;
/// Entries are converted in chunks of so many bytes, a multiple of every entry size.
const CHUNK_BYTES: usize = 1 << 16;

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
    let text = read_header(&mut reader, path)?;
    let header = Header::parse(&text, path)?;
    let entry = header.entry;
    let n_values = header.nrows.checked_mul(header.ncols);
    let Some(n_values) = n_values.filter(|n| n.checked_mul(8).is_some()) else {
        return Err(DataError::file(path, "a matrix that fits into memory", text));
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
        values.extend(chunk.chunks_exact(entry.size()).map(|bytes| entry.decode(bytes)));
    }
    let Header { nrows, ncols, fortran_order, .. } = header;
    Ok(Array { nrows, ncols, fortran_order, values })
}

fn read_header(reader: &mut dyn Read, path: &Path) -> Result<String, DataError> {
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
    Ok(String::from_utf8_lossy(&text).trim().to_owned())
}

struct Header {
    entry: Entry,
    fortran_order: bool,
    nrows: usize,
    ncols: usize,
}

impl Header {
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
        let sizes: Vec<&str> = shape.split(',').map(str::trim).filter(|s| !s.is_empty()).collect();
        let sizes_read: Option<Vec<usize>> = sizes.iter().map(|s| s.parse().ok()).collect();
        match sizes_read.as_deref() {
            Some(&[nrows, ncols]) if nrows > 0 && ncols > 0 => {
                Ok(Self { entry, fortran_order: order.starts_with("True"), nrows, ncols })
            }
            _ => {
                let expected = "two dimensions, at least one row and one column";
                Err(DataError::file(path, expected, format!("({})", sizes.join(", "))))
            }
        }
    }
}

/// What follows a key of a Python dictionary.
fn value_of<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let at = text.find(&format!("'{key}'")).or_else(|| text.find(&format!("\"{key}\"")))?;
    text[at + key.len() + 2..].trim_start().strip_prefix(':').map(str::trim_start)
}

/// How an entry is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entry {
    kind: Kind,
    big_endian: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    F2,
    F4,
    F8,
    I1,
    I2,
    I4,
    I8,
    U1,
    U2,
    U4,
    U8,
}

impl Entry {
    fn of(descr: &str) -> Option<Self> {
        let order = descr.chars().next()?;
        let big_endian = match order {
            '<' | '|' => false,
            '>' => true,
            '=' => cfg!(target_endian = "big"),
            _ => return None,
        };
        let kind = match &descr[1..] {
            "f2" => Kind::F2,
            "f4" => Kind::F4,
            "f8" => Kind::F8,
            "i1" => Kind::I1,
            "i2" => Kind::I2,
            "i4" => Kind::I4,
            "i8" => Kind::I8,
            "u1" | "b1" => Kind::U1,
            "u2" => Kind::U2,
            "u4" => Kind::U4,
            "u8" => Kind::U8,
            _ => return None,
        };
        Some(Self { kind, big_endian })
    }

    fn size(self) -> usize {
        match self.kind {
            Kind::I1 | Kind::U1 => 1,
            Kind::F2 | Kind::I2 | Kind::U2 => 2,
            Kind::F4 | Kind::I4 | Kind::U4 => 4,
            Kind::F8 | Kind::I8 | Kind::U8 => 8,
        }
    }

    /// The number in `bytes`, which are as many as [`Entry::size`].
    fn decode(self, bytes: &[u8]) -> f64 {
        let mut little = [0; 8];
        little[..bytes.len()].copy_from_slice(bytes);
        if self.big_endian {
            little[..bytes.len()].reverse();
        }
        let [b0, b1, b2, b3, ..] = little;
        match self.kind {
            Kind::F2 => half(u16::from_le_bytes([b0, b1])),
            Kind::F4 => f32::from_le_bytes([b0, b1, b2, b3]).into(),
            Kind::F8 => f64::from_le_bytes(little),
            Kind::I1 => i8::from_le_bytes([b0]).into(),
            Kind::I2 => i16::from_le_bytes([b0, b1]).into(),
            Kind::I4 => i32::from_le_bytes([b0, b1, b2, b3]).into(),
            Kind::I8 => i64::from_le_bytes(little) as f64,
            Kind::U1 => b0.into(),
            Kind::U2 => u16::from_le_bytes([b0, b1]).into(),
            Kind::U4 => u32::from_le_bytes([b0, b1, b2, b3]).into(),
            Kind::U8 => u64::from_le_bytes(little) as f64,
        }
    }
}

/// The value of an IEEE 754 half: 1 bit of sign, 5 of exponent, 10 of fraction.
fn half(bits: u16) -> f64 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let exponent = i32::from(bits >> 10 & 0x1f);
    let fraction = f64::from(bits & 0x3ff);
    sign * match exponent {
        0 => fraction * 2f64.powi(-24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (1024.0 + fraction) * 2f64.powi(exponent - 25),
    }
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
            (file("'<f8'", "False", "(2,)", &nan), format!("{shape}(2)")),
            (file("'<f8'", "False", "(0, 3)", &[]), format!("{shape}(0, 3)")),
            (file("'<f8'", "False", "(-1, 3)", &[]), format!("{shape}(-1, 3)")),
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
        let expected = "e.npy: expected 3 rows, one for each line of r.jsonl, found 2";
        assert!(error.to_string().ends_with(expected), "{error}");
    }
}
