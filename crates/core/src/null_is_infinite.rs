//! JSON has no infinity: `#[serde(with = "nlhf_core::null_is_infinite")]` writes it as null and reads it back.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Writes a number that is not finite as null.
///
/// # Errors
/// Those of the serializer.
pub fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    value.is_finite().then_some(*value).serialize(serializer)
}

/// Reads null as +∞.
///
/// # Errors
/// Those of the deserializer.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or(f64::INFINITY))
}
