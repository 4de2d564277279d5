//! `labels:` of a GAN: what its discriminator is told.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::range::below_one;
use crate::stage::Fault;
use crate::train::LabelNoise;

/// `labels:`, what the discriminator is told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LabelSettings {
    /// of real images: a number, or [low, high] to draw from; 1 if not given
    pub real: Span,
    /// of generated images; 0 if not given
    pub fake: Span,
    /// probability that an image is told the other kind's label, in [0, 1); 0 if not given
    #[serde(skip_serializing_if = "is_zero")]
    pub flip: f64,
}

/// A number, or a range to draw numbers from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Span {
    low: f64,
    high: f64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_zero(number: &f64) -> bool {
    *number == 0.0
}

impl Default for LabelSettings {
    fn default() -> Self {
        Self {
            real: Span::only(1.0),
            fake: Span::only(0.0),
            flip: 0.0,
        }
    }
}

impl Span {
    const fn only(number: f64) -> Self {
        Self {
            low: number,
            high: number,
        }
    }

    fn sound(self) -> bool {
        self.low.is_finite() && self.high.is_finite() && self.low <= self.high
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[expect(clippy::float_cmp, reason = "equal as written")]
        if self.low == self.high {
            return self.low.serialize(serializer);
        }
        [self.low, self.high].serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "expected a number or [low, high]")]
        enum Written {
            Only(f64),
            Both([f64; 2]),
        }
        Ok(match Written::deserialize(deserializer)? {
            Written::Only(number) => Self::only(number),
            Written::Both([low, high]) => Self { low, high },
        })
    }
}

impl JsonSchema for Span {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Span".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A number, or [low, high] to draw numbers from.",
            "anyOf": [
                {"type": "number"},
                {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2}
            ]
        })
    }
}

impl LabelSettings {
    pub(super) fn noise(&self) -> LabelNoise {
        LabelNoise {
            real: (self.real.low, self.real.high),
            fake: (self.fake.low, self.fake.high),
            flip: self.flip,
        }
    }

    pub(super) fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        for (path, span) in [("real", self.real), ("fake", self.fake)] {
            if !span.sound() {
                faults.push(Fault::at(path, "this is no range: write [low, high]"));
            }
        }
        below_one(&mut faults, "flip", "a probability", self.flip);
        faults
    }
}
