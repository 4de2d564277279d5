//! From an image to the planes of floats that a network reads.

use super::ExtractError;
use super::protocol::Protocol;
use super::resample::Resampler;
use super::spec::{ExtractorSpec, Range};
use crate::data::image::ImageRef;
use crate::data::planes::to_planes;

/// What is done to every image.
#[derive(Debug, Clone)]
pub enum Preparation {
    /// nothing but x / 127.5 − 1: images have the size and channels that the network was trained on, (C, H, W)
    AsTrained {
        /// what the network takes
        shape: (usize, usize, usize),
    },
    /// resampled to a square, in colour, then (x − mean) / scale by channel
    Resampled {
        /// height and width
        size: usize,
        /// how it is resampled
        protocol: Protocol,
        /// what the network takes
        range: Range,
    },
}

impl Preparation {
    /// What `protocol` does for the extractor `spec`.
    pub fn of(spec: &ExtractorSpec, protocol: Protocol) -> Self {
        Self::Resampled {
            size: spec.size,
            protocol,
            range: spec.range(protocol).clone(),
        }
    }

    /// (C, H, W) of what comes out.
    pub fn shape(&self) -> (usize, usize, usize) {
        match self {
            Self::AsTrained { shape } => *shape,
            Self::Resampled { size, .. } => (3, *size, *size),
        }
    }

    /// Writes `image` as planes (C, H, W). Grey images count as colour with three equal channels where a network
    /// wants colour.
    ///
    /// # Errors
    /// [`ExtractError::Form`] when a network wants images as trained, and this is of another form.
    pub fn write(&self, image: &ImageRef<'_>, out: &mut [f32]) -> Result<(), ExtractError> {
        match self {
            Self::AsTrained { shape } => {
                let form = (image.channels, image.height, image.width);
                if form != *shape {
                    return Err(ExtractError::Form {
                        found: form,
                        wanted: *shape,
                    });
                }
                to_planes(image, out);
            }
            Self::Resampled {
                size,
                protocol,
                range,
            } => resampled(image, *size, *protocol, range, out),
        }
        Ok(())
    }
}

fn resampled(
    image: &ImageRef<'_>,
    size: usize,
    protocol: Protocol,
    range: &Range,
    out: &mut [f32],
) {
    let from = (image.height, image.width);
    let resampler = Resampler::new(protocol.resample(), from, (size, size));
    let area = size * size;
    let mut plane = vec![0.0; image.height * image.width];
    for channel in 0..3 {
        let at = if range.bgr { 2 - channel } else { channel };
        for (to, pixel) in plane
            .iter_mut()
            .zip(image.pixels.chunks_exact(image.channels))
        {
            *to = f32::from(pixel[at.min(image.channels - 1)]);
        }
        let target = &mut out[channel * area..(channel + 1) * area];
        resampler.apply(&plane, target);
        let (mean, scale) = (range.mean[channel], range.scale[channel]);
        for value in target {
            let clipped = match protocol {
                Protocol::CleanFid => value.clamp(0.0, 255.0),
                Protocol::TorchFidelity | Protocol::PytorchFid => *value,
            };
            *value = (clipped - mean) / scale;
        }
    }
}
