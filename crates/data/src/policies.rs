//! Policies read back: as references of the menus of a data set, or as what names the menus.
//!
//! ```text
//! {"prompt_id": "p1", "response_ids": ["x", "y"], "log_probabilities": [-0.1, null]}
//! {"prompt_id": "p2", "response_ids": ["z"], "probabilities": [1.0]}
//! ```
//! Logarithms are preferred if both are there, and taken to the last bit if they sum to one within
//! 1e-9; the order of the responses may be another than that of the menu. Other fields are ignored.

use crate::error::{Place, quoted};
use crate::json::{Field, ReadValue, Reading, parse_object};
use crate::{Catalog, DataError, Dataset, LineReader};
use nlhf_core::{Distribution, DistributionError, Menu, PromptId, ResponseId};
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, SeqAccess};
use std::path::Path;

/// How far a policy written with few digits may be from one in sum.
const SUM_TOLERANCE: f64 = 1e-6;
/// A response that is not in the menu at hand.
const ABSENT: usize = usize::MAX;

impl Catalog {
    /// Reads the prompts that a file of policies names, and their candidates, in the order of the file. Unlike
    /// in a file of responses, several prompts may share a candidate. The probabilities are left to
    /// [`read_policies`].
    ///
    /// # Errors
    /// If the file cannot be read or is empty, a line lacks an id or has no candidate, or a prompt
    /// stands on two lines or a candidate twice on one.
    pub fn from_policies(policies: &Path) -> Result<Self, DataError> {
        let mut catalog = Self::without_prompts(policies.to_path_buf());
        let mut lines = LineReader::open(policies)?;
        // Of each response, the prompt that named it last.
        let mut named_by: Vec<PromptId> = Vec::new();
        while let Some(line) = lines.next_line()? {
            let place = Place { path: policies, line: line.number };
            let row: Row<'_> = parse_object(line.text, place)?;
            let prompt = catalog.add_prompt(&row.prompt_id.id("prompt_id", place)?, place)?;
            let ids = row.response_ids.items("response_ids", place)?;
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
        }
        if catalog.prompts.is_empty() {
            return Err(DataError::empty(policies, "one policy a line"));
        }
        catalog.responses_in = Some(policies.to_path_buf());
        Ok(catalog)
    }
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
        let policy = row.policy(menu, dataset, &mut place_in_menu, place)?;
        policies[position] = Some(policy);
    }
    if is_empty {
        return Err(DataError::empty(path, "one policy a line"));
    }
    Ok(policies)
}

#[derive(Deserialize)]
struct Row<'a> {
    #[serde(borrow, default)]
    prompt_id: Field<'a>,
    #[serde(borrow, default)]
    response_ids: List<'a>,
    #[serde(borrow, default)]
    probabilities: List<'a>,
    #[serde(borrow, default)]
    log_probabilities: List<'a>,
}

impl Row<'_> {
    /// The policy in the order of the menu. `place_in_menu` holds the place of each of its responses
    /// and [`ABSENT`] elsewhere, and is [`ABSENT`] everywhere afterwards if all is well.
    fn policy(
        &self,
        menu: Menu<'_>,
        dataset: &Dataset,
        place_in_menu: &mut [usize],
        place: Place<'_>,
    ) -> Result<Distribution, DataError> {
        let ids = self.response_ids.items("response_ids", place)?;
        let logarithms = matches!(self.log_probabilities, List::Items(_));
        let (field, list) = if logarithms {
            ("log_probabilities", &self.log_probabilities)
        } else {
            ("probabilities", &self.probabilities)
        };
        let numbers = list.items(field, place)?;
        if numbers.len() != ids.len() {
            let expected =
                format!("\"{field}\" to have {} entries like \"response_ids\"", ids.len());
            return Err(place.error(expected, numbers.len().to_string()));
        }
        let mut values = vec![0.0; menu.len()];
        for (k, (id, number)) in ids.iter().zip(numbers).enumerate() {
            let name = id.id("response_ids", place)?;
            let response = dataset.responses.get(&name).map(ResponseId::new);
            let at = response.map_or(ABSENT, |response| {
                std::mem::replace(&mut place_in_menu[response.index()], ABSENT)
            });
            if at == ABSENT {
                return Err(candidate_expected(&name, place));
            }
            values[at] = match number {
                Field::Null if logarithms => f64::NEG_INFINITY,
                _ => number.as_number().ok_or_else(|| {
                    let found = format!("{} as entry {}", number.found(), k + 1);
                    place.error(format!("\"{field}\" to be a list of numbers"), found)
                })?,
            };
        }
        if ids.len() < menu.len() {
            let mut left_out = menu.responses().iter().map(|response| response.index());
            let first = left_out.find(|index| place_in_menu[*index] != ABSENT).unwrap_or_default();
            let expected = format!("\"response_ids\" to name all {} candidates", menu.len());
            let found = format!("no {}", quoted(dataset.responses.name(first)));
            return Err(place.error(expected, found));
        }
        let policy = if logarithms { of_logarithms(values) } else { of_probabilities(&values) };
        policy.map_err(|error| place.error(format!("\"{field}\" of a policy"), error.to_string()))
    }
}

fn candidate_expected(name: &str, place: Place<'_>) -> DataError {
    place.error("\"response_ids\" to name each candidate of the prompt once", quoted(name))
}

fn of_logarithms(logs: Vec<f64>) -> Result<Distribution, DistributionError> {
    match Distribution::from_log_probabilities(logs.clone()) {
        Err(DistributionError::Sum { sum }) if (sum - 1.0).abs() <= SUM_TOLERANCE => {
            Distribution::from_logits(logs)
        }
        result => result,
    }
}

fn of_probabilities(values: &[f64]) -> Result<Distribution, DistributionError> {
    let policy = Distribution::from_masses(values)?;
    let sum: f64 = values.iter().sum();
    if (sum - 1.0).abs() <= SUM_TOLERANCE {
        Ok(policy)
    } else {
        Err(DistributionError::Sum { sum })
    }
}

/// A list of fields, or what is there instead.
enum List<'a> {
    Items(Vec<Field<'a>>),
    Other(Field<'a>),
}

impl<'a> List<'a> {
    fn items(&self, name: &str, place: Place<'_>) -> Result<&[Field<'a>], DataError> {
        match self {
            Self::Items(items) => Ok(items),
            Self::Other(other) => {
                Err(place.error(format!("\"{name}\" to be a list"), other.found()))
            }
        }
    }
}

impl Default for List<'_> {
    fn default() -> Self {
        Self::Other(Field::Missing)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for List<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Reading(ReadList).deserialize(deserializer)
    }
}

struct ReadList;

impl<'de> ReadValue<'de> for ReadList {
    type Value = List<'de>;

    fn array<A: SeqAccess<'de>>(self, mut seq: A) -> Result<List<'de>, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(List::Items(items))
    }

    fn other(self, field: Field<'de>) -> List<'de> {
        List::Other(field)
    }
}
