//! Random changes of colour, as torchvision's `ColorJitter` defines them for images of floats.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::image::Image;
use crate::rng::Stream;

/// Settings of `colour-jitter`; 0 leaves a property as it is.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ColourJitter {
    /// the factor is drawn uniformly from [max(0, 1 - b), 1 + b]
    pub brightness: f64,
    /// likewise
    pub contrast: f64,
    /// likewise
    pub saturation: f64,
    /// the shift is drawn uniformly from [-h, h], in turns of the colour wheel; at most 0.5
    pub hue: f64,
}

/// One change, drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Change {
    /// times a factor
    Brightness(f32),
    /// away from the mean grey by a factor
    Contrast(f32),
    /// away from each pixel's grey by a factor
    Saturation(f32),
    /// around the colour wheel by a share of a turn
    Hue(f32),
}

/// Draws the order of the four changes, then each one's strength unless its setting is 0.
pub(super) fn jitter(image: &mut Image, settings: &ColourJitter, stream: &mut Stream) {
    let order = stream.permutation(4);
    let mut factor = |amount: f64| {
        (amount > 0.0).then(|| stream.uniform((1.0 - amount).max(0.0), 1.0 + amount) as f32)
    };
    let drawn = [
        factor(settings.brightness).map(Change::Brightness),
        factor(settings.contrast).map(Change::Contrast),
        factor(settings.saturation).map(Change::Saturation),
        (settings.hue > 0.0)
            .then(|| stream.uniform(-settings.hue, settings.hue) as f32)
            .map(Change::Hue),
    ];
    let changes: Vec<Change> = order
        .into_iter()
        .filter_map(|at| drawn[at as usize])
        .collect();
    changed(image, &changes);
}

/// Applies `changes` in order, in floats, clamped after each; bytes are rounded at the end.
pub fn changed(image: &mut Image, changes: &[Change]) {
    if changes.is_empty() {
        return;
    }
    let channels = image.channels;
    let mut values: Vec<f32> = image.pixels.iter().map(|v| f32::from(*v) / 255.0).collect();
    for change in changes {
        match *change {
            Change::Brightness(factor) => blend(&mut values, factor, |_| 0.0, channels),
            Change::Contrast(factor) => {
                let greys = values
                    .chunks_exact(channels)
                    .map(|pixel| f64::from(grey(pixel)));
                let count = (values.len() / channels).max(1) as f64;
                let mean = (greys.sum::<f64>() / count) as f32;
                blend(&mut values, factor, |_| mean, channels);
            }
            // Grey images have neither saturation nor hue.
            Change::Saturation(factor) if channels == 3 => {
                blend(&mut values, factor, grey, channels);
            }
            Change::Hue(shift) if channels == 3 => {
                for pixel in values.as_chunks_mut::<3>().0 {
                    *pixel = turned(*pixel, shift);
                }
            }
            Change::Saturation(_) | Change::Hue(_) => {}
        }
    }
    for (byte, value) in image.pixels.iter_mut().zip(values) {
        *byte = (value * 255.0 + 0.5) as u8;
    }
}

/// `factor` of each pixel and 1 - `factor` of what `other` makes of it.
fn blend(values: &mut [f32], factor: f32, other: impl Fn(&[f32]) -> f32, channels: usize) {
    for pixel in values.chunks_exact_mut(channels) {
        let other = (1.0 - factor) * other(pixel);
        for value in pixel {
            *value = (factor * *value + other).clamp(0.0, 1.0);
        }
    }
}

/// torchvision's grey: ITU-R 601.
fn grey(pixel: &[f32]) -> f32 {
    match pixel {
        [red, green, blue] => 0.2989 * red + 0.587 * green + 0.114 * blue,
        _ => pixel[0],
    }
}

/// A colour with its hue moved on by `shift` turns, through HSV.
fn turned([red, green, blue]: [f32; 3], shift: f32) -> [f32; 3] {
    let most = red.max(green).max(blue);
    let spread = most - red.min(green).min(blue);
    if spread == 0.0 {
        return [red, green, blue];
    }
    let sixths = if red >= most {
        (green - blue) / spread
    } else if green >= most {
        2.0 + (blue - red) / spread
    } else {
        4.0 + (red - green) / spread
    };
    let hue = sixths / 6.0 + shift;
    let sixths = (hue - hue.floor()) * 6.0;
    let saturation = spread / most;
    let part = sixths - sixths.floor();
    let p = most * (1.0 - saturation);
    let q = most * (1.0 - saturation * part);
    let t = most * (1.0 - saturation * (1.0 - part));
    let colour = match sixths as u32 {
        0 | 6 => [most, t, p],
        1 => [q, most, p],
        2 => [p, most, t],
        3 => [p, q, most],
        4 => [t, p, most],
        _ => [most, p, q],
    };
    colour.map(|value| value.clamp(0.0, 1.0))
}
