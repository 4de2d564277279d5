//! Kernel sizes, strides and paddings in their short and long spellings.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::SeqAccessDeserializer;
use serde::de::{self, Deserializer, IntoDeserializer, SeqAccess, Visitor};
use serde::{Deserialize, Serialize, Serializer};

/// Height and width; `3` is short for `[3, 3]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Spelling", into = "[usize; 2]")]
pub struct Pair {
    /// along the rows
    pub height: usize,
    /// along the columns
    pub width: usize,
}

/// What is added at each side of an image: `1` is short for `[1, 1, 1, 1]`, `[1, 2]` (height, width)
/// for `[1, 1, 2, 2]` (top, bottom, left, right).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "Spelling", into = "[usize; 4]")]
pub struct Sides {
    /// rows above
    pub top: usize,
    /// rows below
    pub bottom: usize,
    /// columns to the left
    pub left: usize,
    /// columns to the right
    pub right: usize,
}

/// More than any image, kernel or stride needs, and small enough that sums of them cannot overflow.
const LARGEST: usize = 1 << 16;

/// The padding of a convolution: what is added at each side, `valid` for nothing, or `same` for as many numbers
/// in the output as in the input, divided by the stride (times the stride if transposed). As in Keras, of an
/// odd number of rows or columns `same` puts the greater half below and to the right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Padding {
    /// as given
    Sides(Sides),
    /// as the sizes require
    Same,
}

impl Default for Padding {
    fn default() -> Self {
        Self::Sides(Sides::default())
    }
}

/// Height and width, which may be 0; `1` is short for `[1, 1]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(try_from = "Spelling")]
pub struct Extra {
    /// along the rows
    pub height: usize,
    /// along the columns
    pub width: usize,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a whole number or a list of them")]
enum Spelling {
    One(usize),
    Many(Vec<usize>),
}

impl Spelling {
    fn numbers(self) -> Result<Vec<usize>, String> {
        let numbers = match self {
            Self::One(number) => vec![number],
            Self::Many(numbers) => numbers,
        };
        match numbers.iter().find(|number| **number > LARGEST) {
            Some(number) => Err(format!("{number} is too large: at most {LARGEST}")),
            None => Ok(numbers),
        }
    }
}

impl Pair {
    /// The same in both directions.
    pub const fn square(side: usize) -> Self {
        Self {
            height: side,
            width: side,
        }
    }

    /// (height, width)
    pub const fn tuple(self) -> (usize, usize) {
        (self.height, self.width)
    }
}

impl TryFrom<Spelling> for Pair {
    type Error = String;
    fn try_from(spelling: Spelling) -> Result<Self, String> {
        match spelling.numbers()?[..] {
            [0] | [0, _] | [_, 0] => Err("must be at least 1".to_owned()),
            [side] => Ok(Self::square(side)),
            [height, width] => Ok(Self { height, width }),
            _ => Err("expected one number or two: height, width".to_owned()),
        }
    }
}

impl From<Pair> for [usize; 2] {
    fn from(pair: Pair) -> Self {
        [pair.height, pair.width]
    }
}

impl TryFrom<Spelling> for Sides {
    type Error = String;
    fn try_from(spelling: Spelling) -> Result<Self, String> {
        let (top, bottom, left, right) = match spelling.numbers()?[..] {
            [side] => (side, side, side, side),
            [height, width] => (height, height, width, width),
            [top, bottom, left, right] => (top, bottom, left, right),
            _ => {
                return Err(
                    "expected one number, two (height, width) or four (top, bottom, left, right)"
                        .to_owned(),
                );
            }
        };
        Ok(Self {
            top,
            bottom,
            left,
            right,
        })
    }
}

impl From<Sides> for [usize; 4] {
    fn from(sides: Sides) -> Self {
        [sides.top, sides.bottom, sides.left, sides.right]
    }
}

impl TryFrom<Spelling> for Extra {
    type Error = String;
    fn try_from(spelling: Spelling) -> Result<Self, String> {
        match spelling.numbers()?[..] {
            [side] => Ok(Self {
                height: side,
                width: side,
            }),
            [height, width] => Ok(Self { height, width }),
            _ => Err("expected one number or two: height, width".to_owned()),
        }
    }
}

impl Serialize for Extra {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.height == self.width {
            self.height.serialize(serializer)
        } else {
            [self.height, self.width].serialize(serializer)
        }
    }
}

impl Serialize for Padding {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Sides(sides) => sides.serialize(serializer),
            Self::Same => serializer.serialize_str("same"),
        }
    }
}

impl<'de> Deserialize<'de> for Padding {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PaddingVisitor;
        impl<'de> Visitor<'de> for PaddingVisitor {
            type Value = Padding;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a whole number, a list of them, `same` or `valid`")
            }
            fn visit_str<E: de::Error>(self, word: &str) -> Result<Padding, E> {
                match word {
                    "same" => Ok(Padding::Same),
                    "valid" => Ok(Padding::default()),
                    other => Err(E::invalid_value(de::Unexpected::Str(other), &self)),
                }
            }
            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Padding, E> {
                Sides::deserialize(number.into_deserializer()).map(Padding::Sides)
            }
            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Padding, E> {
                Sides::deserialize(number.into_deserializer()).map(Padding::Sides)
            }
            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Padding, A::Error> {
                Sides::deserialize(SeqAccessDeserializer::new(seq)).map(Padding::Sides)
            }
        }
        deserializer.deserialize_any(PaddingVisitor)
    }
}

impl JsonSchema for Extra {
    fn schema_name() -> Cow<'static, str> {
        "Extra".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let number = json_schema!({"type": "integer", "minimum": 0});
        json_schema!({
            "description": "Height and width; one number stands for both.",
            "anyOf": [number, {"type": "array", "items": number, "minItems": 1, "maxItems": 2}]
        })
    }
}

impl JsonSchema for Padding {
    fn schema_name() -> Cow<'static, str> {
        "Padding".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let sides = generator.subschema_for::<Sides>();
        json_schema!({
            "description": "Padding at each side, `valid` for none, or `same` as in Keras.",
            "anyOf": [sides, {"type": "string", "enum": ["same", "valid"]}]
        })
    }
}

impl JsonSchema for Pair {
    fn schema_name() -> Cow<'static, str> {
        "Pair".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let number = json_schema!({"type": "integer", "minimum": 1});
        json_schema!({
            "description": "Height and width; one number stands for both.",
            "anyOf": [number, {"type": "array", "items": number, "minItems": 1, "maxItems": 2}]
        })
    }
}

impl JsonSchema for Sides {
    fn schema_name() -> Cow<'static, str> {
        "Sides".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let number = json_schema!({"type": "integer", "minimum": 0});
        json_schema!({
            "description": "Padding: one number for all sides, two (height, width), or four (top, bottom, left, right).",
            "anyOf": [number, {"type": "array", "items": number, "minItems": 1, "maxItems": 4}]
        })
    }
}
