//! Explicit comparisons, one JSON object a line.
//!
//! ```text
//! {"prompt_id": "p1", "response_a_id": "p1:x", "response_b_id": "p1:y", "label": 0.5,
//!  "weight": 1.0, "annotator": "crowd:83", "split": "train"}        the last three may be absent
//! ```
//! `label` is the probability that response a, which was shown first, is preferred.

use super::collect::{Collector, Judgement, Named, label, weight};
use super::mixed;
use crate::error::Place;
use crate::json::{Field, parse_object};
use crate::{DataError, Format, LineReader};
use serde::Deserialize;

#[derive(Deserialize)]
struct Row<'a> {
    #[serde(borrow, default)]
    prompt_id: Field<'a>,
    #[serde(borrow, default)]
    response_a_id: Field<'a>,
    #[serde(borrow, default)]
    response_b_id: Field<'a>,
    #[serde(borrow, default)]
    label: Field<'a>,
    #[serde(borrow, default)]
    weight: Field<'a>,
    #[serde(borrow, default)]
    annotator: Field<'a>,
    #[serde(borrow, default)]
    split: Field<'a>,
}

pub(super) fn read(mut lines: LineReader, collector: &mut Collector) -> Result<(), DataError> {
    let path = lines.path().to_path_buf();
    while let Some(line) = lines.next_line()? {
        let place = Place { path: &path, line: line.number };
        let row: Row<'_> = parse_object(line.text, place)?;
        if !(row.response_a_id.is_present() || row.response_b_id.is_present()) {
            mixed(Format::Explicit, line.text, place)?;
        }
        let names = Named {
            prompt: &row.prompt_id.id("prompt_id", place)?,
            first: ("response_a_id", &row.response_a_id.id("response_a_id", place)?),
            second: ("response_b_id", &row.response_b_id.id("response_b_id", place)?),
        };
        let label = label(&row.label, place)?;
        let weight = weight(&row.weight, place)?;
        let annotator = row.annotator.optional_id("annotator", place)?;
        let split = row.split.optional_id("split", place)?;
        let (annotator, split) = (annotator.as_deref(), split.as_deref());
        if let Some(ids) = collector.resolve(&names, place)? {
            collector.push(ids, label, &Judgement { weight, annotator, split, line: place.line });
        }
    }
    Ok(())
}
