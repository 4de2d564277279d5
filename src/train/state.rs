//! The full resume state of a training run, as safetensors.
//!
//! Tensors are `<network>.<parameter or buffer>` and `optimiser.<network>.<kept>.<parameter>`; counters are JSON
//! in the file's metadata. Everything is restored exactly.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use candle_core::{DType, Tensor};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use serde::{Deserialize, Serialize};

use super::error::TrainError;
use super::in_place::assign;
use super::learner::Learner;

/// The key of the counters in the file's `__metadata__`.
const COUNTERS: &str = "retake-state";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Counters {
    /// the last epoch made
    epoch: u64,
    steps: u64,
    samples: u64,
    /// optimiser steps by network
    optimisers: BTreeMap<String, u64>,
}

impl Learner {
    /// Writes everything that training after `epoch` depends on to `path`.
    pub fn save_state(&self, epoch: u64, path: &Path) -> Result<(), TrainError> {
        let damaged = |reason: String| TrainError::State {
            path: path.to_owned(),
            reason,
        };
        let mut tensors = Vec::new();
        for (name, tensor) in self.tensors() {
            let values = tensor
                .to_dtype(DType::F32)?
                .flatten_all()?
                .to_vec1::<f32>()?;
            tensors.push((name, tensor.dims().to_vec(), values));
        }
        let mut views = Vec::new();
        for (name, shape, values) in &tensors {
            let view = TensorView::new(Dtype::F32, shape.clone(), bytemuck::cast_slice(values));
            views.push((name, view.map_err(|error| damaged(error.to_string()))?));
        }
        let counters = Counters {
            epoch,
            steps: self.steps,
            samples: self.samples,
            optimisers: self
                .optimisers
                .iter()
                .map(|(name, o)| (name.clone(), o.steps()))
                .collect(),
        };
        let counters =
            serde_json::to_string(&counters).map_err(|error| damaged(error.to_string()))?;
        // One entry: a map of several would be written in an order of its own.
        let metadata = HashMap::from([(COUNTERS.to_owned(), counters)]);
        safetensors::serialize_to_file(views, Some(metadata), path)
            .map_err(|error| damaged(error.to_string()))
    }

    /// Restores what [`Learner::save_state`] wrote; gives the epoch. The learner must have been made for the
    /// same model.
    pub fn load_state(&mut self, path: &Path) -> Result<u64, TrainError> {
        let damaged = |reason: String| TrainError::State {
            path: path.to_owned(),
            reason,
        };
        let bytes = std::fs::read(path).map_err(|error| damaged(error.to_string()))?;
        let (_, metadata) =
            SafeTensors::read_metadata(&bytes).map_err(|error| damaged(error.to_string()))?;
        let entries = metadata.metadata().as_ref();
        let counters = entries
            .and_then(|entries| entries.get(COUNTERS))
            .ok_or_else(|| damaged("it holds no counters".to_owned()))?;
        let counters: Counters =
            serde_json::from_str(counters).map_err(|error| damaged(error.to_string()))?;
        let saved = SafeTensors::deserialize(&bytes).map_err(|error| damaged(error.to_string()))?;
        for (name, tensor) in self.tensors() {
            let view = saved
                .tensor(&name)
                .map_err(|error| damaged(format!("{name}: {error}")))?;
            if view.dtype() != Dtype::F32 || view.shape() != tensor.dims() {
                return Err(damaged(format!(
                    "`{name}` is {:?} {:?}, expected f32 {:?}",
                    view.dtype(),
                    view.shape(),
                    tensor.dims()
                )));
            }
            let (numbers, _) = view.data().as_chunks::<4>();
            let values: Vec<f32> = numbers
                .iter()
                .map(|bytes| f32::from_le_bytes(*bytes))
                .collect();
            let values = Tensor::from_vec(values, tensor.dims(), tensor.device())?;
            assign(tensor, &values.to_dtype(tensor.dtype())?)?;
        }
        self.steps = counters.steps;
        self.samples = counters.samples;
        for (name, optimiser) in &mut self.optimisers {
            let steps = counters.optimisers.get(name);
            let steps =
                steps.ok_or_else(|| damaged(format!("no optimiser of network `{name}`")))?;
            optimiser.set_steps(*steps);
        }
        Ok(counters.epoch)
    }

    /// Every tensor that training changes, by its name in the file, in order.
    fn tensors(&self) -> Vec<(String, &Tensor)> {
        let networks = self.model.networks.iter().flat_map(|(name, network)| {
            let all = network.parameters().iter().chain(network.buffers());
            all.map(move |owned| (format!("{name}.{}", owned.name), owned.value.tensor()))
        });
        let moments = self.optimisers.iter().flat_map(|(name, optimiser)| {
            let state = optimiser.state().into_iter();
            state.map(move |(moment, tensor)| (format!("optimiser.{name}.{moment}"), tensor))
        });
        networks.chain(moments).collect()
    }
}
