//! Values in another shape: views, parts, repetitions, and the sums that undo repetitions.

use candle_core::{D, Result, Shape, Tensor, WithDType, bail};

use super::sum::sum_keepdim;
use crate::autograd::Value;
use crate::kernel::buffer::collect_chunks;
use crate::kernel::elements::elements;

impl Value {
    /// The same elements, in row-major order, in another shape.
    pub fn reshape(&self, shape: impl Into<Shape>) -> Result<Self> {
        let from = self.shape().clone();
        let tensor = self.tensor().reshape(shape.into())?;
        Ok(Self::record(tensor, &[self], move |back| {
            Ok(vec![Some(back.gradient().reshape(from.clone())?)])
        }))
    }

    /// (N, …) to (N, D).
    pub fn flatten_rows(&self) -> Result<Self> {
        let [rows, rest @ ..] = self.dims() else {
            bail!("a scalar has no rows to flatten");
        };
        self.reshape((*rows, rest.iter().product::<usize>()))
    }

    /// Two dimensions exchanged; a view that is not contiguous.
    pub fn transpose(&self, a: usize, b: usize) -> Result<Self> {
        let tensor = self.tensor().transpose(a, b)?;
        Ok(Self::record(tensor, &[self], move |back| {
            Ok(vec![Some(back.gradient().transpose(a, b)?)])
        }))
    }

    /// Elements `start .. start + length` of dimension `dim`.
    pub fn narrow(&self, dim: usize, start: usize, length: usize) -> Result<Self> {
        let tensor = self.tensor().narrow(dim, start, length)?;
        let whole = self.tensor().dim(dim)?;
        Ok(Self::record(tensor, &[self], move |back| {
            let end = start + length;
            Ok(vec![Some(back.gradient().pad(dim, start, whole - end)?)])
        }))
    }

    /// Dimension `dim` with zeros before and after it.
    pub fn pad(&self, dim: usize, before: usize, after: usize) -> Result<Self> {
        let tensor = self.tensor().pad_with_zeros(dim, before, after)?;
        let inside = self.tensor().dim(dim)?;
        Ok(Self::record(tensor, &[self], move |back| {
            Ok(vec![Some(back.gradient().narrow(dim, before, inside)?)])
        }))
    }

    /// Values joined along dimension `dim`; they agree in all others.
    pub fn cat(values: &[&Self], dim: usize) -> Result<Self> {
        let tensors: Vec<&Tensor> = values.iter().map(|value| value.tensor()).collect();
        let tensor = joined::<f32>(&tensors, dim)
            .or_else(|| joined::<f64>(&tensors, dim))
            .unwrap_or_else(|| Tensor::cat(&tensors, dim))?;
        let lengths = tensors
            .iter()
            .map(|tensor| tensor.dim(dim))
            .collect::<Result<Vec<_>>>()?;
        Ok(Self::record(tensor, values, move |back| {
            let mut start = 0;
            let parts = lengths.iter().enumerate().map(|(argument, &length)| {
                let part =
                    back.when_wanted(argument, || back.gradient().narrow(dim, start, length));
                start += length;
                part
            });
            parts.collect()
        }))
    }

    /// Repeated to a larger shape by `NumPy`'s rule: dimensions of 1 repeat, missing ones are added in front.
    pub fn broadcast_as(&self, shape: impl Into<Shape>) -> Result<Self> {
        let from = self.shape().clone();
        let tensor = self.tensor().broadcast_as(shape.into())?;
        Ok(Self::record(tensor, &[self], move |back| {
            Ok(vec![Some(back.gradient().sum_to(from.clone())?)])
        }))
    }

    /// Summed to a smaller shape that broadcasts to this one: what undoes [`Value::broadcast_as`].
    pub fn sum_to(&self, shape: impl Into<Shape>) -> Result<Self> {
        let (from, to) = (self.shape().clone(), shape.into());
        let Some(added) = from.rank().checked_sub(to.rank()) else {
            bail!("sum_to: {to:?} has more dimensions than {from:?}");
        };
        let repeated = |dim: &usize| *dim < added || to.dims()[dim - added] < from.dims()[*dim];
        let dims: Vec<usize> = (0..from.rank()).filter(repeated).collect();
        let tensor = if dims.is_empty() {
            self.tensor().clone()
        } else {
            sum_keepdim(self.tensor(), &dims)?
        };
        Ok(Self::record(tensor.reshape(to)?, &[self], move |back| {
            Ok(vec![Some(back.gradient().broadcast_as(from.clone())?)])
        }))
    }

    /// The sum of all elements, a scalar.
    pub fn sum_all(&self) -> Result<Self> {
        self.sum_to(())
    }

    /// The mean of all elements, a scalar.
    pub fn mean_all(&self) -> Result<Self> {
        self.sum_all()?.affine(1.0 / self.elem_count() as f64, 0.0)
    }

    /// The sums over the last dimension, which stays with length 1.
    pub fn sum_last(&self) -> Result<Self> {
        let mut shape = self.dims().to_vec();
        match shape.last_mut() {
            Some(last) => *last = 1,
            None => bail!("a scalar has no last dimension to sum over"),
        }
        self.sum_to(shape)
    }

    /// The element of the last dimension that `index` (same shape, but 1 there; `u32`) names.
    pub fn gather_last(&self, index: &Tensor) -> Result<Self> {
        let tensor = self.tensor().gather(index, D::Minus1)?;
        let (shape, index) = (self.shape().clone(), index.clone());
        Ok(Self::record(tensor, &[self], move |back| {
            Ok(vec![Some(
                back.gradient().scatter_last(shape.clone(), &index)?,
            )])
        }))
    }

    /// Zeros of `shape`, with these elements where [`Value::gather_last`] took them.
    fn scatter_last(&self, shape: Shape, index: &Tensor) -> Result<Self> {
        let zeros = Tensor::zeros(shape, self.dtype(), self.device())?;
        let elements = self.tensor().contiguous()?;
        let tensor = zeros.scatter_add(index, &elements, D::Minus1)?;
        let index = index.clone();
        Ok(Self::record(tensor, &[self], move |back| {
            Ok(vec![Some(back.gradient().gather_last(&index)?)])
        }))
    }
}

/// Tensors joined along `dim` in parallel; `None` where they are not contiguous on the CPU, of another type than `T`, or do
/// not fit.
fn joined<T: WithDType>(tensors: &[&Tensor], dim: usize) -> Option<Result<Tensor>> {
    let mut shape = tensors.first()?.dims().to_vec();
    let fits = |tensor: &&Tensor| {
        let (ours, theirs) = (&shape, tensor.dims());
        let same = |at: usize| at == dim || ours[at] == theirs[at];
        ours.len() == theirs.len() && (0..ours.len()).all(same)
    };
    if dim >= shape.len() || !tensors.iter().all(fits) {
        return None;
    }
    shape[dim] = tensors.iter().map(|tensor| tensor.dims()[dim]).sum();
    let held: Vec<_> = tensors.iter().map(|t| t.storage_and_layout()).collect();
    let parts = held.iter().zip(tensors).map(|((storage, layout), tensor)| {
        let row: usize = tensor.dims()[dim..].iter().product();
        Some((elements::<T>(storage, layout)?, row))
    });
    let parts = parts.collect::<Option<Vec<_>>>()?;
    let row: usize = shape[dim..].iter().product();
    let values = collect_chunks(shape.iter().product(), row, |at, out| {
        out.join(parts.iter().map(|(part, row)| &part[at * row..][..*row]))
    });
    Some(Tensor::from_vec(values, shape, tensors[0].device()))
}
