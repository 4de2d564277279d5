//! Settings whose main number may stand alone: `gradient_penalty: 10` for `gradient_penalty: {weight: 10}`.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserializer, Error, MapAccess, Visitor, value::MapAccessDeserializer};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Number;

/// Settings with a main number.
pub trait Main: Sized {
    /// The settings that `number` alone stands for.
    fn of(number: Number) -> Result<Self, String>;

    /// The number, if it says all.
    fn alone(&self) -> Option<Number>;
}

/// `T`, which is read from its full form or its main number and written as briefly as can be: one form for one
/// meaning.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Brief<T>(pub T);

impl<T> Deref for Brief<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: Main + Serialize> Serialize for Brief<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.alone() {
            Some(number) => number.serialize(serializer),
            None => self.0.serialize(serializer),
        }
    }
}

impl<'de, T: Main + Deserialize<'de>> Deserialize<'de> for Brief<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visit<T>(PhantomData<T>);
        impl<'de, T: Main + Deserialize<'de>> Visitor<'de> for Visit<T> {
            type Value = Brief<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number, or a mapping")
            }
            fn visit_u64<E: Error>(self, number: u64) -> Result<Brief<T>, E> {
                T::of(number.into()).map(Brief).map_err(E::custom)
            }
            fn visit_i64<E: Error>(self, number: i64) -> Result<Brief<T>, E> {
                T::of(number.into()).map(Brief).map_err(E::custom)
            }
            fn visit_f64<E: Error>(self, number: f64) -> Result<Brief<T>, E> {
                let finite = Number::from_f64(number);
                let finite = finite.ok_or_else(|| E::custom(format!("{number} is not finite")))?;
                T::of(finite).map(Brief).map_err(E::custom)
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Brief<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(Brief)
            }
        }
        deserializer.deserialize_any(Visit(PhantomData))
    }
}

impl<T: JsonSchema> JsonSchema for Brief<T> {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        format!("Brief{}", T::schema_name()).into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let full = generator.subschema_for::<T>();
        json_schema!({"anyOf": [{"type": "number"}, full]})
    }
}

/// `number` as a float.
pub(super) fn float(number: &Number) -> f64 {
    number.as_f64().unwrap_or(f64::NAN)
}

/// `number` as a count.
pub(super) fn count(number: &Number) -> Result<u64, String> {
    number
        .as_u64()
        .ok_or_else(|| format!("{number} is not a whole number of at least 0"))
}
