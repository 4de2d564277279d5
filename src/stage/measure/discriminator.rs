//! A model's own discriminator: how often it tells real images from generated ones.

use std::path::Path;

use candle_core::{Device, Tensor};

use crate::data::image::Image;
use crate::data::planes::to_planes;
use crate::metric::scores::Scores;
use crate::model::{Inputs, Mode, Network, SavedModel};
use crate::stage::StageError;
use crate::stage::generate::{BATCH, failed};

/// The network `discriminator` of a model.
pub struct Discriminator {
    network: Network,
    /// (C, H, W)
    shape: (usize, usize, usize),
    classes: usize,
    device: Device,
    judged: Judged,
}

/// What a discriminator thinks of generated images (0) and of real ones (1).
#[derive(Default)]
pub struct Judged {
    /// its scores: of an image one, or a map of them
    scores: [Vec<f32>; 2],
    images: [u64; 2],
}

impl Discriminator {
    /// Loads it from the model at `path`; an error where the model has none.
    pub fn load(path: &Path, device: &Device) -> Result<Self, StageError> {
        let mut model = SavedModel::load(path, device).map_err(failed)?;
        let names: Vec<String> = model.networks.keys().cloned().collect();
        let network = model.networks.shift_remove("discriminator");
        let network = network.ok_or_else(|| {
            failed(format!(
                "`d-accuracy` needs a model with a network `discriminator` (this one has {})",
                names.join(", ")
            ))
        })?;
        let dims = model.header.dims;
        Ok(Self {
            network,
            shape: (dims.channels, dims.height, dims.width),
            classes: dims.classes,
            device: device.clone(),
            judged: Judged::default(),
        })
    }

    /// An error where it is told what images show, and a label has another length than what it is told.
    pub fn check_classes(&self, classes: usize) -> Result<(), StageError> {
        if self.network.takes("condition") && classes != self.classes {
            return Err(failed(format!(
                "the discriminator takes {} classes, the reference has {classes}",
                self.classes
            )));
        }
        Ok(())
    }

    /// Takes note of what it thinks of at most [`BATCH`] images with their conditions (N, classes): above 0 is real, as
    /// for the losses whose outputs are logits. Of maps of logits each counts.
    pub fn look(
        &mut self,
        images: &[Image],
        conditions: &[f32],
        real: bool,
    ) -> Result<(), StageError> {
        let (channels, height, width) = self.shape;
        let floats = channels * height * width;
        let mut planes = vec![0.0; BATCH * floats];
        for (image, out) in images.iter().zip(planes.chunks_exact_mut(floats)) {
            if (image.channels, image.height, image.width) != self.shape {
                return Err(failed(format!(
                    "the discriminator was trained on images of {channels} channel(s) and {height}×{width} pixels, not \
                     of {} and {}×{}",
                    image.channels, image.height, image.width
                )));
            }
            to_planes(&image.view(), out);
        }
        let shape = (BATCH, channels, height, width);
        let mut inputs =
            Inputs::new().with("image", Tensor::from_vec(planes, shape, &self.device)?);
        if self.network.takes("condition") {
            let mut rows = conditions.to_vec();
            rows.resize(BATCH * self.classes, 0.0);
            let rows = Tensor::from_vec(rows, (BATCH, self.classes), &self.device)?;
            inputs = inputs.with("condition", rows);
        }
        let logits = self.network.forward_frozen(&inputs, Mode::Eval);
        let logits = logits.map_err(failed)?.into_tensor();
        let logits: Vec<f32> = logits
            .narrow(0, 0, images.len())?
            .flatten_all()?
            .to_vec1()?;
        self.judged.scores[usize::from(real)].extend(logits);
        self.judged.images[usize::from(real)] += images.len() as u64;
        Ok(())
    }

    /// What it thinks of all the images that it was shown.
    pub fn judged(self) -> Judged {
        self.judged
    }
}

impl Judged {
    /// The mean of its accuracies on real and on generated images, in [0, 1].
    pub fn accuracy(&self) -> f64 {
        let share = |real: bool| {
            let scores = &self.scores[usize::from(real)];
            let right = scores
                .iter()
                .filter(|score| (**score > 0.0) == real)
                .count();
            right as f64 / scores.len().max(1) as f64
        };
        f64::midpoint(share(false), share(true))
    }

    /// How many generated images there were.
    pub fn images(&self) -> u64 {
        self.images[0]
    }

    /// Histograms of its scores in so many `parts`.
    pub fn scores(&self, parts: usize) -> Option<Scores> {
        let [generated, real] = &self.scores;
        Scores::of(real, generated, parts)
    }
}
