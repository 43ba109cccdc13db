//! Comparisons from files, the format told by the first line that is not blank.
//!
//! | format | recognized by | label |
//! |---|---|---|
//! | explicit JSONL | fields `response_a_id`, `response_b_id` | `label` in [0, 1] |
//! | TRL preference JSONL, explicit prompt | fields `prompt`, `chosen`, `rejected` | 1, the chosen one shown first |
//! | the same, implicit prompt | no `prompt`: what both begin with | 1 |
//! | transcripts, Anthropic HH | no `prompt`, texts with "\n\nAssistant:" | 1 |
//! | scored pairs, `ultrafeedback_binarized` | `score_chosen`, `score_rejected` besides | 1; ½ if the scores are equal |
//! | battles, JSONL or CSV | `model_a`, `model_b`, `winner` | 1, 0, or ½ for ties |
//!
//! A file is of one format; a line of another is an error that names both. Every format may carry `weight` (1 if
//! absent), `annotator` and `split` ("train" or absent: to fit on; anything else: held out). Other fields and
//! columns are ignored. Beyond 2²¹ rows, those that differ in nothing but weight are merged, and counted.

mod arena;
mod battles;
mod collect;
pub(crate) mod content;
mod explicit;
mod merge;
mod trl;
mod winner;

use crate::error::{Place, quoted};
use crate::input::Line;
use crate::json::{Field, parse_object};
use crate::{BothBad, Catalog, DataError, Dataset, Format, LineReader};
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
    /// What is to become of battles in which both responses were bad.
    pub both_bad: BothBad,
    /// Keep what prompts and responses say, where the comparisons tell it: memory then grows with the texts.
    pub keep_texts: bool,
}

/// The one prompt of battles without a `prompt_id`.
const ONLY_PROMPT: &str = "all";

/// Reads comparisons; "-" is standard input, and gzip and zstd are decoded.
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
    let mut format = detect(first, path)?;
    lines.unread();
    let mut collector = Collector::new(catalog, options);
    match format {
        Format::Explicit => explicit::read(lines, &mut collector)?,
        Format::Battles => battles::read(lines, &mut collector)?,
        Format::Arena => arena::read(lines, &mut collector)?,
        // Which of its kinds, its own reader says.
        _ => format = trl::read(lines, &mut collector)?,
    }
    collector.finish(format, path)
}

impl Dataset {
    /// The candidates of a catalog without any comparison, for models and policies to be applied to.
    ///
    /// The checks are those of [`read_comparisons`]; only
    /// [`allow_single_candidates`](ReadOptions::allow_single_candidates) matters of the options.
    ///
    /// # Errors
    /// [`DataError`] if the catalog lists no responses, or a prompt has one candidate.
    pub fn without_comparisons(catalog: Catalog, options: ReadOptions) -> Result<Self, DataError> {
        let Some(path) = catalog.responses_in.clone() else {
            let expected = "responses beside the prompts";
            return Err(DataError::file(&catalog.prompts_in, expected, "prompts alone"));
        };
        Collector::new(Some(catalog), options).finish(Format::Explicit, &path)
    }
}

/// Refuses a line of another format than the first; passes one that is merely wrong.
#[cold]
fn mixed(first: Format, text: &str, place: Place<'_>) -> Result<(), DataError> {
    let other = detect(Line { number: place.line, text }, place.path)?;
    // The kinds of chosen and rejected pairs are told apart by more than the names of fields.
    let same = other == first && matches!(first, Format::Explicit | Format::Arena);
    if same {
        return Ok(());
    }
    let found = match (first, other) {
        (Format::Explicit | Format::Arena, other) => other.fields(),
        (_, Format::Explicit | Format::Arena | Format::Battles) => other.fields(),
        _ => "another kind of \"chosen\" and \"rejected\"",
    };
    Err(place.error(format!("{}, as in the lines before", first.fields()), found))
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
        #[serde(borrow, default)]
        model_a: Field<'a>,
        #[serde(borrow, default)]
        model_b: Field<'a>,
    }
    const EXPECTED: &str = "fields \"prompt_id\", \"response_a_id\", \"response_b_id\" and \"label\", \
                            or \"prompt\", \"chosen\" and \"rejected\", \
                            or \"model_a\", \"model_b\" and \"winner\"";

    let place = Place { path, line: first.number };
    let text = first.text.trim();
    if text.starts_with('[') {
        let found = "a JSON array (jq -c '.[]' FILE writes one object a line)";
        return Err(place.error("one JSON object a line, or CSV", found));
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
    } else if named(&probe.model_a) || named(&probe.model_b) {
        Ok(Format::Arena)
    } else {
        let fields: serde_json::Map<String, serde_json::Value> = parse_object(text, place)?;
        let fields: Vec<String> = fields.keys().map(|name| quoted(name)).collect();
        let found = if fields.is_empty() { "none".to_owned() } else { fields.join(", ") };
        Err(place.error(EXPECTED, found))
    }
}
