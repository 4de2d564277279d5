//! Augmentation: random steps over one image, offline or while training.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::colour::{self, ColourJitter};
use super::crop::{self, RandomCrop, RandomResizedCrop};
use super::error::DataError;
use super::image::Image;
use super::rotate::{self, Edge};
use crate::rng::Stream;

/// Random steps applied in order to each image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Recipe(pub Vec<AugmentStep>);

/// One random step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AugmentStep {
    /// Mirror left and right.
    Hflip(Hflip),
    /// Mirror top and bottom.
    Vflip(Vflip),
    /// Rotate about the centre.
    Rotate(Rotate),
    /// Add a border, then cut a size out at a random place.
    RandomCrop(RandomCrop),
    /// Cut out a rectangle of random area and shape, and scale it to a size.
    RandomResizedCrop(RandomResizedCrop),
    /// Change brightness, contrast, saturation and hue, in random order.
    #[serde(alias = "color-jitter")]
    ColourJitter(ColourJitter),
}

/// Settings of `hflip`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Hflip {
    /// probability, in [0, 1]
    pub p: f64,
}

impl Default for Hflip {
    fn default() -> Self {
        Self { p: 0.5 }
    }
}

/// Settings of `vflip`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Vflip {
    /// probability, in [0, 1]
    pub p: f64,
}

impl Default for Vflip {
    fn default() -> Self {
        Self { p: 0.5 }
    }
}

/// Settings of `rotate`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rotate {
    /// The angle is drawn uniformly from [low, high], counter-clockwise.
    pub degrees: [f64; 2],
    /// What shows where the image does not reach.
    #[serde(default)]
    pub edge: Edge,
}

impl Recipe {
    /// Height and width of what the steps make of an image of `height` × `width`. Errors when a crop does not
    /// fit.
    pub fn size_after(
        &self,
        (mut height, mut width): (usize, usize),
    ) -> Result<(usize, usize), DataError> {
        for step in &self.0 {
            (height, width) = match step {
                AugmentStep::RandomCrop(crop) => crop.size_after((height, width))?,
                AugmentStep::RandomResizedCrop(crop) => (crop.size.height, crop.size.width),
                AugmentStep::Hflip(_)
                | AugmentStep::Vflip(_)
                | AugmentStep::Rotate(_)
                | AugmentStep::ColourJitter(_) => (height, width),
            };
        }
        Ok((height, width))
    }

    /// Whether all images come out in one size, whatever theirs.
    pub fn fixes_size(&self) -> bool {
        let fixes = |step: &AugmentStep| {
            matches!(
                step,
                AugmentStep::RandomCrop(_) | AugmentStep::RandomResizedCrop(_)
            )
        };
        self.0.iter().any(fixes)
    }

    /// Applies every step to `image`, drawing from `stream`. Channels stay; the size becomes
    /// [`Recipe::size_after`], which must not be an error.
    #[must_use]
    pub fn apply(&self, mut image: Image, stream: &mut Stream) -> Image {
        for step in &self.0 {
            match step {
                AugmentStep::Hflip(Hflip { p }) => {
                    if stream.unit() < *p {
                        mirror(&mut image);
                    }
                }
                AugmentStep::Vflip(Vflip { p }) => {
                    if stream.unit() < *p {
                        let row = image.width * image.channels;
                        image.pixels = image.pixels.rchunks_exact(row).flatten().copied().collect();
                    }
                }
                AugmentStep::Rotate(Rotate { degrees, edge }) => {
                    let angle = stream.uniform(degrees[0], degrees[1]);
                    image = rotate::rotated(&image.view(), angle, *edge);
                }
                AugmentStep::RandomCrop(crop) => {
                    image = crop::random_crop(image, crop, stream);
                }
                AugmentStep::RandomResizedCrop(crop) => {
                    image = crop::random_resized_crop(&image.view(), crop, stream);
                }
                AugmentStep::ColourJitter(jitter) => {
                    colour::jitter(&mut image, jitter, stream);
                }
            }
        }
        image
    }
}

/// Mirrors left and right in place.
fn mirror(image: &mut Image) {
    for row in image.pixels.chunks_exact_mut(image.width * image.channels) {
        match image.channels {
            1 => row.reverse(),
            _ => row.as_chunks_mut::<3>().0.reverse(),
        }
    }
}
