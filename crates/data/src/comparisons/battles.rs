//! Battles between named models, CSV with a header, as chatbot arenas publish them.
//!
//! ```text
//! prompt_id,model_a,model_b,winner        prompt_id may be absent; any order; other columns ignored
//! o000,13b-guanaco,30b-guanaco,model_a
//! ```
//! `winner` is `model_a` or `a`, `model_b` or `b`, `tie`, or `tie (bothbad)` or `both_bad`; the last two
//! are counted, and ties unless they are to be dropped. A model is one response that all prompts share.

use super::collect::{Collector, Judgement, Named, weight_of_cell};
use super::{ONLY_PROMPT, winner};
use crate::error::{Place, quoted};
use crate::table::{Cells, Table, TableRow};
use crate::{DataError, LineReader};

pub(super) fn read(lines: LineReader, collector: &mut Collector) -> Result<(), DataError> {
    let mut table = Table::from_line(lines);
    let Some(header) = table.next_row()? else {
        return Err(DataError::empty(table.path(), "at least one comparison"));
    };
    let columns = Columns::find(header.cells, header.place)?;
    while let Some(TableRow { cells, place }) = table.next_row()? {
        read_row(cells, &columns, place, collector)?;
    }
    if collector.is_empty() {
        return Err(DataError::file(
            table.path(),
            "at least one comparison",
            "nothing but a header",
        ));
    }
    Ok(())
}

fn read_row(
    record: Cells<'_>,
    columns: &Columns,
    place: Place<'_>,
    collector: &mut Collector,
) -> Result<(), DataError> {
    let required = |name: &'static str, column: usize| match record.get(column) {
        Some("") => Err(place.error(format!("\"{name}\" to be a name"), "an empty cell")),
        Some(cell) => Ok(cell),
        None => {
            let found = format!("a row of {} columns", record.len());
            Err(place.error(format!("\"{name}\" in column {}", column + 1), found))
        }
    };
    let optional = |column: Option<usize>| column.and_then(|column| record.get(column));
    let present = |column| optional(column).filter(|cell: &&str| !cell.is_empty());
    let names = Named {
        prompt: match columns.prompt_id {
            Some(column) => required("prompt_id", column)?,
            None => ONLY_PROMPT,
        },
        first: ("model_a", required("model_a", columns.model_a)?),
        second: ("model_b", required("model_b", columns.model_b)?),
    };
    let winner = required("winner", columns.winner)?;
    let label = winner::label(winner, collector, place)?;
    let judgement = Judgement {
        weight: weight_of_cell(optional(columns.weight).unwrap_or_default(), place)?,
        annotator: present(columns.annotator),
        split: present(columns.split),
        line: place.line,
    };
    if let (Some(ids), Some(label)) = (collector.resolve(&names, place)?, label) {
        collector.push(ids, label, &judgement);
    }
    Ok(())
}

/// Where each column stands.
struct Columns {
    prompt_id: Option<usize>,
    model_a: usize,
    model_b: usize,
    winner: usize,
    weight: Option<usize>,
    annotator: Option<usize>,
    split: Option<usize>,
}

impl Columns {
    fn find(header: Cells<'_>, place: Place<'_>) -> Result<Self, DataError> {
        let optional = |name| header.iter().position(|column| column == name);
        let required = |name| {
            optional(name).ok_or_else(|| {
                let columns: Vec<&str> = header.iter().collect();
                let expected = "JSON, or a CSV header with columns model_a, model_b and winner";
                place.error(expected, quoted(&columns.join(",")))
            })
        };
        Ok(Self {
            prompt_id: optional("prompt_id"),
            model_a: required("model_a")?,
            model_b: required("model_b")?,
            winner: required("winner")?,
            weight: optional("weight"),
            annotator: optional("annotator"),
            split: optional("split"),
        })
    }
}
