//! Images from a trained generator, by fixed noise.

use std::path::Path;

use candle_core::{Device, Tensor};
use image::RgbImage;

use super::StageError;
use crate::data::image::Image;
use crate::model::{Inputs, Mode, Network, SavedModel};
use crate::report::grid::tile;
use crate::rng::Stream;

/// Images are drawn and judged this many at a time, the last batch filled up. It is no setting: with one
/// shape of every tensor, sample k is the same bytes however many samples are asked for.
pub const BATCH: usize = 64;

/// Networks that draw: a GAN's, a VAE's.
const DRAWING: [&str; 2] = ["generator", "decoder"];

/// What draws images in a saved model.
pub struct Generator {
    network: Network,
    /// z → w, for a generator that is given w
    mapping: Option<Network>,
    latent: usize,
    condition: usize,
    classes: Vec<String>,
    device: Device,
}

/// The noise of a set of images: sample k has the stream (`seed`, `z`, k). Further draws of the same set have
/// noise of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Noise {
    /// the stage's
    pub seed: u64,
    /// which repetition, from 0
    pub draw: u64,
}

/// What images are drawn from, one row an image; missing rows are zeros.
#[derive(Debug, Clone, Default)]
pub struct Codes {
    /// (N, latent), standard normal
    pub z: Vec<f32>,
    /// (N, latent), in place of what the mapping network makes of z
    pub w: Option<Vec<f32>>,
    /// (N, classes); empty without conditions
    pub condition: Vec<f32>,
}

/// 8-bit images as planes.
pub struct Drawn {
    /// (N, C, H, W)
    pub pixels: Vec<u8>,
    /// (C, H, W)
    pub shape: (usize, usize, usize),
}

impl Noise {
    /// The first draw.
    pub fn first(seed: u64) -> Self {
        Self { seed, draw: 0 }
    }

    /// Writes z of sample `k`.
    pub fn fill(self, k: u64, row: &mut [f32]) {
        let purpose = match self.draw {
            0 => "z".to_owned(),
            draw => format!("z/{draw}"),
        };
        Stream::new(self.seed, &purpose, k).fill_normal(row);
    }
}

/// Takes the network `name` out of `model`: its moving average over training, where `average` asks for one and there
/// is one.
pub fn take(model: &mut SavedModel, name: &str, average: bool) -> Option<Network> {
    let averaged = average.then(|| model.networks.shift_remove(&format!("{name}_ema")));
    averaged
        .flatten()
        .or_else(|| model.networks.shift_remove(name))
}

impl Generator {
    /// Loads the network `generator` (of a VAE: `decoder`) of the model at `path`, and `mapping` where there is one;
    /// with `average` their moving averages over training, where there are such.
    pub fn load(path: &Path, device: &Device, average: bool) -> Result<Self, StageError> {
        let mut model = SavedModel::load(path, device).map_err(failed)?;
        let names: Vec<String> = model.networks.keys().cloned().collect();
        let network = DRAWING
            .into_iter()
            .find_map(|name| take(&mut model, name, average));
        let network = network.ok_or_else(|| {
            StageError::Failed(format!(
                "the model has no network `generator` or `decoder` to draw images with (it has {})",
                names.join(", ")
            ))
        })?;
        let mapping = take(&mut model, "mapping", average).filter(|_| network.takes("w"));
        if network.takes("w") && mapping.is_none() {
            return Err(StageError::Failed(format!(
                "the generator takes `w`, and the model has no network `mapping` that makes it (it has {})",
                names.join(", ")
            )));
        }
        Ok(Self {
            network,
            mapping,
            latent: model.header.dims.latent,
            condition: model.header.dims.classes,
            classes: model.header.classes,
            device: device.clone(),
        })
    }

    /// Whether it wants to be told what to draw.
    pub fn conditional(&self) -> bool {
        let mapping = self.mapping.as_ref();
        self.network.takes("condition") || mapping.is_some_and(|mapping| mapping.takes("condition"))
    }

    /// How long a condition is.
    pub fn classes(&self) -> usize {
        self.condition
    }

    /// The names of the classes, by their place in a condition.
    pub fn class_names(&self) -> &[String] {
        &self.classes
    }

    /// How long z and w are.
    pub fn latent(&self) -> usize {
        self.latent
    }

    /// Samples `first` … `first` + `n` − 1 (`n` ≤ [`BATCH`]) with the condition that `condition` writes for each.
    /// Clamped and rounded to 8 bits.
    pub fn draw(
        &self,
        noise: Noise,
        first: u64,
        n: usize,
        condition: &dyn Fn(u64, &mut [f32]),
    ) -> Result<Drawn, StageError> {
        let mut codes = Codes {
            z: vec![0.0; BATCH * self.latent],
            ..Codes::default()
        };
        for (k, row) in (first..).zip(codes.z.chunks_exact_mut(self.latent.max(1))) {
            noise.fill(k, row);
        }
        if self.conditional() {
            codes.condition = vec![0.0; BATCH * self.condition];
            for (k, row) in (first..).zip(codes.condition.chunks_exact_mut(self.condition.max(1))) {
                condition(k, row);
            }
        }
        self.render(&codes, noise.seed, first, n)
    }

    /// w (N, latent) of each row of z in `codes`; an error without a mapping network.
    pub fn map(&self, codes: &Codes) -> Result<Vec<f32>, StageError> {
        let w = self.mapped_tensor(codes)?.ok_or_else(|| {
            StageError::Failed(
                "the model has no network `mapping`, so there is no space w to move in: set `space: z`"
                    .to_owned(),
            )
        })?;
        let rows = codes.z.len() / self.latent.max(1);
        Ok(w.narrow(0, 0, rows)?.flatten_all()?.to_vec1()?)
    }

    /// The first `n` (≤ [`BATCH`]) images of `codes`; the first of them is sample `first` to layers that draw
    /// random numbers of `seed` (dropout that is always on).
    pub fn render(
        &self,
        codes: &Codes,
        seed: u64,
        first: u64,
        n: usize,
    ) -> Result<Drawn, StageError> {
        let mut inputs = self.inputs(codes)?.noise(seed, first);
        if self.network.takes("w") {
            let w = match &codes.w {
                Some(w) => Some(self.rows(w, self.latent)?),
                None => self.mapped_tensor(codes)?,
            };
            if let Some(w) = w {
                inputs = inputs.with("w", w);
            }
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

    /// What both networks are given.
    fn inputs(&self, codes: &Codes) -> Result<Inputs, StageError> {
        let inputs = Inputs::new().with("z", self.rows(&codes.z, self.latent)?);
        if !self.conditional() {
            return Ok(inputs);
        }
        let condition = self.rows(&codes.condition, self.condition)?;
        Ok(inputs.with("condition", condition))
    }

    fn mapped_tensor(&self, codes: &Codes) -> Result<Option<Tensor>, StageError> {
        let Some(mapping) = &self.mapping else {
            return Ok(None);
        };
        let w = mapping.forward_frozen(&self.inputs(codes)?, Mode::Eval);
        Ok(Some(w.map_err(failed)?.into_tensor()))
    }

    /// A full batch of rows.
    fn rows(&self, values: &[f32], width: usize) -> Result<Tensor, StageError> {
        let mut values = values.to_vec();
        values.resize(BATCH * width, 0.0);
        Ok(Tensor::from_vec(values, (BATCH, width), &self.device)?)
    }
}

impl Drawn {
    /// Image by image; an error when they are neither grey nor RGB.
    pub fn images(&self) -> Result<Vec<Image>, StageError> {
        let (channels, height, width) = self.shape;
        if channels != 1 && channels != 3 {
            return Err(StageError::Failed(format!(
                "images of {channels} channels cannot be looked at: 1 or 3 are needed"
            )));
        }
        let plane = height * width;
        let images = self.pixels.chunks_exact(channels * plane).map(|image| {
            let pixel = |at: usize| (0..channels).map(move |c| image[c * plane + at]);
            Image {
                height,
                width,
                channels,
                pixels: (0..plane).flat_map(pixel).collect(),
            }
        });
        Ok(images.collect())
    }

    /// The images as tiles of a grid; an error when they are neither grey nor RGB.
    pub fn tiles(&self) -> Result<Vec<RgbImage>, StageError> {
        let images = self.images()?;
        let tiles = images.iter().map(|image| {
            let Image {
                height,
                width,
                channels,
                pixels,
            } = image;
            tile(*height, *width, *channels, pixels)
        });
        let no_room = || failed("an image too large to be shown");
        tiles.collect::<Option<_>>().ok_or_else(no_room)
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
