//! Policies read back: as references of the menus of a data set, or as what names the menus.
//!
//! ```text
//! {"prompt_id": "p1", "response_ids": ["x", "y"], "log_probabilities": [-0.1, null]}
//! {"prompt_id": "p2", "response_ids": ["z"], "probabilities": [1.0]}
//! ```
//! Logarithms are preferred if both are there, and taken to the last bit if they sum to one within
//! 1e-9; the order of the responses may be another than that of the menu. Other fields are ignored.

mod row;

use crate::error::{Place, quoted};
use crate::json::parse_object;
use crate::{Catalog, DataError, Dataset, LineReader, ReadOptions};
use nlhf_core::{Distribution, Menu, PromptId, ResponseId};
use row::Row;
use std::path::Path;

/// A response that is not in the menu at hand.
const ABSENT: usize = usize::MAX;

/// The policies of a file, and the prompts and candidates that it names.
#[derive(Debug, Clone)]
pub struct NamedPolicies {
    /// Prompts, candidates and menus in the order of the file, without comparisons.
    pub dataset: Dataset,
    /// The policy over each menu.
    pub policies: Vec<Distribution>,
    /// Of each, `suboptimality_bound` if the line tells it: infinite where it is null.
    pub suboptimality_bounds: Vec<Option<f64>>,
}

impl Catalog {
    /// Reads the prompts that a file of policies names, and their candidates, in the order of the file. Unlike
    /// in a file of responses, several prompts may share a candidate. The probabilities are left to
    /// [`read_policies`].
    ///
    /// # Errors
    /// If the file cannot be read or is empty, a line lacks an id or has no candidate, or a prompt
    /// stands on two lines or a candidate twice on one.
    pub fn from_policies(policies: &Path) -> Result<Self, DataError> {
        read_menus(policies, |_, _| Ok(()))
    }
}

/// Reads a file of policies by itself: what it names, and each policy over what its line names.
///
/// # Errors
/// Those of [`Catalog::from_policies`] and [`read_policies`].
pub fn read_named_policies(path: &Path) -> Result<NamedPolicies, DataError> {
    let (mut policies, mut suboptimality_bounds) = (Vec::new(), Vec::new());
    let catalog = read_menus(path, |row, place| {
        policies.push(row.numbers(place)?.policy(place)?);
        suboptimality_bounds.push(row.suboptimality_bound(place)?);
        Ok(())
    })?;
    let options = ReadOptions { allow_single_candidates: true, ..ReadOptions::default() };
    let dataset = Dataset::without_comparisons(catalog, options)?;
    Ok(NamedPolicies { dataset, policies, suboptimality_bounds })
}

/// Reads what a file of policies names, and shows each line to `look`.
fn read_menus(
    path: &Path,
    mut look: impl FnMut(&Row<'_>, Place<'_>) -> Result<(), DataError>,
) -> Result<Catalog, DataError> {
    let mut catalog = Catalog::without_prompts(path.to_path_buf());
    catalog.prompts_share_responses = true;
    let mut lines = LineReader::open(path)?;
    // Of each response, the prompt that named it last.
    let mut named_by: Vec<PromptId> = Vec::new();
    while let Some(line) = lines.next_line()? {
        let place = Place { path, line: line.number };
        let row: Row<'_> = parse_object(line.text, place)?;
        let prompt = catalog.add_prompt(&row.prompt_id.id("prompt_id", place)?, place)?;
        let ids = row.response_ids(place)?;
        if ids.is_empty() {
            return Err(place.error("\"response_ids\" of one candidate or more", "none"));
        }
        for id in ids {
            let name = id.id("response_ids", place)?;
            let response = catalog.add_candidate(prompt, &name, place.line);
            match named_by.get_mut(response.index()) {
                None => named_by.push(prompt),
                Some(by) if *by == prompt => return Err(candidate_expected(&name, place)),
                Some(by) => *by = prompt,
            }
        }
        look(&row, place)?;
    }
    if catalog.prompts.is_empty() {
        return Err(DataError::empty(path, "one policy a line"));
    }
    catalog.responses_in = Some(path.to_path_buf());
    Ok(catalog)
}

/// Reads the policies of prompts, one for each menu of `dataset` that the file has, in the order of
/// the menus.
///
/// # Errors
/// [`DataError`] naming the line that is no policy, names a prompt twice, names a prompt or a response
/// that has no place in the menus, or leaves a response out.
pub fn read_policies(
    path: &Path,
    dataset: &Dataset,
) -> Result<Vec<Option<Distribution>>, DataError> {
    let mut policies = vec![None; dataset.menus.len()];
    let mut place_in_menu = vec![ABSENT; dataset.responses.len()];
    let mut lines = LineReader::open(path)?;
    let mut is_empty = true;
    while let Some(line) = lines.next_line()? {
        is_empty = false;
        let place = Place { path, line: line.number };
        let row: Row<'_> = parse_object(line.text, place)?;
        let name = row.prompt_id.id("prompt_id", place)?;
        let prompt = dataset.prompts.get(&name).map(PromptId::new);
        let Some(position) = prompt.and_then(|prompt| dataset.menus.position(prompt)) else {
            let expected = "\"prompt_id\" to be a prompt of the data set";
            return Err(place.error(expected, quoted(&name)));
        };
        if policies[position].is_some() {
            let found = format!("{} again", quoted(&name));
            return Err(place.error("each \"prompt_id\" once", found));
        }
        let menu = dataset.menus.get(position);
        for (k, response) in menu.responses().iter().enumerate() {
            place_in_menu[response.index()] = k;
        }
        policies[position] = Some(over_menu(&row, menu, dataset, &mut place_in_menu, place)?);
    }
    if is_empty {
        return Err(DataError::empty(path, "one policy a line"));
    }
    Ok(policies)
}

/// The policy of a line in the order of the menu. `place_in_menu` holds the place of each of its responses
/// and [`ABSENT`] elsewhere, and is [`ABSENT`] everywhere afterwards if all is well.
fn over_menu(
    row: &Row<'_>,
    menu: Menu<'_>,
    dataset: &Dataset,
    place_in_menu: &mut [usize],
    place: Place<'_>,
) -> Result<Distribution, DataError> {
    let mut numbers = row.numbers(place)?;
    let ids = row.response_ids(place)?;
    let mut values = vec![0.0; menu.len()];
    for (id, value) in ids.iter().zip(&numbers.values) {
        let name = id.id("response_ids", place)?;
        let response = dataset.responses.get(&name).map(ResponseId::new);
        let at = response.map_or(ABSENT, |response| {
            std::mem::replace(&mut place_in_menu[response.index()], ABSENT)
        });
        if at == ABSENT {
            return Err(candidate_expected(&name, place));
        }
        values[at] = *value;
    }
    if ids.len() < menu.len() {
        let mut left_out = menu.responses().iter().map(|response| response.index());
        let first = left_out.find(|index| place_in_menu[*index] != ABSENT).unwrap_or_default();
        let expected = format!("\"response_ids\" to name all {} candidates", menu.len());
        let found = format!("no {}", quoted(dataset.responses.name(first)));
        return Err(place.error(expected, found));
    }
    numbers.values = values;
    numbers.policy(place)
}

fn candidate_expected(name: &str, place: Place<'_>) -> DataError {
    place.error("\"response_ids\" to name each candidate of the prompt once", quoted(name))
}
