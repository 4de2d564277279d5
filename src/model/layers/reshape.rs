//! `flatten` and `reshape`: the same numbers in another shape.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::autograd::Value;
use crate::model::build::{Builder, Built, Forward, Layer, text};
use crate::model::dims::Dim;
use crate::model::error::{ModelError, ShapeError};
use crate::model::inputs::Run;

/// All numbers of a sample in one row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Flatten {}

/// Another shape of as many numbers: `[512, 4, 4]`; one size may be `auto`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Reshape(pub Vec<Side>);

/// One size of a new shape.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(
    untagged,
    expecting = "expected a size (a positive number, or symbols such as `height*width`) or `auto`"
)]
pub enum Side {
    /// whatever makes the numbers come out even
    Auto(Auto),
    /// given
    Given(Dim),
}

/// The word `auto`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Auto {
    /// `auto`
    Auto,
}

/// The new shape, without the batch dimension.
struct Computation(Vec<usize>);

impl Layer for Flatten {
    fn build(&self, input: &[usize], _: &mut Builder<'_>) -> Result<Built, ShapeError> {
        let shape = vec![input.iter().product()];
        Ok(Built::new(shape.clone(), Computation(shape)))
    }
}

impl Layer for Reshape {
    fn build(&self, input: &[usize], builder: &mut Builder<'_>) -> Result<Built, ShapeError> {
        let numbers: usize = input.iter().product();
        let mut shape = Vec::with_capacity(self.0.len());
        let mut auto = None;
        for (index, side) in self.0.iter().enumerate() {
            match side {
                Side::Given(dim) => shape.push(builder.size(dim)?),
                Side::Auto(_) if auto.is_none() => {
                    auto = Some(index);
                    shape.push(1);
                }
                Side::Auto(_) => return Err(builder.misfit("has more than one `auto`")),
            }
        }
        let product = shape
            .iter()
            .try_fold(1usize, |product, side| product.checked_mul(*side));
        let product = product.ok_or_else(|| builder.misfit("asks for too large a shape"))?;
        match auto {
            Some(index) if numbers.is_multiple_of(product) => shape[index] = numbers / product,
            None if numbers == product => {}
            _ => {
                return Err(builder.misfit(format_args!(
                    "cannot give its input {}, {numbers} numbers, the shape {}",
                    text(input),
                    self.written(&shape)
                )));
            }
        }
        Ok(Built::new(shape.clone(), Computation(shape)))
    }
}

impl Reshape {
    fn written(&self, shape: &[usize]) -> String {
        let sides = self.0.iter().zip(shape).map(|(side, size)| match side {
            Side::Auto(_) => "auto".to_owned(),
            Side::Given(_) => size.to_string(),
        });
        format!("({})", sides.collect::<Vec<_>>().join(", "))
    }
}

impl Forward for Computation {
    fn forward(&self, x: &Value, _: &Run<'_>) -> Result<Value, ModelError> {
        let mut shape = vec![x.tensor().dim(0)?];
        shape.extend(&self.0);
        Ok(x.reshape(shape)?)
    }
}
