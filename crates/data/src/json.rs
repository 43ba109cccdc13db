//! JSON fields of any type, so that a wrong one is an error that names the field.
//!
//! A derived `Deserialize` stops at the first wrong type and does not know the name of the field. Here
//! every field is read as whatever it is, without copying text that has no escapes, and asked for what
//! it should be afterwards.

use crate::DataError;
use crate::error::{Place, quoted};
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::borrow::Cow;
use std::fmt;

/// The value of a field.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) enum Field<'a> {
    #[default]
    Missing,
    Null,
    Bool(bool),
    Integer(i128),
    Number(f64),
    Text(Cow<'a, str>),
    Array,
    Object,
}

/// Reads one JSON object.
pub(crate) fn parse_object<'a, T: Deserialize<'a>>(
    text: &'a str,
    place: Place<'_>,
) -> Result<T, DataError> {
    if text.trim_start().starts_with('{') {
        serde_json::from_str(text).map_err(|reason| place.json(reason))
    } else {
        Err(place.error("one JSON object", quoted(text.trim())))
    }
}

impl Field<'_> {
    /// Neither missing nor null.
    pub(crate) fn is_present(&self) -> bool {
        !matches!(self, Self::Missing | Self::Null)
    }

    /// An id: a string, or an integer taken for its digits.
    pub(crate) fn id(&self, name: &str, place: Place<'_>) -> Result<Cow<'_, str>, DataError> {
        match self {
            Self::Text(text) => Ok(Cow::Borrowed(text)),
            Self::Integer(integer) => Ok(Cow::Owned(integer.to_string())),
            other => Err(place.error(format!("\"{name}\" to be a string"), other.found())),
        }
    }

    /// An id that may be missing or null.
    pub(crate) fn optional_id(
        &self,
        name: &str,
        place: Place<'_>,
    ) -> Result<Option<Cow<'_, str>>, DataError> {
        if self.is_present() { self.id(name, place).map(Some) } else { Ok(None) }
    }

    /// The number, if it is one.
    pub(crate) fn as_number(&self) -> Option<f64> {
        match *self {
            Self::Integer(integer) => Some(integer as f64),
            Self::Number(number) => Some(number),
            _ => None,
        }
    }

    /// What the field is, for an error.
    pub(crate) fn found(&self) -> String {
        match self {
            Self::Missing => "a line without it".to_owned(),
            Self::Null => "null".to_owned(),
            Self::Bool(value) => value.to_string(),
            Self::Integer(value) => value.to_string(),
            Self::Number(value) => value.to_string(),
            Self::Text(text) => quoted(text),
            Self::Array => "an array".to_owned(),
            Self::Object => "an object".to_owned(),
        }
    }
}

/// Reads a JSON value of any type: arrays its own way, everything else as a [`Field`].
pub(crate) trait ReadValue<'de>: Sized {
    type Value;

    fn array<A: SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error>;

    fn other(self, field: Field<'de>) -> Self::Value;
}

/// A [`ReadValue`] as serde takes it.
pub(crate) struct Reading<R>(pub(crate) R);

impl<'de, R: ReadValue<'de>> DeserializeSeed<'de> for Reading<R> {
    type Value = R::Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, R: ReadValue<'de>> Visitor<'de> for Reading<R> {
    type Value = R::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(self.0.other(Field::Null))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(self.0.other(Field::Bool(value)))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
        Ok(self.0.other(Field::Integer(value.into())))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
        Ok(self.0.other(Field::Integer(value.into())))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Self::Value, E> {
        Ok(self.0.other(Field::Number(value)))
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(self.0.other(Field::Text(Cow::Borrowed(text))))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(self.0.other(Field::Text(Cow::Owned(text.to_owned()))))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error> {
        self.0.array(seq)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(self.0.other(Field::Object))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Field<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Reading(AnyField).deserialize(deserializer)
    }
}

struct AnyField;

impl<'de> ReadValue<'de> for AnyField {
    type Value = Field<'de>;

    fn array<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Field<'de>, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Field::Array)
    }

    fn other(self, field: Field<'de>) -> Field<'de> {
        field
    }
}

/// A list of fields, or what is there instead.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum List<'a> {
    Items(Vec<Field<'a>>),
    Other(Field<'a>),
}

impl<'a> List<'a> {
    /// The items, of the field of this name.
    pub(crate) fn items(&self, name: &str, place: Place<'_>) -> Result<&[Field<'a>], DataError> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn every_value_is_read_as_what_it_is() {
        let read = |text| serde_json::from_str::<Field<'_>>(text).unwrap();
        assert_eq!(read("null"), Field::Null);
        assert_eq!(read("true"), Field::Bool(true));
        assert_eq!(read("-3"), Field::Integer(-3));
        assert_eq!(read("1.5"), Field::Number(1.5));
        assert!(matches!(read("\"plain\""), Field::Text(Cow::Borrowed("plain"))));
        assert_eq!(read(r#""a\nb""#), Field::Text(Cow::Borrowed("a\nb")));
        assert_eq!(read("[1, {\"a\": []}]"), Field::Array);
        assert_eq!(read("{\"a\": [1]}"), Field::Object);
    }

    #[test]
    fn ids_are_strings_or_integers() {
        let place = Place { path: Path::new("x"), line: 2 };
        assert_eq!(Field::Integer(17).id("prompt_id", place).unwrap(), "17");
        assert_eq!(Field::Null.optional_id("prompt_id", place).unwrap(), None);
        let error = Field::Number(1.5).id("prompt_id", place).unwrap_err().to_string();
        assert_eq!(error, "x:2: expected \"prompt_id\" to be a string, found 1.5");
    }
}
