//! Rotation with bilinear interpolation.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::image::{Image, ImageRef};

/// What shows where a moved image does not reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Edge {
    /// The nearest pixel of the image.
    #[default]
    Replicate,
    /// A grey of this value, 0 to 255.
    Fill(u8),
}

/// `image` turned counter-clockwise by `degrees` about its centre, same size.
pub fn rotated(image: &ImageRef<'_>, degrees: f64, edge: Edge) -> Image {
    let mut out = Image::filled(image.height, image.width, image.channels, 0);
    let (sin, cos) = libm::sincos(degrees.to_radians());
    let centre_y = (image.height as f64 - 1.0) / 2.0;
    let centre_x = (image.width as f64 - 1.0) / 2.0;
    let mut pixels = out.pixels.chunks_exact_mut(image.channels);
    for y in 0..image.height {
        let dy = y as f64 - centre_y;
        for x in 0..image.width {
            let dx = x as f64 - centre_x;
            // Rows grow downwards: turning the content counter-clockwise samples at the clockwise place.
            let from_y = centre_y + cos * dy + sin * dx;
            let from_x = centre_x + cos * dx - sin * dy;
            if let Some(pixel) = pixels.next() {
                sample(image, from_y as f32, from_x as f32, edge, pixel);
            }
        }
    }
    out
}

/// The bilinear mean of the four pixels around (y, x), rounded half up.
fn sample(image: &ImageRef<'_>, y: f32, x: f32, edge: Edge, out: &mut [u8]) {
    let (top, left) = (y.floor(), x.floor());
    let (fy, fx) = (y - top, x - left);
    let corners = [
        (0, 0, (1.0 - fy) * (1.0 - fx)),
        (0, 1, (1.0 - fy) * fx),
        (1, 0, fy * (1.0 - fx)),
        (1, 1, fy * fx),
    ];
    let mut sums = [0.0f32; 3];
    for (down, right, weight) in corners {
        let (row, column) = (top as i64 + down, left as i64 + right);
        let (inside_y, inside_x) = (
            row.clamp(0, image.height as i64 - 1),
            column.clamp(0, image.width as i64 - 1),
        );
        let at = (inside_y as usize * image.width + inside_x as usize) * image.channels;
        for (channel, sum) in sums.iter_mut().enumerate().take(image.channels) {
            let value = match edge {
                Edge::Fill(value) if (inside_y, inside_x) != (row, column) => value,
                _ => image.pixels[at + channel],
            };
            *sum += weight * f32::from(value);
        }
    }
    for (byte, sum) in out.iter_mut().zip(sums) {
        *byte = (sum + 0.5) as u8;
    }
}
