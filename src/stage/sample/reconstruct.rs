//! What a VAE makes of images: each above the image that its code's mean decodes to.

use candle_core::{Device, Tensor};
use image::RgbImage;

use super::config::SampleConfig;
use super::draw::tile_of;
use crate::data::batch::Batch;
use crate::data::pack::Pack;
use crate::model::{Inputs, Mode, Network, SavedModel};
use crate::report::grid::contact_sheet;
use crate::stage::checkpoint::Checkpoint;
use crate::stage::generate::{BATCH, Codes, Generator, failed, take};
use crate::stage::{StageCtx, StageError};

/// Images in a row where nothing else is said.
const COLUMNS: usize = 8;

/// Rows of the first images of `data`, each above a row of their reconstructions.
pub fn sheet(
    config: &SampleConfig,
    ctx: &StageCtx<'_>,
    checkpoint: &Checkpoint,
    data: Option<&Pack>,
    progress: &dyn Fn(u64, u64),
) -> Result<RgbImage, StageError> {
    let data = data.filter(|data| !data.is_empty());
    let data = data.ok_or_else(|| failed("the input `data` holds no images to reconstruct"))?;
    let device = &ctx.compute.device;
    let encoder = Encoder::load(checkpoint, device, config.average)?;
    let decoder = Generator::load(&checkpoint.path, device, config.average)?;
    let images = (data.len() as u64).min(config.images) as usize;
    let mut pairs = Vec::with_capacity(images);
    for first in (0..images).step_by(BATCH) {
        ctx.check_cancelled()?;
        let indices: Vec<u32> = (first..images.min(first + BATCH))
            .map(|index| index as u32)
            .collect();
        let batch = Batch::of(data, &indices).map_err(failed)?;
        let codes = encoder.encode(batch, decoder.latent(), decoder.classes())?;
        let drawn = decoder.render(&codes, ctx.seed, first as u64, indices.len())?;
        for (index, tile) in (first..).zip(drawn.tiles()?) {
            pairs.push((tile_of(data, index)?, tile));
        }
        progress(pairs.len() as u64, images as u64);
    }
    let columns = config.columns.map_or(COLUMNS, |columns| columns as usize);
    let columns = columns.clamp(1, pairs.len().max(1));
    let blank = pairs
        .first()
        .map(|(tile, _)| RgbImage::from_pixel(tile.width(), tile.height(), image::Rgb([255; 3])));
    let mut tiles = Vec::with_capacity(2 * pairs.len());
    for row in pairs.chunks(columns) {
        // A last row that is not full is filled up, so that its second half stands below its first.
        let fill = || blank.iter().cycle().take(columns - row.len()).cloned();
        tiles.extend(row.iter().map(|(original, _)| original.clone()));
        tiles.extend(fill());
        tiles.extend(row.iter().map(|(_, made)| made.clone()));
        tiles.extend(fill());
    }
    Ok(contact_sheet(&tiles, columns))
}

/// The network `encoder` of a VAE.
struct Encoder {
    network: Network,
    device: Device,
}

impl Encoder {
    fn load(checkpoint: &Checkpoint, device: &Device, average: bool) -> Result<Self, StageError> {
        let mut model = SavedModel::load(&checkpoint.path, device).map_err(failed)?;
        let names: Vec<String> = model.networks.keys().cloned().collect();
        let network = take(&mut model, "encoder", average).ok_or_else(|| {
            StageError::Failed(format!(
                "the model has no network `encoder` to reconstruct with (it has {}): train one with `task: vae`",
                names.join(", ")
            ))
        })?;
        Ok(Self {
            network,
            device: device.clone(),
        })
    }

    /// The means of the codes of a batch of images, the first `latent` of 2 · `latent` numbers.
    fn encode(&self, batch: Batch, latent: usize, classes: usize) -> Result<Codes, StageError> {
        let (n, channels, height, width) = batch.shape;
        let mut images = batch.images;
        images.resize(BATCH * channels * height * width, 0.0);
        let images = Tensor::from_vec(images, (BATCH, channels, height, width), &self.device)?;
        let mut inputs = Inputs::new().with("image", images);
        if self.network.takes("condition") {
            let mut labels = batch.labels.clone();
            labels.resize(BATCH * classes, 0.0);
            inputs = inputs.with(
                "condition",
                Tensor::from_vec(labels, (BATCH, classes), &self.device)?,
            );
        }
        let codes = self.network.forward_frozen(&inputs, Mode::Eval);
        let codes = codes.map_err(failed)?.into_tensor().flatten_from(1)?;
        if codes.dim(1)? != 2 * latent {
            return Err(StageError::Failed(format!(
                "the encoder gives {} numbers an image, expected {}: means and log-variances of {latent}",
                codes.dim(1)?,
                2 * latent
            )));
        }
        let means = codes.narrow(0, 0, n)?.narrow(1, 0, latent)?;
        Ok(Codes {
            z: means.flatten_all()?.to_vec1()?,
            w: None,
            condition: batch.labels,
        })
    }
}
