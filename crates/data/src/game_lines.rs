//! The lines of a games file in blocks, so that they are parsed by many threads in flat memory.
//!
//! A block is some mebibytes of whole lines, and is cut into pieces at line breaks. Where the cuts lie
//! depends on the file alone. A line longer than a block makes a block of its own.

use crate::{DataError, GameBatch, GameDefaults};
use memchr::{memchr, memchr_iter, memrchr};
use std::io::{BufRead, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};

/// What is read at a time.
const BLOCK_BYTES: usize = 1 << 23;
/// What a thread parses at a time.
const PIECE_BYTES: usize = 1 << 20;

/// Reads blocks of lines.
pub(crate) struct LineBlocks {
    path: PathBuf,
    reader: Box<dyn BufRead + Send>,
    defaults: GameDefaults,
    /// The beginning of a line whose end has not been read.
    carry: Vec<u8>,
    next_line: u64,
    is_start: bool,
    block_bytes: usize,
    piece_bytes: usize,
}

/// Whole lines of a file.
#[derive(Debug, Default)]
pub(crate) struct LineBlock {
    path: PathBuf,
    defaults: GameDefaults,
    bytes: Vec<u8>,
    pieces: Vec<Piece>,
}

#[derive(Debug, Clone)]
struct Piece {
    bytes: Range<usize>,
    first_line: u64,
}

impl LineBlocks {
    pub(crate) fn open(path: &Path, defaults: GameDefaults) -> Result<Self, DataError> {
        Ok(Self {
            path: path.to_path_buf(),
            reader: crate::open(path)?,
            defaults,
            carry: Vec::new(),
            next_line: 1,
            is_start: true,
            block_bytes: BLOCK_BYTES,
            piece_bytes: PIECE_BYTES,
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Fills a block with the next lines, and says whether there were any.
    pub(crate) fn read(&mut self, block: &mut LineBlock) -> Result<bool, DataError> {
        let LineBlock { path, defaults, bytes, pieces } = block;
        path.clone_from(&self.path);
        *defaults = self.defaults;
        pieces.clear();
        bytes.clear();
        bytes.append(&mut self.carry);
        let mut searched = 0;
        loop {
            // Room first: the reader would otherwise ask for little at a time.
            bytes.reserve(self.block_bytes);
            let mut some = (&mut self.reader).take(self.block_bytes as u64);
            let n_read = some.read_to_end(bytes);
            let n_read = n_read.map_err(|reason| DataError::io(&self.path, reason))?;
            if std::mem::take(&mut self.is_start) && bytes.starts_with(b"\xef\xbb\xbf") {
                bytes.drain(..3);
            }
            if n_read == 0 {
                break;
            }
            if let Some(at) = memrchr(b'\n', &bytes[searched..]) {
                let end = searched + at + 1;
                self.carry.extend_from_slice(&bytes[end..]);
                bytes.truncate(end);
                break;
            }
            searched = bytes.len();
        }
        self.cut(block);
        Ok(!block.bytes.is_empty())
    }

    fn cut(&mut self, block: &mut LineBlock) {
        let LineBlock { bytes, pieces, .. } = block;
        let mut start = 0;
        while start < bytes.len() {
            let after = (start + self.piece_bytes).min(bytes.len());
            let line_end = memchr(b'\n', &bytes[after..]);
            let end = line_end.map_or(bytes.len(), |at| after + at + 1);
            pieces.push(Piece { bytes: start..end, first_line: self.next_line });
            self.next_line += memchr_iter(b'\n', &bytes[start..end]).count() as u64;
            start = end;
        }
    }
}

impl LineBlock {
    pub(crate) fn n_pieces(&self) -> usize {
        self.pieces.len()
    }

    /// Parses a piece into a batch.
    pub(crate) fn parse(&self, piece: usize, batch: &mut GameBatch) {
        let Piece { bytes, first_line } = &self.pieces[piece];
        let mut line_no = *first_line;
        let mut rest = &self.bytes[bytes.clone()];
        while !rest.is_empty() {
            let (line, after) = match memchr(b'\n', rest) {
                Some(end) => (&rest[..end], &rest[end + 1..]),
                None => (rest, &rest[rest.len()..]),
            };
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if !line.trim_ascii().is_empty() {
                batch.push_line(line, &self.path, line_no, &self.defaults);
            }
            line_no += 1;
            rest = after;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{gzip, written};
    use crate::{GamePlace, GameReader};
    use std::fmt::Write;

    /// All games of a file, read in blocks and pieces of the given sizes.
    fn read(path: &Path, block_bytes: usize, piece_bytes: usize) -> Vec<(u64, f64, usize)> {
        let mut blocks = LineBlocks::open(path, GameDefaults::default()).unwrap();
        (blocks.block_bytes, blocks.piece_bytes) = (block_bytes, piece_bytes);
        let (mut block, mut batch) = (LineBlock::default(), GameBatch::default());
        while blocks.read(&mut block).unwrap() {
            for piece in 0..block.n_pieces() {
                block.parse(piece, &mut batch);
            }
        }
        assert!(!blocks.read(&mut block).unwrap() && block.n_pieces() == 0);
        assert!(batch.bad().is_empty(), "{:?}", batch.bad());
        let game = |at| {
            let game = batch.game(at);
            assert!(matches!(game.place, GamePlace::Line(_)));
            (game.place.number(), game.eta.get(), game.ncols)
        };
        (0..batch.len()).map(game).collect()
    }

    #[test]
    fn the_sizes_of_blocks_and_pieces_change_nothing() {
        let mut content = "\u{feff}".to_owned();
        for k in 1..60 {
            let row = vec!["1"; 1 + k * 7 % 23].join(", ");
            let ending = ["\n", "\r\n", "\n\n", "\n \t\r\n"][k % 4];
            write!(content, r#"{{"eta":{k},"scale":"payoff","payoff":[[{row}]]}}{ending}"#)
                .unwrap();
        }
        content.truncate(content.trim_end().len());
        let file = written("g.jsonl", &content);
        let expected: Vec<_> = GameReader::open(&file.path, GameDefaults::default())
            .unwrap()
            .map(|game| game.unwrap())
            .map(|g| (g.id.parse().unwrap(), g.eta.get(), g.reference.column.len()))
            .collect();
        assert_eq!(expected.len(), 59);
        for (block, piece) in [(3, 1), (7, 3), (64, 64), (200, 50), (1000, 10), (1 << 20, 1 << 20)]
        {
            assert_eq!(read(&file.path, block, piece), expected, "{block} {piece}");
        }
        let packed = written("g.jsonl.gz", gzip(content.as_bytes()));
        assert_eq!(read(&packed.path, 300, 100), expected);
        let empty = written("g.jsonl", "");
        assert_eq!(read(&empty.path, 300, 100), []);
    }
}
