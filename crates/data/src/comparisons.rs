//! Comparisons from files, the format told by the first line that is not blank.
//!
//! | format | recognized by | label |
//! |---|---|---|
//! | explicit JSONL | fields `response_a_id`, `response_b_id` | `label` in [0, 1] |
//! | TRL preference JSONL | fields `chosen`, `rejected` | 1, the chosen one shown first |
//! | battles CSV | columns `model_a`, `model_b`, `winner` | 1, 0, or ½ for ties |
//!
//! Every format may carry `weight` (1 if absent), `annotator` and `split` ("train" or absent: to fit
//! on; anything else: held out). Other fields and columns are ignored.

mod battles;
mod collect;
mod explicit;
mod trl;

use crate::error::{Place, quoted};
use crate::input::Line;
use crate::json::{Field, parse_object};
use crate::{Catalog, DataError, Dataset, Format, LineReader};
use collect::Collector;
use serde::Deserialize;
use std::path::Path;

/// What to do with files that are odd rather than wrong. By default both are errors.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ReadOptions {
    /// Leave out, and count, comparisons that name a prompt or response beyond the catalog.
    pub skip_unlisted: bool,
    /// Keep prompts with one candidate, who can only be answered with it.
    pub allow_single_candidates: bool,
}

/// Reads comparisons; "-" is standard input, and gzip is decoded.
///
/// With a catalog, comparisons may only name what it lists. Without one, a prompt and a response
/// exist as soon as they are named; battles without a `prompt_id` are about one prompt named "all",
/// and TRL prompts and responses are told apart by their text and named after the line of its first
/// occurrence: "12", "12.chosen", "12.rejected".
///
/// # Errors
/// [`DataError`] naming the line that cannot be read, lacks a field, has a label outside [0, 1] or a
/// negative weight, or disagrees with the catalog; if a prompt has one candidate; and if there is no
/// comparison.
pub fn read_comparisons(
    path: &Path,
    catalog: Option<Catalog>,
    options: ReadOptions,
) -> Result<Dataset, DataError> {
    let mut lines = LineReader::open(path)?;
    let Some(first) = lines.next_line()? else {
        return Err(DataError::empty(path, "at least one comparison"));
    };
    let format = detect(first, path)?;
    lines.unread();
    let mut collector = Collector::new(catalog, options);
    match format {
        Format::Explicit => explicit::read(lines, &mut collector)?,
        Format::Trl => trl::read(lines, &mut collector)?,
        Format::Battles => battles::read(lines, &mut collector)?,
    }
    collector.finish(format, path)
}

fn detect(first: Line<'_>, path: &Path) -> Result<Format, DataError> {
    #[derive(Deserialize)]
    struct Probe<'a> {
        #[serde(borrow, default)]
        response_a_id: Field<'a>,
        #[serde(borrow, default)]
        response_b_id: Field<'a>,
        #[serde(borrow, default)]
        chosen: Field<'a>,
        #[serde(borrow, default)]
        rejected: Field<'a>,
    }
    const EXPECTED: &str = "fields \"prompt_id\", \"response_a_id\", \"response_b_id\" and \"label\", \
                            or \"prompt\", \"chosen\" and \"rejected\"";

    let place = Place { path, line: first.number };
    let text = first.text.trim();
    if text.starts_with('[') {
        return Err(place.error("one JSON object a line, or CSV", "a JSON array"));
    }
    if !text.starts_with('{') {
        return Ok(Format::Battles);
    }
    let probe: Probe<'_> = parse_object(text, place)?;
    let named = |field: &Field<'_>| *field != Field::Missing;
    if named(&probe.response_a_id) || named(&probe.response_b_id) {
        Ok(Format::Explicit)
    } else if named(&probe.chosen) || named(&probe.rejected) {
        Ok(Format::Trl)
    } else {
        let fields: serde_json::Map<String, serde_json::Value> = parse_object(text, place)?;
        let fields: Vec<String> = fields.keys().map(|name| quoted(name)).collect();
        let found = if fields.is_empty() { "none".to_owned() } else { fields.join(", ") };
        Err(place.error(EXPECTED, found))
    }
}
