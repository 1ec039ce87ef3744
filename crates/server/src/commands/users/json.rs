//! The fields of a JSON object, and their errors. A field may be read only once, and no error contains a value.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{Error as _, MapAccess, Visitor},
};
use serde_json::Value;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// A formal error of a line, before the account that it describes is examined.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum LineFault {
    #[error("is longer than 64 KiB")]
    TooLong,
    #[error("is not UTF-8")]
    NotUtf8,
    #[error("is not JSON, from column {column} on")]
    NotJson { column: usize },
    #[error("is not one JSON object in which every field stands once")]
    NotAnObject,
    #[error("there is no id")]
    NoId,
    #[error("id is neither a whole number nor a UUID")]
    InvalidId,
    #[error("there is no {field}")]
    Missing { field: &'static str },
    #[error("{field} is not {wanted}")]
    WrongType {
        field: &'static str,
        wanted: &'static str,
    },
}

impl LineFault {
    /// The stable code in reports.
    pub(super) const fn code(&self) -> &'static str {
        match self {
            Self::TooLong => "line_too_long",
            Self::NotUtf8 => "not_utf8",
            Self::NotJson { .. } => "not_json",
            Self::NotAnObject => "not_an_object",
            Self::NoId => "no_id",
            Self::InvalidId => "invalid_id",
            Self::Missing { .. } => "missing_field",
            Self::WrongType { .. } => "wrong_type",
        }
    }
}

/// The type of a subject. A number would lose digits.
const SUBJECT: &str = "a text in quotation marks";

/// The fields that were not read yet. `null` counts as absent.
pub(super) struct Fields(Vec<(String, Value)>);

impl Fields {
    pub(super) fn parse(line: &[u8]) -> Result<Self, LineFault> {
        let text = str::from_utf8(line).map_err(|_| LineFault::NotUtf8)?;
        // Not serde's message, which would quote the line.
        serde_json::from_str(text).map_err(|error| match error.classify() {
            serde_json::error::Category::Data => LineFault::NotAnObject,
            _ => LineFault::NotJson {
                column: error.column(),
            },
        })
    }

    /// The names of the remaining fields, as far as they are valid names.
    pub(super) fn into_names(self) -> impl Iterator<Item = String> {
        let is_name = |name: &String| {
            let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
            (1..=40).contains(&name.len()) && name.bytes().all(is_plain)
        };
        let names = self.0.into_iter().map(|(name, _)| name);
        names.map(move |name| {
            if is_name(&name) {
                name
            } else {
                "(no plain name)".to_owned()
            }
        })
    }

    pub(super) fn take(&mut self, field: &str) -> Option<Value> {
        let position = self.0.iter().position(|(name, _)| name == field)?;
        let (_, value) = self.0.swap_remove(position);
        (!value.is_null()).then_some(value)
    }

    pub(super) fn text(&mut self, field: &'static str) -> Result<Option<String>, LineFault> {
        self.value(field, "a text", |value| match value {
            Value::String(text) => Some(text),
            _ => None,
        })
    }

    /// A string that is not blank.
    pub(super) fn subject(&mut self, field: &'static str) -> Result<Option<String>, LineFault> {
        let text = self.value(field, SUBJECT, |value| match value {
            Value::String(text) => Some(text),
            _ => None,
        })?;
        Ok(text.filter(|text| !text.trim().is_empty()))
    }

    /// An object of such strings.
    pub(super) fn subjects(
        &mut self,
        field: &'static str,
    ) -> Result<Vec<(String, String)>, LineFault> {
        let wanted = "an object of texts by the names of providers";
        let all = self.value(field, wanted, |value| {
            let Value::Object(all) = value else {
                return None;
            };
            let subjects = all.into_iter().filter(|(_, subject)| !subject.is_null());
            subjects
                .map(|(name, subject)| Some((name, subject.as_str()?.to_owned())))
                .collect::<Option<Vec<_>>>()
        })?;
        let mut all = all.unwrap_or_default();
        all.retain(|(_, subject)| !subject.trim().is_empty());
        Ok(all)
    }

    /// A boolean; 0 and 1 are accepted too, because some databases have no booleans.
    pub(super) fn flag(&mut self, field: &'static str) -> Result<Option<bool>, LineFault> {
        self.value(field, "true or false", |value| match value {
            Value::Bool(flag) => Some(flag),
            Value::Number(number) => match number.as_u64() {
                Some(0) => Some(false),
                Some(1) => Some(true),
                _ => None,
            },
            _ => None,
        })
    }

    pub(super) fn number(&mut self, field: &'static str) -> Result<Option<i64>, LineFault> {
        self.value(field, "a whole number", |value| value.as_i64())
    }

    pub(super) fn time(
        &mut self,
        field: &'static str,
    ) -> Result<Option<OffsetDateTime>, LineFault> {
        let wanted = "a time as in RFC 3339, such as 2024-05-06T07:08:09+01:00";
        self.value(field, wanted, |value| {
            OffsetDateTime::parse(value.as_str()?.trim(), &Rfc3339).ok()
        })
    }

    fn value<T>(
        &mut self,
        field: &'static str,
        wanted: &'static str,
        read: impl FnOnce(Value) -> Option<T>,
    ) -> Result<Option<T>, LineFault> {
        let wrong = LineFault::WrongType { field, wanted };
        self.take(field)
            .map(|value| read(value).ok_or(wrong))
            .transpose()
    }
}

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Object)
    }
}

struct Object;

impl<'de> Visitor<'de> for Object {
    type Value = Fields;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
        let mut fields: Vec<(String, Value)> = Vec::with_capacity(24);
        while let Some((name, value)) = map.next_entry::<String, Value>()? {
            if fields.iter().any(|(other, _)| *other == name) {
                return Err(A::Error::custom("a field twice"));
            }
            fields.push((name, value));
        }
        Ok(Fields(fields))
    }
}
