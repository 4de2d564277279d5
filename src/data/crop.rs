//! Cutting at random places, as torchvision's `RandomCrop` and `RandomResizedCrop` do.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::error::DataError;
use super::image::{Image, ImageRef};
use super::resize::{Resize, resized};
use super::size::Size;
use super::transform::{Pad, padded};
use crate::rng::Stream;

/// Settings of `random-crop`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RandomCrop {
    /// height and width of what is cut out
    pub size: Size,
    /// rows added above and below each, columns added left and right each, before the cut
    #[serde(default = "no_padding")]
    pub padding: Size,
    /// grey of the border, 0 to 255
    #[serde(default)]
    pub fill: u8,
}

fn no_padding() -> Size {
    Size {
        height: 0,
        width: 0,
    }
}

impl RandomCrop {
    /// The size that is cut out of `height` × `width` pixels. Errors when it does not fit.
    pub fn size_after(&self, (height, width): (usize, usize)) -> Result<(usize, usize), DataError> {
        let Self { size, padding, .. } = self;
        let (rows, columns) = (height + 2 * padding.height, width + 2 * padding.width);
        if size.height > rows || size.width > columns {
            let reason = format!(
                "random-crop: {}×{} does not fit into {rows}×{columns} pixels, padding included",
                size.height, size.width
            );
            return Err(DataError::Unfit(reason));
        }
        Ok((size.height, size.width))
    }
}

/// Settings of `random-resized-crop`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RandomResizedCrop {
    /// height and width of the result
    pub size: Size,
    /// the rectangle's share of the area, drawn uniformly from [low, high]
    #[serde(default = "usual_scale")]
    pub scale: [f64; 2],
    /// its width over its height, drawn from [low, high], uniformly in the logarithm
    #[serde(default = "usual_ratio")]
    pub ratio: [f64; 2],
}

fn usual_scale() -> [f64; 2] {
    [0.08, 1.0]
}

fn usual_ratio() -> [f64; 2] {
    [3.0 / 4.0, 4.0 / 3.0]
}

/// Draws the top edge, then the left one.
pub(super) fn random_crop(image: Image, crop: &RandomCrop, stream: &mut Stream) -> Image {
    let RandomCrop {
        size,
        padding,
        fill,
    } = *crop;
    let image = if padding == no_padding() {
        image
    } else {
        let pad = Pad {
            margin: padding,
            fill,
        };
        padded(&image.view(), &pad)
    };
    let mut place = |room: usize, side: usize| stream.below((room - side) as u64 + 1) as usize;
    let top = place(image.height, size.height);
    let left = place(image.width, size.width);
    cut(&image.view(), top, left, size)
}

/// Ten tries for a rectangle that lies inside; else the middle of the image, as near to the ratios as it can be.
pub(super) fn random_resized_crop(
    image: &ImageRef<'_>,
    crop: &RandomResizedCrop,
    stream: &mut Stream,
) -> Image {
    const TRIES: usize = 10;
    let (height, width) = (image.height as f64, image.width as f64);
    let (low, high) = (libm::log(crop.ratio[0]), libm::log(crop.ratio[1]));
    let found = (0..TRIES).find_map(|_| {
        let area = height * width * stream.uniform(crop.scale[0], crop.scale[1]);
        let ratio = libm::exp(stream.uniform(low, high));
        let size = Size {
            height: libm::rint((area / ratio).sqrt()) as usize,
            width: libm::rint((area * ratio).sqrt()) as usize,
        };
        let fits =
            (1..=image.height).contains(&size.height) && (1..=image.width).contains(&size.width);
        fits.then(|| {
            let top = stream.below((image.height - size.height) as u64 + 1) as usize;
            let left = stream.below((image.width - size.width) as u64 + 1) as usize;
            (top, left, size)
        })
    });
    let (top, left, size) = found.unwrap_or_else(|| {
        let ratio = (width / height).clamp(crop.ratio[0], crop.ratio[1]);
        let side = |length: f64, most: usize| (libm::rint(length) as usize).clamp(1, most);
        let size = Size {
            height: side(height.min(width / ratio), image.height),
            width: side(width.min(height * ratio), image.width),
        };
        (
            (image.height - size.height) / 2,
            (image.width - size.width) / 2,
            size,
        )
    });
    let part = cut(image, top, left, size);
    // Sides are at least 1, so that scaling cannot fail.
    resized(&part.view(), &Resize::from(crop.size)).unwrap_or(part)
}

/// `size` pixels of `image` from row `top` and column `left` on; they must lie inside.
pub(super) fn cut(image: &ImageRef<'_>, top: usize, left: usize, size: Size) -> Image {
    let Size { height, width } = size;
    let columns = left * image.channels..(left + width) * image.channels;
    let rows = (top..top + height).flat_map(|y| &image.row(y)[columns.clone()]);
    Image {
        height,
        width,
        channels: image.channels,
        pixels: rows.copied().collect(),
    }
}
