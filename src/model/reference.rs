//! How a stage names its model.

use std::collections::BTreeMap;
use std::io;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserializer, MapAccess, Visitor, value::MapAccessDeserializer};
use serde::{Deserialize, Serialize, Serializer};

use super::error::{ModelError, nearest};
use super::parameters::Parameters;
use super::spec::{ModelSpec, NetworkSpec, from_yaml};
use crate::worktree::WorkTree;

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
    /// parameters of the models that networks are taken from, where others than their own are wanted
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parameters: Parameters,
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
    pub fn resolve(&mut self, tree: &WorkTree) -> Result<(), ModelError> {
        let spec = match self {
            Self::Inline(_) => return Ok(()),
            Self::Preset(name) => preset(name, &Parameters::new())?.0,
            Self::File(path) => file(path, tree, (&Parameters::new(), 0))?.0,
            Self::Mixed(mixed) => mixed.resolve(tree, (&mixed.parameters, 0))?.0,
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

/// Networks, and the parameters that they or the models they are taken from have.
type Resolved = (ModelSpec, Parameters);

/// The parameters chosen for a model, and how many files led to it.
type Way<'a> = (&'a Parameters, usize);

impl Mixed {
    /// The networks, each taken from where it stands.
    fn resolve(&self, tree: &WorkTree, (chosen, depth): Way<'_>) -> Result<Resolved, ModelError> {
        let mut networks = BTreeMap::new();
        let mut known = Parameters::new();
        for (name, part) in &self.networks {
            let network = match part {
                Part::Here(network) => network.clone(),
                Part::Elsewhere(reference) => {
                    let (network, parameters) = take(reference, tree, (chosen, depth))?;
                    known.extend(parameters);
                    network
                }
            };
            networks.insert(name.clone(), network);
        }
        if let Some(unknown) = self
            .parameters
            .keys()
            .find(|name| !known.contains_key(*name))
        {
            let names: Vec<&str> = known.keys().map(String::as_str).collect();
            return Err(ModelError::NoParameter {
                name: unknown.clone(),
                suggestion: nearest(unknown, &names).map(str::to_owned),
                parameters: names.join(", "),
            });
        }
        Ok((ModelSpec { networks }, known))
    }
}

/// The network that `reference` names.
fn take(
    reference: &str,
    tree: &WorkTree,
    (chosen, depth): Way<'_>,
) -> Result<(NetworkSpec, Parameters), ModelError> {
    let in_file = reference.strip_prefix("file:");
    let Some((model, network)) = in_file.unwrap_or(reference).rsplit_once(':') else {
        return Err(ModelError::BadReference(reference.to_owned()));
    };
    let (mut spec, parameters) = match in_file {
        Some(_) if depth >= DEEPEST => return Err(ModelError::Circle(reference.to_owned())),
        Some(_) => file(model, tree, (chosen, depth + 1))?,
        None => preset(model, chosen)?,
    };
    let taken = spec.networks.remove(network).ok_or_else(|| {
        let names: Vec<&str> = spec.networks.keys().map(String::as_str).collect();
        ModelError::NoNetwork {
            model: model.to_owned(),
            network: network.to_owned(),
            suggestion: nearest(network, &names).map(str::to_owned),
            networks: names.join(", "),
        }
    })?;
    Ok((taken, parameters))
}

fn preset(name: &str, chosen: &Parameters) -> Result<Resolved, ModelError> {
    let text = super::preset::text(name).ok_or_else(|| ModelError::UnknownPreset {
        name: name.to_owned(),
        suggestion: nearest(name, ModelSpec::presets()).map(str::to_owned),
    })?;
    from_yaml(text, chosen)
}

/// The model in a file.
fn file(path: &str, tree: &WorkTree, (chosen, depth): Way<'_>) -> Result<Resolved, ModelError> {
    let (mixed, own) = read(path, tree, chosen)?;
    // What the file takes from elsewhere hears of its parameters, and of those that are not its own.
    let mut passed = chosen.clone();
    passed.extend(own.clone());
    let (spec, mut known) = mixed.resolve(tree, (&passed, depth))?;
    known.extend(own);
    Ok((spec, known))
}

fn read(
    path: &str,
    tree: &WorkTree,
    chosen: &Parameters,
) -> Result<(Mixed, Parameters), ModelError> {
    let path = tree.root().join(path);
    let text = tree.read(&path).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => ModelError::MissingFile { path: path.clone() },
        _ => ModelError::Io {
            path: path.clone(),
            source,
        },
    })?;
    from_yaml(&text, chosen).map_err(|error| match error {
        ModelError::Text {
            position, message, ..
        } => ModelError::Text {
            file: Some(path),
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
            Some(networks) if mixed.parameters.is_empty() => Self::Inline(ModelSpec { networks }),
            _ => Self::Mixed(mixed),
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
