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
    /// The gradients of `loss` (a scalar) with respect to the parameters of each of `networks`. Consumes the graph
    /// behind `loss`.
    pub fn of(loss: Value, networks: &[&[Parameter]]) -> Result<Vec<Self>> {
        let all = networks.iter().copied().flatten();
        let variables: Vec<&Value> = all.map(|parameter| &parameter.value).collect();
        let mut gradients = backward(loss, &variables)?.into_iter();
        let each = networks
            .iter()
            .map(|parameters| Self(gradients.by_ref().take(parameters.len()).collect()));
        Ok(each.collect())
    }

    /// Gradients given by hand, in the parameters' order.
    pub fn from_tensors(tensors: Vec<Option<Tensor>>) -> Self {
        Self(tensors)
    }

    /// In the parameters' order.
    pub fn iter(&self) -> impl Iterator<Item = Option<&Tensor>> {
        self.0.iter().map(Option::as_ref)
    }

    /// The sum of squares of all elements of all gradients, in `f64`. NaN or infinite as soon as one element is.
    pub fn squares(&self) -> Result<f64> {
        self.0.iter().flatten().map(squares).sum()
    }

    /// All gradients times `factor`.
    pub fn scaled(&self, factor: f64) -> Result<Self> {
        self.map(|tensor| tensor.affine(factor, 0.0))
    }

    /// All elements cut off at ±`limit`.
    pub fn clamped(&self, limit: f64) -> Result<Self> {
        self.map(|tensor| tensor.clamp(-limit, limit))
    }

    fn map(&self, change: impl Fn(&Tensor) -> Result<Tensor>) -> Result<Self> {
        let changed = self
            .0
            .iter()
            .map(|tensor| tensor.as_ref().map(&change).transpose());
        changed.collect::<Result<_>>().map(Self)
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
