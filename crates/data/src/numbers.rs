//! Lists and matrices of numbers in JSON, with the first thing that is wrong with them.

use crate::json::{Field, ReadValue, Reading};
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, SeqAccess};

/// What was expected and what was found.
type Mismatch = (String, String);

/// A list of numbers; `null` counts as no list.
#[derive(Debug, Default)]
pub(crate) struct Numbers {
    values: Option<Vec<f64>>,
    wrong: Option<String>,
}

/// A matrix as a list of rows of one length, stored flat.
#[derive(Debug)]
pub(crate) struct Rows {
    nrows: usize,
    ncols: usize,
    values: Vec<f64>,
    wrong: Option<Mismatch>,
}

impl Numbers {
    /// The numbers, if the field is there.
    pub(crate) fn checked(&self, field: &str) -> Result<Option<&[f64]>, Mismatch> {
        match &self.wrong {
            None => Ok(self.values.as_deref()),
            Some(found) => Err((format!("\"{field}\" to be a list of numbers"), found.clone())),
        }
    }
}

impl Rows {
    /// Rows, columns and the entries, row-major.
    pub(crate) fn checked(self, field: &str) -> Result<(usize, usize, Vec<f64>), Mismatch> {
        match self.wrong {
            None => Ok((self.nrows, self.ncols, self.values)),
            Some((expected, found)) => Err((format!("\"{field}\" to be {expected}"), found)),
        }
    }

    fn not_rows(found: String) -> Self {
        let wrong = Some(("a list of rows of numbers".to_owned(), found));
        Self { nrows: 0, ncols: 0, values: Vec::new(), wrong }
    }
}

impl Default for Rows {
    fn default() -> Self {
        Self::not_rows(Field::Missing.found())
    }
}

/// Appends the numbers of an array, up to the first entry that is none.
struct Append<'a>(&'a mut Vec<f64>);

/// What is wrong with a list: its entry, from one, or none if it is no list at all.
struct NotNumbers {
    entry: Option<usize>,
    found: String,
}

impl<'de> ReadValue<'de> for Append<'_> {
    type Value = Result<(), NotNumbers>;

    fn array<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let (mut n_entries, mut result) = (0, Ok(()));
        while let Some(field) = seq.next_element::<Field<'de>>()? {
            n_entries += 1;
            match field.as_number() {
                Some(number) => self.0.push(number),
                None if result.is_ok() => {
                    result = Err(NotNumbers { entry: Some(n_entries), found: field.found() });
                }
                None => {}
            }
        }
        Ok(result)
    }

    fn other(self, field: Field<'de>) -> Self::Value {
        Err(NotNumbers { entry: None, found: field.found() })
    }
}

struct ReadNumbers;

impl<'de> ReadValue<'de> for ReadNumbers {
    type Value = Numbers;

    fn array<A: SeqAccess<'de>>(self, seq: A) -> Result<Numbers, A::Error> {
        let mut values = Vec::new();
        let wrong = Append(&mut values).array(seq)?.err();
        let wrong = wrong.map(|NotNumbers { entry, found }| match entry {
            Some(entry) => format!("{found} as entry {entry}"),
            None => found,
        });
        Ok(Numbers { values: Some(values), wrong })
    }

    fn other(self, field: Field<'de>) -> Numbers {
        Numbers { values: None, wrong: field.is_present().then(|| field.found()) }
    }
}

struct ReadRows;

impl<'de> ReadValue<'de> for ReadRows {
    type Value = Rows;

    fn array<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Rows, A::Error> {
        let mut rows = Rows { nrows: 0, ncols: 0, values: Vec::new(), wrong: None };
        let mut start = 0;
        while let Some(row) = seq.next_element_seed(Reading(Append(&mut rows.values)))? {
            rows.nrows += 1;
            let length = rows.values.len() - start;
            start = rows.values.len();
            if rows.nrows == 1 {
                rows.ncols = length;
            }
            if rows.wrong.is_some() {
                continue;
            }
            if let Err(NotNumbers { entry, found }) = row {
                let nrows = rows.nrows;
                let place = match entry {
                    Some(column) => format!("{found} in row {nrows}, column {column}"),
                    None => format!("{found} as row {nrows}"),
                };
                rows.wrong = Some(("a list of rows of numbers".to_owned(), place));
            } else if length != rows.ncols {
                let expected = format!("rows of {} entries like the first", rows.ncols);
                rows.wrong = Some((expected, format!("{length} in row {}", rows.nrows)));
            }
        }
        Ok(rows)
    }

    fn other(self, field: Field<'de>) -> Rows {
        Rows::not_rows(field.found())
    }
}

impl<'de> Deserialize<'de> for Numbers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Reading(ReadNumbers).deserialize(deserializer)
    }
}

impl<'de> Deserialize<'de> for Rows {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Reading(ReadRows).deserialize(deserializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matrices_are_stored_flat() {
        let rows: Rows = serde_json::from_str("[[1, 2.5], [-3, 4e0], [5, 6]]").unwrap();
        assert_eq!(rows.checked("m").unwrap(), (3, 2, vec![1.0, 2.5, -3.0, 4.0, 5.0, 6.0]));
        let numbers: Numbers = serde_json::from_str("null").unwrap();
        assert_eq!(numbers.checked("p").unwrap(), None);
    }

    #[test]
    fn the_first_wrong_entry_is_told() {
        let rows = "\"m\" to be a list of rows of numbers";
        for (text, expected, found) in [
            ("7", rows, "7"),
            ("[1, 2]", rows, "1 as row 1"),
            ("[[1], [null], \"x\"]", rows, "null in row 2, column 1"),
            ("[[1, 2], [3], [null]]", "\"m\" to be rows of 2 entries like the first", "1 in row 2"),
        ] {
            let read: Rows = serde_json::from_str(text).unwrap();
            let error = read.checked("m").unwrap_err();
            assert_eq!(error, (expected.to_owned(), found.to_owned()));
        }
        let numbers: Numbers = serde_json::from_str("[1, [2], \"x\"]").unwrap();
        let expected = "\"p\" to be a list of numbers".to_owned();
        assert_eq!(numbers.checked("p").unwrap_err(), (expected, "an array as entry 2".to_owned()));
    }
}
