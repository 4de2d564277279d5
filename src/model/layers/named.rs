//! A layer's own name, after which its tensors are called.

use schemars::JsonSchema;
use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize};

use super::{LayerSpec, NAME};

/// A layer with a name. Its tensors, and those of layers in it, are called after it and the named layers that it lies in:
/// `Mixed_5b.branch1x1.conv.weight`. So weights that were saved elsewhere fit.
#[derive(Debug, Clone, PartialEq)]
pub struct Named {
    /// its name, in the named layer around it
    pub name: String,
    /// the layer
    pub layer: Box<LayerSpec>,
}

/// The layer's own name, after which its tensors are called.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(extend("minLength" = 1))]
pub(super) struct Name(String);

impl TryFrom<String> for Name {
    type Error = &'static str;
    fn try_from(name: String) -> Result<Self, Self::Error> {
        if name.is_empty() {
            return Err("a layer's name must not be empty");
        }
        Ok(Self(name))
    }
}

impl Named {
    pub(super) fn new(Name(name): Name, layer: LayerSpec) -> Self {
        Self {
            name,
            layer: Box::new(layer),
        }
    }

    /// Writes the name, then the layer.
    pub(super) fn entries<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
        map.serialize_entry(NAME, &self.name)?;
        self.layer.entry(map)
    }
}
