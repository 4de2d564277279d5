//! Sizes that depend on the data: symbols, and products of them with numbers.

use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, Serialize, Serializer};

use super::error::nearest;

/// The values of the symbols that a network may use where a size stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Dims {
    /// length of the noise vector z
    pub latent: usize,
    /// number of label classes; 0 without labels
    pub classes: usize,
    /// colour channels of an image
    pub channels: usize,
    /// rows of an image
    pub height: usize,
    /// columns of an image
    pub width: usize,
}

impl Dims {
    fn value(&self, symbol: Symbol) -> usize {
        match symbol {
            Symbol::Channels => self.channels,
            Symbol::Classes => self.classes,
            Symbol::Height => self.height,
            Symbol::Latent => self.latent,
            Symbol::Width => self.width,
        }
    }
}

/// A size that is known once the data is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Symbol {
    /// colour channels
    Channels,
    /// label classes
    Classes,
    /// image rows
    Height,
    /// length of z
    Latent,
    /// image columns
    Width,
}

impl Symbol {
    const ALL: [(&'static str, Self); 5] = [
        ("channels", Self::Channels),
        ("classes", Self::Classes),
        ("height", Self::Height),
        ("latent", Self::Latent),
        ("width", Self::Width),
    ];

    fn named(text: &str) -> Result<Self, BadDim> {
        let found = Self::ALL.iter().find(|(name, _)| *name == text);
        found.map(|(_, symbol)| *symbol).ok_or_else(|| {
            let names = Self::ALL.map(|(name, _)| name);
            BadDim(match nearest(text, &names) {
                Some(near) => format!("unknown size `{text}`: did you mean `{near}`?"),
                None => format!(
                    "unknown size `{text}`: expected a number or one of {}",
                    names.join(", ")
                ),
            })
        })
    }
}

impl fmt::Display for Symbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = Self::ALL.iter().find(|(_, symbol)| symbol == self);
        f.write_str(named.map_or("", |(name, _)| name))
    }
}

/// A size: a number, or numbers and symbols multiplied and divided (`height*width`, `width/4`).
///
/// Kept reduced and sorted, so that two spellings of one size are equal and serialise equally.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dim {
    times: usize,
    over: usize,
    symbols: Vec<Symbol>,
}

/// Text that is no size.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadDim(String);

impl Dim {
    /// Whether it is the same whatever the data.
    pub fn is_fixed(&self) -> bool {
        self.symbols.is_empty()
    }

    /// The size in numbers, or what keeps it from being one.
    pub fn value(&self, dims: &Dims) -> Result<usize, String> {
        let mut product = self.times;
        for &symbol in &self.symbols {
            let value = dims.value(symbol);
            if value == 0 {
                return Err(format!(
                    "the size `{self}` is 0, because `{symbol}` is 0 in this data"
                ));
            }
            product = product
                .checked_mul(value)
                .ok_or_else(|| format!("the size `{self}` is too large"))?;
        }
        if !product.is_multiple_of(self.over) {
            return Err(format!(
                "the size `{self}` is {product}/{}, not a whole number",
                self.over
            ));
        }
        Ok(product / self.over)
    }
}

impl From<usize> for Dim {
    fn from(number: usize) -> Self {
        Self {
            times: number,
            over: 1,
            symbols: Vec::new(),
        }
    }
}

impl FromStr for Dim {
    type Err = BadDim;
    fn from_str(text: &str) -> Result<Self, BadDim> {
        let mut dim = Self::from(1);
        let mut rest = text;
        let mut divide = false;
        loop {
            let end = rest.find(['*', '/']).unwrap_or(rest.len());
            let factor = rest[..end].trim();
            let number = factor.parse::<usize>().ok();
            let into = if divide {
                &mut dim.over
            } else {
                &mut dim.times
            };
            match number {
                Some(0) => return Err(BadDim(format!("a size of 0 in `{text}`"))),
                Some(number) => {
                    *into = into
                        .checked_mul(number)
                        .ok_or_else(|| BadDim(format!("the size `{text}` is too large")))?;
                }
                None if divide => {
                    return Err(BadDim(format!(
                        "`{text}`: only a number can stand after `/`"
                    )));
                }
                None => dim.symbols.push(Symbol::named(factor)?),
            }
            match rest[end..].chars().next() {
                None => break,
                Some(operator) => divide = operator == '/',
            }
            rest = &rest[end + 1..];
        }
        dim.symbols.sort_unstable();
        let common = greatest_common_divisor(dim.times, dim.over);
        dim.times /= common;
        dim.over /= common;
        Ok(dim)
    }
}

fn greatest_common_divisor(mut a: usize, mut b: usize) -> usize {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

impl fmt::Display for Dim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut factors: Vec<String> = self.symbols.iter().map(Symbol::to_string).collect();
        if self.times != 1 || factors.is_empty() {
            factors.insert(0, self.times.to_string());
        }
        f.write_str(&factors.join("*"))?;
        if self.over == 1 {
            Ok(())
        } else {
            write!(f, "/{}", self.over)
        }
    }
}

impl Serialize for Dim {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.symbols.is_empty() && self.over == 1 {
            serializer.serialize_u64(self.times as u64)
        } else {
            serializer.collect_str(self)
        }
    }
}

impl<'de> Deserialize<'de> for Dim {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct DimVisitor;
        impl Visitor<'_> for DimVisitor {
            type Value = Dim;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a size: a positive number, or symbols such as `height*width`")
            }
            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Dim, E> {
                match usize::try_from(number) {
                    Ok(number) if number > 0 => Ok(Dim::from(number)),
                    _ => Err(E::invalid_value(de::Unexpected::Unsigned(number), &self)),
                }
            }
            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Dim, E> {
                match u64::try_from(number) {
                    Ok(number) => self.visit_u64(number),
                    Err(_) => Err(E::invalid_value(de::Unexpected::Signed(number), &self)),
                }
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Dim, E> {
                text.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_any(DimVisitor)
    }
}

impl JsonSchema for Dim {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Dim".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A size: a number, or numbers and the symbols `latent`, `classes`, `channels`, `height`, `width` multiplied and divided, as in `height*width`.",
            "anyOf": [{"type": "integer", "minimum": 1}, {"type": "string"}]
        })
    }
}
