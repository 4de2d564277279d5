//! YAML text to values.
//!
//! Mapping keys become strings. Of a key written twice the first value is kept and the fact noted:
//! where it happened is [`super::locate`]'s business.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Number, Value};

/// A document.
#[derive(Debug)]
pub struct Document {
    /// its content; null when the text is empty
    pub value: Value,
    /// whether some mapping holds a key twice
    pub duplicates: bool,
}

/// Text that is not YAML.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SyntaxError {
    /// what the parser says
    pub message: String,
    /// line and column in characters, from 1
    pub at: Option<(usize, usize)>,
}

/// Reads one YAML document.
///
/// ```
/// # use retake::spec::yaml::parse;
/// let document = parse("lr: 2e-4\nsteps: [{hflip: {}}]").unwrap();
/// assert_eq!(document.value, serde_json::json!({"lr": 2e-4, "steps": [{"hflip": {}}]}));
/// ```
pub fn parse(text: &str) -> Result<Document, SyntaxError> {
    let duplicates = Cell::new(false);
    let content = Content {
        duplicates: &duplicates,
    };
    if text
        .lines()
        .all(|line| line.is_empty() || line.starts_with('#'))
    {
        let value = Value::Null;
        return Ok(Document {
            value,
            duplicates: false,
        });
    }
    match content.deserialize(serde_yaml::Deserializer::from_str(text)) {
        Ok(value) => Ok(Document {
            value,
            duplicates: duplicates.get(),
        }),
        Err(error) => Err(syntax_error(&error)),
    }
}

/// Says what the parser says without the position, which the snippet shows.
fn syntax_error(error: &serde_yaml::Error) -> SyntaxError {
    let at = error
        .location()
        .map(|location| (location.line(), location.column()));
    let mut message = error.to_string();
    if let Some((line, column)) = at {
        message = message.replace(&format!(" at line {line} column {column}"), "");
    }
    if message.contains("recursion limit exceeded") {
        "nested more than 128 levels deep".clone_into(&mut message);
    }
    SyntaxError { message, at }
}

/// Builds a [`Value`] of whatever comes.
#[derive(Clone, Copy)]
struct Content<'a> {
    duplicates: &'a Cell<bool>,
}

impl<'de> DeserializeSeed<'de> for Content<'_> {
    type Value = Value;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Content<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a plain YAML value without tags")
    }
    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value)
            .map(Value::Number)
            .ok_or_else(|| E::custom(format!("{value} is not a finite number")))
    }
    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element_seed(self)? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut items = Map::new();
        while let Some(Key(key)) = map.next_key()? {
            if items.contains_key(&key) {
                self.duplicates.set(true);
                map.next_value::<IgnoredAny>()?;
            } else {
                items.insert(key, map.next_value_seed(self)?);
            }
        }
        Ok(Value::Object(items))
    }
}

/// A mapping key: any scalar, as text.
struct Key(String);

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Scalar;
        impl Visitor<'_> for Scalar {
            type Value = Key;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key that is a text or a number")
            }
            fn visit_bool<E>(self, value: bool) -> Result<Key, E> {
                Ok(Key(value.to_string()))
            }
            fn visit_i64<E>(self, value: i64) -> Result<Key, E> {
                Ok(Key(value.to_string()))
            }
            fn visit_u64<E>(self, value: u64) -> Result<Key, E> {
                Ok(Key(value.to_string()))
            }
            fn visit_f64<E>(self, value: f64) -> Result<Key, E> {
                Ok(Key(value.to_string()))
            }
            fn visit_str<E>(self, value: &str) -> Result<Key, E> {
                Ok(Key(value.to_owned()))
            }
        }
        deserializer.deserialize_any(Scalar)
    }
}
