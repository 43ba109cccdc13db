//! The usual line of a games file, read in one pass over its bytes.
//!
//! A line as programs write it: one object of the known fields, each at most once, text without
//! escapes, numbers, and rows of one length. Everything else, wrong or only unusual, is not read here:
//! the line then goes through [`crate::parse_game`], which knows all of JSON and what to say about it.
//! Whatever is read here is bit for bit what comes out there.

use crate::GameScale;
use crate::decimal;
use std::ops::Range;

/// The longest integer that is an id as it stands.
const MAX_ID_DIGITS: usize = 18;

/// The fields of a line; its numbers are in the vectors that were given.
#[derive(Debug, Default)]
pub(crate) struct Scanned<'a> {
    pub(crate) id: Option<&'a str>,
    pub(crate) eta: Option<f64>,
    pub(crate) scale: Option<GameScale>,
    /// Rows and columns of the payoffs, both at least one.
    pub(crate) shape: (usize, usize),
    /// Where the masses of the two priors are.
    pub(crate) priors: [Option<Range<usize>>; 2],
}

/// Reads a line, appending its payoffs and its priors; nothing if it is not of the usual kind, with
/// something appended or not.
pub(crate) fn scan<'a>(
    line: &'a [u8],
    payoffs: &mut Vec<f64>,
    masses: &mut Vec<f64>,
) -> Option<Scanned<'a>> {
    let mut cursor = Cursor { text: line, at: 0 };
    let mut scanned = Scanned::default();
    cursor.expect(b'{')?;
    loop {
        let key = cursor.string()?;
        cursor.expect(b':')?;
        match key {
            b"id" if scanned.id.is_none() => scanned.id = Some(cursor.id()?),
            b"eta" if scanned.eta.is_none() => scanned.eta = Some(cursor.number()?),
            b"scale" if scanned.scale.is_none() => {
                let name = str::from_utf8(cursor.string()?).ok()?;
                scanned.scale = Some(GameScale::from_name(name)?);
            }
            b"payoff" if scanned.shape == (0, 0) => scanned.shape = cursor.rows(payoffs)?,
            b"prior" | b"opponent_prior" => {
                let prior = &mut scanned.priors[usize::from(key.len() > b"prior".len())];
                if prior.is_some() {
                    return None;
                }
                let start = masses.len();
                cursor.row(masses)?;
                *prior = Some(start..masses.len());
            }
            _ => return None,
        }
        match cursor.next()? {
            b',' => {}
            b'}' => break,
            _ => return None,
        }
    }
    cursor.skip_spaces();
    (cursor.at == line.len() && scanned.shape != (0, 0)).then_some(scanned)
}

struct Cursor<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn skip_spaces(&mut self) {
        while let Some(b' ' | b'\t' | b'\r') = self.text.get(self.at) {
            self.at += 1;
        }
    }

    /// The next byte that is no space.
    fn next(&mut self) -> Option<u8> {
        self.skip_spaces();
        let byte = *self.text.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        (self.next()? == byte).then_some(())
    }

    /// The bytes of a string without escapes and control characters.
    fn string(&mut self) -> Option<&'a [u8]> {
        self.expect(b'"')?;
        let start = self.at;
        loop {
            match *self.text.get(self.at)? {
                b'"' => break,
                b'\\' | 0..0x20 => return None,
                _ => self.at += 1,
            }
        }
        self.at += 1;
        Some(&self.text[start..self.at - 1])
    }

    /// A string, or an integer taken for its digits.
    fn id(&mut self) -> Option<&'a str> {
        self.skip_spaces();
        if self.text.get(self.at) == Some(&b'"') {
            return str::from_utf8(self.string()?).ok();
        }
        let start = self.at;
        while self.text.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
        let digits = &self.text[start..self.at];
        match digits {
            [] | [b'0', _, ..] => None,
            _ if digits.len() > MAX_ID_DIGITS => None,
            _ => str::from_utf8(digits).ok(),
        }
    }

    fn number(&mut self) -> Option<f64> {
        self.skip_spaces();
        decimal::number(self.text, &mut self.at)
    }

    /// Appends the numbers of a list that has at least one.
    fn row(&mut self, numbers: &mut Vec<f64>) -> Option<()> {
        self.expect(b'[')?;
        loop {
            numbers.push(self.number()?);
            match self.next()? {
                b',' => {}
                b']' => return Some(()),
                _ => return None,
            }
        }
    }

    /// Appends the numbers of a list of rows of one length, and says how many rows and columns.
    fn rows(&mut self, numbers: &mut Vec<f64>) -> Option<(usize, usize)> {
        self.expect(b'[')?;
        let (mut nrows, mut ncols) = (0, 0);
        loop {
            let start = numbers.len();
            self.row(numbers)?;
            nrows += 1;
            if nrows == 1 {
                ncols = numbers.len() - start;
            } else if numbers.len() - start != ncols {
                return None;
            }
            match self.next()? {
                b',' => {}
                b']' => return Some((nrows, ncols)),
                _ => return None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usual_lines_are_read_here_and_others_are_not() {
        let (mut payoffs, mut masses) = (Vec::new(), vec![7.0]);
        let line = br#"{"id":"a","eta":2,"scale":"payoff","prior":[1,3],"payoff":[[1],[2.5]]} "#;
        let scanned = scan(line, &mut payoffs, &mut masses).unwrap();
        assert_eq!((scanned.id, scanned.eta, scanned.shape), (Some("a"), Some(2.0), (2, 1)));
        assert_eq!(scanned.scale, Some(GameScale::Payoff));
        assert_eq!((&payoffs[..], &masses[..]), (&[1.0, 2.5][..], &[7.0, 1.0, 3.0][..]));
        assert_eq!(scanned.priors, [Some(1..3), None]);
        for line in [
            "",
            "{}",
            "[[1]]",
            "{\"payoff\":[]}",
            "{\"payoff\":[[]]}",
            "{\"payoff\":[[1],[1,2]]}",
            "{\"payoff\":[[1]]",
            "{\"payoff\":[[1]]}}",
            "{\"payoff\":[[1,]]}",
            "{\"payoff\":[[1]],}",
            "{\"payoff\":[[1]],\"payoff\":[[1]]}",
            "{\"payoff\":[[1]],\"prior\":null}",
            "{\"payoff\":[[1]],\"id\":\"\\n\"}",
            "{\"payoff\":[[1]],\"id\":\"\u{1}\"}",
            "{\"payoff\":[[1]],\"id\":01}",
            "{\"payoff\":[[1]],\"id\":1.5}",
            "{\"payoff\":[[1]],\"priro\":[1]}",
            "{\"payoff\":[[01]]}",
            "{\"payoff\":[[1e999]]}",
            "{\"payoff\":[[1]],\"prior\":[1],\"prior\":[1]}",
            "{\"payoff\":[[nan]]}",
        ] {
            assert!(scan(line.as_bytes(), &mut payoffs, &mut masses).is_none(), "{line}");
        }
    }
}
