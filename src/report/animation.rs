//! Images one after the other in one GIF, with one palette for all of them.

use std::collections::BTreeSet;

use color_quant::NeuQuant;
use gif::{Encoder, Frame, Repeat};
use image::RgbImage;

use super::ReportError;

/// Colours of a GIF.
const COLOURS: usize = 256;
/// The palette is learnt from about so many pixels of all frames together.
const LEARNT: usize = 1 << 19;

/// Frames a second that a GIF is shown at: its unit is 1/100 s, and players slow down what is faster than 50.
pub const RATES: std::ops::RangeInclusive<u32> = 1..=50;

/// `frames` as a GIF that repeats for ever, at `rate` frames a second (within [`RATES`]). Frames are to have one
/// size; of a larger one the upper left part is shown. The bytes depend on the pixels and the rate alone: few colours
/// are kept as they are, of many a network learns 256 (Dekker 1994) in one thread.
pub fn gif(frames: &[RgbImage], rate: u32) -> Result<Vec<u8>, ReportError> {
    let failed = |error: &dyn std::fmt::Display| ReportError::Gif(error.to_string());
    let first = frames.first().ok_or_else(|| failed(&"no frames"))?;
    let size = |pixels: u32| u16::try_from(pixels).map_err(|error| failed(&error));
    let (width, height) = (size(first.width())?, size(first.height())?);
    let palette = Palette::of(frames);
    let delay = 100_u32.div_ceil(rate.clamp(*RATES.start(), *RATES.end()));

    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, width, height, &palette.bytes())
        .map_err(|error| failed(&error))?;
    encoder
        .set_repeat(Repeat::Infinite)
        .map_err(|error| failed(&error))?;
    for frame in frames {
        let mut indices = Vec::with_capacity(usize::from(width) * usize::from(height));
        for (x, y, paper) in first.enumerate_pixels() {
            let pixel = frame.get_pixel_checked(x, y).unwrap_or(paper);
            indices.push(palette.index(pixel.0));
        }
        let frame = Frame {
            delay: delay as u16,
            ..Frame::from_indexed_pixels(width, height, indices, None)
        };
        encoder
            .write_frame(&frame)
            .map_err(|error| failed(&error))?;
    }
    drop(encoder);
    Ok(bytes)
}

/// At most 256 colours.
enum Palette {
    /// all that there are, ascending
    Exact(Vec<[u8; 3]>),
    Learnt(NeuQuant),
}

impl Palette {
    fn of(frames: &[RgbImage]) -> Self {
        let mut colours = BTreeSet::new();
        for pixel in frames.iter().flat_map(RgbImage::pixels) {
            colours.insert(pixel.0);
            if colours.len() > COLOURS {
                return Self::learn(frames);
            }
        }
        Self::Exact(colours.into_iter().collect())
    }

    fn learn(frames: &[RgbImage]) -> Self {
        let total: usize = frames.iter().map(|frame| frame.pixels().len()).sum();
        // A prime, so that it does not fall into step with rows of pixels.
        let stride = match total / LEARNT {
            0 | 1 => 1,
            2..=3 => 3,
            4..=7 => 7,
            8..=31 => 31,
            _ => 127,
        };
        let pixels = frames.iter().flat_map(RgbImage::pixels).step_by(stride);
        let rgba: Vec<u8> = pixels
            .flat_map(|pixel| [pixel[0], pixel[1], pixel[2], u8::MAX])
            .collect();
        Self::Learnt(NeuQuant::new(1, COLOURS, &rgba))
    }

    /// Red, green and blue of each colour.
    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Exact(colours) => colours.concat(),
            Self::Learnt(network) => network.color_map_rgb(),
        }
    }

    fn index(&self, pixel: [u8; 3]) -> u8 {
        match self {
            Self::Exact(colours) => colours.binary_search(&pixel).unwrap_or_default() as u8,
            Self::Learnt(network) => {
                let [red, green, blue] = pixel;
                network.index_of(&[red, green, blue, u8::MAX]) as u8
            }
        }
    }
}
