//! How a stage names its model.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserializer, MapAccess, Visitor, value::MapAccessDeserializer};
use serde::{Deserialize, Serialize, Serializer};

use super::error::{ModelError, nearest};
use super::spec::{ModelSpec, NetworkSpec, from_yaml};

/// `model:` of a stage: a preset's name, `file:PATH`, or the networks themselves.
#[derive(Debug, Clone, PartialEq)]
pub enum ModelRef {
    /// the name of a preset
    Preset(String),
    /// a YAML file, relative to the project root or absolute
    File(String),
    /// the networks
    Inline(ModelSpec),
    /// networks of which some are taken from elsewhere
    Mixed(Mixed),
}

/// A model of which some networks stand elsewhere.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Mixed {
    /// networks by name
    pub networks: BTreeMap<String, Part>,
}

/// A network of a model, where it stands.
#[derive(Debug, Clone, PartialEq)]
pub enum Part {
    /// here: its layers
    Here(NetworkSpec),
    /// in another model: `PRESET:NETWORK` or `file:PATH:NETWORK`
    Elsewhere(String),
}

/// Files that take networks from each other deeper than this do so in a circle.
const DEEPEST: usize = 16;

impl ModelRef {
    /// Replaces a preset, a file or what is taken from them by its networks. Does nothing to networks.
    ///
    /// # Errors
    /// [`ModelError::UnknownPreset`]; [`ModelError::MissingFile`] when the file is not there;
    /// [`ModelError::Io`] when it cannot be read; [`ModelError::Text`] when it holds no model;
    /// [`ModelError::BadReference`], [`ModelError::NoNetwork`] or [`ModelError::Circle`] when a network cannot be taken
    /// from where it is said to stand.
    pub fn resolve(&mut self, root: &Path) -> Result<(), ModelError> {
        let spec = match self {
            Self::Inline(_) => return Ok(()),
            Self::Preset(name) => preset(name)?,
            Self::File(path) => file(path, root, 0)?,
            Self::Mixed(mixed) => mixed.resolve(root, 0)?,
        };
        *self = Self::Inline(spec);
        Ok(())
    }

    /// The networks, once resolved.
    pub fn spec(&self) -> Option<&ModelSpec> {
        match self {
            Self::Inline(spec) => Some(spec),
            Self::Preset(_) | Self::File(_) | Self::Mixed(_) => None,
        }
    }
}

impl Mixed {
    /// The networks, each taken from where it stands; `depth` files led here.
    fn resolve(&self, root: &Path, depth: usize) -> Result<ModelSpec, ModelError> {
        let networks = self.networks.iter().map(|(name, part)| {
            let network = match part {
                Part::Here(network) => network.clone(),
                Part::Elsewhere(reference) => take(reference, root, depth)?,
            };
            Ok((name.clone(), network))
        });
        Ok(ModelSpec {
            networks: networks.collect::<Result<_, ModelError>>()?,
        })
    }
}

/// The network that `reference` names.
fn take(reference: &str, root: &Path, depth: usize) -> Result<NetworkSpec, ModelError> {
    let in_file = reference.strip_prefix("file:");
    let Some((model, network)) = in_file.unwrap_or(reference).rsplit_once(':') else {
        return Err(ModelError::BadReference(reference.to_owned()));
    };
    let mut spec = match in_file {
        Some(_) if depth >= DEEPEST => return Err(ModelError::Circle(reference.to_owned())),
        Some(_) => file(model, root, depth + 1)?,
        None => preset(model)?,
    };
    spec.networks.remove(network).ok_or_else(|| {
        let names: Vec<&str> = spec.networks.keys().map(String::as_str).collect();
        ModelError::NoNetwork {
            model: model.to_owned(),
            network: network.to_owned(),
            suggestion: nearest(network, &names).map(str::to_owned),
            networks: names.join(", "),
        }
    })
}

fn preset(name: &str) -> Result<ModelSpec, ModelError> {
    ModelSpec::preset(name).ok_or_else(|| ModelError::UnknownPreset {
        name: name.to_owned(),
        suggestion: nearest(name, ModelSpec::presets()).map(str::to_owned),
    })
}

/// The model in a file, to which `depth` others led.
fn file(path: &str, root: &Path, depth: usize) -> Result<ModelSpec, ModelError> {
    read(&root.join(path))?.resolve(root, depth)
}

fn read(path: &Path) -> Result<Mixed, ModelError> {
    let text = std::fs::read_to_string(path).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => ModelError::MissingFile {
            path: path.to_owned(),
        },
        _ => ModelError::Io {
            path: path.to_owned(),
            source,
        },
    })?;
    from_yaml(&text).map_err(|error| match error {
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

impl From<Mixed> for ModelRef {
    fn from(mixed: Mixed) -> Self {
        let here = |(name, part): (&String, &Part)| match part {
            Part::Here(network) => Some((name.clone(), network.clone())),
            Part::Elsewhere(_) => None,
        };
        match mixed.networks.iter().map(here).collect() {
            Some(networks) => Self::Inline(ModelSpec { networks }),
            None => Self::Mixed(mixed),
        }
    }
}

impl Serialize for Part {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Here(network) => network.serialize(serializer),
            Self::Elsewhere(reference) => serializer.serialize_str(reference),
        }
    }
}

impl<'de> Deserialize<'de> for Part {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PartVisitor;
        impl<'de> Visitor<'de> for PartVisitor {
            type Value = Part;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a network: a mapping with `inputs` and `layers`, `PRESET:NETWORK` or `file:PATH:NETWORK`")
            }
            fn visit_str<E: de::Error>(self, reference: &str) -> Result<Part, E> {
                Ok(Part::Elsewhere(reference.to_owned()))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Part, A::Error> {
                NetworkSpec::deserialize(MapAccessDeserializer::new(map)).map(Part::Here)
            }
        }
        deserializer.deserialize_any(PartVisitor)
    }
}

impl JsonSchema for Part {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Network".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let network = generator.subschema_for::<NetworkSpec>();
        json_schema!({
            "description": "A network: its inputs and layers, or another model's, as `PRESET:NETWORK` or `file:PATH:NETWORK`.",
            "anyOf": [network, {"type": "string", "pattern": "^[^:]+:.+$"}]
        })
    }
}

impl Serialize for ModelRef {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Preset(name) => serializer.serialize_str(name),
            Self::File(path) => serializer.collect_str(&format_args!("file:{path}")),
            Self::Inline(spec) => spec.serialize(serializer),
            Self::Mixed(mixed) => mixed.serialize(serializer),
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
                Mixed::deserialize(MapAccessDeserializer::new(map)).map(ModelRef::from)
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
        let networks = generator.subschema_for::<Mixed>();
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
