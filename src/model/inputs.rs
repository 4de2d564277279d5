//! What a forward pass is given, and what layers see of it.

use std::cell::RefCell;
use std::collections::BTreeMap;

use candle_core::Tensor;

use super::build::{BufferSlot, Slot};
use super::error::ModelError;
use super::network::Parameter;
use crate::autograd::Value;
use crate::rng::Stream;

/// Whether layers behave as in training (batch statistics, dropout) or as afterwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// batch norm takes the batch's statistics and updates the running ones; dropout drops
    Train,
    /// batch norm takes the running statistics; dropout does nothing
    Eval,
}

/// The named values of one forward pass, each (N, …).
#[derive(Debug, Clone, Default)]
pub struct Inputs {
    values: BTreeMap<String, Value>,
    noise: Option<(u64, u64)>,
}

impl Inputs {
    /// No inputs.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the input `name`.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.values.insert(name.to_owned(), value.into());
        self
    }

    /// Says where dropout draws from: sample k of this batch uses the stream of index `first_sample` + k,
    /// whatever the batch size. Needed only by networks that have dropout layers, in training.
    #[must_use]
    pub fn noise(mut self, seed: u64, first_sample: u64) -> Self {
        self.noise = Some((seed, first_sample));
        self
    }

    /// The value of this name.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.values.get(name)
    }
}

/// A forward pass in progress: what a layer may ask for.
pub(super) struct Run<'a> {
    pub network: &'a str,
    pub parameters: &'a [Parameter],
    pub buffers: &'a [Parameter],
    pub inputs: &'a Inputs,
    pub mode: Mode,
    /// Whether parameters are constants to the backward pass.
    pub frozen: bool,
    pub taps: RefCell<BTreeMap<String, Value>>,
    pub heads: RefCell<BTreeMap<String, Value>>,
}

impl Run<'_> {
    /// A trainable tensor; detached when the network is frozen.
    pub fn parameter(&self, slot: Slot) -> Value {
        let value = &self.parameters[slot.0].value;
        if self.frozen {
            value.detach()
        } else {
            value.clone()
        }
    }

    /// A tensor that the layer keeps.
    pub fn buffer(&self, slot: BufferSlot) -> &Tensor {
        self.buffers[slot.0].value.tensor()
    }

    /// An input of the network, which a layer declared that it takes.
    pub fn input(&self, name: &str) -> Result<&Value, ModelError> {
        self.inputs
            .get(name)
            .ok_or_else(|| ModelError::MissingInput {
                network: self.network.to_owned(),
                input: name.to_owned(),
            })
    }

    /// A stream for sample `k` of the batch, for the layer at `path`; `None` when the caller named no noise.
    pub fn noise(&self, path: &str, k: usize) -> Option<Stream> {
        let (seed, first) = self.inputs.noise?;
        let purpose = format!("dropout/{}/{path}", self.network);
        Some(Stream::new(seed, &purpose, first + k as u64))
    }
}
