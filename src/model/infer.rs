//! Shapes and sizes without a single tensor.

use std::collections::BTreeMap;

use serde::Serialize;

use super::build;
use super::dims::Dims;
use super::error::{ModelError, ShapeError};
use super::spec::{ModelSpec, NetworkSpec};

/// One layer of the table that `retake model` prints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LayerRow {
    /// where it stands in its network: `layers.3.residual.layers.0`
    pub path: String,
    /// what its tensors are called, where it or a layer around it has a name of its own
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// its name in YAML
    pub layer: &'static str,
    /// its output's shape, without the batch dimension
    pub output_shape: Vec<usize>,
    /// numbers that training changes; a container's own, not those of its layers
    pub trainable: usize,
    /// numbers kept beside them (running statistics)
    pub buffers: usize,
}

/// One network's table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NetworkTable {
    /// the inputs' shapes by name, without the batch dimension
    pub inputs: BTreeMap<String, Vec<usize>>,
    /// the layers, a container after what it holds
    pub layers: Vec<LayerRow>,
    /// the output's shape, without the batch dimension
    pub output_shape: Vec<usize>,
    /// the shapes of the `head` layers' results by name, without the batch dimension
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub heads: BTreeMap<String, Vec<usize>>,
    /// sum over the layers
    pub trainable: usize,
    /// sum over the layers
    pub buffers: usize,
}

/// A model's tables and totals.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ModelTable {
    /// one table a network
    pub networks: BTreeMap<String, NetworkTable>,
    /// sum over the networks
    pub trainable: usize,
    /// sum over the networks
    pub buffers: usize,
}

/// Every layer's output shape and size.
///
/// # Errors
/// The first place where shapes do not fit, with the layer's path and both shapes.
pub fn infer(spec: &NetworkSpec, dims: &Dims) -> Result<Vec<LayerRow>, ShapeError> {
    build::walk(spec, dims).map(|walked| walked.rows)
}

/// The shape of what the network gives, without the batch dimension.
///
/// # Errors
/// As [`infer`].
pub fn output_shape(spec: &NetworkSpec, dims: &Dims) -> Result<Vec<usize>, ShapeError> {
    build::walk(spec, dims).map(|walked| walked.output)
}

/// What a network gives: shapes without the batch dimension.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputShapes {
    /// of the last layer
    pub main: Vec<usize>,
    /// of the `head` layers, by name
    pub heads: BTreeMap<String, Vec<usize>>,
    /// of what flows through the `tap` layers, by name
    pub taps: BTreeMap<String, Vec<usize>>,
}

/// The shapes of all that the network gives.
///
/// # Errors
/// As [`infer`].
pub fn outputs(spec: &NetworkSpec, dims: &Dims) -> Result<OutputShapes, ShapeError> {
    build::walk(spec, dims).map(|walked| OutputShapes {
        main: walked.output,
        heads: walked.heads,
        taps: walked.taps,
    })
}

impl ModelSpec {
    /// The tables of all networks, with totals.
    ///
    /// # Errors
    /// [`ModelError::Shape`] for the first network whose shapes do not fit.
    pub fn table(&self, dims: &Dims) -> Result<ModelTable, ModelError> {
        let mut networks = BTreeMap::new();
        for (name, spec) in &self.networks {
            let walked = build::walk(spec, dims).map_err(|source| ModelError::Shape {
                network: name.clone(),
                source,
            })?;
            let table = NetworkTable {
                trainable: walked.rows.iter().map(|row| row.trainable).sum(),
                buffers: walked.rows.iter().map(|row| row.buffers).sum(),
                inputs: walked.inputs,
                layers: walked.rows,
                output_shape: walked.output,
                heads: walked.heads,
            };
            networks.insert(name.clone(), table);
        }
        Ok(ModelTable {
            trainable: networks.values().map(|table| table.trainable).sum(),
            buffers: networks.values().map(|table| table.buffers).sum(),
            networks,
        })
    }
}
