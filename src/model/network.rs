//! A network with parameters.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use candle_core::{DType, Device, Tensor};

use super::build::{Declared, Forward, Sequence, walk};
use super::dims::Dims;
use super::error::ModelError;
use super::fold::Numbers;
use super::init::Init;
use super::inputs::{Inputs, Mode, Run};
use super::spec::NetworkSpec;
use crate::autograd::Value;
use crate::rng::Stream;

/// A named tensor of a network.
#[derive(Debug, Clone)]
pub struct Parameter {
    /// the layer's path and the tensor's name: `layers.0.weight`
    pub name: String,
    /// the numbers, f32: a variable, or a constant if it is a buffer. Training changes its tensor in place.
    pub value: Value,
}

/// A network of a model: layers and the tensors they own. A clone shares the tensors.
#[derive(Clone)]
pub struct Network {
    name: String,
    start: String,
    inputs: BTreeMap<String, Vec<usize>>,
    layers: Arc<Sequence>,
    parameters: Vec<Parameter>,
    buffers: Vec<Parameter>,
    folded: bool,
}

/// What one forward pass gives.
struct Pass {
    output: Value,
    taps: BTreeMap<String, Value>,
    heads: BTreeMap<String, Value>,
}

/// The tap that [`Network::features`] reads.
const FEATURES: &str = "features";

impl Network {
    /// Builds the network with initial values drawn from the streams (`seed`, `init/<name>/<parameter>`, 0).
    ///
    /// # Errors
    /// [`ModelError::Shape`] when its shapes do not fit; [`ModelError::Tensor`] when the device has no room.
    pub fn new(
        name: &str,
        spec: &NetworkSpec,
        dims: &Dims,
        init: Init,
        seed: u64,
        device: &Device,
    ) -> Result<Self, ModelError> {
        Self::with_values(name, spec, dims, |declared| {
            let purpose = format!("init/{name}/{}", declared.name);
            let mut stream = Stream::new(seed, &purpose, 0);
            let values = init.values(declared.role, &declared.shape, &mut stream);
            Ok(Tensor::from_vec(values, declared.shape.as_slice(), device)?)
        })
    }

    /// Builds the network with zeros, for [weights](super::weights) to fill.
    ///
    /// # Errors
    /// As [`Network::new`].
    pub fn blank(
        name: &str,
        spec: &NetworkSpec,
        dims: &Dims,
        device: &Device,
    ) -> Result<Self, ModelError> {
        Self::with_values(name, spec, dims, |declared| {
            Ok(Tensor::zeros(
                declared.shape.as_slice(),
                DType::F32,
                device,
            )?)
        })
    }

    /// Builds the network with the values that `value` gives for each tensor it declares.
    pub(super) fn with_values(
        name: &str,
        spec: &NetworkSpec,
        dims: &Dims,
        mut value: impl FnMut(&Declared) -> Result<Tensor, ModelError>,
    ) -> Result<Self, ModelError> {
        let walked = walk(spec, dims).map_err(|source| ModelError::Shape {
            network: name.to_owned(),
            source,
        })?;
        let mut fill = |declared: Vec<Declared>, kind: fn(Tensor) -> Value| {
            let filled = declared.into_iter().map(|declared| {
                Ok(Parameter {
                    value: kind(value(&declared)?),
                    name: declared.name,
                })
            });
            filled.collect::<Result<Vec<_>, ModelError>>()
        };
        Ok(Self {
            name: name.to_owned(),
            start: spec.start.clone(),
            inputs: walked.inputs,
            layers: Arc::new(walked.layers),
            parameters: fill(walked.parameters, Value::variable)?,
            buffers: fill(walked.buffers, Value::constant)?,
            folded: false,
        })
    }

    /// This network as it is now, for evaluation alone: batch norms become part of the convolutions that they follow,
    /// which is faster, and the same up to rounding. What is set or learnt later does not reach it.
    ///
    /// # Errors
    /// [`ModelError::Tensor`] when the device has no room.
    pub fn folded(&self) -> Result<Self, ModelError> {
        let numbers = Numbers {
            parameters: &self.parameters,
            buffers: &self.buffers,
        };
        Ok(Self {
            layers: Arc::new(self.layers.folded(&numbers)?),
            folded: true,
            ..self.clone()
        })
    }

    /// The name in its model.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What training changes, in declared order.
    pub fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    /// What forward passes in training keep beside them (running statistics), in declared order.
    pub fn buffers(&self) -> &[Parameter] {
        &self.buffers
    }

    /// Whether it has an input of this name: `takes("condition")` asks whether it is conditional.
    pub fn takes(&self, input: &str) -> bool {
        self.inputs.contains_key(input)
    }

    /// The output for a batch of inputs. In [`Mode::Train`] running statistics move.
    ///
    /// # Errors
    /// A missing input, one of another shape than declared, or a failed operation.
    pub fn forward(&self, inputs: &Inputs, mode: Mode) -> Result<Value, ModelError> {
        self.pass(inputs, mode, false).map(|pass| pass.output)
    }

    /// The same with constant parameters: gradients reach the inputs only, and no work goes into
    /// gradients of weights. Running statistics still move in [`Mode::Train`].
    ///
    /// # Errors
    /// As [`Network::forward`].
    pub fn forward_frozen(&self, inputs: &Inputs, mode: Mode) -> Result<Value, ModelError> {
        self.pass(inputs, mode, true).map(|pass| pass.output)
    }

    /// The output, and the results of the network's `head` layers by name.
    ///
    /// # Errors
    /// As [`Network::forward`].
    pub fn forward_with_heads(
        &self,
        inputs: &Inputs,
        mode: Mode,
    ) -> Result<(Value, BTreeMap<String, Value>), ModelError> {
        let pass = self.pass(inputs, mode, false)?;
        Ok((pass.output, pass.heads))
    }

    /// The same with constant parameters, as in [`Network::forward_frozen`].
    ///
    /// # Errors
    /// As [`Network::forward`].
    pub fn forward_frozen_with_heads(
        &self,
        inputs: &Inputs,
        mode: Mode,
    ) -> Result<(Value, BTreeMap<String, Value>), ModelError> {
        let pass = self.pass(inputs, mode, true)?;
        Ok((pass.output, pass.heads))
    }

    /// What flows through the layer `tap: features`, flattened to (N, D), and the network's output.
    /// Parameters are constants, as in [`Network::forward_frozen`].
    ///
    /// # Errors
    /// [`ModelError::NoTap`] when no layer marks features; else as [`Network::forward`].
    pub fn features(&self, inputs: &Inputs, mode: Mode) -> Result<(Value, Value), ModelError> {
        let mut pass = self.pass(inputs, mode, true)?;
        let features = pass
            .taps
            .remove(FEATURES)
            .ok_or_else(|| ModelError::NoTap {
                network: self.name.clone(),
                tap: FEATURES.to_owned(),
            })?;
        Ok((features.flatten_rows()?, pass.output))
    }

    /// The output, and what flows through each `tap` layer, by name, as it is. Parameters are constants, as in
    /// [`Network::forward_frozen`].
    ///
    /// # Errors
    /// As [`Network::forward`].
    pub fn forward_with_taps(
        &self,
        inputs: &Inputs,
        mode: Mode,
    ) -> Result<(Value, BTreeMap<String, Value>), ModelError> {
        let pass = self.pass(inputs, mode, true)?;
        Ok((pass.output, pass.taps))
    }

    fn pass(&self, inputs: &Inputs, mode: Mode, frozen: bool) -> Result<Pass, ModelError> {
        if self.folded && mode == Mode::Train {
            return Err(ModelError::Folded {
                network: self.name.clone(),
            });
        }
        for name in self.inputs.keys() {
            self.check_input(name, inputs)?;
        }
        let run = Run {
            network: &self.name,
            parameters: &self.parameters,
            buffers: &self.buffers,
            inputs,
            mode,
            frozen,
            taps: RefCell::default(),
            heads: RefCell::default(),
        };
        let start = self.check_input(&self.start, inputs)?;
        let output = self.layers.forward(start, &run)?;
        Ok(Pass {
            output,
            taps: run.taps.into_inner(),
            heads: run.heads.into_inner(),
        })
    }

    fn check_input<'a>(&self, name: &str, inputs: &'a Inputs) -> Result<&'a Value, ModelError> {
        let value = inputs.get(name).ok_or_else(|| ModelError::MissingInput {
            network: self.name.clone(),
            input: name.to_owned(),
        })?;
        let expected = &self.inputs[name];
        match value.dims() {
            [_, shape @ ..] if shape == expected.as_slice() => Ok(value),
            got => Err(ModelError::InputShape {
                network: self.name.clone(),
                input: name.to_owned(),
                got: got.to_vec(),
                expected: expected.clone(),
            }),
        }
    }
}
