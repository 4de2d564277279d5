//! Everything that training changes.

use std::collections::BTreeMap;

use candle_core::{Device, Tensor};

use super::error::TrainError;
use super::gradients::Gradients;
use super::optimiser::{Optimiser, OptimiserSpec};
use crate::autograd::Value;
use crate::model::{Network, SavedModel};

/// Networks, their optimisers, and how far they have come.
pub struct Learner {
    /// the networks, and what must be known to use them
    pub model: SavedModel,
    /// steps made
    pub steps: u64,
    /// images of the data seen; the index of the next sample's random streams
    pub samples: u64,
    /// by network, as the fields below
    pub(super) optimisers: BTreeMap<String, Optimiser>,
    /// learning rates
    rates: BTreeMap<String, f64>,
    device: Device,
}

/// What a descent step did.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Descent {
    /// the gradient's Euclidean norm; when it is not finite, no parameter was changed
    pub norm: f32,
}

impl Learner {
    /// A learner that has made no step. Networks without a rate in `rates` are not trained.
    pub fn new(
        model: SavedModel,
        optimiser: OptimiserSpec,
        rates: BTreeMap<String, f64>,
        device: &Device,
    ) -> Result<Self, TrainError> {
        let trained = model
            .networks
            .iter()
            .filter(|(name, _)| rates.contains_key(*name));
        let optimisers = trained
            .map(|(name, network)| {
                let parameters = network.parameters().iter();
                let named = parameters.map(|p| (p.name.as_str(), p.value.tensor()));
                Ok((name.clone(), Optimiser::new(optimiser, named)?))
            })
            .collect::<Result<_, TrainError>>()?;
        Ok(Self {
            model,
            steps: 0,
            samples: 0,
            optimisers,
            rates,
            device: device.clone(),
        })
    }

    /// The network `name`.
    pub fn network(&self, name: &'static str) -> Result<&Network, TrainError> {
        self.model
            .networks
            .get(name)
            .ok_or(TrainError::NoNetwork(name))
    }

    /// The learning rate of network `name`; 0 when it is not trained.
    pub fn lr(&self, name: &str) -> f64 {
        self.rates.get(name).copied().unwrap_or(0.0)
    }

    /// One optimiser step of network `name` down the gradient of `loss` (a scalar), which is consumed.
    pub fn descend(&mut self, name: &'static str, loss: Value) -> Result<Descent, TrainError> {
        let network = self
            .model
            .networks
            .get(name)
            .ok_or(TrainError::NoNetwork(name))?;
        let gradients = Gradients::of(loss, network.parameters())?;
        let norm = gradients.norm()? as f32;
        let lr = self.lr(name);
        if norm.is_finite()
            && let Some(optimiser) = self.optimisers.get_mut(name)
        {
            optimiser.step(&gradients, lr)?;
        }
        Ok(Descent { norm })
    }

    /// A constant of `shape` on the learner's device.
    pub fn tensor(&self, values: &[f32], shape: &[usize]) -> Result<Value, TrainError> {
        Ok(Tensor::from_slice(values, shape, &self.device)?.into())
    }
}
