//! Gradients of a network's parameters, in the parameters' order.

use candle_core::{DType, Result, Tensor};
use rayon::prelude::*;

use crate::autograd::{Value, backward};
use crate::model::Parameter;

/// Elements that are summed in one go; fixes the order of summation whatever the thread count.
const ELEMENTS_A_SUM: usize = 1 << 14;

/// One gradient a parameter; `None` where the loss does not depend on it.
#[derive(Debug)]
pub struct Gradients(Vec<Option<Tensor>>);

impl Gradients {
    /// The gradients of `loss` (a scalar) with respect to `parameters`. Consumes the graph behind `loss`.
    pub fn of(loss: Value, parameters: &[Parameter]) -> Result<Self> {
        let variables: Vec<&Value> = parameters
            .iter()
            .map(|parameter| &parameter.value)
            .collect();
        backward(loss, &variables).map(Self)
    }

    /// Gradients given by hand, in the parameters' order.
    pub fn from_tensors(tensors: Vec<Option<Tensor>>) -> Self {
        Self(tensors)
    }

    /// In the parameters' order.
    pub fn iter(&self) -> impl Iterator<Item = Option<&Tensor>> {
        self.0.iter().map(Option::as_ref)
    }

    /// The Euclidean norm over all elements of all gradients, summed in `f64`. NaN or infinite as soon as
    /// one element is.
    pub fn norm(&self) -> Result<f64> {
        let mut sum = 0.0;
        for tensor in self.0.iter().flatten() {
            sum += squares(tensor)?;
        }
        Ok(sum.sqrt())
    }
}

/// Σ x² over a tensor.
fn squares(tensor: &Tensor) -> Result<f64> {
    let elements = tensor.to_dtype(DType::F32)?.flatten_all()?.contiguous()?;
    let (storage, layout) = elements.storage_and_layout();
    let candle_core::Storage::Cpu(storage) = &*storage else {
        return Ok(f64::from(
            elements
                .to_dtype(DType::F64)?
                .sqr()?
                .sum_all()?
                .to_dtype(DType::F32)?
                .to_scalar::<f32>()?,
        ));
    };
    let slice = storage.as_slice::<f32>()?;
    let (start, end) = layout.contiguous_offsets().unwrap_or((0, slice.len()));
    let partial: Vec<f64> = slice[start..end]
        .par_chunks(ELEMENTS_A_SUM)
        .map(|chunk| chunk.iter().map(|&x| f64::from(x) * f64::from(x)).sum())
        .collect();
    Ok(partial.iter().sum())
}
