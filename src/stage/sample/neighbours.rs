//! Generated images, each beside the training images that are nearest to it in some network's features: what a model
//! has learnt by heart shows.

use image::RgbImage;

use super::conditions::Conditions;
use super::config::SampleConfig;
use super::draw::tile_of;
use crate::data::image::Image;
use crate::data::pack::Pack;
use crate::metric::Needs;
use crate::metric::features::Features;
use crate::metric::nearest::nearest;
use crate::report::grid::{Sheet, Tile, rows as in_rows};
use crate::report::number::significant;
use crate::stage::checkpoint::Checkpoint;
use crate::stage::generate::{BATCH, Generator, Noise, failed};
use crate::stage::measure::{Eye, Images, Reference};
use crate::stage::{StageCtx, StageError};

/// A row for each generated image: itself above what it was to show, then its neighbours in `data`, nearest first, each
/// above its distance.
pub fn sheet(
    config: &SampleConfig,
    ctx: &StageCtx<'_>,
    checkpoint: &Checkpoint,
    data: Option<&Pack>,
    progress: &dyn Fn(u64, u64),
) -> Result<RgbImage, StageError> {
    let data = data.filter(|data| !data.is_empty());
    let data = data.ok_or_else(|| failed("the input `data` holds no images to compare with"))?;
    let device = &ctx.compute.device;
    let eye = match config.extractor() {
        Some((spec, protocol)) => Eye::extractor(spec, protocol, ctx.input("weights")?, device)?,
        None => Eye::judge(ctx.input("judge")?, device)?,
    };
    let node = ctx.input("data")?;
    let mut reference = Reference::default();
    let needs = Needs {
        reference_rows: true,
        ..Needs::default()
    };
    let images = Images::open(node)?;
    reference.complete(ctx, (node.artifact().digest, &images, None), &eye, needs)?;
    let rows = reference.rows().map_err(failed)?;

    let generator = Generator::load(&checkpoint.path, device, config.average)?;
    let conditions = Conditions::of(config, ctx, &generator, Some(data))?;
    let count = conditions.count().unwrap_or(config.images);
    let noise = Noise::first(ctx.seed);
    let neighbours = (config.neighbours() as usize).min(data.len());
    let mut tiles = Vec::new();
    for first in (0..count).step_by(BATCH) {
        ctx.check_cancelled()?;
        let n = BATCH.min((count - first) as usize);
        let drawn = generator.draw(noise, first, n, &|k, row| conditions.write(k, row))?;
        let images = drawn.images()?;
        let views: Vec<_> = images.iter().map(Image::view).collect();
        let seen = eye.extractor.look(&views).map_err(failed)?;
        let features = Features::of_any(&seen.features, seen.dimensions).map_err(failed)?;
        let found = nearest(&features, &rows, neighbours).map_err(failed)?;
        for ((k, image), found) in (first..).zip(drawn.tiles()?).zip(found) {
            let label = conditions.label(k, generator.class_names());
            tiles.push(Tile { image, label });
            for neighbour in found {
                tiles.push(Tile {
                    image: tile_of(data, neighbour.index)?,
                    label: significant(neighbour.distance),
                });
            }
        }
        progress(first + n as u64, count);
    }
    if !config.labels {
        for tile in &mut tiles {
            tile.label.clear();
        }
    }
    Ok(Sheet::of(&in_rows(tiles, 1 + neighbours)).image)
}
