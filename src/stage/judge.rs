//! A classifier that was trained in the pipeline, as a judge of images.

use candle_core::{Device, Tensor};

use super::generate::{BATCH, failed};
use super::{InputNode, StageError, Status};
use crate::model::{Inputs, Mode, Network, SavedModel};

/// The judge's network.
pub struct Judge {
    network: Network,
    /// length of its scores
    pub classes: usize,
    /// their names, in order
    pub class_names: Vec<String>,
    device: Device,
}

/// What the judge makes of a batch of images.
pub struct Verdict {
    /// (N, D): the activations before its last layer
    pub features: Vec<f32>,
    /// D
    pub dimensions: usize,
    /// (N, K): logits by class
    pub scores: Vec<f32>,
}

impl Judge {
    /// Loads the network `classifier` of the input's model. A judge whose training diverged is refused.
    pub fn load(node: &InputNode, device: &Device) -> Result<Self, StageError> {
        if let Status::Diverged { epoch, .. } = node.status {
            return Err(StageError::Failed(format!(
                "the judge {} diverged in epoch {epoch}, so there is nothing to judge by",
                node.node
            )));
        }
        let mut model = SavedModel::load(node.path(), device).map_err(failed)?;
        let names: Vec<String> = model.networks.keys().cloned().collect();
        let network = model.networks.shift_remove("classifier").ok_or_else(|| {
            StageError::Failed(format!(
                "the judge has no network `classifier` (it has {}): train one with `task: classifier`",
                names.join(", ")
            ))
        })?;
        Ok(Self {
            network,
            classes: model.header.dims.classes,
            class_names: model.header.classes,
            device: device.clone(),
        })
    }

    /// Judges `images` (N, C, H, W) in [−1, 1] with N ≤ [`BATCH`].
    pub fn look(
        &self,
        mut images: Vec<f32>,
        (channels, height, width): (usize, usize, usize),
    ) -> Result<Verdict, StageError> {
        let floats = channels * height * width;
        let n = images.len() / floats;
        images.resize(BATCH * floats, 0.0);
        let images = Tensor::from_vec(images, (BATCH, channels, height, width), &self.device)?;
        let inputs = Inputs::new().with("image", images);
        let (features, scores) = self.network.features(&inputs, Mode::Eval).map_err(failed)?;
        let (features, scores) = (features.into_tensor(), scores.into_tensor());
        let dimensions = features.dim(1)?;
        Ok(Verdict {
            features: features.narrow(0, 0, n)?.flatten_all()?.to_vec1()?,
            dimensions,
            scores: scores.narrow(0, 0, n)?.flatten_all()?.to_vec1()?,
        })
    }
}
