//! A look at what a model draws, while it is still learning: images of fixed noise, drawn on the CPU.

use std::path::Path;

use image::RgbImage;

use super::StageError;
use super::generate::{Generator, Noise};
use crate::device::cpu;
use crate::report::grid::contact_sheet;

/// Images of a preview.
const IMAGES: usize = 32;
/// Images in a row, where conditions ask for no other number.
const COLUMNS: usize = 8;
/// Conditions that have a column of their own.
const COLUMNS_OF_CLASSES: std::ops::RangeInclusive<usize> = 3..=16;

/// A grid of images that the model at `path` draws: image k from the stream (`seed`, `z`, k), as `kind: sample`
/// draws it, its condition the class k modulo their number.
///
/// # Errors
/// When the model draws no images from noise.
pub fn preview(path: &Path, seed: u64) -> Result<RgbImage, StageError> {
    let generator = Generator::load(path, &cpu().device, true)?;
    let classes = if generator.conditional() {
        generator.classes()
    } else {
        0
    };
    let columns = if COLUMNS_OF_CLASSES.contains(&classes) {
        classes
    } else {
        COLUMNS
    };
    let images = IMAGES / columns * columns;
    let drawn = generator.draw(Noise::first(seed), 0, images, &|k, row| {
        if let Some(class) = (k as usize).checked_rem(row.len()) {
            row[class] = 1.0;
        }
    })?;
    Ok(contact_sheet(&drawn.tiles()?, columns))
}
