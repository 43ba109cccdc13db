//! Who won a battle, in the words of chatbot arenas.

use super::collect::Collector;
use crate::error::{Place, quoted};
use crate::{BothBad, DataError};
use nlhf_core::Label;

/// The label of a battle; `None`, and counted, if both were bad and such battles are to be dropped.
pub(super) fn label(
    winner: &str,
    collector: &mut Collector,
    place: Place<'_>,
) -> Result<Option<Label>, DataError> {
    Ok(match winner {
        "model_a" | "a" => Some(Label::WIN),
        "model_b" | "b" => Some(Label::LOSS),
        "tie" => Some(Label::TIE),
        "tie (bothbad)" | "both_bad" | "bothbad" => match collector.count_both_bad() {
            BothBad::Tie => Some(Label::TIE),
            BothBad::Drop => None,
        },
        other => {
            let expected =
                "\"winner\" to be model_a, model_b, a, b, tie, tie (bothbad) or both_bad";
            return Err(place.error(expected, quoted(other)));
        }
    })
}
