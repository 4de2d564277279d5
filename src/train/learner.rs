//! Everything that training changes.

use std::collections::BTreeMap;

use candle_core::{Device, Tensor};

use super::average::{AVERAGE, Average};
use super::error::TrainError;
use super::gradients::Gradients;
use super::in_place::assign;
use super::optimiser::{Optimiser, OptimiserSpec};
use super::schedule::Schedule;
use crate::autograd::Value;
use crate::model::{Network, Parameter, SavedModel};

/// How one network is trained.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Training {
    /// how parameters are updated
    pub optimiser: OptimiserSpec,
    /// the learning rate that `schedule` starts from
    pub lr: f64,
    /// how the learning rate changes
    pub schedule: Schedule,
    /// what keeps gradients from being too large
    pub clip: Option<GradientClip>,
}

impl Training {
    /// By `optimiser`, at a constant learning rate.
    pub fn new(optimiser: OptimiserSpec, lr: f64) -> Self {
        Self {
            optimiser,
            lr,
            schedule: Schedule::default(),
            clip: None,
        }
    }
}

/// What keeps gradients from being too large.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum GradientClip {
    /// all are scaled down together until their Euclidean norm is at most this (Pascanu et al. 2013)
    Norm(f64),
    /// each number is cut off at ± this
    Value(f64),
}

/// Networks, their optimisers, and how far they have come.
pub struct Learner {
    /// the networks, and what must be known to use them
    pub model: SavedModel,
    /// steps made
    pub steps: u64,
    /// whole epochs made
    pub epochs: u64,
    /// images of the data seen; the index of the next sample's random streams
    pub samples: u64,
    /// by network, as the fields below
    pub(super) optimisers: BTreeMap<String, Optimiser>,
    training: BTreeMap<String, Training>,
    device: Device,
}

/// What a descent step did.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Descent {
    /// the gradient's Euclidean norm, before clipping; when it is not finite, no parameter was changed
    pub norm: f32,
}

impl Learner {
    /// A learner that has made no step. Networks that `training` does not name are not trained.
    pub fn new(
        model: SavedModel,
        training: BTreeMap<String, Training>,
        device: &Device,
    ) -> Result<Self, TrainError> {
        let trained = model
            .networks
            .iter()
            .filter_map(|(name, network)| Some((name, network, training.get(name)?)));
        let optimisers = trained
            .map(|(name, network, training)| {
                let parameters = network.parameters().iter();
                let named = parameters.map(|p| (p.name.as_str(), p.value.tensor()));
                Ok((name.clone(), Optimiser::new(training.optimiser, named)?))
            })
            .collect::<Result<_, TrainError>>()?;
        Ok(Self {
            model,
            steps: 0,
            epochs: 0,
            samples: 0,
            optimisers,
            training,
            device: device.clone(),
        })
    }

    /// The network `name`.
    pub fn network(&self, name: &'static str) -> Result<&Network, TrainError> {
        self.optional(name).ok_or(TrainError::NoNetwork(name))
    }

    /// The network `name`, if the model has one.
    pub fn optional(&self, name: &str) -> Option<&Network> {
        self.model.networks.get(name)
    }

    /// The learning rate of network `name` at this step; 0 when it is not trained.
    pub fn lr(&self, name: &str) -> f64 {
        self.training.get(name).map_or(0.0, |training| {
            training.schedule.at(training.lr, self.epochs, self.steps)
        })
    }

    /// Optimiser steps that network `name` has made.
    pub fn steps_of(&self, name: &str) -> u64 {
        self.optimisers.get(name).map_or(0, Optimiser::steps)
    }

    /// One optimiser step of each of the networks `names` that the model has, down the gradient of `loss` (a
    /// scalar), which is consumed. Gradients are clipped for all of them together, as the first is.
    pub fn descend(&mut self, names: &[&'static str], loss: Value) -> Result<Descent, TrainError> {
        let names: Vec<&str> = names
            .iter()
            .copied()
            .filter(|name| self.optional(name).is_some())
            .collect();
        let parameters: Vec<&[Parameter]> = names
            .iter()
            .filter_map(|name| self.optional(name))
            .map(Network::parameters)
            .collect();
        let mut gradients = Gradients::of(loss, &parameters)?;
        let mut squares = 0.0;
        for gradients in &gradients {
            squares += gradients.squares()?;
        }
        let norm = squares.sqrt();
        let descent = Descent { norm: norm as f32 };
        if !descent.norm.is_finite() {
            return Ok(descent);
        }
        let clip = names
            .first()
            .and_then(|name| self.training.get(*name)?.clip);
        for gradients in &mut gradients {
            match clip {
                Some(GradientClip::Norm(limit)) if norm > limit => {
                    *gradients = gradients.scaled(limit / norm)?;
                }
                Some(GradientClip::Value(limit)) => *gradients = gradients.clamped(limit)?,
                _ => {}
            }
        }
        for (name, gradients) in names.iter().zip(&gradients) {
            let lr = self.lr(name);
            if let Some(optimiser) = self.optimisers.get_mut(*name) {
                optimiser.step(gradients, lr)?;
            }
        }
        Ok(descent)
    }

    /// Cuts the parameters of network `name` that `chosen` picks off at ±`limit`.
    pub fn clip_weights(
        &self,
        name: &'static str,
        limit: f64,
        chosen: impl Fn(&Parameter) -> bool,
    ) -> Result<(), TrainError> {
        let parameters = self.network(name)?.parameters().iter();
        for parameter in parameters.filter(|parameter| chosen(parameter)) {
            let tensor = parameter.value.tensor();
            assign(tensor, &tensor.clamp(-limit, limit)?)?;
        }
        Ok(())
    }

    /// Moves the averages of those of the networks `names` that have one.
    pub fn move_averages(
        &self,
        names: &[&'static str],
        average: Average,
    ) -> Result<(), TrainError> {
        for name in names {
            let averaged = self.optional(&format!("{name}{AVERAGE}"));
            if let (Some(averaged), Some(network)) = (averaged, self.optional(name)) {
                average.follow(averaged, network, self.steps_of(name))?;
            }
        }
        Ok(())
    }

    /// A constant of `shape` on the learner's device.
    pub fn tensor(&self, values: &[f32], shape: &[usize]) -> Result<Value, TrainError> {
        Ok(Tensor::from_slice(values, shape, &self.device)?.into())
    }
}
