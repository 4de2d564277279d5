//! What a user writes: networks as lists of layers.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::dims::Dim;
use super::error::ModelError;
use super::layers::LayerSpec;
use super::parameters::{self, Parameters};
use super::preset;

/// One or more named networks (`generator`, `discriminator`, `classifier`, …).
///
/// Serialises canonically: defaults filled in, short spellings expanded, names sorted. Two spellings of
/// one model therefore have one JSON form, and one cache key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ModelSpec {
    /// networks by name
    pub networks: BTreeMap<String, NetworkSpec>,
}

/// A network: named inputs, and the layers that one of them goes through.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "Written")]
pub struct NetworkSpec {
    /// the inputs' shapes by name, without the batch dimension
    pub inputs: BTreeMap<String, Vec<Dim>>,
    /// the input that enters the first layer
    pub start: String,
    /// what it goes through, in order
    pub layers: Vec<LayerSpec>,
}

/// A network.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Written {
    /// The inputs' shapes by name, without the batch dimension: `{z: [latent], condition: [classes]}`.
    inputs: BTreeMap<String, Vec<Dim>>,
    /// The input that enters the first layer; the others enter at `concat` layers. Need not be given
    /// when there is one input.
    start: Option<String>,
    /// What it goes through, in order.
    layers: Vec<LayerSpec>,
}

impl TryFrom<Written> for NetworkSpec {
    type Error = String;
    fn try_from(written: Written) -> Result<Self, String> {
        let Written {
            inputs,
            start,
            layers,
        } = written;
        let names = || inputs.keys().cloned().collect::<Vec<_>>().join(", ");
        let start = match start {
            Some(name) if inputs.contains_key(&name) => name,
            Some(name) => {
                return Err(format!(
                    "`start: {name}` is not one of the inputs: {}",
                    names()
                ));
            }
            None => match inputs.keys().next() {
                Some(only) if inputs.len() == 1 => only.clone(),
                Some(_) => {
                    return Err(format!(
                        "several inputs ({}): say with `start` which one enters the first layer",
                        names()
                    ));
                }
                None => return Err("a network needs at least one input".to_owned()),
            },
        };
        Ok(Self {
            inputs,
            start,
            layers,
        })
    }
}

impl ModelSpec {
    /// The names of the presets, in `pipelines/models/`.
    pub fn presets() -> &'static [&'static str] {
        &preset::NAMES
    }

    /// The preset of this name, with its own parameters.
    #[expect(
        clippy::missing_panics_doc,
        reason = "presets are part of the program, and a test reads each"
    )]
    pub fn preset(name: &str) -> Option<Self> {
        let text = preset::text(name)?;
        Some(Self::from_yaml(text).expect("an embedded preset is a model"))
    }

    /// Reads a model from YAML.
    ///
    /// # Errors
    /// [`ModelError::Text`] with line and column where the parser knows them.
    pub fn from_yaml(text: &str) -> Result<Self, ModelError> {
        from_yaml(text, &Parameters::new()).map(|(spec, _)| spec)
    }
}

/// Reads a model, or one whose networks stand in part elsewhere, from YAML, with the parameters `chosen` for it; and
/// gives all parameters that it has.
pub(super) fn from_yaml<T: DeserializeOwned>(
    text: &str,
    chosen: &Parameters,
) -> Result<(T, Parameters), ModelError> {
    let located = |error: serde_yaml::Error| ModelError::Text {
        file: None,
        position: error.location().map(|at| (at.line(), at.column())),
        message: error.to_string(),
    };
    // A map of our own takes a key's second value silently; the parser's own value refuses it.
    let mut value = serde_yaml::from_str::<serde_yaml::Value>(text).map_err(located)?;
    let parameters =
        parameters::settle(&mut value, chosen).map_err(|message| ModelError::Text {
            file: None,
            position: None,
            message,
        })?;
    let model = if parameters.is_empty() {
        serde_yaml::from_str(text)
    } else {
        serde_yaml::from_value(value)
    };
    Ok((model.map_err(located)?, parameters))
}
