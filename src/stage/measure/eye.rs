//! What looks at images: a judge that was trained in the pipeline, or an extractor with weights of others.

use candle_core::Device;
use serde_json::json;

use crate::extract::{Extractor, ExtractorSpec, Protocol};
use crate::hash::Digest;
use crate::model::SavedModel;
use crate::stage::generate::{BATCH, failed};
use crate::stage::{InputNode, StageError, Status};

/// A network that looks at images, and how its results are called.
pub struct Eye {
    /// the network
    pub extractor: Extractor,
    /// names the network and its weights
    pub digest: Digest,
    /// how images are prepared for it; none: as it was trained
    pub protocol: Option<Protocol>,
    /// the names of the classes of its scores, in order; none for an extractor
    pub class_names: Vec<String>,
    /// whether it finds any number of classes in an image, each by itself, and not one
    pub multi_label: bool,
}

impl Eye {
    /// The network `classifier` of the model at `node`. A judge whose training diverged is refused.
    pub fn judge(node: &InputNode, device: &Device) -> Result<Self, StageError> {
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
        let dims = model.header.dims;
        let shape = (dims.channels, dims.height, dims.width);
        Ok(Self {
            extractor: Extractor::trained(network, shape, BATCH, device),
            digest: node.artifact().digest,
            protocol: None,
            class_names: model.header.classes,
            multi_label: model.header.multi_label,
        })
    }

    /// The resolved extractor `spec` with the weights at `node`.
    pub fn extractor(
        spec: &ExtractorSpec,
        protocol: Protocol,
        node: &InputNode,
        device: &Device,
    ) -> Result<Self, StageError> {
        let digest = extractor_digest(spec, node.artifact().digest)?;
        Ok(Self {
            extractor: Extractor::open(spec, protocol, node.path(), device).map_err(failed)?,
            digest,
            protocol: Some(protocol),
            class_names: Vec::new(),
            multi_label: false,
        })
    }
}

/// Names a resolved extractor by its layers, its weights and what it reads; not by its protocol.
pub fn extractor_digest(spec: &ExtractorSpec, weights: Digest) -> Result<Digest, StageError> {
    Ok(Digest::of_value(&json!({
        "layers": spec.layers().map_err(failed)?,
        "weights": weights,
        "names": spec.weights.names,
        "size": spec.size,
        "features": spec.features,
        "scores": spec.scores,
        "range": spec.range,
        "ranges": spec.ranges,
    })))
}
