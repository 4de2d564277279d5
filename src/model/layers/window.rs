//! The arithmetic that convolutions and pools share: how often a kernel fits.

use crate::model::build::{Builder, text};
use crate::model::error::ShapeError;
use crate::model::size::{Pair, Sides};

/// `input` as (channels, height, width).
pub(super) fn image(input: &[usize], builder: &Builder<'_>) -> Result<[usize; 3], ShapeError> {
    input.try_into().map_err(|_| {
        builder.misfit(format_args!(
            "needs an input of (channels, height, width), but gets {}",
            text(input)
        ))
    })
}

/// The height and width of what a kernel gives that slides over `input`.
pub(super) fn slide(
    input: [usize; 3],
    kernel: Pair,
    stride: Pair,
    padding: Sides,
    builder: &Builder<'_>,
) -> Result<(usize, usize), ShapeError> {
    let [_, height, width] = input;
    let padded = (
        height + padding.top + padding.bottom,
        width + padding.left + padding.right,
    );
    if kernel.height > padded.0 || kernel.width > padded.1 {
        return Err(builder.misfit(format_args!(
            "has a kernel of ({}, {}), larger than its padded input ({}, {}); the input is {}",
            kernel.height,
            kernel.width,
            padded.0,
            padded.1,
            text(&input)
        )));
    }
    Ok((
        (padded.0 - kernel.height) / stride.height + 1,
        (padded.1 - kernel.width) / stride.width + 1,
    ))
}

impl From<Sides> for crate::ops::Padding {
    fn from(sides: Sides) -> Self {
        let Sides {
            top,
            bottom,
            left,
            right,
        } = sides;
        Self {
            top,
            bottom,
            left,
            right,
        }
    }
}
