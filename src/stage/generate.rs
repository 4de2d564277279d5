//! Images from a trained generator, by fixed noise.

use std::path::Path;

use candle_core::{Device, Tensor};
use image::RgbImage;

use super::StageError;
use crate::model::{Inputs, Mode, Network, SavedModel};
use crate::report::grid::tile;
use crate::rng::Stream;

/// Images are drawn and judged this many at a time, the last batch filled up. It is no setting: with one
/// shape of every tensor, sample k is the same bytes however many samples are asked for.
pub const BATCH: usize = 64;

/// The generator of a saved model.
pub struct Generator {
    network: Network,
    latent: usize,
    classes: usize,
    device: Device,
}

/// 8-bit images as planes.
pub struct Drawn {
    /// (N, C, H, W)
    pub pixels: Vec<u8>,
    /// (C, H, W)
    pub shape: (usize, usize, usize),
}

impl Generator {
    /// Loads the network `generator` of the model at `path`.
    pub fn load(path: &Path, device: &Device) -> Result<Self, StageError> {
        let mut model = SavedModel::load(path, device).map_err(failed)?;
        let names: Vec<String> = model.networks.keys().cloned().collect();
        let network = model.networks.shift_remove("generator").ok_or_else(|| {
            StageError::Failed(format!(
                "the model has no network `generator` to draw images with (it has {})",
                names.join(", ")
            ))
        })?;
        Ok(Self {
            network,
            latent: model.header.dims.latent,
            classes: model.header.dims.classes,
            device: device.clone(),
        })
    }

    /// Whether it wants to be told what to draw.
    pub fn conditional(&self) -> bool {
        self.network.takes("condition")
    }

    /// How long a condition is.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Samples `first` … `first` + `n` − 1 (`n` ≤ [`BATCH`]), where sample k has the noise of the stream
    /// (`seed`, `z`, k) and the condition that `condition` writes for it. Clamped and rounded to 8 bits.
    pub fn draw(
        &self,
        seed: u64,
        first: u64,
        n: usize,
        condition: &dyn Fn(u64, &mut [f32]),
    ) -> Result<Drawn, StageError> {
        let mut noise = vec![0.0; BATCH * self.latent];
        let mut conditions = vec![0.0; BATCH * self.classes];
        for (k, row) in (first..).zip(noise.chunks_exact_mut(self.latent)) {
            Stream::new(seed, "z", k).fill_normal(row);
        }
        let noise = Tensor::from_vec(noise, (BATCH, self.latent), &self.device)?;
        let mut inputs = Inputs::new().with("z", noise);
        if self.conditional() {
            for (k, row) in (first..).zip(conditions.chunks_exact_mut(self.classes)) {
                condition(k, row);
            }
            let conditions = Tensor::from_vec(conditions, (BATCH, self.classes), &self.device)?;
            inputs = inputs.with("condition", conditions);
        }
        let images = self
            .network
            .forward_frozen(&inputs, Mode::Eval)
            .map_err(failed)?
            .into_tensor();
        let (_, channels, height, width) = images.dims4()?;
        let floats = images.flatten_all()?.to_vec1::<f32>()?;
        let pixels = floats[..n * channels * height * width]
            .iter()
            .map(|value| to_byte(*value))
            .collect::<Option<Vec<u8>>>();
        let pixels = pixels.ok_or_else(|| {
            StageError::Failed(format!(
                "the generator gives values that are not finite (samples {first} to {})",
                first + n as u64 - 1
            ))
        })?;
        Ok(Drawn {
            pixels,
            shape: (channels, height, width),
        })
    }
}

impl Drawn {
    /// The images (N, C, H, W) in [−1, 1], as the networks see images of a pack.
    pub fn normalised(&self) -> Vec<f32> {
        self.pixels
            .iter()
            .map(|byte| f32::from(*byte) / 127.5 - 1.0)
            .collect()
    }

    /// The images as tiles of a grid; `None` when they are neither grey nor RGB.
    pub fn tiles(&self) -> Option<Vec<RgbImage>> {
        let (channels, height, width) = self.shape;
        let plane = height * width;
        self.pixels
            .chunks_exact(channels * plane)
            .map(|image| {
                let pixel = |at: usize| (0..channels).map(move |c| image[c * plane + at]);
                let pixels: Vec<u8> = (0..plane).flat_map(pixel).collect();
                tile(height, width, channels, &pixels)
            })
            .collect()
    }
}

/// [−1, 1] to 0 … 255, clamped; `None` when not finite.
fn to_byte(value: f32) -> Option<u8> {
    value
        .is_finite()
        .then(|| ((value + 1.0) * 127.5).round().clamp(0.0, 255.0) as u8)
}

/// Any layer's error as a stage's.
pub fn failed(error: impl std::fmt::Display) -> StageError {
    StageError::Failed(error.to_string())
}
