//! One game as a matrix: CSV with or without names, or `.npy`.
//!
//! ```text
//! name,rock,paper        the first row is a header if its first cell is empty or "name", or another
//! rock,0.5,0.1           cell of it is text; the first column holds names if it does so below the
//! paper,0.9,0.5          header, or if the header's first cell is empty or "name"
//! ```

use crate::error::quoted;
use crate::games::{game, within_range};
use crate::table::{Cells, Table, TableRow};
use crate::{DataError, GameNote, GameRecord, GameScale, LineReader, read_matrix_npy};
use nlhf_core::{Eta, Profile};
use std::path::Path;

/// By how much the sum of two opposite entries may be off in CSV, relative to `1 + |R|`.
const ROUNDING_TOLERANCE: f64 = 1e-4;
/// Below this a sum is off by no more than the last bits.
const NOTE_TOLERANCE: f64 = 1e-9;

/// Whether a path names one matrix, ending in `.csv` or `.npy`, perhaps followed by `.gz`.
pub fn is_game_matrix(path: &Path) -> bool {
    kind(path).is_some()
}

/// Reads the game of one matrix, with uniform references; its id is the name of the file without
/// what follows the last dot.
///
/// # Errors
/// [`DataError`] if the file cannot be read, a cell is empty or no number, a row is shorter or longer
/// than the first, or the entries are not what the scale asks for.
pub fn read_game_matrix(path: &Path, eta: Eta, scale: GameScale) -> Result<GameRecord, DataError> {
    let mut notes = Vec::new();
    let (nrows, ncols, values) = match kind(path) {
        Some(Kind::Csv) => {
            let (nrows, ncols, mut values) = read_csv(path)?;
            if nrows == ncols {
                notes.extend(average_rounded(nrows, &mut values, scale));
            }
            (nrows, ncols, values)
        }
        Some(Kind::Npy) => {
            let matrix = read_matrix_npy(path)?;
            (matrix.nrows, matrix.ncols, matrix.values)
        }
        None => return Err(DataError::file(path, "a .csv or .npy matrix", "another extension")),
    };
    let payoff = game(scale, nrows, ncols, values)
        .and_then(|payoff| within_range(eta, &payoff).map(|()| payoff))
        .map_err(|(expected, found)| DataError::file(path, expected, found))?;
    let stem = without_gz(path).file_stem().unwrap_or_default();
    Ok(GameRecord {
        id: stem.to_string_lossy().into_owned(),
        eta,
        scale,
        payoff,
        reference: Profile::uniform(nrows, ncols),
        notes,
    })
}

enum Kind {
    Csv,
    Npy,
}

fn kind(path: &Path) -> Option<Kind> {
    let extension = without_gz(path).extension()?;
    if extension.eq_ignore_ascii_case("csv") {
        Some(Kind::Csv)
    } else if extension.eq_ignore_ascii_case("npy") {
        Some(Kind::Npy)
    } else {
        None
    }
}

/// The path without a last `.gz`.
fn without_gz(path: &Path) -> &Path {
    match path.extension() {
        Some(extension) if extension.eq_ignore_ascii_case("gz") => {
            Path::new(path.file_stem().unwrap_or_default())
        }
        _ => path,
    }
}

fn read_csv(path: &Path) -> Result<(usize, usize, Vec<f64>), DataError> {
    let none = || DataError::file(path, "rows of numbers", "none");
    let mut lines = LineReader::open(path)?;
    if lines.next_line()?.is_none() {
        return Err(none());
    }
    let mut table = Table::from_line(lines);
    let mut header_has_corner = false;
    let mut layout: Option<Layout> = None;
    let (mut nrows, mut values) = (0, Vec::new());
    let mut is_first = true;
    while let Some(TableRow { cells: record, place }) = table.next_row()? {
        if std::mem::take(&mut is_first) && is_header(record) {
            header_has_corner = is_corner(record.get(0).unwrap_or_default());
            continue;
        }
        let layout = layout.get_or_insert_with(|| {
            let first = record.get(0).unwrap_or_default();
            let named = header_has_corner || is_text(first);
            Layout { n_names: usize::from(named), n_cells: record.len() }
        });
        if record.len() != layout.n_cells {
            let expected = format!("{} cells like in the first row", layout.n_cells);
            return Err(place.error(expected, record.len().to_string()));
        }
        for (column, cell) in record.iter().enumerate().skip(layout.n_names) {
            let number = cell.parse().ok().filter(|number: &f64| number.is_finite());
            values.push(number.ok_or_else(|| {
                let expected = format!("a finite number in column {}", column + 1);
                let found = if cell.is_empty() { "an empty cell".to_owned() } else { quoted(cell) };
                place.error(expected, found)
            })?);
        }
        nrows += 1;
    }
    match layout {
        Some(layout) => Ok((nrows, layout.n_cells - layout.n_names, values)),
        None => Err(none()),
    }
}

/// Makes opposite entries of a square matrix sum to what they should, if they miss it by rounding
/// only; what is further off is left for the check of the game to refuse.
fn average_rounded(n: usize, values: &mut [f64], scale: GameScale) -> Option<GameNote> {
    let required = match scale {
        GameScale::Probability => 1.0,
        GameScale::LogOdds => 0.0,
        GameScale::Payoff => return None,
    };
    let mut worst = 0.0_f64;
    for row in 0..n {
        for column in row..n {
            let (here, there) = (row * n + column, column * n + row);
            let off = values[here] + values[there] - required;
            if off.abs() <= ROUNDING_TOLERANCE * (1.0 + values[here].abs()) {
                worst = worst.max(off.abs());
                let entry = values[here] - 0.5 * off;
                values[here] = entry;
                values[there] = required - entry;
            }
        }
    }
    (worst > NOTE_TOLERANCE).then_some(GameNote::Averaged { worst })
}

/// How the rows are made.
struct Layout {
    n_names: usize,
    n_cells: usize,
}

fn is_header(record: Cells<'_>) -> bool {
    is_corner(record.get(0).unwrap_or_default()) || record.iter().skip(1).any(is_text)
}

fn is_corner(cell: &str) -> bool {
    cell.is_empty() || cell.eq_ignore_ascii_case("name")
}

fn is_text(cell: &str) -> bool {
    !cell.is_empty() && cell.parse::<f64>().is_err()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{gzip, written};
    use nlhf_core::ZeroSumGame;

    fn read(name: &str, content: impl AsRef<[u8]>, scale: GameScale) -> Result<GameRecord, String> {
        let file = written(name, content);
        read_game_matrix(&file.path, Eta::new(2.0).unwrap(), scale).map_err(|e| e.to_string())
    }

    #[test]
    fn names_may_be_left_out() {
        for content in [
            "name,a,b\na,0.5,0.3\nb,0.7,0.5\n",
            "\u{feff},a,b\r\n1,0.5,0.3\r\n2,0.7,0.5\r\n",
            ",1,2\n1,0.5,0.3\n2,0.7,0.5\n",
            "a,b\n0.5,0.3\n0.7,0.5\n",
            "a,0.5,0.3\nb,0.7,0.5",
            "0.5,0.3\n\n 0.7 ,5e-1",
            "0,b\n0.5,0.3\n0.7,0.5\n",
        ] {
            let record = read("rps.v2.csv", content, GameScale::Probability).unwrap();
            assert_eq!((record.payoff.nrows(), record.payoff.ncols()), (2, 2), "{content}");
            assert!((record.payoff.get(0, 1) + 0.2).abs() < 1e-15, "{content}");
            assert_eq!(record.id, "rps.v2");
        }
        let record = read("g.csv.gz", gzip(b"x,y,z\n1,2,3\n"), GameScale::Payoff).unwrap();
        assert_eq!((record.payoff.nrows(), record.payoff.ncols()), (1, 3));
        assert_eq!(record.id, "g");
    }

    #[test]
    fn rounded_numbers_are_averaged() {
        let record = read("m.csv", "0.5,0.33333\n0.66666,0.5\n", GameScale::Probability).unwrap();
        assert!(record.payoff.is_skew());
        assert!((record.payoff.get(0, 1) + 0.166_665).abs() < 1e-12);
        let notes: Vec<String> = record.notes.iter().map(GameNote::to_string).collect();
        assert_eq!(notes, ["opposite entries miss their sum by up to 1e-5 and were averaged"]);
        let record = read("m.csv", "0,100\n-100.005,0\n", GameScale::LogOdds).unwrap();
        assert!((record.payoff.get(0, 1) - 100.0025).abs() < 1e-9);
        assert!(read("m.csv", "0.5,0.333\n0.666,0.5\n", GameScale::Probability).is_err());
        let record = read("m.csv", "0.5,0.3\n0.7,0.5\n", GameScale::Probability).unwrap();
        assert_eq!(record.notes, []);
    }

    #[test]
    fn bad_cells_are_placed() {
        for (content, expected) in [
            ("", "expected rows of numbers, found none"),
            ("a,b\n", "expected rows of numbers, found none"),
            ("a,b\n0.5,\n", "m.csv:2: expected a finite number in column 2, found an empty cell"),
            ("0.5,0.5\n0.5,x\n", "m.csv:2: expected a finite number in column 2, found \"x\""),
            ("0.5,nan\n0.5,0\n", "m.csv:1: expected a finite number in column 2, found \"nan\""),
            ("0.5,0.5\n0.5\n", "m.csv:2: expected 2 cells like in the first row, found 1"),
            (
                "0.5,0.5\n0.6,0.5\n",
                "m.csv: expected \"payoff\" in row 1, column 2 and in row 2, column 1 to sum to 1 \
                 within 1e-6, found 1.1",
            ),
            ("0.5,0.5\n", "expected a square \"payoff\" on the probability scale, found 1 x 2"),
            ("a\nx\n", "expected \"payoff\" to have at least one row and one column, found 2 x 0"),
        ] {
            let error = read("m.csv", content, GameScale::Probability).unwrap_err();
            assert!(error.ends_with(expected), "{error}");
        }
        let error = read("m.txt", "1", GameScale::Payoff).unwrap_err();
        assert!(error.ends_with("m.txt: expected a .csv or .npy matrix, found another extension"));
        assert!(!is_game_matrix(Path::new("-")) && is_game_matrix(Path::new("x/A.NPY")));
    }
}
