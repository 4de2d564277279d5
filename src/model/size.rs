//! Kernel sizes, strides and paddings in their short and long spellings.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

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
