//! File formats to and from the types of `nlhf`.
//!
//! | file | read by | gives |
//! |---|---|---|
//! | comparisons: explicit, chosen and rejected, or battles, JSONL and CSV | [`read_comparisons`] | [`Dataset`] |
//! | responses and prompts, JSONL | [`Catalog`] | names in the order of the lines |
//! | embeddings, `.npy` | [`read_embeddings`] | [`Matrix`] |
//! | games, JSONL, or one matrix as CSV or `.npy` | [`GameReader`], [`read_game_matrix`] | [`GameRecord`] |
//! | many games, JSONL or arrays in `.npz` | [`GameFile`] | [`GameBatch`] |
//! | policies, JSONL | [`read_policies`], [`read_named_policies`] | a policy for each menu, or menus too |
//!
//! and [`SolutionLine`], [`PolicyLine`], [`MarginLine`] and [`WeightLine`] are written, and solutions as arrays by [`SolutionArrays`], by
//! [`AtomicFile`] all or nothing. Every input but `.npz` may be compressed with gzip or zstd, and "-" is standard
//! input. Whatever is wrong with a file is a [`DataError`] that names the line, what was expected and
//! what was found, and a game that is none among others a [`BadGame`]; no input panics.

mod atomic_file;
mod candidates;
mod catalog;
mod centre;
mod comparison_output;
mod comparisons;
mod dataset;
mod decimal;
mod embeddings;
mod error;
mod game_batch;
mod game_file;
mod game_lines;
mod game_matrix;
mod games;
mod input;
mod json;
mod line_scan;
mod margins;
mod names;
mod notes;
mod npy;
mod npz;
mod npz_output;
mod numbers;
mod output;
#[cfg(feature = "parquet")]
mod parquet_lines;
mod policies;
mod prior;
mod solutions;
mod table;
#[cfg(test)]
mod testing;
mod text_features;
mod texts;
mod trainer_output;
mod zip;
mod zip_writer;

pub use atomic_file::AtomicFile;
pub use candidates::read_candidate_texts;
pub use catalog::{Catalog, read_texts};
pub use comparison_output::{ExplicitLine, PairLine};
pub use comparisons::{ReadOptions, read_comparisons};
pub use dataset::{BothBad, Dataset, Format};
pub use embeddings::{Matrix, read_embeddings, read_matrix_npy};
pub use error::DataError;
pub use game_batch::{BadGame, GameBatch, GamePlace, GameRef};
pub use game_file::{GameBlock, GameFile};
pub use game_matrix::{is_game_matrix, read_game_matrix};
pub use games::{GameDefaults, GameReader, GameRecord, GameScale, parse_game};
pub use input::{Line, LineReader, open};
pub use margins::{
    MarginPair, MarginPairs, OutsideReference, PairChoice, PairRules, log_ratios_nats, margin_pairs,
};
pub use names::Names;
pub use notes::{GameNote, Player};
pub use npz::is_npz;
pub use npz_output::SolutionArrays;
pub use output::{PolicyLine, SolutionLine, write_jsonl};
pub use policies::{NamedPolicies, read_named_policies, read_policies};
pub use solutions::{Outcome, SolutionBatch, SolutionRef};
pub use text_features::TextFeatures;
pub use texts::{Message, TextOrMessages, Texts};
pub use trainer_output::{BestAnswerLine, MarginLine, WeightLine, in_one_form, write_csv};
