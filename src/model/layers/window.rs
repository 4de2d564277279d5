//! The arithmetic that convolutions and pools share: how often a kernel fits.

use crate::model::build::{Builder, text};
use crate::model::error::ShapeError;
use crate::model::size::{Extra, Padding, Pair, Sides};

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

/// The height and width of what a transposed convolution gives.
pub(super) fn transposed(
    input: [usize; 3],
    kernel: Pair,
    stride: Pair,
    padding: Sides,
    extra: Extra,
    builder: &Builder<'_>,
) -> Result<(usize, usize), ShapeError> {
    let too_much = |extra: usize, stride: usize| extra > 0 && extra >= stride;
    if too_much(extra.height, stride.height) || too_much(extra.width, stride.width) {
        return Err(builder.misfit(format_args!(
            "has an output padding of ({}, {}), which must be less than its stride ({}, {})",
            extra.height, extra.width, stride.height, stride.width
        )));
    }
    let side = |input: usize, kernel: usize, stride: usize, cut: usize| {
        let full = (input - 1).checked_mul(stride)?.checked_add(kernel)?;
        full.checked_sub(cut).filter(|side| *side > 0)
    };
    let [_, height, width] = input;
    let Sides {
        top,
        bottom,
        left,
        right,
    } = padding;
    let sides = (
        side(
            height,
            kernel.height + extra.height,
            stride.height,
            top + bottom,
        ),
        side(
            width,
            kernel.width + extra.width,
            stride.width,
            left + right,
        ),
    );
    let (Some(height), Some(width)) = sides else {
        return Err(builder.misfit(format_args!(
            "cuts away more by padding than it makes of its input {}",
            text(&input)
        )));
    };
    Ok((height, width))
}

impl Padding {
    /// What a convolution over `input` adds.
    pub(super) fn around(self, input: [usize; 3], kernel: Pair, stride: Pair) -> Sides {
        let [_, height, width] = input;
        match self {
            Self::Sides(sides) => sides,
            Self::Same => {
                let missing = |side: usize, kernel: usize, stride: usize| {
                    let covered = (side.div_ceil(stride).max(1) - 1) * stride + kernel;
                    halves(covered.saturating_sub(side))
                };
                let (top, bottom) = missing(height, kernel.height, stride.height);
                let (left, right) = missing(width, kernel.width, stride.width);
                Sides {
                    top,
                    bottom,
                    left,
                    right,
                }
            }
        }
    }

    /// What a transposed convolution cuts off, and what it adds below and to the right.
    pub(super) fn cut(self, kernel: Pair, stride: Pair, given: Extra) -> (Sides, Extra) {
        match self {
            Self::Sides(sides) => (sides, given),
            Self::Same => {
                let (top, bottom) = halves(kernel.height.saturating_sub(stride.height));
                let (left, right) = halves(kernel.width.saturating_sub(stride.width));
                let sides = Sides {
                    top,
                    bottom,
                    left,
                    right,
                };
                let extra = Extra {
                    height: stride.height.saturating_sub(kernel.height),
                    width: stride.width.saturating_sub(kernel.width),
                };
                (sides, extra)
            }
        }
    }
}

/// A number in two parts, the second the greater.
fn halves(number: usize) -> (usize, usize) {
    (number / 2, number - number / 2)
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
