//! Grey to RGB and back.

use super::image::Image;

/// `image` with `channels` colour channels, 1 or 3. Grey is the luma of ITU-R BT.601, rounded, in the
/// fixed-point form that Pillow uses.
#[must_use]
pub fn with_channels(image: Image, channels: usize) -> Image {
    let pixels = match (image.channels, channels) {
        (1, 3) => image.pixels.iter().flat_map(|v| [*v; 3]).collect(),
        (3, 1) => image.pixels.chunks_exact(3).map(luma).collect(),
        _ => return image,
    };
    Image {
        channels,
        pixels,
        ..image
    }
}

fn luma(rgb: &[u8]) -> u8 {
    const WEIGHTS: [u32; 3] = [19_595, 38_470, 7_471];
    let sum: u32 = rgb
        .iter()
        .zip(WEIGHTS)
        .map(|(v, w)| u32::from(*v) * w)
        .sum();
    ((sum + 0x8000) >> 16) as u8
}
