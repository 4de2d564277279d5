//! How an extractor is named.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize, Serializer};

use super::{ExtractError, ExtractorSpec};
use crate::worktree::WorkTree;

/// `extractor:` of a stage.
#[derive(Debug, Clone, PartialEq)]
pub enum ExtractorRef {
    /// one that comes with retake
    Preset(String),
    /// a YAML file, relative to the project root or absolute
    File(String),
    /// the extractor itself
    Here(Box<ExtractorSpec>),
}

impl ExtractorRef {
    /// Puts the extractor in the place of its name, its layers in the place of theirs.
    pub fn resolve(&mut self, tree: &WorkTree) -> Result<&mut ExtractorSpec, ExtractError> {
        let mut spec = match self {
            Self::Preset(name) => ExtractorSpec::preset(name)?,
            Self::File(path) => {
                let path = tree.root().join(path);
                let text = tree.read(&path);
                let text = text.map_err(|source| ExtractError::Io { path, source })?;
                ExtractorSpec::from_yaml(&text)?
            }
            Self::Here(spec) => (**spec).clone(),
        };
        spec.resolve(tree)?;
        *self = Self::Here(Box::new(spec));
        match self {
            Self::Here(spec) => Ok(spec),
            Self::Preset(_) | Self::File(_) => unreachable!("just replaced"),
        }
    }

    /// The extractor, once resolved.
    pub fn spec(&self) -> Option<&ExtractorSpec> {
        match self {
            Self::Here(spec) => Some(spec),
            Self::Preset(_) | Self::File(_) => None,
        }
    }
}

impl Serialize for ExtractorRef {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Preset(name) => serializer.serialize_str(name),
            Self::File(path) => serializer.collect_str(&format_args!("file:{path}")),
            Self::Here(spec) => spec.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for ExtractorRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct RefVisitor;
        impl<'de> Visitor<'de> for RefVisitor {
            type Value = ExtractorRef;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(
                    f,
                    "an extractor: {}, `file:PATH`, or a mapping",
                    ExtractorSpec::presets().join(", ")
                )
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<ExtractorRef, E> {
                if let Some(path) = text.strip_prefix("file:") {
                    return Ok(ExtractorRef::File(path.to_owned()));
                }
                match ExtractorSpec::preset(text) {
                    Ok(_) => Ok(ExtractorRef::Preset(text.to_owned())),
                    Err(error) => Err(E::custom(error)),
                }
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<ExtractorRef, A::Error> {
                let spec = ExtractorSpec::deserialize(MapAccessDeserializer::new(map))?;
                Ok(ExtractorRef::Here(Box::new(spec)))
            }
        }
        deserializer.deserialize_any(RefVisitor)
    }
}

impl JsonSchema for ExtractorRef {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ExtractorRef".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let spec = generator.subschema_for::<ExtractorSpec>();
        json_schema!({
            "description": "A network that gives features: one that comes with retake, `file:PATH`, or the extractor itself.",
            "anyOf": [
                {"type": "string", "enum": ExtractorSpec::presets()},
                {"type": "string", "pattern": "^file:"},
                spec
            ]
        })
    }
}
