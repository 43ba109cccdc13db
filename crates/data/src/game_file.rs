//! Games of a file, block by block: JSONL or `.npz`, for many threads and in flat memory.
//!
//! ```text
//! file ──read──▶ GameBlock ──parse, a thread a piece──▶ GameBatch
//! ```
//! Reading is the only step that waits for the disk and goes in order; a block and a batch are filled
//! again and again. A game that is none becomes a [`crate::BadGame`] of its batch.

use crate::game_lines::{LineBlock, LineBlocks};
use crate::npz::{ArrayBlock, ArrayBlocks, is_npz};
use crate::{DataError, GameBatch, GameDefaults};
use std::path::Path;

/// A file of games that is being read.
pub struct GameFile {
    kind: Kind,
}

enum Kind {
    Lines(LineBlocks),
    Arrays(Box<ArrayBlocks>),
}

/// Some mebibytes of a file, not yet parsed.
#[derive(Debug, Default)]
pub struct GameBlock {
    content: Content,
}

#[derive(Debug, Default)]
enum Content {
    #[default]
    None,
    Lines(LineBlock),
    Arrays(Box<ArrayBlock>),
}

impl GameFile {
    /// Opens games: `.npz` by its name, anything else as JSONL, plain or gzip; "-" is JSONL on standard
    /// input.
    ///
    /// # Errors
    /// [`DataError`] if the file cannot be opened, or an archive does not hold the arrays of games.
    pub fn open(path: &Path, defaults: GameDefaults) -> Result<Self, DataError> {
        let kind = if is_npz(path) {
            Kind::Arrays(Box::new(ArrayBlocks::open(path, defaults)?))
        } else {
            Kind::Lines(LineBlocks::open(path, defaults)?)
        };
        Ok(Self { kind })
    }

    /// The path that was given.
    pub fn path(&self) -> &Path {
        match &self.kind {
            Kind::Lines(lines) => lines.path(),
            Kind::Arrays(arrays) => arrays.path(),
        }
    }

    /// Fills a block with what comes next, and says whether there was anything.
    ///
    /// # Errors
    /// [`DataError`] if the file cannot be read any further, or a checksum is wrong.
    pub fn read(&mut self, block: &mut GameBlock) -> Result<bool, DataError> {
        match &mut self.kind {
            Kind::Lines(lines) => {
                if !matches!(block.content, Content::Lines(_)) {
                    block.content = Content::Lines(LineBlock::default());
                }
                if let Content::Lines(block) = &mut block.content {
                    lines.read(block)
                } else {
                    Ok(false)
                }
            }
            Kind::Arrays(arrays) => {
                if !matches!(block.content, Content::Arrays(_)) {
                    block.content = Content::Arrays(Box::default());
                }
                if let Content::Arrays(block) = &mut block.content {
                    arrays.read(block)
                } else {
                    Ok(false)
                }
            }
        }
    }
}

impl std::fmt::Debug for GameFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GameFile").field("path", &self.path()).finish_non_exhaustive()
    }
}

impl GameBlock {
    /// Into how many pieces the block is cut; where the cuts lie depends on the file alone.
    pub fn n_pieces(&self) -> usize {
        match &self.content {
            Content::None => 0,
            Content::Lines(lines) => lines.n_pieces(),
            Content::Arrays(arrays) => arrays.n_pieces(),
        }
    }

    /// Appends the games of a piece to a batch.
    ///
    /// # Panics
    /// If `piece` is not below [`GameBlock::n_pieces`].
    pub fn parse(&self, piece: usize, batch: &mut GameBatch) {
        assert!(piece < self.n_pieces(), "piece {piece} of {}", self.n_pieces());
        match &self.content {
            Content::None => {}
            Content::Lines(lines) => lines.parse(piece, batch),
            Content::Arrays(arrays) => arrays.parse(piece, batch),
        }
    }
}
