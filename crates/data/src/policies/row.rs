//! One line of a file of policies.

use crate::DataError;
use crate::error::Place;
use crate::json::{Field, List};
use nlhf_core::{Distribution, DistributionError};
use serde::Deserialize;

/// How far a policy written with few digits may be from one in sum.
const SUM_TOLERANCE: f64 = 1e-6;
const LOG_PROBABILITIES: &str = "log_probabilities";

/// The fields of the line.
#[derive(Deserialize)]
pub(super) struct Row<'a> {
    #[serde(borrow, default)]
    pub(super) prompt_id: Field<'a>,
    #[serde(borrow, default)]
    response_ids: List<'a>,
    #[serde(borrow, default)]
    probabilities: List<'a>,
    #[serde(borrow, default)]
    log_probabilities: List<'a>,
    #[serde(borrow, default)]
    suboptimality_bound: Field<'a>,
}

/// The numbers of a policy in the order of its line.
pub(super) struct Numbers {
    field: &'static str,
    pub(super) values: Vec<f64>,
}

impl<'a> Row<'a> {
    /// The candidates, which may be none.
    pub(super) fn response_ids(&self, place: Place<'_>) -> Result<&[Field<'a>], DataError> {
        self.response_ids.items("response_ids", place)
    }

    /// One number a candidate: logarithms if there are any.
    pub(super) fn numbers(&self, place: Place<'_>) -> Result<Numbers, DataError> {
        let logarithms = matches!(self.log_probabilities, List::Items(_));
        let (field, list) = if logarithms {
            (LOG_PROBABILITIES, &self.log_probabilities)
        } else {
            ("probabilities", &self.probabilities)
        };
        let (numbers, n) = (list.items(field, place)?, self.response_ids(place)?.len());
        if numbers.len() != n {
            let expected = format!("\"{field}\" to have {n} entries like \"response_ids\"");
            return Err(place.error(expected, numbers.len().to_string()));
        }
        let value = |(k, number): (usize, &Field<'_>)| match number {
            Field::Null if logarithms => Ok(f64::NEG_INFINITY),
            _ => number.as_number().ok_or_else(|| {
                let found = format!("{} as entry {}", number.found(), k + 1);
                place.error(format!("\"{field}\" to be a list of numbers"), found)
            }),
        };
        let values = numbers.iter().enumerate().map(value).collect::<Result<_, _>>()?;
        Ok(Numbers { field, values })
    }

    /// The bound on what the policy loses, if the line tells it: infinite if it is null.
    pub(super) fn suboptimality_bound(&self, place: Place<'_>) -> Result<Option<f64>, DataError> {
        match &self.suboptimality_bound {
            Field::Missing => Ok(None),
            Field::Null => Ok(Some(f64::INFINITY)),
            field => match field.as_number() {
                Some(bound) => Ok(Some(bound)),
                None => Err(place.error("\"suboptimality_bound\" to be a number", field.found())),
            },
        }
    }
}

impl Numbers {
    /// The policy that the numbers are.
    pub(super) fn policy(self, place: Place<'_>) -> Result<Distribution, DataError> {
        let Self { field, values } = self;
        let policy = if field == LOG_PROBABILITIES {
            of_logarithms(values)
        } else {
            of_probabilities(&values)
        };
        policy.map_err(|error| place.error(format!("\"{field}\" of a policy"), error.to_string()))
    }
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
