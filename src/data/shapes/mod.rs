//! `shapes`: scenes of coloured solids drawn by code, after the i-CLEVR set (classes named alike).
//!
//! Image `i` is a function of (seed, i) and the settings alone: it is the same in a set of 100 and of
//! 100,000 images.

mod draw;
mod scene;

use std::path::Path;

pub use draw::draw;
pub use scene::{Colour, Object, Scene, Solid, scene};

use super::error::DataError;
use super::label::{LabelKind, PackSchema};
use super::pack::PackWriter;
use super::work::{Watch, in_order};

/// What to draw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shapes {
    /// number of images
    pub images: usize,
    /// height and width in pixels
    pub size: usize,
    /// fewest and most objects in an image, at least 1
    pub objects: (usize, usize),
}

/// The 24 class names, "gray cube" to "yellow cylinder": solid by solid, colour by colour.
pub fn classes() -> Vec<String> {
    let named = |solid: &Solid| {
        let solid = solid.name();
        Colour::ALL
            .iter()
            .map(move |colour| format!("{} {solid}", colour.name()))
    };
    Solid::ALL.iter().flat_map(named).collect()
}

/// Draws the set into a pack at `out`: RGB, multi-hot labels of [`classes`].
pub fn write(shapes: &Shapes, seed: u64, out: &Path, watch: Watch<'_>) -> Result<(), DataError> {
    let schema = PackSchema {
        channels: 3,
        labels: LabelKind::Multi,
        classes: classes(),
    };
    let mut writer = PackWriter::create(out, schema)?;
    in_order(
        shapes.images,
        watch,
        |index| {
            let scene = scene(seed, index as u64, shapes.objects);
            Ok((draw(&scene, shapes.size), scene.label()))
        },
        |index, (image, label)| writer.push(&image.view(), &label, &format!("{index:06}")),
    )?;
    writer.finish()
}
