//! From images to features: the networks by which images are measured.
//!
//! image → [`Preparation`] → planes → network → [`Seen`]. An [`Extractor`] gives features and scores only; what is made
//! of them is [`crate::metric`]'s. [`ExtractorSpec`] says what it is, as data: those that come with retake stand in
//! `pipelines/extractors/`. [`Protocol`] says how images are prepared.

mod prepare;
pub mod protocol;
mod reference;
pub mod resample;
pub mod spec;

use std::path::{Path, PathBuf};

use candle_core::{Device, Tensor};
use rayon::prelude::*;

pub use prepare::Preparation;
pub use protocol::Protocol;
pub use reference::ExtractorRef;
pub use spec::ExtractorSpec;

use crate::data::image::ImageRef;
use crate::hash::sha256;
use crate::model::weights::{Surplus, load_bytes_into};
use crate::model::{Inputs, Mode, ModelError, Network};

/// Goes up by one whenever the same image, network and protocol give other features.
pub const FEATURES_VERSION: u32 = 1;

/// Resampled images are looked at this many at a time, the last batch filled up: with one shape of every tensor, an
/// image's features are the same bytes whatever stands beside it.
const BATCH: usize = 8;

/// A network with its weights, and what it is shown.
pub struct Extractor {
    network: Network,
    preparation: Preparation,
    batch: usize,
    features: String,
    /// the tap of the scores; the network's output where there is none
    scores: Option<String>,
    device: Device,
}

/// What an extractor makes of images.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// (N, D)
    pub features: Vec<f32>,
    /// D
    pub dimensions: usize,
    /// (N, K): logits
    pub scores: Vec<f32>,
    /// K
    pub classes: usize,
}

/// Why there is no extractor, or why it cannot see.
#[derive(Debug, thiserror::Error)]
pub enum ExtractError {
    /// A name that stands for nothing.
    #[error("unknown extractor `{name}`: expected one of {known}")]
    Unknown {
        /// what was asked for
        name: String,
        /// what there is
        known: String,
    },
    /// Something about it that makes no sense.
    #[error("{0}")]
    Text(String),
    /// The model has no such network.
    #[error("the extractor's model has no network `{name}` (it has {known})")]
    NoNetwork {
        /// what was asked for
        name: String,
        /// what there is
        known: String,
    },
    /// The network has no such tap.
    #[error("the extractor has no layer `tap: {name}` (it has {known})")]
    NoTap {
        /// what was asked for
        name: String,
        /// what there is
        known: String,
    },
    /// The file of weights is another one.
    #[error(
        "{path}: sha256 {found}, but {extractor}'s weights have another ({help}); if this file is the one you mean, say so \
         by its digest as `weights_sha256`"
    )]
    OtherWeights {
        /// the file
        path: PathBuf,
        /// the extractor's name
        extractor: String,
        /// its digest
        found: String,
        /// the expected one
        wanted: String,
        /// where to get the right one
        help: String,
    },
    /// An image of a form that the network was not trained on; (C, H, W).
    #[error(
        "an image has {} channel(s) and {}×{} pixels, the network was trained on {} and {}×{}: add a preprocess stage \
         that resizes, or measure with an extractor that resamples",
        found.0, found.1, found.2, wanted.0, wanted.1, wanted.2
    )]
    Form {
        /// what it has
        found: (usize, usize, usize),
        /// what is wanted
        wanted: (usize, usize, usize),
    },
    /// A file that cannot be read.
    #[error("{path}: {source}")]
    Io {
        /// which
        path: PathBuf,
        /// what the system said
        source: std::io::Error,
    },
    /// Layers or weights that do not fit.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// A tensor operation failed.
    #[error("tensor operation: {0}")]
    Tensor(#[from] candle_core::Error),
}

impl Extractor {
    /// The resolved `spec` with weights from the file at `weights`, its images prepared by `protocol`.
    ///
    /// # Errors
    /// When the file is not the one that the extractor wants, is damaged, or lacks tensors; when the network has no
    /// such taps.
    pub fn open(
        spec: &ExtractorSpec,
        protocol: Protocol,
        weights: &Path,
        device: &Device,
    ) -> Result<Self, ExtractError> {
        let bytes = std::fs::read(weights).map_err(|source| ExtractError::Io {
            path: weights.to_owned(),
            source,
        })?;
        if let Some(wanted) = &spec.weights.sha256 {
            let found = sha256(&bytes);
            if !found.eq_ignore_ascii_case(wanted) {
                return Err(ExtractError::OtherWeights {
                    path: weights.to_owned(),
                    extractor: spec.name.clone(),
                    found,
                    wanted: wanted.clone(),
                    help: spec.how_to_get(),
                });
            }
        }
        let network = Network::blank(&spec.network, spec.layers()?, &spec.dims(), device)?;
        let names = &spec.weights.names;
        load_bytes_into(&network, &bytes, weights, names, Surplus::Ignore)?;
        Ok(Self {
            network: network.folded()?,
            preparation: Preparation::of(spec, protocol),
            batch: BATCH,
            features: spec.features.clone(),
            scores: spec.scores.clone(),
            device: device.clone(),
        })
    }

    /// A classifier that was trained on images of `shape` (C, H, W): its features are what flows through
    /// `tap: features`, its scores what it gives. It looks at `batch` images at a time.
    pub fn trained(
        network: Network,
        shape: (usize, usize, usize),
        batch: usize,
        device: &Device,
    ) -> Self {
        Self {
            network,
            preparation: Preparation::AsTrained { shape },
            batch,
            features: "features".to_owned(),
            scores: None,
            device: device.clone(),
        }
    }

    /// Features and scores of `images`, in their order.
    ///
    /// # Errors
    /// When an image has another form than the network takes; when there is no room.
    pub fn look(&self, images: &[ImageRef<'_>]) -> Result<Seen, ExtractError> {
        let mut seen = Seen::default();
        for images in images.chunks(self.batch) {
            self.look_at_batch(images, &mut seen)?;
        }
        Ok(seen)
    }

    fn look_at_batch(&self, images: &[ImageRef<'_>], seen: &mut Seen) -> Result<(), ExtractError> {
        let (channels, height, width) = self.preparation.shape();
        let floats = channels * height * width;
        let mut planes = vec![0.0; self.batch * floats];
        planes
            .par_chunks_exact_mut(floats)
            .zip(images)
            .try_for_each(|(out, image)| self.preparation.write(image, out))?;
        let shape = (self.batch, channels, height, width);
        let inputs = Inputs::new().with("image", Tensor::from_vec(planes, shape, &self.device)?);
        let (output, mut taps) = self.network.forward_with_taps(&inputs, Mode::Eval)?;
        let output = output.into_tensor();
        let known = taps.keys().cloned().collect::<Vec<_>>().join(", ");
        let mut tap = |name: &str| {
            let value = taps.remove(name).ok_or_else(|| ExtractError::NoTap {
                name: name.to_owned(),
                known: known.clone(),
            })?;
            Ok::<_, ExtractError>(value.into_tensor())
        };
        let scores = match &self.scores {
            Some(name) => tap(name)?,
            None => output,
        };
        let features = tap(&self.features)?;
        let rows = |tensor: &Tensor| -> Result<(Vec<f32>, usize), ExtractError> {
            let mut values: Vec<f32> = tensor.flatten_all()?.to_vec1()?;
            let width = values.len() / self.batch;
            values.truncate(images.len() * width);
            Ok((values, width))
        };
        let (features, pixels) = match features.dims() {
            &[_, _, height, width] if matches!(self.preparation, Preparation::Resampled { .. }) => {
                (features, height * width)
            }
            _ => (features, 1),
        };
        let (mut features, width) = rows(&features)?;
        if pixels > 1 {
            features = features.chunks_exact(pixels).map(mean).collect();
        }
        seen.dimensions = width / pixels;
        seen.features.append(&mut features);
        let (mut scores, classes) = rows(&scores)?;
        seen.classes = classes;
        seen.scores.append(&mut scores);
        Ok(())
    }
}

fn mean(pixels: &[f32]) -> f32 {
    let sum: f64 = pixels.iter().copied().map(f64::from).sum();
    (sum / pixels.len() as f64) as f32
}
