//! Grids: of a generator's images, and of real ones.

use image::RgbImage;

use super::conditions::{Conditions, named};
use super::config::SampleConfig;
use crate::data::pack::Pack;
use crate::report::grid::{Sheet, Tile, rows, tile};
use crate::stage::checkpoint::Checkpoint;
use crate::stage::generate::{BATCH, Generator, Noise, failed};
use crate::stage::{StageCtx, StageError};

/// Images in a row where nothing else is said.
pub const COLUMNS: u64 = 8;

/// A grid of generated images, each above what it was to show.
pub fn grid(
    config: &SampleConfig,
    ctx: &StageCtx<'_>,
    checkpoint: &Checkpoint,
    data: Option<&Pack>,
    progress: &dyn Fn(u64, u64),
) -> Result<Sheet, StageError> {
    let generator = Generator::load(&checkpoint.path, &ctx.compute.device, config.average)?;
    let conditions = Conditions::of(config, ctx, &generator, data)?;
    let images = conditions.count().unwrap_or(config.images);
    let noise = Noise::first(ctx.seed);
    let mut tiles = Vec::new();
    for first in (0..images).step_by(BATCH) {
        ctx.check_cancelled()?;
        let n = BATCH.min((images - first) as usize);
        let drawn = generator.draw(noise, first, n, &|k, row| conditions.write(k, row))?;
        for (k, image) in (first..).zip(drawn.tiles()?) {
            let label = if config.labels {
                conditions.label(k, generator.class_names())
            } else {
                String::new()
            };
            tiles.push(Tile { image, label });
        }
        progress(first + n as u64, images);
    }
    let columns = config.columns.or(conditions.columns()).unwrap_or(COLUMNS);
    Ok(Sheet::of(&rows(tiles, columns as usize)))
}

/// A grid of the first images of `data`, each above what it shows.
pub fn real(config: &SampleConfig, data: Option<&Pack>) -> Result<Sheet, StageError> {
    let data = data.ok_or_else(|| failed("there is nothing to sample from"))?;
    let count = (data.len() as u64).min(config.images) as usize;
    let names = &data.schema().classes;
    let tiles = (0..count).map(|index| {
        let mut row = vec![0.0; names.len()];
        if config.labels {
            data.label_vector(index, &mut row);
        }
        Ok(Tile {
            image: tile_of(data, index)?,
            label: named(&row, names),
        })
    });
    let tiles = tiles.collect::<Result<Vec<_>, StageError>>()?;
    let columns = config.columns.unwrap_or(COLUMNS);
    Ok(Sheet::of(&rows(tiles, columns as usize)))
}

/// Image `index` of `data` as a tile.
pub fn tile_of(data: &Pack, index: usize) -> Result<RgbImage, StageError> {
    let image = data.image(index);
    tile(image.height, image.width, image.channels, image.pixels)
        .ok_or_else(|| failed(format!("image {} cannot be shown", data.name(index))))
}
