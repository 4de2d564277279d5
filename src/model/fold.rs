//! Networks for evaluation alone: what follows a convolution and is, by then, a factor and an offset for each channel
//! becomes part of the convolution's numbers.

use std::sync::Arc;

use candle_core::{DType, Tensor};

use super::build::{BufferSlot, Forward, Slot};
use super::error::ModelError;
use super::network::Parameter;
use crate::ops::Activation;

/// A layer in a form for evaluation; `None` if it has no other than its own.
pub(super) type Folded = Result<Option<Arc<dyn Forward>>, ModelError>;

/// The numbers of a network.
pub(super) struct Numbers<'a> {
    pub parameters: &'a [Parameter],
    pub buffers: &'a [Parameter],
}

impl Numbers<'_> {
    /// A parameter, in f64.
    pub fn parameter(&self, slot: Slot) -> Result<Tensor, ModelError> {
        Ok(self.parameters[slot.0]
            .value
            .tensor()
            .to_dtype(DType::F64)?)
    }

    /// A buffer, in f64.
    pub fn buffer(&self, slot: BufferSlot) -> Result<Tensor, ModelError> {
        Ok(self.buffers[slot.0].value.tensor().to_dtype(DType::F64)?)
    }
}

/// activation(scale · x + shift) of each channel.
pub(super) struct ChannelMap {
    /// (C), f64
    pub scale: Tensor,
    /// (C), f64
    pub shift: Tensor,
    pub activation: Activation,
}
