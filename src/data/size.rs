//! Height and width as people write them: `64` or `[48, 64]`.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize, Serializer};

/// A height and a width in pixels. `64` means both; serialised as [height, width] always.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// rows
    pub height: usize,
    /// columns
    pub width: usize,
}

impl Serialize for Size {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        [self.height, self.width].serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visit;
        impl<'de> Visitor<'de> for Visit {
            type Value = Size;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number of pixels or [height, width]")
            }
            fn visit_u64<E: Error>(self, side: u64) -> Result<Size, E> {
                square(side)
            }
            fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<Size, A::Error> {
                let [height, width] = Deserialize::deserialize(SeqAccessDeserializer::new(items))?;
                Ok(Size { height, width })
            }
        }
        deserializer.deserialize_any(Visit)
    }
}

fn square<E: Error>(side: u64) -> Result<Size, E> {
    let side = usize::try_from(side).map_err(E::custom)?;
    Ok(Size {
        height: side,
        width: side,
    })
}

impl JsonSchema for Size {
    fn schema_name() -> Cow<'static, str> {
        "Size".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Pixels: one number for both sides, or [height, width].",
            "anyOf": [
                {"type": "integer", "minimum": 0},
                {"type": "array", "items": {"type": "integer", "minimum": 0}, "minItems": 2, "maxItems": 2}
            ]
        })
    }
}

/// Reads settings whose main field is a [`Size`] and may stand alone: `resize: 64` for
/// `resize: {size: 64}`. For `#[serde(deserialize_with)]`.
pub fn size_or_full<'de, D, F>(deserializer: D) -> Result<F, D::Error>
where
    D: Deserializer<'de>,
    F: Deserialize<'de> + From<Size>,
{
    struct Visit<F>(PhantomData<F>);
    impl<'de, F: Deserialize<'de> + From<Size>> Visitor<'de> for Visit<F> {
        type Value = F;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a number of pixels, [height, width] or a mapping")
        }
        fn visit_u64<E: Error>(self, side: u64) -> Result<F, E> {
            square(side).map(F::from)
        }
        fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<F, A::Error> {
            Size::deserialize(SeqAccessDeserializer::new(items)).map(F::from)
        }
        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<F, A::Error> {
            F::deserialize(MapAccessDeserializer::new(map))
        }
    }
    deserializer.deserialize_any(Visit(PhantomData))
}

/// [`size_or_full`] for a setting that may be left out.
pub fn optional_size_or_full<'de, D, F>(deserializer: D) -> Result<Option<F>, D::Error>
where
    D: Deserializer<'de>,
    F: Deserialize<'de> + From<Size>,
{
    struct Written<F>(F);
    impl<'de, F: Deserialize<'de> + From<Size>> Deserialize<'de> for Written<F> {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            size_or_full(deserializer).map(Self)
        }
    }
    let written: Option<Written<F>> = Option::deserialize(deserializer)?;
    Ok(written.map(|Written(full)| full))
}

/// The JSON Schema of what [`size_or_full`] reads. For `#[schemars(schema_with)]`.
pub fn size_or_full_schema<F: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    let (size, full) = (
        generator.subschema_for::<Size>(),
        generator.subschema_for::<F>(),
    );
    json_schema!({"anyOf": [size, full]})
}
