//! How a stage names its model.

use std::io;
use std::path::Path;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserializer, MapAccess, Visitor, value::MapAccessDeserializer};
use serde::{Deserialize, Serialize, Serializer};

use super::error::{ModelError, nearest};
use super::spec::ModelSpec;

/// `model:` of a stage: a preset's name, `file:PATH`, or the networks themselves.
#[derive(Debug, Clone, PartialEq)]
pub enum ModelRef {
    /// the name of a preset
    Preset(String),
    /// a YAML file, relative to the project root or absolute
    File(String),
    /// the networks
    Inline(ModelSpec),
}

impl ModelRef {
    /// Replaces a preset or file by its networks. Does nothing to networks.
    ///
    /// # Errors
    /// [`ModelError::UnknownPreset`]; [`ModelError::MissingFile`] when the file is not there;
    /// [`ModelError::Io`] when it cannot be read; [`ModelError::Text`] when it holds no model.
    pub fn resolve(&mut self, root: &Path) -> Result<(), ModelError> {
        let spec = match self {
            Self::Inline(_) => return Ok(()),
            Self::Preset(name) => {
                ModelSpec::preset(name).ok_or_else(|| ModelError::UnknownPreset {
                    name: name.clone(),
                    suggestion: nearest(name, ModelSpec::presets()).map(str::to_owned),
                })?
            }
            Self::File(path) => read(&root.join(path))?,
        };
        *self = Self::Inline(spec);
        Ok(())
    }

    /// The networks, once resolved.
    pub fn spec(&self) -> Option<&ModelSpec> {
        match self {
            Self::Inline(spec) => Some(spec),
            Self::Preset(_) | Self::File(_) => None,
        }
    }
}

fn read(path: &Path) -> Result<ModelSpec, ModelError> {
    let text = std::fs::read_to_string(path).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => ModelError::MissingFile {
            path: path.to_owned(),
        },
        _ => ModelError::Io {
            path: path.to_owned(),
            source,
        },
    })?;
    ModelSpec::from_yaml(&text).map_err(|error| match error {
        ModelError::Text {
            position, message, ..
        } => ModelError::Text {
            file: Some(path.to_owned()),
            position,
            message,
        },
        other => other,
    })
}

impl Serialize for ModelRef {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Preset(name) => serializer.serialize_str(name),
            Self::File(path) => serializer.collect_str(&format_args!("file:{path}")),
            Self::Inline(spec) => spec.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for ModelRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct RefVisitor;
        impl<'de> Visitor<'de> for RefVisitor {
            type Value = ModelRef;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a model: a preset's name, `file:PATH`, or a mapping with `networks`")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<ModelRef, E> {
                Ok(match text.strip_prefix("file:") {
                    Some(path) => ModelRef::File(path.to_owned()),
                    None => ModelRef::Preset(text.to_owned()),
                })
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<ModelRef, A::Error> {
                ModelSpec::deserialize(MapAccessDeserializer::new(map)).map(ModelRef::Inline)
            }
        }
        deserializer.deserialize_any(RefVisitor)
    }
}

impl JsonSchema for ModelRef {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Model".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let networks = generator.subschema_for::<ModelSpec>();
        json_schema!({
            "description": "A model: a preset's name, `file:PATH`, or the networks themselves.",
            "anyOf": [
                {"type": "string", "enum": ModelSpec::presets()},
                {"type": "string", "pattern": "^file:"},
                networks
            ]
        })
    }
}
