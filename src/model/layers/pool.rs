//! `max-pool`, `avg-pool`, `global-avg-pool`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::linear::yes;
use super::window::{image, slide};
use crate::autograd::Value;
use crate::model::build::{Builder, Built, Forward, Layer};
use crate::model::error::{ModelError, ShapeError};
use crate::model::inputs::Run;
use crate::model::size::{Pair, Sides};
use crate::ops;

/// The largest number of each window.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct MaxPool(Window);

/// The mean of each window.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(from = "WrittenMean")]
pub struct AvgPool {
    #[serde(flatten)]
    window: Window,
    /// whether the padding counts as zeros; else a window at the edge is the mean of fewer numbers
    #[serde(skip_serializing_if = "Clone::clone")]
    count_padding: bool,
}

/// The mean of each channel: (channels, height, width) → (channels).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GlobalAvgPool {}

/// What a pool looks at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(from = "Written")]
struct Window {
    kernel: Pair,
    stride: Pair,
    padding: Sides,
}

/// A window that slides over images.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Written {
    /// size of the window
    kernel: Pair,
    /// distance between two windows; the window's size unless given
    stride: Option<Pair>,
    /// added around the input, where it counts for nothing
    #[serde(default)]
    padding: Sides,
}

/// A window that slides over images.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct WrittenMean {
    /// size of the window
    kernel: Pair,
    /// distance between two windows; the window's size unless given
    stride: Option<Pair>,
    /// added around the input
    #[serde(default)]
    padding: Sides,
    /// whether the padding counts as zeros; else a window at the edge is the mean of fewer numbers
    #[serde(default = "yes")]
    count_padding: bool,
}

impl From<WrittenMean> for AvgPool {
    fn from(written: WrittenMean) -> Self {
        let WrittenMean {
            kernel,
            stride,
            padding,
            count_padding,
        } = written;
        let window = Written {
            kernel,
            stride,
            padding,
        };
        Self {
            window: window.into(),
            count_padding,
        }
    }
}

impl From<Written> for Window {
    fn from(written: Written) -> Self {
        let Written {
            kernel,
            stride,
            padding,
        } = written;
        Self {
            kernel,
            stride: stride.unwrap_or(kernel),
            padding,
        }
    }
}

type Operation =
    fn(&Value, (usize, usize), (usize, usize), ops::Padding) -> candle_core::Result<Value>;

struct Computation {
    window: Window,
    operation: Operation,
}

impl Window {
    fn build(
        &self,
        input: &[usize],
        builder: &Builder<'_>,
        operation: Operation,
    ) -> Result<Built, ShapeError> {
        let input = image(input, builder)?;
        let Self {
            kernel,
            stride,
            padding,
        } = *self;
        // A window that lies in the padding alone has no largest number.
        let too_wide = padding.top.max(padding.bottom) * 2 > kernel.height
            || padding.left.max(padding.right) * 2 > kernel.width;
        if too_wide {
            return Err(builder.misfit("has a padding of more than half its kernel"));
        }
        let (height, width) = slide(input, kernel, stride, padding, builder)?;
        Ok(Built::new(
            vec![input[0], height, width],
            Computation {
                window: self.clone(),
                operation,
            },
        ))
    }
}

impl Forward for Computation {
    fn forward(&self, x: &Value, _: &Run<'_>) -> Result<Value, ModelError> {
        let Window {
            kernel,
            stride,
            padding,
        } = self.window;
        Ok((self.operation)(
            x,
            kernel.tuple(),
            stride.tuple(),
            padding.into(),
        )?)
    }
}

impl Layer for MaxPool {
    fn build(&self, input: &[usize], builder: &mut Builder<'_>) -> Result<Built, ShapeError> {
        self.0.build(input, builder, ops::max_pool2d)
    }
}

impl Layer for AvgPool {
    fn build(&self, input: &[usize], builder: &mut Builder<'_>) -> Result<Built, ShapeError> {
        let operation = if self.count_padding {
            ops::avg_pool2d
        } else {
            ops::avg_pool2d_inside
        };
        self.window.build(input, builder, operation)
    }
}

struct Mean;

impl Layer for GlobalAvgPool {
    fn build(&self, input: &[usize], builder: &mut Builder<'_>) -> Result<Built, ShapeError> {
        let [channels, ..] = image(input, builder)?;
        Ok(Built::new(vec![channels], Mean))
    }
}

impl Forward for Mean {
    fn forward(&self, x: &Value, _: &Run<'_>) -> Result<Value, ModelError> {
        Ok(ops::global_avg_pool2d(x)?)
    }
}
