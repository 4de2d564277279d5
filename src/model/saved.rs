//! Models on disk: safetensors with a JSON header. Equal models give equal bytes.

use std::collections::HashMap;
use std::path::Path;

use candle_core::{Device, Tensor};
use indexmap::IndexMap;
use safetensors::tensor::{Dtype, SafeTensorError, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};

use super::dims::Dims;
use super::error::ModelError;
use super::network::{Network, Parameter};
use super::spec::ModelSpec;

/// The key of the header in the file's `__metadata__`.
const HEADER: &str = "retake";

/// What must be known to use a model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelHeader {
    /// what it was trained for: `gan`, `classifier`
    pub task: String,
    /// the sizes its symbols stand for
    pub dims: Dims,
    /// the names of the label classes, by index
    pub classes: Vec<String>,
    /// whether an image can have several labels at once
    pub multi_label: bool,
    /// the networks
    pub spec: ModelSpec,
}

/// A model with its tensors, as training leaves it.
#[derive(Clone)]
pub struct SavedModel {
    /// what must be known to use it
    pub header: ModelHeader,
    /// the networks by name: those of the header's spec
    pub networks: IndexMap<String, Network>,
}

impl SavedModel {
    /// Writes the model to `path`.
    ///
    /// # Errors
    /// [`ModelError::Io`] when the file cannot be written; [`ModelError::Tensor`] when values cannot be read
    /// back from the device.
    pub fn save(&self, path: &Path) -> Result<(), ModelError> {
        let mut tensors = Vec::new();
        for (name, network) in &self.networks {
            for Parameter {
                name: parameter,
                value,
            } in network.parameters().iter().chain(network.buffers())
            {
                let values = value.tensor().flatten_all()?.to_vec1::<f32>()?;
                let bytes: Vec<u8> = values
                    .iter()
                    .flat_map(|value| value.to_le_bytes())
                    .collect();
                tensors.push((format!("{name}.{parameter}"), value.dims().to_vec(), bytes));
            }
        }
        let views = tensors.iter().map(|(name, shape, bytes)| {
            let view = TensorView::new(Dtype::F32, shape.clone(), bytes)?;
            Ok((name, view))
        });
        let views = views
            .collect::<Result<Vec<_>, SafeTensorError>>()
            .map_err(|error| damaged(path, error))?;
        let header = serde_json::to_string(&self.header).map_err(|error| damaged(path, error))?;
        // One entry: a map of several would be written in an order of its own.
        let metadata = HashMap::from([(HEADER.to_owned(), header)]);
        let bytes =
            safetensors::serialize(views, Some(metadata)).map_err(|error| damaged(path, error))?;
        std::fs::write(path, bytes).map_err(|source| ModelError::Io {
            path: path.to_owned(),
            source,
        })
    }

    /// Reads a model onto `device`.
    ///
    /// # Errors
    /// [`ModelError::Io`] when the file cannot be read; [`ModelError::Damaged`] when its content is not a model that
    /// [`SavedModel::save`] wrote.
    pub fn load(path: &Path, device: &Device) -> Result<Self, ModelError> {
        let bytes = std::fs::read(path).map_err(|source| ModelError::Io {
            path: path.to_owned(),
            source,
        })?;
        let header = read_header(path, &bytes)?;
        let tensors = SafeTensors::deserialize(&bytes).map_err(|error| damaged(path, error))?;
        let mut networks = IndexMap::new();
        for (name, spec) in &header.spec.networks {
            let network = Network::with_values(name, spec, &header.dims, |declared| {
                let full = format!("{name}.{}", declared.name);
                let view = tensors
                    .tensor(&full)
                    .map_err(|error| damaged(path, error))?;
                if view.dtype() != Dtype::F32 || view.shape() != declared.shape {
                    return Err(damaged(
                        path,
                        format_args!(
                            "`{full}` is {:?} {:?}, expected f32 {:?}",
                            view.dtype(),
                            view.shape(),
                            declared.shape
                        ),
                    ));
                }
                let (numbers, _) = view.data().as_chunks::<4>();
                let values: Vec<f32> = numbers
                    .iter()
                    .map(|bytes| f32::from_le_bytes(*bytes))
                    .collect();
                Ok(Tensor::from_vec(values, declared.shape.as_slice(), device)?)
            })?;
            networks.insert(name.clone(), network);
        }
        Ok(Self { header, networks })
    }

    /// Reads the header alone.
    ///
    /// # Errors
    /// As [`SavedModel::load`].
    pub fn load_header(path: &Path) -> Result<ModelHeader, ModelError> {
        let bytes = std::fs::read(path).map_err(|source| ModelError::Io {
            path: path.to_owned(),
            source,
        })?;
        read_header(path, &bytes)
    }
}

fn read_header(path: &Path, bytes: &[u8]) -> Result<ModelHeader, ModelError> {
    let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(|error| damaged(path, error))?;
    let text = metadata
        .metadata()
        .as_ref()
        .and_then(|entries| entries.get(HEADER));
    let text = text.ok_or_else(|| damaged(path, "it has no retake header"))?;
    serde_json::from_str(text).map_err(|error| damaged(path, format_args!("its header: {error}")))
}

/// Whether `bytes` are a model that [`SavedModel::save`] wrote.
pub(super) fn is_saved(bytes: &[u8]) -> bool {
    let metadata = SafeTensors::read_metadata(bytes);
    metadata.is_ok_and(|(_, metadata)| {
        let entries = metadata.metadata().as_ref();
        entries.is_some_and(|entries| entries.contains_key(HEADER))
    })
}

pub(super) fn damaged(path: &Path, reason: impl std::fmt::Display) -> ModelError {
    ModelError::Damaged {
        path: path.to_owned(),
        reason: reason.to_string(),
    }
}
