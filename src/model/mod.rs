//! Networks as data: a model is a YAML file of layers, not code.
//!
//! [`ModelSpec`] is what a user writes (or a preset in `pipelines/models/`). [`infer`] walks it
//! without a single tensor and gives every layer's output shape and size, or the place where two
//! shapes do not fit. [`Network`] is one of its networks with parameters, drawn from named streams,
//! and [`SavedModel`] the file that training leaves behind.
//!
//! A layer is one file in [`layers`] and one line in the list there. It declares its parameters and its
//! output shape in one pass that both [`infer`] and [`Network::new`] use, so that the two agree.

mod build;
mod dims;
mod error;
mod fold;
mod infer;
mod init;
mod inputs;
pub mod layers;
mod network;
mod orthogonal;
mod parameters;
mod preset;
mod reference;
mod saved;
mod size;
mod spec;
pub mod weights;

pub use dims::{Dim, Dims, Symbol};
pub use error::{ModelError, ShapeError};
pub use infer::{LayerRow, ModelTable, NetworkTable, OutputShapes, infer, output_shape, outputs};
pub use init::Init;
pub use inputs::{Inputs, Mode};
pub use layers::LayerSpec;
pub use network::{Network, Parameter};
pub use parameters::Parameters;
pub use reference::{Mixed, ModelRef, Part};
pub use saved::{ModelHeader, SavedModel};
pub use size::{Extra, Padding, Pair, Sides};
pub use spec::{ModelSpec, NetworkSpec};
