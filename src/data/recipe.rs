//! Augmentation: random steps over one image, offline or while training.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
    /// Rotate about the centre.
    Rotate(Rotate),
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
    /// Applies every step to `image`, drawing from `stream`. Size and channels stay.
    #[must_use]
    pub fn apply(&self, mut image: Image, stream: &mut Stream) -> Image {
        for step in &self.0 {
            match step {
                AugmentStep::Hflip(Hflip { p }) => {
                    if stream.unit() < *p {
                        mirror(&mut image);
                    }
                }
                AugmentStep::Rotate(Rotate { degrees, edge }) => {
                    let angle = stream.uniform(degrees[0], degrees[1]);
                    image = rotate::rotated(&image.view(), angle, *edge);
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
