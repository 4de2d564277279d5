//! What is made of the grids of several checkpoints: an animation, and a sheet with a row a checkpoint.

use std::collections::BTreeMap;

use image::RgbImage;
use image::imageops::crop_imm;
use serde_json::{Map, json};

use super::{ANIMATION, SHEET, lost};
use crate::hash::Digest;
use crate::report::animation::gif;
use crate::report::grid::{headed, png, stacked};
use crate::stage::generate::failed;
use crate::stage::{Artifact, Format, NewPart, Product, StageCtx, StageError};

/// Rows of a sheet; of more checkpoints so many are picked evenly, the first and the last among them.
const MOST_ROWS: usize = 20;

/// A grid that is stored.
pub struct Drawn {
    /// its object
    pub artifact: Artifact,
    /// of which checkpoint
    pub epoch: Option<u64>,
    /// where its first row ends without words, and with them
    pub first_row: Option<(u32, u32)>,
}

/// Names the animation of `grids` at `rate` frames a second.
pub fn film_unit(grids: &[Drawn], rate: u32) -> Digest {
    Digest::of_value(&json!({
        "unit": "animation of images",
        "version": 2,
        "frames": digests(grids),
        "epochs": epochs(grids),
        "fps": rate,
    }))
}

/// Names the sheet of the first rows of `grids`.
pub fn stack_unit(grids: &[Drawn]) -> Digest {
    Digest::of_value(&json!({
        "unit": "sheet of first rows",
        "version": 1,
        "frames": digests(grids),
        "epochs": epochs(grids),
    }))
}

fn digests(grids: &[Drawn]) -> Vec<Digest> {
    grids.iter().map(|grid| grid.artifact.digest).collect()
}

fn epochs(grids: &[Drawn]) -> Vec<Option<u64>> {
    grids.iter().map(|grid| grid.epoch).collect()
}

/// Makes the animation of `grids`, each below its epoch, unless there is one.
pub fn film(ctx: &StageCtx<'_>, grids: &[Drawn], rate: u32) -> Result<(), StageError> {
    let unit = film_unit(grids, rate);
    if ctx.memo.get(&unit, &[]).is_some() {
        return Ok(());
    }
    let frames = grids.iter().map(|grid| {
        let image = load(ctx, &grid.artifact)?;
        Ok(match grid.epoch {
            Some(epoch) => headed(&image, &format!("epoch {epoch}")),
            None => image,
        })
    });
    let frames = frames.collect::<Result<Vec<RgbImage>, StageError>>()?;
    let bytes = gif(&frames, rate).map_err(failed)?;
    keep(ctx, &unit, ANIMATION, bytes)
}

/// Makes the sheet of the first rows of `grids`, unless there is one: the same samples, epoch by epoch. What they were to
/// show is the same too, and stands below the last row.
pub fn stack(ctx: &StageCtx<'_>, grids: &[Drawn]) -> Result<(), StageError> {
    let unit = stack_unit(grids);
    if ctx.memo.get(&unit, &[]).is_some() {
        return Ok(());
    }
    let last = grids.len().saturating_sub(1);
    let shown = grids.len().min(MOST_ROWS);
    let mut strips = Vec::new();
    for row in 0..shown {
        let at = if shown > 1 {
            row * last / (shown - 1)
        } else {
            last
        };
        let grid = &grids[at];
        let image = load(ctx, &grid.artifact)?;
        let (tiles, words) = grid.first_row.ok_or_else(lost)?;
        let height = if at == last { words } else { tiles };
        let strip = crop_imm(&image, 0, 0, image.width(), height).to_image();
        let name = grid
            .epoch
            .map_or_else(String::new, |epoch| format!("epoch {epoch}"));
        strips.push((name, strip));
    }
    let bytes = png(&stacked(&strips)).map_err(failed)?;
    keep(ctx, &unit, SHEET, bytes)
}

fn load(ctx: &StageCtx<'_>, artifact: &Artifact) -> Result<RgbImage, StageError> {
    let path = ctx.memo.path(artifact)?;
    let bytes = std::fs::read(&path).map_err(|error| StageError::io(&path, error))?;
    Ok(image::load_from_memory(&bytes).map_err(failed)?.to_rgb8())
}

/// Stores an image as a part of its own.
fn keep(ctx: &StageCtx<'_>, unit: &Digest, name: &str, bytes: Vec<u8>) -> Result<(), StageError> {
    let object = (Product::Bytes(bytes), Format::Image);
    let part = NewPart {
        values: Map::new(),
        objects: BTreeMap::from([(name.to_owned(), object)]),
    };
    ctx.memo.put(unit, part).map(|_| ())
}
